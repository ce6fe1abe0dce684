//! What is not the channel's chain does not get into a ledger.

use crate::support::{block, read, selvedge};
use std::path::Path;

/// A ledger with blocks 0 to 3.
fn ledger() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let files: Vec<String> = (0..=3).map(block).collect();
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    import(folder.path(), &files).succeeded();
    folder
}

fn import(data: &Path, files: &[&str]) -> crate::support::Run {
    selvedge(&[&["ledger", "import", "--data", data.to_str().unwrap()], files].concat())
}

fn height(data: &Path) -> String {
    let run = selvedge(&["ledger", "verify", "--data", data.to_str().unwrap()]).succeeded();
    run.out.split_whitespace().nth(1).unwrap().to_owned()
}

/// Block 4 with a byte changed at a place.
fn changed(folder: &Path, place: impl FnOnce(&[u8]) -> usize) -> String {
    let mut bytes = read("blocks/orderer/004.block");
    let place = place(&bytes);
    bytes[place] ^= 1;
    let file = folder.join("changed.block");
    std::fs::write(&file, bytes).unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
fn a_gap_is_refused_with_its_number() {
    let data = ledger();
    let run = import(data.path(), &[&block(5)]).failed();
    assert!(run.err.contains("block 5 (") && run.err.contains("block 4 is missing before it"), "{run:?}");
    assert_eq!(height(data.path()), "4");
}

#[test]
fn what_comes_before_the_gap_is_kept() {
    let data = ledger();
    import(data.path(), &[&block(4), &block(6)]).failed();
    assert_eq!(height(data.path()), "5");
}

#[test]
fn changed_data_are_refused() {
    let data = ledger();
    let file = changed(data.path(), |bytes| bytes.len() / 2);
    let run = import(data.path(), &[&file]).failed();
    assert!(run.err.contains("block 4 (") && run.err.contains("data hash"), "{run:?}");
    assert_eq!(height(data.path()), "4");
}

#[test]
fn a_changed_header_is_refused() {
    let data = ledger();
    // the previous hash, which the orderers signed
    let file = changed(data.path(), |_| 10);
    let run = import(data.path(), &[&file]).failed();
    assert!(run.err.contains("block 4 ("), "{run:?}");
    assert_eq!(height(data.path()), "4");
}

#[test]
fn a_changed_signature_is_refused() {
    let data = ledger();
    let signature_end = |bytes: &[u8]| {
        // the orderer's certificate stands before its signature; slots 1 to 4 follow
        let pem_end = b"-----END CERTIFICATE-----";
        let certificate = bytes.windows(pem_end.len()).rposition(|window| window == pem_end).unwrap();
        // newline, nonce (2 + 24), tag and length of the signature, then DER: into its r
        certificate + pem_end.len() + 1 + 26 + 2 + 10
    };
    let file = changed(data.path(), signature_end);
    let run = import(data.path(), &[&file]).failed();
    assert!(run.err.contains("block 4 (") && run.err.contains("BlockValidation"), "{run:?}");
    assert_eq!(height(data.path()), "4");
}

#[test]
fn a_block_of_another_chain_is_refused() {
    let data = ledger();
    let other = crate::support::fixture_text("bft/blocks/orderer/004.block");
    let run = import(data.path(), &[&other]).failed();
    assert!(run.err.contains("block 4 ("), "{run:?}");
    assert_eq!(height(data.path()), "4");
}

#[test]
fn a_channel_begins_with_block_0() {
    let folder = tempfile::tempdir().unwrap();
    let run = import(folder.path(), &[&block(1), &block(2)]).failed();
    assert!(run.err.contains("begins with block 0"), "{run:?}");
}

#[test]
fn blocks_that_are_there_are_passed_over() {
    let data = ledger();
    let run = import(data.path(), &[&block(2), &block(3), &block(4)]).succeeded();
    assert!(run.out.contains("1 blocks imported"), "{run:?}");
    assert_eq!(height(data.path()), "5");
}

/// Changes a byte of the ledger's only segment.
fn damage(data: &Path, place: impl FnOnce(usize) -> usize) {
    let segment = std::fs::read_dir(data.join("ledgers/mychannel"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|extension| extension == "segment"))
        .unwrap();
    let mut bytes = std::fs::read(&segment).unwrap();
    let place = place(bytes.len());
    bytes[place] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
}

#[test]
fn damage_on_disk_is_found() {
    for (what, place) in [("block 0: ", 3000), ("block 1: ", 26_000)] {
        let data = ledger();
        damage(data.path(), |_| place);
        let run = selvedge(&["ledger", "verify", "--data", data.path().to_str().unwrap()]).failed();
        assert!(run.err.starts_with(&format!("error: {what}")), "{run:?}");
    }
}

#[test]
fn a_lost_end_is_found() {
    let data = ledger();
    damage(data.path(), |length| length - 1000);
    let run = selvedge(&["ledger", "verify", "--data", data.path().to_str().unwrap()]).failed();
    assert!(run.err.starts_with("error: blocks 3 to 3 were there once and are lost"), "{run:?}");
}
