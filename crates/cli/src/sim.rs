//! `selvedge sim`: thousands of peers on a virtual clock.

mod bounds;
mod common;
mod compare;
mod format;
mod output;
mod progress;
mod replay;

use crate::failure::Failure;
use clap::{Args, Subcommand};
use common::{Effort, Size, read_seeds};
use selvedge_sim::{Report, Run, Scenario, run_seeds};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Instant;

/// Simulate networks of thousands of peers, each the very peer that a node runs.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Run a scenario on a virtual clock and tell what came of it; exits with 1 if what it expects does not hold
    #[command(after_help = "Examples:
  selvedge sim run scenarios/steady.toml
  selvedge sim run scenarios/steady.toml --nodes 200 --duration 10m --seed 42
  selvedge sim run scenarios/burst.toml --seeds 1..8 --csv > burst.csv
  selvedge sim run scenarios/cold-start.toml --json | jq .membership
  selvedge sim run scenarios/steady.toml --bounds scenarios/bounds/steady.toml")]
    Run(Arguments),
    /// Run the protocol over what a node recorded, and tell whether it does the same; exits with 1 if not
    #[command(after_help = "Examples:
  selvedge sim replay peer0.recording
  selvedge sim replay peer0.recording --trace peer0.txt --until 5000")]
    Replay(replay::Arguments),
    /// Run two scenarios, or two sets of rules in one, with the same seeds and tell what differs beyond chance
    #[command(after_help = compare::EXAMPLES)]
    Compare(compare::Arguments),
}

/// What to run, and how to tell of it.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// The scenario, a TOML file; `scenarios` has some to begin with
    #[arg(value_name = "SCENARIO.toml")]
    scenario: PathBuf,
    /// Everything left to chance follows from the seed; otherwise as the scenario says
    #[arg(long, conflicts_with = "seeds")]
    seed: Option<u64>,
    /// Several seeds, side by side, such as 1..8: both included
    #[arg(long, value_name = "N..M", value_parser = read_seeds)]
    seeds: Option<RangeInclusive<u64>>,
    #[command(flatten)]
    size: Size,
    #[command(flatten)]
    effort: Effort,
    /// Exit with 1 if a figure, the mean over the seeds, is worse than this file says; size and seeds are those of the file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["seed", "seeds", "nodes", "duration"])]
    bounds: Option<PathBuf>,
    /// Write such a file from what these runs reached, with a little room
    #[arg(long, value_name = "FILE", conflicts_with = "bounds")]
    write_bounds: Option<PathBuf>,
    /// One JSON object for each run
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// A line of names, and one of numbers for each run
    #[arg(long)]
    csv: bool,
}

pub(crate) fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Run(arguments) => run_scenario(arguments),
        Command::Replay(arguments) => replay::run(arguments),
        Command::Compare(arguments) => compare::run(arguments),
    }
}

fn run_scenario(arguments: &Arguments) -> Result<(), Failure> {
    let bounds =
        arguments.bounds.as_deref().map(|path| Ok::<_, Failure>((path, bounds::read(path)?))).transpose()?;
    let scenario = arguments.size.of(&arguments.scenario)?;
    let scenario = match &bounds {
        Some((path, bounds)) => {
            bounds.fit(scenario).map_err(|error| Failure::because(format!("{}: {error}", path.display())))?
        }
        None => scenario,
    };
    let seeds: Vec<u64> = match (arguments.seed, &arguments.seeds, &bounds) {
        (Some(seed), ..) => vec![seed],
        (_, Some(seeds), _) => seeds.clone().collect(),
        (.., Some((_, bounds))) => bounds.seeds.clone().collect(),
        _ => scenario.seeds.clone().collect(),
    };
    let began = Instant::now();
    let runs = simulate(&scenario, &seeds, &arguments.effort);
    let took = began.elapsed();
    let text = if arguments.json {
        output::json(&runs)?
    } else if arguments.csv {
        output::csv(&runs)
    } else {
        output::table(&scenario, &runs, took)
    };
    common::print(&text)?;
    let reports: Vec<Report> = runs.iter().map(|run| run.report.clone()).collect();
    if let Some(path) = &arguments.write_bounds {
        bounds::write(path, &scenario, &seeds, &reports)?;
    }
    let is_table = !arguments.json && !arguments.csv;
    let checked = match &bounds {
        Some((path, bounds)) => bounds::check(bounds, path, &reports, is_table),
        None => Ok(()),
    };
    let broken: Vec<String> = runs.iter().filter_map(output::broken).collect();
    for line in &broken {
        eprintln!("error: {line}");
    }
    if broken.is_empty() { checked } else { Err(Failure::Told) }
}

fn simulate(scenario: &Scenario, seeds: &[u64], effort: &Effort) -> Vec<Run> {
    let bar = effort.progress(&vec![scenario; seeds.len()]);
    run_seeds(scenario, seeds, effort.jobs(), &|advance| bar.advance(advance))
}
