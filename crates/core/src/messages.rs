//! The messages of channels and pulls that this peer makes (spec/01 §6, spec/05 §1.2).
//!
//! Envelopes, blocks and elements are put into place as they are, in one copy, and never encoded again.

use crate::ids::{ChannelId, PkiId};
use bytes::{BufMut, Bytes, BytesMut};
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint};
use selvedge_proto::envelope::{ContentKind, ElementList, Envelope, Part, payload_of};
use selvedge_proto::gossip::gossip_message::{Content, Tag};
use selvedge_proto::gossip::{
    DataDigest, DataRequest, GossipHello, GossipMessage, PeerIdentity, PeerTime, Properties, PullMsgType,
    RemoteStateRequest, StateInfo, StateInfoPullRequest,
};

/// What a pull is about, and where its messages belong.
#[derive(Clone, Copy, Debug)]
pub(crate) enum PullOf<'a> {
    Identities,
    Blocks(&'a ChannelId),
}

impl<'a> PullOf<'a> {
    fn header(self) -> Header<'a> {
        match self {
            Self::Identities => Header { nonce: 0, channel: "", tag: Tag::Empty },
            Self::Blocks(channel) => Header { nonce: 0, channel, tag: Tag::ChanAndOrg },
        }
    }

    fn msg_type(self) -> i32 {
        match self {
            Self::Identities => PullMsgType::IdentityMsg as i32,
            Self::Blocks(_) => PullMsgType::BlockMsg as i32,
        }
    }
}

/// First phase of a pull.
pub(crate) fn hello(of: PullOf<'_>, nonce: u64) -> Bytes {
    let content = GossipHello { nonce, metadata: Bytes::new(), msg_type: of.msg_type() };
    of.header().seal(ContentKind::Hello, &[content.encode_to_vec().into()])
}

/// Second phase of a pull.
pub(crate) fn digest(of: PullOf<'_>, nonce: u64, digests: Vec<Bytes>) -> Bytes {
    let content = DataDigest { nonce, digests, msg_type: of.msg_type() };
    of.header().seal(ContentKind::DataDig, &[content.encode_to_vec().into()])
}

/// Third phase of a pull.
pub(crate) fn request(of: PullOf<'_>, nonce: u64, digests: Vec<Bytes>) -> Bytes {
    let content = DataRequest { nonce, digests, msg_type: of.msg_type() };
    of.header().seal(ContentKind::DataReq, &[content.encode_to_vec().into()])
}

/// Fourth phase of a pull, around envelopes.
pub(crate) fn update(of: PullOf<'_>, nonce: u64, items: &[Envelope]) -> Envelope {
    let mut parts = Vec::with_capacity(2 * items.len() + 2);
    if nonce != 0 {
        parts.push(varint_field(1, nonce));
    }
    for item in items {
        push_bytes_field(&mut parts, 2, item.bytes());
    }
    parts.push(varint_field(3, of.msg_type() as u64));
    let raw = of.header().seal(ContentKind::DataUpdate, &parts);
    let part = |item: &Envelope| Part { list: ElementList::Data, envelope: item.clone() };
    Envelope::holding(raw, items.iter().map(part).collect())
}

/// A block; the second value is the block inside the first, sharing its memory.
pub(crate) fn block(channel: &ChannelId, number: u64, block: &Bytes) -> (Bytes, Bytes) {
    let payload = payload_parts(number, block);
    let mut parts = Vec::with_capacity(payload.len() + 1);
    parts.push(length_prefix(1, length_of(&payload)));
    parts.extend(payload);
    let header = Header { nonce: 0, channel, tag: Tag::ChanAndOrg };
    let envelope = header.seal(ContentKind::DataMsg, &parts);
    let inside = envelope.slice(envelope.len() - block.len()..);
    (envelope, inside)
}

/// A request for a range of blocks, both ends inclusive.
pub(crate) fn state_request(channel: &ChannelId, nonce: u64, first: u64, last: u64) -> Bytes {
    let content = RemoteStateRequest { start_seq_num: first, end_seq_num: last };
    let header = Header { nonce, channel, tag: Tag::ChanOrOrg };
    header.seal(ContentKind::StateRequest, &[content.encode_to_vec().into()])
}

/// Blocks that were asked for under `nonce`.
pub(crate) fn state_response(channel: &ChannelId, nonce: u64, blocks: &[(u64, Bytes)]) -> Bytes {
    let mut parts = Vec::with_capacity(4 * blocks.len());
    for (number, block) in blocks {
        let payload = payload_parts(*number, block);
        parts.push(length_prefix(1, length_of(&payload)));
        parts.extend(payload);
    }
    let header = Header { nonce, channel, tag: Tag::ChanOrOrg };
    header.seal(ContentKind::StateResponse, &parts)
}

/// A request for everybody's state in a channel.
pub(crate) fn state_info_request(mac: &[u8; 32]) -> Bytes {
    let content = StateInfoPullRequest { channel_mac: Bytes::copy_from_slice(mac) };
    let header = Header { nonce: 0, channel: "", tag: Tag::ChanOrOrg };
    header.seal(ContentKind::StateInfoPullReq, &[content.encode_to_vec().into()])
}

/// Everybody's state in a channel.
pub(crate) fn state_info_snapshot(channel: &ChannelId, elements: Vec<Envelope>) -> Envelope {
    let mut parts = Vec::with_capacity(2 * elements.len());
    for element in &elements {
        push_bytes_field(&mut parts, 1, element.bytes());
    }
    let header = Header { nonce: 0, channel, tag: Tag::ChanOrOrg };
    let raw = header.seal(ContentKind::StateSnapshot, &parts);
    let part = |envelope| Part { list: ElementList::Snapshot, envelope };
    Envelope::holding(raw, elements.into_iter().map(part).collect())
}

/// The payload of a StateInfo, to be signed.
pub(crate) fn state_info_payload(
    pki_id: &PkiId,
    mac: &[u8; 32],
    timestamp: (u64, u64),
    ledger_height: u64,
    left_channel: bool,
) -> Bytes {
    let content = StateInfo {
        timestamp: Some(PeerTime { inc_num: timestamp.0, seq_num: timestamp.1 }),
        pki_id: Bytes::copy_from_slice(pki_id.as_bytes()),
        channel_mac: Bytes::copy_from_slice(mac),
        properties: Some(Properties { ledger_height, left_channel, chaincodes: Vec::new() }),
    };
    payload(Tag::ChanOrOrg, Content::StateInfo(content))
}

/// The payload of the own identity as an item of the identity pull, to be signed. Its tag is the one Fabric gives it
/// (spec/01 §5).
pub(crate) fn peer_identity_payload(pki_id: &PkiId, identity: &Bytes) -> Bytes {
    let content = PeerIdentity {
        pki_id: Bytes::copy_from_slice(pki_id.as_bytes()),
        cert: identity.clone(),
        metadata: Bytes::new(),
    };
    payload(Tag::Empty, Content::PeerIdentity(content))
}

fn payload(tag: Tag, content: Content) -> Bytes {
    payload_of(&GossipMessage { nonce: 0, channel: Bytes::new(), tag: tag as i32, content: Some(content) })
}

/// What stands before a message's content.
struct Header<'a> {
    nonce: u64,
    channel: &'a str,
    tag: Tag,
}

impl Header<'_> {
    /// An unsigned envelope around a message with this header and a content that consists of `parts`.
    fn seal(&self, kind: ContentKind, parts: &[Bytes]) -> Bytes {
        let content = GossipMessage {
            nonce: self.nonce,
            channel: Bytes::copy_from_slice(self.channel.as_bytes()),
            tag: self.tag as i32,
            content: None,
        };
        let mut front = BytesMut::from(&content.encode_to_vec()[..]);
        let content_len = length_of(parts);
        encode_key(kind.field_number(), WireType::LengthDelimited, &mut front);
        encode_varint(content_len as u64, &mut front);
        let payload_len = front.len() + content_len;
        let mut envelope = BytesMut::with_capacity(payload_len + 11);
        envelope.put(length_prefix(1, payload_len));
        envelope.put(front);
        for part in parts {
            envelope.put_slice(part);
        }
        envelope.freeze()
    }
}

/// A `gossip.Payload` without private data.
fn payload_parts(number: u64, block: &Bytes) -> Vec<Bytes> {
    let mut parts = Vec::with_capacity(3);
    if number != 0 {
        parts.push(varint_field(1, number));
    }
    push_bytes_field(&mut parts, 2, block);
    parts
}

fn push_bytes_field(parts: &mut Vec<Bytes>, number: u32, bytes: &Bytes) {
    parts.push(length_prefix(number, bytes.len()));
    parts.push(bytes.clone());
}

fn length_prefix(number: u32, length: usize) -> Bytes {
    let mut out = BytesMut::with_capacity(12);
    encode_key(number, WireType::LengthDelimited, &mut out);
    encode_varint(length as u64, &mut out);
    out.freeze()
}

fn varint_field(number: u32, value: u64) -> Bytes {
    let mut out = BytesMut::with_capacity(12);
    encode_key(number, WireType::Varint, &mut out);
    encode_varint(value, &mut out);
    out.freeze()
}

fn length_of(parts: &[Bytes]) -> usize {
    parts.iter().map(Bytes::len).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use selvedge_proto::block::channel_mac;
    use selvedge_proto::envelope::EnvelopeView;

    fn pki_id() -> PkiId {
        PkiId::new(core::array::from_fn(|index| index as u8))
    }

    fn mychannel() -> ChannelId {
        ChannelId::from("mychannel")
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The message inside an envelope.
    fn inside(envelope: Bytes) -> String {
        hex(EnvelopeView::parse(envelope).unwrap().payload())
    }

    // the vectors of spec/05 §16 and spec/06 §1

    #[test]
    fn pulls_are_encoded_as_fabric_does() {
        let channel = mychannel();
        let blocks = PullOf::Blocks(&channel);
        assert_eq!(
            inside(hello(blocks, 0x0102_0304_0506_0708)),
            "12096d796368616e6e656c18044a0c08888e98a8c0e08081011801"
        );
        assert_eq!(inside(hello(PullOf::Identities, 7)), "18014a0408071802");
        let ids = vec![Bytes::from_static(b"99"), Bytes::from_static(b"100")];
        assert_eq!(
            inside(digest(blocks, 7, ids)),
            "12096d796368616e6e656c1804520d08071202393912033130301801"
        );
        let ids = vec![Bytes::from_static(b"100")];
        assert_eq!(inside(request(blocks, 7, ids)), "12096d796368616e6e656c18045a09080712033130301801");
        assert_eq!(inside(update(blocks, 7, &[]).bytes().clone()), "12096d796368616e6e656c1804620408071801");
        let item = Bytes::from_static(&[0x0a, 2, 1, 2, 0x12, 1, 3]);
        assert_eq!(
            inside(update(PullOf::Identities, 1, &[item.into()]).bytes().clone()),
            "1801620d080112070a0201021201031802"
        );
    }

    #[test]
    fn a_block_is_encoded_as_fabric_does_and_shared() {
        let (envelope, inner) = block(&mychannel(), 100, &Bytes::from_static(&[0xde, 0xad]));
        assert_eq!(hex(&envelope), "0a1712096d796368616e6e656c180442080a0608641202dead");
        assert_eq!(&inner[..], &[0xde, 0xad]);
        let (envelope, _) = block(&mychannel(), 5, &Bytes::from_static(b"blk"));
        assert_eq!(inside(envelope), "12096d796368616e6e656c180442090a0708051203626c6b");
    }

    #[test]
    fn state_transfer_is_encoded_as_fabric_does() {
        let channel = mychannel();
        assert_eq!(inside(state_request(&channel, 1, 5, 15)), "080112096d796368616e6e656c18059201040805100f");
        let blocks = [(5, Bytes::from_static(b"blk"))];
        assert_eq!(
            inside(state_response(&channel, 1, &blocks)),
            "080112096d796368616e6e656c18059a01090a0708051203626c6b"
        );
        assert_eq!(inside(state_response(&channel, 1, &[])), "080112096d796368616e6e656c18059a0100");
    }

    #[test]
    fn state_infos_are_encoded_as_fabric_does() {
        let mac = channel_mac(pki_id().as_bytes(), b"mychannel");
        assert_eq!(hex(&mac), "8a306cdbd99099d0aee440b1c020292a7fe2d628613ce016c2c86c09794a485b");
        assert_eq!(
            inside(state_info_request(&mac)),
            "18058a01220a208a306cdbd99099d0aee440b1c020292a7fe2d628613ce016c2c86c09794a485b"
        );
        let timestamp = (1_700_000_000_000_000_000, 1_700_000_005_000_000_000);
        assert_eq!(
            hex(&state_info_payload(&pki_id(), &mac, timestamp, 5, false)),
            "18057a5e1214088080a8b1e39fe7cb171080e4bf81f69fe7cb171a20000102030405060708090a0b0c0d0e0f101112131415161718\
             191a1b1c1d1e1f22208a306cdbd99099d0aee440b1c020292a7fe2d628613ce016c2c86c09794a485b2a020805"
        );
        let element = Envelope::from(Bytes::from_static(&[0x0a, 2, 1, 2, 0x12, 1, 3]));
        let snapshot = |elements| state_info_snapshot(&ChannelId::from("A"), elements).bytes().clone();
        assert_eq!(inside(snapshot(vec![element])), "12014118058201090a070a020102120103");
        assert_eq!(inside(snapshot(vec![])), "1201411805820100");
    }

    #[test]
    fn an_identity_is_encoded_as_fabric_does() {
        assert_eq!(
            hex(&peer_identity_payload(&pki_id(), &Bytes::from_static(&[1, 2, 3]))),
            "1801aa01270a20000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f1203010203"
        );
    }
}
