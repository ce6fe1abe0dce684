//! Thousands of gossip peers on a virtual clock, from one seed.
//!
//! A [`World`] runs the very [`Peer`](selvedge_core::Peer) of the core on simulated hosts.

pub mod checkers;
mod costs;
pub mod faults;
mod links;
mod trace;
mod watch;
mod world;

pub use costs::Costs;
pub use links::{Link, Links};
pub use watch::{BlockHistory, Watch};
pub use world::{Disk, HostId, HostSettings, World};
#[cfg(test)]
mod samples;
