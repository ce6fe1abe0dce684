//! What becomes of alive messages: pushed, in requests, in responses (spec/04 §5).
//!
//! In the order of cost: structure, duplicate or stale, size, disclosure, and only for what is left the identity and the
//! signature. Nothing is decoded before it is known to be new.

use super::checks::{Check, Checks};
use super::state::{Announcement, Change, Freshness, Time};
use super::{Waiting, backoff};
use crate::dissemination::Push;
use crate::ids::{ConnectionId, Endpoint, MspId, PkiId};
use crate::input::IdentityClaims;
use crate::output::{Event, Signed};
use crate::peer::Peer;
use crate::reject::{Misbehaviour, Reject, Unfitting};
use crate::shared::{self, Sender};
use crate::time::Instant;
use crate::timers::Timer;
use bytes::Bytes;
use core::time::Duration;
use selvedge_proto::envelope::{ContentKind, EnvelopeView};
use selvedge_proto::validate::{self, Malformed};
use std::collections::BTreeMap;

/// Messages kept until the identity of their origin is known; beyond, newcomers are dropped.
const STRANGERS_MAX: usize = 1024;
/// How long they are kept.
const STRANGER_LIFETIME: Duration = Duration::from_secs(10);
/// How often one peer is asked for identities.
const ASK_IDENTITIES: Duration = Duration::from_secs(1);
/// How often it is found out whether somebody else uses the own identity.
const OWN_ECHO: Duration = Duration::from_secs(60);

/// How an alive message came.
#[derive(Clone, Debug)]
pub(super) enum Source {
    Pushed(Sender),
    /// As self information of a request, which is answered afterwards.
    Request {
        sender: Sender,
        nonce: u64,
    },
    /// As an element of a response; `counted` if the rest of the response waits for it.
    Response {
        sender: Sender,
        dead: bool,
        counted: bool,
    },
}

impl Source {
    pub(super) fn sender(&self) -> &Sender {
        match self {
            Self::Pushed(sender) | Self::Request { sender, .. } | Self::Response { sender, .. } => sender,
        }
    }

    fn kind(&self) -> ContentKind {
        match self {
            Self::Pushed(_) => ContentKind::AliveMsg,
            Self::Request { .. } => ContentKind::MemReq,
            Self::Response { .. } => ContentKind::MemRes,
        }
    }
}

/// An alive message that is being verified.
#[derive(Debug)]
pub(crate) struct Candidate {
    source: Source,
    pki_id: PkiId,
    time: Time,
    envelope: EnvelopeView,
    /// An identity that came with the message and is not stored yet.
    embedded: Bytes,
    claims: Option<IdentityClaims>,
}

/// Verifications under way, and messages whose origin is not known yet.
#[derive(Debug)]
pub(super) struct Admission {
    pub(super) checks: Checks,
    strangers: BTreeMap<PkiId, Stranger>,
    asked: BTreeMap<PkiId, Instant>,
    own_echo: Option<Instant>,
}

#[derive(Debug)]
struct Stranger {
    source: Source,
    envelope: EnvelopeView,
    time: Time,
    since: Instant,
}

impl Admission {
    pub(super) fn new(seed: u64) -> Self {
        let checks = Checks::new(seed);
        Self { checks, strangers: BTreeMap::new(), asked: BTreeMap::new(), own_echo: None }
    }

    /// Gives the strangers who remained unknown for too long.
    fn sweep(&mut self, now: Instant) -> Vec<Stranger> {
        let is_old = |(_, stranger): &(&PkiId, &Stranger)| now.since(stranger.since) >= STRANGER_LIFETIME;
        let old: Vec<PkiId> = self.strangers.iter().filter(is_old).map(|(pki_id, _)| *pki_id).collect();
        self.asked.retain(|_, at| now.since(*at) < ASK_IDENTITIES);
        old.iter().filter_map(|pki_id| self.strangers.remove(pki_id)).collect()
    }
}

/// How an admission went on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// A check is under way; its end will be reported.
    Checking,
    /// There is nothing to wait for.
    Done,
}

impl Peer {
    pub(crate) fn on_alive(&mut self, sender: &Sender, envelope: &EnvelopeView) {
        // almost everything that arrives is known already, and goes no further
        if let Err(reason) = self.admit(envelope, || Source::Pushed(sender.clone()), sender) {
            self.reject(sender, ContentKind::AliveMsg, reason);
        }
    }

    /// Looks at an alive message; whatever it is worth is done, now or once it is verified.
    pub(super) fn admit(
        &mut self,
        envelope: &EnvelopeView,
        source: impl FnOnce() -> Source,
        sender: &Sender,
    ) -> Result<Progress, Reject> {
        let Some(key) = envelope.alive_key() else {
            return Err(validate::nested_alive(envelope).err().unwrap_or(Malformed::PkiIdMissing).into());
        };
        let pki_id = PkiId::from_wire(key.pki_id).ok_or(Misbehaviour::IdentityMismatch)?;
        let time = (key.inc_num, key.seq_num);
        if pki_id == self.shared.me.pki_id {
            if self.shared.config.rules.verifies_copies() {
                self.verify_copy(&pki_id, envelope);
            }
            return self.admit_own(envelope, time);
        }
        let has_secret = envelope.secret().is_some();
        match self.membership.state.freshness(&pki_id, time, has_secret, sender.pki_id == pki_id) {
            Freshness::New => {}
            Freshness::Secret => return self.admit_secret(envelope, source(), pki_id, time),
            Freshness::Duplicate => return Err(Unfitting::Duplicate.into()),
            Freshness::Stale => return Err(Unfitting::Stale.into()),
        }
        self.admit_new(envelope, source(), pki_id, time)
    }

    fn admit_new(
        &mut self,
        envelope: &EnvelopeView,
        source: Source,
        pki_id: PkiId,
        time: Time,
    ) -> Result<Progress, Reject> {
        validate::check_nested_alive(envelope)?;
        validate::signed(envelope)?;
        self.check_sizes(envelope)?;
        let Some(source) = self.wait_for_check(source, pki_id, time, envelope)? else {
            return Ok(Progress::Checking);
        };
        let candidate = Candidate {
            source,
            pki_id,
            time,
            envelope: envelope.clone(),
            embedded: Bytes::new(),
            claims: None,
        };
        if !self.shared.config.rules.verifies_copies()
            && self.membership.state.was_verified(&pki_id, envelope)
        {
            return self.take_alive(candidate).map(|()| Progress::Done);
        }
        if let Some(known) = self.identities.known(&pki_id) {
            let (identity, org) = (known.identity.clone(), known.org.clone());
            return self.verify_alive(candidate, &identity, &org);
        }
        let embedded = envelope.alive_identity();
        if embedded.is_empty() {
            return self.keep_stranger(candidate);
        }
        self.check_embedded(Candidate { embedded, ..candidate })
    }

    /// Spec/04 W-15.
    pub(super) fn check_sizes(&self, alive: &EnvelopeView) -> Result<(), Reject> {
        let limits = &self.shared.config.limits;
        let fits = alive.alive_endpoint().len() <= limits.endpoint_bytes_max
            && alive.alive_metadata_len() <= limits.metadata_bytes_max
            && alive.alive_identity().len() <= limits.identity_bytes_max;
        if fits { Ok(()) } else { Err(Reject::OverLimit) }
    }

    fn check_embedded(&mut self, candidate: Candidate) -> Result<Progress, Reject> {
        let (cause, identity) = (candidate.source.sender().connection, candidate.embedded.clone());
        self.begin_check(cause, candidate, Waiting::Identity, false, |shared, ticket| {
            shared.check_identity(ticket, identity);
        })
    }

    fn verify_alive(
        &mut self,
        mut candidate: Candidate,
        identity: &Bytes,
        org: &MspId,
    ) -> Result<Progress, Reject> {
        let own_org = *org == self.shared.me.org;
        // a foreign peer that nobody may reach must not be told of, so it is not taken in (W-8)
        if !own_org && candidate.envelope.alive_endpoint().is_empty() {
            return Err(Misbehaviour::NotEntitled.into());
        }
        self.check_room(&candidate.pki_id)?;
        // the secret of another organisation should not have come here; it is not looked at
        if !own_org && candidate.envelope.secret().is_some() {
            candidate.envelope = candidate.envelope.stripped();
        }
        let envelope = &candidate.envelope;
        let signed = Signed::of(envelope);
        // a member signs its secret once and sends it with every message
        let is_proven = !self.shared.config.rules.verifies_copies()
            && self.membership.state.has_proven_secret(&candidate.pki_id, envelope);
        let secret = if is_proven { None } else { Signed::secret_of(envelope) };
        let identity = identity.clone();
        let cause = candidate.source.sender().connection;
        self.begin_check(cause, candidate, Waiting::Alive, secret.is_some(), |shared, ticket| {
            shared.verify(ticket, identity, signed, secret, None);
        })
    }

    /// Whether a peer is a member, or can become one.
    fn check_room(&self, pki_id: &PkiId) -> Result<(), Reject> {
        let state = &self.membership.state;
        let has_room = state.member_count() < self.shared.config.limits.members_max;
        if has_room || state.member(pki_id).is_some() { Ok(()) } else { Err(Reject::OverLimit) }
    }

    fn begin_check(
        &mut self,
        cause: ConnectionId,
        candidate: Candidate,
        waiting: fn(Box<Candidate>) -> Waiting,
        with_secret: bool,
        order: impl FnOnce(&mut shared::Shared, crate::ids::Ticket),
    ) -> Result<Progress, Reject> {
        let (pki_id, envelope) = (candidate.pki_id, candidate.envelope.clone());
        let waiting = shared::Waiting::Membership(waiting(Box::new(candidate)));
        let ticket = self.shared.ticket_for(cause, waiting).ok_or(Reject::OverLimit)?;
        self.membership.admission.checks.begin(pki_id, Check::new(envelope, with_secret));
        order(&mut self.shared, ticket);
        Ok(Progress::Checking)
    }

    /// The embedded identity of a message was checked.
    pub(super) fn embedded_identity_checked(
        &mut self,
        candidate: Box<Candidate>,
        claims: Option<IdentityClaims>,
    ) {
        let (source, pki_id, envelope) =
            (candidate.source.clone(), candidate.pki_id, candidate.envelope.clone());
        let waiter = self.membership.admission.checks.end(&pki_id, &envelope);
        let verdict = match claims {
            None => Err(Misbehaviour::IdentityInvalid.into()),
            Some(claims) if claims.pki_id != candidate.pki_id => Err(Misbehaviour::IdentityMismatch.into()),
            Some(claims) if claims.expires_at < self.shared.wall() => Err(Unfitting::IdentityExpired.into()),
            // its secret may be under way with another message by now
            Some(claims) => match self.wait_for_check(source.clone(), pki_id, candidate.time, &envelope) {
                Ok(Some(_)) => {
                    let (identity, org) = (candidate.embedded.clone(), claims.org.clone());
                    self.verify_alive(Candidate { claims: Some(claims), ..*candidate }, &identity, &org)
                }
                Ok(None) => Ok(Progress::Checking),
                Err(reason) => Err(reason),
            },
        };
        if let Err(reason) = verdict {
            self.admission_refused(&source, reason);
        }
        self.check_ended(waiter, &envelope, verdict.err());
    }

    /// The signatures of a message were verified.
    pub(super) fn alive_verified(&mut self, candidate: Box<Candidate>, ok: bool) {
        let (source, pki_id, envelope) =
            (candidate.source.clone(), candidate.pki_id, candidate.envelope.clone());
        let verdict =
            if ok { self.take_alive(*candidate) } else { Err(Misbehaviour::SignatureInvalid.into()) };
        match verdict {
            Ok(()) => self.admission_ended(&source),
            Err(reason) => self.admission_refused(&source, reason),
        }
        // only now: what was taken in brings others that waited for the identity
        let waiter = self.membership.admission.checks.end(&pki_id, &envelope);
        self.check_ended(waiter, &envelope, verdict.err());
    }

    /// A verified message: what was known may have changed while it was verified.
    fn take_alive(&mut self, candidate: Candidate) -> Result<(), Reject> {
        let Candidate { source, pki_id, time, mut envelope, embedded, claims } = candidate;
        if let Some(claims) = claims {
            self.learn_identity(claims, &embedded)?;
        }
        self.touch_identity(&pki_id);
        let Some(known) = self.identities.known(&pki_id) else {
            return Err(Unfitting::IdentityUnknown.into());
        };
        let org = known.org.clone();
        let by_origin = source.sender().pki_id == pki_id;
        let endpoint_bytes_max = self.shared.config.limits.endpoint_bytes_max;
        if envelope.secret().is_some_and(|secret| secret.internal_endpoint().len() > endpoint_bytes_max) {
            envelope = envelope.stripped();
        }
        let has_secret = envelope.secret().is_some();
        match self.membership.state.freshness(&pki_id, time, has_secret, by_origin) {
            Freshness::New => {}
            Freshness::Secret => {
                self.membership.state.merge_secret(&pki_id, envelope);
                return Ok(());
            }
            outdated => {
                if envelope.secret().is_some() {
                    self.membership.state.note_proven_secret(&pki_id, envelope);
                }
                let is_stale = outdated == Freshness::Stale;
                return Err(if is_stale { Unfitting::Stale } else { Unfitting::Duplicate }.into());
            }
        }
        self.check_room(&pki_id)?;
        let announcement = Announcement { pki_id, org, time, envelope };
        self.announce(announcement, &source);
        Ok(())
    }

    fn announce(&mut self, announcement: Announcement, source: &Source) {
        let now = self.shared.now;
        let (pki_id, org) = (announcement.pki_id, announcement.org.clone());
        let envelope = announcement.envelope.clone();
        let was_empty = self.membership.state.alive_count() == 0;
        let change = if matches!(source, Source::Response { dead: true, .. }) {
            self.membership.state.announce_dead(announcement, now)
        } else {
            Some(self.membership.state.announce(announcement, now))
        };
        match change {
            Some(Change::Learned | Change::Resurrected) => {
                let endpoint = Endpoint::from(envelope.alive_endpoint());
                self.shared.event(Event::MemberAlive { pki_id, org: org.clone(), endpoint });
                self.view_changed();
                if was_empty {
                    self.introduce();
                }
                self.on_member_alive(pki_id);
            }
            Some(Change::LearnedDead) => self.schedule_reach(pki_id),
            // pushes are expected to bring such news first
            Some(Change::Refreshed) if matches!(source, Source::Response { sender, .. } if sender.pki_id != pki_id) =>
            {
                self.membership.exchange.heard_news();
            }
            // said to be dead, and known: nothing changes, but its secret was verified
            None if envelope.secret().is_some() => {
                self.membership.state.note_proven_secret(&pki_id, envelope.clone());
            }
            Some(Change::Refreshed) | None => {}
        }
        if let Source::Pushed(sender) = source {
            let external_endpoint_empty = envelope.alive_endpoint().is_empty();
            self.disseminate(Push::Alive {
                envelope,
                origin: pki_id,
                origin_org: org,
                external_endpoint_empty,
                delivered_by: Some(sender.pki_id),
            });
        }
    }

    pub(super) fn admission_refused(&mut self, source: &Source, reason: Reject) {
        self.reject(&source.sender().clone(), source.kind(), reason);
        // a request is answered although what it says is known by now
        let known = matches!(reason, Reject::Unfitting(Unfitting::Duplicate | Unfitting::Stale));
        match source {
            Source::Request { .. } if !known => {}
            _ => self.admission_ended(source),
        }
    }

    /// What waits for the end of an admission goes on.
    pub(super) fn admission_ended(&mut self, source: &Source) {
        match source {
            Source::Pushed(_) => {}
            Source::Request { sender, nonce } => self.answer_membership(&sender.clone(), *nonce),
            Source::Response { sender, counted: true, .. } => self.element_admitted(sender.connection),
            Source::Response { .. } => {}
        }
    }

    // ---- the own identity

    /// A message of our own comes back; or somebody else uses our identity (spec/04 §5.2 step 3).
    fn admit_own(&mut self, envelope: &EnvelopeView, time: Time) -> Result<Progress, Reject> {
        let own = Unfitting::Own;
        if time.0 == self.shared.me.incarnation && time.1 <= self.membership.own.seq_num() {
            return Err(own.into());
        }
        let alive = validate::nested_alive(envelope)?;
        validate::signed(envelope)?;
        let endpoint = alive.membership.map(|member| member.endpoint).unwrap_or_default();
        let config = &self.shared.config;
        let internal = envelope.secret().map(|secret| secret.internal_endpoint()).unwrap_or_default();
        let differs = endpoint != config.external_endpoint.as_str()
            || !internal.is_empty() && internal != config.endpoint.as_str();
        let now = self.shared.now;
        let asked = self.membership.admission.own_echo.is_some_and(|at| now.since(at) < OWN_ECHO);
        if !differs || asked {
            return Err(own.into());
        }
        self.membership.admission.own_echo = Some(now);
        let endpoint = Endpoint::from(if internal.is_empty() { &endpoint[..] } else { internal });
        let signed = Signed::of(envelope);
        let ticket = self.shared.ticket(shared::Waiting::Membership(Waiting::OwnEcho(endpoint)));
        self.shared.verify(
            ticket,
            self.shared.me.identity.clone(),
            signed,
            Signed::secret_of(envelope),
            None,
        );
        Ok(Progress::Done)
    }

    // ---- unknown origins (W-24)

    /// Keeps a message whose origin is unknown, and asks whoever delivered it for the identity.
    fn keep_stranger(&mut self, candidate: Candidate) -> Result<Progress, Reject> {
        if !self.shared.config.rules.heeds_news() {
            // a Go peer drops it, and waits for the next round of its pull
            return Err(Unfitting::IdentityUnknown.into());
        }
        let now = self.shared.now;
        let Candidate { source, pki_id, time, envelope, .. } = candidate;
        let sender = source.sender().clone();
        let asked = self
            .membership
            .admission
            .asked
            .get(&sender.pki_id)
            .is_some_and(|at| now.since(*at) < ASK_IDENTITIES);
        if !asked {
            self.membership.admission.asked.insert(sender.pki_id, now);
            self.pull_identities_from(sender.pki_id);
        }
        // a request is not answered later, and a response does not wait
        let source = match source {
            Source::Pushed(sender) => Source::Pushed(sender),
            Source::Request { .. } => return Err(Unfitting::IdentityUnknown.into()),
            Source::Response { sender, dead, .. } => Source::Response { sender, dead, counted: false },
        };
        let strangers = &mut self.membership.admission.strangers;
        let known = strangers.get(&pki_id);
        if known.is_some_and(|known| known.time >= time)
            || known.is_none() && strangers.len() >= STRANGERS_MAX
        {
            return Err(Unfitting::IdentityUnknown.into());
        }
        strangers.insert(pki_id, Stranger { source, envelope, time, since: now });
        Ok(Progress::Done)
    }

    /// An identity became known: what waited for it is looked at again.
    pub(crate) fn on_identity_learned(&mut self, pki_id: PkiId) {
        let Some(stranger) = self.membership.admission.strangers.remove(&pki_id) else { return };
        let Stranger { source, envelope, .. } = stranger;
        let sender = source.sender().clone();
        let kind = source.kind();
        if let Err(reason) = self.admit(&envelope, || source, &sender) {
            self.reject(&sender, kind, reason);
        }
    }

    /// Gives up waiting for identities that nobody could give.
    pub(super) fn sweep_strangers(&mut self) {
        for Stranger { source, .. } in self.membership.admission.sweep(self.shared.now) {
            self.reject(&source.sender().clone(), source.kind(), Unfitting::IdentityUnknown);
        }
    }

    /// The set of alive members changed: look around more often for a while.
    pub(super) fn view_changed(&mut self) {
        self.membership.exchange.heard_news();
        // in a huge network somebody comes or goes at any time, and an answer is huge as well
        if self.membership.has_neighbours() || !self.shared.config.rules.heeds_news() {
            return;
        }
        let soon = backoff::jitter(Duration::from_secs(1), 250, &mut self.shared.rng);
        self.shared.timers.set_no_later_than(Timer::MembershipSync, self.shared.now + soon);
    }
}
