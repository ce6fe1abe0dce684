//! Certificate authorities and what they issue, as `cryptogen` does it: ECDSA P-256, ten years.

use super::MaterialError;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData, SignatureAlgorithm, SigningKey,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use std::fmt;
use time::{Duration, OffsetDateTime};

/// What an identity is, as the OU of its subject says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Admin,
    Client,
    Orderer,
    Peer,
}

impl Role {
    fn unit(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Client => "client",
            Self::Orderer => "orderer",
            Self::Peer => "peer",
        }
    }
}

/// A certificate and its private key. `Debug` shows neither.
pub struct KeyedCertificate {
    pem: String,
    der: CertificateDer<'static>,
    key: KeyPair,
}

impl KeyedCertificate {
    /// The certificate in PEM.
    pub fn certificate_pem(&self) -> &str {
        &self.pem
    }

    /// The certificate in DER.
    pub fn certificate_der(&self) -> &CertificateDer<'static> {
        &self.der
    }

    /// The private key, PKCS#8 in PEM.
    pub fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    /// The private key, PKCS#8 in DER, as rustls takes it.
    pub fn key_der(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key.serialize_der()).into()
    }
}

impl fmt::Debug for KeyedCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedCertificate").finish_non_exhaustive()
    }
}

/// A self-signed CA.
#[derive(Debug)]
pub(super) struct Authority {
    certificate: KeyedCertificate,
    params: CertificateParams,
    organization: String,
}

impl Authority {
    pub(super) fn generate(
        name: &str,
        organization: &str,
        valid_from: OffsetDateTime,
    ) -> Result<Self, MaterialError> {
        let because = |source| MaterialError::Certificate { subject: name.to_owned(), source };
        let mut params = params(name, DnType::OrganizationName, organization, valid_from);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![
            KeyUsagePurpose::DigitalSignature,
            KeyUsagePurpose::KeyEncipherment,
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::CrlSign,
        ];
        let key = KeyPair::generate().map_err(because)?;
        let certificate = params.self_signed(&LowS(&key)).map_err(because)?;
        let certificate = KeyedCertificate { pem: certificate.pem(), der: certificate.into(), key };
        Ok(Self { certificate, params, organization: organization.to_owned() })
    }

    pub(super) fn certificate_pem(&self) -> &str {
        &self.certificate.pem
    }

    pub(super) fn certificate_der(&self) -> &[u8] {
        &self.certificate.der
    }

    pub(super) fn key_pem(&self) -> String {
        self.certificate.key_pem()
    }

    /// An MSP identity: no extended key usage, as an MSP wants either none or server authentication.
    pub(super) fn issue_identity(&self, name: &str, role: Role) -> Result<KeyedCertificate, MaterialError> {
        let mut params = params(name, DnType::OrganizationalUnitName, role.unit(), self.params.not_before);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        self.issue(name, &params)
    }

    /// A TLS certificate for server and client. `hosts` are DNS names or addresses.
    pub(super) fn issue_tls(
        &self,
        name: &str,
        hosts: Vec<String>,
    ) -> Result<KeyedCertificate, MaterialError> {
        let because = |source| MaterialError::Certificate { subject: name.to_owned(), source };
        let organization = &self.organization;
        let mut params = params(name, DnType::OrganizationName, organization, self.params.not_before);
        params.subject_alt_names = CertificateParams::new(hosts).map_err(because)?.subject_alt_names;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        self.issue(name, &params)
    }

    fn issue(&self, name: &str, params: &CertificateParams) -> Result<KeyedCertificate, MaterialError> {
        let because = |source| MaterialError::Certificate { subject: name.to_owned(), source };
        let key = KeyPair::generate().map_err(because)?;
        let issuer = Issuer::from_params(&self.params, LowS(&self.certificate.key));
        let certificate = params.signed_by(&key, &issuer).map_err(because)?;
        Ok(KeyedCertificate { pem: certificate.pem(), der: certificate.into(), key })
    }
}

/// The subject has the common name last, as `cryptogen` has it.
fn params(name: &str, unit_type: DnType, unit: &str, valid_from: OffsetDateTime) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(unit_type, unit);
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::ExplicitNoCa;
    params.use_authority_key_identifier_extension = true;
    params.not_before = valid_from;
    params.not_after = valid_from + Duration::days(3650);
    params
}

/// A key that signs again until the signature is low-S.
///
/// Fabric's MSP rewrites a certificate with a high-S signature before it compares or hashes it (spec/07 §8.2), so that the
/// certificate in the file and the one on the wire would differ.
struct LowS<'a>(&'a KeyPair);

/// Each attempt succeeds with probability one half.
const SIGNING_ATTEMPTS_MAX: u32 = 128;

impl PublicKeyData for LowS<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.0.der_bytes()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        PublicKeyData::algorithm(self.0)
    }
}

impl SigningKey for LowS<'_> {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        for _ in 0..SIGNING_ATTEMPTS_MAX {
            let signature = self.0.sign(message)?;
            if is_low_s(&signature) {
                return Ok(signature);
            }
        }
        Err(rcgen::Error::RemoteKeyError)
    }
}

/// Half the order of P-256, rounded down.
const P256_HALF_ORDER: [u8; 32] = [
    0x7f, 0xff, 0xff, 0xff, 0x80, 0x00, 0x00, 0x00, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xde,
    0x73, 0x7d, 0x56, 0xd3, 0x8b, 0xcf, 0x42, 0x79, 0xdc, 0xe5, 0x61, 0x7e, 0x31, 0x92, 0xa8,
];

/// Whether the second integer of a DER signature over P-256 is at most half the order.
fn is_low_s(signature: &[u8]) -> bool {
    // SEQUENCE, length, INTEGER, length of r, r, INTEGER, length of s, s; all lengths below 128
    let s = || {
        let r_bytes = usize::from(*signature.get(3)?);
        signature.get(4 + r_bytes + 2..)
    };
    s().is_some_and(|s| {
        let digits = s.strip_prefix(&[0]).unwrap_or(s);
        match digits.len() {
            0 | 33.. => false,
            32 => digits <= P256_HALF_ORDER.as_slice(),
            _ => true,
        }
    })
}

/// Fills `bytes` from the operating system's generator.
pub(super) fn fill_random(bytes: &mut [u8]) -> Result<(), MaterialError> {
    aws_lc_rs::rand::fill(bytes)
        .map_err(|_| MaterialError::Plan("the system's random number generator fails".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signature(s: &[u8]) -> Vec<u8> {
        let mut der = vec![0x30, 0, 2, 1, 7, 2, u8::try_from(s.len()).unwrap()];
        der.extend_from_slice(s);
        der[1] = u8::try_from(der.len() - 2).unwrap();
        der
    }

    #[test]
    fn half_of_the_order_is_low_and_one_more_is_high() {
        let mut s = P256_HALF_ORDER;
        assert!(is_low_s(&signature(&s)));
        s[31] += 1;
        assert!(!is_low_s(&signature(&s)));
        assert!(!is_low_s(&signature(&[&[0][..], &[0x80; 32]].concat())));
        assert!(is_low_s(&signature(&[0x7f; 31])));
        assert!(!is_low_s(&[0x30, 2, 2]));
    }

    #[test]
    fn every_certificate_signature_is_low_s() {
        let ca = Authority::generate("ca.example.com", "example.com", OffsetDateTime::UNIX_EPOCH).unwrap();
        let issued = (0..16).map(|n| ca.issue_identity(&format!("peer{n}"), Role::Peer).unwrap());
        for certificate in issued {
            let (_, parsed) = x509_parser::parse_x509_certificate(certificate.certificate_der()).unwrap();
            assert!(is_low_s(&parsed.signature_value.data));
        }
    }

    #[test]
    fn debug_shows_no_key() {
        let ca = Authority::generate("ca.example.com", "example.com", OffsetDateTime::UNIX_EPOCH).unwrap();
        let shown = format!("{:?}", ca.certificate);
        assert_eq!(shown, "KeyedCertificate { .. }");
    }
}
