//! `selvedge sim run` with what cannot be run, or does not end as expected.

use crate::support::{Run, selvedge};

/// Runs a scenario of this text.
fn run(text: &str, more: &[&str]) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.toml");
    std::fs::write(&path, text).unwrap();
    selvedge(&[&["sim", "run", path.to_str().unwrap()], more].concat())
}

const LEAST: &str = "name = 'test'\nhosts = { per_org = 4 }\ntime = { measured = '2s', settle = '5s' }\n";

#[test]
fn broken_expectations_exit_with_1_after_the_report() {
    let text = format!("{LEAST}blocks = {{ per_second = 1 }}\nnetwork = {{ latency = '10s' }}\n");
    let run = run(&text, &["--json", "--seeds", "1..2"]).failed();
    assert_eq!(run.lines().len(), 2);
    assert_eq!(run.lines()[0]["broken"], serde_json::json!(["full_membership", "all_blocks"]));
    let expected = "error: test, seed 2: full_membership, all_blocks expected, does not hold";
    assert_eq!(run.err.lines().last(), Some(expected), "{}", run.err);
}

#[test]
fn a_wrong_scenario_is_told_with_file_and_line() {
    let run = run(&format!("{LEAST}blocks = {{ pace = 1 }}\n"), &[]).failed();
    for part in ["test.toml: ", "line 4", "unknown field `pace`"] {
        assert!(run.err.contains(part), "{}", run.err);
    }
    assert_eq!(run.out, "");
}

#[test]
fn rules_are_chosen_by_name() {
    let longer = LEAST.replace("settle = '5s'", "settle = '30s'");
    let fabric = run(&format!("{longer}rules = 'fabric'\n"), &[]).succeeded();
    assert!(fabric.out.contains("rules of fabric"), "{}", fabric.out);
    let unknown = run(&format!("{LEAST}rules = 'gossip'\n"), &[]).failed();
    assert!(unknown.err.contains("\"selvedge\", \"fabric\" or \"mixed\""), "{}", unknown.err);
}

#[test]
fn flags_must_fit_the_scenario() {
    assert!(run(LEAST, &["--nodes", "1"]).failed().err.contains("1 hosts are too few"));
    assert!(run(LEAST, &["--duration", "0s"]).failed().err.contains("above zero"));
    assert_eq!(run(LEAST, &["--seed", "1", "--seeds", "1..2"]).code, Some(2));
    assert_eq!(run(LEAST, &["--seeds", "5..1"]).code, Some(2));
    assert_eq!(run(LEAST, &["--duration", "long"]).code, Some(2));
    assert_eq!(run(LEAST, &["--json", "--csv"]).code, Some(2));
}

#[test]
fn a_missing_file_is_named() {
    let run = selvedge(&["sim", "run", "no-such-scenario.toml"]).failed();
    assert!(run.err.contains("no-such-scenario.toml"), "{}", run.err);
}
