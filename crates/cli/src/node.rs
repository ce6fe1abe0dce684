//! `selvedge node`.

use crate::failure::Failure;
use clap::{Args, Subcommand};
use selvedge::config::NodeConfig;
use selvedge::logging::{self, LoggingOptions};
use selvedge::node::{RecordSettings, Service};
use selvedge_core::recording::Payloads;
use std::path::PathBuf;
use std::time::Duration;

/// Run a node.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Start the node that core.yaml describes, and run it until SIGINT or SIGTERM
    #[command(after_help = "Examples:
  FABRIC_CFG_PATH=/etc/hyperledger/fabric selvedge node start
  CORE_PEER_GOSSIP_STATE_ENABLED=true selvedge node start --config core.yaml
  FABRIC_LOGGING_SPEC=info:gossip=debug selvedge node start
  selvedge node start --record /var/tmp/peer0.recording")]
    Start(Start),
}

/// Where the configuration is.
#[derive(Args, Debug)]
pub(crate) struct Start {
    /// The core.yaml; otherwise that in FABRIC_CFG_PATH, or in /etc/hyperledger/fabric
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Record everything that happens to the protocol in a new file, for `selvedge sim replay`. No key is in it, but what the
    /// peers of the organisation tell each other is, and the certificates
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Record transactions and private data as well; otherwise there are zeros in their place
    #[arg(long, requires = "record")]
    record_payloads: bool,
    /// How long the recording may become, in MiB; then it stops, with a warning, and the node goes on
    #[arg(long, value_name = "MIB", requires = "record", default_value_t = 1024, value_parser = clap::value_parser!(u64).range(1..=1_048_576))]
    record_max: u64,
}

impl Start {
    fn record(&self) -> Option<RecordSettings> {
        let payloads = if self.record_payloads { Payloads::Kept } else { Payloads::Blank };
        self.record.clone().map(|file| RecordSettings { file, payloads, bytes_max: self.record_max << 20 })
    }
}

/// How long connections may drain and ledgers close before the process ends all the same.
const STOP: Duration = Duration::from_secs(10);

pub(crate) fn run(command: &Command) -> Result<(), Failure> {
    let Command::Start(start) = command;
    let config = NodeConfig::load(start.config.as_deref())?;
    config.check_files()?;
    let logging = logging::install(LoggingOptions::from_environment())?;
    for warning in &config.warnings {
        tracing::warn!(target: "selvedge.config", "{warning}");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(if config.selvedge.worker_thread_count == 0 {
            2
        } else {
            config.selvedge.worker_thread_count
        })
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(async {
        let service = Service::start(&config, logging, start.record()).await?;
        wait_for_signal().await?;
        tracing::info!(target: "nodeCmd", "stopping");
        if tokio::time::timeout(STOP, service.stop()).await.is_err() {
            tracing::warn!(target: "nodeCmd", "not everything stopped within {STOP:?}");
        }
        Ok(())
    });
    runtime.shutdown_timeout(Duration::from_secs(1));
    outcome
}

/// Until SIGINT (Ctrl-C) or SIGTERM.
pub(crate) async fn wait_for_signal() -> Result<(), Failure> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        result = tokio::signal::ctrl_c() => result?,
        _ = terminate.recv() => {}
    }
    Ok(())
}
