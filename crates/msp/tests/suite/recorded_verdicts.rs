//! Random MSPs, identities and policies with the verdicts of Fabric's own code (see `fixtures/verdicts/README.md`).

use std::sync::Arc;

use prost::Message;
use selvedge_msp::{IdentityError, LocalMsp, MessageVerifier, Msp, MspVersion, SignedData};
use selvedge_proto::common::SignaturePolicyEnvelope;
use selvedge_proto::msp::{FabricMspConfig, KeyInfo, SigningIdentityInfo};
use serde_json::Value;

use crate::support::{NOW, base64, genesis, local_msp, organization, vector};

fn verdicts(name: &str) -> Vec<Value> {
    let path = format!("{}/tests/fixtures/verdicts/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn bytes(value: &Value) -> Vec<u8> {
    base64(value.as_str().unwrap())
}

#[track_caller]
fn assert_judged(msp: &Msp, facts: &Value, place: &str) {
    let verdict = msp.deserialize(&bytes(&facts["identity"]));
    let valid = verdict.as_ref().is_ok_and(|identity| identity.validate().is_ok());
    assert_eq!(verdict.is_ok(), facts["deserialized"].as_bool().unwrap(), "{place}: {verdict:?}");
    assert_eq!(valid, facts["valid"].as_bool().unwrap(), "{place}: {verdict:?}");
}

#[test]
fn msps_and_their_members() {
    let versions =
        [MspVersion::V1_0, MspVersion::V1_1, MspVersion::V1_3, MspVersion::V1_4_3, MspVersion::V3_0];
    let mut accepted_count = 0;
    for (line, facts) in verdicts("msps.jsonl").iter().enumerate() {
        let config = FabricMspConfig::decode(&bytes(&facts["msp"])[..]).unwrap();
        let version = versions[usize::try_from(facts["version"].as_u64().unwrap()).unwrap()];
        let msp = Msp::from_config(&config, version);
        assert_eq!(msp.is_ok(), facts["set_up"].as_bool().unwrap(), "MSP {line}: {msp:?}");
        let Ok(msp) = msp else { continue };
        for (index, facts) in facts["identities"].as_array().unwrap().iter().enumerate() {
            assert_judged(&msp, facts, &format!("MSP {line}, identity {index}"));
            accepted_count += usize::from(facts["valid"].as_bool().unwrap());
        }
    }
    assert!(accepted_count > 50, "{accepted_count}");
}

#[test]
fn encodings_of_identities() {
    let mut config = organization("Org", &[vector("ca.pem")]);
    config.signing_identity = Some(SigningIdentityInfo {
        public_signer: vector("v1.pem").into(),
        private_signer: Some(KeyInfo { key_material: vector("v1-key.pem").into(), ..KeyInfo::default() }),
    });
    let local = Arc::new(LocalMsp::from_config(&config, NOW).unwrap());
    let verifier = MessageVerifier::new(Arc::clone(&local));
    let mut accepted_count = 0;
    for (line, facts) in verdicts("encodings.jsonl").iter().enumerate() {
        assert_judged(local.msp(), facts, &format!("line {line}"));
        let verdict = verifier.check_identity(&bytes(&facts["identity"]));
        let is = |key: &str| facts[key].as_bool().unwrap();
        assert_eq!(verdict.is_ok(), is("valid") && is("well_formed"), "line {line}: {verdict:?}");
        if !is("well_formed") {
            let refused = matches!(
                verdict,
                Err(IdentityError::NotWellFormed(_)
                    | IdentityError::Undecodable
                    | IdentityError::UnknownMsp(_))
            );
            assert!(refused, "line {line}: {verdict:?}");
        }
        accepted_count += usize::from(verdict.is_ok());
    }
    assert!(accepted_count > 20, "{accepted_count}");
}

#[test]
fn policies() {
    let bundle = genesis();
    let sign = |name: &Value| {
        let name = name.as_str().unwrap();
        let signer = local_msp(name.trim_start_matches('!'));
        let mut signature = signer.signer().sign(b"data").unwrap().to_vec();
        if name.starts_with('!') {
            // a bit of r
            signature[12] ^= 1;
        }
        SignedData {
            data: b"data".as_slice().into(),
            identity: signer.identity().to_vec().into(),
            signature: signature.into(),
        }
    };
    let mut satisfied_count = 0;
    for (line, facts) in verdicts("policies.jsonl").iter().enumerate() {
        let policy = SignaturePolicyEnvelope::decode(&bytes(&facts["policy"])[..]).unwrap();
        let signed: Vec<_> = facts["signers"].as_array().unwrap().iter().map(sign).collect();
        let verdict = bundle.evaluate_signature_policy(&policy, &signed);
        assert_eq!(verdict.is_ok(), facts["compiles"].as_bool().unwrap(), "line {line}: {verdict:?}");
        assert_eq!(verdict == Ok(true), facts["satisfied"].as_bool().unwrap(), "line {line}: {policy:?}");
        satisfied_count += usize::from(verdict == Ok(true));
    }
    assert!(satisfied_count > 40, "{satisfied_count}");
}
