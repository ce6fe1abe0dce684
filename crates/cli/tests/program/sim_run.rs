//! `selvedge sim run` tells what came of a scenario, in three forms.

use crate::support::{Run, selvedge};

fn scenario(name: &str) -> String {
    format!("{}/../../scenarios/{name}.toml", env!("CARGO_MANIFEST_DIR"))
}

/// A scenario with eight hosts and ten seconds.
fn small(name: &str, more: &[&str]) -> Run {
    let path = scenario(name);
    let flags = ["sim", "run", &path, "--nodes", "8", "--duration", "10s"];
    selvedge(&[&flags, more].concat())
}

/// The value of a row of the table.
#[track_caller]
fn row<'a>(run: &'a Run, label: &str) -> &'a str {
    let line = run.out.lines().find_map(|line| line.strip_prefix(label));
    line.unwrap_or_else(|| panic!("{label}: {}", run.out)).trim()
}

#[test]
fn a_table_has_a_column_for_each_seed() {
    let run = small("steady", &["--seeds", "1..2"]).succeeded();
    assert!(run.out.starts_with("steady: a network at rest, with blocks\n8 hosts of 2 organisations, rules of selvedge, measured 10s of 45s\n"), "{}", run.out);
    assert!(
        run.out.lines().any(|line| line.split_whitespace().eq(["seed", "1", "seed", "2"])),
        "{}",
        run.out
    );
    assert_eq!(
        row(&run, "others known as alive").split_whitespace().collect::<Vec<_>>(),
        ["100", "%", "100", "%"]
    );
    assert_eq!(row(&run, "blocks cut").split_whitespace().collect::<Vec<_>>(), ["10", "10"]);
    assert!(run.out.contains("times real time"), "{}", run.out);
    assert_eq!(run.err, "");
}

#[test]
fn many_seeds_are_summed_up() {
    let run = small("steady", &["--seeds", "1..6"]).succeeded();
    assert!(run.out.contains("6 seeds"), "{}", run.out);
    assert!(run.out.lines().any(|line| line.ends_with("lowest      median     highest")), "{}", run.out);
}

#[test]
fn json_has_an_object_for_each_run() {
    let run = small("steady", &["--seeds", "3..4", "--json", "--jobs", "1"]).succeeded();
    let lines = run.lines();
    assert_eq!(lines.iter().map(|line| line["seed"].as_u64()).collect::<Vec<_>>(), [Some(3), Some(4)]);
    for line in lines {
        assert_eq!(line["hosts"], 8);
        assert_eq!(line["rules"], "selvedge");
        assert_eq!(line["membership"]["known_share"], 1.0);
        assert_eq!(line["blocks"]["delivered_share"], 1.0);
        assert!(line["blocks"]["to_last_peer_ms"]["max"].as_f64() > Some(0.0));
        assert!(line["frames_per_second"].as_f64() > Some(0.0));
        assert_eq!(line["broken"].as_array().map(Vec::len), Some(0));
    }
}

#[test]
fn csv_has_as_many_values_as_names() {
    let run = small("steady", &["--seed", "9", "--csv"]).succeeded();
    let lines: Vec<Vec<&str>> = run.out.lines().map(|line| line.split(',').collect()).collect();
    let [names, values] = lines.as_slice() else { panic!("{}", run.out) };
    assert_eq!(names.len(), values.len());
    let value = |name| names.iter().position(|it| *it == name).map(|place| values[place]);
    assert_eq!(value("seed"), Some("9"));
    assert_eq!(value("blocks"), Some("10"));
    assert_eq!(value("full_again_after_seconds"), Some(""));
    assert_eq!(value("broken"), Some(""));
}

#[test]
fn a_run_is_repeated_by_its_seed() {
    let report = |seed| {
        let mut report = small("steady", &["--seed", seed, "--json"]).succeeded().json();
        report["took_seconds"] = 0.into();
        report["frames_per_second"] = 0.into();
        report
    };
    assert_eq!(report("5"), report("5"));
    assert_ne!(report("5")["blocks"], report("6")["blocks"]);
}

#[test]
fn a_trace_has_a_line_for_each_transition_and_is_always_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let trace = |name: &str| {
        let path = folder.path().join(name);
        small("steady", &["--seed", "5", "--trace", path.to_str().unwrap()]).succeeded();
        std::fs::read_to_string(path).unwrap()
    };
    let first = trace("first.txt");
    assert!(first.lines().count() > 1000 && first.lines().all(|line| line.contains(" host ")));
    assert_eq!(first, trace("second.txt"));
}
