//! The scenarios that ship: each can be run, at small size, and its report is the same everywhere.

#![allow(clippy::unwrap_used)]

use core::time::Duration;
use selvedge_core::testing::crypto;
use selvedge_sim::{Broken, Report, Scenario, run, run_seeds};
use std::path::PathBuf;

const SHIPPED: [&str; 13] = [
    "asymmetric-partition",
    "burst",
    "byzantine",
    "cold-start",
    "faults",
    "join-of-many",
    "lossy-wide-area",
    "mixed",
    "partition-and-heal",
    "rolling-restart",
    "slow-peer",
    "steady",
    "wide-area",
];

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../scenarios")
}

fn shipped(name: &str) -> Scenario {
    let text = std::fs::read_to_string(folder().join(format!("{name}.toml"))).unwrap();
    Scenario::parse(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Nine hosts for half a minute.
fn small(name: &str) -> Scenario {
    shipped(name).with_hosts(9).unwrap().with_measured(Duration::from_secs(30)).unwrap()
}

fn report(name: &str, seed: u64) -> Report {
    run(&small(name), seed, &|_| {}).report
}

fn digest(report: &Report) -> String {
    let json = serde_json::to_vec(report).unwrap();
    crypto::digest(&[&json]).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn every_shipped_file_is_tested_here() {
    let mut names: Vec<String> = std::fs::read_dir(folder())
        .unwrap()
        .filter_map(|entry| {
            entry.unwrap().file_name().into_string().unwrap().strip_suffix(".toml").map(str::to_owned)
        })
        .collect();
    names.sort();
    assert_eq!(names, SHIPPED);
    assert!(SHIPPED.iter().all(|name| shipped(name).name == *name));
}

#[test]
fn every_scenario_ends_as_it_expects() {
    for name in SHIPPED {
        let report = report(name, 1);
        assert_eq!(report.broken, [], "{report:#?}");
        let running = match name {
            // those that keep to the protocol
            "byzantine" => 7..=7,
            // a majority is started in the end
            "faults" => 5..=9,
            _ => 9..=9,
        };
        assert!(running.contains(&report.membership.running), "{report:#?}");
        assert_eq!(report.membership.known_share, 1.0, "{report:#?}");
        assert_eq!(report.blocks.delivered_share, Some(1.0), "{report:#?}");
        assert!(report.membership.full_after_seconds.is_some(), "{report:#?}");
        assert!(report.cpu_share > 0.0, "{report:#?}");
        // where nothing is slow on purpose
        assert!(report.cpu_share < 0.5 || ["faults", "slow-peer"].contains(&name), "{report:#?}");
    }
}

#[test]
fn a_report_is_the_same_everywhere() {
    let digests: Vec<(&str, String)> = SHIPPED.iter().map(|name| (*name, digest(&report(name, 7)))).collect();
    let stored = [
        ("asymmetric-partition", "bb712e1ff6b702b3"),
        ("burst", "22320b10ba4673f1"),
        ("byzantine", "0b473f80d3e6f9c9"),
        ("cold-start", "130ab7e4a3045632"),
        ("faults", "d979d1955f10fc68"),
        ("join-of-many", "0cfdc765e848c296"),
        ("lossy-wide-area", "2ddc77eb926098d9"),
        ("mixed", "087581d740e99ee8"),
        ("partition-and-heal", "9541f82569ea3e27"),
        ("rolling-restart", "693c24f65ed43141"),
        ("slow-peer", "c52abb41198bd1ba"),
        ("steady", "252357f057cf176c"),
        ("wide-area", "67f3e60f24dabb99"),
    ];
    let stored = stored.map(|(name, digest)| (name, digest.to_owned()));
    assert_eq!(digests, stored);
}

#[test]
fn threads_change_nothing_but_the_time_it_takes() {
    let scenario = small("burst");
    let reports = |jobs| -> Vec<Report> {
        run_seeds(&scenario, &[5, 3, 4], jobs, &|_| {}).into_iter().map(|run| run.report).collect()
    };
    let (one, three) = (reports(1), reports(3));
    assert_eq!(one, three);
    assert_eq!(one.iter().map(|report| report.seed).collect::<Vec<_>>(), [5, 3, 4]);
    assert_ne!(one[0], Report { seed: 5, ..one[1].clone() });
}

#[test]
fn those_who_join_get_everything_and_are_known() {
    let report = report("join-of-many", 2);
    assert!(report.membership.full_again_after_seconds.is_some_and(|seconds| seconds < 10.0), "{report:#?}");
    assert!(report.blocks.to_peer_ms.is_some_and(|delays| delays.max < 1000.0), "{report:#?}");
    assert_eq!(report.blocks.cut, 60);
}

#[test]
fn news_covers_all_simulated_time() {
    let told = std::cell::Cell::new(Duration::ZERO);
    let scenario = small("steady");
    run(&scenario, 1, &|advance| told.set(told.get() + advance.by));
    assert_eq!(told.get(), scenario.time.end());
}

#[test]
fn those_who_are_killed_are_missed() {
    let text = "
        name = 'decimated'
        hosts = { per_org = 6 }
        time = { measured = '10s' }
        blocks = { per_second = 1 }
        expect = { last_peer_max = '1ns' }
        [[actions.kill]]
        at = '5s'
        share = 0.5
    ";
    let report = run(&Scenario::parse(text).unwrap(), 1, &|_| {}).report;
    assert_eq!((report.membership.running, report.membership.known_share), (3, 1.0), "{report:#?}");
    assert!(report.membership.full_again_after_seconds.is_some(), "{report:#?}");
    assert_eq!(report.blocks.delivered_share, Some(1.0), "{report:#?}");
    assert_eq!(report.broken, [Broken::LastPeerMax], "{report:#?}");
}

/// Answers take longer than anybody waits.
#[test]
fn expectations_that_do_not_hold_are_named() {
    let text = "
        name = 'apart'
        hosts = { per_org = 6 }
        time = { measured = '10s', drain = '1s' }
        blocks = { per_second = 1 }
        network = { latency = '10s' }
    ";
    let report = run(&Scenario::parse(text).unwrap(), 1, &|_| {}).report;
    assert_eq!(report.broken, [Broken::FullMembership, Broken::AllBlocks], "{report:#?}");
    assert_eq!(report.membership.known_share, 0.0, "{report:#?}");
    assert_eq!(report.membership.full_after_seconds, None, "{report:#?}");
    // the leader has every block
    assert_eq!(report.blocks.delivered_share, Some(1.0 / 6.0), "{report:#?}");
    assert_eq!(report.blocks.to_last_peer_ms, None, "{report:#?}");
}
