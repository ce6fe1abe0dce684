//! Verdicts on blocks of a channel that was left meanwhile.

use bytes::Bytes;
use selvedge_core::testing::crypto::{self, NEVER};
use selvedge_core::testing::messages;
use selvedge_core::{
    ChannelId, ChannelSettings, Command, Config, Input, Instant, LocalPeer, MspId, Output, Peer, Ticket,
    VerifiedBlock, WallTime,
};

fn peer() -> Peer {
    let identity = crypto::identity("Org1MSP", "me");
    let me = LocalPeer {
        pki_id: crypto::pki_id(&identity),
        org: MspId::from("Org1MSP"),
        identity,
        expires_at: NEVER,
        incarnation: 1,
    };
    Peer::new(Config::default(), me, 1, Instant::default(), WallTime::from_seconds(1_795_000_000))
}

fn channel() -> ChannelId {
    ChannelId::from("mychannel")
}

/// What is ordered after an input.
fn handle(peer: &mut Peer, input: Input) -> Vec<Output> {
    peer.handle(Instant::default(), input);
    std::iter::from_fn(|| peer.poll_output()).collect()
}

fn join(peer: &mut Peer) {
    let settings = ChannelSettings {
        channel: channel(),
        sequence: 1,
        orgs: vec![MspId::from("Org1MSP")],
        anchors: Vec::new(),
        height: 5,
    };
    handle(peer, Input::Command(Command::ConfigureChannel(settings)));
}

fn leave(peer: &mut Peer) {
    handle(peer, Input::Command(Command::LeaveChannel(channel())));
}

/// An orderer delivers block 5; the ticket of its verification.
fn deliver(peer: &mut Peer, block: Bytes) -> Option<Ticket> {
    let ordered = handle(peer, Input::BlockDelivered { channel: channel(), number: 5, block });
    ordered.into_iter().find_map(|output| match output {
        Output::VerifyBlock { ticket, .. } => Some(ticket),
        _ => None,
    })
}

/// The blocks that are written after a good verdict.
fn committed_after(peer: &mut Peer, ticket: Option<Ticket>) -> Vec<Bytes> {
    let Some(ticket) = ticket else { panic!("nothing was to be verified") };
    let block = Some(VerifiedBlock { is_config: false });
    let ordered = handle(peer, Input::BlockVerified { ticket, block });
    ordered
        .into_iter()
        .filter_map(|output| match output {
            Output::Commit { block, .. } => Some(block),
            _ => None,
        })
        .collect()
}

#[test]
fn what_was_left_is_not_committed() {
    let mut peer = peer();
    join(&mut peer);
    let ticket = deliver(&mut peer, messages::block(5, 10));
    leave(&mut peer);
    assert!(committed_after(&mut peer, ticket).is_empty());
}

#[test]
fn a_verdict_from_before_is_not_taken_for_one_on_another_block() {
    let mut peer = peer();
    join(&mut peer);
    let before = deliver(&mut peer, messages::block(5, 10));
    leave(&mut peer);
    join(&mut peer);
    let unverified = messages::block(5, 20);
    let after = deliver(&mut peer, unverified.clone());
    assert!(committed_after(&mut peer, before).is_empty());
    assert_eq!(committed_after(&mut peer, after), [unverified]);
}
