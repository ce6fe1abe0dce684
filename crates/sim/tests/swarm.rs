//! Many small worlds, each with its own faults: no rule may be broken in any.
//!
//! `SWARM_SEEDS=N` runs the first N seeds instead of 30, `SWARM_SEED=N` that one alone, and `SWARM_TRACE=FILE` writes
//! every transition of it.

use core::time::Duration;
use selvedge_core::Config;
use selvedge_sim::checkers::{Checkers, Failure, convergence_time};
use selvedge_sim::faults::{Faults, Phases, network};
use selvedge_sim::{HostId, World};
use std::sync::atomic::{AtomicU64, Ordering};

const SECOND: Duration = Duration::from_secs(1);

/// 8 to 12 hosts.
fn world(seed: u64) -> World {
    let config = Config {
        state_transfer_enabled: true,
        reconnect_interval: 5 * SECOND,
        state_check_interval: 3 * SECOND,
        message_expiration_factor: 10,
        ..Config::default()
    };
    let mut world = network(seed, &mut fastrand::Rng::with_seed(seed), 8..=12, &config);
    world.start_all();
    world
}

fn run(seed: u64) -> World {
    let mut world = world(seed);
    world.set_checkers(Checkers::all());
    if let Ok(path) = std::env::var("SWARM_TRACE") {
        let file = std::fs::File::create(path).expect("a file to write the trace to");
        world.write_trace(Box::new(std::io::BufWriter::new(file)));
    }
    let liveness = convergence_time(world.config(HostId::from_index(0)), world.links());
    let phases = Phases { safety: 30 * SECOND, liveness, block_interval: 2 * SECOND, block_bytes: 1500 };
    let mut faults = Faults::draw(seed, &world);
    phases.run(&mut world, &mut faults);
    world
}

#[test]
fn no_rule_is_broken() {
    let seeds = std::env::var("SWARM_SEEDS").ok();
    let count = seeds.and_then(|seeds| seeds.parse().ok()).unwrap_or(30);
    let only = std::env::var("SWARM_SEED").ok().and_then(|seed| seed.parse::<u64>().ok());
    let seeds = only.map_or(0..count, |seed| seed..seed + 1);
    let next = AtomicU64::new(seeds.start);
    let work = || {
        let seeds = std::iter::from_fn(|| {
            Some(next.fetch_add(1, Ordering::Relaxed)).filter(|seed| seeds.contains(seed))
        });
        seeds.filter_map(|seed| run(seed).failure().cloned()).collect::<Vec<_>>()
    };
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    let mut broken: Vec<Failure> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..jobs).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect()
    });
    broken.sort_by_key(|failure| failure.seed);
    broken.iter().for_each(|failure| println!("{failure}\n"));
    let broken: Vec<_> = broken.iter().map(|it| (it.seed, it.rule, &it.observed)).collect();
    assert!(broken.is_empty(), "{broken:#?}");
}
