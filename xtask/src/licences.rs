//! `cargo xtask licences`: every crate that is linked or built has an allowed licence, and none is banned.
//!
//! The rules are those of `deny.toml`; this check needs no advisory database and no further program.

use serde::Deserialize;
use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

#[derive(Deserialize)]
struct Rules {
    licenses: Licenses,
    bans: Bans,
}

#[derive(Deserialize)]
struct Licenses {
    allow: Vec<String>,
}

#[derive(Deserialize)]
struct Bans {
    deny: Vec<Ban>,
}

#[derive(Deserialize)]
struct Ban {
    #[serde(rename = "crate")]
    name: String,
    reason: String,
}

/// A crate that is compiled.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Package {
    name: String,
    version: String,
    licence: String,
}

/// Checks every crate of the dependency graph on Linux against `deny.toml`.
pub(crate) fn run() -> Result<(), Box<dyn std::error::Error>> {
    let rules = fs::read_to_string("deny.toml").map_err(|error| format!("deny.toml: {error}"))?;
    let rules: Rules = toml::from_str(&rules).map_err(|error| format!("deny.toml: {error}"))?;
    let packages = packages()?;
    let mut faults = Vec::new();
    for package in &packages {
        if let Some(ban) = rules.bans.deny.iter().find(|ban| ban.name == package.name) {
            faults.push(format!("{} {} is banned: {}", package.name, package.version, ban.reason));
        }
        if let Err(fault) = check_licence(package, &rules.licenses.allow) {
            faults.push(fault);
        }
    }
    if faults.is_empty() {
        println!("licences: {} crates checked, none refused", packages.len());
        Ok(())
    } else {
        Err(faults.join("\n").into())
    }
}

/// What `cargo tree` shows for Linux: the crates that are compiled, not all that the lock file knows.
fn packages() -> Result<BTreeSet<Package>, String> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo)
        .args(["tree", "--workspace", "--locked", "--target", "x86_64-unknown-linux-gnu", "--prefix", "none"])
        .args(["--edges", "normal,build,dev", "--format", "{p}|{l}"])
        .output()
        .map_err(|error| format!("cargo tree: {error}"))?;
    if !output.status.success() {
        return Err(format!("cargo tree: {}", String::from_utf8_lossy(&output.stderr)));
    }
    let text = String::from_utf8(output.stdout).map_err(|error| format!("cargo tree: {error}"))?;
    text.lines().filter(|line| !line.is_empty()).map(parse).collect()
}

/// Reads `name vVERSION (notes)|LICENCE (*)`.
fn parse(line: &str) -> Result<Package, String> {
    let fault = || format!("cargo tree printed {line:?}");
    let (package, licence) = line.split_once('|').ok_or_else(fault)?;
    let mut words = package.split(' ');
    let name = words.next().ok_or_else(fault)?.to_owned();
    let version = words.next().ok_or_else(fault)?.to_owned();
    let licence = licence.trim_end_matches("(*)").trim().to_owned();
    Ok(Package { name, version, licence })
}

fn check_licence(package: &Package, allow: &[String]) -> Result<(), String> {
    let Package { name, version, licence } = package;
    if licence.is_empty() {
        return Err(format!("{name} {version} names no licence"));
    }
    let expression = spdx::Expression::parse_mode(licence, spdx::ParseMode::LAX)
        .map_err(|error| format!("{name} {version}: licence {licence:?}: {error}"))?;
    let allowed = expression.evaluate(|requirement| allow.contains(&requirement.to_string()));
    if allowed { Ok(()) } else { Err(format!("{name} {version}: licence {licence:?} is not in deny.toml")) }
}
