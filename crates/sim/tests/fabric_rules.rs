//! The Go peer's rules: what is known of them from the rules themselves must come out (spec/05 W-9).

#![allow(clippy::unwrap_used)]

use core::time::Duration;
use selvedge_sim::{Report, Scenario, run};

/// Hosts of one organisation with cores that cost nothing, 200 blocks, far enough apart not to meet.
fn report(hosts: usize, rules: &str, seed: u64) -> Report {
    let text = format!(
        "
        name = 'push-alone'
        rules = '{rules}'
        hosts = {{ per_org = {hosts}, cores = 16 }}
        time = {{ start_spread = '1s', settle = '40s', measured = '40s', drain = '6s' }}
        blocks = {{ per_second = 5, size = '1KiB', counted = 'accepted' }}
        costs = {{ frame = '1us', send = '1us', verify = '1us', sign = '1us', connect = '1us' }}
        gossip = {{ state_transfer_enabled = false, alive_time_interval = '20s', alive_expiration_timeout = '100s' }}
        expect = {{ all_blocks = false }}
        "
    );
    run(&Scenario::parse(&text).unwrap(), seed, &|_| {}).report
}

/// Per cent of the peers that push alone does not reach, whatever is pulled later.
fn missed(hosts: usize, seed: u64) -> f64 {
    let report = report(hosts, "fabric", seed);
    assert_eq!((report.blocks.cut, report.membership.known_share), (200, 1.0), "{report:#?}");
    100.0 * (1.0 - report.blocks.pushed_share.unwrap())
}

/// What is known is a mean over many blocks; 200 blocks of one seed are within 0.8 of it.
fn assert_misses(hosts: usize, expected: f64, seeds: &[u64]) {
    let missed: Vec<f64> = seeds.iter().map(|&seed| missed(hosts, seed)).collect();
    let mean = missed.iter().sum::<f64>() / missed.len() as f64;
    assert!(missed.iter().all(|missed| (missed - expected).abs() < 0.8), "{missed:?}");
    assert!((mean - expected).abs() < 0.4, "{missed:?}");
}

#[test]
fn w9_push_alone_misses_one_in_twenty_of_50() {
    assert_misses(50, 5.2, &[1, 2]);
}

#[test]
fn w9_and_a_little_more_of_100() {
    assert_misses(100, 5.7, &[1]);
}

#[test]
fn w15_what_left_the_window_before_a_round_of_pulls_is_lost() {
    let blocks = report(20, "fabric", 1).blocks;
    let (delivered, pushed) = (blocks.delivered_share.unwrap(), blocks.pushed_share.unwrap());
    assert!(delivered > pushed && delivered < 1.0, "{blocks:#?}");
    assert!(blocks.to_peer_ms.unwrap().max > 1000.0, "a pull takes the digest wait at least: {blocks:#?}");
}

#[test]
fn selvedge_loses_none_in_the_same_place() {
    let blocks = report(20, "selvedge", 1).blocks;
    assert_eq!(blocks.delivered_share, Some(1.0), "{blocks:#?}");
    assert!(blocks.to_peer_ms.unwrap().max < 1000.0, "{blocks:#?}");
}

#[test]
fn a_mixed_network_is_of_both() {
    let text = "name = 'm'\nrules = 'mixed'\nhosts = { per_org = 8, orgs = 2, fabric_share = 0.25 }\ntime = { measured = '1s' }";
    let scenario = Scenario::parse(text).unwrap();
    let like_go = (0..16).filter(|&place| scenario.rules_of(place) == selvedge_core::Rules::Fabric);
    assert_eq!(like_go.collect::<Vec<_>>(), [6, 7, 14, 15]);
    assert_eq!(scenario.with_measured(Duration::from_secs(2)).unwrap().hosts.count, 16);
    let refused = Scenario::parse(&text.replace("mixed", "fabric")).unwrap_err().to_string();
    assert!(refused.contains("fabric_share"), "{refused}");
}
