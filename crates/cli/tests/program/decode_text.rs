//! Text is pleasant to read.

use crate::support::{fixture_text, genesis, read, selvedge, selvedge_reading};

#[test]
fn nested_messages_are_indented() {
    let file = fixture_text("envelopes/MembershipResponse/001.bin");
    let run = selvedge(&["decode", &file, "--config-block", &genesis()]).succeeded();
    insta::assert_snapshot!(run.out);
}

#[test]
fn peers_get_names_once_they_are_known() {
    let input: Vec<u8> = [read("envelopes/AliveMessage/001.bin"), read("envelopes/StateInfo/001.bin")]
        .iter()
        .flat_map(|record| [&(record.len() as u32).to_be_bytes()[..], record].concat())
        .collect();
    let arguments = ["decode", "-", "--framing", "be32", "--config-block", &genesis()];
    let run = selvedge_reading(&arguments, &input).succeeded();
    insta::assert_snapshot!(run.out);
}

#[test]
fn blocks_are_summed_up() {
    let file = fixture_text("envelopes/DataMessage/001.bin");
    let run = selvedge(&["decode", &file, "--config-block", &genesis()]).succeeded();
    insta::assert_snapshot!(run.out);
}

#[test]
fn requests_say_what_they_want() {
    let names = ["RemoteStateRequest", "DataRequest.BLOCK_MSG", "RemotePvtDataRequest", "Acknowledgement"];
    let input: Vec<u8> = names
        .iter()
        .map(|name| read(&format!("envelopes/{name}/001.bin")))
        .flat_map(|record| [&(record.len() as u32).to_be_bytes()[..], &record].concat())
        .collect();
    let run = selvedge_reading(&["decode", "-", "--framing", "be32"], &input).succeeded();
    insta::assert_snapshot!(run.out);
}
