//! StateInfo of channels that a peer has not joined (spec/05 §6.6).

use crate::common::*;
use bytes::Bytes;
use selvedge_core::Unfitting;
use selvedge_core::testing::{Cluster, NodeId, messages};
use selvedge_proto::envelope::ContentKind;
use selvedge_proto::gossip::gossip_message::Content;

/// A peer in no channel, two puppets of its organisation and one of another.
fn scene(seed: u64) -> (Cluster, NodeId, [(NodeId, selvedge_core::ConnectionId); 3]) {
    let (mut cluster, nodes) = network(seed, 1, 0);
    cluster.start(nodes[0]);
    let puppets = [("p", "Org1MSP"), ("q", "Org1MSP"), ("f", "Org2MSP")].map(|(name, org)| {
        let puppet = cluster.puppet(name, org);
        let connection = cluster.puppet_connect(puppet, nodes[0]);
        let alive = messages::Alive::new(&cluster.identity(puppet), 1).with_identity();
        cluster.puppet_send(puppet, connection, alive.seal());
        cluster.run_for(ms(5));
        (puppet, connection)
    });
    for (puppet, _) in puppets {
        cluster.take_inbox(puppet);
    }
    (cluster, nodes[0], puppets)
}

/// A StateInfo of `node` for a channel.
fn of_channel(cluster: &Cluster, node: NodeId, channel: &str, sequence: u64) -> Bytes {
    let mut message = state_info_message(cluster, node, sequence, 3, false);
    if let Some(Content::StateInfo(info)) = &mut message.content {
        info.channel_mac = Bytes::copy_from_slice(&messages::channel_mac(&cluster.pki_id(node), channel));
    }
    messages::signed(&cluster.identity(node), &message)
}

#[test]
fn it_is_passed_on_once_within_the_own_organisation() {
    let (mut cluster, peer, [(p, to_p), (q, _), (f, _)]) = scene(1);
    let info = of_channel(&cluster, p, "elsewhere", 5);
    let before = cluster.peer(peer).stats().verify_count;
    for _ in 0..3 {
        cluster.puppet_send(p, to_p, info.clone());
    }
    cluster.run_for(ms(10));
    assert_eq!(got(&mut cluster, q, ContentKind::StateInfo).len(), 1);
    assert!(got(&mut cluster, f, ContentKind::StateInfo).is_empty());
    assert!(got(&mut cluster, p, ContentKind::StateInfo).is_empty());
    assert_eq!(cluster.peer(peer).stats().verify_count, before + 1);
}

#[test]
fn w25_states_in_two_channels_do_not_suppress_each_other() {
    let (mut cluster, _, [(p, to_p), (q, _), _]) = scene(2);
    cluster.puppet_send(p, to_p, of_channel(&cluster, p, "later", 9));
    cluster.puppet_send(p, to_p, of_channel(&cluster, p, "earlier", 5));
    cluster.run_for(ms(10));
    assert_eq!(got(&mut cluster, q, ContentKind::StateInfo).len(), 2);
}

#[test]
fn what_a_foreign_peer_says_of_an_unknown_channel_is_not_passed_on() {
    let (mut cluster, node, [_, (q, _), (f, to_f)]) = scene(3);
    cluster.puppet_send(f, to_f, of_channel(&cluster, f, "elsewhere", 5));
    cluster.run_for(ms(10));
    assert!(got(&mut cluster, q, ContentKind::StateInfo).is_empty());
    assert!(refused(&cluster, node, ContentKind::StateInfo, Unfitting::ChannelUnknown));
}

#[test]
fn what_was_passed_on_is_known_when_the_channel_is_joined() {
    let (mut cluster, node, [(p, to_p), ..]) = scene(4);
    cluster.puppet_send(p, to_p, of_channel(&cluster, p, CHANNEL, 5));
    cluster.run_for(ms(10));
    cluster.join(node, CHANNEL, 1, &[]);
    cluster.run_for(ms(1));
    let view = cluster.peer(node).channel(&channel()).unwrap();
    assert!(view.members.iter().any(|member| member.pki_id == cluster.pki_id(p)));
}
