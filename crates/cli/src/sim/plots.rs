//! Runs as pictures.

mod band;
mod draw;

use crate::failure::Failure;
use band::Band;
use draw::{Picture, Scale};
use selvedge_sim::Run;
use selvedge_sim::curves::{Curves, Point};
use std::path::Path;

/// So many points, seconds in all but very long runs, are taken together where blocks come in rounds.
const ROUND: usize = 5;

/// Runs of one scenario with several seeds.
pub(super) struct Side<'a> {
    /// What they are called where there are two sides.
    pub(super) label: String,
    curves: Vec<&'a Curves>,
}

impl<'a> Side<'a> {
    pub(super) fn new(label: impl Into<String>, runs: impl IntoIterator<Item = &'a Run>) -> Self {
        Self { label: label.into(), curves: runs.into_iter().map(|run| &run.curves).collect() }
    }

    /// A share of each point of each seed, in per cent.
    fn band(&self, value: impl Fn(&Point) -> f64) -> Band {
        Band::of(self.curves.iter().map(|curves| {
            curves.points.iter().map(|point| Some((point.at.as_secs_f64(), 100.0 * value(point))))
        }))
    }

    /// KiB of frames with blocks for each block that became durable at a host, in the seconds up to each point: blocks are
    /// pushed and pulled in rounds.
    fn block_kibibytes(&self) -> Band {
        Band::of(self.curves.iter().map(|curves| {
            let points = &curves.points;
            (1..=points.len()).map(|end| {
                let window = points.get(end.saturating_sub(ROUND)..end)?;
                let bytes: u64 = window.iter().map(|point| point.block_bytes_read).sum();
                let durable: u64 = window.iter().map(|point| point.blocks_durable).sum();
                let at = window.last()?.at.as_secs_f64();
                (durable > 0).then(|| (at, bytes as f64 / durable as f64 / 1024.0))
            })
        }))
    }

    /// Which share of the blocks, in per cent, all have after so many milliseconds: a step for each block of all seeds.
    fn arrivals(&self) -> Vec<(f64, f64)> {
        let all = self.curves.iter().flat_map(|curves| &curves.to_last_peer);
        let mut delays: Vec<f64> = all.map(|delay| delay.as_secs_f64() * 1e3).collect();
        delays.sort_by(f64::total_cmp);
        let whole = delays.len() as f64;
        let share = |count: u32| 100.0 * f64::from(count) / whole;
        (0_u32..)
            .zip(&delays)
            .flat_map(|(count, &delay)| [(delay, share(count)), (delay, share(count + 1))])
            .collect()
    }
}

/// Makes the folder that pictures go into, before the work of which they tell.
pub(super) fn make_folder(folder: Option<&Path>) -> Result<(), Failure> {
    folder.map_or(Ok(()), |folder| std::fs::create_dir_all(folder).map_err(|error| failed(folder, &error)))
}

fn failed(path: &Path, error: &std::io::Error) -> Failure {
    Failure::because(format!("{}: {error}", path.display()))
}

/// Writes a file for each picture there is something for.
pub(super) fn write(folder: &Path, sides: &[Side<'_>]) -> Result<(), Failure> {
    for (name, picture) in pictures(sides) {
        let path = folder.join(name);
        let Some(svg) = picture.svg()? else { continue };
        std::fs::write(&path, svg).map_err(|error| failed(&path, &error))?;
    }
    Ok(())
}

fn pictures(sides: &[Side<'_>]) -> [(&'static str, Picture); 4] {
    let labels = || sides.iter().map(|side| side.label.clone());
    let over_time = |title, y: &'static str, bands| Picture {
        title,
        x: "seconds from the beginning",
        y,
        scale: Scale::Linear,
        bands,
    };
    let arrivals = Picture {
        title: "From the cut of a block to the last peer",
        x: "milliseconds",
        y: "% of the blocks",
        scale: Scale::Logarithmic,
        bands: labels().zip(sides.iter().map(|side| Band::line(side.arrivals()))).collect(),
    };
    let bytes = labels().zip(sides.iter().map(Side::block_kibibytes)).collect();
    let known = labels().zip(sides.iter().map(|side| side.band(|point| point.known_share))).collect();
    let mut cpu = Vec::new();
    for side in sides {
        let named =
            |what: &str| if sides.len() > 1 { format!("{}, {what}", side.label) } else { what.to_owned() };
        cpu.push((named("all"), side.band(|point| point.cpu_share)));
        cpu.push((named("the busiest"), side.band(|point| point.busiest_cpu_share)));
    }
    [
        ("last-peer.svg", arrivals),
        ("block-bytes.svg", over_time("Bytes for a block and peer", "KiB", bytes)),
        ("membership.svg", over_time("Others known as alive", "% of all pairs", known)),
        ("cpu.svg", over_time("Share of the cores used", "%", cpu)),
    ]
}
