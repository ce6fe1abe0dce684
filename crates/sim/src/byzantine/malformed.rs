//! Messages that lack something, and bytes that are no message.

use super::Behaviour;
use super::stage::{Stage, Verdict, element};
use bytes::Bytes;
use selvedge_core::ConnectionId;
use selvedge_core::testing::messages;
use selvedge_proto::envelope::{ContentKind, EnvelopeView, seal};
use selvedge_proto::gossip::gossip_message::{Content, Tag};
use selvedge_proto::gossip::{
    self, AliveMessage, GossipMessage, LeadershipMessage, MembershipRequest, MembershipResponse, PullMsgType,
};

/// See [`BehaviourKind::Malformed`](super::BehaviourKind::Malformed).
#[derive(Debug, Default)]
pub(super) struct Malformed;

impl Malformed {
    fn alive(stage: &Stage<'_>, change: impl FnOnce(&mut AliveMessage)) -> GossipMessage {
        let mut message = stage.alive(stage.me.incarnation, stage.sequence()).message();
        if let Some(Content::AliveMsg(alive)) = &mut message.content {
            change(alive);
        }
        message
    }

    fn without_membership(stage: &Stage<'_>) -> Bytes {
        messages::signed(&stage.me.identity, &Self::alive(stage, |alive| alive.membership = None))
    }

    fn without_timestamp(stage: &Stage<'_>) -> Bytes {
        messages::signed(&stage.me.identity, &Self::alive(stage, |alive| alive.timestamp = None))
    }

    /// The rows of 01 §15.1, and some more of their kind.
    fn message(stage: &mut Stage<'_>) -> Bytes {
        let of_nobody = |content| messages::unsigned(&messages::message(Tag::Empty, content));
        let state_info = stage.state_info_message(&stage.me.pki_id, 1, 1, 1);
        match stage.rng.u8(0..14) {
            0 => messages::membership_request(&Self::without_membership(stage), 1),
            1 => {
                let element = messages::signed(&stage.me.identity, &state_info);
                messages::membership_response(&[], &[element], 1)
            }
            2 => messages::unsigned(&Self::alive(stage, |alive| alive.membership = None)),
            3 => Self::without_timestamp(stage),
            4 => {
                let mut message = state_info;
                if let Some(Content::StateInfo(info)) = &mut message.content {
                    info.timestamp = None;
                }
                messages::signed(&stage.me.identity, &message)
            }
            5 => {
                let pki_id = Bytes::copy_from_slice(stage.me.pki_id.as_bytes());
                let content = LeadershipMessage { pki_id, timestamp: None, is_declaration: true };
                let message = stage.of_channel(Tag::ChanAndOrg, 0, Content::LeadershipMsg(content));
                messages::signed(&stage.me.identity, &message)
            }
            6 => {
                let empty = Content::DataMsg(gossip::DataMessage { payload: None });
                let item = messages::unsigned(&stage.of_channel(Tag::ChanAndOrg, 0, empty));
                let msg_type = PullMsgType::BlockMsg as i32;
                let content = gossip::DataUpdate { nonce: 1, data: vec![element(&item)], msg_type };
                messages::unsigned(&stage.of_channel(Tag::ChanAndOrg, 0, Content::DataUpdate(content)))
            }
            7 => messages::membership_response(&[Self::without_timestamp(stage)], &[], 1),
            8 => {
                let number = stage.chain.len().saturating_sub(1) as u64;
                let block = stage.block(number).unwrap_or_default();
                stage.push(number, block, vec![Bytes::from_static(b"\xff\xff")])
            }
            9 => of_nobody(Content::MemReq(MembershipRequest::default())),
            10 => {
                let nothing = gossip::Envelope::default();
                let content = MembershipResponse { alive: vec![nothing.clone()], dead: vec![nothing] };
                of_nobody(Content::MemRes(content))
            }
            11 => of_nobody(Content::Empty(gossip::Empty {})),
            12 => {
                let tag = stage.one_of(&[0, 1, 2, 3, 4, 5, 77, -1], 0);
                messages::unsigned(&GossipMessage { tag, ..state_info })
            }
            _ => messages::unsigned(&GossipMessage::default()),
        }
    }

    /// Something that was heard, broken.
    fn broken(stage: &mut Stage<'_>) -> Option<Bytes> {
        let mut bytes = stage.any_heard()?.to_vec();
        let place = stage.rng.usize(..bytes.len().max(1));
        match stage.rng.u8(0..3) {
            0 => bytes.truncate(place),
            1 => bytes.extend_from_slice(b"\x9a\xff\xff\xff\xff\x01"),
            _ => *bytes.get_mut(place)? ^= 1 << stage.rng.u8(0..8),
        }
        Some(Bytes::from(bytes))
    }
}

/// Something in front of the other elements of a list that cannot be read, and something that does not belong there.
fn spoilt(stage: &Stage<'_>, message: &mut GossipMessage) -> bool {
    let broken = gossip::Envelope { payload: Bytes::from_static(b"\xff"), ..Default::default() };
    let stray = element(&messages::unsigned(&GossipMessage::default()));
    let unknown = element(&stage.state_info(0, 0, 0));
    let bad = [broken, stray, unknown];
    let list = match &mut message.content {
        Some(Content::StateSnapshot(snapshot)) => &mut snapshot.elements,
        Some(Content::DataUpdate(update)) => &mut update.data,
        Some(Content::MemRes(response)) => &mut response.alive,
        _ => return false,
    };
    list.splice(0..0, bad);
    true
}

impl Behaviour for Malformed {
    /// One bad element is no reason to leave out the others (05 W-20).
    fn on_send(&mut self, stage: &mut Stage<'_>, _: ConnectionId, sent: &EnvelopeView) -> Verdict {
        let has_elements =
            matches!(sent.kind(), ContentKind::StateSnapshot | ContentKind::DataUpdate | ContentKind::MemRes);
        if !has_elements || !stage.one_in(2) {
            return Verdict::Pass;
        }
        let Ok(mut message) = sent.message() else { return Verdict::Pass };
        match spoilt(stage, &mut message) {
            true => Verdict::Replace(messages::unsigned(&message)),
            false => Verdict::Pass,
        }
    }

    fn act(&mut self, stage: &mut Stage<'_>) {
        let Some(link) = stage.any_link() else { return };
        for _ in 0..3 {
            let message = Self::message(stage);
            stage.send(link, message);
        }
        // bytes that are no envelope end a connection
        if stage.one_in(20) {
            let envelope = match stage.one_in(3) {
                true => seal(b"no message", b"no signature", None),
                false => Self::broken(stage).unwrap_or_default(),
            };
            stage.send(link, envelope);
        }
    }
}
