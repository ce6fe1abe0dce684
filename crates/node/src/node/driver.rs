//! The task that owns the core.

use super::channel::{Delivery, JoinedChannel, create_channel_folder, joined_channels, open_channel_folder};
use super::checks::{BlockCheck, Checked};
use super::committer::Report;
use super::complaints::Complaints;
use super::recording::Recording;
use super::status::{ChannelStatus, MemberStatus, NodeStatus};
use super::{DRAIN, NodeError, NodeEvent, NodeSettings, channel};
use crate::deliver::{CensorshipSettings, DeliverClient, DeliverSettings, DeliveredBlock, OrdererEndpoint};
use crate::transport::{Connection, DialHandle, Transport, TransportEvent};
use crate::workers::{Results, Workers};
use bytes::Bytes;
use selvedge_core::recording::Beginning;
use selvedge_core::{
    ChannelId, Command, ConnectionId, Input, Instant, LocalPeer, MspId, Peer, PkiId, WallTime,
};
use selvedge_ledger::{MetaStore, Options, Recovery, Severity};
use selvedge_msp::{ChannelBundle, MessageVerifier};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::{broadcast, mpsc, oneshot, watch};

/// Checks that may wait or run at once; the core bounds what each peer can cause.
const OUTSTANDING_CHECKS_MAX: usize = 65_536;
/// Blocks from orderers that may wait for the driver, over all channels.
const DELIVERED_COUNT_MAX: usize = 64;
/// Inputs handled before other sources get their turn.
const BATCH: usize = 128;
const INCARNATION: &str = "incarnation";

/// What others ask of the driver.
#[derive(Debug)]
pub(super) enum Request {
    Join { block: Bytes, answer: oneshot::Sender<Result<ChannelStatus, NodeError>> },
    Status { answer: oneshot::Sender<NodeStatus> },
    Stop,
}

/// A block that an orderer client received.
#[derive(Debug)]
pub(super) struct Delivered {
    channel: ChannelId,
    block: DeliveredBlock,
}

/// See the module.
pub(super) struct Driver {
    pub(super) settings: NodeSettings,
    pub(super) peer: Peer,
    pub(super) transport: Transport,
    pub(super) events: broadcast::Sender<NodeEvent>,
    pub(super) verifier: Arc<MessageVerifier>,
    pub(super) workers: Workers<Checked>,
    pub(super) connections: BTreeMap<ConnectionId, Connection>,
    pub(super) dials: BTreeMap<ConnectionId, DialHandle>,
    pub(super) channels: BTreeMap<ChannelId, JoinedChannel>,
    pub(super) complaints: Complaints,
    /// Answers of checks that the workers had no room for: as if they had failed.
    pub(super) overflowed: VecDeque<Input>,
    recording: Option<Recording>,
    checked: Results<Checked>,
    reports: mpsc::UnboundedReceiver<(ChannelId, Report)>,
    pub(super) report: mpsc::UnboundedSender<(ChannelId, Report)>,
    deliveries: mpsc::Receiver<Delivered>,
    deliver: mpsc::Sender<Delivered>,
    started: tokio::time::Instant,
    seed: u64,
    /// Held while the node runs: one process a data folder.
    _meta: MetaStore,
}

impl Driver {
    /// Opens the data folder and every ledger in it, and makes the core.
    pub(super) fn new(
        settings: NodeSettings,
        transport: Transport,
        events: broadcast::Sender<NodeEvent>,
    ) -> Result<Self, NodeError> {
        let data_failed = |source| NodeError::Data { folder: settings.data.clone(), source };
        std::fs::create_dir_all(&settings.data).map_err(data_failed)?;
        let meta = MetaStore::open(&settings.data.join("node.redb"))?;
        let wall = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos());
        let wall = wall.unwrap_or(u64::MAX);
        // above every number used before, also after the clock was set back (spec/04 W-13)
        let incarnation = meta.number(INCARNATION)?.map_or(wall, |last| wall.max(last.saturating_add(1)));
        meta.put_number(INCARNATION, incarnation)?;

        let (workers, checked) =
            Workers::new(settings.verify_thread_count, OUTSTANDING_CHECKS_MAX).map_err(data_failed)?;
        let (report, reports) = mpsc::unbounded_channel();
        let (deliver, deliveries) = mpsc::channel(DELIVERED_COUNT_MAX);
        let local = &settings.local;
        let me = LocalPeer {
            pki_id: PkiId::new(local.pki_id()),
            org: MspId::from(local.msp_id()),
            identity: local.identity().clone(),
            expires_at: WallTime::from_seconds(u64::try_from(local.expires_at()).unwrap_or(0)),
            incarnation,
        };
        let seed = settings.seed.unwrap_or_else(draw_seed);
        let (now, wall) = (Instant::default(), WallTime::from_nanos(incarnation));
        let recording = settings.record.as_ref().map(|record| {
            let program = concat!("selvedge ", env!("CARGO_PKG_VERSION")).to_owned();
            let (config, me, payloads) = (settings.gossip.clone(), me.clone(), record.payloads);
            Recording::start(record, &Beginning { program, payloads, config, me, seed, now, wall })
                .map_err(|source| NodeError::Record { file: record.file.clone(), source })
        });
        let recording = recording.transpose()?;
        let peer = Peer::new(settings.gossip.clone(), me, seed, now, wall);
        let mut driver = Self {
            peer,
            transport,
            events,
            verifier: Arc::new(MessageVerifier::new(Arc::clone(local))),
            workers,
            connections: BTreeMap::new(),
            dials: BTreeMap::new(),
            channels: BTreeMap::new(),
            complaints: Complaints::new(std::time::Instant::now()),
            overflowed: VecDeque::new(),
            recording,
            checked,
            reports,
            report,
            deliveries,
            deliver,
            started: tokio::time::Instant::now(),
            seed,
            _meta: meta,
            settings,
        };
        for name in joined_channels(&driver.settings.data)? {
            let folder = open_channel_folder(&driver.settings.data, &name, &driver.ledger_options())?;
            driver.take_up(folder)?;
        }
        Ok(driver)
    }

    /// Runs until told to stop.
    pub(super) async fn run(
        mut self,
        mut arrivals: mpsc::Receiver<TransportEvent>,
        mut requests: mpsc::UnboundedReceiver<Request>,
    ) {
        self.obey();
        loop {
            let deadline = self.deadline();
            tokio::select! {
                biased;
                request = requests.recv() => match request {
                    Some(Request::Stop) | None => break,
                    Some(request) => self.on_request(request),
                },
                Some((channel, report)) = self.reports.recv() => self.on_report(&channel, report),
                Some(checked) = self.checked.recv() => {
                    self.on_checked(checked);
                    for _ in 0..BATCH {
                        let Some(checked) = self.checked.try_recv() else { break };
                        self.on_checked(checked);
                    }
                }
                Some(arrival) = arrivals.recv() => {
                    self.on_arrival(arrival);
                    for _ in 0..BATCH {
                        let Ok(arrival) = arrivals.try_recv() else { break };
                        self.on_arrival(arrival);
                    }
                }
                Some(delivered) = self.deliveries.recv() => self.on_delivered(delivered),
                () = tokio::time::sleep_until(deadline) => {
                    self.complaints.tell_finished(std::time::Instant::now());
                    self.handle(Input::Deadline);
                }
            }
        }
        self.shut_down().await;
    }

    /// When there is something to do that nothing else calls for.
    fn deadline(&self) -> tokio::time::Instant {
        let of_complaints = self.complaints.due().into();
        let of_core = self.peer.next_deadline().map(|at| self.started + Duration::from_nanos(at.as_nanos()));
        of_core.map_or(of_complaints, |of_core| of_core.min(of_complaints))
    }

    fn now(&self) -> Instant {
        Instant::from_nanos(u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    /// Gives the core an input and does what it orders.
    pub(super) fn handle(&mut self, input: Input) {
        self.tell(input);
        self.obey();
    }

    /// Gives the core an input. Everything that it ordered before has been taken.
    fn tell(&mut self, input: Input) {
        let now = self.now();
        if let Some(recording) = &mut self.recording {
            recording.input(now, &input);
        }
        self.peer.handle(now, input);
    }

    fn obey(&mut self) {
        loop {
            while let Some(output) = self.peer.poll_output() {
                if let Some(recording) = &mut self.recording {
                    recording.output(&output);
                }
                self.execute(output);
            }
            let Some(input) = self.overflowed.pop_front() else { return };
            self.tell(input);
        }
    }

    fn on_arrival(&mut self, arrival: TransportEvent) {
        match arrival {
            TransportEvent::Accepted { connection } => {
                let input = Input::Accepted { connection: connection.id(), binding: connection.binding() };
                self.connections.insert(connection.id(), connection);
                self.handle(input);
            }
            TransportEvent::Dialed { connection } => {
                self.dials.remove(&connection.id());
                let input = Input::Dialed { connection: connection.id(), binding: connection.binding() };
                self.connections.insert(connection.id(), connection);
                self.handle(input);
            }
            TransportEvent::DialFailed { id, error } => {
                if self.dials.remove(&id).is_some() {
                    self.complaints.connection(&error.to_string());
                    self.handle(Input::DialFailed { connection: id, reason: error.to_string() });
                }
            }
            TransportEvent::Frame { id, envelope, permit } => {
                if self.connections.contains_key(&id) {
                    self.handle(Input::Frame { connection: id, envelope: envelope.into() });
                }
                drop(permit);
            }
            TransportEvent::Closed { id, reason } => {
                if self.connections.remove(&id).is_some() {
                    self.handle(Input::Closed { connection: id, reason: reason.to_string() });
                }
            }
        }
    }

    fn on_checked(&mut self, checked: Checked) {
        if let Some(BlockCheck { channel, number, verified_under }) = checked.block
            && let Some(joined) = self.channels.get_mut(&channel)
        {
            joined.on_block_checked(number, verified_under);
        }
        self.handle(checked.input);
    }

    fn on_delivered(&mut self, Delivered { channel, block }: Delivered) {
        if let Some(joined) = self.channels.get_mut(&channel) {
            joined.delivered_over.insert(block.number, block.stream);
        }
        self.handle(Input::BlockDelivered { channel, number: block.number, block: block.bytes });
    }

    fn on_request(&mut self, request: Request) {
        match request {
            Request::Join { block, answer } => {
                let _ = answer.send(self.join(&block));
            }
            Request::Status { answer } => {
                let _ = answer.send(self.status());
            }
            Request::Stop => {}
        }
    }

    fn on_report(&mut self, channel: &ChannelId, report: Report) {
        match report {
            Report::Committed { height, took } => {
                tracing::debug!(target: "gossip.state", "[{channel}] height {height} is durable, in {took:.1?}");
                if let Some(joined) = self.channels.get_mut(channel) {
                    joined.on_committed(height);
                }
                let _ = self.events.send(NodeEvent::Committed { channel: channel.clone(), height, took });
                self.handle(Input::Committed { channel: channel.clone(), height });
            }
            Report::Reconfigured { bundle } => self.on_reconfigured(channel, bundle),
            Report::Refused { number, reason } => {
                tracing::warn!(target: "gossip.state", "[{channel}] block {number} does not fit and is fetched again: {reason}");
                if let Some(joined) = self.channels.get_mut(channel) {
                    joined.on_block_checked(number, None);
                }
                self.handle(Input::CommitRefused { channel: channel.clone(), number });
            }
            Report::Damaged => self.on_damage(channel),
            Report::Unread { reason } => {
                self.complaints
                    .ledger(&format!("[{channel}] blocks that a peer asked for cannot be read: {reason}"));
            }
            Report::Mended { number } => {
                tracing::info!(target: "ledger", "[{channel}] block {number} was damaged and is put back");
                let _ = self.events.send(NodeEvent::Mended { channel: channel.clone(), number });
                self.handle(Input::Mended { channel: channel.clone(), number, ok: true });
                self.on_damage(channel);
            }
            Report::NotMended { number, reason } => {
                self.complaints.ledger(&format!(
                    "[{channel}] what came for damaged block {number} is not put back: {reason}"
                ));
                self.handle(Input::Mended { channel: channel.clone(), number, ok: false });
            }
            Report::Halted { reason } => {
                tracing::error!(target: "ledger", "[{channel}] nothing is written any more, restart the node when mended: {reason}");
                if let Some(joined) = self.channels.get_mut(channel) {
                    joined.halted = Some(reason.clone());
                    joined.delivery = None;
                }
                let _ = self.events.send(NodeEvent::Halted { channel: channel.clone(), reason });
            }
        }
    }

    /// Tells of damage that is new, and has the core obtain all that is damaged.
    fn on_damage(&mut self, channel: &ChannelId) {
        let Some(joined) = self.channels.get_mut(channel) else { return };
        for damage in joined.take_new_damage() {
            tracing::error!(target: "ledger", "[{channel}] {damage}; to be fetched from another member");
            let _ = self.events.send(NodeEvent::Damaged { channel: channel.clone(), damage });
        }
        for damage in joined.reader.damage() {
            let (channel, first, last) = (channel.clone(), damage.first, damage.last);
            self.handle(Input::Command(Command::ObtainBlocks { channel, first, last }));
        }
    }

    fn on_reconfigured(&mut self, channel: &ChannelId, bundle: Arc<ChannelBundle>) {
        let Some(joined) = self.channels.get_mut(channel) else { return };
        let sequence = bundle.sequence();
        tracing::info!(target: "gossip.service", "[{channel}] configuration {sequence} is in force");
        joined.bundle = bundle;
        let settings = joined.settings();
        self.put_in_force(channel);
        self.handle(Input::Command(Command::ConfigureChannel(settings)));
        let _ = self.events.send(NodeEvent::Reconfigured { channel: channel.clone(), sequence });
    }

    fn join(&mut self, genesis: &Bytes) -> Result<ChannelStatus, NodeError> {
        let folder = create_channel_folder(&self.settings.data, genesis, &self.ledger_options())?;
        let channel = self.take_up(folder)?;
        self.obey();
        self.channel_status(&channel).ok_or_else(|| NodeError::AlreadyJoined(channel.to_string()))
    }

    /// Takes up a channel whose ledger is open: verifier, trust, core, orderer client.
    fn take_up(&mut self, folder: channel::ChannelFolder) -> Result<ChannelId, NodeError> {
        let channel = ChannelId::from(folder.chain.bundle().channel_id());
        tell_recovery(&channel, &folder.recovery);
        let (report, of) = (self.report.clone(), channel.clone());
        let joined = JoinedChannel::start(folder, move |what| {
            let _ = report.send((of.clone(), what));
        })?;
        for warning in joined.bundle.warnings() {
            tracing::warn!(target: "gossip.service", "[{channel}] {warning}");
        }
        let settings = joined.settings();
        let height = settings.height;
        self.channels.insert(channel.clone(), joined);
        self.put_in_force(&channel);
        self.obey();
        self.handle(Input::Command(Command::ConfigureChannel(settings)));
        self.on_damage(&channel);
        if self.settings.org_leader {
            self.start_delivery(&channel, height);
        }
        Ok(channel)
    }

    /// Makes a channel's configuration the one that signatures, connections and orderer clients go by.
    fn put_in_force(&mut self, channel: &ChannelId) {
        let Some(joined) = self.channels.get(channel) else { return };
        self.verifier.set_channel(channel, Arc::clone(&joined.bundle));
        if let Some(delivery) = &joined.delivery {
            delivery.bundle.send_replace(Arc::clone(&joined.bundle));
            delivery.endpoints.send_replace(orderer_endpoints(&joined.bundle));
        }
        let Some(tls) = &self.settings.tls else { return };
        let orgs = self.channels.values().flat_map(|joined| joined.bundle.application_orgs());
        let roots: Vec<_> = orgs.flat_map(|org| &org.tls_roots).map(|der| der.to_vec().into()).collect();
        for refused in tls.set_channel_roots(&roots) {
            tracing::warn!(target: "gossip.comm", "a TLS root of a channel cannot be used: {}", refused.reason);
        }
    }

    fn start_delivery(&mut self, channel: &ChannelId, next_block: u64) {
        let Some(joined) = self.channels.get_mut(channel) else { return };
        let (endpoints, endpoints_seen) = watch::channel(orderer_endpoints(&joined.bundle));
        let (bundle, bundle_seen) = watch::channel(Arc::clone(&joined.bundle));
        let (hold, hold_seen) = watch::channel(false);
        let (blocks, mut received) = mpsc::channel::<DeliveredBlock>(1);
        let (deliver, of) = (self.deliver.clone(), channel.clone());
        tokio::spawn(async move {
            while let Some(block) = received.recv().await {
                if deliver.send(Delivered { channel: of.clone(), block }).await.is_err() {
                    break;
                }
            }
        });
        let local = &self.settings.local;
        let mut settings = DeliverSettings::new(
            channel.to_string(),
            local.identity().clone(),
            local.signer().clone(),
            self.seed,
        );
        settings.tls.clone_from(&self.settings.tls);
        settings.overrides.clone_from(&self.settings.orderer_overrides);
        settings.connect_timeout = self.settings.orderer_connect_timeout;
        settings.backoff.pause_max = self.settings.orderer_pause_max;
        let watched = self.settings.block_censorship_timeout;
        settings.censorship = watched.map(|timeout| CensorshipSettings { timeout, bundle: bundle_seen });
        let transport = self.transport.clone();
        let handle = DeliverClient::start(settings, transport, endpoints_seen, next_block, hold_seen, blocks);
        joined.delivery = Some(Delivery { handle, endpoints, bundle, hold });
    }

    fn ledger_options(&self) -> Options {
        Options { segment_bytes_max: self.settings.ledger_segment_bytes, ..Options::default() }
    }

    fn status(&self) -> NodeStatus {
        let members = self.peer.members().map(|member| MemberStatus {
            pki_id: member.pki_id,
            msp_id: member.org,
            endpoint: member.endpoint,
            alive: member.is_alive,
        });
        NodeStatus {
            pki_id: PkiId::new(self.settings.local.pki_id()),
            msp_id: MspId::from(self.settings.local.msp_id()),
            members: members.collect(),
            connection_count: self.peer.connection_count(),
            channels: self.channels.keys().filter_map(|channel| self.channel_status(channel)).collect(),
            stats: self.peer.stats().clone(),
            accepted_count: self.transport.stats().connections_accepted.value(),
            open_count: self.transport.stats().connections_open.value(),
            checks_outstanding: self.workers.outstanding(),
            received_count: self.transport.stats().messages_received.value(),
            sent_count: self.transport.stats().messages_sent.value(),
            overflow_count: self.transport.stats().overflows.value(),
        }
    }

    fn channel_status(&self, channel: &ChannelId) -> Option<ChannelStatus> {
        let joined = self.channels.get(channel)?;
        let view = self.peer.channel(channel)?;
        let height = joined.reader.height();
        let last = height.checked_sub(1)?;
        let block = joined.reader.read_block(last).ok().flatten();
        let me = PkiId::new(self.settings.local.pki_id());
        let others =
            view.members.iter().filter(|member| member.pki_id != me && member.is_alive && !member.has_left);
        let heights: Vec<(PkiId, u64)> = others.map(|member| (member.pki_id, member.height)).collect();
        Some(ChannelStatus {
            channel: channel.clone(),
            height,
            last_hash: block.as_ref().map(|block| block.header_hash),
            previous_hash: block.and_then(|block| block.previous_hash),
            config_block_number: joined.reader.last_config_at_or_below(last).unwrap_or(0),
            sequence: joined.bundle.sequence(),
            alive_count: heights.len() as u64,
            heights,
            buffered_count: view.buffered_count,
            requests_in_flight: view.requests_in_flight,
            orderer_stream_ends: joined.orderer_stream_ends(),
            damaged_count: joined.reader.damage().iter().map(|damage| damage.last - damage.first + 1).sum(),
            halted: joined.halted.clone(),
        })
    }

    async fn shut_down(mut self) {
        self.complaints.tell_rest(std::time::Instant::now());
        for joined in self.channels.values_mut() {
            if let Some(delivery) = joined.delivery.take() {
                delivery.handle.stop().await;
            }
        }
        self.connections.clear();
        self.transport.stop(DRAIN).await;
        let (channels, workers, recording) = (self.channels, self.workers, self.recording);
        let _ = tokio::task::spawn_blocking(move || {
            if let Some(recording) = recording {
                recording.finish();
            }
            for joined in channels.into_values() {
                joined.committer.stop();
            }
            workers.stop();
        })
        .await;
    }
}

fn orderer_endpoints(bundle: &ChannelBundle) -> Arc<[OrdererEndpoint]> {
    bundle.orderer_endpoints().into()
}

/// Tells what opening a ledger found.
fn tell_recovery(channel: &ChannelId, recovery: &Recovery) {
    for finding in recovery.findings() {
        match finding.severity {
            Severity::Harmless => tracing::warn!(target: "ledger", "[{channel}] {finding}"),
            Severity::Loss => tracing::error!(target: "ledger", "[{channel}] {finding}"),
        }
    }
}

/// A seed nobody can guess: which peers are chosen must not be predictable.
fn draw_seed() -> u64 {
    let mut bytes = [0; 8];
    // the only failure is that the system has no randomness at all; the time is then the best there is
    if rustls::crypto::aws_lc_rs::default_provider().secure_random.fill(&mut bytes).is_err() {
        return SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    }
    u64::from_le_bytes(bytes)
}
