//! The task that keeps a stream of blocks going.

use super::censorship::CensorshipWatch;
use super::connection;
use super::endpoints::{Rotation, apply_overrides};
use super::response::{self, Response};
use super::state::{DeliverState, Phase};
use super::{DeliverSettings, EndReason, LOGGER, MESSAGE_BYTES_MAX, seek_info};
use crate::transport::Transport;
use bytes::Bytes;
use futures_util::FutureExt as _;
use selvedge_msp::OrdererEndpoint;
use selvedge_proto::orderer::seek_info::SeekContentType;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// A block as an orderer sent it. Nothing but its number has been looked at.
#[derive(Debug)]
pub struct DeliveredBlock {
    /// From its header; one more than the block before, except after a refusal or [`DeliverHandle::skip_to`].
    pub number: u64,
    /// The marshalled `common.Block`, byte for byte.
    pub bytes: Bytes,
    /// The stream it came over, for [`DeliverHandle::refuse`].
    pub stream: u64,
    /// Address of the orderer.
    pub source: Arc<str>,
    /// Its share of [`DeliverSettings::queue_bytes_max`], given back when the block is dropped or taken apart.
    _budget: OwnedSemaphorePermit,
}

/// Keeps a stream of blocks going; see the [module](super).
pub struct DeliverClient {
    settings: Arc<DeliverSettings>,
    transport: Transport,
    control: Control,
    hold: watch::Receiver<bool>,
    blocks: mpsc::Sender<DeliveredBlock>,
    budget: Arc<Semaphore>,
    state: watch::Sender<DeliverState>,
    /// Number of the block that has to come next.
    next: u64,
    /// Failures since the last block or since a stream that stood for long.
    failures: u32,
    /// Number of the present stream.
    stream: u64,
}

/// What is wanted of a running client.
#[derive(Clone, Debug, Default)]
struct Orders {
    stop: bool,
    /// A new stream need not begin below this.
    skip_to: u64,
    refusals: u64,
    refused: Option<Refusal>,
}

#[derive(Clone, Debug)]
struct Refusal {
    stream: u64,
    number: u64,
    reason: String,
}

/// Controls a running client. Dropping it ends the client.
#[derive(Debug)]
pub struct DeliverHandle {
    orders: watch::Sender<Orders>,
    state: watch::Receiver<DeliverState>,
    task: JoinHandle<()>,
}

impl DeliverHandle {
    /// Ends the client and waits until it is gone.
    pub async fn stop(self) {
        self.orders.send_modify(|orders| orders.stop = true);
        // an error means that the task panicked, which has been reported already
        let _ = self.task.await;
    }

    /// Reports that block `number`, which came over `stream`, does not verify: the stream is given up, and the block and
    /// everything after it is asked for again at another orderer. Blocks with a greater number that are on their way are
    /// to be thrown away.
    pub fn refuse(&self, stream: u64, number: u64, reason: &str) {
        self.orders.send_if_modified(|orders| {
            // what came after a refused block is refused with it
            let known = |present: &Refusal| stream <= present.stream && number >= present.number;
            if orders.refused.as_ref().is_some_and(known) {
                return false;
            }
            orders.refusals += 1;
            orders.refused = Some(Refusal { stream, number, reason: reason.to_owned() });
            true
        });
    }

    /// Tells that every block below `number` is there: a new stream need not begin below it. The present one goes on.
    pub fn skip_to(&self, number: u64) {
        self.orders.send_if_modified(|orders| {
            let greater = number > orders.skip_to;
            orders.skip_to = orders.skip_to.max(number);
            greater
        });
    }

    /// What the client is doing; changes with every block.
    pub fn state(&self) -> watch::Receiver<DeliverState> {
        self.state.clone()
    }
}

/// Why waiting for something, or a stream, ended.
enum End {
    Stop,
    /// The channel has other orderers.
    Endpoints,
    /// The receiver of the blocks refused one.
    Refused(Refusal),
    Failed(EndReason),
}

impl From<EndReason> for End {
    fn from(reason: EndReason) -> Self {
        Self::Failed(reason)
    }
}

impl DeliverClient {
    /// Starts a client on the present tokio runtime.
    ///
    /// - `transport`: dials; its keepalive finds out a dead orderer behind a stream that says nothing;
    /// - `endpoints`: the orderers of the channel configuration in force, before overrides; a change is followed at once;
    /// - `next_block`: the first block wanted, usually the ledger's height;
    /// - `hold`: while it is true nothing is read, and the orderer is stopped by HTTP/2's flow control;
    /// - `blocks`: where they go, in order; a full channel holds the stream as well, and so does one that holds
    ///   [`DeliverSettings::queue_bytes_max`]. A closed one ends the client.
    pub fn start(
        settings: DeliverSettings,
        transport: Transport,
        endpoints: watch::Receiver<Arc<[OrdererEndpoint]>>,
        next_block: u64,
        hold: watch::Receiver<bool>,
        blocks: mpsc::Sender<DeliveredBlock>,
    ) -> DeliverHandle {
        let (orders, orders_seen) = watch::channel(Orders::default());
        let (state, state_seen) = watch::channel(DeliverState {
            phase: Phase::NoEndpoints,
            next_block,
            failures: 0,
            blocks_count: 0,
            blocks_bytes: 0,
            last_end: None,
            ends: BTreeMap::new(),
            headers_count: 0,
            headers_refused_count: 0,
            highest_header: None,
        });
        let control = Control {
            rotation: Rotation::new(settings.seed),
            orders: orders_seen,
            refusals_seen: 0,
            endpoints,
        };
        let client = Self {
            budget: Arc::new(Semaphore::new(budget_of(&settings, usize::MAX) as usize)),
            settings: Arc::new(settings),
            transport,
            control,
            hold,
            blocks,
            state,
            next: next_block,
            failures: 0,
            stream: 0,
        };
        let task = tokio::spawn(client.run());
        DeliverHandle { orders, state: state_seen, task }
    }

    async fn run(mut self) {
        self.control.take_endpoints(&self.settings);
        loop {
            let Err(end) = self.attempt().await;
            match end {
                End::Stop => break,
                End::Endpoints => {
                    tracing::info!(
                        target: LOGGER,
                        channel = %self.settings.channel,
                        "the channel's orderers have changed; connecting anew"
                    );
                    self.failures = 0;
                }
                End::Refused(refusal) => self.refused(refusal),
                End::Failed(reason) => self.failed(reason),
            }
        }
        self.set_phase(Phase::Stopped);
    }

    /// Waits until it may, then receives from one orderer until that ends.
    async fn attempt(&mut self) -> Result<Infallible, End> {
        let Some(endpoint) = self.control.rotation.current().cloned() else {
            tracing::warn!(
                target: LOGGER,
                channel = %self.settings.channel,
                "the channel configuration names no orderer; waiting for one that does"
            );
            self.set_phase(Phase::NoEndpoints);
            return self.control.unless_interrupted(&self.settings, pending()).await;
        };
        if self.failures > 0 {
            let pause = self.settings.backoff.pause(self.failures);
            self.set_phase(Phase::Pausing { pause });
            self.control.unless_interrupted(&self.settings, tokio::time::sleep(pause)).await?;
        }
        self.wait_while_held(&mut None).await?;
        let since = Instant::now();
        let end = self.receive_from(&endpoint).await;
        if since.elapsed() > self.settings.backoff.pause_max {
            // harmless ends hours apart must not add up to long pauses
            self.failures = 0;
        }
        end
    }

    async fn wait_while_held(&mut self, watch: &mut Option<CensorshipWatch>) -> Result<(), End> {
        if *self.hold.borrow_and_update() {
            self.set_phase(Phase::Held);
            let held = self.control.unless_interrupted(&self.settings, released(&mut self.hold));
            not_counted(watch, held).await?;
        }
        Ok(())
    }

    /// One stream, from dialling to its end.
    async fn receive_from(&mut self, endpoint: &OrdererEndpoint) -> Result<Infallible, End> {
        self.stream += 1;
        self.next = self.next.max(self.control.orders.borrow().skip_to);
        self.set_phase(Phase::Connecting { address: endpoint.address.clone() });
        let info = seek_info(self.next, SeekContentType::Block);
        let opening = connection::open(endpoint, &self.settings, &self.transport, info, MESSAGE_BYTES_MAX);
        let mut responses = self.control.unless_interrupted(&self.settings, opening).await??;
        tracing::info!(
            target: LOGGER,
            channel = %self.settings.channel,
            orderer = %endpoint.address,
            next_block = self.next,
            "pulling blocks from the ordering service"
        );
        let source = Arc::from(endpoint.address.as_str());
        let mut watch = self.watch();
        loop {
            self.wait_while_held(&mut watch).await?;
            self.set_phase(Phase::Receiving { address: endpoint.address.clone() });
            let hold = &mut self.hold;
            let next = async {
                tokio::select! {
                    biased;
                    () = changed(hold) => Ok(None),
                    response = responses.next() => response.map(Some),
                    reason = withheld(&mut watch) => Err(reason),
                }
            };
            if let Some(response) = self.control.unless_interrupted(&self.settings, next).await?? {
                self.take(response, &source, &mut watch).await?;
            }
        }
    }

    /// Watches over a new stream, where that is wanted and there are other orderers.
    fn watch(&self) -> Option<CensorshipWatch> {
        let censorship = self.settings.censorship.clone()?;
        let others = Some(self.control.rotation.others()).filter(|others| !others.is_empty())?;
        let (settings, transport) = (Arc::clone(&self.settings), self.transport.clone());
        let state = self.state.clone();
        Some(CensorshipWatch::start(settings, censorship, transport, others, self.next, state))
    }

    /// Looks at one response and hands its block on.
    async fn take(
        &mut self,
        response: Bytes,
        source: &Arc<str>,
        watch: &mut Option<CensorshipWatch>,
    ) -> Result<(), End> {
        let (number, bytes) = match response::read(response)? {
            Response::Block { number, bytes } => (number, bytes),
            Response::Status(status) => return Err(EndReason::of_status(status).into()),
        };
        if number != self.next {
            return Err(EndReason::WrongNumber { expected: self.next, given: number }.into());
        }
        if let Some(watch) = watch {
            watch.on_block(number);
        }
        let block_bytes = bytes.len();
        let mut room = pin!(async {
            let budget = Arc::clone(&self.budget);
            let budget = budget.acquire_many_owned(budget_of(&self.settings, block_bytes)).await;
            Some((budget.ok()?, self.blocks.reserve().await.ok()?))
        });
        let room = match (&mut room).now_or_never() {
            Some(room) => room,
            None => {
                self.set_phase(Phase::Full);
                not_counted(watch, self.control.unless_interrupted(&self.settings, room)).await?
            }
        };
        let (budget, permit) = room.ok_or(End::Stop)?;
        let (stream, source) = (self.stream, Arc::clone(source));
        permit.send(DeliveredBlock { number, bytes, stream, source, _budget: budget });
        self.failures = 0;
        // there is no block after the last possible one; asking for it again is harmless
        self.next = self.next.saturating_add(1);
        self.state.send_modify(|state| {
            state.next_block = self.next;
            state.failures = 0;
            state.blocks_count += 1;
            state.blocks_bytes += block_bytes as u64;
        });
        Ok(())
    }

    fn refused(&mut self, refusal: Refusal) {
        self.next = self.next.min(refusal.number);
        // otherwise the orderer to blame has been left already
        if refusal.stream == self.stream {
            self.failed(EndReason::Refused { number: refusal.number, reason: refusal.reason });
        }
    }

    fn failed(&mut self, reason: EndReason) {
        let address =
            self.control.rotation.current().map(|endpoint| endpoint.address.clone()).unwrap_or_default();
        self.control.rotation.advance();
        self.failures = self.failures.saturating_add(1);
        let (channel, failures) = (&self.settings.channel, self.failures);
        // an outage of hours is not worth a line every ten seconds
        let is_worth_a_line = failures.is_power_of_two();
        if is_worth_a_line && reason.is_quiet() {
            tracing::info!(target: LOGGER, %channel, orderer = %address, failures, "orderer: {reason}");
        } else if is_worth_a_line {
            tracing::warn!(target: LOGGER, %channel, orderer = %address, failures, "orderer: {reason}");
        } else {
            tracing::debug!(target: LOGGER, %channel, orderer = %address, failures, "orderer: {reason}");
        }
        self.state.send_modify(|state| {
            state.failures = failures;
            state.next_block = self.next;
            *state.ends.entry(reason.reason()).or_default() += 1;
            state.last_end = Some((address, reason));
        });
    }

    fn set_phase(&self, phase: Phase) {
        self.state.send_if_modified(|state| {
            let changed = state.phase != phase;
            state.phase = phase;
            state.next_block = self.next;
            changed
        });
    }
}

/// What the client listens to while it waits for anything.
#[derive(Debug)]
struct Control {
    rotation: Rotation,
    orders: watch::Receiver<Orders>,
    refusals_seen: u64,
    endpoints: watch::Receiver<Arc<[OrdererEndpoint]>>,
}

impl Control {
    /// The future's output, unless something happens before that ends whatever the client is doing.
    async fn unless_interrupted<T>(
        &mut self,
        settings: &DeliverSettings,
        future: impl Future<Output = T>,
    ) -> Result<T, End> {
        tokio::select! {
            biased;
            end = self.interrupted(settings) => Err(end),
            output = future => Ok(output),
        }
    }

    /// Nothing is lost if this is dropped before it resolves.
    async fn interrupted(&mut self, settings: &DeliverSettings) -> End {
        loop {
            tokio::select! {
                biased;
                handle = self.orders.changed() => {
                    let orders = self.orders.borrow_and_update().clone();
                    if handle.is_err() || orders.stop {
                        return End::Stop;
                    }
                    if orders.refusals > self.refusals_seen {
                        self.refusals_seen = orders.refusals;
                        if let Some(refusal) = orders.refused {
                            return End::Refused(refusal);
                        }
                    }
                }
                () = changed(&mut self.endpoints) => {
                    if self.take_endpoints(settings) {
                        return End::Endpoints;
                    }
                }
            }
        }
    }

    /// Takes over the orderers of the configuration; false if they are the same.
    fn take_endpoints(&mut self, settings: &DeliverSettings) -> bool {
        let endpoints = apply_overrides(&self.endpoints.borrow_and_update(), &settings.overrides);
        self.rotation.replace(endpoints)
    }
}

/// What a block of so many bytes takes of the budget: a larger one than there is takes all of it.
fn budget_of(settings: &DeliverSettings, block_bytes: usize) -> u32 {
    let all = u32::try_from(settings.queue_bytes_max).unwrap_or(u32::MAX).max(1);
    u32::try_from(block_bytes).unwrap_or(u32::MAX).min(all)
}

/// Waits for something that the orderer is not to blame for.
async fn not_counted<T>(watch: &mut Option<CensorshipWatch>, future: impl Future<Output = T>) -> T {
    if let Some(watch) = watch {
        watch.pause();
    }
    let output = future.await;
    if let Some(watch) = watch {
        watch.resume();
    }
    output
}

/// Waits for a block to be withheld; for ever, if nobody watches.
async fn withheld(watch: &mut Option<CensorshipWatch>) -> EndReason {
    match watch {
        Some(watch) => EndReason::Withheld { number: watch.withheld().await, limit: watch.limit() },
        None => pending().await,
    }
}

/// Waits for another value; for ever, if there will be none.
pub(super) async fn changed<T>(receiver: &mut watch::Receiver<T>) {
    if receiver.changed().await.is_err() {
        pending::<()>().await;
    }
}

/// Waits until nothing holds any more; for ever, if nobody is left to say so.
async fn released(hold: &mut watch::Receiver<bool>) {
    if hold.wait_for(|hold| !hold).await.is_err() {
        pending::<()>().await;
    }
}
