//! One message for every reason to refuse it, and the messages that crash a Go peer (spec/01 §5, §8, §15.1).

#![allow(clippy::unwrap_used)]

mod common;

use bytes::Bytes;
use prost::Message;
use selvedge_proto::envelope::{ContentKind, EnvelopeView, seal, seal_unsigned};
use selvedge_proto::gossip::gossip_message::{Content, Tag};
use selvedge_proto::gossip::*;
use selvedge_proto::validate::{self, Malformed};
use selvedge_proto::{WireError, rwset};

fn message(content: Content) -> GossipMessage {
    GossipMessage { channel: "mychannel".into(), content: Some(content), ..GossipMessage::default() }
}

fn verdict(content: Content) -> Result<(), Malformed> {
    validate::message(&message(content))
}

fn view(message: &GossipMessage) -> EnvelopeView {
    EnvelopeView::parse(seal_unsigned(message)).unwrap()
}

fn tag_of(content: &Content, tag: i32) -> Result<(), Malformed> {
    validate::tag(&view(&GossipMessage { tag, ..message(content.clone()) }))
}

fn time() -> Option<PeerTime> {
    Some(PeerTime { inc_num: 1, seq_num: 1 })
}

fn alive() -> AliveMessage {
    let membership = Some(Member { pki_id: "P".into(), ..Member::default() });
    AliveMessage { membership, timestamp: time(), identity: Bytes::new() }
}

fn state_info() -> StateInfo {
    StateInfo { timestamp: time(), pki_id: "P".into(), channel_mac: "M".into(), properties: None }
}

fn leadership() -> LeadershipMessage {
    LeadershipMessage { pki_id: "P".into(), timestamp: time(), is_declaration: true }
}

fn data() -> DataMessage {
    DataMessage { payload: Some(Payload { seq_num: 1, data: "block".into(), private_data: Vec::new() }) }
}

fn hello(msg_type: i32) -> Content {
    Content::Hello(GossipHello { msg_type, ..GossipHello::default() })
}

/// One valid content of each kind.
fn contents() -> Vec<Content> {
    let blocks = PullMsgType::BlockMsg as i32;
    let identity = PeerIdentity { pki_id: "P".into(), cert: "I".into(), metadata: Bytes::new() };
    let conn = ConnEstablish { pki_id: "P".into(), identity: "I".into(), ..ConnEstablish::default() };
    let rwset = PrivatePayload { private_rwset: "R".into(), ..PrivatePayload::default() };
    vec![
        Content::AliveMsg(alive()),
        Content::MemReq(MembershipRequest {
            self_information: Some(Envelope { payload: "P".into(), ..Envelope::default() }),
            known: Vec::new(),
        }),
        Content::MemRes(MembershipResponse::default()),
        Content::DataMsg(data()),
        hello(blocks),
        Content::DataDig(DataDigest { msg_type: blocks, ..DataDigest::default() }),
        Content::DataReq(DataRequest { msg_type: blocks, ..DataRequest::default() }),
        Content::DataUpdate(DataUpdate { msg_type: blocks, ..DataUpdate::default() }),
        Content::Empty(Empty {}),
        Content::Conn(conn),
        Content::StateInfo(state_info()),
        Content::StateSnapshot(StateInfoSnapshot::default()),
        Content::StateInfoPullReq(StateInfoPullRequest { channel_mac: "M".into() }),
        Content::StateRequest(RemoteStateRequest::default()),
        Content::StateResponse(RemoteStateResponse::default()),
        Content::LeadershipMsg(leadership()),
        Content::PeerIdentity(identity),
        Content::Ack(Acknowledgement::default()),
        Content::PrivateReq(RemotePvtDataRequest::default()),
        Content::PrivateRes(RemotePvtDataResponse::default()),
        Content::PrivateData(PrivateDataMessage { payload: Some(rwset) }),
    ]
}

#[test]
fn every_kind_has_a_valid_content() {
    let contents = contents();
    let kinds: Vec<_> = contents.iter().map(|content| view(&message(content.clone())).kind()).collect();
    assert_eq!(kinds, ContentKind::ALL[1..]);
    for content in contents {
        assert_eq!(verdict(content.clone()), Ok(()), "{content:?}");
    }
}

#[test]
fn kinds_are_known_by_number_and_name() {
    for (kind, content) in ContentKind::ALL[1..].iter().zip(contents()) {
        assert_eq!(ContentKind::from_field_number(kind.field_number()), Some(*kind));
        let descriptor = common::pool().get_message_by_name("gossip.GossipMessage").unwrap();
        let field = descriptor.get_field(kind.field_number()).unwrap();
        assert_eq!(kind.name(), field.name());
        assert_eq!(kind.message_name(), field.kind().as_message().unwrap().name());
        assert_eq!(kind.to_string(), field.name());
        assert_eq!(ContentKind::of(&message(content)), *kind);
    }
    assert_eq!(ContentKind::from_field_number(0), None);
    assert_eq!(ContentKind::from_field_number(4), None);
    assert_eq!(ContentKind::from_field_number(26), None);
}

#[test]
fn each_content_has_its_tag() {
    use ContentKind as Kind;
    for content in contents() {
        let kind = view(&message(content.clone())).kind();
        let demanded = match kind {
            Kind::AliveMsg | Kind::MemReq | Kind::MemRes => Tag::Empty,
            Kind::DataMsg | Kind::LeadershipMsg => Tag::ChanAndOrg,
            Kind::Hello | Kind::DataDig | Kind::DataReq | Kind::DataUpdate => Tag::ChanAndOrg,
            Kind::PeerIdentity => Tag::OrgOnly,
            Kind::Empty | Kind::Conn | Kind::Ack => Tag::Undefined,
            Kind::PrivateReq | Kind::PrivateRes | Kind::PrivateData => Tag::Undefined,
            _ => Tag::ChanOrOrg,
        };
        for tag in -1..=6 {
            let expected = match demanded {
                // the gossip core does not look at these
                Tag::Undefined => Ok(()),
                _ if tag == demanded as i32 => Ok(()),
                _ if tag == 0 => Err(Malformed::TagUndefined),
                _ => Err(Malformed::TagIllegal),
            };
            assert_eq!(tag_of(&content, tag), expected, "{kind} with tag {tag}");
        }
    }
}

#[test]
fn the_tag_of_a_pull_depends_on_what_is_pulled() {
    assert_eq!(tag_of(&hello(2), Tag::Empty as i32), Ok(()));
    assert_eq!(tag_of(&hello(2), Tag::ChanAndOrg as i32), Err(Malformed::TagIllegal));
    assert_eq!(tag_of(&hello(1), Tag::ChanAndOrg as i32), Ok(()));
    assert_eq!(tag_of(&hello(1), Tag::Empty as i32), Err(Malformed::TagIllegal));
    assert_eq!(tag_of(&hello(0), Tag::Empty as i32), Err(Malformed::PullTypeUnknown));
    assert_eq!(tag_of(&hello(3), Tag::Empty as i32), Err(Malformed::PullTypeUnknown));
    assert_eq!(tag_of(&hello(3), 0), Err(Malformed::TagUndefined), "the tag comes first");
}

#[test]
fn a_message_needs_a_content() {
    assert_eq!(validate::message(&GossipMessage::default()), Err(Malformed::ContentMissing));
    let tagged = view(&GossipMessage { tag: 1, ..GossipMessage::default() });
    assert_eq!(validate::tag(&tagged), Err(Malformed::ContentMissing));
}

#[test]
fn contents_of_a_channel_need_a_channel() {
    use ContentKind as Kind;
    for content in contents() {
        let message = GossipMessage { channel: Bytes::new(), ..message(content) };
        let expected = match ContentKind::of(&message) {
            Kind::AliveMsg | Kind::MemReq | Kind::MemRes | Kind::Empty | Kind::Conn | Kind::Ack => Ok(()),
            Kind::PeerIdentity | Kind::StateInfo | Kind::StateInfoPullReq => Ok(()),
            _ => Err(Malformed::ChannelMissing),
        };
        assert_eq!(validate::message(&message), expected, "{:?}", message.content);
    }
    // an identity pull has none
    let pull = GossipMessage { channel: Bytes::new(), ..message(hello(2)) };
    assert_eq!(validate::message(&pull), Ok(()));
}

#[test]
fn alive_messages() {
    let refused = |alive| verdict(Content::AliveMsg(alive)).unwrap_err();
    assert_eq!(refused(AliveMessage { membership: None, ..alive() }), Malformed::MembershipMissing);
    let nobody = Some(Member { endpoint: "h:1".into(), ..Member::default() });
    assert_eq!(refused(AliveMessage { membership: nobody, ..alive() }), Malformed::PkiIdMissing);
    assert_eq!(refused(AliveMessage { timestamp: None, ..alive() }), Malformed::TimestampMissing);
}

#[test]
fn membership_requests() {
    let refused = |self_information| {
        verdict(Content::MemReq(MembershipRequest { self_information, known: Vec::new() })).unwrap_err()
    };
    assert_eq!(refused(None), Malformed::SelfInformationMissing);
    assert_eq!(refused(Some(Envelope::default())), Malformed::SelfInformationMissing);
}

#[test]
fn data_messages() {
    let refused = |payload| verdict(Content::DataMsg(DataMessage { payload })).unwrap_err();
    assert_eq!(refused(None), Malformed::PayloadMissing);
    assert_eq!(refused(Some(Payload { seq_num: 3, ..Payload::default() })), Malformed::BlockMissing);
}

#[test]
fn pulls_of_something_else() {
    assert_eq!(verdict(hello(0)), Err(Malformed::PullTypeUnknown));
    assert_eq!(verdict(hello(3)), Err(Malformed::PullTypeUnknown));
    assert_eq!(verdict(Content::DataDig(DataDigest::default())), Err(Malformed::PullTypeUnknown));
    assert_eq!(verdict(Content::DataReq(DataRequest::default())), Err(Malformed::PullTypeUnknown));
    assert_eq!(verdict(Content::DataUpdate(DataUpdate::default())), Err(Malformed::PullTypeUnknown));
}

#[test]
fn handshakes_and_identities() {
    let conn = |pki_id: &'static str, identity: &'static str| {
        let conn = ConnEstablish { pki_id: pki_id.into(), identity: identity.into(), ..Default::default() };
        verdict(Content::Conn(conn)).unwrap_err()
    };
    assert_eq!(conn("", "I"), Malformed::PkiIdMissing);
    assert_eq!(conn("P", ""), Malformed::IdentityMissing);
    let identity = |pki_id: &'static str, cert: &'static str| {
        let identity = PeerIdentity { pki_id: pki_id.into(), cert: cert.into(), metadata: Bytes::new() };
        verdict(Content::PeerIdentity(identity)).unwrap_err()
    };
    assert_eq!(identity("", "I"), Malformed::PkiIdMissing);
    assert_eq!(identity("P", ""), Malformed::IdentityMissing);
}

#[test]
fn state_info_messages() {
    let refused = |info| verdict(Content::StateInfo(info)).unwrap_err();
    assert_eq!(refused(StateInfo { timestamp: None, ..state_info() }), Malformed::TimestampMissing);
    assert_eq!(refused(StateInfo { pki_id: Bytes::new(), ..state_info() }), Malformed::PkiIdMissing);
    assert_eq!(refused(StateInfo { channel_mac: Bytes::new(), ..state_info() }), Malformed::ChannelMissing);
    let request = Content::StateInfoPullReq(StateInfoPullRequest::default());
    assert_eq!(verdict(request), Err(Malformed::ChannelMissing));
}

#[test]
fn state_requests_and_responses() {
    let request = |start_seq_num, end_seq_num| {
        verdict(Content::StateRequest(RemoteStateRequest { start_seq_num, end_seq_num }))
    };
    assert_eq!(request(5, 5), Ok(()));
    assert_eq!(request(5, 4), Err(Malformed::RangeInvalid));
    let response = |data: &'static str, private_data: Vec<Bytes>| {
        let payloads = vec![Payload { seq_num: 5, data: data.into(), private_data }];
        verdict(Content::StateResponse(RemoteStateResponse { payloads }))
    };
    assert_eq!(response("", Vec::new()), Err(Malformed::BlockMissing));
    let transaction = rwset::TxPvtReadWriteSet::default().encode_to_vec();
    let good = PvtDataPayload { tx_seq_in_block: 3, payload: transaction.into() }.encode_to_vec();
    assert_eq!(response("block", vec![good.clone().into()]), Ok(()));
    let undecodable = Err(Malformed::PrivateDataUndecodable);
    assert_eq!(response("block", vec![good.into(), "\u{1}".into()]), undecodable);
    let inner = PvtDataPayload { tx_seq_in_block: 3, payload: "\u{1}".into() }.encode_to_vec();
    assert_eq!(response("block", vec![inner.into()]), undecodable);
}

#[test]
fn leadership_messages() {
    let refused = |message| verdict(Content::LeadershipMsg(message)).unwrap_err();
    let nobody = LeadershipMessage { pki_id: Bytes::new(), ..leadership() };
    assert_eq!(refused(nobody), Malformed::PkiIdMissing);
    let never = LeadershipMessage { timestamp: None, ..leadership() };
    assert_eq!(refused(never), Malformed::TimestampMissing);
}

#[test]
fn private_data() {
    let element = PvtDataElement { digest: None, payload: vec!["R".into()] };
    let response = RemotePvtDataResponse { elements: vec![element] };
    assert_eq!(verdict(Content::PrivateRes(response)), Err(Malformed::DigestMissing));
    let refused = |payload| verdict(Content::PrivateData(PrivateDataMessage { payload })).unwrap_err();
    assert_eq!(refused(None), Malformed::PayloadMissing);
    assert_eq!(refused(Some(PrivatePayload::default())), Malformed::RwsetMissing);
}

#[test]
fn signatures_that_are_not_there() {
    let signed = |payload: &[u8], signature: &[u8], secret: Option<(&[u8], &[u8])>| {
        validate::signed(&EnvelopeView::parse(seal(payload, signature, secret)).unwrap())
    };
    let payload = &[0x18, 1];
    assert_eq!(signed(payload, b"S", None), Ok(()));
    assert_eq!(signed(payload, b"S", Some((b"P", b"S"))), Ok(()));
    assert_eq!(signed(&[], b"S", None), Err(Malformed::SignedPayloadMissing));
    assert_eq!(signed(payload, &[], None), Err(Malformed::SignatureMissing));
    assert_eq!(signed(payload, b"S", Some((&[], b"S"))), Err(Malformed::SecretPayloadMissing));
    assert_eq!(signed(payload, b"S", Some((b"P", &[]))), Err(Malformed::SecretSignatureMissing));
    assert_eq!(signed(payload, b"S", Some((&[], &[]))), Err(Malformed::SecretPayloadMissing));
}

#[test]
fn elements_of_another_kind() {
    let block = view(&message(Content::DataMsg(data())));
    let alive = view(&message(Content::AliveMsg(alive())));
    let unexpected = Malformed::ContentUnexpected;
    assert_eq!(validate::nested_alive(&block), Err(unexpected));
    assert_eq!(validate::nested_state_info(&block), Err(unexpected));
    assert_eq!(validate::nested_identity(&block), Err(unexpected));
    assert_eq!(validate::nested_block(&alive, b"mychannel"), Err(unexpected));
    assert_eq!(validate::nested_alive(&view(&GossipMessage::default())), Err(unexpected));
}

#[test]
fn elements_that_do_not_parse() {
    // an alive message whose endpoint is no text
    let payload = common::hex("18012a050a030a01ff");
    let view = EnvelopeView::parse(seal(&payload, b"S", None)).unwrap();
    assert_eq!(validate::nested_alive(&view), Err(Malformed::Unparsable(WireError::Utf8)));
}

#[test]
fn an_element_of_another_channel() {
    let block = view(&message(Content::DataMsg(data())));
    assert_eq!(validate::nested_block(&block, b"mychannel"), Ok(data()));
    assert_eq!(validate::nested_block(&block, b"yourchannel"), Err(Malformed::ChannelMismatch));
}

/// Fabric's own identity messages carry EMPTY, which would be illegal on a stream.
#[test]
fn tags_of_elements_do_not_matter() {
    for tag in -1..=6 {
        for content in contents() {
            let element = view(&GossipMessage { tag, channel: Bytes::new(), ..message(content) });
            match element.kind() {
                ContentKind::AliveMsg => assert_eq!(validate::nested_alive(&element), Ok(alive())),
                ContentKind::StateInfo => assert_eq!(validate::nested_state_info(&element), Ok(state_info())),
                ContentKind::PeerIdentity => assert!(validate::nested_identity(&element).is_ok()),
                _ => {}
            }
        }
    }
}

/// The messages of spec/01 §15.1, by number.
#[test]
fn what_crashes_a_go_peer_is_refused() {
    let without_member = AliveMessage { membership: None, ..alive() };
    let without_time = AliveMessage { timestamp: None, ..alive() };
    let element = |content| view(&message(content));

    // 1: a membership request from nobody
    let nested = validate::nested_alive(&element(Content::AliveMsg(without_member.clone())));
    assert_eq!(nested, Err(Malformed::MembershipMissing));
    // 2: a dead element that is no alive message
    let nested = validate::nested_alive(&element(Content::Empty(Empty {})));
    assert_eq!(nested, Err(Malformed::ContentUnexpected));
    // 3, 4, 8: a heartbeat of nobody, and of no time, pushed or nested
    assert_eq!(verdict(Content::AliveMsg(without_member)), Err(Malformed::MembershipMissing));
    assert_eq!(verdict(Content::AliveMsg(without_time.clone())), Err(Malformed::TimestampMissing));
    let nested = validate::nested_alive(&element(Content::AliveMsg(without_time)));
    assert_eq!(nested, Err(Malformed::TimestampMissing));
    // 5: a state of no time, pushed or in a snapshot
    let info = StateInfo { timestamp: None, ..state_info() };
    assert_eq!(verdict(Content::StateInfo(info.clone())), Err(Malformed::TimestampMissing));
    let nested = validate::nested_state_info(&element(Content::StateInfo(info)));
    assert_eq!(nested, Err(Malformed::TimestampMissing));
    // 6: a leader of no time
    let leader = LeadershipMessage { timestamp: None, ..leadership() };
    assert_eq!(verdict(Content::LeadershipMsg(leader)), Err(Malformed::TimestampMissing));
    // 7: a pulled block without payload
    let block = element(Content::DataMsg(DataMessage { payload: None }));
    assert_eq!(validate::nested_block(&block, b"mychannel"), Err(Malformed::PayloadMissing));
    // 9: private data that do not decode (in a data message they are discarded unread)
    let payload = Payload { seq_num: 1, data: "block".into(), private_data: vec!["\u{1}".into()] };
    assert_eq!(validate::private_data_of_block(&payload), Err(Malformed::PrivateDataUndecodable));
    let response = RemoteStateResponse { payloads: vec![payload.clone()] };
    assert_eq!(verdict(Content::StateResponse(response)), Err(Malformed::PrivateDataUndecodable));
    assert_eq!(verdict(Content::DataMsg(DataMessage { payload: Some(payload) })), Ok(()));
}
