//! What is served on an accepted connection: `gossip.Gossip`, and whatever services the owner adds.

use super::connection::{Connection, Inbound, Link, deliver};
use super::event::{ClosedReason, TransportEvent};
use super::framing::{MessageReader, prefix, write_status};
use super::queue::{LocalEnd, OutboundBody};
use super::shared::{ConnectionTasks, Shared};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{HeaderMap, Request, Response, StatusCode};
use rustls::pki_types::CertificateDer;
use selvedge_core::TlsBinding;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use tokio::time::timeout;
use tokio_rustls::rustls;
use tonic::Status;
use tonic::body::Body;
use tonic::service::Routes;
use tower::ServiceExt;

pub(super) const PING_PATH: &str = "/gossip.Gossip/Ping";
pub(super) const STREAM_PATH: &str = "/gossip.Gossip/GossipStream";
pub(super) const GRPC_CONTENT_TYPE: HeaderValue = HeaderValue::from_static("application/grpc");

/// A Ping's message has no fields that matter.
const PING_BYTES_MAX: usize = 4096;

/// Who is at the other end of an accepted connection; an extension of every request to an added service.
#[derive(Clone, Debug)]
pub struct PeerInfo {
    /// The other end of the TCP connection.
    pub remote_address: SocketAddr,
    /// SHA-256 over both ends' TLS certificates; `None` without TLS.
    pub binding: Option<TlsBinding>,
    /// The client's leaf certificate, if it presented one. Only if client authentication is required, has anybody vouched
    /// for it.
    pub certificate: Option<CertificateDer<'static>>,
}

/// Counts the streams of one connection.
#[derive(Default)]
pub(super) struct Streams {
    opened: AtomicU64,
    closed: AtomicU64,
}

impl Streams {
    pub(super) fn open(self: &Arc<Self>) -> OpenStream {
        self.opened.fetch_add(1, Ordering::Relaxed);
        OpenStream(Arc::clone(self))
    }

    /// How many were opened and closed, ever.
    pub(super) fn changes(&self) -> u64 {
        self.opened.load(Ordering::Relaxed) + self.closed.load(Ordering::Relaxed)
    }

    /// Whether none stands.
    pub(super) fn none(&self) -> bool {
        self.opened.load(Ordering::Relaxed) == self.closed.load(Ordering::Relaxed)
    }
}

/// A stream that stands.
pub(super) struct OpenStream(Arc<Streams>);

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.closed.fetch_add(1, Ordering::Relaxed);
    }
}

/// A response body that counts as an open stream while it lives.
pub(super) struct CountedBody {
    body: Body,
    _open: OpenStream,
}

impl hyper::body::Body for CountedBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Answers one request.
pub(super) async fn respond(
    shared: Arc<Shared>,
    tasks: ConnectionTasks,
    routes: Routes,
    peer: Arc<PeerInfo>,
    open: OpenStream,
    mut request: Request<Incoming>,
) -> Result<Response<CountedBody>, Infallible> {
    let is_gossip = matches!(request.uri().path(), PING_PATH | STREAM_PATH);
    let response = if is_gossip && !is_grpc(request.headers()) {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        response
    } else if is_gossip && shared.stop.is_cancelled() {
        Status::unknown("shutting down").into_http()
    } else if request.uri().path() == PING_PATH {
        ping(&shared, request.into_body()).await
    } else if is_gossip {
        accept_stream(&shared, tasks, &peer, request.into_body())
    } else {
        request.extensions_mut().insert(PeerInfo::clone(&peer));
        let Ok(response) = routes.oneshot(request).await;
        response
    };
    Ok(response.map(|body| CountedBody { body, _open: open }))
}

fn is_grpc(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"))
}

fn grpc_response(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, GRPC_CONTENT_TYPE);
    response
}

/// Answers a Ping, which needs no authentication (spec/02 §13).
async fn ping(shared: &Shared, body: Incoming) -> Response<Body> {
    let mut reader = MessageReader::new(body, shared.large.clone());
    let message = async {
        let length = reader.length(PING_BYTES_MAX).await?.unwrap_or(0);
        reader.message(length).await
    };
    match timeout(shared.settings.setup_timeout, message).await {
        Ok(Ok(_message)) => {
            let empty = http_body_util::Full::new(Bytes::copy_from_slice(&prefix(0)));
            let ok = std::future::ready(Some(Ok(write_status(&Status::ok("")))));
            grpc_response(Body::new(empty.with_trailers(ok)))
        }
        Ok(Err(error)) => error.status().into_http(),
        Err(_elapsed) => Status::deadline_exceeded("no message came").into_http(),
    }
}

/// Opens a gossip stream: the response begins at once, since both sides send their handshake without waiting.
fn accept_stream(
    shared: &Arc<Shared>,
    tasks: ConnectionTasks,
    peer: &PeerInfo,
    body: Incoming,
) -> Response<Body> {
    let link = Link::new(shared, shared.next_accepted(), peer.binding, peer.remote_address);
    let outbound = OutboundBody::new(Arc::clone(&link.queue), true);
    let inbound = Inbound::new(Arc::clone(shared), Arc::clone(&link), body);
    // not one of the connection's tasks: it outlives the connection to tell of its end
    shared.tasks.spawn(serve_stream(Arc::clone(shared), tasks, link, inbound));
    grpc_response(Body::new(outbound))
}

async fn serve_stream(shared: Arc<Shared>, tasks: ConnectionTasks, link: Arc<Link>, mut inbound: Inbound) {
    let connection = Connection::new(Arc::clone(&link));
    let reason = if deliver(&shared, &link.queue, TransportEvent::Accepted { connection }).await {
        inbound.run().await
    } else {
        None
    };
    match &reason {
        None => link.queue.end(LocalEnd::Asked, Status::ok(""), true),
        Some(reason) => link.queue.end(LocalEnd::Remote, status_for(reason), false),
    }
    if let Some(reason) = reason {
        deliver(&shared, &link.queue, TransportEvent::Closed { id: link.id, reason }).await;
    }
    // a peer that does not read keeps HTTP/2 from asking for more: cut it off
    if timeout(shared.settings.drain_timeout, link.queue.drained.cancelled()).await.is_err() {
        tasks.kill();
    }
}

/// What the dialling peer is told when the stream ends on its account (spec/02 §9).
fn status_for(reason: &ClosedReason) -> Status {
    match reason {
        ClosedReason::HalfClosed => Status::unknown("EOF"),
        ClosedReason::Refused(status) | ClosedReason::Ended(status) => status.clone(),
        ClosedReason::Lost(text) => Status::cancelled(text),
        ClosedReason::OwnerGone => Status::unknown("shutting down"),
        ClosedReason::Stalled => Status::resource_exhausted("too many messages wait to be sent"),
    }
}
