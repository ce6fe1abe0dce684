//! What records are and how they are told apart, said or guessed.

use crate::support::{fixture_text, read, selvedge, selvedge_reading};
use bytes::Bytes;
use selvedge_proto::envelope::EnvelopeView;
use serde_json::Value;

const ALIVE: &str = "envelopes/AliveMessage/001.bin";

#[test]
fn a_message_without_its_envelope_is_guessed() {
    let view = EnvelopeView::parse(Bytes::from(read(ALIVE))).unwrap();
    let whole = selvedge(&["decode", &fixture_text(ALIVE), "--json"]).succeeded().json();
    for flags in [&[][..], &["--as", "message"]] {
        let arguments = [&["decode", "-", "--json"], flags].concat();
        let bare = selvedge_reading(&arguments, view.payload()).succeeded().json();
        assert_eq!(bare["message"], whole["message"]);
        assert_eq!(bare["kind"], "AliveMessage");
        assert_eq!(bare["signature"], Value::Null);
        assert_eq!(bare["signature_ok"], Value::Null);
    }
}

#[test]
fn envelopes_and_blocks_are_guessed() {
    let block = crate::support::block(3);
    let guessed = selvedge(&["decode", &block, "--json"]).succeeded().json();
    assert_eq!(guessed, selvedge(&["decode", &block, "--json", "--as", "block"]).succeeded().json());
    assert_eq!((&guessed["kind"], &guessed["number"]), (&"Block".into(), &3.into()));
    let alive = fixture_text(ALIVE);
    let guessed = selvedge(&["decode", &alive, "--json"]).succeeded().json();
    assert_eq!(guessed, selvedge(&["decode", &alive, "--json", "--as", "envelope"]).succeeded().json());
    assert_eq!(guessed["kind"], "AliveMessage");
}

#[test]
fn a_wrong_choice_is_not_corrected() {
    // to Fabric, too, most messages parse as any other, with nothing in them that is known
    let run = selvedge(&["decode", &crate::support::block(3), "--as", "message"]).succeeded();
    assert!(run.out.starts_with("0: None, "), "{run:?}");
    assert!(run.out.contains("malformed         no content: no peer accepts it"), "{run:?}");
    let run = selvedge(&["decode", &fixture_text(ALIVE), "--as", "block"]).failed();
    assert!(run.out.starts_with("0: DAMAGED: not a block: "), "{run:?}");
}

#[test]
fn lengths_may_be_varints() {
    let records = [read(ALIVE), read("envelopes/Acknowledgement/001.bin")];
    let mut input = Vec::new();
    for record in &records {
        prost::encoding::encode_varint(record.len() as u64, &mut input);
        input.extend_from_slice(record);
    }
    let lines =
        selvedge_reading(&["decode", "-", "--framing", "varint", "--json"], &input).succeeded().lines();
    let shown: Vec<_> =
        lines.iter().map(|line| (line["offset"].as_u64().unwrap(), line["kind"].as_str().unwrap())).collect();
    assert_eq!(shown, [(2, "AliveMessage"), (records[0].len() as u64 + 3, "Acknowledgement")]);
}

#[test]
fn what_cannot_be_used_is_named() {
    let run = selvedge(&["decode", "no-such-file"]).failed();
    assert!(run.err.starts_with("error: no-such-file: "), "{run:?}");
    let run =
        selvedge(&["decode", &fixture_text(ALIVE), "--config-block", &crate::support::block(1)]).failed();
    assert!(run.err.contains("001.block: not a configuration block"), "{run:?}");
    let run = selvedge(&["decode", &fixture_text(ALIVE), "--msp", "Org1MSP=no-such-folder"]).failed();
    assert!(run.err.contains("no-such-folder"), "{run:?}");
    let run = selvedge(&["decode", &fixture_text(ALIVE), "--identity", &fixture_text(ALIVE)]).failed();
    assert!(run.err.contains("say MSPID=FILE"), "{run:?}");
    assert_eq!(selvedge(&["decode", &fixture_text(ALIVE), "--framing", "tea-leaves"]).code, Some(2));
}
