//! The hosts of a scenario.

use super::values::{Share, positive, some, value};
use serde::Deserialize;

/// How many hosts there are, and what each has. They belong to the organisations in turn.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(try_from = "Written")]
pub struct Hosts {
    /// Organisations.
    pub orgs: usize,
    /// Hosts in all.
    pub count: usize,
    /// What they compute on.
    pub cores: Cores,
    /// How many of each organisation's hosts its others contact at start: the first ones.
    pub bootstrap_per_org: usize,
    /// How many of each organisation's hosts are anchor peers: the first ones.
    pub anchors_per_org: usize,
    /// Which part of the hosts starts at the beginning: the first ones.
    pub started: Share,
    /// Where rules are mixed, which part of each organisation's hosts follows the Go peer's.
    pub fabric_share: Option<Share>,
}

/// What hosts compute on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cores {
    /// Each has so many cores.
    Each(usize),
    /// All share so many.
    Shared(usize),
}

impl Cores {
    /// How many there are for so many hosts.
    pub fn count(self, host_count: usize) -> usize {
        match self {
            Self::Each(count) => count * host_count,
            Self::Shared(count) => count,
        }
    }
}

/// As it stands in the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default = "one", deserialize_with = "positive")]
    orgs: usize,
    #[serde(deserialize_with = "positive")]
    per_org: usize,
    #[serde(default, deserialize_with = "some_positive")]
    cores: Option<usize>,
    #[serde(default, deserialize_with = "some_positive")]
    shared_cores: Option<usize>,
    #[serde(default = "two", deserialize_with = "positive")]
    bootstrap_per_org: usize,
    #[serde(default = "one", deserialize_with = "positive")]
    anchors_per_org: usize,
    #[serde(default = "all", deserialize_with = "value")]
    started: Share,
    #[serde(default, deserialize_with = "some")]
    fabric_share: Option<Share>,
}

impl TryFrom<Written> for Hosts {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let Written { orgs, per_org, bootstrap_per_org, anchors_per_org, started, fabric_share, .. } =
            written;
        let cores = match (written.cores, written.shared_cores) {
            (Some(_), Some(_)) => return Err("either cores or shared_cores, not both".to_owned()),
            (cores, None) => Cores::Each(cores.unwrap_or(2)),
            (None, Some(cores)) => Cores::Shared(cores),
        };
        let count = orgs * per_org;
        Ok(Self { orgs, count, cores, bootstrap_per_org, anchors_per_org, started, fabric_share })
    }
}

fn some_positive<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<usize>, D::Error> {
    positive(deserializer).map(Some)
}

fn one() -> usize {
    1
}

fn two() -> usize {
    2
}

fn all() -> Share {
    Share::ALL
}
