//! `selvedge sim`: thousands of peers on a virtual clock.

mod output;

use crate::failure::Failure;
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use selvedge_sim::scenario::parse_seeds;
use selvedge_sim::{Advance, Run, Scenario, run_seeds, run_traced};
use std::fs::File;
use std::io::{BufWriter, IsTerminal};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Simulate networks of thousands of peers, each the very peer that a node runs.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Run a scenario on a virtual clock and tell what came of it; exits with 1 if what it expects does not hold
    #[command(after_help = "Examples:
  selvedge sim run scenarios/steady.toml
  selvedge sim run scenarios/steady.toml --nodes 200 --duration 10m --seed 42
  selvedge sim run scenarios/burst.toml --seeds 1..8 --csv > burst.csv
  selvedge sim run scenarios/faults.toml --seeds 1..500
  selvedge sim run scenarios/byzantine.toml --seed 7 --trace trace.txt
  selvedge sim run scenarios/cold-start.toml --json | jq .membership")]
    Run(Arguments),
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
    /// Hosts in all, shared evenly among the organisations; otherwise as the scenario says
    #[arg(long, value_name = "N")]
    nodes: Option<usize>,
    /// Measured time, such as 10m; otherwise as the scenario says
    #[arg(long, value_parser = read_duration)]
    duration: Option<Duration>,
    /// Watch over every rule, such as that no block is committed twice; a broken rule ends the run. Scenarios with faults
    /// or Byzantine hosts do so in any case
    #[arg(long)]
    check: bool,
    /// Write every transition of the only seed to a file, one line each
    #[arg(long, value_name = "FILE", conflicts_with = "seeds")]
    trace: Option<PathBuf>,
    /// Seeds that run at the same time; otherwise as many as there are cores
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: Option<u16>,
    /// One JSON object for each run
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// A line of names, and one of numbers for each run
    #[arg(long)]
    csv: bool,
}

pub(crate) fn run(command: &Command) -> Result<(), Failure> {
    let Command::Run(arguments) = command;
    let scenario = load(arguments)?;
    let seeds: Vec<u64> = match (arguments.seed, &arguments.seeds) {
        (Some(seed), _) => vec![seed],
        (None, Some(seeds)) => seeds.clone().collect(),
        (None, None) => scenario.seeds.clone().collect(),
    };
    let began = Instant::now();
    let runs = simulate(&scenario, &seeds, arguments)?;
    let took = began.elapsed();
    if arguments.json {
        output::json(&runs)?;
    } else if arguments.csv {
        output::csv(&runs);
    } else {
        output::table(&scenario, &runs, took);
    }
    let broken: Vec<&Run> = runs.iter().filter(|run| !run.report.broken.is_empty()).collect();
    if broken.is_empty() {
        return Ok(());
    }
    for run in broken {
        eprint!("{}", output::broken(run, &again(arguments, run.report.seed)));
    }
    Err(Failure::Told)
}

/// The command that runs one seed once more.
fn again(arguments: &Arguments, seed: u64) -> String {
    let mut command = format!("selvedge sim run {} --seed {seed}", arguments.scenario.display());
    if let Some(count) = arguments.nodes {
        command.push_str(&format!(" --nodes {count}"));
    }
    if let Some(measured) = arguments.duration {
        command.push_str(&format!(" --duration {}", selvedge_core::format_duration(measured)));
    }
    if arguments.check {
        command.push_str(" --check");
    }
    command
}

fn load(arguments: &Arguments) -> Result<Scenario, Failure> {
    let path = arguments.scenario.display();
    let text = std::fs::read_to_string(&arguments.scenario)
        .map_err(|error| Failure::because(format!("{path}: {error}")))?;
    let told = |error| Failure::because(format!("{path}: {error}"));
    let mut scenario = Scenario::parse(&text).map_err(told)?;
    if let Some(count) = arguments.nodes {
        scenario = scenario.with_hosts(count).map_err(told)?;
    }
    if let Some(measured) = arguments.duration {
        scenario = scenario.with_measured(measured).map_err(told)?;
    }
    if arguments.check {
        scenario = scenario.with_checkers().map_err(told)?;
    }
    Ok(scenario)
}

fn simulate(scenario: &Scenario, seeds: &[u64], arguments: &Arguments) -> Result<Vec<Run>, Failure> {
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    let jobs = arguments.jobs.map_or_else(cores, usize::from);
    let all = scenario.time.end().as_millis() * seeds.len() as u128;
    let bar = progress(u64::try_from(all).unwrap_or(u64::MAX), seeds.len());
    let tell = |Advance { by, .. }| bar.inc(u64::try_from(by.as_millis()).unwrap_or(0));
    let runs = match (&arguments.trace, seeds) {
        (Some(path), &[seed]) => {
            let file = File::create(path)
                .map_err(|error| Failure::because(format!("{}: {error}", path.display())))?;
            vec![run_traced(scenario, seed, Some(Box::new(BufWriter::new(file))), &tell)]
        }
        (Some(_), _) => return Err(Failure::because("a trace is of one seed: choose it with --seed")),
        (None, _) => run_seeds(scenario, seeds, jobs, &tell),
    };
    bar.finish_and_clear();
    Ok(runs)
}

/// Simulated milliseconds of all runs.
fn progress(length: u64, run_count: usize) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let what = if run_count == 1 { "simulating".to_owned() } else { format!("simulating {run_count} seeds") };
    let style = ProgressStyle::with_template("{msg} {wide_bar} {percent} %, {elapsed} so far, {eta} left");
    let bar = ProgressBar::new(length).with_message(what);
    // the template is ours; if it were wrong the plain bar would do
    if let Ok(style) = style { bar.with_style(style) } else { bar }
}

fn read_seeds(text: &str) -> Result<RangeInclusive<u64>, String> {
    parse_seeds(text).ok_or_else(|| "expected seeds such as 1..8, both included, at most 100000".to_owned())
}

fn read_duration(text: &str) -> Result<Duration, String> {
    selvedge_core::parse_duration(text).ok_or_else(|| "expected a duration such as 30s or 10m".to_owned())
}
