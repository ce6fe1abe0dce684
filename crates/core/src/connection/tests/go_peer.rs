//! Beside a model of the rules by which a Go peer keeps and closes connections (spec/02 §6).

use super::{ms, parcel, parcel_count, send};
use crate::ids::ConnectionId;
use crate::input::Input;
use crate::testing::{Cluster, Link, NodeId};
use core::time::Duration;
use selvedge_proto::envelope::ContentKind;

/// A puppet that does with connections what a Go peer does. It is asked after every step of the cluster.
struct GoPeer {
    node: NodeId,
    registered: Option<ConnectionId>,
    /// Own dials that were given up because the other side's connection was there first.
    given_up_count: usize,
    parcels: Vec<u64>,
}

impl GoPeer {
    fn new(cluster: &mut Cluster, name: &str) -> Self {
        let node = cluster.puppet(name, "Org1MSP");
        Self { node, registered: None, given_up_count: 0, parcels: Vec::new() }
    }

    fn observe(&mut self, cluster: &mut Cluster) {
        for input in cluster.take_inbox(self.node) {
            match input {
                Input::Frame { connection, envelope } => {
                    let view = envelope.view().unwrap();
                    match view.kind() {
                        ContentKind::Conn if connection.is_dialed() => self.dialed(cluster, connection),
                        ContentKind::Conn => self.accepted(cluster, connection),
                        ContentKind::Ack => self.parcels.push(view.nonce()),
                        _ => {}
                    }
                }
                Input::Closed { connection, .. } if !connection.is_dialed() => self.handler_exits(cluster),
                // the dialler's side does not notice (02 §9); nor does it need to here
                _ => {}
            }
        }
    }

    /// 6.3: an inbound connection closes what is registered, and takes its place; 6.4: if that was inbound as well, the
    /// exit of its handler closes the successor.
    fn accepted(&mut self, cluster: &mut Cluster, connection: ConnectionId) {
        let replaced = self.registered.replace(connection);
        if let Some(replaced) = replaced
            && cluster.stands(self.node, replaced)
        {
            cluster.puppet_close(self.node, replaced);
            if !replaced.is_dialed() {
                self.handler_exits(cluster);
            }
        }
    }

    /// 6.2 step 5: an own connection gives way to one that was registered meanwhile.
    fn dialed(&mut self, cluster: &mut Cluster, connection: ConnectionId) {
        if self.registered.is_some() {
            self.given_up_count += 1;
            cluster.puppet_close(self.node, connection);
        } else {
            self.registered = Some(connection);
        }
    }

    /// 4.3 step 6: closes whatever is registered.
    fn handler_exits(&mut self, cluster: &mut Cluster) {
        if let Some(registered) = self.registered.take()
            && cluster.stands(self.node, registered)
        {
            cluster.puppet_close(self.node, registered);
        }
    }

    fn send(&self, cluster: &mut Cluster, number: u64) -> bool {
        match self.registered.filter(|registered| cluster.stands(self.node, *registered)) {
            Some(connection) => {
                cluster.puppet_send(self.node, connection, parcel(number));
                true
            }
            None => false,
        }
    }
}

fn run(cluster: &mut Cluster, go: &mut GoPeer, time: Duration) {
    let end = cluster.now() + time;
    while cluster.next_event().is_some_and(|at| at <= end) {
        cluster.step();
        go.observe(cluster);
    }
    cluster.run_for(end.since(cluster.now()));
}

/// Both dial within some milliseconds of each other: their dials, handshakes and verdicts come in every order.
#[test]
fn a_simultaneous_dial_leaves_our_dial_and_loses_nothing() {
    let mut given_up_count = 0;
    for offset in 0..=12 {
        for crypto_delay in [0, 1, 3] {
            let mut cluster = Cluster::new(1);
            cluster.set_links(Link { latency_min: ms(2), latency_max: ms(2), ..Link::default() });
            let peer = cluster.add("peer", "Org1MSP");
            let mut go = GoPeer::new(&mut cluster, "go");
            cluster.set_crypto_delay(peer, ms(crypto_delay));
            cluster.start(peer);
            // one of them begins at once, the other up to 6 ms later; whoever is connected by then does not dial
            let peer_first = offset > 6;
            let pause = ms(if peer_first { offset - 6 } else { 6 - offset });
            if peer_first {
                send(&mut cluster, peer, go.node, 1);
            } else {
                cluster.puppet_dial(go.node, peer);
            }
            run(&mut cluster, &mut go, pause);
            if !peer_first {
                send(&mut cluster, peer, go.node, 1);
            } else if go.registered.is_none() {
                cluster.puppet_dial(go.node, peer);
            }
            run(&mut cluster, &mut go, ms(500));

            let what = format!("offset {offset}, checks take {crypto_delay} ms");
            let left = cluster.connections_of(peer);
            assert_eq!(left.len(), 1, "{what}");
            assert!(
                left.iter().all(|connection| connection.is_dialed())
                    || go.registered == Some(ConnectionId::dialed(1)),
                "{what}"
            );
            assert!(cluster.closes(peer).is_empty(), "{what}: nothing is closed by us");
            assert_eq!(go.parcels, [1], "{what}");
            assert!(go.send(&mut cluster, 2), "{what}");
            send(&mut cluster, peer, go.node, 3);
            run(&mut cluster, &mut go, ms(20));
            assert_eq!(parcel_count(&cluster, peer), 1, "{what}");
            assert_eq!(go.parcels, [1, 3], "{what}");
            given_up_count += go.given_up_count;
        }
    }
    assert!(given_up_count > 0, "some orders really collide");
}

/// The Go peer was restarted, and our end of the old connection does not know. It dials, and is listened to and spoken to
/// on the new connection.
#[test]
fn an_inbound_connection_replaces_one_that_is_old() {
    let mut cluster = Cluster::new(1);
    let peer = cluster.add("peer", "Org1MSP");
    let mut go = GoPeer::new(&mut cluster, "go");
    cluster.start(peer);
    send(&mut cluster, peer, go.node, 1);
    run(&mut cluster, &mut go, Duration::from_secs(8));
    assert_eq!(go.parcels, [1]);
    cluster.puppet_forget(go.node, go.registered.take().unwrap());
    cluster.puppet_dial(go.node, peer);
    run(&mut cluster, &mut go, ms(20));
    send(&mut cluster, peer, go.node, 2);
    assert!(go.send(&mut cluster, 3));
    run(&mut cluster, &mut go, ms(20));
    assert_eq!(cluster.peer(peer).connection_to(&cluster.pki_id(go.node)), Some(ConnectionId::accepted(1)));
    assert_eq!((go.parcels.as_slice(), parcel_count(&cluster, peer)), ([1, 2].as_slice(), 1));
    // and so it stays
    for number in 4..40 {
        go.send(&mut cluster, number);
        send(&mut cluster, peer, go.node, number);
        run(&mut cluster, &mut go, Duration::from_secs(1));
    }
    assert_eq!(go.parcels.len(), 38);
    assert_eq!(parcel_count(&cluster, peer), 37);
    assert_eq!(cluster.closes(peer), []);
}

/// 02 §14 no. 1: a second stream of ours would make the Go peer close both, so there is none as long as the first stands.
#[test]
fn there_is_never_a_second_dial_beside_an_open_connection() {
    let mut cluster = Cluster::new(1);
    let peer = cluster.add("peer", "Org1MSP");
    let mut go = GoPeer::new(&mut cluster, "go");
    cluster.start(peer);
    for number in 0..50 {
        send(&mut cluster, peer, go.node, number);
        run(&mut cluster, &mut go, ms(1));
    }
    run(&mut cluster, &mut go, ms(100));
    assert_eq!(cluster.connections_of(peer).len(), 1);
    assert_eq!(go.parcels, (0..50).collect::<Vec<_>>());
}

/// 02 §14 no. 1: the link broke on our side only; the Go peer still holds the old stream, and closes the new one with it.
/// The attempt after that succeeds.
#[test]
fn a_stream_that_dies_with_its_predecessor_is_dialled_again() {
    let mut cluster = Cluster::new(1);
    let peer = cluster.add("peer", "Org1MSP");
    let mut go = GoPeer::new(&mut cluster, "go");
    cluster.start(peer);
    send(&mut cluster, peer, go.node, 1);
    run(&mut cluster, &mut go, ms(50));
    let lost = cluster.connections_of(peer)[0];
    cluster.with_peer(peer, |peer| peer.on_closed(lost));
    for number in 2..=4 {
        send(&mut cluster, peer, go.node, number);
        run(&mut cluster, &mut go, ms(50));
    }
    assert_eq!(go.parcels.last(), Some(&4));
    assert_eq!(cluster.peer(peer).connection_count(), 1);
}
