//! Code written by `cargo xtask generate` from the definitions in `protos`.

// prost's output is not held to the lints of hand-written code
#![allow(missing_docs, rustdoc::all, unused_qualifications, clippy::all, clippy::pedantic, clippy::use_self)]

pub mod common;
pub mod gossip;
pub mod kvrwset;
pub mod msp;
pub mod orderer;
pub mod protos;
pub mod rwset;

/// A marshalled `google.protobuf.FileDescriptorSet` with every definition of this crate and
/// `google/protobuf/timestamp.proto`, for reflection and for protobuf JSON.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!("generated/descriptors.bin");
