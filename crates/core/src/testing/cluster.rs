//! The cluster: nodes, links, the queue of what is under way.

use super::node::{Ledger, Node, NodeId};
use super::{crypto, messages, trace};
use crate::config::Config;
use crate::ids::{ChannelId, ConnectionId, PkiId};
use crate::input::{Anchor, ChannelSettings, Command, Input, VerifiedBlock};
use crate::output::{CloseReason, Event, Output, Signed};
use crate::peer::Peer;
use crate::reject::Reject;
use crate::time::{Instant, WallTime};
use bytes::Bytes;
use core::time::Duration;
use selvedge_proto::envelope::ContentKind;
use std::collections::{BTreeMap, BTreeSet};

/// Wall-clock time at the start of every cluster.
const EPOCH: WallTime = WallTime::from_seconds(1_700_000_000);
/// Steps in one call: a peer that never comes to rest is a fault, not a long test.
const STEPS_MAX: u64 = 20_000_000;

/// What a link between two nodes is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Shortest time a frame takes.
    pub latency_min: Duration,
    /// Longest time a frame takes.
    pub latency_max: Duration,
    /// Of a thousand frames, how many break the connection they travel on.
    pub breaks_per_mille: u32,
    /// Of a thousand dials, how many fail.
    pub dial_failures_per_mille: u32,
}

impl Default for Link {
    fn default() -> Self {
        Self {
            latency_min: Duration::from_millis(1),
            latency_max: Duration::from_millis(1),
            breaks_per_mille: 0,
            dial_failures_per_mille: 0,
        }
    }
}

#[derive(Debug)]
pub(super) enum What {
    Input(Input),
    /// A connection reaches the node that was dialled.
    Open {
        from: NodeId,
        connection: ConnectionId,
        life: u64,
    },
    /// The first of the blocks that a node is committing is durable.
    Durable,
}

#[derive(Debug)]
pub(super) struct UnderWay {
    pub(super) to: NodeId,
    pub(super) life: u64,
    pub(super) what: What,
}

/// See the module.
#[derive(Debug)]
pub struct Cluster {
    pub(super) nodes: Vec<Node>,
    pub(super) now: Instant,
    seed: u64,
    pub(super) rng: fastrand::Rng,
    queue: BTreeMap<(Instant, u64), UnderWay>,
    queued_count: u64,
    pub(super) link: Link,
    pub(super) links: BTreeMap<(NodeId, NodeId), Link>,
    pub(super) blocked: BTreeSet<(NodeId, NodeId)>,
    pub(super) revoked: BTreeSet<Bytes>,
    pub(super) expiry: BTreeMap<Bytes, WallTime>,
    pub(super) not_readers: BTreeSet<Bytes>,
    pub(super) refused_blocks: BTreeSet<Bytes>,
    pub(super) unfit_blocks: BTreeSet<Bytes>,
    pub(super) needed_blocks: BTreeMap<Bytes, Bytes>,
    pub(super) config_blocks: BTreeSet<Bytes>,
    names: BTreeMap<PkiId, String>,
    trace: Vec<String>,
    tracing: bool,
}

impl Cluster {
    /// A cluster without nodes. `seed` fixes latencies, failures and every choice of the peers.
    pub fn new(seed: u64) -> Self {
        Self {
            nodes: Vec::new(),
            now: Instant::from_nanos(0),
            seed,
            rng: fastrand::Rng::with_seed(seed),
            queue: BTreeMap::new(),
            queued_count: 0,
            link: Link::default(),
            links: BTreeMap::new(),
            blocked: BTreeSet::new(),
            revoked: BTreeSet::new(),
            expiry: BTreeMap::new(),
            not_readers: BTreeSet::new(),
            refused_blocks: BTreeSet::new(),
            unfit_blocks: BTreeSet::new(),
            needed_blocks: BTreeMap::new(),
            config_blocks: BTreeSet::new(),
            names: BTreeMap::new(),
            trace: Vec::new(),
            tracing: false,
        }
    }

    // ---- nodes

    /// Adds a node that does not run yet, with endpoints `<name>.internal:7051` and, for everybody, `<name>:7051`.
    ///
    /// # Panics
    ///
    /// If the name is taken.
    pub fn add(&mut self, name: &str, org: &str) -> NodeId {
        assert!(self.find(name).is_none(), "there is a node {name} already");
        let node = Node::new(name, org);
        self.names.insert(node.pki_id, name.to_owned());
        self.nodes.push(node);
        NodeId(self.nodes.len() - 1)
    }

    /// The node with this name.
    pub fn find(&self, name: &str) -> Option<NodeId> {
        self.nodes.iter().position(|node| node.name == name).map(NodeId)
    }

    /// All nodes.
    pub fn ids(&self) -> impl Iterator<Item = NodeId> + use<> {
        (0..self.nodes.len()).map(NodeId)
    }

    /// The settings a node is started with.
    pub fn config_mut(&mut self, node: NodeId) -> &mut Config {
        &mut self.nodes[node.0].config
    }

    /// Makes nodes contact each other through `bootstrap` when they start.
    pub fn bootstrap_with(&mut self, nodes: &[NodeId], bootstrap: NodeId) {
        let endpoint = self.nodes[bootstrap.0].config.endpoint.clone();
        for node in nodes {
            self.nodes[node.0].config.bootstrap.push(endpoint.clone());
        }
    }

    /// Starts a node, as a new incarnation if it ran before. Its ledgers are as they were.
    ///
    /// # Panics
    ///
    /// If it runs.
    pub fn start(&mut self, node: NodeId) {
        self.start_as(node, self.wall().as_nanos());
    }

    /// As [`start`](Self::start), with a given incarnation number.
    ///
    /// # Panics
    ///
    /// If it runs.
    pub fn start_as(&mut self, node: NodeId, incarnation: u64) {
        let wall = self.wall();
        let now = self.now;
        let expires_at = self.expiry_of(&self.nodes[node.0].identity);
        let it = &mut self.nodes[node.0];
        assert!(!it.running, "{} runs already", it.name);
        it.running = true;
        it.life += 1;
        let seed = self.seed ^ (node.0 as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ it.life << 32;
        let local = it.local(incarnation, expires_at);
        it.peer = Some(Peer::new(it.config.clone(), local, seed, now, wall));
        self.note(node, "starts");
        self.drain(node);
    }

    /// Starts every node that does not run.
    pub fn start_all(&mut self) {
        for node in self.ids() {
            if !self.nodes[node.0].running {
                self.start(node);
            }
        }
    }

    /// Ends a node. Its connections end as those of a killed process do.
    pub fn stop(&mut self, node: NodeId) {
        for connection in self.connections_of(node) {
            self.hang_up(node, connection, "connection reset");
        }
        self.vanish(node);
    }

    /// Ends a node without anybody being told, as a pulled cable does.
    pub fn vanish(&mut self, node: NodeId) {
        self.note(node, "stops");
        let it = &mut self.nodes[node.0];
        it.running = false;
        it.peer = None;
        it.life += 1;
        it.connections.clear();
        it.committing.clear();
        it.holding.clear();
    }

    /// The peer of a running node.
    ///
    /// # Panics
    ///
    /// If the node does not run or is a puppet.
    pub fn peer(&self, node: NodeId) -> &Peer {
        self.nodes[node.0].peer.as_ref().expect("a peer that runs")
    }

    /// Does something with the peer of a running node, and carries out what it orders.
    #[cfg(test)]
    pub(crate) fn with_peer<T>(&mut self, node: NodeId, act: impl FnOnce(&mut Peer) -> T) -> T {
        let result = act(self.nodes[node.0].peer.as_mut().expect("a peer that runs"));
        self.drain(node);
        result
    }

    /// Whether a node runs.
    pub fn runs(&self, node: NodeId) -> bool {
        self.nodes[node.0].running
    }

    /// A node's name.
    pub fn name(&self, node: NodeId) -> &str {
        &self.nodes[node.0].name
    }

    /// A node's PKI-ID.
    pub fn pki_id(&self, node: NodeId) -> PkiId {
        self.nodes[node.0].pki_id
    }

    /// A node's serialised identity.
    pub fn identity(&self, node: NodeId) -> Bytes {
        self.nodes[node.0].identity.clone()
    }

    /// The name of the node with this PKI-ID, else its first digits.
    pub fn name_of(&self, pki_id: &PkiId) -> String {
        self.names.get(pki_id).cloned().unwrap_or_else(|| format!("{pki_id:?}"))
    }

    /// What a node's peer reported, from its first start on.
    pub fn events(&self, node: NodeId) -> &[Event] {
        &self.nodes[node.0].events
    }

    /// What a node refused, of what kind and why, from its first start on; not what it knew already.
    pub fn rejections(&self, node: NodeId) -> Vec<(ContentKind, Reject)> {
        let rejection = |event: &Event| match event {
            Event::Rejected { kind, reason, .. } => Some((*kind, *reason)),
            _ => None,
        };
        self.events(node).iter().filter_map(rejection).collect()
    }

    /// Which connections a node closed, and why.
    pub fn closes(&self, node: NodeId) -> &[(ConnectionId, CloseReason)] {
        &self.nodes[node.0].closes
    }

    /// The connections a node holds, dialled ones first. Some may not be authenticated.
    pub fn connections_of(&self, node: NodeId) -> Vec<ConnectionId> {
        self.nodes[node.0].connections.keys().copied().collect()
    }

    /// The connections a node holds to another one.
    pub fn connections_between(&self, node: NodeId, other: NodeId) -> Vec<ConnectionId> {
        let ends = &self.nodes[node.0].connections;
        ends.iter().filter(|(_, end)| end.node == other).map(|(id, _)| *id).collect()
    }

    // ---- channels and blocks

    /// Puts a channel with block 0 into a node's ledger, if it is not there, and joins it. `anchors` are external endpoints
    /// of nodes; the organisations are those of all nodes.
    pub fn join(&mut self, node: NodeId, channel: &str, sequence: u64, anchors: &[NodeId]) {
        let id = ChannelId::from(channel);
        let ledger = self.nodes[node.0].ledgers.entry(id.clone()).or_default();
        if ledger.blocks.is_empty() {
            ledger.blocks.push(messages::block(0, 100));
        }
        let height = ledger.height();
        let anchor = |node: &NodeId| {
            let node = &self.nodes[node.0];
            Anchor { org: node.org.clone(), endpoint: node.config.external_endpoint.clone() }
        };
        let anchors = anchors.iter().map(anchor).collect();
        let orgs: BTreeSet<_> = self.nodes.iter().map(|node| node.org.clone()).collect();
        let settings =
            ChannelSettings { channel: id, sequence, orgs: orgs.into_iter().collect(), anchors, height };
        self.nodes[node.0].settings.insert(settings.channel.clone(), settings.clone());
        self.command(node, Command::ConfigureChannel(settings));
    }

    /// Gives a node's peer an order.
    pub fn command(&mut self, node: NodeId, command: Command) {
        self.deliver(node, Input::Command(command));
    }

    /// A node receives a block from its orderer.
    pub fn deliver_block(&mut self, node: NodeId, channel: &str, number: u64, block: Bytes) {
        self.deliver(node, Input::BlockDelivered { channel: ChannelId::from(channel), number, block });
    }

    /// Appends blocks of 1,000 bytes to the ledger of a node that does not run, until it has this many.
    pub fn fill_ledger(&mut self, node: NodeId, channel: &str, height: u64) {
        let ledger = self.nodes[node.0].ledgers.entry(ChannelId::from(channel)).or_default();
        while ledger.height() < height {
            ledger.blocks.push(messages::block(ledger.height(), 1000));
        }
    }

    /// A node's ledger of a channel.
    pub fn ledger(&self, node: NodeId, channel: &str) -> Option<&Ledger> {
        self.nodes[node.0].ledgers.get(&ChannelId::from(channel))
    }

    /// Number of blocks in a node's ledger.
    pub fn height(&self, node: NodeId, channel: &str) -> u64 {
        self.ledger(node, channel).map_or(0, Ledger::height)
    }

    /// Whether a node holds back its orderer in a channel.
    pub fn holds_delivery(&self, node: NodeId, channel: &str) -> bool {
        self.nodes[node.0].holding.get(&ChannelId::from(channel)).copied().unwrap_or_default()
    }

    // ---- time

    /// The present, on the cluster's clock; zero at first.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// The present on the wall clock.
    pub fn wall(&self) -> WallTime {
        EPOCH + self.now.since(Instant::from_nanos(0))
    }

    /// When the next thing happens; `None` if nothing ever will.
    pub fn next_event(&self) -> Option<Instant> {
        let queued = self.queue.keys().next().map(|(at, _)| *at);
        [queued, self.next_deadline().map(|(at, _)| at)].into_iter().flatten().min()
    }

    fn next_deadline(&self) -> Option<(Instant, NodeId)> {
        let deadline = |(index, node): (usize, &Node)| {
            let at = node.peer.as_ref()?.next_deadline()?;
            Some((at.max(self.now), NodeId(index)))
        };
        self.nodes.iter().enumerate().filter_map(deadline).min()
    }

    /// Lets the next thing happen; `false` if nothing ever will.
    pub fn step(&mut self) -> bool {
        let deadline = self.next_deadline();
        match (self.queue.keys().next().copied(), deadline) {
            (Some(key), deadline) if deadline.is_none_or(|(at, _)| key.0 <= at) => {
                self.now = self.now.max(key.0);
                if let Some(under_way) = self.queue.remove(&key) {
                    self.arrive(under_way);
                }
                true
            }
            (_, Some((at, node))) => {
                self.now = self.now.max(at);
                self.deliver(node, Input::Deadline);
                true
            }
            _ => false,
        }
    }

    /// Lets everything happen that does within `duration`.
    pub fn run_for(&mut self, duration: Duration) {
        let end = self.now + duration;
        self.run(end, |_| false);
        self.now = end;
    }

    /// Runs until `done`, at most for `bound`; whether it was done.
    pub fn run_until(&mut self, bound: Duration, done: impl Fn(&Self) -> bool) -> bool {
        let end = self.now + bound;
        self.run(end, &done);
        done(self)
    }

    fn run(&mut self, end: Instant, done: impl Fn(&Self) -> bool) {
        for _ in 0..STEPS_MAX {
            if done(self) || self.next_event().is_none_or(|at| at > end) {
                return;
            }
            self.step();
        }
        panic!("no rest after {STEPS_MAX} steps");
    }

    // ---- the trace

    /// Whether inputs and outputs are written down; not at first.
    pub fn set_tracing(&mut self, tracing: bool) {
        self.tracing = tracing;
    }

    /// What was written down since the last call.
    pub fn take_trace(&mut self) -> Vec<String> {
        core::mem::take(&mut self.trace)
    }

    /// Writes a line of the test's own into the trace.
    pub fn note(&mut self, node: NodeId, text: &str) {
        if self.tracing {
            self.trace.push(format!("{:?} {} {text}", self.now, self.nodes[node.0].name));
        }
    }

    // ---- inside

    fn arrive(&mut self, under_way: UnderWay) {
        let UnderWay { to, life, what } = under_way;
        match what {
            What::Open { from, connection, life: from_life } => {
                self.open(from, connection, from_life, to, life);
            }
            What::Input(input) => {
                if self.nodes[to.0].life == life {
                    self.deliver(to, input);
                }
            }
            What::Durable => {
                if self.nodes[to.0].life == life {
                    self.make_durable(to);
                }
            }
        }
    }

    /// Hands an input to a node now.
    pub(super) fn deliver(&mut self, node: NodeId, input: Input) {
        let now = self.now;
        let it = &mut self.nodes[node.0];
        match &input {
            Input::Frame { connection, .. } if !it.connections.contains_key(connection) => return,
            Input::Closed { connection, .. } | Input::DialFailed { connection, .. }
                if it.connections.remove(connection).is_none() =>
            {
                return;
            }
            _ => {}
        }
        if self.tracing && input != Input::Deadline {
            let text = trace::input(&input, &self.names);
            self.note(node, &format!("< {text}"));
        }
        let it = &mut self.nodes[node.0];
        if it.is_puppet {
            return self.puppet_got(node, input);
        }
        let Some(peer) = &mut it.peer else { return };
        peer.handle(now, input);
        self.drain(node);
        let deadline = self.nodes[node.0].peer.as_ref().and_then(Peer::next_deadline);
        assert!(deadline.is_none_or(|at| at > now), "a deadline that is past after handle()");
    }

    fn drain(&mut self, node: NodeId) {
        while let Some(output) = self.nodes[node.0].peer.as_mut().and_then(Peer::poll_output) {
            if self.tracing {
                let text = trace::output(&output, &self.names);
                self.note(node, &format!("> {text}"));
            }
            self.perform(node, output);
        }
    }

    fn perform(&mut self, node: NodeId, output: Output) {
        match output {
            Output::Dial { connection, endpoint } => self.dial(node, connection, &endpoint),
            Output::Send { connection, envelope, priority: _ } => {
                self.send(node, connection, envelope);
            }
            Output::Close { connection, reason } => {
                self.nodes[node.0].closes.push((connection, reason));
                self.hang_up(node, connection, &format!("{reason:?}"));
                self.nodes[node.0].connections.remove(&connection);
            }
            Output::Sign { ticket, message } => {
                let it = &self.nodes[node.0];
                let signature = (!it.signer_fails).then(|| crypto::sign(&it.identity, &message));
                self.answer(node, Input::Signed { ticket, signature });
            }
            Output::Verify { ticket, identity, signed, secret, readers_of } => {
                let holds = |signed: &Signed| crypto::holds(&identity, &signed.message, &signed.signature);
                let is_reader = readers_of.is_none() || !self.not_readers.contains(&identity);
                let may = is_reader && !self.revoked.contains(&identity);
                let ok = may && holds(&signed) && secret.as_ref().is_none_or(holds);
                self.answer(node, Input::Verified { ticket, ok });
            }
            Output::CheckIdentity { ticket, identity } => {
                let valid = !self.revoked.contains(&identity);
                let claims = crypto::claims(&identity, self.expiry_of(&identity)).filter(|_| valid);
                self.answer(node, Input::IdentityChecked { ticket, claims });
            }
            Output::VerifyBlock { ticket, channel: _, number, block } => {
                let fits = messages::block_number(&block) == Some(number) && self.is_in_force(node, &block);
                let is_config = self.config_blocks.contains(&block);
                let block =
                    (fits && !self.refused_blocks.contains(&block)).then_some(VerifiedBlock { is_config });
                self.answer(node, Input::BlockVerified { ticket, block });
            }
            Output::ReadBlocks { ticket, channel, first, last, bytes_max } => {
                let ledger = self.nodes[node.0].ledgers.get(&channel);
                let blocks = ledger.map(|ledger| ledger.read(first, last, bytes_max)).unwrap_or_default();
                self.answer(node, Input::BlocksRead { ticket, blocks });
            }
            Output::Commit { channel, number, block } => self.commit(node, channel, number, block),
            Output::Mend { channel, number, block } => {
                let ok = !self.unfit_blocks.contains(&block);
                if ok {
                    self.put_back(node, &channel, number, block);
                }
                self.answer(node, Input::Mended { channel, number, ok });
            }
            Output::HoldDelivery { channel, hold } => {
                self.nodes[node.0].holding.insert(channel, hold);
            }
            Output::Event(event) => self.nodes[node.0].events.push(event),
        }
    }

    fn answer(&mut self, node: NodeId, input: Input) {
        let at = self.now + self.nodes[node.0].crypto_delay;
        self.queue_input(at, node, input);
    }

    pub(super) fn queue_input(&mut self, at: Instant, to: NodeId, input: Input) {
        let life = self.nodes[to.0].life;
        self.queue(at, UnderWay { to, life, what: What::Input(input) });
    }

    pub(super) fn queue(&mut self, at: Instant, under_way: UnderWay) {
        self.queued_count += 1;
        self.queue.insert((at, self.queued_count), under_way);
    }

    fn expiry_of(&self, identity: &Bytes) -> WallTime {
        self.expiry.get(identity).copied().unwrap_or(crypto::NEVER)
    }
}
