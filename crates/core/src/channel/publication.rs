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
use core::time::Duration;
use selvedge_proto::envelope::{Envelope, EnvelopeView, seal};

/// A StateInfo that is being signed.
#[derive(Debug)]
pub(crate) struct Draft {
    payload: Bytes,
    timestamp: Timestamp,
    height: u64,
    left_channel: bool,
}

/// From so many members on, heights are told less often.
const MANY_MEMBERS: u32 = 100;

impl Peer {
    /// Shortest time between two publications of the own StateInfo: `state_info_spacing` up to a hundred members, and so much
    /// longer as they are more, up to twice the time between two alive messages. So a peer hears of a hundred heights in
    /// that time however many members there are, which is what it needs to learn of new blocks; of one member's height it
    /// hears the later the more others it could ask as well.
    ///
    /// A block comes to all at the same moment. So that they do not all tell of one and none of the next, each waits for a
    /// time of its own.
    fn state_info_spacing(&mut self) -> Duration {
        let config = &self.shared.config;
        let shortest = config.state_info_spacing;
        let member_count = u32::try_from(self.membership.alive_count()).unwrap_or(u32::MAX);
        let stretched = shortest.saturating_mul(member_count) / MANY_MEMBERS;
        let longest = stretched.min(2 * config.alive_time_interval);
        if longest <= shortest {
            return shortest;
        }
        longest.mul_f64(0.5 + self.shared.rng.f64() / 2.0).max(shortest)
    }

    /// The ledger grew: others are to be told, but no more often than every [`state_info_spacing`](Self::state_info_spacing),
    /// because every publication costs every member a verification.
    pub(super) fn announce_height(&mut self, id: &ChannelId) {
        let wall = self.shared.wall().as_nanos();
        let Some(channel) = self.channels.get_mut(id) else { return };
        channel.own.touch(wall);
        let at = channel.own.not_before.map_or(self.shared.now, |at| at.max(self.shared.now));
        self.shared.timers.set_no_later_than(Timer::StateInfoPublish(id.clone()), at);
    }

    /// Signs and pushes the own StateInfo if it says something new and somebody is there to read it. If nobody is, the next
    /// member that comes alive brings us back here.
    pub(crate) fn publish_state_info(&mut self, id: &ChannelId) {
        if self.membership.alive().next().is_none() {
            return;
        }
        let Some(channel) = self.channels.get_mut(id) else { return };
        if !channel.own.is_dirty || channel.own.is_signing {
            return;
        }
        if let Some(at) = channel.own.not_before.filter(|at| *at > self.shared.now) {
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
        let spacing = self.state_info_spacing();
        let Some(channel) = self.channels.get_mut(id) else { return };
        channel.own.is_signing = false;
        let timer = Timer::StateInfoPublish(id.clone());
        let view = signature.and_then(|signature| EnvelopeView::parse(seal(&payload, &signature, None)).ok());
        let Some(view) = view else {
            channel.own.is_dirty = true;
            let at = now + self.shared.config.publish_state_info_interval;
            return self.shared.timers.set_no_later_than(timer, at);
        };
        channel.own.not_before = Some(now + spacing);
        if channel.own.is_dirty {
            // it changed while it was being signed (W-27)
            self.shared.timers.set_no_later_than(timer, now + spacing);
        }
        let envelope = Envelope::from(&view);
        let org = self.shared.me.org.clone();
        channel.states.insert(me, StateInfo { view, timestamp, org, height, left_channel });
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
