//! The crate as its users see it, one behaviour a file. One program, so that it is linked once.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod chains;
mod config_updates;
mod configuration;
mod folders;
mod policies;
mod properties;
mod recorded_bft;
mod recorded_blocks;
mod recorded_envelopes;
mod recorded_handshakes;
mod recorded_identities;
mod recorded_verdicts;
mod revocation;
mod setup;
mod support;
mod vectors;
mod verifier;
mod weak_points_of_blocks;
mod weak_points_of_identities;
mod well_formed;
