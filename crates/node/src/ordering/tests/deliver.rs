//! Statuses and streams of `Deliver`, as a real ordering service answers (spec/07 §12.2).

use crate::deliver::{SeekRequest, seek_envelope, seek_info};
use crate::generated::orderer::atomic_broadcast_client::AtomicBroadcastClient;
use crate::ordering::testing::{CHANNEL, Ordered, dialer};
use crate::ordering::transactions::wall_clock;
use crate::ordering::{Creator, OrderingServer};
use crate::transport::Http2Connection;
use prost::Message as _;
use selvedge_proto::common::{Block, Envelope, Payload, Status};
use selvedge_proto::orderer::deliver_response::Type;
use selvedge_proto::orderer::seek_info::{SeekBehavior, SeekContentType};
use selvedge_proto::orderer::seek_position::Type as Position;
use selvedge_proto::orderer::{
    DeliverResponse, SeekInfo, SeekNewest, SeekNextCommit, SeekOldest, SeekPosition, SeekSpecified,
};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

/// A client with one stream open.
struct Asking {
    requests: mpsc::Sender<Envelope>,
    responses: Streaming<DeliverResponse>,
}

async fn connect(ordered: &Ordered, server: &OrderingServer) -> AtomicBroadcastClient<Http2Connection> {
    let root = ordered.orderer_root().to_vec().into();
    let tls = ordered.peer_tls().with_roots(&[root]).unwrap();
    let (address, limit) = (server.local_address().to_string(), Duration::from_secs(10));
    let connection = dialer().connect_with(Some(&tls), &address, limit, &mut |_| {}).await.unwrap();
    AtomicBroadcastClient::new(connection)
}

impl Asking {
    /// Opens a stream with a first request.
    async fn open(ordered: &Ordered, server: &OrderingServer, first: Envelope) -> Self {
        let (requests, stream) = mpsc::channel(4);
        requests.send(first).await.unwrap();
        let mut client = connect(ordered, server).await;
        let responses = client.deliver(ReceiverStream::new(stream)).await.unwrap().into_inner();
        Self { requests, responses }
    }

    async fn next(&mut self) -> Type {
        self.responses.next().await.unwrap().unwrap().r#type.unwrap()
    }

    async fn block(&mut self) -> Block {
        match self.next().await {
            Type::Block(block) => block,
            Type::Status(status) => panic!("status {status}"),
        }
    }

    async fn status(&mut self) -> Status {
        match self.next().await {
            Type::Block(block) => panic!("block {:?}", block.header),
            Type::Status(status) => Status::try_from(status).unwrap(),
        }
    }

    async fn number(&mut self) -> u64 {
        self.block().await.header.unwrap().number
    }
}

struct Wish {
    channel: &'static str,
    info: SeekInfo,
    seconds: i64,
    bound: bool,
}

impl Wish {
    fn new(info: SeekInfo) -> Self {
        Self { channel: CHANNEL, info, seconds: wall_clock(), bound: true }
    }

    fn signed(self, ordered: &Ordered, creator: &Creator) -> Envelope {
        let request = SeekRequest {
            channel: self.channel,
            info: self.info,
            seconds: self.seconds,
            nonce: [7; 24],
            identity: &creator.identity,
            tls_certificate_hash: self.bound.then(|| ordered.peer_tls().client_hash()),
        };
        seek_envelope(&request, &creator.signer).unwrap()
    }
}

fn position(position: Position) -> Option<SeekPosition> {
    Some(SeekPosition { r#type: Some(position) })
}

fn specified(number: u64) -> Option<SeekPosition> {
    position(Position::Specified(SeekSpecified { number }))
}

fn range(start: u64, stop: u64) -> SeekInfo {
    SeekInfo { start: specified(start), stop: specified(stop), ..SeekInfo::default() }
}

/// The first status that a request gets which is answered without a block.
async fn status_of(ordered: &Ordered, server: &OrderingServer, envelope: Envelope) -> Status {
    Asking::open(ordered, server, envelope).await.status().await
}

#[tokio::test]
async fn requests_are_answered_as_an_orderer_answers_them() {
    let ordered = Ordered::new();
    let server = ordered.serve().await;
    ordered.cut();
    let peer = ordered.peer();
    let status = async |wish: Wish| status_of(&ordered, &server, wish.signed(&ordered, &peer)).await;

    assert_eq!(status(Wish { channel: "other", ..Wish::new(range(0, 1)) }).await, Status::NotFound);
    assert_eq!(status(Wish::new(range(3, u64::MAX))).await, Status::NotFound, "two blocks are there");
    assert_eq!(status(Wish::new(range(3, 1))).await, Status::NotFound);
    assert_eq!(status(Wish::new(range(1, 0))).await, Status::BadRequest);
    assert_eq!(status(Wish::new(SeekInfo { stop: None, ..range(0, 1) })).await, Status::BadRequest);
    assert_eq!(status(Wish::new(SeekInfo { start: None, ..range(0, 1) })).await, Status::BadRequest);
    let nowhere = SeekInfo { start: Some(SeekPosition { r#type: None }), ..range(0, 1) };
    assert_eq!(status(Wish::new(nowhere)).await, Status::NotFound);
    let at_once = SeekInfo { behavior: SeekBehavior::FailIfNotReady.into(), ..range(2, u64::MAX) };
    assert_eq!(status(Wish::new(at_once)).await, Status::NotFound);
    let hour = 3600;
    for seconds in [wall_clock() - hour, wall_clock() + hour, i64::MIN] {
        assert_eq!(status(Wish { seconds, ..Wish::new(range(0, 1)) }).await, Status::BadRequest);
    }
    assert_eq!(status(Wish { bound: false, ..Wish::new(range(0, 1)) }).await, Status::BadRequest);
    server.stop().await;
}

#[tokio::test]
async fn a_clock_fourteen_minutes_off_is_tolerated() {
    let ordered = Ordered::new();
    let server = ordered.serve().await;
    let wish = Wish { seconds: wall_clock() - 14 * 60, ..Wish::new(range(0, 0)) };
    let mut asking = Asking::open(&ordered, &server, wish.signed(&ordered, &ordered.peer())).await;
    assert_eq!(asking.number().await, 0);
    assert_eq!(asking.status().await, Status::Success);
    server.stop().await;
}

#[tokio::test]
async fn unparsable_requests_are_bad_requests() {
    let ordered = Ordered::new();
    let server = ordered.serve().await;
    let good = Wish::new(range(0, 0)).signed(&ordered, &ordered.peer());
    let no_payload = Envelope { payload: [0xff].to_vec().into(), ..good.clone() };
    assert_eq!(status_of(&ordered, &server, no_payload).await, Status::BadRequest);
    let mut payload = selvedge_proto::decode::<Payload>(good.payload.clone()).unwrap();
    payload.header = None;
    let no_header = Envelope { payload: payload.encode_to_vec().into(), ..good };
    assert_eq!(status_of(&ordered, &server, no_header).await, Status::BadRequest);
    server.stop().await;
}

#[tokio::test]
async fn strangers_and_forgers_are_forbidden() {
    let ordered = Ordered::new();
    let server = ordered.serve().await;
    let outsider = Ordered::new().peer();
    let wish = || Wish::new(range(0, 0));
    assert_eq!(status_of(&ordered, &server, wish().signed(&ordered, &outsider)).await, Status::Forbidden);
    let forged = Creator { identity: ordered.peer().identity, signer: outsider.signer };
    assert_eq!(status_of(&ordered, &server, wish().signed(&ordered, &forged)).await, Status::Forbidden);
    let unsigned = Envelope { signature: bytes::Bytes::new(), ..wish().signed(&ordered, &ordered.peer()) };
    assert_eq!(status_of(&ordered, &server, unsigned).await, Status::Forbidden);
    server.stop().await;
}

#[tokio::test]
async fn an_expired_identity_is_forbidden() {
    let eleven_years = 11 * 365 * 24 * 3600;
    let past = wall_clock() - eleven_years;
    let ordered = Ordered::valid_from(past);
    let organization = &ordered.network.organizations[0];
    let expired = crate::ordering::testing::creator(organization, &organization.nodes[0].member, past + 60);
    // without TLS, since its certificates have expired as well
    let server = OrderingServer::start(ordered.source.clone(), "127.0.0.1:0", None).await.unwrap();
    let (address, limit) = (server.local_address().to_string(), Duration::from_secs(10));
    let connection = dialer().connect_with(None, &address, limit, &mut |_| {}).await.unwrap();
    let request = Wish { bound: false, ..Wish::new(range(0, 0)) }.signed(&ordered, &expired);
    let requests = tokio_stream::once(request);
    let mut responses = AtomicBroadcastClient::new(connection).deliver(requests).await.unwrap().into_inner();
    let response = responses.next().await.unwrap().unwrap();
    assert_eq!(response.r#type, Some(Type::Status(Status::Forbidden.into())));
    server.stop().await;
}

#[tokio::test]
async fn an_orderer_without_leader_is_unavailable_unless_effort_will_do() {
    let ordered = Ordered::new();
    let server = ordered.serve().await;
    let peer = ordered.peer();
    let endless = Wish::new(range(0, u64::MAX)).signed(&ordered, &peer);
    let mut waiting = Asking::open(&ordered, &server, endless).await;
    assert_eq!(waiting.number().await, 0);
    ordered.source.set_available(false);
    assert_eq!(waiting.status().await, Status::ServiceUnavailable);

    let strict = Wish::new(range(0, 0)).signed(&ordered, &peer);
    assert_eq!(status_of(&ordered, &server, strict).await, Status::ServiceUnavailable);
    let effort = Wish::new(SeekInfo { error_response: 1, ..range(0, 0) }).signed(&ordered, &peer);
    assert_eq!(Asking::open(&ordered, &server, effort).await.number().await, 0);
    server.stop().await;
}

#[tokio::test]
async fn positions_name_blocks() {
    let ordered = Ordered::new();
    let server = ordered.serve().await;
    ordered.cut();
    ordered.cut();
    let peer = ordered.peer();
    let oldest = || position(Position::Oldest(SeekOldest {}));
    let newest = || position(Position::Newest(SeekNewest {}));
    let cases = [
        (oldest(), oldest(), vec![0]),
        (newest(), newest(), vec![2]),
        (oldest(), newest(), vec![0, 1, 2]),
        (specified(1), specified(2), vec![1, 2]),
        (specified(1), newest(), vec![1, 2]),
    ];
    let first = Wish::new(SeekInfo { start: oldest(), stop: oldest(), ..SeekInfo::default() });
    let mut asking = Asking::open(&ordered, &server, first.signed(&ordered, &peer)).await;
    assert_eq!(asking.number().await, 0);
    assert_eq!(asking.status().await, Status::Success);
    for (start, stop, numbers) in cases {
        // after SUCCESS the same stream takes another request
        let wish = Wish::new(SeekInfo { start, stop, ..SeekInfo::default() });
        asking.requests.send(wish.signed(&ordered, &peer)).await.unwrap();
        for number in numbers {
            assert_eq!(asking.number().await, number);
        }
        assert_eq!(asking.status().await, Status::Success);
    }
    server.stop().await;
}

#[tokio::test]
async fn the_next_block_is_waited_for() {
    let ordered = Ordered::new();
    let server = ordered.serve().await;
    let peer = ordered.peer();
    let mut at_height =
        Asking::open(&ordered, &server, Wish::new(range(0, u64::MAX)).signed(&ordered, &peer)).await;
    assert_eq!(at_height.number().await, 0);
    // a request that has to wait gets no response, not even headers
    let next = SeekInfo { start: position(Position::NextCommit(SeekNextCommit {})), ..range(0, u64::MAX) };
    let envelope = Wish::new(next).signed(&ordered, &peer);
    let mut client = connect(&ordered, &server).await;
    let opening = tokio::spawn(async move {
        let requests = tokio_stream::once(envelope).chain(tokio_stream::pending());
        client.deliver(requests).await.unwrap().into_inner().next().await.unwrap().unwrap()
    });
    ordered.cut();
    assert_eq!(at_height.number().await, 1);
    // whether it arrived before or after the cut, it gets the block after the one that was the last then
    ordered.cut();
    let Some(Type::Block(block)) = opening.await.unwrap().r#type else { panic!("no block") };
    assert!([1, 2].contains(&block.header.unwrap().number));
    server.stop().await;
}

#[tokio::test]
async fn headers_come_without_data_except_configurations() {
    let ordered = Ordered::new();
    let server = ordered.serve().await;
    ordered.cut();
    let info = SeekInfo { stop: specified(1), ..seek_info(0, SeekContentType::HeaderWithSig) };
    let envelope = Wish::new(info).signed(&ordered, &ordered.peer());
    let mut asking = Asking::open(&ordered, &server, envelope).await;
    assert_eq!(asking.block().await, ordered.network.genesis);
    let header_only = asking.block().await;
    assert_eq!(header_only.data, None);
    ordered.source.bundle().verify_attestation(1, &header_only).unwrap();
    server.stop().await;
}
