//! Blocks: hashes, well-formedness, and reading what is needed of them (spec/07 §1 to §5).
//!
//! A block is decoded with [`decode`] from [`Bytes`]: its entries then share the received buffer. It is
//! never encoded again to be hashed, stored or served.

mod canonical;
mod hash;
mod metadata;
mod well_formed;

use bytes::Bytes;

pub use canonical::restore_orderer_form;
pub use hash::{channel_mac, data_hash, header_bytes, header_hash};
pub use metadata::{BlockSignatures, last_config_index, signatures, signed_bytes, transactions_filter};
pub use well_formed::transactions_are_well_formed;

use crate::common::{Block, BlockHeader, ChannelHeader, ConfigEnvelope, Envelope, HeaderType, Payload};
use crate::wire::{WireError, decode};

/// What is wrong with a block, short of its signatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum BlockError {
    /// A configuration transaction stands in a block with other transactions.
    #[error("transaction {index} is a configuration among other transactions")]
    ConfigAmongOthers {
        /// Of the first one.
        index: usize,
    },
    /// The data are not those that the header's hash was made of.
    #[error("the data hash is not that of the data")]
    DataHashMismatch,
    /// No transactions.
    #[error("no transactions")]
    Empty,
    /// A transaction has no header.
    #[error("a transaction without header")]
    EntryHeaderMissing,
    /// A transaction could be read in more than one way.
    #[error("transaction {index} is not well formed")]
    EntryMalformed {
        /// Of the first one.
        index: usize,
    },
    /// A transaction, or a part of it, does not parse.
    #[error("undecodable transaction: {0}")]
    EntryUndecodable(WireError),
    /// No header.
    #[error("no block header")]
    HeaderMissing,
    /// The orderers' metadata do not name a configuration block.
    #[error("no last configuration in the orderers' metadata")]
    LastConfigMissing,
    /// The block has no such slot.
    #[error("no metadata slot {slot}")]
    MetadataMissing {
        /// The slot's index.
        slot: usize,
    },
    /// A slot does not parse.
    #[error("undecodable metadata slot {slot}: {error}")]
    MetadataUndecodable {
        /// The slot's index.
        slot: usize,
        /// What is wrong.
        error: WireError,
    },
    /// Not a configuration block.
    #[error("not a configuration block")]
    NotConfig,
    /// The header has another number.
    #[error("block {actual} instead of {expected}")]
    NumberMismatch {
        /// The number claimed or wanted.
        expected: u64,
        /// The number in the header.
        actual: u64,
    },
}

/// The header, if it is there and has this number.
///
/// # Errors
///
/// [`BlockError::HeaderMissing`], [`BlockError::NumberMismatch`].
pub fn check_header(block: &Block, number: u64) -> Result<&BlockHeader, BlockError> {
    let header = block.header.as_ref().ok_or(BlockError::HeaderMissing)?;
    if header.number == number {
        Ok(header)
    } else {
        Err(BlockError::NumberMismatch { expected: number, actual: header.number })
    }
}

/// Whether the data are what the header says: well formed, and hashed to its data hash. Says nothing of who made them.
///
/// # Errors
///
/// [`BlockError::HeaderMissing`], [`BlockError::DataHashMismatch`], or as [`transactions_are_well_formed`].
pub fn check_data(block: &Block) -> Result<(), BlockError> {
    let header = block.header.as_ref().ok_or(BlockError::HeaderMissing)?;
    transactions_are_well_formed(entries(block))?;
    if header.data_hash[..] == data_hash(entries(block)) { Ok(()) } else { Err(BlockError::DataHashMismatch) }
}

/// The block's transactions, each a marshalled `common.Envelope`; none if there are no data.
pub fn entries(block: &Block) -> &[Bytes] {
    block.data.as_ref().map(|data| &data.data[..]).unwrap_or_default()
}

/// Whether two copies are of the same block: header and data are equal. Metadata differ legitimately, from peer to peer
/// and under BFT from orderer to orderer (spec/07 §5).
pub fn same_block(a: &Block, b: &Block) -> bool {
    a.header == b.header && entries(a) == entries(b)
}

/// Whether this is a configuration block: exactly one transaction, which is a configuration.
pub fn is_config_block(block: &Block) -> bool {
    is_config_entries(entries(block))
}

fn is_config_entries(entries: &[Bytes]) -> bool {
    matches!(entries, [entry] if is_config_entry(entry))
}

fn is_config_entry(entry: &Bytes) -> bool {
    channel_header(entry).is_ok_and(|header| header.r#type == HeaderType::Config as i32)
}

/// Refuses a block in which a configuration stands among other transactions. Fabric's deliver client would not take its
/// configuration, Fabric's validator would (spec/07 §6.4); orderers never make one.
///
/// # Errors
///
/// [`BlockError::ConfigAmongOthers`].
pub fn refuse_config_among_others(entries: &[Bytes]) -> Result<(), BlockError> {
    if entries.len() < 2 {
        return Ok(());
    }
    match entries.iter().position(is_config_entry) {
        None => Ok(()),
        Some(index) => Err(BlockError::ConfigAmongOthers { index }),
    }
}

/// The channel header of a transaction.
///
/// # Errors
///
/// [`BlockError::EntryUndecodable`], [`BlockError::EntryHeaderMissing`].
pub fn channel_header(entry: &Bytes) -> Result<ChannelHeader, BlockError> {
    let header = payload(entry)?.header.ok_or(BlockError::EntryHeaderMissing)?;
    decode(header.channel_header).map_err(BlockError::EntryUndecodable)
}

/// The channel's name in a block's first transaction: what says which channel the block is of.
///
/// # Errors
///
/// [`BlockError::Empty`], or as [`channel_header`].
pub fn channel_id(block: &Block) -> Result<String, BlockError> {
    let entry = entries(block).first().ok_or(BlockError::Empty)?;
    Ok(channel_header(entry)?.channel_id)
}

/// The configuration in a configuration block, not checked in any way.
///
/// # Errors
///
/// [`BlockError::NotConfig`], [`BlockError::EntryUndecodable`].
pub fn config_envelope(block: &Block) -> Result<ConfigEnvelope, BlockError> {
    match entries(block) {
        [entry] if is_config_entry(entry) => {
            decode(payload(entry)?.data).map_err(BlockError::EntryUndecodable)
        }
        _ => Err(BlockError::NotConfig),
    }
}

fn payload(entry: &Bytes) -> Result<Payload, BlockError> {
    let envelope: Envelope = decode(entry.clone()).map_err(BlockError::EntryUndecodable)?;
    decode(envelope.payload).map_err(BlockError::EntryUndecodable)
}
