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
const MANY_MEMBERS: u32 = 50;
/// A height is told at the latest after so many times the time between two alive messages, however many members there are.
const ALIVE_INTERVALS_MAX: u32 = 4;

impl Peer {
    /// How long a change waits to be told, if the own StateInfo was told already: no longer than what `state_info_spacing`
    /// demands, up to fifty members.
    ///
    /// Every publication costs every member a verification, so of more members each waits for a random time, on average so
    /// long that about a hundred heights are heard in the time of one spacing. That is enough to learn at once of a new
    /// block, whose number all of them tell; only the height of one certain member is known later. Did they not all wait,
    /// they would all tell of one block and none of the next. By the Go peer's rules nothing waits.
    fn publication_delay(&mut self) -> Option<Duration> {
        let config = &self.shared.config;
        if !config.rules.heeds_news() {
            return None;
        }
        let shortest = config.state_info_spacing;
        let member_count = u32::try_from(self.membership.alive_count()).unwrap_or(u32::MAX);
        let longest = shortest.saturating_mul(member_count) / MANY_MEMBERS;
        let longest = longest.min(ALIVE_INTERVALS_MAX * config.alive_time_interval);
        (longest > shortest).then(|| longest.mul_f64(self.shared.rng.f64()))
    }

    /// The ledger grew: others are to be told, but no more often than every `state_info_spacing`.
    pub(super) fn announce_height(&mut self, id: &ChannelId) {
        let (now, wall) = (self.shared.now, self.shared.wall().as_nanos());
        let Some(channel) = self.channels.get_mut(id) else { return };
        channel.own.touch(wall);
        if !self.shared.config.rules.heeds_news() {
            // told at the next regular time
            return;
        }
        let not_before = channel.own.not_before;
        let mut at = not_before.map_or(now, |at| at.max(now));
        if not_before.is_some()
            && let Some(delay) = self.publication_delay()
        {
            if self.shared.timers.is_set(&Timer::StateInfoPublish(id.clone())) {
                return;
            }
            at = at.max(now + delay);
        }
        self.shared.timers.set_no_later_than(Timer::StateInfoPublish(id.clone()), at);
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
        let heeds_news = self.shared.config.rules.heeds_news();
        if let Some(at) = channel.own.not_before.filter(|at| *at > self.shared.now && heeds_news) {
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
        let spacing = self.shared.config.state_info_spacing;
        let again = self.publication_delay().map_or(spacing, |delay| delay.max(spacing));
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
            self.shared.timers.set_no_later_than(timer, now + again);
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
