//! One bound over all connections for the memory that large messages take.

use super::stats::TransportStats;
use std::sync::Arc;

/// Messages up to this size are not counted: the bounds on each connection suffice for them.
pub(super) const UNCOUNTED_BYTES: usize = 256 << 10;

/// What large messages may take together.
#[derive(Clone, Debug)]
pub(super) struct LargeBytes {
    stats: Arc<TransportStats>,
    bytes_max: u64,
}

impl LargeBytes {
    pub(super) fn new(stats: Arc<TransportStats>, bytes_max: usize) -> Self {
        Self { stats, bytes_max: bytes_max as u64 }
    }

    pub(super) fn lease(&self) -> Lease {
        Lease { budget: self.clone(), held_bytes: 0 }
    }
}

/// What one message takes; given back when dropped.
#[derive(Debug)]
pub(super) struct Lease {
    budget: LargeBytes,
    held_bytes: usize,
}

impl Lease {
    /// Takes up to `bytes` in all; `false`, and nothing taken, if the bound would be passed.
    #[must_use]
    pub(super) fn grow(&mut self, bytes: usize) -> bool {
        let more = bytes.saturating_sub(self.held_bytes);
        if bytes <= UNCOUNTED_BYTES || more == 0 {
            return true;
        }
        let gauge = &self.budget.stats.large_bytes;
        gauge.add(more);
        if gauge.value() > self.budget.bytes_max {
            gauge.subtract(more);
            return false;
        }
        self.held_bytes += more;
        true
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.budget.stats.large_bytes.subtract(self.held_bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leases_share_one_bound_and_give_back() {
        let stats = Arc::new(TransportStats::default());
        let budget = LargeBytes::new(Arc::clone(&stats), 1 << 20);
        let (mut first, mut second) = (budget.lease(), budget.lease());
        assert!(first.grow(UNCOUNTED_BYTES));
        assert_eq!(stats.large_bytes.value(), 0);
        assert!(first.grow(700 << 10));
        assert!(second.grow(324 << 10));
        assert!(!second.grow((324 << 10) + 1));
        assert_eq!(stats.large_bytes.value(), 1 << 20);
        drop(first);
        assert!(second.grow(1 << 20));
        drop(second);
        assert_eq!(stats.large_bytes.value(), 0);
    }
}
