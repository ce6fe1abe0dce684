//! The private key of the node.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest;
use aws_lc_rs::signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use bytes::Bytes;

use super::{Curve, HashFamily, PublicKey, ecdsa_signature, fit};

/// Signs with the node's private key. Clones share the key, which never leaves the crypto library.
#[derive(Clone)]
pub struct Signer {
    key: Arc<Key>,
    family: HashFamily,
}

enum Key {
    Ecdsa(Curve, EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.algorithm())
    }
}

/// Why a message was not signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// The crypto library failed.
    #[error("the crypto library failed to sign")]
    Failed,
    /// The MSP's configuration names a hash family nobody knows.
    #[error("the MSP's signature hash family is not known")]
    HashFamilyUnknown,
}

impl SignError {
    /// A short label for counters.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Failed => "sign_failed",
            Self::HashFamilyUnknown => "sign_hash_family",
        }
    }
}

impl Signer {
    /// Reads an unencrypted private key, PKCS#8 or (for ECDSA) SEC1 in DER. None if it is not one, or not the one that
    /// belongs to the public key.
    pub(crate) fn from_der(der: &[u8], public: &PublicKey, family: HashFamily) -> Option<Self> {
        let key = match public {
            PublicKey::Ecdsa { curve, .. } => {
                let algorithm = match curve {
                    Curve::P256 => &signature::ECDSA_P256_SHA256_FIXED_SIGNING,
                    // there is none with SHA-256: digests are fitted
                    Curve::P384 => &signature::ECDSA_P384_SHA384_FIXED_SIGNING,
                    Curve::P521 => &signature::ECDSA_P521_SHA256_FIXED_SIGNING,
                };
                let key = EcdsaKeyPair::from_private_key_der(algorithm, der).ok()?;
                if key.public_key().as_ref() != public.bytes() {
                    return None;
                }
                Key::Ecdsa(*curve, key)
            }
            PublicKey::Ed25519 { .. } => {
                let key = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).ok()?;
                if key.public_key().as_ref() != public.bytes() {
                    return None;
                }
                Key::Ed25519(key)
            }
            PublicKey::Rsa { .. } | PublicKey::Unsupported(_) => return None,
        };
        Some(Self { key: Arc::new(key), family })
    }

    /// Signs a message as the members of the MSP do: ECDSA in DER with low S over SHA-256 of the message, or the 64
    /// bytes of Ed25519 over the message itself (spec/03 §7).
    ///
    /// # Errors
    ///
    /// If the crypto library fails, which it does only for want of memory or randomness.
    pub fn sign(&self, message: &[u8]) -> Result<Bytes, SignError> {
        match &*self.key {
            Key::Ecdsa(curve, key) => {
                let digest = self.family.digest(message).map_err(|_| SignError::HashFamilyUnknown)?;
                let width = match curve {
                    Curve::P256 | Curve::P521 => &digest::SHA256,
                    Curve::P384 => &digest::SHA384,
                };
                let digest = fit(digest.as_ref(), width).ok_or(SignError::Failed)?;
                let fixed = key.sign_digest(&digest).map_err(|_| SignError::Failed)?;
                ecdsa_signature::from_fixed(*curve, fixed.as_ref()).map(Bytes::from).ok_or(SignError::Failed)
            }
            Key::Ed25519(key) => {
                let signature = key.try_sign(message).map_err(|_| SignError::Failed)?;
                Ok(Bytes::copy_from_slice(signature.as_ref()))
            }
        }
    }

    /// The kind of the key: `P-256`, `P-384`, `P-521` or `Ed25519`.
    pub fn algorithm(&self) -> &'static str {
        match &*self.key {
            Key::Ecdsa(curve, _) => curve.name(),
            Key::Ed25519(_) => "Ed25519",
        }
    }
}
