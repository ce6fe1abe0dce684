//! Signatures are checked with what is given, and nothing is claimed beyond.

use crate::support::{be32, genesis, peer_msp, read, read_json, selvedge_reading};
use bytes::Bytes;
use selvedge_proto::envelope::{EnvelopeView, seal};
use serde_json::Value;

/// The recorded envelopes of these types, in this order, with what the recording says of each.
fn recorded(types: &[&'static str]) -> Vec<(Value, Vec<u8>)> {
    let index = read_json("envelopes/index.json");
    let entries = index.as_array().unwrap();
    let of_type = |wanted: &'static str| entries.iter().filter(move |entry| entry["type"] == wanted);
    types
        .iter()
        .copied()
        .flat_map(of_type)
        .map(|entry| (entry.clone(), read(&format!("envelopes/{}", entry["file"].as_str().unwrap()))))
        .collect()
}

fn decode(records: &[Vec<u8>], flags: &[&str]) -> Vec<Value> {
    let arguments = [&["decode", "-", "--framing", "be32", "--json"], flags].concat();
    let lines = selvedge_reading(&arguments, &be32(records).0).succeeded().lines();
    assert_eq!(lines.len(), records.len());
    lines
}

/// Handshakes first: they tell the identities of all peers.
const TYPES: [&str; 8] = [
    "ConnEstablish",
    "AliveMessage",
    "StateInfo",
    "LeadershipMessage",
    "MembershipRequest",
    "MembershipResponse",
    "StateInfoSnapshot",
    "DataUpdate.IDENTITY_MSG",
];

#[test]
fn what_fabric_verified_verifies() {
    let recorded = recorded(&TYPES);
    let records: Vec<Vec<u8>> = recorded.iter().map(|(_, bytes)| bytes.clone()).collect();
    let lines = decode(&records, &["--config-block", &genesis()]);
    let (mut outer, mut inner) = (0, 0);
    for (line, (entry, _)) in lines.iter().zip(&recorded) {
        let file = &entry["file"];
        if entry["envelope"]["signed"] == true {
            assert_eq!(line["signature_ok"], entry["envelope"]["signature_ok"], "{file}: {line}");
            outer += 1;
        } else {
            assert_eq!(line["signature_ok"], Value::Null, "{file}");
            assert_eq!(line["reason"], "messages of this kind are not signed", "{file}");
        }
        if line["secret"] != Value::Null {
            assert_eq!(line["secret"]["signature_ok"], entry["envelope"]["secret_signature_ok"], "{file}");
        }
        for (nested, expected) in line["nested"]
            .as_array()
            .into_iter()
            .flatten()
            .zip(entry["nested"].as_array().into_iter().flatten())
        {
            assert_eq!(nested["kind"], expected["type"], "{file}");
            assert_eq!(nested["signature_ok"], expected["signature_ok"], "{file}");
            inner += 1;
        }
    }
    assert!(outer > 150 && inner > 100, "{outer} and {inner} checked");
}

#[test]
fn a_changed_message_is_wrong() {
    let recorded = recorded(&["ConnEstablish", "AliveMessage", "StateInfo", "LeadershipMessage"]);
    let mut records: Vec<Vec<u8>> = recorded.iter().map(|(_, bytes)| bytes.clone()).collect();
    let genuine_count = records.len();
    for (_, bytes) in &recorded {
        let view = EnvelopeView::parse(Bytes::from(bytes.clone())).unwrap();
        let mut signature = view.signature().to_vec();
        // within s
        let last = signature.len() - 1;
        signature[last] ^= 1;
        let secret = view.secret();
        let secret = secret.as_ref().map(|secret| (secret.payload(), secret.signature()));
        records.push(seal(view.payload(), &signature, secret).to_vec());
    }
    let lines = decode(&records, &["--config-block", &genesis()]);
    for line in &lines[genuine_count..] {
        assert_eq!(line["signature_ok"], false, "{line}");
        assert_eq!(line["reason"], "the signature does not match", "{line}");
    }
}

#[test]
fn a_changed_secret_is_wrong() {
    let (_, bytes) = recorded(&["AliveMessage"])
        .into_iter()
        .find(|(entry, _)| entry["envelope"]["carries_identity"] == true)
        .unwrap();
    let view = EnvelopeView::parse(Bytes::from(bytes)).unwrap();
    let secret = view.secret().unwrap();
    let payload = selvedge_proto::envelope::secret_payload("127.0.0.1:6666");
    let forged = seal(view.payload(), view.signature(), Some((&payload, secret.signature())));
    let lines = decode(&[forged.to_vec()], &["--config-block", &genesis()]);
    assert_eq!(lines[0]["secret"]["payload"]["internalEndpoint"], "127.0.0.1:6666");
    assert_eq!(lines[0]["secret"]["signature_ok"], false);
    assert_eq!(lines[0]["signature_ok"], false);
    assert_eq!(lines[0]["reason"], "secret envelope: the signature does not match");
}

#[test]
fn an_identity_of_somebody_else_is_wrong() {
    let conn = recorded(&["ConnEstablish"]);
    let parse = |bytes: &[u8]| EnvelopeView::parse(Bytes::copy_from_slice(bytes)).unwrap().message().unwrap();
    let first = parse(&conn[0].1);
    let pki_id = |message: &selvedge_proto::gossip::GossipMessage| match &message.content {
        Some(selvedge_proto::gossip::gossip_message::Content::Conn(conn)) => conn.pki_id.clone(),
        _ => unreachable!(),
    };
    let mut other =
        conn.iter().map(|(_, bytes)| parse(bytes)).find(|it| pki_id(it) != pki_id(&first)).unwrap();
    if let Some(selvedge_proto::gossip::gossip_message::Content::Conn(conn)) = &mut other.content {
        conn.pki_id = pki_id(&first);
    }
    let forged = seal(&selvedge_proto::envelope::payload_of(&other), b"signature", None);
    let lines = decode(&[forged.to_vec()], &["--config-block", &genesis()]);
    assert_eq!(lines[0]["signature_ok"], false);
    assert!(lines[0]["reason"].as_str().unwrap().contains("is not that of its identity"), "{}", lines[0]);
}

#[test]
fn without_trust_nothing_is_claimed() {
    let recorded = recorded(&["ConnEstablish"]);
    let records: Vec<Vec<u8>> = recorded.into_iter().map(|(_, bytes)| bytes).collect();
    for line in decode(&records, &[]) {
        assert_eq!(line["signature_ok"], Value::Null);
        assert_eq!(line["reason"], "neither --config-block nor --msp is given");
    }
}

#[test]
fn an_msp_folder_vouches_for_its_own_organisation_only() {
    let recorded = recorded(&["ConnEstablish"]);
    let records: Vec<Vec<u8>> = recorded.iter().map(|(_, bytes)| bytes.clone()).collect();
    let msp = format!("Org1MSP={}", peer_msp("peer0", "org1"));
    let mut counts = (0, 0);
    for (line, (entry, _)) in decode(&records, &["--msp", &msp]).iter().zip(&recorded) {
        if entry["envelope"]["signer"].as_str().unwrap().ends_with("org1") {
            assert_eq!(line["signature_ok"], true, "{line}");
            counts.0 += 1;
        } else {
            assert_eq!(line["signature_ok"], Value::Null);
            assert!(line["reason"].as_str().unwrap().starts_with("MSP Org2MSP is not among"), "{line}");
            counts.1 += 1;
        }
    }
    assert!(counts.0 > 0 && counts.1 > 0, "{counts:?}");
}

#[test]
fn an_identity_can_be_given_as_certificate() {
    let (_, state_info) = recorded(&["StateInfo"])
        .into_iter()
        .find(|(entry, _)| entry["envelope"]["signer"] == "peer0.org1")
        .unwrap();
    let lines = decode(std::slice::from_ref(&state_info), &["--config-block", &genesis()]);
    assert_eq!(lines[0]["signature_ok"], Value::Null);
    assert!(lines[0]["reason"].as_str().unwrap().contains("--identity"), "{}", lines[0]);
    let msp = peer_msp("peer0", "org1");
    let certificate = format!("Org1MSP={msp}/signcerts/peer0.org1.example.com-cert.pem");
    let lines = decode(&[state_info], &["--config-block", &genesis(), "--identity", &certificate]);
    assert_eq!(lines[0]["signature_ok"], true, "{}", lines[0]);
}

#[test]
fn a_channels_blocks_in_gossip_are_verified() {
    let mut records: Vec<Vec<u8>> = recorded(&["DataMessage"]).into_iter().map(|(_, bytes)| bytes).collect();
    let tampered = {
        let view = EnvelopeView::parse(Bytes::from(records[0].clone())).unwrap();
        let mut payload = view.payload().to_vec();
        // within the last transaction's bytes or the metadata; either makes the block another one
        let middle = payload.len() / 2;
        payload[middle] ^= 0x20;
        seal(&payload, &[], None).to_vec()
    };
    let genuine_count = records.len();
    records.push(tampered);
    let lines = decode(&records, &["--config-block", &genesis()]);
    for line in &lines[..genuine_count] {
        assert_eq!(line["blocks"][0]["signature_ok"], true, "{line}");
    }
    assert_eq!(lines[genuine_count]["blocks"][0]["signature_ok"], false);
}
