//! Obtaining single blocks again that the ledger lost to damage (DESIGN §9).
//!
//! They lie below the ledger's height, so nothing of state transfer applies but the messages. One block is asked for at a
//! time, the lowest first, and the next only when the owner says how it went: a damaged block that follows another can only be
//! put back after it. Who did not help is not asked again as long as there is somebody else.

use super::blocks::orderer_form;
use crate::ids::{ChannelId, PkiId};
use crate::messages::state_request;
use crate::output::{Output, Priority};
use crate::peer::Peer;
use crate::reject::{Misbehaviour, Reject, Unfitting};
use crate::shared::Sender;
use crate::time::Instant;
use crate::timers::Timer;
use core::time::Duration;
use selvedge_proto::envelope::EnvelopeView;
use selvedge_proto::gossip::RemoteStateResponse;
use selvedge_proto::validate::Malformed;
use std::collections::BTreeSet;

/// Pause after a request that did not help, and between two looks for somebody to ask.
const PAUSE: Duration = Duration::from_secs(5);

#[derive(Debug)]
struct Asked {
    peer: PkiId,
    nonce: u64,
    number: u64,
    at: Instant,
}

/// Which blocks are missed, and what is being done about the lowest of them.
#[derive(Debug, Default)]
pub(crate) struct Repair {
    missed: BTreeSet<u64>,
    asked: Option<Asked>,
    /// The block that is being put back, and who sent it.
    mending: Option<(u64, PkiId)>,
    /// Who last did not help.
    wrong: Option<PkiId>,
    /// Nobody is asked before.
    rests_until: Option<Instant>,
}

impl Repair {
    /// The number asked of this peer under this nonce.
    fn answered(&mut self, sender: &PkiId, nonce: u64) -> Option<u64> {
        let asked = self.asked.take_if(|asked| asked.peer == *sender && asked.nonce == nonce)?;
        Some(asked.number)
    }

    fn waits(&self, now: Instant, timeout: Duration) -> bool {
        self.mending.is_some()
            || self.rests_until.is_some_and(|until| now < until)
            || self.asked.as_ref().is_some_and(|asked| now.since(asked.at) < timeout)
    }
}

impl Peer {
    /// Blocks are damaged in the ledger: they are asked for, one at a time, and each comes back as [`Output::Mend`].
    pub(crate) fn obtain_blocks(&mut self, id: &ChannelId, first: u64, last: u64) {
        let Some(channel) = self.channels.get_mut(id) else { return };
        let most = usize::try_from(self.shared.config.limits.block_buffer_count_max).unwrap_or(usize::MAX);
        let room = most.saturating_sub(channel.repair.missed.len());
        channel.repair.missed.extend((first..=last).take(room));
        self.shared.timers.set_no_later_than(Timer::Repair(id.clone()), self.shared.now);
    }

    /// Asks a random living member that has the lowest missed block.
    pub(crate) fn advance_repair(&mut self, id: &ChannelId) {
        let now = self.shared.now;
        let own_org = &self.shared.me.org;
        let Some(channel) = self.channels.get_mut(id).filter(|channel| channel.is_active(own_org)) else {
            return;
        };
        let Some(&number) = channel.repair.missed.first() else { return };
        self.shared.timers.set(Timer::Repair(id.clone()), now + PAUSE);
        if channel.repair.waits(now, self.shared.config.state_response_timeout) {
            return;
        }
        if let Some(silent) = channel.repair.asked.take() {
            channel.repair.wrong = Some(silent.peer);
        }
        let states = &channel.states;
        let has_it = |pki_id: &PkiId| {
            states.get(pki_id).is_some_and(|state| !state.left_channel && state.height > number)
        };
        let mut candidates: Vec<PkiId> =
            self.membership.alive().map(|member| member.pki_id).filter(has_it).collect();
        if candidates.len() > 1 {
            candidates.retain(|pki_id| Some(*pki_id) != channel.repair.wrong);
        }
        let Some(&peer) = self.shared.rng.choice(&candidates) else { return };
        let nonce = self.shared.rng.u64(1..);
        channel.repair.asked = Some(Asked { peer, nonce, number, at: now });
        self.send_to(peer, state_request(id, nonce, number, number), Priority::Control);
    }

    /// Takes a state response that answers a request of [`advance_repair`](Self::advance_repair); `None` if it does not.
    pub(super) fn take_repair(
        &mut self,
        id: &ChannelId,
        sender: &Sender,
        view: &EnvelopeView,
    ) -> Option<Result<(), Reject>> {
        let repair = &mut self.channels.get_mut(id)?.repair;
        let number = repair.answered(&sender.pki_id, view.nonce())?;
        let taken = self.mend(id, number, sender.pki_id, view);
        if taken.is_err() {
            self.blame_for_repair(id, sender.pki_id);
        }
        Some(taken)
    }

    fn mend(&mut self, id: &ChannelId, number: u64, from: PkiId, view: &EnvelopeView) -> Result<(), Reject> {
        let content = view.content_as::<RemoteStateResponse>().map_err(Malformed::from)?;
        if content.payloads.is_empty() {
            // it may be damaged there, too
            return Err(Unfitting::OutOfRange.into());
        }
        let payload = content.payloads.iter().find(|payload| payload.seq_num == number);
        let payload = payload.ok_or(Misbehaviour::Unsolicited)?;
        let block = orderer_form(&payload.data, number)?;
        if let Some(channel) = self.channels.get_mut(id) {
            channel.repair.mending = Some((number, from));
        }
        self.shared.emit(Output::Mend { channel: id.clone(), number, block });
        Ok(())
    }

    /// The owner put a block back, or could not with what came.
    pub(crate) fn on_mended(&mut self, id: &ChannelId, number: u64, ok: bool) {
        let Some(channel) = self.channels.get_mut(id) else { return };
        let Some((_, from)) = channel.repair.mending.take_if(|(of, _)| *of == number) else { return };
        if !ok {
            return self.blame_for_repair(id, from);
        }
        channel.repair.missed.remove(&number);
        (channel.repair.wrong, channel.repair.rests_until) = (None, None);
        self.shared.timers.set(Timer::Repair(id.clone()), self.shared.now);
    }

    /// Asks again after a pause, and somebody else if there is one.
    fn blame_for_repair(&mut self, id: &ChannelId, peer: PkiId) {
        let until = self.shared.now + PAUSE;
        if let Some(channel) = self.channels.get_mut(id) {
            (channel.repair.wrong, channel.repair.rests_until) = (Some(peer), Some(until));
        }
        self.shared.timers.set(Timer::Repair(id.clone()), until);
    }
}
