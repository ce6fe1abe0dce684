//! More questions than anybody needs.

use super::Behaviour;
use super::stage::Stage;
use bytes::Bytes;
use core::time::Duration;
use selvedge_core::testing::messages;
use selvedge_proto::gossip::gossip_message::{Content, Tag};
use selvedge_proto::gossip::{self, GossipHello, PullMsgType, RemoteStateRequest, StateInfoPullRequest};

/// See [`BehaviourKind::Flood`](super::BehaviourKind::Flood) and `DeafFlood`.
#[derive(Debug)]
pub(super) struct Flood {
    /// Whether it reads the answers.
    pub(super) reads: bool,
}

/// Questions in a tenth of a second.
const COUNT: usize = 40;

impl Flood {
    fn question(stage: &mut Stage<'_>) -> Bytes {
        let nonce = stage.rng.u64(..);
        let height = stage.chain.len() as u64;
        match stage.rng.u8(0..7) {
            0 => {
                let channel_mac = messages::channel_mac(&stage.me.pki_id, stage.channel);
                let channel_mac = Bytes::copy_from_slice(&channel_mac);
                let content = Content::StateInfoPullReq(StateInfoPullRequest { channel_mac });
                messages::unsigned(&messages::message(Tag::ChanOrOrg, content))
            }
            1 => {
                let msg_type = PullMsgType::IdentityMsg as i32;
                let content = Content::Hello(GossipHello { nonce, metadata: Bytes::new(), msg_type });
                messages::unsigned(&messages::message(Tag::Empty, content))
            }
            2 => {
                let msg_type = PullMsgType::BlockMsg as i32;
                let content = Content::Hello(GossipHello { nonce, metadata: Bytes::new(), msg_type });
                messages::unsigned(&stage.of_channel(Tag::ChanAndOrg, 0, content))
            }
            3 => {
                let alive = stage.alive(stage.me.incarnation, stage.sequence()).seal();
                messages::membership_request(&alive, nonce)
            }
            4 => {
                let first = stage.rng.u64(0..height.max(1));
                let last = stage.one_of(&[first, first + 9, height + 100, u64::MAX], first);
                let content = RemoteStateRequest { start_seq_num: first, end_seq_num: last };
                messages::unsigned(&stage.of_channel(Tag::ChanOrOrg, nonce, Content::StateRequest(content)))
            }
            5 => {
                let digests = (0..height + 20).map(|number| Bytes::from(number.to_string())).collect();
                let msg_type = PullMsgType::BlockMsg as i32;
                let content = Content::DataReq(gossip::DataRequest { nonce, digests, msg_type });
                messages::unsigned(&stage.of_channel(Tag::ChanAndOrg, 0, content))
            }
            _ => {
                let sequence = stage.sequence() + stage.rng.u64(0..1_000_000);
                stage.alive(stage.me.incarnation, sequence).seal()
            }
        }
    }
}

impl Behaviour for Flood {
    fn act(&mut self, stage: &mut Stage<'_>) {
        if !self.reads {
            stage.stop_reading(Duration::from_secs(60));
        }
        let Some(link) = stage.any_link() else { return };
        for _ in 0..COUNT {
            let question = Self::question(stage);
            stage.send(link, question);
        }
    }
}
