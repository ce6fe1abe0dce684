//! How often one peer may ask for something that is larger than the asking (spec/05 W-8).

use crate::ids::PkiId;
use crate::time::Instant;
use core::time::Duration;
use std::collections::BTreeMap;

const WINDOW: Duration = Duration::from_secs(1);

/// Requests of each peer, counted in windows of one second.
#[derive(Debug, Default)]
pub(crate) struct RateLimit {
    windows: BTreeMap<PkiId, Window>,
}

#[derive(Debug)]
struct Window {
    start: Instant,
    count: u32,
}

impl RateLimit {
    /// Counts one request of `peer`; `false` if it had `per_second_max` in this second already.
    pub(crate) fn admit(&mut self, now: Instant, peer: PkiId, per_second_max: u32) -> bool {
        let window = self.windows.entry(peer).or_insert(Window { start: now, count: 0 });
        if now.since(window.start) >= WINDOW {
            *window = Window { start: now, count: 0 };
        }
        window.count = window.count.saturating_add(1);
        window.count <= per_second_max
    }

    /// Forgets peers that asked for nothing lately.
    pub(crate) fn sweep(&mut self, now: Instant) {
        self.windows.retain(|_, window| now.since(window.start) < WINDOW);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_refused_until_its_second_is_over() {
        let (a, b) = (PkiId::new([1; 32]), PkiId::new([2; 32]));
        let mut limit = RateLimit::default();
        let start = Instant::from_nanos(0);
        assert!(limit.admit(start, a, 2));
        assert!(limit.admit(start, a, 2));
        assert!(!limit.admit(start, a, 2));
        assert!(limit.admit(start, b, 2), "another peer has its own count");
        assert!(!limit.admit(start + Duration::from_millis(999), a, 2));
        assert!(limit.admit(start + WINDOW, a, 2));
        limit.sweep(start + WINDOW * 2);
        assert!(limit.windows.is_empty());
    }
}
