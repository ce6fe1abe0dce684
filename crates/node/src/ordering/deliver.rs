//! The gRPC service.

use super::session::{Gone, Session};
use super::{OrderingSource, broadcast};
use crate::generated::orderer::atomic_broadcast_server::AtomicBroadcast;
use crate::transport::PeerInfo;
use selvedge_proto::common::{Envelope, Status};
use selvedge_proto::orderer::deliver_response::Type;
use selvedge_proto::orderer::{BroadcastResponse, DeliverResponse};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::{Request, Response, Streaming, async_trait};

/// Responses that wait for HTTP/2 to take them.
const RESPONSES_MAX: usize = 4;

/// `orderer.AtomicBroadcast` over a source.
#[derive(Clone, Debug)]
pub(super) struct Service {
    pub(super) source: OrderingSource,
    pub(super) stop: CancellationToken,
    pub(super) tasks: TaskTracker,
}

#[async_trait]
impl AtomicBroadcast for Service {
    type BroadcastStream = ReceiverStream<Result<BroadcastResponse, tonic::Status>>;
    type DeliverStream = ReceiverStream<Result<DeliverResponse, tonic::Status>>;

    async fn broadcast(
        &self,
        request: Request<Streaming<Envelope>>,
    ) -> Result<Response<Self::BroadcastStream>, tonic::Status> {
        let (responses, stream) = mpsc::channel(RESPONSES_MAX);
        let (source, stop) = (self.source.clone(), self.stop.clone());
        let mut envelopes = request.into_inner();
        self.tasks.spawn(async move {
            while let Some(envelope) = next(&mut envelopes, &stop).await {
                let response = broadcast::take(&source, envelope).await;
                let accepted = response.status == i32::from(Status::Success);
                if responses.send(Ok(response)).await.is_err() || !accepted {
                    return;
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn deliver(
        &self,
        request: Request<Streaming<Envelope>>,
    ) -> Result<Response<Self::DeliverStream>, tonic::Status> {
        let binding = request.extensions().get::<PeerInfo>().and_then(|peer| peer.binding);
        let certificate_hash = binding.and_then(|binding| binding.remote);
        let (responses, stream) = mpsc::channel(RESPONSES_MAX);
        let (source, stop) = (self.source.clone(), self.stop.clone());
        let mut envelopes = request.into_inner();
        self.tasks.spawn(async move {
            while let Some(envelope) = next(&mut envelopes, &stop).await {
                let status = match Session::new(&source, envelope, certificate_hash) {
                    Ok(session) => session.serve(&responses, &stop).await,
                    Err(status) => Ok(status),
                };
                let status = match status {
                    Ok(status) => status,
                    Err(Gone) => return,
                };
                let response = DeliverResponse { r#type: Some(Type::Status(status.into())) };
                if responses.send(Ok(response)).await.is_err() || status != Status::Success {
                    return;
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }
}

/// The next request; none when the client has no more, or the server stops.
async fn next(envelopes: &mut Streaming<Envelope>, stop: &CancellationToken) -> Option<Envelope> {
    tokio::select! {
        biased;
        () = stop.cancelled() => None,
        envelope = envelopes.message() => envelope.ok().flatten(),
    }
}
