//! What the client is doing, for logs and metrics.

use super::EndReason;
use std::collections::BTreeMap;
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
    /// Streams that ended, by [`EndReason::reason`].
    pub ends: BTreeMap<&'static str, u64>,
    /// Headers from other orderers that verified, on BFT channels. Of those that come at once only the last one is looked at.
    pub headers_count: u64,
    /// Headers that did not verify.
    pub headers_refused_count: u64,
    /// The highest block that other orderers were last known to have, by such a header.
    pub highest_header: Option<u64>,
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
    /// The receiver has no room for the block that came last: nothing is read.
    Full,
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
