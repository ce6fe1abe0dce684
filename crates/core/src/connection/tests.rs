//! Which connection is used, with Go peers and between our own: every order of events.

mod dials;
mod duplicates;
mod go_peer;
mod handshakes;

use crate::ids::ConnectionId;
use crate::output::Priority;
use crate::testing::{Cluster, NodeId};
use bytes::Bytes;
use core::time::Duration;
use selvedge_proto::envelope::{ContentKind, EnvelopeView};
use selvedge_proto::gossip::gossip_message::Content;
use selvedge_proto::gossip::{Acknowledgement, GossipMessage};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// An envelope that has no effect but to be counted at a peer: an acknowledgement nobody waits for.
fn parcel(number: u64) -> Bytes {
    let ack = Content::Ack(Acknowledgement { error: String::new() });
    crate::testing::messages::unsigned(&GossipMessage {
        nonce: number,
        content: Some(ack),
        ..GossipMessage::default()
    })
}

/// How many parcels a peer got.
fn parcel_count(cluster: &Cluster, node: NodeId) -> u64 {
    let rejected = &cluster.peer(node).stats().rejected;
    rejected.iter().filter(|((kind, _), _)| *kind == ContentKind::Ack).map(|(_, count)| count).sum()
}

/// The numbers of the parcels a puppet got, in their order.
fn parcels(cluster: &mut Cluster, puppet: NodeId) -> Vec<u64> {
    let is_parcel = |(_, view): &(ConnectionId, EnvelopeView)| view.kind() == ContentKind::Ack;
    cluster.take_envelopes(puppet).into_iter().filter(is_parcel).map(|(_, view)| view.nonce()).collect()
}

/// Sends a parcel from a peer to wherever another node listens.
fn send(cluster: &mut Cluster, from: NodeId, to: NodeId, number: u64) {
    let (pki_id, endpoint) = (cluster.pki_id(to), cluster.config_mut(to).endpoint.clone());
    cluster.with_peer(from, |peer| {
        peer.send_to_endpoint(pki_id, &endpoint, parcel(number), Priority::Control);
    });
}
