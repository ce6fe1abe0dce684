//! The numbered weak points of spec/03 §12 that concern this crate. Number 9 stands in `verifier.rs`, 13 in
//! `revocation.rs`.

use std::sync::Arc;

use crate::support::authority::{Certified, organization, signing};
use crate::support::{NOW, genesis, local_msp, serialized};
use rcgen::{ExtendedKeyUsagePurpose, date_time_ymd};
use selvedge_msp::{
    ChainError, IdentityError, LocalMsp, MessageVerifier, MspError, NodeRole, pki_id, read_msp_folder,
};

fn verifier(root: &Certified) -> MessageVerifier {
    let config = signing(organization(&[root], &[]), &root.member(&["peer"]));
    MessageVerifier::new(Arc::new(LocalMsp::from_config(&config, NOW).unwrap()))
}

/// 1: any member can join as a peer. It is accepted, as Fabric does, but the claims tell the role, so that a node can be
/// configured to be stricter.
#[test]
fn number_1_the_role_is_told() {
    let root = Certified::root("ca");
    let verifier = verifier(&root);
    for (unit, role) in [
        ("peer", NodeRole::Peer),
        ("client", NodeRole::Client),
        ("admin", NodeRole::Admin),
        ("orderer", NodeRole::Orderer),
    ] {
        let claims = verifier.check_identity(&root.member(&[unit]).serialized("Org")).unwrap();
        assert_eq!(claims.role, Some(role));
    }
}

/// 2: unlimited encodings of one certificate, each with a PKI-ID of its own. All of them carry the same hash of the
/// public key, by which a store can bound them, and only one is canonical.
#[test]
fn number_2_encodings_of_one_certificate_are_told() {
    let verifier = verifier(&Certified::root("ca"));
    verifier.set_channel("mychannel", Arc::new(genesis()));
    let peer = local_msp("peer0.org2");
    let plain = verifier.check_identity(peer.identity()).unwrap();
    let text = {
        let decoded: selvedge_proto::msp::SerializedIdentity =
            selvedge_proto::decode(peer.identity().clone()).unwrap();
        decoded.id_bytes
    };
    let mut ids = std::collections::BTreeSet::from([plain.pki_id]);
    for count in 0..1000 {
        let variant = [format!("{count}\n").as_bytes(), &text].concat();
        let claims = verifier.check_identity(&serialized("Org2MSP", &variant)).unwrap();
        assert!(ids.insert(claims.pki_id));
        assert_eq!(claims.public_key_hash, plain.public_key_hash);
        assert!(!claims.canonical);
    }
    // and they have not pushed out the good one, which is still verified
    let signature = peer.signer().sign(b"message").unwrap();
    assert_eq!(verifier.verify(peer.identity(), b"message", &signature), Ok(()));
}

/// 3: both forms of the issuer's signature are accepted.
#[test]
fn number_3_both_signatures_of_the_issuer_make_one_key() {
    let root = Certified::root("ca");
    let verifier = verifier(&root);
    // at least one of twenty has a high S (the chance that none has is 2^-20)
    let twins = (0..20).map(|_| root.member(&["peer"])).find_map(|member| {
        let issued = member.serialized("Org");
        let sanitized = {
            let msp =
                selvedge_msp::Msp::from_config(&organization(&[&root], &[]), selvedge_msp::MspVersion::V3_0);
            msp.unwrap().deserialize(&issued).unwrap().serialize()
        };
        (sanitized != issued).then_some((issued, sanitized))
    });
    let (issued, sanitized) = twins.unwrap();
    let (issued, sanitized) =
        (verifier.check_identity(&issued).unwrap(), verifier.check_identity(&sanitized).unwrap());
    assert_ne!(issued.pki_id, sanitized.pki_id);
    assert_eq!(issued.public_key_hash, sanitized.public_key_hash);
    assert!(sanitized.canonical && !issued.canonical);
}

/// 4: validation knows no expiry. The claims tell both ends of the validity for the store to compare.
#[test]
fn number_4_both_ends_of_the_validity_are_told() {
    let root = Certified::root("ca");
    let member = root.member_with(|params| {
        (params.not_before, params.not_after) = (date_time_ymd(2025, 3, 1), date_time_ymd(2025, 3, 2));
    });
    let claims = verifier(&root).check_identity(&member.serialized("Org")).unwrap();
    assert_eq!((claims.not_before, claims.expires_at), (1_740_787_200, 1_740_873_600));
    assert!(claims.expires_at < NOW);
}

/// 5: a certificate for client authentication only is refused, and the refusal says why.
#[test]
fn number_5_the_extended_key_usage_is_named() {
    let root = Certified::root("ca");
    let member =
        root.member_with(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]);
    let refused = verifier(&root).check_identity(&member.serialized("Org")).unwrap_err();
    assert_eq!(refused, IdentityError::Chain(ChainError::ExtendedKeyUsage("member".to_owned())));
    assert!(refused.to_string().contains("server authentication"));
}

/// 11: nothing separates the MSP identifier from the certificate in a PKI-ID. A shifted boundary gives the same PKI-ID,
/// but no acceptable identity, since a PEM block starts on a line of its own.
#[test]
fn number_11_a_shifted_boundary_is_no_identity() {
    let root = Certified::root("ca");
    let verifier = verifier(&root);
    let member = root.member(&["peer"]);
    let plain = member.serialized("Org");
    let shifted = serialized("Or", &[b"g", member.pem.as_bytes()].concat());
    assert_eq!(pki_id(&plain), pki_id(&shifted));
    assert!(verifier.check_identity(&plain).is_ok());
    assert_eq!(verifier.check_identity(&shifted).unwrap_err().reason(), "pem_missing");
    let shifted = serialized("Org-", &member.pem.as_bytes()[1..]);
    assert_eq!(pki_id(&plain), pki_id(&shifted));
    assert!(verifier.check_identity(&shifted).is_err());
}

/// 12: what follows an ECDSA signature is ignored, so signatures are malleable. A Go peer accepts and forwards them: they
/// are accepted here.
#[test]
fn number_12_bytes_after_a_signature_are_ignored() {
    let root = Certified::root("ca");
    let node = root.member(&["peer"]);
    let local = LocalMsp::from_config(&signing(organization(&[&root], &[]), &node), NOW).unwrap();
    let identity = local.msp().deserialize(local.identity()).unwrap();
    let signature = local.signer().sign(b"message").unwrap();
    let after = [&signature[..], b"anything"].concat();
    assert_eq!(identity.verify(b"message", &after), Ok(()));
    // inside the sequence, after s
    let mut inside = [&signature[..], &[0x05, 0x00]].concat();
    inside[1] += 2;
    assert_eq!(identity.verify(b"message", &inside), Ok(()));
    assert!(identity.verify(b"another message", &inside).is_err());
    // but not before r, and not instead of s
    let mut before = [&signature[..2], &[0x05, 0x00], &signature[2..]].concat();
    before[1] += 2;
    assert_eq!(identity.verify(b"message", &before).unwrap_err().reason(), "signature_encoding");
}

/// 15: an identity is validated once. The chain of authorities is not built again for each message, which shows in that
/// a refused identity is refused by the same verdict without being looked at, and an accepted one is the same object.
#[test]
fn number_15_an_identity_is_judged_once() {
    let bundle = genesis();
    let peer = local_msp("peer0.org2");
    let first = bundle.deserialize(peer.identity()).unwrap();
    let second = bundle.deserialize(peer.identity()).unwrap();
    assert!(Arc::ptr_eq(&first, &second));
}

/// 17: a role whose authority file cannot be read is not silently unbound: the folder is refused, by the file's name.
#[test]
fn number_17_an_unreadable_binding_is_an_error() {
    let root = Certified::root("ca");
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("cacerts")).unwrap();
    std::fs::write(folder.path().join("cacerts/ca.pem"), &root.pem).unwrap();
    let config = "NodeOUs:\n  Enable: true\n  PeerOUIdentifier:\n    Certificate: cacerts/gone.pem\n    \
                  OrganizationalUnitIdentifier: peer\n";
    std::fs::write(folder.path().join("config.yaml"), config).unwrap();
    let error = read_msp_folder(folder.path(), "Org").unwrap_err();
    assert!(matches!(&error, MspError::File { path, .. } if path.ends_with("gone.pem")), "{error}");
}
