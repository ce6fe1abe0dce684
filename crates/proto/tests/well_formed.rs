//! No two lists of well-formed transactions have the same data hash (spec/07 §3).

#![allow(clippy::unwrap_used)]

mod common;

use bytes::Bytes;
use common::{hex, read, to_hex};
use proptest::prelude::*;
use prost::Message;
use selvedge_proto::block::{
    BlockError, data_hash, entries, is_config_block, refuse_config_among_others, transactions_are_well_formed,
};
use selvedge_proto::common::{Block, BlockData, Envelope};
use selvedge_proto::decode;

const E1: &str = "0a0b7061796c6f61642d6f6e6512077369672d6f6e65";
const E2: &str = "0a0b7061796c6f61642d74776f12077369672d74776f";

fn verdict(entry: &str) -> bool {
    let verdict = transactions_are_well_formed(&[hex(entry).into()]);
    assert!(matches!(verdict, Ok(()) | Err(BlockError::EntryMalformed { index: 0 })), "{verdict:?}");
    verdict.is_ok()
}

fn accepted(entry: &str) {
    assert!(verdict(entry), "{entry}");
}

fn refused(entry: &str) {
    assert!(!verdict(entry), "{entry}");
}

#[test]
fn data_hashes() {
    let [one, two] = [E1, E2].map(|entry| Bytes::from(hex(entry)));
    let hash = data_hash(std::slice::from_ref(&one));
    assert_eq!(to_hex(&hash), "cbc7b69d47779977a1db1bb78d720b74fbd3d2a9add1e404793a33eea49bd0df");
    let hash = data_hash(&[one.clone(), two.clone()]);
    assert_eq!(to_hex(&hash), "d2a78cd31608f54aa4155bf5a54f525bf70962b1b31d93d71f9f64f2e230771d");
    assert_eq!(transactions_are_well_formed(&[one, two]), Ok(()));
}

#[test]
fn payload_and_signature() {
    accepted("0a0170 120173");
    accepted(E1);
    // a length of two bytes where it takes two
    accepted(&format!("0a8001{} 120173", "70".repeat(128)));
}

#[test]
fn unknown_fields_behind_them() {
    accepted("0a0170 120173 1800");
    accepted("0a0170 120173 1a0178");
    accepted("0a0170 120173 1d00000000 210000000000000000");
    // the greatest field number
    accepted("0a0170 120173 f8ffffff0f00");
    // 1 and 2 with another wire type
    accepted("0a0170 120173 0805 1500000000");
    accepted("0a0170 120173 0b0c 1314");
    // longer varints than needed in values and lengths
    accepted("0a0170 120173 188000 1a810078");
    // groups, empty or not, with all kinds of fields and long varints inside, even in tags
    accepted("0a0170 120173 1b1c");
    accepted("0a0170 120173 1b08808000 0a810078 6b6c 888000051c");
    // also the end of a group may be written long
    accepted("0a0170 120173 1b9c00");
}

#[test]
fn nested_groups_behind_them() {
    let nested =
        |depth: usize| verdict(&format!("0a0170 120173 {}{}", "1b".repeat(depth), "1c".repeat(depth)));
    assert!(nested(10_000));
    assert!(nested(10_001));
    assert!(!nested(10_002));
}

#[test]
fn something_missing_or_empty() {
    refused("");
    refused("0a0170");
    refused("120173");
    refused("0a00 120173");
    refused("0a0170 1200");
    refused("0a0170 1800");
}

#[test]
fn another_order() {
    refused("120173 0a0170");
    refused("1800 0a0170 120173");
    refused("0a0170 1800 120173");
    refused("0a0170 0805 120173");
}

#[test]
fn something_repeated() {
    refused("0a0170 0a0170 120173");
    refused("0a0170 120173 120173");
    refused("0a0170 120173 0a0170");
    refused("0a0170 120173 1200");
    refused("0a0170 120173 0a00");
    refused("0a0170 120173 1800 120173");
    refused(&format!("{E1}{E2}"));
}

#[test]
fn longer_varints_than_needed() {
    refused("0a810070 120173");
    refused("0a0170 12810073");
    refused("8a000170 120173");
    refused("0a0170 92000173");
    // Fabric writes the tag of an unknown field anew
    refused("0a0170 120173 980000");
    refused("0a0170 120173 9b001c");
}

#[test]
fn undecodable_bytes_behind_them() {
    refused("0a0170 120173 00");
    refused("0a0170 120173 18");
    refused("0a0170 120173 1a0578");
    refused("0a0170 120173 1b");
    refused("0a0170 120173 1b14");
    refused("0a0170 120173 1c");
    refused("0a0170 120173 1b00001c");
    refused("0a0170 120173 0705");
    refused("0a0170 120173 8080808010 00");
    refused("0a0570");
}

#[test]
fn an_empty_block() {
    assert_eq!(transactions_are_well_formed(&[]), Err(BlockError::Empty));
}

#[test]
fn the_bad_one_is_named() {
    let entries = [E1, E2, "0a0170"].map(|entry| Bytes::from(hex(entry)));
    assert_eq!(transactions_are_well_formed(&entries), Err(BlockError::EntryMalformed { index: 2 }));
}

/// A genesis block's transaction has no signature.
#[test]
fn a_configuration_alone_is_exempt() {
    let genesis: Block = decode(read("network/mychannel.block")).unwrap();
    let [config] = entries(&genesis) else { panic!("not one transaction") };
    let envelope: Envelope = decode(config.clone()).unwrap();
    assert!(envelope.signature.is_empty());
    assert_eq!(transactions_are_well_formed(entries(&genesis)), Ok(()));
    assert!(is_config_block(&genesis));
    // with trailing fields, too
    let odd = Bytes::from([&config[..], &hex("120173")].concat());
    assert_eq!(transactions_are_well_formed(&[odd]), Ok(()));
    // but not beside another one
    let two = vec![config.clone(), hex(E1).into()];
    assert_eq!(transactions_are_well_formed(&two), Err(BlockError::EntryMalformed { index: 0 }));
    assert_eq!(refuse_config_among_others(&two), Err(BlockError::ConfigAmongOthers { index: 0 }));
    let two = vec![hex(E1).into(), config.clone()];
    assert_eq!(refuse_config_among_others(&two), Err(BlockError::ConfigAmongOthers { index: 1 }));
    assert!(!is_config_block(&Block { data: Some(BlockData { data: two }), ..Block::default() }));
    assert_eq!(refuse_config_among_others(entries(&genesis)), Ok(()));
}

#[test]
fn a_signed_configuration_among_others_is_well_formed_and_refused() {
    let update: Block = decode(read("bft/blocks/orderer/009.block")).unwrap();
    let two = [entries(&update)[0].clone(), hex(E1).into()];
    assert_eq!(transactions_are_well_formed(&two), Ok(()));
    assert_eq!(refuse_config_among_others(&two), Err(BlockError::ConfigAmongOthers { index: 0 }));
}

fn transaction() -> impl Strategy<Value = Vec<u8>> {
    let bytes = || proptest::collection::vec(any::<u8>(), 1..40);
    let unknown =
        prop_oneof![Just(Vec::new()), Just(hex("1800")), Just(hex("1a020a01")), Just(hex("0b0a01700c")),];
    (bytes(), bytes(), unknown).prop_map(|(payload, signature, unknown)| {
        let envelope = Envelope { payload: payload.into(), signature: signature.into() };
        [envelope.encode_to_vec(), unknown].concat()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// Transactions as orderers make them are well formed, and cut at any other places they are not.
    #[test]
    fn there_is_one_way_to_cut(
        transactions in proptest::collection::vec(transaction(), 1..5),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..5),
    ) {
        let list: Vec<Bytes> = transactions.iter().cloned().map(Bytes::from).collect();
        prop_assert_eq!(transactions_are_well_formed(&list), Ok(()));

        let all = Bytes::from(transactions.concat());
        let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(all.len() + 1)).collect();
        places.extend([0, all.len()]);
        places.sort_unstable();
        let other: Vec<Bytes> = places.windows(2).map(|pair| all.slice(pair[0]..pair[1])).collect();
        if other != list {
            prop_assert_eq!(data_hash(&other), data_hash(&list));
            prop_assert!(transactions_are_well_formed(&other).is_err());
        }
    }

    /// What is accepted begins with exactly what its payload and signature are written as.
    #[test]
    fn what_is_accepted_is_written_again_alike(
        transaction in transaction(),
        place in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut changed = transaction;
        let place = place.index(changed.len());
        changed[place] = byte;
        let changed = Bytes::from(changed);
        let well_formed = transactions_are_well_formed(std::slice::from_ref(&changed)).is_ok();
        let envelope = decode::<Envelope>(changed.clone());
        if well_formed {
            let envelope = envelope.unwrap();
            prop_assert!(!envelope.payload.is_empty() && !envelope.signature.is_empty());
            prop_assert!(changed.starts_with(&envelope.encode_to_vec()));
        } else if let Ok(envelope) = envelope {
            // refused although it parses: not what an encoder that keeps nothing unknown would write
            let missing = envelope.payload.is_empty() || envelope.signature.is_empty();
            prop_assert!(missing || changed != envelope.encode_to_vec());
        }
    }
}
