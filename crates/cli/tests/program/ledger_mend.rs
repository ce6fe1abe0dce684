//! Damaged blocks of a stopped node are put back from files, if they are the ones.

use crate::support::{Run, block, fixture_text, read, selvedge};
use std::path::{Path, PathBuf};

fn run(command: &str, data: &Path, files: &[&str]) -> Run {
    selvedge(&[&["ledger", command, "--data", data.to_str().unwrap()], files].concat())
}

/// A ledger with the blocks in these files.
fn ledger(files: &[String]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    run("import", folder.path(), &files).succeeded();
    folder
}

/// Changes a byte in the middle of a block of the ledger's only segment.
fn spoil(data: &Path, file: &str) {
    let block = std::fs::read(file).unwrap();
    let segment: PathBuf = data.join("ledgers/mychannel").join(format!("{:020}.segment", 0));
    let mut bytes = std::fs::read(&segment).unwrap();
    let at = bytes.windows(block.len()).position(|window| window == block).unwrap();
    bytes[at + block.len() / 2] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
}

#[test]
fn a_damaged_block_is_put_back() {
    let files: Vec<String> = (0..=4).map(block).collect();
    let data = ledger(&files);
    for number in [1, 2] {
        spoil(data.path(), &block(number));
    }
    let verdict = run("verify", data.path(), &[]).failed();
    assert!(verdict.err.contains("error: block 1: block 1 is damaged: changed bytes in "), "{verdict:?}");
    assert!(verdict.err.contains("note: block 2 is damaged: changed bytes in "), "{verdict:?}");
    // in any order, and others beside them
    let import = run("import", data.path(), &[&block(2), &block(5), &block(1), &block(0)]).succeeded();
    assert!(import.err.contains("note: block 1 is damaged"), "{import:?}");
    assert!(
        import.out.contains("1 blocks imported and verified, 2 damaged ones put back, height 6"),
        "{import:?}"
    );
    run("verify", data.path(), &[]).succeeded();
}

#[test]
fn what_is_not_the_block_is_not_put_back() {
    let files: Vec<String> = (0..=4).map(block).collect();
    let data = ledger(&files);
    spoil(data.path(), &block(2));
    let good = read("blocks/orderer/002.block");
    let signature = {
        // the orderer's certificate stands before its signature: newline, nonce, tag and length, then into DER's r
        let pem_end = b"-----END CERTIFICATE-----";
        let certificate = good.windows(pem_end.len()).rposition(|window| window == pem_end).unwrap();
        certificate + pem_end.len() + 1 + 26 + 2 + 10
    };
    for (place, reason) in [(signature, "BlockValidation"), (good.len() / 2, "data hash"), (10, "block 2 (")]
    {
        let mut bad = good.clone();
        bad[place] ^= 1;
        let file = data.path().join("bad.block");
        std::fs::write(&file, bad).unwrap();
        let import = run("import", data.path(), &[file.to_str().unwrap()]).failed();
        assert!(import.err.contains(reason), "{import:?}");
        run("verify", data.path(), &[]).failed();
    }
    run("import", data.path(), &[&block(2)]).succeeded();
    run("verify", data.path(), &[]).succeeded();
}

#[test]
fn the_only_configuration_can_be_put_back() {
    let files: Vec<String> = (0..=3).map(block).collect();
    let data = ledger(&files);
    spoil(data.path(), &block(0));
    let refused = run("import", data.path(), &[&block(4)]).failed();
    let told = "configuration block 0 is needed and cannot be read: block 0 is damaged: changed bytes in ";
    assert!(refused.err.contains(told) && refused.err.contains("selvedge ledger import"), "{refused:?}");
    run("import", data.path(), &[&block(0), &block(4)]).succeeded();
    let verdict = run("verify", data.path(), &[]).succeeded();
    assert!(verdict.out.contains("5 blocks verified, 1 configurations"), "{verdict:?}");
}

#[test]
fn a_damaged_configuration_in_force_is_not_replaced_by_an_older_one() {
    let file = |number: u64| fixture_text(&format!("bft/blocks/orderer/{number:03}.block"));
    let files: Vec<String> = (0..=12).map(file).collect();
    let data = ledger(&files);
    spoil(data.path(), &file(9));
    let refused = run("import", data.path(), &[&file(13)]).failed();
    assert!(refused.err.contains("configuration block 9 is needed and cannot be read"), "{refused:?}");
    run("import", data.path(), &[&file(9), &file(13)]).succeeded();
    let verdict = run("verify", data.path(), &[]).succeeded();
    assert!(verdict.out.contains("14 blocks verified, 2 configurations"), "{verdict:?}");
    let shown = selvedge(&["block", "show", "10", "--data", data.path().to_str().unwrap(), "--json"]);
    assert_eq!(shown.succeeded().json()["checked_with_config"], 9);
}
