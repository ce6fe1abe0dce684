//! Identities: who is known (spec/03 §4), and how identities are pulled (§5).
//!
//! An identity is stored only after a signature by it was verified. It leaves when its certificate expires, when no MSP
//! accepts it any more, and when nobody needed it for an hour. The own identity stays whatever happens (spec/04 W-29).

pub(crate) mod pull;

use crate::ids::{MspId, PkiId};
use crate::input::IdentityClaims;
use crate::output::CloseReason;
use crate::peer::{Answer, Peer};
use crate::reject::{Reject, Unfitting};
use crate::shared;
use crate::table::Table;
use crate::time::{Instant, WallTime};
use crate::timers::Timer;
use bytes::Bytes;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

/// An identity that nobody needed for this long is forgotten.
const IDLE_MAX: Duration = Duration::from_secs(3600);
/// How often to look for such identities.
const SWEEP_PERIOD: Duration = Duration::from_secs(360);
/// Identities that are checked again at the same time.
const RECHECKS_AT_ONCE: usize = 32;

/// What an answer continues.
#[derive(Debug)]
pub(crate) enum Waiting {
    /// Belongs to the identity pull.
    Pull(pull::Waiting),
    /// A known identity is checked again.
    Recheck(PkiId),
}

/// An identity by which something was signed.
#[derive(Clone, Debug)]
pub(crate) struct KnownIdentity {
    pub(crate) identity: Bytes,
    pub(crate) org: MspId,
    pub(crate) expires_at: WallTime,
    pub(crate) key_hash: [u8; 32],
    /// When it was last needed.
    used: Instant,
}

/// All identities.
#[derive(Debug)]
pub(crate) struct Identities {
    known: Table<PkiId, KnownIdentity>,
    count_by_key: BTreeMap<[u8; 32], usize>,
    /// Still to be checked again after a change of configuration.
    to_recheck: BTreeSet<PkiId>,
    rechecking_count: usize,
    /// The identity pull's own state.
    pub(crate) pull: pull::IdentityPull,
}

impl Identities {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            known: Table::new(seed),
            count_by_key: BTreeMap::new(),
            to_recheck: BTreeSet::new(),
            rechecking_count: 0,
            pull: pull::IdentityPull::new(seed),
        }
    }

    /// A known identity; the own one is.
    pub(crate) fn known(&self, pki_id: &PkiId) -> Option<&KnownIdentity> {
        self.known.get(pki_id)
    }

    /// Identities of one public key, of the key that has most.
    pub(crate) fn count_per_key_max(&self) -> usize {
        self.count_by_key.values().copied().max().unwrap_or(0)
    }

    fn insert(&mut self, pki_id: PkiId, identity: KnownIdentity) {
        *self.count_by_key.entry(identity.key_hash).or_default() += 1;
        self.known.insert(pki_id, identity);
    }

    fn remove(&mut self, pki_id: &PkiId) -> bool {
        let Some(removed) = self.known.remove(pki_id) else { return false };
        if let Some(count) = self.count_by_key.get_mut(&removed.key_hash) {
            *count -= 1;
            if *count == 0 {
                self.count_by_key.remove(&removed.key_hash);
            }
        }
        true
    }
}

impl Peer {
    /// Number of identities known, the own one included.
    pub fn identity_count(&self) -> usize {
        self.identities.known.len()
    }

    pub(crate) fn start_identities(&mut self) {
        let me = &self.shared.me;
        let own = KnownIdentity {
            identity: me.identity.clone(),
            org: me.org.clone(),
            expires_at: me.expires_at,
            key_hash: [0; 32],
            used: self.shared.now,
        };
        self.identities.known.insert(me.pki_id, own);
        self.arm_sweep();
        self.start_identity_pull();
    }

    /// The organisation of a peer whose identity is known.
    pub(crate) fn org_of(&self, pki_id: &PkiId) -> Option<MspId> {
        self.identities.known(pki_id).map(|known| known.org.clone())
    }

    /// Notes that an identity was needed.
    pub(crate) fn touch_identity(&mut self, pki_id: &PkiId) {
        let now = self.shared.now;
        if let Some(known) = self.identities.known.get_mut(pki_id) {
            known.used = now;
        }
    }

    /// Stores an identity by which a signature was just verified.
    ///
    /// # Errors
    ///
    /// `OverLimit` if it is too large, if too many variants of its certificate are known, or if there is no room;
    /// `IdentityExpired`. Nothing is changed then.
    pub(crate) fn learn_identity(&mut self, claims: IdentityClaims, identity: &[u8]) -> Result<(), Reject> {
        let IdentityClaims { pki_id, org, expires_at, key_hash } = claims;
        if self.identities.known.contains_key(&pki_id) {
            self.touch_identity(&pki_id);
            return Ok(());
        }
        let limits = &self.shared.config.limits;
        if identity.len() > limits.identity_bytes_max {
            return Err(Reject::OverLimit);
        }
        if expires_at < self.shared.wall() {
            return Err(Unfitting::IdentityExpired.into());
        }
        let variant_count = self.identities.count_by_key.get(&key_hash).copied().unwrap_or_default();
        if variant_count >= limits.identities_per_key_max {
            return Err(Reject::OverLimit);
        }
        if self.identities.known.len() >= limits.identities_max {
            let evicted = self.least_needed().ok_or(Reject::OverLimit)?;
            self.drop_identity(evicted);
        }
        let used = self.shared.now;
        // it came as part of a greater message, which it would keep alive
        let identity = Bytes::copy_from_slice(identity);
        self.identities.insert(pki_id, KnownIdentity { identity, org, expires_at, key_hash, used });
        self.shared.timers.set_no_later_than(Timer::IdentitySweep, self.instant_of(expires_at));
        self.on_identity_learned(pki_id);
        Ok(())
    }

    /// The identity unused for longest of those that no connection and no member needs.
    fn least_needed(&self) -> Option<PkiId> {
        let unneeded = self.identities.known.iter().filter(|(pki_id, _)| !self.is_needed(pki_id));
        unneeded.min_by_key(|(_, known)| known.used).map(|(pki_id, _)| *pki_id)
    }

    fn is_needed(&self, pki_id: &PkiId) -> bool {
        *pki_id == self.shared.me.pki_id
            || self.connections.connected(pki_id)
            || self.membership.member(pki_id).is_some()
    }

    /// When a certificate will have expired.
    fn instant_of(&self, expires_at: WallTime) -> Instant {
        let left = expires_at.as_nanos().saturating_sub(self.shared.wall().as_nanos());
        self.shared.now + Duration::from_nanos(left) + Duration::from_millis(1)
    }

    fn arm_sweep(&mut self) {
        let me = self.shared.me.pki_id;
        let others = self.identities.known.iter().filter(|(pki_id, _)| **pki_id != me);
        let first_expiry = others.map(|(_, known)| known.expires_at).min();
        let sweep = self.shared.now + SWEEP_PERIOD;
        let next = first_expiry.map_or(sweep, |expires_at| sweep.min(self.instant_of(expires_at)));
        self.shared.timers.set(Timer::IdentitySweep, next);
    }

    /// Drops identities that expired, and those that nobody needed for long.
    pub(crate) fn sweep_identities(&mut self) {
        let (now, wall, me) = (self.shared.now, self.shared.wall(), self.shared.me.pki_id);
        let is_over = |(pki_id, known): (&PkiId, &KnownIdentity)| {
            let idle = now.since(known.used) >= IDLE_MAX && !self.is_needed(pki_id);
            (*pki_id != me && (known.expires_at < wall || idle)).then_some(*pki_id)
        };
        let over: Vec<PkiId> = self.identities.known.iter().filter_map(is_over).collect();
        for pki_id in over {
            self.drop_identity(pki_id);
        }
        self.arm_sweep();
    }

    /// Forgets an identity and everything that rests on it: the member, its state in channels, its connections.
    fn drop_identity(&mut self, pki_id: PkiId) {
        if self.identities.remove(&pki_id) {
            self.on_identity_dropped(pki_id);
            self.forget_member(pki_id);
            self.disconnect(pki_id, CloseReason::PeerGone);
        }
    }

    /// A channel's configuration changed: checks every known identity again, a few at a time, against what is in force now
    /// (spec/03 §12 no. 7).
    pub(crate) fn recheck_identities(&mut self) {
        let me = self.shared.me.pki_id;
        self.identities.to_recheck =
            self.identities.known.keys().copied().filter(|pki_id| *pki_id != me).collect();
        self.go_on_rechecking();
    }

    fn go_on_rechecking(&mut self) {
        while self.identities.rechecking_count < RECHECKS_AT_ONCE {
            let Some(pki_id) = self.identities.to_recheck.pop_first() else { return };
            let Some(known) = self.identities.known.get(&pki_id) else { continue };
            let identity = known.identity.clone();
            self.identities.rechecking_count += 1;
            let ticket = self.shared.ticket(shared::Waiting::Identity(Waiting::Recheck(pki_id)));
            self.shared.check_identity(ticket, identity);
        }
    }

    fn rechecked(&mut self, pki_id: PkiId, claims: Option<&IdentityClaims>) {
        self.identities.rechecking_count -= 1;
        if claims.is_none_or(|claims| claims.pki_id != pki_id) {
            self.drop_identity(pki_id);
        }
        self.go_on_rechecking();
    }

    pub(crate) fn continue_identity(&mut self, waiting: Waiting, answer: Answer) {
        match (waiting, answer) {
            (Waiting::Pull(waiting), answer) => self.continue_identity_pull(waiting, answer),
            (Waiting::Recheck(pki_id), Answer::IdentityChecked(claims)) => {
                self.rechecked(pki_id, claims.as_ref());
            }
            (Waiting::Recheck(_), _) => {}
        }
    }
}
