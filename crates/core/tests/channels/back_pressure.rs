//! The orderer is held back while the ledger is slower than it.

use crate::common::*;

#[test]
fn the_orderer_is_held_back_and_taken_up_again() {
    let (mut cluster, nodes) = network(1, 1, 0);
    cluster.config_mut(nodes[0]).limits.block_buffer_count_max = 40;
    cluster.config_mut(nodes[0]).limits.commits_in_flight_max = 4;
    settle(&mut cluster, &nodes);
    cluster.set_commit_delay(nodes[0], ms(20));
    let mut next = 1;
    let mut most = 0;
    while next <= 200 {
        if !cluster.holds_delivery(nodes[0], CHANNEL) {
            deliver(&mut cluster, nodes[0], next, next + 1);
            next += 1;
        }
        cluster.run_for(ms(1));
        most = most.max(cluster.peer(nodes[0]).channel(&channel()).unwrap().buffered_count);
    }
    assert_eq!(most, 20, "half of the room");
    reach(&mut cluster, &nodes, 201, s(10));
    assert!(!cluster.holds_delivery(nodes[0], CHANNEL));
    assert!(cluster.rejections(nodes[0]).is_empty());
}

#[test]
fn commits_in_flight_are_bounded() {
    let (mut cluster, nodes) = network(2, 1, 0);
    cluster.config_mut(nodes[0]).limits.commits_in_flight_max = 4;
    settle(&mut cluster, &nodes);
    cluster.set_commit_delay(nodes[0], s(1));
    deliver(&mut cluster, nodes[0], 1, 11);
    cluster.run_for(ms(100));
    assert_eq!(cluster.peer(nodes[0]).channel(&channel()).unwrap().buffered_count, 6);
}

#[test]
fn x02_the_orderer_is_not_held_back_while_the_next_block_is_missing() {
    let (mut cluster, nodes) = network(3, 1, 0);
    cluster.config_mut(nodes[0]).limits.block_buffer_count_max = 8;
    settle(&mut cluster, &nodes);
    let (puppet, connection) = member_puppet(&mut cluster, "p", "Org1MSP", nodes[0], 1);
    for number in 2..9 {
        cluster.puppet_send(puppet, connection, data_msg(number, &block(number), &[]));
    }
    cluster.run_for(ms(10));
    assert!(!cluster.holds_delivery(nodes[0], CHANNEL));
    deliver(&mut cluster, nodes[0], 1, 2);
    cluster.run_for(ms(10));
    assert_eq!(heights(&cluster, &nodes), [9]);
}

#[test]
fn x12_a_slow_ledger_does_not_delay_the_push() {
    let (mut cluster, nodes) = org(4, 2);
    cluster.set_commit_delay(nodes[0], s(5));
    deliver(&mut cluster, nodes[0], 1, 2);
    cluster.run_for(ms(10));
    assert_eq!(heights(&cluster, &nodes), [1, 2]);
}

#[test]
fn only_durable_blocks_are_announced() {
    let (mut cluster, nodes) = org(5, 2);
    cluster.set_commit_delay(nodes[0], s(5));
    deliver(&mut cluster, nodes[0], 1, 2);
    cluster.run_for(s(4));
    let view = cluster.peer(nodes[1]).channel(&channel()).unwrap();
    let of_first = view.members.iter().find(|member| member.pki_id == cluster.pki_id(nodes[0]));
    assert_eq!(of_first.unwrap().height, 1);
}
