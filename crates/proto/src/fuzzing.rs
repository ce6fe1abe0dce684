//! What the fuzz targets do, as plain functions: they must not panic, whatever the bytes.
//!
//! The targets in `fuzz/` call them; so does a test, with fewer inputs and with the corpora checked in there, on every change.

mod corpus;
mod edit;

pub use corpus::{corpus, noise};
pub use edit::edited;

use bytes::Bytes;
use prost::Message;

use crate::common::Block;
use crate::envelope::{ContentKind, EnvelopeView, seal};
use crate::gossip::{DataDigest, Envelope, GossipMessage};
use crate::{block, decode, digest, validate};

/// Reads `data` as an envelope in both ways, which must agree.
pub fn envelope(data: &[u8]) {
    let raw = Bytes::copy_from_slice(data);
    let view = EnvelopeView::parse(raw.clone());
    assert_eq!(crate::blank_envelope(&raw).len(), raw.len());
    let decoded = decode::<Envelope>(raw.clone())
        .and_then(|envelope| Ok((decode::<GossipMessage>(envelope.payload.clone())?, envelope)));
    match (view, decoded) {
        (Ok(view), Ok((message, envelope))) => agree(&view, &message, &envelope),
        (Err(error), Ok(_)) => panic!("only the view refuses it: {error}"),
        // the view does not look into the content
        (Ok(view), Err(_)) => exercise(&view),
        (Err(_), Err(_)) => {}
    }
}

/// Reads `data` as a message.
pub fn message(data: &[u8]) {
    let Ok(message) = decode::<GossipMessage>(data.to_vec()) else { return };
    let _ = validate::message(&message);
    let again = message.encode_to_vec();
    assert_eq!(decode::<GossipMessage>(again.clone()).as_ref(), Ok(&message), "encoding keeps the meaning");
    let sealed = seal(&again, b"signature", Some((b"payload", b"")));
    let view = EnvelopeView::parse(sealed).expect("what was encoded here parses");
    assert_eq!(view.kind(), ContentKind::of(&message));
    exercise(&view);
}

/// Reads `data` as a block, and as the only entry of one.
pub fn block(data: &[u8]) {
    let entry = [Bytes::copy_from_slice(data)];
    if block::transactions_are_well_formed(&entry).is_ok() {
        let _ = block::channel_header(&entry[0]);
    }
    assert_eq!(crate::blank_block(&entry[0]).len(), data.len());
    let Ok(read) = decode::<Block>(data.to_vec()) else { return };
    let _ = block::check_data(&read);
    let _ = block::refuse_config_among_others(block::entries(&read));
    let _ = block::channel_id(&read);
    let _ = block::config_envelope(&read);
    let _ = block::last_config_index(&read);
    let _ = block::transactions_filter(&read);
    if let Some(header) = &read.header {
        let bytes = block::header_bytes(header);
        assert!(bytes.len() > header.previous_hash.len() + header.data_hash.len());
        if let Ok(signatures) = block::signatures(&read) {
            let _ = signatures.orderer_metadata();
            for entry in &signatures.entries {
                let _ = block::signed_bytes(&signatures.value, &entry.signature_header, header);
            }
        }
    }
}

/// Reads `data` as a digest, and as an item of one.
pub fn digest(data: &[u8]) {
    if let Some(number) = digest::block_number(data) {
        let text = core::str::from_utf8(data).expect("digits are text");
        assert_eq!(text.parse(), Ok(number));
    }
    let Ok(message) = decode::<DataDigest>(data.to_vec()) else { return };
    for item in &message.digests {
        if let Some(number) = digest::block_number(item) {
            assert_eq!(digest::block_number(&digest::of_block(number)), Some(number));
        }
    }
}

/// Both ways of reading an envelope say the same.
fn agree(view: &EnvelopeView, message: &GossipMessage, envelope: &Envelope) {
    assert_eq!(view.payload(), envelope.payload);
    assert_eq!(view.signature(), envelope.signature);
    assert_eq!(view.secret().is_some(), envelope.secret_envelope.is_some());
    if let (Some(view), Some(secret)) = (view.secret(), &envelope.secret_envelope) {
        assert_eq!(view.payload(), secret.payload);
        assert_eq!(view.signature(), secret.signature);
    }
    assert_eq!(view.nonce(), message.nonce);
    assert_eq!(view.tag(), message.tag);
    assert_eq!(view.channel(), message.channel);
    assert_eq!(view.kind(), ContentKind::of(message));
    assert_eq!(view.message().as_ref(), Ok(message));
    let stripped = decode::<Envelope>(view.without_secret()).expect("parses without its secret");
    assert_eq!(stripped, Envelope { secret_envelope: None, ..envelope.clone() });
    keys_agree(view, message);
    exercise(view);
}

/// What is read without decoding is what decoding gives.
fn keys_agree(view: &EnvelopeView, message: &GossipMessage) {
    use crate::gossip::gossip_message::Content;
    let key = view.alive_key().map(|key| (key.pki_id.to_vec(), key.inc_num, key.seq_num));
    let state = view.state_info_key().map(|key| (key.pki_id.to_vec(), key.inc_num, key.seq_num));
    match &message.content {
        Some(Content::AliveMsg(alive)) => {
            let member = alive.membership.as_ref().filter(|member| !member.pki_id.is_empty());
            let time = alive.timestamp.as_ref();
            let wanted =
                member.zip(time).map(|(member, time)| (member.pki_id.to_vec(), time.inc_num, time.seq_num));
            assert_eq!(key, wanted);
        }
        Some(Content::StateInfo(info)) => {
            let time = info.timestamp.as_ref().filter(|_| !info.pki_id.is_empty());
            assert_eq!(state, time.map(|time| (info.pki_id.to_vec(), time.inc_num, time.seq_num)));
        }
        Some(Content::DataMsg(data)) => {
            assert_eq!(view.block_number(), data.payload.as_ref().map(|payload| payload.seq_num));
        }
        Some(Content::DataUpdate(update)) => {
            let pull = view.pull().expect("decodes");
            assert_eq!((pull.nonce, pull.msg_type), (update.nonce, update.msg_type));
            assert_eq!(view.elements().count(), update.data.len());
        }
        _ => assert_eq!((key, state, view.block_number()), (None, None, None)),
    }
}

/// Everything a view can be asked before its content is known to decode.
fn exercise(view: &EnvelopeView) {
    let _ = validate::tag(view);
    let _ = validate::signed(view);
    let _ =
        (view.alive_key(), view.leadership_key(), view.state_info_key(), view.block_number(), view.pull());
    let _ = view.secret().map(|secret| secret.internal_endpoint());
    let stripped = EnvelopeView::parse(view.without_secret()).expect("parses without its secret");
    assert!(stripped.secret().is_none());
    assert_eq!(stripped.payload(), view.payload());
    for element in view.elements().flatten() {
        let Ok(element) = EnvelopeView::parse(element.envelope) else { continue };
        let _ = validate::nested_alive(&element);
        let _ = validate::nested_state_info(&element);
        let _ = validate::nested_identity(&element);
        let _ = validate::nested_block(&element, view.channel());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    /// Fields one after the other, most of them whole, so that something beyond the first error is reached.
    fn fields(depth: u32) -> BoxedStrategy<Vec<u8>> {
        let number = prop_oneof![4 => 1_u8..6, 3 => 5_u8..27, 1 => 0_u8..32];
        let leaf = prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..12),
            "[0-9]{0,21}".prop_map(String::into_bytes),
            Just(vec![0x80, 0x00]),
        ];
        let inner = if depth == 0 { leaf.boxed() } else { prop_oneof![leaf, fields(depth - 1)].boxed() };
        let field = prop_oneof![
            8 => (number.clone(), inner.clone()).prop_map(|(number, inner)| tagged(number, 2, &length(&inner))),
            4 => (number.clone(), any::<u8>()).prop_map(|(number, value)| tagged(number, 0, &[value & 0x7f])),
            1 => (number.clone(), inner).prop_map(|(number, inner)| {
                tagged(number, 3, &[inner, tagged(number, 4, &[])].concat())
            }),
            1 => (number, any::<[u8; 8]>()).prop_map(|(number, value)| tagged(number, 1, &value)),
            1 => proptest::collection::vec(any::<u8>(), 0..6),
        ];
        proptest::collection::vec(field, 0..6).prop_map(|fields| fields.concat()).boxed()
    }

    fn tagged(number: u8, wire_type: u8, value: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        crate::wire::put_varint(&mut out, u64::from(number) << 3 | u64::from(wire_type));
        out.extend_from_slice(value);
        out
    }

    fn length(inner: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        crate::wire::put_varint(&mut out, inner.len() as u64);
        out.extend_from_slice(inner);
        out
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn fields_never_panic(data in fields(4)) {
            super::envelope(&data);
            super::message(&data);
            super::block(&data);
            super::digest(&data);
        }

        #[test]
        fn fields_of_a_message_never_panic(payload in fields(4), rest in fields(1)) {
            super::envelope(&[tagged(1, 2, &length(&payload)), rest].concat());
        }

        #[test]
        fn edited_messages_never_panic(payload in fields(4), script in proptest::collection::vec(any::<u8>(), 0..30)) {
            let whole = tagged(1, 2, &length(&payload));
            super::envelope(&super::edited(&whole, &script));
        }

        #[test]
        fn bytes_never_panic(data in proptest::collection::vec(any::<u8>(), 0..200)) {
            super::envelope(&data);
            super::message(&data);
            super::block(&data);
            super::digest(&data);
        }
    }
    #[test]
    fn the_corpora_never_panic() {
        super::corpus("envelope", super::envelope);
        super::corpus("message", super::message);
        super::corpus("block", super::block);
        super::corpus("digest", super::digest);
    }
}
