//! Membership: who exists, who is alive, and what may be told to whom (spec/04).

mod admission;
mod backoff;
mod checks;
mod disclosure;
mod exchange;
mod messages;
mod neighbours;
mod own;
mod reach;
mod secrets;
mod state;

use crate::ids::{Endpoint, MspId, PkiId};
use crate::output::{CloseReason, Event};
use crate::peer::{Answer, Peer};
use crate::timers::Timer;
use admission::{Admission, Candidate};
use bytes::Bytes;
use core::time::Duration;
use exchange::Exchange;
use own::OwnAlive;
use reach::Targets;
use selvedge_proto::envelope::EnvelopeView;
pub(crate) use state::Member;
use state::State;

/// Timestamps of forgotten members are remembered for this multiple of a member's lifetime (W-10).
const RECORD_LIFETIMES: u32 = 20;

/// What an answer continues.
#[derive(Debug)]
pub(crate) enum Waiting {
    /// An alive message is verified.
    Alive(Box<Candidate>),
    /// The identity embedded in an alive message is checked.
    Identity(Box<Candidate>),
    /// The own alive message is signed.
    OwnAlive,
    /// A message of the own identity from elsewhere, with this endpoint, is verified.
    OwnEcho(Endpoint),
    /// The own secret, these bytes, is signed.
    OwnSecret(Bytes),
    /// The secret in a copy of a known message is verified.
    Secret(PkiId, Box<EnvelopeView>),
}

/// All members.
#[derive(Debug)]
pub(crate) struct Membership {
    state: State,
    own: OwnAlive,
    admission: Admission,
    exchange: Exchange,
    targets: Targets,
}

/// A member as an embedder sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberView {
    /// Who.
    pub pki_id: PkiId,
    /// Its organisation.
    pub org: MspId,
    /// Where everybody can dial it; may be empty.
    pub endpoint: Endpoint,
    /// Where its own organisation dials it; empty if it is not known.
    pub internal_endpoint: Endpoint,
    /// Whether it is alive.
    pub is_alive: bool,
    /// Time since it last said something new.
    pub silence: Duration,
}

impl Membership {
    pub(crate) fn new(own_org: MspId, neighbour_count: usize, seed: u64) -> Self {
        Self {
            state: State::new(own_org, neighbour_count, seed),
            own: OwnAlive::default(),
            admission: Admission::new(seed),
            exchange: Exchange::default(),
            targets: Targets::default(),
        }
    }

    /// Alive members.
    pub(crate) fn alive(&self) -> impl Iterator<Item = &Member> {
        self.state.members().filter(|member| member.is_alive())
    }

    /// Whether members are so many that a peer talks to neighbours only.
    pub(crate) fn has_neighbours(&self) -> bool {
        self.state.neighbours().are_needed()
    }

    /// How many members are known, alive or dead.
    pub(crate) fn member_count(&self) -> usize {
        self.state.member_count()
    }

    /// How many members are alive.
    pub(crate) fn alive_count(&self) -> usize {
        self.state.alive_count()
    }

    /// The alive member at a place below [`alive_count`](Self::alive_count); places change with every change of who is alive.
    pub(crate) fn alive_at(&self, place: usize) -> Option<&Member> {
        self.state.alive_at(place)
    }

    /// A member, alive or dead.
    pub(crate) fn member(&self, pki_id: &PkiId) -> Option<&Member> {
        self.state.member(pki_id)
    }

    /// Whether a member is known and alive.
    pub(crate) fn is_alive(&self, pki_id: &PkiId) -> bool {
        self.state.is_alive(pki_id)
    }
}

impl Peer {
    /// Every member, alive or dead, in the order of PKI-IDs; not this peer itself.
    pub fn members(&self) -> impl Iterator<Item = MemberView> {
        let view = |member: &Member| MemberView {
            pki_id: member.pki_id,
            org: member.org.clone(),
            endpoint: Endpoint::from(member.endpoint()),
            internal_endpoint: Endpoint::from(member.internal_endpoint()),
            is_alive: member.is_alive(),
            silence: self.shared.now.since(member.refreshed),
        };
        let mut members: Vec<MemberView> = self.membership.state.members().map(view).collect();
        members.sort_unstable_by_key(|member| member.pki_id);
        members.into_iter()
    }

    /// How many members are alive, this peer itself not counted.
    pub fn alive_count(&self) -> usize {
        self.membership.alive_count()
    }

    pub(crate) fn start_membership(&mut self) {
        let (now, config) = (self.shared.now, &self.shared.config);
        let alive = now + config.alive_time_interval;
        let sync = now + config.pull_interval;
        self.shared.timers.set(Timer::Alive, alive);
        self.shared.timers.set(Timer::MembershipSync, sync);
        self.arm_expiry();
        self.start_targets();
    }

    /// A period with so much jitter to either side, which the Go peer's rules do not have.
    fn regular(&mut self, period: Duration, per_mille: u32) -> Duration {
        match self.shared.config.rules.heeds_news() {
            true => backoff::jitter(period, per_mille, &mut self.shared.rng),
            false => period,
        }
    }

    /// How long to wait after so many failures in a row; by the Go peer's rules always the longest pause.
    fn retry_delay(&mut self, failures: u32) -> Duration {
        let longest = self.shared.config.reconnect_interval;
        match self.shared.config.rules.buries_at_once() {
            true => longest,
            false => backoff::delay(failures, longest, &mut self.shared.rng),
        }
    }

    fn arm_expiry(&mut self) {
        // ten times in the silence that is allowed, as Fabric does
        let period = (self.shared.config.alive_expiration_timeout / 10).max(Duration::from_millis(1));
        self.shared.timers.set(Timer::Expiry, self.shared.now + period);
    }

    /// Buries silent members, and forgets what is too old.
    pub(crate) fn expire_members(&mut self) {
        self.arm_expiry();
        let (now, config) = (self.shared.now, &self.shared.config);
        let silence = config.alive_expiration_timeout;
        let lifetime = silence * config.message_expiration_factor;
        let record_count_max = 4 * config.limits.members_max;
        for pki_id in self.membership.state.silent(now, silence) {
            self.bury(pki_id);
        }
        let targets = &self.membership.targets;
        let outlived =
            self.membership.state.outlived(now, lifetime, |member| Self::is_exempt(targets, member));
        for pki_id in outlived {
            self.forget_member(pki_id);
        }
        self.membership.state.sweep_records(now, lifetime * RECORD_LIFETIMES, record_count_max);
        self.sweep_strangers();
        self.membership.exchange.sweep(now);
    }

    /// Makes an alive member dead: nothing is sent to it any more but attempts to reach it.
    fn bury(&mut self, pki_id: PkiId) {
        if !self.membership.state.die(&pki_id) {
            return;
        }
        self.shared.event(Event::MemberDead { pki_id });
        self.disconnect(pki_id, CloseReason::PeerGone);
        self.schedule_reach(pki_id);
        self.schedule_target_of(pki_id);
        self.view_changed();
    }

    /// Forgets a member; only a newer message than the last brings it back.
    pub(crate) fn forget_member(&mut self, pki_id: PkiId) {
        if self.membership.state.forget(&pki_id) {
            self.shared.event(Event::MemberForgotten { pki_id });
            self.on_member_forgotten(pki_id);
            self.membership.exchange.heard_news();
        }
    }

    pub(crate) fn continue_membership(&mut self, waiting: Waiting, answer: Answer) {
        match (waiting, answer) {
            (Waiting::Alive(candidate), Answer::Verified(ok)) => self.alive_verified(candidate, ok),
            (Waiting::Identity(candidate), Answer::IdentityChecked(claims)) => {
                self.embedded_identity_checked(candidate, claims);
            }
            (Waiting::OwnAlive, Answer::Signed(signature)) => self.own_alive_signed(signature),
            (Waiting::OwnEcho(endpoint), Answer::Verified(true)) => {
                self.shared.event(Event::IdentityInUse { endpoint });
            }
            (Waiting::OwnSecret(payload), Answer::Signed(signature)) => {
                self.own_secret_signed(payload, signature);
            }
            (Waiting::Secret(pki_id, envelope), Answer::Verified(ok)) => {
                self.secret_verified(pki_id, &envelope, ok);
            }
            _ => {}
        }
    }
}
