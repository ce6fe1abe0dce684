//! What the recordings do not show of the handshake.

use super::{ms, parcel, parcel_count};
use crate::output::{CloseReason, Event};
use crate::reject::{Misbehaviour, Reject, Unfitting};
use crate::testing::{Cluster, NodeId, crypto, messages};
use crate::time::WallTime;
use core::time::Duration;
use selvedge_proto::envelope::{ContentKind, EnvelopeView, payload_of, seal};
use selvedge_proto::gossip::gossip_message::{Content, Tag};
use selvedge_proto::gossip::{ConnEstablish, Empty};
use selvedge_proto::validate::Malformed;

fn cluster() -> (Cluster, NodeId, NodeId) {
    let mut cluster = Cluster::new(1);
    let (peer, puppet) = (cluster.add("peer", "Org1MSP"), cluster.puppet("puppet", "Org1MSP"));
    cluster.set_shakes_hands(puppet, false);
    cluster.start(peer);
    (cluster, peer, puppet)
}

fn last_close(cluster: &Cluster, peer: NodeId) -> Option<CloseReason> {
    cluster.closes(peer).last().map(|(_, reason)| *reason)
}

/// The own message depends on the certificate and on whether it is a probe, so a hundred streams cost one signature
/// (02 §14 no. 7).
#[test]
fn own_handshakes_are_signed_once() {
    let (mut cluster, peer, puppet) = cluster();
    let sign_count = cluster.peer(peer).stats().sign_count;
    for _ in 0..100 {
        let connection = cluster.puppet_dial(puppet, peer);
        cluster.run_for(ms(5));
        cluster.puppet_close(puppet, connection);
        cluster.run_for(ms(5));
    }
    assert_eq!(cluster.peer(peer).stats().sign_count, sign_count + 1);
    let greetings = cluster.take_inbox(puppet).into_iter().filter_map(|input| match input {
        crate::Input::Frame { envelope, .. } => envelope.view().ok(),
        _ => None,
    });
    assert_eq!(greetings.filter(|view| view.kind() == ContentKind::Conn).count(), 100);
}

/// Neither side waits for the other: our message is there although the puppet says nothing.
#[test]
fn a_silent_peer_is_greeted_and_left_after_two_seconds() {
    let (mut cluster, peer, puppet) = cluster();
    let connection = cluster.puppet_dial(puppet, peer);
    cluster.run_for(ms(1990));
    assert!(cluster.stands(puppet, connection));
    assert!(cluster.take_inbox(puppet).iter().any(|input| matches!(input, crate::Input::Frame { .. })));
    cluster.run_for(ms(20));
    assert!(!cluster.stands(puppet, connection));
    assert_eq!(last_close(&cluster, peer), Some(CloseReason::HandshakeTimeout));
}

/// Frames that follow the handshake while it is verified are not lost, and keep their order; beyond a bound they are.
#[test]
fn frames_that_come_early_wait_for_the_verdict() {
    let (mut cluster, peer, puppet) = cluster();
    cluster.set_crypto_delay(peer, ms(50));
    let early_max = cluster.config_mut(peer).limits.early_frames_max as u64;
    let connection = cluster.puppet_dial(puppet, peer);
    cluster.run_for(ms(2));
    let hash = cluster.binding(puppet, connection).own;
    cluster.puppet_send(puppet, connection, messages::conn(&cluster.identity(puppet), Some(hash), false));
    (0..early_max + 2).for_each(|number| cluster.puppet_send(puppet, connection, parcel(number)));
    cluster.run_for(ms(40));
    assert_eq!(parcel_count(&cluster, peer), 0);
    cluster.run_for(ms(200));
    assert_eq!(parcel_count(&cluster, peer), early_max);
    let dropped = cluster.rejections(peer).iter().filter(|(_, reason)| *reason == Reject::OverLimit).count();
    assert_eq!(dropped, 2);
}

/// Nothing an unverified handshake brings is stored, and nothing that came behind it is looked at (02 §14 no. 9).
#[test]
fn a_handshake_with_a_wrong_signature_leaves_nothing_behind() {
    let (mut cluster, peer, puppet) = cluster();
    let connection = cluster.puppet_dial(puppet, peer);
    cluster.run_for(ms(2));
    let (identity, hash) = (cluster.identity(puppet), cluster.binding(puppet, connection).own);
    let genuine = EnvelopeView::parse(messages::conn(&identity, Some(hash), false)).unwrap();
    cluster.puppet_send(puppet, connection, seal(genuine.payload(), b"forged", None));
    cluster.puppet_send(puppet, connection, parcel(1));
    cluster.run_for(ms(10));
    assert_eq!(
        last_close(&cluster, peer),
        Some(CloseReason::Handshake(Misbehaviour::SignatureInvalid.into()))
    );
    assert_eq!(cluster.peer(peer).identity_count(), 1);
    assert_eq!(parcel_count(&cluster, peer), 0);
}

/// The order of cost: what is wrong in structure or certificate costs no check of identity or signature.
#[test]
fn cheap_checks_come_first() {
    let (mut cluster, peer, puppet) = cluster();
    let identity = cluster.identity(puppet);
    let no_signature = EnvelopeView::parse(messages::conn(&identity, None, false)).unwrap();
    let large = ConnEstablish {
        pki_id: bytes::Bytes::copy_from_slice(&[1; 32]),
        identity: vec![b'x'; 20_000].into(),
        ..ConnEstablish::default()
    };
    let envelopes = [
        bytes::Bytes::from_static(b"\xff\xff"),
        bytes::Bytes::new(),
        messages::unsigned(&messages::message(Tag::Empty, Content::Empty(Empty {}))),
        messages::conn(&identity, Some([9; 32]), false),
        messages::conn(&identity, None, false),
        seal(no_signature.payload(), &[], None),
        messages::signed(&identity, &messages::message(Tag::Empty, Content::Conn(large))),
        vec![0x0a; 1 << 20].into(),
    ];
    for envelope in envelopes {
        let connection = cluster.puppet_dial(puppet, peer);
        cluster.run_for(ms(2));
        cluster.puppet_send(puppet, connection, envelope);
        cluster.run_for(ms(10));
        assert!(!cluster.stands(puppet, connection));
    }
    assert_eq!(cluster.peer(peer).stats().identity_check_count, 0);
    assert_eq!(cluster.peer(peer).stats().verify_count, 0);
}

/// An identity that is known is not checked again; the signature is verified for every stream.
#[test]
fn a_known_identity_is_not_checked_twice() {
    let (mut cluster, peer, puppet) = cluster();
    cluster.set_shakes_hands(puppet, true);
    cluster.puppet_connect(puppet, peer);
    cluster.puppet_connect(puppet, peer);
    assert_eq!(cluster.peer(peer).stats().identity_check_count, 1);
    assert_eq!(cluster.peer(peer).stats().verify_count, 2);
}

/// A secret envelope on a handshake must hold as well (spec/01 §3.2 rule 5).
#[test]
fn a_secret_on_a_handshake_is_verified() {
    let (mut cluster, peer, puppet) = cluster();
    let identity = cluster.identity(puppet);
    let secrets = [
        (&b"payload"[..], crypto::sign(&identity, b"payload"), None),
        (
            b"payload",
            bytes::Bytes::from_static(b"forged"),
            Some(Reject::from(Misbehaviour::SignatureInvalid)),
        ),
        (b"", bytes::Bytes::from_static(b"x"), Some(Malformed::SecretPayloadMissing.into())),
    ];
    for (secret, secret_signature, refusal) in secrets {
        let connection = cluster.puppet_dial(puppet, peer);
        cluster.run_for(ms(2));
        let hash = cluster.binding(puppet, connection).own;
        let genuine = EnvelopeView::parse(messages::conn(&identity, Some(hash), false)).unwrap();
        let envelope = seal(genuine.payload(), genuine.signature(), Some((secret, &secret_signature)));
        cluster.puppet_send(puppet, connection, envelope);
        cluster.run_for(ms(10));
        assert_eq!(cluster.stands(puppet, connection), refusal.is_none());
        if let Some(refusal) = refusal {
            assert_eq!(last_close(&cluster, peer), Some(CloseReason::Handshake(refusal)));
        }
    }
}

#[test]
fn a_second_handshake_is_ignored_and_counted() {
    let (mut cluster, peer, puppet) = cluster();
    cluster.set_shakes_hands(puppet, true);
    let connection = cluster.puppet_connect(puppet, peer);
    let hash = cluster.binding(puppet, connection).own;
    cluster.puppet_send(puppet, connection, messages::conn(&cluster.identity(puppet), Some(hash), false));
    cluster.puppet_send(puppet, connection, parcel(1));
    cluster.run_for(ms(10));
    assert!(cluster.stands(puppet, connection));
    assert_eq!(cluster.rejections(peer)[0], (ContentKind::Conn, Misbehaviour::UnexpectedHandshake.into()));
    assert_eq!(parcel_count(&cluster, peer), 1);
}

/// Bytes that are no message end the stream, as they do at a Go peer; what is only out of place does not.
#[test]
fn only_what_does_not_parse_ends_an_open_stream() {
    let (mut cluster, peer, puppet) = cluster();
    cluster.set_shakes_hands(puppet, true);
    let connection = cluster.puppet_connect(puppet, peer);
    let empty = messages::message(Tag::Empty, Content::Empty(Empty {}));
    cluster.puppet_send(puppet, connection, messages::unsigned(&empty));
    let illegal = messages::message(
        Tag::OrgOnly,
        messages::Alive::new(&cluster.identity(puppet), 1).message().content.unwrap(),
    );
    cluster.puppet_send(puppet, connection, messages::unsigned(&illegal));
    cluster.puppet_send(puppet, connection, seal(&payload_of(&Default::default()), &[], None));
    cluster.run_for(ms(10));
    assert!(cluster.stands(puppet, connection));
    cluster.puppet_send(puppet, connection, bytes::Bytes::from_static(&[0x0a, 0x02, 0xff, 0xff]));
    cluster.run_for(ms(10));
    assert!(!cluster.stands(puppet, connection));
    assert_eq!(last_close(&cluster, peer), Some(CloseReason::Unparsable));
}

/// The end of a stream before the other side's handshake is a refusal, known at once (02 §14 no. 6).
#[test]
fn the_end_of_a_stream_ends_the_handshake_at_once() {
    let (mut cluster, peer, puppet) = cluster();
    super::send(&mut cluster, peer, puppet, 1);
    cluster.run_for(ms(5));
    let stream = cluster.connections_of(puppet)[0];
    cluster.puppet_close(puppet, stream);
    cluster.run_for(ms(5));
    assert_eq!(cluster.connections_of(peer), []);
    assert_eq!(cluster.peer(peer).stats().unsent_count, 1);
}

/// A deep probe is answered, verified, and ended with status OK; nothing is registered.
#[test]
fn a_probe_is_served() {
    let (mut cluster, peer, puppet) = cluster();
    let connection = cluster.puppet_dial(puppet, peer);
    cluster.run_for(ms(2));
    let hash = cluster.binding(puppet, connection).own;
    cluster.puppet_send(puppet, connection, messages::conn(&cluster.identity(puppet), Some(hash), true));
    cluster.run_for(ms(10));
    assert_eq!(last_close(&cluster, peer), Some(CloseReason::ProbeDone));
    assert!(!cluster.events(peer).iter().any(|event| matches!(event, Event::Connected { .. })));
    assert_eq!(cluster.peer(peer).identity_count(), 2);
}

/// An answer to a dial that is itself a probe is a failure (spec/02 §4.4 step 10).
#[test]
fn a_probe_is_no_answer() {
    let (mut cluster, peer, puppet) = cluster();
    super::send(&mut cluster, peer, puppet, 1);
    cluster.run_for(ms(2));
    let stream = cluster.connections_of(puppet)[0];
    let hash = cluster.binding(puppet, stream).own;
    cluster.puppet_send(puppet, stream, messages::conn(&cluster.identity(puppet), Some(hash), true));
    cluster.run_for(ms(10));
    assert_eq!(
        last_close(&cluster, peer),
        Some(CloseReason::Handshake(Misbehaviour::UnexpectedHandshake.into()))
    );
}

/// W-4 for handshakes: the connection is given up, the next one tries again.
#[test]
fn a_failing_signer_costs_only_the_connections_of_its_time() {
    let (mut cluster, peer, puppet) = cluster();
    cluster.set_shakes_hands(puppet, true);
    cluster.set_signer_fails(peer, true);
    let first = cluster.puppet_connect(puppet, peer);
    assert!(!cluster.stands(puppet, first));
    assert_eq!(last_close(&cluster, peer), Some(CloseReason::Handshake(Unfitting::SignerFailed.into())));
    cluster.set_signer_fails(peer, false);
    let second = cluster.puppet_connect(puppet, peer);
    assert!(cluster.stands(puppet, second));
    assert_eq!(cluster.peer(peer).connection_count(), 1);
}

/// Without TLS there is nothing to bind to; what the other side says about it is ignored (spec/02 §4.4).
#[test]
fn without_tls_the_hash_does_not_matter() {
    let (mut cluster, peer, puppet) = cluster();
    let identity = cluster.identity(puppet);
    let connection = crate::ConnectionId::accepted(900);
    cluster.with_peer(peer, |peer| {
        peer.on_accepted(connection, None);
        peer.on_frame(connection, messages::conn(&identity, Some([3; 32]), false).into());
        peer.on_closed(connection);
    });
    assert_eq!(cluster.closes(peer), []);
    assert_eq!(cluster.rejections(peer), []);
}

/// An identity that expired is refused, although its signature holds.
#[test]
fn an_expired_identity_is_refused() {
    let (mut cluster, peer, puppet) = cluster();
    let identity = cluster.identity(puppet);
    cluster.set_expiry(&identity, WallTime::from_seconds(1_600_000_000));
    cluster.set_shakes_hands(puppet, true);
    cluster.puppet_connect(puppet, peer);
    assert_eq!(last_close(&cluster, peer), Some(CloseReason::Handshake(Unfitting::IdentityExpired.into())));
    cluster.run_for(Duration::from_secs(1));
    assert_eq!(cluster.peer(peer).identity_count(), 1);
}

/// A Go peer ends a probe as soon as it has verified our message, however long we take to verify its own.
#[test]
fn a_probe_that_the_other_side_ends_first_succeeds() {
    for is_genuine in [true, false] {
        let (mut cluster, peer, puppet) = cluster();
        cluster.set_crypto_delay(peer, ms(20));
        let endpoint = cluster.config_mut(puppet).endpoint.clone();
        cluster.with_peer(peer, |peer| peer.probe(&endpoint));
        cluster.run_for(ms(30));
        let stream = cluster.connections_of(puppet)[0];
        let (identity, hash) = (cluster.identity(puppet), cluster.binding(puppet, stream).own);
        let genuine = EnvelopeView::parse(messages::conn(&identity, Some(hash), false)).unwrap();
        let forged = seal(genuine.payload(), b"forged", None);
        cluster.puppet_send(puppet, stream, if is_genuine { genuine.raw().clone() } else { forged });
        cluster.puppet_close(puppet, stream);
        cluster.run_for(ms(100));
        assert_eq!(cluster.peer(peer).identity_count(), if is_genuine { 2 } else { 1 });
        assert_eq!(cluster.closes(peer), [], "what has ended is not closed");
        let forgeries = cluster.rejections(peer);
        assert_eq!(forgeries.is_empty(), is_genuine, "{forgeries:?}");
    }
}
