//! The chain a source makes is one a peer accepts.

use crate::ordering::testing::{CHANNEL, Ordered};
use crate::ordering::{Cutter, Load, OrderingError, OrderingSource};
use bytes::Bytes;
use selvedge_proto::{block, common};
use std::time::Duration;

fn block_at(source: &OrderingSource, number: u64) -> common::Block {
    selvedge_proto::decode(source.block(number).unwrap().unwrap()).unwrap()
}

#[test]
fn every_block_verifies_and_links_to_the_one_before() {
    let ordered = Ordered::new();
    for number in 1..=3 {
        assert_eq!(ordered.cut().number, number);
    }
    let mut previous = block::header_hash(ordered.network.genesis.header.as_ref().unwrap());
    for number in 1..=3 {
        let made = block_at(&ordered.source, number);
        ordered.source.bundle().verify_block(number, &made).unwrap();
        let header = block::check_header(&made, number).unwrap();
        assert_eq!(header.previous_hash, previous[..]);
        previous = block::header_hash(header);
        assert_eq!(block::last_config_index(&made), Ok(0));
        let slots = &made.metadata.as_ref().unwrap().metadata;
        assert_eq!(slots.len(), 5);
        assert!(slots[1..].iter().all(Bytes::is_empty));
    }
}

#[test]
fn a_changed_block_does_not_verify() {
    let ordered = Ordered::new();
    ordered.cut();
    let mut made = block_at(&ordered.source, 1);
    made.header.as_mut().unwrap().previous_hash = Bytes::from_static(&[7; 32]);
    assert!(ordered.source.bundle().verify_block(1, &made).is_err());
}

#[test]
fn a_chain_is_taken_up_again() {
    let ordered = Ordered::new();
    ordered.cut();
    let last = ordered.cut();
    let genesis = ordered.network.genesis.clone();
    let ordered = ordered.reopened(&genesis).unwrap();
    assert_eq!(ordered.source.height(), 3);
    ordered.cut();
    let next = block_at(&ordered.source, 3);
    assert_eq!(next.header.as_ref().unwrap().previous_hash, last.header_hash[..]);
    ordered.source.bundle().verify_block(3, &next).unwrap();
}

#[test]
fn a_folder_with_another_chain_is_refused() {
    let ordered = Ordered::new();
    let other = Ordered::new();
    let error = ordered.reopened(&other.network.genesis).err();
    assert!(matches!(error, Some(OrderingError::Foreign(_))), "{error:?}");
}

#[test]
fn an_empty_block_is_not_cut() {
    let ordered = Ordered::new();
    assert!(matches!(ordered.source.cut(Vec::new()), Err(OrderingError::Empty)));
    assert_eq!(ordered.source.height(), 1);
}

#[tokio::test]
async fn a_cutter_makes_blocks_of_about_the_size_asked_for() {
    let ordered = Ordered::new();
    for (transactions_count, block_bytes) in [(1, 16 << 10), (10, 16 << 10), (10, 200 << 10)] {
        let mut cuts = ordered.source.cuts();
        let interval = Duration::from_millis(1);
        let load = Load { interval, transactions_count, block_bytes, client: ordered.client(), seed: 1 };
        let cutter = Cutter::start(ordered.source.clone(), load);
        for _ in 0..2 {
            let cut = cuts.recv().await.unwrap();
            assert_eq!(cut.transactions_count, transactions_count);
            let off = cut.bytes_count.abs_diff(block_bytes);
            assert!(off < block_bytes / 20, "{} instead of {block_bytes} bytes", cut.bytes_count);
            let made = block_at(&ordered.source, cut.number);
            ordered.source.bundle().verify_block(cut.number, &made).unwrap();
            assert_eq!(block::channel_id(&made).unwrap(), CHANNEL);
        }
        cutter.stop().await;
    }
}
