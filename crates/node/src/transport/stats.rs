//! Counters of the transport: plain atomics, read by the operations server.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that only goes up, or a gauge that goes both ways.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// The present value.
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn add(&self, amount: usize) {
        self.0.fetch_add(amount as u64, Ordering::Relaxed);
    }

    pub(super) fn subtract(&self, amount: usize) {
        self.0.fetch_sub(amount as u64, Ordering::Relaxed);
    }
}

/// What a [`Transport`](super::Transport) has done since it was made.
#[derive(Debug, Default)]
pub struct TransportStats {
    /// Envelopes written to streams, without the first of each (the handshake): `gossip_comm_messages_sent`.
    pub messages_sent: Counter,
    /// Envelopes read from streams, without the first of each: `gossip_comm_messages_received`.
    pub messages_received: Counter,
    /// Envelopes dropped because a send queue was full: `gossip_comm_overflow_count`.
    pub overflows: Counter,
    /// Envelopes dropped because they exceed the message limit.
    pub oversized: Counter,
    /// Connections ended because not even an indispensable envelope fitted its queue.
    pub stalled: Counter,
    /// Gossip streams that stand, dialled and accepted (gauge).
    pub streams_open: Counter,
    /// Accepted TCP connections that stand (gauge).
    pub connections_open: Counter,
    /// Accepted TCP connections, ever.
    pub connections_accepted: Counter,
    /// TCP connections dropped at a bound on their number.
    pub connections_refused: Counter,
    /// Accepted TCP connections that failed in TLS, or did not finish their set-up in time.
    pub setups_failed: Counter,
    /// Bytes of large messages that are held at present (gauge).
    pub large_bytes: Counter,
}
