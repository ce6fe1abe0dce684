//! Members that never were, and leaders that nobody elected.

use super::Behaviour;
use super::identities::{VARIANTS, variant};
use super::stage::{Stage, Verdict};
use bytes::Bytes;
use selvedge_core::ConnectionId;
use selvedge_core::testing::messages;
use selvedge_proto::envelope::{ContentKind, EnvelopeView};
use selvedge_proto::gossip::gossip_message::{Content, Tag};
use selvedge_proto::gossip::{LeadershipMessage, PeerTime};

/// See [`BehaviourKind::Ghosts`](super::BehaviourKind::Ghosts).
#[derive(Debug, Default)]
pub(super) struct Ghosts;

impl Ghosts {
    /// Alive messages that were heard.
    fn heard(stage: &mut Stage<'_>) -> Vec<Bytes> {
        let of_members = stage.heard.iter().filter(|heard| {
            EnvelopeView::parse((*heard).clone()).is_ok_and(|view| view.kind() == ContentKind::AliveMsg)
        });
        of_members.take(50).cloned().collect()
    }

    /// Peers that share the own certificate and do not run.
    fn made_up(stage: &mut Stage<'_>) -> Vec<Bytes> {
        let number = stage.rng.u32(0..VARIANTS);
        let ghost = |number: u32| {
            let identity = variant(&stage.me.identity, number % VARIANTS);
            messages::Alive::new(&identity, 1).with_endpoint("ghost:7051").with_identity().seal()
        };
        (number..number + 5).map(ghost).collect()
    }
}

impl Behaviour for Ghosts {
    fn act(&mut self, stage: &mut Stage<'_>) {
        let Some(link) = stage.any_link() else { return };
        if !stage.one_in(3) {
            return;
        }
        let (living, ghosts) = (Self::heard(stage), Self::made_up(stage));
        let nonce = stage.rng.u64(..);
        let envelope = match stage.rng.u8(0..3) {
            0 => messages::membership_response(&ghosts, &living, nonce),
            1 => messages::membership_response(&[], &[living, ghosts].concat(), nonce),
            _ => messages::membership_response(&[living, ghosts].concat(), &[], nonce),
        };
        stage.send(link, envelope);
    }

    /// Who asks for the members is told of nobody.
    fn on_send(&mut self, stage: &mut Stage<'_>, _: ConnectionId, sent: &EnvelopeView) -> Verdict {
        if sent.kind() == ContentKind::MemRes && stage.one_in(2) {
            let living = Self::heard(stage);
            return Verdict::Replace(messages::membership_response(&[], &living, sent.nonce()));
        }
        Verdict::Pass
    }
}

/// See [`BehaviourKind::Intrigue`](super::BehaviourKind::Intrigue).
#[derive(Debug, Default)]
pub(super) struct Intrigue {
    count: u64,
}

impl Behaviour for Intrigue {
    fn act(&mut self, stage: &mut Stage<'_>) {
        self.count += 1;
        let timestamp = Some(PeerTime { inc_num: stage.me.incarnation, seq_num: self.count });
        let pki_id = Bytes::copy_from_slice(stage.me.pki_id.as_bytes());
        let is_declaration = stage.one_in(2);
        let content = LeadershipMessage { pki_id, timestamp, is_declaration };
        let message = stage.of_channel(Tag::ChanAndOrg, 0, Content::LeadershipMsg(content));
        stage.send_to_all(&messages::signed(&stage.me.identity, &message));
        // a channel that nobody knows: its StateInfo is relayed within the organisation
        let mut message =
            stage.state_info_message(&stage.me.pki_id, stage.me.incarnation, stage.sequence(), 1);
        if let Some(Content::StateInfo(info)) = &mut message.content {
            let name = format!("channel{}", stage.rng.u8(..));
            info.channel_mac = Bytes::copy_from_slice(&messages::channel_mac(&stage.me.pki_id, &name));
        }
        if let Some(link) = stage.any_link() {
            stage.send(link, messages::signed(&stage.me.identity, &message));
            // and questions about one
            let block = stage.block(1).unwrap_or_default();
            let mut push = stage.of_channel(Tag::ChanAndOrg, 0, Content::Empty(Default::default()));
            push.channel = Bytes::from_static(b"elsewhere");
            let data = selvedge_proto::gossip::Payload { seq_num: 1, data: block, private_data: Vec::new() };
            push.content =
                Some(Content::DataMsg(selvedge_proto::gossip::DataMessage { payload: Some(data) }));
            stage.send(link, messages::unsigned(&push));
        }
    }
}
