//! Alive, dead, forgotten: the state machine of members (spec/04 §6), and the memory of timestamps (W-10).

use crate::ids::{Endpoint, MspId, PkiId};
use crate::table::Table;
use crate::time::Instant;
use core::time::Duration;
use selvedge_proto::envelope::{EnvelopeView, SecretView};

/// What orders the alive messages of one peer: incarnation, then sequence number.
pub(super) type Time = (u64, u64);

/// A member, alive or dead.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) pki_id: PkiId,
    pub(crate) org: MspId,
    /// External endpoint; may be empty.
    pub(crate) endpoint: Endpoint,
    /// Endpoint inside the own organisation; may be empty, and is for members of others.
    pub(crate) internal_endpoint: Endpoint,
    /// Its newest alive message, with a secret if any copy of it that came had one.
    pub(super) envelope: EnvelopeView,
    /// An earlier one with a secret, if the newest came without.
    with_secret: Option<EnvelopeView>,
    /// Its place among the alive, if it is.
    place: Option<usize>,
    /// Since when it is.
    pub(super) alive_since: Instant,
    /// When a newer alive message last came.
    pub(super) refreshed: Instant,
    pub(super) reach: Reach,
}

/// Attempts to reach a member that is dead, or does not answer.
#[derive(Clone, Debug, Default)]
pub(super) struct Reach {
    /// Failures in a row.
    pub(super) failures: u32,
    /// When to try next; until then nobody dials it.
    pub(super) next: Option<Instant>,
    /// An alive member that could not be reached, or was lost: since when (W-17).
    pub(super) suspected: Option<Instant>,
}

impl Member {
    /// Whether it is alive.
    pub(crate) fn is_alive(&self) -> bool {
        self.place.is_some()
    }

    /// The newest of its envelopes with a secret, which was verified.
    fn proven_secret(&self) -> Option<SecretView<'_>> {
        self.envelope.secret().or_else(|| self.with_secret.as_ref()?.secret())
    }

    fn set_envelope(&mut self, envelope: EnvelopeView) {
        let has_secret = envelope.secret().is_some();
        let former = core::mem::replace(&mut self.envelope, envelope);
        if has_secret {
            self.with_secret = None;
        } else if former.secret().is_some() {
            self.with_secret = Some(former);
        }
    }

    /// Where to dial it: the internal endpoint if it is known, else the external one; may be empty.
    pub(crate) fn preferred_endpoint(&self) -> &Endpoint {
        if self.internal_endpoint.is_empty() { &self.endpoint } else { &self.internal_endpoint }
    }

    /// Where to dial it now: after a failure at one of its endpoints the other has its turn.
    pub(super) fn endpoint_to_try(&self) -> &Endpoint {
        let other_turn = self.reach.failures % 2 == 1 && !self.endpoint.is_empty();
        if other_turn { &self.endpoint } else { self.preferred_endpoint() }
    }
}

/// What is remembered of a peer's timestamps, long after the peer itself was forgotten.
#[derive(Clone, Copy, Debug)]
struct Record {
    time: Time,
    seen: Instant,
    /// The incarnation that the present one replaced although it was greater (W-13); it does not come back.
    superseded: Option<u64>,
    /// An own organisation's member whose newest message came without its secret (W-11).
    lacks_secret: bool,
}

/// How an alive message compares with what is known of its origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Freshness {
    New,
    /// Known, but for its secret.
    Secret,
    Duplicate,
    Stale,
}

/// What became of an alive message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Learned,
    LearnedDead,
    Refreshed,
    Resurrected,
}

/// What a verified alive message says.
#[derive(Clone, Debug)]
pub(super) struct Announcement {
    pub(super) pki_id: PkiId,
    pub(super) org: MspId,
    pub(super) time: Time,
    pub(super) endpoint: Endpoint,
    /// From the secret; `None` without one.
    pub(super) internal_endpoint: Option<Endpoint>,
    pub(super) envelope: EnvelopeView,
}

/// Members and timestamps.
#[derive(Debug)]
pub(super) struct State {
    members: Table<PkiId, Member>,
    records: Table<PkiId, Record>,
    /// The alive members, for random choice; each knows its place here.
    alive: Vec<PkiId>,
}

impl State {
    pub(super) fn new(seed: u64) -> Self {
        Self { members: Table::new(seed), records: Table::new(seed), alive: Vec::new() }
    }

    pub(super) fn member(&self, pki_id: &PkiId) -> Option<&Member> {
        self.members.get(pki_id)
    }

    pub(super) fn member_mut(&mut self, pki_id: &PkiId) -> Option<&mut Member> {
        self.members.get_mut(pki_id)
    }

    pub(super) fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    pub(super) fn member_count(&self) -> usize {
        self.members.len()
    }

    pub(super) fn alive_count(&self) -> usize {
        self.alive.len()
    }

    pub(super) fn alive_at(&self, place: usize) -> Option<&Member> {
        self.members.get(self.alive.get(place)?)
    }

    pub(super) fn is_alive(&self, pki_id: &PkiId) -> bool {
        self.members.get(pki_id).is_some_and(Member::is_alive)
    }

    /// Compares a message with what is known, without decoding it. `by_origin`: its origin itself delivers it, on a
    /// connection it authenticated: then a smaller incarnation is not a replay, but a peer whose clock was set back (W-13).
    pub(super) fn freshness(
        &self,
        pki_id: &PkiId,
        time: Time,
        has_secret: bool,
        by_origin: bool,
    ) -> Freshness {
        let Some(record) = self.records.get(pki_id) else { return Freshness::New };
        if by_origin && time.0 != record.time.0 {
            return Freshness::New;
        }
        if record.superseded == Some(time.0) {
            return Freshness::Stale;
        }
        match time.cmp(&record.time) {
            core::cmp::Ordering::Greater => Freshness::New,
            core::cmp::Ordering::Equal if has_secret && record.lacks_secret => Freshness::Secret,
            core::cmp::Ordering::Equal => Freshness::Duplicate,
            core::cmp::Ordering::Less => Freshness::Stale,
        }
    }

    /// Takes in a verified message that is [`Freshness::New`] (spec/04 §6.2).
    pub(super) fn announce(&mut self, it: Announcement, now: Instant, own_org: &MspId) -> Change {
        self.remember(&it, now, own_org);
        let place = self.alive.len();
        let Some(member) = self.members.get_mut(&it.pki_id) else {
            self.alive.push(it.pki_id);
            self.insert(it, now, Some(place));
            return Change::Learned;
        };
        if let Some(internal_endpoint) = it.internal_endpoint {
            member.internal_endpoint = internal_endpoint;
        }
        member.endpoint = it.endpoint;
        member.set_envelope(it.envelope);
        member.refreshed = now;
        if member.is_alive() {
            return Change::Refreshed;
        }
        member.place = Some(place);
        self.alive.push(member.pki_id);
        member.alive_since = now;
        // it may be dialled at once; but how often that failed is forgotten only when it succeeds (W-12)
        member.reach.next = None;
        member.reach.suspected = None;
        Change::Resurrected
    }

    /// Takes in a verified message of a peer that somebody else considers dead: that is news only of an unknown one. Of one
    /// that is dead here, too, it is kept, so that other copies are not verified.
    pub(super) fn announce_dead(
        &mut self,
        it: Announcement,
        now: Instant,
        own_org: &MspId,
    ) -> Option<Change> {
        let is_known = self.members.contains_key(&it.pki_id);
        if !is_known {
            self.remember(&it, now, own_org);
            self.insert(it, now, None);
            return Some(Change::LearnedDead);
        }
        let is_newer = self.records.get(&it.pki_id).is_none_or(|record| record.time < it.time);
        if is_newer && !self.is_alive(&it.pki_id) {
            self.remember(&it, now, own_org);
            if let Some(member) = self.members.get_mut(&it.pki_id) {
                member.set_envelope(it.envelope);
                member.endpoint = it.endpoint;
                if let Some(internal_endpoint) = it.internal_endpoint {
                    member.internal_endpoint = internal_endpoint;
                }
            }
        }
        None
    }

    fn insert(&mut self, it: Announcement, now: Instant, place: Option<usize>) {
        let member = Member {
            pki_id: it.pki_id,
            org: it.org,
            endpoint: it.endpoint,
            internal_endpoint: it.internal_endpoint.unwrap_or_else(|| Endpoint::from("")),
            envelope: it.envelope,
            with_secret: None,
            place,
            alive_since: now,
            refreshed: now,
            reach: Reach::default(),
        };
        self.members.insert(it.pki_id, member);
    }

    fn remember(&mut self, it: &Announcement, now: Instant, own_org: &MspId) {
        let lacks_secret = it.org == *own_org && it.internal_endpoint.is_none();
        let fresh = Record { time: it.time, seen: now, superseded: None, lacks_secret };
        let Some(record) = self.records.get_mut(&it.pki_id) else {
            self.records.insert(it.pki_id, fresh);
            return;
        };
        let superseded = if it.time.0 < record.time.0 { Some(record.time.0) } else { record.superseded };
        *record = Record { superseded: superseded.filter(|&inc_num| inc_num != it.time.0), ..fresh };
    }

    /// Whether a message of this peer was ever taken in and is still remembered.
    pub(super) fn remembers(&self, pki_id: &PkiId) -> bool {
        self.records.contains_key(pki_id)
    }

    /// The secret of the newest message is being verified, so that no other copy is; or turned out not to hold.
    pub(super) fn set_lacks_secret(&mut self, pki_id: &PkiId, lacks: bool) {
        if let Some(record) = self.records.get_mut(pki_id) {
            record.lacks_secret = lacks;
        }
    }

    /// Whether the secret of an envelope is one that was verified before with another message of the same member.
    pub(super) fn has_proven_secret(&self, pki_id: &PkiId, envelope: &EnvelopeView) -> bool {
        let proven = self.members.get(pki_id).and_then(Member::proven_secret);
        proven.is_some() && proven == envelope.secret()
    }

    /// Notes a verified secret that came with a message which is out of date by now.
    pub(super) fn note_proven_secret(&mut self, pki_id: &PkiId, envelope: EnvelopeView) {
        if let Some(member) = self.members.get_mut(pki_id)
            && member.envelope.secret().is_none()
        {
            member.with_secret = Some(envelope);
        }
    }

    /// Puts a copy with a verified secret in the place of one without (W-11).
    pub(super) fn merge_secret(
        &mut self,
        pki_id: &PkiId,
        envelope: EnvelopeView,
        internal_endpoint: Endpoint,
    ) -> bool {
        let Some(member) = self.members.get_mut(pki_id) else { return false };
        if member.envelope.payload() != envelope.payload() {
            return false;
        }
        member.set_envelope(envelope);
        member.internal_endpoint = internal_endpoint;
        self.set_lacks_secret(pki_id, false);
        true
    }

    /// Makes an alive member dead; `false` if it is not alive.
    pub(super) fn die(&mut self, pki_id: &PkiId) -> bool {
        let Some(member) = self.members.get_mut(pki_id) else { return false };
        let Some(place) = member.place.take() else { return false };
        member.reach.suspected = None;
        self.vacate(place);
        true
    }

    /// Forgets a member, whose timestamps stay; whether there was one.
    pub(super) fn forget(&mut self, pki_id: &PkiId) -> bool {
        let Some(member) = self.members.remove(pki_id) else { return false };
        if let Some(place) = member.place {
            self.vacate(place);
        }
        true
    }

    /// Fills a place among the alive with the last of them.
    fn vacate(&mut self, place: usize) {
        self.alive.swap_remove(place);
        if let Some(moved) = self.alive.get(place).and_then(|pki_id| self.members.get_mut(pki_id)) {
            moved.place = Some(place);
        }
    }

    /// Alive members that were silent for longer than `silence`.
    pub(super) fn silent(&self, now: Instant, silence: Duration) -> Vec<PkiId> {
        let silent = |member: &&Member| member.is_alive() && now.since(member.refreshed) > silence;
        self.members.values().filter(silent).map(|member| member.pki_id).collect()
    }

    /// Members of whom nothing new was heard for longer than `lifetime` (W-9), but for those that are exempt.
    pub(super) fn outlived(
        &self,
        now: Instant,
        lifetime: Duration,
        exempt: impl Fn(&Member) -> bool,
    ) -> Vec<PkiId> {
        let outlived = |member: &&Member| now.since(member.refreshed) > lifetime && !exempt(member);
        self.members.values().filter(outlived).map(|member| member.pki_id).collect()
    }

    /// Forgets timestamps of peers that are no members: those older than `lifetime`, and the oldest beyond `count_max`.
    pub(super) fn sweep_records(&mut self, now: Instant, lifetime: Duration, count_max: usize) {
        let members = &self.members;
        self.records
            .retain(|pki_id, record| members.contains_key(pki_id) || now.since(record.seen) <= lifetime);
        let surplus = self.records.len().saturating_sub(count_max);
        if surplus == 0 {
            return;
        }
        let without_member = self.records.iter().filter(|(pki_id, _)| !members.contains_key(*pki_id));
        let mut oldest: Vec<_> = without_member.map(|(pki_id, record)| (record.seen, *pki_id)).collect();
        oldest.sort_unstable();
        for (_, pki_id) in oldest.into_iter().take(surplus) {
            self.records.remove(&pki_id);
        }
    }
}
