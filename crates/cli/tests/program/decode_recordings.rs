//! What was recorded is shown as it was.

use crate::support::{be32, fixture, fixture_text, read, read_json, selvedge, selvedge_reading};
use serde_json::Value;

#[test]
fn every_envelope_shows_its_kind_and_json() {
    let index = read_json("envelopes/index.json");
    let files: Vec<&str> =
        index.as_array().unwrap().iter().map(|entry| entry["file"].as_str().unwrap()).collect();
    let records: Vec<Vec<u8>> = files.iter().map(|file| read(&format!("envelopes/{file}"))).collect();
    let (input, offsets) = be32(&records);
    let run = selvedge_reading(&["decode", "-", "--framing", "be32", "--json"], &input).succeeded();
    let lines = run.lines();
    assert_eq!(lines.len(), files.len());
    let mut compared = 0;
    for (((line, entry), file), offset) in
        lines.iter().zip(index.as_array().unwrap()).zip(&files).zip(offsets)
    {
        assert_eq!(line["offset"], offset, "{file}");
        assert_eq!(line["kind"], entry["type"], "{file}");
        let signed = entry["envelope"]["signed"].as_bool().unwrap();
        assert_eq!(line["signature"].as_str().unwrap().is_empty(), !signed, "{file}");
        let secret = &entry["envelope"]["secret_internal_endpoint"];
        assert_eq!(line["secret"]["payload"]["internalEndpoint"], *secret, "{file}");
        let text = format!("envelopes/{}", file.replace(".bin", ".json"));
        if !fixture(&text).exists() {
            continue;
        }
        let expected = read_json(&text);
        for (name, value) in expected.as_object().unwrap() {
            assert_eq!(line[name], *value, "{file}: {name}");
        }
        let is_nested = |name: &&String| name.starts_with("nested_");
        let nested_count = expected.as_object().unwrap().keys().filter(is_nested).count();
        assert_eq!(line.as_object().unwrap().keys().filter(is_nested).count(), nested_count, "{file}");
        assert_eq!(line["nested"].as_array().map_or(0, Vec::len), nested_count, "{file}");
        compared += 1;
    }
    assert!(compared > 400, "only {compared} compared");
}

#[test]
fn every_stream_is_read_to_its_end() {
    for stream in read_json("transcripts/index.json").as_array().unwrap() {
        let file = stream["file"].as_str().unwrap();
        let path = fixture_text(&format!("transcripts/{file}"));
        let lines = selvedge(&["decode", &path, "--framing", "be32", "--json"]).succeeded().lines();
        let shown: Vec<(&Value, &Value)> =
            lines.iter().map(|line| (&line["offset"], &line["kind"])).collect();
        let messages = stream["messages"].as_array().unwrap();
        let recorded: Vec<(&Value, &Value)> =
            messages.iter().map(|message| (&message["offset"], &message["type"])).collect();
        assert_eq!(shown, recorded, "{file}");
    }
}

#[test]
fn every_block_shows_what_fabric_says_of_it() {
    let recorded = read_json("blocks/blocks.json");
    let recorded = recorded.as_array().unwrap();
    let records: Vec<Vec<u8>> = recorded
        .iter()
        .map(|block| read(&format!("blocks/{}", block["file_from_peer"].as_str().unwrap())))
        .collect();
    let (input, _) = be32(&records);
    let run = selvedge_reading(
        &["decode", "-", "--framing", "be32", "--json", "--config-block", &crate::support::genesis()],
        &input,
    );
    let lines = run.succeeded().lines();
    assert_eq!(lines.len(), recorded.len());
    for (line, block) in lines.iter().zip(recorded) {
        let number = &block["number"];
        assert_eq!(line["kind"], "Block");
        assert_eq!(line["number"], *number);
        for (ours, theirs) in [
            ("channel", "channel"),
            ("header_hash", "header_hash"),
            ("previous_hash", "header_previous_hash"),
            ("data_hash", "computed_data_hash"),
            ("last_config", "last_config_index"),
        ] {
            assert_eq!(line[ours], block[theirs], "block {number}: {ours}");
        }
        assert_eq!(line["data_hash_ok"], true, "block {number}");
        // a genesis block carries no signature; nobody can say that it is right
        let verifies = block["verifies"].as_bool().unwrap();
        assert_eq!(
            line["signature_ok"],
            if verifies { Value::Bool(true) } else { Value::Null },
            "block {number}"
        );
        let transactions = block["transactions"].as_array().unwrap();
        assert_eq!(line["transactions"].as_array().unwrap().len(), transactions.len(), "block {number}");
        for (ours, theirs) in line["transactions"].as_array().unwrap().iter().zip(transactions) {
            assert_eq!(ours["type"], theirs["type"], "block {number}");
            assert_eq!(ours["tx_id"], theirs["tx_id"], "block {number}");
            assert_eq!(ours["validation"], theirs["validation_code"], "block {number}");
        }
    }
}
