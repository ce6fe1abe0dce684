//! Variations of one certificate: which are accepted, and which have the same PKI-ID (the table of spec/03 §8.2).

use std::sync::Arc;

use crate::support::{NOW, organization, serialized, vector};
use prost::Message;
use selvedge_msp::{IdentityClaims, IdentityError, LocalMsp, MessageVerifier};
use selvedge_proto::msp::{KeyInfo, SigningIdentityInfo};

fn verifier() -> MessageVerifier {
    let mut config = organization("Org1MSP", &[vector("ca.pem")]);
    config.signing_identity = Some(SigningIdentityInfo {
        public_signer: vector("v1.pem").into(),
        private_signer: Some(KeyInfo { key_material: vector("v1-key.pem").into(), ..KeyInfo::default() }),
    });
    MessageVerifier::new(Arc::new(LocalMsp::from_config(&config, NOW).unwrap()))
}

fn v1() -> String {
    String::from_utf8(vector("v1.pem")).unwrap()
}

fn check(text: &str) -> Result<IdentityClaims, IdentityError> {
    verifier().check_identity(&serialized("Org1MSP", text.as_bytes()))
}

/// Accepted, under another PKI-ID, but by the same key.
#[track_caller]
fn variant(text: &str) {
    let plain = check(&v1()).unwrap();
    assert!(plain.canonical);
    let claims = check(text).unwrap();
    assert_ne!(claims.pki_id, plain.pki_id);
    assert_eq!(claims.public_key_hash, plain.public_key_hash);
    assert!(!claims.canonical);
}

#[track_caller]
fn refused(text: &str, reason: &str) {
    assert_eq!(check(text).unwrap_err().reason(), reason);
}

#[test]
fn text_or_a_blank_line_before_the_block() {
    variant(&format!("some text\n{}", v1()));
    variant(&format!("\n{}", v1()));
}

#[test]
fn crlf_line_ends() {
    variant(&v1().replace('\n', "\r\n"));
}

#[test]
fn a_missing_final_line_end() {
    variant(v1().trim_end());
}

#[test]
fn pem_headers() {
    variant(&v1().replacen("-----\n", "-----\nProc-Type: none\n\n", 1));
}

#[test]
fn an_empty_block_type() {
    variant(&v1().replace("CERTIFICATE", ""));
}

#[test]
fn other_line_lengths_and_white_space() {
    let body: String = v1().lines().filter(|line| !line.starts_with('-')).collect();
    variant(&format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n"));
    variant(&v1().replace("MIIBqD", "MII BqD"));
    variant(&v1().replace("END CERTIFICATE-----\n", "END CERTIFICATE----- \t\n"));
}

#[test]
fn a_damaged_block_before() {
    variant(&format!("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n{}", v1()));
}

#[test]
fn an_extra_blank_line_after_the_block() {
    refused(&format!("{}\n", v1()), "pem_trailing");
    refused(&format!("{}{}", v1(), v1()), "pem_trailing");
    refused(&format!("{}x", v1()), "pem_trailing");
}

#[test]
fn another_block_type() {
    refused(&v1().replace("CERTIFICATE", "X509 CERTIFICATE"), "pem_label");
}

#[test]
fn bare_der() {
    let der = pem::parse(v1()).unwrap().into_contents();
    let refused = verifier().check_identity(&serialized("Org1MSP", &der)).unwrap_err();
    assert_eq!(refused.reason(), "pem_missing");
    let refused = verifier().check_identity(&serialized("Org1MSP", b"")).unwrap_err();
    assert_eq!(refused.reason(), "pem_missing");
}

/// The same certificate with its issuer's signature in both forms (V2 of spec/03 §13.3).
#[test]
fn a_certificate_signature_with_the_other_s() {
    let issued = check(&String::from_utf8(vector("v2-issued.pem")).unwrap()).unwrap();
    let sanitized = check(&String::from_utf8(vector("v2-sanitized.pem")).unwrap()).unwrap();
    assert_ne!(issued.pki_id, sanitized.pki_id);
    assert_eq!(issued.public_key_hash, sanitized.public_key_hash);
    assert!(sanitized.canonical && !issued.canonical);
}

#[test]
fn an_unknown_field_in_the_serialized_identity() {
    let plain = serialized("Org1MSP", v1().as_bytes());
    // field 15, a string of one byte
    let extended = [&plain[..], &[0x7a, 0x01, b'x']].concat();
    let verifier = verifier();
    let (plain, extended) =
        (verifier.check_identity(&plain).unwrap(), verifier.check_identity(&extended).unwrap());
    assert_eq!(plain.pki_id, extended.pki_id);
    assert!(plain.canonical && !extended.canonical);
}

/// What only an attacker would write: a certificate whose outer structure is not canonical, and one whose signature by
/// the issuer is not. Both would be further PKI-IDs for one certificate.
#[test]
fn other_encodings_of_the_certificate_itself() {
    let der = pem::parse(v1()).unwrap().into_contents();
    let encode = |der: Vec<u8>| pem::encode_config(&pem::Pem::new("CERTIFICATE", der), lf());
    assert_eq!(encode(der.clone()), v1());
    refused(&encode([&der[..], &[0]].concat()), "certificate_malformed");
    // the length of the outermost sequence in three bytes instead of two
    assert_eq!(der[..4], [0x30, 0x82, 0x01, 0xa8]);
    let padded = [&[0x30, 0x83, 0x00, 0x01, 0xa8][..], &der[4..]].concat();
    refused(&encode(padded), "certificate_malformed");
    // a needless zero before r, with the lengths around it corrected
    let at = der.len() - 74;
    assert_eq!(der[at..at + 3], [0x03, 0x48, 0x00], "the bit string with the signature");
    assert_eq!(der[at + 3..at + 7], [0x30, 0x45, 0x02, 0x21]);
    let mut stretched = der.clone();
    stretched[3] += 1;
    stretched[at + 1] += 1;
    stretched[at + 4] += 1;
    stretched[at + 6] += 1;
    stretched.insert(at + 7, 0);
    refused(&encode(stretched), "certificate_signature");
}

fn lf() -> pem::EncodeConfig {
    pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF)
}

/// Fields may come in any order and repeatedly: the last one counts, as in every protobuf.
#[test]
fn the_order_of_fields_does_not_matter() {
    let parts = serialized("Org1MSP", v1().as_bytes());
    let (id, certificate) = parts.split_at(9);
    let swapped = [certificate, id].concat();
    let decoded = selvedge_proto::msp::SerializedIdentity::decode(&swapped[..]).unwrap();
    assert_eq!(decoded.mspid, "Org1MSP");
    let claims = verifier().check_identity(&swapped).unwrap();
    assert_eq!(claims.pki_id, check(&v1()).unwrap().pki_id);
}
