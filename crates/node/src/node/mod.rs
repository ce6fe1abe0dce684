//! The running node: one task owns the core, everything slow happens around it.
//!
//! The driver is the only code that touches the core's [`Peer`](selvedge_core::Peer): it turns what the transport, the
//! workers, the committers and the orderer clients report into inputs, and hands the core's orders out to them.

mod channel;
mod checks;
mod committer;
mod complaints;
mod driver;
mod measuring;
mod orders;
mod recording;
mod refusal;
mod service;
mod settings;
mod status;

pub use channel::{
    ChannelFolder, create_channel_folder, joined_channels, ledger_folder, open_channel_folder,
};
pub use recording::RecordSettings;
pub use service::{Service, ServiceError};
pub(crate) use settings::unix_now;
pub use settings::{NodeSettings, SettingsError, data_folder, load_tls};
pub use status::{ChannelStatus, MemberStatus, NodeStatus};

use crate::chain::ChainError;
use crate::transport::Transport;
use bytes::Bytes;
use driver::{Driver, Request};
use selvedge_core::{ChannelId, Event};
use selvedge_ledger::{Damage, LedgerError, MetaError};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::task::JoinHandle;

/// How long sockets may drain when the node stops.
const DRAIN: Duration = Duration::from_secs(1);

/// A node that runs until [`stop`](Self::stop).
#[derive(Debug)]
pub struct Node {
    requests: mpsc::UnboundedSender<Request>,
    events: broadcast::Sender<NodeEvent>,
    address: SocketAddr,
    driver: JoinHandle<()>,
}

/// What a running node tells those who listen.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum NodeEvent {
    /// Something happened in the protocol.
    Gossip(Event),
    /// Every block below `height` is durable.
    Committed {
        /// The channel.
        channel: ChannelId,
        /// Number of blocks in the ledger.
        height: u64,
        /// How long the group of blocks took, fsync included.
        took: Duration,
    },
    /// A new configuration of a channel is in force.
    Reconfigured {
        /// The channel.
        channel: ChannelId,
        /// Its sequence.
        sequence: u64,
    },
    /// Blocks of a channel's ledger are damaged; they are being obtained from other members. What is known when the node starts
    /// is told in its status only.
    Damaged {
        /// The channel.
        channel: ChannelId,
        /// Which, where, and what is wrong.
        damage: Damage,
    },
    /// A damaged block was put back and can be read again.
    Mended {
        /// The channel.
        channel: ChannelId,
        /// The block.
        number: u64,
    },
    /// Nothing more is written to a channel's ledger; what is there is still served.
    Halted {
        /// The channel.
        channel: ChannelId,
        /// Why, and what to do.
        reason: String,
    },
}

/// Why a node did not start, or did not join a channel.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// The listen address cannot be used.
    #[error("cannot listen on {address}: {source}; is another node running there?")]
    Listen {
        /// The address.
        address: String,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// The data folder cannot be used.
    #[error("data folder {}: {source}", folder.display())]
    Data {
        /// The folder.
        folder: PathBuf,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// What happens cannot be recorded.
    #[error("--record {}: {source}", file.display())]
    Record {
        /// The file.
        file: PathBuf,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// The node's small store cannot be used.
    #[error("{0}")]
    Meta(#[from] MetaError),
    /// A ledger cannot be opened.
    #[error("channel {channel}: {source}")]
    Ledger {
        /// The channel.
        channel: String,
        /// Why.
        source: LedgerError,
    },
    /// The ledger's blocks do not give a configuration, or the ledger has no thread.
    #[error("channel {channel}: {reason}")]
    Channel {
        /// The channel.
        channel: String,
        /// What is wrong and what to do.
        reason: String,
    },
    /// The block given for joining is not usable.
    #[error("not a block to join with: {0}")]
    Join(#[from] ChainError),
    /// The channel was joined before.
    #[error("channel {0} is already joined")]
    AlreadyJoined(String),
    /// The node has stopped.
    #[error("the node has stopped")]
    Stopped,
}

impl Node {
    /// Opens the data folder, listens, and takes up every channel that was joined before.
    pub async fn start(settings: NodeSettings) -> Result<Self, NodeError> {
        let (transport, arrivals) = Transport::new(settings.transport.clone(), settings.tls.clone());
        let (events, _) = broadcast::channel(settings.event_buffer_count);
        let (requests, inbox) = mpsc::unbounded_channel();
        let listen_address = settings.listen_address.clone();
        let driver = Driver::new(settings, transport.clone(), events.clone())?;
        let address = transport
            .listen(&listen_address, tonic::service::Routes::default())
            .await
            .map_err(|source| NodeError::Listen { address: listen_address, source })?;
        let driver = tokio::spawn(driver.run(arrivals, inbox));
        Ok(Self { requests, events, address, driver })
    }

    /// Where gossip is served.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Joins the channel of a genesis block, given as marshalled `common.Block`; durable on return.
    pub async fn join(&self, block: Bytes) -> Result<ChannelStatus, NodeError> {
        self.ask(|answer| Request::Join { block, answer }).await?
    }

    /// What the node knows now.
    pub async fn status(&self) -> Result<NodeStatus, NodeError> {
        self.ask(|answer| Request::Status { answer }).await
    }

    /// What happens from now on; a listener that is too slow loses the oldest.
    pub fn subscribe(&self) -> broadcast::Receiver<NodeEvent> {
        self.events.subscribe()
    }

    /// A handle that asks the same questions and can be cloned.
    pub fn handle(&self) -> NodeHandle {
        NodeHandle { requests: self.requests.clone() }
    }

    /// Stops: closes connections, makes what was appended durable, closes the ledgers.
    pub async fn stop(self) {
        let _ = self.requests.send(Request::Stop);
        let _ = self.driver.await;
    }

    async fn ask<T>(&self, request: impl FnOnce(oneshot::Sender<T>) -> Request) -> Result<T, NodeError> {
        self.handle().ask(request).await
    }
}

/// Asks a running node; outlives it with [`NodeError::Stopped`].
#[derive(Clone, Debug)]
pub struct NodeHandle {
    requests: mpsc::UnboundedSender<Request>,
}

impl NodeHandle {
    /// As [`Node::join`].
    pub async fn join(&self, block: Bytes) -> Result<ChannelStatus, NodeError> {
        self.ask(|answer| Request::Join { block, answer }).await?
    }

    /// As [`Node::status`].
    pub async fn status(&self) -> Result<NodeStatus, NodeError> {
        self.ask(|answer| Request::Status { answer }).await
    }

    async fn ask<T>(&self, request: impl FnOnce(oneshot::Sender<T>) -> Request) -> Result<T, NodeError> {
        let (answer, answered) = oneshot::channel();
        self.requests.send(request(answer)).map_err(|_| NodeError::Stopped)?;
        answered.await.map_err(|_| NodeError::Stopped)
    }
}
