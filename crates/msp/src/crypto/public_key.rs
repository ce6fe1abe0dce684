//! Public keys of certificates: prepared once, for verifying messages and other certificates.

use std::fmt;

use aws_lc_rs::digest;
use aws_lc_rs::signature::{
    self, EcdsaVerificationAlgorithm, ParsedPublicKey, RsaParameters, UnparsedPublicKey,
};

use super::{Curve, EcdsaSignature, HashFamily, SignatureError, fit};

/// A key of a certificate.
#[derive(Clone)]
pub(crate) enum PublicKey {
    /// Signs messages and certificates.
    Ecdsa { curve: Curve, key: ParsedPublicKey },
    /// Signs messages and certificates.
    Ed25519 { key: ParsedPublicKey },
    /// Signs certificates only. The bytes are an `RSAPublicKey`.
    Rsa { key: Box<[u8]> },
    /// Known to X.509 but not usable here; the name of its kind.
    Unsupported(String),
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())
    }
}

/// The algorithm a certificate or CRL says it is signed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SignatureAlgorithm {
    Ecdsa(Hash),
    Rsa(Hash),
    RsaPss(Hash),
    Ed25519,
    /// MD5 and older: never accepted.
    Broken,
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hash {
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    fn algorithm(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        }
    }
}

impl SignatureAlgorithm {
    pub(crate) fn is_ecdsa(self) -> bool {
        matches!(self, Self::Ecdsa(_))
    }

    fn uses_sha1(self) -> bool {
        matches!(self, Self::Ecdsa(Hash::Sha1) | Self::Rsa(Hash::Sha1) | Self::RsaPss(Hash::Sha1))
    }
}

/// Why the signature of a certificate or CRL was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IssuerSignatureError {
    /// Made with MD5 or SHA-1.
    #[error("the signature algorithm is insecure")]
    Insecure,
    /// An algorithm, or a kind of key, that is not supported.
    #[error("the signature algorithm is not supported")]
    Unsupported,
    /// The issuer's key is of another kind than the algorithm demands.
    #[error("the signature algorithm does not fit the issuer's key")]
    KeyMismatch,
    /// Not a signature by this key.
    #[error("the signature does not match")]
    Mismatch,
}

impl PublicKey {
    /// An ECDSA key from its uncompressed point. None if the point is not on the curve.
    pub(crate) fn ecdsa(curve: Curve, point: &[u8]) -> Option<Self> {
        // compressed points are not accepted by Fabric
        if point.first() != Some(&0x04) {
            return None;
        }
        let algorithm = match curve {
            Curve::P256 => &signature::ECDSA_P256_SHA256_ASN1,
            Curve::P384 => &signature::ECDSA_P384_SHA256_ASN1,
            Curve::P521 => &signature::ECDSA_P521_SHA256_ASN1,
        };
        let key = ParsedPublicKey::new(algorithm, point).ok()?;
        Some(Self::Ecdsa { curve, key })
    }

    pub(crate) fn ed25519(bytes: &[u8]) -> Option<Self> {
        let key = ParsedPublicKey::new(&signature::ED25519, bytes).ok()?;
        Some(Self::Ed25519 { key })
    }

    pub(crate) fn rsa(bytes: &[u8]) -> Option<Self> {
        ParsedPublicKey::new(&signature::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, bytes).ok()?;
        Some(Self::Rsa { key: bytes.into() })
    }

    /// The kind of the key, for messages to people.
    pub(crate) fn kind(&self) -> &str {
        match self {
            Self::Ecdsa { curve, .. } => curve.name(),
            Self::Ed25519 { .. } => "Ed25519",
            Self::Rsa { .. } => "RSA",
            Self::Unsupported(kind) => kind,
        }
    }

    /// The bytes of the key without its algorithm: point, Ed25519 key or `RSAPublicKey`.
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::Ecdsa { key, .. } | Self::Ed25519 { key } => key.as_ref(),
            Self::Rsa { key } => key,
            Self::Unsupported(_) => &[],
        }
    }

    /// Verifies the signature of a message as Fabric's members sign: ECDSA with low S over the 32-byte digest of
    /// the family, or Ed25519 over the message itself (spec/03 §7).
    pub(crate) fn verify(
        &self,
        family: HashFamily,
        message: &[u8],
        signed: &[u8],
    ) -> Result<(), SignatureError> {
        match self {
            Self::Ecdsa { curve, key } => {
                let read = EcdsaSignature::read(signed)?;
                if !read.is_low_s(*curve) {
                    return Err(SignatureError::HighS);
                }
                let verdict = match family {
                    HashFamily::Sha2 => key.verify_sig(message, &read.canonical()),
                    HashFamily::Sha3 | HashFamily::Unknown => {
                        // the library knows no SHA3-256 for these curves, but any 32 bytes will do as a digest
                        let digest = fit(family.digest(message)?.as_ref(), &digest::SHA256);
                        let digest = digest.ok_or(SignatureError::Mismatch)?;
                        key.verify_digest_sig(&digest, &read.canonical())
                    }
                };
                verdict.map_err(|_| SignatureError::Mismatch)
            }
            Self::Ed25519 { .. } if signed.is_empty() => Err(SignatureError::Empty),
            Self::Ed25519 { key } => key.verify_sig(message, signed).map_err(|_| SignatureError::Mismatch),
            Self::Rsa { .. } | Self::Unsupported(_) => {
                Err(SignatureError::KeyUnsupported(self.kind().to_owned()))
            }
        }
    }

    /// Verifies the signature of a certificate or CRL by the issuer whose key this is. SHA-1 is allowed for CRLs
    /// only, and any S is accepted (spec/03 §8.5).
    pub(crate) fn verify_issued(
        &self,
        algorithm: SignatureAlgorithm,
        signed: &[u8],
        signature_value: &[u8],
        sha1_allowed: bool,
    ) -> Result<(), IssuerSignatureError> {
        if algorithm == SignatureAlgorithm::Broken || algorithm.uses_sha1() && !sha1_allowed {
            return Err(IssuerSignatureError::Insecure);
        }
        let verdict = match (self, algorithm) {
            (_, SignatureAlgorithm::Unknown) | (Self::Unsupported(_), _) => {
                return Err(IssuerSignatureError::Unsupported);
            }
            (Self::Ecdsa { curve, key }, SignatureAlgorithm::Ecdsa(hash)) => {
                let (algorithm, width) = issuing_algorithm(*curve);
                let digest = digest::digest(hash.algorithm(), signed);
                let digest = fit(digest.as_ref(), width).ok_or(IssuerSignatureError::Unsupported)?;
                UnparsedPublicKey::new(algorithm, key.as_ref()).verify_digest(&digest, signature_value)
            }
            (Self::Ed25519 { key }, SignatureAlgorithm::Ed25519) => key.verify_sig(signed, signature_value),
            (Self::Rsa { key }, SignatureAlgorithm::Rsa(hash)) => {
                UnparsedPublicKey::new(pkcs1(hash), key).verify(signed, signature_value)
            }
            (Self::Rsa { key }, SignatureAlgorithm::RsaPss(hash)) => {
                let algorithm = pss(hash).ok_or(IssuerSignatureError::Unsupported)?;
                UnparsedPublicKey::new(algorithm, key).verify(signed, signature_value)
            }
            _ => return Err(IssuerSignatureError::KeyMismatch),
        };
        verdict.map_err(|_| IssuerSignatureError::Mismatch)
    }
}

/// The library's algorithm that takes the widest digest of a curve, and the hash under whose name it takes it.
fn issuing_algorithm(curve: Curve) -> (&'static EcdsaVerificationAlgorithm, &'static digest::Algorithm) {
    match curve {
        Curve::P256 => (&signature::ECDSA_P256_SHA256_ASN1, &digest::SHA256),
        Curve::P384 => (&signature::ECDSA_P384_SHA384_ASN1, &digest::SHA384),
        Curve::P521 => (&signature::ECDSA_P521_SHA512_ASN1, &digest::SHA512),
    }
}

fn pkcs1(hash: Hash) -> &'static RsaParameters {
    match hash {
        Hash::Sha1 => &signature::RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
        Hash::Sha256 => &signature::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
        Hash::Sha384 => &signature::RSA_PKCS1_2048_8192_SHA384,
        Hash::Sha512 => &signature::RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
    }
}

fn pss(hash: Hash) -> Option<&'static RsaParameters> {
    match hash {
        Hash::Sha1 => None,
        Hash::Sha256 => Some(&signature::RSA_PSS_2048_8192_SHA256),
        Hash::Sha384 => Some(&signature::RSA_PSS_2048_8192_SHA384),
        Hash::Sha512 => Some(&signature::RSA_PSS_2048_8192_SHA512),
    }
}
