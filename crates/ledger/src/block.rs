//! A block as it comes in and as it is given out.

use bytes::Bytes;

/// SHA-256 of a block header in its DER form (spec/07 §2), computed by the caller.
pub type BlockHash = [u8; 32];

/// A block to be stored. The ledger does not look into `bytes`.
#[derive(Clone, Copy, Debug)]
pub struct NewBlock<'a> {
    /// The block's number; the first one is that of [`Base`](crate::Base).
    pub number: u64,
    /// Hash of this block's header.
    pub header_hash: BlockHash,
    /// The previous block's hash as this block's header has it: 32 bytes, or none in block 0.
    pub previous_hash: &'a [u8],
    /// Whether it carries a channel configuration.
    pub is_config: bool,
    /// The serialised block, at most [`BLOCK_BYTES_MAX`](crate::BLOCK_BYTES_MAX).
    pub bytes: &'a [u8],
}

/// A block read back, its checksum verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredBlock {
    /// The block's number.
    pub number: u64,
    /// Hash of its header, as given when it was stored.
    pub header_hash: BlockHash,
    /// Hash of the previous block's header; none in block 0.
    pub previous_hash: Option<BlockHash>,
    /// Whether it carries a channel configuration.
    pub is_config: bool,
    /// The serialised block. Blocks of one ranged read share one buffer, which lives as long as any of them.
    pub bytes: Bytes,
}

/// How far the chain is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Durable {
    /// Number of the last durable block plus one.
    pub height: u64,
    /// Header hash of the last durable block; none as long as there is none (nor a snapshot below).
    pub last_hash: Option<BlockHash>,
}
