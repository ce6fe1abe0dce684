//! StateInfo requests and snapshots (spec/05 §6.4, §13.5, §13.6).

use crate::common::*;
use bytes::Bytes;
use selvedge_core::testing::{Cluster, NodeId, messages};
use selvedge_core::{ConnectionId, Misbehaviour, PkiId, Reject, Unfitting};
use selvedge_proto::decode;
use selvedge_proto::envelope::{ContentKind, EnvelopeView};
use selvedge_proto::gossip::gossip_message::{Content, Tag};
use selvedge_proto::gossip::{StateInfoPullRequest, StateInfoSnapshot};

/// A request of `node`.
pub(crate) fn request(cluster: &Cluster, node: NodeId) -> Bytes {
    let mac = messages::channel_mac(&cluster.pki_id(node), CHANNEL);
    let content = StateInfoPullRequest { channel_mac: Bytes::copy_from_slice(&mac) };
    messages::unsigned(&messages::message(Tag::ChanOrOrg, Content::StateInfoPullReq(content)))
}

/// A snapshot with these elements.
fn snapshot(elements: &[Bytes]) -> Bytes {
    let elements = elements.iter().map(|element| decode(element.clone()).unwrap()).collect();
    in_channel(Tag::ChanOrOrg, 0, Content::StateSnapshot(StateInfoSnapshot { elements }))
}

/// Origins in the snapshots that a puppet is sent when it asks.
pub(crate) fn ask(cluster: &mut Cluster, puppet: NodeId, connection: ConnectionId) -> Vec<Vec<PkiId>> {
    cluster.take_inbox(puppet);
    let request = request(cluster, puppet);
    cluster.puppet_send(puppet, connection, request);
    cluster.run_for(ms(5));
    let origin = |element: Bytes| {
        let view = EnvelopeView::parse(element).unwrap();
        PkiId::from_wire(view.state_info_key().unwrap().pki_id).unwrap()
    };
    got(cluster, puppet, ContentKind::StateSnapshot)
        .iter()
        .map(|view| view.elements().map(|element| origin(element.unwrap().envelope)).collect())
        .collect()
}

#[test]
fn a_latecomer_learns_everything_at_once() {
    let (mut cluster, nodes) = org(1, 8);
    deliver(&mut cluster, nodes[0], 1, 4);
    reach(&mut cluster, &nodes, 4, s(10));
    cluster.run_for(s(5));
    let late = cluster.add("late", "Org1MSP");
    cluster.bootstrap_with(&[late], nodes[0]);
    cluster.start(late);
    cluster.join(late, CHANNEL, 1, &[]);
    let knows = |cluster: &Cluster| cluster.peer(late).channel(&channel()).unwrap().members.len() == 9;
    assert!(cluster.run_until(s(3), knows), "{:?}", cluster.peer(late).channel(&channel()));
}

#[test]
fn an_empty_snapshot_is_an_answer_too() {
    let mut cluster = Cluster::new(2);
    let node = cluster.add("a0", "Org1MSP");
    cluster.start(node);
    cluster.join(node, CHANNEL, 1, &[]);
    let puppet = cluster.puppet("p", "Org1MSP");
    let connection = cluster.puppet_connect(puppet, node);
    assert_eq!(ask(&mut cluster, puppet, connection), [vec![]]);
}

#[test]
fn elements_come_in_an_order_in_which_a_go_peer_gets_most_of_them() {
    let (mut cluster, nodes) = network(3, 3, 2);
    settle(&mut cluster, &nodes);
    let dead = nodes[1];
    cluster.stop(dead);
    cluster.run_for(s(40));
    let (puppet, connection) = member_puppet(&mut cluster, "p", "Org2MSP", nodes[0], 1);
    let snapshot = ask(&mut cluster, puppet, connection).remove(0);
    let place = |node: NodeId| snapshot.iter().position(|origin| *origin == cluster.pki_id(node)).unwrap();
    assert_eq!(place(nodes[0]), 0, "the answering peer, whom the asking one knows");
    let foreign = place(nodes[3]).max(place(nodes[4]));
    assert!(foreign < place(nodes[2]), "the asking peer's organisation");
    assert!(place(nodes[2]) < place(dead), "the living before the dead");
}

#[test]
fn w20_elements_are_judged_one_by_one() {
    let (mut cluster, nodes) = org(4, 1);
    let (one, first) = member_puppet(&mut cluster, "p", "Org1MSP", nodes[0], 1);
    let (two, _) = member_puppet(&mut cluster, "q", "Org1MSP", nodes[0], 1);
    let unknown = cluster.puppet("unknown", "Org1MSP");
    let alive = messages::Alive::new(&cluster.identity(two), 5).seal();
    let mut other_channel = state_info_message(&cluster, two, 7, 7, false);
    if let Some(Content::StateInfo(info)) = &mut other_channel.content {
        info.channel_mac = Bytes::from_static(&[7; 32]);
    }
    let elements = [
        alive,
        messages::unsigned(&state_info_message(&cluster, two, 8, 8, false)),
        messages::signed(&cluster.identity(two), &other_channel),
        state_info(&cluster, unknown, 9, 9, false),
        messages::signed(b"Org1MSP|x", &state_info_message(&cluster, two, 10, 10, false)),
        state_info(&cluster, two, 6, 6, false),
    ];
    cluster.puppet_send(one, first, snapshot(&elements));
    cluster.run_for(ms(5));
    let view = cluster.peer(nodes[0]).channel(&channel()).unwrap();
    let member = view.members.iter().find(|member| member.pki_id == cluster.pki_id(two)).unwrap();
    assert_eq!(member.height, 6);
}

#[test]
fn elements_are_not_pushed_on() {
    let (mut cluster, nodes) = org(5, 1);
    let (one, first) = member_puppet(&mut cluster, "p", "Org1MSP", nodes[0], 1);
    let (two, _) = member_puppet(&mut cluster, "q", "Org1MSP", nodes[0], 1);
    cluster.run_for(s(1));
    cluster.take_inbox(one);
    cluster.take_inbox(two);
    let element = state_info(&cluster, two, 6, 6, false);
    cluster.puppet_send(one, first, snapshot(&[element]));
    cluster.run_for(ms(50));
    for puppet in [one, two] {
        assert!(got(&mut cluster, puppet, ContentKind::StateInfo).is_empty());
    }
}

#[test]
fn w02_w08_a_peer_that_only_asks_is_answered_so_often_and_no_more() {
    let (mut cluster, nodes) = org(6, 2);
    let (puppet, connection) = member_puppet(&mut cluster, "p", "Org1MSP", nodes[0], 1);
    cluster.run_for(s(2));
    cluster.take_inbox(puppet);
    let request = request(&cluster, puppet);
    for _ in 0..3000 {
        cluster.puppet_send(puppet, connection, request.clone());
    }
    cluster.run_for(ms(100));
    assert_eq!(got(&mut cluster, puppet, ContentKind::StateSnapshot).len(), 20);
    assert!(refused(&cluster, nodes[0], ContentKind::StateInfoPullReq, Reject::OverLimit));
    // and everything else goes on
    deliver(&mut cluster, nodes[0], 1, 2);
    reach(&mut cluster, &nodes, 2, ms(20));
}

#[test]
fn a_request_for_an_unknown_channel_or_with_anothers_mac_is_refused() {
    let (mut cluster, nodes) = network(7, 2, 0);
    settle(&mut cluster, &nodes);
    let puppet = cluster.puppet("p", "Org1MSP");
    let connection = cluster.puppet_connect(puppet, nodes[0]);
    let request = request(&cluster, nodes[1]);
    cluster.puppet_send(puppet, connection, request);
    cluster.run_for(ms(5));
    assert!(refused(&cluster, nodes[0], ContentKind::StateInfoPullReq, Unfitting::ChannelUnknown));
    assert!(got(&mut cluster, puppet, ContentKind::StateSnapshot).is_empty());
}

#[test]
fn a_peer_of_no_channel_organisation_gets_none() {
    let (mut cluster, nodes) = network(8, 1, 1);
    settle(&mut cluster, &nodes);
    let puppet = cluster.puppet("outsider", "Org3MSP");
    let connection = cluster.puppet_connect(puppet, nodes[0]);
    assert_eq!(ask(&mut cluster, puppet, connection), [] as [Vec<PkiId>; 0]);
    assert!(refused(&cluster, nodes[0], ContentKind::StateInfoPullReq, Misbehaviour::NotEntitled));
}
