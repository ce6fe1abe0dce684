//! Every trouble does what it says.

use crate::samples::{SECOND, idle, running};
use crate::{HostId, Links, World};
use core::time::Duration;

fn is_alive(world: &World, host: HostId, other: HostId) -> bool {
    let peer = world.peer(host).expect("runs");
    peer.members().any(|member| member.pki_id == world.pki_id(other) && member.is_alive)
}

fn connections(world: &World, host: HostId, other: HostId) -> bool {
    world.peer(host).expect("runs").connection_to(&world.pki_id(other)).is_some()
}

fn cut_blocks(world: &mut World, count: u32, bytes: usize) {
    for _ in 0..count {
        world.cut_block(bytes, &[]);
        let until = world.now() + Duration::from_millis(100);
        world.run_until(until);
    }
}

#[test]
fn both_ends_of_a_cut_link_notice_after_the_keepalive() {
    for both_ways in [true, false] {
        let (mut world, hosts) = running(1, 4);
        assert!(connections(&world, hosts[0], hosts[2]) && connections(&world, hosts[2], hosts[0]));
        world.cut(hosts[0], hosts[2]);
        if both_ways {
            world.cut(hosts[2], hosts[0]);
        }
        let noticed = world.now() + world.links().keepalive;
        world.run_until(noticed - SECOND);
        assert!(connections(&world, hosts[0], hosts[2]) && connections(&world, hosts[2], hosts[0]));
        world.run_until(noticed + SECOND);
        assert!(!connections(&world, hosts[0], hosts[2]) && !connections(&world, hosts[2], hosts[0]));
        world.heal();
        world.run_until(noticed + 60 * SECOND);
        assert!(connections(&world, hosts[0], hosts[2]) || is_alive(&world, hosts[0], hosts[2]));
    }
}

#[test]
fn a_stalled_connection_stays_so_after_healing() {
    let (mut world, hosts) = running(2, 4);
    let before = world.peer(hosts[0]).expect("runs").connection_to(&world.pki_id(hosts[2]));
    let cut_at = world.now();
    world.partition(&[vec![hosts[0]], vec![hosts[2]]]);
    world.run_until(cut_at + SECOND);
    world.heal();
    assert!(!world.is_cut(hosts[0], hosts[2]));
    world.run_until(cut_at + world.links().keepalive + SECOND);
    let after = world.peer(hosts[0]).expect("runs").connection_to(&world.pki_id(hosts[2]));
    assert_ne!(before, after);
}

#[test]
fn an_isolated_host_gets_nothing_and_is_dead_to_others_until_the_links_heal() {
    let (mut world, hosts) = running(3, 6);
    world.isolate(hosts[4]);
    cut_blocks(&mut world, 5, 1000);
    let now = world.now();
    world.run_until(now + 60 * SECOND);
    assert_eq!(world.disk(hosts[4]).height(), 1);
    assert_eq!(world.disk(hosts[2]).height(), 6);
    assert!(hosts.iter().filter(|&&host| host != hosts[4]).all(|&host| !is_alive(&world, host, hosts[4])));
    world.heal();
    world.run_until(now + 150 * SECOND);
    assert_eq!(world.disk(hosts[4]).height(), 6);
    assert!(hosts.iter().filter(|&&host| host != hosts[4]).all(|&host| is_alive(&world, host, hosts[4])));
}

#[test]
fn one_way_the_other_direction_still_works_for_a_while() {
    let (mut world, hosts) = running(4, 4);
    world.cut(hosts[2], hosts[0]);
    cut_blocks(&mut world, 3, 1000);
    // of its organisation only the first host has blocks to push
    assert_eq!(world.disk(hosts[2]).height(), 4);
    let (mut world, hosts) = running(4, 4);
    world.partition(&[vec![hosts[2]], vec![hosts[0], hosts[1], hosts[3]]]);
    cut_blocks(&mut world, 3, 1000);
    assert_eq!(world.disk(hosts[2]).height(), 1);
}

#[test]
fn a_severed_connection_ends_at_once_and_is_opened_again() {
    let (mut world, hosts) = running(5, 4);
    let before = world.peer(hosts[0]).expect("runs").connection_to(&world.pki_id(hosts[2]));
    world.sever(hosts[0], hosts[2]);
    let now = world.now();
    world.run_until(now + Duration::from_millis(2));
    assert!(!connections(&world, hosts[0], hosts[2]) && !connections(&world, hosts[2], hosts[0]));
    world.run_until(now + 15 * SECOND);
    let after = world.peer(hosts[0]).expect("runs").connection_to(&world.pki_id(hosts[2]));
    assert!(before.is_some() && after.is_some() && before != after);
}

#[test]
fn a_host_that_does_not_read_makes_queues_overflow_and_reads_all_the_rest_later() {
    let links = Links { window_bytes: 10_000, waiting_count_max: 4, ..Links::default() };
    let (mut world, hosts) = idle(6, 4, links);
    hosts.iter().for_each(|&host| world.start(host));
    world.run_until(15 * SECOND);
    let overflowed = world.watch().overflowed;
    world.stall_reading(hosts[2], 8 * SECOND);
    cut_blocks(&mut world, 40, 4000);
    assert!(world.watch().overflowed > overflowed);
    assert_eq!(world.disk(hosts[2]).height(), 1);
    let now = world.now();
    world.run_until(now + 30 * SECOND);
    assert_eq!(world.disk(hosts[2]).height(), 41);
}

#[test]
fn a_slow_disk_delays_what_is_durable_and_a_crash_takes_the_rest() {
    let (mut world, hosts) = running(7, 2);
    world.set_sync_time(hosts[0], Some(5 * SECOND));
    cut_blocks(&mut world, 3, 1000);
    assert_eq!((world.disk(hosts[0]).height(), world.disk(hosts[0]).written_count()), (1, 4));
    world.kill(hosts[0]);
    assert_eq!(world.disk(hosts[0]).written_count(), 1);
    world.set_sync_time(hosts[0], None);
    world.start(hosts[0]);
    let now = world.now();
    world.run_until(now + SECOND);
    assert_eq!(world.disk(hosts[0]).height(), 4, "the orderers have them all");
}

#[test]
fn a_clock_set_back_is_noticed_at_the_next_start_only_and_others_follow() {
    let (mut world, hosts) = running(8, 4);
    for forgets in [false, true] {
        world.set_clock_error(hosts[2], -3_600_000_000_000);
        let now = world.now();
        world.run_until(now + 10 * SECOND);
        assert!(is_alive(&world, hosts[0], hosts[2]));
        world.kill(hosts[2]);
        if forgets {
            world.forget_incarnation(hosts[2]);
        }
        world.run_until(now + 60 * SECOND);
        assert!(!is_alive(&world, hosts[0], hosts[2]));
        world.start(hosts[2]);
        world.run_until(now + 120 * SECOND);
        assert!(is_alive(&world, hosts[0], hosts[2]) && is_alive(&world, hosts[1], hosts[2]));
    }
}

#[test]
fn a_slow_processor_delays_blocks() {
    let delay = |percent| {
        let (mut world, hosts) = running(9, 4);
        world.set_slowness(world.processor(hosts[2]), percent);
        cut_blocks(&mut world, 1, 1000);
        let now = world.now();
        world.run_until(now + 20 * SECOND);
        world.watch().blocks()[0].delays.iter().max().copied()
    };
    assert!(delay(20_000) > delay(100).map(|delay| delay + Duration::from_millis(5)));
}
