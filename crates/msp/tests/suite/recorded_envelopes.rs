//! Every signature of the recorded gossip envelopes, with tampered controls.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::support::{base64, fixture, fixture_json, genesis, local_msp};
use bytes::Bytes;
use selvedge_msp::{MessageVerifier, SignatureError, VerifyError};
use selvedge_proto::envelope::{ContentKind, EnvelopeView};
use selvedge_proto::gossip::gossip_message::Content;
use serde_json::Value;

struct Network {
    /// Serialized identities by the name of the node.
    identities: BTreeMap<String, Vec<u8>>,
    /// One that sees the signers as members of its own organisation, and one that sees them as others.
    verifiers: Vec<MessageVerifier>,
}

impl Network {
    fn new() -> Self {
        let identities = fixture_json("network/identities.json");
        let identities = identities.as_array().unwrap().iter().map(|entry| {
            let name = entry["name"].as_str().unwrap().to_owned();
            (name, base64(entry["serialized_identity"].as_str().unwrap()))
        });
        let channel = Arc::new(genesis());
        let verifiers = ["peer0.org1", "peer0.org2"].map(|name| {
            let verifier = MessageVerifier::new(Arc::new(local_msp(name)));
            verifier.set_channel("mychannel", Arc::clone(&channel));
            verifier
        });
        Self { identities: identities.collect(), verifiers: verifiers.into() }
    }

    fn check(&self, signer: &str, payload: &[u8], signature: &[u8]) {
        let identity = &self.identities[signer];
        let stranger = if signer == "peer0.org1" { "peer1.org1" } else { "peer0.org1" };
        for verifier in &self.verifiers {
            verifier.verify(identity, payload, signature).unwrap();
            verifier.verify_for_channel("mychannel", identity, payload, signature).unwrap();
            let refused = |identity: &[u8], payload: &[u8], signature: &[u8]| {
                assert!(verifier.verify_for_channel("mychannel", identity, payload, signature).is_err());
                match verifier.verify(identity, payload, signature) {
                    Err(VerifyError::Signature(error)) => error,
                    other => panic!("{other:?}"),
                }
            };
            let mut tampered = payload.to_vec();
            tampered[payload.len() / 2] ^= 1;
            assert_eq!(refused(identity, &tampered, signature), SignatureError::Mismatch);
            assert_eq!(refused(identity, &payload[1..], signature), SignatureError::Mismatch);
            let mut tampered = signature.to_vec();
            // a bit of r
            tampered[10] ^= 1;
            assert_eq!(refused(identity, payload, &tampered), SignatureError::Mismatch);
            assert_eq!(refused(&self.identities[stranger], payload, signature), SignatureError::Mismatch);
            assert_eq!(refused(identity, payload, &[]), SignatureError::Empty);
        }
    }

    /// Checks an envelope against what Fabric said of it; tells how many signatures there were.
    fn check_envelope(&self, view: &EnvelopeView, facts: &Value) -> usize {
        if !facts["signed"].as_bool().unwrap() {
            assert!(view.signature().is_empty());
            return 0;
        }
        assert!(facts["signature_ok"].as_bool().unwrap());
        let signer = facts["signer"].as_str().unwrap();
        self.check(signer, view.payload(), view.signature());
        if facts["carries_identity"].as_bool() == Some(true) {
            assert_eq!(carried_identity(view), self.identities[signer]);
        }
        let Some(secret) = view.secret() else { return 1 };
        assert!(facts["secret_signature_ok"].as_bool().unwrap());
        self.check(signer, secret.payload(), secret.signature());
        2
    }
}

fn carried_identity(view: &EnvelopeView) -> Bytes {
    match view.message().unwrap().content.unwrap() {
        Content::AliveMsg(alive) => alive.identity,
        Content::Conn(conn) => conn.identity,
        Content::PeerIdentity(identity) => identity.cert,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_recorded_signature_verifies_and_no_tampered_one_does() {
    let network = Network::new();
    let (mut file_count, mut signature_count) = (0, 0);
    for entry in fixture_json("envelopes/index.json").as_array().unwrap() {
        let file = entry["file"].as_str().unwrap();
        let view = EnvelopeView::parse(Bytes::from(fixture(&format!("envelopes/{file}")))).unwrap();
        signature_count += network.check_envelope(&view, &entry["envelope"]);
        if let Some(nested) = entry["nested"].as_array() {
            let has_envelopes = matches!(
                view.kind(),
                ContentKind::MemReq
                    | ContentKind::MemRes
                    | ContentKind::StateSnapshot
                    | ContentKind::DataUpdate
            );
            assert!(has_envelopes, "{file}");
            let elements: Vec<_> = view.elements().map(|element| element.unwrap().envelope).collect();
            assert_eq!(elements.len(), nested.len(), "{file}");
            for (element, facts) in elements.into_iter().zip(nested) {
                signature_count += network.check_envelope(&EnvelopeView::parse(element).unwrap(), facts);
            }
        }
        file_count += 1;
    }
    assert_eq!(file_count, 459);
    assert!(signature_count > 350, "{signature_count}");
}
