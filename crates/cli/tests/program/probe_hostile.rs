//! Whatever answers, a probe ends in time and says what is wrong.

use crate::support::{Run, peer_msp, probe, read, strings};
use bytes::Bytes;
use selvedge::transport::{Connection, Settings, Transport, TransportEvent};
use selvedge_core::Priority;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

fn flags() -> Vec<String> {
    let msp = peer_msp("peer2", "org1");
    strings(&["--msp", &msp, "--msp-id", "Org1MSP", "--no-tls", "--timeout", "300ms"])
}

fn tls_flags() -> Vec<String> {
    let msp = peer_msp("peer2", "org1");
    let tls = msp.trim_end_matches("msp").to_owned() + "tls";
    let file = |name: &str| format!("{tls}/{name}");
    let (certificate, key, ca) = (file("server.crt"), file("server.key"), file("ca.crt"));
    let flags = ["--msp", &msp, "--msp-id", "Org1MSP", "--timeout", "300ms"];
    strings(&[&flags[..], &["--tls-cert", &certificate, "--tls-key", &key, "--tls-ca", &ca]].concat())
}

/// Probes a listener that sends these bytes to everybody, and then nothing.
async fn probe_of(answer: &'static [u8], flags: &[String]) -> Run {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = listener.local_addr().unwrap().to_string();
    let serving = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(answer).await;
            held.push(stream);
        }
    });
    let run = probe(&target, flags).await.failed();
    serving.abort();
    assert!(!run.err.contains("panicked"), "{run:?}");
    run
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silence() {
    let run = probe_of(b"", &tls_flags()).await;
    assert!(run.out.contains("FAILED   TLS         no answer within 300 ms"), "{run:?}");
    let run = probe_of(b"", &flags()).await;
    assert!(run.out.contains("FAILED   ping        no answer within 300 ms"), "{run:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_protocols() {
    let http = b"HTTP/1.1 400 Bad Request\r\n\r\n";
    let run = probe_of(http, &tls_flags()).await;
    assert!(run.out.contains("FAILED   TLS         what came back is not TLS"), "{run:?}");
    let run = probe_of(http, &flags()).await;
    assert!(run.out.contains("FAILED   ping"), "{run:?}");
    probe_of(&[0xff; 100_000], &tls_flags()).await;
    probe_of(&[0xff; 100_000], &flags()).await;
}

/// Probes a peer that answers Ping, and does this with every stream.
async fn probe_of_streams(serve: impl Fn(&Connection) + Send + 'static, more: &[&str]) -> Run {
    let (transport, mut events) = Transport::new(Settings::default(), None);
    let target = transport.listen("127.0.0.1:0", Default::default()).await.unwrap().to_string();
    let serving = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Some(event) = events.recv().await {
            if let TransportEvent::Accepted { connection } = event {
                serve(&connection);
                held.push(connection);
            }
        }
    });
    // long enough for what is answered, on a machine that has other things to do
    let mut flags = flags();
    flags.pop();
    flags.push("1500ms".to_owned());
    let run = probe(&target, &[flags, strings(more)].concat()).await.failed();
    transport.stop(std::time::Duration::ZERO).await;
    serving.abort();
    assert!(!run.err.contains("panicked"), "{run:?}");
    run
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_says_nothing() {
    let run = probe_of_streams(|_| {}, &[]).await;
    assert!(
        run.out.contains("FAILED   handshake   the peer opens the stream but does not say who it is"),
        "{run:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_talks_nonsense() {
    let nonsense = Bytes::from_static(b"\x0a\x05\xff\xff\xff\xff\xff");
    let run = probe_of_streams(move |peer| _ = peer.push(nonsense.clone(), Priority::Control), &[]).await;
    assert!(run.out.contains("FAILED   handshake   its first message is no handshake"), "{run:?}");
    let alive = Bytes::from(read("envelopes/AliveMessage/001.bin"));
    let run = probe_of_streams(move |peer| _ = peer.push(alive.clone(), Priority::Control), &[]).await;
    assert!(run.out.contains("FAILED   handshake   its first message is no handshake"), "{run:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_never_stops_talking() {
    let hello = Bytes::from(read("envelopes/ConnEstablish/001.bin"));
    let alive = Bytes::from(read("envelopes/AliveMessage/001.bin"));
    let serve = move |peer: &Connection| {
        peer.push(hello.clone(), Priority::Control);
        for _ in 0..150 {
            peer.push(alive.clone(), Priority::Control);
        }
    };
    let run = probe_of_streams(serve, &[]).await;
    assert!(run.out.contains("the peer does not say whether it accepts ours"), "{run:?}");
    // the identity is genuine: what was recorded is bound to no certificate here
    assert!(run.out.contains("ok       identity    peer1.org1.example.com (Org1MSP)"), "{run:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_does_not_answer_questions() {
    let hello = Bytes::from(read("envelopes/ConnEstablish/001.bin"));
    let serve = move |peer: &Connection| _ = peer.push(hello.clone(), Priority::Control);
    let run = probe_of_streams(serve, &["--membership", "--channel", "mychannel"]).await;
    assert!(run.out.contains("FAILED   membership  no answer"), "{run:?}");
    assert!(run.out.contains("FAILED   channel     no answer"), "{run:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_that_are_none() {
    for (target, step) in [("nonsense", "resolve"), ("a:b:c", "resolve"), ("127.0.0.1:99999", "resolve")] {
        let run = probe(target, &flags()).await.failed();
        assert!(run.out.contains(&format!("FAILED   {step}")), "{run:?}");
    }
}
