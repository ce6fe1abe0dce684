//! What the fuzz targets of this crate and of those below it do, as plain functions: they must not panic, whatever the bytes.
//!
//! The targets in `fuzz/` call them; so does a test, with fewer inputs and with the corpora checked in there, on every change.

mod ledger;
mod trust;

pub use ledger::ledger;
pub use trust::{channel_config, identity, msp};

use crate::config::{Environment, NodeConfig};
use crate::logging::Spec;
use bytes::Bytes;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

/// Reads `data` as a `core.yaml`; lines before one of three dashes are environment variables.
pub fn configuration(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (variables, text) = text.split_once("\n---\n").unwrap_or(("", text));
    let mut environment = Environment::default().with_own_address(Ipv4Addr::LOCALHOST);
    for (name, value) in variables.lines().filter_map(|line| line.split_once('=')) {
        environment = environment.with(name, value);
    }
    if let Ok(config) = NodeConfig::parse(Path::new("core.yaml"), text, environment) {
        for explained in config.explain() {
            let _ = config.source(&explained.key);
        }
    }
}

/// Reads `data` as the levels of loggers.
pub fn log_spec(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(spec) = Spec::parse(text) else { return };
    let _ = spec.level("gossip.state");
    let again = Spec::parse(&spec.to_string()).expect("what was written here is read");
    assert_eq!(again.to_string(), spec.to_string());
}

/// Reads `data` as an orderer's response, and as messages in the body of a gRPC stream, cut into chunks by its first byte.
pub fn stream(data: &[u8]) {
    let _ = crate::deliver::read_response(Bytes::copy_from_slice(data));
    let Some((&cut, body)) = data.split_first() else { return };
    let whole = crate::transport::read_messages(body, body.len().max(1));
    let pieces = crate::transport::read_messages(body, usize::from(cut).max(1));
    assert_eq!(whole, pieces, "messages are the same however the body is cut");
}

/// A recording of a real network.
fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(path)
}

fn read_fixture(path: &str) -> Bytes {
    std::fs::read(fixture(path)).expect("a recording").into()
}

#[cfg(test)]
mod tests {
    use selvedge_proto::fuzzing::{corpus, noise};

    fn both(target: &str, run: fn(&[u8]), count: u64) {
        corpus(target, run);
        noise(count, 300, run);
    }

    #[test]
    fn configurations() {
        both("configuration", super::configuration, 300);
    }

    #[test]
    fn log_specs() {
        both("log_spec", super::log_spec, 2000);
    }

    #[test]
    fn streams() {
        both("stream", super::stream, 2000);
    }

    #[test]
    fn ledgers() {
        both("ledger", super::ledger, 100);
    }

    #[test]
    fn identities() {
        both("identity", super::identity, 1000);
    }

    #[test]
    fn msps() {
        both("msp", super::msp, 300);
    }

    #[test]
    fn channel_configs() {
        both("channel_config", super::channel_config, 300);
    }
}
