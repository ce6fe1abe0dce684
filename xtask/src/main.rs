//! Chores of the repository that are more than one line: `cargo xtask --help`.

mod generate;
mod interop;
mod licences;
mod soak;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Chores of the repository.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Writes the Rust code and the descriptors of the protobuf definitions
    Generate(generate::Arguments),
    /// Runs Selvedge beside the real Fabric whose programs are in the folder FABRIC_BIN
    Interop(interop::Arguments),
    /// Checks the licences of all dependencies, and that no banned crate is among them
    Licences,
    /// Simulates networks with faults for hours of real time, and sums up how many hours of nodes no rule was broken
    Soak(soak::Arguments),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().chore {
        Chore::Generate(arguments) => generate::run(&arguments),
        Chore::Interop(arguments) => interop::run(&arguments),
        Chore::Licences => licences::run(),
        Chore::Soak(arguments) => soak::run(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
