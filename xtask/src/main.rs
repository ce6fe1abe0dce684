//! Chores of the repository that are more than one line: `cargo xtask --help`.

mod generate;
mod licences;

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
    /// Checks the licences of all dependencies, and that no banned crate is among them
    Licences,
}

fn main() -> ExitCode {
    let result = match Arguments::parse().chore {
        Chore::Generate(arguments) => generate::run(&arguments),
        Chore::Licences => licences::run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
