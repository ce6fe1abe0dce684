//! The watch for an orderer that withholds blocks without ending the stream (spec/07 §14.3).

use super::client::changed;
use super::headers::{HeaderSource, Watched};
use super::withholding::Withholding;
use super::{DeliverSettings, DeliverState};
use crate::transport::Transport;
use futures_util::future::join_all;
use selvedge_msp::{ChannelBundle, OrdererEndpoint};
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

/// Consensus type of the channels whose orderers may be malicious.
const BFT: &str = "BFT";
/// For this part of the time limit a stream must have stood before other orderers are asked for headers.
const DELAYS_PER_LIMIT: u32 = 10;
/// The longest such delay.
const DELAY_MAX: Duration = Duration::from_secs(3);

/// What the watch for withheld blocks needs.
#[derive(Clone, Debug)]
pub struct CensorshipSettings {
    /// `peer.deliveryclient.blockCensorshipTimeoutKey`: how long a block may take to come after its header came from another
    /// orderer.
    pub timeout: Duration,
    /// The channel's configuration in force. It tells whether there is anything to watch, and verifies headers.
    pub bundle: watch::Receiver<Arc<ChannelBundle>>,
}

/// The watch over one stream of blocks. It ends when it is dropped.
#[derive(Debug)]
pub(super) struct CensorshipWatch {
    withholding: Withholding,
    limit: Duration,
    since: Instant,
    next: watch::Sender<u64>,
    highest: watch::Receiver<Option<u64>>,
    state: watch::Sender<DeliverState>,
    _sources: AbortOnDropHandle<()>,
}

impl CensorshipWatch {
    /// Starts when a stream begins at block `next`. Headers come from all the `others`, once the stream has stood for a moment,
    /// so that orderers that are down or unwilling do not cause a flurry of streams.
    pub(super) fn start(
        settings: Arc<DeliverSettings>,
        censorship: CensorshipSettings,
        transport: Transport,
        others: Vec<OrdererEndpoint>,
        next: u64,
        state: watch::Sender<DeliverState>,
    ) -> Self {
        let limit = censorship.timeout;
        let (next_in, next_seen) = watch::channel(next);
        let (highest, highest_seen) = watch::channel(None);
        let watched = Watched {
            settings,
            transport,
            limit,
            bundle: censorship.bundle,
            next: next_seen,
            highest,
            state: state.clone(),
        };
        Self {
            withholding: Withholding::new(limit, next),
            limit,
            since: Instant::now(),
            next: next_in,
            highest: highest_seen,
            state,
            _sources: AbortOnDropHandle::new(tokio::spawn(follow_headers(watched, others))),
        }
    }

    /// The stream brought block `number`.
    pub(super) fn on_block(&mut self, number: u64) {
        self.withholding.on_block(number);
        self.next.send_replace(number.saturating_add(1));
    }

    /// From now on it is not the orderer that is waited for.
    pub(super) fn pause(&mut self) {
        self.withholding.pause(self.since.elapsed());
    }

    /// The orderer is waited for again.
    pub(super) fn resume(&mut self) {
        self.withholding.resume(self.since.elapsed());
    }

    /// Resolves with the number of a block that the orderer withholds. Nothing is lost if this is dropped before.
    pub(super) async fn withheld(&mut self) -> u64 {
        loop {
            let now = self.since.elapsed();
            if let Some(number) = self.withholding.overdue(now) {
                return number;
            }
            let deadline = self.withholding.deadline();
            tokio::select! {
                () = changed(&mut self.highest) => {
                    let highest = *self.highest.borrow_and_update();
                    if let Some(number) = highest {
                        self.withholding.on_header(number, self.since.elapsed());
                    }
                    self.state.send_modify(|state| state.highest_header = highest);
                }
                () = reached(deadline, now) => {}
            }
        }
    }

    /// The time limit of a block after its header.
    pub(super) fn limit(&self) -> Duration {
        self.limit
    }
}

async fn reached(deadline: Option<Duration>, now: Duration) {
    match deadline {
        Some(deadline) => tokio::time::sleep(deadline.saturating_sub(now)).await,
        None => pending().await,
    }
}

async fn follow_headers(mut watched: Watched, others: Vec<OrdererEndpoint>) {
    tokio::time::sleep((watched.limit / DELAYS_PER_LIMIT).min(DELAY_MAX)).await;
    // a channel of another type may be turned into one of this type
    if watched.bundle.wait_for(|bundle| bundle.consensus_type() == BFT).await.is_err() {
        return;
    }
    join_all(others.into_iter().map(|orderer| HeaderSource::new(watched.clone(), orderer).run())).await;
}
