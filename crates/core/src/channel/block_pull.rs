//! The block pull of a channel, in both roles (spec/05 §10.5, §13.3).

use super::Channel;
use crate::ids::{ChannelId, PkiId};
use crate::messages::{self, PullOf};
use crate::output::{BlockSource, Priority};
use crate::peer::Peer;
use crate::pull::{Initiator, Request, Responder, updates};
use crate::reject::{Misbehaviour, Reject, Unfitting};
use crate::shared::Sender;
use crate::time::Instant;
use crate::timers::Timer;
use bytes::Bytes;
use core::time::Duration;
use selvedge_proto::digest;
use selvedge_proto::envelope::{ContentKind, Envelope, EnvelopeView};
use selvedge_proto::gossip::{DataDigest, DataRequest, GossipHello};
use selvedge_proto::validate::{self, Malformed};
use std::collections::BTreeSet;

/// State of the block pull.
#[derive(Debug, Default)]
pub(crate) struct BlockPull {
    pub(super) initiator: Initiator<u64>,
    pub(super) responder: Responder,
    /// When the next round begins.
    pub(super) round_at: Instant,
    /// When the last one began.
    last_round_at: Option<Instant>,
    /// Rounds since the last block that began before their time.
    pub(super) hurried_rounds: u32,
}

impl Channel {
    /// Whether a block is missing here that others have, as far as can be told without looking at all of them.
    fn lags_behind(&self) -> bool {
        let missing = self.buffer.first_missing();
        self.known_height > missing || self.buffer.highest().is_some_and(|highest| highest > missing)
    }
}

impl Peer {
    /// Begins a round when its time has come, and goes on with those that are under way.
    pub(crate) fn advance_block_pull(&mut self, id: &ChannelId) {
        let now = self.shared.now;
        let Some(channel) = self.channels.get_mut(id) else { return };
        let again = channel.pull.initiator.advance(now, &mut self.shared.rng, &self.shared.config);
        let begins = channel.pull.round_at <= now;
        if begins {
            channel.pull.round_at = now + self.shared.config.pull_interval;
        }
        self.request_blocks(id, again);
        if begins {
            self.begin_block_round(id);
        }
        self.set_block_pull_timer(id);
    }

    fn set_block_pull_timer(&mut self, id: &ChannelId) {
        let Some(channel) = self.channels.get(id) else { return };
        let deadline = channel.pull.initiator.deadline(&self.shared.config);
        let at = deadline.map_or(channel.pull.round_at, |at| at.min(channel.pull.round_at));
        self.shared.timers.set(Timer::BlockPull(id.clone()), at);
    }

    /// Says hello to random members of the own organisation, first of all to those who have what is missing.
    fn begin_block_round(&mut self, id: &ChannelId) {
        let now = self.shared.now;
        let own_org = &self.shared.me.org;
        let rules = self.shared.config.rules;
        let Some(channel) = self.channels.get_mut(id).filter(|channel| channel.is_active(own_org)) else {
            return;
        };
        let partners = self.membership.alive().filter(|member| member.org == *own_org);
        let mut partners: Vec<PkiId> = partners
            .map(|member| member.pki_id)
            .filter(|pki_id| channel.is_eligible(pki_id, rules.ignores_leaving()))
            .collect();
        partners.retain(|pki_id| !channel.conduct.is_distrusted(now, pki_id));
        self.shared.rng.shuffle(&mut partners);
        if rules.heeds_news() {
            let missing = channel.buffer.first_missing();
            partners.sort_by_key(|pki_id| !channel.is_holder(missing, pki_id));
        }
        partners.truncate(self.shared.config.pull_peer_count);
        channel.pull.last_round_at = Some(now);
        let mut hellos = Vec::with_capacity(partners.len());
        for partner in partners {
            let nonce = self.shared.rng.u64(..);
            if channel.pull.initiator.hello(now, partner, nonce) {
                hellos.push((partner, messages::hello(PullOf::Blocks(id), nonce)));
            }
        }
        for (partner, hello) in hellos {
            self.send_to(partner, hello, Priority::Membership);
        }
    }

    /// Something shows that blocks are missing: they are asked for soon, by state transfer where it is enabled, else by a
    /// round of pulls that begins before its time (W-10), and sooner the less often that was in vain.
    pub(super) fn look_for_blocks(&mut self, id: &ChannelId, delay: Duration) {
        let now = self.shared.now;
        let config = &self.shared.config;
        if !config.rules.heeds_news() {
            return;
        }
        let Some(channel) = self.channels.get_mut(id) else { return };
        let lags_behind = channel.lags_behind();
        if config.state_transfer_enabled {
            if lags_behind || channel.transfer.is_active() {
                self.shared.timers.set_no_later_than(Timer::StateTransfer(id.clone()), now + delay);
            }
            return;
        }
        if !lags_behind {
            return;
        }
        let spacing =
            config.state_gap_patience.saturating_mul(2_u32.saturating_pow(channel.pull.hurried_rounds));
        let earliest = channel.pull.last_round_at.map_or(now, |at| at + spacing);
        let at = earliest.max(now + config.state_gap_patience);
        if at < channel.pull.round_at {
            channel.pull.hurried_rounds += 1;
            channel.pull.round_at = at;
            self.set_block_pull_timer(id);
        }
    }

    /// Sends requests of the pull.
    pub(super) fn request_blocks(
        &mut self,
        id: &ChannelId,
        requests: impl IntoIterator<Item = Request<u64>>,
    ) {
        for Request { partner, nonce, ids } in requests {
            let ids = ids.into_iter().map(digest::of_block).collect();
            let request = messages::request(PullOf::Blocks(id), nonce, ids);
            self.send_to(partner, request, Priority::Membership);
        }
    }

    /// Whether a peer may take part in the block pull: of the own organisation, and a member of the channel that has said so.
    fn check_partner(&self, id: &ChannelId, sender: &Sender) -> Result<(), Reject> {
        let own_org = &self.shared.me.org;
        let channel = self.channels.get(id).filter(|channel| channel.is_active(own_org));
        let channel = channel.ok_or(Unfitting::ChannelUnknown)?;
        if channel.states.get(&sender.pki_id).is_none() {
            return Err(Unfitting::NotInChannel.into());
        }
        if sender.org != *own_org {
            return Err(Misbehaviour::NotEntitled.into());
        }
        Ok(())
    }

    /// A message of the block pull.
    pub(super) fn on_block_pull(
        &mut self,
        id: &ChannelId,
        sender: &Sender,
        view: &EnvelopeView,
    ) -> Result<(), Reject> {
        self.check_partner(id, sender)?;
        match view.kind() {
            ContentKind::Hello => self.on_block_hello(id, sender, view),
            ContentKind::DataDig => self.on_block_digest(id, sender, view),
            ContentKind::DataReq => self.on_block_request(id, sender, view),
            _ => self.on_block_update(id, sender, view),
        }
    }

    fn on_block_hello(&mut self, id: &ChannelId, sender: &Sender, view: &EnvelopeView) -> Result<(), Reject> {
        let GossipHello { nonce, .. } = view.content_as().map_err(Malformed::from)?;
        let now = self.shared.now;
        let channel = self.channels.get_mut(id).ok_or(Unfitting::ChannelUnknown)?;
        channel.pull.responder.hello(now, sender.pki_id, nonce, &self.shared.config)?;
        let held: Vec<Bytes> = channel.store.numbers().map(digest::of_block).collect();
        channel.pull.responder.offered(sender.pki_id, nonce, held.len());
        if !held.is_empty() {
            let digest = messages::digest(PullOf::Blocks(id), nonce, held);
            self.reply(sender, digest, Priority::Membership);
        }
        Ok(())
    }

    fn on_block_digest(
        &mut self,
        id: &ChannelId,
        sender: &Sender,
        view: &EnvelopeView,
    ) -> Result<(), Reject> {
        let DataDigest { nonce, digests, .. } = view.content_as().map_err(Malformed::from)?;
        let config = &self.shared.config;
        let now = self.shared.now;
        let channel = self.channels.get_mut(id).ok_or(Unfitting::ChannelUnknown)?;
        if channel.conduct.is_distrusted(now, &sender.pki_id) {
            return Err(Misbehaviour::Distrusted.into());
        }
        let digests = digests.iter().take(config.limits.elements_per_message_max);
        let offered: Vec<u64> = digests.filter_map(|item| digest::block_number(item)).collect();
        let Channel { buffer, pull, transfer, store, .. } = channel;
        let end = buffer.next().saturating_add(config.limits.block_buffer_count_max);
        let is_held = |number: u64| match config.rules.refuses_below_window() {
            // only what can be offered itself counts (spec/05 §10.5, W-18)
            true => number < buffer.height() || store.envelope(number).is_some(),
            false => buffer.holds(number) || transfer.is_open(number),
        };
        let is_wanted = |number: &u64| *number < end && !is_held(*number);
        let wanted = offered.iter().copied().filter(is_wanted);
        let ids_max = config.limits.elements_per_message_max;
        let ids = pull.initiator.digest(now, sender.pki_id, nonce, wanted, ids_max, config)?;
        for number in offered {
            channel.note_holder(number, sender.pki_id, config.limits.block_buffer_count_max);
        }
        if !ids.is_empty() {
            let ids = ids.into_iter().map(digest::of_block).collect();
            let request = messages::request(PullOf::Blocks(id), nonce, ids);
            self.reply(sender, request, Priority::Membership);
        }
        Ok(())
    }

    fn on_block_request(
        &mut self,
        id: &ChannelId,
        sender: &Sender,
        view: &EnvelopeView,
    ) -> Result<(), Reject> {
        let DataRequest { nonce, digests, .. } = view.content_as().map_err(Malformed::from)?;
        let now = self.shared.now;
        let channel = self.channels.get_mut(id).ok_or(Unfitting::ChannelUnknown)?;
        let digests = digests.iter().take(self.shared.config.limits.elements_per_message_max);
        let asked: BTreeSet<u64> = digests.filter_map(|item| digest::block_number(item)).collect();
        let held = asked
            .into_iter()
            .filter_map(|number| channel.store.envelope(number).map(|item| (number, item.clone())));
        let mut held: Vec<(u64, Envelope)> = held.collect();
        let granted = channel.pull.responder.request(now, sender.pki_id, nonce, held.len())?;
        held.truncate(granted);
        for (number, _) in &held {
            channel.store.note_holder(*number, sender.pki_id);
        }
        let items: Vec<Envelope> = held.into_iter().map(|(_, item)| item).collect();
        let bytes_max = self.shared.config.limits.state_response_bytes_max;
        for update in updates(PullOf::Blocks(id), nonce, &items, bytes_max) {
            self.reply(sender, update, Priority::Block);
        }
        Ok(())
    }

    fn on_block_update(
        &mut self,
        id: &ChannelId,
        sender: &Sender,
        view: &EnvelopeView,
    ) -> Result<(), Reject> {
        let nonce = view.pull().ok_or(Malformed::ContentMissing)?.nonce;
        let channel = self.channels.get_mut(id).ok_or(Unfitting::ChannelUnknown)?;
        channel.pull.initiator.update(sender.pki_id, nonce)?;
        for element in view.parts().take(self.shared.config.limits.elements_per_message_max) {
            let item = element.map_err(Malformed::from)?.envelope;
            if let Err(reason) = self.take_pulled_block(id, sender, &item) {
                self.reject(sender, view.kind(), reason);
            }
        }
        Ok(())
    }

    fn take_pulled_block(&mut self, id: &ChannelId, sender: &Sender, item: &Envelope) -> Result<(), Reject> {
        let view = item.view().map_err(Malformed::from)?;
        let content = validate::nested_block(&view, id.as_bytes())?;
        let payload = content.payload.unwrap_or_default();
        self.check_window(id, payload.seq_num)?;
        self.check_block_of_peer(id, sender, payload.seq_num, payload.data.len())?;
        self.take_block_of_peer(id, payload.seq_num, &payload.data, BlockSource::Pull, sender.pki_id)
    }
}
