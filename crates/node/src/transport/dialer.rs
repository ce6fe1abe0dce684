//! Dialling: TCP, TLS, HTTP/2, each step named when it fails and told to an observer.

use super::certificate::{CertificateSummary, certificate_hash};
use super::dial_error::{DialError, DialStep};
use super::event::with_causes;
use super::http2::Http2Connection;
use super::shared::{ConnectionTasks, Shared};
use super::socket::Socket;
use super::tls::TlsHandle;
use super::tls_failure::TlsFailure;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::pki_types::ServerName;
use selvedge_core::TlsBinding;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::{TlsConnector, rustls};

/// What has been reached of a dial; for `selvedge probe`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum DialProgress {
    /// The host has these addresses; they are tried in this order.
    Resolved(Vec<SocketAddr>),
    /// TCP is connected.
    Tcp {
        /// The address that took the connection.
        address: SocketAddr,
        /// How long it took.
        elapsed: Duration,
    },
    /// The server presented these certificates, leaf first; whether they are trusted is not known yet.
    Presented(Vec<CertificateSummary>),
    /// The TLS session stands.
    Tls {
        /// Its properties.
        report: TlsReport,
        /// How long the TLS handshake took.
        elapsed: Duration,
    },
    /// The Ping was answered.
    Ping {
        /// How long it took; it includes HTTP/2's opening.
        elapsed: Duration,
    },
}

/// Properties of a TLS session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsReport {
    /// `TLSv1_2` or `TLSv1_3`.
    pub version: String,
    /// The cipher suite's name.
    pub cipher_suite: String,
    /// What the server presented, leaf first.
    pub presented: Vec<CertificateSummary>,
}

/// What is known of a connection that was dialled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DialReport {
    /// The other end of the TCP connection.
    pub remote_address: SocketAddr,
    /// SHA-256 over both ends' TLS certificates; `None` without TLS.
    pub binding: Option<TlsBinding>,
    /// The TLS session; `None` without TLS.
    pub tls: Option<TlsReport>,
}

/// Who is told of a dial's progress.
pub type Observer<'a> = &'a mut (dyn FnMut(DialProgress) + Send);

/// One dial under way.
pub(super) struct Dial<'a> {
    pub(super) shared: &'a Shared,
    pub(super) tls: Option<&'a TlsHandle>,
    pub(super) endpoint: &'a str,
    pub(super) timeout: Duration,
    pub(super) deadline: Instant,
    pub(super) observer: Observer<'a>,
}

/// Splits `host:port`; an IPv6 address stands in brackets.
fn split_endpoint(endpoint: &str) -> Option<(&str, u16)> {
    let (host, port) = endpoint.rsplit_once(':')?;
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host = bare.unwrap_or(host);
    if host.is_empty() || bare.is_none() && host.contains(':') {
        return None;
    }
    Some((host, port.parse().ok()?))
}

impl Dial<'_> {
    /// TCP, TLS and HTTP/2. The HTTP/2 preface is sent, and whether the server understands it shows with the first request.
    pub(super) async fn connect(mut self) -> Result<Http2Connection, DialError> {
        let malformed = || DialError::Endpoint { endpoint: self.endpoint.to_owned() };
        let (host, port) = split_endpoint(self.endpoint).ok_or_else(malformed)?;
        let (stream, remote_address) = self.tcp(host, port).await?;
        let (socket, binding, tls) = match self.tls {
            None => (Socket::plain(stream), None, None),
            Some(handle) => {
                let (socket, report) = self.secure(handle, host, stream).await?;
                let remote = socket.peer_certificates().first().map(certificate_hash);
                (socket, Some(TlsBinding { own: handle.client_hash(), remote }), Some(report))
            }
        };
        self.http2(socket, DialReport { remote_address, binding, tls }).await
    }

    /// An error if the time is up.
    async fn within<T>(&mut self, step: DialStep, work: impl Future<Output = T>) -> Result<T, DialError> {
        let timed_out = |_elapsed| DialError::TimedOut { step, after: self.timeout };
        tokio::select! {
            biased;
            () = self.shared.stop.cancelled() => Err(DialError::Stopped),
            done = timeout_at(self.deadline, work) => done.map_err(timed_out),
        }
    }

    /// Connects to the first address that takes the connection. What is short is not delayed on it.
    async fn tcp(&mut self, host: &str, port: u16) -> Result<(TcpStream, SocketAddr), DialError> {
        let unresolved = |reason: String| DialError::Resolve { host: host.to_owned(), reason };
        let addresses = self.within(DialStep::Resolve, lookup_host((host, port))).await?;
        let addresses: Vec<SocketAddr> = addresses.map_err(|error| unresolved(error.to_string()))?.collect();
        (self.observer)(DialProgress::Resolved(addresses.clone()));
        let mut failure = unresolved("the host has no address".to_owned());
        for address in addresses {
            let begun = Instant::now();
            let connected = self.within(DialStep::Tcp, TcpStream::connect(address)).await?;
            match connected.and_then(|stream| stream.set_nodelay(true).map(|()| stream)) {
                Ok(stream) => {
                    (self.observer)(DialProgress::Tcp { address, elapsed: begun.elapsed() });
                    return Ok((stream, address));
                }
                Err(error) => failure = DialError::Tcp { address, reason: error.to_string() },
            }
        }
        Err(failure)
    }

    async fn secure(
        &mut self,
        handle: &TlsHandle,
        host: &str,
        stream: TcpStream,
    ) -> Result<(Socket, TlsReport), DialError> {
        let refused = |reason| DialError::Tls { reason, presented: Vec::new() };
        let (config, verifier) =
            handle.client_config().map_err(|error| refused(TlsFailure::from_tls(&error)))?;
        let name = ServerName::try_from(host.to_owned()).map_err(|_invalid| {
            refused(TlsFailure::Other(format!("{host:?} is no name a certificate can be for")))
        })?;
        let begun = Instant::now();
        let session = self.within(DialStep::Tls, TlsConnector::from(config).connect(name, stream)).await?;
        let presented: Vec<_> = verifier.presented().iter().filter_map(CertificateSummary::read).collect();
        if !presented.is_empty() {
            (self.observer)(DialProgress::Presented(presented.clone()));
        }
        let socket = match session {
            Ok(session) => Socket::tls(session),
            Err(error) => {
                return Err(DialError::Tls { reason: TlsFailure::from_handshake(&error), presented });
            }
        };
        let session = socket.session();
        if session.and_then(|session| session.alpn_protocol()) != Some(b"h2") {
            return Err(DialError::Tls { reason: TlsFailure::NoHttp2, presented });
        }
        let version = session.and_then(|session| session.protocol_version());
        let cipher_suite = session.and_then(|session| session.negotiated_cipher_suite());
        let report = TlsReport {
            version: version.map(|version| format!("{version:?}")).unwrap_or_default(),
            cipher_suite: cipher_suite.map(|suite| format!("{:?}", suite.suite())).unwrap_or_default(),
            presented,
        };
        (self.observer)(DialProgress::Tls { report: report.clone(), elapsed: begun.elapsed() });
        Ok((socket, report))
    }

    async fn http2(&mut self, socket: Socket, report: DialReport) -> Result<Http2Connection, DialError> {
        let settings = &self.shared.settings;
        let monitor = socket.monitor();
        let tasks = ConnectionTasks::new(self.shared);
        let mut builder = http2::Builder::new(tasks.clone());
        builder
            .timer(TokioTimer::new())
            .adaptive_window(false)
            .initial_stream_window_size(settings.stream_window_bytes)
            .initial_connection_window_size(settings.connection_window_bytes)
            .max_send_buf_size(super::SEND_BUFFER_BYTES)
            .keep_alive_interval(settings.client_keepalive())
            .keep_alive_timeout(settings.client_keepalive_timeout)
            .keep_alive_while_idle(true);
        let opened = self.within(DialStep::Http2, builder.handshake(TokioIo::new(socket))).await?;
        let (sender, connection) =
            opened.map_err(|error| DialError::Http2 { reason: with_causes(&error) })?;
        tasks.spawn(connection);
        Ok(Http2Connection::new(sender, tasks, monitor, self.endpoint, report))
    }
}

#[cfg(test)]
mod tests {
    use super::super::settings::Settings;
    use super::*;
    use tokio::net::TcpListener;
    use tokio::sync::mpsc;

    #[tokio::test]
    async fn dialled_sockets_do_not_delay_what_is_short() {
        let shared = Shared::new(Settings::default(), None, mpsc::channel(1).0);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let timeout = Duration::from_secs(60);
        let mut dial = Dial {
            shared: &shared,
            tls: None,
            endpoint: "",
            timeout,
            deadline: Instant::now() + timeout,
            observer: &mut |_progress| {},
        };
        let address = listener.local_addr().unwrap();
        let (stream, remote) = dial.tcp("127.0.0.1", address.port()).await.unwrap();
        assert!(stream.nodelay().unwrap());
        assert_eq!(remote, address);
    }

    #[test]
    fn endpoints_are_split() {
        assert_eq!(split_endpoint("peer0.example.com:7051"), Some(("peer0.example.com", 7051)));
        assert_eq!(split_endpoint("127.0.0.1:0"), Some(("127.0.0.1", 0)));
        assert_eq!(split_endpoint("[::1]:7051"), Some(("::1", 7051)));
        for malformed in ["", "host", ":7051", "host:", "host:65536", "host:-1", "::1:7051", "[]:1", "a:b:1"]
        {
            assert_eq!(split_endpoint(malformed), None, "{malformed}");
        }
    }
}
