//! What is not believed: incomplete, replayed, and unasked messages.

use crate::support::*;
use bytes::Bytes;
use core::slice::from_ref;
use core::time::Duration;
use selvedge_core::Misbehaviour;
use selvedge_core::testing::messages::{self, membership_request, membership_response};
use selvedge_proto::gossip::gossip_message::{Content, Tag};
use selvedge_proto::gossip::{AliveMessage, Empty, Member, PeerTime};
use selvedge_proto::validate::Malformed;

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
