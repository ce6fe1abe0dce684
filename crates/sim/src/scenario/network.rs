//! The network of a scenario.

use super::values::{Bandwidth, Chance, matrix, some, value};
use crate::links::{Link, Links};
use core::time::Duration;
use serde::Deserialize;

/// Where hosts stand and what lies between them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub struct Network {
    /// How many sites there are.
    pub site_count: usize,
    /// Which hosts stand where.
    pub placement: Placement,
    /// Everything else.
    pub links: Links,
}

/// Which hosts stand at which site.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Placement {
    /// The hosts of each organisation stand at all sites in turn.
    #[default]
    Spread,
    /// Each organisation stands at one site, the sites in turn.
    ByOrg,
}

/// As it stands in the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Written {
    sites: Vec<String>,
    placement: Placement,
    #[serde(deserialize_with = "some")]
    latency: Option<Duration>,
    #[serde(deserialize_with = "matrix")]
    latency_matrix: Option<Vec<Vec<Duration>>>,
    #[serde(deserialize_with = "value")]
    jitter: Duration,
    #[serde(deserialize_with = "some")]
    bandwidth: Option<Bandwidth>,
    frame_overhead_bytes: usize,
    window_bytes: usize,
    waiting_count_max: usize,
    waiting_bytes_max: usize,
    #[serde(deserialize_with = "value")]
    loss: Chance,
    #[serde(deserialize_with = "value")]
    retransmission: Duration,
    #[serde(deserialize_with = "value")]
    reset: Chance,
    #[serde(deserialize_with = "value")]
    keepalive: Duration,
}

impl Default for Written {
    fn default() -> Self {
        let links = Links::default();
        Self {
            sites: Vec::new(),
            placement: Placement::default(),
            latency: None,
            latency_matrix: None,
            jitter: links.between(0, 0).jitter,
            bandwidth: None,
            frame_overhead_bytes: links.frame_overhead_bytes,
            window_bytes: links.window_bytes,
            waiting_count_max: links.waiting_count_max,
            waiting_bytes_max: links.waiting_bytes_max,
            loss: Chance::default(),
            retransmission: links.retransmission,
            reset: Chance::default(),
            keepalive: links.keepalive,
        }
    }
}

impl Default for Network {
    fn default() -> Self {
        Self { site_count: 1, placement: Placement::default(), links: Links::default() }
    }
}

impl TryFrom<Written> for Network {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let default = Links::default();
        let site_count = written.sites.len().max(1);
        let latencies = match (written.latency, written.latency_matrix) {
            (Some(_), Some(_)) => return Err("either latency or latency_matrix, not both".to_owned()),
            (_, Some(matrix)) => square(matrix, site_count)?,
            (latency, None) if site_count == 1 => {
                vec![vec![latency.unwrap_or_else(|| default.between(0, 0).latency)]]
            }
            (_, None) => return Err("several sites need a latency_matrix".to_owned()),
        };
        let jitter = written.jitter;
        let link = |latency| Link { latency, jitter };
        let between_sites = latencies.into_iter().map(|row| row.into_iter().map(link).collect()).collect();
        let links = Links {
            between_sites,
            card_bytes_per_second: written
                .bandwidth
                .map_or(default.card_bytes_per_second, |bandwidth| bandwidth.bytes_per_second),
            frame_overhead_bytes: written.frame_overhead_bytes,
            window_bytes: written.window_bytes,
            waiting_count_max: written.waiting_count_max,
            waiting_bytes_max: written.waiting_bytes_max,
            keepalive: written.keepalive,
            loss_per_million: written.loss.per_million(),
            retransmission: written.retransmission,
            reset_per_million: written.reset.per_million(),
        };
        Ok(Self { site_count, placement: written.placement, links })
    }
}

/// A row for each site with a latency to each site.
fn square(matrix: Vec<Vec<Duration>>, site_count: usize) -> Result<Vec<Vec<Duration>>, String> {
    if matrix.len() == site_count && matrix.iter().all(|row| row.len() == site_count) {
        return Ok(matrix);
    }
    Err(format!(
        "latency_matrix needs a row for each of {site_count} sites, each with {site_count} latencies"
    ))
}
