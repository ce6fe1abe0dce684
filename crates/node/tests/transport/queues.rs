//! A peer that does not read slows nobody but itself, and costs no more than its bounds (DESIGN §2.4, §2.5).

use super::support::{Node, pattern};
use selvedge::transport::{ClosedReason, Connection, Pushed, Settings};
use selvedge_core::Priority;

/// A node whose connections deliver little before they stop reading.
fn reluctant() -> Settings {
    Settings { receive_count_max: 2, receive_bytes_max: 1 << 16, ..Settings::default() }
}

/// Connects `reader` to `writer`; the writer's end, authenticated on both sides, the reader's handshake behind it.
async fn reading(reader: &mut Node, writer: &mut Node) -> (Connection, Connection) {
    let (here, there) = reader.authenticated(writer).await;
    there.push("handshake".into(), Priority::Control);
    assert_eq!(reader.frame().await.1, "handshake");
    (here, there)
}

#[tokio::test]
async fn a_peer_that_does_not_read_slows_no_other_and_is_bounded() {
    let settings = Settings { send_count_max: 20, send_bytes_max: 1 << 20, ..Settings::default() };
    let mut writer = Node::start(settings, None).await;
    let mut slow = Node::start(reluctant(), None).await;
    let mut quick = Node::start(Settings::default(), None).await;
    let (_slow_end, to_slow) = reading(&mut slow, &mut writer).await;
    let (_quick_end, to_quick) = reading(&mut quick, &mut writer).await;

    // far more than windows and socket buffers take
    let block = pattern(256 << 10);
    let mut displaced = 0;
    for _ in 0..200 {
        match to_slow.push(block.clone(), Priority::Block) {
            Pushed::Queued => {}
            Pushed::Displaced(count) => displaced += count,
            other => panic!("{other:?}"),
        }
        assert_eq!(to_quick.push(block.clone(), Priority::Block), Pushed::Queued);
        assert!(quick.frame().await.1 == block);
    }
    assert!(displaced > 0);
    assert_eq!(writer.transport.stats().overflows.value(), displaced as u64);

    // what is dearer still finds room, and so does everything once the peer reads again
    assert!(matches!(
        to_slow.push("alive".into(), Priority::Membership),
        Pushed::Queued | Pushed::Displaced(_)
    ));
    while slow.frame().await.1 != "alive" {}
}

#[tokio::test]
async fn a_peer_that_does_not_take_what_is_indispensable_is_cut_off() {
    let settings = Settings { send_count_max: 20, ..Settings::default() };
    let mut writer = Node::start(settings, None).await;
    let mut slow = Node::start(reluctant(), None).await;
    let (_slow_end, to_slow) = reading(&mut slow, &mut writer).await;
    let mut pushed = 0;
    while to_slow.push(pattern(256 << 10), Priority::Control) == Pushed::Queued {
        pushed += 1;
        tokio::task::yield_now().await;
        assert!(pushed < 10_000, "the queue has no bound");
    }
    let (id, reason) = writer.closed().await;
    assert!(matches!(reason, ClosedReason::Stalled), "{reason}");
    assert_eq!(id, to_slow.id());
    assert_eq!(writer.transport.stats().stalled.value(), 1);
}

#[tokio::test]
async fn a_peer_that_floods_stalls_only_its_own_reader() {
    let mut node = Node::start(reluctant(), None).await;
    let mut flooder = Node::start(Settings::default(), None).await;
    let mut modest = Node::start(Settings::default(), None).await;
    let (flooding, flooded) = flooder.authenticated(&mut node).await;
    let (sending, received) = modest.authenticated(&mut node).await;
    for connection in [&flooding, &sending] {
        connection.push("handshake".into(), Priority::Control);
        node.frame().await;
    }

    for _ in 0..100 {
        flooding.push("flood".into(), Priority::Membership);
    }
    let first = node.held_frame().await;
    let second = node.held_frame().await;
    assert_eq!((first.0, second.0), (flooded.id(), flooded.id()));
    for number in 0..10_u8 {
        sending.push(pattern(number.into()), Priority::Membership);
        assert_eq!(node.frame().await, (received.id(), pattern(number.into())));
    }
    drop((first, second));
    for _ in 2..100 {
        assert_eq!(node.frame().await, (flooded.id(), "flood".into()));
    }
}

#[tokio::test]
async fn one_envelope_larger_than_the_receive_bound_is_delivered_alone() {
    let mut writer = Node::start(Settings::default(), None).await;
    let mut node = Node::start(reluctant(), None).await;
    let (_end, to_node) = reading(&mut node, &mut writer).await;
    to_node.push(pattern(1 << 20), Priority::Transfer);
    to_node.push("small".into(), Priority::Transfer);
    let (_, large, permit) = node.held_frame().await;
    assert_eq!(large.len(), 1 << 20);
    assert!(node.events.try_recv().is_err(), "the large one takes the whole budget");
    drop(permit);
    assert_eq!(node.frame().await.1, "small");
}
