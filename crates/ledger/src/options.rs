//! How a ledger is opened.

use crate::block::BlockHash;
use crate::error::LedgerError;

/// Largest segment: offsets in the index have 32 bits.
const SEGMENT_BYTES_LIMIT: u64 = u32::MAX as u64;

/// How to open a ledger. The default is right for a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Size at which a new segment file is begun, 64 MiB by default, less than 4 GiB. A block that is larger than
    /// this gets a segment of its own.
    pub segment_bytes_max: u64,
    /// How many sealed segments stay open for reading, 8 by default; each costs one file descriptor and 4 bytes
    /// of memory a block.
    pub open_segments_max: usize,
    /// Whether anything may be changed.
    pub access: Access,
    /// Where the chain begins; used only when the ledger is created.
    pub base: Base,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            segment_bytes_max: 64 << 20,
            open_segments_max: 8,
            access: Access::ReadWrite,
            base: Base::default(),
        }
    }
}

impl Options {
    pub(crate) fn check(&self) -> Result<(), LedgerError> {
        if self.segment_bytes_max == 0 || self.segment_bytes_max > SEGMENT_BYTES_LIMIT {
            return Err(LedgerError::Options {
                name: "segment_bytes_max",
                reason: "must be at least 1 and less than 4 GiB",
            });
        }
        if self.open_segments_max == 0 {
            return Err(LedgerError::Options { name: "open_segments_max", reason: "must be at least 1" });
        }
        if self.base.number > i64::MAX as u64 {
            return Err(LedgerError::Options { name: "base.number", reason: "must be below 2^63" });
        }
        if self.base.number > 0 && self.base.previous_hash.is_none() {
            return Err(LedgerError::Options {
                name: "base.previous_hash",
                reason: "must be given when the first block is not block 0",
            });
        }
        Ok(())
    }
}

/// Whether opening may change the folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Append, mend, prune; opening cuts a torn tail and rebuilds indexes. One process at a time.
    ReadWrite,
    /// Nothing on disk is changed: a torn tail is reported and not shown, an index that does not match is rebuilt
    /// in memory. Several processes at a time, but not beside one that writes.
    ReadOnly,
}

/// The first block that a new ledger wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Base {
    /// Its number: 0, or what follows the snapshot a channel was joined by.
    pub number: u64,
    /// Header hash of the block before it; none for block 0.
    pub previous_hash: Option<BlockHash>,
}
