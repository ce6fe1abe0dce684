//! The 35 ways to open a stream that were tried on a Go peer (`fixtures/handshake/cases.json`), tried on a node in the same
//! identity and channel over real TLS, with the envelopes and TLS certificates of the recording. What comes back is compared
//! with what the Go peer answered; every difference is listed here with its reason.
//!
//! All envelopes are the recorded bytes, whose signatures and TLS bindings hold because the recorded TLS keys are used. Not
//! recorded, and therefore made here: the ClientHello of TLS 1.1, and what follows a handshake in five cases.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[allow(dead_code, reason = "shared with the tests of the transport")]
#[path = "transport/foreign.rs"]
mod foreign;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use foreign::{Client, Stream, client_config, tls_session};
use hyper::HeaderMap;
use prost::Message;
use rustls::version::{TLS12, TLS13};
use selvedge::node::{Node, NodeSettings};
use selvedge::transport::{TlsHandle, TlsMaterial, certificates_from_pem, private_key_from_pem};
use selvedge_core::Endpoint;
use selvedge_msp::LocalMsp;
use selvedge_proto::gossip::gossip_message::{Content, Tag};
use selvedge_proto::gossip::{
    Empty, Envelope, GossipHello, GossipMessage, PullMsgType, RemoteStateRequest, StateInfoPullRequest,
};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::rustls;

/// What the foreign client needs of its surroundings.
mod support {
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use tokio_rustls::rustls;

    /// A certificate with its key.
    pub(crate) struct Pair {
        pub(crate) certificate: CertificateDer<'static>,
        pub(super) key: PrivateKeyDer<'static>,
    }

    impl Pair {
        pub(crate) fn key(&self) -> PrivateKeyDer<'static> {
            self.key.clone_key()
        }
    }
}
use support::Pair;

const CHANNEL: &str = "mychannel";
/// Beyond every ledger.
const NOWHERE: u64 = 1 << 40;

/// Cases whose outcome is another on purpose: what happens here, and why.
const OTHER_OUTCOMES: &[(&str, &str, &str)] = &[(
    "two streams of one identity: the second",
    "accepted",
    "a Go peer ends both streams, since the end of the first closes whatever is registered for the identity (spec/02 §6.4); \
     here nothing that was authenticated is closed on arrival, and the older stream is retired when the newer has proved itself",
)];

/// Cases in which the reason is put in other words: ours, and why.
const OTHER_TEXTS: &[(&str, &str, &str)] = &[
    (
        "valid Org1 peer, TLS 1.1 at most",
        "alert handshake_failure",
        "the recording has the Go client's words for the alert protocol_version; this TLS library refuses such an offer as a whole",
    ),
    ("tls_cert_hash missing", UNBOUND, "the usual causes are more use than two lists of bytes"),
    ("tls_cert_hash of another certificate", UNBOUND, "as above"),
    (
        "identity is not a SerializedIdentity",
        UNKNOWN,
        "one text for all that no MSP accepts; the log has the details",
    ),
    ("identity of an unknown MSP (Org3MSP)", UNKNOWN, "as above"),
    ("Org3's certificate claiming to be of Org1MSP", UNKNOWN, "as above"),
    (
        "valid signature with a high S",
        "The signature is invalid",
        "which it is to Fabric; the log has the details",
    ),
    (
        "orderer identity (OrdererMSP)",
        "The signature is invalid",
        "its signature does not satisfy the Readers policy, by which those of other organisations are verified",
    ),
    (
        "payload does not parse",
        "Failed unmarshalling GossipMessage from envelope: ends in the middle of a field",
        "the same text, with this parser's own words behind it",
    ),
    (
        "after a valid handshake: payload that does not parse",
        "Failed unmarshalling GossipMessage from envelope",
        "the same text, without the parser's own words",
    ),
];

const UNBOUND: &str = "Expected another remote hash of TLS cert than the one in the handshake: is there a proxy that ends TLS, \
                       or was a TLS certificate renewed without a restart?";
const UNKNOWN: &str = "failed classifying identity: no MSP of this peer or of its channels accepts it";

/// What came of a case, in the recording's terms.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Outcome {
    received: Option<Vec<String>>,
    outcome: String,
    code: Option<String>,
    text: Option<String>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_recorded_way_to_open_a_stream_is_answered_as_by_a_go_peer() {
    let cases: Vec<serde_json::Value> =
        serde_json::from_slice(&std::fs::read(fixture("handshake/cases.json")).unwrap()).unwrap();
    assert_eq!(cases.len(), 35);
    let folder = tempfile::tempdir().unwrap();
    let node = recorded_peer(folder.path().to_owned()).await;
    let mut observed = Vec::new();
    // one after the other: most have the same identity, and more than two streams of one are too many
    for case in &cases {
        let name = case["case"].as_str().unwrap();
        // the second stream of its identity is opened beside the first
        if !name.ends_with(": the second") {
            observed.extend(try_case(node.address(), name, case).await);
        }
    }
    let recorded: BTreeMap<_, _> = cases.iter().map(|case| (case["case"].as_str().unwrap(), case)).collect();
    let names: BTreeSet<_> = observed.iter().map(|(name, _)| name.as_str()).collect();
    assert!(names.iter().eq(recorded.keys()), "no case is left out");
    let differences: Vec<_> = observed
        .iter()
        .flat_map(|(name, outcome)| compare(name, &outcome_in(recorded[name.as_str()]), outcome))
        .collect();
    assert!(differences.is_empty(), "\n{}", differences.join("\n"));
    node.stop().await;
}

// ---- the recording

fn fixture(path: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures")).join(path)
}

fn outcome_in(case: &serde_json::Value) -> Outcome {
    let text = |key: &str| case.get(key).and_then(|value| value.as_str()).map(str::to_owned);
    let received = case["received"].as_array();
    let received = received.map(|kinds| kinds.iter().map(|kind| kind.as_str().unwrap().to_owned()).collect());
    Outcome {
        received,
        outcome: text("outcome").unwrap(),
        code: text("grpc_code"),
        text: text("grpc_message"),
    }
}

/// The differences that are not listed, and those that are listed and are none.
fn compare(name: &str, recorded: &Outcome, observed: &Outcome) -> Vec<String> {
    let mut differences = Vec::new();
    let listed = |list: &[(&str, &'static str, &str)]| {
        list.iter().find(|(case, ..)| *case == name).map(|(_, ours, _)| *ours)
    };
    let mut expect = |what: &str, recorded: &str, ours: Option<&str>, observed: &str| {
        if ours == Some(recorded) {
            differences.push(format!("{name}: {what} {recorded:?} is listed as a difference and is none"));
        }
        let expected = ours.unwrap_or(recorded);
        if observed != expected {
            differences.push(format!("{name}: {what} is {observed:?}, not {expected:?}"));
        }
    };
    let other = listed(OTHER_OUTCOMES);
    expect("outcome", &recorded.outcome, other, &observed.outcome);
    let (theirs, ours) = (format!("{:?}", recorded.received), format!("{:?}", observed.received));
    expect("what was received", &theirs, None, &ours);
    if other.is_none() {
        expect("status", or_none(&recorded.code), None, or_none(&observed.code));
        expect("text", without_port(&recorded.text), listed(OTHER_TEXTS), without_port(&observed.text));
    }
    differences
}

fn or_none(text: &Option<String>) -> &str {
    text.as_deref().unwrap_or("none")
}

/// The client's port is another every time.
fn without_port(text: &Option<String>) -> &str {
    let text = or_none(text);
    text.split_once("127.0.0.1:").map_or(text, |(before, _port)| before)
}

// ---- the node

/// A node that is peer0.org1 as recorded, in its channel. It reaches out to nobody: the first anchor peer is itself, and
/// without an external endpoint it does not talk to those of other organisations.
async fn recorded_peer(data: PathBuf) -> Node {
    let member = fixture("network/crypto/peerOrganizations/org1.example.com/peers/peer0.org1.example.com");
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let local = LocalMsp::load(&member.join("msp"), "Org1MSP", i64::try_from(now).unwrap()).unwrap();
    let pair = pair_in(&member.join("tls")).unwrap();
    let tls = TlsHandle::new(TlsMaterial {
        server_chain: vec![pair.certificate.clone()],
        server_key: pair.key(),
        client: None,
        roots: certificates_from_pem(&std::fs::read(member.join("tls/ca.crt")).unwrap()).unwrap(),
        client_roots: Vec::new(),
        client_auth_required: false,
    });
    let mut settings = NodeSettings::new(Arc::new(local), Some(tls.unwrap()), data, "127.0.0.1:0".to_owned());
    settings.gossip.endpoint = Endpoint::from("127.0.0.1:21301");
    let node = Node::start(settings).await.unwrap();
    node.join(std::fs::read(fixture("network/mychannel.block")).unwrap().into()).await.unwrap();
    node
}

/// Certificate and key in a folder of TLS material; nothing for the word `none`.
fn pair_in(folder: &std::path::Path) -> Option<Pair> {
    let read = |names: [&str; 2]| names.iter().find_map(|name| std::fs::read(folder.join(name)).ok());
    if folder.ends_with("none") {
        return None;
    }
    let certificate = read(["server.crt", "client.crt"]).unwrap();
    let key = read(["server.key", "client.key"]).unwrap();
    Some(Pair {
        certificate: certificates_from_pem(&certificate).unwrap().remove(0),
        key: private_key_from_pem(&key).unwrap(),
    })
}

// ---- trying a case

/// Tries a case; the first of two streams brings the outcome of the second along.
async fn try_case(address: SocketAddr, name: &str, case: &serde_json::Value) -> Vec<(String, Outcome)> {
    if name.contains("TLS 1.1") {
        return vec![(name.to_owned(), dial_with_tls11(address).await)];
    }
    let pair = pair_in(&fixture("network").join(case["client_tls_cert"].as_str().unwrap()));
    let version = if name.contains("TLS 1.2") { &TLS12 } else { &TLS13 };
    let config = Arc::new(client_config(version, pair.as_ref()));
    let first = case.get("sent_envelope").map(|text| BASE64_STANDARD.decode(text.as_str().unwrap()).unwrap());
    let mut attempt = Attempt::open(address, &config, !name.contains("no Ping")).await;
    if let Some(first) = &first {
        attempt.stream.send(first).await;
        if let Some((_, what)) = name.split_once("after a valid handshake: ") {
            attempt.stream.send(&after_handshake(what, first)).await;
        }
        attempt.stream.send(&fence(1)).await;
    }
    let Some(other) = name.strip_suffix(": the first").map(|name| format!("{name}: the second")) else {
        return vec![(name.to_owned(), attempt.outcome(1).await)];
    };
    let first_outcome = attempt.outcome(1).await;
    let mut second = Attempt::open(address, &config, true).await;
    second.stream.send(&first.unwrap()).await;
    second.stream.send(&fence(1)).await;
    let second_outcome = second.outcome(1).await;
    // the first still serves beside the second
    attempt.stream.send(&fence(2)).await;
    assert_eq!(attempt.outcome(2).await, first_outcome);
    vec![(name.to_owned(), first_outcome), (other, second_outcome)]
}

/// What is sent after the handshake in these cases; the recording describes it in words.
fn after_handshake(what: &str, handshake: &[u8]) -> Bytes {
    let message = |tag: Tag, content: Content| GossipMessage {
        tag: tag as i32,
        content: Some(content),
        ..GossipMessage::default()
    };
    let hello = GossipHello { nonce: 1, metadata: Bytes::new(), msg_type: PullMsgType::IdentityMsg as i32 };
    let message = match what {
        "payload that does not parse" => {
            let payload = Bytes::from_static(b"\xff\xff");
            return Envelope { payload, ..Envelope::default() }.encode_to_vec().into();
        }
        "Empty message with tag EMPTY" => message(Tag::Empty, Content::Empty(Empty {})),
        "message with an illegal tag" => message(Tag::ChanAndOrg, Content::Hello(hello)),
        "identity Hello" => message(Tag::Empty, Content::Hello(hello)),
        "StateInfoPullRequest of mychannel with its MAC" => {
            let envelope = Envelope::decode(handshake).unwrap();
            let greeting = GossipMessage::decode(envelope.payload).unwrap();
            let Some(Content::Conn(conn)) = greeting.content else { panic!("a handshake") };
            let mac = Sha256::new().chain_update(&conn.pki_id).chain_update(CHANNEL).finalize();
            let request = StateInfoPullRequest { channel_mac: Bytes::copy_from_slice(&mac) };
            message(Tag::ChanOrOrg, Content::StateInfoPullReq(request))
        }
        other => panic!("what is sent after the handshake? {other}"),
    };
    unsigned(&message)
}

fn unsigned(message: &GossipMessage) -> Bytes {
    let payload = message.encode_to_vec().into();
    Envelope { payload, ..Envelope::default() }.encode_to_vec().into()
}

/// A request that is answered with nothing, if the stream was accepted and still stands.
fn fence(nonce: u64) -> Bytes {
    let request = RemoteStateRequest { start_seq_num: NOWHERE, end_seq_num: NOWHERE };
    unsigned(&GossipMessage {
        nonce,
        channel: CHANNEL.into(),
        tag: Tag::ChanOrOrg as i32,
        content: Some(Content::StateRequest(request)),
    })
}

/// A stream, and what came over it and before it.
struct Attempt {
    stream: Stream,
    received: Vec<String>,
}

impl Attempt {
    async fn open(address: SocketAddr, config: &Arc<rustls::ClientConfig>, pings: bool) -> Self {
        let mut client = Client::over(tls_session(address, config).await.unwrap()).await;
        let mut received = Vec::new();
        if pings {
            let (answer, _) = client.ping().await.unwrap();
            assert_eq!(answer[..], [0; 5], "the answer to Ping");
            received.push("Ping response".to_owned());
        }
        Self { stream: client.stream().await, received }
    }

    /// Reads until the stream ends, or the fence with this nonce is answered.
    async fn outcome(&mut self, nonce: u64) -> Outcome {
        loop {
            match self.stream.next().await {
                Ok(envelope) => {
                    let message = GossipMessage::decode(Envelope::decode(envelope).unwrap().payload).unwrap();
                    match message.content.unwrap() {
                        Content::StateResponse(_) if message.nonce == nonce => {
                            return Outcome {
                                received: Some(self.received.clone()),
                                outcome: "accepted".to_owned(),
                                code: None,
                                text: None,
                            };
                        }
                        Content::Conn(_) => self.received.push("Conn".to_owned()),
                        Content::DataDig(_) => self.received.push("DataDig".to_owned()),
                        Content::StateSnapshot(_) => self.received.push("StateSnapshot".to_owned()),
                        other => self.received.push(format!("{other:?}")),
                    }
                }
                Err(trailers) => return self.ended(&trailers),
            }
        }
    }

    fn ended(&self, trailers: &HeaderMap) -> Outcome {
        let status = tonic::Status::from_header_map(trailers).unwrap();
        let is_ok = status.code() == tonic::Code::Ok;
        Outcome {
            received: Some(self.received.clone()),
            outcome: if is_ok { "stream ended" } else { "rejected" }.to_owned(),
            code: Some(format!("{:?}", status.code()).replace("Ok", "OK")),
            text: (!status.message().is_empty()).then(|| status.message().to_owned()),
        }
    }
}

/// What a client is told that offers nothing above TLS 1.1.
async fn dial_with_tls11(address: SocketAddr) -> Outcome {
    const OFFERED: &[u8] = b"\x03\x02";
    let suites: &[u8] = b"\x00\x06\xc0\x09\xc0\x0a\x00\x2f";
    // supported groups, point formats, supported versions: 1.1 and 1.0
    let extensions: &[u8] = b"\x00\x17\x00\x0a\x00\x04\x00\x02\x00\x17\x00\x0b\x00\x02\x01\x00\x00\x2b\x00\x05\x04\x03\x02\x03\x01";
    let body = [OFFERED, &[0; 32], b"\x00", suites, b"\x01\x00", extensions].concat();
    let length = u16::try_from(body.len()).unwrap();
    let handshake = [&[1, 0], &length.to_be_bytes()[..], &body].concat();
    let record = [&[22, 3, 1], &(length + 4).to_be_bytes()[..], &handshake].concat();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(&record).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let text = match answer[..] {
        [21, _, _, 0, 2, 2, 40] => "alert handshake_failure".to_owned(),
        _ => format!("{answer:?}"),
    };
    Outcome { received: None, outcome: "dial failed".to_owned(), code: None, text: Some(text) }
}
