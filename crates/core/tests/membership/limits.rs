//! What one peer may send, and how much of it is kept.

use crate::support::*;
use core::time::Duration;
use selvedge_core::testing::messages::{Alive, membership_request, membership_response};
use selvedge_core::testing::{Cluster, crypto};
use selvedge_core::{Reject, Unfitting};

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
