//! State transfer, the asking side (spec/06 §2.7, §2.9): see [`super::transfer`] for what is asked of whom.

use super::Channel;
use super::transfer::{Candidate, Order, Outcome};
use crate::ids::ChannelId;
use crate::messages::state_request;
use crate::output::{BlockSource, Priority};
use crate::peer::Peer;
use crate::reject::{Misbehaviour, Reject, Unfitting};
use crate::shared::Sender;
use crate::timers::Timer;
use core::ops::RangeInclusive;
use core::time::Duration;
use selvedge_proto::envelope::{ContentKind, EnvelopeView};
use selvedge_proto::gossip::{Payload, RemoteStateResponse};
use selvedge_proto::validate::Malformed;

/// How long the orderer may have been silent to be taken for one that will bring the next block, too.
const ORDERER_SILENCE_MAX: Duration = Duration::from_secs(10);
/// A small gap waits so many times longer for blocks from such an orderer.
const ORDERER_PATIENCE_FACTOR: u32 = 10;

impl Peer {
    /// Asks for missing blocks, as many and as far ahead as there is room for.
    pub(crate) fn advance_state_transfer(&mut self, id: &ChannelId) {
        let now = self.shared.now;
        let config = &self.shared.config;
        let own_org = &self.shared.me.org;
        let Some(channel) = self.channels.get_mut(id) else { return };
        if !config.state_transfer_enabled || !channel.is_active(own_org) {
            return;
        }
        let candidates = self.membership.alive().filter_map(|member| {
            let state = channel.states.get(&member.pki_id).filter(|state| !state.left_channel)?;
            let is_trusted = !channel.conduct.is_distrusted(now, &member.pki_id);
            let is_own_org = member.org == *own_org;
            is_trusted.then_some(Candidate { pki_id: member.pki_id, height: state.height, is_own_org })
        });
        let candidates: Vec<Candidate> = candidates.collect();
        let orderer_brings = channel.delivered_at.is_some_and(|at| now.since(at) < ORDERER_SILENCE_MAX);
        let patience = config.state_gap_patience * if orderer_brings { ORDERER_PATIENCE_FACTOR } else { 1 };
        let Channel { transfer, buffer, .. } = channel;
        if config.rules.transfers_in_runs()
            && let Err(at) = transfer.is_running(now, buffer, &candidates, config)
        {
            return self.shared.timers.set(Timer::StateTransfer(id.clone()), at);
        }
        let patience = if config.rules.transfers_in_runs() { Duration::ZERO } else { patience };
        let orders = transfer.plan(now, &mut self.shared.rng, buffer, &candidates, patience, config);
        let deadline = transfer.deadline(now, patience, config);
        self.shared.timers.set(Timer::StateTransfer(id.clone()), deadline);
        for Order { nonce, peer, first, last } in orders {
            self.send_to(peer, state_request(id, nonce, first, last), Priority::Control);
        }
    }

    /// Blocks that were asked for. Whoever sends what was not asked for, or asked of somebody else, only wastes its own time
    /// (W3). Blocks prove themselves, so the sender need not be a reader of the channel.
    pub(super) fn on_state_response(
        &mut self,
        id: &ChannelId,
        sender: &Sender,
        view: &EnvelopeView,
    ) -> Result<(), Reject> {
        if let Some(taken) = self.take_repair(id, sender, view) {
            return taken;
        }
        let now = self.shared.now;
        let own_org = &self.shared.me.org;
        let channel = self.channels.get_mut(id).filter(|channel| channel.is_active(own_org));
        let channel = channel.ok_or(Unfitting::ChannelUnknown)?;
        let range = channel.transfer.answered(now, sender.pki_id, view.nonce())?;
        let content = view.content_as::<RemoteStateResponse>().map_err(Malformed::from);
        let outcome = match &content {
            Ok(content) => self.take_transferred(id, sender, &range, &content.payloads),
            Err(_) => Outcome { range, lowest: None, useful_count: 0, is_bad: true },
        };
        if let Some(Channel { transfer, buffer, .. }) = self.channels.get_mut(id) {
            transfer.settle(now, sender.pki_id, &outcome, buffer, &self.shared.config);
        }
        self.commit_ready(id);
        self.shared.timers.set_no_later_than(Timer::StateTransfer(id.clone()), now);
        content.map(drop).map_err(Reject::from)
    }

    fn take_transferred(
        &mut self,
        id: &ChannelId,
        sender: &Sender,
        range: &RangeInclusive<u64>,
        payloads: &[Payload],
    ) -> Outcome {
        let mut outcome = Outcome { range: range.clone(), lowest: None, useful_count: 0, is_bad: false };
        // private data beside blocks are not used (W1)
        for Payload { seq_num, data, .. } in payloads {
            let taken = if range.contains(seq_num) {
                outcome.lowest = Some(outcome.lowest.map_or(*seq_num, |lowest| lowest.min(*seq_num)));
                self.check_block_of_peer(id, sender, *seq_num, data.len()).and_then(|()| {
                    self.take_block_of_peer(id, *seq_num, data, BlockSource::Transfer, sender.pki_id)
                })
            } else {
                Err(Misbehaviour::Unsolicited.into())
            };
            match taken {
                Ok(()) => outcome.useful_count += 1,
                Err(Reject::Unfitting(Unfitting::Duplicate | Unfitting::Stale)) => {}
                Err(reason) => {
                    outcome.is_bad |= matches!(reason, Reject::Malformed(_) | Reject::Misbehaviour(_));
                    self.reject(sender, ContentKind::StateResponse, reason);
                }
            }
        }
        outcome
    }
}
