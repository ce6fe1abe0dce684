//! Pushed blocks that are not what they should be (spec/05 §9.2, §17).

use crate::common::*;
use bytes::Bytes;
use selvedge_core::testing::messages;
use selvedge_core::{Misbehaviour, Reject, Unfitting};
use selvedge_proto::decode;
use selvedge_proto::envelope::{ContentKind, EnvelopeView, seal};
use selvedge_proto::gossip::gossip_message::{Content, Tag};
use selvedge_proto::gossip::{DataMessage, GossipMessage, Payload};
use selvedge_proto::validate::Malformed;

#[test]
fn w03_private_data_beside_a_pushed_block_go_no_further() {
    let (mut cluster, nodes) = org(1, 1);
    let (one, first) = member_puppet(&mut cluster, "p", "Org1MSP", nodes[0], 1);
    let (two, _) = member_puppet(&mut cluster, "q", "Org1MSP", nodes[0], 1);
    cluster.puppet_send(one, first, data_msg(1, &block(1), &[b"\xff\xff junk"]));
    cluster.run_for(ms(5));
    assert_eq!(heights(&cluster, &nodes), [2]);
    let pushed = got(&mut cluster, two, ContentKind::DataMsg);
    assert!(*pushed[0].raw() == data_msg(1, &block(1), &[]));
}

#[test]
fn w04_junk_around_a_block_goes_no_further() {
    let (mut cluster, nodes) = org(2, 1);
    let (one, first) = member_puppet(&mut cluster, "p", "Org1MSP", nodes[0], 1);
    let (two, _) = member_puppet(&mut cluster, "q", "Org1MSP", nodes[0], 1);
    let clean = EnvelopeView::parse(data_msg(1, &block(1), &[])).unwrap();
    let mut payload = clean.payload().to_vec();
    payload.extend_from_slice(&[0xf2, 0x01, 3, 1, 2, 3]);
    let junk = seal(&payload, b"a signature", Some((b"secret", b"signature")));
    cluster.puppet_send(one, first, junk);
    cluster.run_for(ms(5));
    let pushed = got(&mut cluster, two, ContentKind::DataMsg);
    assert!(pushed[0].raw() == clean.raw());
}

#[test]
fn x05_notes_of_a_peer_in_a_blocks_metadata_are_removed() {
    use prost::Message;
    use selvedge_proto::common::{Block, BlockMetadata};
    let (mut cluster, nodes) = org(3, 1);
    let (puppet, connection) = member_puppet(&mut cluster, "p", "Org1MSP", nodes[0], 1);
    let mut noted: Block = decode(block(1)).unwrap();
    let mut slots = vec![Bytes::new(); 5];
    slots[2] = Bytes::from_static(&[0]);
    slots[4] = Bytes::from_static(b"commit hash");
    noted.metadata = Some(BlockMetadata { metadata: slots });
    cluster.puppet_send(puppet, connection, data_msg(1, &noted.encode_to_vec().into(), &[]));
    cluster.run_for(ms(5));
    noted.metadata = Some(BlockMetadata { metadata: vec![Bytes::new(); 5] });
    assert!(cluster.ledger(nodes[0], CHANNEL).unwrap().blocks[1] == noted.encode_to_vec());
}

#[test]
fn a_bad_block_of_one_peer_does_not_block_the_good_one_of_another() {
    let (mut cluster, nodes) = org(4, 1);
    cluster.set_crypto_delay(nodes[0], ms(20));
    let (one, first) = member_puppet(&mut cluster, "p", "Org1MSP", nodes[0], 1);
    let (two, second) = member_puppet(&mut cluster, "q", "Org1MSP", nodes[0], 1);
    cluster.run_for(ms(100));
    let bad = messages::block(1, 77);
    cluster.refuse_block(&bad);
    cluster.puppet_send(one, first, data_msg(1, &bad, &[]));
    cluster.run_for(ms(5));
    cluster.puppet_send(two, second, data_msg(1, &block(1), &[]));
    cluster.run_for(ms(60));
    assert_eq!(heights(&cluster, &nodes), [2]);
    assert!(refused(&cluster, nodes[0], ContentKind::DataMsg, Misbehaviour::BlockInvalid));
}

#[test]
fn w15_w16_a_block_far_ahead_does_not_shut_out_those_before_it() {
    let (mut cluster, nodes) = org(5, 1);
    let (puppet, connection) = member_puppet(&mut cluster, "p", "Org1MSP", nodes[0], 1);
    cluster.puppet_send(puppet, connection, data_msg(100, &block(100), &[]));
    cluster.puppet_send(puppet, connection, data_msg(50_000, &block(50_000), &[]));
    cluster.run_for(ms(5));
    assert!(refused(&cluster, nodes[0], ContentKind::DataMsg, Unfitting::OutOfRange));
    for number in (1..100).rev() {
        cluster.puppet_send(puppet, connection, data_msg(number, &block(number), &[]));
    }
    cluster.run_for(ms(20));
    assert_eq!(heights(&cluster, &nodes), [101]);
}

#[test]
fn what_is_no_block_is_refused_by_name() {
    let (mut cluster, nodes) = org(6, 1);
    let (puppet, connection) = member_puppet(&mut cluster, "p", "Org1MSP", nodes[0], 1);
    let empty = in_channel(Tag::ChanAndOrg, 0, Content::DataMsg(DataMessage { payload: None }));
    cluster.puppet_send(puppet, connection, empty);
    let payload = Payload { seq_num: 1, data: Bytes::new(), private_data: Vec::new() };
    let message = Content::DataMsg(DataMessage { payload: Some(payload) });
    cluster.puppet_send(puppet, connection, in_channel(Tag::ChanAndOrg, 0, message));
    cluster.puppet_send(puppet, connection, data_msg(2, &block(1), &[]));
    let other = GossipMessage {
        channel: Bytes::from_static(b"other"),
        ..messages::message(Tag::ChanAndOrg, Content::DataMsg(DataMessage { payload: None }))
    };
    cluster.puppet_send(puppet, connection, messages::unsigned(&other));
    cluster.run_for(ms(5));
    let reasons = [
        Reject::Malformed(Malformed::PayloadMissing),
        Reject::Malformed(Malformed::BlockMissing),
        Misbehaviour::BlockInvalid.into(),
        Unfitting::ChannelUnknown.into(),
    ];
    for reason in reasons {
        assert!(refused(&cluster, nodes[0], ContentKind::DataMsg, reason), "{reason}");
    }
    assert_eq!(cluster.peer(nodes[0]).stats().block_verify_count, 0);
}

#[test]
fn a_block_of_a_foreign_channel_organisation_is_taken_as_fabric_takes_it() {
    let (mut cluster, nodes) = network(7, 1, 1);
    settle(&mut cluster, &nodes);
    let (puppet, connection) = member_puppet(&mut cluster, "p", "Org2MSP", nodes[0], 1);
    cluster.puppet_send(puppet, connection, data_msg(1, &block(1), &[]));
    let outsider = cluster.puppet("x", "Org3MSP");
    let from_outside = cluster.puppet_connect(outsider, nodes[0]);
    cluster.puppet_send(outsider, from_outside, data_msg(2, &block(2), &[]));
    cluster.run_for(ms(5));
    assert_eq!(cluster.height(nodes[0], CHANNEL), 2);
    assert!(refused(&cluster, nodes[0], ContentKind::DataMsg, Misbehaviour::NotEntitled));
}

#[test]
fn a_peer_that_keeps_sending_bad_blocks_is_not_verified_any_more() {
    let (mut cluster, nodes) = org(8, 1);
    let (puppet, connection) = member_puppet(&mut cluster, "p", "Org1MSP", nodes[0], 1);
    for size in 100..200 {
        let bad = messages::block(1, size);
        cluster.refuse_block(&bad);
        cluster.puppet_send(puppet, connection, data_msg(1, &bad, &[]));
        cluster.run_for(ms(5));
    }
    assert_eq!(cluster.peer(nodes[0]).stats().block_verify_count, 3);
    assert!(refused(&cluster, nodes[0], ContentKind::DataMsg, Misbehaviour::Distrusted));
    idle(&mut cluster, &[(puppet, connection)], s(61));
    cluster.puppet_send(puppet, connection, data_msg(1, &block(1), &[]));
    cluster.run_for(ms(5));
    assert_eq!(heights(&cluster, &nodes), [2]);
}

#[test]
fn w13_w21_a_block_is_not_pushed_to_who_has_it() {
    let (mut cluster, nodes) = org(9, 1);
    let (deliverer, first) = member_puppet(&mut cluster, "p", "Org1MSP", nodes[0], 1);
    let (advertiser, second) = member_puppet(&mut cluster, "q", "Org1MSP", nodes[0], 1);
    let (higher, _) = member_puppet(&mut cluster, "r", "Org1MSP", nodes[0], 9);
    let (lacking, _) = member_puppet(&mut cluster, "s", "Org1MSP", nodes[0], 1);
    cluster.run_for(s(1));
    cluster.set_crypto_delay(nodes[0], ms(10));
    cluster.puppet_send(deliverer, first, data_msg(1, &block(1), &[]));
    cluster.run_for(ms(2));
    cluster.puppet_send(advertiser, second, data_msg(1, &block(1), &[]));
    cluster.run_for(ms(30));
    for puppet in [deliverer, advertiser, higher] {
        assert!(got(&mut cluster, puppet, ContentKind::DataMsg).is_empty(), "{}", cluster.name(puppet));
    }
    assert_eq!(got(&mut cluster, lacking, ContentKind::DataMsg).len(), 1);
}

#[test]
fn w12_a_block_is_pushed_on_as_soon_as_it_is_verified() {
    let (mut cluster, nodes) = org(10, 1);
    let (one, first) = member_puppet(&mut cluster, "p", "Org1MSP", nodes[0], 1);
    let (two, _) = member_puppet(&mut cluster, "q", "Org1MSP", nodes[0], 1);
    cluster.run_for(s(1));
    cluster.take_inbox(two);
    cluster.puppet_send(one, first, data_msg(1, &block(1), &[]));
    cluster.run_for(ms(2));
    assert_eq!(got(&mut cluster, two, ContentKind::DataMsg).len(), 1, "two hops of a millisecond");
}
