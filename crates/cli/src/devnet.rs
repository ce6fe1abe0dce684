//! `selvedge devnet`: a small network on this machine.

mod table;

use crate::failure::Failure;
use crate::node::wait_for_signal;
use clap::Args;
use selvedge::devnet::{Devnet, DevnetSettings};
use selvedge::logging::{self, LoggingOptions};
use selvedge::node::NodeEvent;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use table::{Progress, Table};
use tokio::sync::{broadcast, mpsc};

/// Run a small network with its own ordering source on this machine.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  selvedge devnet
  selvedge devnet --orgs 5 --peers 10 --blocks-per-second 20 --duration 1m
  selvedge devnet --keep ./net     # then: FABRIC_CFG_PATH=./net/nodes/peer1.org1.example.com selvedge node start")]
pub(crate) struct Arguments {
    /// Organisations
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=100))]
    orgs: u16,
    /// Peers of each organisation; the first of each pulls from the ordering source
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=100))]
    peers: u16,
    /// Blocks cut in a second; may be a fraction
    #[arg(long, default_value_t = 5.0, value_parser = parse_rate)]
    blocks_per_second: f64,
    /// Size of a block, such as 16KiB or 1MiB
    #[arg(long, default_value = "16KiB", value_parser = parse_size)]
    block_size: usize,
    /// End after this time, such as 30s or 5m; otherwise run until Ctrl-C
    #[arg(long, value_parser = parse_duration)]
    duration: Option<Duration>,
    /// Keep ledgers, crypto material, genesis block and a core.yaml for each node in this new or empty folder
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let folder = Folder::new(arguments.keep.as_deref())?;
    // the table is the news; what a node warns of would tear it
    let mut options = LoggingOptions::from_environment();
    if std::env::var_os("FABRIC_LOGGING_SPEC").is_none() {
        options.spec = "error".to_owned();
    }
    logging::install(options)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(show(arguments, &folder));
    runtime.shutdown_timeout(Duration::from_secs(1));
    outcome
}

async fn show(arguments: &Arguments, folder: &Folder) -> Result<(), Failure> {
    let settings = DevnetSettings {
        organization_count: usize::from(arguments.orgs),
        peer_count: usize::from(arguments.peers),
        block_interval: Duration::from_secs_f64(1.0 / arguments.blocks_per_second),
        block_bytes: arguments.block_size,
        folder: folder.path().to_owned(),
        keep_material: arguments.keep.is_some(),
    };
    let started = Instant::now();
    let node_count = settings.organization_count * settings.peer_count;
    println!("starting {node_count} nodes and an ordering source on 127.0.0.1 ...");
    let mut devnet = Devnet::start(&settings).await?;
    println!("started in {:.1?}", started.elapsed());

    let (commits, mut committed) = mpsc::unbounded_channel();
    for (index, node) in devnet.nodes().iter().enumerate() {
        tokio::spawn(follow(index, node.node.subscribe(), commits.clone()));
    }
    drop(commits);
    let mut cuts = devnet.cuts();
    devnet.start_cutting();

    let mut progress = Progress::new(devnet.nodes().len());
    let mut table = Table::new(std::io::stdout().is_terminal());
    let mut tick = tokio::time::interval(table.period());
    let end = arguments.duration.map(|duration| tokio::time::Instant::now() + duration);
    let signal = wait_for_signal();
    tokio::pin!(signal);
    loop {
        tokio::select! {
            result = &mut signal => { result?; break }
            () = wait_until(end) => break,
            Ok(cut) = cuts.recv() => progress.cut(&cut),
            Some((index, height, at)) = committed.recv() => progress.committed(index, height, at),
            _ = tick.tick() => {
                let statuses = devnet.statuses().await?;
                table.show(&progress, devnet.nodes(), &statuses);
            }
        }
    }
    devnet.stop_cutting().await;
    let statuses = devnet.statuses().await?;
    table.finish(&progress, devnet.nodes(), &statuses);
    devnet.stop().await;
    if let Some(kept) = &arguments.keep {
        println!("kept in {}; start one of its nodes with:", kept.display());
        println!("  FABRIC_CFG_PATH={}/nodes/peer0.org1.example.com selvedge node start", kept.display());
    }
    Ok(())
}

/// Passes on when a node had which height.
async fn follow(
    index: usize,
    mut events: broadcast::Receiver<NodeEvent>,
    commits: mpsc::UnboundedSender<(usize, u64, Instant)>,
) {
    loop {
        match events.recv().await {
            Ok(NodeEvent::Committed { height, .. }) => {
                if commits.send((index, height, Instant::now())).is_err() {
                    return;
                }
            }
            Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
            Err(broadcast::error::RecvError::Closed) => return,
        }
    }
}

async fn wait_until(end: Option<tokio::time::Instant>) {
    match end {
        Some(end) => tokio::time::sleep_until(end).await,
        None => std::future::pending().await,
    }
}

/// The folder of a devnet: the one to keep, or one that goes with the devnet.
enum Folder {
    Kept(PathBuf),
    Temporary(PathBuf),
}

impl Folder {
    fn new(keep: Option<&std::path::Path>) -> Result<Self, Failure> {
        let Some(keep) = keep else {
            let path = std::env::temp_dir().join(format!("selvedge-devnet-{}", std::process::id()));
            std::fs::create_dir_all(&path)
                .map_err(|error| Failure::because(format!("{}: {error}", path.display())))?;
            return Ok(Self::Temporary(path));
        };
        let failed = |error: std::io::Error| Failure::because(format!("--keep {}: {error}", keep.display()));
        std::fs::create_dir_all(keep).map_err(failed)?;
        if std::fs::read_dir(keep).map_err(failed)?.next().is_some() {
            return Err(Failure::because(format!("--keep {}: not empty; name a new folder", keep.display())));
        }
        Ok(Self::Kept(std::path::absolute(keep).map_err(failed)?))
    }

    fn path(&self) -> &std::path::Path {
        match self {
            Self::Kept(path) | Self::Temporary(path) => path,
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Self::Temporary(path) = self {
            let _ = std::fs::remove_dir_all(path);
        }
    }
}

fn parse_rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if (0.001..=10_000.0).contains(&rate) => Ok(rate),
        _ => Err("expected a number from 0.001 to 10000".to_owned()),
    }
}

/// Bytes: a number, with B, KiB, MiB, or KB and MB meaning the same.
fn parse_size(text: &str) -> Result<usize, String> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        _ => return Err("expected a size such as 16KiB or 1MiB".to_owned()),
    };
    let size = digits.trim().parse::<usize>().ok().and_then(|count| count.checked_mul(unit));
    match size {
        Some(size) if (1..=32 << 20).contains(&size) => Ok(size),
        _ => Err("expected a size from 1 byte to 32MiB".to_owned()),
    }
}

/// A duration as Go writes them.
fn parse_duration(text: &str) -> Result<Duration, String> {
    selvedge_core::parse_duration(text).ok_or_else(|| "expected a duration such as 30s or 5m".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        assert_eq!(parse_size("16KiB"), Ok(16_384));
        assert_eq!(parse_size("1 MiB").ok(), Some(1 << 20));
        assert_eq!(parse_size("300"), Ok(300));
        assert!(parse_size("16 apples").is_err());
        assert!(parse_size("1GiB").is_err());
        assert!(parse_size("0").is_err());
    }

    #[test]
    fn rates_are_positive() {
        assert_eq!(parse_rate("0.5"), Ok(0.5));
        assert!(parse_rate("0").is_err());
        assert!(parse_rate("NaN").is_err());
    }
}
