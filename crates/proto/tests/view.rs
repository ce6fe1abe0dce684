//! What a view of an envelope says, and what it leaves alone.

#![allow(clippy::unwrap_used)]

mod common;

use bytes::Bytes;
use common::hex;
use prost::Message;
use selvedge_proto::WireError;
use selvedge_proto::envelope::{
    Element, ElementList, EnvelopeView, Part, payload_of, seal, seal_unsigned, secret_payload,
};
use selvedge_proto::gossip::gossip_message::Content;
use selvedge_proto::gossip::{Envelope, GossipMessage, SecretEnvelope};

fn parse(text: &str) -> EnvelopeView {
    EnvelopeView::parse(hex(text).into()).unwrap()
}

#[test]
fn slices_share_the_received_buffer() {
    let raw = Bytes::from(hex("0a0712014118056a00 2000"));
    let view = EnvelopeView::parse(raw.clone()).unwrap();
    for slice in [view.payload_bytes(), view.channel_bytes()] {
        assert!(raw.as_ptr_range().contains(&slice.as_ptr()));
    }
    assert_eq!(view.raw().as_ptr(), raw.as_ptr());
    assert_eq!(view.channel(), b"A");
}

#[test]
fn payload_and_signature_alone_are_bare() {
    for bare in ["0a021801", "0a021801 120105", "120105 0a021801"] {
        let view = parse(bare);
        assert_eq!(view.bare().raw().as_ptr(), view.raw().as_ptr(), "nothing is copied of {bare}");
    }
    let whole =
        ["0a021801 120105 1a00", "0a021801 4a0102 120105", "0a00 0a021801 120105", "0a021801 120109 120105"];
    for whole in whole {
        assert_eq!(parse(whole).bare().raw(), &hex("0a021801 120105"), "{whole}");
    }
}

#[test]
fn a_detached_envelope_does_not_keep_the_greater_message() {
    // a snapshot of one element
    let greater = Bytes::from(hex("0a0e 1805 820109 0a07 0a021801 120105"));
    let part = EnvelopeView::parse(greater.clone()).unwrap().parts().next().unwrap().unwrap();
    let view = part.envelope.view().unwrap();
    assert!(greater.as_ptr_range().contains(&view.raw().as_ptr()));
    let detached = view.detached();
    assert_eq!(detached, view);
    assert!(!greater.as_ptr_range().contains(&detached.raw().as_ptr()));
    assert_eq!(detached.detached().raw().as_ptr(), detached.raw().as_ptr(), "once is enough");
}

#[test]
fn parts_are_shared_by_whoever_gets_the_envelope() {
    let part = selvedge_proto::envelope::Envelope::from(Bytes::from(hex("0a021801 120105")));
    let raw = Bytes::from(hex("0a0e 1805 820109 0a07 0a021801 120105"));
    let list = ElementList::Snapshot;
    let holding =
        selvedge_proto::envelope::Envelope::holding(raw.clone(), vec![Part { list, envelope: part.clone() }]);
    let [shared, read] =
        [holding, raw.into()].map(|envelope| envelope.view().unwrap().parts().collect::<Vec<_>>());
    assert_eq!(shared, read);
    let shared = shared.into_iter().next().unwrap().unwrap();
    assert_eq!(shared.envelope.bytes().as_ptr(), part.bytes().as_ptr());
}

#[test]
fn what_alive_messages_and_state_infos_say_is_read_without_decoding() {
    let alive = EnvelopeView::parse(seal_unsigned(&decode_hex(
        "1801 2a13 0a0b 0a01 61 12020102 1a020304 1200 2202 0708",
    )))
    .unwrap();
    assert_eq!((alive.alive_endpoint(), alive.alive_metadata_len()), ("a", 2));
    assert_eq!((alive.alive_has_endpoint(), &alive.alive_identity()[..]), (true, &[7, 8][..]));
    assert_eq!(alive.state_info_properties(), (0, false));
    let info =
        EnvelopeView::parse(seal_unsigned(&decode_hex("1805 7a0c 1200 1a020304 2a040805 1001"))).unwrap();
    assert_eq!(info.state_info_properties(), (5, true));
    assert_eq!((info.alive_endpoint(), info.alive_has_endpoint()), ("", false));
}

fn decode_hex(message: &str) -> GossipMessage {
    selvedge_proto::decode(Bytes::from(hex(message))).unwrap()
}

#[test]
fn an_envelope_that_is_none_is_still_carried() {
    let bytes = Bytes::from(hex("0a05"));
    let envelope = selvedge_proto::envelope::Envelope::from(bytes.clone());
    assert_eq!((envelope.bytes(), envelope.byte_count()), (&bytes, 2));
    assert_eq!(envelope.view().err(), EnvelopeView::parse(bytes).err());
    assert!(envelope.view().is_err());
}

#[test]
fn a_secret_in_the_middle_is_cut_out_and_nothing_else() {
    // secret, unknown field 9, payload, secret again, signature
    let view = parse("1a060a0104120105 4a0102 0a021801 1a03120106 120103");
    let secret = view.secret().unwrap();
    assert_eq!((secret.payload(), secret.signature()), (&[4][..], &[6][..]), "merged, the last one counts");
    assert_eq!(view.without_secret(), hex("4a0102 0a021801 120103"));
}

#[test]
fn two_secrets_at_the_end_are_both_cut() {
    let view = parse("0a021801 1a030a0104 1a03120105");
    assert_eq!(view.without_secret(), hex("0a021801"));
    let secret = view.secret().unwrap();
    assert_eq!((secret.payload(), secret.signature()), (&[4][..], &[5][..]));
}

#[test]
fn a_secret_field_of_another_wire_type_is_no_secret() {
    let view = parse("0a021801 1805");
    assert!(view.secret().is_none());
    assert_eq!(view.without_secret(), hex("0a021801 1805"));
}

#[test]
fn an_empty_secret_is_there() {
    let view = parse("0a021801 1a00");
    let secret = view.secret().unwrap();
    assert_eq!((secret.payload(), secret.signature(), secret.internal_endpoint()), (&[][..], &[][..], ""));
    assert_eq!(view.without_secret(), hex("0a021801"));
}

#[test]
fn a_secret_that_does_not_parse_has_no_endpoint() {
    for payload in ["0a05", "0a01ff", "1001", ""] {
        let sealed = seal(&[], &[], Some((&hex(payload), b"s")));
        let view = EnvelopeView::parse(sealed).unwrap();
        assert_eq!(view.secret().unwrap().internal_endpoint(), "", "{payload}");
    }
    let sealed = seal(&[], &[], Some((&secret_payload("10.0.0.1:7051"), b"s")));
    assert_eq!(EnvelopeView::parse(sealed).unwrap().secret().unwrap().internal_endpoint(), "10.0.0.1:7051");
}

#[test]
fn an_undecodable_secret_envelope_makes_the_envelope_undecodable() {
    assert_eq!(EnvelopeView::parse(hex("0a021801 1a020a05").into()).err(), Some(WireError::Truncated));
}

#[test]
fn an_undecodable_envelope_is_refused() {
    for (text, error) in
        [("0a05", WireError::Truncated), ("0a020800ff", WireError::Truncated), ("0c", WireError::GroupEnd)]
    {
        assert_eq!(EnvelopeView::parse(hex(text).into()).err(), Some(error), "{text}");
    }
}

#[test]
fn of_two_payloads_the_last_one_counts() {
    let view = parse("0a0418016a000a0418026a00");
    assert_eq!(view.tag(), 2);
    assert_eq!(view.payload(), hex("18026a00"));
}

#[test]
fn sealing_is_what_the_encoder_does() {
    let envelope = Envelope {
        payload: hex("1801").into(),
        signature: hex("03").into(),
        secret_envelope: Some(SecretEnvelope { payload: hex("04").into(), signature: hex("05").into() }),
    };
    assert_eq!(seal(&[0x18, 1], &[3], Some((&[4], &[5]))), envelope.encode_to_vec());
    assert_eq!(EnvelopeView::from_envelope(&envelope).unwrap().raw()[..], envelope.encode_to_vec());
    assert_eq!(seal(&[], &[], None), Bytes::new());
    let message = GossipMessage { nonce: 300, tag: 1, ..GossipMessage::default() };
    assert_eq!(seal_unsigned(&message), seal(&payload_of(&message), &[], None));
}

#[test]
fn elements_come_in_their_order_and_undecoded() {
    // membership response: dead "b", alive "a" (not an envelope at all), something unknown
    let payload = hex("18013a09 120162 0a0161 1a0163");
    let view = EnvelopeView::parse(seal(&payload, &[], None)).unwrap();
    let elements: Result<Vec<_>, _> = view.elements().collect();
    let element = |list, text: &'static str| Element { list, envelope: text.into() };
    assert_eq!(elements, Ok(vec![element(ElementList::Dead, "b"), element(ElementList::Alive, "a")]));
}

#[test]
fn elements_end_with_the_first_error() {
    let view = EnvelopeView::parse(seal(&hex("18013a050a01610a05"), &[], None)).unwrap();
    let elements: Vec<_> = view.elements().collect();
    assert_eq!(elements.len(), 2);
    assert_eq!(elements.last(), Some(&Err(WireError::Truncated)));
}

#[test]
fn a_self_information_that_stands_there_twice_is_merged() {
    // membership request with {payload} and {signature}
    let view = EnvelopeView::parse(seal(&hex("1801 320a 0a040a021801 0a021200"), &[], None)).unwrap();
    let elements: Vec<_> = view.elements().map(Result::unwrap).collect();
    assert_eq!(elements.len(), 1);
    let Some(Content::MemReq(request)) = view.message().unwrap().content else { panic!("not a request") };
    let merged = EnvelopeView::parse(elements[0].envelope.clone()).unwrap();
    assert_eq!(merged.payload(), request.self_information.unwrap().payload);
}

#[test]
fn contents_without_elements_have_none() {
    let view = EnvelopeView::parse(seal(&hex("18012a050a03610162"), &[], None)).unwrap();
    assert_eq!(view.elements().count(), 0);
}

#[test]
fn an_incomplete_key_is_none() {
    for payload in [
        // no PKI-ID; no timestamp; no membership; undecodable timestamp; another content
        "18012a090a00120508e8071005",
        "18012a050a031a0150",
        "18012a07120508e8071005",
        "18012a0b0a031a0150120408e80780",
        "18016a00",
    ] {
        let view = EnvelopeView::parse(seal(&hex(payload), &[], None)).unwrap();
        assert_eq!(view.alive_key(), None, "{payload}");
        assert_eq!(view.state_info_key(), None, "{payload}");
        assert_eq!(view.leadership_key(), None, "{payload}");
        assert_eq!(view.block_number(), None, "{payload}");
        assert_eq!(view.pull(), None, "{payload}");
    }
}

#[test]
fn a_timestamp_of_zeros_is_a_timestamp() {
    let view = EnvelopeView::parse(seal(&hex("18012a070a031a01501200"), &[], None)).unwrap();
    let key = view.alive_key().unwrap();
    assert_eq!((key.pki_id, key.inc_num, key.seq_num), (&b"P"[..], 0, 0));
}

#[test]
fn debug_output_shows_what_matters() {
    let text = format!("{:?}", parse("0a0708ac02b20101ff120103"));
    assert!(text.contains("kind: Ack"), "{text}");
    assert!(text.contains("nonce: 300"), "{text}");
    assert!(text.contains("content: ff"), "{text}");
    assert!(text.contains("signed: true"), "{text}");
}
