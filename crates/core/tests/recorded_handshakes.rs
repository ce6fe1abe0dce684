//! What a real peer does with 35 ways to open a stream (`fixtures/handshake/cases.json`), and what this peer does with the
//! same bytes. Certificates and signatures are not looked at here: the answers to those questions are the truth as the
//! recording tells it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use base64::Engine;
use bytes::Bytes;
use core::time::Duration;
use selvedge_core::testing::crypto::{NEVER, digest};
use selvedge_core::{
    CloseReason, Config, ConnectionId, IdentityClaims, Input, Instant, LocalPeer, Misbehaviour, MspId,
    Output, Peer, PkiId, Reject, TlsBinding, Unfitting, WallTime,
};
use selvedge_proto::envelope::{ContentKind, EnvelopeView};
use selvedge_proto::gossip::ConnEstablish;
use selvedge_proto::msp::SerializedIdentity;
use selvedge_proto::validate::Malformed;
use selvedge_proto::{WireError, decode};
use std::collections::{BTreeMap, VecDeque};

const NOW: WallTime = WallTime::from_seconds(1_795_000_000);
const OWN_CERTIFICATE: [u8; 32] = [7; 32];

struct Case {
    name: String,
    envelope: Option<Bytes>,
    certificate: String,
    outcome: String,
    grpc_message: String,
}

/// How a stream ended, or that it did not.
#[derive(Debug, PartialEq)]
enum Outcome {
    Accepted,
    Closed(CloseReason),
}

fn cases() -> Vec<Case> {
    let text =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/handshake/cases.json"))
            .unwrap();
    let cases: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
    let text = |case: &serde_json::Value, key: &str| case[key].as_str().unwrap_or_default().to_owned();
    let bytes = |text: &str| Bytes::from(base64::engine::general_purpose::STANDARD.decode(text).unwrap());
    cases
        .iter()
        .map(|case| Case {
            name: text(case, "case"),
            envelope: case["sent_envelope"].as_str().map(bytes),
            certificate: text(case, "client_tls_cert"),
            outcome: text(case, "outcome"),
            grpc_message: text(case, "grpc_message"),
        })
        .collect()
}

fn conn(envelope: &Bytes) -> Option<ConnEstablish> {
    let view = EnvelopeView::parse(envelope.clone()).ok()?;
    (view.kind() == ContentKind::Conn).then(|| view.content_as().ok()).flatten()
}

/// The hash of each client certificate, as the honest messages of the recording name it.
fn certificate_hashes(cases: &[Case]) -> BTreeMap<String, [u8; 32]> {
    let mut hashes = BTreeMap::new();
    for case in cases {
        let hash =
            case.envelope.as_ref().and_then(conn).and_then(|conn| conn.tls_cert_hash[..].try_into().ok());
        if let Some(hash) = hash
            && case.name != "tls_cert_hash of another certificate"
        {
            hashes.entry(case.certificate.clone()).or_insert(hash);
        }
    }
    hashes
}

/// What the MSPs of the recorded network say to an identity.
fn claims(case: &Case, identity: &Bytes) -> Option<IdentityClaims> {
    if case.name == "Org3's certificate claiming to be of Org1MSP" {
        return None;
    }
    let SerializedIdentity { mspid, id_bytes } = decode(identity.clone()).ok()?;
    if !["Org1MSP", "Org2MSP", "OrdererMSP"].contains(&mspid.as_str()) {
        return None;
    }
    let expired = case.name == "expired Org1 peer identity";
    Some(IdentityClaims {
        pki_id: PkiId::new(digest(&[mspid.as_bytes(), &id_bytes])),
        org: MspId::from(mspid),
        expires_at: if expired { WallTime::from_seconds(1) } else { NEVER },
        key_hash: digest(&[&id_bytes]),
    })
}

fn signature_holds(case: &Case) -> bool {
    !["signature by another key", "valid signature with a high S", "orderer identity (OrdererMSP)"]
        .contains(&case.name.as_str())
}

/// The reason that answers to what the Go peer told its client.
fn reason(message: &str) -> CloseReason {
    let reason: Reject = match message {
        "no TLS certificate" => Misbehaviour::CertificateMissing.into(),
        "no PKI-ID" => Malformed::PkiIdMissing.into(),
        "identity doesn't match the computed pkiID" => Misbehaviour::IdentityMismatch.into(),
        "identity is nil" => Malformed::IdentityMissing.into(),
        "Empty signature" => Malformed::SignatureMissing.into(),
        "The signature is invalid" => Misbehaviour::SignatureInvalid.into(),
        "gossipping peer identity expired" => Unfitting::IdentityExpired.into(),
        "wrong type" => Malformed::ContentUnexpected.into(),
        text if text.starts_with("Expected [") => Misbehaviour::CertificateUnbound.into(),
        text if text.starts_with("failed classifying identity") => Misbehaviour::IdentityInvalid.into(),
        text if text.starts_with("could not determine the validity") => Misbehaviour::SignatureInvalid.into(),
        text if text.starts_with("implicit policy evaluation failed") => {
            Misbehaviour::SignatureInvalid.into()
        }
        text if text.starts_with("Failed unmarshalling") => Malformed::from(WireError::Truncated).into(),
        text if text.starts_with("timed out waiting") => return CloseReason::HandshakeTimeout,
        text => panic!("no reason for {text}"),
    };
    CloseReason::Handshake(reason)
}

/// Plays one case for three seconds; the outcome, and whether our own handshake had been sent.
fn play(case: &Case, hashes: &BTreeMap<String, [u8; 32]>) -> (Outcome, bool) {
    let me = LocalPeer {
        pki_id: PkiId::new([1; 32]),
        org: MspId::from("Org1MSP"),
        identity: Bytes::from_static(b"own identity"),
        expires_at: NEVER,
        incarnation: 1,
    };
    let start = Instant::from_nanos(0);
    let mut peer = Peer::new(Config::default(), me, 1, start, NOW);
    let connection = ConnectionId::accepted(1);
    let binding = TlsBinding { own: OWN_CERTIFICATE, remote: hashes.get(&case.certificate).copied() };
    // answers come before whatever else arrives
    let mut inputs = VecDeque::from([Input::Accepted { connection, binding: Some(binding) }]);
    inputs
        .extend(case.envelope.clone().map(|envelope| Input::Frame { connection, envelope: envelope.into() }));
    let mut has_greeted = false;
    let mut outcome = Outcome::Accepted;
    let mut now = start;
    loop {
        while let Some(input) = inputs.pop_front() {
            peer.handle(now, input);
            while let Some(output) = peer.poll_output() {
                match output {
                    Output::Sign { ticket, .. } => {
                        inputs.push_front(Input::Signed {
                            ticket,
                            signature: Some(Bytes::from_static(b"signature")),
                        });
                    }
                    Output::CheckIdentity { ticket, identity } => {
                        inputs.push_front(Input::IdentityChecked { ticket, claims: claims(case, &identity) });
                    }
                    Output::Verify { ticket, .. } => {
                        inputs.push_front(Input::Verified { ticket, ok: signature_holds(case) });
                    }
                    Output::Send { envelope, .. } => has_greeted |= conn(envelope.bytes()).is_some(),
                    Output::Close { reason, .. } => outcome = Outcome::Closed(reason),
                    _ => {}
                }
            }
        }
        match peer.next_deadline().filter(|&at| at <= start + Duration::from_secs(3)) {
            Some(at) => {
                now = at;
                inputs.push_back(Input::Deadline);
            }
            None => return (outcome, has_greeted),
        }
    }
}

#[test]
fn each_case_ends_as_it_does_with_a_go_peer() {
    let cases = cases();
    let hashes = certificate_hashes(&cases);
    let mut played_count = 0;
    for case in &cases {
        let of_tls = case.outcome == "dial failed";
        // a second stream closes both at a Go peer; here both are read
        let is_second_stream = case.name.ends_with("the second");
        // the recording has the handshake only; what follows is in the tests of the dispatch
        let goes_on = case.name.starts_with("after a valid handshake");
        if of_tls {
            continue;
        }
        let expected = match case.outcome.as_str() {
            "accepted" => Outcome::Accepted,
            "stream ended" if !is_second_stream => Outcome::Closed(CloseReason::ProbeDone),
            "rejected" if !goes_on => Outcome::Closed(reason(&case.grpc_message)),
            _ => Outcome::Accepted,
        };
        let (outcome, has_greeted) = play(case, &hashes);
        assert_eq!(outcome, expected, "{}", case.name);
        assert_eq!(has_greeted, case.certificate != "none", "{}", case.name);
        played_count += 1;
    }
    assert_eq!((cases.len(), played_count), (35, 34));
}
