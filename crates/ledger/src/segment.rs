//! Segment files: their header, and opening them.
//!
//! | bytes | field of the header |
//! |---|---|
//! | 0..8 | magic |
//! | 8..12 | format version |
//! | 12..16 | CRC-32C of all other header bytes |
//! | 16..24 | the ledger's mark |
//! | 24..32 | number of the first block |
//! | 32..36 | flags: 1 there is a previous hash, 2 the previous hash is unknown |
//! | 36..40 | zero |
//! | 40..72 | header hash of the block before the first |
//!
//! A segment appears in the folder under its name only when its header is on disk.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::RwLock;

use crate::block::BlockHash;
use crate::record::Mark;
use crate::wire::{take, take_u32, take_u64};

/// Size of a segment's header: where its first record begins.
pub(crate) const SEGMENT_HEADER_BYTES: usize = 72;

/// Version of all files of a ledger.
pub(crate) const FORMAT_VERSION: u32 = 1;

const MAGIC: [u8; 8] = *b"SvSegmnt";
const FLAG_PREVIOUS: u32 = 1;
const FLAG_UNKNOWN: u32 = 2;

/// The hash of the block before a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Previous {
    /// There is no block before.
    None,
    /// The block before has this header hash.
    Hash(BlockHash),
    /// The header was repaired, and nothing was left that says it.
    Unknown,
}

impl From<Option<BlockHash>> for Previous {
    fn from(hash: Option<BlockHash>) -> Self {
        hash.map_or(Self::None, Self::Hash)
    }
}

/// What the header of a segment says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) mark: Mark,
    pub(crate) first: u64,
    pub(crate) previous: Previous,
}

/// Why a segment's header was not accepted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum HeaderFault {
    Damaged,
    Version(u32),
}

impl SegmentHeader {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let (flags, hash) = match self.previous {
            Previous::None => (0, BlockHash::default()),
            Previous::Hash(hash) => (FLAG_PREVIOUS, hash),
            Previous::Unknown => (FLAG_UNKNOWN, BlockHash::default()),
        };
        let mut out = Vec::with_capacity(SEGMENT_HEADER_BYTES);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&self.mark);
        out.extend_from_slice(&self.first.to_le_bytes());
        out.extend_from_slice(&flags.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&hash);
        let checksum = checksum(&out);
        out[12..16].copy_from_slice(&checksum.to_le_bytes());
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, HeaderFault> {
        Self::parse(bytes).unwrap_or(Err(HeaderFault::Damaged))
    }

    fn parse(bytes: &[u8]) -> Option<Result<Self, HeaderFault>> {
        let bytes = bytes.get(..SEGMENT_HEADER_BYTES)?;
        let mut rest = bytes.strip_prefix(&MAGIC)?;
        let version = take_u32(&mut rest)?;
        if take_u32(&mut rest)? != checksum(bytes) {
            return None;
        }
        if version != FORMAT_VERSION {
            return Some(Err(HeaderFault::Version(version)));
        }
        let mark = take(&mut rest)?;
        let first = take_u64(&mut rest)?;
        let flags = take_u32(&mut rest)?;
        let _zero = take_u32(&mut rest)?;
        let hash = take(&mut rest)?;
        let previous = match flags {
            0 => Previous::None,
            FLAG_PREVIOUS => Previous::Hash(hash),
            _ => Previous::Unknown,
        };
        Some(Ok(Self { mark, first, previous }))
    }
}

fn checksum(header: &[u8]) -> u32 {
    let (head, rest) = header.split_at(12.min(header.len()));
    crc32c::crc32c_append(crc32c::crc32c(head), rest.get(4..).unwrap_or_default())
}

/// Where the records of a segment begin; the last one ends at `end`.
///
/// A damaged block begins where the unreadable bytes do. Several in a row share that offset, so all but the last of
/// them have no bytes.
#[derive(Debug, Default)]
pub(crate) struct Offsets {
    pub(crate) starts: Vec<u32>,
    pub(crate) end: u64,
}

impl Offsets {
    /// Where the block that is `position`th in the segment begins and the next one begins.
    pub(crate) fn extent(&self, position: usize) -> Option<(u64, u64)> {
        let start = u64::from(*self.starts.get(position)?);
        Some((start, self.starts.get(position + 1).map_or(self.end, |next| u64::from(*next))))
    }
}

/// An open segment, sealed or growing.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) first: u64,
    pub(crate) path: PathBuf,
    pub(crate) file: File,
    pub(crate) offsets: RwLock<Offsets>,
}

/// Reads up to `count` bytes at `offset`; fewer only at the end of the file.
pub(crate) fn read_up_to(file: &File, offset: u64, count: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; count];
    let filled = fill(file, offset, &mut bytes)?;
    bytes.truncate(filled);
    Ok(bytes)
}

/// Fills `bytes` from `offset` on, and says how many there were.
pub(crate) fn fill(file: &File, offset: u64, bytes: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, offset + filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_comes_back_as_written() {
        for previous in [Previous::None, Previous::Hash([5; 32]), Previous::Unknown] {
            let header = SegmentHeader { mark: *b"abcdefgh", first: 77, previous };
            let bytes = header.encode();
            assert_eq!(bytes.len(), SEGMENT_HEADER_BYTES);
            assert_eq!(SegmentHeader::decode(&bytes), Ok(header));
            for byte in 0..bytes.len() {
                let mut changed = bytes.clone();
                changed[byte] ^= 0x10;
                assert_eq!(SegmentHeader::decode(&changed), Err(HeaderFault::Damaged), "byte {byte}");
                assert_eq!(SegmentHeader::decode(&bytes[..byte]), Err(HeaderFault::Damaged));
            }
        }
    }

    #[test]
    fn a_later_version_is_not_damage() {
        let mut bytes = SegmentHeader { mark: [0; 8], first: 0, previous: Previous::None }.encode();
        bytes[8] = 2;
        let checksum = checksum(&bytes);
        bytes[12..16].copy_from_slice(&checksum.to_le_bytes());
        assert_eq!(SegmentHeader::decode(&bytes), Err(HeaderFault::Version(2)));
    }
}
