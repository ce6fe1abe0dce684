//! Every block of the recorded channel, ordered by Raft.

use crate::support::{block, fixture_json, genesis};
use selvedge_msp::{BlockError, ChannelBundle, Followed};
use selvedge_proto::block::{BlockError as Malformed, is_config_block};

#[test]
fn all_blocks_from_orderer_and_peer_verify() {
    let mut bundle = genesis();
    let facts = fixture_json("blocks/blocks.json");
    for facts in facts.as_array().unwrap().iter().skip(1) {
        let number = facts["number"].as_u64().unwrap();
        assert!(facts["verifies"].as_bool().unwrap());
        for source in ["orderer", "peer"] {
            let block = block(&format!("blocks/{source}/{number:03}.block"));
            bundle.verify_block(number, &block).unwrap_or_else(|error| panic!("{source} {number}: {error}"));
            bundle.verify_attestation(number, &block).unwrap();
        }
        match bundle.follow(&block(&format!("blocks/orderer/{number:03}.block"))).unwrap() {
            Followed::NotConfig => {}
            Followed::New(new) => bundle = *new,
            Followed::Flagged { code, problem } => panic!("block {number}: {code} {problem}"),
        }
    }
}

#[test]
fn the_genesis_block_has_no_signature_to_verify() {
    let error = genesis().verify_block(0, &block("blocks/orderer/000.block")).unwrap_err();
    assert_eq!(error.reason(), "block_signatures");
    let text = error.to_string();
    assert!(text.contains("/Channel/Orderer/BlockValidation"), "{text}");
    assert!(text.contains("Writers of 1 of [OrdererOrg], and 0 are satisfied"), "{text}");
}

#[test]
fn what_was_changed_is_noticed() {
    let bundle = genesis();
    let good = block("blocks/orderer/050.block");
    assert_eq!(bundle.verify_block(50, &good), Ok(()));

    let refused = |change: &dyn Fn(&mut selvedge_proto::common::Block)| {
        let mut changed = good.clone();
        change(&mut changed);
        bundle.verify_block(50, &changed).unwrap_err()
    };
    let number = bundle.verify_block(51, &good).unwrap_err();
    assert_eq!(number, BlockError::Malformed(Malformed::NumberMismatch { expected: 51, actual: 50 }));
    let renumbered = {
        let mut changed = good.clone();
        changed.header.as_mut().unwrap().number = 51;
        bundle.verify_block(51, &changed).unwrap_err()
    };
    assert_eq!(renumbered.reason(), "block_signatures", "the number is signed");
    assert_eq!(refused(&|block| block.header = None).reason(), "block_malformed");
    assert_eq!(refused(&|block| block.metadata = None).reason(), "block_malformed");
    assert_eq!(
        refused(&|block| block.metadata.as_mut().unwrap().metadata.clear()).reason(),
        "block_malformed"
    );
    assert_eq!(refused(&|block| block.data = None).reason(), "block_malformed");
    let entry = block("blocks/orderer/049.block").data.unwrap().data[0].clone();
    assert_eq!(
        refused(&|block| block.data.as_mut().unwrap().data.push(entry.clone())).reason(),
        "block_data_hash"
    );
    let rehashed = refused(&|block| {
        let data = block.data.as_mut().unwrap();
        data.data = vec![entry.clone()];
        block.header.as_mut().unwrap().data_hash =
            selvedge_proto::block::data_hash(&data.data).to_vec().into();
    });
    assert_eq!(rehashed.reason(), "block_signatures", "the data hash is signed");
    let previous = refused(&|block| block.header.as_mut().unwrap().previous_hash = vec![7; 200].into());
    assert_eq!(previous.reason(), "block_signatures", "the previous hash is signed, and may have any length");
}

#[test]
fn slots_that_nobody_signed_do_not_matter() {
    let mut changed = block("blocks/orderer/050.block");
    let slots = &mut changed.metadata.as_mut().unwrap().metadata;
    for slot in slots.iter_mut().skip(1) {
        *slot = vec![0xff; 10].into();
    }
    assert_eq!(genesis().verify_block(50, &changed), Ok(()));
}

#[test]
fn a_block_of_another_channel_is_refused() {
    let config = genesis().config().clone();
    let other = ChannelBundle::from_config("otherchannel", &config).unwrap();
    let refused = other.verify_block(50, &block("blocks/orderer/050.block"));
    assert_eq!(refused, Err(BlockError::Channel("mychannel".to_owned())));
}

#[test]
fn only_the_genesis_block_is_a_configuration() {
    let config_blocks: Vec<_> = (0..=90)
        .filter(|number| is_config_block(&block(&format!("blocks/orderer/{number:03}.block"))))
        .collect();
    assert_eq!(config_blocks, [0]);
}
