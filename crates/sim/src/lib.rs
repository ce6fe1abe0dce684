//! Thousands of gossip peers on a virtual clock, from one seed.
//!
//! A [`World`] runs the very [`Peer`](selvedge_core::Peer) of the core on simulated hosts.

pub mod bounds;
pub mod checkers;
pub mod compare;
mod costs;
pub mod faults;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod links;
pub mod replay;
mod report;
mod run;
#[cfg(test)]
mod samples;
pub mod scenario;
mod trace;
mod watch;
mod world;

pub use costs::Costs;
pub use links::{Link, Links};
pub use report::{BlockReport, Broken, Delays, Figure, Membership, Report, Traffic, Unit};
pub use run::{Advance, Run, run, run_all, run_seeds};
pub use scenario::{Scenario, ScenarioError};
pub use watch::{Acceptance, BlockHistory, Watch};
pub use world::{Disk, HostId, HostSettings, World};
