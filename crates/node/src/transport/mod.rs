//! Gossip over gRPC: mutual TLS as Fabric has it, both sides of `gossip.Gossip`, bounded queues (spec/02).
//!
//! The transport carries bytes. It does not decode envelopes, keeps no opinion on who the peer is, and reports the
//! certificates' hashes to which the handshake is bound. Everything that arrives becomes a [`TransportEvent`]; everything
//! that is to be sent goes into the bounded queue of a [`Connection`], which never blocks.
//!
//! tonic serves and calls other services over these connections, but gossip's own two methods are served from the HTTP/2
//! bodies: the limits of a stream change when its peer has authenticated, and a response's envelopes are shared between
//! receivers.

mod admission;
mod certificate;
mod connection;
mod dial_error;
mod dialer;
mod event;
mod framing;
mod http2;
mod large;
mod listener;
mod outbound;
mod queue;
mod service;
mod settings;
mod shared;
mod socket;
mod stats;
mod tls;
mod tls_failure;
mod verify;

pub use certificate::{CertificateSummary, certificate_hash};
pub use connection::Connection;
pub use dial_error::{DialError, DialStep};
pub use dialer::{DialProgress, DialReport, Observer, TlsReport};
pub use event::{ClosedReason, FramePermit, TransportEvent};
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use framing::read_messages;
pub use http2::Http2Connection;
pub use outbound::DialHandle;
pub use queue::Pushed;
pub use service::PeerInfo;
pub use settings::{CLIENT_KEEPALIVE_MIN, Settings};
pub use stats::{Counter, TransportStats};
pub use tls::{RefusedRoot, TlsError, TlsHandle, TlsMaterial, certificates_from_pem, private_key_from_pem};
pub use tls_failure::TlsFailure;

use dialer::Dial;
use selvedge_core::ConnectionId;
use shared::Shared;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use tonic::service::Routes;

/// What HTTP/2 takes out of a send queue ahead of the peer's window.
const SEND_BUFFER_BYTES: usize = 128 << 10;

/// The transport of one node. Clones share it.
#[derive(Clone)]
pub struct Transport {
    shared: Arc<Shared>,
}

impl Transport {
    /// Makes a transport, with TLS or, where the network has it off, without. What happens comes out of the receiver; a
    /// receiver that is not read holds up the reading of all connections, and dropping it ends them.
    pub fn new(settings: Settings, tls: Option<TlsHandle>) -> (Self, mpsc::Receiver<TransportEvent>) {
        let (events, receiver) = mpsc::channel(settings.events_max.max(1));
        (Self { shared: Arc::new(Shared::new(settings, tls, events)) }, receiver)
    }

    /// Accepts connections at `address` (`host:port`; port 0 for any) and serves `gossip.Gossip` and `services` on them. The
    /// requests to `services` carry a [`PeerInfo`] as extension. Returns the address that is listened at.
    pub async fn listen(&self, address: &str, services: Routes) -> io::Result<SocketAddr> {
        let listener = TcpListener::bind(address).await?;
        let bound = listener.local_addr()?;
        self.shared.tasks.spawn(listener::accept_all(Arc::clone(&self.shared), listener, services));
        Ok(bound)
    }

    /// Opens a gossip stream to `endpoint` in the background: TCP, TLS, Ping, stream, `timeout` for all of it. The result is a
    /// [`TransportEvent::Dialed`] or [`TransportEvent::DialFailed`]. The stream counts as open when its request has left: both
    /// sides send their handshake without waiting, and a refusal comes as [`TransportEvent::Closed`].
    pub fn dial(&self, id: ConnectionId, endpoint: &str, timeout: Duration) -> DialHandle {
        outbound::dial(&self.shared, id, endpoint.to_owned(), timeout)
    }

    /// Connects to `endpoint` with this transport's certificates and trust: TCP, TLS, HTTP/2. `observer` learns of each step.
    pub async fn connect(
        &self,
        endpoint: &str,
        timeout: Duration,
        observer: Observer<'_>,
    ) -> Result<Http2Connection, DialError> {
        self.connect_with(self.shared.tls.as_ref(), endpoint, timeout, observer).await
    }

    /// As [`Transport::connect`] with another trust, as orderers need it; without TLS if `None`.
    pub async fn connect_with(
        &self,
        tls: Option<&TlsHandle>,
        endpoint: &str,
        timeout: Duration,
        observer: Observer<'_>,
    ) -> Result<Http2Connection, DialError> {
        let deadline = Instant::now() + timeout;
        Dial { shared: &self.shared, tls, endpoint, timeout, deadline, observer }.connect().await
    }

    /// Calls `gossip.Gossip/Ping`; how long the answer took.
    pub async fn ping(
        &self,
        connection: &mut Http2Connection,
        timeout: Duration,
    ) -> Result<Duration, DialError> {
        outbound::ping(&self.shared, connection, Instant::now() + timeout, timeout).await
    }

    /// Opens the gossip stream on a connection, whose frames come as events.
    pub fn open_stream(
        &self,
        connection: Http2Connection,
        id: ConnectionId,
    ) -> Result<Connection, DialError> {
        let (link, stream) = outbound::Outbound::open(&self.shared, connection, id)?;
        self.shared.tasks.spawn(stream.run());
        Ok(Connection::new(link))
    }

    /// Counters and gauges.
    pub fn stats(&self) -> &Arc<TransportStats> {
        &self.shared.stats
    }

    /// Stops: accepts no more, lets what was pushed leave for at most `drain`, closes everything. All of the transport's
    /// tasks have ended when it returns. No events follow but those that wait.
    pub async fn stop(&self, drain: Duration) {
        self.shared.stop.cancel();
        self.shared.tasks.close();
        self.shared.http2_tasks.close();
        let _elapsed = timeout(drain, self.shared.tasks.wait()).await;
        self.shared.kill.cancel();
        self.shared.tasks.wait().await;
        self.shared.http2_tasks.wait().await;
    }
}
