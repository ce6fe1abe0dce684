//! What the client is doing, for logs and metrics.

use super::EndReason;
use std::time::Duration;

/// A snapshot of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliverState {
    /// What it is doing.
    pub phase: Phase,
    /// Number of the block that has to come next.
    pub next_block: u64,
    /// Failures since the last block.
    pub failures: u32,
    /// Blocks handed on so far.
    pub blocks_count: u64,
    /// Their bytes.
    pub blocks_bytes: u64,
    /// The stream that ended last: the orderer's address, and why.
    pub last_end: Option<(String, EndReason)>,
}

/// What a client is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Reaching an orderer.
    Connecting {
        /// Its address.
        address: String,
    },
    /// Receiving from an orderer, or waiting for its next block.
    Receiving {
        /// Its address.
        address: String,
    },
    /// Told to hold: nothing is read.
    Held,
    /// Waiting before the next attempt.
    Pausing {
        /// For how long in all.
        pause: Duration,
    },
    /// The configuration names no orderer.
    NoEndpoints,
    /// Ended by its owner.
    Stopped,
}
