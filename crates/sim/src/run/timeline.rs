//! Everything that a scenario makes happen, in order.

use crate::scenario::{Scenario, Share};
use core::time::Duration;

/// What is done to a world, hosts by their places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Start(usize),
    Kill(usize),
    Cut { size_bytes: usize },
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
            plans: vec![Plan::Off; scenario.hosts.count],
            leader_count: scenario.leader_count(),
            steps: Vec::new(),
            disturbed_until: None,
        };
        planner.start_up(scenario);
        planner.cut(scenario);
        planner.disturb(scenario, rng);
        let Planner { mut steps, disturbed_until, .. } = planner;
        steps.sort_by_key(|(at, _)| *at);
        Self { steps, disturbed_until }
    }
}

struct Planner {
    plans: Vec<Plan>,
    leader_count: usize,
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
}

impl Planner {
    fn start_up(&mut self, scenario: &Scenario) {
        let count = scenario.started_count();
        for (host, at) in spread(scenario.time.start_spread, count).enumerate() {
            self.start(host, at);
        }
    }

    fn cut(&mut self, scenario: &Scenario) {
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

    fn disturb(&mut self, scenario: &Scenario, rng: &mut fastrand::Rng) {
        let actions = &scenario.actions;
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
        let mut all: Vec<Disturbance> = starts.chain(kills).chain(restarts).collect();
        all.sort_by_key(|disturbance| disturbance.at);
        for disturbance in all {
            self.apply(scenario, disturbance, rng);
        }
    }

    /// Draws hosts and plans what happens to them. A host that something is still to happen to is left alone.
    fn apply(&mut self, scenario: &Scenario, disturbance: Disturbance, rng: &mut fastrand::Rng) {
        let Disturbance { at, share, spread: within, what } = disturbance;
        let begins = scenario.time.measured_from() + at;
        let fits = |host: usize, plan: Plan| match (what, plan) {
            (What::Start, Plan::Off) => true,
            (What::Start, Plan::Ended(ended)) => ended <= begins,
            (What::Kill | What::Restart { .. }, Plan::On(since)) => {
                host >= self.leader_count && since <= begins
            }
            _ => false,
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
            let at = begins + later;
            match what {
                What::Start => self.start(host, at),
                What::Kill => self.kill(host, at),
                What::Restart { down } => {
                    self.kill(host, at);
                    self.start(host, at + down);
                }
            }
            self.disturbed_until = self.disturbed_until.max(self.steps.last().map(|(at, _)| *at));
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
}
