//! Nodes as operators run them: `selvedge node start` as processes over real mutual TLS, killed and started again while
//! blocks flow. Only the ordering source runs in the test's own process.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod damage;
mod ground;
mod process;
mod recording;

use ground::Ground;
use std::time::Duration;

const ORGANIZATION_COUNT: usize = 2;
const PEER_COUNT: usize = 3;
/// The peers that run, by organisation and number: those of the first organisation, of which the first pulls from the
/// ordering source, and the first of the second, which does so, too.
const LEADER: (usize, usize) = (0, 0);
const FOLLOWER: (usize, usize) = (0, 1);
const LATECOMER: (usize, usize) = (0, 2);
const OTHER: (usize, usize) = (1, 0);

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_that_comes_late_fetches_everything_by_state_transfer() {
    let mut ground = Ground::new().await;
    for place in [LEADER, OTHER] {
        ground.start(place);
        ground.join(place);
    }
    let cutter = ground.cut_every(Duration::from_millis(10));
    ground.wait_for_blocks(LEADER, 60);
    ground.wait_for_blocks(OTHER, 60);
    cutter.stop().await;
    let height = ground.source.height();

    ground.start(FOLLOWER);
    ground.join(FOLLOWER);
    ground.wait_for_blocks(FOLLOWER, height);
    let fetched = ground
        .node(FOLLOWER)
        .metric("selvedge_blocks_received_total{channel=\"devnet\",source=\"transfer\"}");
    // all but the genesis block it joined with, and the few that can be pulled meanwhile
    assert!(fetched + 12 >= height, "{fetched} of {height} blocks");
    ground.stop_all();
    ground.check_ledgers(&[LEADER, FOLLOWER, OTHER], height);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_published_survives_every_kill() {
    let mut ground = Ground::new().await;
    let all = [LEADER, FOLLOWER, OTHER];
    for place in all {
        ground.start(place);
        ground.join(place);
    }
    let cutter = ground.cut_every(Duration::from_millis(40));
    for place in all {
        ground.wait_for_blocks(place, 10);
    }
    // the follower, several times in a row
    for round in 0..3 {
        let published = ground.kill(FOLLOWER);
        if round == 0 {
            ground.check_ledgers(&[FOLLOWER], published);
        }
        ground.start(FOLLOWER);
        assert!(ground.height(FOLLOWER) >= published, "published, and lost by the kill");
        ground.wait_for_blocks(FOLLOWER, ground.source.height());
    }
    // the one that feeds its organisation: the follower goes on with what the other organisation has
    let published = ground.kill(LEADER);
    ground.wait_for_blocks(FOLLOWER, ground.source.height() + 10);
    ground.start(LEADER);
    assert!(ground.height(LEADER) >= published, "published, and lost by the kill");
    ground.wait_for_blocks(LEADER, ground.source.height());
    // everybody at once
    let published = all.map(|place| ground.kill(place));
    for (place, published) in all.into_iter().zip(published) {
        ground.start(place);
        assert!(ground.height(place) >= published, "published, and lost by the kill");
    }
    cutter.stop().await;
    for place in all {
        ground.wait_for_blocks(place, ground.source.height());
    }
    ground.stop_all();
    ground.check_ledgers(&all, ground.source.height());
}
