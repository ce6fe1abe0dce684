//! What came of a run, as plain data.

use crate::scenario::Rules;
use core::fmt;
use core::time::Duration;
use serde::Serialize;

/// A run with one seed. The same scenario, seed and version give the same report everywhere.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Name of the scenario.
    pub scenario: String,
    /// What the peers followed.
    pub rules: Rules,
    /// The seed.
    pub seed: u64,
    /// Hosts in all.
    pub hosts: usize,
    /// Organisations.
    pub orgs: usize,
    /// Length of the measured time.
    pub measured_seconds: f64,
    /// Length of everything.
    pub simulated_seconds: f64,
    /// Who knows whom.
    pub membership: Membership,
    /// What became of the blocks.
    pub blocks: BlockReport,
    /// Of the measured time.
    pub traffic: Traffic,
    /// Work given to all cores in the measured time, as a share of what they can do; above 1 where they cannot keep up.
    pub cpu_share: f64,
    /// The same as a number of cores.
    pub cores_used: f64,
    /// Frames that peers handled, from the beginning to the end.
    pub frames: u64,
    /// What was expected and did not hold.
    pub broken: Vec<Broken>,
}

/// Who knows whom as alive.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Membership {
    /// Hosts that run at the end.
    pub running: usize,
    /// How many of the others they count as alive, at the end.
    pub known_share: f64,
    /// From the last start at the beginning until each counted all others, good to 0.1 s.
    pub full_after_seconds: Option<f64>,
    /// From the last start at the beginning until each knew all others as members of the channel, good to 0.1 s.
    pub channel_full_after_seconds: Option<f64>,
    /// From the last start or end in the measured time until each counted exactly the others that ran, good to 0.1 s.
    pub full_again_after_seconds: Option<f64>,
}

/// What became of the blocks.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct BlockReport {
    /// How many the orderers cut.
    pub cut: u64,
    /// How many are durable at the hosts that run at the end, of all; `None` without blocks.
    pub delivered_share: Option<f64>,
    /// From the cut to durable, at each host that ran all the while.
    pub to_peer_ms: Option<Delays>,
    /// The same to the last of these hosts, of the blocks that all of them have.
    pub to_last_peer_ms: Option<Delays>,
    /// Frames with a block that came unasked, for each block that became durable at a host.
    pub copies_per_peer: Option<f64>,
    /// Bytes of frames with blocks, asked for or not, likewise.
    pub bytes_per_peer: Option<f64>,
    /// Of all that should be delivered to hosts that do not receive blocks from the orderers, what came by push.
    pub pushed_share: Option<f64>,
    /// Everything that was sent from the beginning of the measured time to the end, over the blocks that these hosts got, once
    /// each.
    pub bytes_over_minimum: Option<f64>,
    /// Work of all cores in that time, for each of these deliveries, in milliseconds.
    pub cpu_ms_per_delivery: Option<f64>,
}

/// Times in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Delays {
    /// Half of them are no longer.
    pub p50: f64,
    /// Nor are 99 of 100.
    pub p99: f64,
    /// The longest.
    pub max: f64,
}

impl Delays {
    /// Of all these times; `None` if there are none.
    pub(crate) fn of(mut times: Vec<Duration>) -> Option<Self> {
        times.sort_unstable();
        // the nearest rank
        let rank = |percent: usize| (times.len() * percent).div_ceil(100).saturating_sub(1);
        let at = |place: usize| times.get(place).map(|time| time.as_nanos() as f64 / 1e6);
        Some(Self { p50: at(rank(50))?, p99: at(rank(99))?, max: at(times.len().checked_sub(1)?)? })
    }
}

/// What the hosts sent and did.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Traffic {
    /// Bytes that a running host sent in a minute, with everything that frames take on the wire.
    pub bytes_per_host_minute: f64,
    /// Frames that it handled in a second.
    pub frames_per_host_second: f64,
    /// Signatures that it checked in a second.
    pub verified_per_host_second: f64,
    /// Frames lost because a connection's queue was full, until the end.
    pub overflowed: u64,
}

/// An expectation that did not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Broken {
    /// Not every running host counts exactly the other running ones.
    FullMembership,
    /// Not every running host has every block.
    AllBlocks,
    /// A block took too long to the last host.
    LastPeerMax,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::FullMembership => "full_membership",
            Self::AllBlocks => "all_blocks",
            Self::LastPeerMax => "last_peer_max",
        })
    }
}

/// What a figure counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Things.
    Count,
    /// A part of 1.
    Share,
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Milliseconds,
    /// Bytes.
    Bytes,
}

/// One number of a report.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figure {
    /// Name for machines.
    pub name: &'static str,
    /// Name for people.
    pub label: &'static str,
    /// What it counts.
    pub unit: Unit,
    /// `None` if there was nothing to measure.
    pub value: Option<f64>,
}

impl Report {
    /// All its numbers in a fixed order.
    pub fn figures(&self) -> Vec<Figure> {
        let Self { membership, blocks, traffic, .. } = self;
        let figure = |name, label, unit, value: Option<f64>| Figure { name, label, unit, value };
        let (each, last) = (blocks.to_peer_ms, blocks.to_last_peer_ms);
        vec![
            figure("running", "hosts running at the end", Unit::Count, Some(membership.running as f64)),
            figure("known_share", "others known as alive", Unit::Share, Some(membership.known_share)),
            figure(
                "full_after_seconds",
                "all known after the last start",
                Unit::Seconds,
                membership.full_after_seconds,
            ),
            figure(
                "channel_full_after_seconds",
                "all known in the channel after that",
                Unit::Seconds,
                membership.channel_full_after_seconds,
            ),
            figure(
                "full_again_after_seconds",
                "and after the last disturbance",
                Unit::Seconds,
                membership.full_again_after_seconds,
            ),
            figure("blocks", "blocks cut", Unit::Count, Some(blocks.cut as f64)),
            figure("delivered_share", "delivered", Unit::Share, blocks.delivered_share),
            figure("pushed_share", "delivered by push", Unit::Share, blocks.pushed_share),
            figure("peer_p50_ms", "cut to a peer, median", Unit::Milliseconds, each.map(|it| it.p50)),
            figure("peer_p99_ms", "cut to a peer, 99 %", Unit::Milliseconds, each.map(|it| it.p99)),
            figure("peer_max_ms", "cut to a peer, longest", Unit::Milliseconds, each.map(|it| it.max)),
            figure(
                "last_peer_p50_ms",
                "cut to the last peer, median",
                Unit::Milliseconds,
                last.map(|it| it.p50),
            ),
            figure(
                "last_peer_max_ms",
                "cut to the last peer, longest",
                Unit::Milliseconds,
                last.map(|it| it.max),
            ),
            figure("copies_per_peer", "copies of a block a peer", Unit::Count, blocks.copies_per_peer),
            figure("block_bytes_per_peer", "bytes for a block a peer", Unit::Bytes, blocks.bytes_per_peer),
            figure("bytes_over_minimum", "bytes over the minimum", Unit::Count, blocks.bytes_over_minimum),
            figure(
                "cpu_ms_per_delivery",
                "work for a delivery",
                Unit::Milliseconds,
                blocks.cpu_ms_per_delivery,
            ),
            figure(
                "bytes_per_host_minute",
                "bytes a host and minute",
                Unit::Bytes,
                Some(traffic.bytes_per_host_minute),
            ),
            figure(
                "frames_per_host_second",
                "frames a host and second",
                Unit::Count,
                Some(traffic.frames_per_host_second),
            ),
            figure(
                "verified_per_host_second",
                "signatures checked a host and second",
                Unit::Count,
                Some(traffic.verified_per_host_second),
            ),
            figure("overflowed", "frames lost in full queues", Unit::Count, Some(traffic.overflowed as f64)),
            figure("cpu_share", "share of the cores used", Unit::Share, Some(self.cpu_share)),
            figure("cores_used", "cores used", Unit::Count, Some(self.cores_used)),
            figure("frames", "frames in all", Unit::Count, Some(self.frames as f64)),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_are_of_the_nearest_rank() {
        let millis = |range: core::ops::RangeInclusive<u64>| range.rev().map(Duration::from_millis).collect();
        assert_eq!(Delays::of(millis(1..=200)), Some(Delays { p50: 100.0, p99: 198.0, max: 200.0 }));
        assert_eq!(Delays::of(millis(7..=7)), Some(Delays { p50: 7.0, p99: 7.0, max: 7.0 }));
        assert_eq!(Delays::of(Vec::new()), None);
    }
}
