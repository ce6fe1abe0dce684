//! The weak points of spec/04 §17, by their numbers: what a Go peer suffers from must not happen here. Those that are of
//! other parts: W-14 (roles) and W-27 (which channel) of the MSPs, W-19 of dissemination.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use bytes::Bytes;
use core::slice::from_ref;
use core::time::Duration;
use selvedge_core::testing::messages::{self, Alive, membership_request, membership_response};
use selvedge_core::testing::{Cluster, NodeId, crypto};
use selvedge_core::{Endpoint, Event, Misbehaviour, Reject, Unfitting, WallTime};
use selvedge_proto::envelope::{ContentKind, ElementList, EnvelopeView, seal};
use selvedge_proto::gossip::gossip_message::{Content, Tag};
use selvedge_proto::gossip::{AliveMessage, Empty, Member, PeerTime};
use selvedge_proto::validate::Malformed;
use support::*;

#[test]
fn w01_missing_sub_messages_are_refused_by_name() {
    let (mut cluster, peer, puppet, stream) = peer_and_puppet();
    let identity = cluster.identity(puppet);
    let member = Member {
        endpoint: "puppet:7051".to_owned(),
        metadata: Bytes::new(),
        pki_id: Bytes::copy_from_slice(cluster.pki_id(puppet).as_bytes()),
    };
    let timestamp = Some(PeerTime { inc_num: 1, seq_num: 1 });
    let alive = |content| messages::message(Tag::Empty, Content::AliveMsg(content));
    let whole = AliveMessage { membership: Some(member.clone()), timestamp, identity: Bytes::new() };
    let no_membership = alive(AliveMessage { membership: None, ..whole.clone() });
    let no_timestamp = alive(AliveMessage { timestamp: None, ..whole.clone() });
    let no_pki_id =
        alive(AliveMessage { membership: Some(Member { pki_id: Bytes::new(), ..member }), ..whole });
    let other = messages::message(Tag::Empty, Content::Empty(Empty {}));
    for (message, reason) in [
        (no_membership, Malformed::MembershipMissing),
        (no_timestamp, Malformed::TimestampMissing),
        (no_pki_id, Malformed::PkiIdMissing),
    ] {
        for envelope in [messages::signed(&identity, &message), messages::unsigned(&message)] {
            for carrier in [
                envelope.clone(),
                membership_request(&envelope, 1),
                membership_response(from_ref(&envelope), &[], 1),
            ] {
                let refused_count = rejections_of(&cluster, peer, reason);
                cluster.puppet_send(puppet, stream, carrier);
                cluster.run_for(ms(5));
                assert_eq!(rejections_of(&cluster, peer, reason), refused_count + 1, "{reason:?}");
            }
        }
    }
    // something else in the place of an alive message; the dead are only looked at when they were asked for
    let other = messages::signed(&identity, &other);
    cluster.puppet_send(puppet, stream, membership_request(&other, 1));
    cluster.puppet_send(puppet, stream, membership_response(from_ref(&other), &[], 1));
    let nonce = make_it_ask(&mut cluster, puppet, stream);
    cluster.puppet_send(puppet, stream, membership_response(&[], from_ref(&other), nonce));
    cluster.run_for(ms(5));
    assert_eq!(rejections_of(&cluster, peer, Malformed::ContentUnexpected), 3);
    assert!(cluster.stands(puppet, stream));
    assert_eq!(cluster.peer(peer).members().count(), 1, "only the puppet, by its request");
}

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
fn w03_identities_may_go_while_responses_are_made() {
    let (mut cluster, peer, puppet, stream) = peer_and_puppet();
    introduce(&mut cluster, puppet, stream, 1);
    let gone: Vec<NodeId> =
        (0..5).map(|number| cluster.puppet(&format!("gone{number}"), "Org1MSP")).collect();
    for &node in &gone {
        let stream = cluster.puppet_connect(node, peer);
        introduce(&mut cluster, node, stream, 1);
        let identity = cluster.identity(node);
        cluster.revoke(&identity);
    }
    assert_eq!(cluster.peer(peer).members().count(), 6);
    cluster.set_crypto_delay(peer, ms(2));
    cluster.join(peer, "mychannel", 1, &[]);
    for sequence in 2..6 {
        cluster.puppet_send(
            puppet,
            stream,
            membership_request(&alive_of(&cluster, puppet, sequence).seal(), sequence),
        );
        cluster.run_for(ms(1));
    }
    cluster.run_for(ms(50));
    assert_eq!(cluster.peer(peer).members().count(), 1);
    assert_eq!(responses(&mut cluster, puppet).len(), 1 + 4);
    assert_eq!(cluster.peer(peer).connection_count(), 1);
}

#[test]
fn w04_heartbeats_go_on_after_a_signing_failure() {
    let (mut cluster, peer, puppet, stream) = peer_and_puppet();
    introduce(&mut cluster, puppet, stream, 1);
    cluster.set_signer_fails(peer, true);
    cluster.run_for(Duration::from_secs(12));
    cluster.take_inbox(puppet);
    cluster.set_signer_fails(peer, false);
    cluster.run_for(ms(1100));
    assert!(!heartbeats(&mut cluster, puppet).is_empty(), "within a second, not at the next period");
}

#[test]
fn w05_an_ipv6_endpoint_is_the_same_with_and_without_brackets() {
    let mut cluster = Cluster::new(1);
    let (peer, anchor) = (cluster.add("peer", "Org1MSP"), cluster.puppet("anchor", "Org1MSP"));
    cluster.config_mut(anchor).external_endpoint = Endpoint::from("[::1]:7051");
    cluster.start(peer);
    cluster.join(peer, "mychannel", 1, &[anchor]);
    let stream = cluster.puppet_connect(anchor, peer);
    let alive = alive_of(&cluster, anchor, 1).with_endpoint("::1:7051");
    cluster.puppet_send(anchor, stream, alive.with_identity().seal());
    cluster.run_for(ms(5));
    assert_eq!(cluster.peer(peer).members().count(), 1);
    // an anchor outlives its lifetime of 500 s
    cluster.puppet_close(anchor, stream);
    cluster.run_for(Duration::from_secs(1200));
    assert_eq!(cluster.peer(peer).members().count(), 1);
}

#[test]
fn w06_an_unreachable_anchor_is_tried_for_ever() {
    let mut cluster = Cluster::new(1);
    let (peer, anchor) = (cluster.add("peer", "Org1MSP"), cluster.add("anchor", "Org2MSP"));
    cluster.start(peer);
    cluster.join(peer, "mychannel", 1, &[anchor]);
    cluster.run_for(Duration::from_secs(12 * 3600));
    cluster.set_tracing(true);
    cluster.run_for(Duration::from_secs(300));
    let dials = cluster.take_trace().iter().filter(|line| line.contains("> dial")).count();
    assert!((9..=17).contains(&dials), "every 25 s or so: {dials}");
    cluster.start(anchor);
    cluster.run_for(Duration::from_secs(40));
    assert_eq!(cluster.peer(peer).members().filter(|member| member.is_alive).count(), 1);
}

#[test]
fn w07_a_response_counts_as_an_answer_only_from_whom_was_asked() {
    let (mut cluster, peer, puppet, stream) = peer_and_puppet();
    let liar = cluster.puppet("liar", "Org1MSP");
    let liar_stream = cluster.puppet_connect(liar, peer);
    let nonce = make_it_ask(&mut cluster, puppet, stream);
    let dead = stranger(1).with_identity().seal();
    cluster.puppet_send(liar, liar_stream, membership_response(&[], from_ref(&dead), nonce));
    cluster.run_for(ms(5));
    assert_eq!(rejections_of(&cluster, peer, Misbehaviour::Unsolicited), 1);
    assert_eq!(cluster.peer(peer).members().filter(|member| !member.is_alive).count(), 0);
    // what an unasked response says of the living proves itself
    let alive = stranger(2).with_identity().seal();
    cluster.puppet_send(liar, liar_stream, membership_response(&[alive], &[], 0));
    cluster.run_for(ms(5));
    assert!(is_alive(&cluster, peer, &stranger(2)));
    // the one who was asked may say it
    cluster.puppet_send(puppet, stream, membership_response(&[], &[dead], nonce));
    cluster.run_for(ms(5));
    assert_eq!(cluster.peer(peer).members().filter(|member| !member.is_alive).count(), 1);
}

#[test]
fn w08_a_refused_requester_is_not_taken_in() {
    let (mut cluster, peer, _, _) = peer_and_puppet();
    let hermit = cluster.puppet("hermit", "Org2MSP");
    let stream = cluster.puppet_connect(hermit, peer);
    let alive = alive_of(&cluster, hermit, 1).with_endpoint("").with_identity().seal();
    cluster.puppet_send(hermit, stream, membership_request(&alive, 1));
    cluster.run_for(ms(5));
    assert!(!cluster.stands(hermit, stream), "disconnected, as by a Go peer");
    assert_eq!(responses(&mut cluster, hermit), []);
    assert_eq!(cluster.peer(peer).members().count(), 0);
    assert_eq!(rejections_of(&cluster, peer, Misbehaviour::NotEntitled), 1);
    // nor is one that pushes itself
    let stream = cluster.puppet_connect(hermit, peer);
    cluster.puppet_send(hermit, stream, alive);
    cluster.run_for(ms(5));
    assert_eq!(cluster.peer(peer).members().count(), 0);
}

#[test]
fn w09_members_that_were_only_heard_of_die_and_stay_forgotten() {
    let (mut cluster, peer, puppet, stream) = peer_and_puppet();
    let (living, dead) = (stranger(1).with_identity().seal(), stranger(2).with_identity().seal());
    let nonce = make_it_ask(&mut cluster, puppet, stream);
    cluster.puppet_send(puppet, stream, membership_response(from_ref(&living), from_ref(&dead), nonce));
    cluster.run_for(ms(5));
    let ghosts = |cluster: &Cluster| {
        let them = [stranger(1).identity, stranger(2).identity].map(|identity| crypto::pki_id(&identity));
        cluster.peer(peer).members().filter(|member| them.contains(&member.pki_id)).count()
    };
    assert_eq!(ghosts(&cluster), 2);
    cluster.run_for(Duration::from_secs(510));
    assert_eq!(ghosts(&cluster), 0);
    // long after a Go peer's tombstones are gone, somebody still lists them
    cluster.run_for(Duration::from_secs(3600));
    let stream = cluster.puppet_connect(puppet, peer);
    let nonce = make_it_ask(&mut cluster, puppet, stream);
    cluster.puppet_send(puppet, stream, membership_response(&[], &[living, dead], nonce));
    cluster.run_for(ms(50));
    assert_eq!(ghosts(&cluster), 0);
}

#[test]
fn w10_an_old_message_is_refused_long_after_its_origin_was_forgotten() {
    let (mut cluster, peer, puppet, stream) = peer_and_puppet();
    let recorded = stranger(1).with_identity().seal();
    cluster.puppet_send(puppet, stream, recorded.clone());
    cluster.run_for(Duration::from_secs(2 * 3600));
    assert_eq!(cluster.peer(peer).members().count(), 0);
    let stream = cluster.puppet_connect(puppet, peer);
    let verify_count = cluster.peer(peer).stats().verify_count;
    cluster.puppet_send(puppet, stream, recorded);
    cluster.run_for(ms(5));
    assert_eq!(cluster.peer(peer).members().count(), 0);
    assert_eq!(cluster.peer(peer).stats().verify_count, verify_count, "not even verified");
}

#[test]
fn w11_a_secret_that_comes_later_is_taken_up() {
    let (mut cluster, peer, puppet, stream) = peer_and_puppet();
    let whole = stranger(1).with_identity().with_secret("10.0.0.1:7051");
    let stripped = EnvelopeView::parse(whole.seal()).unwrap().without_secret();
    let endpoint = |cluster: &Cluster| {
        let pki_id = crypto::pki_id(&stranger(1).identity);
        let member = cluster.peer(peer).members().find(|member| member.pki_id == pki_id).unwrap();
        member.internal_endpoint.to_string()
    };
    cluster.puppet_send(puppet, stream, stripped.clone());
    cluster.run_for(ms(5));
    assert_eq!(endpoint(&cluster), "");
    // a forged one changes nothing, and does not keep the genuine one out
    let view = EnvelopeView::parse(whole.seal()).unwrap();
    let forged = seal(view.payload(), view.signature(), Some((view.secret().unwrap().payload(), b"forged")));
    cluster.puppet_send(puppet, stream, forged);
    cluster.run_for(ms(5));
    assert_eq!(endpoint(&cluster), "");
    let verify_count = cluster.peer(peer).stats().verify_count;
    cluster.puppet_send(puppet, stream, whole.seal());
    cluster.puppet_send(puppet, stream, whole.seal());
    cluster.run_for(ms(5));
    assert_eq!(endpoint(&cluster), "10.0.0.1:7051");
    assert_eq!(cluster.peer(peer).stats().verify_count, verify_count + 1, "the secret alone, and once");
    // and it is passed on to peers of the own organisation
    cluster.puppet_send(puppet, stream, membership_request(&alive_of(&cluster, puppet, 9).seal(), 5));
    cluster.run_for(ms(5));
    let told = responses(&mut cluster, puppet).remove(0);
    let elements: Vec<EnvelopeView> = elements(&told, ElementList::Alive);
    assert!(elements.iter().any(|element| *element.raw() == whole.seal()));
}

#[test]
fn w12_endpoints_that_members_declare_are_not_dialled_at_will() {
    let (mut cluster, peer, puppet, stream) = peer_and_puppet();
    let own = cluster.config_mut(peer).endpoint.clone();
    cluster.set_tracing(true);
    for seconds in 0..600 {
        let mine = stranger(1).with_identity().with_endpoint(&own);
        let nowhere = stranger(2).with_identity().with_endpoint("victim:22");
        for alive in [mine, nowhere] {
            let alive = Alive { seq_num: seconds / 5 + 1, ..alive };
            if seconds % 5 == 0 {
                cluster.puppet_send(puppet, stream, alive.seal());
            }
        }
        cluster.run_for(Duration::from_secs(1));
    }
    let trace = cluster.take_trace();
    let dials = |endpoint: &str| {
        let line = format!(" {endpoint}");
        trace.iter().filter(|it| it.contains("> dial") && it.ends_with(&line)).count()
    };
    assert_eq!(dials(&own), 0, "this very node");
    assert!(dials("victim:22") <= 40, "about every 25 s in 10 minutes: {}", dials("victim:22"));
}

#[test]
fn w13_a_peer_whose_clock_was_set_back_is_heard_when_it_speaks_for_itself() {
    let (mut cluster, peer, puppet, stream) = peer_and_puppet();
    let other = cluster.puppet("other", "Org1MSP");
    let other_stream = cluster.puppet_connect(other, peer);
    let before = alive_of(&cluster, puppet, 50).of_incarnation(2_000_000);
    let after = |seq_num| alive_of(&cluster, puppet, seq_num).of_incarnation(1_000_000);
    let [relayed, first, second] = [after(1), after(1), after(2)];
    cluster.puppet_send(puppet, stream, before.seal());
    cluster.run_for(Duration::from_secs(30));
    assert!(!is_alive(&cluster, peer, &before), "it was restarted");
    // from others it is a replay
    cluster.puppet_send(other, other_stream, relayed.seal());
    cluster.run_for(ms(5));
    assert!(!is_alive(&cluster, peer, &before));
    // on its own connection it is the peer itself
    let stream = cluster.puppet_connect(puppet, peer);
    cluster.puppet_send(puppet, stream, first.seal());
    cluster.run_for(ms(5));
    assert!(is_alive(&cluster, peer, &before));
    // from then on the former incarnation is the replay, and the present one goes on, by whatever way
    let newest = Alive { seq_num: 90, ..before.clone() };
    cluster.puppet_send(other, other_stream, newest.seal());
    cluster.run_for(ms(5));
    cluster.puppet_send(other, other_stream, second.seal());
    cluster.run_for(ms(5));
    let stale = (ContentKind::AliveMsg, Reject::from(Unfitting::Stale));
    assert_eq!(cluster.peer(peer).stats().rejected[&stale], 2, "the relayed one, and the former incarnation");
}

/// The other half of W-13: this node's own incarnation is what its owner says, whatever the clock shows.
#[test]
fn w13_the_own_incarnation_is_given_by_the_owner() {
    let mut cluster = Cluster::new(1);
    let (peer, puppet) = (cluster.add("peer", "Org1MSP"), cluster.puppet("puppet", "Org1MSP"));
    cluster.start_as(peer, u64::MAX - 3);
    let stream = cluster.puppet_connect(puppet, peer);
    introduce(&mut cluster, puppet, stream, 1);
    let told = responses(&mut cluster, puppet).remove(0);
    let own = elements(&told, ElementList::Alive).pop().unwrap();
    assert_eq!(own.alive_key().unwrap().inc_num, u64::MAX - 3);
}

#[test]
fn w15_oversized_messages_are_refused() {
    let (mut cluster, peer, puppet, stream) = peer_and_puppet();
    let endpoint = "x".repeat(257);
    let large_endpoint = stranger(1).with_identity().with_endpoint(&endpoint);
    let large_metadata = Alive { metadata: vec![0; 4097].into(), ..stranger(2).with_identity() };
    let identity = crypto::identity("Org1MSP", &"y".repeat(20_000));
    let large_identity =
        Alive { identity: identity.clone(), ..stranger(3).with_identity() }.with_endpoint("z:1");
    let large_secret = stranger(4).with_identity().with_secret(&endpoint);
    for alive in [&large_endpoint, &large_metadata, &large_identity] {
        let refused_count = rejections_of(&cluster, peer, Reject::OverLimit);
        cluster.puppet_send(puppet, stream, alive.seal());
        cluster.puppet_send(puppet, stream, membership_response(&[alive.seal()], &[], 0));
        cluster.run_for(ms(5));
        assert_eq!(rejections_of(&cluster, peer, Reject::OverLimit), refused_count + 2);
        assert!(!is_alive(&cluster, peer, alive));
    }
    // a secret of that size is not used
    cluster.puppet_send(puppet, stream, large_secret.seal());
    cluster.run_for(ms(5));
    assert!(cluster.peer(peer).members().all(|member| member.internal_endpoint.is_empty()));
}

#[test]
fn w15_members_are_limited() {
    let mut cluster = Cluster::new(1);
    let (peer, puppet) = (cluster.add("peer", "Org1MSP"), cluster.puppet("puppet", "Org1MSP"));
    cluster.config_mut(peer).limits.members_max = 3;
    cluster.start(peer);
    let stream = cluster.puppet_connect(puppet, peer);
    (0..5).for_each(|number| cluster.puppet_send(puppet, stream, stranger(number).with_identity().seal()));
    cluster.run_for(ms(5));
    assert_eq!(cluster.peer(peer).members().count(), 3);
    assert_eq!(rejections_of(&cluster, peer, Reject::OverLimit), 2);
    // those that are in go on
    cluster.puppet_send(puppet, stream, Alive { seq_num: 2, ..stranger(0) }.seal());
    cluster.run_for(ms(5));
    assert_eq!(rejections_of(&cluster, peer, Reject::OverLimit), 2);
}

#[test]
fn w16_only_the_own_organisation_gets_secrets() {
    let (mut cluster, peer, puppet, stream) = peer_and_puppet();
    introduce(&mut cluster, puppet, stream, 1);
    cluster.take_inbox(puppet);
    cluster.run_for(Duration::from_secs(10));
    let with_secret = requests(&mut cluster, puppet);
    assert!(
        !with_secret.is_empty()
            && with_secret.iter().all(|request| self_information(request).secret().is_some())
    );
    let foreign = cluster.puppet("foreign", "Org2MSP");
    let stream = cluster.puppet_connect(foreign, peer);
    introduce(&mut cluster, foreign, stream, 1);
    cluster.run_for(Duration::from_secs(10));
    let without = requests(&mut cluster, foreign);
    assert!(
        !without.is_empty() && without.iter().all(|request| self_information(request).secret().is_none())
    );
}

#[test]
fn w17_one_failure_is_a_suspicion_two_are_a_death() {
    let (mut cluster, peer, puppet, stream) = peer_and_puppet();
    introduce(&mut cluster, puppet, stream, 1);
    let died = |cluster: &Cluster| {
        cluster.events(peer).iter().any(|event| matches!(event, Event::MemberDead { .. }))
    };
    // an orderly close is no death; it is dialled and answers
    cluster.puppet_close(puppet, stream);
    cluster.run_for(Duration::from_secs(3));
    assert!(!died(&cluster));
    assert_eq!(cluster.peer(peer).connection_count(), 1);
    // nor is a failed dial, if something new is heard meanwhile
    let relay = cluster.puppet("relay", "Org1MSP");
    let relay_stream = cluster.puppet_connect(relay, peer);
    cluster.cut(peer, puppet);
    cluster.sever(peer, puppet);
    for seq_num in 2..20 {
        cluster.run_for(Duration::from_secs(1));
        let alive = alive_of(&cluster, puppet, seq_num).seal();
        cluster.puppet_send(relay, relay_stream, alive);
    }
    assert!(!died(&cluster));
    // but with silence it is
    cluster.run_for(Duration::from_secs(28));
    assert!(died(&cluster));
}

#[test]
fn w18_requests_are_answered_at_a_limited_rate() {
    let (mut cluster, peer, puppet, stream) = peer_and_puppet();
    introduce(&mut cluster, puppet, stream, 1);
    cluster.run_for(Duration::from_secs(2));
    cluster.take_inbox(puppet);
    let request = membership_request(&alive_of(&cluster, puppet, 1).seal(), 3);
    (0..200).for_each(|_| cluster.puppet_send(puppet, stream, request.clone()));
    cluster.run_for(ms(100));
    assert_eq!(responses(&mut cluster, puppet).len(), 20);
    assert_eq!(rejections_of(&cluster, peer, Reject::OverLimit), 180);
    cluster.run_for(Duration::from_secs(1));
    cluster.puppet_send(puppet, stream, request);
    cluster.run_for(ms(100));
    assert_eq!(responses(&mut cluster, puppet).len(), 1);
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

#[test]
fn w24_an_unknown_origin_is_asked_after_at_once() {
    let mut cluster = Cluster::new(1);
    let nodes: Vec<NodeId> = (0..4).map(|number| cluster.add(&format!("n{number}"), "Org1MSP")).collect();
    cluster.bootstrap_with(&nodes[1..], nodes[0]);
    nodes[..3].iter().for_each(|&node| cluster.start(node));
    cluster.run_for(Duration::from_secs(30));
    // alive messages carry no identities any more; the newcomer is told of three peers and knows one
    cluster.start(nodes[3]);
    cluster.run_for(ms(60));
    assert_eq!(cluster.peer(nodes[3]).members().filter(|member| member.is_alive).count(), 3);
    assert_eq!(cluster.rejections(nodes[3]), []);
}

/// A message whose identity nobody has is kept for a while, and then refused by name.
#[test]
fn w24_strangers_are_not_kept_for_ever() {
    let (mut cluster, peer, puppet, stream) = peer_and_puppet();
    (0..2000).for_each(|number| cluster.puppet_send(puppet, stream, stranger(number).seal()));
    cluster.run_for(ms(50));
    let unknown = Reject::from(Unfitting::IdentityUnknown);
    assert_eq!(rejections_of(&cluster, peer, unknown), 2000 - 1024);
    cluster.run_for(Duration::from_secs(15));
    assert_eq!(rejections_of(&cluster, peer, unknown), 2000);
}

#[test]
fn w25_an_anchor_that_is_alive_is_not_connected_again() {
    let mut cluster = Cluster::new(1);
    let (peer, anchor) = (cluster.add("peer", "Org1MSP"), cluster.add("anchor", "Org2MSP"));
    cluster.start_all();
    cluster.join(peer, "one", 1, &[anchor]);
    cluster.run_for(Duration::from_secs(10));
    cluster.set_tracing(true);
    cluster.join(peer, "one", 2, &[anchor]);
    cluster.join(peer, "two", 1, &[anchor]);
    cluster.run_for(Duration::from_secs(120));
    let dials = cluster.take_trace().into_iter().filter(|line| line.contains("> dial")).collect::<Vec<_>>();
    assert_eq!(dials, [""; 0]);
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

#[test]
fn w28_an_identity_may_go_while_its_message_is_verified() {
    let (mut cluster, peer, puppet, stream) = peer_and_puppet();
    let other = cluster.puppet("other", "Org1MSP");
    let other_stream = cluster.puppet_connect(other, peer);
    introduce(&mut cluster, other, other_stream, 1);
    let identity = cluster.identity(other);
    cluster.set_crypto_delay(peer, ms(50));
    // the check of the identity ends before the verification that begins after it
    cluster.revoke(&identity);
    cluster.join(peer, "mychannel", 1, &[]);
    cluster.run_for(ms(5));
    cluster.puppet_send(puppet, stream, alive_of(&cluster, other, 2).seal());
    cluster.run_for(ms(200));
    assert!(!cluster.peer(peer).members().any(|member| member.pki_id == cluster.pki_id(other)));
}

#[test]
fn w29_an_expired_node_still_talks() {
    let mut cluster = Cluster::new(1);
    let (peer, puppet) = (cluster.add("peer", "Org1MSP"), cluster.puppet("puppet", "Org1MSP"));
    let identity = cluster.identity(peer);
    cluster.set_expiry(&identity, cluster.wall() + Duration::from_secs(60));
    cluster.start(peer);
    let stream = cluster.puppet_connect(puppet, peer);
    introduce(&mut cluster, puppet, stream, 1);
    cluster.run_for(Duration::from_secs(20));
    cluster.puppet_send(puppet, stream, alive_of(&cluster, puppet, 2).seal());
    cluster.run_for(Duration::from_secs(22));
    cluster.puppet_send(puppet, stream, alive_of(&cluster, puppet, 3).seal());
    cluster.run_for(Duration::from_secs(22));
    cluster.puppet_send(puppet, stream, alive_of(&cluster, puppet, 4).seal());
    cluster.take_inbox(puppet);
    assert!(cluster.wall() > WallTime::from_seconds(1_700_000_060));
    cluster.run_for(Duration::from_secs(6));
    assert!(!heartbeats(&mut cluster, puppet).is_empty());
    cluster.puppet_send(puppet, stream, membership_request(&alive_of(&cluster, puppet, 4).seal(), 3));
    cluster.run_for(ms(5));
    assert_eq!(responses(&mut cluster, puppet).len(), 1);
    assert!(cluster.stands(puppet, stream));
}

/// Spec/04 §5.2 step 3: not only a log line.
#[test]
fn a_second_node_with_the_own_identity_is_reported() {
    let (mut cluster, peer, puppet, stream) = peer_and_puppet();
    let identity = cluster.identity(peer);
    let twin = Alive { identity: identity.clone(), ..Alive::new(&identity, 1) }.of_incarnation(u64::MAX);
    let reports = |cluster: &Cluster| {
        let report = |event: &Event| match event {
            Event::IdentityInUse { endpoint } => Some(endpoint.to_string()),
            _ => None,
        };
        cluster.events(peer).iter().filter_map(report).collect::<Vec<_>>()
    };
    cluster.puppet_send(puppet, stream, twin.clone().with_endpoint("twin:1").seal_forged());
    cluster.run_for(Duration::from_secs(61));
    assert_eq!(reports(&cluster), [""; 0]);
    for _ in 0..3 {
        cluster.puppet_send(puppet, stream, twin.clone().with_endpoint("twin:1").seal());
    }
    cluster.run_for(ms(5));
    assert_eq!(reports(&cluster), ["twin:1"]);
    assert_eq!(cluster.peer(peer).members().count(), 0, "not a member of its own view");
}

/// W-17, the other side: a peer that is really gone is not alive for 25 s more.
#[test]
fn w17_a_killed_peer_is_dead_soon() {
    let mut cluster = Cluster::new(1);
    let (a, b) = (cluster.add("a", "Org1MSP"), cluster.add("b", "Org1MSP"));
    cluster.bootstrap_with(&[b], a);
    cluster.start_all();
    cluster.run_for(Duration::from_secs(10));
    cluster.stop(b);
    cluster.run_for(Duration::from_secs(1));
    assert!(cluster.events(a).contains(&Event::MemberDead { pki_id: cluster.pki_id(b) }));
}

fn own_elements(response: &EnvelopeView) -> Vec<Bytes> {
    elements(response, ElementList::Alive).into_iter().map(|element| element.raw().clone()).collect()
}
