//! A devnet that runs: the ordering source and the nodes, in this process, over real mutual TLS on loopback.

use super::material::{MaterialError, Network, NetworkPlan, Organization};
use crate::node::{Node, NodeError, NodeSettings, NodeStatus};
use crate::ordering::{
    Creator, CutBlock, Cutter, Load, OrderingError, OrderingServer, OrderingSettings, OrderingSource,
};
use crate::transport::{TlsError, TlsHandle, TlsMaterial};
use selvedge_core::Endpoint;
use selvedge_msp::{LocalMsp, MspError};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast;

/// The name of a devnet's channel.
pub const CHANNEL: &str = "devnet";

/// Transactions in a block, if it has room for them.
const TRANSACTION_COUNT: usize = 10;

/// What a devnet is started with.
#[derive(Clone, Debug)]
pub struct DevnetSettings {
    /// Organisations, `Org1MSP` and so on.
    pub organization_count: usize,
    /// Peers of each; the first pulls from the ordering source, the others get blocks from it.
    pub peer_count: usize,
    /// Time between two blocks.
    pub block_interval: Duration,
    /// About how many bytes a marshalled block has.
    pub block_bytes: usize,
    /// Where ledgers and, with `keep_material`, crypto material are written.
    pub folder: PathBuf,
    /// Write crypto material, genesis block and a `core.yaml` for each node.
    pub keep_material: bool,
}

/// Why a devnet did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DevnetError {
    /// The material could not be made or written.
    #[error(transparent)]
    Material(#[from] MaterialError),
    /// What was made is not accepted as an MSP.
    #[error(transparent)]
    Msp(#[from] MspError),
    /// What was made is not accepted as TLS material.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The ordering source did not start.
    #[error("ordering source: {0}")]
    Ordering(#[from] OrderingError),
    /// A node did not start.
    #[error("{name}: {source}")]
    Node {
        /// Its name.
        name: String,
        /// Why.
        source: Box<NodeError>,
    },
    /// No port, or no socket.
    #[error("no socket on 127.0.0.1: {0}")]
    Socket(#[from] std::io::Error),
}

/// A running devnet.
#[derive(Debug)]
pub struct Devnet {
    source: OrderingSource,
    server: OrderingServer,
    cutter: Option<Cutter>,
    load: Load,
    nodes: Vec<DevnetNode>,
}

/// A node of a devnet.
#[derive(Debug)]
pub struct DevnetNode {
    /// Its name, `peer0.org1.example.com`.
    pub name: String,
    /// Whether it pulls from the ordering source.
    pub is_leader: bool,
    /// The node.
    pub node: Node,
}

impl Devnet {
    /// Makes the material, starts the ordering source and every node, and joins them; no block is cut yet.
    pub async fn start(settings: &DevnetSettings) -> Result<Self, DevnetError> {
        let mut ports = free_ports(2 * (1 + settings.organization_count * settings.peer_count))?.into_iter();
        let plan = NetworkPlan::loopback(
            CHANNEL,
            settings.organization_count,
            settings.peer_count,
            crate::node::unix_now() - 3600,
            || ports.next().unwrap_or(0),
        );
        let network = Network::generate(&plan)?;
        if settings.keep_material {
            network.write(&settings.folder)?;
        }
        let orderer = orderer_of(&network)?;
        let user = first_user(&network)?;
        let ordering = OrderingSettings::new(settings.folder.join("orderer"), orderer.creator);
        let source = OrderingSource::open(ordering, &network.genesis)?;
        let server = OrderingServer::start(source.clone(), &orderer.address, Some(orderer.tls)).await?;
        let load = Load {
            interval: settings.block_interval,
            transactions_count: TRANSACTION_COUNT.min(settings.block_bytes / 2_000).max(1),
            block_bytes: settings.block_bytes,
            client: user,
            seed: 1,
        };
        let mut nodes = Vec::new();
        for organization in &network.organizations {
            for index in 0..organization.nodes.len() {
                let started = start_node(settings, organization, index, network.genesis_bytes()).await?;
                nodes.push(started);
            }
        }
        Ok(Self { source, server, cutter: None, load, nodes })
    }

    /// Begins to cut blocks.
    pub fn start_cutting(&mut self) {
        if self.cutter.is_none() {
            self.cutter = Some(Cutter::start(self.source.clone(), self.load.clone()));
        }
    }

    /// Cuts no more blocks.
    pub async fn stop_cutting(&mut self) {
        if let Some(cutter) = self.cutter.take() {
            cutter.stop().await;
        }
    }

    /// The ordering source.
    pub const fn source(&self) -> &OrderingSource {
        &self.source
    }

    /// Every block that is cut from now on.
    pub fn cuts(&self) -> broadcast::Receiver<CutBlock> {
        self.source.cuts()
    }

    /// The nodes.
    pub fn nodes(&self) -> &[DevnetNode] {
        &self.nodes
    }

    /// What every node knows now, in the order of [`nodes`](Self::nodes).
    pub async fn statuses(&self) -> Result<Vec<NodeStatus>, NodeError> {
        let mut statuses = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            statuses.push(node.node.status().await?);
        }
        Ok(statuses)
    }

    /// Stops all of it.
    pub async fn stop(mut self) {
        self.stop_cutting().await;
        let mut stopping = tokio::task::JoinSet::new();
        for node in self.nodes {
            stopping.spawn(node.node.stop());
        }
        while stopping.join_next().await.is_some() {}
        self.server.stop().await;
    }
}

struct Orderer {
    creator: Creator,
    address: String,
    tls: TlsHandle,
}

fn orderer_of(network: &Network) -> Result<Orderer, DevnetError> {
    let organization = &network.orderers;
    let node = organization.nodes.first().ok_or_else(|| MaterialError::Plan("no orderer".to_owned()))?;
    let local = LocalMsp::from_config(&organization.local_msp_config(&node.member), crate::node::unix_now())?;
    Ok(Orderer {
        creator: Creator { identity: local.identity().clone(), signer: local.signer().clone() },
        address: node.endpoint(),
        tls: tls_of(organization, node)?,
    })
}

fn first_user(network: &Network) -> Result<Creator, DevnetError> {
    let organization =
        network.organizations.first().ok_or_else(|| MaterialError::Plan("no organisation".to_owned()))?;
    let local =
        LocalMsp::from_config(&organization.local_msp_config(&organization.user), crate::node::unix_now())?;
    Ok(Creator { identity: local.identity().clone(), signer: local.signer().clone() })
}

fn tls_of(organization: &Organization, node: &super::material::Node) -> Result<TlsHandle, TlsError> {
    TlsHandle::new(TlsMaterial {
        server_chain: vec![node.member.tls.certificate_der().clone()],
        server_key: node.member.tls.key_der(),
        client: None,
        roots: vec![organization.tls_ca_der().to_vec().into()],
        client_roots: Vec::new(),
        client_auth_required: false,
    })
}

async fn start_node(
    settings: &DevnetSettings,
    organization: &Organization,
    index: usize,
    genesis: bytes::Bytes,
) -> Result<DevnetNode, DevnetError> {
    let place = &organization.nodes[index];
    let name = place.member.name.clone();
    let local =
        LocalMsp::from_config(&organization.local_msp_config(&place.member), crate::node::unix_now())?;
    let tls = tls_of(organization, place)?;
    let data = settings.folder.join("nodes").join(&name).join("data").join("selvedge");
    let mut node = NodeSettings::new(Arc::new(local), Some(tls), data, place.endpoint());
    node.gossip.endpoint = Endpoint::from(place.endpoint());
    node.gossip.external_endpoint = Endpoint::from(place.endpoint());
    node.gossip.bootstrap =
        organization.nodes.iter().take(1).map(|first| Endpoint::from(first.endpoint())).collect();
    node.gossip.state_transfer_enabled = true;
    node.org_leader = index == 0;
    // many nodes share this machine
    node.verify_thread_count = 1;
    let failed = |source| DevnetError::Node { name: name.clone(), source: Box::new(source) };
    let running = Node::start(node).await.map_err(failed)?;
    running.join(genesis).await.map_err(failed)?;
    Ok(DevnetNode { name, is_leader: index == 0, node: running })
}

/// Ports that were free a moment ago.
fn free_ports(count: usize) -> Result<Vec<u16>, std::io::Error> {
    let listeners: Vec<TcpListener> =
        (0..count).map(|_| TcpListener::bind(("127.0.0.1", 0))).collect::<Result<_, _>>()?;
    listeners.iter().map(|listener| Ok(listener.local_addr()?.port())).collect()
}
