//! The own StateInfo (spec/05 §6.1, §6.2).

use super::Waiting;
use super::state_info::{StateInfo, Timestamp};
use crate::dissemination::Push;
use crate::ids::ChannelId;
use crate::messages::state_info_payload;
use crate::peer::Peer;
use crate::shared::Waiting as SharedWaiting;
use crate::timers::Timer;
use bytes::Bytes;
use selvedge_proto::envelope::{Envelope, EnvelopeView, seal};

/// A StateInfo that is being signed.
#[derive(Debug)]
pub(crate) struct Draft {
    payload: Bytes,
    timestamp: Timestamp,
    height: u64,
    left_channel: bool,
}

impl Peer {
    /// The ledger grew: others are to be told, but no more often than every `state_info_spacing`, because every publication
    /// costs every member a verification.
    pub(super) fn announce_height(&mut self, id: &ChannelId) {
        let wall = self.shared.wall().as_nanos();
        let Some(channel) = self.channels.get_mut(id) else { return };
        channel.own.touch(wall);
        if !self.shared.config.rules.heeds_news() {
            // told at the next regular time
            return;
        }
        let spacing = self.shared.config.state_info_spacing;
        let at = channel.own.published_at.map_or(self.shared.now, |at| at + spacing);
        self.shared.timers.set_no_later_than(Timer::StateInfoPublish(id.clone()), at.max(self.shared.now));
    }

    /// Signs and pushes the own StateInfo if it says something new and somebody is there to read it. If nobody is, the next
    /// member that comes alive brings us back here.
    pub(crate) fn publish_state_info(&mut self, id: &ChannelId) {
        if !self.shared.config.rules.heeds_news() {
            let at = self.shared.now + self.shared.config.publish_state_info_interval;
            self.shared.timers.set(Timer::StateInfoPublish(id.clone()), at);
        }
        if self.membership.alive().next().is_none() {
            return;
        }
        let Some(channel) = self.channels.get_mut(id) else { return };
        if !channel.own.is_dirty || channel.own.is_signing {
            return;
        }
        let next_at = channel.own.published_at.map(|at| at + self.shared.config.state_info_spacing);
        let next_at = next_at.filter(|at| *at > self.shared.now && self.shared.config.rules.heeds_news());
        if let Some(at) = next_at {
            return self.shared.timers.set_no_later_than(Timer::StateInfoPublish(id.clone()), at);
        }
        channel.own.is_dirty = false;
        channel.own.is_signing = true;
        let timestamp = channel.own.timestamp;
        let (height, left_channel) = (channel.buffer.height(), channel.left);
        let time = (timestamp.incarnation, timestamp.sequence);
        let payload = state_info_payload(&self.shared.me.pki_id, &channel.mac, time, height, left_channel);
        let draft = Draft { payload: payload.clone(), timestamp, height, left_channel };
        self.shared.sign(SharedWaiting::Channel(id.clone(), Waiting::Publication(draft)), payload);
    }

    pub(super) fn on_own_state_info_signed(
        &mut self,
        id: &ChannelId,
        draft: Draft,
        signature: Option<Bytes>,
    ) {
        let Draft { payload, timestamp, height, left_channel } = draft;
        let now = self.shared.now;
        let me = self.shared.me.pki_id;
        let Some(channel) = self.channels.get_mut(id) else { return };
        channel.own.is_signing = false;
        let timer = Timer::StateInfoPublish(id.clone());
        let view = signature.and_then(|signature| EnvelopeView::parse(seal(&payload, &signature, None)).ok());
        let Some(view) = view else {
            channel.own.is_dirty = true;
            let at = now + self.shared.config.publish_state_info_interval;
            return self.shared.timers.set_no_later_than(timer, at);
        };
        channel.own.published_at = Some(now);
        if channel.own.is_dirty {
            // it changed while it was being signed (W-27)
            self.shared.timers.set_no_later_than(timer, now + self.shared.config.state_info_spacing);
        }
        let envelope = Envelope::from(&view);
        let org = self.shared.me.org.clone();
        channel.states.insert(me, StateInfo { view, timestamp, org, height, left_channel, is_swept: false });
        let channel = Some(id.clone());
        self.disseminate(Push::StateInfo { channel, envelope, origin: me, delivered_by: None });
    }

    /// Somebody has a newer StateInfo of ours, from another life in which the clock was ahead.
    pub(super) fn overtake_echo(&mut self, id: &ChannelId, timestamp: Timestamp) {
        let Some(channel) = self.channels.get_mut(id) else { return };
        channel.own.overtake(timestamp);
        self.shared.timers.set_no_later_than(Timer::StateInfoPublish(id.clone()), self.shared.now);
    }
}
