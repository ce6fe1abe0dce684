//! Obtaining single blocks again that the ledger lost to damage (DESIGN §9).
//!
//! They lie below the ledger's height, so nothing of state transfer applies but the messages. They need no signatures
//! either: the hashes of their neighbours in the ledger say which block it was.

use super::blocks::orderer_form;
use crate::ids::{ChannelId, PkiId};
use crate::messages::state_request;
use crate::output::{Output, Priority};
use crate::peer::Peer;
use crate::reject::{Misbehaviour, Reject};
use crate::shared::Sender;
use crate::time::Instant;
use crate::timers::Timer;
use core::time::Duration;
use selvedge_proto::envelope::EnvelopeView;
use selvedge_proto::gossip::RemoteStateResponse;
use selvedge_proto::validate::Malformed;
use std::collections::BTreeSet;

/// Pause between two requests: damage is rare, and nobody waits for it.
const PAUSE: Duration = Duration::from_secs(5);

#[derive(Debug)]
struct Asked {
    peer: PkiId,
    nonce: u64,
    number: u64,
    at: Instant,
}

/// Which blocks are missed, and who was asked for the lowest of them.
#[derive(Debug, Default)]
pub(crate) struct Repair {
    missed: BTreeSet<u64>,
    asked: Option<Asked>,
}

impl Repair {
    /// The number asked of this peer under this nonce.
    fn answered(&mut self, sender: &PkiId, nonce: u64) -> Option<u64> {
        let asked = self.asked.take_if(|asked| asked.peer == *sender && asked.nonce == nonce)?;
        Some(asked.number)
    }

    fn waits(&self, now: Instant, timeout: Duration) -> bool {
        self.asked.as_ref().is_some_and(|asked| now.since(asked.at) < timeout)
    }
}

impl Peer {
    /// Blocks are damaged in the ledger, or were obtained and did not fit: they are asked for, one at a time, until a
    /// [`Output::Mend`] brings each.
    pub(crate) fn obtain_blocks(&mut self, id: &ChannelId, first: u64, last: u64) {
        let Some(channel) = self.channels.get_mut(id) else { return };
        let most = usize::try_from(self.shared.config.limits.block_buffer_count_max).unwrap_or(usize::MAX);
        let room = most.saturating_sub(channel.repair.missed.len());
        channel.repair.missed.extend((first..=last).take(room));
        self.shared.timers.set_no_later_than(Timer::Repair(id.clone()), self.shared.now + PAUSE);
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
        let states = &channel.states;
        let has_it = |pki_id: &PkiId| {
            states.get(pki_id).is_some_and(|state| !state.left_channel && state.height > number)
        };
        let candidates: Vec<PkiId> =
            self.membership.alive().map(|member| member.pki_id).filter(has_it).collect();
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
        Some(self.mend(id, number, view))
    }

    fn mend(&mut self, id: &ChannelId, number: u64, view: &EnvelopeView) -> Result<(), Reject> {
        let content = view.content_as::<RemoteStateResponse>().map_err(Malformed::from)?;
        let payload = content.payloads.iter().find(|payload| payload.seq_num == number);
        let payload = payload.ok_or(Misbehaviour::Unsolicited)?;
        let block = orderer_form(&payload.data, number)?;
        if let Some(channel) = self.channels.get_mut(id) {
            channel.repair.missed.remove(&number);
        }
        self.shared.emit(Output::Mend { channel: id.clone(), number, block });
        self.shared.timers.set(Timer::Repair(id.clone()), self.shared.now);
        Ok(())
    }
}
