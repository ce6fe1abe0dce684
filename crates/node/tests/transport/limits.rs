//! The bounds on what a peer may send (spec/02 §1, W-8, W-12).

use super::foreign::{Client, PREFACE, SETTINGS, framed, raw_frame, read_frame};
use super::support::{Authority, LONG, Node, pattern, tls};
use selvedge::transport::{ClosedReason, Settings};
use selvedge_core::{ConnectionId, Priority};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::Code;

#[tokio::test]
async fn fifty_mebibytes_pass_both_ways() {
    let root = Authority::new("tlsca");
    let mut a = Node::start(Settings::default(), Some(tls(&root, "a"))).await;
    let mut b = Node::start(Settings::default(), Some(tls(&root, "b"))).await;
    let (here, there) = a.authenticated(&mut b).await;
    for connection in [&here, &there] {
        connection.push("handshake".into(), Priority::Control);
    }
    b.frame().await;
    a.frame().await;
    let large = pattern(50 << 20);
    here.push(large.clone(), Priority::Transfer);
    assert!(b.frame().await.1 == large);
    there.push(large.clone(), Priority::Transfer);
    assert!(a.frame().await.1 == large);
}

#[tokio::test]
async fn an_oversized_message_ends_its_stream_only() {
    let settings = Settings { message_bytes_max: 100_000, ..Settings::default() };
    let mut node = Node::start(settings, None).await;
    let mut client = Client::plain(node.address).await;
    let (mut first, mut second) = (client.stream().await, client.stream().await);
    let connections = [node.accepted().await, node.accepted().await];
    for (stream, connection) in [&mut first, &mut second].into_iter().zip(&connections) {
        stream.send(b"handshake").await;
        node.frame().await;
        connection.authenticated();
    }
    first.send(&pattern(100_001)).await;
    let trailers = first.next().await.unwrap_err();
    assert_eq!(trailers["grpc-status"], "8");
    assert_eq!(
        trailers["grpc-message"],
        "grpc: received message larger than max (100001 vs. 100000)".replace(' ', "%20").as_str()
    );
    let (id, reason) = node.closed().await;
    assert_eq!(id, connections[0].id());
    assert!(
        matches!(&reason, ClosedReason::Refused(status) if status.code() == Code::ResourceExhausted),
        "{reason}"
    );

    second.send(&pattern(100_000)).await;
    assert_eq!(node.frame().await, (connections[1].id(), pattern(100_000)));
    connections[1].push("answer".into(), Priority::Control);
    assert_eq!(second.next().await.unwrap(), "answer");
}

#[tokio::test]
async fn the_first_message_must_be_small() {
    let (mut a, mut b) = Node::plain_pair().await;
    let (here, there) = a.connect(&mut b).await;
    here.push(pattern((64 << 10) + 1), Priority::Control);
    let (id, reason) = b.closed().await;
    assert!(
        matches!(&reason, ClosedReason::Refused(status) if status.code() == Code::ResourceExhausted),
        "{reason}"
    );
    assert_eq!(id, there.id());
    let (id, ClosedReason::Ended(status)) = a.closed().await else { panic!("not ended by the peer") };
    assert_eq!((id, status.code()), (here.id(), Code::ResourceExhausted));

    let (here, _there) = a.connect(&mut b).await;
    here.push(pattern(64 << 10), Priority::Control);
    assert_eq!(b.frame().await.1, pattern(64 << 10));
}

#[tokio::test]
async fn large_messages_of_all_connections_share_a_bound() {
    let settings = Settings { large_bytes_max: 3 << 20, ..Settings::default() };
    let mut a = Node::start(Settings::default(), None).await;
    let mut b = Node::start(settings, None).await;
    let (first, _first_there) = a.authenticated(&mut b).await;
    let (second, second_there) = a.authenticated(&mut b).await;
    for connection in [&first, &second] {
        connection.push("handshake".into(), Priority::Control);
        b.frame().await;
    }
    first.push(pattern(2 << 20), Priority::Transfer);
    let (_, large, permit) = b.held_frame().await;
    assert_eq!(b.transport.stats().large_bytes.value(), 2 << 20);
    second.push(pattern(2 << 20), Priority::Transfer);
    let (id, reason) = b.closed().await;
    assert_eq!(id, second_there.id());
    assert!(
        matches!(&reason, ClosedReason::Refused(status) if status.code() == Code::ResourceExhausted),
        "{reason}"
    );
    assert_eq!(large.len(), 2 << 20);
    drop(permit);
    first.push(pattern(3 << 20), Priority::Transfer);
    assert_eq!(b.frame().await.1.len(), 3 << 20);
    assert_eq!(b.transport.stats().large_bytes.value(), 0);
}

#[tokio::test]
async fn connections_beyond_the_bound_are_dropped_at_once() {
    let settings = Settings { connections_max: 1, ..Settings::default() };
    let node = Node::start(settings, None).await;
    let mut client = Client::plain(node.address).await;
    client.ping().await.unwrap();
    let mut refused = TcpStream::connect(node.address).await.unwrap();
    assert_eq!(refused.read(&mut [0; 64]).await.unwrap_or(0), 0);
    assert_eq!(node.transport.stats().connections_refused.value(), 1);
    client.ping().await.unwrap();
}

#[tokio::test]
async fn a_client_that_does_not_finish_its_set_up_is_dropped() {
    let settings = || Settings { setup_timeout: Duration::from_millis(50), ..Settings::default() };
    let handle = tls(&Authority::new("tlsca"), "node");
    for node in [Node::start(settings(), None).await, Node::start(settings(), Some(handle)).await] {
        let mut silent = TcpStream::connect(node.address).await.unwrap();
        // a server's HTTP/2 settings may come first; then the connection ends
        silent.read_to_end(&mut Vec::new()).await.unwrap();
        assert_eq!(node.transport.stats().setups_failed.value(), 1);
    }
}

#[tokio::test]
async fn a_set_up_connection_is_kept_and_when_idle_shut_down_in_order() {
    let settings = Settings {
        setup_timeout: Duration::from_millis(20),
        idle_timeout: Duration::from_millis(50),
        ..Settings::default()
    };
    let mut node = Node::start(settings, None).await;
    let mut busy = Client::plain(node.address).await;
    let mut stream = busy.stream().await;
    let _connection = node.accepted().await;

    let mut idle = TcpStream::connect(node.address).await.unwrap();
    idle.write_all(PREFACE).await.unwrap();
    idle.write_all(&raw_frame(SETTINGS, 0, 0, &[])).await.unwrap();
    let mut kinds = Vec::new();
    while let Some(frame) = read_frame(&mut idle).await {
        kinds.push(frame.kind);
        if frame.kind == super::foreign::GOAWAY {
            break;
        }
    }
    assert_eq!(kinds.last(), Some(&super::foreign::GOAWAY), "{kinds:?}");

    stream.send(b"the busy one still stands").await;
    assert_eq!(node.frame().await.1, "the busy one still stands");
}

#[tokio::test]
async fn a_dialler_refuses_an_oversized_message_too() {
    let mut a = Node::start(Settings { message_bytes_max: 100_000, ..Settings::default() }, None).await;
    let mut b = Node::start(Settings::default(), None).await;
    let (here, there) = a.authenticated(&mut b).await;
    there.push("handshake".into(), Priority::Control);
    a.frame().await;
    there.push(pattern(100_001), Priority::Transfer);
    let (id, reason) = a.closed().await;
    assert!(
        matches!(&reason, ClosedReason::Refused(status) if status.code() == Code::ResourceExhausted),
        "{reason}"
    );
    assert_eq!(id, here.id());
    assert_eq!(b.closed().await.0, there.id());
}

#[tokio::test]
async fn a_ping_with_a_long_message_is_refused() {
    use http_body_util::{BodyExt, Full};
    let node = Node::start(Settings::default(), None).await;
    let mut client = Client::plain(node.address).await;
    let body = Full::new(framed(&pattern(5000))).boxed_unsync();
    let answer = client.request("/gossip.Gossip/Ping", body).await.unwrap();
    assert_eq!(answer.headers()["grpc-status"], "8");
    let (transport, _events) = selvedge::transport::Transport::new(Settings::default(), None);
    let connection = transport.connect(&node.endpoint(), LONG, &mut |_| {}).await.unwrap();
    transport.open_stream(connection, ConnectionId::dialed(1)).unwrap();
}
