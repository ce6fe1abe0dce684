//! A gossip stream that this side dialled, from the first step to the closed connection.

use super::connection::{Connection, Inbound, Link, deliver};
use super::dial_error::{DialError, DialStep};
use super::dialer::Dial;
use super::event::{ClosedReason, TransportEvent, with_causes};
use super::http2::{Http2Connection, refusal};
use super::queue::{LocalEnd, OutboundBody};
use super::shared::Shared;
use hyper::Response;
use hyper::body::Incoming;
use selvedge_core::ConnectionId;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic::body::Body;

/// How long the peer may take to end its half of a stream that this side has ended.
const LINGER: Duration = Duration::from_secs(1);

/// A dial under way. Dropping it changes nothing.
#[derive(Clone, Debug)]
pub struct DialHandle {
    cancelled: CancellationToken,
}

impl DialHandle {
    /// Gives up. If the result has not been told yet, it never is.
    pub fn cancel(&self) {
        self.cancelled.cancel();
    }
}

/// Dials in a task of its own.
pub(super) fn dial(
    shared: &Arc<Shared>,
    id: ConnectionId,
    endpoint: String,
    timeout: Duration,
) -> DialHandle {
    let cancelled = CancellationToken::new();
    let handle = DialHandle { cancelled: cancelled.clone() };
    let owned = Arc::clone(shared);
    shared.tasks.spawn(async move {
        let shared = owned;
        let result = tokio::select! {
            biased;
            () = cancelled.cancelled() => return,
            () = shared.stop.cancelled() => return,
            result = establish(&shared, id, &endpoint, timeout) => result,
        };
        let (event, stream) = match result {
            Ok((link, stream)) => {
                (TransportEvent::Dialed { connection: Connection::new(link) }, Some(stream))
            }
            Err(error) => (TransportEvent::DialFailed { id, error }, None),
        };
        let told = tokio::select! {
            biased;
            () = cancelled.cancelled() => false,
            () = shared.stop.cancelled() => false,
            sent = shared.events.send(event) => sent.is_ok(),
        };
        match stream {
            Some(stream) if told => stream.run().await,
            Some(stream) => stream.abandon().await,
            None => {}
        }
    });
    handle
}

async fn establish(
    shared: &Arc<Shared>,
    id: ConnectionId,
    endpoint: &str,
    timeout: Duration,
) -> Result<(Arc<Link>, Outbound), DialError> {
    let deadline = Instant::now() + timeout;
    let observer = &mut |_progress| {};
    let dial = Dial { shared, tls: shared.tls.as_ref(), endpoint, timeout, deadline, observer };
    let mut connection = dial.connect().await?;
    ping(shared, &mut connection, deadline, timeout).await?;
    Outbound::open(shared, connection, id)
}

/// Calls Ping until the deadline.
pub(super) async fn ping(
    shared: &Shared,
    connection: &mut Http2Connection,
    deadline: Instant,
    timeout: Duration,
) -> Result<Duration, DialError> {
    tokio::select! {
        biased;
        () = shared.stop.cancelled() => Err(DialError::Stopped),
        answered = timeout_at(deadline, connection.ping(shared.large.clone())) => {
            answered.unwrap_or(Err(DialError::TimedOut { step: DialStep::Ping, after: timeout }))
        }
    }
}

type Answer = Pin<Box<dyn Future<Output = hyper::Result<Response<Incoming>>> + Send>>;

/// A stream whose request has been handed to HTTP/2.
pub(super) struct Outbound {
    shared: Arc<Shared>,
    link: Arc<Link>,
    connection: Http2Connection,
    answer: Answer,
}

impl Outbound {
    pub(super) fn open(
        shared: &Arc<Shared>,
        mut connection: Http2Connection,
        id: ConnectionId,
    ) -> Result<(Arc<Link>, Self), DialError> {
        let report = connection.report();
        let link = Link::new(shared, id, report.binding, report.remote_address);
        let body = OutboundBody::new(Arc::clone(&link.queue), false);
        let answer = Box::pin(connection.open_stream(Body::new(body))?);
        Ok((Arc::clone(&link), Self { shared: Arc::clone(shared), link, connection, answer }))
    }

    /// Cancels the stream and closes the connection.
    async fn abandon(self) {
        drop(self.answer);
        self.connection.close().await;
    }

    /// Reads until the stream ends, then closes the connection.
    pub(super) async fn run(self) {
        let Self { shared, link, connection, mut answer } = self;
        let queue = &link.queue;
        let answered = tokio::select! {
            biased;
            () = shared.stop.cancelled() => None,
            () = queue.ended.cancelled() => None,
            answered = &mut answer => Some(answered),
        };
        let mut inbound = None;
        let reason = match answered {
            None if queue.end_cause() == Some(LocalEnd::Stalled) => Some(ClosedReason::Stalled),
            None => None,
            Some(Err(error)) => Some(ClosedReason::Lost(lost(&connection, &error))),
            Some(Ok(response)) => match refusal(&response) {
                Some(status) => Some(ClosedReason::Ended(status)),
                None => {
                    let body = response.into_body();
                    inbound.insert(Inbound::new(Arc::clone(&shared), Arc::clone(&link), body)).run().await
                }
            },
        };
        match reason {
            Some(reason) => {
                queue.end(LocalEnd::Remote, Status::cancelled(""), false);
                deliver(&shared, queue, TransportEvent::Closed { id: link.id, reason }).await;
            }
            None => {
                queue.end(LocalEnd::Asked, Status::ok(""), true);
                let drained = timeout(shared.settings.drain_timeout, queue.drained.cancelled()).await;
                if drained.is_ok() {
                    // a reset would overtake what has just been handed to HTTP/2
                    let end = async {
                        if inbound.is_none()
                            && let Ok(response) = (&mut answer).await
                        {
                            inbound = Some(Inbound::new(
                                Arc::clone(&shared),
                                Arc::clone(&link),
                                response.into_body(),
                            ));
                        }
                        if let Some(inbound) = &mut inbound {
                            let _reason = inbound.discard().await;
                        }
                    };
                    let _elapsed = timeout(LINGER, end).await;
                }
            }
        }
        drop((inbound, answer));
        connection.close().await;
    }
}

fn lost(connection: &Http2Connection, error: &hyper::Error) -> String {
    connection.tls_failure().map_or_else(|| with_causes(error), |failure| format!("TLS: {failure}"))
}
