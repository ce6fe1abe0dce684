//! Two things under one time, and times that cannot be.

use super::Behaviour;
use super::stage::{Stage, Verdict};
use bytes::Bytes;
use selvedge_core::ConnectionId;
use selvedge_core::testing::messages;
use selvedge_proto::envelope::{ContentKind, EnvelopeView};
use selvedge_proto::gossip::gossip_message::Content;

/// See [`BehaviourKind::Equivocate`](super::BehaviourKind::Equivocate).
#[derive(Debug, Default)]
pub(super) struct Equivocate;

impl Behaviour for Equivocate {
    /// Each receiver of an own message gets another one with the same time.
    fn on_send(&mut self, stage: &mut Stage<'_>, to: ConnectionId, sent: &EnvelopeView) -> Verdict {
        let is_own = sent.alive_key().is_some_and(|key| key.pki_id == stage.me.pki_id.as_bytes())
            || sent.state_info_key().is_some_and(|key| key.pki_id == stage.me.pki_id.as_bytes());
        if !is_own {
            return Verdict::Pass;
        }
        let Ok(mut message) = sent.message() else { return Verdict::Pass };
        let salt = to.count() % 7;
        match &mut message.content {
            Some(Content::AliveMsg(alive)) => {
                if let Some(member) = &mut alive.membership {
                    member.metadata = Bytes::from(format!("version {salt}"));
                }
            }
            Some(Content::StateInfo(info)) => {
                if let Some(properties) = &mut info.properties {
                    properties.ledger_height = (properties.ledger_height + salt).max(4) - 3;
                }
            }
            _ => return Verdict::Pass,
        }
        let other = messages::signed(&stage.me.identity, &message);
        if stage.one_in(2) {
            // both, to the same peer
            stage.send(to, other);
            return Verdict::Pass;
        }
        Verdict::Replace(other)
    }
}

/// See [`BehaviourKind::WrongTimes`](super::BehaviourKind::WrongTimes).
#[derive(Debug, Default)]
pub(super) struct WrongTimes;

impl Behaviour for WrongTimes {
    fn act(&mut self, stage: &mut Stage<'_>) {
        if !stage.one_in(5) {
            return;
        }
        let (present, sequence) = (stage.me.incarnation, stage.sequence());
        let hour = 3_600_000_000_000;
        let incarnations =
            [0, 1, present - hour, present - 1, present, present + 1, present + hour, u64::MAX - 1, u64::MAX];
        let inc_num = stage.one_of(&incarnations, present);
        let seq_num = stage.one_of(&[0, 1, 2, sequence, u64::MAX / 2, u64::MAX], sequence);
        let height = stage.chain.len() as u64;
        let envelope = match stage.one_in(2) {
            true => stage.alive(inc_num, seq_num).with_identity().seal(),
            false => stage.state_info(inc_num, seq_num, height),
        };
        match stage.any_link() {
            Some(link) if stage.one_in(2) => stage.send(link, envelope),
            _ => stage.send_to_all(&envelope),
        }
    }

    /// What the peer says itself comes under a time that nobody takes any more.
    fn on_send(&mut self, stage: &mut Stage<'_>, _: ConnectionId, sent: &EnvelopeView) -> Verdict {
        let is_alive = sent.kind() == ContentKind::AliveMsg;
        if is_alive && stage.one_in(4) { Verdict::Drop } else { Verdict::Pass }
    }
}
