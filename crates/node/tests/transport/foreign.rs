//! A gRPC client that is not ours, with the TLS settings a test wants, and what of HTTP/2 must be seen byte by byte.

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme, SupportedProtocolVersion};
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsConnector, rustls};
use tokio_stream::wrappers::ReceiverStream;

use super::support::Pair;

/// Believes every server.
#[derive(Debug)]
struct Gullible;

impl ServerCertVerifier for Gullible {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        default_provider().signature_verification_algorithms.supported_schemes()
    }
}

/// Settings of a client that speaks one TLS version and presents a certificate or none.
pub(crate) fn client_config(version: &'static SupportedProtocolVersion, pair: Option<&Pair>) -> ClientConfig {
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Gullible));
    let mut config = match pair {
        Some(pair) => builder.with_client_auth_cert(vec![pair.certificate.clone()], pair.key()).unwrap(),
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    config
}

pub(crate) async fn tls_session(
    address: SocketAddr,
    config: &Arc<ClientConfig>,
) -> io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::clone(config)).connect(name, stream).await
}

type Body = http_body_util::combinators::UnsyncBoxBody<Bytes, Infallible>;

/// An HTTP/2 connection of the foreign client.
#[derive(Clone)]
pub(crate) struct Client {
    sender: SendRequest<Body>,
}

/// A gossip stream of the foreign client.
pub(crate) struct Stream {
    sender: Option<mpsc::Sender<Result<Frame<Bytes>, Infallible>>>,
    response: Response<Incoming>,
    received: BytesMut,
}

pub(crate) fn framed(message: &[u8]) -> Bytes {
    let mut bytes = BytesMut::from(&[0][..]);
    bytes.extend_from_slice(&(message.len() as u32).to_be_bytes());
    bytes.extend_from_slice(message);
    bytes.freeze()
}

impl Client {
    pub(crate) async fn plain(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap()).await
    }

    pub(crate) async fn over(
        io: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    ) -> Self {
        let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(io)).await.unwrap();
        tokio::spawn(connection);
        Self { sender }
    }

    pub(crate) async fn request(&mut self, path: &str, body: Body) -> hyper::Result<Response<Incoming>> {
        let request =
            Request::post(format!("http://localhost{path}")).header("content-type", "application/grpc");
        self.sender.send_request(request.header("te", "trailers").body(body).unwrap()).await
    }

    /// The answer's bytes and trailers.
    pub(crate) async fn ping(&mut self) -> hyper::Result<(Bytes, HeaderMap)> {
        let answer = self.request("/gossip.Gossip/Ping", Full::new(framed(b"")).boxed_unsync()).await?;
        let collected = answer.into_body().collect().await?;
        let trailers = collected.trailers().cloned().unwrap_or_default();
        Ok((collected.to_bytes(), trailers))
    }

    pub(crate) async fn stream(&mut self) -> Stream {
        let (sender, frames) = mpsc::channel(16);
        let body = StreamBody::new(ReceiverStream::new(frames)).boxed_unsync();
        let response = self.request("/gossip.Gossip/GossipStream", body).await.unwrap();
        Stream { sender: Some(sender), response, received: BytesMut::new() }
    }
}

impl Stream {
    pub(crate) async fn send(&mut self, message: &[u8]) {
        self.send_raw(framed(message)).await;
    }

    pub(crate) async fn send_raw(&mut self, bytes: Bytes) {
        // a stream that the node has ended takes nothing any more; its trailers say why
        let _ended = self.sender.as_ref().unwrap().send(Ok(Frame::data(bytes))).await;
    }

    /// The next message, or the trailers with which the stream ends.
    pub(crate) async fn next(&mut self) -> Result<Bytes, HeaderMap> {
        loop {
            if let Some(&[_, a, b, c, d]) = self.received.get(..5) {
                let length = u32::from_be_bytes([a, b, c, d]) as usize;
                if self.received.len() >= 5 + length {
                    let message = self.received.split_to(5 + length).freeze();
                    return Ok(message.slice(5..));
                }
            }
            match self.response.frame().await {
                None => return Err(HeaderMap::new()),
                Some(frame) => match frame.unwrap().into_data() {
                    Ok(data) => self.received.extend_from_slice(&data),
                    Err(frame) => return Err(frame.into_trailers().unwrap()),
                },
            }
        }
    }

    /// Half-closes the stream; what comes after.
    pub(crate) async fn half_close(mut self) -> Result<Bytes, HeaderMap> {
        self.sender = None;
        self.next().await
    }
}

/// One HTTP/2 frame.
#[derive(Debug)]
pub(crate) struct RawFrame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) payload: Vec<u8>,
}

pub(crate) const DATA: u8 = 0;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const ACK: u8 = 1;
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The bytes of a frame.
pub(crate) fn raw_frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let [_, a, b, c] = (payload.len() as u32).to_be_bytes();
    let mut bytes = vec![a, b, c, kind, flags];
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// Reads the next frame; `None` at the end of the connection.
pub(crate) async fn read_frame(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> Option<RawFrame> {
    use tokio::io::AsyncReadExt;
    let mut head = [0; 9];
    stream.read_exact(&mut head).await.ok()?;
    let [a, b, c, kind, flags, ..] = head;
    let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
    stream.read_exact(&mut payload).await.ok()?;
    Some(RawFrame { kind, flags, payload })
}
