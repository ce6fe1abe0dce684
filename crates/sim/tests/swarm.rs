//! Many small worlds, each with its own faults: no rule may be broken in any.
//!
//! `SWARM_SEEDS=N` runs the first N seeds instead of 30, `SWARM_SEED=N` that one alone, and `SWARM_TRACE=FILE` writes
//! every transition of it.

use core::time::Duration;
use selvedge_core::{Anchor, ChannelId, ChannelSettings, Config, Endpoint, MspId};
use selvedge_sim::checkers::{Checkers, Failure, convergence_time};
use selvedge_sim::faults::{Faults, Phases};
use selvedge_sim::{Costs, HostId, HostSettings, Links, World};
use std::sync::atomic::{AtomicU64, Ordering};

const SECOND: Duration = Duration::from_secs(1);
const ORGS: [&str; 2] = ["Org1MSP", "Org2MSP"];

/// 8 to 12 hosts in two organisations. The first two of each are bootstrap peers, read from the orderers, and show
/// themselves; of the others some hide. The first of each organisation is its anchor.
fn world(seed: u64) -> World {
    let mut rng = fastrand::Rng::with_seed(seed);
    let name = |org: usize, number: usize| format!("peer{number}.org{org}");
    let anchors = ORGS.iter().enumerate().map(|(org, msp_id)| Anchor {
        org: MspId::from(*msp_id),
        endpoint: Endpoint::from(format!("{}:7051", name(org, 0))),
    });
    let channel = ChannelSettings {
        channel: ChannelId::from("mychannel"),
        sequence: 0,
        orgs: ORGS.map(MspId::from).to_vec(),
        anchors: anchors.collect(),
        height: 1,
    };
    let links =
        Links { window_bytes: 64 << 10, waiting_count_max: 64, keepalive: 8 * SECOND, ..Links::default() };
    let mut world = World::new(seed, Costs::default(), links, channel);
    for host in 0..rng.usize(8..=12) {
        let (org, number) = (host % 2, host / 2);
        let bootstrap = [0, 1].map(|number| Endpoint::from(format!("{}.internal:7051", name(org, number))));
        let config = Config {
            state_transfer_enabled: true,
            bootstrap: bootstrap.to_vec(),
            reconnect_interval: 5 * SECOND,
            state_check_interval: 3 * SECOND,
            message_expiration_factor: 10,
            ..Config::default()
        };
        let processor = world.add_processor(1);
        let settings =
            HostSettings { name: name(org, number), org: ORGS[org].to_owned(), site: 0, processor, config };
        let host = world.add_host(settings);
        if number < 2 {
            world.subscribe(host, true);
        } else if rng.u8(0..4) == 0 {
            world.hide(host);
        }
    }
    let hosts: Vec<HostId> = world.hosts().collect();
    for host in hosts {
        world.start(host);
    }
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
