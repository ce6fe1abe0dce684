//! Orderers whose blocks and headers a test shows one by one.

use crate::generated::orderer::atomic_broadcast_server::{AtomicBroadcast, AtomicBroadcastServer};
use crate::transport::{Settings, Transport};
use futures_util::stream::unfold;
use selvedge_proto::common::{Block, Envelope, Payload};
use selvedge_proto::decode;
use selvedge_proto::orderer::deliver_response::Type;
use selvedge_proto::orderer::seek_info::SeekContentType;
use selvedge_proto::orderer::seek_position::Type as Position;
use selvedge_proto::orderer::{BroadcastResponse, DeliverResponse, SeekInfo};
use std::pin::Pin;
use tokio::sync::watch;
use tokio_stream::Stream;
use tonic::service::Routes;
use tonic::{Request, Response, Status, Streaming, async_trait};

/// An orderer without TLS that shows blocks on one kind of stream, and what it likes on the other.
pub(super) struct Puppet {
    pub(super) address: String,
    blocks: watch::Sender<Vec<Block>>,
    headers: watch::Sender<Vec<Block>>,
    header_streams: watch::Receiver<Vec<Begin>>,
    _transport: Transport,
}

/// Where a stream was asked to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begin {
    Newest,
    At(u64),
}

impl Puppet {
    pub(super) async fn start() -> Self {
        let (blocks, blocks_seen) = watch::channel(Vec::new());
        let (headers, headers_seen) = watch::channel(Vec::new());
        let (asked, header_streams) = watch::channel(Vec::new());
        let stage = Stage { blocks: blocks_seen, headers: headers_seen, asked };
        let (transport, _events) = Transport::new(Settings::default(), None);
        let routes = Routes::new(AtomicBroadcastServer::new(stage));
        let address = transport.listen("127.0.0.1:0", routes).await.unwrap().to_string();
        Self { address, blocks, headers, header_streams, _transport: transport }
    }

    pub(super) fn show_block(&self, block: Block) {
        self.blocks.send_modify(|blocks| blocks.push(block));
    }

    pub(super) fn show_header(&self, header: Block) {
        self.headers.send_modify(|headers| headers.push(header));
    }

    /// The streams of headers asked for so far.
    pub(super) fn header_streams(&self) -> Vec<Begin> {
        self.header_streams.borrow().clone()
    }

    /// Waits until so many streams of headers have been asked for.
    pub(super) async fn until_header_streams(&mut self, count: usize) -> Vec<Begin> {
        self.header_streams.wait_for(|streams| streams.len() >= count).await.unwrap().clone()
    }
}

#[derive(Clone)]
struct Stage {
    blocks: watch::Receiver<Vec<Block>>,
    headers: watch::Receiver<Vec<Block>>,
    asked: watch::Sender<Vec<Begin>>,
}

type Play<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[async_trait]
impl AtomicBroadcast for Stage {
    type BroadcastStream = Play<BroadcastResponse>;
    type DeliverStream = Play<DeliverResponse>;

    async fn broadcast(
        &self,
        _request: Request<Streaming<Envelope>>,
    ) -> Result<Response<Self::BroadcastStream>, Status> {
        Err(Status::unimplemented("not on this stage"))
    }

    async fn deliver(
        &self,
        request: Request<Streaming<Envelope>>,
    ) -> Result<Response<Self::DeliverStream>, Status> {
        let envelope = request.into_inner().message().await?.unwrap();
        let info: SeekInfo = decode(decode::<Payload>(envelope.payload).unwrap().data).unwrap();
        let start = match info.start.unwrap().r#type.unwrap() {
            Position::Newest(_) => Begin::Newest,
            Position::Specified(specified) => Begin::At(specified.number),
            other => panic!("nobody asks for {other:?}"),
        };
        let headers_only = info.content_type == i32::from(SeekContentType::HeaderWithSig);
        if headers_only {
            self.asked.send_modify(|asked| asked.push(start));
        }
        let shown = if headers_only { &self.headers } else { &self.blocks };
        Ok(Response::new(play(shown.clone(), start)))
    }
}

fn play(shown: watch::Receiver<Vec<Block>>, start: Begin) -> Play<DeliverResponse> {
    let first = {
        let shown = shown.borrow();
        match start {
            Begin::Newest => shown.len().saturating_sub(1),
            Begin::At(number) => shown
                .iter()
                .position(|block| block.header.as_ref().unwrap().number >= number)
                .unwrap_or(shown.len()),
        }
    };
    Box::pin(unfold((shown, first), |(mut shown, place)| async move {
        let block = shown.wait_for(|shown| shown.len() > place).await.ok()?[place].clone();
        Some((Ok(DeliverResponse { r#type: Some(Type::Block(block)) }), (shown, place + 1)))
    }))
}
