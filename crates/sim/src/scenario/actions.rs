//! What happens in a scenario's measured time. Times count from its beginning.

use super::values::{Apart, Factor, Share, Shift, Size, Way, positive, some, value};
use core::time::Duration;
use serde::Deserialize;

/// All actions of a scenario, each kind in the order in which it is written.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Actions {
    /// Hosts that do not run start.
    pub start: Vec<Wave>,
    /// Running hosts, leaders apart, end at once.
    pub kill: Vec<Wave>,
    /// Hosts that end at once and come back.
    pub restart: Vec<Restart>,
    /// Hosts whose clock jumps while they are away.
    pub clock: Vec<Clock>,
    /// The network falls apart.
    pub partition: Vec<Partition>,
    /// Hosts that are cut off, each for itself.
    pub isolate: Vec<Isolate>,
    /// Everything that was cut is repaired.
    pub heal: Vec<Heal>,
    /// Running hosts, leaders apart, lose all their connections at once; both ends learn of it.
    pub sever: Vec<Wave>,
    /// Hosts that read nothing.
    pub stall: Vec<Stall>,
    /// Hosts that are slow.
    pub slow: Vec<Slow>,
    /// Blocks beside those of every second.
    pub burst: Vec<Burst>,
}

/// Hosts to which something happens that takes no time.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wave {
    /// When it happens to the first.
    #[serde(deserialize_with = "value")]
    pub at: Duration,
    /// How many, of all hosts.
    #[serde(deserialize_with = "value")]
    pub share: Share,
    /// One after the other within this time.
    #[serde(default, deserialize_with = "value")]
    pub spread: Duration,
}

/// Running hosts, leaders apart, end at once and come back with what was durable.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Restart {
    /// When the first ends.
    #[serde(deserialize_with = "value")]
    pub at: Duration,
    /// How many, of all hosts.
    #[serde(deserialize_with = "value")]
    pub share: Share,
    /// One after the other within this time.
    #[serde(default, deserialize_with = "value")]
    pub spread: Duration,
    /// How long each is away.
    #[serde(deserialize_with = "value")]
    pub down: Duration,
}

/// As [`Restart`]; and each comes back with another clock, which it looks at only when it starts.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clock {
    /// When the first ends.
    #[serde(deserialize_with = "value")]
    pub at: Duration,
    /// How many, of all hosts.
    #[serde(deserialize_with = "value")]
    pub share: Share,
    /// One after the other within this time.
    #[serde(default, deserialize_with = "value")]
    pub spread: Duration,
    /// How long each is away.
    #[serde(deserialize_with = "value")]
    pub down: Duration,
    /// By how much the clock is off from true time then, such as `"1h"` or `"-30m"`.
    #[serde(deserialize_with = "value")]
    pub off: Shift,
    /// Whether it also forgets which incarnations it used, as a node does whose disk was replaced.
    #[serde(default)]
    pub forgets: bool,
}

/// Nothing gets from one part of the hosts to another.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Partition {
    /// When.
    #[serde(deserialize_with = "value")]
    pub at: Duration,
    /// How long, if not until an [`Actions::heal`] or the end of the measured time.
    #[serde(default, deserialize_with = "some")]
    pub lasts: Option<Duration>,
    /// How many of all hosts, leaders apart, are in the part that is cut off: this, or `by`.
    #[serde(default, deserialize_with = "some")]
    pub share: Option<Share>,
    /// What falls apart, if not a share.
    #[serde(default, deserialize_with = "some")]
    pub by: Option<Apart>,
    /// In which direction nothing gets through.
    #[serde(default, deserialize_with = "value")]
    pub way: Way,
}

/// Running hosts, leaders apart, are cut off from everybody.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Isolate {
    /// When the first is.
    #[serde(deserialize_with = "value")]
    pub at: Duration,
    /// How many, of all hosts.
    #[serde(deserialize_with = "value")]
    pub share: Share,
    /// One after the other within this time.
    #[serde(default, deserialize_with = "value")]
    pub spread: Duration,
    /// How long each is.
    #[serde(deserialize_with = "value")]
    pub lasts: Duration,
    /// In which direction nothing gets through.
    #[serde(default, deserialize_with = "value")]
    pub way: Way,
}

/// All links are repaired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Heal {
    /// When.
    #[serde(deserialize_with = "value")]
    pub at: Duration,
}

/// Running hosts, leaders apart, read nothing from their connections.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stall {
    /// When the first stops.
    #[serde(deserialize_with = "value")]
    pub at: Duration,
    /// How many, of all hosts.
    #[serde(deserialize_with = "value")]
    pub share: Share,
    /// One after the other within this time.
    #[serde(default, deserialize_with = "value")]
    pub spread: Duration,
    /// How long each does not.
    #[serde(deserialize_with = "value")]
    pub lasts: Duration,
}

/// Running hosts, leaders apart, are slow: in what is given, at least one thing.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slow {
    /// When the first becomes so.
    #[serde(deserialize_with = "value")]
    pub at: Duration,
    /// How many, of all hosts.
    #[serde(deserialize_with = "value")]
    pub share: Share,
    /// One after the other within this time.
    #[serde(default, deserialize_with = "value")]
    pub spread: Duration,
    /// How long each is.
    #[serde(deserialize_with = "value")]
    pub lasts: Duration,
    /// How many times as long work takes on its cores.
    #[serde(default, deserialize_with = "some")]
    pub cores: Option<Factor>,
    /// How long its disk needs for a sync.
    #[serde(default, deserialize_with = "some")]
    pub sync: Option<Duration>,
    /// By how much everything is later that it sends, and that is sent to it.
    #[serde(default, deserialize_with = "some")]
    pub delay: Option<Duration>,
}

/// Blocks that the orderers cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Burst {
    /// When the first is cut.
    #[serde(deserialize_with = "value")]
    pub at: Duration,
    /// How many.
    #[serde(deserialize_with = "positive")]
    pub count: usize,
    /// One after the other within this time.
    #[serde(default, deserialize_with = "value")]
    pub spread: Duration,
    /// How large each is, if not as the others.
    #[serde(default, deserialize_with = "some")]
    pub size: Option<Size>,
}

/// An action in short: its name, when it begins and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) what: &'static str,
    pub(super) begins: Duration,
    pub(super) ends: Duration,
}

impl Actions {
    /// Every action. What lasts until it is healed ends when it begins.
    pub(super) fn times(&self) -> impl Iterator<Item = Times> {
        let times = |what, begins: Duration, takes: [Duration; 2]| {
            let ends = takes.into_iter().fold(begins, Duration::saturating_add);
            Times { what, begins, ends }
        };
        let zero = Duration::ZERO;
        let starts = self.start.iter().map(move |it| times("start", it.at, [it.spread, zero]));
        let kills = self.kill.iter().map(move |it| times("kill", it.at, [it.spread, zero]));
        let restarts = self.restart.iter().map(move |it| times("restart", it.at, [it.spread, it.down]));
        let clocks = self.clock.iter().map(move |it| times("clock", it.at, [it.spread, it.down]));
        let partitions = self
            .partition
            .iter()
            .map(move |it| times("partition", it.at, [it.lasts.unwrap_or_default(), zero]));
        let isolated = self.isolate.iter().map(move |it| times("isolate", it.at, [it.spread, it.lasts]));
        let heals = self.heal.iter().map(move |it| times("heal", it.at, [zero, zero]));
        let severed = self.sever.iter().map(move |it| times("sever", it.at, [it.spread, zero]));
        let stalls = self.stall.iter().map(move |it| times("stall", it.at, [it.spread, it.lasts]));
        let slow = self.slow.iter().map(move |it| times("slow", it.at, [it.spread, it.lasts]));
        let bursts = self.burst.iter().map(move |it| times("burst", it.at, [it.spread, zero]));
        starts
            .chain(kills)
            .chain(restarts)
            .chain(clocks)
            .chain(partitions)
            .chain(isolated)
            .chain(heals)
            .chain(severed)
            .chain(stalls)
            .chain(slow)
            .chain(bursts)
    }

    /// Whether a partition lasts until it is healed.
    pub(crate) fn has_open_end(&self) -> bool {
        self.partition.iter().any(|partition| partition.lasts.is_none())
    }

    /// What cannot be, on hosts that share cores or not.
    pub(super) fn check(&self, shares_cores: bool) -> Result<(), String> {
        for Partition { share, by, way, .. } in &self.partition {
            match (share, by) {
                (Some(_), Some(_)) | (None, None) => {
                    return Err("partition: either share or by, and one of them".to_owned());
                }
                (None, Some(_)) if *way != Way::Both => {
                    return Err("partition: a way needs a share".to_owned());
                }
                _ => {}
            }
        }
        for Slow { cores, sync, delay, .. } in &self.slow {
            if cores.is_none() && sync.is_none() && delay.is_none() {
                return Err("slow: at least one of cores, sync and delay".to_owned());
            }
            if cores.is_some() && shares_cores {
                return Err("slow: cores that all share cannot be slow for some".to_owned());
            }
        }
        Ok(())
    }
}
