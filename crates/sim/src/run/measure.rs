//! What came of a run, from what was seen of its world.

use super::lives::Lives;
use super::timeline::Timeline;
use crate::report::{BlockReport, Broken, Delays, Membership, Report, Traffic};
use crate::scenario::{Cores, Counted, Scenario};
use crate::watch::{Acceptance, BlockHistory};
use crate::world::{HostId, World};
use core::time::Duration;
use selvedge_core::BlockSource;

/// How many of the other running hosts the running ones count as alive, all together.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Known {
    running_count: usize,
    known_count: usize,
    /// Whether each counts exactly as many as there are.
    is_exact: bool,
    /// Whether each knows as many as members of the channel.
    is_channel_exact: bool,
}

impl Known {
    pub(super) fn is_full(&self) -> bool {
        self.is_exact
    }

    pub(super) fn is_channel_full(&self) -> bool {
        self.is_channel_exact
    }
}

/// Looks at every host.
pub(super) fn known(world: &World) -> Known {
    let running_count = world.hosts().filter(|&host| world.runs(host)).count();
    let others = running_count.saturating_sub(1);
    let channel = &world.channel().channel;
    let mut known = Known { running_count, known_count: 0, is_exact: true, is_channel_exact: false };
    let peers = || world.hosts().filter_map(|host| world.peer(host));
    for peer in peers() {
        let alive_count = peer.alive_count();
        known.known_count += alive_count.min(others);
        known.is_exact &= alive_count == others;
    }
    // only worth a look when nearly all is done
    known.is_channel_exact =
        known.is_exact && peers().all(|peer| peer.channel_member_count(channel) >= others);
    known
}

/// Counts at one time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    frames_read: u64,
    bytes_sent: u64,
    verified: u64,
    overflowed: u64,
    blocks_pushed: u64,
    block_bytes_read: u64,
    busy: Duration,
}

impl Tally {
    pub(super) fn of(world: &World, scenario: &Scenario) -> Self {
        let watch = world.watch();
        let processor_count = match scenario.hosts.cores {
            Cores::Each(_) => scenario.hosts.count,
            Cores::Shared(_) => 1,
        };
        Self {
            frames_read: watch.frames_read,
            bytes_sent: watch.bytes_sent,
            verified: watch.verified,
            overflowed: watch.overflowed,
            blocks_pushed: watch.blocks_pushed,
            block_bytes_read: watch.block_bytes_read,
            busy: (0..processor_count).map(|processor| world.busy(processor)).sum(),
        }
    }
}

/// What was noted on the way.
#[derive(Debug, Default)]
pub(super) struct Milestones {
    /// When the measured time began.
    pub(super) begun: Tally,
    /// When it ended.
    pub(super) measured: Tally,
    /// At the last look.
    pub(super) known: Known,
    /// When all knew each other, each after the time since when nobody had started or ended.
    pub(super) full_at: Vec<(Duration, Duration)>,
    /// When all knew each other as members of the channel, likewise.
    pub(super) channel_full_at: Vec<(Duration, Duration)>,
}

impl Milestones {
    /// How long it took after the start or end of a host.
    fn full_after(&self, quiet_since: Duration) -> Option<f64> {
        after(&self.full_at, quiet_since)
    }
}

fn after(times: &[(Duration, Duration)], quiet_since: Duration) -> Option<f64> {
    let (since, at) = times.iter().find(|(since, _)| *since == quiet_since)?;
    Some(at.saturating_sub(*since).as_secs_f64())
}

/// Everything that a run is asked about.
pub(super) struct Course<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) seed: u64,
    pub(super) world: &'a World,
    pub(super) lives: &'a Lives,
    pub(super) milestones: &'a Milestones,
    pub(super) timeline: &'a Timeline,
}

impl Course<'_> {
    pub(super) fn report(&self) -> Report {
        let Self { scenario, milestones, .. } = self;
        let membership = self.membership();
        let blocks = self.blocks();
        let broken = self.broken(&blocks);
        let (begun, measured) = (&milestones.begun, &milestones.measured);
        let time = scenario.time.measured.as_secs_f64();
        let core_count = scenario.hosts.cores.count(scenario.hosts.count);
        let busy = measured.busy.saturating_sub(begun.busy).as_secs_f64();
        Report {
            scenario: scenario.name.clone(),
            rules: scenario.rules,
            seed: self.seed,
            hosts: scenario.hosts.count,
            orgs: scenario.hosts.orgs,
            measured_seconds: time,
            simulated_seconds: self.world.now().as_secs_f64(),
            membership,
            blocks,
            traffic: self.traffic(),
            cpu_share: busy / (time * core_count as f64),
            cores_used: busy / time,
            frames: self.world.watch().frames_read,
            broken,
        }
    }

    fn membership(&self) -> Membership {
        let known = self.milestones.known;
        let pairs = known.running_count * known.running_count.saturating_sub(1);
        let last_start = self.timeline.steps.iter().rev().find_map(|(at, step)| {
            let is_start = matches!(step, super::Step::Start(_)) && *at <= self.scenario.time.start_spread;
            is_start.then_some(*at)
        });
        Membership {
            running: known.running_count,
            known_share: ratio(known.known_count as f64, pairs as f64).unwrap_or(1.0),
            full_after_seconds: last_start.and_then(|at| self.milestones.full_after(at)),
            channel_full_after_seconds: last_start.and_then(|at| after(&self.milestones.channel_full_at, at)),
            full_again_after_seconds: self
                .timeline
                .disturbed_until
                .and_then(|at| self.milestones.full_after(at)),
        }
    }

    fn traffic(&self) -> Traffic {
        let times = self.scenario.time;
        let (begun, measured) = (&self.milestones.begun, &self.milestones.measured);
        let host_seconds = self.lives.total(times.measured_from(), times.measured_until()).as_secs_f64();
        let rate = |count: u64| ratio(count as f64, host_seconds).unwrap_or(0.0);
        Traffic {
            bytes_per_host_minute: 60.0 * rate(measured.bytes_sent - begun.bytes_sent),
            frames_per_host_second: rate(measured.frames_read - begun.frames_read),
            verified_per_host_second: rate(measured.verified - begun.verified),
            overflowed: self.world.watch().overflowed - begun.overflowed,
        }
    }

    fn blocks(&self) -> BlockReport {
        let histories = self.world.watch().blocks();
        let running: Vec<HostId> = self.world.hosts().filter(|&host| self.world.runs(host)).collect();
        let cut_count = histories.len() as u64;
        let receivers = &running[self.scenario.leader_count().min(running.len())..];
        let accepted = |source| histories.iter().map(|history| self.accepted_count(history, source)).sum();
        let (by_all, by_push): (usize, usize) = (accepted(None), accepted(Some(BlockSource::Push)));
        let is_accepting = self.scenario.blocks.counted == Counted::Accepted;
        let delivered_count: u64 = match is_accepting {
            true => by_all as u64,
            false => running
                .iter()
                .map(|&host| self.world.disk(host).height().saturating_sub(1).min(cut_count))
                .sum(),
        };
        let expected_from = if is_accepting { receivers.len() } else { running.len() };
        let (mut to_each, mut to_last) = (Vec::new(), Vec::new());
        for (number, history) in (1..).zip(histories) {
            let before = to_each.len();
            to_each.extend(self.delays(history));
            let is_complete = running
                .iter()
                .filter(|&&host| self.lives.ran(host, cut(history), self.world.now()))
                .all(|&host| self.has(host, number, history));
            let last = to_each.get(before..).and_then(|delays| delays.iter().max());
            to_last.extend(last.filter(|_| is_complete).copied());
        }
        let durable_count: usize = match is_accepting {
            true => by_all,
            false => histories.iter().map(|history| history.delays.len()).sum(),
        };
        let size: u64 = (1..=cut_count).map(|number| self.block_bytes(number)).sum();
        let minimum_bytes = size as f64 / cut_count.max(1) as f64 * by_all as f64;
        let (begun, end) = (&self.milestones.begun, Tally::of(self.world, self.scenario));
        let each = |count: u64| ratio(count as f64, durable_count as f64);
        BlockReport {
            cut: cut_count,
            delivered_share: ratio(delivered_count as f64, (expected_from as u64 * cut_count) as f64),
            to_peer_ms: Delays::of(to_each),
            to_last_peer_ms: Delays::of(to_last),
            copies_per_peer: each(end.blocks_pushed - begun.blocks_pushed),
            bytes_per_peer: each(end.block_bytes_read - begun.block_bytes_read),
            pushed_share: ratio(by_push as f64, (receivers.len() as u64 * cut_count) as f64),
            bytes_over_minimum: ratio((end.bytes_sent - begun.bytes_sent) as f64, minimum_bytes),
            cpu_ms_per_delivery: ratio((end.busy - begun.busy).as_secs_f64() * 1e3, by_all as f64),
        }
    }

    /// How many running hosts that do not receive blocks from the orderers accepted a block, if it came like this.
    fn accepted_count(&self, history: &BlockHistory, source: Option<BlockSource>) -> usize {
        let counts = |it: &&Acceptance| {
            it.host.index() >= self.scenario.leader_count()
                && source.is_none_or(|source| it.source == source)
                && self.world.runs(it.host)
        };
        history.accepted.iter().filter(counts).count()
    }

    fn block_bytes(&self, number: u64) -> u64 {
        let block = usize::try_from(number).ok().and_then(|number| self.world.chain().get(number));
        block.map_or(0, |block| block.len() as u64)
    }

    /// Whether a host has a block, or does not count.
    fn has(&self, host: HostId, number: u64, history: &BlockHistory) -> bool {
        match self.scenario.blocks.counted {
            Counted::Durable => self.world.disk(host).height() > number,
            Counted::Accepted => {
                host.index() < self.scenario.leader_count()
                    || history.accepted.iter().any(|it| it.host == host)
            }
        }
    }

    /// Of the hosts that ran from the cut on.
    fn delays(&self, history: &BlockHistory) -> Vec<Duration> {
        let cut = cut(history);
        let ran = |host: HostId, delay: Duration| self.lives.ran(host, cut, cut + delay);
        let leader_count = self.scenario.leader_count();
        match self.scenario.blocks.counted {
            Counted::Durable => {
                let all = history.hosts.iter().zip(&history.delays);
                all.filter(|(host, delay)| ran(**host, **delay)).map(|(_, delay)| *delay).collect()
            }
            Counted::Accepted => {
                let all = history.accepted.iter().filter(|it| it.host.index() >= leader_count);
                // a host that restarts may accept a block again
                let mut hosts = std::collections::BTreeSet::new();
                all.filter(|it| hosts.insert(it.host) && ran(it.host, it.delay)).map(|it| it.delay).collect()
            }
        }
    }

    fn broken(&self, blocks: &BlockReport) -> Vec<Broken> {
        let expect = self.scenario.expect;
        let is_full = self.milestones.known.is_full();
        let has_all = blocks.delivered_share.is_none_or(|share| share >= 1.0);
        let longest = blocks.to_last_peer_ms.map(|delays| delays.max);
        let too_late = |max: Duration| longest.is_some_and(|longest| longest > max.as_secs_f64() * 1e3);
        let checks = [
            (expect.full_membership && !is_full, Broken::FullMembership),
            (expect.all_blocks && !has_all, Broken::AllBlocks),
            (expect.last_peer_max.is_some_and(too_late), Broken::LastPeerMax),
        ];
        checks.into_iter().filter(|(is_broken, _)| *is_broken).map(|(_, broken)| broken).collect()
    }
}

/// When a block was cut.
fn cut(history: &BlockHistory) -> Duration {
    history.cut.since(selvedge_core::Instant::default())
}

fn ratio(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| part / whole)
}
