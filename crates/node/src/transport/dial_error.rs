//! Where and why a dial failed.

use super::certificate::CertificateSummary;
use super::tls_failure::TlsFailure;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

/// The steps of a dial, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DialStep {
    /// Finding the host's addresses.
    Resolve,
    /// Connecting to one of them.
    Tcp,
    /// The TLS handshake.
    Tls,
    /// HTTP/2's opening.
    Http2,
    /// The unary `Ping`.
    Ping,
    /// Opening the gossip stream.
    Stream,
}

impl fmt::Display for DialStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resolve => "resolve",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Http2 => "HTTP/2",
            Self::Ping => "ping",
            Self::Stream => "gossip stream",
        })
    }
}

/// Why a dial failed; the variant names the step.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DialError {
    /// The endpoint is not `host:port`.
    #[error("{endpoint:?} is not host:port")]
    Endpoint {
        /// The endpoint.
        endpoint: String,
    },
    /// HTTP/2 could not be spoken.
    #[error("HTTP/2: {reason}")]
    Http2 {
        /// The library's words.
        reason: String,
    },
    /// The Ping was not answered properly.
    #[error("ping: {reason}")]
    Ping {
        /// The gRPC status, or the library's words.
        reason: String,
    },
    /// The host has no address, or the question was not answered.
    #[error("cannot resolve {host}: {reason}")]
    Resolve {
        /// The host.
        host: String,
        /// The system's words.
        reason: String,
    },
    /// The transport has been stopped.
    #[error("the transport has been stopped")]
    Stopped,
    /// The gossip stream could not be opened.
    #[error("gossip stream: {reason}")]
    Stream {
        /// The library's words.
        reason: String,
    },
    /// No address took the connection.
    #[error("cannot connect to {address}: {reason}")]
    Tcp {
        /// The last address tried.
        address: SocketAddr,
        /// The system's words.
        reason: String,
    },
    /// The time was up.
    #[error("{step}: no answer within {} ms", after.as_millis())]
    TimedOut {
        /// The step that did not end.
        step: DialStep,
        /// The limit for all steps.
        after: Duration,
    },
    /// TLS failed.
    #[error("TLS: {reason}")]
    Tls {
        /// Why.
        reason: TlsFailure,
        /// What the server presented, leaf first; empty if it did not come to that.
        presented: Vec<CertificateSummary>,
    },
}

impl DialError {
    /// The step that failed.
    pub fn step(&self) -> DialStep {
        match self {
            Self::Endpoint { .. } | Self::Resolve { .. } | Self::Stopped => DialStep::Resolve,
            Self::Tcp { .. } => DialStep::Tcp,
            Self::Tls { .. } => DialStep::Tls,
            Self::Http2 { .. } => DialStep::Http2,
            Self::Ping { .. } => DialStep::Ping,
            Self::Stream { .. } => DialStep::Stream,
            Self::TimedOut { step, .. } => *step,
        }
    }
}
