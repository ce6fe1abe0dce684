//! What happens in a scenario's measured time. Times count from its beginning.

use super::values::{Share, Size, positive, some, value};
use core::time::Duration;
use serde::Deserialize;

/// All actions of a scenario, each kind in the order in which it is written.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Actions {
    /// Hosts that start.
    pub start: Vec<Start>,
    /// Hosts that end at once.
    pub kill: Vec<Kill>,
    /// Hosts that end at once and come back.
    pub restart: Vec<Restart>,
    /// Blocks beside those of every second.
    pub burst: Vec<Burst>,
}

/// Hosts that do not run start.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Start {
    /// When the first does.
    #[serde(deserialize_with = "value")]
    pub at: Duration,
    /// How many, of all hosts.
    #[serde(deserialize_with = "value")]
    pub share: Share,
    /// One after the other within this time.
    #[serde(default, deserialize_with = "value")]
    pub spread: Duration,
}

/// Running hosts, leaders apart, end at once.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kill {
    /// When the first does.
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

impl Actions {
    /// The name of each action, when it begins and when it ends.
    pub(super) fn times(&self) -> impl Iterator<Item = (&'static str, Duration, Duration)> {
        let starts = self.start.iter().map(|start| ("start", start.at, start.spread));
        let kills = self.kill.iter().map(|kill| ("kill", kill.at, kill.spread));
        let restarts = self
            .restart
            .iter()
            .map(|restart| ("restart", restart.at, restart.spread.saturating_add(restart.down)));
        let bursts = self.burst.iter().map(|burst| ("burst", burst.at, burst.spread));
        let all = starts.chain(kills).chain(restarts).chain(bursts);
        all.map(|(what, at, takes)| (what, at, at.saturating_add(takes)))
    }
}
