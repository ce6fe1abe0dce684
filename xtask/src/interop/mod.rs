//! `cargo xtask interop`: Selvedge beside real Fabric, with Fabric's own tools, metrics and logs as judges.

mod fabric;
mod network;
mod process;
mod report;
mod scenarios;
mod selvedge;

use fabric::Fabric;
use report::Report;
use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

/// What to run.
#[derive(clap::Args, Debug)]
pub(crate) struct Arguments {
    /// Run only the scenarios with these names (see --list)
    scenarios: Vec<String>,
    /// Name the scenarios and end
    #[arg(long)]
    list: bool,
    /// Write the record although only some scenarios were run
    #[arg(long)]
    record: bool,
    /// How long the scenario with peers that come and go runs, in minutes
    #[arg(long, default_value_t = 60)]
    churn_minutes: u64,
    /// The selvedge program to run; built from this checkout when left out
    #[arg(long)]
    program: Option<PathBuf>,
    /// Where networks are made; emptied, and kept when a scenario fails
    #[arg(long, default_value = "interop/run")]
    folder: PathBuf,
}

/// Runs scenarios against the Fabric in `FABRIC_BIN` and writes what was observed to `interop/results`.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    if arguments.list {
        scenarios::ALL.iter().for_each(|scenario| println!("{:<12} {}", scenario.name, scenario.what));
        return Ok(());
    }
    let folder = std::env::var_os("FABRIC_BIN").ok_or(
        "FABRIC_BIN is not set: it names the folder with Fabric's programs (peer, orderer, osnadmin, configtxgen, cryptogen, discover)",
    )?;
    let fabric = Fabric::find(PathBuf::from(folder))?;
    let repository = std::env::current_dir()?;
    let program = match &arguments.program {
        Some(program) => program.clone(),
        None => selvedge::build(&repository)?,
    };
    let mut report = Report::new(fabric.version());
    let mut chosen = 0;
    for scenario in scenarios::ALL {
        if !arguments.scenarios.is_empty() && !arguments.scenarios.iter().any(|name| name == scenario.name) {
            continue;
        }
        chosen += 1;
        if let Some(reason) = (scenario.not_for)(&fabric) {
            report.skip(scenario.name, scenario.what, reason);
            continue;
        }
        println!("== {}: {}", scenario.name, scenario.what);
        let folder = repository.join(&arguments.folder).join(scenario.name);
        let context = scenarios::Context {
            fabric: fabric.clone(),
            repository: repository.clone(),
            folder,
            program: program.clone(),
            churn_minutes: arguments.churn_minutes,
        };
        let started = Instant::now();
        let mut observed = Vec::new();
        let outcome = (scenario.run)(&context, &mut observed);
        report.add(scenario.name, scenario.what, &outcome, observed, started.elapsed());
    }
    if chosen == 0 {
        return Err("no scenario of that name: cargo xtask interop --list".into());
    }
    println!("\n{}", report.table());
    if arguments.scenarios.is_empty() || arguments.record {
        let file = report.write(&repository.join("interop/results"))?;
        println!("written to {}", file.display());
    }
    if report.passed() { Ok(()) } else { Err("not every scenario passed".into()) }
}
