//! What happened to a peer, as bytes: everything that [`Peer::new`](crate::Peer::new) and [`Peer::handle`](crate::Peer::handle)
//! were given, and what was ordered after each, in short. From that the same peer can be made to do the same again. No key is in
//! it, because the core has none.
//!
//! # Format
//!
//! A line, `selvedge recording 1`, whose number says which form the rest has; another number is refused. Then records, one after
//! the other: length of the body (4 bytes, little-endian), CRC-32C of the body (4 bytes, little-endian), body. A body is a
//! protobuf message as the types of `wire` have it: first the beginning (settings, identity, seed, clocks), then a step for
//! each input, and an end with a reason. Each step and the end hold a short form of every order since the step before: the
//! lowest byte its kind, the others a checksum.
//!
//! What is cut off anywhere can be read up to there. Whoever changes a field changes the number in the first line.
//!
//! # Payloads
//!
//! Where payloads are left out, the entries of blocks, and private data, are zeros: number, hashes, signatures and lengths
//! are still there, and that is all that the core looks at. Blocks then count in the short forms with their length alone.

mod orders;
mod reading;
mod settings;
mod wire;
mod writing;

pub use orders::{OrderKind, OrderMark, mark};
pub use reading::{Entry, Recording, RecordingError};
pub use writing::Recorder;
#[cfg(feature = "fuzzing")]
pub(crate) use writing::framed;

use crate::config::{Config, LocalPeer};
use crate::time::{Instant, WallTime};

/// The first line, without its number.
const MAGIC: &str = "selvedge recording ";

/// The form that is written, and the only one that is read.
pub const VERSION: u32 = 1;

/// Length and checksum before each record's body.
const PREFIX_BYTES: usize = 8;

/// Whether transactions and private data are in a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payloads {
    /// They are.
    Kept,
    /// There are zeros in their place.
    Blank,
}

/// What a peer was made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beginning {
    /// The program that records, with its version: another one may do other things.
    pub program: String,
    /// Whether transactions are in it.
    pub payloads: Payloads,
    /// Settings of the protocol.
    pub config: Config,
    /// Who it is.
    pub me: LocalPeer,
    /// Of all random choices.
    pub seed: u64,
    /// When it was made.
    pub now: Instant,
    /// The same moment by the calendar.
    pub wall: WallTime,
}
