//! The one thread that writes a channel's ledger.
//!
//! Blocks come in order, verified; they are linked to the chain, appended in groups, and the height is reported only
//! after the group is on disk. A configuration block takes effect here, between two blocks, and nowhere else.

use crate::chain::{self, Chain, ChainError, MendError};
use bytes::Bytes;
use selvedge_ledger::{Durable, Ledger, LedgerError, ReadError};
use selvedge_msp::ChannelBundle;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How many blocks and bytes one fsync may cover.
const GROUP_COUNT_MAX: usize = 128;
const GROUP_BYTES_MAX: usize = 8 << 20;

/// After this long without a block the ledger is told that it is idle.
const IDLE: Duration = Duration::from_millis(200);

/// What the committer is asked to do.
#[derive(Debug)]
pub(crate) enum Order {
    /// Append the next block; see [`Chain::check`] for `verified_under`.
    Append { number: u64, bytes: Bytes, verified_under: Option<u64> },
    /// Put a damaged block back that was obtained again.
    Mend { number: u64, bytes: Bytes },
}

/// What the committer did, and what those found who read its ledger.
#[derive(Debug)]
pub(crate) enum Report {
    /// Every block below `height` is durable; the group took so long.
    Committed { height: u64, took: Duration },
    /// A new configuration is in force from the next block on.
    Reconfigured { bundle: Arc<ChannelBundle> },
    /// The block does not fit; nothing after it is taken until it comes again.
    Refused { number: u64, reason: ChainError },
    /// A damaged block can be read again.
    Mended { number: u64 },
    /// A damaged block is not put back by what was obtained.
    NotMended { number: u64, reason: MendError },
    /// Blocks that a peer asked for are damaged.
    Damaged,
    /// Blocks that a peer asked for could not be read.
    Unread { reason: ReadError },
    /// The disk failed, or the chain holds a configuration that cannot be followed: nothing is written any more.
    Halted { reason: String },
}

/// Handle to the thread; dropping it lets the thread finish what it was given.
#[derive(Debug)]
pub(crate) struct Committer {
    orders: Option<Sender<Order>>,
    thread: Option<JoinHandle<()>>,
}

impl Committer {
    /// Starts the thread. `report` is called on it.
    pub(crate) fn start(
        name: &str,
        ledger: Ledger,
        chain: Chain,
        report: impl FnMut(Report) + Send + 'static,
    ) -> std::io::Result<Self> {
        let (orders, inbox) = channel();
        let mut worker = Worker { ledger, chain, report, refused: false };
        let thread =
            std::thread::Builder::new().name(format!("commit {name}")).spawn(move || worker.run(&inbox))?;
        Ok(Self { orders: Some(orders), thread: Some(thread) })
    }

    /// Gives an order; it is lost if the thread has halted, which was reported.
    pub(crate) fn order(&self, order: Order) {
        if let Some(orders) = &self.orders {
            let _ = orders.send(order);
        }
    }

    /// Waits until everything ordered is done and the ledger is closed.
    pub(crate) fn stop(mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Worker<R> {
    ledger: Ledger,
    chain: Chain,
    report: R,
    /// Set by a refusal: what was ordered behind the refused block is discarded.
    refused: bool,
}

impl<R: FnMut(Report)> Worker<R> {
    fn run(&mut self, inbox: &Receiver<Order>) {
        while let Some(first) = self.next(inbox) {
            if let Err(reason) = self.group(first, inbox) {
                (self.report)(Report::Halted { reason: reason.to_string() });
                return;
            }
        }
        if let Err(error) = self.ledger.sync() {
            tracing::error!(target: "ledger", "closing the ledger of {}: {error}", self.chain.bundle().channel_id());
        }
    }

    /// The next order. Once when there is none for a while, the ledger records its height beside the segments.
    fn next(&mut self, inbox: &Receiver<Order>) -> Option<Order> {
        match inbox.recv_timeout(IDLE) {
            Ok(order) => return Some(order),
            Err(RecvTimeoutError::Disconnected) => return None,
            Err(RecvTimeoutError::Timeout) => {}
        }
        if let Err(error) = self.ledger.sync() {
            (self.report)(Report::Halted { reason: error.to_string() });
            return None;
        }
        inbox.recv().ok()
    }

    /// Appends `first` and what else is waiting, then makes the group durable.
    fn group(&mut self, first: Order, inbox: &Receiver<Order>) -> Result<(), LedgerError> {
        let started = Instant::now();
        let mut next = Some(first);
        let (mut count, mut bytes_count) = (0, 0);
        while let Some(order) = next.take() {
            match order {
                Order::Append { number, bytes, verified_under } => {
                    bytes_count += bytes.len();
                    count += 1;
                    self.append(number, &bytes, verified_under)?;
                }
                Order::Mend { number, bytes } => self.mend(number, &bytes),
            }
            if count < GROUP_COUNT_MAX && bytes_count < GROUP_BYTES_MAX {
                next = inbox.try_recv().ok();
            }
        }
        if count > 0 {
            let Durable { height, .. } = self.ledger.sync()?;
            (self.report)(Report::Committed { height, took: started.elapsed() });
        }
        Ok(())
    }

    fn append(&mut self, number: u64, bytes: &Bytes, verified_under: Option<u64>) -> Result<(), LedgerError> {
        if self.refused && number != self.chain.height() || number < self.chain.height() {
            return Ok(());
        }
        let block = match self.chain.check(bytes, verified_under) {
            Ok(block) => block,
            Err(reason) => {
                self.refused = true;
                (self.report)(Report::Refused { number, reason });
                return Ok(());
            }
        };
        self.refused = false;
        self.ledger.append(block.as_new_block())?;
        self.chain.advance(&block);
        if let Some(bundle) = block.next_bundle() {
            // durable before anybody acts on it
            self.ledger.sync()?;
            (self.report)(Report::Reconfigured { bundle: Arc::clone(bundle) });
        }
        Ok(())
    }

    fn mend(&mut self, number: u64, bytes: &Bytes) {
        (self.report)(match chain::mend(&mut self.ledger, number, bytes) {
            // once is enough
            Ok(()) | Err(MendError::Ledger(LedgerError::NotDamaged { .. })) => Report::Mended { number },
            Err(reason) => Report::NotMended { number, reason },
        });
    }
}
