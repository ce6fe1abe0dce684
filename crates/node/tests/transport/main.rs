//! The transport through its public interface, over loopback, with certificates made for each test.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod dial;
mod foreign;
mod keepalive;
mod limits;
mod queues;
mod services;
mod stop;
mod streams;
mod support;
mod tls;
