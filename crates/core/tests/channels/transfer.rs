//! State transfer between peers (spec/06 §2).

use crate::common::*;
use selvedge_core::BlockSource;
use selvedge_core::testing::{Cluster, NodeId};

/// Peers with full ledgers, and one more at the end that has to catch up.
fn one_behind(seed: u64, count: usize, height: u64) -> (Cluster, Vec<NodeId>) {
    let (mut cluster, nodes) = network(seed, count, 0);
    for node in &nodes {
        cluster.config_mut(*node).state_transfer_enabled = true;
    }
    for node in &nodes[..count - 1] {
        cluster.fill_ledger(*node, CHANNEL, height);
    }
    settle(&mut cluster, &nodes);
    (cluster, nodes)
}

#[test]
fn a_newcomer_catches_up_with_ten_thousand_blocks() {
    let (mut cluster, nodes) = one_behind(1, 4, 10_000);
    let start = cluster.now();
    reach(&mut cluster, &nodes, 10_000, s(60));
    let rate = 10_000.0 / cluster.now().since(start).as_secs_f64();
    assert!(rate > 3000.0, "{rate} blocks a second over links of a millisecond");
    let late = nodes[3];
    assert_eq!(taken(&cluster, late, BlockSource::Transfer), 9999 - taken(&cluster, late, BlockSource::Pull));
    assert_eq!(cluster.peer(late).stats().block_verify_count, 9999, "each block once");
}

#[test]
fn catching_up_begins_within_200_ms_of_learning_a_height() {
    for gap in [2, 50] {
        let (mut cluster, nodes) = network(2, 2, 0);
        for node in &nodes {
            cluster.config_mut(*node).state_transfer_enabled = true;
            cluster.config_mut(*node).block_gossip_enabled = false;
        }
        settle(&mut cluster, &nodes);
        cluster.run_for(s(10));
        deliver(&mut cluster, nodes[0], 1, gap);
        let knows =
            |cluster: &Cluster| cluster.peer(nodes[1]).channel(&channel()).unwrap().greatest_height >= gap;
        assert!(cluster.run_until(s(5), knows));
        let learned = cluster.now();
        reach(&mut cluster, &nodes, gap, s(1));
        let taken_ms = cluster.now().since(learned).as_millis();
        assert!(taken_ms < 200, "{taken_ms} ms for {gap} blocks");
    }
}

#[test]
fn x10_requests_go_to_several_peers_at_once() {
    let (mut cluster, nodes) = one_behind(3, 5, 400);
    reach(&mut cluster, &nodes, 400, s(10));
    for node in &nodes[..4] {
        assert!(cluster.peer(*node).stats().sent_count > 5);
    }
}

#[test]
fn x11_a_follower_of_a_growing_channel_stays_level() {
    // 40 blocks a second for 20 s, twice the rate from which a Go peer stays behind for ever
    let (mut cluster, nodes) = one_behind(4, 3, 500);
    for number in 500..1300 {
        deliver(&mut cluster, nodes[0], number, number + 1);
        cluster.run_for(ms(25));
    }
    cluster.run_for(s(2));
    assert_eq!(heights(&cluster, &nodes), [1300, 1300, 1300]);
}

#[test]
fn a_pushed_block_is_not_transferred_as_well() {
    let (mut cluster, nodes) = one_behind(5, 3, 1);
    for number in 1..=50 {
        deliver(&mut cluster, nodes[0], number, number + 1);
        cluster.run_for(ms(300));
    }
    for node in &nodes[1..] {
        assert_eq!(taken(&cluster, *node, BlockSource::Push), 50);
        assert_eq!(cluster.peer(*node).stats().block_verify_count, 50);
    }
}

#[test]
fn peers_of_other_organisations_serve_as_well() {
    let (mut cluster, nodes) = network(6, 1, 1);
    for node in &nodes {
        cluster.config_mut(*node).state_transfer_enabled = true;
    }
    cluster.fill_ledger(nodes[0], CHANNEL, 100);
    settle(&mut cluster, &nodes);
    reach(&mut cluster, &nodes, 100, s(10));
}

#[test]
fn ledgers_are_equal_block_for_block() {
    let (mut cluster, nodes) = one_behind(7, 3, 300);
    deliver(&mut cluster, nodes[0], 300, 320);
    reach(&mut cluster, &nodes, 320, s(20));
    for node in &nodes[1..] {
        assert!(same_ledgers(&cluster, *node, nodes[0]));
    }
}
