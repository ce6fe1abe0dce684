//! Damage is told with its place, and everything else is still read.

use crate::support::{be32, read, read_json, selvedge_reading};
use bytes::Bytes;
use prost::Message as _;
use selvedge_proto::gossip::gossip_message::{Content, Tag};
use selvedge_proto::gossip::{Envelope, GossipMessage, MembershipResponse};
use serde_json::Value;

const STREAM: &str = "transcripts/01-peer1.org1-to-peer0.org2.bin";

fn stream() -> (Vec<u8>, Vec<(usize, usize)>) {
    let index = read_json("transcripts/index.json");
    let stream =
        index.as_array().unwrap().iter().find(|stream| STREAM.ends_with(stream["file"].as_str().unwrap()));
    let number = |value: &Value| usize::try_from(value.as_u64().unwrap()).unwrap();
    let places = stream.unwrap()["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| (number(&message["offset"]), number(&message["size"])));
    (read(STREAM), places.collect())
}

fn decode(input: &[u8]) -> crate::support::Run {
    selvedge_reading(&["decode", "-", "--framing", "be32", "--json"], input)
}

#[test]
fn a_damaged_record_does_not_hide_the_others() {
    let (mut bytes, places) = stream();
    let whole = decode(&bytes).succeeded().lines();
    let (offset, _) = places[1];
    // a wire type that does not exist
    bytes[offset] = 0x0f;
    let damaged = decode(&bytes).failed().lines();
    assert_eq!(damaged.len(), whole.len());
    assert_eq!(
        damaged[1],
        serde_json::json!({ "offset": offset, "error": "not an envelope: unknown wire type" })
    );
    assert_eq!((&damaged[0], &damaged[2..]), (&whole[0], &whole[2..]));
}

#[test]
fn a_stream_that_is_cut_off_is_read_up_to_there() {
    let (bytes, places) = stream();
    let whole = decode(&bytes).succeeded().lines();
    let (offset, size) = *places.last().unwrap();
    let cut = decode(&bytes[..offset + size - 1]).failed().lines();
    assert_eq!(cut.len(), whole.len());
    assert_eq!(cut[..whole.len() - 1], whole[..whole.len() - 1]);
    let last = cut.last().unwrap();
    assert_eq!(last["offset"], offset);
    let reason = format!("truncated: {size} bytes are announced, {} are there", size - 1);
    assert_eq!(last["error"], reason);
}

#[test]
fn damage_in_a_nested_message_is_told_with_its_number() {
    let broken = Envelope { payload: Bytes::from_static(b"\xff\xff"), ..Default::default() };
    let whole = Envelope { payload: Bytes::from_static(b"\x18\x01\x6a\x00"), ..Default::default() };
    let response = MembershipResponse { alive: vec![whole, broken], dead: Vec::new() };
    let content = Some(Content::MemRes(response));
    let message = GossipMessage { tag: Tag::Empty as i32, content, ..Default::default() };
    let envelope = selvedge_proto::envelope::seal_unsigned(&message);
    let run = selvedge_reading(&["decode", "-", "--json"], &envelope).failed();
    let line = run.json();
    assert_eq!(line["nested"][0]["kind"], "Empty");
    assert_eq!(line["nested"][1]["error"], "ends in the middle of a field");
    assert_eq!(line["nested_1"], Value::Null);
    let text = selvedge_reading(&["decode", "-"], &envelope).failed();
    assert!(text.out.contains("alive 1: DAMAGED: ends in the middle of a field"), "{text:?}");
}

#[test]
fn what_no_peer_would_accept_is_shown_and_named() {
    let message = GossipMessage {
        tag: Tag::Empty as i32,
        content: Some(Content::AliveMsg(Default::default())),
        ..Default::default()
    };
    let envelope = selvedge_proto::envelope::seal_unsigned(&message);
    let line = selvedge_reading(&["decode", "-", "--json"], &envelope).succeeded().json();
    assert_eq!(line["malformed"], "no membership");
    assert_eq!(line["signature_ok"], false);
}

#[test]
fn nothing_that_comes_in_makes_it_panic() {
    let mut seed = 7_u64;
    let mut byte = || {
        // Knuth's numbers
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 56) as u8
    };
    let mut records: Vec<Vec<u8>> = (0..200).map(|length| (0..length).map(|_| byte()).collect()).collect();
    // and whole messages with one byte changed, which are far more dangerous
    for kind in ["AliveMessage", "ConnEstablish", "DataMessage", "MembershipResponse", "StateInfoSnapshot"] {
        let whole = read(&format!("envelopes/{kind}/001.bin"));
        for _ in 0..100 {
            let mut changed = whole.clone();
            let place = (usize::from(byte()) << 8 | usize::from(byte())) % changed.len();
            changed[place] ^= byte() | 1;
            records.push(changed);
        }
    }
    let (input, offsets) = be32(&records);
    let genesis = crate::support::genesis();
    for flags in [&[][..], &["--as", "envelope"], &["--as", "message"], &["--as", "block"], &["--json"]] {
        let common = ["decode", "-", "--framing", "be32", "--config-block", &genesis];
        let run = selvedge_reading(&[&common, flags].concat(), &input).failed();
        assert!(!run.err.contains("panicked"), "{run:?}");
        if flags == ["--json"] {
            assert_eq!(run.lines().len(), offsets.len());
        }
    }
    for framing in ["none", "varint"] {
        let run = selvedge_reading(&["decode", "-", "--framing", framing], &input).failed();
        assert!(!run.err.contains("panicked"), "{run:?}");
    }
}

#[test]
fn an_input_of_nothing_is_told() {
    let run = selvedge_reading(&["decode", "-"], &[]).failed();
    assert_eq!(run.out, "0: DAMAGED: the input is empty\n");
    // but a stream may be empty
    assert_eq!(selvedge_reading(&["decode", "-", "--framing", "be32"], &[]).succeeded().out, "");
}

#[test]
fn a_stream_read_as_one_message_is_recognised() {
    let (input, _) =
        be32(&[GossipMessage::default().encode_to_vec(), read("envelopes/Acknowledgement/001.bin")]);
    let run = selvedge_reading(&["decode", "-"], &[&input[4..], &[0][..]].concat()).failed();
    assert!(run.out.starts_with("0: DAMAGED"), "{run:?}");
    let run =
        selvedge_reading(&["decode", "-"], &be32(&[read("envelopes/Acknowledgement/001.bin")]).0).failed();
    assert!(run.out.contains("it looks like --framing be32"), "{run:?}");
}

#[test]
fn a_message_that_would_fill_the_memory_is_refused() {
    // empty envelopes: two bytes each, here in the list of the living of a membership response
    let content: Vec<u8> = [0x0a, 0x00].repeat(1_000_000);
    let mut payload = vec![0x18, 0x01, 0x3a];
    prost::encoding::encode_varint(content.len() as u64, &mut payload);
    payload.extend_from_slice(&content);
    let envelope = selvedge_proto::envelope::seal(&payload, &[], None);
    let run = selvedge_reading(&["decode", "-"], &envelope).failed();
    assert!(run.out.contains("DAMAGED: not an envelope: too large"), "{run:?}");
}
