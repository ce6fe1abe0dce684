//! Orderers that answer what they are told to.

use crate::generated::orderer::atomic_broadcast_server::{AtomicBroadcast, AtomicBroadcastServer};
use crate::transport::{Settings, Transport};
use selvedge_proto::common::Envelope;
use selvedge_proto::orderer::{BroadcastResponse, DeliverResponse};
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use tokio_stream::{Stream, StreamExt as _};
use tonic::service::Routes;
use tonic::{Request, Response, Status, Streaming, async_trait};

/// What one stream answers.
pub(super) struct Script {
    pub(super) responses: Vec<DeliverResponse>,
    /// Ends the stream after the responses; otherwise it stays open.
    pub(super) end: Option<Status>,
}

/// Plays one script a stream; when none is left, a stream stays open and silent.
#[derive(Clone)]
struct Player(Arc<Mutex<VecDeque<Script>>>);

type Play<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[async_trait]
impl AtomicBroadcast for Player {
    type BroadcastStream = Play<BroadcastResponse>;
    type DeliverStream = Play<DeliverResponse>;

    async fn broadcast(
        &self,
        _request: Request<Streaming<Envelope>>,
    ) -> Result<Response<Self::BroadcastStream>, Status> {
        Err(Status::unimplemented("not scripted"))
    }

    async fn deliver(
        &self,
        _request: Request<Streaming<Envelope>>,
    ) -> Result<Response<Self::DeliverStream>, Status> {
        let script = self.0.lock().unwrap().pop_front();
        let Script { responses, end } = script.unwrap_or(Script { responses: Vec::new(), end: None });
        let responses = tokio_stream::iter(responses.into_iter().map(Ok));
        let stream: Self::DeliverStream = match end {
            Some(status) if status.code() == tonic::Code::Ok => Box::pin(responses),
            Some(status) => Box::pin(responses.chain(tokio_stream::once(Err(status)))),
            None => Box::pin(responses.chain(tokio_stream::pending())),
        };
        Ok(Response::new(stream))
    }
}

/// Serves scripts without TLS until the transport is stopped. Its address comes with it.
pub(super) async fn play(scripts: Vec<Script>) -> (Transport, String) {
    let player = Player(Arc::new(Mutex::new(scripts.into())));
    let (transport, _events) = Transport::new(Settings::default(), None);
    let server = AtomicBroadcastServer::new(player);
    let address = transport.listen("127.0.0.1:0", Routes::new(server)).await.unwrap();
    (transport, address.to_string())
}
