//! Convergence over links that are slow and break.

use crate::common::*;
use selvedge_core::testing::{Cluster, Link, NodeId};

fn troubled(seed: u64) -> (Cluster, Vec<NodeId>) {
    let (mut cluster, nodes) = network(seed, 8, 0);
    for node in &nodes {
        cluster.config_mut(*node).state_transfer_enabled = true;
    }
    cluster.set_links(Link {
        latency_min: ms(5),
        latency_max: ms(120),
        breaks_per_mille: 5,
        dial_failures_per_mille: 100,
    });
    settle(&mut cluster, &nodes);
    (cluster, nodes)
}

#[test]
fn all_blocks_reach_all_peers() {
    for seed in 0..2 {
        let (mut cluster, nodes) = troubled(seed);
        for number in 1..=100 {
            deliver(&mut cluster, nodes[0], number, number + 1);
            cluster.run_for(ms(100));
        }
        reach(&mut cluster, &nodes, 101, s(60));
        for node in &nodes {
            assert!(same_ledgers(&cluster, *node, nodes[0]));
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    let run = || {
        let (mut cluster, nodes) = troubled(7);
        cluster.set_tracing(true);
        deliver(&mut cluster, nodes[0], 1, 30);
        cluster.run_for(s(20));
        cluster.take_trace()
    };
    let (one, two) = (run(), run());
    assert!(one.len() > 1000);
    assert_eq!(one, two);
}

#[test]
fn a_partition_that_heals_is_made_good() {
    let (mut cluster, nodes) = network(3, 6, 0);
    for node in &nodes {
        cluster.config_mut(*node).state_transfer_enabled = true;
    }
    settle(&mut cluster, &nodes);
    cluster.partition(&[&nodes[..3], &nodes[3..]]);
    for number in 1..=100 {
        deliver(&mut cluster, nodes[0], number, number + 1);
        cluster.run_for(ms(500));
    }
    assert_eq!(heights(&cluster, &nodes[3..]), [1, 1, 1]);
    cluster.heal();
    reach(&mut cluster, &nodes, 101, s(60));
}
