//! What the fuzz targets of this crate do, as plain functions: they must not panic, whatever the bytes.
//!
//! The targets in `fuzz/` call them; so does a test, with fewer inputs and with the corpora checked in there, on every change.

use crate::scenario::{Scenario, parse_seeds};

/// Reads `data` as a scenario, and as seeds.
pub fn scenario(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else { return };
    if let Some(seeds) = parse_seeds(text) {
        assert!(!seeds.is_empty());
    }
    match Scenario::parse(text) {
        Ok(scenario) => {
            let _ = scenario.with_hosts(10);
        }
        Err(error) => drop(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use selvedge_proto::fuzzing::{corpus, noise};

    #[test]
    fn scenarios() {
        corpus("scenario", super::scenario);
        noise(300, 300, super::scenario);
    }
}
