//! What is wrong in a scenario is told with its line.

#![allow(clippy::unwrap_used)]

use core::time::Duration;
use selvedge_sim::Scenario;
use selvedge_sim::scenario::{Cores, Placement, parse_seeds};

const LEAST: &str = "name = 'test'\nhosts = { per_org = 4 }\ntime = { measured = '10s' }\n";

/// What is told of the least scenario with these lines after it, from line 4 on.
#[track_caller]
fn error(more: &str) -> String {
    Scenario::parse(&format!("{LEAST}{more}")).unwrap_err().to_string()
}

#[track_caller]
fn tells(more: &str, parts: &[&str]) {
    let error = error(more);
    assert!(parts.iter().all(|part| error.contains(part)), "{error}");
}

#[test]
fn the_least_scenario_has_defaults() {
    let scenario = Scenario::parse(LEAST).unwrap();
    assert_eq!((scenario.hosts.orgs, scenario.hosts.count, scenario.hosts.cores), (1, 4, Cores::Each(2)));
    assert_eq!(scenario.seeds, 1..=1);
    assert_eq!(scenario.time.end(), Duration::from_secs(45));
    assert!(scenario.blocks.per_second.is_none());
    assert!(scenario.expect.full_membership && scenario.expect.all_blocks);
    assert!(scenario.gossip.config(selvedge_core::Rules::Selvedge).state_transfer_enabled);
}

#[test]
fn everything_can_be_set() {
    let scenario = Scenario::parse(
        "name = 'all'\ndescription = 'x'\nrules = 'selvedge'\nseeds = '3..5'\n\
        [hosts]\norgs = 2\nper_org = 4\nshared_cores = 3\n\
        [time]\nmeasured = '1m30s'\n\
        [blocks]\nper_second = 0.5\nsize = '1MiB'\nleaders_per_org = 2\n\
        [network]\nsites = ['a', 'b']\nlatency_matrix = [['1ms', '2ms'], ['3ms', '4ms']]\njitter = '0s'\nplacement = 'by-org'\nbandwidth = '1Gbit/s'\n\
        [costs]\nverify = '1ms'\n\
        [gossip]\nalive_time_interval = '1m'\nblock_window = 20\nblock_gossip_enabled = false\n",
    )
    .unwrap();
    assert_eq!(scenario.seeds, 3..=5);
    assert_eq!(scenario.hosts.cores, Cores::Shared(3));
    assert_eq!(scenario.blocks.per_second.unwrap().interval(), Duration::from_secs(2));
    assert_eq!(scenario.blocks.size.bytes(), 1 << 20);
    assert_eq!((scenario.network.site_count, scenario.network.placement), (2, Placement::ByOrg));
    assert_eq!(scenario.network.links.between(1, 0).latency, Duration::from_millis(3));
    assert_eq!(scenario.network.links.card_bytes_per_second, 125_000_000);
    assert_eq!(scenario.costs.verify, Duration::from_millis(1));
    let config = scenario.gossip.config(selvedge_core::Rules::Selvedge);
    assert_eq!((config.alive_time_interval, config.block_window), (Duration::from_secs(60), 20));
    assert!(!config.block_gossip_enabled);
}

#[test]
fn unknown_keys_are_refused() {
    tells("nonsense = 1", &["line 4", "unknown field `nonsense`"]);
    tells("[blocks]\npersecond = 1", &["line 5", "unknown field `persecond`", "`per_second`"]);
    tells("[gossip]\naliveTimeInterval = '1s'", &["line 5", "unknown field `aliveTimeInterval`"]);
    tells("[network]\nloss = 0.1", &["line 5", "unknown field `loss`"]);
    tells("[costs]\nthinking = '1s'", &["line 5", "unknown field `thinking`"]);
    tells("[[actions.kill]]\nat = '1s'\nshare = 0.5\ndown = '1s'", &["line 7", "unknown field `down`"]);
    tells("[actions]\nexplode = 1", &["line 5", "unknown field `explode`"]);
}

#[test]
fn missing_keys_are_named() {
    let error = Scenario::parse("name = 'x'\n[hosts]\n[time]\nmeasured = '1s'").unwrap_err().to_string();
    assert!(error.contains("line 2") && error.contains("missing field `per_org`"), "{error}");
    tells("[[actions.restart]]\nat = '1s'\nshare = 0.5", &["line 4", "missing field `down`"]);
}

#[test]
fn wrong_values_are_shown_with_what_is_expected() {
    tells("seeds = '5..3'", &["line 4", "5..3", "both included"]);
    tells("[blocks]\nper_second = 0", &["line 5", "from 0.001 to 10000"]);
    tells("[blocks]\nsize = '1GiB'", &["line 5", "1GiB", "such as \"16KiB\""]);
    tells("[costs]\nverify = 57", &["line 5", "57", "a duration such as"]);
    tells("[costs]\nverify = '57'", &["line 5", "57", "a duration such as"]);
    tells("[gossip]\npull_interval = 'soon'", &["line 5", "soon", "a duration such as"]);
    tells("[gossip]\nblock_window = -1", &["line 5"]);
    tells("[network]\nbandwidth = 'fast'", &["line 5", "fast", "100Mbit/s"]);
    tells("[[actions.kill]]\nat = '1s'\nshare = 2", &["line 6", "up to 1"]);
    let named = Scenario::parse(&LEAST.replace("test", "A name")).unwrap_err().to_string();
    assert!(named.contains("line 1") && named.contains("lowercase letters"), "{named}");
    tells("name = 'again'", &["line 4", "duplicate key"]);
    tells("what is this", &["line 4"]);
}

#[test]
fn rules_that_are_not_built_are_refused() {
    tells("rules = 'go'", &["line 4", "mixed"]);
    tells("rules = 'other'", &["line 4", "other", "expected \"selvedge\""]);
}

#[test]
fn what_does_not_fit_together_is_told_with_its_section() {
    tells("[network]\nsites = ['a', 'b']", &["line 4", "latency_matrix"]);
    tells(
        "[network]\nsites = ['a', 'b']\nlatency_matrix = [['1ms', '2ms'], ['3ms']]",
        &["line 4", "2 sites"],
    );
    tells("[network]\nlatency = '1ms'\nlatency_matrix = [['1ms']]", &["line 4", "not both"]);
    tells("[[actions.kill]]\nat = '10s'\nshare = 0.5", &["kill at 10s", "ends after 10s"]);
    tells("[[actions.restart]]\nat = '1s'\nshare = 0.5\ndown = '1m'", &["restart at 1s", "beyond the end"]);
    tells("[blocks]\nleaders_per_org = 5", &["too few", "5 leaders"]);
}

#[test]
fn changes_are_checked_too() {
    let scenario = Scenario::parse(&format!("{LEAST}[[actions.kill]]\nat = '5s'\nshare = 0.5")).unwrap();
    assert!(scenario.clone().with_hosts(1).is_err());
    assert!(scenario.clone().with_hosts(200_000).is_err());
    assert!(scenario.clone().with_measured(Duration::from_secs(5)).is_err());
    assert!(scenario.clone().with_measured(Duration::MAX).is_err());
    assert_eq!(scenario.with_hosts(50).unwrap().hosts.count, 50);
}

#[test]
fn seeds_are_ranges() {
    assert_eq!(parse_seeds("1..8"), Some(1..=8));
    assert_eq!(parse_seeds("7..7"), Some(7..=7));
    assert!(
        ["", "1", "8..1", "1..", "..1", "1..=3", "0..18446744073709551615", "a..b"]
            .iter()
            .all(|text| parse_seeds(text).is_none())
    );
}
