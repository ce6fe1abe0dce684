//! What the writer and all readers of a ledger share: which segments there are, which are open, what is damaged.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use bytes::Bytes;

use crate::TARGET;
use crate::block::StoredBlock;
use crate::damage::{Damage, DamageCause, DamageSet};
use crate::error::{LedgerError, ReadError, read_error};
use crate::folder::{Keep, Kind, path_of, write_whole};
use crate::index::{self, Summary};
use crate::options::Access;
use crate::record::{Mark, RECORD_HEADER_BYTES, verify};
use crate::segment::{Offsets, SEGMENT_HEADER_BYTES, Segment, SegmentHeader, fill, read_up_to};

/// One ledger's state. Locks are held for a look or a change, never while a file is read.
pub(crate) struct Shared {
    pub(crate) folder: PathBuf,
    pub(crate) mark: Mark,
    access: Access,
    open_segments_max: usize,
    height: AtomicU64,
    table: RwLock<Table>,
    /// Sealed segments that are open, the one used last at the end.
    opened: Mutex<Vec<Arc<Segment>>>,
    damage: RwLock<DamageSet>,
    apart: RwLock<BTreeSet<u64>>,
    config: RwLock<BTreeSet<u64>>,
}

/// All segments: the first number of each sealed one, ascending, and the growing one.
pub(crate) struct Table {
    pub(crate) sealed: Vec<u64>,
    pub(crate) active: Arc<Segment>,
}

impl Table {
    /// The first number of each segment, ascending.
    pub(crate) fn starts(&self) -> impl Iterator<Item = u64> + '_ {
        self.sealed.iter().copied().chain([self.active.first])
    }

    pub(crate) fn first(&self) -> u64 {
        self.sealed.first().copied().unwrap_or(self.active.first)
    }
}

/// What opening a ledger found.
pub(crate) struct Found {
    pub(crate) folder: PathBuf,
    pub(crate) mark: Mark,
    pub(crate) access: Access,
    pub(crate) open_segments_max: usize,
    pub(crate) height: u64,
    pub(crate) table: Table,
    pub(crate) damage: DamageSet,
    pub(crate) apart: BTreeSet<u64>,
    pub(crate) config: BTreeSet<u64>,
}

impl Shared {
    pub(crate) fn new(found: Found) -> Self {
        Self {
            folder: found.folder,
            mark: found.mark,
            access: found.access,
            open_segments_max: found.open_segments_max,
            height: AtomicU64::new(found.height),
            table: RwLock::new(found.table),
            opened: Mutex::new(Vec::new()),
            damage: RwLock::new(found.damage),
            apart: RwLock::new(found.apart),
            config: RwLock::new(found.config),
        }
    }

    pub(crate) fn height(&self) -> u64 {
        self.height.load(Ordering::Acquire)
    }

    /// Shows readers all blocks below this, which are on disk.
    pub(crate) fn publish(&self, height: u64) {
        self.height.store(height, Ordering::Release);
    }

    pub(crate) fn table(&self) -> RwLockReadGuard<'_, Table> {
        read(&self.table)
    }

    pub(crate) fn table_mut(&self) -> RwLockWriteGuard<'_, Table> {
        write(&self.table)
    }

    pub(crate) fn damage(&self) -> RwLockReadGuard<'_, DamageSet> {
        read(&self.damage)
    }

    pub(crate) fn damage_mut(&self) -> RwLockWriteGuard<'_, DamageSet> {
        write(&self.damage)
    }

    pub(crate) fn apart(&self) -> RwLockReadGuard<'_, BTreeSet<u64>> {
        read(&self.apart)
    }

    pub(crate) fn apart_mut(&self) -> RwLockWriteGuard<'_, BTreeSet<u64>> {
        write(&self.apart)
    }

    pub(crate) fn config(&self) -> RwLockReadGuard<'_, BTreeSet<u64>> {
        read(&self.config)
    }

    pub(crate) fn config_mut(&self) -> RwLockWriteGuard<'_, BTreeSet<u64>> {
        write(&self.config)
    }

    pub(crate) fn first_number(&self) -> u64 {
        self.table().first()
    }

    /// The path of a file of this ledger.
    pub(crate) fn path(&self, number: u64, kind: Kind) -> PathBuf {
        path_of(&self.folder, number, kind)
    }

    /// Keeps a segment that was just sealed open, as the one used last.
    pub(crate) fn keep_open(&self, segment: &Arc<Segment>) {
        let mut opened = self.opened();
        opened.retain(|open| open.first != segment.first);
        opened.push(Arc::clone(segment));
        let surplus = opened.len().saturating_sub(self.open_segments_max);
        opened.drain(..surplus);
    }

    /// Closes segments that were removed.
    pub(crate) fn close_below(&self, first: u64) {
        self.opened().retain(|open| open.first >= first);
    }

    fn opened(&self) -> MutexGuard<'_, Vec<Arc<Segment>>> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The segment that has the block, opened if need be; none if it was pruned or is missing.
    pub(crate) fn segment_of(&self, number: u64) -> Result<Option<Arc<Segment>>, ReadError> {
        let (first, next) = {
            let table = self.table();
            if number >= table.active.first {
                return Ok(Some(Arc::clone(&table.active)));
            }
            let position = table.sealed.partition_point(|first| *first <= number);
            let Some(first) = position.checked_sub(1).and_then(|at| table.sealed.get(at)) else {
                return Ok(None);
            };
            (*first, table.sealed.get(position).copied().unwrap_or(table.active.first))
        };
        let mut opened = self.opened();
        if let Some(at) = opened.iter().position(|open| open.first == first) {
            let segment = opened.remove(at);
            opened.push(Arc::clone(&segment));
            return Ok(Some(segment));
        }
        drop(opened);
        let Some(segment) = self.open_sealed(first, next)? else { return Ok(None) };
        self.keep_open(&segment);
        Ok(Some(segment))
    }

    fn open_sealed(&self, first: u64, next: u64) -> Result<Option<Arc<Segment>>, ReadError> {
        let path = self.path(first, Kind::Segment);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if self.table().sealed.contains(&first) {
                    let cause = DamageCause::Missing;
                    self.report(&Damage { first, last: next - 1, file: path, offset: 0, cause });
                }
                return Ok(None);
            }
            Err(error) => return Err(read_error("open", &path)(error)),
        };
        let stored = self.read_index(first)?;
        let offsets = match stored {
            Some((_, offsets)) => offsets,
            None => self.rebuild_index(&path, &file, first, next)?,
        };
        Ok(Some(Arc::new(Segment { first, path, file, offsets: RwLock::new(offsets) })))
    }

    fn read_index(&self, first: u64) -> Result<Option<(Summary, Offsets)>, ReadError> {
        let path = self.path(first, Kind::Index);
        match File::open(&path).and_then(|file| index::read_whole(&file, self.mark, first)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            other => other.map_err(read_error("read", &path)),
        }
    }

    fn rebuild_index(&self, path: &Path, file: &File, first: u64, next: u64) -> Result<Offsets, ReadError> {
        let older = self.config().range(first..next).copied().collect();
        let older = Summary { config_numbers: older, ..Summary::default() };
        let mut scanned = index::scan(file, self.mark, first, next).map_err(read_error("read", path))?;
        scanned.seal(next, Some(older));
        for damage in damage_of(path, &scanned.summary) {
            self.report(&damage);
        }
        self.config_mut().extend(&scanned.summary.config_numbers);
        let index = self.path(first, Kind::Index);
        tracing::warn!(target: TARGET, file = %index.display(), "segment index did not match and was rebuilt");
        if self.access == Access::ReadWrite {
            let content = index::encode(self.mark, &scanned.summary, &scanned.starts);
            if let Err(error) = write_whole(&index, &[&content], Keep::Rebuildable) {
                tracing::warn!(target: TARGET, %error, "segment index cannot be written");
            }
        }
        Ok(Offsets { starts: scanned.starts, end: scanned.summary.end })
    }

    /// Notes damage that was not known, but for blocks that lie apart. [`Reader::damage`](crate::Reader::damage) tells of it.
    pub(crate) fn report(&self, found: &Damage) {
        let mut damage = self.damage_mut();
        let apart = self.apart();
        let is_new = found.numbers().any(|number| !damage.contains(number) && !apart.contains(&number));
        if is_new {
            damage.insert(found);
            for number in apart.range(found.numbers()) {
                damage.remove(*number);
            }
        }
    }

    /// Reads blocks that lie behind each other in one segment with one read: `number`, and as many up to `last` as
    /// have no more than `bytes_max` bytes together. Stops before one that cannot be read; an error if it is the
    /// first.
    pub(crate) fn read_run(
        &self,
        segment: &Segment,
        number: u64,
        last: u64,
        bytes_max: usize,
    ) -> Result<Vec<StoredBlock>, ReadError> {
        let Some(extents) = extents(segment, number, last, bytes_max) else {
            return Err(ReadError::Damaged(self.damaged(segment, number, 0)));
        };
        let (Some((begin, _)), Some((_, end))) = (extents.first().copied(), extents.last().copied()) else {
            return Ok(Vec::new());
        };
        let mut buffer = vec![0; (end - begin) as usize];
        match fill(&segment.file, begin, &mut buffer) {
            Ok(filled) => buffer.truncate(filled),
            Err(error) if is_medium_error(&error) && extents.len() > 1 => {
                return self.read_run(segment, number, number, bytes_max);
            }
            Err(error) if is_medium_error(&error) => {
                return Err(ReadError::Damaged(self.damaged(segment, number, begin)));
            }
            Err(error) => return Err(read_error("read", &segment.path)(error)),
        }
        let buffer = Bytes::from(buffer);
        let mut blocks = Vec::with_capacity(extents.len());
        for (number, (start, end)) in (number..).zip(extents) {
            let range = (start - begin) as usize..((end - begin) as usize).min(buffer.len());
            let block =
                (range.start <= range.end).then(|| open_record(&buffer.slice(range), self.mark, number));
            match block.flatten() {
                Some(block) => blocks.push(block),
                None => {
                    let damage = self.damaged(segment, number, start);
                    if blocks.is_empty() {
                        return Err(ReadError::Damaged(damage));
                    }
                    break;
                }
            }
        }
        Ok(blocks)
    }

    /// Notes that a block could not be read, and returns all that is known of it.
    fn damaged(&self, segment: &Segment, number: u64, offset: u64) -> Damage {
        let length = segment.file.metadata().map_or(u64::MAX, |metadata| metadata.len());
        let cause = if offset < length { DamageCause::Changed } else { DamageCause::Missing };
        let damage = Damage { first: number, last: number, file: segment.path.clone(), offset, cause };
        self.report(&damage);
        self.damage().at(number).unwrap_or(damage)
    }

    /// Reads a block that lies in a file of its own.
    pub(crate) fn read_apart(&self, number: u64) -> Result<StoredBlock, ReadError> {
        let path = self.path(number, Kind::Block);
        match read_block_file(&path, self.mark, number) {
            Ok(Some(block)) => Ok(block),
            Err(error) if error.kind() != io::ErrorKind::NotFound && !is_medium_error(&error) => {
                Err(read_error("read", &path)(error))
            }
            unreadable => {
                let cause = if unreadable.is_ok() { DamageCause::Changed } else { DamageCause::Missing };
                let damage = Damage { first: number, last: number, file: path, offset: 0, cause };
                self.apart_mut().remove(&number);
                self.report(&damage);
                Err(ReadError::Damaged(damage))
            }
        }
    }

    /// The header of a segment, if it can be read.
    pub(crate) fn segment_header(&self, first: u64) -> Option<SegmentHeader> {
        let file = File::open(self.path(first, Kind::Segment)).ok()?;
        SegmentHeader::decode(&read_up_to(&file, 0, SEGMENT_HEADER_BYTES).ok()?).ok()
    }

    /// Writes the index of the growing segment, which is to be sealed; `next` is the number after its last block.
    pub(crate) fn write_index(&self, segment: &Segment, next: u64) -> Result<(), LedgerError> {
        let offsets = read(&segment.offsets);
        let config_numbers = self.config().range(segment.first..next).copied().collect();
        let unreadable = self.damage().to_vec();
        let unreadable = unreadable.iter().filter(|damage| damage.first >= segment.first);
        let summary = Summary {
            first: segment.first,
            count: offsets.starts.len() as u64,
            end: offsets.end,
            config_numbers,
            unreadable: unreadable
                .map(|damage| index::Unreadable {
                    first: damage.first,
                    last: damage.last,
                    offset: damage.offset,
                })
                .collect(),
        };
        let content = index::encode(self.mark, &summary, &offsets.starts);
        drop(offsets);
        write_whole(&self.path(segment.first, Kind::Index), &[&content], Keep::Rebuildable)
    }
}

/// The damage that a segment's index tells of.
pub(crate) fn damage_of<'a>(path: &'a Path, summary: &'a Summary) -> impl Iterator<Item = Damage> + 'a {
    summary.unreadable.iter().map(|missing| Damage {
        first: missing.first,
        last: missing.last,
        file: path.to_path_buf(),
        offset: missing.offset,
        cause: if missing.last < summary.next() { DamageCause::Changed } else { DamageCause::Missing },
    })
}

/// Reads and verifies a file that holds one record.
pub(crate) fn read_block_file(path: &Path, mark: Mark, number: u64) -> io::Result<Option<StoredBlock>> {
    Ok(open_record(&Bytes::from(std::fs::read(path)?), mark, number))
}

fn open_record(record: &Bytes, mark: Mark, number: u64) -> Option<StoredBlock> {
    let header = verify(record, mark).filter(|header| header.number == number)?;
    Some(StoredBlock {
        number,
        header_hash: header.header_hash,
        previous_hash: header.previous_hash,
        is_config: header.is_config,
        bytes: record.slice(RECORD_HEADER_BYTES..header.record_bytes() as usize),
    })
}

/// Where consecutive blocks begin and end; none if the segment has not the first of them.
fn extents(segment: &Segment, number: u64, last: u64, bytes_max: usize) -> Option<Vec<(u64, u64)>> {
    let offsets = read(&segment.offsets);
    let position = usize::try_from(number.checked_sub(segment.first)?).ok()?;
    let block_bytes = |(start, end): (u64, u64)| ((end - start) as usize).saturating_sub(RECORD_HEADER_BYTES);
    let mut extents = vec![offsets.extent(position)?];
    let mut bytes = extents.iter().copied().map(block_bytes).sum::<usize>();
    let more = usize::try_from(last.saturating_sub(number)).unwrap_or(usize::MAX);
    for extent in (position + 1..).take(more).map_while(|position| offsets.extent(position)) {
        bytes += block_bytes(extent);
        if bytes > bytes_max {
            break;
        }
        extents.push(extent);
    }
    Some(extents)
}

/// The disk could not give the bytes: as good as changed ones.
fn is_medium_error(error: &io::Error) -> bool {
    const EIO: i32 = 5;
    error.raw_os_error() == Some(EIO)
}

pub(crate) fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}
