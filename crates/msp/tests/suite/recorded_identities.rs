//! Every identity of the recorded network: PKI-ID, serialization, role, and the MSP folder it comes from.

use std::sync::Arc;

use crate::support::{base64, fixture_json, fixture_path, genesis, hex, local_msp};
use selvedge_msp::{IdentityError, MessageVerifier, Msp, MspVersion, NodeRole, pki_id, read_msp_folder};

#[test]
fn pki_ids_and_claims_are_those_of_fabric() {
    let verifier = MessageVerifier::new(Arc::new(local_msp("peer0.org1")));
    verifier.set_channel("mychannel", Arc::new(genesis()));
    let all = fixture_json("network/identities.json");
    let all = all.as_array().unwrap();
    assert_eq!(all.len(), 12);
    for entry in all {
        let name = entry["name"].as_str().unwrap();
        let serialized = base64(entry["serialized_identity"].as_str().unwrap());
        let expected = entry["pki_id"].as_str().unwrap();
        assert_eq!(hex(&pki_id(&serialized).unwrap()), expected, "{name}");

        let claims = verifier.check_identity(&serialized).unwrap();
        assert_eq!(hex(&claims.pki_id), expected);
        assert_eq!(claims.msp_id, entry["msp_id"].as_str().unwrap());
        assert_eq!(claims.own_organization, claims.msp_id == "Org1MSP");
        assert!(claims.canonical);
        let role = entry["role"].as_str().unwrap();
        let expected = match role {
            "peer" => NodeRole::Peer,
            "orderer" => NodeRole::Orderer,
            _ if name.starts_with("Admin") => NodeRole::Admin,
            _ => NodeRole::Client,
        };
        assert_eq!(claims.role, Some(expected), "{name} {role}");
        // 2026-11-22T21:55:00Z to 2036-11-19T21:55:00Z
        assert_eq!((claims.not_before, claims.expires_at), (1_795_384_500, 2_110_744_500), "{name}");
    }
}

#[test]
fn folders_make_the_same_identities() {
    for entry in fixture_json("network/identities.json").as_array().unwrap() {
        let name = entry["name"].as_str().unwrap();
        let local = local_msp(name);
        assert_eq!(
            hex(local.identity()),
            hex(&base64(entry["serialized_identity"].as_str().unwrap())),
            "{name}"
        );
        assert_eq!(hex(&local.pki_id()), entry["pki_id"].as_str().unwrap());
        assert_eq!(local.warnings(), &[] as &[String]);
        let signature = local.signer().sign(b"message").unwrap();
        local.msp().deserialize(local.identity()).unwrap().verify(b"message", &signature).unwrap();
    }
}

#[test]
fn outsiders_are_refused() {
    let folder = fixture_path("network/crypto-outsider/peerOrganizations/org3.example.com/peers");
    let peer = std::fs::read_dir(folder).unwrap().next().unwrap().unwrap().path().join("msp");
    let outsider = selvedge_msp::LocalMsp::load(&peer, "Org3MSP", crate::support::NOW).unwrap();
    let verifier = MessageVerifier::new(Arc::new(local_msp("peer0.org1")));
    verifier.set_channel("mychannel", Arc::new(genesis()));
    let refused = verifier.check_identity(outsider.identity());
    assert_eq!(refused, Err(IdentityError::UnknownMsp("Org3MSP".to_owned())));
    // the same certificate under the name of another organisation
    let disguised = selvedge_msp::LocalMsp::load(&peer, "Org1MSP", crate::support::NOW).unwrap();
    let refused = verifier.check_identity(disguised.identity()).unwrap_err();
    assert_eq!(refused.reason(), "chain_unknown_authority");
}

/// The CA certificate of Org3 has a high-S signature (spec/03 §1): it must be normalised when the MSP is set up.
#[test]
fn an_authority_with_a_high_s_signature_is_normalised() {
    let folder = fixture_path("network/crypto-outsider/peerOrganizations/org3.example.com/msp");
    let read = read_msp_folder(&folder, "Org3MSP").unwrap();
    let msp = Msp::from_config(&read.config, MspVersion::V3_0).unwrap();
    let authority =
        msp.deserialize(&crate::support::serialized("Org3MSP", &read.config.root_certs[0])).unwrap();
    assert_ne!(authority.serialize(), crate::support::serialized("Org3MSP", &read.config.root_certs[0]));
}
