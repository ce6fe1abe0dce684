//! Why a stream of blocks ended.

use crate::transport::DialStep;
use selvedge_proto::common::Status;
use std::fmt;
use std::time::Duration;
use tonic::Code;

/// Why a stream of blocks, or the attempt at one, ended. None of them ends the client.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndReason {
    /// TLS is on, but no certificate authority is known for this orderer.
    NoTlsRoots,
    /// The orderer could not be reached.
    Connect {
        /// Where it failed.
        step: DialStep,
        /// Why.
        reason: String,
    },
    /// TLS ended a connection that stood: as a rule, the orderer does not accept the client certificate.
    Tls(String),
    /// The request could not be signed.
    Sign(String),
    /// gRPC or the connection below it failed.
    Grpc {
        /// The gRPC status.
        code: Code,
        /// What the other side or the transport says.
        message: String,
    },
    /// The orderer ended the stream without a word.
    StreamEnded,
    /// The request is malformed for the orderer: usually a clock more than 15 minutes off, or a TLS client certificate
    /// other than the request names.
    BadRequest,
    /// The identity may not read the channel (policy `/Channel/Readers`), or has expired.
    Forbidden,
    /// The orderer does not have the block, as when it lags behind; or it does not serve the channel.
    NotFound,
    /// The orderer has no leader or is stopping.
    ServiceUnavailable,
    /// The orderer said that the stream is complete, which an endless one never is.
    Complete,
    /// Any other status.
    Status(i32),
    /// A response is neither status nor block, or a block is unparsable.
    Malformed,
    /// A block has no header.
    NoHeader,
    /// A block is not the next one.
    WrongNumber {
        /// Number that had to come.
        expected: u64,
        /// Number in the block's header.
        given: u64,
    },
    /// The receiver of the blocks refused one.
    Refused {
        /// Its number.
        number: u64,
        /// Why.
        reason: String,
    },
    /// The orderer does not deliver a block that exists: other orderers have shown its header, or that of a later one.
    Withheld {
        /// The block's number.
        number: u64,
        /// How long it was waited for at least.
        limit: Duration,
    },
}

impl EndReason {
    /// A short label in snake case for counters.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NoTlsRoots => "no_tls_roots",
            Self::Connect { .. } => "connect",
            Self::Tls(_) => "tls",
            Self::Sign(_) => "sign",
            Self::Grpc { .. } => "grpc",
            Self::StreamEnded => "stream_ended",
            Self::BadRequest => "bad_request",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::ServiceUnavailable => "service_unavailable",
            Self::Complete => "complete",
            Self::Status(_) => "status",
            Self::Malformed => "malformed",
            Self::NoHeader => "no_header",
            Self::WrongNumber { .. } => "wrong_number",
            Self::Refused { .. } => "refused",
            Self::Withheld { .. } => "withheld",
        }
    }

    /// What a status of the orderer means to a client that asked for an endless stream.
    pub(super) fn of_status(status: i32) -> Self {
        match Status::try_from(status) {
            Ok(Status::Success) => Self::Complete,
            Ok(Status::BadRequest) => Self::BadRequest,
            Ok(Status::Forbidden) => Self::Forbidden,
            Ok(Status::NotFound) => Self::NotFound,
            Ok(Status::ServiceUnavailable) => Self::ServiceUnavailable,
            _ => Self::Status(status),
        }
    }

    /// Whether it belongs to normal operation and is not worth a warning: this node is ahead of the orderer.
    pub(super) fn is_quiet(&self) -> bool {
        matches!(self, Self::NotFound)
    }
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTlsRoots => f.write_str("TLS is on, but the channel configuration names no TLS CA for it"),
            Self::Connect { reason, .. } => f.write_str(reason),
            Self::Tls(reason) => write!(f, "TLS: {reason}"),
            Self::Sign(error) => write!(f, "cannot sign the request: {error}"),
            Self::Grpc { code, message } => write!(f, "stream failed: {code:?}: {message}"),
            Self::StreamEnded => f.write_str("it ended the stream"),
            Self::BadRequest => f.write_str(
                "BAD_REQUEST: check this machine's clock (15 minutes are tolerated) and the TLS client certificate",
            ),
            Self::Forbidden => {
                f.write_str("FORBIDDEN: this node's identity does not satisfy /Channel/Readers, or has expired")
            }
            Self::NotFound => f.write_str("NOT_FOUND: it lags behind this node, or does not serve the channel"),
            Self::ServiceUnavailable => f.write_str("SERVICE_UNAVAILABLE: it has no leader, or is stopping"),
            Self::Complete => f.write_str("SUCCESS: it considers the stream complete"),
            Self::Status(status) => write!(f, "status {status}"),
            Self::Malformed => f.write_str("it sent something unparsable"),
            Self::NoHeader => f.write_str("it sent a block without a header"),
            Self::WrongNumber { expected, given } => {
                write!(f, "it sent block {given} where block {expected} had to come")
            }
            Self::Refused { number, reason } => write!(f, "its block {number} was refused: {reason}"),
            Self::Withheld { number, limit } => {
                write!(f, "it withholds block {number}, which other orderers have had for {limit:?}")
            }
        }
    }
}
