//! How many TCP connections are taken, in all, from one address, and in set-up.

use super::settings::Settings;
use super::stats::TransportStats;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Counts accepted connections against the bounds of [`Settings`].
pub(super) struct Admission {
    counts: Mutex<Counts>,
    stats: Arc<TransportStats>,
    connections_max: usize,
    per_address_max: usize,
    setups_max: usize,
}

#[derive(Default)]
struct Counts {
    connections: usize,
    setups: usize,
    by_address: HashMap<IpAddr, usize>,
}

impl Admission {
    pub(super) fn new(settings: &Settings, stats: Arc<TransportStats>) -> Arc<Self> {
        Arc::new(Self {
            counts: Mutex::default(),
            stats,
            connections_max: settings.connections_max,
            per_address_max: settings.connections_per_address_max,
            setups_max: settings.setups_max,
        })
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a connection, unless a bound is reached. Mapped IPv4 addresses count as what they are.
    pub(super) fn admit(self: &Arc<Self>, address: IpAddr) -> Option<Admitted> {
        let address = address.to_canonical();
        let mut counts = self.counts();
        let from_address = counts.by_address.get(&address).copied().unwrap_or(0);
        if counts.connections >= self.connections_max
            || counts.setups >= self.setups_max
            || from_address >= self.per_address_max
        {
            self.stats.connections_refused.add(1);
            return None;
        }
        counts.connections += 1;
        counts.setups += 1;
        counts.by_address.insert(address, from_address + 1);
        self.stats.connections_accepted.add(1);
        self.stats.connections_open.add(1);
        Some(Admitted { admission: Arc::clone(self), address, in_setup: true })
    }
}

/// A connection that was taken; gives its place back when dropped.
pub(super) struct Admitted {
    admission: Arc<Admission>,
    address: IpAddr,
    in_setup: bool,
}

impl Admitted {
    /// The connection is set up.
    pub(super) fn set_up(&mut self) {
        if std::mem::replace(&mut self.in_setup, false) {
            self.admission.counts().setups -= 1;
        }
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.set_up();
        let mut counts = self.admission.counts();
        counts.connections -= 1;
        if let Some(count) = counts.by_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.by_address.remove(&self.address);
            }
        }
        self.admission.stats.connections_open.subtract(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_hold_in_all_by_address_and_in_set_up() {
        let settings = Settings {
            connections_max: 4,
            connections_per_address_max: 2,
            setups_max: 3,
            ..Settings::default()
        };
        let stats = Arc::new(TransportStats::default());
        let admission = Admission::new(&settings, Arc::clone(&stats));
        let [first, second, third, fourth] = [1, 2, 3, 4].map(|last| IpAddr::from([10, 0, 0, last]));
        let mapped = match first {
            IpAddr::V4(address) => IpAddr::from(address.to_ipv6_mapped()),
            IpAddr::V6(_) => unreachable!(),
        };

        let mut one = admission.admit(first).unwrap();
        let mut two = admission.admit(mapped).unwrap();
        assert!(admission.admit(first).is_none(), "two from one address are enough");
        let mut three = admission.admit(second).unwrap();
        assert!(admission.admit(third).is_none(), "three in set-up are enough");
        one.set_up();
        one.set_up();
        two.set_up();
        three.set_up();
        let four = admission.admit(third).unwrap();
        assert!(admission.admit(fourth).is_none(), "four are enough");
        assert_eq!(stats.connections_refused.value(), 3);
        drop(one);
        assert_eq!(stats.connections_open.value(), 3);
        drop(admission.admit(first).unwrap());
        drop((two, three, four));
        assert_eq!(stats.connections_open.value(), 0);
        let counts = admission.counts();
        assert!(counts.by_address.is_empty());
        assert_eq!((counts.connections, counts.setups), (0, 0));
    }
}
