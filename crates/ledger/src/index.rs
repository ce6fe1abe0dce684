//! The index of one segment: where its records begin, which are configuration blocks, which are damaged.
//!
//! Of the growing segment it lies in memory only. When the segment is sealed it is written beside it, and if it ever
//! does not match, it is built again from the segment. The head is read when the ledger is opened, the offsets when
//! the segment is.
//!
//! | bytes | field |
//! |---|---|
//! | 0..8 | magic |
//! | 8..12 | CRC-32C of the rest of the head, lists included |
//! | 12..16 | CRC-32C of the offsets |
//! | 16..24 | the ledger's mark |
//! | 24..32 | number of the first block |
//! | 32..40 | where the last record ends |
//! | 40..44, 44..48, 48..52 | count of blocks, of configuration blocks, of unreadable stretches |
//! | 52..56 | zero |
//! | then | configuration blocks: 8 bytes each; stretches: first, last, offset, 24 bytes each |
//! | then | offsets, 4 bytes each |

use std::fs::File;
use std::io;

use crate::record::{Mark, RecordHeader};
use crate::scan::{Item, Scan, Stretch};
use crate::segment::{Offsets, read_up_to};
use crate::wire::{take, take_u32, take_u64};

const MAGIC: [u8; 8] = *b"SvIndex1";
const HEAD_BYTES: usize = 56;
const STRETCH_BYTES: usize = 24;

/// Blocks in a row that a segment should have and cannot give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unreadable {
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) offset: u64,
}

/// All that is known of a segment but the offsets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) first: u64,
    pub(crate) count: u64,
    pub(crate) end: u64,
    pub(crate) config_numbers: Vec<u64>,
    pub(crate) unreadable: Vec<Unreadable>,
}

impl Summary {
    /// The number that the next segment begins with.
    pub(crate) fn next(&self) -> u64 {
        self.first + self.count
    }
}

/// An index file's content.
pub(crate) fn encode(mark: Mark, summary: &Summary, starts: &[u32]) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEAD_BYTES + 4 * starts.len());
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&[0; 8]);
    out.extend_from_slice(&mark);
    out.extend_from_slice(&summary.first.to_le_bytes());
    out.extend_from_slice(&summary.end.to_le_bytes());
    for count in [starts.len(), summary.config_numbers.len(), summary.unreadable.len(), 0] {
        out.extend_from_slice(&(count as u32).to_le_bytes());
    }
    for number in &summary.config_numbers {
        out.extend_from_slice(&number.to_le_bytes());
    }
    for stretch in &summary.unreadable {
        for field in [stretch.first, stretch.last, stretch.offset] {
            out.extend_from_slice(&field.to_le_bytes());
        }
    }
    let head_bytes = out.len();
    for start in starts {
        out.extend_from_slice(&start.to_le_bytes());
    }
    let offsets = crc32c::crc32c(&out[head_bytes..]);
    out[12..16].copy_from_slice(&offsets.to_le_bytes());
    let head = crc32c::crc32c(&out[12..head_bytes]);
    out[8..12].copy_from_slice(&head.to_le_bytes());
    out
}

/// The head of an index file, verified; none if it is not this segment's index or was changed.
pub(crate) fn read_summary(file: &File, mark: Mark, first: u64) -> io::Result<Option<Summary>> {
    Ok(read_head(file, mark, first)?.map(|head| head.summary))
}

/// The whole of an index file, verified.
pub(crate) fn read_whole(file: &File, mark: Mark, first: u64) -> io::Result<Option<(Summary, Offsets)>> {
    let Some(head) = read_head(file, mark, first)? else { return Ok(None) };
    let count = head.summary.count as usize;
    let bytes = read_up_to(file, head.bytes as u64, 4 * count)?;
    if bytes.len() != 4 * count || crc32c::crc32c(&bytes) != head.offsets_checksum {
        return Ok(None);
    }
    let mut rest = bytes.as_slice();
    let starts = std::iter::from_fn(|| take_u32(&mut rest)).collect();
    let end = head.summary.end;
    Ok(Some((head.summary, Offsets { starts, end })))
}

struct Head {
    summary: Summary,
    offsets_checksum: u32,
    bytes: usize,
}

fn read_head(file: &File, mark: Mark, first: u64) -> io::Result<Option<Head>> {
    let mut bytes = read_up_to(file, 0, HEAD_BYTES)?;
    let Some(counts) = list_counts(&bytes) else { return Ok(None) };
    let length = HEAD_BYTES + 8 * counts.0 + STRETCH_BYTES * counts.1;
    // the counts are not verified yet
    if length as u64 > file.metadata()?.len() {
        return Ok(None);
    }
    bytes.extend(read_up_to(file, HEAD_BYTES as u64, length - HEAD_BYTES)?);
    Ok(parse_head(&bytes, mark).filter(|head| head.summary.first == first))
}

fn list_counts(head: &[u8]) -> Option<(usize, usize)> {
    let mut rest = head.get(44..HEAD_BYTES)?;
    Some((take_u32(&mut rest)? as usize, take_u32(&mut rest)? as usize))
}

fn parse_head(bytes: &[u8], mark: Mark) -> Option<Head> {
    let (config_count, stretch_count) = list_counts(bytes)?;
    let mut rest = bytes.strip_prefix(&MAGIC)?;
    if take_u32(&mut rest)? != crc32c::crc32c(rest) {
        return None;
    }
    let offsets_checksum = take_u32(&mut rest)?;
    if take(&mut rest)? != mark {
        return None;
    }
    let first = take_u64(&mut rest)?;
    let end = take_u64(&mut rest)?;
    let count = u64::from(take_u32(&mut rest)?);
    let _counts_and_zero = take::<12>(&mut rest)?;
    let config_numbers = (0..config_count).map(|_| take_u64(&mut rest)).collect::<Option<_>>()?;
    let unreadable = (0..stretch_count)
        .map(|_| {
            Some(Unreadable {
                first: take_u64(&mut rest)?,
                last: take_u64(&mut rest)?,
                offset: take_u64(&mut rest)?,
            })
        })
        .collect::<Option<_>>()?;
    let summary = Summary { first, count, end, config_numbers, unreadable };
    Some(Head { summary, offsets_checksum, bytes: bytes.len() })
}

/// What a walk through a whole segment found.
#[derive(Debug, Default)]
pub(crate) struct Scanned {
    pub(crate) summary: Summary,
    pub(crate) starts: Vec<u32>,
    /// Bytes that are no records, a last one without a block behind it included. Stretches of which a block is
    /// missing are in the summary too, but for that last one.
    pub(crate) stretches: Vec<Stretch>,
    /// All blocks below this were synced when the last of the readable records was written.
    pub(crate) proven_height: u64,
}

/// Walks through a segment and builds its index. `limit` is the number the next segment begins with.
pub(crate) fn scan(file: &File, mark: Mark, first: u64, limit: u64) -> io::Result<Scanned> {
    let mut scan = Scan::new(file, mark, first, limit)?;
    let mut found = Scanned::default();
    found.summary.first = first;
    found.proven_height = first;
    found.summary.end = crate::segment::SEGMENT_HEADER_BYTES as u64;
    while let Some(item) = scan.next()? {
        match item {
            Item::Record(header, offset) => found.record(&header, offset),
            Item::Stretch(stretch) => found.stretch(stretch),
        }
    }
    found.summary.count = found.starts.len() as u64;
    Ok(found)
}

impl Scanned {
    fn record(&mut self, header: &RecordHeader, offset: u64) {
        self.starts.push(offset as u32);
        self.summary.end = offset + header.record_bytes();
        self.proven_height = self.proven_height.max(header.proven_height());
        if header.is_config {
            self.summary.config_numbers.push(header.number);
        }
    }

    fn stretch(&mut self, stretch: Stretch) {
        if let Some(next) = stretch.next.filter(|next| *next > stretch.first) {
            let missing = Unreadable { first: stretch.first, last: next - 1, offset: stretch.offset };
            self.summary.unreadable.push(missing);
            let starts = self.starts.len() + (next - stretch.first) as usize;
            self.starts.resize(starts, stretch.offset as u32);
        }
        self.stretches.push(stretch);
    }

    /// For a sealed segment: notes that blocks below `next` are not there, and keeps what an older index of it knew
    /// of configuration blocks, which a damaged record cannot tell any more.
    pub(crate) fn seal(&mut self, next: u64, older: Option<Summary>) {
        let have = self.summary.next();
        if have < next {
            let offset = self.summary.end;
            self.summary.unreadable.push(Unreadable { first: have, last: next - 1, offset });
        }
        let config_numbers = &mut self.summary.config_numbers;
        config_numbers.extend(older.into_iter().flat_map(|older| older.config_numbers));
        config_numbers.sort_unstable();
        config_numbers.dedup();
    }

    /// For the growing segment: forgets block `number` and all behind it.
    pub(crate) fn cut_at(&mut self, number: u64, offset: u64) {
        let count = number.saturating_sub(self.summary.first);
        self.starts.truncate(count as usize);
        self.summary.count = count;
        self.summary.end = offset;
        self.summary.config_numbers.retain(|config| *config < number);
        self.summary.unreadable.retain(|missing| missing.first < number);
        self.stretches.retain(|stretch| stretch.first < number);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const MARK: Mark = *b"indexmrk";

    fn example() -> (Summary, Vec<u32>) {
        let summary = Summary {
            first: 100,
            count: 5,
            end: 999,
            config_numbers: vec![100, 103],
            unreadable: vec![Unreadable { first: 101, last: 102, offset: 200 }],
        };
        (summary, vec![72, 200, 200, 500, 800])
    }

    fn read(bytes: &[u8]) -> Option<(Summary, Offsets)> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("i");
        fs::write(&path, bytes).unwrap();
        read_whole(&File::open(&path).unwrap(), MARK, 100).unwrap()
    }

    #[test]
    fn comes_back_as_written() {
        let (summary, starts) = example();
        let (read_summary, offsets) = read(&encode(MARK, &summary, &starts)).unwrap();
        assert_eq!(read_summary, summary);
        assert_eq!(offsets.starts, starts);
        assert_eq!(offsets.extent(0), Some((72, 200)));
        assert_eq!(offsets.extent(1), Some((200, 200)));
        assert_eq!(offsets.extent(4), Some((800, 999)));
        assert_eq!(offsets.extent(5), None);
    }

    #[test]
    fn any_change_is_a_mismatch() {
        let (summary, starts) = example();
        let bytes = encode(MARK, &summary, &starts);
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 0x81;
            assert!(read(&changed).is_none(), "byte {at}");
            assert!(read(&bytes[..at]).is_none(), "cut at {at}");
        }
        let elsewhere = Summary { first: 101, ..summary };
        assert!(read(&encode(MARK, &elsewhere, &starts)).is_none());
    }

    #[test]
    fn a_sealed_segment_lacks_what_is_not_there_up_to_the_next() {
        let mut scanned = Scanned::default();
        scanned.summary.first = 10;
        scanned.summary.end = 300;
        scanned.starts = vec![72, 180];
        scanned.summary.count = 2;
        scanned.summary.config_numbers = vec![11];
        scanned.seal(15, Some(Summary { config_numbers: vec![10, 11], ..Summary::default() }));
        assert_eq!(scanned.starts, [72, 180]);
        assert_eq!(scanned.summary.next(), 12);
        assert_eq!(scanned.summary.unreadable, [Unreadable { first: 12, last: 14, offset: 300 }]);
        assert_eq!(scanned.summary.config_numbers, [10, 11]);
    }
}
