//! Folders: whose they are, and which channel is meant.

use crate::support::{block, selvedge};
use selvedge::node::open_channel_folder;
use selvedge_ledger::Options;

#[test]
fn a_folder_that_a_node_has_open_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    selvedge(&["ledger", "import", "--data", data, &block(0), &block(1)]).succeeded();
    // as a node has it
    let open = open_channel_folder(folder.path(), "mychannel", &Options::default()).unwrap();
    let out = folder.path().join("out");
    for arguments in [
        &["ledger", "verify", "--data", data][..],
        &["ledger", "import", "--data", data, &block(2)],
        &["ledger", "export", out.to_str().unwrap(), "--data", data],
        &["block", "show", "1", "--data", data],
    ] {
        let run = selvedge(arguments).failed();
        assert!(run.err.contains(&std::process::id().to_string()), "the holder is named: {run:?}");
    }
    drop(open);
    selvedge(&["ledger", "verify", "--data", data]).succeeded();
}

#[test]
fn an_empty_folder_holds_no_channel() {
    let folder = tempfile::tempdir().unwrap();
    let run = selvedge(&["ledger", "verify", "--data", folder.path().to_str().unwrap()]).failed();
    assert!(run.err.contains("holds no channel"), "{run:?}");
}

#[test]
fn without_data_a_core_yaml_is_needed() {
    let run = selvedge(&["ledger", "verify"]).failed();
    assert!(run.err.contains("no core.yaml found"), "{run:?}");
}
