//! Lists without end.

use super::Behaviour;
use super::stage::{Stage, element};
use bytes::Bytes;
use selvedge_core::testing::messages;
use selvedge_proto::gossip::gossip_message::{Content, Tag};
use selvedge_proto::gossip::{self, PullMsgType};

/// See [`BehaviourKind::EndlessLists`](super::BehaviourKind::EndlessLists).
#[derive(Debug, Default)]
pub(super) struct EndlessLists;

impl EndlessLists {
    fn ids(stage: &mut Stage<'_>, count: usize) -> Vec<Bytes> {
        let is_number = stage.one_in(2);
        let id = |_| match is_number {
            true => Bytes::from(stage.rng.u64(..).to_string()),
            false => Bytes::copy_from_slice(stage.nobody().as_bytes()),
        };
        (0..count).map(id).collect()
    }

    fn message(stage: &mut Stage<'_>) -> Bytes {
        // some beyond every bound
        let count = stage.one_of(&[500, 2_000, 20_000], 500);
        let nonce = stage.rng.u64(..);
        let of_blocks = stage.one_in(2);
        let msg_type = if of_blocks { PullMsgType::BlockMsg } else { PullMsgType::IdentityMsg } as i32;
        let content = match stage.rng.u8(0..5) {
            0 => Content::DataDig(gossip::DataDigest { nonce, digests: Self::ids(stage, count), msg_type }),
            1 => Content::DataReq(gossip::DataRequest { nonce, digests: Self::ids(stage, count), msg_type }),
            2 => {
                let alive = stage.alive(stage.me.incarnation, stage.sequence()).seal();
                let alive = vec![alive; count.min(2_000)];
                return messages::membership_response(&alive, &alive, nonce);
            }
            3 => {
                // each newer than the one before: more than are verified at a time
                let (incarnation, now) = (stage.me.incarnation, stage.sequence());
                let times = now..now + count.min(500) as u64;
                let elements = times.map(|time| element(&stage.state_info(incarnation, time, 1))).collect();
                let content = Content::StateSnapshot(gossip::StateInfoSnapshot { elements });
                return messages::unsigned(&stage.of_channel(Tag::ChanOrOrg, 0, content));
            }
            _ => {
                let item = stage.any_heard().unwrap_or_default();
                Content::DataUpdate(gossip::DataUpdate {
                    nonce,
                    data: vec![element(&item); count.min(2_000)],
                    msg_type,
                })
            }
        };
        match of_blocks {
            true => messages::unsigned(&stage.of_channel(Tag::ChanAndOrg, 0, content)),
            false => messages::unsigned(&messages::message(Tag::Empty, content)),
        }
    }
}

impl Behaviour for EndlessLists {
    fn act(&mut self, stage: &mut Stage<'_>) {
        if stage.one_in(4)
            && let Some(link) = stage.any_link()
        {
            let message = Self::message(stage);
            stage.send(link, message);
        }
    }
}
