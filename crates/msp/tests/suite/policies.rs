//! Signature policies and principals: the truth table of spec/07 §9.2 and the principals of §8.5.

use crate::support::{genesis, local_msp};
use prost::Message;
use selvedge_msp::{ChannelBundle, LocalMsp, PolicyDefinitionError, PolicyError, SignedData};
use selvedge_proto::common::msp_principal::Classification;
use selvedge_proto::common::msp_role::MspRoleType;
use selvedge_proto::common::signature_policy::{NOutOf, Type};
use selvedge_proto::common::{
    CombinedPrincipal, MspIdentityAnonymity, MspPrincipal, MspRole, OrganizationUnit, SignaturePolicy,
    SignaturePolicyEnvelope,
};

fn principal(classification: Classification, principal: &impl Message) -> MspPrincipal {
    MspPrincipal {
        principal_classification: classification as i32,
        principal: principal.encode_to_vec().into(),
    }
}

fn role(msp_id: &str, role: MspRoleType) -> MspPrincipal {
    principal(Classification::Role, &MspRole { msp_identifier: msp_id.to_owned(), role: role as i32 })
}

fn by(index: i32) -> SignaturePolicy {
    SignaturePolicy { r#type: Some(Type::SignedBy(index)) }
}

fn out_of(n: i32, rules: impl Into<Vec<SignaturePolicy>>) -> SignaturePolicy {
    SignaturePolicy { r#type: Some(Type::NOutOf(NOutOf { n, rules: rules.into() })) }
}

fn policy(rule: SignaturePolicy, identities: impl Into<Vec<MspPrincipal>>) -> SignaturePolicyEnvelope {
    SignaturePolicyEnvelope { version: 0, rule: Some(rule), identities: identities.into() }
}

fn sign(signer: &LocalMsp) -> SignedData<'static> {
    let data = b"what is signed".to_vec();
    let signature = signer.signer().sign(&data).unwrap().to_vec();
    SignedData { data: data.into(), identity: signer.identity().to_vec().into(), signature: signature.into() }
}

fn evaluate(bundle: &ChannelBundle, policy: &SignaturePolicyEnvelope, signers: &[&LocalMsp]) -> bool {
    let signed: Vec<_> = signers.iter().map(|signer| sign(signer)).collect();
    bundle.evaluate_signature_policy(policy, &signed).unwrap()
}

#[test]
fn the_procedure_is_greedy_and_never_goes_back() {
    let bundle = genesis();
    let [member, member2, member3, admin] =
        ["peer0.org1", "peer1.org1", "peer2.org1", "Admin@org1"].map(local_msp);
    let (m, a) = (by(0), by(1));
    let rows = [
        (out_of(2, [m.clone(), a.clone()]), vec![&member, &admin], true),
        (out_of(2, [m.clone(), a.clone()]), vec![&admin, &member], false),
        (out_of(2, [a.clone(), m.clone()]), vec![&admin, &member], true),
        (out_of(2, [a.clone(), m.clone()]), vec![&member, &admin], true),
        (out_of(2, [m.clone(), m.clone()]), vec![&member], false),
        (out_of(2, [out_of(1, [m.clone(), m.clone()]), m.clone()]), vec![&member, &member2], false),
        (out_of(2, [out_of(1, [m.clone(), m.clone()]), m.clone()]), vec![&member, &member2, &member3], true),
        (out_of(1, [out_of(2, [m.clone(), a.clone()]), m.clone()]), vec![&member], true),
        (out_of(0, []), vec![&member], true),
        (out_of(0, []), vec![], true),
        (out_of(1, []), vec![&member], false),
        (out_of(-1, [a]), vec![&member], true),
        // one signature satisfies one principal only, however often it is repeated
        (out_of(2, [m.clone(), m]), vec![&member, &member], false),
    ];
    for (index, (rule, signers, expected)) in rows.into_iter().enumerate() {
        let principals = [role("Org1MSP", MspRoleType::Member), role("Org1MSP", MspRoleType::Admin)];
        assert_eq!(evaluate(&bundle, &policy(rule, principals), &signers), expected, "row {index}");
    }
}

#[test]
fn roles() {
    use MspRoleType::{Admin, Client, Member, Orderer, Peer};
    let bundle = genesis();
    for (name, msp_id, roles) in [
        ("peer0.org1", "Org1MSP", [Member, Peer]),
        ("User1@org1", "Org1MSP", [Member, Client]),
        ("Admin@org1", "Org1MSP", [Member, Admin]),
        ("orderer0", "OrdererMSP", [Member, Orderer]),
    ] {
        let signer = local_msp(name);
        for wanted in [Admin, Client, Member, Orderer, Peer] {
            let satisfied = |msp_id| evaluate(&bundle, &policy(by(0), [role(msp_id, wanted)]), &[&signer]);
            assert_eq!(satisfied(msp_id), roles.contains(&wanted), "{name} {wanted:?}");
            assert!(!satisfied("Org2MSP"), "{name} {wanted:?}");
        }
    }
}

#[test]
fn the_other_principals() {
    let bundle = genesis();
    let [peer, other] = ["peer0.org1", "peer1.org1"].map(local_msp);
    let one = |principal: MspPrincipal, signer| evaluate(&bundle, &policy(by(0), [principal]), &[signer]);
    let raw = |classification: i32, principal: &[u8]| MspPrincipal {
        principal_classification: classification,
        principal: principal.to_vec().into(),
    };

    let identity = || raw(Classification::Identity as i32, peer.identity());
    assert!(one(identity(), &peer));
    assert!(!one(identity(), &other));
    assert!(!one(raw(Classification::Identity as i32, b"nobody"), &peer));

    let anonymity =
        |anonymity_type| principal(Classification::Anonymity, &MspIdentityAnonymity { anonymity_type });
    assert!(one(anonymity(0), &peer), "everybody with a certificate has a name");
    assert!(!one(anonymity(1), &peer));
    assert!(!one(anonymity(2), &peer));

    let member = || role("Org1MSP", MspRoleType::Member);
    let is_peer = || role("Org1MSP", MspRoleType::Peer);
    let admin = || role("Org1MSP", MspRoleType::Admin);
    let combined =
        |principals: Vec<_>| principal(Classification::Combined, &CombinedPrincipal { principals });
    assert!(one(combined(vec![member(), is_peer()]), &peer));
    assert!(!one(combined(vec![member(), admin()]), &peer));
    assert!(!one(combined(vec![]), &peer));
    assert!(one(combined(vec![member(), combined(vec![is_peer()])]), &peer));
    assert!(!one(combined(vec![member(), combined(vec![])]), &peer));

    assert!(!one(raw(9, b""), &peer));
    assert!(!one(raw(0, b"\xff"), &peer));
    assert!(!one(
        principal(Classification::Role, &MspRole { msp_identifier: "Org1MSP".to_owned(), role: 9 }),
        &peer
    ));
}

#[test]
fn organizational_units_need_the_right_certifier() {
    let bundle = genesis();
    let peer = local_msp("peer0.org1");
    // SHA-256 by another implementation than the one under test
    let certifier = {
        let ca = crate::support::fixture(
            "network/crypto/peerOrganizations/org1.example.com/msp/cacerts/ca.org1.example.com-cert.pem",
        );
        let ca = bundle.deserialize(&crate::support::serialized("Org1MSP", &ca)).unwrap();
        <sha2::Sha256 as sha2::Digest>::digest(ca.certificate_der()).to_vec()
    };
    let unit = |unit: &str, certifiers: &[u8]| {
        let content = OrganizationUnit {
            msp_identifier: "Org1MSP".to_owned(),
            organizational_unit_identifier: unit.to_owned(),
            certifiers_identifier: certifiers.to_vec().into(),
        };
        let principal = principal(Classification::OrganizationUnit, &content);
        evaluate(&bundle, &policy(by(0), [principal]), &[&peer])
    };
    assert!(unit("peer", &certifier));
    assert!(!unit("client", &certifier));
    assert!(!unit("peer", &certifier[1..]));
    assert!(!unit("peer", &[]));
}

/// Combined principals and rules may not be nested without end (spec/07 §8 and §9, weak points).
#[test]
fn nesting_is_limited() {
    let bundle = genesis();
    let peer = local_msp("peer0.org1");
    let nested_principal = |depth: usize| {
        (0..depth).fold(role("Org1MSP", MspRoleType::Member), |inner, _| {
            principal(Classification::Combined, &CombinedPrincipal { principals: vec![inner] })
        })
    };
    assert!(evaluate(&bundle, &policy(by(0), [nested_principal(16)]), &[&peer]));
    assert!(!evaluate(&bundle, &policy(by(0), [nested_principal(17)]), &[&peer]));
    assert!(!evaluate(&bundle, &policy(by(0), [nested_principal(2000)]), &[&peer]));

    let nested_rule = |depth: usize| (0..depth).fold(by(0), |inner, _| out_of(1, [inner]));
    let member = || [role("Org1MSP", MspRoleType::Member)];
    assert!(evaluate(&bundle, &policy(nested_rule(32), member()), &[&peer]));
    let refused = bundle.evaluate_signature_policy(&policy(nested_rule(33), member()), &[]);
    assert_eq!(refused, Err(PolicyDefinitionError::TooComplex));
    let wide = out_of(1, vec![by(0); 10_000]);
    let refused = bundle.evaluate_signature_policy(&policy(wide, member()), &[]);
    assert_eq!(refused, Err(PolicyDefinitionError::TooComplex));
}

#[test]
fn definitions_that_are_none() {
    let bundle = genesis();
    let refused =
        |policy: &SignaturePolicyEnvelope| bundle.evaluate_signature_policy(policy, &[]).unwrap_err();
    let member = || vec![role("Org1MSP", MspRoleType::Member)];
    let index = |index, count| PolicyDefinitionError::PrincipalIndex { index, count };
    assert_eq!(refused(&policy(by(1), member())), index(1, 1));
    assert_eq!(refused(&policy(by(-1), member())), index(-1, 1));
    assert_eq!(refused(&policy(out_of(0, [by(0)]), [])), index(0, 0));
    assert_eq!(refused(&policy(SignaturePolicy { r#type: None }, [])), PolicyDefinitionError::EmptyRule);
    let empty = SignaturePolicyEnvelope { version: 0, rule: None, identities: vec![] };
    assert_eq!(refused(&empty), PolicyDefinitionError::EmptyRule);
    let other = SignaturePolicyEnvelope { version: 1, ..policy(by(0), member()) };
    assert_eq!(refused(&other), PolicyDefinitionError::Version(1));
}

#[test]
fn paths() {
    let bundle = genesis();
    let [peer, user, admin1, admin2, orderer] =
        ["peer0.org1", "User1@org1", "Admin@org1", "Admin@org2", "orderer0"].map(local_msp);
    let evaluate = |path: &str, signers: &[&LocalMsp]| {
        let signed: Vec<_> = signers.iter().map(|signer| sign(signer)).collect();
        bundle.evaluate(path, &signed)
    };
    assert_eq!(evaluate("/Channel/Application/Readers", &[&peer]), Ok(()));
    assert!(evaluate("/Channel/Application/Writers", &[&peer]).is_err(), "peers do not write");
    assert_eq!(evaluate("/Channel/Application/Writers", &[&user]), Ok(()));
    assert!(evaluate("/Channel/Application/Readers", &[&orderer]).is_err());
    assert_eq!(evaluate("/Channel/Readers", &[&orderer]), Ok(()));
    assert_eq!(evaluate("/Channel/Application/Org1MSP/Readers", &[&peer]), Ok(()));
    assert!(evaluate("/Channel/Application/Org2MSP/Readers", &[&peer]).is_err());
    // MAJORITY of two is two
    assert!(evaluate("/Channel/Application/Admins", &[&admin1]).is_err());
    assert_eq!(evaluate("/Channel/Application/Admins", &[&admin1, &admin2]), Ok(()));
    assert!(evaluate("/Channel/Application/Admins", &[&admin1, &admin1]).is_err());
    // a path without leading slash is relative to the root
    assert_eq!(evaluate("Application/Readers", &[&peer]), Ok(()));
    for unknown in [
        "",
        "/",
        "/Channel",
        "/Channel/",
        "Channel/Readers",
        "/Channel/Nothing/Readers",
        "/Other/Readers",
        "/Channel/Application",
        "/Channel/Application/Readers/",
        "//Channel/Readers",
        "/ChannelReaders",
    ] {
        let path = unknown.to_owned();
        assert_eq!(evaluate(unknown, &[&peer]), Err(PolicyError::Unknown { path }), "{unknown:?}");
    }
}
