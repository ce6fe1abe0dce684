//! A block as its orderers made it, whatever a peer wrote beside it.

use bytes::Bytes;
use prost::Message;

use super::signatures;
use crate::common::{Block, BlockMetadataIndex, LastConfig, Metadata};

const SLOTS_COUNT: usize = 5;

/// Gives a block that came from a peer the metadata with which orderers deliver it (spec/07 §4).
///
/// Only slot 0 is protected, by the orderers' signatures over its value. Slot 1 repeats what slot 0 says of the last
/// configuration, and is made from it again; slots 2 and 4 (validation codes and commit hash) are a peer's own notes,
/// and are emptied like slot 3, which orderers leave empty. In blocks older than Fabric 1.4.1, whose slot 0 says nothing,
/// slots 1 and 3 are the orderers' and stay.
///
/// Nothing is verified. Slot 0 itself stays as it is, and a block whose slot 0 is missing or cannot be read keeps slots 1
/// and 3, too: such a block has no valid signature.
pub fn restore_orderer_form(block: &mut Block) {
    let last_config = signatures(block).ok().map(|signatures| {
        let metadata = signatures.orderer_metadata().ok();
        (signatures.value.is_empty(), metadata.and_then(|metadata| metadata.last_config))
    });
    let Some(metadata) = &mut block.metadata else { return };
    let slots = &mut metadata.metadata;
    slots.resize(SLOTS_COUNT, Bytes::new());
    let mut set = |index: BlockMetadataIndex, bytes: Bytes| {
        if let Some(slot) = slots.get_mut(index as usize) {
            *slot = bytes;
        }
    };
    set(BlockMetadataIndex::TransactionsFilter, Bytes::new());
    set(BlockMetadataIndex::CommitHash, Bytes::new());
    if let Some((false, Some(last_config))) = last_config {
        set(BlockMetadataIndex::LastConfig, last_config_slot(last_config));
        set(BlockMetadataIndex::Orderer, Bytes::new());
    }
}

fn last_config_slot(last_config: LastConfig) -> Bytes {
    let value = Bytes::from(last_config.encode_to_vec());
    Metadata { value, signatures: Vec::new() }.encode_to_vec().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::{BlockMetadata, OrdererBlockMetadata};

    fn block(slots: &[Bytes]) -> Block {
        Block { metadata: Some(BlockMetadata { metadata: slots.to_vec() }), ..Block::default() }
    }

    fn slot_0(last_config: Option<u64>) -> Bytes {
        let last_config = last_config.map(|index| LastConfig { index });
        let value = OrdererBlockMetadata { last_config, consenter_metadata: Bytes::new() }.encode_to_vec();
        Metadata { value: value.into(), signatures: Vec::new() }.encode_to_vec().into()
    }

    fn restored(slots: &[Bytes]) -> Vec<Bytes> {
        let mut block = block(slots);
        restore_orderer_form(&mut block);
        block.metadata.unwrap_or_default().metadata
    }

    #[test]
    fn slot_1_is_made_from_slot_0() {
        let junk = Bytes::from_static(b"junk");
        let given = [slot_0(Some(9)), junk.clone(), junk.clone(), junk.clone(), junk.clone(), junk];
        let expected =
            [slot_0(Some(9)), Bytes::from_static(&[0x0a, 2, 8, 9]), Bytes::new(), Bytes::new(), Bytes::new()];
        assert_eq!(restored(&given), expected);
    }

    #[test]
    fn old_blocks_keep_what_their_orderers_wrote() {
        let old = Bytes::from_static(&[0x0a, 2, 8, 9]);
        let given = [Bytes::new(), old.clone(), Bytes::from_static(&[0]), old.clone()];
        assert_eq!(restored(&given), [Bytes::new(), old.clone(), Bytes::new(), old, Bytes::new()]);
    }

    #[test]
    fn a_block_without_metadata_stays_so() {
        let mut block = Block::default();
        restore_orderer_form(&mut block);
        assert_eq!(block, Block::default());
    }
}
