//! Reading a segment from front to back: which blocks it has, and which stretches are not readable.
//!
//! After an unreadable place the next record is looked for byte by byte. However large a block or the damage is, no
//! more than one window is in memory.

use std::fs::File;
use std::io;

use crate::record::{
    Mark, RECORD_HEADER_BYTES, RecordHeader, SIGN_BYTES, header_checksum, sign, stored_checksum,
};
use crate::segment::{SEGMENT_HEADER_BYTES, fill};

const WINDOW_BYTES: usize = 256 << 10;

/// More blocks than this cannot lie in one segment, since offsets have 32 bits.
const BLOCKS_MAX: u64 = u32::MAX as u64 / RECORD_HEADER_BYTES as u64;

/// What comes next in a segment.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Item {
    /// A whole record and where it begins.
    Record(RecordHeader, u64),
    /// Bytes that are no record.
    Stretch(Stretch),
}

/// Bytes between two records, or behind the last, that are not readable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stretch {
    /// The block that should begin here.
    pub(crate) first: u64,
    /// The block that was found behind it; none if no record follows.
    pub(crate) next: Option<u64>,
    /// Where it begins.
    pub(crate) offset: u64,
    /// How long it is.
    pub(crate) bytes: u64,
}

/// A walk through one segment.
pub(crate) struct Scan<'a> {
    window: Window<'a>,
    mark: Mark,
    position: u64,
    end: u64,
    wanted: u64,
    limit: u64,
    found: Option<(RecordHeader, u64)>,
}

impl<'a> Scan<'a> {
    /// Of a segment that begins with block `first` and has none at or above `limit`.
    pub(crate) fn new(file: &'a File, mark: Mark, first: u64, limit: u64) -> io::Result<Self> {
        let end = file.metadata()?.len();
        Ok(Self {
            window: Window { file, bytes: vec![0; WINDOW_BYTES], start: 0, filled: 0 },
            mark,
            position: (SEGMENT_HEADER_BYTES as u64).min(end),
            end,
            wanted: first,
            limit: limit.min(first.saturating_add(BLOCKS_MAX)),
            found: None,
        })
    }

    /// The next record or stretch; none at the end of the file. Two stretches never follow each other.
    pub(crate) fn next(&mut self) -> io::Result<Option<Item>> {
        if let Some((header, offset)) = self.found.take() {
            return Ok(Some(self.pass(header, offset)));
        }
        if self.position >= self.end {
            return Ok(None);
        }
        let begin = self.position;
        match self.record_at(begin)? {
            Some(header) if header.number == self.wanted => return Ok(Some(self.pass(header, begin))),
            Some(header) => self.found = Some((header, begin)),
            None => self.found = self.search(begin + 1)?,
        }
        let until = self.found.as_ref().map_or(self.end, |(_, offset)| *offset);
        self.position = until;
        Ok(Some(Item::Stretch(Stretch {
            first: self.wanted,
            next: self.found.as_ref().map(|(header, _)| header.number),
            offset: begin,
            bytes: until - begin,
        })))
    }

    fn pass(&mut self, header: RecordHeader, offset: u64) -> Item {
        self.wanted = header.number + 1;
        self.position = offset + header.record_bytes();
        Item::Record(header, offset)
    }

    /// The whole record at `offset`, if there is one and its number can be.
    fn record_at(&mut self, offset: u64) -> io::Result<Option<RecordHeader>> {
        let bytes = self.window.at(offset, RECORD_HEADER_BYTES)?;
        let Some(header) = RecordHeader::decode(bytes, self.mark) else { return Ok(None) };
        let fits = offset + header.record_bytes() <= self.end;
        let belongs = (self.wanted..self.limit).contains(&header.number);
        let Some(stored) = stored_checksum(bytes).filter(|_| fits && belongs) else { return Ok(None) };
        let mut checksum = header_checksum(bytes);
        let mut position = offset + RECORD_HEADER_BYTES as u64;
        let mut left = header.length as usize;
        while left > 0 {
            let chunk = self.window.at(position, left.min(WINDOW_BYTES))?;
            if chunk.is_empty() {
                return Ok(None);
            }
            checksum = crc32c::crc32c_append(checksum, chunk);
            position += chunk.len() as u64;
            left -= chunk.len();
        }
        Ok((checksum == stored).then_some(header))
    }

    /// The first whole record at or behind `position`.
    fn search(&mut self, mut position: u64) -> io::Result<Option<(RecordHeader, u64)>> {
        let sign = sign(self.mark);
        while position + RECORD_HEADER_BYTES as u64 <= self.end {
            let bytes = self.window.at(position, WINDOW_BYTES)?;
            let Some(hit) = bytes.windows(SIGN_BYTES).position(|window| window == sign) else {
                // the last bytes of the window may be the beginning of a sign
                position += (bytes.len().saturating_sub(SIGN_BYTES - 1)).max(1) as u64;
                continue;
            };
            position += hit as u64;
            if let Some(header) = self.record_at(position)? {
                return Ok(Some((header, position)));
            }
            position += 1;
        }
        Ok(None)
    }
}

struct Window<'a> {
    file: &'a File,
    bytes: Vec<u8>,
    start: u64,
    filled: usize,
}

impl Window<'_> {
    /// `count` bytes at `offset`, at most a window; fewer only at the end of the file.
    fn at(&mut self, offset: u64, count: usize) -> io::Result<&[u8]> {
        let count = count.min(self.bytes.len());
        let held = offset >= self.start && offset + count as u64 <= self.start + self.filled as u64;
        if !held {
            self.start = offset;
            self.filled = fill(self.file, offset, &mut self.bytes)?;
        }
        let begin = (offset - self.start) as usize;
        let end = (begin + count).min(self.filled);
        Ok(self.bytes.get(begin..end).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::block::NewBlock;

    const MARK: Mark = *b"scanmark";

    /// Records with these numbers and sizes behind an empty header, and where each begins.
    fn segment(blocks: &[(u64, usize)]) -> (Vec<u8>, Vec<usize>) {
        let mut bytes = vec![0; SEGMENT_HEADER_BYTES];
        let mut starts = Vec::new();
        for (number, size) in blocks {
            starts.push(bytes.len());
            append(&mut bytes, *number, &vec![*number as u8; *size]);
        }
        (bytes, starts)
    }

    fn append(bytes: &mut Vec<u8>, number: u64, payload: &[u8]) {
        let block =
            NewBlock { number, header_hash: [1; 32], previous_hash: &[], is_config: false, bytes: payload };
        bytes.extend(RecordHeader::of(&block, 0).encode(MARK, payload));
        bytes.extend_from_slice(payload);
    }

    /// Numbers of records, and stretches as (first, next, offset, bytes).
    type Seen = (Vec<u64>, Vec<(u64, Option<u64>, u64, u64)>);

    fn scan(bytes: &[u8], limit: u64) -> Seen {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        fs::write(&path, bytes).unwrap();
        let file = File::open(&path).unwrap();
        let mut scan = Scan::new(&file, MARK, 10, limit).unwrap();
        let (mut records, mut stretches) = (Vec::new(), Vec::new());
        while let Some(item) = scan.next().unwrap() {
            match item {
                Item::Record(header, _) => records.push(header.number),
                Item::Stretch(s) => stretches.push((s.first, s.next, s.offset, s.bytes)),
            }
        }
        (records, stretches)
    }

    #[test]
    fn reads_records_larger_and_smaller_than_the_window() {
        let (bytes, _) = segment(&[(10, 0), (11, WINDOW_BYTES * 2 + 17), (12, 5), (13, WINDOW_BYTES)]);
        assert_eq!(scan(&bytes, u64::MAX), (vec![10, 11, 12, 13], vec![]));
        assert_eq!(scan(&[], u64::MAX), (vec![], vec![]));
    }

    #[test]
    fn goes_on_behind_a_damaged_record() {
        let (mut bytes, starts) = segment(&[(10, 40), (11, WINDOW_BYTES + 9), (12, 40), (13, 40)]);
        bytes[starts[1] + 500] ^= 1;
        let stretch = (11, Some(12), starts[1] as u64, (starts[2] - starts[1]) as u64);
        assert_eq!(scan(&bytes, u64::MAX), (vec![10, 12, 13], vec![stretch]));
        bytes[starts[2] + 24] ^= 0xff; // the length of the next one
        let stretch = (11, Some(13), starts[1] as u64, (starts[3] - starts[1]) as u64);
        assert_eq!(scan(&bytes, u64::MAX), (vec![10, 13], vec![stretch]));
    }

    #[test]
    fn finds_a_sign_across_a_window_boundary() {
        let (head, _) = segment(&[(10, 4)]);
        // the search begins one byte behind record 10: let the next sign straddle the end of that window
        for overlap in 0..=SIGN_BYTES {
            let mut bytes = head.clone();
            bytes[SEGMENT_HEADER_BYTES] ^= 1;
            bytes.resize(SEGMENT_HEADER_BYTES + 1 + WINDOW_BYTES - overlap, 0xee);
            append(&mut bytes, 11, b"here");
            let (records, stretches) = scan(&bytes, u64::MAX);
            assert_eq!((records, stretches.len()), (vec![11], 1), "overlap {overlap}");
        }
    }

    #[test]
    fn a_record_inside_a_block_is_not_one() {
        // somebody who knows the format, but not the mark, puts a record into a transaction
        let mut forged = Vec::new();
        append(&mut forged, 11, b"forged");
        forged[4..12].copy_from_slice(b"otherone");
        let mut bytes = vec![0; SEGMENT_HEADER_BYTES];
        append(&mut bytes, 10, &forged);
        bytes[SEGMENT_HEADER_BYTES] ^= 1;
        let (records, stretches) = scan(&bytes, u64::MAX);
        assert_eq!(records, Vec::<u64>::new());
        assert_eq!(stretches[0].1, None);
    }

    #[test]
    fn numbers_that_cannot_be_are_not_records() {
        let (bytes, starts) = segment(&[(10, 4), (9, 4), (11, 4), (13, 4), (20, 4)]);
        let (records, stretches) = scan(&bytes, 15);
        assert_eq!(records, [10, 11, 13]);
        assert_eq!(stretches[0], (11, Some(11), starts[1] as u64, 104));
        assert_eq!(stretches[1], (12, Some(13), starts[3] as u64, 0));
        assert_eq!(stretches[2], (14, None, starts[4] as u64, 104));
    }
}
