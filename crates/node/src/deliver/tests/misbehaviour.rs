//! Orderers that refuse, lag, lie or fall silent.

use super::scripted::{Script, play};
use super::{Pulling, Start, endpoint};
use crate::deliver::{DeliverState, EndReason};
use crate::ordering::testing::Ordered;
use crate::transport::Transport;
use bytes::Bytes;
use selvedge_proto::common::{Block, BlockHeader, Status};
use selvedge_proto::orderer::DeliverResponse;
use selvedge_proto::orderer::deliver_response::Type;
use std::time::Duration;

fn block(number: u64) -> DeliverResponse {
    let header = BlockHeader { number, previous_hash: Bytes::new(), data_hash: Bytes::new() };
    let block = Block { header: Some(header), data: None, metadata: None };
    DeliverResponse { r#type: Some(Type::Block(block)) }
}

fn status(status: Status) -> DeliverResponse {
    DeliverResponse { r#type: Some(Type::Status(status.into())) }
}

fn open(responses: Vec<DeliverResponse>) -> Script {
    Script { responses, end: None }
}

/// A client of one orderer that plays the scripts, one a stream.
async fn against(scripts: Vec<Script>) -> (Pulling, Transport) {
    let ordered = Ordered::new();
    let (orderer, address) = play(scripts).await;
    let start = Start { tls: None, ..Start::over_tls(&ordered) };
    (start.go(&ordered, vec![endpoint(address, Vec::new())]), orderer)
}

/// How the first stream ended, and whether block 0 came over the second.
async fn first_end(script: Script) -> DeliverState {
    let (mut pulling, orderer) = against(vec![script, open(vec![block(0)])]).await;
    let state = pulling.until(|state| state.last_end.is_some()).await;
    let came = pulling.block().await;
    assert_eq!((came.number, came.stream), (0, 2));
    pulling.handle.stop().await;
    orderer.stop(Duration::ZERO).await;
    state
}

fn reason(state: DeliverState) -> EndReason {
    state.last_end.unwrap().1
}

#[tokio::test]
async fn every_status_has_its_reason_and_another_attempt_follows() {
    let cases = [
        (Status::BadRequest, EndReason::BadRequest),
        (Status::Forbidden, EndReason::Forbidden),
        (Status::NotFound, EndReason::NotFound),
        (Status::ServiceUnavailable, EndReason::ServiceUnavailable),
        (Status::Success, EndReason::Complete),
        (Status::InternalServerError, EndReason::Status(500)),
    ];
    for (given, expected) in cases {
        assert_eq!(reason(first_end(open(vec![status(given)])).await), expected);
    }
}

#[tokio::test]
async fn the_end_of_a_stream_is_no_end_for_the_client() {
    let ended = Script { responses: Vec::new(), end: Some(tonic::Status::ok("")) };
    assert_eq!(reason(first_end(ended).await), EndReason::StreamEnded);
    let failed = Script { responses: Vec::new(), end: Some(tonic::Status::internal("disk full")) };
    let expected = EndReason::Grpc { code: tonic::Code::Internal, message: "disk full".to_owned() };
    assert_eq!(reason(first_end(failed).await), expected);
}

#[tokio::test]
async fn a_block_out_of_order_ends_the_stream() {
    let expected = EndReason::WrongNumber { expected: 0, given: 1 };
    assert_eq!(reason(first_end(open(vec![block(1)])).await), expected);
}

#[tokio::test]
async fn a_gap_or_a_repetition_later_on_ends_the_stream_as_well() {
    let scripts =
        vec![open(vec![block(0), block(1), block(1)]), open(vec![block(2), block(4)]), open(vec![block(3)])];
    let (mut pulling, orderer) = against(scripts).await;
    for number in 0..4 {
        assert_eq!(pulling.block().await.number, number);
    }
    assert_eq!(
        pulling.state.borrow().last_end.as_ref().map(|(_, end)| end.clone()),
        Some(EndReason::WrongNumber { expected: 3, given: 4 })
    );
    orderer.stop(Duration::ZERO).await;
}

#[tokio::test]
async fn a_block_without_header_ends_the_stream() {
    let headless = DeliverResponse { r#type: Some(Type::Block(Block::default())) };
    assert_eq!(reason(first_end(open(vec![headless])).await), EndReason::NoHeader);
}

#[tokio::test]
async fn an_empty_response_ends_the_stream() {
    assert_eq!(reason(first_end(open(vec![DeliverResponse { r#type: None }])).await), EndReason::Malformed);
}

#[tokio::test]
async fn failures_are_counted_until_a_block_comes() {
    let refusal = || open(vec![status(Status::NotFound)]);
    let scripts = vec![refusal(), refusal(), refusal(), open(vec![block(0)])];
    let (mut pulling, orderer) = against(scripts).await;
    let state = pulling.until(|state| state.failures == 3).await;
    assert_eq!(reason(state), EndReason::NotFound);
    pulling.block().await;
    pulling.until(|state| state.failures == 0).await;
    orderer.stop(Duration::ZERO).await;
}

#[tokio::test]
async fn a_server_that_speaks_something_else_is_passed_over() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let serving = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let greeting = b"HTTP/1.1 400 Bad Request\r\n\r\n";
            let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, greeting).await;
        }
    });
    let ordered = Ordered::new();
    let start = Start { tls: None, ..Start::over_tls(&ordered) };
    let mut pulling = start.go(&ordered, vec![endpoint(address, Vec::new())]);
    pulling.until(|state| state.failures >= 2).await;
    serving.abort();
}
