//! The blocks of the channel ordered by four SmartBFT orderers: three of four must sign.

use crate::support::{block, fixture_json};
use bytes::Bytes;
use prost::Message;
use selvedge_msp::{BlockError, ChannelBundle, ConfigError, Followed};
use selvedge_proto::block::{config_envelope, signatures};
use selvedge_proto::common::{Block, Metadata, MetadataSignature};

fn bft_block(number: u64) -> Block {
    block(&format!("bft/blocks/orderer/{number:03}.block"))
}

fn genesis() -> ChannelBundle {
    ChannelBundle::from_config_block(&block("bft/mychannel.block")).unwrap()
}

fn with_signatures(block: &Block, entries: Vec<MetadataSignature>) -> Block {
    let mut block = block.clone();
    let value = signatures(&block).unwrap().value;
    let slot = Metadata { value, signatures: entries }.encode_to_vec();
    block.metadata.as_mut().unwrap().metadata[0] = Bytes::from(slot);
    block
}

#[test]
fn all_blocks_of_all_sources_verify_and_the_configuration_is_followed() {
    let mut bundle = genesis();
    assert_eq!(bundle.consensus_type(), "BFT");
    assert_eq!(bundle.consenters().iter().map(|consenter| consenter.id).collect::<Vec<_>>(), [1, 2, 3, 4]);
    let mut verified_count = 0;
    let mut updates = Vec::new();
    for number in 1..=18 {
        for source in ["orderer", "orderer3", "peer"] {
            let path = format!("bft/blocks/{source}/{number:03}.block");
            if !crate::support::fixture_path(&path).exists() {
                continue;
            }
            let block = block(&path);
            bundle.verify_block(number, &block).unwrap_or_else(|error| panic!("{path}: {error}"));
            verified_count += 1;
        }
        if let Followed::New(new) = bundle.follow(&bft_block(number)).unwrap() {
            updates.push(number);
            bundle = *new;
        }
    }
    assert_eq!(verified_count, 18 + 3 + 18);
    assert_eq!(updates, [9]);
}

#[test]
fn a_quorum_is_needed_and_a_signer_counts_once() {
    let bundle = genesis();
    for number in 1..=8 {
        let block = bft_block(number);
        let entries = signatures(&block).unwrap().entries;
        assert_eq!(entries.len(), 3, "exactly the quorum was stored");
        let refused = |entries: Vec<MetadataSignature>| {
            bundle.verify_block(number, &with_signatures(&block, entries)).unwrap_err()
        };
        // one short
        for missing in 0..3 {
            let mut short = entries.clone();
            short.remove(missing);
            assert_eq!(refused(short.clone()).reason(), "block_signatures");
            // one signer twice
            short.push(short[0].clone());
            let error = refused(short).to_string();
            assert!(error.contains("signature 2 does not count: the signer has signed already"), "{error}");
        }
        // one signature wrong
        let mut wrong = entries.clone();
        wrong[1].signature = wrong[0].signature.clone();
        let error = refused(wrong).to_string();
        assert!(error.contains("signature 1 does not count: the signature does not match"), "{error}");
        assert_eq!(refused(Vec::new()).reason(), "block_signatures");
        // order does not matter, nor does a wrong signature beside a quorum
        let mut more = entries.clone();
        more.reverse();
        more.insert(0, MetadataSignature { signature: entries[1].signature.clone(), ..entries[0].clone() });
        assert_eq!(bundle.verify_block(number, &with_signatures(&block, more)), Ok(()));
    }
}

/// A signature with an unknown number is skipped; one whose header does not parse spoils the block (spec/07 §5).
#[test]
fn headers_of_signatures() {
    let bundle = genesis();
    let block = bft_block(3);
    let entries = signatures(&block).unwrap().entries;
    let with_extra = |extra: MetadataSignature| {
        let mut entries = entries.clone();
        entries.push(extra);
        bundle.verify_block(3, &with_signatures(&block, entries))
    };
    let numbered = |identifier_header: &'static [u8]| MetadataSignature {
        identifier_header: Bytes::from_static(identifier_header),
        ..MetadataSignature::default()
    };
    assert_eq!(with_extra(numbered(&[0x08, 99])), Ok(()), "an unknown consenter");
    assert_eq!(with_extra(numbered(&[0x08])), Err(BlockError::SignatureHeader { index: 3 }));
    assert_eq!(with_extra(MetadataSignature::default()), Ok(()), "no header at all is a signer nobody knows");
    let classic = MetadataSignature { signature_header: Bytes::from_static(&[0xff]), ..Default::default() };
    assert_eq!(with_extra(classic), Err(BlockError::SignatureHeader { index: 3 }));
}

#[test]
fn the_numbers_in_the_signatures_are_those_recorded() {
    use selvedge_proto::common::IdentifierHeader;
    for facts in fixture_json("bft/blocks/blocks.json").as_array().unwrap().iter().skip(1) {
        let block = bft_block(facts["number"].as_u64().unwrap());
        let entries = signatures(&block).unwrap().entries;
        let numbers: Vec<_> = entries
            .into_iter()
            .map(|entry| {
                u64::from(
                    selvedge_proto::decode::<IdentifierHeader>(entry.identifier_header).unwrap().identifier,
                )
            })
            .collect();
        let recorded =
            facts["signatures"].as_array().unwrap().iter().map(|entry| entry["identifier"].as_u64().unwrap());
        assert_eq!(numbers, recorded.collect::<Vec<_>>());
    }
}

/// Without the capability V3_0 the numbers of the consenters mean nothing (spec/07 §5, item 2).
#[test]
fn numbered_signatures_need_the_capability() {
    let mut config = genesis().config().clone();
    let root = config.channel_group.as_mut().unwrap();
    let mut names = selvedge_proto::common::Capabilities::default();
    names.capabilities.insert("V2_0".to_owned(), Default::default());
    root.values.get_mut("Capabilities").unwrap().value = names.encode_to_vec().into();
    let bundle = ChannelBundle::from_config("mychannel", &config).unwrap();
    assert_eq!(bundle.verify_block(1, &bft_block(1)).unwrap_err().reason(), "block_signatures");
}

#[test]
fn an_update_is_refused_when_it_is_not_the_next_one() {
    let bundle = genesis();
    let update = config_envelope(&bft_block(9)).unwrap();
    let next = bundle.validate_update(&update).unwrap();
    assert_eq!(next.sequence(), 1);
    let again = next.validate_update(&update).unwrap_err();
    assert!(matches!(
        again,
        ConfigError::Update(selvedge_msp::UpdateError::Sequence { current: 1, found: 1 })
    ));
}
