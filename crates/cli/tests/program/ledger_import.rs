//! Blocks go into a ledger and come out again as they were.

use crate::support::{block, fixture_text, read, selvedge};

#[test]
fn what_is_imported_verifies_and_comes_out_as_it_went_in() {
    let folder = tempfile::tempdir().unwrap();
    let (data, out) = (folder.path().join("data"), folder.path().join("out"));
    let (data, out) = (data.to_str().unwrap(), out.to_str().unwrap());
    // in two goes, the first in any order
    let mut first: Vec<String> = (0..60).map(block).collect();
    first.reverse();
    let second: Vec<String> = (60..=90).map(block).collect();
    for (files, height) in [(first, 60), (second, 91)] {
        let mut arguments = vec!["ledger", "import", "--data", data];
        arguments.extend(files.iter().map(String::as_str));
        let run = selvedge(&arguments).succeeded();
        assert!(run.out.ends_with(&format!("height {height}\n")), "{run:?}");
    }
    let run = selvedge(&["ledger", "verify", "--data", data]).succeeded();
    assert!(run.out.starts_with("mychannel: 91 blocks verified, 1 configurations"), "{run:?}");
    let recorded = crate::support::read_json("blocks/blocks.json");
    let last_hash = recorded[90]["header_hash"].as_str().unwrap();
    assert!(run.out.trim_end().ends_with(last_hash), "{run:?}");

    selvedge(&["ledger", "export", out, "--data", data]).succeeded();
    for number in 0..=90 {
        let exported = std::fs::read(format!("{out}/{number:06}.block")).unwrap();
        assert_eq!(exported, read(&format!("blocks/orderer/{number:03}.block")), "block {number}");
    }
}

#[test]
fn a_part_can_be_exported() {
    let folder = tempfile::tempdir().unwrap();
    let (data, out) = (folder.path().join("data"), folder.path().join("out"));
    let (data, out) = (data.to_str().unwrap(), out.to_str().unwrap());
    let files: Vec<String> = (0..=5).map(block).collect();
    let mut arguments = vec!["ledger", "import", "--data", data];
    arguments.extend(files.iter().map(String::as_str));
    selvedge(&arguments).succeeded();
    selvedge(&["ledger", "export", out, "--data", data, "--from", "2", "--to", "3"]).succeeded();
    let mut names: Vec<String> = std::fs::read_dir(out)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["000002.block", "000003.block"]);
    let run = selvedge(&["ledger", "export", out, "--data", data, "--from", "6"]).failed();
    assert!(run.err.contains("there are blocks 0 to 5"), "{run:?}");
}

#[test]
fn a_change_of_configuration_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let files: Vec<String> =
        (0..=18).map(|number| fixture_text(&format!("bft/blocks/orderer/{number:03}.block"))).collect();
    let mut arguments = vec!["ledger", "import", "--data", data];
    arguments.extend(files.iter().map(String::as_str));
    selvedge(&arguments).succeeded();
    let run = selvedge(&["ledger", "verify", "--data", data]).succeeded();
    assert!(run.out.starts_with("mychannel: 19 blocks verified, 2 configurations"), "{run:?}");
    // block 10 is checked with the configuration of block 9
    let shown = selvedge(&["block", "show", "10", "--data", data, "--json"]).succeeded().json();
    assert_eq!((&shown["checked_with_config"], &shown["signature_ok"]), (&9.into(), &true.into()));
    let shown = selvedge(&["block", "show", "9", "--data", data, "--json"]).succeeded().json();
    assert_eq!((&shown["checked_with_config"], &shown["signature_ok"]), (&0.into(), &true.into()));
    assert_eq!(shown["config"]["sequence"], 1);
}
