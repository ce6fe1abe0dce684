//! A world of peers that nothing disturbs.

use core::time::Duration;
use selvedge_core::{ChannelId, ChannelSettings, Config, Endpoint, MspId};
use selvedge_sim::{Costs, HostId, HostSettings, Links, World};

const SECOND: Duration = Duration::from_secs(1);

/// Hosts of one organisation, each with a processor of its own, started within a second; the first two are bootstrap peers.
fn world(seed: u64, host_count: usize) -> World {
    let channel = ChannelSettings {
        channel: ChannelId::from("mychannel"),
        sequence: 0,
        orgs: vec![MspId::from("Org1MSP")],
        anchors: Vec::new(),
        height: 1,
    };
    let mut world = World::new(seed, Costs::default(), Links::default(), channel);
    let bootstrap = ["peer0", "peer1"].map(|name| Endpoint::from(format!("{name}.internal:7051")));
    for number in 0..host_count {
        let processor = world.add_processor(2);
        let config =
            Config { state_transfer_enabled: true, bootstrap: bootstrap.to_vec(), ..Config::default() };
        let settings = HostSettings {
            name: format!("peer{number}"),
            org: "Org1MSP".to_owned(),
            site: 0,
            processor,
            config,
        };
        world.add_host(settings);
    }
    let hosts: Vec<HostId> = world.hosts().collect();
    for (number, &host) in hosts.iter().enumerate() {
        world.run_until(SECOND * number as u32 / host_count as u32);
        world.start(host);
    }
    world
}

fn heights(world: &World) -> Vec<u64> {
    world.hosts().map(|host| world.disk(host).height()).collect()
}

#[test]
fn all_find_each_other_and_every_block_reaches_all() {
    let mut world = world(1, 25);
    world.run_until(15 * SECOND);
    for host in world.hosts() {
        assert_eq!(world.peer(host).map(|peer| peer.alive_count()), Some(24), "{host:?}");
    }
    let first: Vec<HostId> = world.hosts().take(1).collect();
    for number in 0..10 {
        world.run_until((15 + number) * SECOND);
        world.cut_block(16 << 10, &first);
    }
    world.run_until(26 * SECOND);
    assert_eq!(heights(&world), [11; 25]);
    let blocks = world.watch().blocks();
    assert!(blocks.iter().all(|block| block.delays.len() == 25));
    assert!(blocks.iter().flat_map(|block| &block.delays).all(|delay| *delay < SECOND));
}

#[test]
fn a_seed_gives_one_course_of_things() {
    let course = |seed| {
        let mut world = world(seed, 12);
        world.run_until(10 * SECOND);
        let first: Vec<HostId> = world.hosts().take(1).collect();
        world.cut_block(1000, &first);
        world.run_until(12 * SECOND);
        let watch = world.watch();
        (world.step_count(), watch.frames_read, watch.bytes_sent, watch.verified, watch.blocks().to_vec())
    };
    assert_eq!(course(7), course(7));
    assert_ne!(course(7), course(8));
}

#[test]
fn a_killed_host_keeps_what_was_durable_and_catches_up() {
    let mut world = world(3, 6);
    world.run_until(10 * SECOND);
    let hosts: Vec<HostId> = world.hosts().collect();
    world.cut_block(1000, &hosts[..1]);
    world.run_until(12 * SECOND);
    world.kill(hosts[5]);
    assert!(!world.runs(hosts[5]));
    for _ in 0..5 {
        world.cut_block(1000, &hosts[..1]);
    }
    world.run_until(14 * SECOND);
    assert_eq!(heights(&world), [7, 7, 7, 7, 7, 2]);
    world.start(hosts[5]);
    world.run_until(30 * SECOND);
    assert_eq!(heights(&world), [7; 6]);
    assert_eq!(world.disk(hosts[5]).durable(), world.disk(hosts[0]).durable());
}

#[test]
fn overload_shows_as_delay() {
    let slowest = |verify: Duration| {
        let mut world = world(5, 10);
        world.run_until(10 * SECOND);
        world.set_costs(Costs { verify, ..Costs::default() });
        let first: Vec<HostId> = world.hosts().take(1).collect();
        world.cut_block(1000, &first);
        world.run_until(20 * SECOND);
        world.watch().blocks()[0].delays.iter().max().copied()
    };
    let (fast, slow) = (slowest(Duration::from_micros(50)), slowest(Duration::from_millis(50)));
    assert!(slow > fast.map(|delay| delay + Duration::from_millis(50)), "{fast:?} {slow:?}");
}
