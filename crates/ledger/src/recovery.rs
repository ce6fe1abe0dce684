//! Opening a ledger as a kill, a power failure or a spoilt disk may have left it.
//!
//! Sealed segments were synced before the next was begun, so whatever is wrong in one is damage. Of them only the
//! headers are read here, of the segment and of its index. The growing segment is read whole. What is wrong in it is
//! damage if it was durable once, and a torn tail if not: it was durable if a later record says that all below was
//! synced before that record was written, or if the remembered height says so. Damage is reported and stays where it
//! is; a torn tail is cut. Blocks that were durable and are gone with all behind them are a lost tail: the height falls
//! to what is there, and the loss is reported.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};

use crate::block::{BlockHash, Durable};
use crate::damage::{Damage, DamageCause, DamageSet};
use crate::durable::Remembered;
use crate::error::{LedgerError, io_error};
use crate::folder::{Keep, Kind, Listing, list, path_of, remove, sync_folder, write_whole};
use crate::index::{self, Scanned, Summary};
use crate::options::{Access, Options};
use crate::record::{Mark, RECORD_HEADER_BYTES, RecordHeader, mark_of};
use crate::scan::{Item, Scan};
use crate::segment::{
    FORMAT_VERSION, HeaderFault, Offsets, Previous, SEGMENT_HEADER_BYTES, Segment, SegmentHeader, read_up_to,
};
use crate::shared::{Found, Shared, Table, damage_of, read_block_file};
use crate::writer::known;

/// What opening a ledger found and did. Nothing of it is logged here: [`findings`](Recovery::findings) gives the lines, and
/// whoever opened the ledger knows whom to tell.
#[must_use = "blocks may be lost or damaged"]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// There was no ledger, and now there is one.
    pub created: bool,
    /// Blocks that were being written when the process or the machine died. They never were durable; they were cut.
    pub torn_tail: Option<TornTail>,
    /// Blocks that were durable and are gone. The height has fallen; they must be fetched again.
    pub lost_tail: Option<LostTail>,
    /// Blocks that are damaged while others behind them are not. They must be fetched again and
    /// [mended](crate::Ledger::mend).
    pub damage: Vec<Damage>,
    /// Indexes that were missing or did not match and were made anew.
    pub indexes_rebuilt: Vec<PathBuf>,
    /// Segments whose header was damaged, and written again from what else is known.
    pub headers_repaired: Vec<PathBuf>,
    /// Segments without a readable header or record, renamed to `….damaged`.
    pub moved_aside: Vec<PathBuf>,
    /// Where the metadata file was moved that could not be read any more.
    pub metadata_moved: Option<PathBuf>,
    /// Number of a block whose header hash is not the remembered one: somebody exchanged files.
    pub hash_differs: Option<u64>,
}

/// A tail that never was durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TornTail {
    /// The segment it was cut from.
    pub file: PathBuf,
    /// Where.
    pub offset: u64,
    /// How long it was.
    pub bytes: u64,
    /// Number of the first block in it, which is the height.
    pub first: u64,
}

/// A tail that was durable once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostTail {
    /// The height that was durable.
    pub known_height: u64,
    /// The height that is there.
    pub found_height: u64,
    /// The last segment.
    pub file: PathBuf,
    /// Where the first lost block should begin.
    pub offset: u64,
    /// How many unreadable bytes were there, and were cut.
    pub bytes: u64,
}

/// An opened ledger's parts.
pub(crate) struct Opened {
    pub(crate) shared: Shared,
    pub(crate) remembered: Option<Remembered>,
    pub(crate) last_hash: Option<BlockHash>,
    pub(crate) recovery: Recovery,
}

/// Random bytes for a new ledger, from the generator that the standard library seeds its hash maps with.
pub(crate) fn draw_mark() -> Mark {
    RandomState::new().hash_one("ledger").to_le_bytes()
}

/// Opens the ledger in a folder whose lock is held.
pub(crate) fn open(folder: &Path, options: &Options) -> Result<Opened, LedgerError> {
    let listing = list(folder)?;
    if listing.segments.is_empty() {
        return Err(LedgerError::NoLedger { folder: folder.to_path_buf() });
    }
    let mut opening = Opening {
        folder,
        is_writable: options.access == Access::ReadWrite,
        recovery: Recovery::default(),
        damage: DamageSet::default(),
        config: BTreeSet::new(),
    };
    opening.remove_leftovers(&listing)?;
    let (mut remembered, moved) = Remembered::open(folder, options.access)?;
    opening.recovery.metadata_moved = moved;
    let mut headers = opening.read_headers(&listing, remembered.as_ref().and_then(Remembered::mark))?;
    let Some(header) = headers.pop() else {
        return Err(LedgerError::Unrecognised { folder: folder.to_path_buf() });
    };
    for (at, sealed) in headers.iter().enumerate() {
        let next = headers.get(at + 1).map_or(header.first, |next| next.first);
        opening.check_sealed(sealed, next)?;
    }
    let active = opening.open_active(&header, remembered.as_ref().and_then(Remembered::last))?;
    let height = active.height;
    let apart = opening.read_apart(&listing, header.mark, height)?;
    opening.recovery.damage = opening.damage.to_vec();
    let shared = Shared::new(Found {
        folder: folder.to_path_buf(),
        mark: header.mark,
        access: options.access,
        open_segments_max: options.open_segments_max,
        height,
        table: Table {
            sealed: headers.iter().map(|sealed| sealed.first).collect(),
            active: Arc::new(active.segment),
        },
        damage: opening.damage,
        apart,
        config: opening.config,
    });
    let last_hash = match active.last_hash {
        Some(hash) => hash,
        None => last_hash_below(&shared, height)?,
    };
    if let Some(remembered) = remembered.as_mut().filter(|_| opening.is_writable) {
        remembered.write(Durable { height, last_hash }, header.mark)?;
    }
    Ok(Opened { shared, remembered, last_hash, recovery: opening.recovery })
}

/// For a growing segment that is empty and whose repaired header does not say what is before it.
fn last_hash_below(shared: &Shared, height: u64) -> Result<Option<BlockHash>, LedgerError> {
    let Some(number) = height.checked_sub(1) else { return Ok(None) };
    let unrecognised = || LedgerError::Unrecognised { folder: shared.folder.clone() };
    let segment = shared.segment_of(number)?.ok_or_else(unrecognised)?;
    let block = shared.read_run(&segment, number, number, usize::MAX)?.pop().ok_or_else(unrecognised)?;
    Ok(Some(block.header_hash))
}

struct Active {
    segment: Segment,
    height: u64,
    /// None if nothing says it.
    last_hash: Option<Option<BlockHash>>,
}

struct Opening<'a> {
    folder: &'a Path,
    is_writable: bool,
    recovery: Recovery,
    damage: DamageSet,
    config: BTreeSet<u64>,
}

impl Opening<'_> {
    fn path(&self, number: u64, kind: Kind) -> PathBuf {
        path_of(self.folder, number, kind)
    }

    /// Files that were being written when the process died, and indexes of segments that were removed.
    fn remove_leftovers(&self, listing: &Listing) -> Result<(), LedgerError> {
        if !self.is_writable {
            return Ok(());
        }
        for path in &listing.temporary {
            remove(path)?;
        }
        for number in listing.indexes.difference(&listing.segments) {
            remove(&self.path(*number, Kind::Index))?;
        }
        Ok(())
    }

    /// The headers of all segments, ascending; those that are damaged are repaired.
    fn read_headers(
        &mut self,
        listing: &Listing,
        remembered: Option<Mark>,
    ) -> Result<Vec<SegmentHeader>, LedgerError> {
        let mut headers = Vec::new();
        let mut damaged = Vec::new();
        for first in listing.segments.iter().copied() {
            let file = self.path(first, Kind::Segment);
            let bytes = File::open(&file).and_then(|file| read_up_to(&file, 0, SEGMENT_HEADER_BYTES));
            match SegmentHeader::decode(&bytes.map_err(io_error("read", &file))?) {
                Ok(header) if header.first == first => headers.push(header),
                Ok(_) => return Err(LedgerError::Foreign { file }),
                Err(HeaderFault::Damaged) => damaged.push(first),
                Err(HeaderFault::Version(version)) => {
                    let supported = FORMAT_VERSION;
                    return Err(LedgerError::Version { file, version, supported });
                }
            }
        }
        let mark = headers.first().map(|header| header.mark);
        if let Some(foreign) = headers.iter().find(|header| Some(header.mark) != mark) {
            return Err(LedgerError::Foreign { file: self.path(foreign.first, Kind::Segment) });
        }
        if !damaged.is_empty() {
            let mark = match mark.or(remembered) {
                Some(mark) => mark,
                None => self.mark_of_records(&damaged)?,
            };
            let repaired = self.repair_headers(&damaged, mark, headers.is_empty())?;
            headers.extend(repaired);
            headers.sort_unstable_by_key(|header| header.first);
        }
        Ok(headers)
    }

    /// The mark that the first record of some segment bears.
    fn mark_of_records(&self, segments: &[u64]) -> Result<Mark, LedgerError> {
        for first in segments {
            let path = self.path(*first, Kind::Segment);
            let read = || -> io::Result<Option<Mark>> {
                let file = File::open(&path)?;
                let bytes = read_up_to(&file, SEGMENT_HEADER_BYTES as u64, RECORD_HEADER_BYTES)?;
                let Some(mark) = mark_of(&bytes) else { return Ok(None) };
                let mut scan = Scan::new(&file, mark, *first, first.saturating_add(1))?;
                let is_whole = matches!(scan.next()?, Some(Item::Record(..)));
                Ok(is_whole.then_some(mark))
            };
            if let Some(mark) = read().map_err(io_error("read", &path))? {
                return Ok(mark);
            }
        }
        Err(LedgerError::Unrecognised { folder: self.folder.to_path_buf() })
    }

    /// Headers from the files' names and records. A segment without any is moved aside, unless it is all there is.
    fn repair_headers(
        &mut self,
        segments: &[u64],
        mark: Mark,
        is_all: bool,
    ) -> Result<Vec<SegmentHeader>, LedgerError> {
        let mut repaired = Vec::new();
        let mut useless = Vec::new();
        for first in segments.iter().copied() {
            let path = self.path(first, Kind::Segment);
            let file = File::open(&path).map_err(io_error("open", &path))?;
            match previous_of_first(&file, mark, first).map_err(io_error("read", &path))? {
                Some(previous) => repaired.push(SegmentHeader { mark, first, previous }),
                None => useless.push(path),
            }
        }
        if is_all && repaired.is_empty() {
            return Err(LedgerError::Unrecognised { folder: self.folder.to_path_buf() });
        }
        for path in useless {
            if self.is_writable {
                let mut aside = path.clone().into_os_string();
                aside.push(".damaged");
                fs::rename(&path, &aside).map_err(io_error("rename", &path))?;
                sync_folder(self.folder)?;
            }
            self.recovery.moved_aside.push(path);
        }
        for header in &repaired {
            let path = self.path(header.first, Kind::Segment);
            if self.is_writable {
                let write = || -> io::Result<()> {
                    let file = OpenOptions::new().write(true).open(&path)?;
                    file.write_all_at(&header.encode(), 0)?;
                    file.sync_all()
                };
                write().map_err(io_error("write to", &path))?;
            }
            self.recovery.headers_repaired.push(path);
        }
        Ok(repaired)
    }

    /// Looks whether a sealed segment is as long as its index says, and whether it has all blocks up to the next.
    fn check_sealed(&mut self, header: &SegmentHeader, next: u64) -> Result<(), LedgerError> {
        let path = self.path(header.first, Kind::Segment);
        let index_path = self.path(header.first, Kind::Index);
        let file = File::open(&path).map_err(io_error("open", &path))?;
        let length = file.metadata().map_err(io_error("read", &path))?.len();
        let stored = match File::open(&index_path) {
            Ok(index) => index::read_summary(&index, header.mark, header.first),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        };
        let stored = stored.map_err(io_error("read", &index_path))?;
        let summary = match stored {
            Some(summary) if summary.end <= length && summary.next() <= next => summary,
            older => self.rebuild_index(header, next, &file, older)?,
        };
        for damage in damage_of(&path, &summary) {
            self.damage.insert(&damage);
        }
        if summary.next() < next {
            // what is not known yet to be missing of this file was in another
            self.damage.insert(&Damage {
                first: summary.next(),
                last: next - 1,
                file: self.path(summary.next(), Kind::Segment),
                offset: 0,
                cause: DamageCause::Missing,
            });
        }
        self.config.extend(summary.config_numbers);
        Ok(())
    }

    fn rebuild_index(
        &mut self,
        header: &SegmentHeader,
        next: u64,
        file: &File,
        older: Option<Summary>,
    ) -> Result<Summary, LedgerError> {
        let path = self.path(header.first, Kind::Segment);
        let index_path = self.path(header.first, Kind::Index);
        let scanned = index::scan(file, header.mark, header.first, next);
        let mut scanned = scanned.map_err(io_error("read", &path))?;
        scanned.seal(next, older);
        if self.is_writable {
            let content = index::encode(header.mark, &scanned.summary, &scanned.starts);
            write_whole(&index_path, &[&content], Keep::Rebuildable)?;
        }
        self.recovery.indexes_rebuilt.push(index_path);
        Ok(scanned.summary)
    }

    /// Reads the growing segment, decides what is torn, lost and damaged, and cuts what must be.
    fn open_active(
        &mut self,
        header: &SegmentHeader,
        remembered: Option<Durable>,
    ) -> Result<Active, LedgerError> {
        let path = self.path(header.first, Kind::Segment);
        let open = || -> io::Result<(File, u64, Scanned)> {
            let file = OpenOptions::new().read(true).write(self.is_writable).open(&path)?;
            let length = file.metadata()?.len();
            let scanned = index::scan(&file, header.mark, header.first, u64::MAX)?;
            Ok((file, length, scanned))
        };
        let (mut file, length, mut scanned) = open().map_err(io_error("read", &path))?;
        let remembered = self.believable(remembered, header, &file, &scanned);
        let proven = remembered.map_or(0, |durable| durable.height).max(scanned.proven_height);
        let torn = scanned
            .stretches
            .iter()
            .find(|stretch| stretch.next.is_none_or(|next| next > stretch.first && next > proven));
        let (height, end) = match torn {
            Some(stretch) => (stretch.first, stretch.offset),
            None => (scanned.summary.next(), scanned.summary.end),
        };
        scanned.cut_at(height, end);
        self.note_tail(&path, height, proven, end, length.saturating_sub(end));
        if self.is_writable {
            settle(&file, &scanned, length, proven)
                .and_then(|()| file.seek(SeekFrom::Start(end)))
                .map_err(io_error("write to", &path))?;
        }
        for damage in damage_of(&path, &scanned.summary) {
            self.damage.insert(&damage);
        }
        self.config.extend(&scanned.summary.config_numbers);
        let last_hash = match last_record(&file, header.mark, &scanned).map_err(io_error("read", &path))? {
            Some(record) => Some(Some(record.header_hash)),
            None => known(header.previous),
        };
        let offsets = RwLock::new(Offsets { starts: scanned.starts, end });
        Ok(Active { segment: Segment { first: header.first, path, file, offsets }, height, last_hash })
    }

    /// The remembered height, unless its hash shows that it is of another chain.
    fn believable(
        &mut self,
        remembered: Option<Durable>,
        header: &SegmentHeader,
        file: &File,
        scanned: &Scanned,
    ) -> Option<Durable> {
        let durable = remembered?;
        let number = durable.height.checked_sub(1)?;
        let position = number.checked_sub(header.first).and_then(|position| usize::try_from(position).ok());
        let start = position.and_then(|position| scanned.starts.get(position).copied());
        let record = start.and_then(|start| record_header(file, header.mark, start).ok()?);
        let mut unreadable = scanned.summary.unreadable.iter();
        let is_readable = !unreadable.any(|missing| (missing.first..=missing.last).contains(&number));
        let hash = match record {
            Some(record) if is_readable => Some(record.header_hash),
            _ if durable.height == header.first => known(header.previous).flatten(),
            _ => None,
        };
        if hash.is_none() || hash == durable.last_hash {
            return Some(durable);
        }
        self.recovery.hash_differs = Some(number);
        None
    }

    fn note_tail(&mut self, file: &Path, height: u64, proven: u64, offset: u64, bytes: u64) {
        if height < proven {
            self.recovery.lost_tail = Some(LostTail {
                known_height: proven,
                found_height: height,
                file: file.to_path_buf(),
                offset,
                bytes,
            });
        } else if bytes > 0 {
            self.recovery.torn_tail =
                Some(TornTail { file: file.to_path_buf(), offset, bytes, first: height });
        }
    }

    /// Blocks in files of their own.
    fn read_apart(
        &mut self,
        listing: &Listing,
        mark: Mark,
        height: u64,
    ) -> Result<BTreeSet<u64>, LedgerError> {
        let mut apart = BTreeSet::new();
        for number in listing.blocks.iter().copied() {
            let file = self.path(number, Kind::Block);
            if number >= height {
                // mended once, and then lost with the tail: it will be appended again
                if self.is_writable {
                    remove(&file)?;
                }
                continue;
            }
            match read_block_file(&file, mark, number).map_err(io_error("read", &file))? {
                Some(block) => {
                    apart.insert(number);
                    self.damage.remove(number);
                    if block.is_config {
                        self.config.insert(number);
                    }
                }
                None => {
                    let cause = DamageCause::Changed;
                    self.damage.insert(&Damage { first: number, last: number, file, offset: 0, cause });
                }
            }
        }
        Ok(apart)
    }
}

/// Cuts the file where the records end, and makes sure that these are on disk.
///
/// A segment whose process died may be in memory only. And after an fsync that failed, the next one succeeds without
/// having written anything; so what nothing proves to be on disk, at most the last group, is written once more.
fn settle(file: &File, scanned: &Scanned, length: u64, proven: u64) -> io::Result<()> {
    let end = scanned.summary.end;
    if length == end && scanned.summary.next() <= proven {
        return Ok(());
    }
    if length > end {
        file.set_len(end)?;
    }
    let position = usize::try_from(proven.saturating_sub(scanned.summary.first)).unwrap_or(usize::MAX);
    let mut offset = scanned.starts.get(position).map_or(end, |start| u64::from(*start));
    while offset < end {
        let bytes = read_up_to(file, offset, (end - offset).min(1 << 20) as usize)?;
        file.write_all_at(&bytes, offset)?;
        offset += bytes.len().max(1) as u64;
    }
    file.sync_all()
}

fn last_record(file: &File, mark: Mark, scanned: &Scanned) -> io::Result<Option<RecordHeader>> {
    match scanned.starts.last() {
        Some(start) => record_header(file, mark, *start),
        None => Ok(None),
    }
}

/// The header of a record that a scan has verified.
fn record_header(file: &File, mark: Mark, start: u32) -> io::Result<Option<RecordHeader>> {
    Ok(RecordHeader::decode(&read_up_to(file, u64::from(start), RECORD_HEADER_BYTES)?, mark))
}

/// What the first record of a segment says of the block before it; none if the segment has no record.
fn previous_of_first(file: &File, mark: Mark, first: u64) -> io::Result<Option<Previous>> {
    let mut scan = Scan::new(file, mark, first, u64::MAX)?;
    while let Some(item) = scan.next()? {
        if let Item::Record(header, _) = item {
            let is_first = header.number == first;
            return Ok(Some(if is_first { header.previous_hash.into() } else { Previous::Unknown }));
        }
    }
    Ok(None)
}
