//! The block pull in both roles (spec/05 §10, §13.3).

use crate::common::*;
use selvedge_core::testing::NodeId;
use selvedge_core::{BlockSource, Misbehaviour, Unfitting};
use selvedge_proto::envelope::{ContentKind, EnvelopeView};
use selvedge_proto::gossip::{DataDigest, DataRequest};

fn numbers(view: &EnvelopeView) -> Vec<String> {
    let items = match view.kind() {
        ContentKind::DataDig => view.content_as::<DataDigest>().unwrap().digests,
        _ => view.content_as::<DataRequest>().unwrap().digests,
    };
    items.iter().map(|item| String::from_utf8(item.to_vec()).unwrap()).collect()
}

/// Blocks in the updates a puppet got.
fn updated(cluster: &mut selvedge_core::testing::Cluster, puppet: NodeId) -> Vec<u64> {
    let updates = got(cluster, puppet, ContentKind::DataUpdate);
    let items = updates
        .iter()
        .flat_map(|view| view.elements().map(|item| item.unwrap().envelope).collect::<Vec<_>>());
    items.map(|item| EnvelopeView::parse(item).unwrap().block_number().unwrap()).collect()
}

#[test]
fn w10_a_block_that_is_not_pushed_is_pulled_as_soon_as_its_height_is_known() {
    let (mut cluster, nodes) = network(1, 2, 0);
    cluster.config_mut(nodes[0]).block_gossip_enabled = false;
    settle(&mut cluster, &nodes);
    cluster.run_for(s(20));
    let start = cluster.now();
    deliver(&mut cluster, nodes[0], 1, 2);
    reach(&mut cluster, &nodes, 2, s(3));
    let taken_ms = cluster.now().since(start).as_millis();
    assert!(taken_ms < 150, "{taken_ms} ms: patience and two round trips");
    assert_eq!(taken(&cluster, nodes[1], BlockSource::Pull), 1);
}

#[test]
fn a_hello_is_answered_with_everything_held() {
    let (mut cluster, nodes) = org(2, 1);
    let (puppet, connection) = member_puppet(&mut cluster, "p", "Org1MSP", nodes[0], 1);
    cluster.puppet_send(puppet, connection, pull(ContentKind::Hello, 7, &[]));
    cluster.run_for(ms(5));
    assert!(got(&mut cluster, puppet, ContentKind::DataDig).is_empty(), "nothing held, nothing said");
    deliver(&mut cluster, nodes[0], 1, 21);
    cluster.puppet_send(puppet, connection, pull(ContentKind::Hello, 8, &[]));
    cluster.run_for(ms(5));
    let digests = got(&mut cluster, puppet, ContentKind::DataDig);
    let expected: Vec<String> = (10..=20).map(|number| number.to_string()).collect();
    assert_eq!(numbers(&digests[0]), expected, "the window and one more");
    assert_eq!(digests[0].pull().unwrap().nonce, 8);
}

#[test]
fn a_request_is_served_once_under_its_nonce_and_in_time() {
    let (mut cluster, nodes) = org(3, 1);
    let (puppet, connection) = member_puppet(&mut cluster, "p", "Org1MSP", nodes[0], 1);
    deliver(&mut cluster, nodes[0], 1, 6);
    cluster.puppet_send(puppet, connection, pull(ContentKind::Hello, 7, &[]));
    cluster.puppet_send(puppet, connection, pull(ContentKind::DataReq, 7, &["3", "03", "99", "x", "4"]));
    cluster.run_for(ms(5));
    assert_eq!(updated(&mut cluster, puppet), [3, 4]);
    cluster.puppet_send(puppet, connection, pull(ContentKind::DataReq, 9, &["3"]));
    cluster.run_for(ms(5));
    assert!(refused(&cluster, nodes[0], ContentKind::DataReq, Unfitting::NonceUnknown));
    cluster.run_for(ms(1500));
    cluster.puppet_send(puppet, connection, pull(ContentKind::DataReq, 7, &["3"]));
    cluster.run_for(ms(5));
    assert_eq!(updated(&mut cluster, puppet), [] as [u64; 0]);
}

#[test]
fn w06_a_nonce_is_honoured_from_its_owner_only() {
    let (mut cluster, nodes) = org(4, 1);
    let (one, first) = member_puppet(&mut cluster, "p", "Org1MSP", nodes[0], 1);
    let (two, second) = member_puppet(&mut cluster, "q", "Org1MSP", nodes[0], 1);
    deliver(&mut cluster, nodes[0], 1, 2);
    cluster.puppet_send(one, first, pull(ContentKind::Hello, 7, &[]));
    cluster.run_for(ms(5));
    cluster.puppet_send(two, second, pull(ContentKind::DataReq, 7, &["1"]));
    cluster.run_for(ms(5));
    assert_eq!(updated(&mut cluster, two), [] as [u64; 0]);
}

#[test]
fn who_has_not_announced_itself_or_is_of_another_organisation_gets_nothing() {
    let (mut cluster, nodes) = network(5, 1, 1);
    settle(&mut cluster, &nodes);
    deliver(&mut cluster, nodes[0], 1, 2);
    let stranger = cluster.puppet("p", "Org1MSP");
    let connection = cluster.puppet_connect(stranger, nodes[0]);
    cluster.puppet_send(stranger, connection, pull(ContentKind::Hello, 7, &[]));
    cluster.run_for(ms(5));
    assert!(refused(&cluster, nodes[0], ContentKind::Hello, Unfitting::NotInChannel));
    let (foreigner, connection) = member_puppet(&mut cluster, "f", "Org2MSP", nodes[0], 1);
    cluster.puppet_send(foreigner, connection, pull(ContentKind::Hello, 7, &[]));
    cluster.run_for(ms(5));
    assert!(refused(&cluster, nodes[0], ContentKind::Hello, Misbehaviour::NotEntitled));
    assert!(got(&mut cluster, stranger, ContentKind::DataDig).is_empty());
    assert!(got(&mut cluster, foreigner, ContentKind::DataDig).is_empty());
}

#[test]
fn w10_the_first_useful_digest_is_answered_at_once_and_with_what_is_missing() {
    let (mut cluster, nodes) = org(6, 1);
    let (puppet, connection) = member_puppet(&mut cluster, "p", "Org1MSP", nodes[0], 4);
    deliver(&mut cluster, nodes[0], 1, 2);
    cluster.take_inbox(puppet);
    cluster.run_for(s(5));
    let nonces = greeted(&mut cluster, puppet);
    let nonce = *nonces.last().unwrap();
    cluster.puppet_send(puppet, connection, pull(ContentKind::DataDig, nonce, &["0", "1", "2", "-3", "3"]));
    cluster.run_for(ms(3));
    let requests = got(&mut cluster, puppet, ContentKind::DataReq);
    assert_eq!(numbers(&requests[0]), ["2", "3"]);
    cluster.puppet_send(
        puppet,
        connection,
        update(nonce, &[data_msg(2, &block(2), &[]), data_msg(3, &block(3), &[])]),
    );
    cluster.run_for(ms(3));
    assert_eq!(heights(&cluster, &nodes), [4]);
    assert_eq!(taken(&cluster, nodes[0], BlockSource::Pull), 2);
}

#[test]
fn w07_an_update_that_nobody_asked_for_is_not_taken() {
    let (mut cluster, nodes) = org(7, 1);
    let (puppet, connection) = member_puppet(&mut cluster, "p", "Org1MSP", nodes[0], 2);
    cluster.puppet_send(puppet, connection, update(7, &[data_msg(1, &block(1), &[])]));
    cluster.run_for(ms(5));
    assert!(refused(&cluster, nodes[0], ContentKind::DataUpdate, Misbehaviour::Unsolicited));
    assert_eq!(heights(&cluster, &nodes), [1]);
}

#[test]
fn w18_a_late_update_is_taken_and_offered_on() {
    let (mut cluster, nodes) = org(8, 1);
    let (puppet, connection) = member_puppet(&mut cluster, "p", "Org1MSP", nodes[0], 2);
    cluster.take_inbox(puppet);
    cluster.run_for(s(5));
    let nonce = *greeted(&mut cluster, puppet).last().unwrap();
    cluster.puppet_send(puppet, connection, pull(ContentKind::DataDig, nonce, &["1"]));
    cluster.run_for(ms(3500));
    cluster.puppet_send(puppet, connection, update(nonce, &[data_msg(1, &block(1), &[])]));
    cluster.run_for(ms(5));
    cluster.puppet_send(puppet, connection, pull(ContentKind::Hello, 5, &[]));
    cluster.run_for(ms(5));
    let digests = got(&mut cluster, puppet, ContentKind::DataDig);
    assert_eq!(numbers(&digests[0]), ["1"]);
}

#[test]
fn w20_one_bad_item_does_not_hide_the_others() {
    let (mut cluster, nodes) = org(9, 1);
    let (puppet, connection) = member_puppet(&mut cluster, "p", "Org1MSP", nodes[0], 3);
    cluster.take_inbox(puppet);
    cluster.run_for(s(5));
    let nonce = *greeted(&mut cluster, puppet).last().unwrap();
    cluster.puppet_send(puppet, connection, pull(ContentKind::DataDig, nonce, &["1", "2"]));
    cluster.run_for(ms(3));
    let bare = in_channel(
        selvedge_proto::gossip::gossip_message::Tag::ChanAndOrg,
        0,
        selvedge_proto::gossip::gossip_message::Content::DataMsg(selvedge_proto::gossip::DataMessage {
            payload: None,
        }),
    );
    let items = [bare, data_msg(9, &block(2), &[]), data_msg(1, &block(1), &[]), data_msg(2, &block(2), &[])];
    cluster.puppet_send(puppet, connection, update(nonce, &items));
    cluster.run_for(ms(5));
    assert_eq!(heights(&cluster, &nodes), [3]);
    // spec/05 W-1: an item that is a block without payload ends a Go peer
    assert!(refused(
        &cluster,
        nodes[0],
        ContentKind::DataUpdate,
        selvedge_core::Reject::Malformed(selvedge_proto::validate::Malformed::PayloadMissing)
    ));
}

#[test]
fn w11_pulled_blocks_are_offered_but_not_pushed_on() {
    let (mut cluster, nodes) = org(10, 1);
    let (one, first) = member_puppet(&mut cluster, "p", "Org1MSP", nodes[0], 2);
    let (two, second) = member_puppet(&mut cluster, "q", "Org1MSP", nodes[0], 1);
    cluster.take_inbox(one);
    cluster.run_for(s(5));
    let nonce = *greeted(&mut cluster, one).last().unwrap();
    cluster.puppet_send(one, first, pull(ContentKind::DataDig, nonce, &["1"]));
    cluster.run_for(ms(3));
    cluster.puppet_send(one, first, update(nonce, &[data_msg(1, &block(1), &[])]));
    cluster.take_inbox(two);
    cluster.run_for(ms(5));
    cluster.puppet_send(two, second, pull(ContentKind::Hello, 5, &[]));
    cluster.run_for(ms(10));
    let inbox = cluster.take_envelopes(two);
    assert!(inbox.iter().all(|(_, view)| view.kind() != ContentKind::DataMsg));
    assert!(inbox.iter().any(|(_, view)| view.kind() == ContentKind::DataDig));
}
