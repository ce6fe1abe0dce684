//! One block, from a file or from a ledger.

use crate::support::{block, fixture_text, genesis, read, selvedge, selvedge_reading};

#[test]
fn a_block_of_a_peer_is_shown_with_its_flags() {
    let file = fixture_text("blocks/peer/084.block");
    let run = selvedge(&["block", "show", &file, "--config-block", &genesis()]).succeeded();
    insta::assert_snapshot!(run.out);
}

#[test]
fn a_genesis_block_is_shown_with_its_configuration() {
    let run = selvedge(&["block", "show", &genesis()]).succeeded();
    insta::assert_snapshot!(run.out);
}

#[test]
fn each_signature_of_a_bft_block_is_told() {
    let file = fixture_text("bft/blocks/orderer/013.block");
    let shown = selvedge(&["block", "show", &file, "--json"]).succeeded().json();
    assert_eq!(shown["signature_ok"], serde_json::Value::Null);
    assert_eq!(shown["signatures"].as_array().unwrap().len(), 3);
    let configuration = fixture_text("bft/mychannel.block");
    let shown =
        selvedge(&["block", "show", &file, "--json", "--config-block", &configuration]).succeeded().json();
    assert_eq!(shown["signature_ok"], true);
    assert_eq!(shown["checked_with_config"], 0);
    for signature in shown["signatures"].as_array().unwrap() {
        assert_eq!(signature["msp_id"], "OrdererMSP");
        assert_eq!(signature["signature_ok"], true);
        let consenter = signature["consenter"].as_u64().unwrap();
        assert_eq!(signature["name"], format!("orderer{}.example.com", consenter - 1));
    }
}

#[test]
fn a_changed_block_is_wrong() {
    let mut bytes = read("blocks/orderer/002.block");
    let place = bytes.len() / 2;
    bytes[place] ^= 1;
    let arguments = ["block", "show", "-", "--json", "--config-block", &genesis()];
    let shown = selvedge_reading(&arguments, &bytes).succeeded().json();
    assert_eq!(shown["signature_ok"], false);
    assert_eq!(shown["data_hash_ok"], false);
    assert_eq!(shown["reason"], "the data hash is not that of the data");
}

#[test]
fn a_block_under_another_number_is_wrong() {
    // the number is in the header's first field, behind two tags and two lengths
    let mut bytes = read("blocks/orderer/002.block");
    assert_eq!(bytes[..4], [0x0a, bytes[1], 0x08, 0x02]);
    bytes[3] = 3;
    let arguments = ["block", "show", "-", "--json", "--config-block", &genesis()];
    let shown = selvedge_reading(&arguments, &bytes).succeeded().json();
    assert_eq!(shown["number"], 3);
    assert_eq!(shown["signature_ok"], false);
    assert_eq!(shown["signatures"][0]["reason"], "the signature does not match");
}

#[test]
fn a_block_of_a_ledger_is_checked_with_the_ledgers_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let files: Vec<String> = (0..=5).map(block).collect();
    let arguments: Vec<&str> =
        ["ledger", "import", "--data", data].into_iter().chain(files.iter().map(String::as_str)).collect();
    selvedge(&arguments).succeeded();
    let stored = selvedge(&["block", "show", "5", "--data", data, "--json"]).succeeded().json();
    let from_file = selvedge(&["block", "show", &block(5), "--json", "--config-block", &genesis()]);
    assert_eq!(stored, from_file.succeeded().json());
    assert_eq!(stored["signature_ok"], true);
    let run = selvedge(&["block", "show", "6", "--data", data]).failed();
    assert_eq!(run.err, "error: there is no block 6: the ledger has blocks 0 to 5\n");
    let run = selvedge(&["block", "show", "five", "--data", data]).failed();
    assert!(run.err.contains("\"five\" is not the number of a block"), "{run:?}");
    let run = selvedge(&["block", "show", "5", "--data", data, "--channel", "other"]).failed();
    assert!(run.err.contains("has no channel other, but: mychannel"), "{run:?}");
}

#[test]
fn what_is_no_block_is_refused() {
    let run = selvedge_reading(&["block", "show", "-"], &read("envelopes/AliveMessage/001.bin")).failed();
    assert!(run.err.starts_with("error: -: "), "{run:?}");
    let cut = &read("blocks/orderer/002.block")[..2000];
    let run = selvedge_reading(&["block", "show", "-"], cut).failed();
    assert_eq!(run.err, "error: -: not a block: ends in the middle of a field\n");
}
