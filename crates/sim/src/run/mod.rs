//! Runs scenarios.

mod ground;
mod lives;
mod many;
mod measure;
mod timeline;

use crate::report::Report;
use crate::scenario::Scenario;
use crate::world::{HostId, World};
use core::time::Duration;
use lives::Lives;
pub use many::{run_all, run_seeds};
use measure::{Course, Milestones, Tally};
use std::time::Instant;
use timeline::{Step, Timeline};

/// How often it is looked whether all know each other.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// A run of a scenario with one seed.
#[derive(Clone, Debug)]
pub struct Run {
    /// What came of it: always the same for the same scenario, seed and version.
    pub report: Report,
    /// How long it took on this machine.
    pub took: Duration,
}

impl Run {
    /// Frames that peers handled in a second of real time.
    pub fn frames_per_second(&self) -> f64 {
        self.report.frames as f64 / self.took.as_secs_f64().max(1e-9)
    }
}

/// News of a run under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advance {
    /// Which run.
    pub seed: u64,
    /// By how much simulated time it came on since the last news.
    pub by: Duration,
}

/// Runs a scenario with one seed. `tell` hears of every bit of simulated time.
pub fn run(scenario: &Scenario, seed: u64, tell: &dyn Fn(Advance)) -> Run {
    let began = Instant::now();
    let report = Runner::new(scenario, seed, tell).run();
    Run { report, took: began.elapsed() }
}

struct Runner<'a> {
    scenario: &'a Scenario,
    seed: u64,
    tell: &'a dyn Fn(Advance),
    world: World,
    leaders: Vec<HostId>,
    lives: Lives,
    /// Since when nobody started or ended.
    quiet_since: Duration,
    /// Whether all know each other, as far as was looked since then.
    is_full: bool,
    /// Whether all know each other as members of the channel, likewise.
    is_channel_full: bool,
    milestones: Milestones,
}

impl<'a> Runner<'a> {
    fn new(scenario: &'a Scenario, seed: u64, tell: &'a dyn Fn(Advance)) -> Self {
        let world = ground::build(scenario, seed);
        Self {
            scenario,
            seed,
            tell,
            leaders: world.hosts().take(scenario.leader_count()).collect(),
            lives: Lives::new(scenario.hosts.count),
            world,
            quiet_since: Duration::ZERO,
            is_full: false,
            is_channel_full: false,
            milestones: Milestones::default(),
        }
    }

    fn run(mut self) -> Report {
        // not the world's own seed, which draws other things
        let mut rng = fastrand::Rng::with_seed(self.seed ^ 0x7469_6d65_6c69_6e65);
        let timeline = Timeline::new(self.scenario, &mut rng);
        let times = self.scenario.time;
        let mut marks = [times.measured_from(), times.measured_until()].into_iter().peekable();
        for (at, step) in &timeline.steps {
            while let Some(mark) = marks.next_if(|mark| mark <= at) {
                self.advance(mark);
                self.tally(mark);
            }
            self.advance(*at);
            self.step(*step);
        }
        for mark in marks {
            self.advance(mark);
            self.tally(mark);
        }
        self.advance(times.end());
        self.look();
        let Self { scenario, seed, world, lives, milestones, .. } = &self;
        Course { scenario, seed: *seed, world, lives, milestones, timeline: &timeline }.report()
    }

    fn step(&mut self, step: Step) {
        let now = self.world.now();
        match step {
            Step::Start(place) => self.with_host(place, |world, host| world.start(host)),
            Step::Kill(place) => self.with_host(place, |world, host| world.kill(host)),
            Step::Cut { size_bytes } => {
                let leaders = &self.leaders;
                self.world.cut_block(size_bytes, leaders);
                return;
            }
        }
        self.quiet_since = now;
        self.is_full = false;
        self.is_channel_full = false;
    }

    fn with_host(&mut self, place: usize, change: impl FnOnce(&mut World, HostId)) {
        let Some(host) = self.world.hosts().nth(place) else { return };
        change(&mut self.world, host);
        self.lives.note(host, self.world.runs(host), self.world.now());
    }

    fn tally(&mut self, mark: Duration) {
        let tally = Tally::of(&self.world, self.scenario);
        if mark == self.scenario.time.measured_from() {
            self.milestones.begun = tally;
        } else {
            self.milestones.measured = tally;
        }
    }

    /// Lets time pass, and looks now and then.
    fn advance(&mut self, until: Duration) {
        while self.world.now() < until {
            let now = self.world.now();
            let next_look = LOOK_INTERVAL * (now.as_millis() / LOOK_INTERVAL.as_millis() + 1) as u32;
            let next = next_look.min(until);
            self.world.run_until(next);
            (self.tell)(Advance { seed: self.seed, by: next - now });
            if next == next_look && !(self.is_full && self.is_channel_full) {
                self.look();
            }
        }
    }

    /// Looks whether all know each other, and notes when that came to be.
    fn look(&mut self) {
        let known = measure::known(&self.world);
        self.milestones.known = known;
        let at = (self.quiet_since, self.world.now());
        if known.is_full() && !self.is_full {
            self.is_full = true;
            self.milestones.full_at.push(at);
        }
        if known.is_channel_full() && !self.is_channel_full {
            self.is_channel_full = true;
            self.milestones.channel_full_at.push(at);
        }
    }
}
