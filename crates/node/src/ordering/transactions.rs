//! Envelopes as clients of an ordering service make them.

use super::OrderingError;
use bytes::Bytes;
use prost::Message as _;
use prost_types::Timestamp;
use selvedge_msp::Signer;
use selvedge_proto::{block, common};
use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

/// Who signs: an identity and its key.
#[derive(Clone, Debug)]
pub struct Creator {
    /// The serialised identity.
    pub identity: Bytes,
    /// Its key.
    pub signer: Signer,
}

impl Creator {
    /// A marshalled `SignatureHeader` with 24 random bytes as nonce.
    pub(super) fn signature_header(&self) -> Result<Bytes, OrderingError> {
        let header = common::SignatureHeader { creator: self.identity.clone(), nonce: nonce()? };
        Ok(header.encode_to_vec().into())
    }
}

fn nonce() -> Result<Bytes, OrderingError> {
    let mut nonce = [0; 24];
    aws_lc_rs::rand::fill(&mut nonce).map_err(|_| OrderingError::Random)?;
    Ok(Bytes::copy_from_slice(&nonce))
}

/// Seconds since 1970.
pub(super) fn wall_clock() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    i64::try_from(since).unwrap_or(i64::MAX)
}

/// A signed envelope of the given type with the present time, as `Broadcast` takes it and as it stands in a block.
///
/// # Errors
/// [`OrderingError::Sign`] and [`OrderingError::Random`].
pub fn sealed_envelope(
    r#type: common::HeaderType,
    channel: &str,
    data: Bytes,
    creator: &Creator,
) -> Result<common::Envelope, OrderingError> {
    let nonce = nonce()?;
    let mut tx_id = String::with_capacity(64);
    // SHA-256 over nonce and creator
    for byte in block::data_hash(&[nonce.clone(), creator.identity.clone()]) {
        let _ = write!(tx_id, "{byte:02x}");
    }
    let channel_header = common::ChannelHeader {
        r#type: r#type.into(),
        timestamp: Some(Timestamp { seconds: wall_clock(), nanos: 0 }),
        channel_id: channel.to_owned(),
        tx_id,
        ..Default::default()
    };
    let signature_header = common::SignatureHeader { creator: creator.identity.clone(), nonce };
    let payload = common::Payload {
        header: Some(common::Header {
            channel_header: channel_header.encode_to_vec().into(),
            signature_header: signature_header.encode_to_vec().into(),
        }),
        data,
    };
    let payload = Bytes::from(payload.encode_to_vec());
    let signature = creator.signer.sign(&payload)?;
    Ok(common::Envelope { payload, signature })
}

/// A transaction of about `bytes_count` bytes whose content is random. It is of type MESSAGE: nothing was endorsed, and a
/// validating peer flags it as invalid (BAD_COMMON_HEADER). What it carries is at least one byte.
pub(super) fn random_transaction(
    channel: &str,
    bytes_count: usize,
    creator: &Creator,
    random: &mut fastrand::Rng,
) -> Result<Bytes, OrderingError> {
    // headers, lengths and signature: 90 bytes and what varies
    let overhead = 190 + creator.identity.len() + channel.len();
    let mut data = vec![0; bytes_count.saturating_sub(overhead).max(1)];
    random.fill(&mut data);
    let envelope = sealed_envelope(common::HeaderType::Message, channel, data.into(), creator)?;
    Ok(envelope.encode_to_vec().into())
}
