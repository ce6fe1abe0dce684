//! Accepting: TCP, TLS, HTTP/2.

use super::admission::{Admission, Admitted};
use super::certificate::certificate_hash;
use super::service::{PeerInfo, Streams, respond};
use super::shared::{ConnectionTasks, Shared};
use super::socket::Socket;
use super::tls_failure::TlsFailure;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use selvedge_core::TlsBinding;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};
use tokio_rustls::TlsAcceptor;
use tonic::service::Routes;

/// How long to wait when the system has no descriptor or memory for another connection.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);

/// How long a client may take to leave after GOAWAY.
const GOAWAY_PATIENCE: Duration = Duration::from_secs(20);

/// How long a client whose TLS failed may take to hang up, and how much it may send until then.
const LINGER: Duration = Duration::from_secs(1);
const UNREAD_BYTES_MAX: u64 = 64 << 10;

/// Accepts until the transport stops.
pub(super) async fn accept_all(shared: Arc<Shared>, listener: TcpListener, routes: Routes) {
    let admission = Admission::new(&shared.settings, Arc::clone(&shared.stats));
    loop {
        let accepted = tokio::select! {
            biased;
            () = shared.stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, address)) => {
                let Some(admitted) = admission.admit(address.ip()) else {
                    tracing::debug!(target: "gossip.comm", %address, "too many connections, dropped a new one");
                    continue;
                };
                let incoming =
                    Incomer { shared: Arc::clone(&shared), routes: routes.clone(), address, admitted };
                shared.tasks.spawn(incoming.serve(stream));
            }
            Err(error) if concerns_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!(target: "gossip.comm", %error, "cannot accept connections");
                tokio::select! {
                    () = shared.stop.cancelled() => return,
                    () = sleep(EXHAUSTED_PAUSE) => {}
                }
            }
        }
    }
}

fn concerns_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    )
}

/// A TCP connection that was accepted.
struct Incomer {
    shared: Arc<Shared>,
    routes: Routes,
    address: SocketAddr,
    admitted: Admitted,
}

impl Incomer {
    async fn serve(self, stream: TcpStream) {
        let deadline = Instant::now() + self.shared.settings.setup_timeout;
        let shared = Arc::clone(&self.shared);
        let set_up = async {
            match timeout_at(deadline, self.secure(stream)).await {
                Ok(result) => result,
                Err(_elapsed) => Err(TlsFailure::TimedOut),
            }
        };
        let secured = tokio::select! {
            biased;
            () = shared.stop.cancelled() => return,
            secured = set_up => secured,
        };
        match secured {
            Ok((socket, peer)) => self.serve_http2(socket, peer, deadline).await,
            Err(reason) => {
                shared.stats.setups_failed.add(1);
                let address = self.address;
                if reason == TlsFailure::Closed {
                    // what only looks whether the port is open does the same
                    tracing::debug!(target: "core.comm", %address, %reason, "TLS handshake failed");
                } else {
                    tracing::warn!(target: "core.comm", %address, %reason, "TLS handshake failed");
                }
            }
        }
    }

    async fn secure(&self, stream: TcpStream) -> Result<(Socket, PeerInfo), TlsFailure> {
        // Nagle's algorithm against delayed acknowledgements costs 40 ms for each short exchange
        stream.set_nodelay(true).map_err(|error| TlsFailure::Other(error.to_string()))?;
        let mut peer = PeerInfo { remote_address: self.address, binding: None, certificate: None };
        let Some(tls) = &self.shared.tls else { return Ok((Socket::plain(stream), peer)) };
        let session = TlsAcceptor::from(tls.server_config()).accept(stream).into_fallible().await;
        let socket = match session {
            Ok(session) => Socket::tls(session),
            Err((error, stream)) => {
                let_read(stream).await;
                return Err(TlsFailure::from_handshake(&error));
            }
        };
        peer.certificate = socket.peer_certificates().first().cloned();
        let remote = peer.certificate.as_ref().map(certificate_hash);
        peer.binding = Some(TlsBinding { own: tls.server_hash(), remote });
        Ok((socket, peer))
    }

    async fn serve_http2(mut self, socket: Socket, peer: PeerInfo, deadline: Instant) {
        let shared = self.shared;
        let monitor = socket.monitor();
        let tasks = ConnectionTasks::new(&shared);
        let streams = Arc::new(Streams::default());
        let service = {
            let (shared, tasks, streams) = (Arc::clone(&shared), tasks.clone(), Arc::clone(&streams));
            let (routes, peer) = (self.routes, Arc::new(peer));
            service_fn(move |request: hyper::Request<Incoming>| {
                let (shared, peer) = (Arc::clone(&shared), Arc::clone(&peer));
                respond(shared, tasks.clone(), routes.clone(), peer, streams.open(), request)
            })
        };
        let builder = http2_builder(&shared, tasks.clone());
        let mut connection = pin!(builder.serve_connection(TokioIo::new(socket), service));
        let mut killed = pin!(tasks.killed());
        let mut stage = Stage::SetUp;
        let mut check_at = deadline;
        loop {
            tokio::select! {
                biased;
                () = &mut killed => break,
                () = shared.stop.cancelled(), if stage != Stage::Leaving => {
                    stage = Stage::Leaving;
                    check_at = Instant::now() + GOAWAY_PATIENCE;
                    connection.as_mut().graceful_shutdown();
                }
                result = &mut connection => {
                    if let Err(error) = result {
                        tracing::debug!(target: "gossip.comm", address = %self.address, %error, "connection ended");
                    }
                    break;
                }
                () = monitor.preface_read().cancelled(), if stage == Stage::SetUp => {
                    self.admitted.set_up();
                    stage = Stage::Serving { changes: streams.changes() };
                    check_at = Instant::now() + shared.settings.idle_timeout;
                }
                () = sleep_until(check_at) => match stage {
                    Stage::SetUp => {
                        shared.stats.setups_failed.add(1);
                        break;
                    }
                    Stage::Serving { changes } if streams.none() && streams.changes() == changes => {
                        stage = Stage::Leaving;
                        check_at = Instant::now() + GOAWAY_PATIENCE;
                        connection.as_mut().graceful_shutdown();
                    }
                    Stage::Serving { .. } => {
                        stage = Stage::Serving { changes: streams.changes() };
                        check_at = Instant::now() + shared.settings.idle_timeout;
                    }
                    Stage::Leaving => break,
                },
            }
        }
        tasks.kill();
    }
}

/// Where an accepted connection stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The client has not sent its HTTP/2 preface.
    SetUp,
    /// So many streams had been opened and closed when it was last looked at.
    Serving { changes: u64 },
    /// GOAWAY was sent.
    Leaving,
}

/// Closes a connection so that the client can read the alert which says why: closing while something of the client's lies
/// unread would reset the connection.
async fn let_read(mut stream: TcpStream) {
    if stream.shutdown().await.is_ok() {
        let (mut rest, mut nowhere) = (stream.take(UNREAD_BYTES_MAX), tokio::io::sink());
        let _elapsed = timeout(LINGER, tokio::io::copy(&mut rest, &mut nowhere)).await;
    }
}

fn http2_builder(shared: &Shared, tasks: ConnectionTasks) -> http2::Builder<ConnectionTasks> {
    let settings = &shared.settings;
    let mut builder = http2::Builder::new(tasks);
    builder
        .timer(TokioTimer::new())
        .auto_date_header(false)
        .adaptive_window(false)
        .initial_stream_window_size(settings.stream_window_bytes)
        .initial_connection_window_size(settings.connection_window_bytes)
        .max_concurrent_streams(settings.streams_per_connection_max)
        .max_send_buf_size(super::SEND_BUFFER_BYTES)
        .keep_alive_interval(settings.server_keepalive_interval)
        .keep_alive_timeout(settings.server_keepalive_timeout);
    builder
}

#[cfg(test)]
mod tests {
    use super::super::settings::Settings;
    use super::*;
    use tokio::sync::mpsc;

    #[tokio::test]
    async fn accepted_sockets_do_not_delay_what_is_short() {
        let shared = Arc::new(Shared::new(Settings::default(), None, mpsc::channel(1).0));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (dialed, accepted) =
            tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
        let (stream, address) = accepted.unwrap();
        assert!(!stream.nodelay().unwrap() && dialed.is_ok());
        let admission = Admission::new(&shared.settings, Arc::clone(&shared.stats));
        let admitted = admission.admit(address.ip()).unwrap();
        let incomer = Incomer { shared, routes: Routes::default(), address, admitted };
        let (socket, _) = incomer.secure(stream).await.unwrap();
        assert!(socket.tcp().nodelay().unwrap());
    }
}
