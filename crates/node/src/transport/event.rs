//! What the transport tells its owner.

use super::connection::Connection;
use super::dial_error::DialError;
use super::large::Lease;
use bytes::Bytes;
use selvedge_core::ConnectionId;
use std::error::Error;
use std::fmt;
use tokio::sync::OwnedSemaphorePermit;
use tonic::Status;

/// What happened. For each connection the order is `Accepted` or `Dialed`, then frames, then at most one `Closed`.
#[derive(Debug)]
pub enum TransportEvent {
    /// A remote peer opened a gossip stream.
    Accepted {
        /// It; its id was never used before.
        connection: Connection,
    },
    /// A [`Transport::dial`](super::Transport::dial) succeeded.
    Dialed {
        /// It, with the id of the order.
        connection: Connection,
    },
    /// A [`Transport::dial`](super::Transport::dial) failed.
    DialFailed {
        /// The id of the order.
        id: ConnectionId,
        /// Where and why.
        error: DialError,
    },
    /// A gRPC message arrived: one marshalled envelope, not looked into.
    Frame {
        /// Where it arrived.
        id: ConnectionId,
        /// Its bytes, in memory of exactly their size.
        envelope: Bytes,
        /// To be dropped when the frame has been handled.
        permit: FramePermit,
    },
    /// A stream ended that the owner had not closed itself. When the owner closes a stream, a `Closed` may wait already.
    Closed {
        /// Which one.
        id: ConnectionId,
        /// Why.
        reason: ClosedReason,
    },
}

/// While it lives, its frame counts against [`Settings::receive_count_max`](super::Settings) and `receive_bytes_max` of its
/// connection; at these bounds the connection is not read.
#[derive(Debug)]
#[must_use = "dropping the permit lets the connection deliver more"]
pub struct FramePermit {
    _budget: OwnedSemaphorePermit,
    _lease: Lease,
}

impl FramePermit {
    pub(super) fn new(budget: OwnedSemaphorePermit, lease: Lease) -> Self {
        Self { _budget: budget, _lease: lease }
    }
}

/// Why a stream ended that its owner had not closed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ClosedReason {
    /// The accepting peer ended the stream with this status.
    Ended(Status),
    /// The dialling peer half-closed the stream.
    HalfClosed,
    /// The stream was reset, or its connection lost.
    Lost(String),
    /// Nobody takes the transport's events any more.
    OwnerGone,
    /// The peer sent what cannot be taken, such as a message over the limit; on an accepted stream it was told this status.
    Refused(Status),
    /// The peer does not read: not even an indispensable envelope found room in its send queue.
    Stalled,
}

impl ClosedReason {
    pub(super) fn lost(error: &hyper::Error) -> Self {
        Self::Lost(with_causes(error))
    }
}

impl fmt::Display for ClosedReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended(status) => write!(f, "the peer ended the stream: {}", StatusText(status)),
            Self::HalfClosed => f.write_str("EOF"),
            Self::Lost(text) => write!(f, "connection lost: {text}"),
            Self::OwnerGone => f.write_str("nobody takes what arrives"),
            Self::Refused(status) => write!(f, "what the peer sent was refused: {}", StatusText(status)),
            Self::Stalled => f.write_str("the peer does not read what is sent to it"),
        }
    }
}

/// A status in a few words.
pub(super) struct StatusText<'a>(pub(super) &'a Status);

impl fmt::Display for StatusText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0.code())?;
        if !self.0.message().is_empty() {
            write!(f, ": {}", self.0.message())?;
        }
        Ok(())
    }
}

/// An error with everything that lies beneath it.
pub(super) fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let part = error.to_string();
        if !text.ends_with(&part) {
            text.push_str(": ");
            text.push_str(&part);
        }
        cause = error.source();
    }
    text
}
