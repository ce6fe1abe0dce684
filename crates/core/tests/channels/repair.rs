//! Blocks that a ledger lost to damage are obtained again from members (DESIGN §9).

use crate::common::*;
use selvedge_core::testing::{Cluster, NodeId};
use selvedge_core::{Command, Reject};

fn full_network(node_count: usize) -> (Cluster, Vec<NodeId>) {
    let (mut cluster, nodes) = network(1, node_count, 0);
    for node in &nodes {
        cluster.fill_ledger(*node, CHANNEL, 20);
    }
    settle(&mut cluster, &nodes);
    (cluster, nodes)
}

fn obtain(cluster: &mut Cluster, node: NodeId, first: u64, last: u64) {
    cluster.command(node, Command::ObtainBlocks { channel: channel(), first, last });
}

#[test]
fn damaged_blocks_are_obtained_from_whoever_has_them() {
    let (mut cluster, nodes) = full_network(3);
    for number in [3, 4, 17] {
        cluster.damage_block(nodes[0], CHANNEL, number);
    }
    obtain(&mut cluster, nodes[0], 3, 4);
    obtain(&mut cluster, nodes[0], 17, 17);
    cluster.run_for(s(30));
    assert!(same_ledgers(&cluster, nodes[0], nodes[1]));
}

#[test]
fn a_member_that_has_the_block_no_more_is_not_the_end() {
    let (mut cluster, nodes) = full_network(3);
    cluster.damage_block(nodes[0], CHANNEL, 5);
    // an answer under the right nonce without the block, or with what is none
    cluster.damage_block(nodes[1], CHANNEL, 5);
    obtain(&mut cluster, nodes[0], 5, 5);
    cluster.run_for(s(120));
    assert!(same_ledgers(&cluster, nodes[0], nodes[2]));
    let refused =
        |(_, reason): &(_, Reject)| matches!(reason, Reject::Malformed(_) | Reject::Misbehaviour(_));
    assert!(cluster.rejections(nodes[0]).iter().filter(|rejection| refused(rejection)).count() <= 24);
}

#[test]
fn nothing_is_asked_for_when_nothing_is_missed() {
    let (mut cluster, _) = full_network(2);
    cluster.set_tracing(true);
    cluster.run_for(s(30));
    assert!(!cluster.take_trace().iter().any(|line| line.contains("state_request")));
}
