//! The chain: cut, kept, and told to those who wait for it.

use super::blocks::{Tip, next_block};
use super::transactions::Creator;
use super::{LOGGER, OrderingError};
use bytes::Bytes;
use prost::Message as _;
use selvedge_ledger::{Ledger, NewBlock, Options, Reader};
use selvedge_msp::ChannelBundle;
use selvedge_proto::{block, common};
use std::collections::VecDeque;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{broadcast, watch};

/// Cuts that a slow listener may lag behind.
const CUTS_MAX: usize = 256;

/// What an ordering source is made from.
#[derive(Clone, Debug)]
pub struct OrderingSettings {
    /// Folder of its ledger; one that holds the chain of an earlier run is taken up again.
    pub folder: PathBuf,
    /// Who signs the blocks: an orderer of the channel.
    pub orderer: Creator,
    /// How far a client's clock may be off.
    pub time_window: Duration,
    /// Transactions that were broadcast and wait for a block; beyond, a client is told SERVICE_UNAVAILABLE.
    pub waiting_count_max: usize,
}

impl OrderingSettings {
    /// Fabric's time window of 15 minutes, and up to 10,000 waiting transactions.
    pub fn new(folder: PathBuf, orderer: Creator) -> Self {
        Self { folder, orderer, time_window: Duration::from_secs(15 * 60), waiting_count_max: 10_000 }
    }
}

/// A block that was cut and is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CutBlock {
    /// Its number.
    pub number: u64,
    /// Hash of its header.
    pub header_hash: [u8; 32],
    /// Length when marshalled.
    pub bytes_count: usize,
    /// Entries.
    pub transactions_count: usize,
    /// When it could be delivered first.
    pub at: Instant,
}

/// An ordering source. Clones share it.
#[derive(Clone)]
pub struct OrderingSource {
    pub(super) shared: Arc<Shared>,
}

impl fmt::Debug for OrderingSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let height = self.height();
        f.debug_struct("OrderingSource")
            .field("channel", &self.shared.channel)
            .field("height", &height)
            .finish()
    }
}

pub(super) struct Shared {
    pub(super) settings: OrderingSettings,
    pub(super) channel: String,
    writer: Mutex<Writer>,
    waiting: Mutex<VecDeque<Bytes>>,
    pub(super) reader: Reader,
    pub(super) heights: watch::Sender<u64>,
    pub(super) bundle: watch::Sender<Arc<ChannelBundle>>,
    pub(super) available: watch::Sender<bool>,
    cuts: broadcast::Sender<CutBlock>,
}

struct Writer {
    ledger: Ledger,
    tip: Tip,
}

impl OrderingSource {
    /// Opens the chain in the settings' folder, or begins it with `genesis`. Blocks while it reads and writes files.
    ///
    /// # Errors
    /// [`OrderingError::Foreign`] if the folder holds another chain; [`OrderingError::Config`] if `genesis` carries no valid
    /// configuration; what the ledger says.
    pub fn open(settings: OrderingSettings, genesis: &common::Block) -> Result<Self, OrderingError> {
        let (mut ledger, recovery) = Ledger::open_or_create(&settings.folder, &Options::default())?;
        for finding in recovery.findings() {
            tracing::warn!(target: "ledger", "ordering source: {finding}");
        }
        if ledger.height() == 0 {
            let header =
                block::check_header(genesis, 0).map_err(|_| OrderingError::Malformed("no genesis block"))?;
            ledger.append(NewBlock {
                number: 0,
                header_hash: block::header_hash(header),
                previous_hash: &[],
                is_config: true,
                bytes: &genesis.encode_to_vec(),
            })?;
            ledger.sync()?;
        }
        let reader = ledger.reader();
        let first = stored(&reader, 0)?;
        if !block::same_block(&first, genesis) {
            return Err(OrderingError::Foreign("its block 0 is not the genesis block"));
        }
        let number = ledger.height();
        let last_config = ledger
            .last_config_at_or_below(number.saturating_sub(1))
            .ok_or(OrderingError::Foreign("it has no configuration block"))?;
        let bundle = ChannelBundle::from_config_block(&stored(&reader, last_config)?)?;
        let previous_hash = ledger.last_hash().ok_or(OrderingError::Foreign("its last block has no hash"))?;
        let tip = Tip { number, previous_hash, last_config };
        let shared = Shared {
            settings,
            channel: bundle.channel_id().to_owned(),
            reader,
            writer: Mutex::new(Writer { ledger, tip }),
            waiting: Mutex::new(VecDeque::new()),
            heights: watch::Sender::new(number),
            bundle: watch::Sender::new(Arc::new(bundle)),
            available: watch::Sender::new(true),
            cuts: broadcast::Sender::new(CUTS_MAX),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The channel.
    pub fn channel(&self) -> &str {
        &self.shared.channel
    }

    /// Number of blocks.
    pub fn height(&self) -> u64 {
        *self.shared.heights.borrow()
    }

    /// The number of blocks, and every change of it.
    pub fn heights(&self) -> watch::Receiver<u64> {
        self.shared.heights.subscribe()
    }

    /// The configuration in force.
    pub fn bundle(&self) -> Arc<ChannelBundle> {
        Arc::clone(&self.shared.bundle.borrow())
    }

    /// Every block from now on; a listener that lags by more than 256 misses some.
    pub fn cuts(&self) -> broadcast::Receiver<CutBlock> {
        self.shared.cuts.subscribe()
    }

    /// A marshalled block, `None` beyond the height. Blocks while it reads.
    ///
    /// # Errors
    /// [`OrderingError::Read`] if it is damaged.
    pub fn block(&self, number: u64) -> Result<Option<Bytes>, OrderingError> {
        Ok(self.shared.reader.read(number)?)
    }

    /// Whether it orders. While it does not, clients are told SERVICE_UNAVAILABLE as by an orderer without a leader; blocks can
    /// be cut all the same.
    pub fn set_available(&self, available: bool) {
        self.shared.available.send_replace(available);
    }

    /// Cuts a block of these marshalled envelopes now. Blocks until it is durable.
    ///
    /// # Errors
    /// [`OrderingError::Empty`], [`OrderingError::Sign`], [`OrderingError::Ledger`].
    pub fn cut(&self, transactions: Vec<Bytes>) -> Result<CutBlock, OrderingError> {
        self.cut_with(&mut self.writer(), transactions, None)
    }

    /// Takes up to `count_max` of the transactions that were broadcast.
    pub(super) fn take_waiting(&self, count_max: usize) -> Vec<Bytes> {
        let mut waiting = self.shared.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let count = waiting.len().min(count_max);
        waiting.drain(..count).collect()
    }

    /// Puts a transaction behind those that wait.
    pub(super) fn enqueue(&self, transaction: Bytes) -> Result<(), OrderingError> {
        let mut waiting = self.shared.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() >= self.shared.settings.waiting_count_max {
            return Err(OrderingError::Full);
        }
        waiting.push_back(transaction);
        Ok(())
    }

    /// Cuts a configuration block whose content is decided while nobody else can cut one: `propose` is given the
    /// configuration in force, and returns the envelope and what will be in force after it.
    pub(super) fn cut_config(
        &self,
        propose: impl FnOnce(&ChannelBundle) -> Result<(Bytes, ChannelBundle), OrderingError>,
    ) -> Result<CutBlock, OrderingError> {
        let mut writer = self.writer();
        let (envelope, next) = propose(&self.bundle())?;
        let sequence = next.sequence();
        let cut = self.cut_with(&mut writer, vec![envelope], Some(next))?;
        let (channel, block) = (&self.shared.channel, cut.number);
        tracing::info!(target: LOGGER, %channel, block, sequence, "the channel has a new configuration");
        Ok(cut)
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.shared.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cut_with(
        &self,
        writer: &mut Writer,
        transactions: Vec<Bytes>,
        next_bundle: Option<ChannelBundle>,
    ) -> Result<CutBlock, OrderingError> {
        if transactions.is_empty() {
            return Err(OrderingError::Empty);
        }
        let (transactions_count, is_config) = (transactions.len(), next_bundle.is_some());
        let made = next_block(&writer.tip, transactions, is_config, &self.shared.settings.orderer)?;
        let header = made.header.as_ref().ok_or(OrderingError::Malformed("no header"))?;
        let header_hash = block::header_hash(header);
        let number = header.number;
        let bytes = made.encode_to_vec();
        writer.ledger.append(NewBlock {
            number,
            header_hash,
            previous_hash: &header.previous_hash,
            is_config,
            bytes: &bytes,
        })?;
        writer.ledger.sync()?;
        let last_config = if is_config { number } else { writer.tip.last_config };
        writer.tip = Tip { number: number.saturating_add(1), previous_hash: header_hash, last_config };
        if let Some(bundle) = next_bundle {
            self.shared.bundle.send_replace(Arc::new(bundle));
        }
        let at = Instant::now();
        self.shared.heights.send_replace(number.saturating_add(1));
        let cut = CutBlock { number, header_hash, bytes_count: bytes.len(), transactions_count, at };
        // nobody has to listen
        let _ = self.shared.cuts.send(cut.clone());
        Ok(cut)
    }
}

fn stored(reader: &Reader, number: u64) -> Result<common::Block, OrderingError> {
    let bytes = reader.read(number)?.ok_or(OrderingError::Foreign("a block is missing"))?;
    selvedge_proto::decode(bytes).map_err(|_| OrderingError::Foreign("a block is unparsable"))
}
