//! Runs scenarios.

mod ground;
mod lives;
mod many;
mod measure;
mod sampler;
mod timeline;
mod watched;

use crate::checkers::{Checkers, Failure};
use crate::curves::Curves;
use crate::faults::Faults;
use crate::report::Report;
use crate::scenario::Scenario;
use crate::world::{HostId, World};
use core::time::Duration;
use lives::Lives;
pub use many::{run_all, run_seeds};
use measure::{Course, Milestones, Tally};
use sampler::Sampler;
use std::io::Write;
use std::sync::Arc;
use std::time::Instant;
use timeline::{Parts, Slowness, Step, Timeline};

/// How often it is looked whether all know each other.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// A run of a scenario with one seed.
#[derive(Clone, Debug)]
pub struct Run {
    /// What came of it: always the same for the same scenario, seed and version.
    pub report: Report,
    /// How it went over time, likewise.
    pub curves: Curves,
    /// The rule that was broken, if checkers watched; it ended the run.
    pub failure: Option<Failure>,
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
    run_traced(scenario, seed, None, tell)
}

/// As [`run`], and writes every transition to `trace`, one line each. What the writer refuses is lost.
pub fn run_traced(
    scenario: &Scenario,
    seed: u64,
    trace: Option<Box<dyn Write + Send>>,
    tell: &dyn Fn(Advance),
) -> Run {
    let began = Instant::now();
    let mut runner = Runner::new(scenario, seed, tell);
    if scenario.is_checked() {
        runner.world.set_checkers(Checkers::all());
    }
    if let Some(trace) = trace {
        runner.world.write_trace(trace);
    }
    runner.run();
    let (report, curves) = runner.results();
    Run { report, curves, failure: runner.world.failure().cloned(), took: began.elapsed() }
}

struct Runner<'a> {
    scenario: &'a Scenario,
    seed: u64,
    tell: &'a dyn Fn(Advance),
    world: World,
    leaders: Vec<HostId>,
    timeline: Arc<Timeline>,
    /// While faults strike.
    faults: Option<Faults>,
    lives: Lives,
    /// Since when nobody started or ended.
    quiet_since: Duration,
    /// Since when nothing is disturbed in any way.
    healed_at: Duration,
    /// Whether all know each other, as far as was looked since then.
    is_full: bool,
    /// Whether all know each other as members of the channel, likewise.
    is_channel_full: bool,
    milestones: Milestones,
    sampler: Sampler,
}

impl<'a> Runner<'a> {
    fn new(scenario: &'a Scenario, seed: u64, tell: &'a dyn Fn(Advance)) -> Self {
        // not the world's own seed, which draws other things
        let mut rng = fastrand::Rng::with_seed(seed ^ 0x7469_6d65_6c69_6e65);
        let timeline = Arc::new(Timeline::new(scenario, &mut rng));
        let mut world = ground::build(scenario, seed);
        ground::corrupt(scenario, seed, &mut world);
        let leaders: Vec<HostId> = world.hosts().take(scenario.leader_count()).collect();
        if scenario.faults.is_some() {
            // leaders may miss a block while they are away
            leaders.iter().for_each(|&leader| world.subscribe(leader, true));
        }
        Self {
            scenario,
            seed,
            tell,
            leaders,
            timeline,
            faults: None,
            lives: Lives::new(scenario.hosts.count),
            world,
            quiet_since: Duration::ZERO,
            healed_at: Duration::ZERO,
            is_full: false,
            is_channel_full: false,
            milestones: Milestones::default(),
            sampler: Sampler::new(scenario),
        }
    }

    fn run(&mut self) {
        if self.scenario.is_checked() {
            self.run_watched();
        } else {
            self.run_to_end();
        }
    }

    fn run_to_end(&mut self) {
        let times = self.scenario.time;
        let mut marks = [times.measured_from(), times.measured_until()].into_iter().peekable();
        let timeline = Arc::clone(&self.timeline);
        for (at, step) in &timeline.steps {
            while let Some(mark) = marks.next_if(|mark| mark <= at) {
                self.advance(mark);
                self.pass(mark);
            }
            self.advance(*at);
            self.step(step);
        }
        for mark in marks {
            self.advance(mark);
            self.pass(mark);
        }
        self.advance(times.end());
        self.look();
    }

    fn results(&self) -> (Report, Curves) {
        let Self { scenario, seed, world, lives, milestones, timeline, .. } = self;
        let course = Course { scenario, seed: *seed, world, lives, milestones, timeline };
        let curves = Curves { to_last_peer: course.to_last_peer(), points: self.sampler.points().to_vec() };
        (course.report(), curves)
    }

    fn step(&mut self, step: &Step) {
        if self.world.failure().is_some() {
            return;
        }
        self.healed_at = self.world.now();
        match *step {
            Step::Start(place) => self.with_host(place, |world, host| world.start(host)),
            Step::Kill(place) => self.with_host(place, |world, host| world.kill(host)),
            Step::Cut { size_bytes } => {
                // those who subscribe read it themselves
                let leaders = if self.scenario.faults.is_some() { &[][..] } else { &self.leaders };
                self.world.cut_block(size_bytes, leaders);
            }
            Step::Clock { host, off_nanos, forgets } => self.with_host(host, |world, host| {
                world.set_clock_error(host, off_nanos);
                if forgets {
                    world.forget_incarnation(host);
                }
            }),
            Step::Part(ref parts) => self.with_links(parts, World::cut),
            Step::Join(ref parts) => self.with_links(parts, World::repair),
            Step::Heal => self.world.heal(),
            Step::Sever(place) => self.with_host(place, World::sever_all),
            Step::Stall { host, time } => self.with_host(host, |world, host| world.stall_reading(host, time)),
            Step::Slow { host, slowness } => {
                self.with_host(host, |world, host| set_slowness(world, host, slowness, true));
            }
            Step::Fast { host, slowness } => {
                self.with_host(host, |world, host| set_slowness(world, host, slowness, false));
            }
        }
    }

    fn with_links(&mut self, parts: &Parts, change: impl Fn(&mut World, HostId, HostId)) {
        let host = |place: usize| HostId::from_index(u32::try_from(place).unwrap_or(u32::MAX));
        parts.links().for_each(|(from, to)| change(&mut self.world, host(from), host(to)));
    }

    fn with_host(&mut self, place: usize, change: impl FnOnce(&mut World, HostId)) {
        let Some(host) = self.world.hosts().nth(place) else { return };
        let ran = self.world.runs(host);
        change(&mut self.world, host);
        if self.world.runs(host) != ran {
            self.note_life(host);
        }
    }

    /// A host started or ended.
    fn note_life(&mut self, host: HostId) {
        let now = self.world.now();
        self.lives.note(host, self.world.runs(host), now);
        self.quiet_since = now;
        self.is_full = false;
        self.is_channel_full = false;
    }

    /// The measured time begins, or ends.
    fn pass(&mut self, mark: Duration) {
        let tally = Tally::of(&self.world, self.scenario);
        let plan = self.scenario.faults.as_ref();
        if mark == self.scenario.time.measured_from() {
            self.milestones.begun = tally;
            self.faults = plan.map(|plan| Faults::draw_from(plan, self.seed, &self.world));
        } else {
            self.milestones.measured = tally;
            self.heal();
        }
    }

    /// Lets time pass, lets faults strike, and looks now and then.
    fn advance(&mut self, until: Duration) {
        while self.world.now() < until && self.world.failure().is_none() {
            let now = self.world.now();
            let next_look = LOOK_INTERVAL * (now.as_millis() / LOOK_INTERVAL.as_millis() + 1) as u32;
            let fault_at = self.faults.as_ref().and_then(Faults::next_at).unwrap_or(Duration::MAX);
            let next = next_look.min(until).min(fault_at.max(now));
            self.world.run_until(next);
            (self.tell)(Advance { seed: self.seed, by: next - now });
            if next >= fault_at {
                self.with_faults(Faults::strike);
            }
            let must_look = !(self.is_full && self.is_channel_full) || self.sampler.is_due(next);
            if next == next_look && must_look {
                self.look();
            }
        }
    }

    /// Looks whether all know each other, and notes when that came to be.
    fn look(&mut self) {
        let known = measure::known(&self.world);
        self.milestones.known = known;
        if self.sampler.is_due(self.world.now()) {
            self.sampler.take(&self.world, known);
        }
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

fn set_slowness(world: &mut World, host: HostId, slowness: Slowness, is_slow: bool) {
    if let Some(percent) = slowness.cores_percent {
        world.set_slowness(world.processor(host), if is_slow { percent } else { 100 });
    }
    if slowness.sync.is_some() {
        world.set_sync_time(host, slowness.sync.filter(|_| is_slow));
    }
    if let Some(delay) = slowness.delay {
        world.set_delay(host, if is_slow { delay } else { Duration::ZERO });
    }
}
