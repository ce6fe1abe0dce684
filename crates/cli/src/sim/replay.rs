//! `selvedge sim replay`: what a node recorded, once more.

use crate::failure::Failure;
use clap::Args;
use selvedge_core::format_duration;
use selvedge_core::recording::Payloads;
use selvedge_sim::replay::{Ending, Replay, replay};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

/// What to replay.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// What `selvedge node start --record` wrote
    #[arg(value_name = "FILE")]
    recording: PathBuf,
    /// Write every input and order to a file, one a line
    #[arg(long, value_name = "OUT")]
    trace: Option<PathBuf>,
    /// Stop after so many inputs
    #[arg(long, value_name = "N")]
    until: Option<u64>,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let path = arguments.recording.display();
    let bytes =
        std::fs::read(&arguments.recording).map_err(|error| Failure::because(format!("{path}: {error}")))?;
    let mut trace: Box<dyn Write> = match &arguments.trace {
        None => Box::new(std::io::sink()),
        Some(trace) => {
            let failed = |error| Failure::because(format!("{}: {error}", trace.display()));
            Box::new(BufWriter::new(File::create(trace).map_err(failed)?))
        }
    };
    let replay = replay(bytes.into(), arguments.until, &mut trace)
        .map_err(|error| Failure::because(format!("{path}: {error}")))?;
    trace.flush()?;
    tell(&replay);
    match &replay.ending {
        Ending::Ended(_) | Ending::CutOff | Ending::Until => Ok(()),
        Ending::Unreadable(error) => Err(Failure::because(format!("{path}: {error}"))),
        Ending::Differs(difference) => {
            Err(Failure::because(format!("not what was recorded: {difference}{}", advice(&replay))))
        }
    }
}

const PROGRAM: &str = concat!("selvedge ", env!("CARGO_PKG_VERSION"));

fn tell(replay: &Replay) {
    let beginning = &replay.beginning;
    let payloads = match beginning.payloads {
        Payloads::Kept => "with payloads",
        Payloads::Blank => "without payloads",
    };
    println!(
        "{} of {}, recorded by {}, {payloads}",
        beginning.config.endpoint, beginning.me.org, beginning.program
    );
    println!("{} inputs in {}", replay.step_count, format_duration(replay.covered));
    match &replay.ending {
        Ending::Ended(reason) => println!("{} orders, the same: to the end, {reason}", replay.order_count),
        Ending::CutOff => println!(
            "{} orders, the same: to where the recording is cut off, as by a crash",
            replay.order_count
        ),
        Ending::Until => println!("{} orders, the same so far", replay.order_count),
        Ending::Unreadable(_) | Ending::Differs(_) => {
            println!("{} orders, the same until then", replay.order_count);
        }
    }
}

fn advice(replay: &Replay) -> String {
    let program = &replay.beginning.program;
    if program == PROGRAM {
        return String::new();
    }
    format!("\nit was recorded by {program}, this is {PROGRAM}: another version may do other things")
}
