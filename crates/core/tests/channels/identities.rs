//! The identity pull (spec/03 §5, spec/05 §11).

use crate::common::*;
use bytes::Bytes;
use selvedge_core::testing::{Cluster, NodeId, crypto, messages};
use selvedge_core::{ConnectionId, Endpoint, Misbehaviour, PkiId, Unfitting};
use selvedge_proto::decode;
use selvedge_proto::envelope::{ContentKind, EnvelopeView};
use selvedge_proto::gossip::gossip_message::{Content, Tag};
use selvedge_proto::gossip::{DataDigest, DataRequest, DataUpdate, GossipHello, PeerIdentity, PullMsgType};

const TYPE: i32 = PullMsgType::IdentityMsg as i32;

fn unsigned(content: Content) -> Bytes {
    messages::unsigned(&messages::message(Tag::Empty, content))
}

fn hello(nonce: u64) -> Bytes {
    unsigned(Content::Hello(GossipHello { nonce, metadata: Bytes::new(), msg_type: TYPE }))
}

fn wire(ids: &[PkiId]) -> Vec<Bytes> {
    ids.iter().map(|id| Bytes::copy_from_slice(id.as_bytes())).collect()
}

fn digest(nonce: u64, ids: &[PkiId]) -> Bytes {
    unsigned(Content::DataDig(DataDigest { nonce, digests: wire(ids), msg_type: TYPE }))
}

fn request(nonce: u64, ids: &[PkiId]) -> Bytes {
    unsigned(Content::DataReq(DataRequest { nonce, digests: wire(ids), msg_type: TYPE }))
}

fn update(nonce: u64, items: &[Bytes]) -> Bytes {
    let data = items.iter().map(|item| decode(item.clone()).unwrap()).collect();
    unsigned(Content::DataUpdate(DataUpdate { nonce, data, msg_type: TYPE }))
}

/// The item of an identity, signed by `signer`.
fn item(identity: &Bytes, pki_id: PkiId, signer: &[u8]) -> Bytes {
    let content = PeerIdentity {
        pki_id: Bytes::copy_from_slice(pki_id.as_bytes()),
        cert: identity.clone(),
        metadata: Bytes::new(),
    };
    messages::signed(signer, &messages::message(Tag::Empty, Content::PeerIdentity(content)))
}

fn own_item(identity: &Bytes) -> Bytes {
    item(identity, crypto::pki_id(identity), identity)
}

/// A peer and a puppet of its organisation that it was told is alive.
fn pair(seed: u64) -> (Cluster, NodeId, NodeId, ConnectionId) {
    let mut cluster = Cluster::new(seed);
    let node = cluster.add("a0", "Org1MSP");
    cluster.start(node);
    let puppet = cluster.puppet("p", "Org1MSP");
    let connection = cluster.puppet_connect(puppet, node);
    let alive = messages::Alive::new(&cluster.identity(puppet), 1).with_identity();
    cluster.puppet_send(puppet, connection, alive.seal());
    cluster.run_for(ms(5));
    (cluster, node, puppet, connection)
}

fn hellos(cluster: &mut Cluster, puppet: NodeId) -> Vec<u64> {
    let views = got(cluster, puppet, ContentKind::Hello);
    views.iter().filter(|view| view.channel().is_empty()).map(|view| view.pull().unwrap().nonce).collect()
}

/// Waits for the peer's next hello to the puppet.
fn next_nonce(cluster: &mut Cluster, puppet: NodeId) -> u64 {
    for _ in 0..200 {
        if let Some(nonce) = hellos(cluster, puppet).pop() {
            return nonce;
        }
        cluster.run_for(ms(100));
    }
    panic!("no hello");
}

fn requested(cluster: &mut Cluster, puppet: NodeId) -> Vec<PkiId> {
    let views = got(cluster, puppet, ContentKind::DataReq);
    let ids = views.iter().flat_map(|view| view.content_as::<DataRequest>().unwrap().digests);
    ids.map(|id| PkiId::from_wire(&id).unwrap()).collect()
}

/// Has the peer pull these items from the puppet; what it asked for.
fn feed(
    cluster: &mut Cluster,
    puppet: NodeId,
    connection: ConnectionId,
    ids: &[PkiId],
    items: &[Bytes],
) -> Vec<PkiId> {
    let nonce = next_nonce(cluster, puppet);
    cluster.puppet_send(puppet, connection, digest(nonce, ids));
    cluster.run_for(ms(5));
    let asked = requested(cluster, puppet);
    cluster.puppet_send(puppet, connection, update(nonce, items));
    cluster.run_for(ms(5));
    asked
}

/// Identities that the peer offers to the puppet and hands out.
fn offered(cluster: &mut Cluster, puppet: NodeId, connection: ConnectionId) -> (Vec<PkiId>, Vec<Vec<Bytes>>) {
    cluster.take_inbox(puppet);
    cluster.puppet_send(puppet, connection, hello(99));
    cluster.run_for(ms(5));
    let digests = got(cluster, puppet, ContentKind::DataDig);
    let ids = digests.iter().flat_map(|view| view.content_as::<DataDigest>().unwrap().digests);
    let ids: Vec<PkiId> = ids.map(|id| PkiId::from_wire(&id).unwrap()).collect();
    cluster.puppet_send(puppet, connection, request(99, &ids));
    cluster.run_for(ms(5));
    let updates = got(cluster, puppet, ContentKind::DataUpdate);
    let items = |view: &EnvelopeView| view.elements().map(|item| item.unwrap().envelope).collect();
    (ids, updates.iter().map(items).collect())
}

#[test]
fn the_own_identity_is_signed_once_and_offered() {
    let (mut cluster, node, puppet, connection) = pair(1);
    let (ids, items) = offered(&mut cluster, puppet, connection);
    assert_eq!(ids, [cluster.pki_id(node)]);
    assert_eq!(items, [[own_item(&cluster.identity(node))]]);
}

#[test]
fn a_pulled_identity_is_known_and_passed_on_as_it_came() {
    let (mut cluster, node, puppet, connection) = pair(2);
    let identity = crypto::identity("Org1MSP", "third");
    let id = crypto::pki_id(&identity);
    let before = cluster.peer(node).identity_count();
    assert_eq!(feed(&mut cluster, puppet, connection, &[id], &[own_item(&identity)]), [id]);
    assert_eq!(cluster.peer(node).identity_count(), before + 1);
    let (ids, items) = offered(&mut cluster, puppet, connection);
    assert!(ids.contains(&id));
    assert!(items.concat().contains(&own_item(&identity)));
    assert_eq!(feed(&mut cluster, puppet, connection, &[id], &[]), [], "what is held is not asked for");
}

#[test]
fn w20_items_are_judged_one_by_one_and_bad_ones_not_asked_for_again() {
    let (mut cluster, node, puppet, connection) = pair(3);
    let identities: Vec<Bytes> = ["good", "unknown", "stolen", "expired", "mismatched"]
        .map(|name| crypto::identity("Org1MSP", name))
        .to_vec();
    let ids: Vec<PkiId> = identities.iter().map(|identity| crypto::pki_id(identity)).collect();
    cluster.revoke(&identities[1]);
    let past = cluster.wall();
    cluster.set_expiry(&identities[3], past);
    cluster.run_for(s(1));
    let items = [
        own_item(&identities[1]),
        item(&identities[2], ids[2], b"Org1MSP|thief"),
        own_item(&identities[3]),
        item(&identities[4], PkiId::new([9; 32]), &identities[4]),
        own_item(&identities[0]),
    ];
    let before = cluster.peer(node).identity_count();
    assert_eq!(feed(&mut cluster, puppet, connection, &ids, &items).len(), 5);
    assert_eq!(cluster.peer(node).identity_count(), before + 1);
    for reason in [
        Misbehaviour::IdentityInvalid.into(),
        Misbehaviour::SignatureInvalid.into(),
        Unfitting::IdentityExpired.into(),
        selvedge_core::Reject::from(Misbehaviour::IdentityMismatch),
    ] {
        assert!(refused(&cluster, node, ContentKind::PeerIdentity, reason), "{reason}");
    }
    assert_eq!(feed(&mut cluster, puppet, connection, &ids[1..4], &[]), []);
}

#[test]
fn w07_an_update_that_nobody_asked_for_is_not_taken() {
    let (mut cluster, node, puppet, connection) = pair(4);
    let identity = crypto::identity("Org1MSP", "third");
    let before = cluster.peer(node).identity_count();
    cluster.puppet_send(puppet, connection, update(5, &[own_item(&identity)]));
    cluster.run_for(ms(5));
    assert!(refused(&cluster, node, ContentKind::DataUpdate, Misbehaviour::Unsolicited));
    assert_eq!(cluster.peer(node).identity_count(), before);
}

#[test]
fn another_organisation_sees_who_shows_himself() {
    let mut cluster = Cluster::new(5);
    let nodes = ["a0", "a1", "a2"].map(|name| cluster.add(name, "Org1MSP"));
    let foreign = cluster.add("b0", "Org2MSP");
    cluster.config_mut(nodes[2]).external_endpoint = Endpoint::from("");
    cluster.bootstrap_with(&nodes[1..], nodes[0]);
    cluster.start_all();
    let all = [&nodes[..], &[foreign]].concat();
    all.iter().for_each(|node| cluster.join(*node, CHANNEL, 1, &nodes[..1]));
    cluster.run_for(s(30));
    let third = cluster.puppet("c", "Org3MSP");
    let from_third = cluster.puppet_connect(third, nodes[0]);
    let (ids, _) = offered(&mut cluster, third, from_third);
    let expected: Vec<PkiId> = [nodes[0], nodes[1]].map(|node| cluster.pki_id(node)).to_vec();
    assert_eq!(ids.iter().filter(|id| expected.contains(id)).count(), 2);
    assert_eq!(ids.len(), 2, "neither who hides nor who is of a third organisation");
    let own = cluster.puppet("d", "Org1MSP");
    let from_own = cluster.puppet_connect(own, nodes[0]);
    let (ids, items) = offered(&mut cluster, own, from_own);
    assert_eq!(ids.len(), 4);
    assert_eq!(items.len(), 2, "an update for each organisation");
}

#[test]
fn an_unknown_origin_is_asked_for_at_once() {
    let (mut cluster, node, puppet, connection) = pair(6);
    idle(&mut cluster, &[(puppet, connection)], s(60));
    hellos(&mut cluster, puppet);
    let identity = crypto::identity("Org1MSP", "third");
    let id = crypto::pki_id(&identity);
    cluster.puppet_send(puppet, connection, messages::Alive::new(&identity, 1).seal());
    cluster.run_for(ms(3));
    let nonce = hellos(&mut cluster, puppet).pop().unwrap();
    cluster.puppet_send(puppet, connection, digest(nonce, &[id]));
    cluster.puppet_send(puppet, connection, update(nonce, &[own_item(&identity)]));
    cluster.run_for(ms(5));
    let known = cluster.peer(node).members().any(|member| member.pki_id == id);
    assert!(known, "its alive message was kept meanwhile");
}

#[test]
fn w23_rounds_become_rarer_while_there_is_no_news() {
    let (mut cluster, _, puppet, connection) = pair(7);
    let mut alive = 1;
    let mut count = |cluster: &mut Cluster, rounds: u64| {
        for _ in 0..rounds {
            alive += 1;
            let alive = messages::Alive::new(&cluster.identity(puppet), alive);
            cluster.puppet_send(puppet, connection, alive.seal());
            cluster.run_for(s(4));
        }
        hellos(cluster, puppet).len()
    };
    let at_first = count(&mut cluster, 8);
    let later = count(&mut cluster, 20);
    assert!(at_first >= 4 && later <= 7, "{at_first} in 8 periods, {later} in 20");
}

#[test]
fn everybody_has_everybodys_item_in_the_end() {
    let mut cluster = Cluster::new(8);
    let nodes: Vec<NodeId> = (0..10).map(|index| cluster.add(&format!("a{index}"), "Org1MSP")).collect();
    cluster.bootstrap_with(&nodes[1..], nodes[0]);
    cluster.start_all();
    cluster.run_for(s(60));
    let puppet = cluster.puppet("p", "Org1MSP");
    for node in &nodes {
        let connection = cluster.puppet_connect(puppet, *node);
        let (ids, _) = offered(&mut cluster, puppet, connection);
        assert_eq!(ids.len(), 10, "{}", cluster.name(*node));
        cluster.puppet_close(puppet, connection);
        cluster.run_for(ms(5));
    }
}

#[test]
fn an_identity_that_expired_or_was_revoked_is_not_offered_any_more() {
    let (mut cluster, _, puppet, connection) = pair(9);
    let identities = ["mortal", "revoked", "other"].map(|name| crypto::identity("Org1MSP", name));
    let ids: Vec<PkiId> = identities.iter().map(|identity| crypto::pki_id(identity)).collect();
    let soon = cluster.wall() + s(30);
    cluster.set_expiry(&identities[0], soon);
    feed(&mut cluster, puppet, connection, &ids, &identities.clone().map(|identity| own_item(&identity)));
    let held = |cluster: &mut Cluster| {
        let (offered, _) = offered(cluster, puppet, connection);
        ids.iter().filter(|id| offered.contains(id)).copied().collect::<Vec<_>>()
    };
    assert_eq!(held(&mut cluster), ids);
    idle(&mut cluster, &[(puppet, connection)], s(31));
    assert_eq!(held(&mut cluster), ids[1..]);
    cluster.revoke(&identities[1]);
    let node = cluster.find("a0").unwrap();
    cluster.join(node, CHANNEL, 1, &[]);
    cluster.run_for(ms(10));
    assert_eq!(held(&mut cluster), ids[2..]);
}

#[test]
fn an_item_that_comes_twice_is_verified_once() {
    let (mut cluster, node, puppet, connection) = pair(21);
    cluster.set_crypto_delay(node, ms(20));
    let identity = crypto::identity("Org1MSP", "unknown");
    let nonce = next_nonce(&mut cluster, puppet);
    cluster.puppet_send(puppet, connection, digest(nonce, &[crypto::pki_id(&identity)]));
    cluster.run_for(ms(5));
    let before = cluster.peer(node).stats().verify_count;
    let forged = item(&identity, crypto::pki_id(&identity), b"Org1MSP|other");
    for item in [forged, own_item(&identity), own_item(&identity), own_item(&identity)] {
        cluster.puppet_send(puppet, connection, update(nonce, &[item]));
    }
    cluster.run_for(ms(100));
    assert_eq!(cluster.peer(node).stats().verify_count, before + 2, "the forged one and the true one");
    assert_eq!(cluster.peer(node).identity_count(), 3);
}
