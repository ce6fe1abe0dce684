//! A peer's copy of a block, brought back to the form in which the orderers deliver it.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::PathBuf;

use bytes::Bytes;
use prost::Message;
use selvedge_proto::block::{restore_orderer_form, same_block};
use selvedge_proto::common::Block;
use selvedge_proto::decode;

fn read(channel: &str, form: &str, number: u64) -> Bytes {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(channel).join(form);
    fs::read(folder.join(format!("{number:03}.block"))).unwrap().into()
}

/// Each orderer signs a block itself, so only slot 0 may differ between what one orderer delivered to the recorder and
/// another to the peer. Returns for how many blocks it does not.
fn compare(channel: &str, count: u64) -> usize {
    let mut equal_count = 0;
    for number in 0..count {
        let delivered = read(channel, "orderer", number);
        let mut restored: Block = decode(read(channel, "peer", number)).unwrap();
        restore_orderer_form(&mut restored);
        let expected: Block = decode(delivered.clone()).unwrap();
        assert!(same_block(&restored, &expected), "{channel} {number}");
        if restored.encode_to_vec() == delivered {
            equal_count += 1;
        } else {
            let slot_0 = expected.metadata.unwrap().metadata[0].clone();
            restored.metadata.as_mut().unwrap().metadata[0] = slot_0;
            assert_eq!(restored.encode_to_vec(), delivered, "{channel} {number}");
        }
    }
    equal_count
}

#[test]
fn a_peers_raft_block_becomes_the_orderers() {
    // three orderers, one of which delivered to both
    assert!(compare("blocks", 91) >= 20);
}

#[test]
fn a_peers_bft_block_becomes_the_orderers() {
    compare("bft/blocks", 19);
}

#[test]
fn the_orderers_form_stays_as_it_is() {
    for (channel, count) in [("blocks", 91), ("bft/blocks", 19)] {
        for number in 0..count {
            let delivered = read(channel, "orderer", number);
            let mut block: Block = decode(delivered.clone()).unwrap();
            restore_orderer_form(&mut block);
            assert_eq!(block.encode_to_vec(), delivered, "{channel} {number}");
        }
    }
}
