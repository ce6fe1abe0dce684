//! `selvedge channel`: asks the operations server of a node on this machine.

use crate::failure::Failure;
use clap::{Args, Subcommand};
use selvedge::config::NodeConfig;
use selvedge::operations::{AdminClient, AdminClientError};
use std::path::PathBuf;

/// Join a channel, and ask a running node about its channels.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Join the running node to the channel of a genesis block
    #[command(after_help = "Example:
  selvedge channel join -b mychannel.block")]
    Join {
        /// The genesis block: what `configtxgen -outputBlock` or `peer channel fetch 0` writes
        #[arg(short, long = "blockpath", value_name = "FILE")]
        block: PathBuf,
        #[command(flatten)]
        node: NodeAddress,
    },
    /// List the channels of the running node
    List {
        #[command(flatten)]
        node: NodeAddress,
    },
    /// Show height, hashes and configuration of a channel of the running node
    #[command(after_help = "Example:
  selvedge channel getinfo -c mychannel --json")]
    Getinfo {
        /// The channel
        #[arg(short, long = "channelID", value_name = "CHANNEL")]
        channel: String,
        #[command(flatten)]
        node: NodeAddress,
    },
}

/// Which node to ask, and how to answer.
#[derive(Args, Debug)]
pub(crate) struct NodeAddress {
    /// The node's core.yaml, for operations.listenAddress; otherwise found as by `selvedge node start`
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The node's operations address, instead of a core.yaml
    #[arg(long, value_name = "HOST:PORT", conflicts_with = "config")]
    operations: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl NodeAddress {
    fn client(&self) -> Result<AdminClient, Failure> {
        if let Some(address) = &self.operations {
            return Ok(AdminClient::new(address));
        }
        let config = NodeConfig::load(self.config.as_deref())?;
        let address = config.operations.listen_address.as_deref().ok_or_else(|| {
            Failure::because("operations.listenAddress is empty: the node has no operations server to ask")
        })?;
        let client = AdminClient::new(address);
        let tls = &config.operations.tls;
        if !tls.enabled {
            return Ok(client);
        }
        // the operator holds the server's own certificate, which the server trusts if its CA is among clientRootCAs
        let pair = tls.cert_file.as_deref().zip(tls.key_file.as_deref());
        Ok(client.with_tls(&tls.client_root_ca_files, pair)?)
    }
}

pub(crate) fn run(command: &Command) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match command {
            Command::Join { block, node } => join(block, node).await,
            Command::List { node } => list(node).await,
            Command::Getinfo { channel, node } => info(channel, node).await,
        }
    })
}

async fn join(file: &PathBuf, node: &NodeAddress) -> Result<(), Failure> {
    let block =
        std::fs::read(file).map_err(|error| Failure::because(format!("{}: {error}", file.display())))?;
    let joined = node.client()?.join(block.into()).await.map_err(|error| match error {
        AdminClientError::Refused { status: 400, message } => {
            Failure::because(format!("{}: {message}", file.display()))
        }
        error => error.into(),
    })?;
    if node.json {
        println!("{}", serde_json::to_string(&joined)?);
    } else {
        println!("joined {} at height {}", joined.channel, joined.height);
    }
    Ok(())
}

async fn list(node: &NodeAddress) -> Result<(), Failure> {
    let channels = node.client()?.list().await?;
    if node.json {
        println!("{}", serde_json::to_string(&channels)?);
    } else if channels.is_empty() {
        println!("no channel joined: selvedge channel join -b GENESIS.block");
    } else {
        for channel in channels {
            println!("{}  height {}", channel.channel, channel.height);
        }
    }
    Ok(())
}

async fn info(channel: &str, node: &NodeAddress) -> Result<(), Failure> {
    let info = node.client()?.info(channel).await?;
    let json = serde_json::to_string(&info)?;
    if node.json {
        println!("{json}");
    } else {
        println!("Blockchain info: {json}");
    }
    Ok(())
}
