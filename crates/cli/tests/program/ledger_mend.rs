//! Damaged blocks of a stopped node are put back from files, if they are the ones.

use crate::support::{Run, block, fixture_text, read, selvedge};
use selvedge::chain::{MendError, mend};
use selvedge::node::{ChannelFolder, create_channel_folder, ledger_folder};
use selvedge_ledger::{Ledger, Options};
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

/// The first blocks, each in a segment of its own.
fn ledger_of_segments(count: u64) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { segment_bytes_max: 1, ..Options::default() };
    let bytes = |number: u64| std::fs::read(block(number)).unwrap().into();
    let ChannelFolder { mut ledger, mut chain, recovery: _ } =
        create_channel_folder(folder.path(), &bytes(0), &options).unwrap();
    for number in 1..count {
        let checked = chain.check(&bytes(number), None).unwrap();
        ledger.append(checked.as_new_block()).unwrap();
        chain.advance(&checked);
    }
    ledger.close().unwrap();
    folder
}

/// Changes a byte in the middle of a block of the ledger's only segment.
fn spoil(data: &Path, file: &str) {
    spoil_in(data, 0, file);
}

/// The same in the segment that begins with block `first`.
fn spoil_in(data: &Path, first: u64, file: &str) {
    let block = std::fs::read(file).unwrap();
    let segment: PathBuf = data.join("ledgers/mychannel").join(format!("{first:020}.segment"));
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
    assert!(verdict.err.contains("note: blocks 1 to 2 are damaged: changed bytes in "), "{verdict:?}");
    // in any order, and others beside them
    let import = run("import", data.path(), &[&block(2), &block(5), &block(1), &block(0)]).succeeded();
    assert!(import.err.contains("note: blocks 1 to 2 are damaged"), "{import:?}");
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

#[test]
fn without_its_last_block_nobody_knows_the_configuration_in_force() {
    let data = ledger_of_segments(6);
    // the last block goes at the start, and the one before it is the last then
    for number in [4, 5] {
        spoil_in(data.path(), number, &block(number));
    }
    let refused = run("import", data.path(), &[&block(5)]).failed();
    assert!(refused.err.contains("note: blocks 5 to 5 were durable and are gone"), "{refused:?}");
    let told =
        "block 4, the last, says which configuration is in force and cannot be read: block 4 is damaged";
    assert!(refused.err.contains(told) && refused.err.contains("selvedge ledger import"), "{refused:?}");
    let import = run("import", data.path(), &[&block(4), &block(5)]).succeeded();
    assert!(import.out.contains("1 blocks imported and verified, 1 damaged ones put back"), "{import:?}");
    run("verify", data.path(), &[]).succeeded();
}

#[test]
fn a_block_is_not_judged_without_the_configuration_of_its_time() {
    let data = ledger_of_segments(5);
    for number in [0, 2] {
        spoil_in(data.path(), number, &block(number));
    }
    let refused = run("import", data.path(), &[&block(2)]).failed();
    assert!(refused.err.contains("configuration block 0 is needed and cannot be read"), "{refused:?}");
    let import = run("import", data.path(), &[&block(2), &block(0)]).succeeded();
    assert!(import.out.contains("0 blocks imported and verified, 2 damaged ones put back"), "{import:?}");
    run("verify", data.path(), &[]).succeeded();
}

#[test]
fn an_unproven_genesis_block_is_taken_from_the_operator_only() {
    let data = ledger_of_segments(4);
    for number in [0, 1] {
        spoil_in(data.path(), number, &block(number));
    }
    {
        let folder = ledger_folder(data.path(), "mychannel");
        let (mut ledger, _) = Ledger::open(&folder, &Options::default()).unwrap();
        ledger.reader().read(0).unwrap_err();
        let genesis = std::fs::read(block(0)).unwrap().into();
        let taken = mend(&mut ledger, 0, &genesis);
        assert!(matches!(taken, Err(MendError::GenesisUnproven)), "{taken:?}");
        ledger.close().unwrap();
    }
    let import = run("import", data.path(), &[&block(1), &block(0)]).succeeded();
    assert!(import.out.contains("0 blocks imported and verified, 2 damaged ones put back"), "{import:?}");
    run("verify", data.path(), &[]).succeeded();
}
