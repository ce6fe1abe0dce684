//! What nodes record is replayed: the same orders, with payloads and without, after an orderly end and after a kill.

use crate::ground::Ground;
use crate::process::selvedge;
use crate::{FOLLOWER, LEADER, OTHER};
use std::path::Path;
use std::time::Duration;

/// Replays a recording, whole or not; what is told.
fn replay(file: &Path, more: &[&str]) -> Result<String, String> {
    selvedge(&[&["sim", "replay", file.to_str().unwrap()], more].concat())
}

/// The number before a word.
fn number(text: &str, word: &str) -> u64 {
    let words: Vec<&str> = text.split_whitespace().collect();
    let place = words.iter().position(|it| it.trim_end_matches(',') == word).unwrap();
    words[place - 1].parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_do_the_same_again() {
    let folder = tempfile::tempdir().unwrap();
    let [leader, follower, other] =
        ["leader", "follower", "other"].map(|name| folder.path().join(format!("{name}.recording")));
    let mut ground = Ground::new().await;
    ground.node_mut(LEADER).set_flags(&["--record", leader.to_str().unwrap()]);
    ground.node_mut(FOLLOWER).set_flags(&["--record", follower.to_str().unwrap(), "--record-payloads"]);
    ground.node_mut(OTHER).set_flags(&["--record", other.to_str().unwrap(), "--record-max", "1"]);
    for place in [LEADER, FOLLOWER, OTHER] {
        ground.start(place);
        ground.join(place);
    }
    let cutter = ground.cut_every(Duration::from_millis(10));
    for place in [LEADER, FOLLOWER, OTHER] {
        ground.wait_for_blocks(place, 200);
    }
    ground.kill(FOLLOWER);
    cutter.stop().await;
    ground.wait_for_blocks(OTHER, ground.source.height());
    ground.stop_all();

    let told = replay(&leader, &[]).unwrap();
    assert!(
        told.contains("without payloads") && told.contains("the same: to the end, the node stopped"),
        "{told}"
    );
    assert!(number(&told, "inputs") > 300 && number(&told, "orders") > 400, "{told}");
    let trace = folder.path().join("trace.txt");
    let told = replay(&follower, &["--trace", trace.to_str().unwrap()]).unwrap();
    assert!(
        told.contains("with payloads") && told.contains("the same: to where the recording is cut off"),
        "{told}"
    );
    let trace = std::fs::read_to_string(trace).unwrap();
    assert_eq!(trace.lines().filter(|line| line.contains(" < ")).count() as u64, number(&told, "inputs"));
    assert!(trace.lines().any(|line| line.contains(" > commit devnet #100")), "the follower has block 100");
    let told = replay(&other, &["--until", "30"]).unwrap();
    assert_eq!(number(&told, "inputs"), 30);
    if std::fs::metadata(&other).unwrap().len() > 1_000_000 {
        let told = replay(&other, &[]).unwrap();
        assert!(told.contains("to the end, the file is as long as it may become"), "{told}");
        assert!(ground.node(OTHER).log().contains("nothing more is recorded"));
    }

    holds_what_it_should(&ground, &leader, &follower);
    spoilt_recordings_are_told(&leader);
    let again = selvedge(&[
        "node",
        "start",
        "--config",
        ground.node(LEADER).config(),
        "--record",
        leader.to_str().unwrap(),
    ]);
    let told = again.unwrap_err();
    assert!(told.contains("leader.recording: File exists"), "a recording is not overwritten: {told}");
}

/// Transactions are only where they were asked for, and keys nowhere.
fn holds_what_it_should(ground: &Ground, without: &Path, with: &Path) {
    let block = ground.source.block(150).unwrap().unwrap();
    let transaction = &block[block.len() / 2..block.len() / 2 + 200];
    let holds =
        |file: &Path, what: &[u8]| std::fs::read(file).unwrap().windows(what.len()).any(|part| part == what);
    assert!(holds(with, transaction));
    assert!(!holds(without, transaction));
    for (place, file) in [(LEADER, without), (FOLLOWER, with)] {
        let config = std::fs::read_to_string(ground.node(place).config()).unwrap();
        let msp = config.lines().find_map(|line| line.trim().strip_prefix("mspConfigPath:")).unwrap();
        let home = Path::new(ground.node(place).config()).parent().unwrap();
        let key = std::fs::read_to_string(home.join(msp.trim()).join("keystore/priv_sk")).unwrap();
        let line = key.lines().nth(1).unwrap();
        assert!(line.len() > 40 && !holds(file, line.as_bytes()));
    }
}

fn spoilt_recordings_are_told(file: &Path) {
    let bytes = std::fs::read(file).unwrap();
    let spoilt = file.with_extension("spoilt");
    let replay_of = |bytes: &[u8]| {
        std::fs::write(&spoilt, bytes).unwrap();
        replay(&spoilt, &[])
    };
    let told = replay_of(&bytes[..bytes.len() / 2]).unwrap();
    assert!(told.contains("cut off, as by a crash"), "{told}");
    let mut damaged = bytes.clone();
    damaged[bytes.len() / 2] ^= 1;
    let told = replay_of(&damaged).unwrap_err();
    assert!(told.contains("damaged: the record at byte"), "{told}");
    let told = replay_of(b"selvedge recording 9\n").unwrap_err();
    assert!(told.contains("a recording of form \"9\", this program reads form 1"), "{told}");
    let told = replay_of(b"PK\x03\x04").unwrap_err();
    assert!(told.contains("not a recording of a node"), "{told}");
}
