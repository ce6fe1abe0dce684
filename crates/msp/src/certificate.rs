//! X.509 certificates as an MSP sees them: parsed as strictly as Go does, owned, with their keys prepared.

mod extensions;
mod name;
pub(crate) mod name_constraints;

use std::fmt;

use bytes::Bytes;
use x509_parser::certificate::X509Certificate;
use x509_parser::oid_registry as oid;
use x509_parser::prelude::FromDer;
use x509_parser::signature_algorithm::RsaSsaPssParams;
use x509_parser::x509::{AlgorithmIdentifier, SubjectPublicKeyInfo};

use crate::UnixSeconds;
use crate::crypto::{Curve, EcdsaSignature, Hash, PublicKey, SignatureAlgorithm, SignatureError, sha256};
use crate::der::{BIT_STRING, DerError, INTEGER, Reader, SEQUENCE, integer_is_negative, write_element};
use crate::pem;
pub(crate) use extensions::Extensions;
use name::Subject;

/// Why bytes are not a usable certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// No PEM block could be decoded.
    #[error("there is no PEM block")]
    NoPem,
    /// The PEM block is something else.
    #[error("the PEM block is a {0:?}, not a CERTIFICATE")]
    PemLabel(String),
    /// Bytes after the PEM block.
    #[error("{0} bytes follow the PEM block")]
    PemTrailing(usize),
    /// The outermost structure is not DER.
    #[error("the certificate is not DER: {0}")]
    Der(#[from] DerError),
    /// The outermost structure is DER, but not of a certificate.
    #[error("the certificate is malformed: {0}")]
    Malformed(String),
    /// The algorithm in the signed part differs from the one beside the signature.
    #[error("inner and outer signature algorithm differ")]
    AlgorithmsDiffer,
    /// The serial number is negative.
    #[error("the serial number is negative")]
    NegativeSerial,
    /// An extension occurs twice.
    #[error("extension {0} occurs twice")]
    DuplicateExtension(String),
    /// An extension that Fabric reads is malformed, or critical where it must not be.
    #[error("extension {0} is malformed")]
    Extension(String),
    /// The public key does not parse.
    #[error("the public key is malformed")]
    PublicKey,
    /// The key is of a kind that is not supported (P-224, DSA, ...).
    #[error("a public key of kind {0} is not supported")]
    KeyUnsupported(String),
    /// The issuer's ECDSA signature is not the DER of two positive integers.
    #[error("the certificate's own signature is malformed: {0}")]
    Signature(SignatureError),
    /// The issuer's ECDSA signature is not encoded canonically.
    #[error("the certificate's own signature is not canonical DER")]
    SignatureNotCanonical,
}

impl CertificateError {
    /// A short label for counters.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NoPem => "pem_missing",
            Self::PemLabel(_) => "pem_label",
            Self::PemTrailing(_) => "pem_trailing",
            Self::Der(_) | Self::Malformed(_) => "certificate_malformed",
            Self::AlgorithmsDiffer => "certificate_algorithms_differ",
            Self::NegativeSerial => "certificate_serial",
            Self::DuplicateExtension(_) | Self::Extension(_) => "certificate_extension",
            Self::PublicKey => "certificate_key",
            Self::KeyUnsupported(_) => "certificate_key_unsupported",
            Self::Signature(_) | Self::SignatureNotCanonical => "certificate_signature",
        }
    }
}

/// A parsed certificate.
pub(crate) struct Certificate {
    der: Bytes,
    outer: Outer,
    pub(crate) version: u32,
    /// Without leading zeros.
    pub(crate) serial: Vec<u8>,
    pub(crate) issuer: Bytes,
    pub(crate) subject: Bytes,
    pub(crate) not_before: UnixSeconds,
    pub(crate) not_after: UnixSeconds,
    /// The `SubjectPublicKeyInfo`.
    pub(crate) spki: Bytes,
    pub(crate) key: PublicKey,
    /// The organisational units of the subject, in order.
    pub(crate) units: Vec<String>,
    pub(crate) common_name: String,
    pub(crate) extensions: Extensions,
}

/// The three parts of a certificate.
struct Outer {
    tbs: Bytes,
    algorithm: Bytes,
    signature: Bytes,
    signature_algorithm: SignatureAlgorithm,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({:?}, {:?})", self.common_name, self.units)
    }
}

impl Certificate {
    /// Parses one certificate. What Go's parser refuses is refused here, too, among it trailing data, duplicate
    /// extensions, negative serial numbers (spec/03 §8.1); malformed extensions on which nothing depends are overlooked.
    /// Beyond that, the outermost structure must be canonical DER, so that nobody without the issuer's key can make a
    /// variant of a certificate except by its signature.
    ///
    /// # Errors
    ///
    /// With the first thing that is wrong. A key of a kind that is not supported is no error here.
    pub(crate) fn from_der(der: &Bytes) -> Result<Self, CertificateError> {
        let outer = Outer::split(der)?;
        check_tbs(&outer)?;
        let (_, parsed) = X509Certificate::from_der(der)
            .map_err(|error| CertificateError::Malformed(short(&error.to_string())))?;
        if parsed.version().0 > 2 {
            return Err(CertificateError::Malformed("unknown version".to_owned()));
        }
        let issuer = parsed.issuer();
        name::read(issuer.as_raw())?;
        let Subject { units, common_name } = name::read(parsed.subject().as_raw())?;
        let signature_algorithm = signature_algorithm(&parsed.signature_algorithm);
        Ok(Self {
            version: parsed.version().0 + 1,
            serial: parsed.tbs_certificate.serial.to_bytes_be(),
            issuer: der.slice_ref(issuer.as_raw()),
            subject: der.slice_ref(parsed.subject().as_raw()),
            not_before: parsed.validity().not_before.timestamp(),
            not_after: parsed.validity().not_after.timestamp(),
            spki: der.slice_ref(parsed.public_key().raw),
            key: public_key(parsed.public_key())?,
            units,
            common_name,
            extensions: Extensions::read(parsed.extensions())?,
            outer: Outer { signature_algorithm, ..outer },
            der: der.clone(),
        })
    }

    /// The certificate in the first PEM block, whatever its label and whatever stands around it (spec/03 §8.1).
    pub(crate) fn from_pem(text: &[u8]) -> Result<Self, CertificateError> {
        let block = pem::first_block(text).ok_or(CertificateError::NoPem)?;
        Self::from_der(&Bytes::from(block.contents))
    }

    pub(crate) fn der(&self) -> &Bytes {
        &self.der
    }

    /// Whether the issuer signed with ECDSA, judged by the algorithm that is named.
    pub(crate) fn is_ecdsa_signed(&self) -> bool {
        self.outer.signature_algorithm.is_ecdsa()
    }

    /// Whether the certificate says that it is one of an authority.
    pub(crate) fn is_authority(&self) -> bool {
        self.extensions.basic_constraints.is_some_and(|constraints| constraints.is_authority)
    }

    /// SHA-256 of the public key info: the same for every encoding of a certificate and for its renewals.
    pub(crate) fn public_key_hash(&self) -> [u8; 32] {
        sha256([&self.spki[..]])
    }

    /// Checks that this certificate was signed by the key of `issuer`, and that the issuer may sign certificates.
    pub(crate) fn check_signed_by(&self, issuer: &Self) -> Result<(), crate::chain::ChainError> {
        use crate::chain::ChainError;
        let is_authority = issuer.extensions.basic_constraints.map(|constraints| constraints.is_authority);
        if is_authority == Some(false) || issuer.version == 3 && is_authority.is_none() {
            return Err(ChainError::NotAnAuthority);
        }
        if issuer.extensions.may_sign_certificates == Some(false) {
            return Err(ChainError::KeyUsage);
        }
        let Outer { tbs, signature, signature_algorithm, .. } = &self.outer;
        issuer.key.verify_issued(*signature_algorithm, tbs, signature, false).map_err(ChainError::Signature)
    }

    /// Whether an ECDSA signature of the issuer has the canonical encoding; true for other algorithms (spec/03 §8.2).
    pub(crate) fn check_canonical_signature(&self) -> Result<(), CertificateError> {
        if !self.is_ecdsa_signed() {
            return Ok(());
        }
        let signature = EcdsaSignature::read(&self.outer.signature).map_err(CertificateError::Signature)?;
        if signature.canonical()[..] == self.outer.signature[..] {
            Ok(())
        } else {
            Err(CertificateError::SignatureNotCanonical)
        }
    }

    /// The certificate with the low-S form of its signature by the issuer (spec/03 §8.3), or None if it has that
    /// already or is not signed with ECDSA.
    pub(crate) fn sanitized(&self, issuer_key: &PublicKey) -> Result<Option<Self>, CertificateError> {
        let PublicKey::Ecdsa { curve, .. } = issuer_key else { return Ok(None) };
        if !self.is_ecdsa_signed() {
            return Ok(None);
        }
        let signature = EcdsaSignature::read(&self.outer.signature).map_err(CertificateError::Signature)?;
        let low = signature
            .low_s(*curve)
            .ok_or(CertificateError::Signature(SignatureError::Mismatch))?
            .into_owned();
        if low[..] == self.outer.signature[..] {
            return Ok(None);
        }
        let mut der = Vec::with_capacity(self.der.len());
        write_element(&mut der, SEQUENCE, &[&self.outer.tbs, &self.outer.algorithm, &bit_string(&low)]);
        Self::from_der(&Bytes::from(der)).map(Some)
    }
}

impl Outer {
    fn split(der: &Bytes) -> Result<Self, CertificateError> {
        let mut reader = Reader::new(der);
        let certificate = reader.expect(SEQUENCE)?;
        reader.finish()?;
        let mut parts = Reader::new(certificate.contents);
        let tbs = parts.expect(SEQUENCE)?;
        let algorithm = parts.expect(SEQUENCE)?;
        let signature = parts.expect(BIT_STRING)?;
        parts.finish()?;
        let Some((0, signature)) = signature.contents.split_first() else {
            return Err(CertificateError::Malformed(
                "the signature is not a whole number of bytes".to_owned(),
            ));
        };
        Ok(Self {
            tbs: der.slice_ref(tbs.raw),
            algorithm: der.slice_ref(algorithm.raw),
            signature: der.slice_ref(signature),
            signature_algorithm: SignatureAlgorithm::Unknown,
        })
    }
}

/// Checks what the parser leaves open: the sign of the serial number, and the inner signature algorithm.
fn check_tbs(outer: &Outer) -> Result<(), CertificateError> {
    const VERSION: u8 = 0xa0;
    let mut tbs = Reader::new(Reader::new(&outer.tbs).expect(SEQUENCE)?.contents);
    if tbs.peek() == Some(VERSION) {
        tbs.element()?;
    }
    if integer_is_negative(tbs.expect(INTEGER)?.contents)? {
        return Err(CertificateError::NegativeSerial);
    }
    if tbs.expect(SEQUENCE)?.raw != &outer.algorithm[..] {
        return Err(CertificateError::AlgorithmsDiffer);
    }
    Ok(())
}

fn bit_string(contents: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(contents.len() + 4);
    write_element(&mut out, BIT_STRING, &[&[0], contents]);
    out
}

pub(crate) fn signature_algorithm(identifier: &AlgorithmIdentifier<'_>) -> SignatureAlgorithm {
    use SignatureAlgorithm::{Broken, Ecdsa, Ed25519, Rsa, Unknown};
    let algorithms = [
        (oid::OID_SIG_ECDSA_WITH_SHA256, Ecdsa(Hash::Sha256)),
        (oid::OID_SIG_ECDSA_WITH_SHA384, Ecdsa(Hash::Sha384)),
        (oid::OID_SIG_ECDSA_WITH_SHA512, Ecdsa(Hash::Sha512)),
        (ECDSA_WITH_SHA1, Ecdsa(Hash::Sha1)),
        (oid::OID_PKCS1_SHA256WITHRSA, Rsa(Hash::Sha256)),
        (oid::OID_PKCS1_SHA384WITHRSA, Rsa(Hash::Sha384)),
        (oid::OID_PKCS1_SHA512WITHRSA, Rsa(Hash::Sha512)),
        (oid::OID_PKCS1_SHA1WITHRSA, Rsa(Hash::Sha1)),
        (oid::OID_SHA1_WITH_RSA, Rsa(Hash::Sha1)),
        (oid::OID_PKCS1_MD5WITHRSAENC, Broken),
        (MD2_WITH_RSA, Broken),
    ];
    if identifier.algorithm == oid::OID_SIG_ED25519 {
        return if identifier.parameters.is_none() { Ed25519 } else { Unknown };
    }
    if identifier.algorithm == oid::OID_PKCS1_RSASSAPSS {
        return rsa_pss(identifier).map_or(Unknown, SignatureAlgorithm::RsaPss);
    }
    algorithms.into_iter().find(|(oid, _)| *oid == identifier.algorithm).map_or(Unknown, |(_, found)| found)
}

const ECDSA_WITH_SHA1: oid::asn1_rs::Oid<'static> = oid::asn1_rs::oid!(1.2.840.10045.4.1);
const MD2_WITH_RSA: oid::asn1_rs::Oid<'static> = oid::asn1_rs::oid!(1.2.840.113549.1.1.2);
const P224: oid::asn1_rs::Oid<'static> = oid::asn1_rs::oid!(1.3.132.0.33);

/// The hash of RSA-PSS parameters, where the mask uses the same hash and the salt is as long as the hash.
fn rsa_pss(identifier: &AlgorithmIdentifier<'_>) -> Option<Hash> {
    let params = RsaSsaPssParams::try_from(identifier.parameters.as_ref()?).ok()?;
    let hash = params.hash_algorithm_oid();
    let (known, length) = [
        (oid::OID_NIST_HASH_SHA256, Hash::Sha256, 32),
        (oid::OID_NIST_HASH_SHA384, Hash::Sha384, 48),
        (oid::OID_NIST_HASH_SHA512, Hash::Sha512, 64),
    ]
    .into_iter()
    .find_map(|(oid, known, length)| (oid == *hash).then_some((known, length)))?;
    let mask = params.mask_gen_algorithm().ok()?;
    (mask.hash == *hash && params.salt_length() == length && params.trailer_field() == 1).then_some(known)
}

fn public_key(info: &SubjectPublicKeyInfo<'_>) -> Result<PublicKey, CertificateError> {
    let bytes = &info.subject_public_key.data;
    let algorithm = &info.algorithm.algorithm;
    let parameters = info.algorithm.parameters.as_ref();
    let key = if *algorithm == oid::OID_KEY_TYPE_EC_PUBLIC_KEY {
        let curve = parameters.and_then(|any| any.as_oid().ok()).ok_or(CertificateError::PublicKey)?;
        let curve = if curve == oid::OID_EC_P256 {
            Curve::P256
        } else if curve == oid::OID_NIST_EC_P384 {
            Curve::P384
        } else if curve == oid::OID_NIST_EC_P521 {
            Curve::P521
        } else if curve == P224 {
            return Ok(PublicKey::Unsupported("P-224".to_owned()));
        } else {
            return Err(CertificateError::KeyUnsupported(format!("elliptic curve {curve}")));
        };
        PublicKey::ecdsa(curve, bytes)
    } else if *algorithm == oid::OID_SIG_ED25519 {
        if parameters.is_some() {
            return Err(CertificateError::PublicKey);
        }
        PublicKey::ed25519(bytes)
    } else if *algorithm == oid::OID_PKCS1_RSAENCRYPTION {
        PublicKey::rsa(bytes)
    } else {
        Some(PublicKey::Unsupported(algorithm.to_id_string()))
    };
    key.ok_or(CertificateError::PublicKey)
}

/// Cuts what a parser says about bytes from outside.
fn short(text: &str) -> String {
    text.chars().take(120).collect()
}
