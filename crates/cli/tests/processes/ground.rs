//! Material, an ordering source, and the nodes.

use crate::process::{Process, poll, selvedge};
use crate::{ORGANIZATION_COUNT, PEER_COUNT};
use selvedge::devnet::CHANNEL;
use selvedge::devnet::material::{Network, NetworkPlan};
use selvedge::ordering::{Creator, Cutter, Load, OrderingServer, OrderingSettings, OrderingSource};
use selvedge::transport::{TlsHandle, TlsMaterial};
use selvedge_msp::LocalMsp;
use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// A peer by the numbers of its organisation and in it.
type Place = (usize, usize);

pub(crate) struct Ground {
    pub(crate) source: OrderingSource,
    nodes: BTreeMap<Place, Process>,
    genesis: PathBuf,
    client: Creator,
    _server: OrderingServer,
    folder: tempfile::TempDir,
}

impl Ground {
    /// Material for all, and an ordering source that has cut nothing yet.
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let now = i64::try_from(now).unwrap();
        let mut ports = free_ports(2 * (1 + ORGANIZATION_COUNT * PEER_COUNT)).into_iter();
        let plan = NetworkPlan::loopback(CHANNEL, ORGANIZATION_COUNT, PEER_COUNT, now - 3600, || {
            ports.next().unwrap()
        });
        let network = Network::generate(&plan).unwrap();
        let home = folder.path().join("net");
        network.write(&home).unwrap();

        let orderers = &network.orderers;
        let orderer = &orderers.nodes[0];
        let creator =
            |local: LocalMsp| Creator { identity: local.identity().clone(), signer: local.signer().clone() };
        let local = LocalMsp::from_config(&orderers.local_msp_config(&orderer.member), now).unwrap();
        let settings = OrderingSettings::new(folder.path().join("orderer"), creator(local));
        let source = OrderingSource::open(settings, &network.genesis).unwrap();
        let tls = TlsMaterial {
            server_chain: vec![orderer.member.tls.certificate_der().clone()],
            server_key: orderer.member.tls.key_der(),
            client: None,
            roots: vec![orderers.tls_ca_der().to_vec().into()],
            client_roots: Vec::new(),
            client_auth_required: false,
        };
        let tls = Some(TlsHandle::new(tls).unwrap());
        let server = OrderingServer::start(source.clone(), &orderer.endpoint(), tls).await.unwrap();

        let first = &network.organizations[0];
        let user = LocalMsp::from_config(&first.local_msp_config(&first.user), now).unwrap();
        let mut nodes = BTreeMap::new();
        for (number, organization) in network.organizations.iter().enumerate() {
            for (index, node) in organization.nodes.iter().enumerate() {
                let operations = SocketAddr::from(([127, 0, 0, 1], node.operations_port));
                let process = Process::new(network.core_yaml_path(&home, node), operations);
                nodes.insert((number, index), process);
            }
        }
        let genesis = home.join("genesis.block");
        Self { source, nodes, genesis, client: creator(user), _server: server, folder }
    }

    /// Cuts a block each `interval`.
    pub(crate) fn cut_every(&self, interval: Duration) -> Cutter {
        let client = self.client.clone();
        let load = Load { interval, transactions_count: 1, block_bytes: 4096, client, seed: 1 };
        Cutter::start(self.source.clone(), load)
    }

    pub(crate) fn node(&self, place: Place) -> &Process {
        &self.nodes[&place]
    }

    pub(crate) fn node_mut(&mut self, place: Place) -> &mut Process {
        self.nodes.get_mut(&place).unwrap()
    }

    pub(crate) fn start(&mut self, place: Place) {
        self.node_mut(place).start();
    }

    pub(crate) fn join(&self, place: Place) {
        self.node(place).join(&self.genesis);
    }

    pub(crate) fn height(&self, place: Place) -> u64 {
        self.node(place).height(CHANNEL).unwrap()
    }

    /// Stops a node in order.
    pub(crate) fn stop(&mut self, place: Place) {
        self.node_mut(place).stop();
    }

    /// The segment files of a node's ledger, in the order of their blocks.
    pub(crate) fn segments(&self, place: Place) -> Vec<PathBuf> {
        let home = Path::new(self.node(place).config()).parent().unwrap();
        let ledger = home.join("data/selvedge/ledgers").join(CHANNEL);
        let files = std::fs::read_dir(&ledger).unwrap().map(|file| file.unwrap().path());
        let is_segment = |file: &PathBuf| file.extension().is_some_and(|extension| extension == "segment");
        let mut files: Vec<PathBuf> = files.filter(is_segment).collect();
        files.sort();
        files
    }

    /// Kills a node while blocks flow; the height that it published before.
    pub(crate) fn kill(&mut self, place: Place) -> u64 {
        let published = self.height(place);
        self.node_mut(place).kill();
        published
    }

    /// Waits until a node's ledger has at least `count` blocks.
    pub(crate) fn wait_for_blocks(&self, place: Place, count: u64) {
        poll(&format!("{place:?} has {count} blocks"), || match self.node(place).height(CHANNEL)? {
            height if height < count => Err(format!("it has {height}")),
            _ => Ok(()),
        });
    }

    /// Stops everything that runs.
    pub(crate) fn stop_all(&mut self) {
        for node in self.nodes.values_mut().filter(|node| node.runs()) {
            node.stop();
        }
    }

    /// Whether what the stopped nodes have verifies, is byte for byte what was ordered, and has `count` blocks at least.
    pub(crate) fn check_ledgers(&self, places: &[Place], count: u64) {
        for &(organization, peer) in places {
            let config = self.node((organization, peer)).config();
            selvedge(&["ledger", "verify", "--config", config]).unwrap();
            let export = self.folder.path().join(format!("export-{organization}-{peer}"));
            selvedge(&["ledger", "export", export.to_str().unwrap(), "--config", config]).unwrap();
            let mut files: Vec<_> =
                std::fs::read_dir(&export).unwrap().map(|file| file.unwrap().path()).collect();
            files.sort();
            assert!(files.len() as u64 >= count, "{} of {count} blocks", files.len());
            for (number, file) in (0..).zip(&files) {
                let ordered = self.source.block(number).unwrap().unwrap();
                assert!(std::fs::read(file).unwrap() == ordered, "block {number} is not what was ordered");
            }
        }
    }
}

/// Ports that were free a moment ago.
fn free_ports(count: usize) -> Vec<u16> {
    let listeners: Vec<_> = (0..count).map(|_| TcpListener::bind(("127.0.0.1", 0)).unwrap()).collect();
    listeners.iter().map(|listener| listener.local_addr().unwrap().port()).collect()
}
