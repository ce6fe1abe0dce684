//! Alive, dead, forgotten: the state machine of members (spec/04 §6), and the memory of timestamps (W-10).

use super::neighbours::Neighbours;
use crate::ids::{MspId, PkiId};
use crate::table::{Keyed, Roll};
use crate::time::Instant;
use core::time::Duration;
use selvedge_proto::envelope::{EnvelopeView, SecretView};

/// What orders the alive messages of one peer: incarnation, then sequence number.
pub(super) type Time = (u64, u64);

/// A member, alive or dead; or what is remembered of a peer's timestamps, long after the peer itself was forgotten.
///
/// There is one for every peer of a network at every other, so it is kept small: endpoints are read from the envelope, which
/// all copies of a message share in one process, and what few members need stands elsewhere.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) pki_id: PkiId,
    pub(crate) org: MspId,
    time: Time,
    /// Its newest alive message, with a secret if any copy of it that came had one; `None` once it was forgotten.
    envelope: Option<EnvelopeView>,
    /// Since when it is alive, if it is.
    pub(super) alive_since: Instant,
    /// When its newest message came.
    pub(super) refreshed: Instant,
    rare: Option<Box<Rare>>,
    /// Its place among the alive; [`NOT_ALIVE`] if it is not.
    place: u32,
    /// An own organisation's member whose newest message came without its secret (W-11).
    lacks_secret: bool,
    is_own_org: bool,
}

const NOT_ALIVE: u32 = u32::MAX;

/// What few members need.
#[derive(Clone, Debug, Default)]
struct Rare {
    /// The incarnation that the present one replaced although it was greater (W-13); it does not come back.
    superseded: Option<u64>,
    /// The newest message of another incarnation before the present one: its origin may go back to it (W-13).
    former: Option<EnvelopeView>,
    /// An earlier message with a secret, if the newest came without.
    with_secret: Option<EnvelopeView>,
    reach: Reach,
}

/// Attempts to reach a member that is dead, or does not answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Reach {
    /// Failures in a row.
    pub(super) failures: u32,
    /// When to try next; until then nobody dials it.
    pub(super) next: Option<Instant>,
    /// An alive member that could not be reached, or was lost: since when (W-17).
    pub(super) suspected: Option<Instant>,
}

static UNTRIED: Reach = Reach { failures: 0, next: None, suspected: None };

impl Keyed<PkiId> for Member {
    fn key(&self) -> &PkiId {
        &self.pki_id
    }
}

impl Member {
    /// Whether it is alive.
    pub(crate) fn is_alive(&self) -> bool {
        self.place != NOT_ALIVE
    }

    /// Whether it is of the organisation of this peer.
    pub(crate) fn is_own_org(&self) -> bool {
        self.is_own_org
    }

    fn is_member(&self) -> bool {
        self.envelope.is_some()
    }

    /// Its newest alive message, with a secret if any copy of it that came had one. A member has one.
    pub(super) fn envelope(&self) -> Option<&EnvelopeView> {
        self.envelope.as_ref()
    }

    /// Whether it publishes an external endpoint.
    pub(crate) fn is_external(&self) -> bool {
        self.envelope.as_ref().is_some_and(EnvelopeView::alive_has_endpoint)
    }

    /// External endpoint; may be empty.
    pub(crate) fn endpoint(&self) -> &str {
        self.envelope.as_ref().map(EnvelopeView::alive_endpoint).unwrap_or_default()
    }

    /// Endpoint inside the own organisation; may be empty, and is for members of others.
    pub(crate) fn internal_endpoint(&self) -> &str {
        self.proven_secret().map(|secret| secret.internal_endpoint()).unwrap_or_default()
    }

    /// Attempts to reach it.
    pub(super) fn reach(&self) -> &Reach {
        self.rare.as_ref().map_or(&UNTRIED, |rare| &rare.reach)
    }

    pub(super) fn reach_mut(&mut self) -> &mut Reach {
        &mut self.rare.get_or_insert_default().reach
    }

    pub(super) fn set_reach(&mut self, reach: Reach) {
        if self.rare.is_some() || reach != UNTRIED {
            *self.reach_mut() = reach;
        }
    }

    /// The newest of its envelopes with a secret, which was verified.
    fn proven_secret(&self) -> Option<SecretView<'_>> {
        let newest = self.envelope.as_ref()?.secret();
        newest.or_else(|| self.rare.as_ref()?.with_secret.as_ref()?.secret())
    }

    fn set_envelope(&mut self, envelope: EnvelopeView) {
        let has_secret = envelope.secret().is_some();
        let former = self.envelope.replace(envelope);
        if has_secret {
            if let Some(rare) = &mut self.rare {
                rare.with_secret = None;
            }
        } else if former.as_ref().is_some_and(|former| former.secret().is_some()) {
            self.rare.get_or_insert_default().with_secret = former;
        }
    }

    /// Where to dial it: the internal endpoint if it is known, else the external one; may be empty.
    pub(crate) fn preferred_endpoint(&self) -> &str {
        let internal = self.internal_endpoint();
        if internal.is_empty() { self.endpoint() } else { internal }
    }

    /// Where to dial it now: after a failure at one of its endpoints the other has its turn.
    pub(super) fn endpoint_to_try(&self) -> &str {
        let other_turn = self.reach().failures % 2 == 1 && !self.endpoint().is_empty();
        if other_turn { self.endpoint() } else { self.preferred_endpoint() }
    }
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
    /// With a secret only if that was verified.
    pub(super) envelope: EnvelopeView,
}

/// How often somebody is looked for who takes the place of a neighbour that died.
const SUBSTITUTE_TRIES: usize = 64;

/// Members and timestamps.
#[derive(Debug)]
pub(super) struct State {
    own_org: MspId,
    members: Roll<PkiId, Member>,
    /// How many of them were not forgotten.
    member_count: usize,
    /// The places of the alive members, for random choice; each knows its place here.
    alive: Vec<u32>,
    neighbours: Neighbours,
}

impl State {
    pub(super) fn new(own_org: MspId, neighbour_count: usize, seed: u64) -> Self {
        Self {
            own_org,
            members: Roll::new(seed),
            member_count: 0,
            alive: Vec::new(),
            neighbours: Neighbours::new(neighbour_count, seed),
        }
    }

    pub(super) fn member(&self, pki_id: &PkiId) -> Option<&Member> {
        self.members.get(pki_id).filter(|member| member.is_member())
    }

    pub(super) fn member_mut(&mut self, pki_id: &PkiId) -> Option<&mut Member> {
        self.members.get_mut(pki_id).filter(|member| member.is_member())
    }

    pub(super) fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(|member| member.is_member())
    }

    pub(super) fn member_count(&self) -> usize {
        self.member_count
    }

    pub(super) fn alive_count(&self) -> usize {
        self.alive.len()
    }

    pub(super) fn alive_at(&self, place: usize) -> Option<&Member> {
        self.members.at(*self.alive.get(place)? as usize)
    }

    pub(super) fn is_alive(&self, pki_id: &PkiId) -> bool {
        self.members.get(pki_id).is_some_and(Member::is_alive)
    }

    pub(super) fn neighbours(&self) -> &Neighbours {
        &self.neighbours
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
        let Some(record) = self.members.get(pki_id) else { return Freshness::New };
        if by_origin && time.0 != record.time.0 {
            return Freshness::New;
        }
        if record.rare.as_ref().is_some_and(|rare| rare.superseded == Some(time.0)) {
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
    pub(super) fn announce(&mut self, it: Announcement, now: Instant) -> Change {
        let was_member = self.member(&it.pki_id).is_some();
        let place = self.remember(it, now);
        let Some(member) = self.members.at_mut(place).filter(|member| !member.is_alive()) else {
            return Change::Refreshed;
        };
        // bounds keep members far below that many
        member.place = self.alive.len() as u32;
        self.alive.push(place as u32);
        member.alive_since = now;
        if let Some(rare) = &mut member.rare {
            // it may be dialled at once; but how often that failed is forgotten only when it succeeds (W-12)
            rare.reach.next = None;
            rare.reach.suspected = None;
        }
        self.neighbours.add(member.pki_id, member.is_own_org);
        if was_member { Change::Resurrected } else { Change::Learned }
    }

    /// Takes in a verified message of a peer that somebody else considers dead: that is news only of an unknown one. Of one
    /// that was learned meanwhile it is kept all the same, so that other copies are not verified.
    pub(super) fn announce_dead(&mut self, it: Announcement, now: Instant) -> Option<Change> {
        let Some(member) = self.member(&it.pki_id) else {
            self.remember(it, now);
            return Some(Change::LearnedDead);
        };
        if member.time < it.time {
            // neither does it live for that, nor longer
            let refreshed = member.refreshed;
            let place = self.remember(it, now);
            if let Some(member) = self.members.at_mut(place) {
                member.refreshed = refreshed;
            }
        }
        None
    }

    /// Puts down what a message says; gives the member's place.
    fn remember(&mut self, it: Announcement, now: Instant) -> usize {
        let is_own_org = it.org == self.own_org;
        let lacks_secret = is_own_org && it.envelope.secret().is_none();
        let Some(place) = self.members.place(&it.pki_id) else {
            self.member_count += 1;
            return self.members.add(Member {
                pki_id: it.pki_id,
                org: it.org,
                time: it.time,
                envelope: Some(it.envelope),
                alive_since: now,
                refreshed: now,
                rare: None,
                place: NOT_ALIVE,
                lacks_secret,
                is_own_org,
            });
        };
        let Some(member) = self.members.at_mut(place) else { return place };
        if !member.is_member() {
            self.member_count += 1;
        }
        let former = member.rare.as_ref().and_then(|rare| rare.superseded);
        let superseded = if it.time.0 < member.time.0 { Some(member.time.0) } else { former };
        let superseded = superseded.filter(|&inc_num| inc_num != it.time.0);
        if superseded != former {
            member.rare.get_or_insert_default().superseded = superseded;
        }
        if it.time.0 != member.time.0 && member.is_member() {
            let former = member.envelope.clone();
            member.rare.get_or_insert_default().former = former;
        }
        member.org = it.org;
        member.is_own_org = is_own_org;
        member.time = it.time;
        member.refreshed = now;
        member.lacks_secret = lacks_secret;
        member.set_envelope(it.envelope);
        place
    }

    /// Whether a message of this peer was ever taken in and is still remembered.
    pub(super) fn remembers(&self, pki_id: &PkiId) -> bool {
        self.members.get(pki_id).is_some()
    }

    /// The secret of the newest message is being verified, so that no other copy is; or turned out not to hold.
    pub(super) fn set_lacks_secret(&mut self, pki_id: &PkiId, lacks: bool) {
        if let Some(member) = self.members.get_mut(pki_id) {
            member.lacks_secret = lacks;
        }
    }

    /// Whether the secret of an envelope is one that was verified before with another message of the same member.
    pub(super) fn has_proven_secret(&self, pki_id: &PkiId, envelope: &EnvelopeView) -> bool {
        let proven = self.members.get(pki_id).and_then(Member::proven_secret);
        proven.is_some() && proven == envelope.secret()
    }

    /// Whether all of an envelope was verified in the incarnation before the present one.
    pub(super) fn was_verified(&self, pki_id: &PkiId, envelope: &EnvelopeView) -> bool {
        let rare = self.members.get(pki_id).and_then(|member| member.rare.as_ref());
        let former = rare.and_then(|rare| rare.former.as_ref()).filter(|former| former.is_copy_of(envelope));
        former.is_some_and(|former| {
            let secret = envelope.secret();
            secret.is_none() || secret == former.secret() || self.has_proven_secret(pki_id, envelope)
        })
    }

    /// Notes a verified secret that came with a message which is out of date by now.
    pub(super) fn note_proven_secret(&mut self, pki_id: &PkiId, envelope: EnvelopeView) {
        if let Some(member) = self.member_mut(pki_id)
            && member.envelope().is_some_and(|newest| newest.secret().is_none())
        {
            member.rare.get_or_insert_default().with_secret = Some(envelope);
        }
    }

    /// Puts a copy with a verified secret in the place of one without (W-11).
    pub(super) fn merge_secret(&mut self, pki_id: &PkiId, envelope: EnvelopeView) -> bool {
        let Some(member) = self.member_mut(pki_id) else { return false };
        if member.envelope().is_none_or(|newest| newest.payload() != envelope.payload()) {
            return false;
        }
        member.set_envelope(envelope);
        member.lacks_secret = false;
        true
    }

    /// Makes an alive member dead; `false` if it is not alive.
    pub(super) fn die(&mut self, pki_id: &PkiId) -> bool {
        let Some(member) = self.members.get_mut(pki_id).filter(|member| member.is_alive()) else {
            return false;
        };
        if let Some(rare) = &mut member.rare {
            rare.reach.suspected = None;
        }
        let place = core::mem::replace(&mut member.place, NOT_ALIVE);
        let is_own_org = member.is_own_org;
        self.vacate(place);
        let (alive, members) = (&self.alive, &self.members);
        self.neighbours.remove(pki_id, is_own_org, |rng| {
            let tries = (!alive.is_empty()).then(|| (0..SUBSTITUTE_TRIES).map(|_| rng.usize(..alive.len())));
            let found = tries.into_iter().flatten().filter_map(|at| members.at(*alive.get(at)? as usize));
            found.filter(|member| member.is_own_org == is_own_org).map(|member| member.pki_id).next()
        });
        true
    }

    /// Forgets a member, whose timestamps stay; whether there was one.
    pub(super) fn forget(&mut self, pki_id: &PkiId) -> bool {
        self.die(pki_id);
        let Some(member) = self.member_mut(pki_id) else { return false };
        member.envelope = None;
        let superseded = member.rare.as_ref().and_then(|rare| rare.superseded);
        member.rare = superseded.map(|_| Box::new(Rare { superseded, ..Rare::default() }));
        self.member_count -= 1;
        true
    }

    /// Fills a place among the alive with the last of them.
    fn vacate(&mut self, place: u32) {
        self.alive.swap_remove(place as usize);
        if let Some(moved) = self.alive.get(place as usize).and_then(|at| self.members.at_mut(*at as usize)) {
            moved.place = place;
        }
    }

    /// Alive members that were silent for longer than `silence`.
    pub(super) fn silent(&self, now: Instant, silence: Duration) -> Vec<PkiId> {
        let silent = |member: &&Member| member.is_alive() && now.since(member.refreshed) > silence;
        self.members().filter(silent).map(|member| member.pki_id).collect()
    }

    /// Members of whom nothing new was heard for longer than `lifetime` (W-9), but for those that are exempt.
    pub(super) fn outlived(
        &self,
        now: Instant,
        lifetime: Duration,
        exempt: impl Fn(&Member) -> bool,
    ) -> Vec<PkiId> {
        let outlived = |member: &&Member| now.since(member.refreshed) > lifetime && !exempt(member);
        self.members().filter(outlived).map(|member| member.pki_id).collect()
    }

    /// Forgets timestamps of peers that are no members: those older than `lifetime`, and the oldest beyond `count_max`.
    pub(super) fn sweep_records(&mut self, now: Instant, lifetime: Duration, count_max: usize) {
        let before = self.members.len();
        if before == self.member_count {
            return;
        }
        self.members.retain(|member| member.is_member() || now.since(member.refreshed) <= lifetime);
        let surplus = self.members.len().saturating_sub(count_max);
        if surplus > 0 {
            let forgotten = self.members.iter().filter(|member| !member.is_member());
            let mut oldest: Vec<_> = forgotten.map(|member| (member.refreshed, member.pki_id)).collect();
            oldest.sort_unstable();
            for (_, pki_id) in oldest.into_iter().take(surplus) {
                self.members.remove(&pki_id);
            }
        }
        if self.members.len() < before {
            self.find_places();
        }
    }

    /// Members have moved.
    fn find_places(&mut self) {
        for (at, member) in self.members.iter().enumerate() {
            if let Some(place) = self.alive.get_mut(member.place as usize) {
                *place = at as u32;
            }
        }
    }
}
