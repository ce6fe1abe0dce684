//! Chains of certificates by Fabric's rules (spec/03 §8.3 to §8.5).

use crate::support::authority::{Certified, DAY, authority_params, organization, params, unknown_extension};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, KeyPair,
    KeyUsagePurpose, NameConstraints, SanType, date_time_ymd,
};
use selvedge_msp::{
    ChainError, IdentityError, IssuerSignatureError, Msp, MspVersion, NameError, SignatureError,
    ValidationError,
};

fn msp(roots: &[&Certified], intermediates: &[&Certified]) -> Msp {
    Msp::from_config(&organization(roots, intermediates), MspVersion::V3_0).unwrap()
}

/// The verdict on a member: why it cannot be deserialised, or why it is not valid.
fn judge(msp: &Msp, member: &Certified) -> Result<(), IdentityError> {
    let identity = msp.deserialize(&member.serialized("Org"))?;
    identity.validate().map_err(|error| error.clone().into())
}

fn chain_error(msp: &Msp, member: &Certified) -> ChainError {
    match judge(msp, member) {
        Err(IdentityError::Chain(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_member_chains_to_a_root_or_through_an_intermediate() {
    let root = Certified::root("ca");
    assert_eq!(judge(&msp(&[&root], &[]), &root.member(&["peer"])), Ok(()));
    let intermediate = root.intermediate("ica");
    let member = intermediate.member(&["peer"]);
    assert_eq!(judge(&msp(&[&root], &[&intermediate]), &member), Ok(()));
    assert_eq!(chain_error(&msp(&[&root], &[]), &member), ChainError::UnknownAuthority);
    let other = Certified::root("other");
    assert_eq!(chain_error(&msp(&[&other], &[]), &root.member(&["peer"])), ChainError::UnknownAuthority);
}

#[test]
fn an_authority_of_the_same_name_with_another_key_is_another_one() {
    let (root, impostor) = (Certified::root("ca"), Certified::root("ca"));
    let error = chain_error(&msp(&[&root], &[]), &impostor.member(&["peer"]));
    assert_eq!(error, ChainError::Signature(IssuerSignatureError::Mismatch));
    // both configured: each member has the chain of its own authority
    let both = msp(&[&root, &impostor], &[]);
    assert_eq!(judge(&both, &impostor.member(&["peer"])), Ok(()));
    assert_eq!(judge(&both, &root.member(&["peer"])), Ok(()));
}

#[test]
fn members_are_judged_at_the_beginning_of_their_own_validity() {
    let root = Certified::root("ca");
    let msp = msp(&[&root], &[]);
    let member = |from, to| root.member_with(|params| (params.not_before, params.not_after) = (from, to));
    let expired = member(date_time_ymd(2025, 6, 1), date_time_ymd(2025, 7, 1));
    assert_eq!(judge(&msp, &expired), Ok(()));
    let future = member(date_time_ymd(2030, 1, 1), date_time_ymd(2031, 1, 1));
    assert_eq!(judge(&msp, &future), Ok(()));
    let before_its_authority = member(date_time_ymd(2024, 12, 31), date_time_ymd(2030, 1, 1));
    assert_eq!(chain_error(&msp, &before_its_authority), ChainError::OutsideValidity);
    let after_its_authority = member(date_time_ymd(2036, 1, 2), date_time_ymd(2040, 1, 1));
    assert_eq!(chain_error(&msp, &after_its_authority), ChainError::OutsideValidity);
    // one second after the beginning is what counts
    let root_begins = date_time_ymd(2025, 1, 1);
    let just_in_time = member(root_begins - std::time::Duration::from_secs(1), root_begins + DAY);
    assert_eq!(judge(&msp, &just_in_time), Ok(()));
    let too_early = member(root_begins - std::time::Duration::from_secs(2), root_begins + DAY);
    assert_eq!(chain_error(&msp, &too_early), ChainError::OutsideValidity);
    let shorter_than_a_second = member(root_begins, root_begins);
    assert_eq!(chain_error(&msp, &shorter_than_a_second), ChainError::OutsideValidity);
}

#[test]
fn an_authority_that_has_expired_since_does_no_harm() {
    let mut old = authority_params("ca");
    (old.not_before, old.not_after) = (date_time_ymd(2001, 1, 1), date_time_ymd(2002, 1, 1));
    let root = Certified::self_signed(old, KeyPair::generate().unwrap());
    let member = root.member_with(|params| params.not_before = date_time_ymd(2001, 6, 1));
    assert_eq!(judge(&msp(&[&root], &[]), &member), Ok(()));
}

#[test]
fn an_extended_key_usage_must_permit_server_authentication() {
    use ExtendedKeyUsagePurpose::{Any, ClientAuth, CodeSigning, ServerAuth};
    let root = Certified::root("ca");
    let with = |usages: &[ExtendedKeyUsagePurpose]| {
        let usages = usages.to_vec();
        judge(&msp(&[&root], &[]), &root.member_with(|params| params.extended_key_usages = usages))
    };
    for accepted in [&[][..], &[ServerAuth], &[Any], &[ClientAuth, ServerAuth], &[CodeSigning, Any]] {
        assert_eq!(with(accepted), Ok(()), "{accepted:?}");
    }
    for refused in [&[ClientAuth][..], &[CodeSigning], &[ClientAuth, CodeSigning]] {
        let error = ChainError::ExtendedKeyUsage("member".to_owned());
        assert_eq!(with(refused), Err(IdentityError::Chain(error)), "{refused:?}");
    }
    // the same for authorities
    let mut narrow = authority_params("ica");
    narrow.extended_key_usages = vec![ClientAuth];
    let config = organization(&[&root], &[&root.issue(narrow)]);
    let error = Msp::from_config(&config, MspVersion::V3_0).unwrap_err();
    assert!(error.to_string().contains("does not permit server authentication"), "{error}");
}

#[test]
fn authorities_must_be_allowed_to_sign_certificates() {
    let root = Certified::root("ca");
    let mut digital_only = authority_params("ica");
    digital_only.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    let intermediate = root.issue(digital_only);
    let member = intermediate.member(&["peer"]);
    assert_eq!(chain_error(&msp(&[&root], &[&intermediate]), &member), ChainError::KeyUsage);
    let mut without_usage = authority_params("ica");
    without_usage.key_usages = vec![];
    let intermediate = root.issue(without_usage);
    assert_eq!(judge(&msp(&[&root], &[&intermediate]), &intermediate.member(&["peer"])), Ok(()));
}

#[test]
fn a_path_length_is_kept() {
    let with = |length: u8| {
        let mut limited = authority_params("ca");
        limited.is_ca = IsCa::Ca(BasicConstraints::Constrained(length));
        let root = Certified::self_signed(limited, KeyPair::generate().unwrap());
        let intermediate = root.intermediate("ica");
        (
            judge(&msp(&[&root], &[]), &root.member(&["peer"])),
            judge(&msp(&[&root], &[&intermediate]), &intermediate.member(&["peer"])),
        )
    };
    assert_eq!(with(0), (Ok(()), Err(IdentityError::Chain(ChainError::PathLength))));
    assert_eq!(with(1), (Ok(()), Ok(())));
}

#[test]
fn unknown_critical_extensions_are_refused() {
    let root = Certified::root("ca");
    let msp = msp(&[&root], &[]);
    let with = |is_critical| {
        root.member_with(|params| params.custom_extensions = vec![unknown_extension(is_critical)])
    };
    assert_eq!(judge(&msp, &with(false)), Ok(()));
    assert_eq!(chain_error(&msp, &with(true)), ChainError::UnknownCritical("1.2.3.4".to_owned()));
}

#[test]
fn policy_constraints_are_refused_rather_than_ignored() {
    let root = Certified::root("ca");
    // requireExplicitPolicy: 0
    let content = vec![0x30, 0x03, 0x80, 0x01, 0x00];
    let extension = rcgen::CustomExtension::from_oid_content(&[2, 5, 29, 36], content);
    let mut strict = authority_params("ica");
    strict.custom_extensions = vec![extension];
    let error =
        Msp::from_config(&organization(&[&root], &[&root.issue(strict)]), MspVersion::V3_0).unwrap_err();
    assert!(error.to_string().contains("policy constraints are not supported"), "{error}");
}

fn constrained(permitted: &[&str], excluded: &[&str]) -> Certified {
    let names =
        |names: &[&str]| names.iter().map(|name| GeneralSubtree::DnsName((*name).to_owned())).collect();
    let mut params = authority_params("ca");
    params.name_constraints =
        Some(NameConstraints { permitted_subtrees: names(permitted), excluded_subtrees: names(excluded) });
    Certified::self_signed(params, KeyPair::generate().unwrap())
}

#[test]
fn name_constraints_are_kept() {
    let root = constrained(&["org1.example.com"], &["secret.org1.example.com"]);
    let msp = msp(&[&root], &[]);
    let with_name = |name: &str| {
        root.member_with(|params| params.subject_alt_names = vec![SanType::DnsName(name.try_into().unwrap())])
    };
    assert_eq!(judge(&msp, &with_name("peer0.org1.example.com")), Ok(()));
    let elsewhere = chain_error(&msp, &with_name("peer0.org2.example.com"));
    assert_eq!(elsewhere, ChainError::Name(NameError::NotPermitted("peer0.org2.example.com".to_owned())));
    let excluded = chain_error(&msp, &with_name("a.secret.org1.example.com"));
    assert_eq!(excluded, ChainError::Name(NameError::Excluded("a.secret.org1.example.com".to_owned())));
    // below an intermediate, too
    let intermediate = root.intermediate("Intermediate CA");
    let member = intermediate.member_with(|params| {
        params.subject_alt_names = vec![SanType::DnsName("peer0.org2.example.com".try_into().unwrap())];
    });
    assert_eq!(
        chain_error(&self::msp(&[&root], &[&intermediate]), &member).reason(),
        "chain_name_constraints"
    );
}

/// Without alternative names, a common name that looks like a host name is refused below an authority with constraints.
#[test]
fn a_common_name_cannot_pass_for_a_host_name_under_constraints() {
    let root = constrained(&["org1.example.com"], &[]);
    let named = |name: &str| root.issue(params(name, &["peer"]));
    let error = chain_error(&msp(&[&root], &[]), &named("peer0.org1.example.com"));
    assert_eq!(error, ChainError::Name(NameError::CommonName("peer0.org1.example.com".to_owned())));
    assert_eq!(judge(&msp(&[&root], &[]), &named("Peer Zero")), Ok(()));
    let free = Certified::root("ca");
    let member = free.issue(params("peer0.org1.example.com", &["peer"]));
    assert_eq!(judge(&msp(&[&free], &[]), &member), Ok(()));
}

/// Two certificates of one authority make two chains, and Fabric then knows nobody (spec/03 §8.5).
#[test]
fn there_must_be_exactly_one_chain() {
    let root = Certified::root("ca");
    let mut renewed = authority_params("ca");
    renewed.not_after = date_time_ymd(2050, 1, 1);
    let key = KeyPair::from_pem(&root.key.serialize_pem()).unwrap();
    let renewed = Certified::self_signed(renewed, key);
    let member = root.member(&["peer"]);
    assert_eq!(chain_error(&msp(&[&root, &renewed], &[]), &member), ChainError::NotUnique(2));
    assert_eq!(judge(&msp(&[&renewed], &[]), &member), Ok(()));
    assert_eq!(judge(&msp(&[&root, &root], &[]), &member), Ok(()), "the same certificate twice is one");
}

#[test]
fn authorities_that_issue_authorities_do_not_issue_members() {
    let root = Certified::root("ca");
    let intermediate = root.intermediate("ica");
    let msp = msp(&[&root], &[&intermediate]);
    let member = root.member(&["peer"]);
    assert_eq!(judge(&msp, &member), Err(IdentityError::NotValid(ValidationError::IssuerNotLeaf)));
    assert_eq!(judge(&msp, &intermediate.member(&["peer"])), Ok(()));
}

#[test]
fn authorities_are_no_members() {
    let root = Certified::root("ca");
    let intermediate = root.intermediate("ica");
    let msp = msp(&[&root], &[]);
    let refused = Err(IdentityError::NotValid(ValidationError::IsAuthority));
    assert_eq!(judge(&msp, &intermediate), refused);
    assert_eq!(judge(&msp, &root), refused);
    // made by anybody, and still deserialised under the name of the MSP (spec/03 §8.3)
    assert_eq!(judge(&msp, &Certified::root("anybody")), refused);
    // a self-signed certificate that is no authority has no issuer
    let lonely = Certified::self_signed(params("member", &["peer"]), KeyPair::generate().unwrap());
    assert_eq!(chain_error(&msp, &lonely), ChainError::UnknownAuthority);
}

#[test]
fn a_member_cannot_issue_members() {
    let root = Certified::root("ca");
    let member = root.member(&["peer"]);
    let issued = member.member(&["peer"]);
    assert_eq!(chain_error(&msp(&[&root], &[]), &issued), ChainError::UnknownAuthority);
}

#[test]
fn every_kind_of_authority_and_member() {
    let signed = b"message";
    for (name, algorithm) in [
        ("P-256", &rcgen::PKCS_ECDSA_P256_SHA256),
        ("P-384", &rcgen::PKCS_ECDSA_P384_SHA384),
        ("P-521", &rcgen::PKCS_ECDSA_P521_SHA512),
        ("Ed25519", &rcgen::PKCS_ED25519),
        ("RSA", &rcgen::PKCS_RSA_SHA256),
    ] {
        let root = Certified::root_with("ca", algorithm);
        let msp = msp(&[&root], &[]);
        assert_eq!(judge(&msp, &root.member(&["peer"])), Ok(()), "{name} authority");
        let forger = Certified::root_with("ca", algorithm);
        assert!(judge(&msp, &forger.member(&["peer"])).is_err(), "{name} forged");

        let key = KeyPair::generate_for(algorithm).unwrap();
        let root = Certified::root("ca");
        let msp = self::msp(&[&root], &[]);
        let member = root.issue_for(params("member", &["peer"]), key);
        let identity = msp.deserialize(&member.serialized("Org")).unwrap();
        if name == "RSA" {
            let refused = ValidationError::KeyUnsupported("RSA".to_owned());
            assert_eq!(identity.validate(), Err(&refused));
            assert_eq!(
                identity.verify(signed, &[1; 256]),
                Err(SignatureError::KeyUnsupported("RSA".to_owned()))
            );
            continue;
        }
        assert_eq!(identity.validate(), Ok(()), "{name} member");
        let config = crate::support::authority::signing(organization(&[&root], &[]), &member);
        let local = selvedge_msp::LocalMsp::from_config(&config, crate::support::NOW).unwrap();
        assert_eq!(local.signer().algorithm(), name);
        let signature = local.signer().sign(signed).unwrap();
        assert_eq!(identity.verify(signed, &signature), Ok(()), "{name} signature");
    }
}

/// Libraries make high-S signatures half of the time: whatever form an authority chose, everybody computes the same
/// certificate.
#[test]
fn members_are_normalised_whatever_their_authority_signed() {
    let root = Certified::root("ca");
    let msp = msp(&[&root], &[]);
    let mut changed_count = 0;
    for _ in 0..24 {
        let member = root.member(&["peer"]);
        let issued = msp.deserialize(&member.serialized("Org")).unwrap();
        let sanitized = issued.serialize();
        let again = msp.deserialize(&sanitized).unwrap();
        assert_eq!(again.certificate_der(), issued.certificate_der());
        assert_eq!(again.serialize(), sanitized);
        assert_eq!(again.validate(), Ok(()));
        changed_count += usize::from(sanitized != member.serialized("Org"));
    }
    // the chance that all are alike is 2^-23
    assert!((1..24).contains(&changed_count), "{changed_count}");
}

#[test]
fn certificates_go_refuses_are_refused() {
    let root = Certified::root("ca");
    let msp = msp(&[&root], &[]);
    let reason = |change: &dyn Fn(&mut CertificateParams)| {
        judge(&msp, &root.member_with(|params| change(params))).map_err(|error| error.reason())
    };
    let basic_constraints = || rcgen::CustomExtension::from_oid_content(&[2, 5, 29, 19], vec![0x30, 0x00]);
    let twice = reason(&|params| params.custom_extensions = vec![basic_constraints(), basic_constraints()]);
    assert_eq!(twice, Err("certificate_extension"));
    let malformed = reason(&|params| {
        let content = vec![0x30, 0x05];
        params.custom_extensions = vec![rcgen::CustomExtension::from_oid_content(&[2, 5, 29, 37], content)];
    });
    assert_eq!(malformed, Err("certificate_extension"));
    let critical_key_identifier = reason(&|params| {
        let mut extension = rcgen::CustomExtension::from_oid_content(&[2, 5, 29, 14], vec![0x04, 0x01, 0x07]);
        extension.set_criticality(true);
        params.custom_extensions = vec![extension];
    });
    assert_eq!(critical_key_identifier, Err("certificate_extension"));
    let odd_name = reason(&|params| {
        params
            .distinguished_name
            .push(DnType::LocalityName, rcgen::DnValue::BmpString("x".try_into().unwrap()));
    });
    assert_eq!(odd_name, Ok(()));
}
