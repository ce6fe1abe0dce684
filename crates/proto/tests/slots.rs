//! Reading the slots beside a block, also those of old or hostile blocks (spec/07 §4).

#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use selvedge_proto::WireError;
use selvedge_proto::block::{self, BlockError};
use selvedge_proto::common::{Block, BlockData, BlockHeader, BlockMetadata};

/// A block with these slots.
fn block(slots: &[&[u8]]) -> Block {
    let metadata = slots.iter().map(|slot| Bytes::copy_from_slice(slot)).collect();
    Block { metadata: Some(BlockMetadata { metadata }), ..Block::default() }
}

#[test]
fn the_last_configuration_stands_in_slot_0() {
    // Metadata { OrdererBlockMetadata { LastConfig { 3 } } }, whatever slot 1 says
    assert_eq!(block::last_config_index(&block(&[&[10, 4, 10, 2, 8, 3], &[10, 2, 8, 9]])), Ok(3));
    // as in a genesis block: the index zero leaves nothing of LastConfig but its presence
    assert_eq!(block::last_config_index(&block(&[&[10, 2, 10, 0], &[], &[], &[], &[]])), Ok(0));
}

#[test]
fn the_last_configuration_of_old_blocks_stands_in_slot_1() {
    assert_eq!(block::last_config_index(&block(&[&[], &[10, 2, 8, 9]])), Ok(9));
    assert_eq!(block::last_config_index(&block(&[&[], &[]])), Ok(0), "an empty slot is no error");
    let missing = Err(BlockError::MetadataMissing { slot: 1 });
    assert_eq!(block::last_config_index(&block(&[&[]])), missing);
}

#[test]
fn metadata_without_last_configuration_are_refused() {
    // where Fabric would crash: OrdererBlockMetadata with consenter metadata only
    let block = block(&[&[10, 3, 18, 1, 7], &[10, 2, 8, 9]]);
    assert_eq!(block::last_config_index(&block), Err(BlockError::LastConfigMissing));
}

#[test]
fn missing_or_undecodable_slots_are_refused() {
    let missing = BlockError::MetadataMissing { slot: 0 };
    assert_eq!(block::signatures(&Block::default()), Err(missing));
    assert_eq!(block::signatures(&block(&[])), Err(missing));
    let undecodable = BlockError::MetadataUndecodable { slot: 0, error: WireError::Truncated };
    assert_eq!(block::signatures(&block(&[&[10, 4]])), Err(undecodable));
    assert_eq!(block::last_config_index(&block(&[&[10, 1, 10]])), Err(undecodable));
    let undecodable = BlockError::MetadataUndecodable { slot: 1, error: WireError::Truncated };
    assert_eq!(block::last_config_index(&block(&[&[], &[10, 1, 8]])), Err(undecodable));
}

#[test]
fn an_absent_filter_is_empty() {
    assert_eq!(block::transactions_filter(&Block::default()), b"");
    assert_eq!(block::transactions_filter(&block(&[&[], &[]])), b"");
    assert_eq!(block::transactions_filter(&block(&[&[], &[], &[0, 254]])), [0, 254]);
}

#[test]
fn headers_are_checked() {
    assert_eq!(block::check_header(&Block::default(), 0), Err(BlockError::HeaderMissing));
    let header = BlockHeader { number: 7, ..BlockHeader::default() };
    let mut block = Block { header: Some(header.clone()), ..Block::default() };
    assert_eq!(block::check_header(&block, 7), Ok(&header));
    let mismatch = Err(BlockError::NumberMismatch { expected: 8, actual: 7 });
    assert_eq!(block::check_header(&block, 8), mismatch);
    assert_eq!(block::check_data(&block), Err(BlockError::Empty));
    assert_eq!(block::channel_id(&block), Err(BlockError::Empty));
    // payload "p", signature "s"
    block.data = Some(BlockData { data: vec![Bytes::from_static(b"\x0a\x01p\x12\x01s")] });
    assert_eq!(block::check_data(&block), Err(BlockError::DataHashMismatch));
    // "p" is no payload
    assert_eq!(block::channel_id(&block), Err(BlockError::EntryUndecodable(WireError::Truncated)));
    block.header = None;
    assert_eq!(block::check_data(&block), Err(BlockError::HeaderMissing));
}

#[test]
fn a_transaction_without_header_names_no_channel() {
    // an envelope with a payload that holds data only
    let entry = Bytes::from_static(b"\x0a\x03\x12\x01d\x12\x01s");
    assert_eq!(block::channel_header(&entry), Err(BlockError::EntryHeaderMissing));
}
