//! The asking half of a pull.

use crate::config::Config;
use crate::ids::PkiId;
use crate::reject::{Misbehaviour, Reject, Unfitting};
use crate::time::Instant;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

/// Hellos to one partner that may be open at once.
const HELLOS_PER_PARTNER_MAX: usize = 4;

/// What to ask a partner for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request<Id> {
    pub(crate) partner: PkiId,
    /// Of the hello to this partner.
    pub(crate) nonce: u64,
    pub(crate) ids: Vec<Id>,
}

/// See the module. Where the Go peer waits a second for all digests and then asks once, a request leaves with the first
/// digest that offers something (the responder's nonce is valid at once, W-10); when the second is over, what has not come
/// is asked for again at others that offered it. By the Go peer's rules it does as that does.
#[derive(Debug)]
pub(crate) struct Initiator<Id> {
    /// By partner and nonce.
    hellos: BTreeMap<(PkiId, u64), Hello<Id>>,
    /// Items asked for and not received.
    asked: BTreeMap<Id, Asked>,
}

#[derive(Debug)]
struct Hello<Id> {
    sent: Instant,
    offered: BTreeSet<Id>,
    requested: bool,
    /// The digest wait is over and what was missing then was asked for.
    settled: bool,
}

#[derive(Debug)]
struct Asked {
    of: PkiId,
    at: Instant,
}

impl<Id> Default for Initiator<Id> {
    fn default() -> Self {
        Self { hellos: BTreeMap::new(), asked: BTreeMap::new() }
    }
}

impl<Id: Ord + Clone> Initiator<Id> {
    /// Remembers a hello that is about to be sent; `false` if `partner` has too many open already, or this nonce.
    pub(crate) fn hello(&mut self, now: Instant, partner: PkiId, nonce: u64) -> bool {
        if self.open_hellos(partner) >= HELLOS_PER_PARTNER_MAX || self.hellos.contains_key(&(partner, nonce))
        {
            return false;
        }
        let hello = Hello { sent: now, offered: BTreeSet::new(), requested: false, settled: false };
        self.hellos.insert((partner, nonce), hello);
        true
    }

    /// Whether `partner` was greeted so lately that its digest may still come.
    pub(crate) fn is_greeted(&self, now: Instant, partner: PkiId, config: &Config) -> bool {
        self.of_partner(partner).any(|hello| now.since(hello.sent) < config.digest_wait)
    }

    /// Takes in the ids of a digest, of which the caller has removed what it does not want; the result is to be asked for
    /// now, and may be empty. Ids beyond `ids_max` per hello are ignored.
    pub(crate) fn digest(
        &mut self,
        now: Instant,
        sender: PkiId,
        nonce: u64,
        ids: impl Iterator<Item = Id>,
        ids_max: usize,
        config: &Config,
    ) -> Result<Vec<Id>, Reject> {
        let hello = self.hellos.get_mut(&(sender, nonce)).ok_or(Misbehaviour::Unsolicited)?;
        if now.since(hello.sent) >= config.request_wait || hello.settled && !config.rules.heeds_news() {
            // the responder has forgotten the nonce by now; or a Go peer takes no more digests
            return Err(Unfitting::Stale.into());
        }
        let mut now_asked = Vec::new();
        for id in ids {
            if hello.offered.len() >= ids_max {
                break;
            }
            let is_new = hello.offered.insert(id.clone());
            if is_new && config.rules.heeds_news() && !self.asked.contains_key(&id) {
                self.asked.insert(id.clone(), Asked { of: sender, at: now });
                now_asked.push(id);
            }
        }
        hello.requested |= !now_asked.is_empty();
        Ok(now_asked)
    }

    /// Whether an update answers a request of ours. One that comes late does, as long as its hello is remembered (W-18).
    pub(crate) fn update(&self, sender: PkiId, nonce: u64) -> Result<(), Reject> {
        match self.hellos.get(&(sender, nonce)) {
            Some(hello) if hello.requested => Ok(()),
            _ => Err(Misbehaviour::Unsolicited.into()),
        }
    }

    /// An item is here, wherever it came from.
    pub(crate) fn received(&mut self, id: &Id) {
        self.asked.remove(id);
    }

    /// The item that `from` sent was no good: whom to ask instead, if another partner offered it.
    pub(crate) fn failed(
        &mut self,
        now: Instant,
        id: &Id,
        from: PkiId,
        config: &Config,
    ) -> Option<Request<Id>> {
        if self.asked.get(id).is_some_and(|asked| asked.of == from) {
            self.asked.remove(id);
        }
        for ((partner, _), hello) in &mut self.hellos {
            if *partner == from {
                hello.offered.remove(id);
            }
        }
        if self.asked.contains_key(id) || !config.rules.heeds_news() {
            return None;
        }
        let (&(partner, nonce), hello) = self
            .hellos
            .iter_mut()
            .find(|(_, hello)| hello.offered.contains(id) && now.since(hello.sent) < config.request_wait)?;
        hello.requested = true;
        self.asked.insert(id.clone(), Asked { of: partner, at: now });
        Some(Request { partner, nonce, ids: vec![id.clone()] })
    }

    /// Time has passed: what to ask for a second time, elsewhere; by the Go peer's rules, what to ask for at all. Forgets what
    /// is over.
    pub(crate) fn advance(
        &mut self,
        now: Instant,
        rng: &mut fastrand::Rng,
        config: &Config,
    ) -> Vec<Request<Id>> {
        let requests = match config.rules.heeds_news() {
            true => self.ask_elsewhere(now, config),
            false => self.ask_once(now, rng, config),
        };
        let kept = Self::kept(config);
        self.hellos.retain(|_, hello| now.since(hello.sent) < kept);
        self.asked.retain(|_, asked| now.since(asked.at) < config.response_wait);
        requests
    }

    /// The digest wait of a round is over: each item that was offered is asked of one of those who did, at random (spec/05
    /// §10.2).
    fn ask_once(&mut self, now: Instant, rng: &mut fastrand::Rng, config: &Config) -> Vec<Request<Id>> {
        let mut owners: BTreeMap<Id, Vec<(PkiId, u64)>> = BTreeMap::new();
        for (&partner, hello) in &mut self.hellos {
            if hello.settled || now.since(hello.sent) < config.digest_wait {
                continue;
            }
            hello.settled = true;
            for id in &hello.offered {
                owners.entry(id.clone()).or_default().push(partner);
            }
        }
        let mut requests: BTreeMap<(PkiId, u64), Vec<Id>> = BTreeMap::new();
        for (id, owners) in owners {
            let Some(&owner) = owners.get(rng.usize(..owners.len())) else { continue };
            self.asked.insert(id.clone(), Asked { of: owner.0, at: now });
            requests.entry(owner).or_default().push(id);
        }
        for partner in requests.keys() {
            if let Some(hello) = self.hellos.get_mut(partner) {
                hello.requested = true;
            }
        }
        requests.into_iter().map(|((partner, nonce), ids)| Request { partner, nonce, ids }).collect()
    }

    fn ask_elsewhere(&mut self, now: Instant, config: &Config) -> Vec<Request<Id>> {
        let mut requests = Vec::new();
        for (&(partner, nonce), hello) in &mut self.hellos {
            if hello.settled || now.since(hello.sent) < config.digest_wait {
                continue;
            }
            hello.settled = true;
            if now.since(hello.sent) >= config.request_wait {
                continue;
            }
            let overdue =
                |asked: &Asked| asked.of != partner && now.since(asked.at) >= config.digest_wait / 2;
            let ids: Vec<Id> =
                hello.offered.iter().filter(|id| self.asked.get(id).is_some_and(overdue)).cloned().collect();
            for id in &ids {
                self.asked.insert(id.clone(), Asked { of: partner, at: now });
            }
            if !ids.is_empty() {
                hello.requested = true;
                requests.push(Request { partner, nonce, ids });
            }
        }
        requests
    }

    /// When [`advance`](Self::advance) has something to do.
    pub(crate) fn deadline(&self, config: &Config) -> Option<Instant> {
        let pending = self.hellos.values().filter(|hello| !hello.settled);
        pending.map(|hello| hello.sent + config.digest_wait).min()
    }

    /// Forgets a partner.
    pub(crate) fn forget(&mut self, partner: PkiId) {
        self.hellos.retain(|(of, _), _| *of != partner);
        self.asked.retain(|_, asked| asked.of != partner);
    }

    /// How long an answer may take and is still an answer: the round, and one more.
    fn kept(config: &Config) -> Duration {
        config.digest_wait + config.response_wait + config.pull_interval
    }

    fn of_partner(&self, partner: PkiId) -> impl Iterator<Item = &Hello<Id>> {
        self.hellos.range((partner, 0)..=(partner, u64::MAX)).map(|(_, hello)| hello)
    }

    fn open_hellos(&self, partner: PkiId) -> usize {
        self.of_partner(partner).filter(|hello| !hello.settled).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{A, B, at};

    fn rng() -> fastrand::Rng {
        fastrand::Rng::with_seed(1)
    }

    fn digest(
        pull: &mut Initiator<u64>,
        millis: u64,
        sender: PkiId,
        nonce: u64,
        ids: &[u64],
    ) -> Result<Vec<u64>, Reject> {
        pull.digest(at(millis), sender, nonce, ids.iter().copied(), 100, &Config::default())
    }

    #[test]
    fn w10_the_first_useful_digest_is_answered_at_once() {
        let mut pull = Initiator::default();
        assert!(pull.hello(at(0), A, 1));
        assert!(pull.hello(at(0), B, 2));
        assert_eq!(digest(&mut pull, 3, A, 1, &[5, 6]), Ok(vec![5, 6]));
        assert_eq!(digest(&mut pull, 4, B, 2, &[6, 7]), Ok(vec![7]), "6 is asked of A");
        assert_eq!(pull.update(A, 1), Ok(()));
    }

    #[test]
    fn w6_a_nonce_is_good_for_its_partner_only() {
        let mut pull = Initiator::default();
        pull.hello(at(0), A, 1);
        assert_eq!(digest(&mut pull, 1, B, 1, &[5]), Err(Misbehaviour::Unsolicited.into()));
        assert_eq!(pull.update(B, 1), Err(Misbehaviour::Unsolicited.into()));
    }

    #[test]
    fn an_update_without_request_is_unsolicited() {
        let mut pull = Initiator::<u64>::default();
        pull.hello(at(0), A, 1);
        assert_eq!(pull.update(A, 1), Err(Misbehaviour::Unsolicited.into()));
    }

    #[test]
    fn what_one_partner_owes_is_asked_of_another_when_the_digest_wait_ends() {
        let config = Config::default();
        let mut pull = Initiator::default();
        pull.hello(at(0), A, 1);
        pull.hello(at(0), B, 2);
        digest(&mut pull, 10, A, 1, &[5, 6]).unwrap();
        digest(&mut pull, 20, B, 2, &[5, 6]).unwrap();
        pull.received(&5);
        assert_eq!(pull.deadline(&config), Some(at(1000)));
        assert_eq!(
            pull.advance(at(1000), &mut rng(), &config),
            vec![Request { partner: B, nonce: 2, ids: vec![6] }]
        );
        assert_eq!(pull.update(B, 2), Ok(()));
        assert_eq!(pull.deadline(&config), None);
    }

    #[test]
    fn a_bad_item_is_asked_of_another_at_once() {
        let config = Config::default();
        let mut pull = Initiator::default();
        pull.hello(at(0), A, 1);
        pull.hello(at(0), B, 2);
        digest(&mut pull, 10, A, 1, &[5]).unwrap();
        digest(&mut pull, 20, B, 2, &[5]).unwrap();
        let again = pull.failed(at(30), &5, A, &config);
        assert_eq!(again, Some(Request { partner: B, nonce: 2, ids: vec![5] }));
        assert_eq!(pull.failed(at(40), &5, B, &config), None);
    }

    #[test]
    fn w18_a_late_update_still_answers_and_what_never_comes_is_asked_for_again() {
        let config = Config::default();
        let mut pull = Initiator::default();
        pull.hello(at(0), A, 1);
        digest(&mut pull, 10, A, 1, &[5]).unwrap();
        pull.advance(at(4000), &mut rng(), &config);
        assert_eq!(pull.update(A, 1), Ok(()));
        pull.hello(at(4000), A, 9);
        assert_eq!(digest(&mut pull, 4010, A, 9, &[5]), Ok(vec![5]));
        pull.advance(at(20_000), &mut rng(), &config);
        assert_eq!(pull.update(A, 1), Err(Misbehaviour::Unsolicited.into()));
        assert!(pull.hellos.is_empty() && pull.asked.is_empty());
    }

    #[test]
    fn w7_ids_and_hellos_are_bounded() {
        let mut pull = Initiator::default();
        for nonce in 0..HELLOS_PER_PARTNER_MAX as u64 {
            assert!(pull.hello(at(0), A, nonce));
        }
        assert!(!pull.hello(at(0), A, 99));
        let asked = pull.digest(at(1), A, 0, 0..1000, 11, &Config::default()).unwrap();
        assert_eq!(asked.len(), 11);
        let more = pull.digest(at(1), A, 0, 1000..2000, 11, &Config::default()).unwrap();
        assert!(more.is_empty(), "digests of one nonce accumulate");
    }

    #[test]
    fn a_repeated_id_does_not_weigh_more() {
        let mut pull = Initiator::default();
        pull.hello(at(0), A, 1);
        assert_eq!(digest(&mut pull, 1, A, 1, &[5, 5, 5]), Ok(vec![5]));
    }

    #[test]
    fn a_digest_after_the_nonce_ran_out_is_stale() {
        let mut pull = Initiator::default();
        pull.hello(at(0), A, 1);
        assert_eq!(digest(&mut pull, 1500, A, 1, &[5]), Err(Unfitting::Stale.into()));
    }

    #[test]
    fn a_go_peer_asks_when_the_digest_wait_is_over_and_each_item_of_one_owner() {
        let config = Config::fabric();
        let mut pull = Initiator::default();
        pull.hello(at(0), A, 1);
        pull.hello(at(0), B, 2);
        let mut digest = |millis, sender, nonce, ids: &[u64]| {
            pull.digest(at(millis), sender, nonce, ids.iter().copied(), 100, &config)
        };
        assert_eq!(digest(3, A, 1, &[5, 6]), Ok(vec![]));
        assert_eq!(digest(900, B, 2, &[6, 7]), Ok(vec![]));
        assert_eq!(pull.deadline(&config), Some(at(1000)));
        let requests = pull.advance(at(1000), &mut rng(), &config);
        let mut asked: Vec<u64> = requests.iter().flat_map(|request| request.ids.clone()).collect();
        asked.sort_unstable();
        assert_eq!(asked, [5, 6, 7]);
        assert_eq!(pull.update(A, 1), Ok(()));
        let late = pull.digest(at(1001), A, 1, [8].into_iter(), 100, &config);
        assert_eq!(late, Err(Unfitting::Stale.into()));
        assert_eq!(pull.advance(at(2000), &mut rng(), &config), vec![]);
    }
}
