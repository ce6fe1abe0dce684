//! One HTTP/2 connection that this side dialled: for gossip, and for any generated client.

use super::dial_error::DialError;
use super::dialer::DialReport;
use super::event::{StatusText, with_causes};
use super::framing::{MessageReader, prefix, read_status};
use super::large::LargeBytes;
use super::service::{GRPC_CONTENT_TYPE, PING_PATH, STREAM_PATH};
use super::shared::ConnectionTasks;
use super::socket::Monitor;
use super::tls_failure::TlsFailure;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http2::SendRequest;
use hyper::header::{CONTENT_TYPE, HeaderValue, TE, USER_AGENT};
use hyper::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, timeout};
use tonic::body::Body;
use tonic::{Code, Status};

const GRPC_AGENT: HeaderValue = HeaderValue::from_static(concat!("selvedge/", env!("CARGO_PKG_VERSION")));

/// How long the closing of a connection may take.
const CLOSE_PATIENCE: Duration = Duration::from_secs(1);

/// A Ping's answer has no fields that matter.
const PING_BYTES_MAX: usize = 4096;

/// One TCP connection with one TLS session, dialled by this side. It never reconnects. As a [`tower::Service`] it carries any
/// client that tonic generates, such as `AtomicBroadcastClient::new(connection)`; clones share the connection, which closes
/// when all of them and all streams have ended.
#[derive(Clone)]
pub struct Http2Connection {
    sender: SendRequest<Body>,
    tasks: ConnectionTasks,
    monitor: Arc<Monitor>,
    authority: Arc<str>,
    report: Arc<DialReport>,
}

impl Http2Connection {
    pub(super) fn new(
        sender: SendRequest<Body>,
        tasks: ConnectionTasks,
        monitor: Arc<Monitor>,
        authority: &str,
        report: DialReport,
    ) -> Self {
        Self { sender, tasks, monitor, authority: Arc::from(authority), report: Arc::new(report) }
    }

    /// What the connection is made of.
    pub fn report(&self) -> &DialReport {
        &self.report
    }

    /// Why TLS ended the connection, if it did: with TLS 1.3 a server refuses a client's certificate only after the client's
    /// handshake has succeeded, so that the first request fails.
    pub fn tls_failure(&self) -> Option<TlsFailure> {
        self.monitor.tls_failure()
    }

    fn uri(&self, path_and_query: &str) -> Result<Uri, DialError> {
        let scheme = if self.report.tls.is_some() { "https" } else { "http" };
        let uri = Uri::builder().scheme(scheme).authority(&*self.authority).path_and_query(path_and_query);
        uri.build().map_err(|_invalid| DialError::Endpoint { endpoint: self.authority.to_string() })
    }

    fn request(&self, path: &str, body: Body) -> Result<Request<Body>, DialError> {
        let mut request = Request::new(body);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri(path)?;
        let headers = request.headers_mut();
        headers.insert(TE, HeaderValue::from_static("trailers"));
        headers.insert(CONTENT_TYPE, GRPC_CONTENT_TYPE);
        headers.insert(USER_AGENT, GRPC_AGENT);
        Ok(request)
    }

    /// Calls `gossip.Gossip/Ping`.
    pub(super) async fn ping(&mut self, large: LargeBytes) -> Result<Duration, DialError> {
        let begun = Instant::now();
        let request = self.request(PING_PATH, Body::new(Full::new(Bytes::copy_from_slice(&prefix(0)))))?;
        let failed =
            |error: &hyper::Error| self.failed(with_causes(error), |reason| DialError::Ping { reason });
        let answered = async {
            let response = self.sender.clone().send_request(request).await.map_err(|error| failed(&error))?;
            let refused = |status: &Status| DialError::Ping { reason: StatusText(status).to_string() };
            if let Some(status) = refusal(&response) {
                return Err(refused(&status));
            }
            let mut reader = MessageReader::new(response.into_body(), large);
            let malformed = |error: super::framing::FrameError<hyper::Error>| match error {
                super::framing::FrameError::Body(error) => failed(&error),
                other => DialError::Ping { reason: other.to_string() },
            };
            while let Some(length) = reader.length(PING_BYTES_MAX).await.map_err(malformed)? {
                reader.message(length).await.map_err(malformed)?;
            }
            match status_of(reader.trailers()) {
                status if status.code() == Code::Ok => Ok(begun.elapsed()),
                status => Err(refused(&status)),
            }
        };
        answered.await
    }

    /// Starts the request of a gossip stream; the future ends with the response's headers.
    pub(super) fn open_stream(
        &mut self,
        body: Body,
    ) -> Result<impl Future<Output = hyper::Result<Response<Incoming>>> + Send + use<>, DialError> {
        let request = self.request(STREAM_PATH, body)?;
        Ok(self.sender.send_request(request))
    }

    fn failed(&self, reason: String, otherwise: impl FnOnce(String) -> DialError) -> DialError {
        match self.monitor.tls_failure() {
            Some(reason) => {
                let presented = self.report.tls.as_ref().map(|tls| tls.presented.clone()).unwrap_or_default();
                DialError::Tls { reason, presented }
            }
            None => otherwise(reason),
        }
    }

    /// Closes the connection in order, or cuts it if that takes too long; if there are clones, leaves it to the last.
    pub(super) async fn close(self) {
        drop(self.sender);
        if Arc::strong_count(&self.report) > 1 {
            return;
        }
        if timeout(CLOSE_PATIENCE, self.tasks.wait()).await.is_err() {
            self.tasks.kill();
            self.tasks.wait().await;
        }
    }
}

/// Why a response is none of gRPC's, or what it refused at once.
pub(super) fn refusal(response: &Response<Incoming>) -> Option<Status> {
    if let Some(status) = read_status(response.headers()) {
        return (status.code() != Code::Ok).then_some(status);
    }
    let is_grpc = |value: &HeaderValue| value.as_bytes().starts_with(b"application/grpc");
    if response.status() != StatusCode::OK {
        return Some(Status::unknown(format!("HTTP status {}", response.status())));
    }
    if !response.headers().get(CONTENT_TYPE).is_some_and(is_grpc) {
        return Some(Status::unknown("the answer is not gRPC"));
    }
    None
}

/// The status a response ended with.
pub(super) fn status_of(trailers: Option<&HeaderMap>) -> Status {
    trailers.and_then(read_status).unwrap_or_else(|| Status::unknown("the stream ended without a status"))
}

impl tower::Service<Request<Body>> for Http2Connection {
    type Response = Response<Incoming>;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = hyper::Result<Response<Incoming>>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        self.sender.poll_ready(cx)
    }

    /// Generated clients know the path only; scheme and authority are those of the dial.
    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        if let Ok(uri) = self.uri(path) {
            *request.uri_mut() = uri;
        }
        Box::pin(self.sender.send_request(request))
    }
}
