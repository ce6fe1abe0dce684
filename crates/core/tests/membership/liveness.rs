//! Who is alive, who is dead, and this node's own heartbeats.

use crate::support::*;
use core::slice::from_ref;
use core::time::Duration;
use selvedge_core::testing::messages::{Alive, membership_request, membership_response};
use selvedge_core::testing::{Cluster, crypto};
use selvedge_core::{Event, Reject, Unfitting, WallTime};
use selvedge_proto::envelope::{ContentKind, ElementList};

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
