//! Several runs, side by side.

use super::{Advance, Run, run};
use crate::scenario::Scenario;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Runs a scenario with several seeds, `jobs` of them side by side. The runs come in the order of `seeds`.
///
/// # Panics
///
/// If a run does, which is a defect.
pub fn run_seeds(
    scenario: &Scenario,
    seeds: &[u64],
    jobs: usize,
    tell: &(dyn Fn(Advance) + Sync),
) -> Vec<Run> {
    let tasks: Vec<(&Scenario, u64)> = seeds.iter().map(|&seed| (scenario, seed)).collect();
    run_all(&tasks, jobs, tell)
}

/// Runs each of these scenarios with its seed, `jobs` of them side by side. The runs come in the order of `tasks`, and are the
/// same whatever `jobs` is.
///
/// # Panics
///
/// If a run does, which is a defect.
pub fn run_all(tasks: &[(&Scenario, u64)], jobs: usize, tell: &(dyn Fn(Advance) + Sync)) -> Vec<Run> {
    let next = AtomicUsize::new(0);
    let work = || {
        let take = || {
            let place = next.fetch_add(1, Ordering::Relaxed);
            tasks.get(place).map(|task| (place, task))
        };
        let one = |(place, (scenario, seed)): (usize, &(&Scenario, u64))| (place, run(scenario, *seed, tell));
        std::iter::from_fn(take).map(one).collect::<Vec<_>>()
    };
    let mut runs: Vec<(usize, Run)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..jobs.clamp(1, tasks.len().max(1))).map(|_| scope.spawn(work)).collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, Vec<(usize, Run)>>| {
            thread.join().unwrap_or_else(|panic| resume_unwind(panic))
        };
        threads.into_iter().flat_map(join).collect()
    });
    runs.sort_by_key(|(place, _)| *place);
    runs.into_iter().map(|(_, run)| run).collect()
}
