//! Runs drawn as SVG.

use crate::support::selvedge;
use std::path::Path;

const SIZE: [&str; 4] = ["--nodes", "6", "--duration", "5s"];

fn scenario(folder: &Path, blocks: &str) -> String {
    let path = folder.join("test.toml");
    let text = format!(
        "name = 'test'
        hosts = {{ per_org = 20 }}
        time = {{ measured = '1m', settle = '10s' }}
        {blocks}"
    );
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// The pictures in a folder, by name.
fn pictures(folder: &Path) -> Vec<(String, String)> {
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    let mut pictures: Vec<_> = entries
        .map(|it| (it.file_name().into_string().unwrap(), std::fs::read_to_string(it.path()).unwrap()))
        .collect();
    pictures.sort();
    pictures
}

fn names(pictures: &[(String, String)]) -> Vec<&str> {
    pictures.iter().map(|(name, _)| name.as_str()).collect()
}

#[test]
fn runs_are_drawn_the_same_each_time() {
    let files = tempfile::tempdir().unwrap();
    let scenario = scenario(files.path(), "blocks = { per_second = 2 }");
    let draw = |folder: &str| {
        let folder = files.path().join(folder);
        let folder_name = folder.to_str().unwrap();
        let run = ["sim", "run", &scenario, "--seeds", "1..3", "--plots", folder_name];
        selvedge(&[&run[..], &SIZE[..]].concat()).succeeded();
        pictures(&folder)
    };
    let (first, second) = (draw("a/first"), draw("a/second"));
    assert_eq!(names(&first), ["block-bytes.svg", "cpu.svg", "last-peer.svg", "membership.svg"]);
    for (name, picture) in &first {
        assert!(picture.contains("<polyline") && picture.contains("</svg>"), "{name}: {picture}");
    }
    assert_eq!(first, second);
}

#[test]
fn both_sides_are_named() {
    let files = tempfile::tempdir().unwrap();
    let scenario = scenario(files.path(), "blocks = { per_second = 2 }");
    let folder = files.path().join("plots");
    let run = ["sim", "compare", &scenario, "--rules", "fabric,selvedge", "--seeds", "1..2"];
    selvedge(&[&run[..], &["--plots", folder.to_str().unwrap()], &SIZE[..]].concat()).succeeded();
    for (name, picture) in pictures(&folder) {
        for side in ["A: test, rules of fabric", "B: test, rules of selvedge"] {
            assert!(picture.contains(side), "{name}: {picture}");
        }
    }
}

#[test]
fn without_blocks_nothing_is_drawn_of_them() {
    let files = tempfile::tempdir().unwrap();
    let scenario = scenario(files.path(), "");
    let folder = files.path().join("plots");
    let run = ["sim", "run", &scenario, "--plots", folder.to_str().unwrap()];
    selvedge(&[&run[..], &SIZE[..]].concat()).succeeded();
    assert_eq!(names(&pictures(&folder)), ["cpu.svg", "membership.svg"]);
}

#[test]
fn a_folder_that_cannot_be_is_named() {
    let files = tempfile::tempdir().unwrap();
    let scenario = scenario(files.path(), "");
    let run = selvedge(&[&["sim", "run", &scenario, "--plots", &scenario][..], &SIZE[..]].concat()).failed();
    assert!(run.err.contains("test.toml: "), "{}", run.err);
}
