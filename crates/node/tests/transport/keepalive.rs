//! PINGs: as seldom as Go peers tolerate, and never to measure bandwidth (spec/02 §1).

use super::foreign::{ACK, DATA, PING, PREFACE, SETTINGS, raw_frame, read_frame};
use super::support::LONG;
use selvedge::transport::{Settings, Transport};
use selvedge_core::ConnectionId;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tonic::service::Routes;

const WINDOW_UPDATE: u8 = 8;
const HEADERS: u8 = 1;
const END_HEADERS: u8 = 4;

/// Response headers `:status: 200` and `content-type: application/grpc`, in HPACK without tables.
fn response_headers() -> Vec<u8> {
    let mut block = vec![0x88, 0x0f, 0x10, 0x10];
    block.extend_from_slice(b"application/grpc");
    block
}

/// How long after now the next PING comes, and then the end of the connection if it is not answered.
async fn times_to_ping_and_end(stream: &mut TcpStream) -> (Duration, Duration) {
    let begun = Instant::now();
    let mut pinged = None;
    while let Some(frame) = read_frame(stream).await {
        if frame.kind == PING && frame.flags & ACK == 0 && frame.payload.len() == 8 {
            pinged.get_or_insert_with(|| begun.elapsed());
        }
    }
    (pinged.expect("no PING came"), begun.elapsed())
}

#[tokio::test]
async fn a_dialler_pings_after_a_minute_and_not_for_data() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    // less than Go peers tolerate is not obeyed
    let settings = Settings { client_keepalive_interval: Duration::from_secs(1), ..Settings::default() };
    let (transport, mut events) = Transport::new(settings, None);
    let endpoint = listener.local_addr().unwrap().to_string();
    let connection = transport.connect(&endpoint, LONG, &mut |_| {}).await.unwrap();
    let (mut stream, _) = listener.accept().await.unwrap();
    stream.set_nodelay(true).unwrap();
    let opened = transport.open_stream(connection, ConnectionId::dialed(1)).unwrap();
    opened.authenticated();

    let mut preface = [0; PREFACE.len()];
    stream.read_exact(&mut preface).await.unwrap();
    assert_eq!(preface, PREFACE);
    stream.write_all(&raw_frame(SETTINGS, 0, 0, &[])).await.unwrap();
    while read_frame(&mut stream).await.unwrap().kind != HEADERS {}
    stream.write_all(&raw_frame(HEADERS, END_HEADERS, 1, &response_headers())).await.unwrap();
    // far more than what makes a library curious about the bandwidth
    let message = super::foreign::framed(&[7; 16_000]);
    for _ in 0..100 {
        stream.write_all(&raw_frame(DATA, 0, 1, &message)).await.unwrap();
        events.recv().await.unwrap();
    }
    // its window updates come after what it might have sent on account of the data
    loop {
        let frame = read_frame(&mut stream).await.unwrap();
        assert_ne!(frame.kind, PING);
        if frame.kind == WINDOW_UPDATE {
            break;
        }
    }

    tokio::time::pause();
    let (pinged, ended) = times_to_ping_and_end(&mut stream).await;
    assert!((59..=61).contains(&pinged.as_secs()), "{pinged:?}");
    assert!((79..=81).contains(&ended.as_secs()), "{ended:?}");
}

#[tokio::test]
async fn a_listener_pings_after_two_hours() {
    let settings = Settings { idle_timeout: Duration::from_secs(1_000_000), ..Settings::default() };
    let (transport, _events) = Transport::new(settings, None);
    let address = transport.listen("127.0.0.1:0", Routes::default()).await.unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(PREFACE).await.unwrap();
    stream.write_all(&raw_frame(SETTINGS, 0, 0, &[])).await.unwrap();
    loop {
        let frame = read_frame(&mut stream).await.unwrap();
        assert_ne!(frame.kind, PING);
        if frame.kind == SETTINGS && frame.flags & ACK != 0 {
            break;
        }
    }
    tokio::time::pause();
    let (pinged, ended) = times_to_ping_and_end(&mut stream).await;
    assert!((7199..=7201).contains(&pinged.as_secs()), "{pinged:?}");
    assert!((7219..=7221).contains(&ended.as_secs()), "{ended:?}");
}
