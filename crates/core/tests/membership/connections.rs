//! The weak points of spec/02 §14 and spec/03 §12 that touch connections and identities, by their numbers. No. 1, 2, 6 to 9
//! of spec/02 are in the tests of `connection`, where every order of events can be made; no. 4, 5, 8 and 16 are of the
//! transport, 10 of the protocol itself, 13 of threads, 19 of acknowledgements, which nothing asks for yet.

use crate::support::*;
use bytes::Bytes;
use core::time::Duration;
use selvedge_core::testing::messages::{self, membership_request};
use selvedge_core::testing::{Cluster, NodeId, crypto};
use selvedge_core::{CloseReason, Event, Misbehaviour, Reject, Unfitting};

/// No. 3: an initiator that cannot read any more must not look connected.
#[test]
fn no_3_a_stream_that_cannot_be_read_is_closed_by_the_initiator_as_well() {
    let mut cluster = Cluster::new(1);
    let (peer, puppet) = (cluster.add("peer", "Org1MSP"), cluster.puppet("puppet", "Org1MSP"));
    cluster.bootstrap_with(&[peer], puppet);
    cluster.start(peer);
    cluster.run_for(ms(20));
    let stream = *cluster.connections_of(puppet).last().unwrap();
    assert_eq!(cluster.peer(peer).connection_count(), 1);
    cluster.puppet_send(puppet, stream, Bytes::from_static(&[0x0a, 0x05, 0x01]));
    cluster.run_for(ms(5));
    assert_eq!(cluster.peer(peer).connection_count(), 0);
    assert!(!cluster.stands(puppet, stream));
}

/// No. 11, and spec/03 no. 7: an identity that is revoked loses its connection and its place among the members as soon as
/// the configuration that revokes it is in force.
#[test]
fn no_11_a_revoked_identity_is_disconnected_by_the_configuration_that_revokes_it() {
    let (mut cluster, peer, puppet, stream) = peer_and_puppet();
    introduce(&mut cluster, puppet, stream, 1);
    cluster.join(peer, "mychannel", 1, &[]);
    cluster.run_for(ms(5));
    assert!(cluster.stands(puppet, stream));
    let identity = cluster.identity(puppet);
    cluster.revoke(&identity);
    cluster.join(peer, "mychannel", 2, &[]);
    cluster.run_for(ms(5));
    assert!(!cluster.stands(puppet, stream));
    assert_eq!(cluster.closes(peer).last().map(|(_, reason)| *reason), Some(CloseReason::PeerGone));
    assert_eq!(cluster.peer(peer).members().count(), 0);
    assert_eq!(cluster.peer(peer).identity_count(), 1);
}

/// No. 11 with many identities: they are checked a few at a time, and a second configuration starts anew.
#[test]
fn no_11_rechecks_are_limited_and_complete() {
    let (mut cluster, peer, puppet, stream) = peer_and_puppet();
    (0..200).for_each(|number| cluster.puppet_send(puppet, stream, stranger(number).with_identity().seal()));
    cluster.run_for(ms(50));
    assert_eq!(cluster.peer(peer).identity_count(), 202);
    cluster.set_crypto_delay(peer, ms(10));
    let checks = |cluster: &Cluster| cluster.peer(peer).stats().identity_check_count;
    let before = checks(&cluster);
    cluster.join(peer, "mychannel", 1, &[]);
    assert!(checks(&cluster) - before <= 32);
    cluster.run_for(ms(25));
    for number in 150..160 {
        cluster.revoke(&stranger(number).identity);
    }
    cluster.join(peer, "mychannel", 2, &[]);
    cluster.run_for(Duration::from_secs(1));
    assert_eq!(cluster.peer(peer).identity_count(), 192);
    assert!(checks(&cluster) - before < 2 * 201 + 33);
}

/// No. 14: a peer that answers in another's place makes that one disappear only until it speaks again.
#[test]
fn no_14_a_member_that_was_replaced_at_its_endpoint_comes_back_when_it_speaks() {
    let mut cluster = Cluster::new(1);
    let (peer, moved) = (cluster.add("peer", "Org1MSP"), cluster.puppet("moved", "Org1MSP"));
    let squatter = cluster.puppet("squatter", "Org1MSP");
    let relay = cluster.puppet("relay", "Org1MSP");
    // the endpoint in the member's last message now belongs to another peer
    cluster.config_mut(squatter).external_endpoint = selvedge_core::Endpoint::from("old:7051");
    cluster.start(peer);
    let stream = cluster.puppet_connect(relay, peer);
    let alive = |seq_num, endpoint: &str| {
        messages::Alive::new(&crypto::identity("Org1MSP", "moved"), seq_num).with_endpoint(endpoint)
    };
    cluster.puppet_send(relay, stream, alive(1, "old:7051").with_identity().seal());
    cluster.run_for(Duration::from_secs(8));
    let pki_id = cluster.pki_id(moved);
    assert!(cluster.events(peer).contains(&Event::MemberForgotten { pki_id }), "the squatter answered");
    cluster.puppet_send(relay, stream, alive(1, "old:7051").with_identity().seal());
    cluster.run_for(ms(5));
    assert!(!is_alive(&cluster, peer, &alive(1, "")), "not by what it said before");
    cluster.puppet_send(relay, stream, alive(2, "moved:7051").seal());
    cluster.run_for(ms(5));
    assert!(is_alive(&cluster, peer, &alive(2, "")));
}

/// No. 16: what arrived before the end of a stream is processed.
#[test]
fn no_16_the_last_messages_before_a_close_count() {
    let (mut cluster, peer, puppet, stream) = peer_and_puppet();
    (0..40).for_each(|number| cluster.puppet_send(puppet, stream, stranger(number).with_identity().seal()));
    cluster.puppet_close(puppet, stream);
    cluster.run_for(ms(5));
    assert_eq!(cluster.peer(peer).members().count(), 40);
}

/// No. 17: a peer that cannot be reached is dialled once for all that is sent to it, and then not for a while.
#[test]
fn no_17_sends_to_an_unreachable_peer_do_not_pile_up() {
    let mut cluster = Cluster::new(1);
    let nodes: Vec<NodeId> = (0..12).map(|number| cluster.add(&format!("n{number}"), "Org1MSP")).collect();
    cluster.bootstrap_with(&nodes[1..], nodes[0]);
    cluster.start_all();
    cluster.run_for(Duration::from_secs(20));
    nodes[2..].iter().for_each(|&node| cluster.cut(nodes[1], node));
    cluster.set_tracing(true);
    cluster.run_for(Duration::from_secs(120));
    let dials = cluster.take_trace().iter().filter(|line| line.contains("n5 > dial")).count();
    // n1 is heard of through n0, so it stays alive; it is dialled at growing intervals only
    assert!(
        cluster
            .peer(nodes[5])
            .members()
            .any(|member| member.pki_id == cluster.pki_id(nodes[1]) && member.is_alive)
    );
    assert!(dials <= 12, "{dials}");
}

/// No. 18: a stream that the other side closed is no proof of death.
#[test]
fn no_18_an_orderly_close_is_followed_by_a_new_connection() {
    let (mut cluster, peer, puppet, stream) = peer_and_puppet();
    introduce(&mut cluster, puppet, stream, 1);
    cluster.puppet_close(puppet, stream);
    cluster.run_for(Duration::from_secs(2));
    assert_eq!(cluster.peer(peer).connection_count(), 1);
    assert!(!cluster.events(peer).iter().any(|event| matches!(event, Event::MemberDead { .. })));
}

/// Spec/03 no. 2 and 3: variants of one certificate have one key; only so many of them are known at a time.
#[test]
fn variants_of_a_certificate_are_limited() {
    let (mut cluster, peer, puppet, stream) = peer_and_puppet();
    for number in 0..20 {
        let variant = crypto::identity("Org1MSP", &format!("forger~{number}"));
        let alive = messages::Alive::new(&variant, 1).with_endpoint("forger:1").with_identity();
        cluster.puppet_send(puppet, stream, alive.seal());
    }
    cluster.run_for(ms(5));
    assert_eq!(cluster.peer(peer).members().count(), 4);
    assert_eq!(cluster.peer(peer).identity_count(), 2 + 4);
    assert_eq!(rejections_of(&cluster, peer, Reject::OverLimit), 16);
}

/// Spec/03 no. 2: somebody else's certificate in as many forms as one likes, but without its key, fills nothing.
#[test]
fn identities_without_their_key_are_not_stored() {
    let (mut cluster, peer, puppet, stream) = peer_and_puppet();
    for number in 0..100 {
        let victim = crypto::identity("Org1MSP", &format!("victim~{number}"));
        cluster.puppet_send(puppet, stream, messages::Alive::new(&victim, 1).with_identity().seal_forged());
    }
    cluster.run_for(ms(5));
    assert_eq!(cluster.peer(peer).identity_count(), 2);
    assert_eq!(rejections_of(&cluster, peer, Misbehaviour::SignatureInvalid), 100);
}

/// Spec/03 no. 4: what expires is gone at that moment: the identity, the member, the connection.
#[test]
fn an_identity_goes_when_it_expires() {
    let mut cluster = Cluster::new(1);
    let (peer, puppet) = (cluster.add("peer", "Org1MSP"), cluster.puppet("puppet", "Org1MSP"));
    let identity = cluster.identity(puppet);
    cluster.set_expiry(&identity, cluster.wall() + Duration::from_secs(20));
    cluster.start(peer);
    let stream = cluster.puppet_connect(puppet, peer);
    introduce(&mut cluster, puppet, stream, 1);
    cluster.run_for(Duration::from_secs(19));
    assert_eq!(cluster.peer(peer).members().count(), 1);
    cluster.run_for(Duration::from_secs(1));
    assert_eq!(cluster.peer(peer).members().count(), 0);
    assert_eq!(cluster.peer(peer).identity_count(), 1);
    assert!(!cluster.stands(puppet, stream));
    // and it does not come back
    let stream = cluster.puppet_connect(puppet, peer);
    assert!(!cluster.stands(puppet, stream));
    let relay = cluster.puppet("relay", "Org1MSP");
    let stream = cluster.puppet_connect(relay, peer);
    cluster.puppet_send(relay, stream, alive_of(&cluster, puppet, 9).with_identity().seal());
    cluster.run_for(ms(5));
    assert_eq!(rejections_of(&cluster, peer, Unfitting::IdentityExpired), 2);
    assert_eq!(cluster.peer(peer).members().count(), 0);
}

/// Spec/03 §4.3: after an hour without use; being connected, or a member, is use.
#[test]
fn an_identity_that_nobody_needs_goes_after_an_hour() {
    let (mut cluster, peer, puppet, stream) = peer_and_puppet();
    let passing = cluster.puppet("passing", "Org1MSP");
    let passing_stream = cluster.puppet_connect(passing, peer);
    cluster.puppet_close(passing, passing_stream);
    assert_eq!(cluster.peer(peer).identity_count(), 3);
    cluster.run_for(Duration::from_secs(3500));
    assert_eq!(cluster.peer(peer).identity_count(), 3);
    cluster.run_for(Duration::from_secs(600));
    assert_eq!(cluster.peer(peer).identity_count(), 2);
    assert!(cluster.stands(puppet, stream));
}

/// Beyond the limit an identity that nobody needs makes room; one that is needed does not.
#[test]
fn identities_are_limited() {
    let mut cluster = Cluster::new(1);
    let peer = cluster.add("peer", "Org1MSP");
    cluster.config_mut(peer).limits.identities_max = 4;
    cluster.start(peer);
    let puppets: Vec<NodeId> =
        (0..6).map(|number| cluster.puppet(&format!("p{number}"), "Org1MSP")).collect();
    let passing = cluster.puppet_connect(puppets[0], peer);
    cluster.puppet_close(puppets[0], passing);
    cluster.run_for(ms(5));
    let streams: Vec<_> =
        puppets[1..].iter().map(|&puppet| (puppet, cluster.puppet_connect(puppet, peer))).collect();
    let standing = streams.iter().filter(|(puppet, stream)| cluster.stands(*puppet, *stream)).count();
    assert_eq!(standing, 3, "own identity and three");
    assert_eq!(cluster.peer(peer).identity_count(), 4);
}

/// A renewed certificate is a new PKI-ID at an old endpoint: both are members for a while, and then only the new one.
#[test]
fn a_renewed_certificate_takes_the_place_of_the_old_one() {
    let (mut cluster, peer, puppet, stream) = peer_and_puppet();
    introduce(&mut cluster, puppet, stream, 1);
    let renewed = cluster.puppet("renewed", "Org1MSP");
    cluster.puppet_close(puppet, stream);
    cluster.config_mut(puppet).endpoint = selvedge_core::Endpoint::from("gone:1");
    cluster.config_mut(puppet).external_endpoint = selvedge_core::Endpoint::from("gone:1");
    cluster.config_mut(renewed).external_endpoint = selvedge_core::Endpoint::from("puppet:7051");
    let stream = cluster.puppet_connect(renewed, peer);
    let alive = alive_of(&cluster, renewed, 1).with_endpoint("puppet:7051").seal();
    cluster.puppet_send(renewed, stream, membership_request(&alive, 1));
    cluster.run_for(Duration::from_secs(2));
    let members: Vec<_> =
        cluster.peer(peer).members().map(|member| cluster.name_of(&member.pki_id)).collect();
    assert_eq!(members, ["renewed"], "the dial to the old one was answered by the new one");
}
