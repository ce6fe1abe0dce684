//! The identities and signatures of the recorded handshakes: accepted and refused as by a real peer.

use std::sync::Arc;

use crate::support::{NOW, base64, fixture_json, genesis, local_msp};
use bytes::Bytes;
use selvedge_msp::{MessageVerifier, pki_id};
use selvedge_proto::envelope::EnvelopeView;
use selvedge_proto::gossip::gossip_message::Content;

#[test]
fn identities_and_signatures_are_judged_as_by_fabric() {
    let verifier = MessageVerifier::new(Arc::new(local_msp("peer0.org1")));
    verifier.set_channel("mychannel", Arc::new(genesis()));
    let mut judged = Vec::new();
    for case in fixture_json("handshake/cases.json").as_array().unwrap() {
        let name = case["case"].as_str().unwrap();
        let Some(envelope) = case["sent_envelope"].as_str() else { continue };
        let Ok(view) = EnvelopeView::parse(Bytes::from(base64(envelope))) else { continue };
        let Ok(Some(Content::Conn(conn))) = view.message().map(|message| message.content) else { continue };
        let verdict = verifier.check_identity(&conn.identity);
        let expected = match name {
            "identity missing" => Err("identity_empty"),
            "identity is not a SerializedIdentity" => Err("identity_undecodable"),
            "identity of an unknown MSP (Org3MSP)" => Err("identity_unknown_msp"),
            "Org3's certificate claiming to be of Org1MSP" => Err("chain_unknown_authority"),
            _ => Ok(()),
        };
        assert_eq!(verdict.as_ref().map(drop).map_err(|error| error.reason()), expected, "{name}");
        let Ok(claims) = verdict else {
            judged.push(name.to_owned());
            continue;
        };
        assert_eq!(claims.expires_at < NOW, name == "expired Org1 peer identity", "{name}");
        assert_eq!(claims.pki_id, pki_id(&conn.identity).unwrap());
        let belongs = !matches!(name, "pki_id missing" | "pki_id of somebody else");
        assert_eq!(claims.pki_id[..] == conn.pki_id[..], belongs, "{name}");
        let verdict = verifier.verify(&conn.identity, view.payload(), view.signature());
        let expected = match name {
            "signature missing" => Err("signature_empty"),
            "signature by another key" => Err("signature_mismatch"),
            "valid signature with a high S" => Err("signature_high_s"),
            // an orderer's identity is valid, but no reader of the channel (spec/03 §6.2)
            "orderer identity (OrdererMSP)" => Err("readers_refused"),
            _ => Ok(()),
        };
        assert_eq!(verdict.map_err(|error| error.reason()), expected, "{name}");
        judged.push(name.to_owned());
    }
    for essential in
        ["valid Org1 peer", "valid Org2 peer", "expired Org1 peer identity", "Org1 client identity (User1)"]
    {
        assert!(judged.iter().any(|name| name == essential), "{essential}");
    }
    assert!(judged.len() >= 25, "{}", judged.len());
}
