//! How a run went, over time: what one number for all of it does not tell.

use core::time::Duration;

/// Points of a run, made beside its [`Report`](crate::Report); always the same for the same scenario, seed and version.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Curves {
    /// From the cut of a block to the last host that ran all the while, of the blocks that all of them have, ascending.
    pub to_last_peer: Vec<Duration>,
    /// At equal distances of time, the same ones with every seed.
    pub points: Vec<Point>,
}

/// What was seen at one time, and since the point before it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// When, from the beginning of the run.
    pub at: Duration,
    /// How many of the others the running hosts count as alive, of all pairs; 1 if there are no pairs.
    pub known_share: f64,
    /// Work that all cores were given since the last point, as a share of what they can do; above 1 where they cannot keep up.
    pub cpu_share: f64,
    /// The same of the processor that was given the most.
    pub busiest_cpu_share: f64,
    /// Bytes of frames with blocks that were read since the last point, with everything that frames take on the wire.
    pub block_bytes_read: u64,
    /// Blocks that became durable at a host since then, of all hosts together.
    pub blocks_durable: u64,
}
