//! What membership costs: nothing waits for a slow verification, and nothing is done twice or too often.

use crate::support::*;
use bytes::Bytes;
use core::time::Duration;
use selvedge_core::testing::messages::{Alive, membership_request, membership_response};
use selvedge_core::testing::{Cluster, NodeId};
use selvedge_proto::envelope::{ElementList, EnvelopeView};

#[test]
fn w02_a_slow_verification_holds_nobody_up() {
    let (mut cluster, peer, puppet, stream) = peer_and_puppet();
    let other = cluster.puppet("other", "Org1MSP");
    let other_stream = cluster.puppet_connect(other, peer);
    introduce(&mut cluster, other, other_stream, 1);
    cluster.take_inbox(other);
    cluster.set_crypto_delay(peer, Duration::from_secs(3600));
    let strangers: Vec<Bytes> = (0..100).map(|number| stranger(number).seal()).collect();
    cluster.puppet_send(puppet, stream, membership_response(&strangers, &[], 0));
    cluster.puppet_send(other, other_stream, membership_request(&alive_of(&cluster, other, 1).seal(), 77));
    cluster.run_for(ms(5));
    assert_eq!(responses(&mut cluster, other).len(), 1, "answered at once, from what is known");
}

#[test]
fn w20_a_quiet_view_is_synced_less_often() {
    let mut cluster = Cluster::new(1);
    let nodes: Vec<NodeId> = (0..5).map(|number| cluster.add(&format!("n{number}"), "Org1MSP")).collect();
    cluster.bootstrap_with(&nodes[1..], nodes[0]);
    cluster.start_all();
    cluster.run_for(Duration::from_secs(60));
    cluster.set_tracing(true);
    let requests_in = |cluster: &mut Cluster, seconds| {
        cluster.run_for(Duration::from_secs(seconds));
        cluster.take_trace().iter().filter(|line| line.contains("> ") && line.contains(" mem_req ")).count()
    };
    let quiet_count = requests_in(&mut cluster, 160);
    // with Fabric's 4 s it would be 600
    assert!((120..=180).contains(&quiet_count), "every 16 s: {quiet_count}");
    cluster.stop(nodes[4]);
    let busy_count = requests_in(&mut cluster, 16);
    assert!(busy_count > quiet_count / 10, "after a death sooner: {busy_count}");
}

#[test]
fn w21_what_is_known_is_not_verified_again() {
    let (mut cluster, peer, puppet, stream) = peer_and_puppet();
    introduce(&mut cluster, puppet, stream, 5);
    let own = responses(&mut cluster, puppet).remove(0);
    let stats = |cluster: &Cluster| {
        let stats = cluster.peer(peer).stats();
        (stats.verify_count, stats.identity_check_count)
    };
    let before = stats(&cluster);
    let same = alive_of(&cluster, puppet, 5).with_identity().seal();
    let older = alive_of(&cluster, puppet, 4).with_identity().seal();
    for alive in [&same, &older] {
        cluster.puppet_send(puppet, stream, alive.clone());
        cluster.puppet_send(puppet, stream, membership_request(alive, 8));
    }
    // the echo of its own message
    cluster.puppet_send(puppet, stream, membership_response(&own_elements(&own), &[], 0));
    cluster.run_for(ms(5));
    assert_eq!(stats(&cluster), before);
    assert_eq!(responses(&mut cluster, puppet).len(), 2, "answered all the same");
    // a newer one costs one verification; the identity in it is known
    cluster.puppet_send(puppet, stream, alive_of(&cluster, puppet, 6).with_identity().seal());
    cluster.run_for(ms(5));
    assert_eq!(stats(&cluster), (before.0 + 1, before.1));
}

/// The same message from two peers at the same moment is verified once.
#[test]
fn w21_nothing_is_verified_twice_at_a_time() {
    let (mut cluster, peer, puppet, stream) = peer_and_puppet();
    let other = cluster.puppet("other", "Org1MSP");
    let other_stream = cluster.puppet_connect(other, peer);
    cluster.set_crypto_delay(peer, ms(20));
    let verify_count = cluster.peer(peer).stats().verify_count;
    let alive = stranger(1).with_identity().seal();
    cluster.puppet_send(puppet, stream, alive.clone());
    cluster.puppet_send(other, other_stream, alive.clone());
    cluster.puppet_send(other, other_stream, stranger(1).with_identity().seal_forged());
    cluster.run_for(ms(100));
    assert!(is_alive(&cluster, peer, &stranger(1)));
    // the forged one is another message, and cannot keep the genuine one out
    assert_eq!(cluster.peer(peer).stats().verify_count, verify_count + 2);
    assert_eq!(cluster.peer(peer).stats().identity_check_count, 2 + 2);
}

#[test]
fn w22_organisations_are_not_found_out_again_and_again() {
    let (mut cluster, peer, puppet, stream) = peer_and_puppet();
    (0..50).for_each(|number| cluster.puppet_send(puppet, stream, stranger(number).with_identity().seal()));
    introduce(&mut cluster, puppet, stream, 1);
    let check_count = cluster.peer(peer).stats().identity_check_count;
    let request = membership_request(&alive_of(&cluster, puppet, 1).seal(), 3);
    (0..10).for_each(|_| cluster.puppet_send(puppet, stream, request.clone()));
    cluster.run_for(ms(5));
    assert_eq!(responses(&mut cluster, puppet).len(), 11);
    assert_eq!(cluster.peer(peer).stats().identity_check_count, check_count);
}

/// No signature of an alive message is checked against the policy of some channel (that is the MSPs' own business).
#[test]
fn w27_no_channel_is_chosen_for_foreign_signatures() {
    let (mut cluster, peer, _, _) = peer_and_puppet();
    let foreign = cluster.puppet("foreign", "Org2MSP");
    cluster.join(peer, "mychannel", 1, &[]);
    cluster.set_tracing(true);
    let stream = cluster.puppet_connect(foreign, peer);
    introduce(&mut cluster, foreign, stream, 1);
    let trace = cluster.take_trace();
    let verifications: Vec<_> = trace.iter().filter(|line| line.contains("peer > verify")).collect();
    assert_eq!(verifications.len(), 2, "handshake and alive message");
    assert!(verifications.iter().all(|line| !line.contains("as reader")));
}

fn own_elements(response: &EnvelopeView) -> Vec<Bytes> {
    elements(response, ElementList::Alive).into_iter().map(|element| element.raw().clone()).collect()
}

#[test]
fn a_message_counts_that_tells_of_a_dead_member_who_is_learned_alive_meanwhile() {
    let (mut cluster, peer, puppet, stream) = peer_and_puppet();
    let message = |seq_num: u64| Alive { seq_num, ..stranger(1) }.with_identity().seal();
    let nonce = make_it_ask(&mut cluster, puppet, stream);
    cluster.set_crypto_delay(peer, ms(5));
    cluster.set_tracing(true);
    cluster.puppet_send(puppet, stream, message(1));
    cluster.puppet_send(puppet, stream, membership_response(&[], &[message(2)], nonce));
    cluster.run_for(ms(50));
    assert_eq!(cluster.peer(peer).alive_count(), 2, "the puppet and the stranger");
    assert_eq!(verified(&mut cluster), ["Org1MSP|stranger1"; 2]);
    cluster.puppet_send(puppet, stream, message(2));
    cluster.run_for(ms(50));
    assert_eq!(verified(&mut cluster), [""; 0]);
}

#[test]
fn w13_going_back_to_a_former_incarnation_costs_nothing() {
    let (mut cluster, peer, puppet, stream) = peer_and_puppet();
    let other = cluster.puppet("other", "Org1MSP");
    let other_stream = cluster.puppet_connect(other, peer);
    let present = alive_of(&cluster, puppet, 7).of_incarnation(1_000_000).with_secret("10.0.0.1:7051");
    // of a life whose clock was ahead, which somebody still tells of
    let former = alive_of(&cluster, puppet, 90).of_incarnation(2_000_000).with_secret("10.0.0.1:7051");
    cluster.set_tracing(true);
    for relayed in [&present, &former] {
        cluster.puppet_send(other, other_stream, relayed.seal());
        cluster.run_for(ms(5));
    }
    assert_eq!(verified(&mut cluster), ["Org1MSP|puppet and secret", "Org1MSP|puppet"]);
    // the origin itself
    cluster.puppet_send(puppet, stream, membership_request(&present.seal(), 5));
    cluster.run_for(ms(5));
    assert_eq!(responses(&mut cluster, puppet).len(), 1);
    cluster.puppet_send(other, other_stream, former.seal());
    cluster.run_for(ms(5));
    assert_eq!(verified(&mut cluster), [""; 0]);
    let next = alive_of(&cluster, puppet, 8).of_incarnation(1_000_000);
    cluster.puppet_send(other, other_stream, next.seal());
    cluster.run_for(ms(5));
    assert_eq!(verified(&mut cluster), ["Org1MSP|puppet"], "the present life goes on");
}
