//! How peers behave that send blocks: who sent bad ones is not listened to for a while.

use crate::ids::PkiId;
use crate::time::Instant;
use core::time::Duration;
use std::collections::BTreeMap;

/// Bad blocks after which a peer is distrusted.
const STRIKES_MAX: u32 = 3;
/// For how long, counted from its last bad block.
const DISTRUST: Duration = Duration::from_secs(60);

/// Bad blocks by sender.
#[derive(Debug, Default)]
pub(crate) struct Conduct {
    strikes: BTreeMap<PkiId, (u32, Instant)>,
}

impl Conduct {
    /// `peer` sent a bad block.
    pub(crate) fn strike(&mut self, now: Instant, peer: PkiId) {
        let (count, last) = self.strikes.entry(peer).or_insert((0, now));
        *count = if now.since(*last) >= DISTRUST { 1 } else { count.saturating_add(1) };
        *last = now;
    }

    /// Whether blocks of `peer` are not looked at now.
    pub(crate) fn is_distrusted(&self, now: Instant, peer: &PkiId) -> bool {
        let strikes = self.strikes.get(peer);
        strikes.is_some_and(|(count, last)| *count >= STRIKES_MAX && now.since(*last) < DISTRUST)
    }

    /// Forgets what is long ago.
    pub(crate) fn sweep(&mut self, now: Instant) {
        self.strikes.retain(|_, (_, last)| now.since(*last) < DISTRUST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_bad_blocks_are_too_many_for_a_minute() {
        let peer = PkiId::new([1; 32]);
        let mut conduct = Conduct::default();
        let start = Instant::from_nanos(0);
        conduct.strike(start, peer);
        conduct.strike(start, peer);
        assert!(!conduct.is_distrusted(start, &peer));
        conduct.strike(start, peer);
        assert!(conduct.is_distrusted(start, &peer));
        assert!(!conduct.is_distrusted(start + DISTRUST, &peer));
        conduct.sweep(start + DISTRUST);
        assert!(conduct.strikes.is_empty());
    }
}
