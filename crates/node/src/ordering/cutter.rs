//! Blocks at a steady rate.

use super::transactions::{Creator, random_transaction};
use super::{CutBlock, LOGGER, OrderingError, OrderingSource};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

/// What a [`Cutter`] puts into blocks, and how often.
#[derive(Clone, Debug)]
pub struct Load {
    /// Time between two blocks.
    pub interval: Duration,
    /// Random transactions in each; transactions that were broadcast come in addition, as many again at most.
    pub transactions_count: usize,
    /// About how many bytes a marshalled block has, as far as its transactions' headers allow.
    pub block_bytes: usize,
    /// Who signs the transactions.
    pub client: Creator,
    /// Seed of their content.
    pub seed: u64,
}

/// Cuts blocks until it is stopped or dropped.
#[derive(Debug)]
pub struct Cutter {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Cutter {
    /// Begins with a block at once. A block that is late moves those after it. Needs a tokio runtime.
    pub fn start(source: OrderingSource, load: Load) -> Self {
        let stop = CancellationToken::new();
        let task = tokio::spawn(cut_steadily(source, load, stop.clone()));
        Self { stop, task }
    }

    /// Ends it; what was being cut is finished.
    pub async fn stop(mut self) {
        self.stop.cancel();
        // an error means that the task panicked, which has been reported already
        let _ = (&mut self.task).await;
    }
}

impl Drop for Cutter {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn cut_steadily(source: OrderingSource, load: Load, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(load.interval.max(Duration::from_millis(1)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut random = fastrand::Rng::with_seed(load.seed);
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let (source, load) = (source.clone(), load.clone());
        let cutting = tokio::task::spawn_blocking(move || {
            let cut = cut_random(&source, &load, &mut random);
            (cut, random)
        });
        let Ok((cut, generator)) = cutting.await else { return };
        random = generator;
        if let Err(error) = cut {
            tracing::error!(target: LOGGER, %error, "no more blocks are cut");
            return;
        }
    }
}

fn cut_random(
    source: &OrderingSource,
    load: &Load,
    random: &mut fastrand::Rng,
) -> Result<CutBlock, OrderingError> {
    let count = load.transactions_count.max(1);
    // header, metadata and the orderer's identity in its signature
    let overhead = 260 + source.shared.settings.orderer.identity.len();
    let each = load.block_bytes.saturating_sub(overhead) / count;
    let mut transactions = source.take_waiting(count);
    for _ in 0..count {
        transactions.push(random_transaction(source.channel(), each, &load.client, random)?);
    }
    source.cut(transactions)
}
