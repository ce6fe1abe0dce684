//! Scenarios: what a world is made of and what happens in it, as people write it down in TOML.

mod actions;
mod gossip;
mod hosts;
mod network;
mod values;

pub use actions::{Actions, Burst, Kill, Restart, Start};
pub use gossip::Gossip;
pub use hosts::{Cores, Hosts};
pub use network::{Network, Placement};
pub(crate) use values::value;
pub use values::{Bandwidth, Rate, Share, Size};

use crate::costs::Costs;
use core::fmt;
use core::ops::RangeInclusive;
use core::time::Duration;
use serde::de::value::StrDeserializer;
use serde::de::{self, IntoDeserializer};
use serde::{Deserialize, Deserializer, Serialize};
use values::{positive, some};

/// Which rules of dissemination the peers follow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rules {
    /// Those of the core as it ships.
    #[default]
    Selvedge,
    /// Those of the Go peer.
    Fabric,
    /// Some hosts follow the Go peer's, the others Selvedge's.
    Mixed,
}

impl fmt::Display for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Selvedge => f.pad("selvedge"),
            Self::Fabric => f.pad("fabric"),
            Self::Mixed => f.pad("selvedge and fabric"),
        }
    }
}

/// A world and what happens in it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Lowercase letters, digits and hyphens.
    #[serde(deserialize_with = "name")]
    pub name: String,
    /// What it shows.
    #[serde(default)]
    pub description: String,
    /// What the peers follow.
    #[serde(default, deserialize_with = "value")]
    pub rules: Rules,
    /// Which seeds it is run with, unless others are asked for.
    #[serde(default = "first_seed", deserialize_with = "seeds")]
    pub seeds: RangeInclusive<u64>,
    /// The hosts.
    pub hosts: Hosts,
    /// The phases.
    pub time: Times,
    /// The blocks that the orderers cut in measured time.
    #[serde(default)]
    pub blocks: Blocks,
    /// The network.
    #[serde(default)]
    pub network: Network,
    /// What work costs.
    #[serde(default, deserialize_with = "crate::costs::written")]
    pub costs: Costs,
    /// Settings of the protocol.
    #[serde(default)]
    pub gossip: Gossip,
    /// What happens to hosts, and bursts of blocks.
    #[serde(default)]
    pub actions: Actions,
    /// What must hold at the end.
    #[serde(default)]
    pub expect: Expect,
}

/// How long each phase is. The hosts start, the network settles, then it is measured, then what is under way arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Times {
    /// The hosts start one after the other within this time.
    #[serde(default = "ten_seconds", deserialize_with = "value")]
    pub start_spread: Duration,
    /// From the last start until the measurement begins.
    #[serde(default = "twenty_seconds", deserialize_with = "value")]
    pub settle: Duration,
    /// In which blocks are cut, actions begin, and bytes and work are counted.
    #[serde(deserialize_with = "value")]
    pub measured: Duration,
    /// From then to the end.
    #[serde(default = "five_seconds", deserialize_with = "value")]
    pub drain: Duration,
}

impl Times {
    /// When the measured time begins.
    pub fn measured_from(&self) -> Duration {
        self.start_spread.saturating_add(self.settle)
    }

    /// When it ends.
    pub fn measured_until(&self) -> Duration {
        self.measured_from().saturating_add(self.measured)
    }

    /// When everything ends.
    pub fn end(&self) -> Duration {
        self.measured_until().saturating_add(self.drain)
    }
}

/// The blocks that the orderers cut.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Blocks {
    /// How many a second; none without, bursts apart.
    #[serde(deserialize_with = "some")]
    pub per_second: Option<Rate>,
    /// How large each is.
    #[serde(deserialize_with = "value")]
    pub size: Size,
    /// How many hosts of each organisation receive them from the orderers: the first ones.
    #[serde(deserialize_with = "positive")]
    pub leaders_per_org: usize,
    /// When a block counts as delivered.
    pub counted: Counted,
}

/// When a block counts as delivered to a host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Counted {
    /// When it is durable in the ledger, and with it all before it.
    #[default]
    Durable,
    /// When the peer has verified it, whatever the ledger lacks; hosts that receive blocks from the orderers do not count.
    Accepted,
}

impl Default for Blocks {
    fn default() -> Self {
        Self { per_second: None, size: Size::kib(16), leaders_per_org: 1, counted: Counted::Durable }
    }
}

/// What must hold at the end of every run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Expect {
    /// Whether every running host counts exactly the other running ones as alive.
    pub full_membership: bool,
    /// Whether every running host has every block.
    pub all_blocks: bool,
    /// The longest time a block may take from the cut to the last host that ran all the while.
    #[serde(deserialize_with = "some")]
    pub last_peer_max: Option<Duration>,
}

impl Default for Expect {
    fn default() -> Self {
        Self { full_membership: true, all_blocks: true, last_peer_max: None }
    }
}

/// Why a scenario cannot be run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScenarioError {
    /// The text says something wrong at a place, which the error shows.
    #[error("{0}")]
    Text(#[from] Box<toml::de::Error>),
    /// Parts of it do not fit each other.
    #[error("{0}")]
    Unfitting(String),
}

impl Scenario {
    /// The most hosts there can be.
    pub const HOSTS_MAX: usize = 100_000;
    /// The longest simulated time, a year.
    pub const TIME_MAX: Duration = Duration::from_secs(365 * 24 * 3600);

    /// Reads a scenario.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong: an unknown or missing key, or a value of the wrong kind or out of bounds, each with its
    /// line; or parts that do not fit each other.
    pub fn parse(text: &str) -> Result<Self, ScenarioError> {
        let scenario: Self = toml::from_str(text).map_err(Box::new)?;
        scenario.check()?;
        Ok(scenario)
    }

    /// The same with so many hosts in all.
    ///
    /// # Errors
    ///
    /// Every organisation needs its leaders, and there is a bound.
    pub fn with_hosts(mut self, count: usize) -> Result<Self, ScenarioError> {
        self.hosts.count = count;
        self.check()?;
        Ok(self)
    }

    /// The same with another measured time.
    ///
    /// # Errors
    ///
    /// No action may begin after it.
    pub fn with_measured(mut self, measured: Duration) -> Result<Self, ScenarioError> {
        self.time.measured = measured;
        self.check()?;
        Ok(self)
    }

    /// The places of the hosts that receive blocks from the orderers.
    pub(crate) fn leader_count(&self) -> usize {
        self.blocks.leaders_per_org * self.hosts.orgs
    }

    /// What the host at a place follows. In a mixed network, those that follow the Go peer's rules are spread evenly over the
    /// hosts of each organisation, of which the first, its leader, is not one unless all are.
    pub fn rules_of(&self, place: usize) -> selvedge_core::Rules {
        let share = match self.rules {
            Rules::Selvedge => return selvedge_core::Rules::Selvedge,
            Rules::Fabric => return selvedge_core::Rules::Fabric,
            Rules::Mixed => self.hosts.fabric_share.unwrap_or(Share::HALF),
        };
        let number = place / self.hosts.orgs;
        match share.floor(number + 1) > share.floor(number) {
            true => selvedge_core::Rules::Fabric,
            false => selvedge_core::Rules::Selvedge,
        }
    }

    /// How many hosts start at the beginning.
    pub(crate) fn started_count(&self) -> usize {
        self.hosts.started.of(self.hosts.count)
    }

    fn check(&self) -> Result<(), ScenarioError> {
        let unfitting = |text: String| Err(ScenarioError::Unfitting(text));
        let (count, leaders) = (self.hosts.count, self.leader_count());
        if count > Self::HOSTS_MAX {
            return unfitting(format!("{count} hosts are too many: at most {}", Self::HOSTS_MAX));
        }
        if count < leaders.max(2) {
            let orgs = self.hosts.orgs;
            return unfitting(format!(
                "{count} hosts are too few for {orgs} organisations and {leaders} leaders"
            ));
        }
        if self.started_count() < leaders {
            return unfitting(format!("hosts.started leaves out some of the {leaders} leaders"));
        }
        if self.hosts.fabric_share.is_some() && self.rules != Rules::Mixed {
            return unfitting("hosts.fabric_share is for rules = \"mixed\"".to_owned());
        }
        let measured = self.time.measured;
        if measured.is_zero() || self.time.end() > Self::TIME_MAX {
            return unfitting(
                "the measured time must be above zero, and all together at most a year".to_owned(),
            );
        }
        for (what, begins, ends) in self.actions.times() {
            let shown = selvedge_core::format_duration;
            if begins >= measured {
                let (begins, measured) = (shown(begins), shown(measured));
                return unfitting(format!("{what} at {begins}: the measured time ends after {measured}"));
            }
            if ends > measured.saturating_add(self.time.drain) {
                return unfitting(format!("{what} at {}: goes on beyond the end", shown(begins)));
            }
        }
        Ok(())
    }
}

fn ten_seconds() -> Duration {
    Duration::from_secs(10)
}

fn twenty_seconds() -> Duration {
    Duration::from_secs(20)
}

fn five_seconds() -> Duration {
    Duration::from_secs(5)
}

fn first_seed() -> RangeInclusive<u64> {
    1..=1
}

struct Name(String);

impl values::Written for Name {
    const EXPECTED: &'static str = "a name of lowercase letters, digits and hyphens";

    fn from_text(text: &str) -> Option<Self> {
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        (!text.is_empty() && text.bytes().all(fits)).then(|| Self(text.to_owned()))
    }
}

fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    value(deserializer).map(|Name(name)| name)
}

/// Some seeds, one after the other.
struct Seeds(RangeInclusive<u64>);

impl values::Written for Seeds {
    const EXPECTED: &'static str = "seeds such as \"1..8\", both included";

    fn from_text(text: &str) -> Option<Self> {
        parse_seeds(text).map(Self)
    }
}

fn seeds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<RangeInclusive<u64>, D::Error> {
    value(deserializer).map(|Seeds(seeds)| seeds)
}

/// Reads seeds such as `1..8`, both included, at most 100,000. `None` for anything else.
pub fn parse_seeds(text: &str) -> Option<RangeInclusive<u64>> {
    const COUNT_MAX: u64 = 100_000;
    let (first, last) = text.split_once("..")?;
    let (first, last) = (first.parse::<u64>().ok()?, last.parse::<u64>().ok()?);
    (first <= last && last - first < COUNT_MAX).then_some(first..=last)
}

/// Reads the name of a set of rules, as in a scenario.
///
/// # Errors
///
/// In words, which names there are.
pub fn parse_rules(text: &str) -> Result<Rules, String> {
    let text: StrDeserializer<'_, de::value::Error> = text.into_deserializer();
    value(text).map_err(|error| error.to_string())
}

impl values::Written for Rules {
    const EXPECTED: &'static str = "\"selvedge\", \"fabric\" or \"mixed\"";

    fn from_text(text: &str) -> Option<Self> {
        match text {
            "selvedge" => Some(Self::Selvedge),
            "fabric" => Some(Self::Fabric),
            "mixed" => Some(Self::Mixed),
            _ => None,
        }
    }
}
