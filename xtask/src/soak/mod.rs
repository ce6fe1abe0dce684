//! Many simulated networks with faults, for hours, with all rules watched.

mod ground;

use clap::Args;
use ground::{SHAPES, Shape};
use selvedge_sim::Scenario;
use serde::Serialize;
use std::collections::BTreeMap;
use std::error::Error;
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long, and where the result goes.
#[derive(Args)]
pub(super) struct Arguments {
    /// Hours of real time, such as 0.1; what is under way then is ended first
    #[arg(long, default_value_t = 0.5)]
    hours: f64,
    /// Networks at the same time; otherwise as many as there are cores
    #[arg(long)]
    jobs: Option<usize>,
    /// The seed of the first network; the others count on from it
    #[arg(long, default_value_t = 0)]
    first_seed: u64,
    /// Where the result is written, as JSON
    #[arg(long, default_value = "target/soak.json")]
    out: PathBuf,
    /// Run one network alone, such as `small:17`, and write what happens in it to a file
    #[arg(long, value_name = "SHAPE:SEED", requires = "trace")]
    only: Option<String>,
    /// The file for `--only`
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
}

/// What came of a network.
struct Outcome {
    kind: String,
    seed: u64,
    hosts: usize,
    /// Simulated, while faults struck.
    with_faults: Duration,
    /// Simulated, in all.
    simulated: Duration,
    faults: BTreeMap<String, u64>,
    /// How many hosts did what.
    byzantine: BTreeMap<&'static str, u64>,
    broken: Option<String>,
}

/// Sums over the networks of a kind.
#[derive(Default, Serialize)]
struct Sum {
    networks: u64,
    node_hours: f64,
    node_hours_with_faults: f64,
}

/// The result file.
#[derive(Default, Serialize)]
struct Summary {
    commit: String,
    first_seed: u64,
    networks: u64,
    real_hours: f64,
    node_hours: f64,
    node_hours_with_faults: f64,
    node_hours_with_faults_of_50_hosts_and_more: f64,
    faults: BTreeMap<String, u64>,
    /// How many Byzantine hosts there were that did this, among other things.
    byzantine: BTreeMap<&'static str, u64>,
    kinds: BTreeMap<String, Sum>,
    /// What each kind is.
    descriptions: BTreeMap<String, String>,
    /// A line for each network in which a rule was broken.
    broken: Vec<String>,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    if cfg!(debug_assertions) {
        return again_optimised();
    }
    if let (Some(only), Some(trace)) = (&arguments.only, &arguments.trace) {
        return run_one(only, trace);
    }
    let scenarios = scenarios()?;
    let begun = Instant::now();
    let end = begun + Duration::from_secs_f64(arguments.hours * 3600.0);
    let summary = Mutex::new(Summary {
        commit: commit(),
        first_seed: arguments.first_seed,
        descriptions: SHAPES
            .iter()
            .map(|shape| (shape.name.to_owned(), shape.description.to_owned()))
            .collect(),
        ..Summary::default()
    });
    let next = AtomicU64::new(arguments.first_seed);
    let work = || {
        while Instant::now() < end {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            // every eighth is a scenario, which come in turns
            let outcome = match scenarios.get((seed / 8) as usize % scenarios.len().max(1)) {
                Some(scenario) if seed % 8 == 7 => soak_scenario(scenario, seed),
                _ => soak(Shape::of(seed), seed),
            };
            let mut summary = summary.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            summary.add(outcome);
            summary.real_hours = begun.elapsed().as_secs_f64() / 3600.0;
            if let Err(error) = summary.write(&arguments.out) {
                eprintln!("{}: {error}", arguments.out.display());
            }
        }
    };
    let jobs = arguments.jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    std::thread::scope(|scope| (0..jobs.max(1)).for_each(|_| drop(scope.spawn(work))));
    let summary = summary.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    println!("{}", serde_json::to_string_pretty(&summary)?);
    match summary.broken.len() {
        0 => Ok(()),
        count => Err(format!("rules were broken in {count} networks").into()),
    }
}

/// The same chore in a program that is optimised: a simulation needs it.
fn again_optimised() -> Result<(), Box<dyn Error>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let arguments = std::env::args_os().skip(1);
    let program = Command::new(cargo)
        .args(["run", "--release", "--package", "xtask", "--"])
        .args(arguments)
        .status()?;
    if program.success() { Ok(()) } else { Err("see above".into()) }
}

fn run_one(only: &str, trace: &Path) -> Result<(), Box<dyn Error>> {
    let wrong = || format!("expected a shape and a seed such as small:17, not {only}");
    let (name, seed) = only.split_once(':').ok_or_else(wrong)?;
    let shape = SHAPES.iter().find(|shape| shape.name == name).ok_or_else(wrong)?;
    let (mut world, mut faults, phases) = shape.build(seed.parse()?);
    world.write_trace(Box::new(BufWriter::new(File::create(trace)?)));
    phases.run(&mut world, &mut faults);
    match world.failure() {
        None => Ok(()),
        Some(failure) => Err(failure.to_string().into()),
    }
}

fn soak(shape: &Shape, seed: u64) -> Outcome {
    let (mut world, mut faults, phases) = shape.build(seed);
    phases.run(&mut world, &mut faults);
    let broken = world.failure().map(|failure| {
        println!("{failure}");
        let host = failure.host.as_deref().unwrap_or("no single host");
        format!(
            "{}:{seed}: rule '{}' at {host} after {:?}: {}",
            shape.name, failure.rule, failure.at, failure.observed
        )
    });
    Outcome {
        kind: shape.name.to_owned(),
        seed,
        hosts: world.hosts().count(),
        with_faults: world.now().min(phases.safety),
        simulated: world.now(),
        faults: faults.struck().iter().map(|(kind, count)| (format!("{kind:?}"), *count)).collect(),
        byzantine: ground::byzantine(&world),
        broken,
    }
}

fn soak_scenario(scenario: &Scenario, seed: u64) -> Outcome {
    let run = selvedge_sim::run(scenario, seed, &|_| {});
    let names: Vec<String> = run.report.broken.iter().map(ToString::to_string).collect();
    let broken = (!names.is_empty()).then(|| {
        let observed = run.failure.map(|failure| failure.to_string()).unwrap_or_default();
        println!("{observed}");
        let last = observed.lines().last().unwrap_or_default();
        format!("scenario {}, seed {seed}: {} does not hold: {last}", scenario.name, names.join(", "))
    });
    Outcome {
        kind: format!("scenario {}", scenario.name),
        seed,
        hosts: scenario.hosts.count,
        with_faults: Duration::ZERO,
        simulated: scenario.time.end(),
        faults: BTreeMap::new(),
        byzantine: BTreeMap::new(),
        broken,
    }
}

/// All scenarios of the repository, with 20 hosts at most.
fn scenarios() -> Result<Vec<Scenario>, Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder)?.filter_map(|file| Some(file.ok()?.path())).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    let mut scenarios = Vec::new();
    for file in files {
        let scenario = Scenario::parse(&std::fs::read_to_string(file)?)?;
        let count = scenario.hosts.count.min(20);
        scenarios.push(scenario.with_hosts(count)?.with_checkers()?);
    }
    Ok(scenarios)
}

fn commit() -> String {
    let told = Command::new("git").args(["describe", "--always", "--dirty", "--abbrev=12"]).output();
    told.map(|told| String::from_utf8_lossy(&told.stdout).trim().to_owned()).unwrap_or_default()
}

impl Summary {
    fn add(&mut self, outcome: Outcome) {
        let hours = |time: Duration| time.as_secs_f64() / 3600.0 * outcome.hosts as f64;
        let (all, with_faults) = (hours(outcome.simulated), hours(outcome.with_faults));
        self.networks += 1;
        self.node_hours += all;
        self.node_hours_with_faults += with_faults;
        if outcome.hosts >= 50 {
            self.node_hours_with_faults_of_50_hosts_and_more += with_faults;
        }
        let sum = self.kinds.entry(outcome.kind).or_default();
        sum.networks += 1;
        sum.node_hours += all;
        sum.node_hours_with_faults += with_faults;
        for (kind, count) in outcome.faults {
            *self.faults.entry(kind).or_default() += count;
        }
        for (kind, count) in outcome.byzantine {
            *self.byzantine.entry(kind).or_default() += count;
        }
        if let Some(broken) = outcome.broken {
            eprintln!("seed {}: {broken}", outcome.seed);
            self.broken.push(broken);
        }
    }

    fn write(&self, path: &Path) -> Result<(), Box<dyn Error>> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(path, serde_json::to_string_pretty(self)? + "\n")?;
        Ok(())
    }
}
