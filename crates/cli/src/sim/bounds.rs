//! Bounds of figures, in files.

use crate::failure::Failure;
use selvedge_sim::bounds::Bounds;
use selvedge_sim::{Report, Scenario};
use std::path::Path;

/// Reads a file of bounds.
pub(super) fn read(path: &Path) -> Result<Bounds, Failure> {
    let shown = path.display();
    let text =
        std::fs::read_to_string(path).map_err(|error| Failure::because(format!("{shown}: {error}")))?;
    Bounds::parse(&text).map_err(|error| Failure::because(format!("{shown}: {error}")))
}

/// Tells what does not hold, on standard error; that all hold only to those who read the table.
pub(super) fn check(bounds: &Bounds, path: &Path, reports: &[Report], is_told: bool) -> Result<(), Failure> {
    let exceeded = bounds.check(reports);
    if exceeded.is_empty() {
        if is_told {
            super::common::print(&format!(
                "all {} bounds of {} hold\n",
                bounds.figures.len(),
                path.display()
            ))?;
        }
        return Ok(());
    }
    for bound in exceeded {
        eprintln!("error: {bound}");
    }
    Err(Failure::Told)
}

/// Writes bounds that these runs keep.
pub(super) fn write(
    path: &Path,
    scenario: &Scenario,
    seeds: &[u64],
    reports: &[Report],
) -> Result<(), Failure> {
    let (Some(first), Some(last)) = (seeds.first(), seeds.last()) else { return Ok(()) };
    let Some(bounds) = Bounds::of(scenario, *first..=*last, reports) else { return Ok(()) };
    std::fs::write(path, bounds.to_string())
        .map_err(|error| Failure::because(format!("{}: {error}", path.display())))
}
