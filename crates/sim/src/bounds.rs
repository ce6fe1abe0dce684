//! How good the figures of a scenario must stay: stored beside it, and checked on every change.
//!
//! A file of bounds holds the size in which its scenario is run, and for each figure the worst value that is accepted, of the
//! mean over the seeds. Runs are the same everywhere, so the bounds are close: [`TOLERANCE`] from what was measured when they
//! were written, and what the seeds' own spread makes likely for others. A harmless change may draw its chances anew.

use crate::compare::{Confidence, Goal, Interval, mean};
use crate::report::{Figure, Report, Unit};
use crate::scenario::{Rules, Scenario, ScenarioError, parse_rules, parse_seeds, value};
use core::fmt;
use core::ops::RangeInclusive;
use core::time::Duration;
use selvedge_core::format_duration;
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;

/// By which part figures may get worse before a bound is broken: of the figure, or, where it is a share that should be high, of
/// what it lacks. So changes that do no harm pass, and what was perfect stays so.
pub const TOLERANCE: f64 = 0.05;

/// How likely it is, in per cent, that other seeds stay within what their spread adds.
const CHANCE_PERCENT: f64 = 99.0;

/// Beyond [`TOLERANCE`], in seconds, for figures in seconds: how often it is looked.
const LOOK_SECONDS: f64 = 0.1;

/// Bounds of one scenario in one size.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bounds {
    /// Name of the scenario.
    pub scenario: String,
    /// What the peers follow.
    #[serde(deserialize_with = "rules")]
    pub rules: Rules,
    /// Hosts in all.
    pub nodes: usize,
    /// Measured time.
    #[serde(deserialize_with = "value")]
    pub duration: Duration,
    /// Which seeds it is run with.
    #[serde(deserialize_with = "seeds")]
    pub seeds: RangeInclusive<u64>,
    /// By the name of the figure.
    pub figures: BTreeMap<String, Bound>,
}

/// The worst value that is accepted, of the mean over the seeds.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum Bound {
    /// The lowest.
    Min(f64),
    /// The highest.
    Max(f64),
}

/// A bound that does not hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Exceeded {
    /// Name of the scenario.
    pub scenario: String,
    /// The seeds.
    pub seeds: RangeInclusive<u64>,
    /// Name of the figure.
    pub figure: String,
    /// What it must keep.
    pub bound: Bound,
    /// Its mean over the seeds; `None` if no run has it.
    pub mean: Option<f64>,
}

/// Why bounds cannot be checked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BoundsError {
    /// The text says something wrong at a place, which the error shows.
    #[error("{0}")]
    Text(#[from] Box<toml::de::Error>),
    /// They are of something else.
    #[error(
        "bounds of the scenario {bounds:?} with rules of {rules} do not belong to {scenario:?} with rules of {other}"
    )]
    Other {
        /// Their scenario.
        bounds: String,
        /// Their rules.
        rules: Rules,
        /// That which was to be checked.
        scenario: String,
        /// Its rules.
        other: Rules,
    },
    /// The scenario cannot be run in their size.
    #[error("{0}")]
    Size(#[from] ScenarioError),
}

impl Bounds {
    /// Reads a file of bounds.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong, with its line: an unknown or missing key, or a value of the wrong kind.
    pub fn parse(text: &str) -> Result<Self, BoundsError> {
        Ok(toml::from_str(text).map_err(Box::new)?)
    }

    /// Of these runs, one for each of the seeds. `None` without a run.
    pub fn of(scenario: &Scenario, seeds: RangeInclusive<u64>, reports: &[Report]) -> Option<Self> {
        let bound = |figure: &Figure| {
            let goal = Goal::of(figure.name)?;
            let worst = worst(goal, figure.unit, &values(reports, figure.name))?;
            let bound = match goal {
                Goal::High => Bound::Min(worst),
                Goal::Low => Bound::Max(worst),
            };
            Some((figure.name.to_owned(), bound))
        };
        Some(Self {
            scenario: scenario.name.clone(),
            rules: scenario.rules,
            nodes: scenario.hosts.count,
            duration: scenario.time.measured,
            seeds,
            figures: reports.first()?.figures().iter().filter_map(bound).collect(),
        })
    }

    /// The scenario in the size in which the bounds hold.
    ///
    /// # Errors
    ///
    /// If they are of another scenario or other rules, or it cannot be run in that size.
    pub fn fit(&self, scenario: Scenario) -> Result<Scenario, BoundsError> {
        if !self.are_of(&scenario) {
            return Err(BoundsError::Other {
                bounds: self.scenario.clone(),
                rules: self.rules,
                scenario: scenario.name,
                other: scenario.rules,
            });
        }
        Ok(self.size(scenario)?)
    }

    /// Whether they are of this scenario with its rules.
    pub fn are_of(&self, scenario: &Scenario) -> bool {
        (&self.scenario, self.rules) == (&scenario.name, scenario.rules)
    }

    /// Any scenario in the size in which the bounds hold.
    ///
    /// # Errors
    ///
    /// If it cannot be run in that size.
    pub fn size(&self, scenario: Scenario) -> Result<Scenario, ScenarioError> {
        scenario.with_hosts(self.nodes)?.with_measured(self.duration)
    }

    /// Those that do not hold, in the order of their names.
    pub fn check(&self, reports: &[Report]) -> Vec<Exceeded> {
        let exceeded = |(figure, bound): (&String, &Bound)| {
            let mean = mean(&values(reports, figure));
            (!mean.is_some_and(|mean| bound.admits(mean))).then(|| Exceeded {
                scenario: self.scenario.clone(),
                seeds: self.seeds.clone(),
                figure: figure.clone(),
                bound: *bound,
                mean,
            })
        };
        self.figures.iter().filter_map(exceeded).collect()
    }
}

impl Bound {
    /// Whether a value is good enough.
    pub fn admits(self, value: f64) -> bool {
        match self {
            Self::Min(least) => value >= least,
            Self::Max(most) => value <= most,
        }
    }
}

/// As a file, for [`Bounds::parse`].
impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scenario, rules, nodes, duration, seeds, figures } = self;
        writeln!(
            f,
            "# The worst that is accepted of the means over the seeds; docs/simulation.md tells how to renew it."
        )?;
        writeln!(f, "scenario = {scenario:?}\nrules = \"{rules}\"\nnodes = {nodes}")?;
        writeln!(f, "duration = \"{}\"", format_duration(*duration))?;
        writeln!(f, "seeds = \"{}..{}\"\n\n[figures]", seeds.start(), seeds.end())?;
        for (figure, bound) in figures {
            match bound {
                Bound::Min(least) => writeln!(f, "{figure} = {{ min = {least} }}")?,
                Bound::Max(most) => writeln!(f, "{figure} = {{ max = {most} }}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Exceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scenario, seeds, figure, bound, mean } = self;
        write!(f, "{scenario}, mean of seeds {} to {}: {figure} is ", seeds.start(), seeds.end())?;
        match mean {
            Some(mean) => write!(f, "{}", rounded(*mean, f64::round))?,
            None => write!(f, "missing")?,
        }
        match bound {
            Bound::Min(least) => write!(f, ", bound at least {least}"),
            Bound::Max(most) => write!(f, ", bound at most {most}"),
        }
    }
}

/// A figure of the runs that have it.
fn values(reports: &[Report], name: &str) -> Vec<f64> {
    let value = |report: &Report| report.figures().iter().find(|figure| figure.name == name)?.value;
    reports.iter().filter_map(value).collect()
}

fn worst(goal: Goal, unit: Unit, values: &[f64]) -> Option<f64> {
    let value = mean(values)?;
    let interval = Interval::of(values, Confidence::of_percent(CHANCE_PERCENT));
    // both this mean and that of other seeds have it
    let chance = interval.map_or(0.0, |it| (it.high - it.low) / 2.0 * core::f64::consts::SQRT_2);
    Some(match (goal, unit) {
        (Goal::High, Unit::Share) => rounded(value - (1.0 - value) * TOLERANCE - chance, f64::floor),
        (Goal::High, _) => rounded(value * (1.0 - TOLERANCE) - chance, f64::floor),
        (Goal::Low, Unit::Seconds) => rounded(value * (1.0 + TOLERANCE) + LOOK_SECONDS + chance, f64::ceil),
        (Goal::Low, _) => rounded(value * (1.0 + TOLERANCE) + chance, f64::ceil),
    })
}

/// To five digits.
fn rounded(value: f64, round: fn(f64) -> f64) -> f64 {
    let mut scale = 1.0;
    while value != 0.0 && (value * scale).abs() < 1e4 {
        scale *= 10.0;
    }
    round(value * scale) / scale
}

fn rules<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Rules, D::Error> {
    parse_rules(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}

fn seeds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<RangeInclusive<u64>, D::Error> {
    parse_seeds(&String::deserialize(deserializer)?)
        .ok_or_else(|| serde::de::Error::custom("expected seeds such as \"1..3\", both included"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "# The worst that is accepted of the means over the seeds; docs/simulation.md tells how to renew it.
scenario = \"steady\"
rules = \"selvedge\"
nodes = 9
duration = \"1m30s\"
seeds = \"2..4\"

[figures]
cpu_share = { max = 0.0026221 }
delivered_share = { min = 1 }
";

    #[test]
    fn what_is_written_is_read() {
        let bounds = Bounds::parse(TEXT).unwrap();
        assert_eq!(bounds.to_string(), TEXT);
        assert_eq!((bounds.nodes, bounds.duration, bounds.seeds), (9, Duration::from_secs(90), 2..=4));
        assert_eq!(bounds.figures.get("cpu_share"), Some(&Bound::Max(0.002_622_1)));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let told = |from, to| Bounds::parse(&TEXT.replace(from, to)).unwrap_err().to_string();
        for (from, to, line, what) in [
            ("2..4", "4..2", "line 6", "expected seeds"),
            ("selvedge", "nonsense", "line 3", "selvedge"),
            ("{ max", "{ most", "line 9", "most"),
            ("nodes", "knots", "line 4", "knots"),
        ] {
            let text = told(from, to);
            assert!(text.contains(line) && text.contains(what), "{text}");
        }
    }

    #[test]
    fn bounds_leave_a_little_room() {
        let of_one = |goal, unit, value| worst(goal, unit, &[value]).unwrap();
        assert_eq!(of_one(Goal::Low, Unit::Milliseconds, 104.211_1), 109.43);
        assert_eq!(of_one(Goal::Low, Unit::Bytes, 1_234_567.0), 1_296_296.0);
        assert_eq!(of_one(Goal::Low, Unit::Seconds, 0.5), 0.625);
        assert_eq!(of_one(Goal::Low, Unit::Count, 0.0), 0.0);
        assert_eq!(of_one(Goal::High, Unit::Share, 0.9), 0.895);
    }

    #[test]
    fn what_is_left_to_chance_has_more_room() {
        let of = |values: &[f64]| worst(Goal::Low, Unit::Milliseconds, values).unwrap();
        assert_eq!(of(&[100.0, 100.0, 100.0]), 105.0);
        // the mean's own error is 1.1547, and of two means the root of 2 times that; Student's t is 9.9248
        assert_eq!(of(&[98.0, 100.0, 102.0]), 121.21);
    }

    #[test]
    fn what_was_perfect_stays_so() {
        assert_eq!(worst(Goal::High, Unit::Share, &[1.0, 1.0]), Some(1.0));
        assert!(Bound::Min(1.0).admits(1.0) && !Bound::Min(1.0).admits(0.999_999));
    }

    #[test]
    fn a_bound_that_does_not_hold_is_told() {
        let mut exceeded = Exceeded {
            scenario: "steady".to_owned(),
            seeds: 1..=3,
            figure: "cpu_share".to_owned(),
            bound: Bound::Max(0.002),
            mean: Some(0.012_345_678),
        };
        let told = "steady, mean of seeds 1 to 3: cpu_share is 0.012346, bound at most 0.002";
        assert_eq!(exceeded.to_string(), told);
        exceeded.mean = None;
        assert!(exceeded.to_string().ends_with("cpu_share is missing, bound at most 0.002"));
    }
}
