//! The gossip layer of Hyperledger Fabric: a node that joins a real channel.

pub mod config;
pub mod devnet;
pub mod logging;
pub mod metrics;
pub mod transport;
pub mod workers;
