//! Who gets a pushed message (spec/05 §8).
//!
//! Fabric's rules of who may get what are kept to the letter. Within them receivers are drawn for each message (W-13), at once
//! rather than every 10 ms (W-12), and not from those who are known to have it: the one who delivered it, its origin, and of
//! blocks whoever announced, sent or was sent it (W-9). Who left a channel gets none of its blocks (W-24).
//!
//! By the Go peer's own [`Rules`](crate::Rules) all of that is otherwise: see [`burst`].

pub(crate) mod burst;

use crate::ids::{ChannelId, MspId, PkiId};
use crate::membership::Member;
use crate::output::Priority;
use crate::peer::Peer;
use selvedge_proto::envelope::{Envelope, EnvelopeView};

/// A message to push.
#[derive(Clone, Debug)]
pub(crate) enum Push {
    /// An alive message, own or forwarded.
    Alive {
        envelope: EnvelopeView,
        origin: PkiId,
        origin_org: MspId,
        external_endpoint_empty: bool,
        delivered_by: Option<PkiId>,
    },
    /// A StateInfo, of a joined channel or of another.
    StateInfo { channel: Option<ChannelId>, envelope: Envelope, origin: PkiId, delivered_by: Option<PkiId> },
    /// A block.
    Block { channel: ChannelId, number: u64, envelope: Envelope, delivered_by: Option<PkiId> },
}

impl Peer {
    /// Sends a message to some of those who may have it.
    pub(crate) fn disseminate(&mut self, push: Push) {
        if self.shared.config.rules.pushes_in_bursts() {
            return self.add_to_burst(push);
        }
        match push {
            Push::Alive { envelope, origin, origin_org, external_endpoint_empty, delivered_by } => {
                let receivers = self.draw(false, |peer, member| {
                    peer.may_get_alive(member, &origin_org, external_endpoint_empty)
                        && member.pki_id != origin
                        && Some(member.pki_id) != delivered_by
                });
                self.push_alive(&envelope, receivers);
            }
            Push::StateInfo { channel, envelope, origin, delivered_by } => {
                let channel = channel.filter(|_| self.has_external_endpoint(&origin));
                let only_own_org = channel.is_none();
                let receivers = self.draw(only_own_org, |peer, member| {
                    peer.may_get_state_info(member, channel.as_ref())
                        && member.pki_id != origin
                        && Some(member.pki_id) != delivered_by
                });
                self.push_to(&receivers, &envelope, Priority::Membership);
            }
            Push::Block { channel, number, envelope, delivered_by } => {
                let receivers = self.draw(true, |peer, member| {
                    peer.lacks_block(member, &channel, number) && Some(member.pki_id) != delivered_by
                });
                self.note_receivers(&channel, number, &receivers);
                self.push_to(&receivers, &envelope, Priority::Block);
            }
        }
    }

    /// Spec/05 §8.3, rows "alive". A foreign origin's messages go only to receivers that show themselves to other
    /// organisations; Fabric draws first and then skips the others.
    fn may_get_alive(&self, member: &Member, origin_org: &MspId, external_endpoint_empty: bool) -> bool {
        let own_org = &self.shared.me.org;
        if origin_org == own_org {
            return !external_endpoint_empty || member.org == *own_org;
        }
        (member.org == *own_org || member.org == *origin_org) && member.is_external()
    }

    /// Spec/05 §8.3, rows "StateInfo": `channel` is given if it is joined and the origin shows itself to other organisations.
    fn may_get_state_info(&self, member: &Member, channel: Option<&ChannelId>) -> bool {
        match channel.and_then(|channel| self.channels.get(channel)) {
            Some(channel) => channel.has_org(&member.org),
            None => member.org == self.shared.me.org,
        }
    }

    /// Spec/05 §8.3, row "block": a member of the channel, of the own organisation and no other.
    fn may_get_blocks(&self, member: &Member, channel: &ChannelId) -> bool {
        let own_org = &self.shared.me.org;
        let ignores_leaving = self.shared.config.rules.ignores_leaving();
        self.channels.get(channel).is_some_and(|channel| {
            member.org == *own_org
                && channel.has_org(own_org)
                && channel.is_eligible(&member.pki_id, ignores_leaving)
        })
    }

    /// A member that may get a block, and is not known to have it.
    fn lacks_block(&self, member: &Member, channel: &ChannelId, number: u64) -> bool {
        self.may_get_blocks(member, channel)
            && self.channels.get(channel).is_some_and(|channel| !channel.is_holder(number, &member.pki_id))
    }

    /// Up to `propagate_peer_count` random living members that `may` have the message and, unless it is left to chance, can be
    /// reached now, with their organisation. `only_own_org`: nobody else may have it.
    fn draw(&mut self, only_own_org: bool, may: impl Fn(&Self, &Member) -> bool) -> Vec<(PkiId, MspId)> {
        let wanted = self.shared.config.propagate_peer_count;
        let mut rng = self.shared.rng.fork();
        let blindly = self.shared.config.rules.pushes_in_bursts();
        let may = |peer: &Self, member: &Member| may(peer, member) && (blindly || peer.can_reach(member));
        if let Some(drawn) = self.draw_neighbours(wanted, only_own_org, &mut rng, may) {
            return drawn.into_iter().map(|member| (member.pki_id, member.org.clone())).collect();
        }
        if let Some(drawn) = self.draw_from_many(wanted, &mut rng, may) {
            return drawn;
        }
        let mut drawn: Vec<&Member> = Vec::with_capacity(wanted);
        let candidates = self.membership.alive().filter(|member| may(self, member));
        for (seen, member) in candidates.enumerate() {
            // each candidate is in the end among the drawn with the same probability
            if drawn.len() < wanted {
                drawn.push(member);
            } else if let Some(place) = drawn.get_mut(rng.usize(..=seen)) {
                *place = member;
            }
        }
        drawn.into_iter().map(|member| (member.pki_id, member.org.clone())).collect()
    }

    /// Among many members of whom most may have the message, a few tries find enough of them; `None` if they did not.
    fn draw_from_many(
        &self,
        wanted: usize,
        rng: &mut fastrand::Rng,
        may: impl Fn(&Self, &Member) -> bool,
    ) -> Option<Vec<(PkiId, MspId)>> {
        let alive_count = self.membership.alive_count();
        let tries_max = 4 * wanted;
        if alive_count < 4 * tries_max {
            return None;
        }
        let mut drawn: Vec<&Member> = Vec::with_capacity(wanted);
        for _ in 0..tries_max {
            if drawn.len() == wanted {
                break;
            }
            let member = self.membership.alive_at(rng.usize(..alive_count))?;
            if may(self, member) && drawn.iter().all(|other| other.pki_id != member.pki_id) {
                drawn.push(member);
            }
        }
        (drawn.len() == wanted)
            .then(|| drawn.into_iter().map(|member| (member.pki_id, member.org.clone())).collect())
    }

    fn note_receivers(&mut self, channel: &ChannelId, number: u64, receivers: &[(PkiId, MspId)]) {
        let ahead_max = self.shared.config.limits.block_buffer_count_max;
        if let Some(channel) = self.channels.get_mut(channel) {
            for (pki_id, _) in receivers {
                channel.note_holder(number, *pki_id, ahead_max);
            }
        }
    }

    fn push_to(&mut self, receivers: &[(PkiId, MspId)], envelope: &Envelope, priority: Priority) {
        for (pki_id, _) in receivers {
            self.shared.stats.pushed_count += 1;
            self.send_to(*pki_id, envelope.clone(), priority);
        }
    }

    /// The secret is for the own organisation, and for nobody of whom it is not certain that he is of it.
    fn push_alive(&mut self, envelope: &EnvelopeView, receivers: Vec<(PkiId, MspId)>) {
        for (pki_id, org) in receivers {
            let is_own_org = org == self.shared.me.org;
            let envelope = Envelope::from(if is_own_org { envelope.clone() } else { envelope.stripped() });
            self.shared.stats.pushed_count += 1;
            self.send_to(pki_id, envelope, Priority::Membership);
        }
    }
}
