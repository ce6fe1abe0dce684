//! Hosts, the network between them, and the order in which everything happens.
//!
//! A host runs the very [`Peer`] that a node runs. Its processor, its disk, its clock and its connections are simulated:
//! work takes time on a core, a frame takes the latency of the link and the time its bytes need on the sender's card, a
//! written block is durable only after a sync. Nothing depends on the machine that the simulation runs on.

mod byzantine;
mod disk;
mod host;
mod inspection;
mod knowledge;
mod orderers;
mod perform;
mod processor;
mod queue;
mod task;
mod traffic;
mod trouble;
mod wires;

pub use disk::Disk;
pub use host::{HostId, HostSettings};

use crate::costs::Costs;
use crate::links::Links;
use crate::watch::Watch;
use bytes::Bytes;
use core::time::Duration;
use host::Host;
use inspection::Inspection;
use knowledge::Knowledge;
use processor::Processor;
use queue::Queue;
use selvedge_core::{
    ChannelId, ChannelSettings, Command, ConnectionId, Endpoint, Input, Instant, Peer, PkiId, Rules, Ticket,
    WallTime,
};
use selvedge_proto::envelope::Envelope;
use std::collections::{BTreeMap, BTreeSet};
use task::Task;
pub(crate) use wires::WireId;
use wires::{Side, Wires};

/// True time at the beginning of every simulation.
const EPOCH: WallTime = WallTime::from_seconds(1_700_000_000);

/// How often a second a process that has nothing to do is charged for it.
const IDLE_PER_SECOND: u32 = 20;

/// What happens at a moment.
#[derive(Debug)]
enum Happening {
    /// A host looks whether a deadline has come.
    Wake(HostId),
    /// A dial reaches the host that listens.
    Open(WireId),
    /// A frame arrives at one end of a connection.
    Frame { wire: WireId, side: Side, envelope: Envelope },
    /// A frame that waited for a core is read.
    Read { wire: WireId, side: Side, envelope: Envelope },
    /// One end of a connection learns that it ended, or that it never came to be.
    Ended { wire: WireId, side: Side, reason: &'static str },
    /// Work ends, with this result.
    Done { host: HostId, life: u32, input: Box<Input> },
    /// The check of a signature ends, the most frequent of all work.
    Verified { host: HostId, life: u32, ticket: Ticket, ok: bool },
    /// Work of a host's task ends, with this result.
    Worked { host: HostId, life: u32, input: Box<Input> },
    /// A running host has done nothing in particular for a while.
    Idled { host: HostId, life: u32 },
    /// A sync ends.
    Synced { host: HostId, life: u32 },
    /// A host looks whether the orderers have blocks for it.
    Deliver { host: HostId, life: u32 },
    /// A host that did not read does so again, unless it was told to wait longer.
    ReadAgain(HostId),
    /// A Byzantine host acts of its own accord.
    Act { host: HostId, life: u32 },
}

/// See the module.
#[derive(Debug)]
pub struct World {
    hosts: Vec<Host>,
    processors: Vec<Processor>,
    by_endpoint: BTreeMap<Endpoint, HostId>,
    by_pki_id: BTreeMap<PkiId, HostId>,
    wires: Wires,
    queue: Queue<Happening>,
    now: Instant,
    seed: u64,
    rng: fastrand::Rng,
    costs: Costs,
    links: Links,
    channel: ChannelSettings,
    /// The blocks that the orderers made, from block 0 on.
    chain: Vec<Bytes>,
    watch: Watch,
    knowledge: Knowledge,
    step_count: u64,
    /// From whom nothing gets to whom.
    blocked: BTreeSet<(HostId, HostId)>,
    /// While somebody watches closely.
    inspection: Option<Box<Inspection>>,
}

impl World {
    /// A world without hosts. `seed` fixes everything that is left to chance.
    pub fn new(seed: u64, costs: Costs, links: Links, mut channel: ChannelSettings) -> Self {
        let mut knowledge = Knowledge::default();
        channel.orgs = channel.orgs.iter().map(|org| knowledge.org(org)).collect();
        Self {
            hosts: Vec::new(),
            processors: Vec::new(),
            by_endpoint: BTreeMap::new(),
            by_pki_id: BTreeMap::new(),
            wires: Wires::default(),
            queue: Queue::new(),
            now: Instant::default(),
            seed,
            rng: fastrand::Rng::with_seed(seed),
            costs,
            links,
            channel,
            chain: vec![selvedge_core::testing::messages::block(0, 1000)],
            watch: Watch::default(),
            knowledge,
            step_count: 0,
            blocked: BTreeSet::new(),
            inspection: None,
        }
    }

    /// Adds a processor, to be named in [`HostSettings`] by its place among all.
    pub fn add_processor(&mut self, core_count: usize) -> usize {
        self.processors.push(Processor::new(core_count));
        self.processors.len() - 1
    }

    /// Adds a host that does not run, with block 0 on its disk.
    pub fn add_host(&mut self, settings: HostSettings) -> HostId {
        let id = HostId(u32::try_from(self.hosts.len()).expect("fewer than 2^32 hosts"));
        let org = self.knowledge.org(&settings.org);
        let mut host = Host::new(settings, org);
        for endpoint in [&host.config.endpoint, &host.config.external_endpoint] {
            self.by_endpoint.insert(endpoint.clone(), id);
        }
        self.by_pki_id.insert(host.pki_id, id);
        host.disk.put(self.chain[0].clone());
        self.hosts.push(host);
        id
    }

    /// All hosts.
    pub fn hosts(&self) -> impl Iterator<Item = HostId> + use<> {
        (0..self.hosts.len() as u32).map(HostId)
    }

    /// Where other hosts of its organisation reach a host.
    pub fn endpoint(&self, host: HostId) -> &Endpoint {
        &self.hosts[host.index()].config.endpoint
    }

    /// Starts a host's peer, which joins the channel.
    pub fn start(&mut self, id: HostId) {
        let now = self.now;
        let host = &mut self.hosts[id.index()];
        if host.peer.is_some() {
            return;
        }
        host.life += 1;
        let incarnation = host.next_incarnation(EPOCH, now);
        let seed =
            self.seed ^ u64::from(id.0).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(host.life) << 40;
        let local = host.local(incarnation);
        let wall = WallTime::from_nanos(incarnation);
        host.task = (host.config.rules == Rules::Fabric).then(Task::default);
        host.peer = Some(Box::new(Peer::new((*host.config).clone(), local, seed, now, wall)));
        let settings = ChannelSettings { height: host.disk.height(), ..self.channel.clone() };
        if let Some(inspection) = &mut self.inspection {
            inspection.on_start(id);
        }
        self.begin_acting(id);
        self.hand(id, Input::Command(Command::ConfigureChannel(settings)));
        self.restart_delivery(id);
        self.idle(id);
    }

    /// Charges what a process costs that has nothing to do.
    fn idle(&mut self, id: HostId) {
        if self.costs.background.is_zero() {
            return;
        }
        let host = &self.hosts[id.index()];
        self.processors[host.processor].work(self.now, self.costs.background / IDLE_PER_SECOND);
        let at = self.now + Duration::from_secs(1) / IDLE_PER_SECOND;
        self.queue.push(at, Happening::Idled { host: id, life: host.life });
    }

    /// Starts all hosts.
    pub fn start_all(&mut self) {
        (0..self.hosts.len()).for_each(|place| self.start(HostId(place as u32)));
    }

    /// Ends a host's process at once. Its connections are reset; what was not durable is lost.
    pub fn kill(&mut self, id: HostId) {
        let ends: Vec<_> = self.ends_of(id).collect();
        for (wire, side) in ends {
            self.hang_up(wire, side, "connection reset");
        }
        let host = &mut self.hosts[id.index()];
        host.peer = None;
        host.life += 1;
        host.dialed.clear();
        if let Some(cast) = &mut host.cast {
            cast.on_kill();
        }
        host.accepted.clear();
        host.unread = None;
        host.task = None;
        host.disk.crash();
        if let Some(inspection) = &mut self.inspection {
            inspection.note(self.now, id, "killed");
        }
    }

    /// Whether a host's peer runs.
    pub fn runs(&self, id: HostId) -> bool {
        self.hosts[id.index()].peer.is_some()
    }

    /// A host's peer, if it runs.
    pub fn peer(&self, id: HostId) -> Option<&Peer> {
        self.hosts[id.index()].peer.as_deref()
    }

    /// A host's disk.
    pub fn disk(&self, id: HostId) -> &Disk {
        &self.hosts[id.index()].disk
    }

    /// What was seen so far.
    pub fn watch(&self) -> &Watch {
        &self.watch
    }

    /// Steps taken so far.
    pub fn step_count(&self) -> u64 {
        self.step_count
    }

    /// Time since the beginning.
    pub fn now(&self) -> Duration {
        self.now.since(Instant::default())
    }

    /// Working time of a processor so far, all its cores together.
    pub fn busy(&self, processor: usize) -> Duration {
        self.processors[processor].busy()
    }

    /// Changes what work costs from now on.
    pub fn set_costs(&mut self, costs: Costs) {
        self.costs = costs;
    }

    /// The orderers cut a block, which the given hosts receive from them.
    pub fn cut_block(&mut self, size_bytes: usize, receivers: &[HostId]) {
        let number = self.chain.len() as u64;
        let block = selvedge_core::testing::messages::block(number, size_bytes);
        self.chain.push(block.clone());
        self.watch.on_cut(number, self.now);
        for &host in receivers {
            let channel = self.channel.channel.clone();
            self.hand(host, Input::BlockDelivered { channel, number, block: block.clone() });
        }
        self.deliver_to_subscribers();
    }

    /// Lets everything happen that does before `end`; nothing more happens once a rule is broken.
    pub fn run_until(&mut self, end: Duration) {
        let end = Instant::default() + end;
        while !self.has_failed()
            && let Some((at, happening)) = self.queue.pop(end)
        {
            self.now = at;
            self.step_count += 1;
            self.happen(happening);
        }
        if !self.has_failed() {
            self.now = self.now.max(end);
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Wake(id) => {
                let host = &mut self.hosts[id.index()];
                if host.wakes_at == Some(self.now) {
                    host.wakes_at = None;
                    self.wake(id);
                }
            }
            Happening::Open(wire) => self.open(wire),
            Happening::Frame { wire, side, envelope } => self.on_frame(wire, side, envelope),
            Happening::Read { wire, side, envelope } => self.read(wire, side, envelope),
            Happening::Ended { wire, side, reason } => self.end(wire, side, reason),
            Happening::Done { host, life, input } => {
                if self.hosts[host.index()].life == life {
                    self.hand(host, *input);
                }
            }
            Happening::Verified { host, life, ticket, ok } => {
                if self.hosts[host.index()].life == life {
                    self.hand(host, Input::Verified { ticket, ok });
                }
            }
            Happening::Worked { host, life, input } => {
                if self.hosts[host.index()].life == life {
                    self.task_worked(host, *input);
                }
            }
            Happening::Idled { host, life } => {
                if self.hosts[host.index()].life == life {
                    self.idle(host);
                }
            }
            Happening::Synced { host, life } => {
                if self.hosts[host.index()].life == life {
                    self.synced(host);
                }
            }
            Happening::Deliver { host, life } => {
                if self.hosts[host.index()].life == life {
                    self.deliver(host);
                }
            }
            Happening::ReadAgain(host) => self.read_again(host),
            Happening::Act { host, life } => {
                if self.hosts[host.index()].life == life {
                    self.act(host);
                }
            }
        }
    }

    fn wake(&mut self, id: HostId) {
        let due = self.peer(id).and_then(Peer::next_deadline).is_some_and(|at| at <= self.now);
        if due {
            self.hand(id, Input::Deadline);
        } else {
            self.arm(id);
        }
    }

    /// Hands an input to a host's peer now, and does what it orders.
    fn hand(&mut self, id: HostId, input: Input) {
        let now = self.now;
        if self.hosts[id.index()].cast.is_some() {
            return self.hand_byzantine(id, input);
        }
        if self.inspection.is_some() {
            self.inspect_input(id, &input);
        }
        let Some(peer) = &mut self.hosts[id.index()].peer else { return };
        peer.handle(now, input);
        while let Some(output) = self.hosts[id.index()].peer.as_mut().and_then(|peer| peer.poll_output()) {
            if self.inspection.is_some() && !self.inspect_output(id, &output) {
                return;
            }
            self.perform(id, output);
        }
        if self.inspection.is_some() {
            self.inspect_state(id);
        }
        self.arm(id);
    }

    /// Sees to it that the peer's next deadline is not missed.
    fn arm(&mut self, id: HostId) {
        let host = &mut self.hosts[id.index()];
        let Some(deadline) = host.peer.as_ref().and_then(|peer| peer.next_deadline()) else { return };
        let deadline = deadline.max(self.now);
        if host.wakes_at.is_none_or(|at| deadline < at) {
            host.wakes_at = Some(deadline);
            self.queue.push(deadline, Happening::Wake(id));
        }
    }

    fn channel_id(&self) -> &ChannelId {
        &self.channel.channel
    }

    fn wire_of(&self, id: HostId, connection: ConnectionId) -> Option<(WireId, Side)> {
        let host = &self.hosts[id.index()];
        let (wires, side) = match connection.is_dialed() {
            true => (&host.dialed, Side::Dialer),
            false => (&host.accepted, Side::Acceptor),
        };
        let index = usize::try_from(connection.count()).ok()?.checked_sub(1)?;
        let byzantine = || host.cast.as_ref().and_then(|cast| cast.stream(connection));
        Some((wires.get(index).copied().or_else(byzantine)?, side))
    }

    fn ends_of(&self, id: HostId) -> impl Iterator<Item = (WireId, Side)> {
        let host = &self.hosts[id.index()];
        let dialed = host.dialed.iter().map(|&wire| (wire, Side::Dialer));
        let streams = host.cast.iter().flat_map(|cast| cast.streams());
        let accepted = host.accepted.iter().map(|&wire| (wire, Side::Acceptor));
        dialed.chain(streams.map(|&wire| (wire, Side::Dialer))).chain(accepted)
    }
}
