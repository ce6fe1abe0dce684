//! Finds out which commit the program is built from, for reports that others are to repeat.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-env-changed=SELVEDGE_COMMIT");
    let given = std::env::var("SELVEDGE_COMMIT").ok().filter(|commit| !commit.is_empty());
    let commit = given.or_else(|| {
        // grows with every commit and every switch of branches
        if let Some(log) =
            git(&["rev-parse", "--git-path", "logs/HEAD"]).filter(|log| Path::new(log).exists())
        {
            println!("cargo::rerun-if-changed={log}");
        }
        git(&["describe", "--always", "--abbrev=12"])
    });
    println!("cargo::rustc-env=SELVEDGE_COMMIT={}", commit.as_deref().unwrap_or("unknown"));
}

/// What git says; nothing without git, or outside of a clone.
fn git(arguments: &[&str]) -> Option<String> {
    let output =
        Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (!text.is_empty()).then_some(text)
}
