//! Simultaneous dials between two of our own.

use super::{ms, parcel_count, send};
use crate::output::Event;
use crate::testing::{Cluster, Link, NodeId};
use core::time::Duration;

fn pair(latency: Duration) -> (Cluster, NodeId, NodeId) {
    let mut cluster = Cluster::new(1);
    cluster.set_links(Link { latency_min: latency, latency_max: latency, ..Link::default() });
    let (a, b) = (cluster.add("a", "Org1MSP"), cluster.add("b", "Org1MSP"));
    cluster.start_all();
    (cluster, a, b)
}

fn connected_count(cluster: &Cluster, node: NodeId) -> usize {
    cluster.events(node).iter().filter(|event| matches!(event, Event::Connected { .. })).count()
}

/// Whatever the order, every parcel arrives, nobody dials again, and in the end the dial of the smaller PKI-ID is left.
#[test]
fn a_simultaneous_dial_settles_on_the_dial_of_the_smaller_pki_id() {
    for offset in 0..=8 {
        let (mut cluster, a, b) = pair(ms(2));
        let first = cluster.pki_id(a).min(cluster.pki_id(b)) == cluster.pki_id(a);
        let (smaller, greater) = if first { (a, b) } else { (b, a) };
        send(&mut cluster, smaller, greater, 0);
        cluster.run_for(ms(offset));
        let is_simultaneous = cluster.peer(greater).connection_count() == 0;
        send(&mut cluster, greater, smaller, 0);
        for _ in 0..60 {
            cluster.run_for(Duration::from_secs(1));
            send(&mut cluster, smaller, greater, 0);
            send(&mut cluster, greater, smaller, 0);
            for node in [a, b] {
                assert!(
                    cluster.peer(node).connection_count() > 0,
                    "offset {offset}: connected at every moment"
                );
            }
        }
        cluster.run_for(ms(100));
        assert_eq!((parcel_count(&cluster, a), parcel_count(&cluster, b)), (61, 61), "offset {offset}");
        let expected_count = if is_simultaneous { 2 } else { 1 };
        assert_eq!(connected_count(&cluster, a), expected_count, "offset {offset}: nobody dialled again");
        let left = cluster.connections_of(smaller);
        assert_eq!(left.len(), 1, "offset {offset}");
        assert!(left[0].is_dialed(), "offset {offset}");
        assert_eq!(cluster.connections_of(greater).len(), 1, "offset {offset}");
    }
}

/// Without traffic there is no proof that the other side uses the survivor, so both connections stay.
#[test]
fn nothing_is_retired_before_the_survivor_is_used() {
    let (mut cluster, a, b) = pair(ms(2));
    send(&mut cluster, a, b, 0);
    send(&mut cluster, b, a, 0);
    cluster.run_for(Duration::from_secs(120));
    assert_eq!(cluster.connections_of(a).len(), 2);
    assert!(cluster.closes(a).is_empty() && cluster.closes(b).is_empty());
}

/// A node whose connection broke without the other's knowing dials anew; the other takes the new one at once, and leaves
/// the old one to end by itself.
#[test]
fn a_half_open_connection_is_replaced() {
    let (mut cluster, a, b) = pair(ms(2));
    send(&mut cluster, a, b, 0);
    cluster.run_for(Duration::from_secs(10));
    let lost = cluster.connections_of(b)[0];
    cluster.with_peer(b, |peer| peer.on_closed(lost));
    send(&mut cluster, b, a, 0);
    cluster.run_for(ms(50));
    for _ in 0..30 {
        cluster.run_for(Duration::from_secs(1));
        send(&mut cluster, a, b, 0);
        send(&mut cluster, b, a, 0);
    }
    cluster.run_for(ms(50));
    assert_eq!((parcel_count(&cluster, a), parcel_count(&cluster, b)), (31, 31));
    assert!(!cluster.peer(a).connection_to(&cluster.pki_id(b)).unwrap().is_dialed());
    assert!(cluster.closes(a).is_empty() && cluster.closes(b).is_empty());
}
