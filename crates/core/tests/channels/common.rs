//! Networks for the tests of channels.

use bytes::Bytes;
use core::time::Duration;
use selvedge_core::testing::{Cluster, NodeId, messages};
use selvedge_core::{BlockSource, ChannelId, Event};

/// The channel of all tests.
pub const CHANNEL: &str = "mychannel";

/// Milliseconds.
pub const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// Seconds.
pub const fn s(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// `CHANNEL`, as the core has it.
pub fn channel() -> ChannelId {
    ChannelId::from(CHANNEL)
}

/// Peers `a0`, `a1`... of Org1MSP and `b0`... of Org2MSP, which all contact the first of their organisation; `b0` knows `a0`
/// as an anchor. Nothing runs yet.
pub fn network(seed: u64, org1_count: usize, org2_count: usize) -> (Cluster, Vec<NodeId>) {
    let mut cluster = Cluster::new(seed);
    let mut nodes = Vec::new();
    for (letter, org, count) in [("a", "Org1MSP", org1_count), ("b", "Org2MSP", org2_count)] {
        let of_org: Vec<NodeId> = (0..count).map(|index| cluster.add(&format!("{letter}{index}"), org)).collect();
        if let Some((first, others)) = of_org.split_first() {
            cluster.bootstrap_with(others, *first);
        }
        nodes.extend(of_org);
    }
    (cluster, nodes)
}

/// Starts everybody, joins the channel everywhere and waits until everybody knows everybody's state.
pub fn settle(cluster: &mut Cluster, nodes: &[NodeId]) {
    cluster.start_all();
    let anchors = [nodes[0]];
    for node in nodes {
        cluster.join(*node, CHANNEL, 1, &anchors);
    }
    let all = nodes.len();
    let known = |cluster: &Cluster, node: &NodeId| {
        cluster.peer(*node).channel(&channel()).map_or(0, |view| view.members.len())
    };
    let settled = cluster.run_until(s(120), |cluster| nodes.iter().all(|node| known(cluster, node) == all));
    assert!(settled, "{:?}", nodes.iter().map(|node| known(cluster, node)).collect::<Vec<_>>());
}

/// A running network of one organisation.
pub fn org(seed: u64, count: usize) -> (Cluster, Vec<NodeId>) {
    let (mut cluster, nodes) = network(seed, count, 0);
    settle(&mut cluster, &nodes);
    (cluster, nodes)
}

/// Block `number` as every test has it.
pub fn block(number: u64) -> Bytes {
    messages::block(number, 1000)
}

/// The orderer of a node brings blocks `first` up to, but without, `end`.
pub fn deliver(cluster: &mut Cluster, node: NodeId, first: u64, end: u64) {
    for number in first..end {
        cluster.deliver_block(node, CHANNEL, number, block(number));
    }
}

/// Heights of all nodes.
pub fn heights(cluster: &Cluster, nodes: &[NodeId]) -> Vec<u64> {
    nodes.iter().map(|node| cluster.height(*node, CHANNEL)).collect()
}

/// Runs until all nodes have this height.
pub fn reach(cluster: &mut Cluster, nodes: &[NodeId], height: u64, bound: Duration) {
    let all = |cluster: &Cluster| nodes.iter().all(|node| cluster.height(*node, CHANNEL) == height);
    assert!(cluster.run_until(bound, all), "{:?}", heights(cluster, nodes));
}

/// How many blocks a node took from each source.
pub fn taken(cluster: &Cluster, node: NodeId, source: BlockSource) -> usize {
    let is = |event: &&Event| matches!(event, Event::BlockAccepted { source: of, .. } if *of == source);
    cluster.events(node).iter().filter(is).count()
}
