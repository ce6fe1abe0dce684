//! The own StateInfo (spec/05 §6.1, §6.2).

use crate::common::*;
use selvedge_core::Command;
use selvedge_core::testing::{Cluster, NodeId, messages};
use selvedge_proto::envelope::{ContentKind, EnvelopeView};
use selvedge_proto::gossip::StateInfo;

/// StateInfo of `node` that a puppet was pushed since the last call.
fn published(cluster: &mut Cluster, puppet: NodeId, node: NodeId) -> Vec<StateInfo> {
    let views = got(cluster, puppet, ContentKind::StateInfo);
    let infos = views.iter().map(|view| view.content_as::<StateInfo>().unwrap());
    infos.filter(|info| info.pki_id[..] == cluster.pki_id(node).as_bytes()[..]).collect()
}

fn heights_of(infos: &[StateInfo]) -> Vec<u64> {
    infos.iter().map(|info| info.properties.as_ref().unwrap().ledger_height).collect()
}

#[test]
fn nothing_is_signed_when_nobody_is_there_to_read_it() {
    let mut cluster = Cluster::new(1);
    let node = cluster.add("lonely", "Org1MSP");
    cluster.start(node);
    cluster.run_for(s(1));
    let before = cluster.peer(node).stats().sign_count;
    cluster.join(node, CHANNEL, 1, &[]);
    for number in 1..50 {
        deliver(&mut cluster, node, number, number + 1);
        cluster.run_for(s(1));
    }
    assert_eq!(cluster.peer(node).stats().sign_count, before);
}

#[test]
fn the_first_state_leaves_as_soon_as_somebody_is_alive() {
    let mut cluster = Cluster::new(2);
    let node = cluster.add("a0", "Org1MSP");
    cluster.start(node);
    cluster.join(node, CHANNEL, 1, &[]);
    deliver(&mut cluster, node, 1, 4);
    cluster.run_for(s(10));
    let puppet = cluster.puppet("p", "Org1MSP");
    let connection = cluster.puppet_connect(puppet, node);
    let alive = messages::Alive::new(&cluster.identity(puppet), 1).with_identity();
    cluster.puppet_send(puppet, connection, alive.seal());
    cluster.run_for(ms(5));
    let infos = published(&mut cluster, puppet, node);
    assert_eq!(heights_of(&infos), [4]);
}

#[test]
fn a_height_is_told_at_once_but_no_more_often_than_the_spacing() {
    let (mut cluster, nodes) = org(3, 1);
    let (puppet, _) = member_puppet(&mut cluster, "p", "Org1MSP", nodes[0], 1);
    cluster.run_for(s(5));
    published(&mut cluster, puppet, nodes[0]);
    deliver(&mut cluster, nodes[0], 1, 2);
    cluster.run_for(ms(5));
    assert_eq!(heights_of(&published(&mut cluster, puppet, nodes[0])), [2]);
    for number in 2..32 {
        deliver(&mut cluster, nodes[0], number, number + 1);
        cluster.run_for(ms(100));
    }
    cluster.run_for(s(2));
    let told = heights_of(&published(&mut cluster, puppet, nodes[0]));
    assert_eq!(told.len(), 3, "in three seconds: {told:?}");
    assert_eq!(told.last(), Some(&32));
    cluster.run_for(s(60));
    assert_eq!(published(&mut cluster, puppet, nodes[0]).len(), 0, "nothing new, nothing said (W-22)");
}

#[test]
fn times_grow_within_one_incarnation() {
    let (mut cluster, nodes) = org(4, 1);
    let (puppet, _) = member_puppet(&mut cluster, "p", "Org1MSP", nodes[0], 1);
    published(&mut cluster, puppet, nodes[0]);
    for number in 1..5 {
        deliver(&mut cluster, nodes[0], number, number + 1);
        cluster.run_for(s(2));
    }
    let times: Vec<_> =
        published(&mut cluster, puppet, nodes[0]).iter().map(|info| info.timestamp.unwrap()).collect();
    assert_eq!(times.len(), 4);
    assert!(
        times.windows(2).all(|pair| pair[0].inc_num == pair[1].inc_num && pair[0].seq_num < pair[1].seq_num)
    );
}

#[test]
fn w27_a_height_that_changes_while_the_state_is_signed_is_told_later() {
    let (mut cluster, nodes) = org(5, 1);
    let (puppet, _) = member_puppet(&mut cluster, "p", "Org1MSP", nodes[0], 1);
    cluster.run_for(s(5));
    published(&mut cluster, puppet, nodes[0]);
    deliver(&mut cluster, nodes[0], 1, 2);
    cluster.set_crypto_delay(nodes[0], ms(50));
    deliver(&mut cluster, nodes[0], 2, 3);
    cluster.run_for(s(3));
    assert_eq!(heights_of(&published(&mut cluster, puppet, nodes[0])).last(), Some(&3));
}

#[test]
fn a_failed_signature_is_tried_again() {
    let (mut cluster, nodes) = org(6, 1);
    let (puppet, _) = member_puppet(&mut cluster, "p", "Org1MSP", nodes[0], 1);
    cluster.run_for(s(5));
    cluster.set_signer_fails(nodes[0], true);
    deliver(&mut cluster, nodes[0], 1, 2);
    cluster.run_for(s(10));
    published(&mut cluster, puppet, nodes[0]);
    cluster.set_signer_fails(nodes[0], false);
    cluster.run_for(s(5));
    assert_eq!(heights_of(&published(&mut cluster, puppet, nodes[0])), [2]);
}

#[test]
fn it_is_dressed_as_fabric_dresses_it() {
    let (mut cluster, nodes) = org(7, 1);
    let puppet = cluster.puppet("p", "Org1MSP");
    let connection = cluster.puppet_connect(puppet, nodes[0]);
    let alive = messages::Alive::new(&cluster.identity(puppet), 1).with_identity();
    cluster.puppet_send(puppet, connection, alive.seal());
    cluster.run_for(ms(5));
    let views = got(&mut cluster, puppet, ContentKind::StateInfo);
    let view: &EnvelopeView = &views[0];
    assert!(view.channel().is_empty(), "the MAC stands for the channel");
    assert_eq!((view.nonce(), view.tag()), (0, 5));
    let key = view.state_info_key().unwrap();
    assert_eq!(key.channel_mac, messages::channel_mac(&cluster.pki_id(nodes[0]), CHANNEL));
}

#[test]
fn a_state_of_a_former_life_is_overtaken() {
    let (mut cluster, nodes) = org(8, 2);
    cluster.run_for(s(5));
    // somebody holds a StateInfo that was signed when the clock was a year ahead
    let ahead = cluster.wall().as_nanos() + 365 * 86_400 * 1_000_000_000;
    let mut message = state_info_message(&cluster, nodes[0], 1, 99, false);
    if let Some(selvedge_proto::gossip::gossip_message::Content::StateInfo(info)) = &mut message.content {
        info.timestamp.as_mut().unwrap().inc_num = ahead;
    }
    let echo = messages::signed(&cluster.identity(nodes[0]), &message);
    let (puppet, connection) = member_puppet(&mut cluster, "p", "Org1MSP", nodes[0], 1);
    cluster.puppet_send(puppet, connection, echo);
    cluster.run_for(s(2));
    let infos = published(&mut cluster, puppet, nodes[0]);
    assert!(infos.last().unwrap().timestamp.unwrap().inc_num > ahead);
    let mut forged = state_info_message(&cluster, nodes[0], 1, 99, false);
    if let Some(selvedge_proto::gossip::gossip_message::Content::StateInfo(info)) = &mut forged.content {
        info.timestamp.as_mut().unwrap().inc_num = u64::MAX;
    }
    cluster.puppet_send(puppet, connection, messages::signed(b"Org1MSP|somebody else", &forged));
    cluster.run_for(s(5));
    assert!(published(&mut cluster, puppet, nodes[0]).is_empty());
}

#[test]
fn joining_again_is_a_new_incarnation() {
    let (mut cluster, nodes) = org(9, 1);
    let (puppet, _) = member_puppet(&mut cluster, "p", "Org1MSP", nodes[0], 1);
    cluster.run_for(s(5));
    let left = Command::LeaveChannel(channel());
    cluster.command(nodes[0], left);
    cluster.run_for(s(2));
    cluster.join(nodes[0], CHANNEL, 1, &[]);
    cluster.run_for(s(2));
    let infos = published(&mut cluster, puppet, nodes[0]);
    let said: Vec<bool> = infos.iter().map(|info| info.properties.as_ref().unwrap().left_channel).collect();
    assert_eq!(said.last_chunk::<2>(), Some(&[true, false]));
    let times: Vec<u64> = infos.iter().map(|info| info.timestamp.unwrap().inc_num).collect();
    assert!(times[times.len() - 1] > times[times.len() - 2]);
}
