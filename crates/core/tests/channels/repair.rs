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
fn a_member_that_sends_another_block_is_not_the_end() {
    let (mut cluster, nodes) = full_network(3);
    let wrong = selvedge_core::testing::messages::block(5, 77);
    cluster.damage_block(nodes[0], CHANNEL, 5);
    cluster.replace_block(nodes[1], CHANNEL, 5, wrong.clone());
    cluster.make_unfit(&wrong);
    obtain(&mut cluster, nodes[0], 5, 5);
    cluster.run_for(s(11));
    assert!(same_ledgers(&cluster, nodes[0], nodes[2]), "who sent the wrong one is not asked twice in a row");
}

#[test]
fn the_only_member_that_sends_another_block_is_asked_at_leisure() {
    let (mut cluster, nodes) = full_network(2);
    for number in 5..15 {
        let wrong = selvedge_core::testing::messages::block(number, 77);
        cluster.damage_block(nodes[0], CHANNEL, number);
        cluster.replace_block(nodes[1], CHANNEL, number, wrong.clone());
        cluster.make_unfit(&wrong);
    }
    cluster.set_tracing(true);
    obtain(&mut cluster, nodes[0], 5, 14);
    for _ in 0..60 {
        // somebody asks for them all the while, and so they are reported again
        cluster.run_for(s(1));
        obtain(&mut cluster, nodes[0], 5, 14);
    }
    let offered = cluster.take_trace().iter().filter(|line| line.contains("not mended")).count();
    assert!((10..=13).contains(&offered), "{offered}");
    // it gets them right in the end
    for number in 5..15 {
        cluster.replace_block(nodes[1], CHANNEL, number, block(number));
    }
    cluster.run_for(s(10));
    assert!(same_ledgers(&cluster, nodes[0], nodes[1]));
}

#[test]
fn a_block_goes_back_before_the_next_is_asked_for() {
    let (mut cluster, nodes) = full_network(2);
    for number in 3..=6 {
        cluster.damage_block(nodes[0], CHANNEL, number);
    }
    cluster.set_crypto_delay(nodes[0], ms(500));
    cluster.set_tracing(true);
    obtain(&mut cluster, nodes[0], 3, 6);
    cluster.run_for(s(10));
    assert!(same_ledgers(&cluster, nodes[0], nodes[1]));
    let steps: Vec<String> = cluster.take_trace().into_iter().filter(|line| line.contains("mend")).collect();
    let is_turn = |pair: &[String]| pair[0].contains(" > mend ") != pair[1].contains(" > mend ");
    assert!(steps.len() == 8 && steps.windows(2).all(is_turn), "{steps:#?}");
}

#[test]
fn nothing_is_asked_for_when_nothing_is_missed() {
    let (mut cluster, _) = full_network(2);
    cluster.set_tracing(true);
    cluster.run_for(s(30));
    assert!(!cluster.take_trace().iter().any(|line| line.contains("state_request")));
}
