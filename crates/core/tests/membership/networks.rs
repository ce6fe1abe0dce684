//! Whole networks: everybody knows everybody soon, faults or no faults, and the same seed gives the same trace.

use crate::support::ms;
use core::time::Duration;
use selvedge_core::testing::{Cluster, Link, NodeId};
use selvedge_core::{Event, PkiId};
use std::collections::BTreeSet;

/// `count` nodes of one organisation that know of the first one.
fn network(seed: u64, count: usize) -> (Cluster, Vec<NodeId>) {
    let mut cluster = Cluster::new(seed);
    cluster.set_links(Link { latency_min: ms(1), latency_max: ms(20), ..Link::default() });
    let nodes: Vec<NodeId> = (0..count).map(|number| cluster.add(&format!("n{number}"), "Org1MSP")).collect();
    cluster.bootstrap_with(&nodes[1..], nodes[0]);
    (cluster, nodes)
}

fn alive(cluster: &Cluster, node: NodeId) -> BTreeSet<PkiId> {
    cluster.peer(node).members().filter(|member| member.is_alive).map(|member| member.pki_id).collect()
}

/// Whether every running node takes exactly the other running nodes for alive.
fn agrees(cluster: &Cluster) -> bool {
    let running: Vec<NodeId> = cluster.ids().filter(|&node| cluster.runs(node)).collect();
    let all: BTreeSet<PkiId> = running.iter().map(|&node| cluster.pki_id(node)).collect();
    running.iter().all(|&node| {
        let mut known = alive(cluster, node);
        known.insert(cluster.pki_id(node));
        known == all
    })
}

#[test]
fn fifty_nodes_know_each_other_within_ten_seconds() {
    let (mut cluster, _) = network(7, 50);
    cluster.start_all();
    assert!(cluster.run_until(Duration::from_secs(10), agrees));
    // and stay so
    let died = |cluster: &Cluster| {
        let died = |event: &Event| matches!(event, Event::MemberDead { .. });
        cluster.ids().any(|node| cluster.events(node).iter().any(died))
    };
    cluster.run_for(Duration::from_secs(10));
    assert!(agrees(&cluster));
    assert!(!died(&cluster), "nobody was ever taken for dead");
}

#[test]
fn a_newcomer_is_known_to_all_after_two_heartbeats() {
    let (mut cluster, nodes) = network(3, 20);
    nodes[..19].iter().for_each(|&node| cluster.start(node));
    assert!(cluster.run_until(Duration::from_secs(10), agrees));
    cluster.run_for(Duration::from_secs(12));
    cluster.start(nodes[19]);
    assert!(cluster.run_until(Duration::from_secs(6), agrees));
}

/// The mesh does not flap: after the start nobody dials any more.
#[test]
fn connections_are_stable() {
    let (mut cluster, _) = network(5, 8);
    cluster.start_all();
    cluster.run_for(Duration::from_secs(40));
    cluster.set_tracing(true);
    cluster.run_for(Duration::from_secs(60));
    let changes: Vec<String> = cluster
        .take_trace()
        .into_iter()
        .filter(|line| line.contains("> dial") || line.contains("> close") || line.contains("disconnected"))
        .collect();
    assert_eq!(changes, [""; 0]);
    let connection_count: usize = cluster.ids().map(|node| cluster.peer(node).connection_count()).sum();
    assert_eq!(connection_count, 8 * 7, "one for each pair, counted at both ends");
}

/// First all kinds of faults at once, chosen by the seed; then none, and everybody must find everybody.
fn survive(seed: u64, tracing: bool) -> Vec<String> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let (mut cluster, nodes) = network(seed, 6);
    let faulty =
        Link { breaks_per_mille: 5, dial_failures_per_mille: 200, latency_max: ms(50), latency_min: ms(1) };
    cluster.set_links(faulty);
    cluster.set_tracing(tracing);
    cluster.start_all();
    for _ in 0..40 {
        cluster.run_for(Duration::from_secs(rng.u64(1..6)));
        let (a, b) = (nodes[rng.usize(..nodes.len())], nodes[rng.usize(..nodes.len())]);
        match rng.u32(..8) {
            0 if cluster.runs(a) => cluster.stop(a),
            1 if cluster.runs(a) => cluster.vanish(a),
            2 if !cluster.runs(a) => cluster.start(a),
            3 if a != b => cluster.cut(a, b),
            4 => cluster.heal(),
            5 if a != b => cluster.sever(a, b),
            6 => cluster.set_signer_fails(a, rng.bool()),
            7 => cluster.set_crypto_delay(a, ms(rng.u64(..500))),
            _ => {}
        }
    }
    cluster.heal();
    cluster.set_links(Link::default());
    for &node in &nodes {
        cluster.set_signer_fails(node, false);
        cluster.set_crypto_delay(node, Duration::ZERO);
    }
    cluster.start_all();
    assert!(
        cluster.run_until(Duration::from_secs(120), agrees),
        "seed {seed}: after the faults everybody is found"
    );
    cluster.run_for(Duration::from_secs(30));
    assert!(agrees(&cluster), "seed {seed}: and nobody is lost again");
    cluster.take_trace()
}

#[test]
fn whatever_happened_everybody_is_found_again() {
    for seed in 0..8 {
        survive(seed, false);
    }
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    let (first, second, other) = (survive(99, true), survive(99, true), survive(100, true));
    assert!(first.len() > 1_000);
    assert!(first == second);
    assert!(first != other);
}
