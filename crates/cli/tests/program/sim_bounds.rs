//! Bounds of figures: written, kept, and told when they do not hold.

use crate::support::{Run, selvedge};
use std::path::PathBuf;

struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// Runs `sim`, in which names that end with `.toml` are files.
    fn sim(&self, arguments: &[&str]) -> Run {
        let file = |name: &&str| match name.ends_with(".toml") {
            true => self.path(name).to_str().unwrap().to_owned(),
            false => (*name).to_owned(),
        };
        let arguments: Vec<String> =
            std::iter::once("sim".to_owned()).chain(arguments.iter().map(file)).collect();
        selvedge(&arguments)
    }
}

/// Some hosts that send each block to so many others.
fn text(peer_count: usize) -> String {
    format!(
        "name = 'test'
        hosts = {{ per_org = 20 }}
        time = {{ measured = '1m', settle = '10s' }}
        blocks = {{ per_second = 2 }}
        gossip = {{ propagate_peer_count = {peer_count} }}"
    )
}

/// A scenario and its bounds, and one that is worse.
fn bounded() -> Files {
    let files = Files::new();
    files.write("test.toml", &text(2));
    files.write("worse.toml", &text(4));
    let size = ["--nodes", "6", "--duration", "5s", "--seeds", "1..3"];
    files.sim(&[&["run", "test.toml", "--write-bounds", "bounds.toml"], &size[..]].concat()).succeeded();
    files
}

#[test]
fn what_was_reached_is_kept() {
    let files = bounded();
    let run = files.sim(&["run", "test.toml", "--bounds", "bounds.toml"]).succeeded();
    assert!(
        run.out.contains("6 hosts of 1 organisations, rules of selvedge, measured 5s of 30s"),
        "{}",
        run.out
    );
    assert!(run.out.contains("seed 1") && run.out.contains("seed 3"), "{}", run.out);
    let last = run.out.lines().last().unwrap();
    assert!(last.starts_with("all ") && last.ends_with("bounds.toml hold"), "{last}");
    let json = files.sim(&["run", "test.toml", "--bounds", "bounds.toml", "--json"]).succeeded();
    assert_eq!(json.lines().len(), 3);
}

#[test]
fn what_got_worse_exits_with_1_and_is_named() {
    let run = bounded().sim(&["run", "worse.toml", "--bounds", "bounds.toml"]).failed();
    let told = run.err.lines().find(|line| line.contains("copies_per_peer")).unwrap();
    assert!(told.starts_with("error: test, mean of seeds 1 to 3: copies_per_peer is 3."), "{told}");
    assert!(told.contains(", bound at most "), "{told}");
    assert!(run.out.contains("copies of a block a peer"), "{}", run.out);
}

#[test]
fn a_comparison_checks_the_side_that_the_bounds_are_for() {
    let files = bounded();
    let bounds = ["--bounds", "bounds.toml"];
    let run = files.sim(&[&["compare", "test.toml", "worse.toml"], &bounds[..]].concat()).failed();
    assert!(run.err.contains("copies_per_peer"), "{}", run.err);
    files.sim(&[&["compare", "worse.toml", "test.toml"], &bounds[..]].concat()).succeeded();
    files.write("other.toml", &text(4).replace("'test'", "'other'"));
    let run = files.sim(&[&["compare", "test.toml", "other.toml"], &bounds[..]].concat()).succeeded();
    assert!(run.out.ends_with("bounds.toml hold\n"), "{}", run.out);
    let run = files.sim(&[&["compare", "other.toml", "other.toml"], &bounds[..]].concat()).failed();
    assert!(run.err.contains("neither side is \"test\" with rules of selvedge"), "{}", run.err);
}

#[test]
fn bounds_that_do_not_belong_are_refused() {
    let files = bounded();
    files.write("other.toml", &text(2).replace("'test'", "'other'"));
    let run = files.sim(&["run", "other.toml", "--bounds", "bounds.toml"]).failed();
    assert!(
        run.err.contains("bounds of the scenario \"test\"") && run.err.contains("\"other\""),
        "{}",
        run.err
    );
    files.write("wrong.toml", "scenario = 'test'\nknots = 7\n");
    let run = files.sim(&["run", "test.toml", "--bounds", "wrong.toml"]).failed();
    assert!(run.err.contains("wrong.toml") && run.err.contains("line 2"), "{}", run.err);
    assert!(files.sim(&["run", "test.toml", "--bounds", "none.toml"]).failed().err.contains("none.toml"));
    let code = files.sim(&["run", "test.toml", "--bounds", "bounds.toml", "--nodes", "9"]).code;
    assert_eq!(code, Some(2));
}
