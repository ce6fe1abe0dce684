//! When each host ran.

use crate::world::HostId;
use core::time::Duration;

/// From a start to the end of the host's process, if it has ended.
#[derive(Clone, Copy, Debug)]
struct Life {
    begins: Duration,
    ends: Option<Duration>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Lives {
    of_hosts: Vec<Vec<Life>>,
}

impl Lives {
    pub(super) fn new(host_count: usize) -> Self {
        Self { of_hosts: vec![Vec::new(); host_count] }
    }

    /// A host was started or killed now.
    pub(super) fn note(&mut self, host: HostId, runs: bool, now: Duration) {
        let Some(lives) = self.of_hosts.get_mut(host.index()) else { return };
        match (lives.last_mut(), runs) {
            (Some(Life { ends: ends @ None, .. }), false) => *ends = Some(now),
            (None | Some(Life { ends: Some(_), .. }), true) => lives.push(Life { begins: now, ends: None }),
            _ => {}
        }
    }

    /// Whether a host ran all the while.
    pub(super) fn ran(&self, host: HostId, from: Duration, until: Duration) -> bool {
        let covers = |life: &Life| life.begins <= from && life.ends.is_none_or(|ends| ends >= until);
        self.of_hosts.get(host.index()).is_some_and(|lives| lives.iter().any(covers))
    }

    /// How long all hosts ran within a time, together.
    pub(super) fn total(&self, from: Duration, until: Duration) -> Duration {
        let within = |life: &Life| {
            life.ends.map_or(until, |ends| ends.min(until)).saturating_sub(life.begins.max(from))
        };
        self.of_hosts.iter().flatten().map(within).sum()
    }
}
