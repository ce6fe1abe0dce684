//! What clients may broadcast, and what becomes of it.

use crate::generated::orderer::atomic_broadcast_client::AtomicBroadcastClient;
use crate::ordering::testing::{CHANNEL, Ordered, dialer};
use crate::ordering::{Creator, Cutter, Load, OrderingError, config_update, sealed_envelope};
use bytes::Bytes;
use prost::Message as _;
use selvedge_proto::common::{self, ConfigGroup, Envelope, HeaderType, Status};
use selvedge_proto::{block, peer};
use std::time::Duration;
use tokio_stream::StreamExt as _;

fn transaction(creator: &Creator) -> Envelope {
    sealed_envelope(HeaderType::EndorserTransaction, CHANNEL, Bytes::from_static(b"transaction"), creator)
        .unwrap()
}

/// The configuration with another anchor peer of the first organisation.
fn with_anchor(ordered: &Ordered, port: i32) -> ConfigGroup {
    let mut root = ordered.source.bundle().config().channel_group.clone().unwrap();
    let organization = root.groups.get_mut("Application").unwrap().groups.get_mut("Org1MSP").unwrap();
    let value = organization.values.get_mut("AnchorPeers").unwrap();
    let mut anchors = selvedge_proto::decode::<peer::AnchorPeers>(value.value.clone()).unwrap();
    anchors.anchor_peers.push(peer::AnchorPeer { host: "127.0.0.1".to_owned(), port });
    value.value = anchors.encode_to_vec().into();
    root
}

fn update(ordered: &Ordered, wanted: &ConfigGroup, admins: &[Creator]) -> Envelope {
    config_update(CHANNEL, ordered.source.bundle().config(), wanted, admins).unwrap()
}

#[tokio::test]
async fn a_transaction_stands_in_the_next_block() {
    let ordered = Ordered::new();
    let server = ordered.serve().await;
    let tls = ordered.peer_tls().with_roots(&[ordered.orderer_root().to_vec().into()]).unwrap();
    let (address, limit) = (server.local_address().to_string(), Duration::from_secs(10));
    let connection = dialer().connect_with(Some(&tls), &address, limit, &mut |_| {}).await.unwrap();
    let sent = transaction(&ordered.client());
    let requests = tokio_stream::once(sent.clone());
    let mut responses =
        AtomicBroadcastClient::new(connection).broadcast(requests).await.unwrap().into_inner();
    assert_eq!(responses.next().await.unwrap().unwrap().status, i32::from(Status::Success));

    let mut cuts = ordered.source.cuts();
    let interval = Duration::from_secs(3600);
    let load = Load { interval, transactions_count: 1, block_bytes: 0, client: ordered.client(), seed: 1 };
    let cutter = Cutter::start(ordered.source.clone(), load);
    let cut = cuts.recv().await.unwrap();
    cutter.stop().await;
    assert_eq!(cut.transactions_count, 2);
    let made = ordered.source.block(cut.number).unwrap().unwrap();
    let made = selvedge_proto::decode::<common::Block>(made).unwrap();
    assert_eq!(made.data.unwrap().data[0], sent.encode_to_vec());
    server.stop().await;
}

#[test]
fn refusals_have_a_status() {
    let ordered = Ordered::new();
    let status = |envelope: &Envelope| ordered.source.submit(envelope).unwrap_err().0;
    assert_eq!(status(&transaction(&Ordered::new().client())), Status::Forbidden);
    // a peer is no writer
    assert_eq!(status(&transaction(&ordered.peer())), Status::Forbidden);
    let elsewhere =
        sealed_envelope(HeaderType::Message, "other", Bytes::from_static(b"x"), &ordered.client()).unwrap();
    assert_eq!(status(&elsewhere), Status::NotFound);
    let unparsable = Envelope { payload: Bytes::from_static(&[0xff]), signature: Bytes::from_static(b"x") };
    assert_eq!(status(&unparsable), Status::BadRequest);
    let config = sealed_envelope(HeaderType::Config, CHANNEL, Bytes::new(), &ordered.client()).unwrap();
    assert_eq!(status(&config), Status::BadRequest);
    ordered.source.set_available(false);
    assert_eq!(status(&transaction(&ordered.client())), Status::ServiceUnavailable);
}

#[test]
fn an_organisation_changes_its_anchor_peers() {
    let ordered = Ordered::new();
    ordered.cut();
    let before = ordered.source.bundle();
    let update = update(&ordered, &with_anchor(&ordered, 7052), &[ordered.admin(0)]);
    ordered.source.submit(&update).unwrap();

    let after = ordered.source.bundle();
    assert_eq!((before.sequence(), after.sequence()), (0, 1));
    assert_eq!(after.application_orgs()[0].anchor_peers.len(), 2);
    let made = ordered.source.block(2).unwrap().unwrap();
    let made = selvedge_proto::decode::<common::Block>(made).unwrap();
    before.verify_block(2, &made).unwrap();
    assert!(block::is_config_block(&made));
    assert_eq!(block::last_config_index(&made), Ok(2));
    let selvedge_msp::Followed::New(followed) = before.follow(&made).unwrap() else { panic!("not followed") };
    assert_eq!(followed.config(), after.config());

    let cut = ordered.cut();
    let next = ordered.source.block(cut.number).unwrap().unwrap();
    let next = selvedge_proto::decode::<common::Block>(next).unwrap();
    assert_eq!(block::last_config_index(&next), Ok(2));
    after.verify_block(3, &next).unwrap();
}

#[test]
fn a_new_organisation_needs_a_majority_of_admins() {
    let ordered = Ordered::new();
    let mut wanted = ordered.source.bundle().config().channel_group.clone().unwrap();
    let newcomer = crate::devnet::material::Network::generate(
        &crate::devnet::material::NetworkPlan::loopback("other", 3, 1, 1_795_300_000, || 7050),
    )
    .unwrap();
    let group =
        newcomer.config.channel_group.as_ref().unwrap().groups["Application"].groups["Org3MSP"].clone();
    wanted.groups.get_mut("Application").unwrap().groups.insert("Org3MSP".to_owned(), group);

    let (status, error) = ordered.source.submit(&update(&ordered, &wanted, &[ordered.admin(0)])).unwrap_err();
    assert_eq!(status, Status::BadRequest);
    assert!(matches!(error, OrderingError::Config(_)), "{error}");
    assert_eq!(ordered.source.height(), 1);

    let both = [ordered.admin(0), ordered.admin(1)];
    ordered.source.submit(&update(&ordered, &wanted, &both)).unwrap();
    let bundle = ordered.source.bundle();
    let members: Vec<_> = bundle.application_orgs().iter().map(|org| org.msp_id.as_str()).collect();
    assert_eq!(members, ["Org1MSP", "Org2MSP", "Org3MSP"]);
}

#[test]
fn an_update_of_an_old_configuration_is_refused() {
    let ordered = Ordered::new();
    let first = update(&ordered, &with_anchor(&ordered, 7052), &[ordered.admin(0)]);
    let second = update(&ordered, &with_anchor(&ordered, 7053), &[ordered.admin(0)]);
    ordered.source.submit(&first).unwrap();
    assert_eq!(ordered.source.submit(&second).unwrap_err().0, Status::BadRequest);
    assert_eq!(ordered.source.height(), 2);
}

#[test]
fn no_change_is_no_update() {
    let ordered = Ordered::new();
    let bundle = ordered.source.bundle();
    let same = bundle.config().channel_group.clone().unwrap();
    let update = config_update(CHANNEL, bundle.config(), &same, &[ordered.admin(0)]);
    assert!(matches!(update, Err(OrderingError::Update(_))));
}
