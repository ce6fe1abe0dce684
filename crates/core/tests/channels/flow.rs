//! What must not wait for what, and what must keep its order (spec/05 §17).

use crate::common::*;
use bytes::Bytes;
use selvedge_core::testing::messages;
use selvedge_core::{Reject, Unfitting};
use selvedge_proto::envelope::ContentKind;
use selvedge_proto::gossip::gossip_message::{Content, Tag};
use selvedge_proto::gossip::{LeadershipMessage, PeerTime};
use selvedge_proto::validate::Malformed;

#[test]
fn w05_while_blocks_are_verified_everything_else_goes_on() {
    let (mut cluster, nodes) = org(1, 1);
    let (puppet, connection) = member_puppet(&mut cluster, "p", "Org1MSP", nodes[0], 1);
    deliver(&mut cluster, nodes[0], 1, 2);
    cluster.run_for(s(2));
    cluster.set_crypto_delay(nodes[0], s(3));
    for number in 2..200 {
        cluster.puppet_send(puppet, connection, data_msg(number, &block(number), &[]));
    }
    cluster.take_inbox(puppet);
    cluster.puppet_send(puppet, connection, pull(ContentKind::Hello, 7, &[]));
    cluster.puppet_send(puppet, connection, crate::snapshots::request(&cluster, puppet));
    cluster.run_for(ms(3));
    let kinds: Vec<ContentKind> =
        cluster.take_envelopes(puppet).iter().map(|(_, view)| view.kind()).collect();
    assert!(
        kinds.contains(&ContentKind::DataDig) && kinds.contains(&ContentKind::StateSnapshot),
        "{kinds:?}"
    );
    cluster.run_for(s(10));
    assert_eq!(heights(&cluster, &nodes), [200]);
}

#[test]
fn w17_blocks_keep_their_order_on_a_connection() {
    let (mut cluster, nodes) = org(2, 1);
    let (puppet, _) = member_puppet(&mut cluster, "p", "Org1MSP", nodes[0], 1);
    deliver(&mut cluster, nodes[0], 1, 100);
    cluster.run_for(ms(50));
    let numbers: Vec<u64> = got(&mut cluster, puppet, ContentKind::DataMsg)
        .iter()
        .filter_map(|view| view.block_number())
        .collect();
    assert_eq!(numbers, (1..100).collect::<Vec<_>>());
}

#[test]
fn w19_a_newcomer_gets_blocks_within_a_second_of_its_arrival() {
    let (mut cluster, nodes) = org(3, 4);
    cluster.run_for(s(20));
    let late = cluster.add("late", "Org1MSP");
    cluster.bootstrap_with(&[late], nodes[0]);
    cluster.start(late);
    cluster.join(late, CHANNEL, 1, &[]);
    cluster.run_for(ms(900));
    deliver(&mut cluster, nodes[0], 1, 2);
    cluster.run_for(ms(10));
    assert_eq!(cluster.height(late, CHANNEL), 2);
}

#[test]
fn w28_the_old_state_stands_until_the_new_one_is_verified() {
    let (mut cluster, nodes) = org(4, 1);
    let (puppet, connection) = member_puppet(&mut cluster, "p", "Org1MSP", nodes[0], 5);
    cluster.set_crypto_delay(nodes[0], ms(50));
    cluster.puppet_send(puppet, connection, state_info(&cluster, puppet, 2, 6, false));
    cluster.run_for(ms(20));
    let height = |cluster: &selvedge_core::testing::Cluster| {
        let view = cluster.peer(nodes[0]).channel(&channel()).unwrap();
        let member = view.members.iter().find(|member| member.pki_id == cluster.pki_id(puppet));
        member.map(|member| member.height)
    };
    assert_eq!(height(&cluster), Some(5));
    cluster.run_for(ms(50));
    assert_eq!(height(&cluster), Some(6));
}

#[test]
fn w01_leadership_messages_are_counted_and_broken_ones_refused() {
    let (mut cluster, nodes) = network(5, 1, 1);
    settle(&mut cluster, &nodes);
    let (puppet, connection) = member_puppet(&mut cluster, "p", "Org1MSP", nodes[0], 1);
    let leadership = |timestamp| {
        let pki_id = Bytes::copy_from_slice(cluster.pki_id(puppet).as_bytes());
        let content = LeadershipMessage { pki_id, timestamp, is_declaration: true };
        let mut message = messages::message(Tag::ChanAndOrg, Content::LeadershipMsg(content));
        message.channel = Bytes::from_static(CHANNEL.as_bytes());
        messages::signed(&cluster.identity(puppet), &message)
    };
    let good = leadership(Some(PeerTime { inc_num: 1, seq_num: 1 }));
    let broken = leadership(None);
    cluster.puppet_send(puppet, connection, good);
    cluster.puppet_send(puppet, connection, broken.clone());
    cluster.puppet_send(puppet, connection, broken);
    cluster.run_for(ms(5));
    assert_eq!(cluster.peer(nodes[0]).stats().leadership_ignored_count, 1);
    let missing = Reject::Malformed(Malformed::TimestampMissing);
    assert!(refused(&cluster, nodes[0], ContentKind::LeadershipMsg, missing));
}

#[test]
fn a_message_of_a_channel_that_was_not_joined_is_refused() {
    let (mut cluster, nodes) = network(6, 1, 0);
    cluster.start(nodes[0]);
    let puppet = cluster.puppet("p", "Org1MSP");
    let connection = cluster.puppet_connect(puppet, nodes[0]);
    cluster.puppet_send(puppet, connection, data_msg(1, &block(1), &[]));
    cluster.puppet_send(puppet, connection, state_request(1, 0, 0));
    cluster.run_for(ms(5));
    for kind in [ContentKind::DataMsg, ContentKind::StateRequest] {
        assert!(refused(&cluster, nodes[0], kind, Unfitting::ChannelUnknown));
    }
}
