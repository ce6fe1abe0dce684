//! Two scenarios, or two sets of rules in one, run with the same seeds and set against each other.
//!
//! A seed fixes everything left to chance, so what differs between two runs with one seed is what the scenarios differ in. A
//! [`Comparison`] looks at these differences, seed by seed: their mean, and how far chance may have moved it.

mod goal;
mod interval;

pub use goal::Goal;
pub use interval::{Confidence, Interval};

use crate::report::{Figure, Report, Unit};
use crate::scenario::Rules;
pub(crate) use interval::mean;
use serde::Serialize;

/// Reports of `a` and of `b`, pair by pair.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// What is compared with.
    pub a: Party,
    /// What is compared.
    pub b: Party,
    /// The seeds, the same for both.
    pub seeds: Vec<u64>,
    /// What the intervals were made for, in per cent.
    pub confidence_percent: f64,
    /// A row for each figure, in the order of [`Report::figures`].
    pub changes: Vec<Change>,
}

/// One side of a comparison.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Party {
    /// Name of the scenario.
    pub scenario: String,
    /// What the peers followed.
    pub rules: Rules,
    /// Hosts in all.
    pub hosts: usize,
    /// Organisations.
    pub orgs: usize,
    /// Length of the measured time.
    pub measured_seconds: f64,
    /// How many of the runs ended as the scenario expects.
    pub as_expected: usize,
}

/// What became of a figure from `a` to `b`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// Name for machines.
    pub figure: &'static str,
    /// Name for people.
    #[serde(skip)]
    pub label: &'static str,
    /// What it counts.
    #[serde(skip)]
    pub unit: Unit,
    /// Mean of `a`, over the seeds where both have a value; where there is none, over those where `a` has one.
    pub a: Option<f64>,
    /// The same of `b`.
    pub b: Option<f64>,
    /// Seeds where both have a value.
    pub pairs: usize,
    /// Mean of `b` less `a`.
    pub difference: Option<f64>,
    /// Where the true difference lies, with the given confidence; `None` below two pairs.
    pub interval: Option<Interval>,
    /// `b` as a multiple of `a`, of their means; `None` if `a` is zero.
    pub ratio: Option<f64>,
    /// What that means.
    pub verdict: Verdict,
}

/// What a change means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// No seed shows a difference.
    Same,
    /// The interval includes no change, or there is none.
    Unclear,
    /// The interval excludes no change, in the direction that is wanted.
    Better,
    /// The interval excludes no change, in the other direction.
    Worse,
    /// The interval excludes no change; neither direction is better.
    Differs,
}

impl Comparison {
    /// Of reports with the same seeds in the same order; what has no counterpart is left out.
    pub fn of(a: &[Report], b: &[Report], confidence: Confidence) -> Option<Self> {
        let pairs: Vec<(&Report, &Report)> =
            a.iter().filter_map(|a| Some((a, b.iter().find(|b| b.seed == a.seed)?))).collect();
        let (first_a, first_b) = pairs.first()?;
        let figures: Vec<(Vec<Figure>, Vec<Figure>)> =
            pairs.iter().map(|(a, b)| (a.figures(), b.figures())).collect();
        let change = |figure: &Figure| {
            let of = |figures: &[Figure]| figures.iter().find(|it| it.name == figure.name)?.value;
            let values: Vec<_> = figures.iter().map(|(a, b)| (of(a), of(b))).collect();
            Change::of(figure, &values, confidence)
        };
        let as_expected = |reports: &[&Report]| reports.iter().filter(|it| it.broken.is_empty()).count();
        let (of_a, of_b): (Vec<&Report>, Vec<&Report>) = pairs.iter().copied().unzip();
        Some(Self {
            a: Party::of(first_a, as_expected(&of_a)),
            b: Party::of(first_b, as_expected(&of_b)),
            seeds: pairs.iter().map(|(a, _)| a.seed).collect(),
            confidence_percent: confidence.percent(),
            changes: first_a.figures().iter().map(change).collect(),
        })
    }
}

impl Party {
    fn of(report: &Report, as_expected: usize) -> Self {
        let Report { rules, hosts, orgs, measured_seconds, .. } = *report;
        Self { scenario: report.scenario.clone(), rules, hosts, orgs, measured_seconds, as_expected }
    }
}

impl Change {
    fn of(figure: &Figure, values: &[(Option<f64>, Option<f64>)], confidence: Confidence) -> Self {
        let pairs: Vec<(f64, f64)> = values.iter().filter_map(|(a, b)| Some(((*a)?, (*b)?))).collect();
        let of_pairs = |side: fn(&(f64, f64)) -> f64| mean(&pairs.iter().map(side).collect::<Vec<_>>());
        let all_a = || mean(&values.iter().filter_map(|(a, _)| *a).collect::<Vec<_>>());
        let all_b = || mean(&values.iter().filter_map(|(_, b)| *b).collect::<Vec<_>>());
        let a = of_pairs(|(a, _)| *a).or_else(all_a);
        let b = of_pairs(|(_, b)| *b).or_else(all_b);
        let differences: Vec<f64> = pairs.iter().map(|(a, b)| b - a).collect();
        let interval = Interval::of(&differences, confidence);
        Self {
            figure: figure.name,
            label: figure.label,
            unit: figure.unit,
            a,
            b,
            pairs: pairs.len(),
            difference: mean(&differences),
            interval,
            ratio: a.zip(b).filter(|(a, _)| *a != 0.0 && !pairs.is_empty()).map(|(a, b)| b / a),
            verdict: verdict(Goal::of(figure.name), &differences, interval),
        }
    }
}

fn verdict(goal: Option<Goal>, differences: &[f64], interval: Option<Interval>) -> Verdict {
    if !differences.is_empty() && differences.iter().all(|difference| *difference == 0.0) {
        return Verdict::Same;
    }
    let Some(interval) = interval.filter(|interval| !interval.includes(0.0)) else { return Verdict::Unclear };
    match (goal, interval.low > 0.0) {
        (None, _) => Verdict::Differs,
        (Some(Goal::High), true) | (Some(Goal::Low), false) => Verdict::Better,
        (Some(Goal::High), false) | (Some(Goal::Low), true) => Verdict::Worse,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(name: &'static str, values: &[(Option<f64>, Option<f64>)]) -> Change {
        let figure = Figure { name, label: "a label", unit: Unit::Count, value: None };
        Change::of(&figure, values, Confidence::default())
    }

    fn of_pairs(name: &'static str, values: &[(f64, f64)]) -> Change {
        change(name, &values.iter().map(|(a, b)| (Some(*a), Some(*b))).collect::<Vec<_>>())
    }

    #[test]
    fn a_change_is_the_mean_of_the_differences() {
        let change = of_pairs("cpu_share", &[(1.0, 3.0), (2.0, 4.0), (6.0, 8.0)]);
        assert_eq!((change.a, change.b, change.difference), (Some(3.0), Some(5.0), Some(2.0)));
        assert_eq!(change.interval, Some(Interval { low: 2.0, high: 2.0 }));
        assert_eq!(change.ratio, Some(5.0 / 3.0));
        assert_eq!((change.pairs, change.verdict), (3, Verdict::Worse));
    }

    #[test]
    fn the_wanted_direction_decides() {
        let more = [(1.0, 2.0), (1.0, 2.1), (1.0, 2.2)];
        assert_eq!(of_pairs("peer_p50_ms", &more).verdict, Verdict::Worse);
        assert_eq!(of_pairs("delivered_share", &more).verdict, Verdict::Better);
        assert_eq!(of_pairs("blocks", &more).verdict, Verdict::Differs);
        let less = more.map(|(a, b)| (b, a));
        assert_eq!(of_pairs("peer_p50_ms", &less).verdict, Verdict::Better);
        assert_eq!(of_pairs("delivered_share", &less).verdict, Verdict::Worse);
    }

    #[test]
    fn chance_is_no_change() {
        assert_eq!(of_pairs("peer_p50_ms", &[(1.0, 2.0), (2.0, 1.5), (3.0, 3.1)]).verdict, Verdict::Unclear);
        assert_eq!(of_pairs("peer_p50_ms", &[(1.0, 1.0), (2.0, 2.0)]).verdict, Verdict::Same);
    }

    #[test]
    fn one_seed_says_nothing_of_chance() {
        let change = of_pairs("peer_p50_ms", &[(1.0, 2.0)]);
        assert_eq!((change.difference, change.interval, change.verdict), (Some(1.0), None, Verdict::Unclear));
    }

    #[test]
    fn only_pairs_are_compared() {
        let values = [(Some(1.0), Some(3.0)), (Some(100.0), None), (None, Some(100.0)), (None, None)];
        let partly = change("peer_p50_ms", &values);
        assert_eq!((partly.a, partly.b, partly.pairs), (Some(1.0), Some(3.0), 1));
        let never = change("peer_p50_ms", &[(Some(1.0), None), (Some(3.0), None)]);
        assert_eq!((never.a, never.b, never.difference, never.ratio), (Some(2.0), None, None, None));
        assert_eq!((never.pairs, never.verdict), (0, Verdict::Unclear));
    }

    #[test]
    fn nothing_is_a_multiple_of_zero() {
        assert_eq!(of_pairs("overflowed", &[(0.0, 5.0), (0.0, 6.0)]).ratio, None);
    }
}
