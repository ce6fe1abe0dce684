//! Blocks as they come, held back, and from where they are wanted.

use super::{Start, endpoint_of, is_receiving};
use crate::deliver::Phase;
use crate::ordering::testing::Ordered;

#[tokio::test]
async fn blocks_come_in_order_and_byte_for_byte() {
    let ordered = Ordered::new();
    let server = ordered.serve().await;
    ordered.cut();
    ordered.cut();
    let mut pulling = Start::over_tls(&ordered).go(&ordered, vec![endpoint_of(&ordered, &server)]);
    for number in 0..6 {
        // the first three are there, the others are waited for
        if number > 2 {
            ordered.cut();
        }
        let block = pulling.block().await;
        assert_eq!(block.number, number);
        assert_eq!(Some(block.bytes), ordered.source.block(number).unwrap());
        assert_eq!(&*block.source, server.local_address().to_string());
    }
    let state = pulling.until(|state| state.blocks_count == 6).await;
    assert_eq!((state.next_block, state.failures, state.last_end), (6, 0, None));
    pulling.handle.stop().await;
    assert_eq!(pulling.state.borrow().phase, Phase::Stopped);
    server.stop().await;
}

#[tokio::test]
async fn the_stream_begins_at_the_block_wanted() {
    let ordered = Ordered::new();
    let server = ordered.serve().await;
    ordered.cut();
    ordered.cut();
    let start = Start { next_block: 2, ..Start::over_tls(&ordered) };
    let mut pulling = start.go(&ordered, vec![endpoint_of(&ordered, &server)]);
    assert_eq!(pulling.block().await.number, 2);
    server.stop().await;
}

#[tokio::test]
async fn nothing_is_asked_for_while_held_from_the_start() {
    let ordered = Ordered::new();
    let server = ordered.serve().await;
    let start = Start { hold: true, ..Start::over_tls(&ordered) };
    let mut pulling = start.go(&ordered, vec![endpoint_of(&ordered, &server)]);
    pulling.until(|state| state.phase == Phase::Held).await;
    pulling.hold.send_replace(false);
    assert_eq!(pulling.block().await.number, 0);
    server.stop().await;
}

#[tokio::test]
async fn a_stream_is_held_and_goes_on_where_it_was() {
    let ordered = Ordered::new();
    let server = ordered.serve().await;
    let mut pulling = Start::over_tls(&ordered).go(&ordered, vec![endpoint_of(&ordered, &server)]);
    let first = pulling.block().await;
    pulling.hold.send_replace(true);
    pulling.until(|state| state.phase == Phase::Held).await;
    ordered.cut();
    assert!(pulling.blocks.try_recv().is_err());
    pulling.hold.send_replace(false);
    let second = pulling.block().await;
    assert_eq!((second.number, second.stream), (1, first.stream));
    server.stop().await;
}

#[tokio::test]
async fn a_receiver_that_takes_nothing_holds_the_stream() {
    let ordered = Ordered::new();
    let server = ordered.serve().await;
    for _ in 0..5 {
        ordered.cut();
    }
    let start = Start { room: 1, ..Start::over_tls(&ordered) };
    let mut pulling = start.go(&ordered, vec![endpoint_of(&ordered, &server)]);
    pulling.until(|state| state.blocks_count == 1).await;
    for number in 0..6 {
        assert_eq!(pulling.block().await.number, number);
    }
    assert_eq!(pulling.state.borrow().last_end, None);
    server.stop().await;
}

#[tokio::test]
async fn blocks_beyond_the_bytes_allowed_wait_at_the_orderer() {
    let ordered = Ordered::new();
    let server = ordered.serve().await;
    for _ in 0..5 {
        ordered.cut();
    }
    // less than any block has, so that each is taken alone
    let start = Start { room_bytes: 10, ..Start::over_tls(&ordered) };
    let mut pulling = start.go(&ordered, vec![endpoint_of(&ordered, &server)]);
    for number in 0..6 {
        let block = pulling.block().await;
        assert_eq!(block.number, number);
        // while this one is not taken apart, no other can be there
        assert!(pulling.blocks.is_empty());
    }
    server.stop().await;
}

#[tokio::test]
async fn a_closed_receiver_ends_the_client() {
    let ordered = Ordered::new();
    let server = ordered.serve().await;
    let mut pulling = Start::over_tls(&ordered).go(&ordered, vec![endpoint_of(&ordered, &server)]);
    pulling.block().await;
    pulling.blocks.close();
    ordered.cut();
    pulling.until(|state| state.phase == Phase::Stopped).await;
    server.stop().await;
}

#[tokio::test]
async fn dropping_the_handle_ends_the_client() {
    let ordered = Ordered::new();
    let server = ordered.serve().await;
    let mut pulling = Start::over_tls(&ordered).go(&ordered, vec![endpoint_of(&ordered, &server)]);
    pulling.until(is_receiving).await;
    drop(pulling.handle);
    while pulling.blocks.recv().await.is_some() {}
    server.stop().await;
}
