//! Takes the points of [`Curves`](crate::Curves) while a run goes on.

use super::measure::Known;
use crate::curves::Point;
use crate::scenario::{Cores, Scenario};
use crate::world::World;
use core::time::Duration;

/// A run has no more points than this.
const POINT_COUNT_MAX: u64 = 400;

/// See the module.
#[derive(Debug)]
pub(super) struct Sampler {
    interval: Duration,
    next: Duration,
    cores_each: usize,
    before: Counts,
    points: Vec<Point>,
}

/// What only grows.
#[derive(Debug, Default)]
struct Counts {
    at: Duration,
    busy: Vec<Duration>,
    block_bytes_read: u64,
    blocks_durable: u64,
}

impl Counts {
    fn of(world: &World, processor_count: usize) -> Self {
        Self {
            at: world.now(),
            busy: (0..processor_count).map(|processor| world.busy(processor)).collect(),
            block_bytes_read: world.watch().block_bytes_read,
            blocks_durable: world.watch().blocks_durable,
        }
    }
}

impl Sampler {
    pub(super) fn new(scenario: &Scenario) -> Self {
        // whole seconds, which looks fall upon
        let interval = Duration::from_secs(scenario.time.end().as_secs().div_ceil(POINT_COUNT_MAX).max(1));
        let (processor_count, cores_each) = match scenario.hosts.cores {
            Cores::Each(count) => (scenario.hosts.count, count),
            Cores::Shared(count) => (1, count),
        };
        let before = Counts { busy: vec![Duration::ZERO; processor_count], ..Counts::default() };
        Self { interval, next: interval, cores_each, before, points: Vec::new() }
    }

    /// Whether a point is due.
    pub(super) fn is_due(&self, now: Duration) -> bool {
        now >= self.next
    }

    /// Takes a point.
    pub(super) fn take(&mut self, world: &World, known: Known) {
        let now = Counts::of(world, self.before.busy.len());
        let time = now.at.saturating_sub(self.before.at).as_secs_f64() * self.cores_each as f64;
        let shares: Vec<f64> = now
            .busy
            .iter()
            .zip(&self.before.busy)
            .map(|(busy, before)| busy.saturating_sub(*before).as_secs_f64() / time)
            .collect();
        self.points.push(Point {
            at: now.at,
            known_share: known.share(),
            cpu_share: shares.iter().sum::<f64>() / shares.len() as f64,
            busiest_cpu_share: shares.iter().copied().fold(0.0, f64::max),
            block_bytes_read: now.block_bytes_read - self.before.block_bytes_read,
            blocks_durable: now.blocks_durable - self.before.blocks_durable,
        });
        self.next = now.at + self.interval;
        self.before = now;
    }

    pub(super) fn points(&self) -> &[Point] {
        &self.points
    }
}
