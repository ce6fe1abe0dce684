//! A joined channel as the node holds it: ledger, configuration, orderer client.

use super::NodeError;
use super::committer::{Committer, Report};
use crate::chain::Chain;
use crate::deliver::{DeliverHandle, OrdererEndpoint};
use bytes::Bytes;
use selvedge_core::{Anchor, ChannelId, ChannelSettings, Endpoint, MspId};
use selvedge_ledger::{Damage, Ledger, LedgerError, Options, Reader, Recovery};
use selvedge_msp::ChannelBundle;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::watch;

/// A joined channel.
pub(super) struct JoinedChannel {
    pub(super) committer: Committer,
    pub(super) reader: Reader,
    pub(super) bundle: Arc<ChannelBundle>,
    /// Under which configuration blocks were verified that are not committed yet.
    pub(super) verified_under: BTreeMap<u64, u64>,
    /// Over which stream of the orderer client blocks came that are not committed yet.
    pub(super) delivered_over: BTreeMap<u64, u64>,
    pub(super) delivery: Option<Delivery>,
    pub(super) halted: Option<String>,
    /// The damage that has been told.
    damage: Vec<Damage>,
}

/// The running orderer client of a channel.
#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) handle: DeliverHandle,
    pub(super) endpoints: watch::Sender<Arc<[OrdererEndpoint]>>,
    pub(super) bundle: watch::Sender<Arc<ChannelBundle>>,
    pub(super) hold: watch::Sender<bool>,
}

/// The ledger of a channel on disk, opened, with the chain at its end.
pub struct ChannelFolder {
    /// The ledger.
    pub ledger: Ledger,
    /// Height, last hash and configuration at its end.
    pub chain: Chain,
    /// What opening it found; nobody has been told of it yet.
    pub recovery: Recovery,
}

impl JoinedChannel {
    /// Starts the committer of an opened ledger.
    pub(super) fn start(
        folder: ChannelFolder,
        report: impl FnMut(Report) + Send + 'static,
    ) -> Result<Self, NodeError> {
        let ChannelFolder { ledger, chain, recovery } = folder;
        let bundle = Arc::clone(chain.bundle());
        let channel = bundle.channel_id().to_owned();
        let reader = ledger.reader();
        let committer = Committer::start(&channel, ledger, chain, report).map_err(|error| {
            NodeError::Channel { channel, reason: format!("no thread for its ledger: {error}") }
        })?;
        Ok(Self {
            committer,
            reader,
            bundle,
            verified_under: BTreeMap::new(),
            delivered_over: BTreeMap::new(),
            delivery: None,
            halted: None,
            damage: recovery.damage,
        })
    }

    /// Damage found since the last call, or since the ledger was opened.
    pub(super) fn take_new_damage(&mut self) -> Vec<Damage> {
        let all = self.reader.damage();
        let told = std::mem::replace(&mut self.damage, all.clone());
        let is_told = |new: &Damage| told.iter().any(|old| old.first <= new.first && new.last <= old.last);
        all.into_iter().filter(|damage| !is_told(damage)).collect()
    }

    /// Remembers under which configuration a block verified; `None` if it did not.
    pub(super) fn on_block_checked(&mut self, number: u64, verified_under: Option<u64>) {
        match verified_under {
            Some(sequence) => {
                // two copies may be checked under two configurations: the older one counts, so that it is checked again
                let known = self.verified_under.entry(number).or_insert(sequence);
                *known = sequence.min(*known);
            }
            None => {
                self.verified_under.remove(&number);
            }
        }
    }

    /// Has the orderer client read again from `number` on, at another orderer.
    pub(super) fn on_delivery_refused(&mut self, number: u64) {
        let refused = self.delivered_over.split_off(&number);
        if let (Some((&number, &stream)), Some(delivery)) = (refused.first_key_value(), &self.delivery) {
            delivery.handle.refuse(stream, number, "it could not be kept");
        }
    }

    /// Forgets what concerns blocks below `height`.
    pub(super) fn on_committed(&mut self, height: u64) {
        self.verified_under = self.verified_under.split_off(&height);
        self.delivered_over = self.delivered_over.split_off(&height);
        if let Some(delivery) = &self.delivery {
            delivery.handle.skip_to(height);
        }
    }

    /// Streams from orderers that ended, by reason.
    pub(super) fn orderer_stream_ends(&self) -> BTreeMap<&'static str, u64> {
        self.delivery
            .as_ref()
            .map(|delivery| delivery.handle.state().borrow().ends.clone())
            .unwrap_or_default()
    }

    /// What the core must know.
    pub(super) fn settings(&self) -> ChannelSettings {
        let orgs = self.bundle.application_orgs();
        let mut msp_ids: Vec<MspId> = orgs.iter().map(|org| MspId::from(org.msp_id.as_str())).collect();
        msp_ids.sort();
        msp_ids.dedup();
        let anchors = orgs.iter().flat_map(|org| {
            org.anchor_peers.iter().map(|anchor| Anchor {
                org: MspId::from(org.msp_id.as_str()),
                endpoint: Endpoint::from(host_and_port(&anchor.host, anchor.port)),
            })
        });
        ChannelSettings {
            channel: ChannelId::from(self.bundle.channel_id()),
            sequence: self.bundle.sequence(),
            orgs: msp_ids,
            anchors: anchors.collect(),
            height: self.reader.height(),
        }
    }
}

/// `host:port`, an IPv6 literal in brackets.
fn host_and_port(host: &str, port: i32) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// The folder of a channel's ledger in the data folder of a node.
pub fn ledger_folder(data: &Path, channel: &str) -> PathBuf {
    data.join("ledgers").join(channel)
}

/// Opens the ledger of `channel` below the data folder of a node. Nothing is logged: see [`ChannelFolder::recovery`].
pub fn open_channel_folder(
    data: &Path,
    channel: &str,
    options: &Options,
) -> Result<ChannelFolder, NodeError> {
    let ledger_error = |source: LedgerError| NodeError::Ledger { channel: channel.to_owned(), source };
    let (ledger, recovery) = Ledger::open(&ledger_folder(data, channel), options).map_err(ledger_error)?;
    let chain = Chain::of(&ledger)
        .map_err(|error| NodeError::Channel { channel: channel.to_owned(), reason: error.to_string() })?;
    Ok(ChannelFolder { ledger, chain, recovery })
}

/// Makes the ledger of a new channel from its genesis block, which is durable on return.
pub fn create_channel_folder(
    data: &Path,
    genesis: &Bytes,
    options: &Options,
) -> Result<ChannelFolder, NodeError> {
    let (chain, block) = Chain::genesis(genesis)?;
    let channel = chain.bundle().channel_id().to_owned();
    let ledger_error = |source: LedgerError| match source {
        LedgerError::AlreadyExists { .. } => NodeError::AlreadyJoined(channel.clone()),
        source => NodeError::Ledger { channel: channel.clone(), source },
    };
    let mut ledger = Ledger::create(&ledger_folder(data, &channel), options).map_err(ledger_error)?;
    ledger.append(block.as_new_block()).map_err(ledger_error)?;
    ledger.sync().map_err(ledger_error)?;
    Ok(ChannelFolder { ledger, chain, recovery: Recovery { created: true, ..Recovery::default() } })
}

/// Names of the channels whose ledgers lie below the data folder of a node, sorted.
pub fn joined_channels(data: &Path) -> Result<Vec<String>, NodeError> {
    let folder = data.join("ledgers");
    let failed = |source| NodeError::Data { folder: folder.clone(), source };
    let mut names = Vec::new();
    match std::fs::read_dir(&folder) {
        Ok(entries) => {
            for entry in entries {
                let entry = entry.map_err(failed)?;
                if entry.file_type().map_err(failed)?.is_dir()
                    && let Ok(name) = entry.file_name().into_string()
                {
                    names.push(name);
                }
            }
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    names.sort();
    Ok(names)
}
