//! Membership requests and responses (spec/04 §5.3, §5.4), and the periodic sync (§8).

use super::admission::{Progress, Source};
use super::disclosure::{Party, may_disclose, may_see_secrets};
use super::messages;
use super::own::Purpose;
use super::state::Member;
use crate::ids::{ConnectionId, Endpoint, PkiId};
use crate::output::{CloseReason, Priority};
use crate::peer::Peer;
use crate::rate::RateLimit;
use crate::reject::{Misbehaviour, Reject, Unfitting};
use crate::shared::Sender;
use crate::time::Instant;
use crate::timers::Timer;
use core::time::Duration;
use selvedge_proto::envelope::{ContentKind, ElementList, Envelope, EnvelopeView};
use selvedge_proto::validate::{self, Malformed};
use std::collections::{BTreeMap, VecDeque};

/// How long an answer to a membership request is waited for (spec/04 §7.4).
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// Elements of one response that are verified at the same time.
const ELEMENTS_AT_ONCE: usize = 32;
/// A sync that brings nothing new makes the pause before the next longer, up to this multiple (W-20).
const SYNC_STRETCH_MAX: u32 = 4;
/// A peer that is alive here may have to wait this long for the newest own alive message; others get one that is fresh.
const FRESH: Duration = Duration::from_secs(1);

/// Requests that were sent, and responses that are being worked through.
#[derive(Debug, Default)]
pub(super) struct Exchange {
    asked: BTreeMap<u64, Asked>,
    responses: BTreeMap<ConnectionId, Response>,
    rate: RateLimit,
    sync_stretch: u32,
    news: bool,
}

#[derive(Debug)]
struct Asked {
    pki_id: PkiId,
    until: Instant,
}

#[derive(Debug)]
struct Response {
    sender: Sender,
    /// What is not looked at yet: whether it stands in the list of the dead, and the envelope.
    elements: VecDeque<(bool, Envelope)>,
    checking_count: usize,
}

impl Exchange {
    /// Something about members was new.
    pub(super) fn heard_news(&mut self) {
        self.news = true;
    }

    /// What was asked of one peer will be answered by another.
    pub(super) fn pass_on(&mut self, expected: PkiId, actual: PkiId) {
        for asked in self.asked.values_mut().filter(|asked| asked.pki_id == expected) {
            asked.pki_id = actual;
        }
    }

    pub(super) fn sweep(&mut self, now: Instant) {
        self.asked.retain(|_, asked| now < asked.until);
        self.rate.sweep(now);
    }
}

impl Peer {
    /// Asks a peer who its members are, with an own alive message not older than `age_max`; gives the request's nonce.
    pub(super) fn ask_membership(
        &mut self,
        pki_id: PkiId,
        endpoint: Option<Endpoint>,
        age_max: Duration,
    ) -> u64 {
        // Fabric's syncs have nonce 0, but it copies any
        let nonce = self.shared.rng.u64(1..);
        let until = self.shared.now + ANSWER_TIMEOUT;
        self.membership.exchange.asked.insert(nonce, Asked { pki_id, until });
        self.with_own_alive(age_max, Purpose::Request { pki_id, endpoint, nonce });
        nonce
    }

    /// As [`ask_membership`](Self::ask_membership), for somebody who may take this node for dead.
    pub(super) fn ask_stranger(&mut self, pki_id: PkiId, endpoint: Option<Endpoint>) -> u64 {
        self.ask_membership(pki_id, endpoint, FRESH)
    }

    pub(super) fn request_membership(
        &mut self,
        own: &EnvelopeView,
        pki_id: PkiId,
        endpoint: Option<Endpoint>,
        nonce: u64,
    ) {
        let org = self.org_of(&pki_id);
        let is_external = !self.shared.config.external_endpoint.is_empty();
        if !is_external && org.as_ref() != Some(&self.shared.me.org) {
            // somebody may have called a peer of another organisation dead: who hides does not show itself for that
            return;
        }
        let own =
            if may_see_secrets(&self.shared.me.org, org.as_ref()) { own.clone() } else { own.stripped() };
        let request = messages::request(own.into(), nonce);
        match endpoint {
            Some(endpoint) => self.send_to_endpoint(pki_id, &endpoint, request, Priority::Membership),
            None => self.send_to(pki_id, request, Priority::Membership),
        }
    }

    /// Asks some alive members for their view, and does so again after `pull_interval` or, if nothing changes, later.
    pub(crate) fn sync_membership(&mut self) {
        let exchange = &mut self.membership.exchange;
        let heeds_news = self.shared.config.rules.heeds_news();
        let stretch = match exchange.news || !heeds_news {
            true => 1,
            false => (2 * exchange.sync_stretch).clamp(1, SYNC_STRETCH_MAX),
        };
        exchange.sync_stretch = stretch;
        exchange.news = false;
        let pause = self.shared.config.pull_interval * stretch;
        let pause = self.regular(pause, 100);
        self.shared.timers.set(Timer::MembershipSync, self.shared.now + pause);

        // a Go peer makes a new one each time
        let age_max = if heeds_news { self.shared.config.alive_time_interval } else { Duration::ZERO };
        // without an external endpoint this node would be disconnected by peers of other organisations (spec/04 §15)
        let may_be_asked = |peer: &Self, member: &Member| {
            let is_external = !peer.shared.config.external_endpoint.is_empty();
            (is_external || member.is_own_org()) && member.reach().suspected.is_none()
        };
        if let Some(partners) = self.draw_partners(may_be_asked) {
            for pki_id in partners {
                self.ask_membership(pki_id, None, age_max);
            }
            return;
        }
        let candidates = self.membership.alive().filter(|member| may_be_asked(self, member));
        let mut candidates: Vec<PkiId> = candidates.map(|member| member.pki_id).collect();
        let chosen_count = self.shared.config.pull_peer_count.min(candidates.len());
        for chosen in 0..chosen_count {
            let other = self.shared.rng.usize(chosen..candidates.len());
            candidates.swap(chosen, other);
            if let Some(&pki_id) = candidates.get(chosen) {
                self.ask_membership(pki_id, None, age_max);
            }
        }
    }

    // ---- answering

    pub(crate) fn on_membership_request(&mut self, sender: &Sender, envelope: &EnvelopeView) {
        if let Err(reason) = self.take_request(sender, envelope) {
            self.reject(sender, ContentKind::MemReq, reason);
        }
    }

    fn take_request(&mut self, sender: &Sender, envelope: &EnvelopeView) -> Result<(), Reject> {
        let per_second_max = self.shared.config.limits.requests_per_second_max;
        if !self.membership.exchange.rate.admit(self.shared.now, sender.pki_id, per_second_max) {
            return Err(Reject::OverLimit);
        }
        let part =
            envelope.parts().next().ok_or(Malformed::SelfInformationMissing)?.map_err(Malformed::from)?;
        let inner = part.envelope.view().map_err(Malformed::from)?;
        let alive = validate::nested_alive(&inner)?;
        let member = alive.membership.as_ref().ok_or(Malformed::MembershipMissing)?;
        if member.pki_id[..] != sender.pki_id.as_bytes()[..] {
            return Err(Misbehaviour::SenderMismatch.into());
        }
        self.check_sizes(&inner)?;
        let is_external = !member.endpoint.is_empty();
        // before anything is taken in (W-8)
        if !self.may_answer(sender, is_external) {
            self.disconnect(sender.pki_id, CloseReason::Undisclosed);
            return Err(Misbehaviour::NotEntitled.into());
        }
        let nonce = envelope.nonce();
        // the requester itself speaks, on a connection it authenticated: what is known of it need not be verified (W-21)
        let admitted = self.admit(&inner, || Source::Request { sender: sender.clone(), nonce }, sender);
        if admitted != Ok(Progress::Checking) && self.shared.config.rules.verifies_copies() {
            // a Go peer verifies it all the same
            self.verify_copy(&sender.pki_id, &inner);
        }
        match admitted {
            Ok(Progress::Checking) => {}
            Ok(Progress::Done)
            | Err(Reject::Unfitting(Unfitting::Duplicate | Unfitting::Stale | Unfitting::Own)) => {
                self.answer_membership_as(sender, nonce, is_external);
            }
            Err(reason) => return Err(reason),
        }
        Ok(())
    }

    fn may_answer(&self, sender: &Sender, requester_is_external: bool) -> bool {
        let own = &self.shared.me.org;
        let origin = Party { org: own, is_external: !self.shared.config.external_endpoint.is_empty() };
        may_disclose(own, origin, Party { org: &sender.org, is_external: requester_is_external })
    }

    /// Answers a requester whose self information was just verified.
    pub(super) fn answer_membership(&mut self, sender: &Sender, nonce: u64) {
        let member = self.membership.state.member(&sender.pki_id);
        let is_external = member.is_some_and(|member| member.is_external());
        self.answer_membership_as(sender, nonce, is_external);
    }

    fn answer_membership_as(&mut self, sender: &Sender, nonce: u64, requester_is_external: bool) {
        let knows_us = self.membership.state.member(&sender.pki_id).is_some_and(|member| {
            member.is_alive()
                && self.shared.now.since(member.alive_since) > self.shared.config.alive_time_interval
        });
        let age_max = match self.shared.config.rules.heeds_news() {
            true if knows_us => self.shared.config.alive_time_interval,
            true => FRESH,
            // a Go peer gives its last heartbeat, however old
            false => Duration::MAX,
        };
        let purpose = Purpose::Response { sender: sender.clone(), nonce, requester_is_external };
        self.with_own_alive(age_max, purpose);
    }

    pub(super) fn respond_membership(
        &mut self,
        own: &EnvelopeView,
        sender: &Sender,
        nonce: u64,
        requester_is_external: bool,
    ) {
        let own_org = &self.shared.me.org;
        let requester = Party { org: &sender.org, is_external: requester_is_external };
        let with_secrets = may_see_secrets(own_org, Some(&sender.org));
        let dress = |envelope: &EnvelopeView| {
            Envelope::from(if with_secrets { envelope.clone() } else { envelope.stripped() })
        };
        let limit = self.shared.config.limits.elements_per_message_max;
        let tell = |is_alive: bool| {
            let members = self.membership.state.members().filter(move |member| member.is_alive() == is_alive);
            members.filter(|member| {
                let origin = Party { org: &member.org, is_external: member.is_external() };
                may_disclose(own_org, origin, requester)
            })
        };
        let mut alive: Vec<Envelope> =
            tell(true).take(limit.saturating_sub(1)).filter_map(Member::envelope).map(dress).collect();
        alive.push(dress(own));
        let dead: Vec<Envelope> = tell(false)
            .take(limit - alive.len().min(limit))
            .filter_map(Member::envelope)
            .map(dress)
            .collect();
        let response = messages::response(alive, dead, nonce);
        self.reply(sender, response, Priority::Membership);
    }

    // ---- being answered

    pub(crate) fn on_membership_response(&mut self, sender: &Sender, envelope: &EnvelopeView) {
        let nonce = envelope.nonce();
        let solicited =
            self.membership.exchange.asked.get(&nonce).is_some_and(|asked| asked.pki_id == sender.pki_id);
        if solicited {
            self.membership.exchange.asked.remove(&nonce);
            self.on_target_answered(nonce);
        } else {
            // what it says of the living proves itself (W-7)
            self.reject(sender, ContentKind::MemRes, Misbehaviour::Unsolicited);
        }
        if self.membership.exchange.responses.contains_key(&sender.connection) {
            return self.reject(sender, ContentKind::MemRes, Reject::OverLimit);
        }
        let limit = self.shared.config.limits.elements_per_message_max;
        let mut elements = VecDeque::new();
        for element in envelope.parts().take(limit) {
            match element {
                Ok(element) if element.list == ElementList::Alive => {
                    elements.push_back((false, element.envelope));
                }
                Ok(element) if solicited => elements.push_back((true, element.envelope)),
                Ok(_) => {}
                Err(error) => self.reject(sender, ContentKind::MemRes, Malformed::from(error)),
            }
        }
        let response = Response { sender: sender.clone(), elements, checking_count: 0 };
        self.membership.exchange.responses.insert(sender.connection, response);
        self.work_through(sender.connection);
    }

    /// An element of the response on this connection was verified.
    pub(super) fn element_admitted(&mut self, connection: ConnectionId) {
        if let Some(response) = self.membership.exchange.responses.get_mut(&connection) {
            response.checking_count = response.checking_count.saturating_sub(1);
            self.work_through(connection);
        }
    }

    /// Looks at the elements of a response in their order, a few at a time.
    fn work_through(&mut self, connection: ConnectionId) {
        while let Some(response) = self.membership.exchange.responses.get_mut(&connection) {
            if response.checking_count >= ELEMENTS_AT_ONCE {
                return;
            }
            let sender = response.sender.clone();
            let Some((dead, element)) = response.elements.pop_front() else {
                if response.checking_count == 0 {
                    self.membership.exchange.responses.remove(&connection);
                }
                return;
            };
            match self.admit_element(&sender, dead, &element) {
                Ok(Progress::Checking) => {
                    if let Some(response) = self.membership.exchange.responses.get_mut(&connection) {
                        response.checking_count += 1;
                    }
                }
                Ok(Progress::Done) => {}
                Err(reason) => self.element_refused(&sender, reason),
            }
        }
    }

    fn admit_element(&mut self, sender: &Sender, dead: bool, element: &Envelope) -> Result<Progress, Reject> {
        let envelope = element.view().map_err(Malformed::from)?;
        if dead && self.knows_more_than_dead(&envelope) {
            return Err(Unfitting::Duplicate.into());
        }
        self.admit(&envelope, || Source::Response { sender: sender.clone(), dead, counted: true }, sender)
    }

    /// Of the dead only those are learned of whom nothing was ever known: who was forgotten here stays forgotten (W-9).
    fn knows_more_than_dead(&self, envelope: &EnvelopeView) -> bool {
        let pki_id = envelope.alive_key().and_then(|key| PkiId::from_wire(key.pki_id));
        pki_id.is_some_and(|pki_id| self.membership.state.remembers(&pki_id))
    }

    fn element_refused(&mut self, sender: &Sender, reason: Reject) {
        self.reject(sender, ContentKind::MemRes, reason);
        // as with Fabric, what follows an element that is no alive message is not looked at (spec/04 §5.4)
        let ends =
            matches!(reason, Reject::Malformed(Malformed::Unparsable(_) | Malformed::ContentUnexpected));
        if ends && let Some(response) = self.membership.exchange.responses.get_mut(&sender.connection) {
            response.elements.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::Cluster;
    use core::time::Duration;
    use selvedge_proto::envelope::{ContentKind, EnvelopeView};

    /// The organisation of whoever is asked is unknown at the moment in which the request is made, as it is when its
    /// identity was just dropped.
    #[test]
    fn w16_a_peer_of_unknown_organisation_gets_no_secret() {
        let mut cluster = Cluster::new(1);
        let (peer, puppet) = (cluster.add("peer", "Org1MSP"), cluster.puppet("puppet", "Org2MSP"));
        cluster.start(peer);
        let (pki_id, endpoint) = (cluster.pki_id(puppet), cluster.config_mut(puppet).endpoint.clone());
        cluster.with_peer(peer, |peer| peer.ask_stranger(pki_id, Some(endpoint)));
        cluster.run_for(Duration::from_millis(20));
        let request = cluster.take_envelopes(puppet).remove(0).1;
        assert_eq!(request.kind(), ContentKind::MemReq);
        let inside = EnvelopeView::parse(request.elements().next().unwrap().unwrap().envelope).unwrap();
        assert!(inside.secret().is_none());
    }
}
