//! Networks that are soaked: their size, their timers, and what goes wrong in them.

use core::time::Duration;
use selvedge_core::Config;
use selvedge_sim::byzantine::BehaviourKind;
use selvedge_sim::checkers::{Checkers, convergence_time};
use selvedge_sim::faults::{FaultKind, Faults, Phases, network};
use selvedge_sim::{HostId, World};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

const SECOND: Duration = Duration::from_secs(1);

/// A kind of network.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) name: &'static str,
    pub(super) description: &'static str,
    hosts: RangeInclusive<usize>,
    /// By how much the periods of the protocol, the pauses between faults and the time that these last are longer than with
    /// Fabric's settings. Hours of a network with longer periods are cheaper, and say less each.
    stretch: u32,
    /// How long faults strike.
    safety: Duration,
    block_interval: Duration,
    /// Of so many networks in all, this many are of this shape.
    pub(super) share: u64,
}

/// In what order and how often shapes take turns.
pub(super) const SHAPES: [Shape; 4] = [
    Shape {
        name: "small",
        description: "8 to 12 hosts, Fabric's timers, a block every 2 s, 30 minutes of faults",
        hosts: 8..=12,
        stretch: 1,
        safety: Duration::from_secs(30 * 60),
        block_interval: Duration::from_secs(2),
        share: 2,
    },
    Shape {
        name: "large",
        description: "50 to 60 hosts, Fabric's timers, a block every 10 s, 10 minutes of faults",
        hosts: 50..=60,
        stretch: 1,
        safety: Duration::from_secs(10 * 60),
        block_interval: Duration::from_secs(10),
        share: 1,
    },
    Shape {
        name: "slow",
        description: "8 to 12 hosts, timers and faults 24 times as long as with Fabric's, a block in 5 minutes, 48 hours of faults",
        hosts: 8..=12,
        stretch: 24,
        safety: Duration::from_secs(48 * 3600),
        block_interval: Duration::from_secs(300),
        share: 6,
    },
    Shape {
        name: "large-slow",
        description: "50 to 60 hosts, timers and faults 24 times as long as with Fabric's, a block in 5 minutes, 8 hours of faults",
        hosts: 50..=60,
        stretch: 24,
        safety: Duration::from_secs(8 * 3600),
        block_interval: Duration::from_secs(300),
        share: 1,
    },
];

/// In every second network up to a fifth of the hosts, but for those that read from the orderers, does not keep to the
/// protocol: each in one to three ways.
fn corrupt(world: &mut World, rng: &mut fastrand::Rng) {
    if rng.bool() {
        return;
    }
    let readers: Vec<HostId> = world.subscribers().collect();
    let mut hosts: Vec<HostId> = world.hosts().filter(|host| !readers.contains(host)).collect();
    rng.shuffle(&mut hosts);
    let most = (world.hosts().count() / 5).max(1);
    hosts.truncate(rng.usize(1..=most));
    for host in hosts {
        let mut kinds = BehaviourKind::ALL.to_vec();
        rng.shuffle(&mut kinds);
        kinds.truncate(rng.usize(1..=3));
        world.corrupt(host, &kinds);
    }
}

/// How many hosts do what.
pub(super) fn byzantine(world: &World) -> BTreeMap<&'static str, u64> {
    let mut counts = BTreeMap::new();
    for kind in world.hosts().flat_map(|host| world.behaviours(host)) {
        *counts.entry(kind.name()).or_default() += 1;
    }
    counts
}

impl Shape {
    /// The shape of the network with this number.
    pub(super) fn of(number: u64) -> &'static Self {
        let all: u64 = SHAPES.iter().map(|shape| shape.share).sum();
        let mut place = number % all;
        for shape in &SHAPES {
            if place < shape.share {
                return shape;
            }
            place -= shape.share;
        }
        &SHAPES[0]
    }

    /// The network of a seed, with all rules watched, what strikes in it, and how long.
    pub(super) fn build(&self, seed: u64) -> (World, Faults, Phases) {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut world = network(seed, &mut rng, self.hosts.clone(), &self.config());
        // they act ten times a second whatever the timers are: days of that would take hours
        if self.stretch == 1 {
            corrupt(&mut world, &mut rng);
        }
        world.start_all();
        world.set_checkers(Checkers::all());
        let liveness = convergence_time(world.config(HostId::from_index(0)), world.links());
        let phases =
            Phases { safety: self.safety, liveness, block_interval: self.block_interval, block_bytes: 1500 };
        let mut pauses = Vec::new();
        for kind in FaultKind::ALL {
            let (strikes, pause) = (rng.bool(), rng.u64(3..=60));
            if strikes {
                pauses.push((kind, SECOND * self.stretch * u32::try_from(pause).unwrap_or(60)));
            }
        }
        let faults = Faults::of(seed, &pauses, &world).lasting_up_to(40 * SECOND * self.stretch);
        (world, faults, phases)
    }

    fn config(&self) -> Config {
        let (stretch, fabric) = (self.stretch, Config::default());
        Config {
            alive_time_interval: stretch * fabric.alive_time_interval,
            alive_expiration_timeout: stretch * fabric.alive_expiration_timeout,
            reconnect_interval: stretch * fabric.reconnect_interval,
            pull_interval: stretch * fabric.pull_interval,
            publish_state_info_interval: stretch * fabric.publish_state_info_interval,
            request_state_info_interval: stretch * fabric.request_state_info_interval,
            state_check_interval: stretch * fabric.state_check_interval,
            state_transfer_enabled: true,
            ..fabric
        }
    }
}
