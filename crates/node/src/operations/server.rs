//! Connections of the operations server.

use super::OperationsParts;
use super::routes::{self, Client};
use super::tls::{self, TlsFileError};
use crate::config::OperationsSettings;
use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

const CONNECTIONS_MAX: usize = 64;
const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(5);
const HEAD_TIME_MAX: Duration = Duration::from_secs(10);
const CONNECTION_TIME_MAX: Duration = Duration::from_secs(600);
const STOP_TIME_MAX: Duration = Duration::from_secs(5);

/// How long to wait after the system refuses a connection, as when files run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why there is no operations server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OperationsError {
    /// The address cannot be listened on.
    #[error("cannot listen on operations.listenAddress {address}: {error}")]
    Listen {
        /// As configured.
        address: String,
        /// Why.
        error: io::Error,
    },
    /// A file of `operations.tls` cannot be used.
    #[error("operations.tls: {0}")]
    Tls(#[from] TlsFileError),
}

/// An operations server that listens; it answers once it [runs](Self::run).
pub struct Operations {
    listener: TcpListener,
    local_address: SocketAddr,
    acceptor: Option<TlsAcceptor>,
    router: Router,
}

impl Operations {
    /// Listens; none where `operations.listenAddress` is empty.
    ///
    /// # Errors
    /// An address that cannot be listened on, or TLS files that cannot be used.
    pub async fn bind(
        settings: &OperationsSettings,
        parts: OperationsParts,
    ) -> Result<Option<Self>, OperationsError> {
        let Some(address) = settings.listen_address.clone() else { return Ok(None) };
        let tls_enabled = settings.tls.enabled;
        let acceptor = match tls_enabled {
            true => Some(TlsAcceptor::from(Arc::new(tls::server_config(&settings.tls)?))),
            false => None,
        };
        let bound = async {
            let listener = TcpListener::bind(&address).await?;
            let local_address = listener.local_addr()?;
            Ok((listener, local_address))
        };
        let (listener, local_address) =
            bound.await.map_err(|error| OperationsError::Listen { address, error })?;
        Ok(Some(Self { listener, local_address, acceptor, router: routes::router(parts, tls_enabled) }))
    }

    /// Where it listens; with port 0 configured, the port it was given.
    #[must_use]
    pub fn local_address(&self) -> SocketAddr {
        self.local_address
    }

    /// Answers until `stop` is done, then lets open requests finish for a while.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let (stopping, stopped) = watch::channel(());
        let mut connections = JoinSet::new();
        tokio::pin!(stop);
        loop {
            let accepted = tokio::select! {
                () = &mut stop => break,
                accepted = accept(&self.listener, &room) => accepted,
                // keeps the set from growing
                Some(_) = connections.join_next() => continue,
            };
            let Some((stream, address, permit)) = accepted else { continue };
            let (acceptor, router, stopped) = (self.acceptor.clone(), self.router.clone(), stopped.clone());
            connections.spawn(async move {
                connection(stream, address, acceptor, router, stopped).await;
                drop(permit);
            });
        }
        drop((self.listener, stopping));
        let rest = timeout(STOP_TIME_MAX, async { while connections.join_next().await.is_some() {} });
        if rest.await.is_err() {
            connections.shutdown().await;
        }
    }
}

/// The next connection when there is room for one.
async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    // the semaphore is never closed
    let permit = Arc::clone(room).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, address)) => Some((stream, address, permit)),
        Err(error) => {
            tracing::debug!(target: "operations.runner", %error, "Could not accept a connection");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

async fn connection(
    stream: TcpStream,
    address: SocketAddr,
    acceptor: Option<TlsAcceptor>,
    router: Router,
    stopped: watch::Receiver<()>,
) {
    // only a matter of speed
    let _ = stream.set_nodelay(true);
    let Some(acceptor) = acceptor else {
        return serve(stream, Client { address, certified: false }, router, stopped).await;
    };
    match timeout(HANDSHAKE_TIME_MAX, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => {
            // one that was presented has been verified
            let certified = stream.get_ref().1.peer_certificates().is_some_and(|chain| !chain.is_empty());
            serve(stream, Client { address, certified }, router, stopped).await;
        }
        Ok(Err(error)) => {
            tracing::debug!(target: "operations.runner", %address, %error, "TLS handshake failed");
        }
        Err(_) => {
            tracing::debug!(target: "operations.runner", %address, "TLS handshake took too long");
        }
    }
}

/// Answers the requests of one connection, until it ends, grows too old, or the server stops.
async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send,
    client: Client,
    router: Router,
    mut stopped: watch::Receiver<()>,
) {
    let answer = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(client);
        router.clone().oneshot(request.map(Body::new))
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME_MAX)
        .serve_connection(TokioIo::new(stream), answer);
    tokio::pin!(connection);
    let end = async {
        // the sender goes when the server stops
        let stops = async { while stopped.changed().await.is_ok() {} };
        let _ = timeout(CONNECTION_TIME_MAX, stops).await;
    };
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = end => {
            connection.as_mut().graceful_shutdown();
            match timeout(STOP_TIME_MAX, connection).await {
                Ok(result) => result,
                Err(_) => return,
            }
        }
    };
    if let Err(error) = result {
        tracing::debug!(target: "operations.runner", address = %client.address, %error, "Connection failed");
    }
}

impl std::fmt::Debug for Operations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Operations").field("local_address", &self.local_address).finish_non_exhaustive()
    }
}
