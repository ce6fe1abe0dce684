//! Each way in which a dial can fail has its name.

use super::support::{Authority, LONG, Node, tls};
use selvedge::transport::{
    DialError, DialProgress, DialStep, Settings, TlsFailure, TlsHandle, Transport, TransportEvent,
};
use selvedge_core::ConnectionId;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

/// What a dial of `endpoint` fails with.
async fn failure(tls: Option<TlsHandle>, endpoint: &str, timeout: Duration) -> DialError {
    let (transport, mut events) = Transport::new(Settings::default(), tls);
    transport.dial(ConnectionId::dialed(5), endpoint, timeout);
    match events.recv().await.unwrap() {
        TransportEvent::DialFailed { id, error } if id == ConnectionId::dialed(5) => error,
        other => panic!("expected a failed dial, got {other:?}"),
    }
}

#[tokio::test]
async fn what_is_no_endpoint() {
    assert_eq!(failure(None, "peer0", LONG).await, DialError::Endpoint { endpoint: "peer0".to_owned() });
}

#[tokio::test]
async fn a_host_that_cannot_be_resolved() {
    // a label of 70 characters cannot even be asked for
    let error = failure(None, &format!("{}:7051", "a".repeat(70)), LONG).await;
    assert!(matches!(&error, DialError::Resolve { .. }), "{error}");
    assert_eq!(error.step(), DialStep::Resolve);
}

#[tokio::test]
async fn a_port_where_nobody_listens() {
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = failure(None, &address.to_string(), LONG).await;
    assert!(matches!(&error, DialError::Tcp { address: tried, .. } if *tried == address), "{error}");
}

/// A listener that takes one connection and keeps it, silent, for as long as the other side does.
async fn silent() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ended = stream.read_to_end(&mut Vec::new()).await;
    });
    endpoint
}

#[tokio::test]
async fn a_listener_that_does_not_answer() {
    let after = Duration::from_millis(50);
    let handle = tls(&Authority::new("tlsca"), "dialler");
    let error = failure(Some(handle), &silent().await, after).await;
    assert_eq!(error, DialError::TimedOut { step: DialStep::Tls, after });
    assert_eq!(error.to_string(), "TLS: no answer within 50 ms");
    let error = failure(None, &silent().await, after).await;
    assert_eq!(error, DialError::TimedOut { step: DialStep::Ping, after });
}

#[tokio::test]
async fn a_listener_that_hangs_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move { while listener.accept().await.is_ok() {} });
    let handle = tls(&Authority::new("tlsca"), "dialler");
    let error = failure(Some(handle), &endpoint, LONG).await;
    assert!(matches!(&error, DialError::Tls { reason: TlsFailure::Closed, .. }), "{error}");
    let error = failure(None, &endpoint, LONG).await;
    assert!(error.step() >= DialStep::Http2, "{error}");
}

#[tokio::test]
async fn one_side_with_and_one_without_tls() {
    let handle = tls(&Authority::new("tlsca"), "node");
    let plain = Node::start(Settings::default(), None).await;
    let error = failure(Some(handle.clone()), &plain.endpoint(), LONG).await;
    assert!(matches!(&error, DialError::Tls { reason: TlsFailure::NotTls, .. }), "{error}");
    let secure = Node::start(Settings::default(), Some(handle)).await;
    let error = failure(None, &secure.endpoint(), LONG).await;
    assert!(error.step() >= DialStep::Http2, "{error}");
}

#[tokio::test]
async fn a_server_that_is_no_gossip_peer() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = listener.local_addr().unwrap().to_string();
    let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
    tokio::spawn(
        tonic::transport::Server::builder()
            .add_routes(tonic::service::Routes::default())
            .serve_with_incoming(incoming),
    );
    let error = failure(None, &endpoint, LONG).await;
    assert!(
        matches!(&error, DialError::Ping { reason } if reason.contains("Unimplemented") || reason.contains("not")),
        "{error}"
    );
}

#[tokio::test]
async fn a_dial_that_is_given_up_has_no_result() {
    let (transport, mut events) = Transport::new(Settings::default(), None);
    let handle = transport.dial(ConnectionId::dialed(1), &silent().await, LONG);
    handle.cancel();
    let unreachable = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    transport.dial(ConnectionId::dialed(2), &unreachable.to_string(), LONG);
    let TransportEvent::DialFailed { id, .. } = events.recv().await.unwrap() else {
        panic!("expected a failed dial")
    };
    assert_eq!(id, ConnectionId::dialed(2));
    transport.stop(LONG).await;
    assert!(events.try_recv().is_err());
}

#[tokio::test]
async fn an_observer_sees_the_steps() {
    let root = Authority::new("tlsca");
    let server = Node::start(Settings::default(), Some(tls(&root, "server"))).await;
    let (transport, _events) = Transport::new(Settings::default(), Some(tls(&root, "dialler")));
    let mut steps = Vec::new();
    let mut observer = |progress: DialProgress| {
        steps.push(match progress {
            DialProgress::Resolved(addresses) => format!("resolved to {}", addresses.len()),
            DialProgress::Tcp { address, .. } => format!("tcp to {}", address.ip()),
            DialProgress::Presented(chain) => format!("presented {:?}", chain.first().unwrap().names),
            DialProgress::Tls { report, .. } => format!("tls {} {}", report.version, report.presented.len()),
            other => format!("{other:?}"),
        });
    };
    let connection = transport.connect(&server.endpoint(), LONG, &mut observer).await.unwrap();
    assert_eq!(connection.report().remote_address, server.address);
    assert_eq!(
        steps,
        ["resolved to 1", "tcp to 127.0.0.1", "presented [\"127.0.0.1\", \"localhost\"]", "tls TLSv1_3 1"]
    );
}
