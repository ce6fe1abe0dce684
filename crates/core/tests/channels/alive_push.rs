//! Who is pushed whose alive messages, and with what (spec/05 §8.3).

use crate::common::*;
use bytes::Bytes;
use selvedge_core::ConnectionId;
use selvedge_core::testing::messages::Alive;
use selvedge_core::testing::{Cluster, NodeId};
use selvedge_proto::envelope::{ContentKind, EnvelopeView};

type Puppet = (NodeId, ConnectionId);

/// A peer of Org1MSP and living puppets around it: two of Org1MSP, one of Org2MSP that shows itself and one that hides, one
/// of Org3MSP.
fn scene(seed: u64) -> (Cluster, [Puppet; 5]) {
    let (mut cluster, nodes) = network(seed, 1, 0);
    cluster.start(nodes[0]);
    let puppets =
        [("own", "Org1MSP"), ("own2", "Org1MSP"), ("b", "Org2MSP"), ("hidden", "Org2MSP"), ("c", "Org3MSP")];
    let puppets = puppets.map(|(name, org)| {
        let puppet = cluster.puppet(name, org);
        let connection = cluster.puppet_connect(puppet, nodes[0]);
        let endpoint = if name == "hidden" { String::new() } else { format!("{name}:7051") };
        let alive = Alive::new(&cluster.identity(puppet), 1).with_identity().with_endpoint(&endpoint);
        cluster.puppet_send(puppet, connection, alive.seal());
        cluster.run_for(ms(5));
        (puppet, connection)
    });
    for (puppet, _) in puppets {
        cluster.take_inbox(puppet);
    }
    (cluster, puppets)
}

/// Alive messages of `origin` that a puppet was pushed since the last call.
fn heard(cluster: &mut Cluster, puppet: Puppet, origin: &Bytes) -> Vec<EnvelopeView> {
    let pki_id = selvedge_core::testing::crypto::pki_id(origin);
    let views = got(cluster, puppet.0, ContentKind::AliveMsg);
    views.into_iter().filter(|view| view.alive_key().unwrap().pki_id == pki_id.as_bytes()).collect()
}

/// Pushes alive messages of an origin one after the other, with a secret; how many each puppet gets, and how many of them
/// with the secret.
fn spread(
    cluster: &mut Cluster,
    puppets: &[Puppet; 5],
    through: usize,
    origin: &Bytes,
    endpoint: &str,
) -> [(usize, usize); 5] {
    for sequence in 2..22 {
        let alive =
            Alive::new(origin, sequence).with_identity().with_endpoint(endpoint).with_secret("inside:7051");
        let (puppet, connection) = puppets[through];
        cluster.puppet_send(puppet, connection, alive.seal());
        cluster.run_for(ms(5));
    }
    puppets.map(|puppet| {
        let views = heard(cluster, puppet, origin);
        (views.len(), views.iter().filter(|view| view.secret().is_some()).count())
    })
}

#[test]
fn an_own_peer_that_hides_is_told_to_the_own_organisation_only() {
    let (mut cluster, puppets) = scene(1);
    let origin = selvedge_core::testing::crypto::identity("Org1MSP", "somebody");
    let [own, own2, b, hidden, c] = spread(&mut cluster, &puppets, 0, &origin, "");
    assert_eq!((own, own2), ((0, 0), (20, 20)), "not back to where it came from");
    assert_eq!([b, hidden, c], [(0, 0); 3]);
}

#[test]
fn w16_an_own_peer_that_shows_itself_is_told_to_all_but_its_secret_is_not() {
    let (mut cluster, puppets) = scene(2);
    let origin = selvedge_core::testing::crypto::identity("Org1MSP", "somebody");
    let [_, own2, b, _, c] = spread(&mut cluster, &puppets, 0, &origin, "somebody:7051");
    assert!(own2.0 > 5 && own2.0 == own2.1, "{own2:?}");
    for foreign in [b, c] {
        assert!(foreign.0 > 5 && foreign.1 == 0, "{foreign:?}");
    }
}

#[test]
fn a_foreign_peer_is_told_to_its_own_organisation_and_ours_but_not_to_who_hides_or_a_third() {
    let (mut cluster, puppets) = scene(3);
    let origin = selvedge_core::testing::crypto::identity("Org2MSP", "somebody");
    let [own, own2, b, hidden, c] = spread(&mut cluster, &puppets, 0, &origin, "somebody:7051");
    assert_eq!(own.0, 0);
    assert_eq!((own2.0, b.0), (20, 20));
    assert_eq!(b.1, 0, "a secret is for the own organisation");
    assert_eq!((hidden, c), ((0, 0), (0, 0)));
}

#[test]
fn a_message_goes_to_so_many_and_each_time_to_others() {
    let (mut cluster, nodes) = network(4, 1, 0);
    cluster.start(nodes[0]);
    let puppets: Vec<Puppet> = (0..12)
        .map(|index| {
            let puppet = cluster.puppet(&format!("p{index}"), "Org1MSP");
            let connection = cluster.puppet_connect(puppet, nodes[0]);
            let alive = Alive::new(&cluster.identity(puppet), 1).with_identity();
            cluster.puppet_send(puppet, connection, alive.seal());
            cluster.run_for(ms(5));
            (puppet, connection)
        })
        .collect();
    let origin = selvedge_core::testing::crypto::identity("Org1MSP", "somebody");
    let mut counts = vec![0; puppets.len()];
    for sequence in 2..402 {
        puppets.iter().for_each(|(puppet, _)| drop(cluster.take_inbox(*puppet)));
        let alive = Alive::new(&origin, sequence).with_identity();
        cluster.puppet_send(puppets[0].0, puppets[0].1, alive.seal());
        cluster.run_for(ms(5));
        let receivers: Vec<usize> = (0..puppets.len())
            .filter(|index| !heard(&mut cluster, puppets[*index], &origin).is_empty())
            .collect();
        assert_eq!(receivers.len(), 3);
        receivers.into_iter().for_each(|index| counts[index] += 1);
    }
    assert_eq!(counts[0], 0);
    assert!(
        counts[1..].iter().all(|count| (60..160).contains(count)),
        "w13: drawn anew for each message: {counts:?}"
    );
}
