//! Comparisons as a table and as CSV.

use crate::sim::format::{ratio, shown, signed};
use selvedge_core::format_duration;
use selvedge_sim::Scenario;
use selvedge_sim::compare::{Change, Comparison, Verdict};
use std::fmt::Write as _;

const LABEL_WIDTH: usize = 37;
const COLUMN_WIDTH: usize = 13;
const INTERVAL_WIDTH: usize = 23;
const RATIO_WIDTH: usize = 9;

/// Names, then a line for each figure. Nothing in it needs quotes.
pub(super) fn csv(comparison: &Comparison) -> String {
    let mut text = "figure,a,b,pairs,difference,low,high,ratio,verdict\n".to_owned();
    for change in &comparison.changes {
        let number = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
        let Change { figure, a, b, pairs, difference, interval, ratio, verdict, .. } = change;
        let (low, high) = (interval.map(|it| it.low), interval.map(|it| it.high));
        let [a, b, difference] = [*a, *b, *difference].map(number);
        let [low, high, ratio] = [low, high, *ratio].map(number);
        let _ = writeln!(
            text,
            "{figure},{a},{b},{pairs},{difference},{low},{high},{ratio},{}",
            word(*verdict, "same", "unclear")
        );
    }
    text
}

/// For people.
pub(super) fn table(comparison: &Comparison, sides: [&Scenario; 2]) -> String {
    let mut text = String::new();
    for (name, side) in ["A", "B"].iter().zip(sides) {
        let (hosts, orgs, times) = (side.hosts.count, side.hosts.orgs, side.time);
        let (measured, all) = (format_duration(times.measured), format_duration(times.end()));
        let _ = writeln!(text, "{name}: {}: {}", side.name, side.description);
        let _ = writeln!(
            text,
            "   {hosts} hosts of {orgs} organisations, rules of {}, measured {measured} of {all}",
            side.rules
        );
    }
    let Comparison { seeds, changes, confidence_percent, .. } = comparison;
    let seed_count = seeds.len();
    let seeds = match (seeds.first(), seeds.last()) {
        (Some(first), Some(last)) if first != last => format!("{seed_count} seeds, {first} to {last}"),
        (first, _) => format!("seed {}", first.copied().unwrap_or_default()),
    };
    let head = ["A".to_owned(), "B".to_owned(), "B - A".to_owned()];
    row(&mut text, &seeds, &head, &format!("{confidence_percent} % interval"), "B / A", "");
    let as_expected = |count: usize| format!("{count} of {seed_count}");
    let [a, b] = [&comparison.a, &comparison.b].map(|party| as_expected(party.as_expected));
    row(&mut text, "ended as expected", &[a, b, String::new()], "", "", "");
    let shown = changes.iter().filter(|change| change.a.is_some() || change.b.is_some());
    for change in shown.clone() {
        figure(&mut text, change);
    }
    for change in shown.filter(|change| change.pairs < seed_count) {
        let _ = writeln!(text, "{}: both have one with {} of {seed_count} seeds", change.label, change.pairs);
    }
    if seed_count == 1 {
        text.push_str("One seed does not tell a difference from chance; try --seeds 1..8\n");
    }
    text
}

fn figure(text: &mut String, change: &Change) {
    let value = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| shown(value, change.unit));
    let (low, high) = (change.interval.map(|it| it.low), change.interval.map(|it| it.high));
    let largest = [change.difference, low, high].into_iter().flatten().map(f64::abs).fold(0.0, f64::max);
    let signed = |value: f64| signed(value, largest, change.unit);
    let (difference, interval) = match (change.verdict, change.difference) {
        (Verdict::Same, _) => ("0".to_owned(), String::new()),
        (_, None) => ("-".to_owned(), String::new()),
        (_, Some(difference)) => {
            let ends = low.zip(high).map(|(low, high)| format!("{} to {}", signed(low).0, signed(high).0));
            let (number, unit) = signed(difference);
            (format!("{number}{unit}"), ends.unwrap_or_default())
        }
    };
    let cells = [value(change.a), value(change.b), difference];
    let ratio = change.ratio.map(ratio).unwrap_or_default();
    row(text, change.label, &cells, &interval, &ratio, word(change.verdict, "", ""));
}

fn word(verdict: Verdict, same: &'static str, unclear: &'static str) -> &'static str {
    match verdict {
        Verdict::Same => same,
        Verdict::Unclear => unclear,
        Verdict::Better => "better",
        Verdict::Worse => "worse",
        Verdict::Differs => "differs",
    }
}

fn row(text: &mut String, label: &str, cells: &[String; 3], interval: &str, ratio: &str, word: &str) {
    let [a, b, difference] = cells;
    let line = format!(
        "{label:<LABEL_WIDTH$}{a:>COLUMN_WIDTH$}{b:>COLUMN_WIDTH$}{difference:>COLUMN_WIDTH$}\
         {interval:>INTERVAL_WIDTH$}{ratio:>RATIO_WIDTH$}  {word}"
    );
    let _ = writeln!(text, "{}", line.trim_end());
}
