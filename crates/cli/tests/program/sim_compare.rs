//! `selvedge sim compare` tells what differs beyond chance, in three forms.

use crate::support::{Run, selvedge};

fn scenario(name: &str) -> String {
    format!("{}/../../scenarios/{name}.toml", env!("CARGO_MANIFEST_DIR"))
}

/// Six hosts that send each block to so many others.
fn text(peer_count: usize) -> String {
    format!(
        "name = 'fan-out-{peer_count}'
        description = 'to {peer_count} others'
        hosts = {{ per_org = 6 }}
        time = {{ measured = '5s', settle = '10s' }}
        blocks = {{ per_second = 2 }}
        gossip = {{ propagate_peer_count = {peer_count} }}"
    )
}

/// Compares two scenarios of these texts.
fn compare(a: &str, b: &str, more: &[&str]) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (a, b) = (file("a.toml", a), file("b.toml", b));
    selvedge(&[&["sim", "compare", &a, &b], more].concat())
}

#[track_caller]
fn row<'a>(run: &'a Run, label: &str) -> Vec<&'a str> {
    let line = run.out.lines().find_map(|line| line.strip_prefix(label));
    line.unwrap_or_else(|| panic!("{label}: {}", run.out)).split_whitespace().collect()
}

#[test]
fn a_table_sets_both_side_by_side() {
    let run = compare(&text(2), &text(4), &["--seeds", "1..3"]).succeeded();
    assert!(run.out.starts_with("A: fan-out-2: to 2 others\n   6 hosts of 1 organisations, rules of selvedge, measured 5s of 30s\nB: fan-out-4: to 4 others\n"), "{}", run.out);
    assert!(run.out.contains("\n3 seeds, 1 to 3 "), "{}", run.out);
    assert_eq!(row(&run, "ended as expected"), ["3", "of", "3", "3", "of", "3"]);
    assert_eq!(row(&run, "blocks cut"), ["10", "10", "0", "1.00"]);
    let copies = row(&run, "copies of a block a peer");
    assert_eq!((copies.len(), copies.last()), (8, Some(&"worse")), "{}", run.out);
    assert_eq!(run.err, "");
}

#[test]
fn json_has_every_figure_with_its_interval() {
    let run = compare(&text(2), &text(4), &["--seeds", "1..3", "--json", "--jobs", "1"]).succeeded();
    let comparison = run.json();
    assert_eq!(comparison["a"]["scenario"], "fan-out-2");
    assert_eq!(comparison["b"]["as_expected"], 3);
    assert_eq!(comparison["seeds"], serde_json::json!([1, 2, 3]));
    assert_eq!(comparison["confidence_percent"], 95.0);
    let changes = comparison["changes"].as_array().unwrap();
    let change = changes.iter().find(|change| change["figure"] == "copies_per_peer").unwrap();
    let number = |value: &serde_json::Value| value.as_f64().unwrap();
    let (low, high) = (number(&change["interval"]["low"]), number(&change["interval"]["high"]));
    let difference = number(&change["b"]) - number(&change["a"]);
    assert!(0.0 < low && low < difference && difference < high, "{change}");
    assert!((number(&change["difference"]) - difference).abs() < 1e-9, "{change}");
    assert_eq!((&change["pairs"], &change["verdict"]), (&3.into(), &"worse".into()));
}

#[test]
fn csv_has_a_line_for_each_figure() {
    let run = compare(&text(4), &text(2), &["--seeds", "1..3", "--csv"]).succeeded();
    let lines: Vec<Vec<&str>> = run.out.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(lines[0].join(","), "figure,a,b,pairs,difference,low,high,ratio,verdict");
    assert!(lines.len() > 15 && lines.iter().all(|line| line.len() == 9), "{}", run.out);
    let verdict = |name| lines.iter().find(|line| line[0] == name).map(|line| line[8]);
    assert_eq!(verdict("copies_per_peer"), Some("better"));
    assert_eq!(verdict("delivered_share"), Some("same"));
}

#[test]
fn a_set_of_rules_is_the_same_as_itself() {
    let path = scenario("steady");
    let small = ["--nodes", "6", "--duration", "2s", "--seeds", "1..2", "--json"];
    let run = selvedge(&[&["sim", "compare", &path, "--rules", "selvedge, selvedge"], &small[..]].concat());
    let comparison = run.succeeded().json();
    for change in comparison["changes"].as_array().unwrap() {
        let expected = if change["a"].is_null() { "unclear" } else { "same" };
        assert_eq!(change["verdict"], expected, "{change}");
    }
}

#[test]
fn one_seed_has_no_interval() {
    let run = compare(&text(2), &text(4), &["--seeds", "1..1"]).succeeded();
    assert!(run.out.contains("One seed does not tell a difference from chance"), "{}", run.out);
    assert!(!run.out.contains("worse") && !run.out.contains(" to +"), "{}", run.out);
}

#[test]
fn what_did_not_end_as_expected_is_counted() {
    let late = format!("{}\nexpect = {{ last_peer_max = '1ns' }}", text(2));
    let run = compare(&late, &text(2), &["--seeds", "1..2"]).succeeded();
    assert_eq!(row(&run, "ended as expected"), ["0", "of", "2", "2", "of", "2"]);
}

#[test]
fn something_must_be_compared_with_something() {
    let path = scenario("steady");
    let wrong = |more: &[&str]| selvedge(&[&["sim", "compare", &path], more].concat());
    let alone = wrong(&[]);
    assert_eq!(alone.code, Some(2));
    for part in ["name a second scenario", "--rules A,B", "selvedge sim compare"] {
        assert!(alone.err.contains(part), "{}", alone.err);
    }
    assert_eq!(wrong(&[&path, "--rules", "selvedge,selvedge"]).code, Some(2));
    assert_eq!(wrong(&["--rules", "selvedge"]).code, Some(2));
    assert_eq!(wrong(&[&path, "--confidence", "100"]).code, Some(2));
    let unknown = wrong(&["--rules", "selvedge,nonsense"]);
    assert_eq!(unknown.code, Some(2));
    assert!(unknown.err.contains("nonsense") && unknown.err.contains("\"selvedge\""), "{}", unknown.err);
    assert!(wrong(&["no-such-scenario.toml"]).failed().err.contains("no-such-scenario.toml"));
}
