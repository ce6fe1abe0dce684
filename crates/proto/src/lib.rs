//! Protobuf messages of Hyperledger Fabric, a borrowing envelope reader, block hashing and well-formedness.
//!
//! The messages are generated from the crate's own definitions in `protos`, which have Fabric's package, message
//! and field names, numbers and types. Every `bytes` field is a [`bytes::Bytes`] that shares the received buffer.
//!
//! - [`decode`] reads a message from outside as Fabric's decoder reads it;
//! - [`envelope`] reads the header of a gossip envelope and leaves its content alone;
//! - [`validate`] says whether a message has what its content demands;
//! - [`digest`] reads the names of blocks in pull digests;
//! - [`blank_envelope`] and [`blank_block`] leave transactions out;
//! - [`block`] hashes blocks and says whether one is what its hashes claim.

mod blank;
pub mod block;
pub mod digest;
pub mod envelope;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod generated;
mod schema;
pub mod validate;
mod wire;

pub use blank::{blank_block, blank_envelope};
pub use generated::{FILE_DESCRIPTOR_SET, common, gossip, kvrwset, msp, orderer, protos as peer, rwset};
pub use wire::{WireError, decode};
