//! Answering state requests (spec/06 §2.8).

use crate::common::*;
use selvedge_core::testing::{Cluster, NodeId};
use selvedge_core::{ConnectionId, Misbehaviour, Reject, Unfitting};
use selvedge_proto::envelope::ContentKind;
use selvedge_proto::gossip::RemoteStateResponse;
use selvedge_proto::validate::Malformed;

fn scene(seed: u64, height: u64) -> (Cluster, NodeId, NodeId, ConnectionId) {
    let (mut cluster, nodes) = network(seed, 1, 1);
    cluster.fill_ledger(nodes[0], CHANNEL, height);
    cluster.start(nodes[0]);
    cluster.join(nodes[0], CHANNEL, 1, &[]);
    let puppet = cluster.puppet("p", "Org2MSP");
    let connection = cluster.puppet_connect(puppet, nodes[0]);
    (cluster, nodes[0], puppet, connection)
}

/// Nonces and numbers of the responses that a puppet got since the last call.
fn answers(cluster: &mut Cluster, puppet: NodeId) -> Vec<(u64, Vec<u64>)> {
    let views = got(cluster, puppet, ContentKind::StateResponse);
    let numbers =
        |content: RemoteStateResponse| content.payloads.iter().map(|payload| payload.seq_num).collect();
    views.iter().map(|view| (view.nonce(), numbers(view.content_as().unwrap()))).collect()
}

#[test]
fn a_range_is_answered_as_far_as_it_is_there() {
    let (mut cluster, _, puppet, connection) = scene(1, 20);
    cluster.puppet_send(puppet, connection, state_request(1, 5, 15));
    cluster.puppet_send(puppet, connection, state_request(2, 15, 25));
    cluster.puppet_send(puppet, connection, state_request(3, 20, 30));
    cluster.run_for(ms(10));
    let mut answers = answers(&mut cluster, puppet);
    answers.sort();
    assert_eq!(answers, [(1, (5..=15).collect()), (2, (15..=19).collect()), (3, vec![])]);
}

#[test]
fn the_answer_is_dressed_as_fabric_dresses_it() {
    let (mut cluster, _, puppet, connection) = scene(2, 3);
    cluster.puppet_send(puppet, connection, state_request(77, 1, 1));
    cluster.run_for(ms(10));
    let answer = cluster.take_envelopes(puppet).pop().unwrap();
    assert_eq!(answer.0, connection, "on the stream of the request");
    assert!(*answer.1.raw() == state_response(77, &[(1, block(1))]));
}

#[test]
fn a_range_that_is_too_wide_or_empty_is_not_answered() {
    let (mut cluster, node, puppet, connection) = scene(3, 40);
    cluster.puppet_send(puppet, connection, state_request(1, 5, 16));
    cluster.puppet_send(puppet, connection, state_request(2, 5, 4));
    cluster.puppet_send(puppet, connection, state_request(3, 5, u64::MAX));
    cluster.run_for(ms(10));
    assert_eq!(answers(&mut cluster, puppet), []);
    assert!(refused(&cluster, node, ContentKind::StateRequest, Unfitting::OutOfRange));
    assert!(refused(&cluster, node, ContentKind::StateRequest, Reject::Malformed(Malformed::RangeInvalid)));
}

#[test]
fn x09_readers_are_checked_once_for_each_connection_and_configuration() {
    let (mut cluster, node, puppet, connection) = scene(4, 20);
    cluster.run_for(s(1));
    let before = cluster.peer(node).stats().verify_count;
    for nonce in 0..10 {
        cluster.puppet_send(puppet, connection, state_request(nonce, 1, 1));
    }
    cluster.run_for(ms(10));
    assert_eq!(answers(&mut cluster, puppet).len(), 10);
    assert_eq!(cluster.peer(node).stats().verify_count, before + 1);
    cluster.join(node, CHANNEL, 2, &[]);
    cluster.puppet_send(puppet, connection, state_request(11, 1, 1));
    cluster.run_for(ms(10));
    assert_eq!(answers(&mut cluster, puppet).len(), 1);
    assert_eq!(cluster.peer(node).stats().verify_count, before + 2);
}

#[test]
fn who_may_not_read_gets_nothing() {
    let (mut cluster, node, puppet, connection) = scene(5, 20);
    let identity = cluster.identity(puppet);
    cluster.exclude_from_readers(&identity);
    for nonce in 0..3 {
        cluster.puppet_send(puppet, connection, state_request(nonce, 1, 1));
    }
    cluster.run_for(ms(10));
    cluster.puppet_send(puppet, connection, state_request(4, 1, 1));
    cluster.run_for(ms(10));
    assert_eq!(answers(&mut cluster, puppet), []);
    assert!(refused(&cluster, node, ContentKind::StateRequest, Misbehaviour::NotEntitled));
}

#[test]
fn x07_one_peers_requests_do_not_use_up_anothers_places() {
    let (mut cluster, node, puppet, connection) = scene(6, 20);
    cluster.set_crypto_delay(node, ms(50));
    let other = cluster.puppet("q", "Org1MSP");
    let from_other = cluster.puppet_connect(other, node);
    cluster.run_for(s(1));
    for nonce in 0..100 {
        cluster.puppet_send(puppet, connection, state_request(nonce, 1, 11));
    }
    cluster.puppet_send(other, from_other, state_request(1, 1, 11));
    cluster.run_for(ms(200));
    assert_eq!(answers(&mut cluster, puppet).len(), 16);
    assert!(refused(&cluster, node, ContentKind::StateRequest, Reject::OverLimit));
    assert_eq!(answers(&mut cluster, other).len(), 1);
}

#[test]
fn x08_an_answer_stays_within_its_bytes() {
    let (mut cluster, nodes) = network(7, 1, 1);
    cluster.config_mut(nodes[0]).limits.state_response_bytes_max = 3500;
    cluster.fill_ledger(nodes[0], CHANNEL, 20);
    cluster.start(nodes[0]);
    cluster.join(nodes[0], CHANNEL, 1, &[]);
    let puppet = cluster.puppet("p", "Org2MSP");
    let connection = cluster.puppet_connect(puppet, nodes[0]);
    cluster.puppet_send(puppet, connection, state_request(1, 1, 11));
    cluster.run_for(ms(10));
    assert_eq!(answers(&mut cluster, puppet), [(1, vec![1, 2, 3])]);
}

#[test]
fn serving_goes_on_where_asking_is_switched_off() {
    let (mut cluster, node, puppet, connection) = scene(8, 2);
    assert!(!cluster.config_mut(node).state_transfer_enabled);
    cluster.puppet_send(puppet, connection, state_request(1, 0, 1));
    cluster.run_for(ms(10));
    assert_eq!(answers(&mut cluster, puppet), [(1, vec![0, 1])]);
}

/// A node whose ledger takes 50 ms to read and is read for two requests at a time; connected puppets of Org1MSP that are known as readers.
fn busy_scene(seed: u64, puppet_count: usize) -> (Cluster, NodeId, Vec<(NodeId, ConnectionId)>) {
    let (mut cluster, nodes) = network(seed, 1, 0);
    let node = nodes[0];
    cluster.config_mut(node).limits.state_serves_max = 2;
    cluster.fill_ledger(node, CHANNEL, 20);
    cluster.start(node);
    cluster.join(node, CHANNEL, 1, &[]);
    let puppets: Vec<_> = (0..puppet_count)
        .map(|index| {
            let puppet = cluster.puppet(&format!("p{index}"), "Org1MSP");
            (puppet, cluster.puppet_connect(puppet, node))
        })
        .collect();
    cluster.run_for(s(1));
    for (puppet, connection) in &puppets {
        cluster.puppet_send(*puppet, *connection, state_request(1000, 1, 1));
    }
    cluster.run_for(s(1));
    for (puppet, _) in &puppets {
        assert_eq!(answers(&mut cluster, *puppet).len(), 1);
    }
    cluster.set_crypto_delay(node, ms(50));
    (cluster, node, puppets)
}

#[test]
fn no_more_is_read_at_a_time_than_fits() {
    let (mut cluster, node, puppets) = busy_scene(9, 3);
    cluster.set_tracing(true);
    for (puppet, connection) in &puppets {
        for nonce in 0..4 {
            cluster.puppet_send(*puppet, *connection, state_request(nonce, 1, 1));
        }
    }
    cluster.run_for(s(2));
    let (mut reading, mut most) = (0_i32, 0);
    for line in cluster.take_trace() {
        reading += i32::from(line.contains(" > read "));
        most = most.max(reading);
        reading -= i32::from(line.contains(" < read "));
    }
    assert_eq!((reading, most), (0, 2));
    for (puppet, _) in &puppets {
        assert_eq!(answers(&mut cluster, *puppet).len(), 4, "all are answered in the end");
    }
    assert!(!refused(&cluster, node, ContentKind::StateRequest, Reject::OverLimit));
}

#[test]
fn who_asks_for_little_does_not_wait_for_who_asks_for_much() {
    let (mut cluster, _, puppets) = busy_scene(10, 3);
    let [greedy, eager, modest] = puppets[..] else { panic!("three") };
    for nonce in 0..16 {
        cluster.puppet_send(greedy.0, greedy.1, state_request(nonce, 1, 1));
        cluster.puppet_send(eager.0, eager.1, state_request(nonce, 1, 1));
    }
    cluster.run_for(ms(10));
    cluster.puppet_send(modest.0, modest.1, state_request(1, 1, 1));
    // the two that were being read, then one turn of each
    cluster.run_for(ms(220));
    assert_eq!(answers(&mut cluster, modest.0).len(), 1);
    assert!(answers(&mut cluster, greedy.0).len() < 8);
}

#[test]
fn what_waited_too_long_is_refused_and_its_place_is_free() {
    let (mut cluster, node, puppets) = busy_scene(11, 1);
    let [(puppet, connection)] = puppets[..] else { panic!("one") };
    cluster.set_crypto_delay(node, s(2));
    for nonce in 0..16 {
        cluster.puppet_send(puppet, connection, state_request(nonce, 1, 1));
    }
    cluster.run_for(s(30));
    // two at once, two after 2 s; after 4 s the others are late
    assert_eq!(answers(&mut cluster, puppet).len(), 4);
    assert!(refused(&cluster, node, ContentKind::StateRequest, Reject::OverLimit));
    cluster.set_crypto_delay(node, ms(0));
    for nonce in 100..116 {
        cluster.puppet_send(puppet, connection, state_request(nonce, 1, 1));
    }
    cluster.run_for(ms(10));
    assert_eq!(answers(&mut cluster, puppet).len(), 16);
}

#[test]
fn who_hangs_up_is_not_read_for() {
    let (mut cluster, node, puppets) = busy_scene(12, 2);
    let [gone, other] = puppets[..] else { panic!("two") };
    cluster.set_tracing(true);
    for nonce in 0..16 {
        cluster.puppet_send(gone.0, gone.1, state_request(nonce, 1, 1));
    }
    cluster.run_for(ms(10));
    cluster.puppet_close(gone.0, gone.1);
    cluster.puppet_send(other.0, other.1, state_request(1, 1, 1));
    cluster.run_for(s(1));
    let orders = cluster.take_trace().iter().filter(|line| line.contains(" > read ")).count();
    assert_eq!(orders, 3, "the two under way, and the other's");
    assert_eq!(answers(&mut cluster, other.0).len(), 1);
    assert!(!refused(&cluster, node, ContentKind::StateRequest, Reject::OverLimit));
}
