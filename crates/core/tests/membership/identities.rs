//! Identities that are not known yet, go away, or are this node's own.

use crate::support::*;
use core::time::Duration;
use selvedge_core::Event;
use selvedge_core::testing::messages::{Alive, membership_request};
use selvedge_core::testing::{Cluster, NodeId};

#[test]
fn w03_identities_may_go_while_responses_are_made() {
    let (mut cluster, peer, puppet, stream) = peer_and_puppet();
    introduce(&mut cluster, puppet, stream, 1);
    let gone: Vec<NodeId> =
        (0..5).map(|number| cluster.puppet(&format!("gone{number}"), "Org1MSP")).collect();
    for &node in &gone {
        let stream = cluster.puppet_connect(node, peer);
        introduce(&mut cluster, node, stream, 1);
        let identity = cluster.identity(node);
        cluster.revoke(&identity);
    }
    assert_eq!(cluster.peer(peer).members().count(), 6);
    cluster.set_crypto_delay(peer, ms(2));
    cluster.join(peer, "mychannel", 1, &[]);
    for sequence in 2..6 {
        cluster.puppet_send(
            puppet,
            stream,
            membership_request(&alive_of(&cluster, puppet, sequence).seal(), sequence),
        );
        cluster.run_for(ms(1));
    }
    cluster.run_for(ms(50));
    assert_eq!(cluster.peer(peer).members().count(), 1);
    assert_eq!(responses(&mut cluster, puppet).len(), 1 + 4);
    assert_eq!(cluster.peer(peer).connection_count(), 1);
}

#[test]
fn w24_an_unknown_origin_is_asked_after_at_once() {
    let mut cluster = Cluster::new(1);
    let nodes: Vec<NodeId> = (0..4).map(|number| cluster.add(&format!("n{number}"), "Org1MSP")).collect();
    cluster.bootstrap_with(&nodes[1..], nodes[0]);
    nodes[..3].iter().for_each(|&node| cluster.start(node));
    cluster.run_for(Duration::from_secs(30));
    // alive messages carry no identities any more; the newcomer is told of three peers and knows one
    cluster.start(nodes[3]);
    cluster.run_for(ms(60));
    assert_eq!(cluster.peer(nodes[3]).members().filter(|member| member.is_alive).count(), 3);
    assert_eq!(cluster.rejections(nodes[3]), []);
}

#[test]
fn w28_an_identity_may_go_while_its_message_is_verified() {
    let (mut cluster, peer, puppet, stream) = peer_and_puppet();
    let other = cluster.puppet("other", "Org1MSP");
    let other_stream = cluster.puppet_connect(other, peer);
    introduce(&mut cluster, other, other_stream, 1);
    let identity = cluster.identity(other);
    cluster.set_crypto_delay(peer, ms(50));
    // the check of the identity ends before the verification that begins after it
    cluster.revoke(&identity);
    cluster.join(peer, "mychannel", 1, &[]);
    cluster.run_for(ms(5));
    cluster.puppet_send(puppet, stream, alive_of(&cluster, other, 2).seal());
    cluster.run_for(ms(200));
    assert!(!cluster.peer(peer).members().any(|member| member.pki_id == cluster.pki_id(other)));
}

/// Spec/04 §5.2 step 3: not only a log line.
#[test]
fn a_second_node_with_the_own_identity_is_reported() {
    let (mut cluster, peer, puppet, stream) = peer_and_puppet();
    let identity = cluster.identity(peer);
    let twin = Alive { identity: identity.clone(), ..Alive::new(&identity, 1) }.of_incarnation(u64::MAX);
    let reports = |cluster: &Cluster| {
        let report = |event: &Event| match event {
            Event::IdentityInUse { endpoint } => Some(endpoint.to_string()),
            _ => None,
        };
        cluster.events(peer).iter().filter_map(report).collect::<Vec<_>>()
    };
    cluster.puppet_send(puppet, stream, twin.clone().with_endpoint("twin:1").seal_forged());
    cluster.run_for(Duration::from_secs(61));
    assert_eq!(reports(&cluster), [""; 0]);
    for _ in 0..3 {
        cluster.puppet_send(puppet, stream, twin.clone().with_endpoint("twin:1").seal());
    }
    cluster.run_for(ms(5));
    assert_eq!(reports(&cluster), ["twin:1"]);
    assert_eq!(cluster.peer(peer).members().count(), 0, "not a member of its own view");
}
