//! A Fabric network in small, on loopback, without Fabric: what `selvedge devnet` and the tests run on.

pub mod material;
mod running;

pub use running::{CHANNEL, Devnet, DevnetError, DevnetNode, DevnetSettings};
