//! Reports as a table, as JSON and as CSV.

use super::format::shown;
use crate::failure::Failure;
use selvedge_core::format_duration;
use selvedge_sim::{Figure, Run, Scenario, Unit};
use serde::Serialize;
use std::fmt::Write as _;
use std::time::Duration;

/// More runs than this are summed up.
const COLUMNS_MAX: usize = 5;
const LABEL_WIDTH: usize = 38;
const COLUMN_WIDTH: usize = 12;

/// What did not hold in a run.
pub(super) fn broken(run: &Run) -> Option<String> {
    let names: Vec<String> = run.report.broken.iter().map(ToString::to_string).collect();
    let (scenario, seed) = (&run.report.scenario, run.report.seed);
    (!names.is_empty())
        .then(|| format!("{scenario}, seed {seed}: {} expected, does not hold", names.join(", ")))
}

/// One object a line.
pub(super) fn json(runs: &[Run]) -> Result<String, Failure> {
    #[derive(Serialize)]
    struct Line<'a> {
        #[serde(flatten)]
        report: &'a selvedge_sim::Report,
        took_seconds: f64,
        frames_per_second: f64,
    }
    let mut text = String::new();
    for run in runs {
        let (took_seconds, frames_per_second) = (run.took.as_secs_f64(), run.frames_per_second());
        let line = Line { report: &run.report, took_seconds, frames_per_second };
        let _ = writeln!(text, "{}", serde_json::to_string(&line)?);
    }
    Ok(text)
}

/// Names, then a line for each run. Nothing in it needs quotes.
pub(super) fn csv(runs: &[Run]) -> String {
    let mut text = String::new();
    for (place, run) in runs.iter().enumerate() {
        let report = &run.report;
        let figures = report.figures();
        if place == 0 {
            let names: Vec<&str> = figures.iter().map(|figure| figure.name).collect();
            let _ = writeln!(
                text,
                "scenario,rules,seed,hosts,orgs,{},took_seconds,frames_per_second,broken",
                names.join(",")
            );
        }
        let mut line =
            format!("{},{},{},{},{}", report.scenario, report.rules, report.seed, report.hosts, report.orgs);
        for figure in &figures {
            line.push(',');
            if let Some(value) = figure.value {
                let _ = write!(line, "{value}");
            }
        }
        let broken: Vec<String> = report.broken.iter().map(ToString::to_string).collect();
        let (took, rate) = (run.took.as_secs_f64(), run.frames_per_second());
        let _ = writeln!(text, "{line},{took:.3},{rate:.0},{}", broken.join(" "));
    }
    text
}

/// For people: a row for each figure, a column for each seed, or lowest, median and highest of many.
pub(super) fn table(scenario: &Scenario, runs: &[Run], took: Duration) -> String {
    let mut text = draw(scenario, runs);
    let (wall, simulated) = (took.as_secs_f64(), scenario.time.end().as_secs_f64() * runs.len() as f64);
    let frames: u64 = runs.iter().map(|run| run.report.frames).sum();
    let _ = writeln!(
        text,
        "took {wall:.1} s for {simulated:.0} simulated: {:.1} times real time, {} frames a second",
        simulated / wall,
        shown(frames as f64 / wall, Unit::Count)
    );
    text
}

fn draw(scenario: &Scenario, runs: &[Run]) -> String {
    let mut text = String::new();
    let (hosts, orgs, times) = (scenario.hosts.count, scenario.hosts.orgs, scenario.time);
    let _ = writeln!(text, "{}: {}", scenario.name, scenario.description);
    let _ = writeln!(
        text,
        "{hosts} hosts of {orgs} organisations, rules of {}, measured {} of {}",
        scenario.rules,
        format_duration(times.measured),
        format_duration(times.end())
    );
    let figures: Vec<Vec<Figure>> = runs.iter().map(|run| run.report.figures()).collect();
    let sums_up = runs.len() > COLUMNS_MAX;
    let heads: Vec<String> = match sums_up {
        true => ["lowest", "median", "highest"].map(str::to_owned).to_vec(),
        false => runs.iter().map(|run| format!("seed {}", run.report.seed)).collect(),
    };
    let what = if sums_up { format!("{} seeds", runs.len()) } else { String::new() };
    row(&mut text, &what, &heads);
    for (place, figure) in figures.first().into_iter().flatten().enumerate() {
        let of_runs: Vec<Option<f64>> =
            figures.iter().map(|figures| figures.get(place).and_then(|figure| figure.value)).collect();
        if of_runs.iter().all(Option::is_none) {
            continue;
        }
        let values = if sums_up { summary(of_runs).to_vec() } else { of_runs };
        let cell =
            |value: &Option<f64>| value.map_or_else(|| "-".to_owned(), |value| shown(value, figure.unit));
        row(&mut text, figure.label, &values.iter().map(cell).collect::<Vec<_>>());
    }
    text
}

fn row(text: &mut String, label: &str, cells: &[String]) {
    let mut line = format!("{label:<LABEL_WIDTH$}");
    for cell in cells {
        let _ = write!(line, "{cell:>COLUMN_WIDTH$}");
    }
    let _ = writeln!(text, "{}", line.trim_end());
}

/// Lowest, median and highest of those that there are; the lower one of two medians.
fn summary(values: Vec<Option<f64>>) -> [Option<f64>; 3] {
    let mut values: Vec<f64> = values.into_iter().flatten().collect();
    values.sort_by(f64::total_cmp);
    let median = values.len().saturating_sub(1) / 2;
    [values.first().copied(), values.get(median).copied(), values.last().copied()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_seeds_are_summed_up() {
        assert_eq!(summary(vec![Some(3.0), None, Some(1.0), Some(2.0)]), [Some(1.0), Some(2.0), Some(3.0)]);
        assert_eq!(summary(vec![None]), [None; 3]);
    }
}
