//! StateInfo of others: what is taken, and at which price (spec/05 §6.3, §13.4).

use crate::common::*;
use selvedge_core::testing::{Cluster, messages};
use selvedge_core::{Event, Misbehaviour, PkiId, Reject, Unfitting};
use selvedge_proto::envelope::ContentKind;
use selvedge_proto::gossip::gossip_message::Content;
use selvedge_proto::validate::Malformed;

fn height_of(cluster: &Cluster, node: selvedge_core::testing::NodeId, pki_id: PkiId) -> Option<u64> {
    let view = cluster.peer(node).channel(&channel()).unwrap();
    view.members.iter().find(|member| member.pki_id == pki_id).map(|member| member.height)
}

#[test]
fn heights_spread_through_the_whole_network() {
    let (mut cluster, nodes) = network(1, 6, 6);
    settle(&mut cluster, &nodes);
    deliver(&mut cluster, nodes[0], 1, 8);
    let first = cluster.pki_id(nodes[0]);
    let known = |cluster: &Cluster| nodes.iter().all(|node| height_of(cluster, *node, first) == Some(8));
    assert!(cluster.run_until(s(10), known));
    let announced = Event::HeightAnnounced { channel: channel(), pki_id: first, height: 8 };
    assert!(cluster.events(nodes[11]).contains(&announced));
}

#[test]
fn w31_a_duplicate_costs_no_signature_check() {
    let (mut cluster, nodes) = org(2, 1);
    let (puppet, connection) = member_puppet(&mut cluster, "p", "Org1MSP", nodes[0], 5);
    let before = cluster.peer(nodes[0]).stats().verify_count;
    let old = state_info(&cluster, puppet, 1, 5, false);
    for _ in 0..50 {
        cluster.puppet_send(puppet, connection, old.clone());
    }
    let new = state_info(&cluster, puppet, 2, 6, false);
    for _ in 0..50 {
        cluster.puppet_send(puppet, connection, new.clone());
    }
    cluster.run_for(ms(10));
    assert_eq!(cluster.peer(nodes[0]).stats().verify_count, before + 1);
    assert_eq!(height_of(&cluster, nodes[0], cluster.pki_id(puppet)), Some(6));
}

#[test]
fn an_older_one_is_stale_whatever_it_says() {
    let (mut cluster, nodes) = org(3, 1);
    let (puppet, connection) = member_puppet(&mut cluster, "p", "Org1MSP", nodes[0], 5);
    cluster.puppet_send(puppet, connection, state_info(&cluster, puppet, 0, 50, false));
    cluster.run_for(ms(10));
    assert_eq!(height_of(&cluster, nodes[0], cluster.pki_id(puppet)), Some(5));
    // a lower height, later, is news
    cluster.puppet_send(puppet, connection, state_info(&cluster, puppet, 9, 3, false));
    cluster.run_for(ms(10));
    assert_eq!(height_of(&cluster, nodes[0], cluster.pki_id(puppet)), Some(3));
}

#[test]
fn a_forged_one_changes_nothing_and_does_not_shut_out_the_true_one() {
    let (mut cluster, nodes) = org(4, 1);
    cluster.set_crypto_delay(nodes[0], ms(20));
    let (puppet, connection) = member_puppet(&mut cluster, "p", "Org1MSP", nodes[0], 5);
    cluster.run_for(ms(50));
    let forged = state_info_message(&cluster, puppet, 2, 1000, false);
    cluster.puppet_send(puppet, connection, messages::signed(b"Org1MSP|other", &forged));
    cluster.puppet_send(puppet, connection, state_info(&cluster, puppet, 2, 6, false));
    cluster.run_for(ms(50));
    assert!(refused(&cluster, nodes[0], ContentKind::StateInfo, Misbehaviour::SignatureInvalid));
    assert_eq!(height_of(&cluster, nodes[0], cluster.pki_id(puppet)), Some(6));
}

#[test]
fn the_readers_policy_decides() {
    let (mut cluster, nodes) = org(5, 1);
    let identity = messages::Alive::new(&bytes::Bytes::from_static(b"Org1MSP|p"), 1).identity;
    cluster.exclude_from_readers(&identity);
    let (puppet, _) = member_puppet(&mut cluster, "p", "Org1MSP", nodes[0], 5);
    assert_eq!(cluster.identity(puppet), identity);
    assert_eq!(height_of(&cluster, nodes[0], cluster.pki_id(puppet)), None);
}

#[test]
fn x05_what_ends_a_go_peer_is_refused_by_name() {
    let (mut cluster, nodes) = org(6, 1);
    let (puppet, connection) = member_puppet(&mut cluster, "p", "Org1MSP", nodes[0], 5);
    let mut message = state_info_message(&cluster, puppet, 2, 6, false);
    if let Some(Content::StateInfo(info)) = &mut message.content {
        info.timestamp = None;
    }
    cluster.puppet_send(puppet, connection, messages::signed(&cluster.identity(puppet), &message));
    cluster.puppet_send(
        puppet,
        connection,
        messages::unsigned(&state_info_message(&cluster, puppet, 3, 6, false)),
    );
    cluster.run_for(ms(10));
    for reason in [Malformed::TimestampMissing, Malformed::SignatureMissing] {
        assert!(refused(&cluster, nodes[0], ContentKind::StateInfo, Reject::Malformed(reason)), "{reason}");
    }
}

#[test]
fn one_of_an_unknown_origin_is_refused_and_the_identity_asked_for() {
    let (mut cluster, nodes) = org(7, 1);
    let (puppet, connection) = member_puppet(&mut cluster, "p", "Org1MSP", nodes[0], 5);
    let unknown = cluster.puppet("unknown", "Org1MSP");
    cluster.run_for(s(10));
    cluster.take_inbox(puppet);
    cluster.puppet_send(puppet, connection, state_info(&cluster, unknown, 1, 6, false));
    cluster.run_for(ms(5));
    assert!(refused(&cluster, nodes[0], ContentKind::StateInfo, Unfitting::IdentityUnknown));
    let hellos = got(&mut cluster, puppet, ContentKind::Hello);
    assert!(hellos.iter().any(|hello| hello.channel().is_empty()), "an identity pull begins at once");
}

#[test]
fn w34_a_new_configuration_has_everything_checked_again() {
    let (mut cluster, nodes) = org(8, 1);
    let (bad, _) = member_puppet(&mut cluster, "p", "Org1MSP", nodes[0], 5);
    let (good, _) = member_puppet(&mut cluster, "q", "Org1MSP", nodes[0], 6);
    let identity = cluster.identity(bad);
    cluster.exclude_from_readers(&identity);
    assert_eq!(height_of(&cluster, nodes[0], cluster.pki_id(bad)), Some(5), "nobody has looked");
    cluster.join(nodes[0], CHANNEL, 2, &[]);
    cluster.run_for(ms(10));
    assert_eq!(height_of(&cluster, nodes[0], cluster.pki_id(bad)), None);
    assert_eq!(height_of(&cluster, nodes[0], cluster.pki_id(good)), Some(6));
}

#[test]
fn a_member_that_is_forgotten_has_no_state() {
    let (mut cluster, nodes) = org(9, 1);
    let (puppet, connection) = member_puppet(&mut cluster, "p", "Org1MSP", nodes[0], 5);
    cluster.puppet_close(puppet, connection);
    cluster.run_for(s(60));
    assert_eq!(height_of(&cluster, nodes[0], cluster.pki_id(puppet)), Some(5), "dead, not forgotten");
    cluster.run_for(s(600));
    assert_eq!(height_of(&cluster, nodes[0], cluster.pki_id(puppet)), None);
}

#[test]
fn an_enormous_one_is_refused() {
    let (mut cluster, nodes) = org(10, 1);
    let (puppet, connection) = member_puppet(&mut cluster, "p", "Org1MSP", nodes[0], 5);
    let mut message = state_info_message(&cluster, puppet, 2, 6, false);
    if let Some(Content::StateInfo(info)) = &mut message.content {
        let chaincode = selvedge_proto::gossip::Chaincode { name: "x".repeat(70_000), ..Default::default() };
        info.properties.as_mut().unwrap().chaincodes.push(chaincode);
    }
    cluster.puppet_send(puppet, connection, messages::signed(&cluster.identity(puppet), &message));
    cluster.run_for(ms(10));
    assert!(refused(&cluster, nodes[0], ContentKind::StateInfo, Reject::OverLimit));
}

/// As at a peer that hides, which hears of foreign peers' heights but not that they are alive.
#[test]
fn a_late_copy_of_who_is_no_member_is_no_news() {
    let (mut cluster, nodes) = org(11, 1);
    let (member, connection) = member_puppet(&mut cluster, "p", "Org1MSP", nodes[0], 5);
    let other = cluster.puppet("q", "Org1MSP");
    cluster.puppet_connect(other, nodes[0]);
    let state = state_info(&cluster, other, 1, 6, false);
    let verified = |cluster: &Cluster| cluster.peer(nodes[0]).stats().verify_count;
    let before = verified(&cluster);
    cluster.puppet_send(member, connection, state.clone());
    cluster.run_for(ms(10));
    assert_eq!(verified(&cluster), before + 1);
    // the channel is swept meanwhile
    idle(&mut cluster, &[(member, connection)], s(60));
    assert_eq!(height_of(&cluster, nodes[0], cluster.pki_id(other)), None, "it is no member");
    let before = verified(&cluster);
    cluster.take_inbox(member);
    cluster.puppet_send(member, connection, state);
    cluster.run_for(ms(10));
    assert_eq!(verified(&cluster), before);
    let snapshot = crate::snapshots::ask(&mut cluster, member, connection).remove(0);
    assert!(!snapshot.contains(&cluster.pki_id(other)));
    // once it is a member, what it said counts
    let alive = messages::Alive::new(&cluster.identity(other), 1).with_identity();
    cluster.puppet_send(member, connection, alive.seal());
    cluster.run_for(ms(10));
    assert_eq!(height_of(&cluster, nodes[0], cluster.pki_id(other)), Some(6));
}
