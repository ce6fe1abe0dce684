//! Which endpoints are dialled, and how often.

use crate::support::*;
use core::time::Duration;
use selvedge_core::Endpoint;
use selvedge_core::testing::Cluster;
use selvedge_core::testing::messages::{Alive, membership_response};

#[test]
fn w05_an_ipv6_endpoint_is_the_same_with_and_without_brackets() {
    let mut cluster = Cluster::new(1);
    let (peer, anchor) = (cluster.add("peer", "Org1MSP"), cluster.puppet("anchor", "Org1MSP"));
    cluster.config_mut(anchor).external_endpoint = Endpoint::from("[::1]:7051");
    cluster.start(peer);
    cluster.join(peer, "mychannel", 1, &[anchor]);
    let stream = cluster.puppet_connect(anchor, peer);
    let alive = alive_of(&cluster, anchor, 1).with_endpoint("::1:7051");
    cluster.puppet_send(anchor, stream, alive.with_identity().seal());
    cluster.run_for(ms(5));
    assert_eq!(cluster.peer(peer).members().count(), 1);
    // an anchor outlives its lifetime of 500 s
    cluster.puppet_close(anchor, stream);
    cluster.run_for(Duration::from_secs(1200));
    assert_eq!(cluster.peer(peer).members().count(), 1);
}

#[test]
fn w06_an_unreachable_anchor_is_tried_for_ever() {
    let mut cluster = Cluster::new(1);
    let (peer, anchor) = (cluster.add("peer", "Org1MSP"), cluster.add("anchor", "Org2MSP"));
    cluster.start(peer);
    cluster.join(peer, "mychannel", 1, &[anchor]);
    cluster.run_for(Duration::from_secs(12 * 3600));
    cluster.set_tracing(true);
    cluster.run_for(Duration::from_secs(300));
    let dials = cluster.take_trace().iter().filter(|line| line.contains("> dial")).count();
    assert!((9..=17).contains(&dials), "every 25 s or so: {dials}");
    cluster.start(anchor);
    cluster.run_for(Duration::from_secs(40));
    assert_eq!(cluster.peer(peer).members().filter(|member| member.is_alive).count(), 1);
}

#[test]
fn w12_endpoints_that_members_declare_are_not_dialled_at_will() {
    let (mut cluster, peer, puppet, stream) = peer_and_puppet();
    let own = cluster.config_mut(peer).endpoint.clone();
    cluster.set_tracing(true);
    for seconds in 0..600 {
        let mine = stranger(1).with_identity().with_endpoint(&own);
        let nowhere = stranger(2).with_identity().with_endpoint("victim:22");
        for alive in [mine, nowhere] {
            let alive = Alive { seq_num: seconds / 5 + 1, ..alive };
            if seconds % 5 == 0 {
                cluster.puppet_send(puppet, stream, alive.seal());
            }
        }
        cluster.run_for(Duration::from_secs(1));
    }
    let trace = cluster.take_trace();
    let dials = |endpoint: &str| {
        let line = format!(" {endpoint}");
        trace.iter().filter(|it| it.contains("> dial") && it.ends_with(&line)).count()
    };
    assert_eq!(dials(&own), 0, "this very node");
    assert!(dials("victim:22") <= 40, "about every 25 s in 10 minutes: {}", dials("victim:22"));
}

#[test]
fn w25_an_anchor_that_is_alive_is_not_connected_again() {
    let mut cluster = Cluster::new(1);
    let (peer, anchor) = (cluster.add("peer", "Org1MSP"), cluster.add("anchor", "Org2MSP"));
    cluster.start_all();
    cluster.join(peer, "one", 1, &[anchor]);
    cluster.run_for(Duration::from_secs(10));
    cluster.set_tracing(true);
    cluster.join(peer, "one", 2, &[anchor]);
    cluster.join(peer, "two", 1, &[anchor]);
    cluster.run_for(Duration::from_secs(120));
    let dials = cluster.take_trace().into_iter().filter(|line| line.contains("> dial")).collect::<Vec<_>>();
    assert_eq!(dials, [""; 0]);
}

#[test]
fn w08_who_hides_asks_nobody_of_another_organisation_even_if_called_dead() {
    for (external_endpoint, is_asked) in [("peer:7051", true), ("", false)] {
        let mut cluster = Cluster::new(1);
        let (peer, puppet) = (cluster.add("peer", "Org1MSP"), cluster.puppet("puppet", "Org1MSP"));
        let foreign = cluster.puppet("foreign", "Org2MSP");
        cluster.config_mut(peer).external_endpoint = Endpoint::from(external_endpoint);
        cluster.start(peer);
        let stream = cluster.puppet_connect(puppet, peer);
        let nonce = make_it_ask(&mut cluster, puppet, stream);
        let dead = alive_of(&cluster, foreign, 1).with_identity().seal();
        cluster.puppet_send(puppet, stream, membership_response(&[], &[dead], nonce));
        cluster.run_for(Duration::from_secs(60));
        assert_eq!(!requests(&mut cluster, foreign).is_empty(), is_asked, "{external_endpoint:?}");
    }
}
