//! The messages of membership, as bytes (spec/04 §1). Envelopes inside are put there as they came.

use crate::config::LocalPeer;
use crate::ids::Endpoint;
use bytes::{BufMut, Bytes, BytesMut};
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint};
use selvedge_proto::envelope::{ContentKind, ElementList, Envelope, Part, payload_of};
use selvedge_proto::gossip::gossip_message::{Content, Tag};
use selvedge_proto::gossip::{AliveMessage, GossipMessage, Member, PeerTime};

const SELF_INFORMATION: u32 = 1;
const ALIVE: u32 = 1;
const DEAD: u32 = 2;
const PAYLOAD: u32 = 1;

/// The payload of the own alive message; the identity may be empty.
pub(super) fn alive_payload(
    me: &LocalPeer,
    endpoint: &Endpoint,
    (inc_num, seq_num): (u64, u64),
    identity: Bytes,
) -> Bytes {
    let member = Member {
        endpoint: endpoint.as_str().to_owned(),
        metadata: Bytes::new(),
        pki_id: Bytes::copy_from_slice(me.pki_id.as_bytes()),
    };
    let timestamp = PeerTime { inc_num, seq_num };
    let content = AliveMessage { membership: Some(member), timestamp: Some(timestamp), identity };
    payload_of(&GossipMessage {
        tag: Tag::Empty as i32,
        content: Some(Content::AliveMsg(content)),
        ..GossipMessage::default()
    })
}

/// A membership request around the envelope of an alive message.
pub(super) fn request(self_information: Envelope, nonce: u64) -> Envelope {
    let raw = seal(ContentKind::MemReq, nonce, &[(SELF_INFORMATION, self_information.bytes())]);
    let list = ElementList::SelfInformation;
    Envelope::holding(raw, vec![Part { list, envelope: self_information }])
}

/// A membership response around envelopes of alive messages.
pub(super) fn response(alive: Vec<Envelope>, dead: Vec<Envelope>, nonce: u64) -> Envelope {
    let of = |number, list| move |envelope: Envelope| (number, Part { list, envelope });
    let alive = alive.into_iter().map(of(ALIVE, ElementList::Alive));
    let (numbers, parts): (Vec<u32>, Vec<Part>) =
        alive.chain(dead.into_iter().map(of(DEAD, ElementList::Dead))).unzip();
    let bytes = parts.iter().map(|part| &part.envelope.bytes()[..]);
    let fields: Vec<_> = numbers.into_iter().zip(bytes).collect();
    let raw = seal(ContentKind::MemRes, nonce, &fields);
    Envelope::holding(raw, parts)
}

/// An unsigned envelope around a message whose content has these fields.
fn seal(kind: ContentKind, nonce: u64, fields: &[(u32, &[u8])]) -> Bytes {
    let header = GossipMessage { nonce, tag: Tag::Empty as i32, ..GossipMessage::default() }.encode_to_vec();
    // the tags of fields 1 and 2 take a byte, those of both contents too
    let content_len: usize = fields.iter().map(|(_, bytes)| field_len(bytes.len())).sum();
    let payload_len = header.len() + field_len(content_len);
    let mut out = BytesMut::with_capacity(field_len(payload_len));
    put_prefix(&mut out, PAYLOAD, payload_len);
    out.put_slice(&header);
    put_prefix(&mut out, kind.field_number(), content_len);
    for (number, bytes) in fields {
        put_prefix(&mut out, *number, bytes.len());
        out.put_slice(bytes);
    }
    out.freeze()
}

fn field_len(len: usize) -> usize {
    1 + encoded_len_varint(len as u64) + len
}

fn put_prefix(out: &mut BytesMut, number: u32, len: usize) {
    encode_key(number, WireType::LengthDelimited, out);
    encode_varint(len as u64, out);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{MspId, PkiId};
    use crate::time::WallTime;
    use selvedge_proto::envelope::{EnvelopeView, secret_payload};

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn inside(envelope: Bytes) -> String {
        hex(EnvelopeView::parse(envelope).unwrap().payload())
    }

    const INNER: &[u8] = &[0x0a, 2, 1, 2, 0x12, 1, 3];

    // the vectors of spec/04 §16 and spec/01 §16.1

    #[test]
    fn an_alive_message_is_encoded_as_fabric_does() {
        let me = LocalPeer {
            pki_id: PkiId::new(core::array::from_fn(|index| index as u8)),
            org: MspId::from("Org1MSP"),
            identity: Bytes::new(),
            expires_at: WallTime::default(),
            incarnation: 0,
        };
        let endpoint = Endpoint::from("peer0.org1.example.com:7051");
        let time = (1_700_000_000_000_000_000, 3);
        assert_eq!(
            hex(&alive_payload(&me, &endpoint, time, Bytes::new())),
            "18012a4f0a3f0a1b70656572302e6f7267312e6578616d706c652e636f6d3a373035311a2000010203040506\
             0708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f120c088080a8b1e39fe7cb171003"
        );
        assert_eq!(
            hex(&secret_payload(&endpoint)),
            "0a1b70656572302e6f7267312e6578616d706c652e636f6d3a37303531"
        );
    }

    #[test]
    fn a_request_is_encoded_as_fabric_does() {
        let request = |inner: &'static [u8], nonce| {
            request(Envelope::from(Bytes::from_static(inner)), nonce).bytes().clone()
        };
        assert_eq!(inside(request(&[0x12, 1, 1], 9)), "0809180132050a03120101");
        assert_eq!(inside(request(INNER, 300)), "08ac02180132090a070a020102120103");
    }

    #[test]
    fn a_response_is_encoded_as_fabric_does() {
        let inner = Envelope::from(Bytes::from_static(INNER));
        let response = |alive, dead, nonce| response(alive, dead, nonce).bytes().clone();
        let both = response(vec![inner.clone()], vec![inner], 300);
        assert_eq!(inside(both), "08ac0218013a120a070a02010212010312070a020102120103");
        assert_eq!(inside(response(vec![], vec![], 0)), "18013a00");
    }

    #[test]
    fn large_responses_have_their_lengths_right() {
        let element = selvedge_proto::envelope::seal(&[], &[7; 300], None);
        let inner = Envelope::from(element.clone());
        let envelope = response(vec![inner; 1000], vec![], u64::MAX);
        let view = EnvelopeView::parse(envelope.bytes().clone()).unwrap();
        assert_eq!(view.kind(), ContentKind::MemRes);
        assert_eq!(view.nonce(), u64::MAX);
        assert!(view.elements().all(|it| it.unwrap().envelope == element));
        assert_eq!(view.elements().count(), 1000);
    }
}
