//! A one-node ordering source with Fabric's own `orderer.AtomicBroadcast` API, for devnet and tests.
//!
//! It is to a peer what a Raft orderer is: it cuts blocks, chains and signs them (spec/07 §4, §5), keeps them in a ledger and
//! delivers them with the checks and statuses of spec/07 §12.2. It orders alone: there is no consensus, and whoever has its
//! key can sign any chain. Configuration updates are taken, authorised by the channel's own policies.

mod blocks;
mod broadcast;
mod cutter;
mod deliver;
mod error;
mod propose;
mod server;
mod session;
mod source;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod transactions;

pub use cutter::{Cutter, Load};
pub use error::OrderingError;
pub use propose::config_update;
pub use server::OrderingServer;
pub use source::{CutBlock, OrderingSettings, OrderingSource};
pub use transactions::{Creator, sealed_envelope};

/// The name of the log target.
const LOGGER: &str = "selvedge.ordering";
