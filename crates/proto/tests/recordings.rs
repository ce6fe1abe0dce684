//! Everything that Fabric peers sent is read, and written again as it was.

#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeSet;

use bytes::Bytes;
use common::{all_known, dynamic, json, pool, read, to_json};
use prost::Message;
use prost_reflect::DescriptorPool;
use selvedge_proto::envelope::{ContentKind, EnvelopeView, seal};
use selvedge_proto::gossip::{Envelope, GossipMessage};
use selvedge_proto::{decode, validate};

/// Reads an envelope in every way there is, and checks that all agree and nothing is lost.
fn check(pool: &DescriptorPool, raw: &Bytes) -> (EnvelopeView, GossipMessage) {
    let view = EnvelopeView::parse(raw.clone()).unwrap();
    let envelope: Envelope = decode(raw.clone()).unwrap();
    let message = view.message().unwrap();
    assert_eq!(envelope.encode_to_vec(), *raw, "the envelope, written again");
    assert_eq!(message.encode_to_vec(), view.payload(), "the message, written again");
    assert_eq!(Message::encode_to_vec(&dynamic(pool, "gossip.Envelope", raw)), *raw);
    let dynamic = dynamic(pool, "gossip.GossipMessage", view.payload());
    assert!(all_known(&dynamic), "a field that the definitions lack");
    assert_eq!(Message::encode_to_vec(&dynamic), view.payload());
    assert_eq!(view.kind(), ContentKind::of(&message));
    assert_eq!((view.nonce(), view.tag()), (message.nonce, message.tag));
    assert_eq!(view.channel(), message.channel);
    let secret = view.secret();
    let secret = secret.as_ref().map(|secret| (secret.payload(), secret.signature()));
    assert_eq!(seal(view.payload(), view.signature(), secret), raw, "sealed again");
    (view, message)
}

#[test]
fn every_envelope_is_read_and_written_again() {
    let pool = pool();
    let mut types = BTreeSet::new();
    let index = json("envelopes/index.json");
    for entry in index.as_array().unwrap() {
        let file = entry["file"].as_str().unwrap();
        let raw = read(&format!("envelopes/{file}"));
        let (view, message) = check(&pool, &raw);
        let facts = &entry["envelope"];
        assert_eq!(!view.signature().is_empty(), facts["signed"].as_bool().unwrap(), "{file}");
        let has_secret = facts["has_secret_envelope"].as_bool().unwrap();
        assert_eq!(view.secret().is_some(), has_secret, "{file}");
        let wanted = entry["type"].as_str().unwrap();
        assert_eq!(view.kind().message_name(), wanted.split('.').next().unwrap(), "{file}");
        if let Some(nonce) = entry["nonce"].as_str() {
            let nonce = nonce.parse::<u64>().unwrap();
            assert!(nonce == view.nonce() || Some(nonce) == view.pull().map(|pull| pull.nonce), "{file}");
        }
        assert_eq!(validate::message(&message), Ok(()), "{file}");
        assert_eq!(validate::tag(&view), Ok(()), "{file}");
        if facts["signed"].as_bool().unwrap() {
            assert_eq!(validate::signed(&view), Ok(()), "{file}");
        }
        types.insert(wanted.to_owned());
    }
    assert_eq!(types.len(), 23, "{types:?}");
}

#[test]
fn every_envelope_shows_the_fields_of_its_json() {
    let pool = pool();
    let mut compared = 0;
    for entry in json("envelopes/index.json").as_array().unwrap() {
        let file = entry["file"].as_str().unwrap();
        let text = format!("envelopes/{}", file.replace(".bin", ".json"));
        if !common::fixture(&text).exists() {
            continue;
        }
        let view = EnvelopeView::parse(read(&format!("envelopes/{file}"))).unwrap();
        let expected = json(&text);
        let message = dynamic(&pool, "gossip.GossipMessage", view.payload());
        assert_eq!(to_json(&message), expected["message"], "{file}");
        let nested = (0..).map_while(|index| expected.get(format!("nested_{index}")));
        let mut elements = view.elements();
        for nested in nested {
            let element = EnvelopeView::parse(elements.next().unwrap().unwrap().envelope).unwrap();
            let message = dynamic(&pool, "gossip.GossipMessage", element.payload());
            assert_eq!(to_json(&message), *nested, "{file}");
        }
        assert_eq!(elements.count(), 0, "{file}: an element that the JSON lacks");
        compared += 1;
    }
    assert!(compared > 400, "only {compared} compared");
}

#[test]
fn every_element_is_an_envelope_of_the_right_kind() {
    let pool = pool();
    let mut elements = 0;
    for entry in json("envelopes/index.json").as_array().unwrap() {
        let file = entry["file"].as_str().unwrap();
        let view = EnvelopeView::parse(read(&format!("envelopes/{file}"))).unwrap();
        let pulls_blocks = view.pull().is_some_and(|pull| pull.msg_type == 1);
        for element in view.elements() {
            let (nested, _) = check(&pool, &element.unwrap().envelope);
            let verdict = match view.kind() {
                ContentKind::MemReq | ContentKind::MemRes => validate::nested_alive(&nested).map(drop),
                ContentKind::StateSnapshot => validate::nested_state_info(&nested).map(drop),
                _ if pulls_blocks => validate::nested_block(&nested, view.channel()).map(drop),
                _ => validate::nested_identity(&nested).map(drop),
            };
            assert_eq!(verdict, Ok(()), "{file}");
            assert_eq!(validate::signed(&nested).is_ok(), !pulls_blocks, "{file}");
            elements += 1;
        }
    }
    assert!(elements > 200, "only {elements} elements");
}

#[test]
fn every_message_of_the_streams_is_read_and_written_again() {
    let pool = pool();
    for stream in json("transcripts/index.json").as_array().unwrap() {
        let file = stream["file"].as_str().unwrap();
        let bytes = read(&format!("transcripts/{file}"));
        for message in stream["messages"].as_array().unwrap() {
            let [offset, size] = ["offset", "size"].map(|key| message[key].as_u64().unwrap() as usize);
            assert_eq!(bytes[offset - 4..offset], (size as u32).to_be_bytes(), "{file}");
            let (view, decoded) = check(&pool, &bytes.slice(offset..offset + size));
            assert_eq!(validate::message(&decoded), Ok(()), "{file} at {offset}");
            assert_eq!(validate::tag(&view), Ok(()), "{file} at {offset}");
        }
    }
}

#[test]
fn an_alive_message_without_its_secret_is_what_foreigners_get() {
    let mut stripped = 0;
    for entry in json("envelopes/index.json").as_array().unwrap() {
        let file = entry["file"].as_str().unwrap();
        let raw = read(&format!("envelopes/{file}"));
        let view = EnvelopeView::parse(raw.clone()).unwrap();
        let without = view.without_secret();
        assert_eq!(without, seal(view.payload(), view.signature(), None), "{file}");
        // no copy: the same place in memory
        assert_eq!(without.as_ptr(), raw.as_ptr(), "{file}");
        stripped += usize::from(without.len() < raw.len());
    }
    assert!(stripped > 10);
}

#[test]
fn internal_endpoints_are_read_from_secrets() {
    let endpoints: BTreeSet<_> = json("envelopes/index.json")
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| entry["type"] == "AliveMessage")
        .filter_map(|entry| {
            let view = EnvelopeView::parse(read(&format!("envelopes/{}", entry["file"].as_str()?))).ok()?;
            view.secret().map(|secret| secret.internal_endpoint().to_owned())
        })
        .collect();
    assert!(endpoints.contains("127.0.0.1:21301"), "{endpoints:?}");
    assert!(!endpoints.contains(""), "{endpoints:?}");
}
