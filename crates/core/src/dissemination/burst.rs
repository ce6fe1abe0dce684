//! Pushing by the Go peer's rules: what is to be pushed is gathered, and leaves together (spec/05 §8.1, §8.2).

use super::Push;
use crate::ids::{ChannelId, MspId, PkiId};
use crate::membership::Member;
use crate::output::Priority;
use crate::peer::Peer;
use crate::timers::Timer;
use selvedge_proto::envelope::Envelope;
use std::collections::BTreeMap;

/// What waits to be pushed.
#[derive(Debug, Default)]
pub(crate) struct Burst {
    waiting: Vec<Push>,
}

/// A block on its way out, and who delivered it.
type Outgoing = (Envelope, Option<PkiId>);

impl Peer {
    pub(super) fn add_to_burst(&mut self, push: Push) {
        self.burst.waiting.push(push);
        if self.burst.waiting.len() >= self.shared.config.burst_size {
            return self.emit_burst();
        }
        if self.burst.waiting.len() == 1 {
            // there is a look every `burst_latency` and a bit, so how long the next one is away is chance
            let wait = self.shared.config.burst_latency.mul_f64(self.shared.rng.f64());
            self.shared.timers.set(Timer::Burst, self.shared.now + wait);
        }
    }

    /// Pushes all that waits: first blocks, then what is known of channels, then who is alive.
    pub(crate) fn emit_burst(&mut self) {
        self.shared.timers.clear(&Timer::Burst);
        let mut blocks: BTreeMap<ChannelId, Vec<Outgoing>> = BTreeMap::new();
        let (mut state_infos, mut hidden, mut others) = (Vec::new(), Vec::new(), Vec::new());
        for push in core::mem::take(&mut self.burst.waiting) {
            match push {
                Push::Block { channel, envelope, delivered_by, .. } => {
                    blocks.entry(channel).or_default().push((envelope, delivered_by));
                }
                Push::StateInfo { .. } => state_infos.push(push),
                Push::Alive { external_endpoint_empty: true, ref origin_org, .. }
                    if *origin_org == self.shared.me.org =>
                {
                    hidden.push(push);
                }
                Push::Alive { .. } => others.push(push),
            }
        }
        for (channel, blocks) in blocks {
            self.emit_blocks(&channel, blocks);
        }
        for push in state_infos {
            self.emit_state_info(push);
        }
        if !hidden.is_empty() {
            self.emit_hidden(hidden);
        }
        for push in others {
            self.emit_alive(push);
        }
    }

    /// All blocks of a channel go to the same receivers; who delivered one of them may be among these, and is left out then.
    fn emit_blocks(&mut self, channel: &ChannelId, blocks: Vec<Outgoing>) {
        let receivers = self.draw(false, |peer, member| peer.may_get_blocks(member, channel));
        for (envelope, delivered_by) in blocks {
            let receivers = without(&receivers, delivered_by);
            self.push_to(&receivers, &envelope, Priority::Block);
        }
    }

    fn emit_state_info(&mut self, push: Push) {
        let Push::StateInfo { channel, envelope, origin, delivered_by } = push else { return };
        let channel = channel.filter(|_| self.has_external_endpoint(&origin));
        let receivers = self.draw(false, |peer, member| {
            peer.may_get_state_info(member, channel.as_ref()) && Some(member.pki_id) != delivered_by
        });
        self.push_to(&receivers, &envelope, Priority::Membership);
    }

    /// Messages of members of the own organisation that hide from others go to the same receivers.
    fn emit_hidden(&mut self, pushes: Vec<Push>) {
        let own_org = self.shared.me.org.clone();
        let receivers = self.draw(false, |_, member| member.org == own_org);
        for push in pushes {
            let Push::Alive { envelope, delivered_by, .. } = push else { continue };
            self.push_alive(&envelope, without(&receivers, delivered_by));
        }
    }

    /// A foreign origin's message is not sent to those of the drawn who do not show themselves to other organisations.
    fn emit_alive(&mut self, push: Push) {
        let Push::Alive { envelope, origin_org, delivered_by, .. } = push else { return };
        let own_org = self.shared.me.org.clone();
        let is_own = origin_org == own_org;
        let mut receivers = self.draw(false, |_, member: &Member| {
            (is_own || member.org == own_org || member.org == origin_org)
                && Some(member.pki_id) != delivered_by
        });
        if !is_own {
            receivers.retain(|(pki_id, _)| self.has_external_endpoint(pki_id));
        }
        self.push_alive(&envelope, receivers);
    }
}

fn without(receivers: &[(PkiId, MspId)], left_out: Option<PkiId>) -> Vec<(PkiId, MspId)> {
    receivers.iter().filter(|(pki_id, _)| Some(*pki_id) != left_out).cloned().collect()
}
