//! All cryptography of the crate: sign, verify, digest, low-S. The only module that knows the crypto library.

mod ecdsa_signature;
mod public_key;
mod signer;

use aws_lc_rs::digest;

pub(crate) use ecdsa_signature::EcdsaSignature;
pub use public_key::IssuerSignatureError;
pub(crate) use public_key::{Hash, PublicKey, SignatureAlgorithm};
pub use signer::{SignError, Signer};

use crate::der::DerError;

/// Why a signature was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// No signature at all.
    #[error("the signature is empty")]
    Empty,
    /// Not DER of two integers (ECDSA), or not 64 bytes (Ed25519).
    #[error("the signature is not well encoded: {0}")]
    NotDer(#[from] DerError),
    /// r or s is zero or negative.
    #[error("r and s of the signature must be positive")]
    NotPositive,
    /// s is greater than half the order of the group: valid mathematics that Fabric refuses.
    #[error("s of the signature is greater than half the order of the group")]
    HighS,
    /// The key cannot verify messages: RSA keys are for certificate authorities only.
    #[error("a key of this kind cannot sign messages: {0}")]
    KeyUnsupported(String),
    /// The MSP's configuration names a hash family nobody knows.
    #[error("the MSP's signature hash family is not known")]
    HashFamilyUnknown,
    /// The signature is not by this key over this message.
    #[error("the signature does not match")]
    Mismatch,
}

impl SignatureError {
    /// A short label for counters.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Empty => "signature_empty",
            Self::NotDer(_) => "signature_encoding",
            Self::NotPositive => "signature_not_positive",
            Self::HighS => "signature_high_s",
            Self::KeyUnsupported(_) => "signature_key_unsupported",
            Self::HashFamilyUnknown => "signature_hash_family",
            Self::Mismatch => "signature_mismatch",
        }
    }
}

/// The elliptic curves whose keys may sign. Fabric also knows P-224, which the crypto library does not offer:
/// certificates with such keys are refused by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Curve {
    P256,
    P384,
    P521,
}

impl Curve {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
        }
    }

    /// The order n of the group, big-endian.
    pub(crate) fn order(self) -> &'static [u8] {
        match self {
            Self::P256 => &P256_ORDER,
            Self::P384 => &P384_ORDER,
            Self::P521 => &P521_ORDER,
        }
    }

    /// ⌊n/2⌋, big-endian, as wide as the order.
    pub(crate) fn half_order(self) -> &'static [u8] {
        match self {
            Self::P256 => &P256_HALF,
            Self::P384 => &P384_HALF,
            Self::P521 => &P521_HALF,
        }
    }
}

const P256_ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc,
    0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];
const P384_ORDER: [u8; 48] = [
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xc7, 0x63, 0x4d, 0x81, 0xf4, 0x37, 0x2d, 0xdf, 0x58, 0x1a,
    0x0d, 0xb2, 0x48, 0xb0, 0xa7, 0x7a, 0xec, 0xec, 0x19, 0x6a, 0xcc, 0xc5, 0x29, 0x73,
];
const P521_ORDER: [u8; 66] = [
    0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfa,
    0x51, 0x86, 0x87, 0x83, 0xbf, 0x2f, 0x96, 0x6b, 0x7f, 0xcc, 0x01, 0x48, 0xf7, 0x09, 0xa5, 0xd0, 0x3b,
    0xb5, 0xc9, 0xb8, 0x89, 0x9c, 0x47, 0xae, 0xbb, 0x6f, 0xb7, 0x1e, 0x91, 0x38, 0x64, 0x09,
];
const P256_HALF: [u8; 32] = half(&P256_ORDER);
const P384_HALF: [u8; 48] = half(&P384_ORDER);
const P521_HALF: [u8; 66] = half(&P521_ORDER);

const fn half<const WIDTH: usize>(order: &[u8; WIDTH]) -> [u8; WIDTH] {
    let mut halved = [0; WIDTH];
    let mut carry = 0;
    let mut index = 0;
    while index < WIDTH {
        halved[index] = order[index] >> 1 | carry << 7;
        carry = order[index] & 1;
        index += 1;
    }
    halved
}

/// Which hash the signatures of an MSP's members use (`FabricCryptoConfig.signature_hash_family`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) enum HashFamily {
    #[default]
    Sha2,
    Sha3,
    /// Something else: no signature verifies.
    Unknown,
}

impl HashFamily {
    pub(crate) fn from_name(name: &str) -> Self {
        match name {
            "" | "SHA2" => Self::Sha2,
            "SHA3" => Self::Sha3,
            _ => Self::Unknown,
        }
    }

    /// The 32-byte digest that is signed, whatever the curve.
    fn digest(self, message: &[u8]) -> Result<digest::Digest, SignatureError> {
        match self {
            Self::Sha2 => Ok(digest::digest(&digest::SHA256, message)),
            Self::Sha3 => Ok(digest::digest(&digest::SHA3_256, message)),
            Self::Unknown => Err(SignatureError::HashFamilyUnknown),
        }
    }
}

/// Which hash makes certifiers identifiers (`FabricCryptoConfig.identity_identifier_hash_function`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IdentifierHash {
    Sha256,
    Sha384,
    Sha3_256,
    Sha3_384,
}

impl IdentifierHash {
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        match name {
            "" | "SHA256" => Some(Self::Sha256),
            "SHA384" => Some(Self::Sha384),
            "SHA3_256" => Some(Self::Sha3_256),
            "SHA3_384" => Some(Self::Sha3_384),
            _ => None,
        }
    }

    pub(crate) fn hash<'a>(self, parts: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
        let algorithm = match self {
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha3_256 => &digest::SHA3_256,
            Self::Sha3_384 => &digest::SHA3_384,
        };
        let mut context = digest::Context::new(algorithm);
        for part in parts {
            context.update(part);
        }
        context.finish().as_ref().to_vec()
    }
}

/// SHA-256 of the parts one after the other.
pub(crate) fn sha256<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(part);
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

/// A digest widened with zeros on the left, or cut on the right, to what the algorithm that the library offers for a
/// curve expects. ECDSA reads a digest as a number: leading zeros do not change it, and of a digest longer than the
/// order only the leftmost bits count. That is how SHA-256 is used with P-384 here.
fn fit(hash: &[u8], algorithm: &'static digest::Algorithm) -> Option<digest::Digest> {
    let width = algorithm.output_len();
    let mut fitted = vec![0; width.saturating_sub(hash.len())];
    fitted.extend_from_slice(hash.get(..hash.len().min(width))?);
    digest::Digest::import_less_safe(&fitted, algorithm).ok()
}

#[cfg(test)]
mod tests;
