//! One block in a segment file: a header of fixed size, then the block's bytes.
//!
//! | bytes | field |
//! |---|---|
//! | 0..4 | magic |
//! | 4..12 | the ledger's mark, random and known to nobody outside |
//! | 12..16 | CRC-32C of all other header bytes and of the block |
//! | 16..24 | block number |
//! | 24..28 | length of the block in bytes |
//! | 28..32 | how many blocks before this one were not yet synced when it was written |
//! | 32..36 | flags: 1 configuration block, 2 has a previous hash |
//! | 36..68 | header hash |
//! | 68..100 | previous hash, zeros if it has none |
//!
//! The mark keeps a search for the next record after damage from finding one that somebody put into a transaction.
//! The hashes are here, and not only in the block, so that the chain can be checked without decoding protobuf.

use crate::block::{BlockHash, NewBlock};
use crate::wire::{take, take_u32, take_u64};

/// Largest block that can be stored: 1 GiB, ten times what a message may carry.
pub const BLOCK_BYTES_MAX: usize = 1 << 30;

/// Size of a record without its block.
pub(crate) const RECORD_HEADER_BYTES: usize = 100;

/// Magic and mark together: what a search for records looks for.
pub(crate) const SIGN_BYTES: usize = 12;

const MAGIC: [u8; 4] = *b"SvBk";
const FLAG_CONFIG: u32 = 1;
const FLAG_PREVIOUS: u32 = 2;

/// Random bytes drawn when a ledger is created and repeated in each of its files and records.
pub(crate) type Mark = [u8; 8];

/// What the header of a record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RecordHeader {
    pub(crate) number: u64,
    pub(crate) length: u32,
    pub(crate) unsynced_count: u32,
    pub(crate) is_config: bool,
    pub(crate) header_hash: BlockHash,
    pub(crate) previous_hash: Option<BlockHash>,
}

/// The bytes that each record of a ledger begins with.
pub(crate) fn sign(mark: Mark) -> [u8; SIGN_BYTES] {
    let mut sign = [0; SIGN_BYTES];
    sign[..4].copy_from_slice(&MAGIC);
    sign[4..].copy_from_slice(&mark);
    sign
}

/// The mark of something that begins like a record.
pub(crate) fn mark_of(bytes: &[u8]) -> Option<Mark> {
    let mut rest = bytes.strip_prefix(&MAGIC)?;
    take(&mut rest)
}

impl RecordHeader {
    /// The header for a block; `length` and `previous_hash` must have been checked.
    pub(crate) fn of(block: &NewBlock<'_>, unsynced_count: u32) -> Self {
        Self {
            number: block.number,
            length: block.bytes.len() as u32,
            unsynced_count,
            is_config: block.is_config,
            header_hash: block.header_hash,
            previous_hash: block.previous_hash.try_into().ok(),
        }
    }

    /// The header's bytes, with the checksum over them and the block.
    pub(crate) fn encode(&self, mark: Mark, block: &[u8]) -> Vec<u8> {
        let mut flags = 0;
        if self.is_config {
            flags |= FLAG_CONFIG;
        }
        if self.previous_hash.is_some() {
            flags |= FLAG_PREVIOUS;
        }
        let mut out = Vec::with_capacity(RECORD_HEADER_BYTES);
        out.extend_from_slice(&sign(mark));
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&self.number.to_le_bytes());
        out.extend_from_slice(&self.length.to_le_bytes());
        out.extend_from_slice(&self.unsynced_count.to_le_bytes());
        out.extend_from_slice(&flags.to_le_bytes());
        out.extend_from_slice(&self.header_hash);
        out.extend_from_slice(&self.previous_hash.unwrap_or_default());
        let checksum = crc32c::crc32c_append(header_checksum(&out), block);
        out[SIGN_BYTES..SIGN_BYTES + 4].copy_from_slice(&checksum.to_le_bytes());
        out
    }

    /// Reads a header that carries this mark; the checksum is not verified here, since it covers the block too.
    pub(crate) fn decode(bytes: &[u8], mark: Mark) -> Option<Self> {
        let mut rest = bytes.strip_prefix(&sign(mark))?;
        let _checksum = take_u32(&mut rest)?;
        let number = take_u64(&mut rest)?;
        let length = take_u32(&mut rest)?;
        let unsynced_count = take_u32(&mut rest)?;
        let flags = take_u32(&mut rest)?;
        let header_hash = take(&mut rest)?;
        let previous = take(&mut rest)?;
        let known = flags & !(FLAG_CONFIG | FLAG_PREVIOUS) == 0;
        (known && length as usize <= BLOCK_BYTES_MAX).then_some(Self {
            number,
            length,
            unsynced_count,
            is_config: flags & FLAG_CONFIG != 0,
            header_hash,
            previous_hash: (flags & FLAG_PREVIOUS != 0).then_some(previous),
        })
    }

    /// Size of the whole record.
    pub(crate) fn record_bytes(&self) -> u64 {
        RECORD_HEADER_BYTES as u64 + u64::from(self.length)
    }

    /// How many blocks were synced before this one was written: those below may be damaged, but never torn.
    pub(crate) fn proven_height(&self) -> u64 {
        self.number.saturating_sub(u64::from(self.unsynced_count))
    }
}

/// The checksum that a header carries.
pub(crate) fn stored_checksum(header: &[u8]) -> Option<u32> {
    take_u32(&mut header.get(SIGN_BYTES..)?)
}

/// Checksum over a header, to be continued over the block.
pub(crate) fn header_checksum(header: &[u8]) -> u32 {
    let (sign, rest) = header.split_at(SIGN_BYTES.min(header.len()));
    let end = rest.len().min(RECORD_HEADER_BYTES - SIGN_BYTES);
    crc32c::crc32c_append(crc32c::crc32c(sign), rest.get(4..end).unwrap_or_default())
}

/// Reads the record at the front of `bytes` and verifies it whole: mark, length, checksum. Bytes behind it do not
/// matter.
pub(crate) fn verify(bytes: &[u8], mark: Mark) -> Option<RecordHeader> {
    let header = RecordHeader::decode(bytes, mark)?;
    let block = bytes.get(RECORD_HEADER_BYTES..header.record_bytes() as usize)?;
    let checksum = crc32c::crc32c_append(header_checksum(bytes), block);
    (stored_checksum(bytes)? == checksum).then_some(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARK: Mark = *b"12345678";

    fn example(previous: &[u8]) -> (RecordHeader, Vec<u8>) {
        let block = NewBlock {
            number: 300,
            header_hash: [7; 32],
            previous_hash: previous,
            is_config: true,
            bytes: b"some block",
        };
        let header = RecordHeader::of(&block, 3);
        let mut record = header.encode(MARK, block.bytes);
        record.extend_from_slice(block.bytes);
        (header, record)
    }

    #[test]
    fn comes_back_as_written() {
        for previous in [&[][..], &[9; 32]] {
            let (header, mut record) = example(previous);
            assert_eq!(record.len() as u64, header.record_bytes());
            assert_eq!(header.previous_hash.is_some(), !previous.is_empty());
            assert_eq!(header.proven_height(), 297);
            record.extend_from_slice(b"what follows");
            assert_eq!(verify(&record, MARK), Some(header));
        }
    }

    #[test]
    fn every_changed_bit_is_noticed() {
        let (_, record) = example(&[9; 32]);
        for byte in 0..record.len() {
            for bit in 0..8 {
                let mut changed = record.clone();
                changed[byte] ^= 1 << bit;
                assert_eq!(verify(&changed, MARK), None, "byte {byte} bit {bit}");
            }
        }
    }

    #[test]
    fn cut_short_or_marked_otherwise_is_no_record() {
        let (_, record) = example(&[]);
        for length in 0..record.len() {
            assert_eq!(verify(&record[..length], MARK), None, "{length} bytes");
        }
        assert_eq!(verify(&record, *b"87654321"), None);
        assert_eq!(mark_of(&record), Some(MARK));
    }
}
