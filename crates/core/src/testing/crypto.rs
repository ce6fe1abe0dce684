//! Identities and signatures that cost nothing.
//!
//! An identity is the text `<MSP ID>|<name>`; what follows a `~` makes it a variant of the same certificate with the same
//! key, as another PEM form of a certificate is. A signature is the SHA-256 of key and message.

use crate::ids::{MspId, PkiId};
use crate::input::IdentityClaims;
use crate::time::WallTime;
use bytes::Bytes;
use sha2::{Digest, Sha256};

/// Long after every test.
pub const NEVER: WallTime = WallTime::from_seconds(5_000_000_000);

/// SHA-256 over the concatenated parts.
pub fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// The serialised identity of `name` in `org`.
pub fn identity(org: &str, name: &str) -> Bytes {
    Bytes::from(format!("{org}|{name}"))
}

/// The PKI-ID of an identity.
pub fn pki_id(identity: &[u8]) -> PkiId {
    PkiId::new(digest(&[identity]))
}

/// What an identity proves to be; `None` if it is not of the form that [`identity`] gives.
pub fn claims(identity: &[u8], expires_at: WallTime) -> Option<IdentityClaims> {
    let text = core::str::from_utf8(identity).ok()?;
    let (org, name) = text.split_once('|')?;
    if org.is_empty() || name.is_empty() {
        return None;
    }
    let key_hash = digest(&[key(identity)]);
    Some(IdentityClaims { pki_id: pki_id(identity), org: MspId::from(org), expires_at, key_hash })
}

/// The signature of an identity over a message.
pub fn sign(identity: &[u8], message: &[u8]) -> Bytes {
    Bytes::copy_from_slice(&digest(&[b"signed by ", key(identity), b": ", message]))
}

/// Whether a signature is what [`sign`] gives.
pub fn holds(identity: &[u8], message: &[u8], signature: &[u8]) -> bool {
    sign(identity, message) == signature
}

fn key(identity: &[u8]) -> &[u8] {
    identity.split(|&byte| byte == b'~').next().unwrap_or(identity)
}
