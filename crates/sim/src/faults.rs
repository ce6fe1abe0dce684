//! Faults drawn from a seed: which kinds strike, how often, whom, and for how long.

use crate::scenario::FaultPlan;
use crate::world::{HostId, World};
use core::time::Duration;
use serde::Deserialize;
use std::collections::BTreeMap;

mod network;
#[cfg(test)]
mod tests;

pub use network::network;

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum FaultKind {
    /// A host's process dies, with what its disk had not synced, and comes back later.
    Kill,
    /// As `Kill`, and meanwhile its clock jumps ahead or back; now and then it forgets its incarnations, too.
    ClockJump,
    /// All connections between two hosts are reset.
    Sever,
    /// The network falls apart into two parts.
    Partition,
    /// Nothing gets from one host to another, but back.
    OneWay,
    /// One host is cut off.
    Isolate,
    /// A host reads nothing for a while.
    StallReader,
    /// A host's syncs take long.
    SlowDisk,
    /// A processor is slow.
    SlowProcessor,
    /// Everything to and from a host is late.
    SlowLink,
    /// All links lose frames, which are sent again.
    Lossy,
}

impl FaultKind {
    /// Every kind.
    pub const ALL: [Self; 11] = [
        Self::Kill,
        Self::ClockJump,
        Self::Sever,
        Self::Partition,
        Self::OneWay,
        Self::Isolate,
        Self::StallReader,
        Self::SlowDisk,
        Self::SlowProcessor,
        Self::SlowLink,
        Self::Lossy,
    ];
}

/// How something that struck ends.
#[derive(Clone, Debug)]
enum Ending {
    Start(HostId),
    Repair(Vec<(HostId, HostId)>),
    FastDisk(HostId),
    FastProcessor(usize),
    FastLink(HostId),
    /// As many frames are lost again as before.
    Loss(u32),
}

/// Faults to come, and those that last.
///
/// Call [`strike`](Self::strike) whenever the world has run until [`next_at`](Self::next_at), and [`heal`](Self::heal) when
/// faults are to end.
#[derive(Debug)]
pub struct Faults {
    rng: fastrand::Rng,
    /// Mean time between two faults of a kind.
    pauses: Vec<(FaultKind, Duration)>,
    due: Vec<(Duration, FaultKind)>,
    /// Ends of what struck, by time and order.
    endings: BTreeMap<(Duration, u64), Ending>,
    ending_count: u64,
    struck: BTreeMap<FaultKind, u64>,
    /// Longest time that a fault lasts.
    lasts_max: Duration,
}

impl Faults {
    /// About half of the kinds, each with a mean pause between 3 s and 60 s, beginning now. Equal seeds give equal faults in
    /// equal worlds.
    pub fn draw(seed: u64, world: &World) -> Self {
        Self::draw_from(&FaultPlan::default(), seed, world)
    }

    /// Draws kinds and pauses as planned, beginning now. Equal seeds give equal faults in equal worlds.
    pub fn draw_from(plan: &FaultPlan, seed: u64, world: &World) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed ^ 0x00fa_0175);
        let (least, most) = (plan.pause_min, plan.pause_max);
        let mut pauses = Vec::new();
        for &kind in &plan.kinds {
            let strikes = rng.u32(0..1_000_000) < plan.share.per_million();
            let pause = between(&mut rng, least, most);
            if strikes {
                pauses.push((kind, pause));
            }
        }
        Self { lasts_max: plan.lasts_max, ..Self::new(rng, pauses, world) }
    }

    /// These kinds, each with its mean pause.
    pub fn of(seed: u64, pauses: &[(FaultKind, Duration)], world: &World) -> Self {
        Self::new(fastrand::Rng::with_seed(seed ^ 0x00fa_0175), pauses.to_vec(), world)
    }

    /// The same, where each lasts up to this long; otherwise up to 40 s.
    #[must_use]
    pub fn lasting_up_to(mut self, time: Duration) -> Self {
        self.lasts_max = time;
        self
    }

    fn new(rng: fastrand::Rng, pauses: Vec<(FaultKind, Duration)>, world: &World) -> Self {
        let mut faults = Self {
            rng,
            pauses,
            due: Vec::new(),
            endings: BTreeMap::new(),
            ending_count: 0,
            struck: BTreeMap::new(),
            lasts_max: Duration::from_secs(40),
        };
        for (kind, pause) in faults.pauses.clone() {
            let first = faults.pause_after(world.now(), pause);
            faults.due.push((first, kind));
        }
        faults
    }

    /// Kinds that strike, with their mean pauses.
    pub fn kinds(&self) -> &[(FaultKind, Duration)] {
        &self.pauses
    }

    /// How often each kind struck.
    pub fn struck(&self) -> &BTreeMap<FaultKind, u64> {
        &self.struck
    }

    /// When something strikes or ends next; `None` if nothing does.
    pub fn next_at(&self) -> Option<Duration> {
        let due = self.due.iter().map(|(at, _)| *at).min();
        let ending = self.endings.keys().next().map(|(at, _)| *at);
        due.into_iter().chain(ending).min()
    }

    /// Lets everything strike and end whose time has come.
    pub fn strike(&mut self, world: &mut World) {
        let now = world.now();
        while let Some(entry) = self.endings.first_entry().filter(|entry| entry.key().0 <= now) {
            end(world, entry.remove());
        }
        for place in 0..self.due.len() {
            let Some(&(at, kind)) = self.due.get(place) else { continue };
            if at > now {
                continue;
            }
            self.strike_once(world, kind);
            *self.struck.entry(kind).or_default() += 1;
            let pause =
                self.pauses.iter().find(|(it, _)| *it == kind).map_or(Duration::MAX, |(_, pause)| *pause);
            let next = self.pause_after(now, pause);
            if let Some(due) = self.due.get_mut(place) {
                due.0 = next;
            }
        }
    }

    /// Ends everything that lasts, lets nothing strike any more, and starts a core of hosts: all, or a random majority. All
    /// hosts that read blocks from the orderers are among them; whoever runs goes on.
    pub fn heal(&mut self, world: &mut World) {
        self.due.clear();
        for (_, ending) in core::mem::take(&mut self.endings) {
            if !matches!(ending, Ending::Start(_)) {
                end(world, ending);
            }
        }
        world.heal();
        world.resume_reading();
        let mut down: Vec<HostId> = world.hosts().filter(|&host| !world.runs(host)).collect();
        let sources: Vec<HostId> = world.subscribers().collect();
        self.rng.shuffle(&mut down);
        let host_count = world.hosts().count();
        let wanted = if self.rng.bool() { host_count } else { host_count / 2 + 1 };
        for host in down {
            let running_count = world.hosts().filter(|&host| world.runs(host)).count();
            if running_count < wanted || sources.contains(&host) {
                world.set_clock_error(host, 0);
                world.start(host);
            }
        }
    }

    fn pause_after(&mut self, now: Duration, mean: Duration) -> Duration {
        now + self.between(mean / 2, mean.saturating_mul(3) / 2)
    }

    fn between(&mut self, least: Duration, most: Duration) -> Duration {
        between(&mut self.rng, least, most)
    }

    fn lasting(&mut self) -> Duration {
        self.between(FaultPlan::LASTS_MIN, self.lasts_max)
    }

    fn add_ending(&mut self, at: Duration, ending: Ending) {
        self.ending_count += 1;
        self.endings.insert((at, self.ending_count), ending);
    }

    fn strike_once(&mut self, world: &mut World, kind: FaultKind) {
        let hosts: Vec<HostId> = world.hosts().collect();
        let (Some(host), Some(other)) = (self.choose(&hosts), self.choose(&hosts)) else { return };
        let until = world.now() + self.lasting();
        match kind {
            FaultKind::Kill => self.kill(world, host, until),
            FaultKind::ClockJump => {
                let hour: i64 = 3_600_000_000_000;
                let error = self.rng.i64(-hour..=hour);
                let forgets = self.rng.u8(0..8) == 0;
                self.kill(world, host, until);
                world.set_clock_error(host, error);
                if forgets {
                    world.forget_incarnation(host);
                }
            }
            FaultKind::Sever => world.sever(host, other),
            FaultKind::Partition => {
                let (one, rest): (Vec<HostId>, Vec<HostId>) = hosts.iter().partition(|_| self.rng.bool());
                let links = one.iter().flat_map(|&one| rest.iter().map(move |&other| (one, other)));
                let links: Vec<_> = links.flat_map(|(one, other)| [(one, other), (other, one)]).collect();
                self.cut(world, links, until);
            }
            FaultKind::OneWay => self.cut(world, vec![(host, other)], until),
            FaultKind::Isolate => {
                let others = hosts.iter().filter(|&&other| other != host);
                let links = others.flat_map(|&other| [(host, other), (other, host)]).collect();
                self.cut(world, links, until);
            }
            FaultKind::StallReader => world.stall_reading(host, until - world.now()),
            FaultKind::SlowDisk => {
                let time = self.between(Duration::from_millis(10), Duration::from_secs(3));
                world.set_sync_time(host, Some(time));
                self.add_ending(until, Ending::FastDisk(host));
            }
            FaultKind::SlowProcessor => {
                let processor = world.processor(host);
                world.set_slowness(processor, self.rng.u32(200..=20_000));
                self.add_ending(until, Ending::FastProcessor(processor));
            }
            FaultKind::SlowLink => {
                let delay = self.between(Duration::from_millis(1), Duration::from_secs(1));
                world.set_delay(host, delay);
                self.add_ending(until, Ending::FastLink(host));
            }
            FaultKind::Lossy => {
                let before = world.links().loss_per_million;
                world.set_loss(self.rng.u32(1_000..=200_000));
                let before = self.loss_ends().unwrap_or(before);
                self.add_ending(until, Ending::Loss(before));
            }
        }
    }

    /// Takes back how a loss that lasts would have ended.
    fn loss_ends(&mut self) -> Option<u32> {
        let (&key, _) = self.endings.iter().find(|(_, ending)| matches!(ending, Ending::Loss(_)))?;
        match self.endings.remove(&key) {
            Some(Ending::Loss(before)) => Some(before),
            _ => None,
        }
    }

    fn choose(&mut self, hosts: &[HostId]) -> Option<HostId> {
        hosts.get(self.rng.usize(..hosts.len().max(1))).copied()
    }

    fn kill(&mut self, world: &mut World, host: HostId, until: Duration) {
        if world.runs(host) {
            world.kill(host);
            self.add_ending(until, Ending::Start(host));
        }
    }

    fn cut(&mut self, world: &mut World, links: Vec<(HostId, HostId)>, until: Duration) {
        for &(from, to) in &links {
            world.cut(from, to);
        }
        self.add_ending(until, Ending::Repair(links));
    }
}

fn end(world: &mut World, ending: Ending) {
    match ending {
        Ending::Start(host) => world.start(host),
        Ending::Repair(links) => links.into_iter().for_each(|(from, to)| world.repair(from, to)),
        Ending::FastDisk(host) => world.set_sync_time(host, None),
        Ending::FastProcessor(processor) => world.set_slowness(processor, 100),
        Ending::FastLink(host) => world.set_delay(host, Duration::ZERO),
        Ending::Loss(per_million) => world.set_loss(per_million),
    }
}

fn between(rng: &mut fastrand::Rng, least: Duration, most: Duration) -> Duration {
    let nanos = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(rng.u64(nanos(least)..=nanos(most)))
}

/// A run with faults: how long each phase lasts, and how often a block is cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phases {
    /// How long faults strike.
    pub safety: Duration,
    /// How long nothing is broken afterwards; [`convergence_time`](crate::checkers::convergence_time) is enough.
    pub liveness: Duration,
    /// Time between two blocks, in both phases but for the last quarter of the second.
    pub block_interval: Duration,
    /// Bytes of a block.
    pub block_bytes: usize,
}

impl Phases {
    /// Runs a world through both phases, as long as no rule is broken, and makes the checks for the end. Without checkers
    /// ([`World::set_checkers`]) nothing is noticed. A panic is a broken rule, too.
    pub fn run(&self, world: &mut World, faults: &mut Faults) {
        let run = core::panic::AssertUnwindSafe(|| self.run_unguarded(world, faults));
        if let Err(panic) = std::panic::catch_unwind(run) {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
            world.fail(crate::checkers::Rule::Panic, None, text.to_owned());
        }
    }

    fn run_unguarded(&self, world: &mut World, faults: &mut Faults) {
        let heals_at = world.now() + self.safety;
        let quiet_at = heals_at + self.liveness.mul_f64(0.75);
        let mut block_at = world.now() + self.block_interval;
        self.advance(world, Some(faults), heals_at, &mut block_at);
        if world.failure().is_none() {
            faults.heal(world);
        }
        self.advance(world, None, quiet_at, &mut block_at);
        world.run_until(heals_at + self.liveness);
        if world.failure().is_none() {
            world.check_converged();
        }
    }

    fn advance(
        &self,
        world: &mut World,
        mut faults: Option<&mut Faults>,
        end: Duration,
        block_at: &mut Duration,
    ) {
        while world.failure().is_none() && world.now() < end {
            let fault_at = faults.as_ref().and_then(|faults| faults.next_at()).unwrap_or(Duration::MAX);
            world.run_until(end.min(*block_at).min(fault_at));
            if world.failure().is_some() {
                return;
            }
            if world.now() >= *block_at {
                *block_at += self.block_interval;
                world.cut_block(self.block_bytes, &[]);
            }
            if let Some(faults) = &mut faults {
                faults.strike(world);
            }
        }
    }
}
