//! A seed gives one course of things, transition by transition, on every machine.

#![allow(clippy::unwrap_used)]

use core::time::Duration;
use selvedge_core::testing::crypto;
use selvedge_sim::{Scenario, run_traced};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The trace of nine hosts for ten seconds.
fn trace(name: &str, seed: u64) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("../../scenarios/{name}.toml"));
    let scenario = Scenario::parse(&std::fs::read_to_string(path).unwrap()).unwrap();
    let scenario = scenario.with_hosts(9).unwrap().with_measured(Duration::from_secs(10)).unwrap();
    let written = Written::default();
    run_traced(&scenario, seed, Some(Box::new(written.clone())), &|_| {});
    String::from_utf8(core::mem::take(&mut *written.0.lock().unwrap())).unwrap()
}

fn digest(text: &str) -> String {
    crypto::digest(&[text.as_bytes()]).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_trace_is_the_same_everywhere() {
    let digests = ["byzantine", "faults"].map(|name| digest(&trace(name, 7)));
    assert_eq!(digests, ["1ddf182243e362a2", "f0134891ab1caec1"]);
}

#[test]
fn a_line_tells_what_happened_when_and_where() {
    let trace = trace("byzantine", 1);
    assert!(trace.lines().all(|line| line.contains("s host ")), "each has its time and host");
    for part in ["is byzantine: ", " < accepted a1", " > sign", " < deadline", " > commit"] {
        assert!(trace.contains(part), "{part}");
    }
}

#[test]
fn another_seed_gives_another_trace() {
    assert_ne!(trace("faults", 1), trace("faults", 2));
}
