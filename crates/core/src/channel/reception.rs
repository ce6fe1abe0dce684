//! StateInfo of others: pushed, in snapshots, and asked for (spec/05 §6.3, §6.4, §13.4 to §13.6).

use super::state_info::{StateInfo, Timestamp};
use super::{Channel, Waiting};
use crate::dissemination::Push;
use crate::ids::{ChannelId, MspId, PkiId};
use crate::messages::{state_info_request, state_info_snapshot};
use crate::output::{Event, Priority, Signed};
use crate::peer::Peer;
use crate::reject::{Misbehaviour, Reject, Unfitting};
use crate::shared::{Sender, Waiting as SharedWaiting};
use crate::timers::Timer;
use bytes::Bytes;
use core::time::Duration;
use selvedge_proto::envelope::{ContentKind, Envelope, EnvelopeView};
use selvedge_proto::gossip::StateInfoPullRequest;
use selvedge_proto::validate::{self, Malformed};

/// Shortest time between two rounds of requests, when there is a reason to hurry.
pub(super) const REQUEST_SPACING: Duration = Duration::from_millis(500);

/// A StateInfo whose signature is being verified.
#[derive(Debug)]
pub(crate) struct Arrived {
    origin: PkiId,
    entry: StateInfo,
    /// Who delivered it; nobody if it was relayed before the channel was joined.
    sender: Option<Sender>,
    /// Pushed, and so to be pushed on.
    is_pushed: bool,
}

/// What a StateInfo claims, read without decoding it.
struct Claim {
    origin: PkiId,
    mac: Bytes,
    timestamp: Timestamp,
}

impl Peer {
    pub(super) fn on_state_info(&mut self, sender: &Sender, view: &EnvelopeView) -> Result<(), Reject> {
        let claim = self.read_state_info(view)?;
        let remember = self.identities.known(&claim.origin).is_some();
        let Some(id) = self.macs.find(&claim.origin, &claim.mac, remember) else {
            return self.relay_state_info(sender, view, claim.origin, claim.timestamp, &claim.mac);
        };
        self.check_sender(&id, sender)?;
        self.take_up_state_info(&id, Some(sender), view, &claim, true)
    }

    fn read_state_info(&self, view: &EnvelopeView) -> Result<Claim, Reject> {
        if view.payload().len() > self.shared.config.limits.state_info_bytes_max {
            return Err(Reject::OverLimit);
        }
        validate::signed(view)?;
        let Some(key) = view.state_info_key() else {
            let reason = validate::nested_state_info(view).err().unwrap_or(Malformed::TimestampMissing);
            return Err(reason.into());
        };
        let origin = PkiId::from_wire(key.pki_id).ok_or(Unfitting::IdentityUnknown)?;
        let mac = Bytes::copy_from_slice(key.channel_mac);
        Ok(Claim { origin, mac, timestamp: Timestamp::of(&key) })
    }

    /// Checks a StateInfo of a joined channel in the order of cost and has its signature verified.
    fn take_up_state_info(
        &mut self,
        id: &ChannelId,
        sender: Option<&Sender>,
        view: &EnvelopeView,
        claim: &Claim,
        is_pushed: bool,
    ) -> Result<(), Reject> {
        let Claim { origin, timestamp, .. } = *claim;
        if self.shared.config.rules.verifies_copies() {
            self.verify_copy(&origin, view);
        }
        if origin == self.shared.me.pki_id {
            return self.on_echo(id, sender, view, timestamp);
        }
        let channel = self.channels.get_mut(id).ok_or(Unfitting::ChannelUnknown)?;
        channel.states.check_newer(&origin, timestamp)?;
        let Some(known) = self.identities.known(&origin) else {
            if let Some(sender) = sender {
                self.pull_identities_from(sender.pki_id);
            }
            return Err(Unfitting::IdentityUnknown.into());
        };
        if !channel.has_org(&known.org) {
            return Err(Misbehaviour::NotEntitled.into());
        }
        if channel.states.len() >= self.shared.config.limits.members_max
            && channel.states.get(&origin).is_none()
        {
            return Err(Reject::OverLimit);
        }
        let properties = validate::nested_state_info(view)?.properties.unwrap_or_default();
        // whatever else came in its envelope nobody signed (W-4)
        let view = if is_pushed { view.bare() } else { view.bare().detached() };
        channel.states.verifying.begin(origin, &view)?;
        let signed = Signed::of(&view);
        let entry = StateInfo {
            view: view.clone(),
            timestamp,
            org: known.org.clone(),
            height: properties.ledger_height,
            left_channel: properties.left_channel,
            is_swept: false,
        };
        let identity = known.identity.clone();
        let arrived = Arrived { origin, entry, sender: sender.cloned(), is_pushed };
        let waiting = SharedWaiting::Channel(id.clone(), Waiting::StateInfo(Box::new(arrived)));
        let ticket = match sender {
            Some(sender) => self.shared.ticket_for(sender.connection, waiting),
            None => Some(self.shared.ticket(waiting)),
        };
        let Some(ticket) = ticket else {
            channel.states.verifying.end(&origin, &view);
            return Err(Reject::OverLimit);
        };
        self.shared.verify(ticket, identity, signed, None, Some(id.clone()));
        Ok(())
    }

    /// Checks the signature of what may be known already, only because the Go peer does.
    pub(crate) fn verify_copy(&mut self, origin: &PkiId, view: &EnvelopeView) {
        let Some(known) = self.identities.known(origin) else { return };
        let identity = known.identity.clone();
        let signed = Signed::of(view);
        let ticket = self.shared.ticket(SharedWaiting::Copy);
        self.shared.verify(ticket, identity, signed, Signed::secret_of(view), None);
    }

    /// Takes up a StateInfo that was relayed before the channel was joined.
    pub(super) fn take_up_relayed(
        &mut self,
        id: &ChannelId,
        origin: PkiId,
        view: &EnvelopeView,
    ) -> Result<(), Reject> {
        let claim = self.read_state_info(view)?;
        debug_assert_eq!(claim.origin, origin);
        self.take_up_state_info(id, None, view, &claim, false)
    }

    /// A StateInfo of our own. If it is newer than what we made, it is of a former life and stands in the way (04 W-13).
    fn on_echo(
        &mut self,
        id: &ChannelId,
        sender: Option<&Sender>,
        view: &EnvelopeView,
        timestamp: Timestamp,
    ) -> Result<(), Reject> {
        let channel = self.channels.get(id).ok_or(Unfitting::ChannelUnknown)?;
        let Some(sender) = sender.filter(|_| timestamp > channel.own.timestamp) else {
            return Err(Unfitting::Own.into());
        };
        let me = self.shared.me.pki_id;
        let channel = self.channels.get_mut(id).ok_or(Unfitting::ChannelUnknown)?;
        channel.states.verifying.begin(me, view)?;
        let waiting = SharedWaiting::Channel(id.clone(), Waiting::Echo(timestamp, view.clone()));
        let Some(ticket) = self.shared.ticket_for(sender.connection, waiting) else {
            channel.states.verifying.end(&me, view);
            return Err(Reject::OverLimit);
        };
        let signed = Signed::of(view);
        let identity = self.shared.me.identity.clone();
        self.shared.verify(ticket, identity, signed, None, None);
        Ok(())
    }

    pub(super) fn on_echo_verified(
        &mut self,
        id: &ChannelId,
        timestamp: Timestamp,
        view: &EnvelopeView,
        ok: bool,
    ) {
        let me = self.shared.me.pki_id;
        let Some(channel) = self.channels.get_mut(id) else { return };
        channel.states.verifying.end(&me, view);
        if ok {
            self.overtake_echo(id, timestamp);
        }
    }

    pub(super) fn on_state_info_verified(&mut self, id: &ChannelId, arrived: Arrived, ok: bool) {
        let Arrived { origin, entry, sender, is_pushed } = arrived;
        let Some(channel) = self.channels.get_mut(id) else { return };
        channel.states.verifying.end(&origin, &entry.view);
        let from = sender.as_ref().map(|sender| sender.pki_id);
        if !ok {
            return self.shared.reject(from, ContentKind::StateInfo, Misbehaviour::SignatureInvalid);
        }
        self.touch_identity(&origin);
        let Some(channel) = self.channels.get_mut(id) else { return };
        // while the signature was verified something newer may have come, or the channel have changed
        if channel.states.check_newer(&origin, entry.timestamp).is_err() || !channel.has_org(&entry.org) {
            return;
        }
        let envelope = Envelope::from(&entry.view);
        let height = entry.height;
        if !entry.left_channel {
            channel.known_height = channel.known_height.max(height);
        }
        let old = channel.states.insert(origin, entry);
        if old.is_none_or(|old| old.height != height) {
            self.shared.event(Event::HeightAnnounced { channel: id.clone(), pki_id: origin, height });
        }
        if is_pushed {
            let channel = Some(id.clone());
            self.disseminate(Push::StateInfo { channel, envelope, origin, delivered_by: from });
        }
        self.look_for_blocks(id, Duration::ZERO);
    }

    /// Has all StateInfo verified again, under the configuration that is now in force (W-34).
    pub(super) fn recheck_state_infos(&mut self, id: &ChannelId) {
        let me = self.shared.me.pki_id;
        let Some(channel) = self.channels.get_mut(id) else { return };
        let Channel { orgs, states, .. } = channel;
        states.retain(|origin, entry| *origin == me || orgs.contains(&entry.org));
        for (origin, entry) in states.iter().filter(|(origin, _)| **origin != me) {
            let Some(known) = self.identities.known(origin) else { continue };
            let waiting = Waiting::Recheck { origin: *origin, timestamp: entry.timestamp };
            let ticket = self.shared.ticket(SharedWaiting::Channel(id.clone(), waiting));
            let view = &entry.view;
            let signed = Signed::of(view);
            self.shared.verify(ticket, known.identity.clone(), signed, None, Some(id.clone()));
        }
    }

    /// A StateInfo is no longer good.
    pub(super) fn drop_state_info(&mut self, id: &ChannelId, origin: PkiId, timestamp: Timestamp) {
        let Some(channel) = self.channels.get_mut(id) else { return };
        if channel.states.get(&origin).is_some_and(|entry| entry.timestamp == timestamp) {
            channel.states.remove(&origin);
        }
    }

    /// Asks random members of the channel's organisations for what they know; whether they have joined need not be known.
    pub(crate) fn request_state_info(&mut self, id: &ChannelId) {
        let now = self.shared.now;
        let interval = self.shared.config.request_state_info_interval;
        self.shared.timers.set(Timer::StateInfoRequest(id.clone()), now + interval);
        let Some(channel) = self.channels.get_mut(id).filter(|channel| !channel.left) else { return };
        let asked = self.membership.alive().filter(|member| channel.orgs.contains(&member.org));
        let mut asked: Vec<PkiId> = asked.map(|member| member.pki_id).collect();
        if asked.is_empty() {
            return;
        }
        channel.snapshots_requested_at = Some(now);
        let request = state_info_request(&channel.mac);
        self.shared.rng.shuffle(&mut asked);
        asked.truncate(self.shared.config.pull_peer_count);
        for pki_id in asked {
            self.send_to(pki_id, request.clone(), Priority::Membership);
        }
    }

    pub(super) fn on_state_info_request(
        &mut self,
        sender: &Sender,
        view: &EnvelopeView,
    ) -> Result<(), Reject> {
        let content: StateInfoPullRequest = view.content_as().map_err(Malformed::from)?;
        validate::state_info_pull_request(&content)?;
        let id =
            self.macs.find(&sender.pki_id, &content.channel_mac, true).ok_or(Unfitting::ChannelUnknown)?;
        self.check_sender(&id, sender)?;
        let now = self.shared.now;
        let channel = self.channels.get_mut(&id).ok_or(Unfitting::ChannelUnknown)?;
        if !channel.snapshot_rate.admit(now, sender.pki_id, self.shared.config.limits.requests_per_second_max)
        {
            return Err(Reject::OverLimit);
        }
        let elements = self.snapshot_for(&id, &sender.org);
        self.reply(sender, state_info_snapshot(&id, &elements), Priority::Membership);
        Ok(())
    }

    /// What a peer of `org` may see (spec/05 §6.4). A Go peer gives up at the first element whose origin it does not know
    /// (W-20), so the likely known come first: ourselves, its own organisation, ours, the others; the living before the dead.
    fn snapshot_for(&self, id: &ChannelId, org: &MspId) -> Vec<Bytes> {
        let Some(channel) = self.channels.get(id) else { return Vec::new() };
        let me = &self.shared.me;
        let mut elements: Vec<_> = channel
            .states
            .iter()
            .filter(|(origin, entry)| {
                (!entry.is_swept || self.is_me_or_member(origin))
                    && (*org == me.org || entry.org != me.org || self.has_external_endpoint(origin))
            })
            .map(|(origin, entry)| {
                let org_rank = if entry.org == *org { 0 } else { 1 + u8::from(entry.org != me.org) };
                let rank = (*origin != me.pki_id, org_rank, !self.membership.is_alive(origin));
                (rank, entry.view.raw().clone())
            })
            .collect();
        elements.sort_by_key(|(rank, _)| *rank);
        elements.truncate(self.shared.config.limits.elements_per_message_max);
        elements.into_iter().map(|(_, envelope)| envelope).collect()
    }

    /// Whether somebody takes part, dead or alive: what others say goes when the channel is swept.
    pub(super) fn is_me_or_member(&self, pki_id: &PkiId) -> bool {
        *pki_id == self.shared.me.pki_id || self.membership.member(pki_id).is_some()
    }

    /// Whether a peer is known to membership and shows itself to other organisations.
    pub(crate) fn has_external_endpoint(&self, pki_id: &PkiId) -> bool {
        if *pki_id == self.shared.me.pki_id {
            return !self.shared.config.external_endpoint.is_empty();
        }
        self.membership.member(pki_id).is_some_and(|member| !member.endpoint.is_empty())
    }

    /// Takes the elements of a snapshot one by one: a bad one does not hide those after it (W-20).
    pub(super) fn on_state_info_snapshot(
        &mut self,
        id: &ChannelId,
        sender: &Sender,
        view: &EnvelopeView,
    ) -> Result<(), Reject> {
        let elements_max = self.shared.config.limits.elements_per_message_max;
        let mut was_cut = false;
        for element in view.elements().take(elements_max) {
            let envelope = element.map_err(Malformed::from)?.envelope;
            match self.take_up_element(id, sender, envelope) {
                Ok(()) | Err(Reject::Unfitting(Unfitting::Duplicate | Unfitting::Stale | Unfitting::Own)) => {
                }
                Err(Reject::OverLimit) => was_cut = true,
                Err(reason) => {
                    self.reject(sender, ContentKind::StateInfo, reason);
                    if self.shared.config.rules.gives_up_snapshots() {
                        break;
                    }
                }
            }
        }
        if was_cut {
            self.reject(sender, ContentKind::StateSnapshot, Reject::OverLimit);
            let at = self.shared.now + REQUEST_SPACING;
            self.shared.timers.set_no_later_than(Timer::StateInfoRequest(id.clone()), at);
        }
        Ok(())
    }

    fn take_up_element(&mut self, id: &ChannelId, sender: &Sender, envelope: Bytes) -> Result<(), Reject> {
        let view = EnvelopeView::parse(envelope).map_err(Malformed::from)?;
        let claim = self.read_state_info(&view)?;
        let remember = self.identities.known(&claim.origin).is_some();
        if self.macs.find(&claim.origin, &claim.mac, remember).as_ref() != Some(id) {
            return Err(Malformed::ChannelMismatch.into());
        }
        if !remember && self.shared.config.rules.gives_up_snapshots() {
            return Err(Unfitting::IdentityUnknown.into());
        }
        if !self.is_me_or_member(&claim.origin) {
            // not gossiped by a member (spec/05 §13.6)
            return Ok(());
        }
        self.take_up_state_info(id, Some(sender), &view, &claim, false)
    }
}
