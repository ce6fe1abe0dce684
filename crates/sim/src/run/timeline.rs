//! Everything that a scenario makes happen, in order.

use super::ground::{org_of, site_of};
use crate::scenario::{Apart, Scenario, Share, Way};
use core::time::Duration;
use std::sync::Arc;

/// What is done to a world, hosts by their places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Start(usize),
    Kill(usize),
    Cut {
        size_bytes: usize,
    },
    /// The clock of a host that does not run is off by so much.
    Clock {
        host: usize,
        off_nanos: i64,
        forgets: bool,
    },
    /// Nothing gets from one part to the other.
    Part(Arc<Parts>),
    /// It does again.
    Join(Arc<Parts>),
    /// All links are repaired.
    Heal,
    Sever(usize),
    Stall {
        host: usize,
        time: Duration,
    },
    Slow {
        host: usize,
        slowness: Slowness,
    },
    Fast {
        host: usize,
        slowness: Slowness,
    },
}

/// Parts of the network; nothing gets from the first to the others, and to the first, as far as given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Parts {
    pub(super) groups: Vec<Vec<usize>>,
    /// From a group to those after it.
    pub(super) out: bool,
    /// To a group from those after it.
    pub(super) back: bool,
}

impl Parts {
    /// From which host nothing gets to which.
    pub(super) fn links(&self) -> impl Iterator<Item = (usize, usize)> {
        let pairs = self.groups.iter().enumerate().flat_map(|(place, group)| {
            let others = self.groups.iter().skip(place + 1).flatten();
            others.flat_map(move |&other| group.iter().map(move |&one| (one, other)))
        });
        pairs.flat_map(|(one, other)| {
            let out = self.out.then_some((one, other));
            out.into_iter().chain(self.back.then_some((other, one)))
        })
    }
}

/// In what a host is slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slowness {
    pub(super) cores_percent: Option<u32>,
    pub(super) sync: Option<Duration>,
    pub(super) delay: Option<Duration>,
}

/// When hosts run, as planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Plan {
    Off,
    /// It runs from this time on.
    On(Duration),
    /// It ended at this time.
    Ended(Duration),
}

/// A scenario's steps.
#[derive(Debug)]
pub(super) struct Timeline {
    /// In the order of time; at one time in the order of the scenario.
    pub(super) steps: Vec<(Duration, Step)>,
    /// When the last host has started or ended, start-up apart; `None` if none does.
    pub(super) disturbed_until: Option<Duration>,
}

impl Timeline {
    /// `rng` draws the hosts that something happens to.
    pub(super) fn new(scenario: &Scenario, rng: &mut fastrand::Rng) -> Self {
        let mut planner = Planner {
            scenario,
            plans: vec![Plan::Off; scenario.hosts.count],
            steps: Vec::new(),
            disturbed_until: None,
        };
        planner.start_up();
        planner.cut();
        planner.disturb(rng);
        planner.trouble(rng);
        let Planner { mut steps, disturbed_until, .. } = planner;
        steps.sort_by_key(|(at, _)| *at);
        Self { steps, disturbed_until }
    }
}

struct Planner<'a> {
    scenario: &'a Scenario,
    plans: Vec<Plan>,
    steps: Vec<(Duration, Step)>,
    disturbed_until: Option<Duration>,
}

/// What happens to some hosts.
#[derive(Clone, Copy)]
struct Disturbance {
    at: Duration,
    share: Share,
    spread: Duration,
    what: What,
}

#[derive(Clone, Copy)]
enum What {
    Start,
    Kill,
    Restart { down: Duration },
    Clock { down: Duration, off_nanos: i64, forgets: bool },
    Isolate { lasts: Duration, way: Way },
    Sever,
    Stall { lasts: Duration },
    Slow { lasts: Duration, slowness: Slowness },
}

impl Planner<'_> {
    fn start_up(&mut self) {
        let scenario = self.scenario;
        let count = scenario.started_count();
        for (host, at) in spread(scenario.time.start_spread, count).enumerate() {
            self.start(host, at);
        }
    }

    fn cut(&mut self) {
        let scenario = self.scenario;
        let times = scenario.time;
        let blocks = scenario.blocks;
        if let Some(rate) = blocks.per_second {
            // as a multiple, so that nothing adds up
            let at =
                |number: u32| times.measured_from().saturating_add(rate.interval().saturating_mul(number));
            let all = (0..).map(at).take_while(|at| *at < times.measured_until());
            self.steps.extend(all.map(|at| (at, Step::Cut { size_bytes: blocks.size.bytes() })));
        }
        for burst in &scenario.actions.burst {
            let size_bytes = burst.size.unwrap_or(blocks.size).bytes();
            let begins = times.measured_from() + burst.at;
            let all = spread(burst.spread, burst.count);
            self.steps.extend(all.map(|at| (begins + at, Step::Cut { size_bytes })));
        }
    }

    /// Hosts that start and end.
    fn disturb(&mut self, rng: &mut fastrand::Rng) {
        let actions = &self.scenario.actions;
        let starts = actions.start.iter().map(|it| Disturbance {
            at: it.at,
            share: it.share,
            spread: it.spread,
            what: What::Start,
        });
        let kills = actions.kill.iter().map(|it| Disturbance {
            at: it.at,
            share: it.share,
            spread: it.spread,
            what: What::Kill,
        });
        let restarts = actions.restart.iter().map(|it| {
            let what = What::Restart { down: it.down };
            Disturbance { at: it.at, share: it.share, spread: it.spread, what }
        });
        let clocks = actions.clock.iter().map(|it| {
            let what = What::Clock { down: it.down, off_nanos: it.off.nanos(), forgets: it.forgets };
            Disturbance { at: it.at, share: it.share, spread: it.spread, what }
        });
        let mut all: Vec<Disturbance> = starts.chain(kills).chain(restarts).chain(clocks).collect();
        all.sort_by_key(|disturbance| disturbance.at);
        for disturbance in all {
            self.apply(disturbance, rng);
            self.disturbed_until = self.disturbed_until.max(self.steps.last().map(|(at, _)| *at));
        }
    }

    /// What goes wrong in hosts that run, and between them.
    fn trouble(&mut self, rng: &mut fastrand::Rng) {
        let actions = &self.scenario.actions;
        let from = self.scenario.time.measured_from();
        for it in &actions.partition {
            let parts = Arc::new(self.parts(it.share, it.by, it.way, rng));
            self.steps.push((from + it.at, Step::Part(Arc::clone(&parts))));
            if let Some(lasts) = it.lasts {
                self.steps.push((from + it.at + lasts, Step::Join(parts)));
            }
        }
        let mut all = Vec::new();
        all.extend(actions.isolate.iter().map(|it| {
            let what = What::Isolate { lasts: it.lasts, way: it.way };
            Disturbance { at: it.at, share: it.share, spread: it.spread, what }
        }));
        all.extend(actions.sever.iter().map(|it| Disturbance {
            at: it.at,
            share: it.share,
            spread: it.spread,
            what: What::Sever,
        }));
        all.extend(actions.stall.iter().map(|it| {
            let what = What::Stall { lasts: it.lasts };
            Disturbance { at: it.at, share: it.share, spread: it.spread, what }
        }));
        all.extend(actions.slow.iter().map(|it| {
            let slowness = Slowness {
                cores_percent: it.cores.map(|factor| factor.percent()),
                sync: it.sync,
                delay: it.delay,
            };
            let what = What::Slow { lasts: it.lasts, slowness };
            Disturbance { at: it.at, share: it.share, spread: it.spread, what }
        }));
        for disturbance in all {
            self.apply(disturbance, rng);
        }
        self.steps.extend(actions.heal.iter().map(|it| (from + it.at, Step::Heal)));
    }

    /// What falls apart.
    fn parts(&self, share: Option<Share>, by: Option<Apart>, way: Way, rng: &mut fastrand::Rng) -> Parts {
        let scenario = self.scenario;
        let count = scenario.hosts.count;
        let groups = if let Some(by) = by {
            let place = |host| match by {
                Apart::Orgs => org_of(scenario, host),
                Apart::Sites => site_of(scenario, host),
            };
            let group_count = (0..count).map(place).max().map_or(0, |last| last + 1);
            (0..group_count).map(|group| (0..count).filter(|&host| place(host) == group).collect()).collect()
        } else {
            let mut hosts: Vec<usize> = (scenario.leader_count()..count).collect();
            rng.shuffle(&mut hosts);
            hosts.truncate(share.map_or(0, |share| share.of(count)));
            let rest = (0..count).filter(|host| !hosts.contains(host)).collect();
            vec![hosts, rest]
        };
        Parts { groups, out: way != Way::In, back: way != Way::Out }
    }

    /// Draws hosts and plans what happens to them. A host that is still to start or end is left alone.
    fn apply(&mut self, disturbance: Disturbance, rng: &mut fastrand::Rng) {
        let scenario = self.scenario;
        let leader_count = scenario.leader_count();
        let Disturbance { at, share, spread: within, what } = disturbance;
        let begins = scenario.time.measured_from() + at;
        let fits = |host: usize, plan: Plan| match (what, plan) {
            (What::Start, Plan::Off) => true,
            (What::Start, Plan::Ended(ended)) => ended <= begins,
            (What::Start, _) | (_, Plan::Off | Plan::Ended(_)) => false,
            (What::Kill | What::Restart { .. } | What::Clock { .. }, Plan::On(since)) => {
                host >= leader_count && since <= begins
            }
            // whatever else happens to them meanwhile
            (_, Plan::On(_)) => host >= leader_count,
        };
        let mut hosts: Vec<usize> = self
            .plans
            .iter()
            .enumerate()
            .filter(|(host, plan)| fits(*host, **plan))
            .map(|(host, _)| host)
            .collect();
        rng.shuffle(&mut hosts);
        hosts.truncate(share.of(scenario.hosts.count));
        for (host, later) in hosts.iter().copied().zip(spread(within, hosts.len())) {
            self.plan_one(host, begins + later, what);
        }
    }

    fn plan_one(&mut self, host: usize, at: Duration, what: What) {
        match what {
            What::Start => self.start(host, at),
            What::Kill => self.kill(host, at),
            What::Restart { down } => {
                self.kill(host, at);
                self.start(host, at + down);
            }
            What::Clock { down, off_nanos, forgets } => {
                self.kill(host, at);
                self.steps.push((at, Step::Clock { host, off_nanos, forgets }));
                self.start(host, at + down);
            }
            What::Isolate { lasts, way } => {
                let others = (0..self.scenario.hosts.count).filter(|&other| other != host).collect();
                let groups = vec![vec![host], others];
                let parts = Arc::new(Parts { groups, out: way != Way::In, back: way != Way::Out });
                self.steps.push((at, Step::Part(Arc::clone(&parts))));
                self.steps.push((at + lasts, Step::Join(parts)));
            }
            What::Sever => self.steps.push((at, Step::Sever(host))),
            What::Stall { lasts } => self.steps.push((at, Step::Stall { host, time: lasts })),
            What::Slow { lasts, slowness } => {
                self.steps.push((at, Step::Slow { host, slowness }));
                self.steps.push((at + lasts, Step::Fast { host, slowness }));
            }
        }
    }

    fn start(&mut self, host: usize, at: Duration) {
        self.plan(host, Plan::On(at));
        self.steps.push((at, Step::Start(host)));
    }

    fn kill(&mut self, host: usize, at: Duration) {
        self.plan(host, Plan::Ended(at));
        self.steps.push((at, Step::Kill(host)));
    }

    fn plan(&mut self, host: usize, plan: Plan) {
        if let Some(place) = self.plans.get_mut(host) {
            *place = plan;
        }
    }
}

/// So many moments within a time: the first at its beginning, the last before its end.
fn spread(within: Duration, count: usize) -> impl Iterator<Item = Duration> {
    let nanos = within.as_nanos();
    // at most what `within` has, which fits
    (0..count).map(move |place| Duration::from_nanos((nanos * place as u128 / count as u128) as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timeline(actions: &str) -> Timeline {
        let text = format!(
            "name = 'test'\nhosts = {{ per_org = 10, started = 0.5 }}\ntime = {{ start_spread = '5s', settle = '5s', measured = '10s' }}\n{actions}"
        );
        let scenario = Scenario::parse(&text).unwrap();
        Timeline::new(&scenario, &mut fastrand::Rng::with_seed(1))
    }

    fn hosts(timeline: &Timeline, step: fn(usize) -> Step) -> Vec<(u64, usize)> {
        let of = |host| {
            timeline
                .steps
                .iter()
                .filter(move |(_, it)| *it == step(host))
                .map(move |(at, _)| (at.as_secs(), host))
        };
        (0..10).flat_map(of).collect()
    }

    #[test]
    fn hosts_start_one_after_the_other() {
        let timeline = timeline("");
        assert_eq!(hosts(&timeline, Step::Start), [(0, 0), (1, 1), (2, 2), (3, 3), (4, 4)]);
        assert_eq!(timeline.disturbed_until, None);
    }

    #[test]
    fn those_that_did_not_start_join() {
        let timeline = timeline("[[actions.start]]\nat = '2s'\nshare = 0.5\nspread = '5s'");
        let mut joined: Vec<_> =
            hosts(&timeline, Step::Start).into_iter().filter(|(at, _)| *at >= 10).collect();
        joined.sort_unstable();
        assert_eq!(joined.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [12, 13, 14, 15, 16]);
        assert!(joined.iter().all(|(_, host)| *host >= 5));
        assert_eq!(timeline.disturbed_until, Some(Duration::from_secs(16)));
    }

    #[test]
    fn leaders_stay_and_nothing_happens_twice_to_a_host_at_a_time() {
        let timeline = timeline(
            "[[actions.restart]]\nat = '1s'\nshare = 0.2\ndown = '4s'\n[[actions.kill]]\nat = '2s'\nshare = 1.0",
        );
        let mut killed = hosts(&timeline, Step::Kill);
        killed.sort_unstable_by_key(|(_, host)| *host);
        assert_eq!(killed.iter().map(|(_, host)| *host).collect::<Vec<_>>(), [1, 2, 3, 4]);
        assert_eq!(killed.iter().filter(|(at, _)| *at == 11).count(), 2);
        assert_eq!(timeline.disturbed_until, Some(Duration::from_secs(15)));
    }

    #[test]
    fn blocks_come_at_their_rate_and_in_bursts() {
        let timeline =
            timeline("blocks = { per_second = 2 }\n[[actions.burst]]\nat = '3s'\ncount = 7\nsize = '1B'");
        let cuts =
            |size| timeline.steps.iter().filter(|(_, step)| *step == Step::Cut { size_bytes: size }).count();
        assert_eq!((cuts(16 << 10), cuts(1)), (20, 7));
        assert!(timeline.steps.is_sorted_by_key(|(at, _)| *at));
    }

    #[test]
    fn parts_are_cut_and_joined() {
        let timeline = timeline(
            "[[actions.partition]]\nat = '1s'\nlasts = '4s'\nshare = 0.3\nway = 'out'\n[[actions.heal]]\nat = '2s'",
        );
        let at = |wanted: fn(&Step) -> bool| {
            timeline.steps.iter().find(|(_, step)| wanted(step)).map(|(at, _)| at.as_secs())
        };
        assert_eq!(at(|step| matches!(step, Step::Part(_))), Some(11));
        assert_eq!(at(|step| matches!(step, Step::Heal)), Some(12));
        assert_eq!(at(|step| matches!(step, Step::Join(_))), Some(15));
        let Some((_, Step::Part(parts))) =
            timeline.steps.iter().find(|(_, step)| matches!(step, Step::Part(_)))
        else {
            panic!("nothing is cut");
        };
        let links: Vec<_> = parts.links().collect();
        assert_eq!(links.len(), 3 * 7);
        assert!(
            links.iter().all(|(from, to)| *from > 0
                && parts.groups[0].contains(from)
                && parts.groups[1].contains(to))
        );
    }

    #[test]
    fn organisations_fall_apart() {
        let text = "name = 'test'\nhosts = { orgs = 3, per_org = 2 }\ntime = { measured = '10s' }\n[[actions.partition]]\nat = '1s'\nby = 'orgs'";
        let timeline = Timeline::new(&Scenario::parse(text).unwrap(), &mut fastrand::Rng::with_seed(1));
        let parts = timeline.steps.iter().find_map(|(_, step)| match step {
            Step::Part(parts) => Some(parts),
            _ => None,
        });
        let parts = parts.expect("something is cut");
        assert_eq!(parts.groups, [[0, 3], [1, 4], [2, 5]]);
        assert_eq!(parts.links().count(), 2 * 12);
    }

    #[test]
    fn what_is_slow_becomes_fast_again() {
        let timeline = timeline("[[actions.slow]]\nat = '1s'\nshare = 0.2\nlasts = '3s'\ndelay = '50ms'");
        let count = |wanted: fn(&Step) -> bool, at| {
            timeline.steps.iter().filter(|(it, step)| it.as_secs() == at && wanted(step)).count()
        };
        assert_eq!(count(|step| matches!(step, Step::Slow { .. }), 11), 2);
        assert_eq!(count(|step| matches!(step, Step::Fast { .. }), 14), 2);
        assert_eq!(timeline.disturbed_until, None);
    }
}
