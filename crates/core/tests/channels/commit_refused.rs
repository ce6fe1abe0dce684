//! A block that verifies and yet does not belong to the ledger's chain (spec/06 W6).

use crate::common::*;
use selvedge_core::testing::messages;
use selvedge_core::{Event, Misbehaviour};
use selvedge_proto::envelope::ContentKind;

#[test]
fn what_follows_a_refused_block_is_obtained_again() {
    let (mut cluster, nodes) = network(1, 2, 0);
    cluster.config_mut(nodes[0]).state_transfer_enabled = true;
    cluster.fill_ledger(nodes[1], CHANNEL, 21);
    settle(&mut cluster, &nodes[..1]);
    let fork = messages::block(3, 77);
    cluster.make_unfit(&fork);
    let (puppet, connection) = member_puppet(&mut cluster, "p", "Org1MSP", nodes[0], 1);
    cluster.puppet_send(puppet, connection, data_msg(3, &fork, &[]));
    cluster.run_for(ms(10));
    cluster.start(nodes[1]);
    cluster.join(nodes[1], CHANNEL, 1, &[]);
    reach(&mut cluster, &nodes, 21, s(30));
    assert!(refused(&cluster, nodes[0], ContentKind::DataMsg, Misbehaviour::BlockInvalid));
    assert!(same_ledgers(&cluster, nodes[0], nodes[1]));
    // the same copy is not taken a second time
    assert_eq!(cluster.peer(nodes[0]).channel(&channel()).unwrap().buffered_count, 0);
}

#[test]
fn the_orderer_client_is_told_where_to_read_again() {
    let (mut cluster, nodes) = org(2, 1);
    let fork = messages::block(2, 77);
    cluster.make_unfit(&fork);
    deliver(&mut cluster, nodes[0], 1, 2);
    cluster.deliver_block(nodes[0], CHANNEL, 2, fork.clone());
    deliver(&mut cluster, nodes[0], 3, 6);
    cluster.run_for(ms(10));
    let refusal = Event::DeliveryRefused { channel: channel(), number: 2 };
    assert!(cluster.events(nodes[0]).contains(&refusal));
    assert_eq!(heights(&cluster, &nodes), [2]);
    deliver(&mut cluster, nodes[0], 2, 6);
    cluster.run_for(ms(10));
    assert_eq!(heights(&cluster, &nodes), [6]);
}

#[test]
fn a_block_of_the_orderer_that_does_not_verify_is_told() {
    let (mut cluster, nodes) = org(3, 1);
    let bad = messages::block(1, 77);
    cluster.refuse_block(&bad);
    cluster.deliver_block(nodes[0], CHANNEL, 1, bad);
    cluster.run_for(ms(10));
    let refusal = Event::DeliveryRefused { channel: channel(), number: 1 };
    assert!(cluster.events(nodes[0]).contains(&refusal));
    deliver(&mut cluster, nodes[0], 1, 2);
    cluster.run_for(ms(10));
    assert_eq!(heights(&cluster, &nodes), [2]);
}
