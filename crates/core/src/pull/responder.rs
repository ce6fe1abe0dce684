//! The answering half of a pull.

use crate::config::Config;
use crate::ids::PkiId;
use crate::rate::RateLimit;
use crate::reject::{Reject, Unfitting};
use crate::time::Instant;
use std::collections::BTreeMap;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Responder {
    nonces: BTreeMap<PkiId, BTreeMap<u64, Nonce>>,
    rate: RateLimit,
}

#[derive(Debug)]
struct Nonce {
    until: Instant,
    /// Items that may still be asked for under this nonce: as many as were offered, so that one hello cannot be turned into
    /// more than one copy of everything.
    items_left: usize,
}

impl Responder {
    /// A hello arrived. Refused if `sender` says hello too often or has too many nonces open. Saying it again with the same
    /// nonce does not prolong the nonce.
    pub(crate) fn hello(
        &mut self,
        now: Instant,
        sender: PkiId,
        nonce: u64,
        config: &Config,
    ) -> Result<(), Reject> {
        if !self.rate.admit(now, sender, config.limits.requests_per_second_max) {
            return Err(Reject::OverLimit);
        }
        let nonces = self.nonces.entry(sender).or_default();
        nonces.retain(|_, nonce| now < nonce.until);
        if nonces.contains_key(&nonce) {
            return Ok(());
        }
        if nonces.len() >= config.limits.nonces_per_peer_max {
            return Err(Reject::OverLimit);
        }
        nonces.insert(nonce, Nonce { until: now + config.request_wait, items_left: 0 });
        Ok(())
    }

    /// Tells how many items were offered in answer to a hello.
    pub(crate) fn offered(&mut self, sender: PkiId, nonce: u64, count: usize) {
        if let Some(nonce) = self.nonces.get_mut(&sender).and_then(|nonces| nonces.get_mut(&nonce)) {
            nonce.items_left = nonce.items_left.max(count);
        }
    }

    /// A request for `asked` items arrived: how many of them may be served.
    pub(crate) fn request(
        &mut self,
        now: Instant,
        sender: PkiId,
        nonce: u64,
        asked: usize,
    ) -> Result<usize, Reject> {
        let nonce = self.nonces.get_mut(&sender).and_then(|nonces| nonces.get_mut(&nonce));
        let nonce = nonce.filter(|nonce| now < nonce.until).ok_or(Unfitting::NonceUnknown)?;
        let granted = asked.min(nonce.items_left);
        nonce.items_left -= granted;
        if granted == 0 && asked > 0 {
            return Err(Reject::OverLimit);
        }
        Ok(granted)
    }

    /// Forgets what ran out.
    pub(crate) fn sweep(&mut self, now: Instant) {
        self.rate.sweep(now);
        self.nonces.retain(|_, nonces| {
            nonces.retain(|_, nonce| now < nonce.until);
            !nonces.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{A, B, at};

    #[test]
    fn w6_a_nonce_is_honoured_from_its_owner_only_and_for_its_time() {
        let config = Config::default();
        let mut responder = Responder::default();
        responder.hello(at(0), A, 7, &config).unwrap();
        responder.offered(A, 7, 3);
        assert_eq!(responder.request(at(1), B, 7, 1), Err(Unfitting::NonceUnknown.into()));
        assert_eq!(responder.request(at(1499), A, 7, 1), Ok(1));
        assert_eq!(responder.request(at(1500), A, 7, 1), Err(Unfitting::NonceUnknown.into()));
        responder.sweep(at(1500));
        assert!(responder.nonces.is_empty());
    }

    #[test]
    fn a_repeated_hello_does_not_prolong_the_nonce() {
        let config = Config::default();
        let mut responder = Responder::default();
        responder.hello(at(0), A, 7, &config).unwrap();
        responder.hello(at(1000), A, 7, &config).unwrap();
        responder.offered(A, 7, 1);
        assert_eq!(responder.request(at(1600), A, 7, 1), Err(Unfitting::NonceUnknown.into()));
    }

    #[test]
    fn w8_one_hello_yields_each_item_once() {
        let config = Config::default();
        let mut responder = Responder::default();
        responder.hello(at(0), A, 7, &config).unwrap();
        responder.offered(A, 7, 3);
        assert_eq!(responder.request(at(1), A, 7, 2), Ok(2));
        assert_eq!(responder.request(at(2), A, 7, 2), Ok(1));
        assert_eq!(responder.request(at(3), A, 7, 2), Err(Reject::OverLimit));
    }

    #[test]
    fn w7_hellos_and_nonces_are_bounded() {
        let mut config = Config::default();
        config.limits.requests_per_second_max = 3;
        config.limits.nonces_per_peer_max = 2;
        let mut responder = Responder::default();
        responder.hello(at(0), A, 1, &config).unwrap();
        responder.hello(at(0), A, 2, &config).unwrap();
        assert_eq!(responder.hello(at(0), A, 3, &config), Err(Reject::OverLimit), "nonces");
        assert_eq!(responder.hello(at(1), A, 1, &config), Err(Reject::OverLimit), "rate");
        responder.hello(at(1), B, 1, &config).unwrap();
        responder.hello(at(1600), A, 3, &config).unwrap();
    }
}
