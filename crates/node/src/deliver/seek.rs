//! The request: a signed `SeekInfo` (spec/07 §12.1).

use bytes::Bytes;
use prost::Message as _;
use prost_types::Timestamp;
use selvedge_msp::{SignError, Signer};
use selvedge_proto::common::{ChannelHeader, Envelope, Header, HeaderType, Payload, SignatureHeader};
use selvedge_proto::orderer::seek_info::SeekContentType;
use selvedge_proto::orderer::{SeekInfo, SeekNewest, SeekPosition, SeekSpecified, seek_position};

/// Asks for every block from `start` on, without end.
pub fn seek_info(start: u64, content: SeekContentType) -> SeekInfo {
    endless(seek_position::Type::Specified(SeekSpecified { number: start }), content)
}

/// Asks for the newest block, and for every one after it, without end.
pub fn seek_newest(content: SeekContentType) -> SeekInfo {
    endless(seek_position::Type::Newest(SeekNewest {}), content)
}

fn endless(start: seek_position::Type, content: SeekContentType) -> SeekInfo {
    let position = |position| Some(SeekPosition { r#type: Some(position) });
    let stop = seek_position::Type::Specified(SeekSpecified { number: u64::MAX });
    // behaviour BLOCK_UNTIL_READY and error response STRICT are zero
    let (start, stop) = (position(start), position(stop));
    SeekInfo { start, stop, content_type: content.into(), ..Default::default() }
}

/// What varies in a request.
#[derive(Clone, Debug)]
pub struct SeekRequest<'a> {
    /// The channel.
    pub channel: &'a str,
    /// Which blocks.
    pub info: SeekInfo,
    /// Wall clock, seconds since 1970.
    pub seconds: i64,
    /// 24 random bytes.
    pub nonce: [u8; 24],
    /// Serialised identity of the asking peer.
    pub identity: &'a Bytes,
    /// SHA-256 of the DER of the TLS client certificate, if one is presented.
    pub tls_certificate_hash: Option<[u8; 32]>,
}

/// The signed envelope.
///
/// # Errors
/// What the signer says.
pub fn seek_envelope(request: &SeekRequest<'_>, signer: &Signer) -> Result<Envelope, SignError> {
    let channel_header = ChannelHeader {
        r#type: HeaderType::DeliverSeekInfo.into(),
        timestamp: Some(Timestamp { seconds: request.seconds, nanos: 0 }),
        channel_id: request.channel.to_owned(),
        tls_cert_hash: request
            .tls_certificate_hash
            .map(|hash| Bytes::copy_from_slice(&hash))
            .unwrap_or_default(),
        ..Default::default()
    };
    let signature_header =
        SignatureHeader { creator: request.identity.clone(), nonce: Bytes::copy_from_slice(&request.nonce) };
    let payload = Payload {
        header: Some(Header {
            channel_header: channel_header.encode_to_vec().into(),
            signature_header: signature_header.encode_to_vec().into(),
        }),
        data: request.info.encode_to_vec().into(),
    };
    let payload = Bytes::from(payload.encode_to_vec());
    let signature = signer.sign(&payload)?;
    Ok(Envelope { payload, signature })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn seek_info_is_fabrics_byte_for_byte() {
        let full = |start| hex(&seek_info(start, SeekContentType::Block).encode_to_vec());
        assert_eq!(full(1), "0a041a020801120d1a0b08ffffffffffffffffff01");
        assert_eq!(full(0), "0a021a00120d1a0b08ffffffffffffffffff01");
        assert_eq!(full(300), "0a051a0308ac02120d1a0b08ffffffffffffffffff01");
        let headers = seek_info(1, SeekContentType::HeaderWithSig);
        assert_eq!(hex(&headers.encode_to_vec()), "0a041a020801120d1a0b08ffffffffffffffffff012801");
        let newest = seek_newest(SeekContentType::HeaderWithSig);
        assert_eq!(hex(&newest.encode_to_vec()), "0a020a00120d1a0b08ffffffffffffffffff012801");
    }

    #[test]
    fn channel_header_is_fabrics_byte_for_byte() {
        let header = ChannelHeader {
            r#type: HeaderType::DeliverSeekInfo.into(),
            channel_id: "mychannel".to_owned(),
            ..Default::default()
        };
        assert_eq!(hex(&header.encode_to_vec()), "080522096d796368616e6e656c");
    }
}
