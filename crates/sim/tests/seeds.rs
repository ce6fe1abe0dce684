//! Every scenario that ships, at small size, with many seeds and with checkers: no rule may be broken.
//!
//! `SEEDS=N` runs the first N seeds of each instead of 3, `SEEDS=N..M` these, `SCENARIO=NAME` that scenario alone.
//! `selvedge sim run` does the same for a scenario of your own; a failure says how.

#![allow(clippy::unwrap_used)]

use core::time::Duration;
use selvedge_sim::scenario::parse_seeds;
use selvedge_sim::{Run, Scenario, run_seeds};
use std::path::PathBuf;

/// Nine hosts for half a minute.
fn small(path: &PathBuf) -> Scenario {
    let text = std::fs::read_to_string(path).unwrap();
    let scenario = Scenario::parse(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let scenario = scenario.with_hosts(9).and_then(|it| it.with_measured(Duration::from_secs(30)));
    scenario.and_then(Scenario::with_checkers).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn seeds() -> Vec<u64> {
    let wanted = std::env::var("SEEDS").unwrap_or_else(|_| "3".to_owned());
    let range = parse_seeds(&wanted).or_else(|| parse_seeds(&format!("1..{wanted}")));
    range.unwrap_or_else(|| panic!("SEEDS={wanted}: neither a number nor a range")).collect()
}

#[test]
fn no_rule_is_broken_in_any_scenario() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../scenarios");
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    let only = std::env::var("SCENARIO").ok();
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    let mut broken = Vec::new();
    for path in paths {
        let scenario = small(&path);
        if only.as_ref().is_some_and(|only| *only != scenario.name) {
            continue;
        }
        let began = std::time::Instant::now();
        let runs = run_seeds(&scenario, &seeds(), jobs, &|_| {});
        println!("{}: {} seeds in {:.1} s", scenario.name, runs.len(), began.elapsed().as_secs_f64());
        for Run { report, failure, .. } in runs {
            if report.broken.is_empty() {
                continue;
            }
            let told = failure.map(|failure| failure.to_string()).unwrap_or_default();
            println!("{told}");
            println!(
                "again: selvedge sim run scenarios/{}.toml --nodes 9 --duration 30s --check --seed {}\n",
                scenario.name, report.seed
            );
            broken.push((scenario.name.clone(), report.seed, report.broken));
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}
