//! From one orderer to the next.

use super::{Pulling, Start, endpoint, endpoint_of, is_receiving};
use crate::deliver::{EndReason, OrdererEndpoint, Phase};
use crate::ordering::testing::Ordered;
use crate::transport::DialStep;
use std::sync::Arc;

/// An address at which nobody listens any more.
async fn gone(ordered: &Ordered) -> OrdererEndpoint {
    let server = ordered.serve().await;
    let endpoint = endpoint_of(ordered, &server);
    server.stop().await;
    endpoint
}

#[tokio::test]
async fn another_orderer_goes_on_where_one_stopped() {
    let ordered = Ordered::new();
    let servers = [ordered.serve().await, ordered.serve().await];
    let endpoints = servers.iter().map(|server| endpoint_of(&ordered, server)).collect();
    let mut pulling = Start::over_tls(&ordered).go(&ordered, endpoints);
    let first = pulling.block().await;
    let is_source =
        |server: &crate::ordering::OrderingServer| server.local_address().to_string() == *first.source;
    let (stopping, staying): (Vec<_>, Vec<_>) = servers.into_iter().partition(is_source);
    for server in stopping {
        server.stop().await;
    }
    ordered.cut();
    let second = pulling.block().await;
    assert_eq!(second.number, 1);
    assert_ne!(second.source, first.source);
    assert!(second.stream > first.stream);
    for server in staying {
        server.stop().await;
    }
}

#[tokio::test]
async fn the_same_orderer_is_found_again_when_it_is_back() {
    let ordered = Ordered::new();
    let server = ordered.serve().await;
    let address = server.local_address().to_string();
    let mut pulling = Start::over_tls(&ordered).go(&ordered, vec![endpoint_of(&ordered, &server)]);
    pulling.block().await;
    server.stop().await;
    pulling.until(|state| state.failures > 2).await;
    let server =
        crate::ordering::OrderingServer::start(ordered.source.clone(), &address, Some(ordered.orderer_tls()))
            .await
            .unwrap();
    ordered.cut();
    assert_eq!(pulling.block().await.number, 1);
    pulling.until(|state| state.failures == 0).await;
    server.stop().await;
}

#[tokio::test]
async fn dead_orderers_are_passed_over() {
    let ordered = Ordered::new();
    let mut endpoints = Vec::new();
    for _ in 0..3 {
        endpoints.push(gone(&ordered).await);
    }
    let server = ordered.serve().await;
    endpoints.push(endpoint_of(&ordered, &server));
    let mut pulling = Start::over_tls(&ordered).go(&ordered, endpoints);
    assert_eq!(pulling.block().await.number, 0);
    server.stop().await;
}

#[tokio::test]
async fn an_address_where_nobody_listens_is_named() {
    let ordered = Ordered::new();
    let dead = gone(&ordered).await;
    let mut pulling = Start::over_tls(&ordered).go(&ordered, vec![dead.clone()]);
    let state = pulling.ended_with("connect").await;
    let Some((address, EndReason::Connect { step, .. })) = state.last_end else { panic!("{state:?}") };
    assert_eq!((address, step), (dead.address, DialStep::Tcp));
}

#[tokio::test]
async fn an_orderer_of_another_network_is_not_trusted() {
    let ordered = Ordered::new();
    let server = ordered.serve().await;
    let foreign = vec![Ordered::new().orderer_root()];
    let mut pulling =
        Start::over_tls(&ordered).go(&ordered, vec![endpoint(server.local_address().to_string(), foreign)]);
    let state = pulling.ended_with("connect").await;
    let Some((_, EndReason::Connect { step, .. })) = state.last_end else { panic!("{state:?}") };
    assert_eq!(step, DialStep::Tls);
    server.stop().await;
}

#[tokio::test]
async fn an_orderer_that_refuses_our_certificate_is_named_as_such() {
    let ordered = Ordered::new();
    let server = ordered.serve().await;
    let start = Start { tls: Some(Ordered::new().peer_tls()), ..Start::over_tls(&ordered) };
    let mut pulling = start.go(&ordered, vec![endpoint_of(&ordered, &server)]);
    // with TLS 1.3 the handshake succeeds for us before the orderer has looked at our certificate
    pulling.ended_with("tls").await;
    server.stop().await;
}

#[tokio::test]
async fn an_orderer_without_known_authority_is_not_dialled() {
    let ordered = Ordered::new();
    let server = ordered.serve().await;
    let mut pulling = Start::over_tls(&ordered)
        .go(&ordered, vec![endpoint(server.local_address().to_string(), Vec::new())]);
    pulling.ended_with("no_tls_roots").await;
    server.stop().await;
}

#[tokio::test]
async fn other_orderers_are_turned_to_at_once() {
    let ordered = Ordered::new();
    let (old, new) = (ordered.serve().await, ordered.serve().await);
    let mut pulling = Start::over_tls(&ordered).go(&ordered, vec![endpoint_of(&ordered, &old)]);
    assert_eq!(&*pulling.block().await.source, old.local_address().to_string());
    pulling.endpoints.send_replace(Arc::from([endpoint_of(&ordered, &new)]));
    let address = new.local_address().to_string();
    pulling.until(|state| state.phase == Phase::Receiving { address: address.clone() }).await;
    ordered.cut();
    assert_eq!(*pulling.block().await.source, address);
    // not a failure of the old one
    assert_eq!(pulling.state.borrow().last_end, None);
    old.stop().await;
    new.stop().await;
}

#[tokio::test]
async fn the_same_orderers_again_change_nothing() {
    let ordered = Ordered::new();
    let server = ordered.serve().await;
    let endpoints = vec![endpoint_of(&ordered, &server)];
    let mut pulling = Start::over_tls(&ordered).go(&ordered, endpoints.clone());
    let first = pulling.block().await;
    pulling.endpoints.send_replace(Arc::from(endpoints));
    ordered.cut();
    assert_eq!(pulling.block().await.stream, first.stream);
    server.stop().await;
}

#[tokio::test]
async fn no_orderer_is_waited_for() {
    let ordered = Ordered::new();
    let server = ordered.serve().await;
    let mut pulling = Start::over_tls(&ordered).go(&ordered, Vec::new());
    pulling.until(|state| state.phase == Phase::NoEndpoints).await;
    pulling.endpoints.send_replace(Arc::from([endpoint_of(&ordered, &server)]));
    assert_eq!(pulling.block().await.number, 0);
    pulling.endpoints.send_replace(Arc::from([]));
    pulling.until(|state| state.phase == Phase::NoEndpoints).await;
    pulling.handle.stop().await;
    server.stop().await;
}

async fn two_sources(ordered: &Ordered) -> (Pulling, [crate::ordering::OrderingServer; 2]) {
    let servers = [ordered.serve().await, ordered.serve().await];
    let endpoints = servers.iter().map(|server| endpoint_of(ordered, server)).collect();
    (Start::over_tls(ordered).go(ordered, endpoints), servers)
}

#[tokio::test]
async fn a_refused_block_is_asked_for_again_elsewhere() {
    let ordered = Ordered::new();
    ordered.cut();
    ordered.cut();
    let (mut pulling, servers) = two_sources(&ordered).await;
    let refused = pulling.block().await;
    pulling.handle.refuse(refused.stream, 0, "its signature is wrong");
    // what was on its way may still come
    let again = loop {
        let block = pulling.block().await;
        if block.stream != refused.stream {
            break block;
        }
    };
    assert_eq!(again.number, 0);
    assert_ne!(again.source, refused.source);
    let state = pulling.ended_with("refused").await;
    assert_eq!(state.last_end.map(|(address, _)| address), Some(refused.source.to_string()));
    // refusing what came after it over the same stream changes nothing
    pulling.handle.refuse(refused.stream, 1, "it came after a refused block");
    for number in 1..3 {
        let block = pulling.block().await;
        assert_eq!((block.number, block.stream), (number, again.stream));
    }
    for server in servers {
        server.stop().await;
    }
}

#[tokio::test]
async fn blocks_that_came_by_gossip_are_skipped_by_the_next_stream() {
    let ordered = Ordered::new();
    for _ in 0..4 {
        ordered.cut();
    }
    let dead = gone(&ordered).await;
    let mut pulling = Start::over_tls(&ordered).go(&ordered, vec![dead]);
    pulling.ended_with("connect").await;
    pulling.handle.skip_to(3);
    pulling.handle.skip_to(1);
    let server = ordered.serve().await;
    pulling.endpoints.send_replace(Arc::from([endpoint_of(&ordered, &server)]));
    assert_eq!(pulling.block().await.number, 3);
    pulling.until(is_receiving).await;
    server.stop().await;
}
