//! Certificates and nodes for the tests.

use bytes::Bytes;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    SignatureAlgorithm,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use selvedge::transport::{
    ClosedReason, Connection, FramePermit, Settings, TlsHandle, TlsMaterial, Transport, TransportEvent,
};
use selvedge_core::ConnectionId;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_rustls::rustls;
use tonic::service::Routes;

/// Long enough never to end before what is waited for.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// A certification authority.
pub(crate) struct Authority {
    pub(crate) certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate with its key.
pub(crate) struct Pair {
    pub(crate) certificate: CertificateDer<'static>,
    key: Vec<u8>,
}

impl Pair {
    pub(crate) fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(self.key.clone().into())
    }

    pub(crate) fn self_signed(algorithm: &'static SignatureAlgorithm, years: (i32, i32)) -> Self {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let params = params("self-signed", &["localhost"], years);
        let certificate = params.self_signed(&key).unwrap().der().clone();
        Self { certificate, key: key.serialize_der() }
    }
}

fn params(name: &str, names: &[&str], years: (i32, i32)) -> CertificateParams {
    let mut params =
        CertificateParams::new(names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = rcgen::date_time_ymd(years.0, 1, 1);
    params.not_after = rcgen::date_time_ymd(years.1, 1, 1);
    params
}

/// Years of validity that hold for long.
pub(crate) const VALID: (i32, i32) = (2020, 2120);

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = params(name, &[], VALID);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().der().clone();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    /// A node's certificate for these names.
    pub(crate) fn issue(&self, name: &str, names: &[&str]) -> Pair {
        self.issue_with(name, names, VALID, |_params| {})
    }

    pub(crate) fn issue_with(
        &self,
        name: &str,
        names: &[&str],
        years: (i32, i32),
        change: impl FnOnce(&mut CertificateParams),
    ) -> Pair {
        let mut params = params(name, names, years);
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().der().clone();
        Pair { certificate, key: key.serialize_der() }
    }
}

/// TLS with one certificate for both roles and one root.
pub(crate) fn material(pair: &Pair, root: &Authority) -> TlsMaterial {
    TlsMaterial {
        server_chain: vec![pair.certificate.clone()],
        server_key: pair.key(),
        client: None,
        roots: vec![root.certificate.clone()],
        client_roots: Vec::new(),
        client_auth_required: false,
    }
}

/// TLS for a node at 127.0.0.1.
pub(crate) fn tls(root: &Authority, name: &str) -> TlsHandle {
    TlsHandle::new(material(&root.issue(name, &["127.0.0.1", "localhost"]), root)).unwrap()
}

/// A transport that listens.
pub(crate) struct Node {
    pub(crate) transport: Transport,
    pub(crate) events: mpsc::Receiver<TransportEvent>,
    pub(crate) address: SocketAddr,
    dials: u64,
}

impl Node {
    pub(crate) async fn start(settings: Settings, tls: Option<TlsHandle>) -> Self {
        Self::start_with(settings, tls, Routes::default()).await
    }

    pub(crate) async fn start_with(settings: Settings, tls: Option<TlsHandle>, services: Routes) -> Self {
        let (transport, events) = Transport::new(settings, tls);
        let address = transport.listen("127.0.0.1:0", services).await.unwrap();
        Self { transport, events, address, dials: 0 }
    }

    /// Two nodes without TLS.
    pub(crate) async fn plain_pair() -> (Self, Self) {
        (Self::start(Settings::default(), None).await, Self::start(Settings::default(), None).await)
    }

    pub(crate) fn endpoint(&self) -> String {
        self.address.to_string()
    }

    /// Dials another node; both ends, this one's first.
    pub(crate) async fn connect(&mut self, other: &mut Self) -> (Connection, Connection) {
        self.dials += 1;
        self.transport.dial(ConnectionId::dialed(self.dials), &other.endpoint(), LONG);
        (self.dialed().await, other.accepted().await)
    }

    /// As [`Node::connect`], with both ends authenticated.
    pub(crate) async fn authenticated(&mut self, other: &mut Self) -> (Connection, Connection) {
        let (here, there) = self.connect(other).await;
        here.authenticated();
        there.authenticated();
        (here, there)
    }

    pub(crate) async fn event(&mut self) -> TransportEvent {
        self.events.recv().await.unwrap()
    }

    pub(crate) async fn dialed(&mut self) -> Connection {
        match self.event().await {
            TransportEvent::Dialed { connection } => connection,
            other => panic!("expected a dialled connection, got {other:?}"),
        }
    }

    pub(crate) async fn accepted(&mut self) -> Connection {
        match self.event().await {
            TransportEvent::Accepted { connection } => connection,
            other => panic!("expected an accepted connection, got {other:?}"),
        }
    }

    pub(crate) async fn frame(&mut self) -> (ConnectionId, Bytes) {
        let (id, envelope, _permit) = self.held_frame().await;
        (id, envelope)
    }

    pub(crate) async fn held_frame(&mut self) -> (ConnectionId, Bytes, FramePermit) {
        match self.event().await {
            TransportEvent::Frame { id, envelope, permit } => (id, envelope, permit),
            other => panic!("expected a frame, got {other:?}"),
        }
    }

    pub(crate) async fn closed(&mut self) -> (ConnectionId, ClosedReason) {
        match self.event().await {
            TransportEvent::Closed { id, reason } => (id, reason),
            other => panic!("expected the end of a connection, got {other:?}"),
        }
    }
}

/// Bytes that differ from place to place.
pub(crate) fn pattern(length: usize) -> Bytes {
    let mut bytes = (0..251).collect::<Vec<u8>>().repeat(length.div_ceil(251));
    bytes.truncate(length);
    bytes.into()
}
