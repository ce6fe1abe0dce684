//! Making envelopes.

use bytes::Bytes;
use prost::Message;

use crate::gossip::{GossipMessage, Secret, secret::Content};
use crate::wire::put_bytes;

/// The bytes of a message: what is signed, and what [`seal`] puts into an envelope.
pub fn payload_of(message: &GossipMessage) -> Bytes {
    message.encode_to_vec().into()
}

/// The bytes of a secret with this internal endpoint: what is signed, and what [`seal`] puts into a secret envelope.
pub fn secret_payload(internal_endpoint: &str) -> Bytes {
    Secret { content: Some(Content::InternalEndpoint(internal_endpoint.to_owned())) }.encode_to_vec().into()
}

/// A marshalled `gossip.Envelope` around a payload; `secret` is the secret envelope's payload and signature.
pub fn seal(payload: &[u8], signature: &[u8], secret: Option<(&[u8], &[u8])>) -> Bytes {
    let secret = secret.map(|(payload, signature)| envelope(payload, signature, 0));
    // a field of this number takes a byte for its tag and at most ten for its length
    let mut out = envelope(payload, signature, secret.as_ref().map_or(0, |secret| secret.len() + 11));
    if let Some(secret) = secret {
        put_bytes(&mut out, 3, &secret);
    }
    out.into()
}

/// A marshalled `gossip.Envelope` around a message that nobody signs.
pub fn seal_unsigned(message: &GossipMessage) -> Bytes {
    seal(&message.encode_to_vec(), &[], None)
}

/// The two fields that envelope and secret envelope have in common; empty ones are left out.
fn envelope(payload: &[u8], signature: &[u8], spare: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len() + signature.len() + 22 + spare);
    for (number, bytes) in [(1, payload), (2, signature)] {
        if !bytes.is_empty() {
            put_bytes(&mut out, number, bytes);
        }
    }
    out
}
