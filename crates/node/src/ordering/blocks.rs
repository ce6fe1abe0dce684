//! How a Raft orderer makes a block (spec/07 §2, §4, §5).

use super::OrderingError;
use super::transactions::Creator;
use bytes::Bytes;
use prost::Message as _;
use selvedge_proto::{block, common};

/// What a Raft orderer leaves in a block's metadata; peers do not look at it.
#[derive(Clone, PartialEq, prost::Message)]
struct RaftBlockMetadata {
    /// Numbers of the ordering nodes.
    #[prost(uint64, repeated, tag = "1")]
    consenter_ids: Vec<u64>,
    /// The number for the next node that joins.
    #[prost(uint64, tag = "2")]
    next_consenter_id: u64,
    /// Index of the block's entry in the Raft log.
    #[prost(uint64, tag = "3")]
    raft_index: u64,
}

/// Where a chain stands.
#[derive(Clone, Debug)]
pub(super) struct Tip {
    /// Number of the next block.
    pub(super) number: u64,
    /// Header hash of the last one.
    pub(super) previous_hash: [u8; 32],
    /// Number of the last configuration block.
    pub(super) last_config: u64,
}

/// The next block, signed. A configuration block names itself as the last one.
pub(super) fn next_block(
    tip: &Tip,
    entries: Vec<Bytes>,
    is_config: bool,
    orderer: &Creator,
) -> Result<common::Block, OrderingError> {
    let header = common::BlockHeader {
        number: tip.number,
        previous_hash: Bytes::copy_from_slice(&tip.previous_hash),
        data_hash: Bytes::copy_from_slice(&block::data_hash(&entries)),
    };
    let value = signed_value(tip, is_config);
    let signature_header = orderer.signature_header()?;
    let signature = orderer.signer.sign(&block::signed_bytes(&value, &signature_header, &header))?;
    let signatures =
        vec![common::MetadataSignature { signature_header, signature, identifier_header: Bytes::new() }];
    let mut metadata = vec![Bytes::new(); 5];
    metadata[0] = common::Metadata { value, signatures }.encode_to_vec().into();
    Ok(common::Block {
        header: Some(header),
        data: Some(common::BlockData { data: entries }),
        metadata: Some(common::BlockMetadata { metadata }),
    })
}

fn signed_value(tip: &Tip, is_config: bool) -> Bytes {
    // a fresh Raft log spends two entries before the first block
    let raft = RaftBlockMetadata {
        consenter_ids: vec![1],
        next_consenter_id: 2,
        raft_index: tip.number.saturating_add(2),
    };
    let consenter_metadata = common::Metadata { value: raft.encode_to_vec().into(), signatures: Vec::new() };
    let index = if is_config { tip.number } else { tip.last_config };
    let value = common::OrdererBlockMetadata {
        last_config: Some(common::LastConfig { index }),
        consenter_metadata: consenter_metadata.encode_to_vec().into(),
    };
    value.encode_to_vec().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_block_has_the_metadata_of_a_recorded_raft_channel() {
        let tip = Tip { number: 1, previous_hash: [0; 32], last_config: 0 };
        let value = signed_value(&tip, false);
        assert_eq!(value[..], [0x0a, 0, 0x12, 9, 0x0a, 7, 0x0a, 1, 1, 0x10, 2, 0x18, 3]);
    }

    #[test]
    fn a_configuration_block_names_itself() {
        let tip = Tip { number: 9, previous_hash: [0; 32], last_config: 4 };
        let index = |is_config| {
            let value = signed_value(&tip, is_config);
            let value = selvedge_proto::decode::<common::OrdererBlockMetadata>(value).unwrap();
            value.last_config.unwrap().index
        };
        assert_eq!((index(false), index(true)), (4, 9));
    }
}
