//! Protobuf messages of Hyperledger Fabric, a borrowing envelope reader, block hashing and well-formedness.
//!
//! The messages are generated from the crate's own definitions in `protos`, which have Fabric's package, message
//! and field names, numbers and types. Every `bytes` field is a [`bytes::Bytes`] that shares the received buffer.

mod generated;

pub use generated::{FILE_DESCRIPTOR_SET, common, gossip, kvrwset, msp, orderer, protos as peer, rwset};
