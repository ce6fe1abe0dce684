//! What organisations learn of each other (spec/05 §6.4, §8.3, §11.2).

use crate::common::*;
use crate::snapshots::ask;
use selvedge_core::Endpoint;
use selvedge_core::testing::{Cluster, NodeId};
use selvedge_proto::envelope::ContentKind;

/// Two organisations; `a2` hides from the other one.
fn with_hidden(seed: u64) -> (Cluster, Vec<NodeId>) {
    let (mut cluster, nodes) = network(seed, 3, 1);
    cluster.config_mut(nodes[2]).external_endpoint = Endpoint::from("");
    cluster.start_all();
    for node in &nodes {
        cluster.join(*node, CHANNEL, 1, &nodes[..1]);
    }
    cluster.run_for(s(30));
    (cluster, nodes)
}

#[test]
fn a_snapshot_for_another_organisation_leaves_out_who_hides_from_it() {
    let (mut cluster, nodes) = with_hidden(1);
    let (foreign, to_foreign) = member_puppet(&mut cluster, "f", "Org2MSP", nodes[0], 1);
    let (own, to_own) = member_puppet(&mut cluster, "o", "Org1MSP", nodes[0], 1);
    let hidden = cluster.pki_id(nodes[2]);
    let shown = cluster.pki_id(nodes[1]);
    let foreign_sees = ask(&mut cluster, foreign, to_foreign).remove(0);
    assert!(!foreign_sees.contains(&hidden) && foreign_sees.contains(&shown));
    let own_sees = ask(&mut cluster, own, to_own).remove(0);
    assert!(own_sees.contains(&hidden) && own_sees.contains(&shown));
}

#[test]
fn the_state_of_who_hides_is_not_pushed_across() {
    let (mut cluster, nodes) = with_hidden(2);
    let (foreign, _) = member_puppet(&mut cluster, "f", "Org2MSP", nodes[0], 1);
    cluster.run_for(s(5));
    cluster.take_inbox(foreign);
    for number in 1..20 {
        deliver(&mut cluster, nodes[2], number, number + 1);
        cluster.run_for(s(2));
    }
    let hidden = cluster.pki_id(nodes[2]);
    let views = got(&mut cluster, foreign, ContentKind::StateInfo);
    let origins: Vec<&[u8]> = views.iter().map(|view| view.state_info_key().unwrap().pki_id).collect();
    assert!(!origins.is_empty(), "others are heard of");
    assert!(!origins.contains(&&hidden.as_bytes()[..]));
}

#[test]
fn a_peer_that_hides_keeps_its_own_state_to_its_organisation() {
    let (mut cluster, nodes) = with_hidden(3);
    let (foreign, connection) = member_puppet(&mut cluster, "f", "Org2MSP", nodes[2], 1);
    let sees = ask(&mut cluster, foreign, connection).remove(0);
    assert!(!sees.contains(&cluster.pki_id(nodes[2])));
    assert!(sees.contains(&cluster.pki_id(nodes[0])));
}
