//! Networks for the tests of channels.

use bytes::Bytes;
use core::time::Duration;
use selvedge_core::testing::{Cluster, NodeId, messages};
use selvedge_core::{BlockSource, ChannelId, ConnectionId, Event, Reject};
use selvedge_proto::decode;
use selvedge_proto::envelope::{ContentKind, EnvelopeView};
use selvedge_proto::gossip::gossip_message::{Content, Tag};
use selvedge_proto::gossip::{
    DataDigest, DataMessage, DataRequest, DataUpdate, GossipHello, GossipMessage, Payload, PeerTime,
    Properties, PullMsgType, RemoteStateRequest, RemoteStateResponse, StateInfo,
};

/// The channel of all tests.
pub(crate) const CHANNEL: &str = "mychannel";

/// Milliseconds.
pub(crate) const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// Seconds.
pub(crate) const fn s(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// `CHANNEL`, as the core has it.
pub(crate) fn channel() -> ChannelId {
    ChannelId::from(CHANNEL)
}

/// Peers `a0`, `a1`... of Org1MSP and `b0`... of Org2MSP, which all contact the first of their organisation; `b0` knows `a0`
/// as an anchor. Nothing runs yet.
pub(crate) fn network(seed: u64, org1_count: usize, org2_count: usize) -> (Cluster, Vec<NodeId>) {
    let mut cluster = Cluster::new(seed);
    let mut nodes = Vec::new();
    for (letter, org, count) in [("a", "Org1MSP", org1_count), ("b", "Org2MSP", org2_count)] {
        let of_org: Vec<NodeId> =
            (0..count).map(|index| cluster.add(&format!("{letter}{index}"), org)).collect();
        if let Some((first, others)) = of_org.split_first() {
            cluster.bootstrap_with(others, *first);
        }
        nodes.extend(of_org);
    }
    (cluster, nodes)
}

/// Starts these nodes, joins the channel and waits until each knows the state of all.
pub(crate) fn settle(cluster: &mut Cluster, nodes: &[NodeId]) {
    let anchors = [nodes[0]];
    for node in nodes {
        if !cluster.runs(*node) {
            cluster.start(*node);
        }
        cluster.join(*node, CHANNEL, 1, &anchors);
    }
    // who is alone says nothing
    let all = if nodes.len() == 1 { 0 } else { nodes.len() };
    let known = |cluster: &Cluster, node: &NodeId| {
        cluster.peer(*node).channel(&channel()).map_or(0, |view| view.members.len())
    };
    let settled = cluster.run_until(s(120), |cluster| nodes.iter().all(|node| known(cluster, node) == all));
    assert!(settled, "{:?}", nodes.iter().map(|node| known(cluster, node)).collect::<Vec<_>>());
}

/// A running network of one organisation.
pub(crate) fn org(seed: u64, count: usize) -> (Cluster, Vec<NodeId>) {
    let (mut cluster, nodes) = network(seed, count, 0);
    settle(&mut cluster, &nodes);
    (cluster, nodes)
}

/// Block `number` as every test has it.
pub(crate) fn block(number: u64) -> Bytes {
    messages::block(number, 1000)
}

/// The orderer of a node brings blocks `first` up to, but without, `end`.
pub(crate) fn deliver(cluster: &mut Cluster, node: NodeId, first: u64, end: u64) {
    for number in first..end {
        cluster.deliver_block(node, CHANNEL, number, block(number));
    }
}

/// Heights of all nodes.
pub(crate) fn heights(cluster: &Cluster, nodes: &[NodeId]) -> Vec<u64> {
    nodes.iter().map(|node| cluster.height(*node, CHANNEL)).collect()
}

/// Whether two nodes have the same blocks, not counting the first.
pub(crate) fn same_ledgers(cluster: &Cluster, a: NodeId, b: NodeId) -> bool {
    let blocks = |node| cluster.ledger(node, CHANNEL).map(|ledger| &ledger.blocks[1..]);
    blocks(a) == blocks(b)
}

/// Runs until all nodes have this height.
pub(crate) fn reach(cluster: &mut Cluster, nodes: &[NodeId], height: u64, bound: Duration) {
    let all = |cluster: &Cluster| nodes.iter().all(|node| cluster.height(*node, CHANNEL) == height);
    assert!(cluster.run_until(bound, all), "{:?}", heights(cluster, nodes));
}

/// How many blocks a node took from each source.
pub(crate) fn taken(cluster: &Cluster, node: NodeId, source: BlockSource) -> usize {
    let is = |event: &&Event| matches!(event, Event::BlockAccepted { source: of, .. } if *of == source);
    cluster.events(node).iter().filter(is).count()
}

// ---- puppets

/// A puppet that is a living member of the organisation and the channel, connected to `target`; and that connection.
pub(crate) fn member_puppet(
    cluster: &mut Cluster,
    name: &str,
    org: &str,
    target: NodeId,
    height: u64,
) -> (NodeId, ConnectionId) {
    let puppet = cluster.puppet(name, org);
    let connection = cluster.puppet_connect(puppet, target);
    let alive = messages::Alive::new(&cluster.identity(puppet), 1).with_identity();
    cluster.puppet_send(puppet, connection, alive.seal());
    cluster.run_for(ms(10));
    cluster.puppet_send(puppet, connection, state_info(cluster, puppet, 1, height, false));
    cluster.run_for(ms(10));
    (puppet, connection)
}

/// Lets time pass in which puppets go on saying that they are alive.
pub(crate) fn idle(cluster: &mut Cluster, puppets: &[(NodeId, ConnectionId)], duration: Duration) {
    let end = cluster.now() + duration;
    while cluster.now() < end {
        for (puppet, connection) in puppets {
            let alive = messages::Alive::new(&cluster.identity(*puppet), cluster.now().as_nanos().max(2));
            cluster.puppet_send(*puppet, *connection, alive.seal());
        }
        cluster.run_for(s(4).min(end.since(cluster.now())));
    }
}

/// A StateInfo of a node, as it would sign it.
pub(crate) fn state_info(cluster: &Cluster, node: NodeId, sequence: u64, height: u64, left: bool) -> Bytes {
    messages::signed(&cluster.identity(node), &state_info_message(cluster, node, sequence, height, left))
}

/// The message in [`state_info`], to be changed before it is signed.
pub(crate) fn state_info_message(
    cluster: &Cluster,
    node: NodeId,
    sequence: u64,
    height: u64,
    left: bool,
) -> GossipMessage {
    let pki_id = cluster.pki_id(node);
    let content = StateInfo {
        timestamp: Some(PeerTime { inc_num: 1, seq_num: sequence }),
        pki_id: Bytes::copy_from_slice(pki_id.as_bytes()),
        channel_mac: Bytes::copy_from_slice(&messages::channel_mac(&pki_id, CHANNEL)),
        properties: Some(Properties { ledger_height: height, left_channel: left, chaincodes: Vec::new() }),
    };
    messages::message(Tag::ChanOrOrg, Content::StateInfo(content))
}

/// A message of the channel.
pub(crate) fn in_channel(tag: Tag, nonce: u64, content: Content) -> Bytes {
    let message = messages::message(tag, content);
    messages::unsigned(&GossipMessage { nonce, channel: Bytes::from_static(CHANNEL.as_bytes()), ..message })
}

/// A pushed block.
pub(crate) fn data_msg(number: u64, block: &Bytes, private_data: &[&'static [u8]]) -> Bytes {
    let private_data = private_data.iter().map(|item| Bytes::from_static(item)).collect();
    let payload = Payload { seq_num: number, data: block.clone(), private_data };
    in_channel(Tag::ChanAndOrg, 0, Content::DataMsg(DataMessage { payload: Some(payload) }))
}

/// A state response with these blocks.
pub(crate) fn state_response(nonce: u64, blocks: &[(u64, Bytes)]) -> Bytes {
    let payload = |(number, block): &(u64, Bytes)| Payload {
        seq_num: *number,
        data: block.clone(),
        private_data: Vec::new(),
    };
    let content = RemoteStateResponse { payloads: blocks.iter().map(payload).collect() };
    in_channel(Tag::ChanOrOrg, nonce, Content::StateResponse(content))
}

/// A state request.
pub(crate) fn state_request(nonce: u64, first: u64, last: u64) -> Bytes {
    let content = RemoteStateRequest { start_seq_num: first, end_seq_num: last };
    in_channel(Tag::ChanOrOrg, nonce, Content::StateRequest(content))
}

/// The hello, digest or request of a block pull; no numbers for a hello.
pub(crate) fn pull(kind: ContentKind, nonce: u64, numbers: &[&str]) -> Bytes {
    let msg_type = PullMsgType::BlockMsg as i32;
    let digests = numbers.iter().map(|number| Bytes::copy_from_slice(number.as_bytes())).collect();
    let content = match kind {
        ContentKind::Hello => Content::Hello(GossipHello { nonce, metadata: Bytes::new(), msg_type }),
        ContentKind::DataDig => Content::DataDig(DataDigest { nonce, digests, msg_type }),
        _ => Content::DataReq(DataRequest { nonce, digests, msg_type }),
    };
    in_channel(Tag::ChanAndOrg, 0, content)
}

/// The update of a block pull.
pub(crate) fn update(nonce: u64, items: &[Bytes]) -> Bytes {
    let data = items.iter().map(|item| decode(item.clone()).unwrap()).collect();
    let content = DataUpdate { nonce, data, msg_type: PullMsgType::BlockMsg as i32 };
    in_channel(Tag::ChanAndOrg, 0, Content::DataUpdate(content))
}

/// What a puppet got of one kind since the last call; the rest is forgotten.
pub(crate) fn got(cluster: &mut Cluster, puppet: NodeId, kind: ContentKind) -> Vec<EnvelopeView> {
    let views = cluster.take_envelopes(puppet).into_iter().map(|(_, view)| view);
    views.filter(|view| view.kind() == kind).collect()
}

/// State requests that a puppet got since the last call: nonce, first, last.
pub(crate) fn asked(cluster: &mut Cluster, puppet: NodeId) -> Vec<(u64, u64, u64)> {
    let range = |view: &EnvelopeView| {
        let content: RemoteStateRequest = view.content_as().unwrap();
        (view.nonce(), content.start_seq_num, content.end_seq_num)
    };
    got(cluster, puppet, ContentKind::StateRequest).iter().map(range).collect()
}

/// Hello nonces that a puppet got since the last call.
pub(crate) fn greeted(cluster: &mut Cluster, puppet: NodeId) -> Vec<u64> {
    let views = got(cluster, puppet, ContentKind::Hello);
    let of_channel = views.iter().filter(|view| !view.channel().is_empty());
    of_channel.map(|view| view.pull().unwrap().nonce).collect()
}

/// Whether a node refused a message of this kind for this reason.
pub(crate) fn refused(cluster: &Cluster, node: NodeId, kind: ContentKind, reason: impl Into<Reject>) -> bool {
    cluster.rejections(node).contains(&(kind, reason.into()))
}
