//! Many peers on one virtual clock, with fake cryptography: what the protocol's own tests stand on.
//!
//! A [`Cluster`] owns the peers, a queue of what is under way between them, and a trace with one line for each input and
//! output. Nothing in it is random but what its seed fixes, so the same calls give the same trace byte for byte.
//!
//! Identities are texts such as `Org1MSP|peer0`, signatures are digests that anybody can make ([`crypto`]); so a test
//! can forge whatever it likes, and a *puppet*, a node without a peer behind it, can say anything ([`Cluster::puppet`]).

mod cluster;
pub mod crypto;
mod ledgers;
pub mod messages;
mod network;
mod node;
mod puppet;
mod trace;

pub use cluster::{Cluster, Link};
pub use node::{Ledger, NodeId};
pub use trace::{describe, input as describe_input, output as describe_output};
