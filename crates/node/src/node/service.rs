//! A node with everything an operator expects around it: operations server, metrics, administration.

use super::{Node, NodeError, NodeHandle, NodeSettings, RecordSettings, SettingsError, measuring};
use crate::config::{MetricsProvider, NodeConfig};
use crate::logging::Logging;
use crate::metrics::Metrics;
use crate::operations::{
    Admin, AdminError, AdminFuture, ChannelInfo, ChannelSummary, Checks, Operations, OperationsError,
    OperationsParts, VersionInfo,
};
use bytes::Bytes;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A node as `selvedge node start` runs it.
#[derive(Debug)]
pub struct Service {
    node: Node,
    operations: Option<(oneshot::Sender<()>, JoinHandle<()>, SocketAddr)>,
    measuring: JoinHandle<()>,
}

/// Why a service did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// The configuration does not give settings.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The node did not start.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The operations server did not start.
    #[error(transparent)]
    Operations(#[from] OperationsError),
}

impl Service {
    /// Starts node and operations server from a configuration. What happens is recorded if that is asked for.
    pub async fn start(
        config: &NodeConfig,
        logging: Logging,
        record: Option<RecordSettings>,
    ) -> Result<Self, ServiceError> {
        let settings = NodeSettings { record, ..NodeSettings::from_config(config)? };
        let org_leader = settings.org_leader;
        let expires_at = settings.local.expires_at();
        let node = Node::start(settings).await?;
        let metrics = Metrics::new(concat!("v", env!("CARGO_PKG_VERSION")));
        metrics.observe_logging(logging.clone());
        metrics.selvedge.certificate_expiry.with(["identity"]).set(u64::try_from(expires_at).unwrap_or(0));
        let (health, ready) = (Checks::new(), Checks::new());
        let measuring = measuring::start(node.handle(), node.subscribe(), metrics.clone(), &health, &ready);
        let admin = NodeAdmin { handle: node.handle(), org_leader };
        let parts = OperationsParts {
            metrics: (config.metrics.provider == MetricsProvider::Prometheus).then_some(metrics),
            logging,
            health,
            ready,
            admin: Some(Arc::new(admin)),
            version: VersionInfo::of_build(),
        };
        let bound = match Operations::bind(&config.operations, parts).await {
            Ok(bound) => bound,
            Err(error) => {
                measuring.abort();
                node.stop().await;
                return Err(error.into());
            }
        };
        let operations = bound.map(|server| {
            let (stop, stopped) = oneshot::channel::<()>();
            let address = server.local_address();
            let task = tokio::spawn(server.run(async move {
                let _ = stopped.await;
            }));
            (stop, task, address)
        });
        tracing::info!(target: "nodeCmd", "gossip is served at {}", node.address());
        if let Some((_, _, address)) = &operations {
            tracing::info!(target: "nodeCmd", "operations are served at {address}");
        }
        Ok(Self { node, operations, measuring })
    }

    /// The node itself.
    pub const fn node(&self) -> &Node {
        &self.node
    }

    /// Where operations are served, if they are.
    pub fn operations_address(&self) -> Option<SocketAddr> {
        self.operations.as_ref().map(|(_, _, address)| *address)
    }

    /// Stops everything in order.
    pub async fn stop(self) {
        self.measuring.abort();
        if let Some((stop, task, _)) = self.operations {
            let _ = stop.send(());
            let _ = task.await;
        }
        self.node.stop().await;
    }
}

/// Administration through the node's handle.
#[derive(Debug)]
struct NodeAdmin {
    handle: NodeHandle,
    org_leader: bool,
}

impl From<NodeError> for AdminError {
    fn from(error: NodeError) -> Self {
        match error {
            NodeError::AlreadyJoined(channel) => Self::Exists(channel),
            NodeError::Join(_) => Self::Invalid(error.to_string()),
            error => Self::Unavailable(error.to_string()),
        }
    }
}

impl Admin for NodeAdmin {
    fn list(&self) -> AdminFuture<'_, Vec<ChannelSummary>> {
        Box::pin(async {
            let status = self.handle.status().await?;
            let channels = status.channels.into_iter();
            Ok(channels
                .map(|channel| ChannelSummary {
                    channel: channel.channel.to_string(),
                    height: channel.height,
                })
                .collect())
        })
    }

    fn info<'a>(&'a self, name: &'a str) -> AdminFuture<'a, ChannelInfo> {
        Box::pin(async move {
            let status = self.handle.status().await?;
            let channel = status.channels.into_iter().find(|channel| channel.channel.as_str() == name);
            let channel = channel.ok_or_else(|| AdminError::NotFound(name.to_owned()))?;
            Ok(ChannelInfo {
                channel: name.to_owned(),
                height: channel.height,
                current_block_hash: channel.last_hash.map(|hash| hash.to_vec()).unwrap_or_default(),
                previous_block_hash: channel.previous_hash.map(|hash| hash.to_vec()).unwrap_or_default(),
                config_block_number: channel.config_block_number,
                config_sequence: channel.sequence,
                highest_height_known: channel.heights.iter().map(|(_, height)| *height).max().unwrap_or(0),
                member_count: channel.alive_count,
                pulls_from_orderers: self.org_leader,
            })
        })
    }

    fn join(&self, block: Bytes) -> AdminFuture<'_, ChannelSummary> {
        Box::pin(async move {
            let joined = self.handle.join(block).await?;
            Ok(ChannelSummary { channel: joined.channel.to_string(), height: joined.height })
        })
    }
}
