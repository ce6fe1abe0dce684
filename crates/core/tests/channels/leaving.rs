//! Leaving a channel, and others that leave (spec/05 §5.4).

use crate::common::*;
use selvedge_core::{Command, Unfitting};
use selvedge_proto::envelope::ContentKind;
use selvedge_proto::gossip::StateInfo;

#[test]
fn w24_who_left_gets_no_blocks_hellos_or_requests() {
    let (mut cluster, nodes) = network(1, 2, 0);
    cluster.config_mut(nodes[0]).state_transfer_enabled = true;
    settle(&mut cluster, &nodes);
    let (puppet, connection) = member_puppet(&mut cluster, "p", "Org1MSP", nodes[0], 1);
    cluster.puppet_send(puppet, connection, state_info(&cluster, puppet, 2, 100, true));
    cluster.run_for(ms(10));
    cluster.take_inbox(puppet);
    deliver(&mut cluster, nodes[0], 1, 6);
    cluster.run_for(s(20));
    let inbox = cluster.take_envelopes(puppet);
    let of_channel: Vec<ContentKind> = inbox
        .iter()
        .map(|(_, view)| view)
        .filter(|view| !view.channel().is_empty())
        .map(selvedge_proto::envelope::EnvelopeView::kind)
        .collect();
    assert_eq!(of_channel, [], "{of_channel:?}");
}

#[test]
fn leaving_is_told_and_ends_the_exchange_of_blocks() {
    let (mut cluster, nodes) = org(2, 1);
    let (puppet, connection) = member_puppet(&mut cluster, "p", "Org1MSP", nodes[0], 1);
    cluster.run_for(s(2));
    cluster.take_inbox(puppet);
    cluster.command(nodes[0], Command::LeaveChannel(channel()));
    cluster.run_for(ms(5));
    let told = got(&mut cluster, puppet, ContentKind::StateInfo);
    assert!(told[0].content_as::<StateInfo>().unwrap().properties.unwrap().left_channel);
    cluster.puppet_send(puppet, connection, data_msg(1, &block(1), &[]));
    cluster.puppet_send(puppet, connection, pull(ContentKind::Hello, 7, &[]));
    cluster.puppet_send(puppet, connection, state_request(7, 0, 0));
    cluster.run_for(s(20));
    for kind in [ContentKind::DataMsg, ContentKind::Hello, ContentKind::StateRequest] {
        assert!(refused(&cluster, nodes[0], kind, Unfitting::ChannelUnknown), "{kind}");
    }
    assert_eq!(heights(&cluster, &nodes), [1]);
    assert!(greeted(&mut cluster, puppet).is_empty());
}

#[test]
fn w29_a_channel_can_be_joined_again() {
    let (mut cluster, nodes) = org(3, 2);
    cluster.command(nodes[1], Command::LeaveChannel(channel()));
    cluster.run_for(s(2));
    deliver(&mut cluster, nodes[0], 1, 3);
    cluster.run_for(s(10));
    assert_eq!(heights(&cluster, &nodes), [3, 1]);
    cluster.join(nodes[1], CHANNEL, 1, &[]);
    reach(&mut cluster, &nodes, 3, s(10));
}

#[test]
fn a_channel_that_removed_the_own_organisation_is_not_served() {
    let (mut cluster, nodes) = network(4, 1, 1);
    settle(&mut cluster, &nodes);
    let (puppet, connection) = member_puppet(&mut cluster, "p", "Org2MSP", nodes[0], 1);
    let settings = selvedge_core::ChannelSettings {
        channel: channel(),
        sequence: 2,
        orgs: vec!["Org2MSP".into()],
        anchors: Vec::new(),
        height: 1,
    };
    cluster.command(nodes[0], Command::ConfigureChannel(settings));
    cluster.puppet_send(puppet, connection, state_request(7, 0, 0));
    cluster.run_for(ms(10));
    assert!(refused(&cluster, nodes[0], ContentKind::StateRequest, Unfitting::ChannelUnknown));
}

#[test]
fn an_older_configuration_is_ignored() {
    let (mut cluster, nodes) = org(5, 1);
    cluster.join(nodes[0], CHANNEL, 5, &[]);
    cluster.join(nodes[0], CHANNEL, 4, &[]);
    assert_eq!(cluster.peer(nodes[0]).channel(&channel()).unwrap().sequence, 5);
}
