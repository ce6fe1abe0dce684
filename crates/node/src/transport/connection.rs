//! A gossip stream that stands: the owner's handle, and the task that reads it.

use super::event::{ClosedReason, FramePermit, TransportEvent};
use super::framing::{FrameError, MessageReader};
use super::large::Lease;
use super::queue::{LocalEnd, Pushed, SendQueue};
use super::shared::Shared;
use bytes::Bytes;
use hyper::body::Incoming;
use selvedge_core::{ConnectionId, Priority, TlsBinding};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tonic::Status;

/// One gossip stream over one TLS session. Dropping it closes it with status OK.
pub struct Connection {
    link: Arc<Link>,
}

/// What the owner's handle, the reader and the writer of a stream share.
pub(super) struct Link {
    pub(super) id: ConnectionId,
    pub(super) binding: Option<TlsBinding>,
    pub(super) remote_address: SocketAddr,
    pub(super) queue: Arc<SendQueue>,
    authenticated: CancellationToken,
}

impl Link {
    pub(super) fn new(
        shared: &Shared,
        id: ConnectionId,
        binding: Option<TlsBinding>,
        remote_address: SocketAddr,
    ) -> Arc<Self> {
        let queue = Arc::new(SendQueue::new(&shared.settings, Arc::clone(&shared.stats)));
        Arc::new(Self { id, binding, remote_address, queue, authenticated: CancellationToken::new() })
    }
}

impl Connection {
    pub(super) fn new(link: Arc<Link>) -> Self {
        Self { link }
    }

    /// Its id: the core's when dialled, [`ConnectionId::accepted`] otherwise.
    pub fn id(&self) -> ConnectionId {
        self.link.id
    }

    /// SHA-256 over both ends' TLS certificates; `None` without TLS.
    pub fn binding(&self) -> Option<TlsBinding> {
        self.link.binding
    }

    /// The other end of the TCP connection.
    pub fn remote_address(&self) -> SocketAddr {
        self.link.remote_address
    }

    /// Puts a marshalled envelope into the send queue. Never blocks; the result tells what happened at the queue's bounds,
    /// [`Settings::send_count_max`](super::Settings) and `send_bytes_max`.
    pub fn push(&self, envelope: Bytes, priority: Priority) -> Pushed {
        self.link.queue.push(envelope, priority)
    }

    /// Tells that the peer has authenticated. Until then exactly one frame of at most
    /// [`Settings::first_message_bytes_max`](super::Settings) is delivered, and the rest waits in the peer's window.
    pub fn authenticated(&self) {
        self.link.authenticated.cancel();
    }

    /// Ends the stream: what was pushed leaves first, for at most [`Settings::drain_timeout`](super::Settings). On an
    /// accepted stream the peer is told `status`; a dialled one is half-closed, and its TCP connection closed. No more events
    /// follow, except those that wait already.
    pub fn close(&self, status: Status) {
        self.link.queue.end(LocalEnd::Asked, status, true);
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.close(Status::ok(""));
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("id", &self.link.id)
            .field("remote_address", &self.link.remote_address)
            .finish_non_exhaustive()
    }
}

/// The reading half of a stream.
pub(super) struct Inbound {
    shared: Arc<Shared>,
    link: Arc<Link>,
    reader: MessageReader<Incoming>,
    /// Bytes that may be delivered and not yet handled.
    budget: Arc<Semaphore>,
    at_handshake: bool,
}

impl Inbound {
    pub(super) fn new(shared: Arc<Shared>, link: Arc<Link>, body: Incoming) -> Self {
        let reader = MessageReader::new(body, shared.large.clone());
        let budget = Arc::new(Semaphore::new(shared.receive_permits()));
        shared.stats.streams_open.add(1);
        Self { shared, link, reader, budget, at_handshake: true }
    }

    /// Reads and delivers frames until the stream ends; `None` if its owner ended it.
    pub(super) async fn run(&mut self) -> Option<ClosedReason> {
        let (ended, stop) = (self.link.queue.ended.clone(), self.shared.stop.clone());
        tokio::select! {
            biased;
            () = stop.cancelled() => None,
            () = ended.cancelled() => match self.link.queue.end_cause() {
                Some(LocalEnd::Stalled) => Some(ClosedReason::Stalled),
                _ => None,
            },
            reason = self.read() => Some(reason),
        }
    }

    async fn read(&mut self) -> ClosedReason {
        loop {
            let (envelope, lease) = match self.next().await {
                Ok(Some(read)) => read,
                Ok(None) => return self.remote_end(),
                Err(FrameError::Body(error)) => return ClosedReason::lost(&error),
                Err(error) => return ClosedReason::Refused(error.status()),
            };
            self.shared.stats.messages_received.add(usize::from(!self.at_handshake));
            let Some(permit) = self.permit(envelope.len(), lease).await else {
                return ClosedReason::OwnerGone;
            };
            let frame = TransportEvent::Frame { id: self.link.id, envelope, permit };
            if self.shared.events.send(frame).await.is_err() {
                return ClosedReason::OwnerGone;
            }
            if std::mem::replace(&mut self.at_handshake, false) {
                // nothing is lost meanwhile: what the peer sends waits in its HTTP/2 window
                tokio::select! {
                    () = self.link.authenticated.cancelled() => {}
                    () = self.link.queue.gone.cancelled() => return self.discard().await,
                }
            }
        }
    }

    async fn next(&mut self) -> Result<Option<(Bytes, Lease)>, FrameError<hyper::Error>> {
        let settings = &self.shared.settings;
        let first_max = if self.at_handshake { settings.first_message_bytes_max } else { usize::MAX };
        let Some(length) = self.reader.length(settings.message_bytes_max.min(first_max)).await? else {
            return Ok(None);
        };
        self.reader.message(length).await.map(Some)
    }

    /// Waits until what was delivered before leaves room. A frame larger than the bound takes all of it.
    async fn permit(&self, length: usize, lease: Lease) -> Option<FramePermit> {
        let permits = self.shared.receive_permits_for(length);
        let budget = Arc::clone(&self.budget).acquire_many_owned(permits).await.ok()?;
        Some(FramePermit::new(budget, lease))
    }

    /// How the body's end is to be understood.
    fn remote_end(&self) -> ClosedReason {
        if self.link.id.is_dialed() {
            let status = self.reader.trailers().and_then(super::framing::read_status);
            return ClosedReason::Ended(
                status.unwrap_or_else(|| Status::unknown("the stream ended without a status")),
            );
        }
        ClosedReason::HalfClosed
    }

    /// Passes over whatever still comes, until the stream ends; how it ends.
    pub(super) async fn discard(&mut self) -> ClosedReason {
        loop {
            match self.next().await {
                Ok(Some(_message)) => {}
                Ok(None) => return self.remote_end(),
                Err(FrameError::Body(error)) => return ClosedReason::lost(&error),
                Err(error) => return ClosedReason::Refused(error.status()),
            }
        }
    }
}

impl Drop for Inbound {
    fn drop(&mut self) {
        self.shared.stats.streams_open.subtract(1);
    }
}

/// Delivers an event unless the stream ends from this side first; whether it was delivered.
pub(super) async fn deliver(shared: &Shared, queue: &SendQueue, event: TransportEvent) -> bool {
    let sender: &mpsc::Sender<TransportEvent> = &shared.events;
    tokio::select! {
        biased;
        () = shared.stop.cancelled() => false,
        () = queue.ended.cancelled(), if queue.end_cause() == Some(LocalEnd::Asked) => false,
        sent = sender.send(event) => sent.is_ok(),
    }
}
