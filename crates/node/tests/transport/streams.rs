//! A gossip stream from its opening to its end (spec/02 §4, §9, §12).

use super::foreign::Client;
use super::support::{LONG, Node, pattern};
use bytes::Bytes;
use selvedge::transport::{ClosedReason, Pushed, Settings};
use selvedge_core::{ConnectionId, Priority};
use tonic::{Code, Status};

#[tokio::test]
async fn ids_tell_who_dialled_and_never_return() {
    let (mut a, mut b) = Node::plain_pair().await;
    let (here, there) = a.connect(&mut b).await;
    assert!(here.id().is_dialed() && !there.id().is_dialed());
    assert!(here.binding().is_none() && there.binding().is_none());
    assert_eq!(here.remote_address(), b.address);
    let (_, another) = a.connect(&mut b).await;
    assert_ne!(there.id(), another.id());
}

#[tokio::test]
async fn frames_keep_their_order_both_ways() {
    let (mut a, mut b) = Node::plain_pair().await;
    let (here, there) = a.authenticated(&mut b).await;
    for number in 0..100_u32 {
        here.push(Bytes::copy_from_slice(&number.to_be_bytes()), Priority::Membership);
        there.push(Bytes::copy_from_slice(&(1000 + number).to_be_bytes()), Priority::Membership);
    }
    for number in 0..100_u32 {
        assert_eq!(b.frame().await.1, number.to_be_bytes()[..]);
        assert_eq!(a.frame().await.1, (1000 + number).to_be_bytes()[..]);
    }
    for stats in [a.transport.stats(), b.transport.stats()] {
        assert_eq!(
            (stats.messages_sent.value(), stats.messages_received.value()),
            (99, 99),
            "all but the handshake"
        );
    }
}

#[tokio::test]
async fn before_authentication_one_frame_is_delivered_and_none_is_lost() {
    let (mut a, mut b) = Node::plain_pair().await;
    let (here, there) = a.connect(&mut b).await;
    here.authenticated();
    for message in ["handshake", "second", "third"] {
        here.push(message.into(), Priority::Control);
    }
    assert_eq!(b.frame().await.1, "handshake");
    // whatever else comes of the second message would stand before this connection's frame
    let (other_here, _other_there) = a.connect(&mut b).await;
    other_here.push("other handshake".into(), Priority::Control);
    assert_eq!(b.frame().await.1, "other handshake");
    there.authenticated();
    assert_eq!(b.frame().await.1, "second");
    assert_eq!(b.frame().await.1, "third");
}

#[tokio::test]
async fn closing_tells_the_dialler_the_status_after_what_was_pushed() {
    let (mut a, mut b) = Node::plain_pair().await;
    for status in [Status::unknown("identity is nil"), Status::ok("")] {
        let (here, there) = a.connect(&mut b).await;
        there.push("handshake".into(), Priority::Control);
        there.close(status.clone());
        assert_eq!(there.push("too late".into(), Priority::Control), Pushed::Closed);
        here.authenticated();
        assert_eq!(a.frame().await, (here.id(), "handshake".into()));
        let (id, ClosedReason::Ended(told)) = a.closed().await else { panic!("not ended by the peer") };
        assert_eq!((id, told.code(), told.message()), (here.id(), status.code(), status.message()));
    }
}

#[tokio::test]
async fn a_refusal_is_told_though_nobody_has_authenticated() {
    let (mut a, mut b) = Node::plain_pair().await;
    let (here, there) = a.connect(&mut b).await;
    there.push("handshake".into(), Priority::Control);
    there.close(Status::unknown("wrong type"));
    assert_eq!(a.frame().await, (here.id(), "handshake".into()));
    let (_, ClosedReason::Ended(status)) = a.closed().await else { panic!("not ended by the peer") };
    assert_eq!((status.code(), status.message()), (Code::Unknown, "wrong type"));
}

#[tokio::test]
async fn dropping_an_accepted_connection_ends_its_stream_with_ok() {
    let (mut a, mut b) = Node::plain_pair().await;
    let (here, there) = a.connect(&mut b).await;
    drop(there);
    let (id, ClosedReason::Ended(status)) = a.closed().await else { panic!("not ended by the peer") };
    assert_eq!((id, status.code()), (here.id(), Code::Ok));
}

#[tokio::test]
async fn closing_a_dialled_stream_half_closes_it_after_what_was_pushed() {
    let (mut a, mut b) = Node::plain_pair().await;
    let (here, there) = a.connect(&mut b).await;
    there.authenticated();
    here.push("handshake".into(), Priority::Control);
    here.push("last".into(), Priority::Transfer);
    here.close(Status::ok(""));
    assert_eq!(b.frame().await.1, "handshake");
    assert_eq!(b.frame().await.1, "last");
    let (id, reason) = b.closed().await;
    assert!(matches!(reason, ClosedReason::HalfClosed), "{reason}");
    assert_eq!((id, reason.to_string().as_str()), (there.id(), "EOF"));
}

#[tokio::test]
async fn a_client_that_half_closes_is_told_what_a_go_peer_tells() {
    let mut node = Node::start(Settings::default(), None).await;
    let stream = Client::plain(node.address).await.stream().await;
    let connection = node.accepted().await;
    let trailers = stream.half_close().await.unwrap_err();
    assert_eq!(
        (&trailers["grpc-status"], &trailers["grpc-message"]),
        (&"2".parse().unwrap(), &"EOF".parse().unwrap())
    );
    assert_eq!(node.closed().await.0, connection.id());
}

#[tokio::test]
async fn a_client_that_cancels_or_vanishes_is_noticed() {
    let mut node = Node::start(Settings::default(), None).await;
    let mut client = Client::plain(node.address).await;
    let (first, second) = (client.stream().await, client.stream().await);
    let connections = [node.accepted().await, node.accepted().await];
    drop(first);
    let (id, reason) = node.closed().await;
    assert!(matches!(reason, ClosedReason::Lost(_)), "{reason}");
    assert_eq!(id, connections[0].id());
    drop((second, client));
    let (id, _) = node.closed().await;
    assert_eq!(id, connections[1].id());
    assert_eq!(connections[1].push("for nobody".into(), Priority::Control), Pushed::Closed);
}

#[tokio::test]
async fn a_ping_needs_no_handshake() {
    let node = Node::start(Settings::default(), None).await;
    let (answer, trailers) = Client::plain(node.address).await.ping().await.unwrap();
    assert_eq!(answer, [0; 5][..]);
    assert_eq!(trailers["grpc-status"], "0");

    let (transport, _events) = selvedge::transport::Transport::new(Settings::default(), None);
    let mut connection = transport.connect(&node.endpoint(), LONG, &mut |_| {}).await.unwrap();
    for _ in 0..3 {
        transport.ping(&mut connection, LONG).await.unwrap();
    }
}

#[tokio::test]
async fn a_stream_can_be_opened_on_a_connection_that_was_probed() {
    let (mut a, mut b) = Node::plain_pair().await;
    let mut connection = a.transport.connect(&b.endpoint(), LONG, &mut |_| {}).await.unwrap();
    a.transport.ping(&mut connection, LONG).await.unwrap();
    let here = a.transport.open_stream(connection, ConnectionId::dialed(7)).unwrap();
    here.push("handshake".into(), Priority::Control);
    let there = b.accepted().await;
    assert_eq!(b.frame().await, (there.id(), "handshake".into()));
    there.push("answer".into(), Priority::Control);
    assert_eq!(a.frame().await, (ConnectionId::dialed(7), "answer".into()));
}

#[tokio::test]
async fn what_is_not_grpc_is_refused() {
    use http_body_util::{BodyExt, Full};
    let node = Node::start(Settings::default(), None).await;
    let mut client = Client::plain(node.address).await;
    let unknown = client.request("/gossip.Gossip/Nothing", Full::default().boxed_unsync()).await.unwrap();
    assert_eq!(unknown.headers()["grpc-status"], "12");
    // a gzip flag on the message, where no compression was agreed on
    let mut stream = client.stream().await;
    stream.send_raw(Bytes::from_static(&[1, 0, 0, 0, 0])).await;
    assert_eq!(stream.next().await.unwrap_err()["grpc-status"], "12");
}

#[tokio::test]
async fn envelopes_arrive_whole_whatever_their_size() {
    let (mut a, mut b) = Node::plain_pair().await;
    let (here, there) = a.authenticated(&mut b).await;
    there.authenticated();
    let sizes = [0, 1, 16_378, 16_379, 16_380, 65_530, 65_536, 1 << 20];
    for size in sizes {
        here.push(pattern(size), Priority::Transfer);
        let (_, received) = b.frame().await;
        assert!(received == pattern(size), "{size}");
    }
}
