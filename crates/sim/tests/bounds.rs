//! The figures of the shipped scenarios stay as good as the bounds stored beside them say.
//!
//! `BOUNDS=write` renews the bounds instead, in the sizes that the files have.

#![allow(clippy::unwrap_used)]

use core::time::Duration;
use selvedge_sim::bounds::{Bound, Bounds, BoundsError, Exceeded};
use selvedge_sim::scenario::Gossip;
use selvedge_sim::{Report, Scenario, run_seeds};
use std::path::PathBuf;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../scenarios")
}

fn scenario(name: &str) -> Scenario {
    Scenario::parse(&std::fs::read_to_string(folder().join(format!("{name}.toml"))).unwrap()).unwrap()
}

fn file(name: &str) -> PathBuf {
    folder().join("bounds").join(format!("{name}.toml"))
}

fn bounds(name: &str) -> Bounds {
    let text = std::fs::read_to_string(file(name)).unwrap();
    Bounds::parse(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn reports(bounds: &Bounds, scenario: Scenario) -> Vec<Report> {
    let scenario = bounds.fit(scenario).unwrap();
    let seeds: Vec<u64> = bounds.seeds.clone().collect();
    run_seeds(&scenario, &seeds, 2, &|_| {}).into_iter().map(|run| run.report).collect()
}

#[test]
fn no_figure_is_worse_than_its_bound() {
    let writes = std::env::var_os("BOUNDS").is_some_and(|value| value == "write");
    let mut names: Vec<String> = std::fs::read_dir(folder().join("bounds"))
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    assert!(!names.is_empty());
    let mut exceeded = Vec::new();
    for name in names {
        let bounds = bounds(&name);
        assert_eq!(bounds.scenario, name);
        let reports = reports(&bounds, scenario(&name));
        if writes {
            let renewed = Bounds::of(&scenario(&name), bounds.seeds.clone(), &reports).unwrap();
            let renewed = Bounds { figures: renewed.figures, ..bounds };
            std::fs::write(file(&name), renewed.to_string()).unwrap();
        } else {
            exceeded.extend(bounds.check(&reports));
        }
    }
    let told: Vec<String> = exceeded.iter().map(ToString::to_string).collect();
    assert!(told.is_empty(), "worse than scenarios/bounds allows:\n{}", told.join("\n"));
}

/// What exceeds the stored bounds of the steady scenario with such peers, of two of its seeds.
fn found(change: impl FnOnce(&mut Gossip)) -> Vec<Exceeded> {
    let bounds = Bounds { seeds: 1..=2, ..bounds("steady") };
    let mut worse = scenario("steady");
    change(&mut worse.gossip);
    bounds.check(&reports(&bounds, worse))
}

fn names(exceeded: &[Exceeded]) -> Vec<&str> {
    exceeded.iter().map(|it| it.figure.as_str()).collect()
}

/// Who misses a block waits longer than it should before asking.
#[test]
fn a_slower_peer_is_found() {
    let exceeded = found(|gossip| gossip.state_gap_patience = Some(Duration::from_millis(150)));
    assert!(names(&exceeded).contains(&"last_peer_max_ms"), "{exceeded:?}");
    assert!(!names(&exceeded).contains(&"delivered_share"), "{exceeded:?}");
    let told =
        exceeded.iter().map(ToString::to_string).find(|told| told.contains("last_peer_max_ms")).unwrap();
    assert!(told.starts_with("steady, mean of seeds 1 to 2: last_peer_max_ms is 15"), "{told}");
}

/// And one that sends each block to more than it should.
#[test]
fn a_louder_peer_is_found() {
    let exceeded = found(|gossip| gossip.propagate_peer_count = Some(4));
    for figure in ["copies_per_peer", "block_bytes_per_peer", "bytes_per_host_minute"] {
        assert!(names(&exceeded).contains(&figure), "{exceeded:?}");
    }
}

#[test]
fn bounds_of_a_run_hold_for_it_and_for_nothing_worse() {
    let scenario = scenario("steady").with_hosts(6).unwrap().with_measured(Duration::from_secs(2)).unwrap();
    let reports: Vec<Report> =
        run_seeds(&scenario, &[1, 2], 2, &|_| {}).into_iter().map(|run| run.report).collect();
    let bounds = Bounds::of(&scenario, 1..=2, &reports).unwrap();
    assert_eq!(bounds.check(&reports), []);
    assert_eq!((bounds.nodes, bounds.duration), (6, Duration::from_secs(2)));
    assert_eq!(Bounds::parse(&bounds.to_string()).unwrap(), bounds);
    assert!(bounds.figures.len() > 10, "{bounds}");
    for (name, bound) in &bounds.figures {
        let value = |report: &Report| report.figures().iter().find(|it| it.name == name)?.value;
        let mean = reports.iter().filter_map(value).sum::<f64>() / 2.0;
        let mut tight = bounds.clone();
        let closer = match bound {
            Bound::Min(_) => Bound::Min(mean + 1e-6),
            Bound::Max(_) => Bound::Max(mean - 1e-6),
        };
        tight.figures.insert(name.clone(), closer);
        assert_eq!(names(&tight.check(&reports)), [name]);
    }
    let mut lost = bounds;
    lost.figures.insert("no_such_figure".to_owned(), Bound::Max(1.0));
    assert_eq!(lost.check(&reports).iter().map(|it| it.mean).collect::<Vec<_>>(), [None]);
}

#[test]
fn bounds_belong_to_one_scenario() {
    let error = bounds("steady").fit(scenario("burst")).unwrap_err();
    assert!(matches!(error, BoundsError::Other { .. }), "{error}");
    let told = error.to_string();
    assert!(told.contains("\"steady\"") && told.contains("\"burst\""), "{told}");
}
