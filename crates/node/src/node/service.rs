//! A node with everything an operator expects around it: operations server, metrics, administration.

use super::{Node, NodeError, NodeEvent, NodeHandle, NodeSettings, NodeStatus, SettingsError};
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
use std::time::Duration;
use tokio::sync::{broadcast, oneshot};
use tokio::task::JoinHandle;

/// How often counters and gauges that no event announces are brought up to date.
const METRICS_PERIOD: Duration = Duration::from_secs(2);

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
    /// Starts node and operations server from a configuration.
    pub async fn start(config: &NodeConfig, logging: Logging) -> Result<Self, ServiceError> {
        let settings = NodeSettings::from_config(config)?;
        let org_leader = settings.org_leader;
        let node = Node::start(settings).await?;
        let metrics = Metrics::new(env!("CARGO_PKG_VERSION"));
        let measuring = tokio::spawn(measure(node.handle(), node.subscribe(), metrics.clone()));
        let admin = NodeAdmin { handle: node.handle(), org_leader };
        let parts = OperationsParts {
            metrics: (config.metrics.provider == MetricsProvider::Prometheus).then_some(metrics),
            logging,
            health: Checks::new(),
            ready: Checks::new(),
            admin: Some(Arc::new(admin)),
            version: VersionInfo::of_build(),
        };
        let operations = Operations::bind(&config.operations, parts).await?.map(|server| {
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

/// Keeps the metrics true: heights with each event, the rest every [`METRICS_PERIOD`].
async fn measure(handle: NodeHandle, mut events: broadcast::Receiver<NodeEvent>, metrics: Metrics) {
    let mut period = tokio::time::interval(METRICS_PERIOD);
    period.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            event = events.recv() => match event {
                Ok(NodeEvent::Committed { channel, height, took }) => {
                    metrics.gossip.commit_duration.channel(&channel).observe(took);
                    show_height(&metrics, &channel, height);
                }
                Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return,
            },
            _ = period.tick() => match handle.status().await {
                Ok(status) => show(&metrics, &status),
                Err(_) => return,
            },
        }
    }
}

fn show_height(metrics: &Metrics, channel: &str, height: u64) {
    metrics.gossip.state_height.channel(channel).set(height);
    metrics.ledger.blockchain_height.channel(channel).set(height);
}

fn show(metrics: &Metrics, status: &NodeStatus) {
    metrics.gossip.messages_received.advance_to(status.received_count);
    metrics.gossip.messages_sent.advance_to(status.sent_count);
    metrics.gossip.overflow_count.advance_to(status.stats.overflow_count + status.overflow_count);
    for channel in &status.channels {
        let name = channel.channel.as_str();
        show_height(metrics, name, channel.height);
        metrics.gossip.total_peers_known.channel(name).set(channel.alive_count);
        metrics.gossip.payload_buffer_size.channel(name).set(channel.buffered_count as u64);
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
