//! The configuration as an operator meets it: real files, variables over them, mistakes and what is said
//! about them.

mod any_text;
mod mistakes;
mod recorded;
mod values;

use selvedge::config::{ConfigError, Environment, NodeConfig};
use std::path::Path;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// The least a file must have.
const LEAST: &str = "peer: {address: 'peer0:7051', localMspId: Org1MSP, mspConfigPath: msp}\n";

fn parse(text: &str, environment: Environment) -> Result<NodeConfig, ConfigError> {
    NodeConfig::parse(Path::new("/cfg/core.yaml"), text, environment)
}

/// The text after the lines every file needs; its first line is line 2.
fn parse_more(more: &str) -> Result<NodeConfig, ConfigError> {
    parse(&format!("{LEAST}{more}"), Environment::default())
}

fn problems(result: Result<NodeConfig, ConfigError>) -> Vec<String> {
    match result {
        Err(ConfigError::Invalid(problems)) => problems.iter().map(ToString::to_string).collect(),
        other => panic!("expected problems, got {other:?}"),
    }
}
