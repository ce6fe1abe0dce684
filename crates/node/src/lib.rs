//! The gossip layer of Hyperledger Fabric: a node that joins a real channel.

pub mod chain;
pub mod config;
pub mod deliver;
pub mod devnet;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod generated {
    //! Written by `cargo xtask generate`.
    #![allow(
        missing_docs,
        unreachable_pub,
        unused_qualifications,
        clippy::all,
        clippy::pedantic,
        clippy::use_self
    )]
    pub(crate) mod orderer;
}
pub mod logging;
pub mod metrics;
pub mod node;
pub mod operations;
pub mod ordering;
pub mod transport;
pub mod workers;
