//! Blocks behind a configuration block are verified under the configuration it carries (spec/06 W6).

use crate::common::*;
use selvedge_core::Misbehaviour;
use selvedge_core::testing::{Cluster, NodeId, messages};

/// Blocks 1 to 9, of which 4 is a configuration that changes the orderers: 5 and later verify only under it.
fn rotate_orderers(cluster: &mut Cluster) {
    let config = block(4);
    cluster.make_config_block(&config);
    for number in 5..10 {
        cluster.sign_under(&block(number), &config);
    }
}

/// No block was found bad.
fn blames_nobody(cluster: &Cluster, node: NodeId) {
    let rejections = cluster.rejections(node);
    assert!(
        !rejections.iter().any(|(_, reason)| *reason == Misbehaviour::BlockInvalid.into()),
        "{rejections:?}"
    );
}

#[test]
fn x06_blocks_behind_a_configuration_wait_for_it() {
    let (mut cluster, nodes) = org(1, 1);
    rotate_orderers(&mut cluster);
    cluster.set_commit_delay(nodes[0], ms(50));
    deliver(&mut cluster, nodes[0], 1, 10);
    cluster.run_for(s(1));
    assert_eq!(heights(&cluster, &nodes), [10]);
    blames_nobody(&cluster, nodes[0]);
}

#[test]
fn x06_blocks_that_come_before_the_configuration_are_not_lost() {
    let (mut cluster, nodes) = org(2, 2);
    rotate_orderers(&mut cluster);
    // the last ones first, as pushes may come
    let (puppet, connection) = member_puppet(&mut cluster, "p", "Org1MSP", nodes[1], 10);
    for number in (1..10).rev() {
        cluster.puppet_send(puppet, connection, data_msg(number, &block(number), &[]));
    }
    cluster.run_for(ms(100));
    assert_eq!(heights(&cluster, &nodes[1..]), [10]);
    blames_nobody(&cluster, nodes[1]);
}

#[test]
fn x06_catching_up_goes_through_a_configuration() {
    let (mut cluster, nodes) = network(3, 2, 0);
    cluster.config_mut(nodes[1]).state_transfer_enabled = true;
    rotate_orderers(&mut cluster);
    cluster.fill_ledger(nodes[0], CHANNEL, 300);
    for number in 10..300 {
        cluster.sign_under(&messages::block(number, 1000), &block(4));
    }
    settle(&mut cluster, &nodes);
    reach(&mut cluster, &nodes, 300, s(10));
    blames_nobody(&cluster, nodes[1]);
}
