//! Certificate revocation lists (spec/03 §8.6).

use crate::support::authority::{Certified, authority_params, organization};
use bytes::Bytes;
use rcgen::{KeyIdMethod, KeyPair, SerialNumber};
use selvedge_msp::{Msp, MspError, MspVersion, RevocationError, ValidationError};

fn msp(root: &Certified, lists: Vec<Bytes>) -> Msp {
    let mut config = organization(&[root], &[]);
    config.revocation_list = lists;
    Msp::from_config(&config, MspVersion::V3_0).unwrap()
}

fn judge(msp: &Msp, member: &Certified) -> Result<(), ValidationError> {
    msp.deserialize(&member.serialized("Org")).unwrap().validate().map_err(Clone::clone)
}

fn member(root: &Certified, serial: u64) -> Certified {
    root.member_with(|params| params.serial_number = Some(SerialNumber::from(serial)))
}

const REVOKED: Result<(), ValidationError> = Err(ValidationError::Revocation(RevocationError::Revoked));

#[test]
fn a_listed_member_is_revoked_whatever_the_dates() {
    let root = Certified::root("ca");
    // the list is out of date, and the revocation is to come
    let msp = msp(&root, vec![root.revoke(&[1, 1000])]);
    assert_eq!(judge(&msp, &member(&root, 1000)), REVOKED);
    assert_eq!(judge(&msp, &member(&root, 1001)), Ok(()));
}

#[test]
fn any_of_several_lists_revokes() {
    let root = Certified::root("ca");
    let msp = msp(&root, vec![root.revoke(&[]), root.revoke(&[5]), root.revoke(&[6])]);
    assert_eq!(judge(&msp, &member(&root, 6)), REVOKED);
    assert_eq!(judge(&msp, &member(&root, 7)), Ok(()));
}

#[test]
fn lists_are_read_in_pem_and_in_der() {
    let root = Certified::root("ca");
    let text = pem::encode(&pem::Pem::new("X509 CRL", root.revoke(&[9]).to_vec()));
    let msp = msp(&root, vec![Bytes::from(text)]);
    assert_eq!(judge(&msp, &member(&root, 9)), REVOKED);
}

/// A list with the right key identifier and a wrong signature is nobody's.
#[test]
fn a_forged_list_is_ignored() {
    let root = Certified::root("ca");
    let forger = Certified::root("ca");
    let mut list = forger.revocation_list(&[1000]);
    list.key_identifier_method = KeyIdMethod::PreSpecified(root.params.key_identifier(&root.key));
    let msp = msp(&root, vec![forger.sign_list(&list)]);
    assert_eq!(judge(&msp, &member(&root, 1000)), Ok(()));
}

#[test]
fn the_list_of_another_authority_is_not_about_this_one() {
    let (root, other) = (Certified::root("ca"), Certified::root("other"));
    let msp = msp(&root, vec![other.revoke(&[1000])]);
    assert_eq!(judge(&msp, &member(&root, 1000)), Ok(()));
}

#[test]
fn lists_of_every_kind_of_authority() {
    for algorithm in [
        &rcgen::PKCS_ECDSA_P384_SHA384,
        &rcgen::PKCS_ECDSA_P521_SHA512,
        &rcgen::PKCS_ED25519,
        &rcgen::PKCS_RSA_SHA256,
    ] {
        let root = Certified::self_signed(authority_params("ca"), KeyPair::generate_for(algorithm).unwrap());
        let msp = msp(&root, vec![root.revoke(&[3])]);
        assert_eq!(judge(&msp, &member(&root, 3)), REVOKED, "{algorithm:?}");
        assert_eq!(judge(&msp, &member(&root, 4)), Ok(()), "{algorithm:?}");
    }
}

/// Spec/03 §12, 13: only the leaf is looked up; a revoked intermediate authority makes the MSP unusable instead.
#[test]
fn weak_point_13_a_revoked_intermediate_authority_breaks_the_msp() {
    let root = Certified::root("ca");
    let mut params = authority_params("ica");
    params.serial_number = Some(SerialNumber::from(77));
    let intermediate = root.issue(params);
    let mut config = organization(&[&root], &[&intermediate]);
    assert!(Msp::from_config(&config, MspVersion::V3_0).is_ok());
    config.revocation_list = vec![root.revoke(&[77])];
    let expected = MspError::Revocation {
        which: "intermediate certificate 0".to_owned(),
        error: RevocationError::Revoked,
    };
    assert_eq!(Msp::from_config(&config, MspVersion::V3_0).unwrap_err(), expected);
}

/// Spec/03 §12, 13: a list that does not name its authority blocks all validations.
#[test]
fn weak_point_13_a_list_without_key_identifier_blocks_everybody() {
    let root = Certified::root("ca");
    let list = without_extensions(&root.revoke(&[1]));
    let msp = msp(&root, vec![list]);
    let blocked = Err(ValidationError::Revocation(RevocationError::NoAuthorityKeyIdentifier));
    assert_eq!(judge(&msp, &member(&root, 5)), blocked);
}

#[test]
fn what_is_no_list_breaks_the_msp() {
    let root = Certified::root("ca");
    let good = root.revoke(&[1]);
    let trailing = Bytes::from([&good[..], &[0]].concat());
    for bad in
        [Bytes::new(), Bytes::from_static(b"\x30\x00"), good.slice(..good.len() - 1), trailing, root.bytes()]
    {
        let mut config = organization(&[&root], &[]);
        config.revocation_list = vec![bad];
        let error = Msp::from_config(&config, MspVersion::V3_0).unwrap_err();
        let which = "revocation list 0".to_owned();
        assert_eq!(error, MspError::Revocation { which, error: RevocationError::Malformed });
    }
}

/// A revocation list without its extensions, and so with a wrong signature, which does not matter here.
fn without_extensions(list: &[u8]) -> Bytes {
    const EXTENSIONS: u8 = 0xa0;
    let parts = elements(&elements(list)[0].1);
    let tbs: Vec<u8> = elements(&parts[0].1)
        .into_iter()
        .filter(|(tag, _)| *tag != EXTENSIONS)
        .flat_map(|(tag, contents)| element(tag, &contents))
        .collect();
    let whole = [element(0x30, &tbs), element(0x30, &parts[1].1), element(0x03, &parts[2].1)].concat();
    Bytes::from(element(0x30, &whole))
}

fn elements(mut der: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut all = Vec::new();
    while let [tag, length, rest @ ..] = der {
        let count = if *length < 0x80 { 0 } else { usize::from(length & 0x7f) };
        let length = match count {
            0 => usize::from(*length),
            _ => rest[..count].iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit)),
        };
        all.push((*tag, rest[count..count + length].to_vec()));
        der = &rest[count + length..];
    }
    all
}

fn element(tag: u8, contents: &[u8]) -> Vec<u8> {
    let length = contents.len();
    let header = match length {
        0..=0x7f => vec![tag, length as u8],
        0x80..=0xff => vec![tag, 0x81, length as u8],
        _ => vec![tag, 0x82, (length >> 8) as u8, length as u8],
    };
    [header, contents.to_vec()].concat()
}
