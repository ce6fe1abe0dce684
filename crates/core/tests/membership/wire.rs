//! What Go peers expect of membership on the wire: the checklist of spec/04 §15, by its numbers. No. 1 and 2 are of
//! connections and transport, 8 of the node, 10 and 11 are W-7, W-11 and W-8.

use crate::support::*;
use bytes::Bytes;
use core::time::Duration;
use selvedge_core::testing::messages::{membership_request, membership_response};
use selvedge_core::testing::{Cluster, NodeId};
use selvedge_core::{ConnectionId, Endpoint};
use selvedge_proto::envelope::{ElementList, EnvelopeView};
use selvedge_proto::gossip::AliveMessage;
use selvedge_proto::gossip::gossip_message::Tag;

/// Asks a peer as this puppet, and gives what it answers.
fn ask(
    cluster: &mut Cluster,
    puppet: NodeId,
    stream: ConnectionId,
    seq_num: u64,
    nonce: u64,
) -> EnvelopeView {
    cluster.take_inbox(puppet);
    let alive = alive_of(cluster, puppet, seq_num).with_identity().seal();
    cluster.puppet_send(puppet, stream, membership_request(&alive, nonce));
    cluster.run_for(ms(10));
    responses(cluster, puppet).remove(0)
}

/// A peer of `Org1MSP` with an own-organisation member `near`, and `far` and `third` of two others, all connected.
fn three_organisations() -> (Cluster, NodeId, [(NodeId, ConnectionId); 4]) {
    let mut cluster = Cluster::new(1);
    let peer = cluster.add("peer", "Org1MSP");
    let nodes = [("near", "Org1MSP"), ("hermit", "Org1MSP"), ("far", "Org2MSP"), ("third", "Org3MSP")];
    let nodes = nodes.map(|(name, org)| cluster.puppet(name, org));
    cluster.start(peer);
    let nodes = nodes.map(|node| (node, cluster.puppet_connect(node, peer)));
    for (node, stream) in nodes {
        let hermit = cluster.name(node) == "hermit";
        let name = cluster.name(node).to_owned();
        let mut alive =
            alive_of(&cluster, node, 1).with_identity().with_secret(&format!("{name}.internal:1"));
        if hermit {
            alive = alive.with_endpoint("");
        }
        cluster.puppet_send(node, stream, membership_request(&alive.seal(), 1));
        cluster.run_for(ms(10));
    }
    (cluster, peer, nodes)
}

fn names(cluster: &Cluster, elements: &[EnvelopeView]) -> Vec<String> {
    let name = |it: &EnvelopeView| {
        let pki_id = selvedge_core::PkiId::from_wire(it.alive_key().unwrap().pki_id).unwrap();
        let secret = if it.secret().is_some() { "+secret" } else { "" };
        cluster.name_of(&pki_id) + secret
    };
    elements.iter().map(name).collect()
}

#[test]
fn no_3_the_answer_has_the_nonce_and_the_own_message_at_its_end() {
    let (mut cluster, peer, puppet, stream) = peer_and_puppet();
    for nonce in [0, 1, u64::MAX] {
        let answer = ask(&mut cluster, puppet, stream, nonce ^ 5, nonce);
        assert_eq!(answer.nonce(), nonce);
        assert_eq!(answer.tag(), Tag::Empty as i32);
        assert!(answer.channel().is_empty() && answer.signature().is_empty());
        let alive = elements(&answer, ElementList::Alive);
        assert_eq!(names(&cluster, &alive).last().unwrap(), "peer+secret");
        assert!(alive.last().unwrap().alive_key().unwrap().pki_id == cluster.pki_id(peer).as_bytes());
    }
}

#[test]
fn no_4_every_message_of_membership_has_the_tag_empty() {
    let (mut cluster, _, puppet, stream) = peer_and_puppet();
    introduce(&mut cluster, puppet, stream, 1);
    cluster.run_for(Duration::from_secs(12));
    let sent = cluster.take_envelopes(puppet);
    let of_membership = sent.iter().filter(|(_, view)| [5, 6, 7].contains(&view.kind().field_number()));
    assert!(of_membership.clone().count() > 4);
    for (_, view) in of_membership {
        assert_eq!((view.tag(), view.channel()), (Tag::Empty as i32, &[][..]));
        for element in view.elements() {
            let inner = EnvelopeView::parse(element.unwrap().envelope).unwrap();
            assert_eq!(inner.tag(), Tag::Empty as i32);
        }
    }
}

#[test]
fn no_5_messages_are_passed_on_as_they_came_but_for_the_secret() {
    let (mut cluster, peer, [near, _, far, _]) = three_organisations();
    let alive = stranger(1).with_identity().with_secret("stranger.internal:1").seal();
    cluster.puppet_send(near.0, near.1, alive.clone());
    cluster.run_for(ms(10));
    for (node, stripped) in [(near, false), (far, true)] {
        let answer = ask(&mut cluster, node.0, node.1, 1, 7);
        let told = elements(&answer, ElementList::Alive).into_iter();
        let whole = EnvelopeView::parse(alive.clone()).unwrap();
        let copy = told.filter(|it| it.payload() == whole.payload()).last().unwrap();
        assert_eq!(copy.signature(), whole.signature());
        assert_eq!(copy.secret().is_none(), stripped);
        assert_eq!(*copy.raw(), if stripped { whole.without_secret() } else { alive.clone() });
    }
    assert!(cluster.peer(peer).members().count() == 5);
}

#[test]
fn no_6_everybody_is_told_what_its_organisation_may_know() {
    let (mut cluster, _, [near, _, far, third]) = three_organisations();
    let mut told = |(node, stream): (NodeId, ConnectionId)| {
        let answer = ask(&mut cluster, node, stream, 1, 3);
        let mut names = names(&cluster, &elements(&answer, ElementList::Alive));
        names.sort();
        names
    };
    assert_eq!(told(near), ["hermit+secret", "near+secret", "peer+secret"]);
    assert_eq!(told(far), ["far", "near", "peer"]);
    assert_eq!(told(third), ["near", "peer", "third"]);
}

/// The rows of spec/04 §11.1 in which nobody is told anything: the requester is disconnected.
#[test]
fn no_6_who_may_not_know_this_node_is_disconnected() {
    for (own_external, requester_external, is_answered) in
        [(true, true, true), (true, false, false), (false, true, false), (false, false, false)]
    {
        let mut cluster = Cluster::new(1);
        let (peer, far) = (cluster.add("peer", "Org1MSP"), cluster.puppet("far", "Org2MSP"));
        if !own_external {
            cluster.config_mut(peer).external_endpoint = Endpoint::from("");
        }
        cluster.start(peer);
        let stream = cluster.puppet_connect(far, peer);
        let alive =
            alive_of(&cluster, far, 1).with_endpoint(if requester_external { "far:7051" } else { "" });
        cluster.puppet_send(far, stream, membership_request(&alive.seal(), 1));
        cluster.run_for(ms(10));
        assert_eq!(responses(&mut cluster, far).len(), usize::from(is_answered));
        assert_eq!(cluster.stands(far, stream), is_answered);
        assert_eq!(cluster.peer(peer).members().count(), usize::from(is_answered));
    }
}

#[test]
fn no_7_the_identity_is_in_the_first_messages_and_then_no_more() {
    let (mut cluster, _, puppet, stream) = peer_and_puppet();
    cluster.run_for(Duration::from_secs(60));
    introduce(&mut cluster, puppet, stream, 1);
    let mut seen = Vec::new();
    for seq_num in 2..12 {
        cluster.run_for(Duration::from_secs(3));
        for view in heartbeats(&mut cluster, puppet) {
            seen.push(!view.content_as::<AliveMessage>().unwrap().identity.is_empty());
        }
        cluster.puppet_send(puppet, stream, alive_of(&cluster, puppet, seq_num).seal());
    }
    // ten seconds from the moment on from which there was anybody to tell
    let first_without = seen.iter().position(|with_identity| !with_identity).unwrap();
    assert!((2..=4).contains(&first_without), "{seen:?}");
    assert!(seen[first_without..].iter().all(|with_identity| !with_identity));
}

#[test]
fn no_9_a_request_wakes_a_peer_with_an_empty_view() {
    let mut cluster = Cluster::new(1);
    let (peer, sleeper) = (cluster.add("peer", "Org1MSP"), cluster.add("sleeper", "Org1MSP"));
    cluster.start(sleeper);
    cluster.set_tracing(true);
    cluster.run_for(Duration::from_secs(30));
    assert!(!cluster.take_trace().iter().any(|line| line.contains("alive_msg")), "nobody to tell");
    cluster.bootstrap_with(&[peer], sleeper);
    cluster.start(peer);
    cluster.run_for(ms(500));
    let heartbeats =
        cluster.take_trace().into_iter().filter(|line| line.contains("sleeper > a2 alive_msg sleeper"));
    assert_eq!(heartbeats.count(), 1);
}

#[test]
fn no_12_a_response_may_come_over_any_stream() {
    let (mut cluster, peer, puppet, stream) = peer_and_puppet();
    let nonce = make_it_ask(&mut cluster, puppet, stream);
    let second = cluster.puppet_connect(puppet, peer);
    let dead: Bytes = stranger(3).with_identity().seal();
    cluster.puppet_send(puppet, second, membership_response(&[], &[dead], nonce));
    cluster.run_for(ms(10));
    assert_eq!(cluster.peer(peer).members().filter(|member| !member.is_alive).count(), 1);
}

#[test]
fn no_13_own_messages_have_all_that_a_go_peer_reads() {
    let (mut cluster, peer, puppet, stream) = peer_and_puppet();
    let answer = ask(&mut cluster, puppet, stream, 1, 1);
    let own = elements(&answer, ElementList::Alive).pop().unwrap();
    let alive: AliveMessage = own.content_as().unwrap();
    let member = alive.membership.unwrap();
    assert_eq!(member.endpoint, "peer:7051");
    assert_eq!(member.pki_id[..], cluster.pki_id(peer).as_bytes()[..]);
    assert!(member.metadata.is_empty());
    let timestamp = alive.timestamp.unwrap();
    assert!(timestamp.inc_num >= 1_700_000_000_000_000_000 && timestamp.seq_num >= 1);
    assert_eq!(own.secret().unwrap().internal_endpoint(), "peer.internal:7051");
}

/// Spec/04 §5.4: what stands behind an element that is no alive message is not looked at; what stands before it is.
#[test]
fn a_response_is_read_up_to_its_first_fault() {
    let (mut cluster, peer, puppet, stream) = peer_and_puppet();
    let elements = [
        stranger(1).with_identity().seal(),
        stranger(2).with_identity().seal_forged(),
        stranger(3).with_identity().seal(),
        Bytes::from_static(&[0x0a, 2, 0xff, 0xff]),
        stranger(4).with_identity().seal(),
    ];
    cluster.puppet_send(puppet, stream, membership_response(&elements, &[], 0));
    cluster.run_for(ms(10));
    let known = |number| is_alive(&cluster, peer, &stranger(number));
    assert_eq!([1, 2, 3, 4].map(known), [true, false, true, false]);
    assert!(cluster.stands(puppet, stream));
}

/// A large response is worked through a few elements at a time, in its order, to its end.
#[test]
fn a_large_response_is_taken_in_whole() {
    let (mut cluster, peer, puppet, stream) = peer_and_puppet();
    cluster.set_crypto_delay(peer, ms(1));
    let elements: Vec<Bytes> = (0..2000).map(|number| stranger(number).with_identity().seal()).collect();
    cluster.puppet_send(puppet, stream, membership_response(&elements, &[], 0));
    cluster.run_for(Duration::from_secs(1));
    assert_eq!(cluster.peer(peer).members().count(), 2000);
    assert!(!cluster.rejections(peer).iter().any(|(_, reason)| *reason == selvedge_core::Reject::OverLimit));
}

/// A request speaks for its sender and nobody else.
#[test]
fn a_request_in_the_name_of_another_is_refused() {
    let (mut cluster, peer, puppet, stream) = peer_and_puppet();
    cluster.puppet_send(puppet, stream, membership_request(&stranger(1).with_identity().seal(), 4));
    cluster.run_for(ms(10));
    assert_eq!(responses(&mut cluster, puppet), []);
    assert_eq!(rejections_of(&cluster, peer, selvedge_core::Misbehaviour::SenderMismatch), 1);
    assert_eq!(cluster.peer(peer).members().count(), 0);
}

/// A request whose self information does not verify gets no answer (spec/04 §5.3).
#[test]
fn a_request_with_a_wrong_signature_gets_no_answer() {
    let (mut cluster, peer, puppet, stream) = peer_and_puppet();
    cluster.puppet_send(puppet, stream, membership_request(&alive_of(&cluster, puppet, 1).seal_forged(), 4));
    cluster.run_for(ms(10));
    assert_eq!(responses(&mut cluster, puppet), []);
    assert_eq!(rejections_of(&cluster, peer, selvedge_core::Misbehaviour::SignatureInvalid), 1);
    assert_eq!(cluster.peer(peer).members().count(), 0);
}
