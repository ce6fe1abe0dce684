//! What Fabric's decoder accepts is accepted, what it refuses is refused (spec/01 §1, §16.5).

#![allow(clippy::unwrap_used)]

mod common;

use bytes::Bytes;
use common::hex;
use proptest::prelude::*;
use prost::Message;
use selvedge_proto::WireError;
use selvedge_proto::common::{ConfigGroup, Envelope as TransactionEnvelope};
use selvedge_proto::decode;
use selvedge_proto::envelope::{ContentKind, EnvelopeView, seal};
use selvedge_proto::gossip::gossip_message::Content;
use selvedge_proto::gossip::{AliveMessage, GossipMessage, Member, PeerTime, StateInfo};
use selvedge_proto::validate::{self, Malformed};

fn view(payload: &str) -> Result<EnvelopeView, WireError> {
    EnvelopeView::parse(seal(&hex(payload), &[], None))
}

/// Both ways of reading agree on an accepted message.
fn accepted(payload: &str, nonce: u64, tag: i32, kind: ContentKind) {
    let view = view(payload).unwrap();
    let message = view.message().unwrap();
    assert_eq!((view.nonce(), view.tag(), view.kind()), (nonce, tag, kind), "{payload}");
    assert_eq!((message.nonce, message.tag, ContentKind::of(&message)), (nonce, tag, kind), "{payload}");
}

fn refused(payload: &str, error: WireError) {
    let outcome = view(payload).and_then(|view| view.message());
    assert_eq!(outcome, Err(error), "{payload}");
}

#[test]
fn an_empty_payload_has_no_tag() {
    accepted("", 0, 0, ContentKind::None);
    assert_eq!(validate::tag(&view("").unwrap()), Err(Malformed::TagUndefined));
}

#[test]
fn unknown_fields_are_passed_over() {
    accepted("1801f20101416a00", 0, 1, ContentKind::Empty);
}

#[test]
fn an_unknown_content_is_none() {
    accepted("1801d20100", 0, 1, ContentKind::None);
    assert_eq!(validate::tag(&view("1801d20100").unwrap()), Err(Malformed::ContentMissing));
}

#[test]
fn of_two_contents_the_last_one_counts() {
    accepted("18016a00b20100", 0, 1, ContentKind::Ack);
}

#[test]
fn a_known_field_with_another_wire_type_is_unknown() {
    accepted("0a014118016a00", 0, 1, ContentKind::Empty);
    // the same, inside of a content and of what it holds: alive message {membership {pki_id as number}, timestamp}
    let message = view("18012a0d 0a021807 120508e8071005 1807").unwrap().message().unwrap();
    let Some(Content::AliveMsg(alive)) = message.content else { panic!("not alive") };
    assert_eq!(alive.membership, Some(Member::default()));
    assert_eq!(alive.timestamp, Some(PeerTime { inc_num: 1000, seq_num: 5 }));
}

#[test]
fn text_must_be_utf_8() {
    refused("18012a050a030a01ff", WireError::Utf8);
    // the same where something else is odd as well
    refused("0a014118012a050a030a01ff", WireError::Utf8);
}

#[test]
fn the_order_of_fields_does_not_matter() {
    accepted("6a0018010803", 3, 1, ContentKind::Empty);
}

#[test]
fn numbers_may_be_longer_than_they_need() {
    accepted("08810018016a00", 1, 1, ContentKind::Empty);
    // and so may lengths and tags
    accepted("880001 18 8100 ea8000 8000", 1, 1, ContentKind::Empty);
}

#[test]
fn of_two_numbers_the_last_one_counts() {
    accepted("0801080218016a00", 2, 1, ContentKind::Empty);
}

#[test]
fn a_message_must_not_end_early() {
    refused("18012a05", WireError::Truncated);
    refused("18", WireError::Truncated);
    refused("1880", WireError::Truncated);
}

#[test]
fn groups_are_passed_over() {
    accepted("18015354", 0, 1, ContentKind::None);
    // with fields of every wire type in it, and another group
    accepted("5308012d00000000310000000000000000120141f30108ff01f40154 18016a00", 0, 1, ContentKind::Empty);
    // field numbers in a group may be greater than elsewhere
    accepted("53f8ffffff3f005418016a00", 0, 1, ContentKind::Empty);
}

#[test]
fn groups_must_be_whole() {
    refused("1801530154", WireError::FieldNumber);
    refused("180153", WireError::Truncated);
    refused("1801535c", WireError::GroupEnd);
    refused("180154", WireError::GroupEnd);
    refused("180153f8ffffff7f0054", WireError::FieldNumber);
}

#[test]
fn groups_may_be_nested_ten_thousand_deep() {
    let nested = |depth: usize| {
        let mut payload = hex("1801");
        payload.extend(std::iter::repeat_n(0x53, depth));
        payload.extend(std::iter::repeat_n(0x54, depth));
        EnvelopeView::parse(seal(&payload, &[], None)).and_then(|view| view.message())
    };
    // the outermost group does not count
    assert_eq!(nested(10_001).map(|message| message.tag), Ok(1));
    assert_eq!(nested(10_002), Err(WireError::TooDeep));
}

#[test]
fn messages_nested_too_deeply_are_refused() {
    let nested = |depth: usize| {
        let mut group = ConfigGroup::default();
        for _ in 0..depth {
            group = ConfigGroup { groups: [("group".into(), group)].into(), ..ConfigGroup::default() };
        }
        group.encode_to_vec()
    };
    assert!(decode::<ConfigGroup>(nested(20)).is_ok());
    assert_eq!(decode::<ConfigGroup>(nested(200)), Err(WireError::TooDeep));
}

#[test]
fn field_numbers_and_wire_types_are_limited() {
    refused("0001", WireError::FieldNumber);
    refused("8080808010 00", WireError::FieldNumber);
    refused("f8ffffffff0f 00 0e", WireError::FieldNumber);
    refused("0f", WireError::WireType);
    refused("0e", WireError::WireType);
}

#[test]
fn numbers_have_at_most_64_bits() {
    accepted("08ffffffffffffffffff0118016a00", u64::MAX, 1, ContentKind::Empty);
    refused("08ffffffffffffffffff0218016a00", WireError::Varint);
    refused("08ffffffffffffffffffff0118016a00", WireError::Varint);
}

#[test]
fn an_enumeration_keeps_what_it_does_not_know() {
    accepted("18066a00", 0, 6, ContentKind::Empty);
    // the lower 32 bits of it
    accepted("188180808080016a00", 0, 1, ContentKind::Empty);
}

#[test]
fn a_content_that_stands_there_twice_is_merged() {
    // alive {pki_id "P"}, then alive {timestamp 1000/5}
    let twice = view("18012a050a031a01502a0712 0508e8071005").unwrap();
    let key = twice.alive_key().unwrap();
    assert_eq!((key.pki_id, key.inc_num, key.seq_num), (&b"P"[..], 1000, 5));
    let alive: AliveMessage = twice.content_as().unwrap();
    assert_eq!(twice.message().unwrap().content, Some(Content::AliveMsg(alive.clone())));
    assert_eq!(alive.membership.unwrap().pki_id, "P");
    // with another content between them, the last one counts alone
    let replaced = view("18012a050a031a01506a002a07120508e8071005").unwrap();
    assert_eq!(replaced.alive_key(), None);
    let Some(Content::AliveMsg(alive)) = replaced.message().unwrap().content else { panic!("not alive") };
    assert_eq!(alive.membership, None);
}

#[test]
fn a_key_is_merged_like_the_message_it_is_read_from() {
    // state info with two timestamps, {inc 1, seq 2} and {seq 3}, and two PKI-IDs
    let info = view("18057a10 120408011002 12021003 1a0141 1a0142").map(|view| {
        let key = view.state_info_key().map(|key| (key.pki_id.to_vec(), key.inc_num, key.seq_num));
        (key, view.content_as::<StateInfo>())
    });
    let (key, decoded) = info.unwrap();
    assert_eq!(key, Some((b"B".to_vec(), 1, 3)));
    assert_eq!(decoded.unwrap().timestamp, Some(PeerTime { inc_num: 1, seq_num: 3 }));
}

#[test]
fn what_is_decoded_shares_the_buffer() {
    let raw = Bytes::from(
        TransactionEnvelope {
            payload: Bytes::from_static(&[7; 100]),
            signature: Bytes::from_static(&[8; 70]),
        }
        .encode_to_vec(),
    );
    let envelope: TransactionEnvelope = decode(raw.clone()).unwrap();
    assert!(raw.as_ptr_range().contains(&envelope.payload.as_ptr()));
    assert!(raw.as_ptr_range().contains(&envelope.signature.as_ptr()));
}

/// Fields that Fabric takes for unknown, wherever they stand.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        // number 30, which nothing uses
        Just(hex("f201020102")),
        Just(hex("f00105")),
        Just(hex("f3010801f401")),
        // number 4, unused here, as number and as text that is no text
        Just(hex("2005")),
        // a nonce of eight bytes, a channel that is a number, a tag that is bytes
        Just(hex("090102030405060708")),
        Just(hex("1005")),
        Just(hex("1a01ff")),
        // a group in the place of an alive message, and a number
        Just(hex("2b2c")),
        Just(hex("2801")),
    ]
}

proptest! {
    /// Noise between the fields changes nothing, though prost alone would refuse much of it.
    #[test]
    fn unknown_fields_change_nothing(
        noise in proptest::collection::vec(noise(), 4),
        nonce in any::<u64>(),
        channel in "[a-z]{0,9}",
        pki_id in proptest::collection::vec(any::<u8>(), 0..40),
    ) {
        let part = |message: GossipMessage| message.encode_to_vec();
        let alive = AliveMessage {
            membership: Some(Member { pki_id: pki_id.clone().into(), ..Member::default() }),
            timestamp: Some(PeerTime { inc_num: nonce, seq_num: 1 }),
            ..AliveMessage::default()
        };
        let whole = GossipMessage {
            nonce,
            channel: channel.clone().into(),
            tag: 1,
            content: Some(Content::AliveMsg(alive.clone())),
        };
        let noisy = [
            noise[0].clone(),
            part(GossipMessage { nonce, ..GossipMessage::default() }),
            noise[1].clone(),
            part(GossipMessage { channel: channel.into(), tag: 1, ..GossipMessage::default() }),
            noise[2].clone(),
            part(GossipMessage { content: whole.content.clone(), ..GossipMessage::default() }),
            noise[3].clone(),
        ]
        .concat();
        let view = EnvelopeView::parse(seal(&noisy, b"s", None)).unwrap();
        prop_assert_eq!(view.message(), Ok(whole.clone()));
        prop_assert_eq!(view.kind(), ContentKind::AliveMsg);
        prop_assert_eq!(view.nonce(), nonce);
        prop_assert_eq!(view.channel_bytes(), whole.channel);
        let key = view.alive_key().map(|key| (key.pki_id.to_vec(), key.inc_num));
        prop_assert_eq!(key, (!pki_id.is_empty()).then_some((pki_id, nonce)));
    }

    /// Reading agrees with prost wherever prost reads at all.
    #[test]
    fn what_prost_reads_is_read_alike(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        if let Ok(message) = GossipMessage::decode(&bytes[..]) {
            prop_assert_eq!(decode::<GossipMessage>(bytes.clone()), Ok(message));
        }
    }
}
