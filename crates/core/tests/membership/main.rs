//! Membership and connections among several peers: one behaviour a file. Tests of weak points, from which a Go peer suffers
//! and this one must not, carry their number: `w..` is of spec/04 §17. Those that are of other parts: W-14 (roles) and W-27
//! (which channel) of the MSPs, W-19 of dissemination.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod connections;
mod cost;
mod dials;
mod identities;
mod limits;
mod liveness;
mod networks;
mod refusals;
mod secrets;
mod support;
mod wire;
