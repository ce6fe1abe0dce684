//! The test vectors of spec/03 §13.

use crate::support::{hex, node_ous, organization, serialized, vector};
use selvedge_msp::{IdentityError, LocalMsp, Msp, MspVersion, SignatureError, ValidationError, pki_id};
use selvedge_proto::msp::{KeyInfo, SigningIdentityInfo};

const NOW: i64 = 1_800_000_000;
const MESSAGE: &[u8] = b"gossip identity test vector";

fn msp(version: MspVersion) -> Msp {
    Msp::from_config(&organization("Org1MSP", &[vector("ca.pem")]), version).unwrap()
}

#[test]
fn pki_ids() {
    for (file, expected) in [
        ("v1.pem", "96bec7adcdd1a96cddd5a2c99b3cc7c197913642f342267602dba87d7d5b43a6"),
        ("v2-issued.pem", "7b4b0999f6e15e9088f21cd81e4a7a85d4ac59245ad9d586458861378a8fbcf5"),
        ("v2-sanitized.pem", "781fa32cb5e5b35864b1e0c08dd435b1915d069d4ab8b1158d246fd48dabbabe"),
        ("v3.pem", "1e4c861b95249908bd75dde4922d31986fd4c04b456d28ff9fe3543d8c0d3f44"),
    ] {
        let id = pki_id(&serialized("Org1MSP", &vector(file))).unwrap();
        assert_eq!(hex(&id), expected, "{file}");
    }
}

#[test]
fn a_node_serializes_its_certificate_in_low_s_form() {
    let msp = msp(MspVersion::V3_0);
    let issued = msp.deserialize(&serialized("Org1MSP", &vector("v2-issued.pem"))).unwrap();
    let expected = serialized("Org1MSP", &vector("v2-sanitized.pem"));
    assert_eq!(issued.serialize(), expected);
    let sanitized = msp.deserialize(&expected).unwrap();
    assert_eq!(issued.certificate_der(), sanitized.certificate_der());
    assert_eq!(issued.validate(), Ok(()));
    assert_eq!(sanitized.validate(), Ok(()));
}

#[test]
fn v1_serializes_to_its_own_bytes() {
    let bytes = serialized("Org1MSP", &vector("v1.pem"));
    assert_eq!(bytes.len(), 647);
    assert_eq!(msp(MspVersion::V3_0).deserialize(&bytes).unwrap().serialize(), bytes);
}

#[test]
fn ed25519_is_for_version_3() {
    let bytes = serialized("Org1MSP", &vector("v3.pem"));
    assert_eq!(msp(MspVersion::V3_0).deserialize(&bytes).unwrap().validate(), Ok(()));
    let old = msp(MspVersion::V1_4_3).deserialize(&bytes).unwrap();
    assert_eq!(old.validate(), Err(&ValidationError::KeyUnsupported("Ed25519".to_owned())));
}

#[test]
fn signatures() {
    let msp = msp(MspVersion::V3_0);
    let verify = |file: &str, message: &[u8], signature: &str| {
        msp.deserialize(&serialized("Org1MSP", &vector(file)))
            .unwrap()
            .verify(message, &crate::support::bytes(signature))
    };
    let v1 = "3045022100ccbab27e5dcf29abf53fd44144b592d15ba87c1b311009578fb19ec8cbed8b180220482820c8eb80be5f29058fd8de7ea31a7d20c9eb9233fdb1ed11ed8f328b9cf4";
    let high = "3046022100ccbab27e5dcf29abf53fd44144b592d15ba87c1b311009578fb19ec8cbed8b18022100b7d7df36147f41a1d6fa702721815ce53fc630c214e3a0d306a7dd33c9d7885d";
    let v3 = "ef45810cd678d11fb808f17ad223beb0c2b1bef21cad94b7b34f72c9cc5019a2ea4ef8bbe14b3fcca3b752612bc6d9ba06c376c1579561b1782fae5a710f8a01";
    assert_eq!(verify("v1.pem", MESSAGE, v1), Ok(()));
    assert_eq!(verify("v1.pem", b"another message", v1), Err(SignatureError::Mismatch));
    assert_eq!(verify("v2-issued.pem", MESSAGE, v1), Err(SignatureError::Mismatch));
    assert_eq!(verify("v1.pem", MESSAGE, high), Err(SignatureError::HighS));
    assert_eq!(verify("v3.pem", MESSAGE, v3), Ok(()));
    assert_eq!(verify("v3.pem", b"another message", v3), Err(SignatureError::Mismatch));
    assert_eq!(verify("v3.pem", MESSAGE, ""), Err(SignatureError::Empty));
    assert_eq!(verify("v3.pem", MESSAGE, &v3[2..]), Err(SignatureError::Mismatch));
}

fn local(certificate: &str, key: &str, now: i64) -> Result<LocalMsp, selvedge_msp::MspError> {
    let mut config = organization("Org1MSP", &[vector("ca.pem")]);
    config.signing_identity = Some(SigningIdentityInfo {
        public_signer: vector(certificate).into(),
        private_signer: Some(KeyInfo { key_identifier: String::new(), key_material: vector(key).into() }),
    });
    LocalMsp::from_config(&config, now)
}

#[test]
fn own_keys_sign_what_own_identities_verify() {
    for (certificate, key, algorithm) in
        [("v1.pem", "v1-key.pem", "P-256"), ("v3.pem", "v3-key.pem", "Ed25519")]
    {
        let local = local(certificate, key, NOW).unwrap();
        assert_eq!(local.identity(), &serialized("Org1MSP", &vector(certificate)));
        assert_eq!(local.pki_id(), pki_id(local.identity()).unwrap());
        assert_eq!(local.signer().algorithm(), algorithm);
        let signature = local.signer().sign(MESSAGE).unwrap();
        local.msp().deserialize(local.identity()).unwrap().verify(MESSAGE, &signature).unwrap();
    }
}

#[test]
fn an_ed25519_signature_is_the_one_of_the_vector() {
    let signature = local("v3.pem", "v3-key.pem", NOW).unwrap().signer().sign(MESSAGE).unwrap();
    let expected = "ef45810cd678d11fb808f17ad223beb0c2b1bef21cad94b7b34f72c9cc5019a2ea4ef8bbe14b3fcca3b752612bc6d9ba06c376c1579561b1782fae5a710f8a01";
    assert_eq!(hex(&signature), expected);
}

#[test]
fn a_wrong_key_or_an_expired_certificate_does_not_become_a_node() {
    use selvedge_msp::MspError;
    assert!(matches!(local("v1.pem", "v3-key.pem", NOW), Err(MspError::NoPrivateKey(_))));
    // 2125-01-01T00:00:00Z
    assert!(local("v1.pem", "v1-key.pem", 4_891_363_199).is_ok());
    assert!(matches!(local("v1.pem", "v1-key.pem", 4_891_363_200), Err(MspError::Expired(0))));
}

#[test]
fn without_node_ous_any_member_will_do_but_an_admin_is_needed() {
    let mut config = organization("Org1MSP", &[vector("ca.pem")]);
    config.fabric_node_ous = None;
    assert_eq!(Msp::from_config(&config, MspVersion::V3_0).unwrap_err(), selvedge_msp::MspError::NoAdmin);
    config.admins = vec![vector("v1.pem").into()];
    let msp = Msp::from_config(&config, MspVersion::V3_0).unwrap();
    let identity = msp.deserialize(&serialized("Org1MSP", &vector("v2-issued.pem"))).unwrap();
    assert_eq!(identity.validate(), Ok(()));
    assert_eq!(identity.role(), None);
    config.fabric_node_ous = Some(node_ous());
    // with roles, an administrator must be an admin or a client, and V1 is a peer
    assert!(Msp::from_config(&config, MspVersion::V3_0).is_err());
}

#[test]
fn an_authority_can_be_deserialized_but_is_never_valid() {
    let msp = msp(MspVersion::V3_0);
    let identity = msp.deserialize(&serialized("Org1MSP", &vector("ca.pem"))).unwrap();
    assert_eq!(identity.validate(), Err(&ValidationError::IsAuthority));
}

#[test]
fn identities_that_are_none() {
    let msp = msp(MspVersion::V3_0);
    assert_eq!(msp.deserialize(&[]).unwrap_err(), IdentityError::Empty);
    assert_eq!(msp.deserialize(&[0xff; 10]).unwrap_err(), IdentityError::Undecodable);
    let other = serialized("Org2MSP", &vector("v1.pem"));
    assert_eq!(msp.deserialize(&other).unwrap_err(), IdentityError::UnknownMsp("Org2MSP".to_owned()));
    let large = serialized("Org1MSP", &vec![b'x'; selvedge_msp::IDENTITY_BYTES_MAX]);
    assert_eq!(msp.deserialize(&large).unwrap_err(), IdentityError::TooLarge(large.len()));
    assert_eq!(pki_id(&[]), Err(IdentityError::Empty));
}
