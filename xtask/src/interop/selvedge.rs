//! The Selvedge program as a scenario uses it.

use super::fabric::run;
use super::network::{Behaviour, Network, Place};
use super::process::{page, wait};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Builds the program and gives its path.
pub(crate) fn build(repository: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(&cargo)
        .args(["build", "--release", "--package", "selvedge-cli"])
        .current_dir(repository)
        .status()?;
    if !built.success() {
        return Err("the selvedge program does not build".into());
    }
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| repository.join("target"), PathBuf::from);
    Ok(target.join("release/selvedge"))
}

/// Starts a Selvedge node in the place of a peer.
pub(crate) fn start(
    network: &mut Network,
    program: &Path,
    place: Place,
    behaviour: Behaviour,
    bootstrap: Place,
) -> Result<(), Box<dyn Error>> {
    let folder = network.configure(place, behaviour, bootstrap)?;
    let mut command = Command::new(program);
    command.args(["node", "start"]).env("FABRIC_CFG_PATH", &folder).current_dir(&folder);
    command.env("FABRIC_LOGGING_SPEC", "info:gossip=debug");
    network.start(&place.short_name(), &mut command)?;
    let name = place.short_name();
    wait(&format!("{name} healthy"), Duration::from_secs(20), || {
        Ok(page(place.operations_port(), "/healthz").ok())
    })?;
    Ok(())
}

/// Joins a running Selvedge node to the channel.
pub(crate) fn join(network: &Network, program: &Path, place: Place) -> Result<(), Box<dyn Error>> {
    let folder = network.folder().join(place.short_name());
    let mut command = Command::new(program);
    command.args(["channel", "join", "-b"]).arg(network.genesis()).env("FABRIC_CFG_PATH", folder);
    run(&mut command).map(drop)
}

/// A `selvedge ledger` command over the data of a stopped node.
pub(crate) fn ledger(
    network: &Network,
    program: &Path,
    place: Place,
    words: &[&str],
) -> Result<String, Box<dyn Error>> {
    let folder = network.folder().join(place.short_name());
    run(Command::new(program).arg("ledger").args(words).env("FABRIC_CFG_PATH", folder))
}
