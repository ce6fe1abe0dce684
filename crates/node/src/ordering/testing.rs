//! A network with an ordering source, for tests of both ends of `Deliver`.

use super::{Creator, OrderingError, OrderingServer, OrderingSettings, OrderingSource, sealed_envelope};
use crate::devnet::material::{Member, Network, NetworkPlan, Organization};
use crate::transport::{Settings, TlsHandle, TlsMaterial, Transport};
use bytes::Bytes;
use prost::Message as _;
use rustls::pki_types::CertificateDer;
use selvedge_msp::LocalMsp;
use selvedge_proto::common;
use tempfile::TempDir;

pub(crate) const CHANNEL: &str = "mychannel";

/// A channel of two organisations with one peer each, and its ordering source.
pub(crate) struct Ordered {
    pub(crate) network: Network,
    pub(crate) source: OrderingSource,
    pub(crate) folder: TempDir,
}

impl Ordered {
    pub(crate) fn new() -> Self {
        Self::valid_from(super::transactions::wall_clock() - 300)
    }

    /// All certificates are valid for ten years from then.
    pub(crate) fn valid_from(seconds: i64) -> Self {
        let network = Network::generate(&NetworkPlan::loopback(CHANNEL, 2, 1, seconds, || 7050)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let source = open(&network, &folder, seconds, &network.genesis).unwrap();
        Self { network, source, folder }
    }

    /// Closes the source and opens its folder again as the chain of a genesis block.
    pub(crate) fn reopened(self, genesis: &common::Block) -> Result<Self, OrderingError> {
        let Self { network, source, folder } = self;
        drop(source);
        let source = open(&network, &folder, super::transactions::wall_clock(), genesis)?;
        Ok(Self { network, source, folder })
    }

    pub(crate) fn peer(&self) -> Creator {
        let organization = &self.network.organizations[0];
        creator(organization, &organization.nodes[0].member, super::transactions::wall_clock())
    }

    pub(crate) fn admin(&self, organization: usize) -> Creator {
        let organization = &self.network.organizations[organization];
        creator(organization, &organization.admin, super::transactions::wall_clock())
    }

    pub(crate) fn client(&self) -> Creator {
        let organization = &self.network.organizations[0];
        creator(organization, &organization.user, super::transactions::wall_clock())
    }

    /// Cuts a block with one transaction.
    pub(crate) fn cut(&self) -> super::CutBlock {
        let data = Bytes::from_static(b"transaction");
        let envelope = sealed_envelope(common::HeaderType::Message, CHANNEL, data, &self.client()).unwrap();
        self.source.cut(vec![envelope.encode_to_vec().into()]).unwrap()
    }

    /// Serves the source over mutual TLS.
    pub(crate) async fn serve(&self) -> OrderingServer {
        OrderingServer::start(self.source.clone(), "127.0.0.1:0", Some(self.orderer_tls())).await.unwrap()
    }

    pub(crate) fn orderer_tls(&self) -> TlsHandle {
        let client_roots = self.network.organizations.iter().map(Organization::tls_ca_der);
        let node = &self.network.orderers.nodes[0].member;
        tls(node, client_roots.map(|root| CertificateDer::from(root.to_vec())).collect())
    }

    pub(crate) fn peer_tls(&self) -> TlsHandle {
        tls(&self.network.organizations[0].nodes[0].member, Vec::new())
    }

    pub(crate) fn orderer_root(&self) -> Bytes {
        Bytes::copy_from_slice(self.network.orderers.tls_ca_der())
    }
}

fn open(
    network: &Network,
    folder: &TempDir,
    now: i64,
    genesis: &common::Block,
) -> Result<OrderingSource, OrderingError> {
    let orderer = creator(&network.orderers, &network.orderers.nodes[0].member, now);
    OrderingSource::open(OrderingSettings::new(folder.path().join("chain"), orderer), genesis)
}

fn tls(member: &Member, client_roots: Vec<CertificateDer<'static>>) -> TlsHandle {
    TlsHandle::new(TlsMaterial {
        server_chain: vec![member.tls.certificate_der().clone()],
        server_key: member.tls.key_der(),
        client: None,
        roots: Vec::new(),
        client_roots,
        client_auth_required: true,
    })
    .unwrap()
}

pub(crate) fn creator(organization: &Organization, member: &Member, now: i64) -> Creator {
    let local = LocalMsp::from_config(&organization.local_msp_config(member), now).unwrap();
    Creator { identity: local.identity().clone(), signer: local.signer().clone() }
}

/// A transport that dials without TLS unless told otherwise.
pub(crate) fn dialer() -> Transport {
    Transport::new(Settings::default(), None).0
}
