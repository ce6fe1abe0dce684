//! What the tests of membership and connections share: one peer, and puppets that talk to it.

use core::time::Duration;
use selvedge_core::testing::messages::{Alive, membership_request};
use selvedge_core::testing::{Cluster, NodeId, crypto};
use selvedge_core::{ConnectionId, Reject};
use selvedge_proto::envelope::{ContentKind, ElementList, EnvelopeView};

pub(crate) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A peer and a puppet of its organisation, connected by the puppet.
pub(crate) fn peer_and_puppet() -> (Cluster, NodeId, NodeId, ConnectionId) {
    let mut cluster = Cluster::new(1);
    let (peer, puppet) = (cluster.add("peer", "Org1MSP"), cluster.puppet("puppet", "Org1MSP"));
    cluster.start(peer);
    let stream = cluster.puppet_connect(puppet, peer);
    cluster.take_inbox(puppet);
    (cluster, peer, puppet, stream)
}

/// An alive message of a node of the cluster.
pub(crate) fn alive_of(cluster: &Cluster, node: NodeId, seq_num: u64) -> Alive {
    Alive::new(&cluster.identity(node), seq_num)
}

/// The first alive message of a peer of `Org1MSP` that is not in the cluster.
pub(crate) fn stranger(number: u64) -> Alive {
    Alive::new(&crypto::identity("Org1MSP", &format!("stranger{number}")), 1)
}

/// A puppet asks for members, and so becomes one.
pub(crate) fn introduce(cluster: &mut Cluster, puppet: NodeId, stream: ConnectionId, seq_num: u64) {
    let alive = alive_of(cluster, puppet, seq_num).seal();
    cluster.puppet_send(puppet, stream, membership_request(&alive, 42));
    cluster.run_for(ms(10));
}

/// Introduces a puppet, waits for the request that it gets by and by, and gives that request's nonce.
pub(crate) fn make_it_ask(cluster: &mut Cluster, puppet: NodeId, stream: ConnectionId) -> u64 {
    let seq_num = cluster.now().as_nanos();
    introduce(cluster, puppet, stream, seq_num);
    cluster.take_inbox(puppet);
    for _ in 0..100 {
        cluster.run_for(ms(50));
        if let Some(request) = requests(cluster, puppet).first() {
            return request.nonce();
        }
    }
    panic!("no request within 5 s");
}

/// How often a peer refused something for this reason, not counting what it knew already.
pub(crate) fn rejections_of(cluster: &Cluster, peer: NodeId, reason: impl Into<Reject>) -> usize {
    let reason = reason.into();
    cluster.rejections(peer).iter().filter(|(_, it)| *it == reason).count()
}

pub(crate) fn is_alive(cluster: &Cluster, peer: NodeId, alive: &Alive) -> bool {
    let pki_id = crypto::pki_id(&alive.identity);
    cluster.peer(peer).members().any(|member| member.pki_id == pki_id && member.is_alive)
}

fn of_kind(cluster: &mut Cluster, puppet: NodeId, kind: ContentKind) -> Vec<EnvelopeView> {
    let envelopes = cluster.take_envelopes(puppet).into_iter();
    envelopes.map(|(_, view)| view).filter(|view| view.kind() == kind).collect()
}

/// The membership responses a puppet got; everything else it got is lost.
pub(crate) fn responses(cluster: &mut Cluster, puppet: NodeId) -> Vec<EnvelopeView> {
    of_kind(cluster, puppet, ContentKind::MemRes)
}

/// The membership requests a puppet got; everything else it got is lost.
pub(crate) fn requests(cluster: &mut Cluster, puppet: NodeId) -> Vec<EnvelopeView> {
    of_kind(cluster, puppet, ContentKind::MemReq)
}

/// The alive messages pushed to a puppet; everything else it got is lost.
pub(crate) fn heartbeats(cluster: &mut Cluster, puppet: NodeId) -> Vec<EnvelopeView> {
    of_kind(cluster, puppet, ContentKind::AliveMsg)
}

/// The envelopes in one list of a message.
pub(crate) fn elements(message: &EnvelopeView, list: ElementList) -> Vec<EnvelopeView> {
    let of_list = message.elements().map(Result::unwrap).filter(|element| element.list == list);
    of_list.map(|element| EnvelopeView::parse(element.envelope).unwrap()).collect()
}

/// The alive message in a request.
pub(crate) fn self_information(request: &EnvelopeView) -> EnvelopeView {
    elements(request, ElementList::SelfInformation).remove(0)
}

/// What the peer had verified since the last call, each as its trace says it.
pub(crate) fn verified(cluster: &mut Cluster) -> Vec<String> {
    let of = |line: String| line.split_once("peer > verify #").map(|(_, what)| what.to_owned());
    let what = |text: String| text.split_once(" of ").map(|(_, what)| what.to_owned());
    cluster.take_trace().into_iter().filter_map(of).filter_map(what).collect()
}
