//! `selvedge sim compare`: two scenarios, or two sets of rules in one.

mod output;

use super::bounds;
use super::common::{self, Effort, Size, read_seeds};
use crate::failure::Failure;
use clap::error::ErrorKind;
use clap::{Args, CommandFactory};
use selvedge_sim::bounds::Bounds;
use selvedge_sim::compare::{Comparison, Confidence};
use selvedge_sim::scenario::{Rules, parse_rules};
use selvedge_sim::{Report, Scenario, run_all};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

/// Shown after the help.
pub(super) const EXAMPLES: &str = "Examples:
  selvedge sim compare scenarios/steady.toml my-steady.toml
  selvedge sim compare scenarios/steady.toml scenarios/burst.toml --seeds 1..20 --nodes 30
  selvedge sim compare scenarios/steady.toml --rules fabric,selvedge
  selvedge sim compare scenarios/steady.toml --rules fabric,selvedge --bounds scenarios/bounds/steady.toml
  selvedge sim compare scenarios/steady.toml my-steady.toml --json | jq '.changes[] | select(.verdict == \"worse\")'

Both sides run with each seed; the interval is that of the mean of the differences, seed by seed, by Student's t.";

/// What to compare, and how to tell of it.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// The scenario to compare with, a TOML file
    #[arg(value_name = "A.toml")]
    a: PathBuf,
    /// The scenario that is compared; or --rules
    #[arg(value_name = "B.toml")]
    b: Option<PathBuf>,
    /// Two sets of rules for the same scenario, such as fabric,selvedge
    #[arg(long, value_name = "A,B", value_parser = read_rules, conflicts_with = "b")]
    rules: Option<Pair>,
    /// Seeds that both are run with: both ends included. The more there are, the narrower the intervals
    #[arg(long, value_name = "N..M", value_parser = read_seeds, default_value = "1..8")]
    seeds: RangeInclusive<u64>,
    #[command(flatten)]
    size: Size,
    /// Of the intervals, in per cent
    #[arg(long, value_name = "PERCENT", default_value = "95")]
    confidence: Confidence,
    #[command(flatten)]
    effort: Effort,
    /// Exit with 1 if a figure of the side that this file is for, the mean over the seeds, is worse than it says; size and
    /// seeds are those of the file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["seeds", "nodes", "duration"])]
    bounds: Option<PathBuf>,
    /// One JSON object
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// A line of names, and one for each figure
    #[arg(long)]
    csv: bool,
}

/// Names of two sets of rules.
#[derive(Clone, Copy, Debug)]
struct Pair {
    a: Rules,
    b: Rules,
}

fn read_rules(text: &str) -> Result<Pair, String> {
    let (a, b) = text.split_once(',').ok_or("expected two names with a comma, such as fabric,selvedge")?;
    Ok(Pair { a: parse_rules(a.trim())?, b: parse_rules(b.trim())? })
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let (a, b) = sides(arguments)?;
    let bounds = arguments.bounds.as_deref().map(|path| Bounded::new(path, [&a, &b])).transpose()?;
    let (a, b, seeds) = match &bounds {
        Some(bounded) => (bounded.size(a)?, bounded.size(b)?, &bounded.bounds.seeds),
        None => (a, b, &arguments.seeds),
    };
    // in turns, so that the bar goes evenly
    let tasks: Vec<(&Scenario, u64)> = seeds.clone().flat_map(|seed| [(&a, seed), (&b, seed)]).collect();
    let bar = arguments.effort.progress(&tasks.iter().map(|(scenario, _)| *scenario).collect::<Vec<_>>());
    let runs = run_all(&tasks, arguments.effort.jobs(), &|advance| bar.advance(advance));
    drop(bar);
    let of_side = |side: usize| -> Vec<Report> {
        runs.iter().skip(side).step_by(2).map(|run| run.report.clone()).collect()
    };
    let reports = [of_side(0), of_side(1)];
    let comparison = Comparison::of(&reports[0], &reports[1], arguments.confidence)
        .ok_or_else(|| Failure::because("there is no seed to compare with"))?;
    let text = if arguments.json {
        format!("{}\n", serde_json::to_string(&comparison)?)
    } else if arguments.csv {
        output::csv(&comparison)
    } else {
        output::table(&comparison, [&a, &b])
    };
    common::print(&text)?;
    let is_table = !arguments.json && !arguments.csv;
    match bounds {
        Some(Bounded { path, bounds, side }) => bounds::check(&bounds, path, &reports[side], is_table),
        None => Ok(()),
    }
}

/// Bounds for one of the sides.
struct Bounded<'a> {
    path: &'a Path,
    bounds: Bounds,
    side: usize,
}

impl<'a> Bounded<'a> {
    /// If both sides are of the scenario and the rules, it is the second that is compared.
    fn new(path: &'a Path, sides: [&Scenario; 2]) -> Result<Self, Failure> {
        let bounds = bounds::read(path)?;
        let side = sides.iter().rposition(|side| bounds.are_of(side)).ok_or_else(|| {
            let Bounds { scenario, rules, .. } = &bounds;
            let path = path.display();
            Failure::because(format!("{path}: neither side is {scenario:?} with rules of {rules}"))
        })?;
        Ok(Self { path, bounds, side })
    }

    fn size(&self, scenario: Scenario) -> Result<Scenario, Failure> {
        let name = scenario.name.clone();
        let sized = self.bounds.size(scenario);
        sized.map_err(|error| {
            Failure::because(format!("{name} in the size of {}: {error}", self.path.display()))
        })
    }
}

fn sides(arguments: &Arguments) -> Result<(Scenario, Scenario), Failure> {
    let a = arguments.size.of(&arguments.a)?;
    match (&arguments.b, arguments.rules) {
        (Some(path), _) => Ok((a, arguments.size.of(path)?)),
        (None, Some(pair)) => Ok((Scenario { rules: pair.a, ..a.clone() }, Scenario { rules: pair.b, ..a })),
        (None, None) => {
            let what =
                "nothing to compare with: name a second scenario, or two sets of rules with --rules A,B";
            let mut program = crate::Arguments::command();
            program.build();
            let command =
                ["sim", "compare"].iter().try_fold(&mut program, |it, name| it.find_subcommand_mut(name));
            match command {
                Some(command) => command.error(ErrorKind::MissingRequiredArgument, what).exit(),
                None => Err(Failure::because(what)),
            }
        }
    }
}
