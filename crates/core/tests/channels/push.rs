//! Blocks that one peer has from the orderer reach the others by push.

use crate::common::*;
use selvedge_core::BlockSource;

#[test]
fn a_pushed_block_reaches_a_small_organisation_at_once() {
    let (mut cluster, nodes) = org(1, 4);
    let start = cluster.now();
    deliver(&mut cluster, nodes[0], 1, 2);
    reach(&mut cluster, &nodes, 2, s(1));
    assert!(cluster.now().since(start) < ms(5), "one hop of a millisecond");
    for node in &nodes[1..] {
        assert_eq!(taken(&cluster, *node, BlockSource::Push), 1);
    }
}

#[test]
fn what_pushes_miss_is_pulled() {
    let (mut cluster, nodes) = org(2, 20);
    for number in 1..=20 {
        deliver(&mut cluster, nodes[0], number, number + 1);
        cluster.run_for(ms(100));
    }
    reach(&mut cluster, &nodes, 21, s(10));
    let pushed: usize = nodes[1..].iter().map(|node| taken(&cluster, *node, BlockSource::Push)).sum();
    let pulled: usize = nodes[1..].iter().map(|node| taken(&cluster, *node, BlockSource::Pull)).sum();
    assert_eq!(pushed + pulled, 19 * 20);
    assert!(pulled > 0 && pulled * 5 < pushed, "{pushed} pushed, {pulled} pulled");
}

#[test]
fn every_peer_verifies_every_block_once() {
    let (mut cluster, nodes) = org(3, 10);
    for number in 1..=30 {
        deliver(&mut cluster, nodes[0], number, number + 1);
        cluster.run_for(ms(200));
    }
    reach(&mut cluster, &nodes, 31, s(20));
    for node in &nodes {
        assert_eq!(cluster.peer(*node).stats().block_verify_count, 30);
    }
}

#[test]
fn without_block_gossip_nothing_is_pushed() {
    let (mut cluster, nodes) = network(4, 2, 0);
    cluster.config_mut(nodes[0]).block_gossip_enabled = false;
    settle(&mut cluster, &nodes);
    deliver(&mut cluster, nodes[0], 1, 2);
    cluster.run_for(ms(50));
    assert_eq!(heights(&cluster, &nodes), [2, 1]);
    assert_eq!(cluster.peer(nodes[0]).channel(&channel()).unwrap().height, 2);
}

#[test]
fn a_block_goes_nowhere_outside_the_organisation() {
    let (mut cluster, nodes) = network(5, 3, 3);
    settle(&mut cluster, &nodes);
    deliver(&mut cluster, nodes[0], 1, 6);
    cluster.run_for(s(30));
    assert_eq!(heights(&cluster, &nodes), [6, 6, 6, 1, 1, 1]);
}
