//! The weak points of spec/07 §6.4, §8 and §9.4 that concern this crate. The limits on nesting stand in `policies.rs`.

use crate::support::{block, genesis, local_msp};
use bytes::Bytes;
use prost::Message;
use selvedge_msp::{BlockError, ChannelBundle, PolicyError};
use selvedge_proto::block::{BlockError as Malformed, data_hash, signatures, signed_bytes};
use selvedge_proto::common::{
    Block, BlockData, Metadata, MetadataSignature, OrdererBlockMetadata, SignatureHeader,
};

/// A block on top of the recorded chain with these transactions, signed by a member.
fn ordered(entries: Vec<Bytes>, signer: &str) -> Block {
    let mut block = block("blocks/orderer/090.block");
    let header = block.header.as_mut().unwrap();
    header.data_hash = data_hash(&entries).to_vec().into();
    block.data = Some(BlockData { data: entries });
    sign(&mut block, signer);
    block
}

fn sign(block: &mut Block, signer: &str) {
    let value =
        OrdererBlockMetadata { last_config: Some(Default::default()), ..Default::default() }.encode_to_vec();
    let signer = local_msp(signer);
    let header =
        SignatureHeader { creator: signer.identity().clone(), nonce: vec![3; 24].into() }.encode_to_vec();
    let signed = signed_bytes(&value, &header, block.header.as_ref().unwrap());
    let signature = signer.signer().sign(&signed).unwrap();
    let entry = MetadataSignature { signature_header: header.into(), signature, ..Default::default() };
    let slot = Metadata { value: value.into(), signatures: vec![entry] }.encode_to_vec();
    block.metadata.as_mut().unwrap().metadata[0] = slot.into();
}

fn transaction(number: u64) -> Bytes {
    block(&format!("blocks/orderer/{number:03}.block")).data.unwrap().data[0].clone()
}

/// "ANY Writers" over organisations whose writers are all members lets any of their certificates sign blocks. That cannot
/// be refused, and the operator is told.
#[test]
fn any_member_of_an_orderer_organization_can_sign_blocks() {
    let bundle = genesis();
    let entries = vec![transaction(5), transaction(6)];
    assert_eq!(bundle.verify_block(90, &ordered(entries.clone(), "orderer0")), Ok(()));
    let by_peer = bundle.verify_block(90, &ordered(entries, "peer0.org1")).unwrap_err();
    assert_eq!(by_peer.reason(), "block_signatures");
    assert!(bundle.warnings()[0].contains("/Channel/Orderer/BlockValidation"));
}

#[test]
fn the_list_of_signatures_is_capped() {
    let bundle = genesis();
    let good = block("blocks/orderer/090.block");
    let entry = signatures(&good).unwrap().entries[0].clone();
    let with_count = |count: usize| {
        let mut block = good.clone();
        let value = signatures(&block).unwrap().value;
        let slot = Metadata { value, signatures: vec![entry.clone(); count] }.encode_to_vec();
        block.metadata.as_mut().unwrap().metadata[0] = slot.into();
        bundle.verify_block(90, &block)
    };
    assert_eq!(with_count(16), Ok(()));
    assert_eq!(with_count(17), Err(BlockError::TooManySignatures { count: 17, max: 16 }));
    assert_eq!(with_count(100_000), Err(BlockError::TooManySignatures { count: 100_000, max: 16 }));
}

/// A configuration among other transactions would be applied by the transaction validator but not seen by the deliver
/// client: refused, although the orderers signed it.
#[test]
fn a_configuration_among_other_transactions_is_refused() {
    let bundle = genesis();
    let config = transaction(0);
    for entries in [vec![transaction(5), config.clone()], vec![config.clone(), transaction(5)]] {
        let refused = bundle.verify_block(90, &ordered(entries, "orderer0")).unwrap_err();
        assert_eq!(refused.reason(), "block_config_among_others");
    }
    assert_eq!(bundle.verify_block(90, &ordered(vec![config], "orderer0")), Ok(()), "alone it may stand");
}

/// Data that could be cut into transactions in another way have the same hash: they must be well formed.
#[test]
fn transactions_must_be_well_formed() {
    let bundle = genesis();
    let (first, second) = (transaction(5), transaction(6));
    let joined = Bytes::from([&first[..], &second[..]].concat());
    assert_eq!(data_hash(&[first, second]), data_hash(std::slice::from_ref(&joined)));
    let refused = bundle.verify_block(90, &ordered(vec![joined], "orderer0")).unwrap_err();
    assert!(matches!(refused, BlockError::Malformed(Malformed::EntryMalformed { index: 0 })), "{refused}");
}

/// An attestation is header and metadata; it says nothing about data that may be there.
#[test]
fn an_attestation_is_not_a_block() {
    let bundle = genesis();
    let mut stripped = block("blocks/orderer/050.block");
    stripped.data = None;
    assert_eq!(bundle.verify_attestation(50, &stripped), Ok(()));
    assert!(bundle.verify_block(50, &stripped).is_err());
    stripped.header = None;
    let refused = bundle.verify_attestation(50, &stripped).unwrap_err();
    assert_eq!(refused, BlockError::Malformed(Malformed::HeaderMissing), "this crashes a Go peer");
}

/// Looking up the path of a group itself crashes a Go peer.
#[test]
fn the_path_of_a_group_is_no_policy() {
    let path = "/Channel".to_owned();
    assert_eq!(genesis().evaluate(&path, &[]), Err(PolicyError::Unknown { path }));
}

/// Under BFT the consenters' identities are read once, not for each block.
#[test]
fn consenters_are_read_once() {
    let bundle = ChannelBundle::from_config_block(&block("bft/mychannel.block")).unwrap();
    let consenter = &bundle.consenters()[0];
    let serialized = crate::support::serialized(&consenter.msp_id, &consenter.identity);
    let before = bundle.deserialize(&serialized).unwrap();
    for number in 1..=8 {
        bundle.verify_block(number, &block(&format!("bft/blocks/orderer/{number:03}.block"))).unwrap();
    }
    assert!(std::sync::Arc::ptr_eq(&before, &bundle.deserialize(&serialized).unwrap()));
}
