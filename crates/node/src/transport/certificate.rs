//! What an operator wants to know of a certificate.

use rustls::pki_types::CertificateDer;
use sha2::{Digest, Sha256};
use std::net::IpAddr;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};
use x509_parser::public_key::PublicKey;

/// SHA-256 over a certificate's DER: what the gossip handshake is bound to (spec/02 §4.4).
pub fn certificate_hash(certificate: &CertificateDer<'_>) -> [u8; 32] {
    Sha256::digest(certificate.as_ref()).into()
}

/// A certificate in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateSummary {
    /// The subject's distinguished name.
    pub subject: String,
    /// The issuer's distinguished name.
    pub issuer: String,
    /// Subject alternative names: DNS names, addresses and URIs, in their order.
    pub names: Vec<String>,
    /// Start of validity, seconds since 1970 UTC.
    pub not_before_seconds: i64,
    /// End of validity, seconds since 1970 UTC.
    pub not_after_seconds: i64,
    /// Serial number in hexadecimal, bytes separated by colons.
    pub serial: String,
    /// Kind and size of the public key, such as `EC 256 bits`.
    pub key: String,
    /// Whether it is a CA certificate.
    pub is_ca: bool,
    /// SHA-256 over the DER.
    pub hash: [u8; 32],
}

impl CertificateSummary {
    /// Reads a certificate; `None` if it is no X.509 certificate.
    pub fn read(certificate: &CertificateDer<'_>) -> Option<Self> {
        let (_, parsed) = X509Certificate::from_der(certificate.as_ref()).ok()?;
        let names = parsed.subject_alternative_name().ok().flatten();
        Some(Self {
            subject: parsed.subject().to_string(),
            issuer: parsed.issuer().to_string(),
            names: names
                .map(|names| names.value.general_names.iter().map(name_text).collect())
                .unwrap_or_default(),
            not_before_seconds: parsed.validity().not_before.timestamp(),
            not_after_seconds: parsed.validity().not_after.timestamp(),
            serial: parsed.raw_serial_as_string(),
            key: key_text(&parsed),
            is_ca: parsed.is_ca(),
            hash: certificate_hash(certificate),
        })
    }
}

fn name_text(name: &GeneralName<'_>) -> String {
    match name {
        GeneralName::DNSName(text) | GeneralName::RFC822Name(text) | GeneralName::URI(text) => {
            (*text).to_owned()
        }
        GeneralName::IPAddress(bytes) => match (<[u8; 4]>::try_from(*bytes), <[u8; 16]>::try_from(*bytes)) {
            (Ok(bytes), _) => IpAddr::from(bytes).to_string(),
            (_, Ok(bytes)) => IpAddr::from(bytes).to_string(),
            _ => format!("address of {} bytes", bytes.len()),
        },
        other => format!("{other:?}"),
    }
}

fn key_text(certificate: &X509Certificate<'_>) -> String {
    let info = certificate.public_key();
    match info.parsed() {
        Ok(PublicKey::EC(point)) => format!("EC {} bits", point.key_size()),
        Ok(PublicKey::RSA(key)) => format!("RSA {} bits", key.key_size()),
        _ => format!("algorithm {}", info.algorithm.algorithm),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_summed_up() {
        let names = ["peer0.example.com".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        let summary = CertificateSummary::read(made.cert.der()).unwrap();
        assert_eq!(summary.names, ["peer0.example.com", "127.0.0.1", "::1"]);
        assert_eq!(summary.subject, summary.issuer);
        assert_eq!(summary.key, "EC 256 bits");
        assert!(!summary.is_ca);
        assert!(summary.not_before_seconds < summary.not_after_seconds);
        assert_eq!(summary.hash, certificate_hash(made.cert.der()));
    }

    #[test]
    fn what_is_no_certificate_has_no_summary() {
        assert_eq!(CertificateSummary::read(&CertificateDer::from(vec![0x30, 0x03, 1, 2, 3])), None);
    }
}
