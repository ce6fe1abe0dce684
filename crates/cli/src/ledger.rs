//! `selvedge ledger`: the ledger of a stopped node.

use crate::failure::Failure;
use bytes::Bytes;
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use selvedge::chain::{self, Chain};
use selvedge::config::NodeConfig;
use selvedge::node::{
    ChannelFolder, create_channel_folder, joined_channels, ledger_folder, open_channel_folder,
};
use selvedge_ledger::{Access, Ledger, Options, ReadError, Reader, Recovery};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

/// Verify, import and export the ledger of a stopped node.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Verify the whole chain: links, data hashes, the orderers' signatures, configuration by configuration
    #[command(after_help = "Examples:
  selvedge ledger verify
  selvedge ledger verify --data /var/hyperledger/production/selvedge --channel mychannel")]
    Verify {
        #[command(flatten)]
        place: Place,
    },
    /// Take blocks from files, one common.Block each, as `peer channel fetch` writes them; damaged ones are put back
    #[command(after_help = "Example (a new channel begins with its block 0):
  selvedge ledger import --data ./data blocks/*.block")]
    Import {
        /// The files, in any order; blocks that are not there yet must follow without a gap
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        #[command(flatten)]
        place: Place,
    },
    /// Write blocks to files DIR/NUMBER.block, one common.Block each, as stored
    #[command(after_help = "Example:
  selvedge ledger export ./blocks --from 100 --to 199")]
    Export {
        /// The folder; made if it is not there
        #[arg(value_name = "DIR")]
        folder: PathBuf,
        /// First block
        #[arg(long, value_name = "NUMBER", default_value_t = 0)]
        from: u64,
        /// Last block; otherwise the last there is
        #[arg(long, value_name = "NUMBER")]
        to: Option<u64>,
        #[command(flatten)]
        place: Place,
    },
}

/// Where the ledger lies.
#[derive(Args, Debug)]
pub(crate) struct Place {
    /// The node's data folder; otherwise `selvedge` in the folder peer.fileSystemPath of core.yaml
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The core.yaml; otherwise found as by `selvedge node start`
    #[arg(long, value_name = "FILE", conflicts_with = "data")]
    config: Option<PathBuf>,
    /// The channel, where the folder holds several
    #[arg(long, short, value_name = "CHANNEL")]
    channel: Option<String>,
}

impl Place {
    /// Whether a flag says where the ledger lies.
    pub(crate) fn is_named(&self) -> bool {
        self.data.is_some() || self.config.is_some() || self.channel.is_some()
    }

    /// Opens the ledger for reading, whatever state it is in, and refuses a folder that a node has open. Nothing is changed.
    pub(crate) fn open_ledger(&self) -> Result<(Ledger, Recovery), Failure> {
        let data = self.data()?;
        let channel = self.channel(&data)?;
        let folder = ledger_folder(&data, &channel);
        Ok(Ledger::open(&folder, &Options { access: Access::ReadOnly, ..Options::default() })?)
    }

    fn data(&self) -> Result<PathBuf, Failure> {
        match &self.data {
            Some(data) => Ok(data.clone()),
            None => Ok(selvedge::node::data_folder(&NodeConfig::load(self.config.as_deref())?)),
        }
    }

    /// The channel named, or the only one there is.
    fn channel(&self, data: &Path) -> Result<String, Failure> {
        let present = joined_channels(data)?;
        match (&self.channel, present.as_slice()) {
            (Some(channel), _) if present.contains(channel) => Ok(channel.clone()),
            (Some(channel), _) => Err(Failure::because(format!(
                "{} has no channel {channel}, but: {}",
                data.display(),
                listed(&present)
            ))),
            (None, [only]) => Ok(only.clone()),
            (None, []) => Err(Failure::because(format!(
                "{} holds no channel: name the node's data folder with --data, or join a channel first",
                data.display()
            ))),
            (None, _) => Err(Failure::because(format!(
                "{} holds several channels: name one with --channel: {}",
                data.display(),
                listed(&present)
            ))),
        }
    }
}

fn listed(channels: &[String]) -> String {
    if channels.is_empty() { "none".to_owned() } else { channels.join(", ") }
}

pub(crate) fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Verify { place } => verify(place),
        Command::Import { files, place } => import(files, place),
        Command::Export { folder, from, to, place } => export(folder, *from, *to, place),
    }
}

fn progress(length: u64, what: &'static str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} blocks, {per_sec}, {eta} left");
    let bar = ProgressBar::new(length).with_message(what);
    // the template is ours; if it were wrong the plain bar would do
    if let Ok(style) = style { bar.with_style(style) } else { bar }
}

fn verify(place: &Place) -> Result<(), Failure> {
    let (ledger, recovery) = place.open_ledger()?;
    let (first, height) = (ledger.first_number(), ledger.height());
    let reader = ledger.reader();
    let at = |number: u64| {
        let reader = &reader;
        move |error: ReadError| {
            note_other_damage(reader, number);
            Failure::because(format!("block {number}: {error}"))
        }
    };
    // what is lost or damaged is told by the failure
    note(&Recovery { lost_tail: None, hash_differs: None, damage: Vec::new(), ..recovery.clone() });
    if first > 0 {
        return Err(Failure::because(format!(
            "blocks below {first} were pruned: the chain cannot be verified from its genesis block"
        )));
    }
    let bar = progress(height, "verifying");
    let genesis = reader.read(0).map_err(at(0))?.ok_or_else(|| Failure::because("the ledger is empty"))?;
    let (mut chain, _) =
        Chain::genesis(&genesis).map_err(|error| Failure::because(format!("block 0: {error}")))?;
    let (mut configurations, mut bytes) = (1_u64, genesis.len());
    for (number, block) in (1..height).zip(reader.iter_from(1)) {
        let block = block.map_err(at(number))?;
        let checked = chain
            .check(&block.bytes, None)
            .map_err(|error| Failure::because(format!("block {number}: {error}")))?;
        configurations += u64::from(checked.next_bundle().is_some());
        bytes += block.bytes.len();
        chain.advance(&checked);
        bar.inc(1);
    }
    bar.finish_and_clear();
    if chain.height() != height {
        return Err(Failure::because(format!(
            "the ledger ends at block {} and should have {height}",
            chain.height()
        )));
    }
    if let Some(lost) = recovery.lost_tail {
        return Err(Failure::because(format!(
            "blocks {} to {} were there once and are lost: {} is cut or damaged from byte {} on; the blocks before them \
             are right. A node that is started fetches them again",
            lost.found_height,
            lost.known_height.saturating_sub(1),
            lost.file.display(),
            lost.offset
        )));
    }
    if let Some(number) = recovery.hash_differs {
        return Err(Failure::because(format!(
            "block {number} is not the one that was remembered: were files exchanged? The chain that is there is right"
        )));
    }
    println!(
        "{}: {height} blocks verified, {configurations} configurations, {bytes} bytes, last hash {}",
        chain.bundle().channel_id(),
        chain
            .last_hash()
            .map_or_else(String::new, |hash| hash.iter().map(|byte| format!("{byte:02x}")).collect())
    );
    Ok(())
}

/// Tells what opening a ledger found.
fn note(recovery: &Recovery) {
    for finding in recovery.findings() {
        eprintln!("note: {finding}");
    }
}

/// Tells of all known damage but that of block `number` alone.
fn note_other_damage(reader: &Reader, number: u64) {
    for damage in reader.damage().iter().filter(|damage| damage.numbers() != (number..=number)) {
        eprintln!("note: {damage}");
    }
}

fn import(files: &[PathBuf], place: &Place) -> Result<(), Failure> {
    let data = place.data()?;
    let mut blocks = files.iter().map(|file| read_block(file)).collect::<Result<Vec<_>, _>>()?;
    blocks.sort_by_key(|block| block.number);
    let Some(first) = blocks.first() else { return Ok(()) };
    let channel = place.channel.clone().unwrap_or_else(|| first.channel.clone());
    if let Some(other) = blocks.iter().find(|block| block.channel != channel) {
        return Err(Failure::because(format!("{} is of channel {}", other.file.display(), other.channel)));
    }
    let bar = progress(files.len() as u64, "importing");
    let (mut imported, mut mended) = (0_u64, 0);
    let folder = if joined_channels(&data)?.contains(&channel) {
        mended = mend_damaged(&ledger_folder(&data, &channel), &blocks)?;
        open_channel_folder(&data, &channel, &Options::default())?
    } else if first.number == 0 {
        imported = 1;
        create_channel_folder(&data, &first.bytes, &Options::default())?
    } else {
        return Err(Failure::because(format!(
            "{} has no channel {channel} yet, and a new one begins with block 0; the lowest here is block {} ({})",
            data.display(),
            first.number,
            first.file.display()
        )));
    };
    // anything else was told when it was opened to put back what is damaged
    let ChannelFolder { mut ledger, mut chain, recovery: _ } = folder;
    for block in &blocks {
        if block.number < chain.height() {
            continue;
        }
        let refused = |reason: String| refused(block, &reason);
        if block.number > chain.height() {
            return Err(refused(format!("block {} is missing before it", chain.height())));
        }
        let checked = chain.check(&block.bytes, None).map_err(|error| refused(error.to_string()))?;
        ledger.append(checked.as_new_block()).map_err(|error| refused(error.to_string()))?;
        chain.advance(&checked);
        imported += 1;
        if imported.is_multiple_of(256) {
            ledger.sync()?;
        }
        bar.inc(1);
    }
    let durable = ledger.close()?;
    bar.finish_and_clear();
    let mended = if mended > 0 { format!(", {mended} damaged ones put back") } else { String::new() };
    println!("{channel}: {imported} blocks imported and verified{mended}, height {}", durable.height);
    Ok(())
}

fn refused(block: &BlockFile, reason: &str) -> Failure {
    Failure::because(format!("block {} ({}): {reason}", block.number, block.file.display()))
}

/// Puts blocks back that are damaged; how many. The chain is not taken up for it: the configuration in force may be among
/// them.
fn mend_damaged(folder: &Path, blocks: &[BlockFile]) -> Result<u64, Failure> {
    let (mut ledger, recovery) = Ledger::open(folder, &Options::default())?;
    note(&recovery);
    let height = ledger.height();
    let mut mended = 0;
    for block in blocks.iter().take_while(|block| block.number < height) {
        match ledger.reader().read(block.number) {
            // it may be another orderer's copy
            Ok(Some(stored)) if stored != block.bytes => eprintln!(
                "note: {} differs from the block {} that is stored, which is kept",
                block.file.display(),
                block.number
            ),
            Ok(_) => {}
            Err(ReadError::Damaged(_)) => {
                chain::mend_given(&mut ledger, block.number, &block.bytes)
                    .map_err(|error| refused(block, &error.to_string()))?;
                mended += 1;
            }
            Err(error) => return Err(refused(block, &error.to_string())),
        }
    }
    ledger.close()?;
    Ok(mended)
}

struct BlockFile {
    file: PathBuf,
    number: u64,
    channel: String,
    bytes: Bytes,
}

fn read_block(file: &Path) -> Result<BlockFile, Failure> {
    let refused = |reason: String| Failure::because(format!("{}: {reason}", file.display()));
    let bytes = Bytes::from(std::fs::read(file).map_err(|error| refused(error.to_string()))?);
    let block = selvedge_proto::decode::<selvedge_proto::common::Block>(bytes.clone())
        .map_err(|error| refused(format!("not a block: {error}")))?;
    let number = block.header.as_ref().ok_or_else(|| refused("a block without header".to_owned()))?.number;
    let channel = selvedge_proto::block::channel_id(&block).map_err(|error| refused(error.to_string()))?;
    Ok(BlockFile { file: file.to_owned(), number, channel, bytes })
}

fn export(folder: &Path, from: u64, to: Option<u64>, place: &Place) -> Result<(), Failure> {
    let (ledger, _) = place.open_ledger()?;
    let end = to.map_or(u64::MAX, |to| to.saturating_add(1)).min(ledger.height());
    if from < ledger.first_number() || from >= end {
        return Err(Failure::because(format!(
            "there are blocks {} to {}: nothing to export from {from}",
            ledger.first_number(),
            ledger.height().saturating_sub(1)
        )));
    }
    std::fs::create_dir_all(folder)
        .map_err(|error| Failure::because(format!("{}: {error}", folder.display())))?;
    let bar = progress(end - from, "exporting");
    for (number, block) in (from..end).zip(ledger.reader().iter_from(from)) {
        let block = block.map_err(|error| Failure::because(format!("block {number}: {error}")))?;
        let file = folder.join(format!("{number:06}.block"));
        std::fs::write(&file, &block.bytes)
            .map_err(|error| Failure::because(format!("{}: {error}", file.display())))?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    println!("blocks {from} to {} written to {}", end - 1, folder.display());
    Ok(())
}
