//! Cores that take time for work.

use core::time::Duration;
use selvedge_core::Instant;

/// Some cores and the work they were given, which they take in the order in which it came.
#[derive(Clone, Debug)]
pub(super) struct Processor {
    /// When each core will have done what it was given.
    free_at: Vec<Instant>,
    /// Time spent working, all cores together.
    busy: Duration,
    /// How long work takes compared with what it costs, in per cent.
    slowness_percent: u32,
}

/// When a piece of work begins and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) begins: Instant,
    pub(super) ends: Instant,
}

impl Processor {
    pub(super) fn new(core_count: usize) -> Self {
        Self {
            free_at: vec![Instant::default(); core_count.max(1)],
            busy: Duration::ZERO,
            slowness_percent: 100,
        }
    }

    /// Gives the core that is free first a piece of work.
    pub(super) fn work(&mut self, now: Instant, cost: Duration) -> Slot {
        let cost = if self.slowness_percent == 100 { cost } else { cost * self.slowness_percent / 100 };
        self.busy += cost;
        let Some(free_at) = self.free_at.iter_mut().min() else {
            return Slot { begins: now, ends: now + cost };
        };
        let begins = now.max(*free_at);
        *free_at = begins + cost;
        Slot { begins, ends: *free_at }
    }

    /// From now on work takes so many per cent of the time that it costs.
    pub(super) fn set_slowness(&mut self, percent: u32) {
        self.slowness_percent = percent.max(1);
    }

    pub(super) fn busy(&self) -> Duration {
        self.busy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_waits_for_a_free_core() {
        let mut processor = Processor::new(2);
        let (now, cost) = (Instant::from_nanos(100), Duration::from_nanos(10));
        let begins: Vec<u64> = (0..5).map(|_| processor.work(now, cost).begins.as_nanos()).collect();
        assert_eq!(begins, [100, 100, 110, 110, 120]);
        assert_eq!(processor.busy(), 5 * cost);
    }

    #[test]
    fn a_slow_processor_needs_longer() {
        let mut processor = Processor::new(1);
        processor.set_slowness(250);
        let slot = processor.work(Instant::from_nanos(100), Duration::from_nanos(10));
        assert_eq!(slot.ends.as_nanos(), 125);
    }
}
