//! The record of a run.

use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

#[derive(Debug)]
struct Entry {
    name: &'static str,
    what: &'static str,
    outcome: String,
    passed: bool,
    observed: Vec<String>,
    took: Duration,
}

/// What was observed, scenario by scenario.
#[derive(Debug)]
pub(crate) struct Report {
    fabric: String,
    entries: Vec<Entry>,
}

impl Report {
    pub(crate) fn new(fabric: &str) -> Self {
        Self { fabric: fabric.to_owned(), entries: Vec::new() }
    }

    pub(crate) fn add(
        &mut self,
        name: &'static str,
        what: &'static str,
        outcome: &Result<(), Box<dyn Error>>,
        observed: Vec<String>,
        took: Duration,
    ) {
        let (outcome, passed) = match outcome {
            Ok(()) => ("passed".to_owned(), true),
            Err(error) => (format!("FAILED: {error}"), false),
        };
        println!("   {outcome} after {took:.0?}");
        self.entries.push(Entry { name, what, outcome, passed, observed, took });
    }

    /// A scenario that this Fabric cannot run; it does not count as passed.
    pub(crate) fn skip(&mut self, name: &'static str, what: &'static str, reason: &str) {
        let outcome = format!("not run: {reason}");
        println!("== {name}: {outcome}");
        self.entries.push(Entry {
            name,
            what,
            outcome,
            passed: true,
            observed: Vec::new(),
            took: Duration::ZERO,
        });
    }

    /// Whether every scenario that this Fabric can run passed, and one did run.
    pub(crate) fn passed(&self) -> bool {
        self.entries.iter().all(|entry| entry.passed)
            && self.entries.iter().any(|entry| entry.outcome == "passed")
    }

    /// As Markdown.
    pub(crate) fn table(&self) -> String {
        let mut text = format!("# Selvedge beside Fabric {}\n\n", self.fabric);
        text += "By `FABRIC_BIN=... cargo xtask interop`, on ";
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let _ = writeln!(text, "{cores} cores shared by the whole network.\n");
        text += "| scenario | outcome | took |\n|---|---|---|\n";
        for entry in &self.entries {
            let _ = writeln!(
                text,
                "| {}: {} | {} | {:.0?} |",
                entry.name,
                entry.what,
                entry.outcome.replace('|', "/"),
                entry.took
            );
        }
        for entry in self.entries.iter().filter(|entry| !entry.observed.is_empty()) {
            let _ = writeln!(text, "\n## {}\n", entry.name);
            for line in &entry.observed {
                let _ = writeln!(text, "- {line}");
            }
        }
        text
    }

    /// Writes the table to `<folder>/fabric-<version>.md`.
    pub(crate) fn write(&self, folder: &Path) -> Result<PathBuf, Box<dyn Error>> {
        fs::create_dir_all(folder)?;
        let file = folder.join(format!("fabric-{}.md", self.fabric));
        fs::write(&file, self.table())?;
        Ok(file)
    }
}
