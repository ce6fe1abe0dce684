//! The other side of the administration: what the `selvedge channel` commands use.

use super::admin::{ChannelInfo, ChannelList, ChannelSummary};
use super::tls::{self, TlsFileError};
use axum::body::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{Method, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// The longest answer that is read.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// How long to wait for a connection.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);

/// Asks the operations server of a node.
#[derive(Clone)]
pub struct AdminClient {
    address: String,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

/// Why there is no answer, or which.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdminClientError {
    /// No connection.
    #[error(
        "cannot reach the operations server at {address}: {reason}; does the node run, with this operations.listenAddress?"
    )]
    Unreachable {
        /// Where it was looked for.
        address: String,
        /// Why.
        reason: String,
    },
    /// The connection broke, or what came is no answer of a node.
    #[error("no answer of the operations server at {address}: {reason}")]
    Broken {
        /// Where it was looked for.
        address: String,
        /// Why.
        reason: String,
    },
    /// The node refused, with its reason.
    #[error("{message}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The node's reason.
        message: String,
    },
    /// What a channel cannot be called.
    #[error("'{0}' cannot be the name of a channel: letters, digits, dots and dashes")]
    ChannelName(String),
    /// Files of TLS that cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsFileError),
    /// The host of the address is no name that TLS could verify.
    #[error("'{0}' is no address that a certificate could be for")]
    ServerName(String),
}

impl AdminClient {
    /// Asks at `address`, which is `host:port` as in `operations.listenAddress`; an unspecified host is this
    /// machine.
    #[must_use]
    pub fn new(address: &str) -> Self {
        let (host, port) = split(address);
        let address = match host {
            "" | "0.0.0.0" => format!("127.0.0.1:{port}"),
            "::" => format!("[::1]:{port}"),
            _ => address.to_owned(),
        };
        Self { address, tls: None }
    }

    /// The same over TLS: CAs to trust, and the certificate and key to present.
    ///
    /// # Errors
    /// Files that cannot be used, or an address no certificate could be for.
    pub fn with_tls(
        mut self,
        root_ca_files: &[PathBuf],
        pair: Option<(&Path, &Path)>,
    ) -> Result<Self, AdminClientError> {
        let config = tls::client_config(root_ca_files, pair)?;
        let host = split(&self.address).0.to_owned();
        let name =
            ServerName::try_from(host).map_err(|_| AdminClientError::ServerName(self.address.clone()))?;
        self.tls = Some((TlsConnector::from(Arc::new(config)), name));
        Ok(self)
    }

    /// The channels the node has joined.
    ///
    /// # Errors
    /// See [`AdminClientError`].
    pub async fn list(&self) -> Result<Vec<ChannelSummary>, AdminClientError> {
        let list: ChannelList = self.ask(Method::GET, "/selvedge/v1/channels", Bytes::new()).await?;
        Ok(list.channels)
    }

    /// What the node knows of a channel.
    ///
    /// # Errors
    /// See [`AdminClientError`].
    pub async fn info(&self, channel: &str) -> Result<ChannelInfo, AdminClientError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
        if channel.is_empty() || !channel.bytes().all(plain) {
            return Err(AdminClientError::ChannelName(channel.to_owned()));
        }
        self.ask(Method::GET, &format!("/selvedge/v1/channels/{channel}"), Bytes::new()).await
    }

    /// Makes the node join the channel of a configuration block.
    ///
    /// # Errors
    /// See [`AdminClientError`].
    pub async fn join(&self, block: Bytes) -> Result<ChannelSummary, AdminClientError> {
        self.ask(Method::POST, "/selvedge/v1/channels", block).await
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<T, AdminClientError> {
        #[derive(Deserialize)]
        struct Refusal {
            error: String,
        }
        let (status, answer) = self.request(method, path, body).await?;
        if status.is_success() {
            return serde_json::from_slice(&answer).map_err(|error| self.broken(error));
        }
        let message = match serde_json::from_slice::<Refusal>(&answer) {
            Ok(refusal) => refusal.error,
            Err(_) => format!("the operations server at {} answered {status}", self.address),
        };
        Err(AdminClientError::Refused { status: status.as_u16(), message })
    }

    /// Any request, with status and body as they come; the body goes as `application/octet-stream`.
    ///
    /// # Errors
    /// [`AdminClientError::Unreachable`] and [`AdminClientError::Broken`].
    pub async fn request(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes), AdminClientError> {
        let unreachable =
            |reason: String| AdminClientError::Unreachable { address: self.address.clone(), reason };
        let connect = tokio::time::timeout(CONNECT_TIME_MAX, TcpStream::connect(&self.address));
        let stream = match connect.await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(unreachable(error.to_string())),
            Err(_) => return Err(unreachable("it takes too long".into())),
        };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, &self.address)
            .header(header::CONTENT_TYPE, "application/octet-stream")
            .body(Full::new(body))
            .map_err(|error| self.broken(error))?;
        match &self.tls {
            None => self.exchange(stream, request).await,
            Some((connector, name)) => {
                let connect = tokio::time::timeout(CONNECT_TIME_MAX, connector.connect(name.clone(), stream));
                match connect.await {
                    Ok(Ok(stream)) => self.exchange(stream, request).await,
                    Ok(Err(error)) => Err(unreachable(error.to_string())),
                    Err(_) => Err(unreachable("TLS takes too long".into())),
                }
            }
        }
    }

    async fn exchange(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        request: Request<Full<Bytes>>,
    ) -> Result<(StatusCode, Bytes), AdminClientError> {
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.map_err(|error| self.broken(error))?;
        let answer = async {
            let answer = sender.send_request(request).await.map_err(|error| self.broken(error))?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
            Ok((status, body.map_err(|error| self.broken(error))?.to_bytes()))
        };
        tokio::pin!(answer, connection);
        tokio::select! {
            answer = &mut answer => answer,
            // it may end before its answer has been read to the end; an error shows there too
            _ = &mut connection => answer.await,
        }
    }

    fn broken(&self, reason: impl std::fmt::Display) -> AdminClientError {
        AdminClientError::Broken { address: self.address.clone(), reason: reason.to_string() }
    }
}

impl std::fmt::Debug for AdminClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let tls = self.tls.is_some();
        f.debug_struct("AdminClient").field("address", &self.address).field("tls", &tls).finish()
    }
}

/// Host without brackets, and port.
fn split(address: &str) -> (&str, &str) {
    let (host, port) = address.rsplit_once(':').unwrap_or((address, ""));
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    (bare.unwrap_or(host), port)
}
