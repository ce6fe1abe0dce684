//! Sets the model of Go peers beside what was measured of real ones, as docs/simulation.md shows it:
//!
//!     cargo run --release -p selvedge-sim --example go_peers -- 1..10
//!
//! Each figure of the model is the median over the seeds, in brackets the lowest and the highest.

#![allow(clippy::print_stdout)]

use core::time::Duration;
use selvedge_sim::scenario::{Rate, parse_seeds};
use selvedge_sim::{Report, Scenario, run_seeds};
use std::path::Path;

/// A figure, what was measured, and where the model has it.
type Row = (&'static str, f64, fn(&Report) -> Option<f64>);

fn shipped(name: &str) -> Result<Scenario, Box<dyn std::error::Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios/go");
    Ok(Scenario::parse(&std::fs::read_to_string(folder.join(format!("{name}.toml")))?)?)
}

fn delay(of: fn(selvedge_sim::Delays) -> f64, report: &Report) -> Option<f64> {
    report.blocks.to_peer_ms.map(of)
}

/// For each block and peer, whether it got the block or not, as was measured.
fn of_all(report: &Report, of_delivered: Option<f64>) -> Option<f64> {
    Some(of_delivered? * report.blocks.delivered_share?)
}

fn table(title: &str, scenario: &Scenario, seeds: &[u64], rows: &[Row]) {
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    let runs = run_seeds(scenario, seeds, jobs, &|_| {});
    for (figure, measured, of) in rows {
        let mut values: Vec<f64> = runs.iter().filter_map(|run| of(&run.report)).collect();
        values.sort_by(f64::total_cmp);
        let median = values.get(values.len().saturating_sub(1) / 2);
        let shown = match (values.first(), median, values.last()) {
            (Some(low), Some(median), Some(high)) => {
                format!("{} ({} to {})", short(*median), short(*low), short(*high))
            }
            _ => "-".to_owned(),
        };
        println!("| {title} | {figure} | {} | {shown} |", short(*measured));
    }
}

/// Three digits.
fn short(value: f64) -> String {
    match value {
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}

fn idle(count: usize, cores: f64, kilobytes: f64, full: f64) -> (usize, [Row; 3]) {
    let rows: [Row; 3] = [
        ("idle cores", cores, |report| Some(report.cores_used)),
        ("kB a peer and minute", kilobytes, |report| Some(report.traffic.bytes_per_host_minute / 1e3)),
        ("full channel view, s", full, |report| report.membership.channel_full_after_seconds),
    ];
    (count, rows)
}

/// In the order of the table: delivered per cent, p50, p99, max, copies, bytes over the minimum, CPU.
fn blocks(measured: [f64; 7]) -> [Row; 7] {
    let [delivered, p50, p99, max, copies, bytes, cpu] = measured;
    [
        ("delivered, %", delivered, |report| report.blocks.delivered_share.map(|share| share * 100.0)),
        ("p50, ms", p50, |report| delay(|delays| delays.p50, report)),
        ("p99, ms", p99, |report| delay(|delays| delays.p99, report)),
        ("max, ms", max, |report| delay(|delays| delays.max, report)),
        ("copies a peer", copies, |report| of_all(report, report.blocks.copies_per_peer)),
        ("bytes over the minimum", bytes, |report| of_all(report, report.blocks.bytes_over_minimum)),
        ("CPU ms a delivery", cpu, |report| report.blocks.cpu_ms_per_delivery),
    ]
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let seeds = std::env::args().nth(1).unwrap_or_else(|| "1..10".to_owned());
    let seeds: Vec<u64> = parse_seeds(&seeds).ok_or("seeds such as 1..10")?.collect();
    println!("| | | measured | model |\n|---|---|---|---|");
    let five: [Row; 2] = [
        ("to the last peer, median, ms", 16.2, |report| {
            report.blocks.to_last_peer_ms.map(|delays| delays.p50)
        }),
        ("to the last peer, max, ms", 24.2, |report| report.blocks.to_last_peer_ms.map(|delays| delays.max)),
    ];
    table("5 peers, 1.6 blocks/s", &shipped("five-peers")?.with_hosts(5)?, &seeds, &five);
    let one_process = shipped("one-process")?;
    let idles = [idle(10, 0.074, 316.0, 8.1), idle(25, 0.30, 791.0, 15.2), idle(50, 0.85, 1457.0, 32.7)];
    for (count, rows) in idles {
        let mut scenario = one_process.clone().with_hosts(count)?.with_measured(Duration::from_secs(60))?;
        scenario.blocks.per_second = None;
        table(&format!("{count} peers, idle"), &scenario, &seeds, &rows);
    }
    let rates = [
        (10, 10.0, [97.2, 10.6, 31.0, 2924.0, 2.62, 3.0, 2.9]),
        (10, 200.0, [97.3, 12.7, 39.0, 99.0, 2.64, 3.0, 0.65]),
        (25, 10.0, [95.5, 20.1, 308.0, 3983.0, 2.74, 3.1, 4.0]),
        (25, 200.0, [57.8, 74.0, 234.0, 4771.0, 1.71, 1.8, 1.15]),
        (50, 1.0, [99.7, 596.0, 7439.0, 12_213.0, 2.80, 6.5, 55.0]),
        (50, 10.0, [94.0, 438.0, 1729.0, 4879.0, 2.75, 3.3, 8.0]),
    ];
    for (count, rate, measured) in rates {
        let mut scenario = one_process.clone().with_hosts(count)?;
        scenario.blocks.per_second = Rate::per_second(rate);
        table(&format!("{count} peers, {rate} blocks/s"), &scenario, &seeds, &blocks(measured));
    }
    Ok(())
}
