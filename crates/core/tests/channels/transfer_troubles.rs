//! State transfer with peers that are slow, dead or lying (spec/06 §2.12).

use crate::common::*;
use selvedge_core::testing::{Cluster, Link, NodeId, messages};
use selvedge_core::{Misbehaviour, Unfitting};
use selvedge_proto::envelope::ContentKind;

/// A peer with state transfer and two honest ones with `height` blocks.
fn trio(seed: u64, height: u64) -> (Cluster, Vec<NodeId>) {
    let (mut cluster, nodes) = network(seed, 3, 0);
    for node in &nodes {
        cluster.config_mut(*node).state_transfer_enabled = true;
    }
    for node in &nodes[1..] {
        cluster.fill_ledger(*node, CHANNEL, height);
    }
    (cluster, nodes)
}

#[test]
fn a_slow_peer_does_not_slow_the_others() {
    let (mut cluster, nodes) = trio(1, 3000);
    let slow = Link { latency_min: ms(600), latency_max: ms(600), ..Link::default() };
    cluster.set_link(nodes[0], nodes[1], slow);
    settle(&mut cluster, &nodes);
    let start = cluster.now();
    reach(&mut cluster, &nodes, 3000, s(60));
    let taken = cluster.now().since(start);
    assert!(taken < s(4), "{taken:?}");
}

#[test]
fn a_peer_that_dies_in_the_middle_is_replaced() {
    let (mut cluster, nodes) = trio(2, 5000);
    settle(&mut cluster, &nodes);
    cluster.run_until(s(30), |cluster| cluster.height(nodes[0], CHANNEL) > 1000);
    cluster.vanish(nodes[1]);
    reach(&mut cluster, &[nodes[0], nodes[2]], 5000, s(20));
}

#[test]
fn x04_a_peer_that_lies_about_its_height_delays_nobody() {
    let (mut cluster, nodes) = trio(3, 500);
    settle(&mut cluster, &nodes[..1]);
    let (liar, _) = member_puppet(&mut cluster, "liar", "Org1MSP", nodes[0], u64::MAX);
    cluster.run_for(s(5));
    let first = asked(&mut cluster, liar).len();
    assert!(first > 0, "nobody else to ask");
    for node in &nodes[1..] {
        cluster.start(*node);
        cluster.join(*node, CHANNEL, 1, &[]);
    }
    let start = cluster.now();
    reach(&mut cluster, &nodes[..1], 500, s(30));
    let taken = cluster.now().since(start);
    assert!(taken < s(6), "{taken:?}");
    cluster.run_for(s(120));
    let more = asked(&mut cluster, liar).len();
    assert!(more < 20, "asked {more} times in two minutes");
}

#[test]
fn x03_junk_responses_do_not_end_a_wait() {
    let (mut cluster, nodes) = network(4, 1, 0);
    cluster.config_mut(nodes[0]).state_transfer_enabled = true;
    settle(&mut cluster, &nodes);
    let (server, connection) = member_puppet(&mut cluster, "server", "Org1MSP", nodes[0], 30);
    let (junk, other) = member_puppet(&mut cluster, "junk", "Org1MSP", nodes[0], 1);
    cluster.run_for(ms(200));
    let requests = asked(&mut cluster, server);
    for (nonce, first, _) in &requests {
        cluster.puppet_send(junk, other, state_response(*nonce, &[(*first, block(*first))]));
        cluster.puppet_send(server, connection, state_response(nonce ^ 1, &[]));
    }
    cluster.run_for(ms(100));
    assert!(refused(&cluster, nodes[0], ContentKind::StateResponse, Misbehaviour::Unsolicited));
    assert_eq!(asked(&mut cluster, server), [], "nothing is asked again");
    for (nonce, first, last) in &requests {
        let blocks: Vec<_> = (*first..=*last).map(|number| (number, block(number))).collect();
        cluster.puppet_send(server, connection, state_response(*nonce, &blocks));
    }
    cluster.run_for(ms(100));
    assert_eq!(heights(&cluster, &nodes), [30]);
}

#[test]
fn x02_blocks_that_were_not_asked_for_are_not_taken() {
    let (mut cluster, nodes) = network(5, 1, 0);
    cluster.config_mut(nodes[0]).state_transfer_enabled = true;
    settle(&mut cluster, &nodes);
    let (server, connection) = member_puppet(&mut cluster, "server", "Org1MSP", nodes[0], 1000);
    cluster.run_for(ms(200));
    let (nonce, first, last) = asked(&mut cluster, server)[0];
    assert_eq!((first, last), (1, 11));
    let far: Vec<_> = (500..600).map(|number| (number, block(number))).collect();
    cluster.puppet_send(server, connection, state_response(nonce, &far));
    cluster.run_for(ms(10));
    let view = cluster.peer(nodes[0]).channel(&channel()).unwrap();
    assert_eq!(view.buffered_count, 0);
    // and the block that is needed is always taken
    deliver(&mut cluster, nodes[0], 1, 3);
    cluster.run_for(ms(10));
    assert_eq!(heights(&cluster, &nodes), [3]);
}

#[test]
fn a_peer_that_sends_bad_blocks_is_not_listened_to() {
    let (mut cluster, nodes) = trio(6, 300);
    settle(&mut cluster, &nodes[..1]);
    let (liar, connection) = member_puppet(&mut cluster, "liar", "Org1MSP", nodes[0], 300);
    for _ in 0..20 {
        cluster.run_for(ms(400));
        for (nonce, first, last) in asked(&mut cluster, liar) {
            let blocks: Vec<_> = (first..=last).map(|number| (number, messages::block(number, 7))).collect();
            blocks.iter().for_each(|(_, block)| cluster.refuse_block(block));
            cluster.puppet_send(liar, connection, state_response(nonce, &blocks));
        }
    }
    assert!(refused(&cluster, nodes[0], ContentKind::StateResponse, Misbehaviour::BlockInvalid));
    assert_eq!(heights(&cluster, &nodes[..1]), [1]);
    for node in &nodes[1..] {
        cluster.start(*node);
        cluster.join(*node, CHANNEL, 1, &[]);
    }
    reach(&mut cluster, &nodes[..1], 300, s(20));
}

#[test]
fn x01_private_data_beside_a_block_are_ignored_even_if_they_do_not_decode() {
    use bytes::Bytes;
    use selvedge_proto::gossip::gossip_message::{Content, Tag};
    use selvedge_proto::gossip::{Payload, RemoteStateResponse};
    let (mut cluster, nodes) = network(7, 1, 0);
    cluster.config_mut(nodes[0]).state_transfer_enabled = true;
    settle(&mut cluster, &nodes);
    let (server, connection) = member_puppet(&mut cluster, "server", "Org1MSP", nodes[0], 3);
    cluster.run_for(ms(200));
    let (nonce, first, last) = asked(&mut cluster, server)[0];
    assert_eq!((first, last), (1, 2));
    let payload = |number| Payload {
        seq_num: number,
        data: block(number),
        private_data: vec![Bytes::from_static(&[0xff, 0xff])],
    };
    let content = RemoteStateResponse { payloads: vec![payload(1), payload(2)] };
    cluster.puppet_send(
        server,
        connection,
        in_channel(Tag::ChanOrOrg, nonce, Content::StateResponse(content)),
    );
    cluster.run_for(ms(10));
    assert!(cluster.ledger(nodes[0], CHANNEL).unwrap().blocks[1..] == [block(1), block(2)]);
}

#[test]
fn a_response_for_a_channel_that_was_left_is_refused() {
    let (mut cluster, nodes) = network(8, 1, 0);
    cluster.config_mut(nodes[0]).state_transfer_enabled = true;
    settle(&mut cluster, &nodes);
    let (server, connection) = member_puppet(&mut cluster, "server", "Org1MSP", nodes[0], 3);
    cluster.run_for(ms(200));
    let (nonce, ..) = asked(&mut cluster, server)[0];
    cluster.command(nodes[0], selvedge_core::Command::LeaveChannel(channel()));
    cluster.puppet_send(server, connection, state_response(nonce, &[(1, block(1))]));
    cluster.run_for(ms(10));
    assert!(refused(&cluster, nodes[0], ContentKind::StateResponse, Unfitting::ChannelUnknown));
}
