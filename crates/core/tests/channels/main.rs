//! Channels among several peers: one behaviour a file. Tests of weak points carry their number: `w..` alone is of spec/05
//! §17, `x..` of spec/06 §2.12.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod alive_push;
mod back_pressure;
mod block_pull;
mod commit_refused;
mod common;
mod config_barrier;
mod disclosure;
mod flow;
mod hostile_blocks;
mod identities;
mod leaving;
mod loss;
mod publication;
mod push;
mod relay;
mod repair;
mod serving;
mod snapshots;
mod state_infos;
mod transfer;
mod transfer_troubles;
