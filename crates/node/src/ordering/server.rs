//! A source on the network.

use super::OrderingSource;
use super::deliver::Service;
use crate::generated::orderer::atomic_broadcast_server::AtomicBroadcastServer;
use crate::transport::{Settings, TlsHandle, Transport};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::service::Routes;

/// Largest message either way, as Fabric's orderers have it.
const MESSAGE_BYTES_MAX: usize = 100 << 20;

/// How long clients may take to leave.
const DRAIN: Duration = Duration::from_millis(500);

/// `orderer.AtomicBroadcast` at one address. Several servers may serve one source.
pub struct OrderingServer {
    address: SocketAddr,
    transport: Transport,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl OrderingServer {
    /// Listens at `address` (`host:port`; port 0 for any); without TLS if `tls` is `None`. A client that presents a certificate
    /// must name its hash in the request, as an orderer with mutual TLS wants it. Needs a tokio runtime.
    ///
    /// # Errors
    /// The address cannot be listened at.
    pub async fn start(source: OrderingSource, address: &str, tls: Option<TlsHandle>) -> io::Result<Self> {
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let service = Service { source, stop: stop.clone(), tasks: tasks.clone() };
        let server = AtomicBroadcastServer::new(service)
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX);
        // nobody takes the events: an orderer speaks no gossip
        let (transport, _events) = Transport::new(Settings::default(), tls);
        let address = transport.listen(address, Routes::new(server)).await?;
        Ok(Self { address, transport, stop, tasks })
    }

    /// Where it listens.
    pub fn local_address(&self) -> SocketAddr {
        self.address
    }

    /// Ends all streams and connections, and listens no more.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        self.transport.stop(DRAIN).await;
        self.tasks.wait().await;
    }
}

impl std::fmt::Debug for OrderingServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OrderingServer").field("address", &self.address).finish_non_exhaustive()
    }
}
