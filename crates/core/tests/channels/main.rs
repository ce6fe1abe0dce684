//! Channels among several peers: one behaviour a file.

mod common;
mod push;
