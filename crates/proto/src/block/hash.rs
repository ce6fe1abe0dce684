//! What of a block is hashed, and how (spec/07 §2, §3).

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::common::BlockHeader;

/// The form of a header that is hashed and signed: DER of
/// `SEQUENCE { number INTEGER, previous_hash OCTET STRING, data_hash OCTET STRING }`.
///
/// The hashes may have any length, as they come from outside.
pub fn header_bytes(header: &BlockHeader) -> Vec<u8> {
    let number = header.number.to_be_bytes();
    // an integer's first bit is its sign, and leading zeros are left out
    let zeros = number.iter().take(7).take_while(|&&byte| byte == 0).count();
    let digits = number.get(zeros..).unwrap_or_default();
    let pad = digits.first().is_some_and(|&byte| byte >= 0x80);
    let mut integer = Vec::with_capacity(9);
    if pad {
        integer.push(0);
    }
    integer.extend_from_slice(digits);

    let inner_bytes = header.previous_hash.len() + header.data_hash.len() + 32;
    let mut inner = Vec::with_capacity(inner_bytes);
    put(&mut inner, 0x02, &integer);
    put(&mut inner, 0x04, &header.previous_hash);
    put(&mut inner, 0x04, &header.data_hash);
    let mut outer = Vec::with_capacity(inner.len() + 10);
    put(&mut outer, 0x30, &inner);
    outer
}

/// Appends one DER value.
fn put(out: &mut Vec<u8>, tag: u8, content: &[u8]) {
    out.push(tag);
    match u8::try_from(content.len()) {
        Ok(length) if length < 0x80 => out.push(length),
        _ => {
            let length = (content.len() as u64).to_be_bytes();
            let zeros = length.iter().take_while(|&&byte| byte == 0).count();
            let digits = length.get(zeros..).unwrap_or_default();
            // at most eight digits
            out.push(0x80 | digits.len() as u8);
            out.extend_from_slice(digits);
        }
    }
    out.extend_from_slice(content);
}

/// The hash of a block: SHA-256 over [`header_bytes`], whatever the channel's configuration says of hashes.
pub fn header_hash(header: &BlockHeader) -> [u8; 32] {
    Sha256::digest(header_bytes(header)).into()
}

/// The hash of a block's data: SHA-256 over the entries, one after the other, with nothing in between. Ambiguous, so
/// worth nothing unless [`transactions_are_well_formed`](super::transactions_are_well_formed).
pub fn data_hash(entries: &[Bytes]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for entry in entries {
        hash.update(entry);
    }
    hash.finalize().into()
}

/// What stands for a channel where its name must not be told: SHA-256 over the PKI-ID and the channel's name
/// (spec/01 §12).
pub fn channel_mac(pki_id: &[u8], channel: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(pki_id).chain_update(channel).finalize().into()
}
