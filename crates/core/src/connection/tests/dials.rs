//! Sending to peers that are not connected yet, or not at all.

use super::{ms, parcel, parcels, send};
use crate::ids::{ConnectionId, Endpoint};
use crate::output::{CloseReason, Event, Priority};
use crate::reject::{Misbehaviour, Reject};
use crate::testing::{Cluster, NodeId, crypto, messages};
use core::time::Duration;
use selvedge_proto::envelope::ContentKind;

fn cluster() -> (Cluster, NodeId, NodeId) {
    let mut cluster = Cluster::new(1);
    let (peer, puppet) = (cluster.add("peer", "Org1MSP"), cluster.puppet("puppet", "Org1MSP"));
    cluster.start(peer);
    (cluster, peer, puppet)
}

#[test]
fn what_is_sent_during_a_dial_waits_and_keeps_its_order() {
    let (mut cluster, peer, puppet) = cluster();
    (0..10).for_each(|number| send(&mut cluster, peer, puppet, number));
    cluster.run_for(ms(20));
    assert_eq!(parcels(&mut cluster, puppet), (0..10).collect::<Vec<_>>());
    assert_eq!(cluster.connections_of(peer).len(), 1);
}

#[test]
fn the_oldest_is_dropped_when_too_many_wait() {
    let (mut cluster, peer, puppet) = cluster();
    let waiting_max = cluster.config_mut(peer).limits.waiting_sends_per_peer_max as u64;
    (0..waiting_max + 3).for_each(|number| send(&mut cluster, peer, puppet, number));
    cluster.run_for(ms(20));
    assert_eq!(parcels(&mut cluster, puppet), (3..waiting_max + 3).collect::<Vec<_>>());
    assert_eq!(cluster.peer(peer).stats().overflow_count, 3);
}

#[test]
fn what_cannot_be_sent_is_counted() {
    let (mut cluster, peer, puppet) = cluster();
    cluster.cut(peer, puppet);
    (0..3).for_each(|number| send(&mut cluster, peer, puppet, number));
    cluster.run_for(Duration::from_secs(4));
    assert_eq!(cluster.peer(peer).stats().unsent_count, 3);
    let unknown = crypto::pki_id(b"Org1MSP|nobody");
    cluster.with_peer(peer, |peer| peer.send_to(unknown, parcel(0), Priority::Control));
    assert_eq!(cluster.peer(peer).stats().unsent_count, 4);
}

/// Rule 1: while an own dial is under way nothing is sent on the peer's connection; when the dial fails, everything is.
#[test]
fn a_connection_of_the_peer_takes_over_when_the_dial_fails() {
    let (mut cluster, peer, puppet) = cluster();
    let (pki_id, nowhere) = (cluster.pki_id(puppet), Endpoint::from("nowhere:1"));
    cluster.puppet_connect(puppet, peer);
    cluster.take_inbox(puppet);
    cluster.with_peer(peer, |peer| peer.disconnect(pki_id, CloseReason::PeerGone));
    cluster.run_for(ms(10));
    cluster.puppet_dial(puppet, peer);
    cluster.run_for(Duration::from_micros(2900));
    cluster.with_peer(peer, |peer| peer.send_to_endpoint(pki_id, &nowhere, parcel(7), Priority::Control));
    cluster.run_for(Duration::from_micros(500));
    assert_eq!(cluster.peer(peer).connection_count(), 1);
    assert_eq!(parcels(&mut cluster, puppet), [0; 0]);
    cluster.run_for(ms(10));
    assert_eq!(parcels(&mut cluster, puppet), [7]);
    assert_eq!(cluster.peer(peer).stats().unsent_count, 0);
}

/// Spec/02 §7, in its four cases: who answers, whether the expected peer is known, and what becomes of the connection.
#[test]
fn another_peer_at_the_endpoint_must_be_of_the_same_known_organisation() {
    for (expected_org, is_known, is_accepted) in [
        ("Org1MSP", true, true),
        ("Org1MSP", false, false),
        ("Org2MSP", true, false),
        ("Org2MSP", false, false),
    ] {
        let (mut cluster, peer, puppet) = cluster();
        let expected = crypto::identity(expected_org, "expected");
        if is_known {
            let claims = crypto::claims(&expected, crypto::NEVER).unwrap();
            let identity = expected.clone();
            cluster.with_peer(peer, |peer| peer.learn_identity(claims, &identity)).unwrap();
        }
        let endpoint = cluster.config_mut(puppet).endpoint.clone();
        let pki_id = crypto::pki_id(&expected);
        cluster
            .with_peer(peer, |peer| peer.send_to_endpoint(pki_id, &endpoint, parcel(7), Priority::Control));
        cluster.run_for(ms(20));
        let what = format!("{expected_org}, known: {is_known}");
        let mismatch = (ContentKind::Conn, Reject::from(Misbehaviour::IdentityMismatch));
        assert_eq!(cluster.rejections(peer).contains(&mismatch), !is_accepted, "{what}");
        assert_eq!(parcels(&mut cluster, puppet), if is_accepted { vec![7] } else { vec![] }, "{what}");
        assert_eq!(cluster.peer(peer).connection_to(&pki_id), None, "{what}");
        let actual = cluster.pki_id(puppet);
        assert_eq!(cluster.peer(peer).connection_to(&actual).is_some(), is_accepted, "{what}");
    }
}

#[test]
fn a_dial_that_reaches_this_very_node_is_refused() {
    let (mut cluster, peer, _) = cluster();
    let endpoint = cluster.config_mut(peer).endpoint.clone();
    let other = crypto::pki_id(b"Org1MSP|other");
    cluster.with_peer(peer, |peer| peer.send_to_endpoint(other, &endpoint, parcel(0), Priority::Control));
    cluster.run_for(ms(20));
    assert_eq!(cluster.peer(peer).connection_count(), 0);
}

#[test]
fn handshakes_under_way_are_limited_and_dials_wait_for_their_turn() {
    let mut cluster = Cluster::new(1);
    let peer = cluster.add("peer", "Org1MSP");
    cluster.config_mut(peer).limits.handshakes_max = 2;
    let puppets: Vec<_> = (0..6).map(|number| cluster.puppet(&format!("p{number}"), "Org1MSP")).collect();
    cluster.start(peer);
    for &puppet in &puppets {
        send(&mut cluster, peer, puppet, 1);
        assert!(cluster.connections_of(peer).len() <= 2);
    }
    cluster.run_for(ms(100));
    for &puppet in &puppets {
        assert_eq!(parcels(&mut cluster, puppet), [1]);
    }
    // an accepted stream does not wait: it is closed
    cluster.set_shakes_hands(puppets[0], false);
    let streams: Vec<_> = (0..3).map(|_| cluster.puppet_dial(puppets[0], peer)).collect();
    cluster.run_for(ms(10));
    let standing: Vec<_> = streams.iter().filter(|&&stream| cluster.stands(puppets[0], stream)).collect();
    assert_eq!(standing.len(), 2);
    let refusal = CloseReason::Handshake(Reject::OverLimit);
    assert_eq!(cluster.closes(peer).iter().filter(|(_, reason)| *reason == refusal).count(), 1);
}

#[test]
fn authenticated_connections_are_limited() {
    let mut cluster = Cluster::new(1);
    let peer = cluster.add("peer", "Org1MSP");
    cluster.config_mut(peer).limits.connections_max = 2;
    let puppets: Vec<_> = (0..3).map(|number| cluster.puppet(&format!("p{number}"), "Org1MSP")).collect();
    cluster.start(peer);
    let standing = puppets.iter().filter(|&&puppet| {
        let connection = cluster.puppet_connect(puppet, peer);
        cluster.stands(puppet, connection)
    });
    assert_eq!(standing.count(), 2);
    assert_eq!(cluster.peer(peer).connection_count(), 2);
}

/// Several connections of one peer are served, but not any number of them.
#[test]
fn connections_of_one_peer_are_limited() {
    let (mut cluster, peer, puppet) = cluster();
    for _ in 0..10 {
        cluster.puppet_connect(puppet, peer);
    }
    assert_eq!(cluster.peer(peer).connection_count(), 4);
    let newest = ConnectionId::accepted(10);
    assert_eq!(cluster.peer(peer).connection_to(&cluster.pki_id(puppet)), Some(newest));
    assert!(cluster.closes(peer).iter().all(|(_, reason)| *reason == CloseReason::Replaced));
}

#[test]
fn disconnecting_ends_every_connection_of_a_peer() {
    let (mut cluster, peer, puppet) = cluster();
    let connections = [cluster.puppet_connect(puppet, peer), cluster.puppet_connect(puppet, peer)];
    let pki_id = cluster.pki_id(puppet);
    cluster.with_peer(peer, |peer| peer.disconnect(pki_id, CloseReason::Undisclosed));
    cluster.run_for(ms(10));
    assert!(connections.iter().all(|&connection| !cluster.stands(puppet, connection)));
    let ended =
        cluster.events(peer).iter().filter(|event| matches!(event, Event::Disconnected { .. })).count();
    assert_eq!(ended, 2);
    assert_eq!(cluster.peer(peer).connection_to(&pki_id), None);
    let _ = messages::block(0, 1);
}
