//! The checks when an MSP is set up (spec/03 §9.3).

use crate::support::authority::{Certified, authority_params, organization, params};
use bytes::Bytes;
use rcgen::{BasicConstraints, IsCa, KeyPair};
use selvedge_msp::{ChainError, Msp, MspError, MspVersion, RevocationError, ValidationError};
use selvedge_proto::msp::{FabricCryptoConfig, FabricMspConfig, FabricOuIdentifier};

fn set_up(config: &FabricMspConfig) -> Result<Msp, MspError> {
    Msp::from_config(config, MspVersion::V3_0)
}

fn refused(config: &FabricMspConfig) -> MspError {
    set_up(config).unwrap_err()
}

fn unit(name: &str, certificate: &Certified) -> FabricOuIdentifier {
    FabricOuIdentifier { certificate: certificate.bytes(), organizational_unit_identifier: name.to_owned() }
}

#[test]
fn roots() {
    let root = Certified::root("ca");
    assert_eq!(refused(&organization(&[], &[])), MspError::NoRoots);
    let mut text = organization(&[&root], &[]);
    text.root_certs = vec![Bytes::from_static(b"no certificate")];
    assert_eq!(refused(&text).to_string(), "root certificate 0: there is no PEM block");
    let issued = root.intermediate("ica");
    let error = refused(&organization(&[&issued], &[]));
    assert_eq!(error.to_string(), "root certificate 0: the certificate is a root itself");
    let no_authority = Certified::self_signed(params("ca", &[]), KeyPair::generate().unwrap());
    assert!(matches!(refused(&organization(&[&no_authority], &[])), MspError::Chain { .. }));
    // an RSA-signed root gets no chain check while it is loaded
    let key = KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    let no_authority = Certified::self_signed(params("ca", &[]), key);
    let expected = MspError::NotAnAuthority("root certificate 0".to_owned());
    assert_eq!(refused(&organization(&[&no_authority], &[])), expected);
}

#[test]
fn intermediates() {
    let (root, other) = (Certified::root("ca"), Certified::root("other"));
    let stranger = other.intermediate("ica");
    let expected = MspError::Chain {
        which: "intermediate certificate 0".to_owned(),
        error: ChainError::UnknownAuthority,
    };
    assert_eq!(refused(&organization(&[&root], &[&stranger])), expected);
    let deep = root.intermediate("ica").intermediate("ica of the ica");
    assert_eq!(refused(&organization(&[&root], &[&deep])), expected, "its own issuer is missing");
    let member = root.member(&["peer"]);
    let expected = MspError::NotAnAuthority("intermediate certificate 0".to_owned());
    assert_eq!(refused(&organization(&[&root], &[&member])), expected);
    let intermediate = root.intermediate("ica");
    let below = intermediate.intermediate("ica of the ica");
    assert!(set_up(&organization(&[&root], &[&intermediate, &below])).is_ok());
}

#[test]
fn authorities_need_a_subject_key_identifier() {
    // the library that makes certificates here always adds one to authorities, so one is recorded
    let text =
        std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/no-key-identifier.pem")).unwrap();
    let mut config = organization(&[], &[]);
    config.root_certs = vec![Bytes::from(text.clone())];
    assert_eq!(refused(&config), MspError::NoSubjectKeyIdentifier("root certificate 0".to_owned()));
    let mut config = organization(&[&Certified::root("ca")], &[]);
    config.tls_root_certs = vec![Bytes::from(text)];
    assert_eq!(refused(&config), MspError::NoSubjectKeyIdentifier("TLS root certificate 0".to_owned()));
}

#[test]
fn tls_authorities() {
    let (root, tls) = (Certified::root("ca"), Certified::root("tlsca"));
    let with = |roots: &[&Certified], intermediates: &[&Certified]| {
        let mut config = organization(&[&root], &[]);
        config.tls_root_certs = roots.iter().map(|certificate| certificate.bytes()).collect();
        config.tls_intermediate_certs = intermediates.iter().map(|certificate| certificate.bytes()).collect();
        config
    };
    let intermediate = tls.intermediate("tlsica");
    assert_eq!(set_up(&with(&[&tls], &[&intermediate])).unwrap().tls_roots().len(), 2);
    let which = "TLS intermediate certificate 0".to_owned();
    let expected = MspError::Chain { which, error: ChainError::UnknownAuthority };
    assert_eq!(refused(&with(&[&root], &[&intermediate])), expected);
    let expected = MspError::NotAnAuthority("TLS root certificate 0".to_owned());
    assert_eq!(refused(&with(&[&tls.member(&[])], &[])), expected);
    // several certificates in one file: all of them are trusted for TLS
    let mut both = with(&[&tls], &[]);
    both.tls_root_certs = vec![Bytes::from([tls.pem.clone(), root.pem.clone()].concat())];
    assert_eq!(set_up(&both).unwrap().tls_roots().len(), 2);
    // the lists of the MSP are about TLS authorities, too
    let mut params = authority_params("tlsica");
    params.serial_number = Some(rcgen::SerialNumber::from(5));
    let mut config = with(&[&tls], &[&tls.issue(params)]);
    config.revocation_list = vec![tls.revoke(&[5])];
    let which = "TLS intermediate certificate 0".to_owned();
    assert_eq!(refused(&config), MspError::Revocation { which, error: RevocationError::Revoked });
}

#[test]
fn units_are_bound_to_authorities_that_issue_members() {
    let root = Certified::root("ca");
    let intermediate = root.intermediate("ica");
    let below = intermediate.intermediate("ica of the ica");
    let with = |certificate: &Certified| {
        let mut config = organization(&[&root], &[&intermediate, &below]);
        config.organizational_unit_identifiers = vec![unit("peer", certificate)];
        config
    };
    let unbound = MspError::Binding("unit \"peer\"".to_owned());
    assert!(set_up(&with(&below)).is_ok());
    assert!(set_up(&with(&root)).is_ok());
    assert_eq!(refused(&with(&intermediate)), unbound, "it issues an authority");
    assert_eq!(refused(&with(&Certified::root("other"))), unbound);
    let mut without = with(&root);
    without.organizational_unit_identifiers[0].certificate = Bytes::new();
    assert!(matches!(refused(&without), MspError::Certificate { .. }), "obligatory in the list");
    let mut roles = organization(&[&root], &[]);
    roles.fabric_node_ous.as_mut().unwrap().peer_ou_identifier =
        Some(unit("peer", &Certified::root("other")));
    assert_eq!(refused(&roles), unbound);
}

#[test]
fn bound_units_accept_members_of_their_authority_only() {
    let (first, second) = (Certified::root("first"), Certified::root("second"));
    let mut config = organization(&[&first, &second], &[]);
    config.fabric_node_ous.as_mut().unwrap().peer_ou_identifier = Some(unit("peer", &first));
    let msp = set_up(&config).unwrap();
    let judge = |msp: &Msp, member: &Certified| {
        msp.deserialize(&member.serialized("Org")).unwrap().validate().map_err(Clone::clone)
    };
    assert_eq!(judge(&msp, &first.member(&["peer"])), Ok(()));
    let mismatch = ValidationError::CertifierMismatch("peer".to_owned());
    assert_eq!(judge(&msp, &second.member(&["peer"])), Err(mismatch));
    assert_eq!(judge(&msp, &second.member(&["client"])), Ok(()));

    let mut config = organization(&[&first, &second], &[]);
    config.organizational_unit_identifiers = vec![unit("department", &first)];
    let msp = set_up(&config).unwrap();
    assert_eq!(judge(&msp, &first.member(&["peer", "department"])), Ok(()));
    assert_eq!(judge(&msp, &first.member(&["peer"])), Err(ValidationError::UnitNotListed));
    let elsewhere = second.member(&["peer", "department"]);
    assert_eq!(judge(&msp, &elsewhere), Err(ValidationError::UnitNotListed));
}

#[test]
fn occurrences_of_role_units_count() {
    let root = Certified::root("ca");
    let msp = set_up(&organization(&[&root], &[])).unwrap();
    let judge = |units: &[&str]| {
        let member = root.member(units).serialized("Org");
        msp.deserialize(&member).unwrap().validate().map_err(Clone::clone)
    };
    assert_eq!(judge(&["peer", "peer"]), Err(ValidationError::SeveralRoles));
    assert_eq!(judge(&["peer", "admin"]), Err(ValidationError::SeveralRoles));
    assert_eq!(judge(&["department", "orderer"]), Ok(()));
    assert_eq!(judge(&["department"]), Err(ValidationError::NoRole));
    assert_eq!(judge(&[]), Err(ValidationError::NoRole));
}

#[test]
fn old_versions_need_client_and_peer_even_when_disabled() {
    let root = Certified::root("ca");
    let mut config = organization(&[&root], &[]);
    let node_ous = config.fabric_node_ous.as_mut().unwrap();
    node_ous.enable = false;
    node_ous.peer_ou_identifier = None;
    config.admins = vec![root.member(&["admin"]).bytes()];
    for version in [MspVersion::V1_1, MspVersion::V1_3] {
        assert_eq!(Msp::from_config(&config, version).unwrap_err(), MspError::NodeOus("peer"));
    }
    for version in [MspVersion::V1_0, MspVersion::V1_4_3, MspVersion::V3_0] {
        assert!(Msp::from_config(&config, version).is_ok(), "{version:?}");
    }
    let mut nothing = organization(&[&root], &[]);
    nothing.fabric_node_ous = Some(selvedge_proto::msp::FabricNodeOUs { enable: true, ..Default::default() });
    nothing.admins = config.admins.clone();
    assert!(!set_up(&nothing).unwrap().has_node_ous(), "without any role they count as disabled");
}

#[test]
fn administrators() {
    let root = Certified::root("ca");
    let with = |admin: &Certified, has_roles: bool| {
        let mut config = organization(&[&root], &[]);
        config.admins = vec![admin.bytes()];
        if !has_roles {
            config.fabric_node_ous = None;
        }
        config
    };
    assert!(set_up(&with(&root.member(&["admin"]), true)).is_ok());
    assert!(set_up(&with(&root.member(&["client"]), true)).is_ok());
    let no_role = MspError::Admin { index: 0, error: ValidationError::NoRole };
    assert_eq!(refused(&with(&root.member(&["peer"]), true)), no_role);
    assert!(set_up(&with(&root.member(&["peer"]), false)).is_ok());
    let stranger = Certified::root("other").member(&["admin"]);
    assert!(matches!(refused(&with(&stranger, true)), MspError::Chain { .. }));
    // before 1.4.3 it takes a client
    let old = |config: &FabricMspConfig| Msp::from_config(config, MspVersion::V1_3);
    assert!(old(&with(&root.member(&["client"]), true)).is_ok());
    assert_eq!(old(&with(&root.member(&["admin"]), true)).unwrap_err(), no_role);
    // and nobody needs to be named
    assert!(old(&organization(&[&root], &[])).is_ok());
    let mut nobody = organization(&[&root], &[]);
    nobody.fabric_node_ous.as_mut().unwrap().admin_ou_identifier = None;
    assert_eq!(refused(&nobody), MspError::NoAdmin);
}

#[test]
fn hash_functions() {
    let root = Certified::root("ca");
    let with = |family: &str, identifier: &str| {
        let mut config = organization(&[&root], &[]);
        config.crypto_config = Some(FabricCryptoConfig {
            signature_hash_family: family.to_owned(),
            identity_identifier_hash_function: identifier.to_owned(),
        });
        config
    };
    for identifier in ["", "SHA256", "SHA384", "SHA3_256", "SHA3_384"] {
        assert!(set_up(&with("SHA2", identifier)).is_ok(), "{identifier}");
    }
    assert_eq!(refused(&with("SHA2", "MD5")), MspError::IdentifierHash("MD5".to_owned()));
    // an unknown family is noticed only when something is verified
    let msp = set_up(&with("SHA1", "")).unwrap();
    let member = msp.deserialize(&root.member(&["peer"]).serialized("Org")).unwrap();
    assert_eq!(
        member.verify(b"", &[0x30, 6, 2, 1, 1, 2, 1, 1]).unwrap_err().reason(),
        "signature_hash_family"
    );
    // SHA3 signs another digest
    let signer = root.member(&["peer"]);
    let local = |family| {
        let config = crate::support::authority::signing(with(family, ""), &signer);
        selvedge_msp::LocalMsp::from_config(&config, crate::support::NOW).unwrap()
    };
    let (sha2, sha3) = (local("SHA2"), local("SHA3"));
    let signature = sha3.signer().sign(b"message").unwrap();
    let verify = |local: &selvedge_msp::LocalMsp| {
        local.msp().deserialize(local.identity()).unwrap().verify(b"message", &signature)
    };
    assert_eq!(verify(&sha3), Ok(()));
    assert_eq!(verify(&sha2).unwrap_err().reason(), "signature_mismatch");
}

#[test]
fn a_path_length_of_zero_allows_members_only() {
    let mut limited = authority_params("ca");
    limited.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let root = Certified::self_signed(limited, KeyPair::generate().unwrap());
    // the constraint does not keep an intermediate from being configured, only its members from being valid
    assert!(set_up(&organization(&[&root], &[&root.intermediate("ica")])).is_ok());
}

#[test]
fn a_local_msp_needs_a_name() {
    let root = Certified::root("ca");
    let mut config = crate::support::authority::signing(organization(&[&root], &[]), &root.member(&["peer"]));
    config.name = String::new();
    assert_eq!(
        selvedge_msp::LocalMsp::from_config(&config, crate::support::NOW).unwrap_err(),
        MspError::NoName
    );
}

#[test]
fn a_node_whose_own_msp_refuses_it_does_not_start() {
    let root = Certified::root("ca");
    let config = |member: &Certified| crate::support::authority::signing(organization(&[&root], &[]), member);
    let refused = |config: &FabricMspConfig| {
        selvedge_msp::LocalMsp::from_config(config, crate::support::NOW).unwrap_err()
    };
    let error = refused(&config(&root.member(&["nothing"])));
    assert_eq!(error, MspError::SigningIdentity(ValidationError::NoRole.into()));
    let error = refused(&config(&Certified::root("other").member(&["peer"])));
    assert_eq!(error, MspError::SigningIdentity(ChainError::UnknownAuthority.into()));
    let mut without = config(&root.member(&["peer"]));
    without.signing_identity = None;
    assert_eq!(refused(&without), MspError::NoSigningIdentity);
}
