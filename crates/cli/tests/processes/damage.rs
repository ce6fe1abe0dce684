//! Blocks that a disk has spoilt or lost: the operator is told where, everything else is served, and they are fetched again.

use crate::ground::Ground;
use crate::process::{poll, selvedge};
use crate::{FOLLOWER, LATECOMER, LEADER};
use std::path::PathBuf;
use std::time::Duration;

const DAMAGED: &str = "selvedge_blocks_damaged{channel=\"devnet\"}";
const MENDED: &str = "selvedge_blocks_mended_total{channel=\"devnet\"}";
const BUFFERED: &str = "gossip_payload_buffer_size{channel=\"devnet\"}";

/// Leader and follower with the same blocks, both stopped; and how many.
async fn two_ledgers() -> (Ground, u64) {
    let mut ground = Ground::new().await;
    // some blocks a segment
    ground.node_mut(LEADER).set("CORE_SELVEDGE_LEDGER_SEGMENTSIZE", "32KB");
    for place in [LEADER, FOLLOWER] {
        ground.start(place);
        ground.join(place);
    }
    let cutter = ground.cut_every(Duration::from_millis(10));
    ground.wait_for_blocks(LEADER, 40);
    cutter.stop().await;
    let height = ground.source.height();
    // the follower has its blocks from the leader, which must not go before
    for place in [LEADER, FOLLOWER] {
        ground.wait_for_blocks(place, height);
    }
    for place in [LEADER, FOLLOWER] {
        ground.stop(place);
    }
    (ground, height)
}

/// Changes a byte in the middle of one of the leader's blocks: in which file, and where.
fn spoil(ground: &Ground, number: u64) -> (PathBuf, usize) {
    let block = ground.source.block(number).unwrap().unwrap();
    for file in ground.segments(LEADER) {
        let mut bytes = std::fs::read(&file).unwrap();
        let Some(at) = bytes.windows(block.len()).position(|window| window == &block[..]) else { continue };
        let middle = at + block.len() / 2;
        bytes[middle] ^= 0x10;
        std::fs::write(&file, bytes).unwrap();
        return (file, at);
    }
    panic!("no segment has block {number}");
}

/// Where the log says that a block of the leader is damaged; it must say so once.
fn place_told(ground: &Ground, number: u64, file: &std::path::Path) -> Result<usize, String> {
    let text =
        format!("[devnet] block {number} is damaged: changed bytes in {} from offset ", file.display());
    let log = ground.node(LEADER).log();
    let told: Vec<&str> = log.lines().filter_map(|line| Some(line.split_once(&text)?.1)).collect();
    assert!(told.len() <= 1, "told more than once: {told:?}");
    let place = told.first().ok_or_else(|| format!("not told of block {number}"))?;
    place.split(';').next().unwrap().trim().parse().map_err(|error| format!("{error}: {place}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_blocks_are_located_and_fetched_again_and_all_others_are_served() {
    let (mut ground, height) = two_ledgers().await;
    // one is found when somebody asks for it, the other when the node starts
    let (sealed, growing) = (5, height - 2);
    let spoilt = [sealed, growing].map(|number| (number, spoil(&ground, number)));
    assert_ne!(spoilt[0].1.0, spoilt[1].1.0, "in two files");
    let verdict = selvedge(&["ledger", "verify", "--config", ground.node(LEADER).config()]).unwrap_err();
    assert!(verdict.contains(&format!("error: block {sealed}: block {sealed} is damaged")), "{verdict}");

    // with nobody to fetch them from, everything but those two is served
    ground.start(LEADER);
    ground.start(LATECOMER);
    ground.join(LATECOMER);
    ground.wait_for_blocks(LATECOMER, sealed);
    ground.node(LATECOMER).wait_for_metric(BUFFERED, height - sealed - 2);
    assert_eq!(ground.height(LATECOMER), sealed);
    for (number, (file, at)) in &spoilt {
        let told = poll("the damage is told of", || place_told(&ground, *number, file));
        assert!(told < *at && at - told < 200, "block {number} begins at {at}, told was {told}");
    }
    ground.node(LEADER).wait_for_metric(DAMAGED, 2);
    assert_eq!(ground.height(LEADER), height);

    ground.start(FOLLOWER);
    ground.node(LEADER).wait_for_metric(MENDED, 2);
    ground.node(LEADER).wait_for_metric(DAMAGED, 0);
    ground.wait_for_blocks(LATECOMER, height);
    for (number, (file, _)) in &spoilt {
        let log = ground.node(LEADER).log();
        assert!(log.contains(&format!("[devnet] block {number} was damaged and is put back")), "{log}");
        place_told(&ground, *number, file).unwrap();
    }
    ground.stop_all();
    ground.check_ledgers(&[LEADER, FOLLOWER, LATECOMER], height);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_end_is_told_of_and_fetched_again() {
    let (mut ground, height) = two_ledgers().await;
    let file = ground.segments(LEADER).pop().unwrap();
    let length = std::fs::metadata(&file).unwrap().len();
    std::fs::OpenOptions::new().write(true).open(&file).unwrap().set_len(length - 100).unwrap();
    ground.start(LEADER);
    ground.wait_for_blocks(LEADER, height);
    let text =
        format!("[devnet] blocks {0} to {0} were durable and are gone: {1}", height - 1, file.display());
    let log = ground.node(LEADER).log();
    assert_eq!(log.matches(&text).count(), 1, "{log}");
    ground.stop_all();
    ground.check_ledgers(&[LEADER], height);
}
