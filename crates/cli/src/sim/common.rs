//! What the commands of the simulation have in common.

use super::progress::Progress;
use crate::failure::Failure;
use crate::show::unless_gone;
use clap::Args;
use selvedge_sim::Scenario;
use selvedge_sim::scenario::parse_seeds;
use std::io::Write;
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

/// How large a scenario is run.
#[derive(Args, Debug)]
pub(super) struct Size {
    /// Hosts in all, shared evenly among the organisations; otherwise as the scenario says
    #[arg(long, value_name = "N")]
    nodes: Option<usize>,
    /// Measured time, such as 10m; otherwise as the scenario says
    #[arg(long, value_parser = read_duration)]
    duration: Option<Duration>,
}

impl Size {
    /// The scenario of this file in this size.
    pub(super) fn of(&self, path: &Path) -> Result<Scenario, Failure> {
        let shown = path.display();
        let text =
            std::fs::read_to_string(path).map_err(|error| Failure::because(format!("{shown}: {error}")))?;
        let told = |error| Failure::because(format!("{shown}: {error}"));
        let mut scenario = Scenario::parse(&text).map_err(told)?;
        if let Some(count) = self.nodes {
            scenario = scenario.with_hosts(count).map_err(told)?;
        }
        if let Some(measured) = self.duration {
            scenario = scenario.with_measured(measured).map_err(told)?;
        }
        Ok(scenario)
    }
}

/// How hard the machine works, and what it shows meanwhile.
#[derive(Args, Debug)]
pub(super) struct Effort {
    /// Runs at the same time; otherwise as many as there are cores
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: Option<u16>,
    /// No progress bar, which otherwise is shown where standard error is a terminal
    #[arg(long, short)]
    quiet: bool,
}

impl Effort {
    /// How many runs there are at the same time.
    pub(super) fn jobs(&self) -> usize {
        self.jobs.map_or_else(|| std::thread::available_parallelism().map_or(1, usize::from), usize::from)
    }

    /// A bar for these runs.
    pub(super) fn progress(&self, runs: &[&Scenario]) -> Progress {
        let all: Duration = runs.iter().map(|scenario| scenario.time.end()).sum();
        if self.quiet { Progress::none() } else { Progress::new(all, runs.len()) }
    }
}

/// To standard output, in one go. Whoever does not want to read it may go.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    Ok(unless_gone(std::io::stdout().lock().write_all(text.as_bytes()))?)
}

pub(super) fn read_seeds(text: &str) -> Result<RangeInclusive<u64>, String> {
    parse_seeds(text).ok_or_else(|| "expected seeds such as 1..8, both included, at most 100000".to_owned())
}

fn read_duration(text: &str) -> Result<Duration, String> {
    selvedge_core::parse_duration(text).ok_or_else(|| "expected a duration such as 30s or 10m".to_owned())
}
