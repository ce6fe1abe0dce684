//! Stopping: what was pushed leaves, everything ends, nothing leaks.

use super::foreign::Client;
use super::support::{Authority, LONG, Node, pattern, tls};
use selvedge::transport::{ClosedReason, Settings};
use selvedge_core::{ConnectionId, Priority};
use std::time::Duration;
use tokio::runtime::Handle;
use tonic::Code;

#[tokio::test]
async fn what_was_pushed_leaves_and_peers_see_an_orderly_end() {
    let root = Authority::new("tlsca");
    let mut a = Node::start(Settings::default(), Some(tls(&root, "a"))).await;
    let mut b = Node::start(Settings::default(), Some(tls(&root, "b"))).await;
    let (dialed, _there) = a.authenticated(&mut b).await;
    let (_there2, accepted) = b.authenticated(&mut a).await;
    for number in 0..50 {
        dialed.push(pattern(number), Priority::Block);
        accepted.push(pattern(1000 + number), Priority::Block);
    }
    let ((), sizes) = tokio::join!(a.transport.stop(LONG), async {
        let (mut sizes, mut ends) = (Vec::new(), 0);
        while ends < 2 {
            match b.event().await {
                selvedge::transport::TransportEvent::Frame { envelope, .. } => sizes.push(envelope.len()),
                selvedge::transport::TransportEvent::Closed { reason, .. } => {
                    ends += 1;
                    match reason {
                        ClosedReason::HalfClosed => {}
                        ClosedReason::Ended(status) => assert_eq!(status.code(), Code::Ok),
                        other => panic!("{other}"),
                    }
                }
                other => panic!("{other:?}"),
            }
        }
        sizes
    });
    let mut sizes = sizes;
    sizes.sort_unstable();
    assert_eq!(sizes, (0..50).chain(1000..1050).collect::<Vec<_>>());
}

#[tokio::test]
async fn no_task_is_left_behind() {
    let before = Handle::current().metrics().num_alive_tasks();
    let root = Authority::new("tlsca");
    let mut a = Node::start(Settings::default(), Some(tls(&root, "a"))).await;
    let mut b = Node::start(Settings::default(), Some(tls(&root, "b"))).await;
    let kept = [a.authenticated(&mut b).await, b.authenticated(&mut a).await];
    a.transport.dial(ConnectionId::dialed(50), "127.0.0.1:1", LONG);
    let probed = a.transport.connect(&b.endpoint(), LONG, &mut |_| {}).await.unwrap();
    assert!(Handle::current().metrics().num_alive_tasks() > before + 10);

    a.transport.stop(LONG).await;
    b.transport.stop(LONG).await;
    assert_eq!(Handle::current().metrics().num_alive_tasks(), before);
    for stats in [a.transport.stats(), b.transport.stats()] {
        assert_eq!((stats.streams_open.value(), stats.connections_open.value()), (0, 0));
    }
    drop((kept, probed));
}

#[tokio::test]
async fn a_peer_that_does_not_read_does_not_hold_up_the_stop() {
    let reluctant = Settings { receive_count_max: 1, ..Settings::default() };
    let mut writer = Node::start(Settings::default(), None).await;
    let mut slow = Node::start(reluctant, None).await;
    let (_here, there) = slow.authenticated(&mut writer).await;
    let (dialed, _slow_end) = writer.authenticated(&mut slow).await;
    for connection in [&there, &dialed] {
        for _ in 0..30 {
            connection.push(pattern(1 << 20), Priority::Block);
        }
    }
    writer.transport.stop(Duration::from_millis(50)).await;
    assert_eq!(writer.transport.stats().streams_open.value(), 0);
}

#[tokio::test]
async fn an_owner_that_does_not_take_events_does_not_hold_up_the_stop() {
    let mut node = Node::start(Settings { events_max: 1, ..Settings::default() }, None).await;
    let mut client = Client::plain(node.address).await;
    let mut streams = Vec::new();
    for _ in 0..5 {
        let mut stream = client.stream().await;
        stream.send(b"handshake").await;
        streams.push(stream);
    }
    node.transport.stop(LONG).await;
    node.events.close();
    while node.events.recv().await.is_some() {}
    assert_eq!(node.transport.stats().streams_open.value(), 0);
}

#[tokio::test]
async fn after_the_stop_nothing_is_accepted_or_dialled() {
    let (a, b) = Node::plain_pair().await;
    a.transport.stop(LONG).await;
    assert!(tokio::net::TcpStream::connect(a.address).await.is_err());
    let refused = a.transport.connect(&b.endpoint(), LONG, &mut |_| {}).await.map(|_| ()).unwrap_err();
    assert_eq!(refused, selvedge::transport::DialError::Stopped);
}

#[tokio::test]
async fn an_owner_that_is_gone_ends_the_streams() {
    let mut node = Node::start(Settings::default(), None).await;
    let mut stream = Client::plain(node.address).await.stream().await;
    let connection = node.accepted().await;
    node.events.close();
    stream.send(b"handshake").await;
    assert_eq!(stream.next().await.unwrap_err()["grpc-status"], "2");
    drop(connection);
}
