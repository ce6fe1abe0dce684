//! The one who appends.

use std::fmt;
use std::fs::OpenOptions;
use std::io::{Seek, SeekFrom};
use std::path::Path;
use std::sync::{Arc, RwLock};

use crate::block::{BlockHash, Durable, NewBlock};
use crate::damage::Damage;
use crate::durable::Remembered;
use crate::error::{LedgerError, io_error};
use crate::folder::{self, Keep, Kind, create_folder, path_of, write_whole};
use crate::lock::FolderLock;
use crate::options::{Access, Options};
use crate::reader::Reader;
use crate::record::{BLOCK_BYTES_MAX, RecordHeader};
use crate::recovery::{self, Opened, Recovery};
use crate::segment::{Offsets, Previous, SEGMENT_HEADER_BYTES, Segment, SegmentHeader};
use crate::shared::{Shared, write};
use crate::sink::{FileSink, Sink};

/// A channel's chain of blocks in one folder. There is one in all processes; it hands out any number of
/// [`Reader`]s.
///
/// Blocks are appended, and synced in groups: one fsync for all that came since the last. Only then are they shown
/// to readers and counted in the height.
pub struct Ledger {
    pub(crate) shared: Arc<Shared>,
    segment_bytes_max: u64,
    access: Access,
    active: Arc<Segment>,
    sink: Box<dyn Sink>,
    remembered: Option<Remembered>,
    next_number: u64,
    last_hash: Option<BlockHash>,
    unsynced_count: u32,
    poisoned: Option<String>,
    closed: bool,
    /// Last, so that it is given back when all else is closed.
    _lock: FolderLock,
}

impl Ledger {
    /// Makes a new ledger; the folder is created if need be. [`LedgerError::AlreadyExists`] if it holds one.
    pub fn create(folder: &Path, options: &Options) -> Result<Self, LedgerError> {
        let lock = lock_new(folder, options)?;
        if !folder::list(folder)?.segments.is_empty() {
            return Err(LedgerError::AlreadyExists { folder: folder.to_path_buf() });
        }
        create_first_segment(folder, options)?;
        Ok(Self::open_locked(folder, options, lock)?.0)
    }

    /// Opens a ledger as a kill, a power failure or a spoilt disk may have left it, and says what was found.
    /// [`LedgerError::NoLedger`] if there is none.
    pub fn open(folder: &Path, options: &Options) -> Result<(Self, Recovery), LedgerError> {
        options.check()?;
        if !folder.is_dir() {
            return Err(LedgerError::NoLedger { folder: folder.to_path_buf() });
        }
        let lock = FolderLock::take(folder, options.access)?;
        Self::open_locked(folder, options, lock)
    }

    /// Opens a ledger, or makes one where there is none.
    pub fn open_or_create(folder: &Path, options: &Options) -> Result<(Self, Recovery), LedgerError> {
        let lock = lock_new(folder, options)?;
        let created = folder::list(folder)?.segments.is_empty();
        if created {
            create_first_segment(folder, options)?;
        }
        let (ledger, recovery) = Self::open_locked(folder, options, lock)?;
        Ok((ledger, Recovery { created, ..recovery }))
    }

    fn open_locked(
        folder: &Path,
        options: &Options,
        lock: FolderLock,
    ) -> Result<(Self, Recovery), LedgerError> {
        let Opened { shared, remembered, last_hash, recovery } = recovery::open(folder, options)?;
        let active = Arc::clone(&shared.table().active);
        let ledger = Self {
            segment_bytes_max: options.segment_bytes_max,
            access: options.access,
            sink: Box::new(FileSink::new(Arc::clone(&active))),
            active,
            remembered,
            next_number: shared.height(),
            last_hash,
            unsynced_count: 0,
            poisoned: None,
            closed: false,
            shared: Arc::new(shared),
            _lock: lock,
        };
        Ok((ledger, recovery))
    }

    /// Puts a block behind the last one. It is not durable, not counted in the height and not shown to readers
    /// before [`sync`](Self::sync), which beginning a new segment does too.
    ///
    /// [`LedgerError::WrongNumber`], [`LedgerError::WrongPreviousHash`] or [`LedgerError::TooLarge`] leave the ledger
    /// as it was; after a failed write it takes no more blocks.
    pub fn append(&mut self, block: NewBlock<'_>) -> Result<(), LedgerError> {
        self.writable()?;
        self.check_follows(&block)?;
        let record_bytes = check_size(&block)?;
        let end = crate::shared::read(&self.active.offsets).end;
        if end > SEGMENT_HEADER_BYTES as u64 && end + record_bytes > self.segment_bytes_max {
            self.roll()?;
        }
        let header = RecordHeader::of(&block, self.unsynced_count).encode(self.shared.mark, block.bytes);
        self.sink.write(&header, block.bytes).map_err(|error| self.fail("write to", error))?;
        if block.is_config {
            self.shared.config_mut().insert(block.number);
        }
        let mut offsets = write(&self.active.offsets);
        let start = offsets.end;
        offsets.starts.push(start as u32);
        offsets.end = start + record_bytes;
        drop(offsets);
        self.next_number = block.number + 1;
        self.last_hash = Some(block.header_hash);
        self.unsynced_count += 1;
        Ok(())
    }

    /// Returns when all appended blocks are on disk, and shows them to readers. Also catches up with remembering the
    /// height, which lags a little behind while groups follow each other fast; so call it once when there is nothing
    /// to append for a while. Costs nothing if there is nothing to do.
    ///
    /// After a failure the ledger takes no more blocks: a second fsync would say that all is well and be wrong.
    pub fn sync(&mut self) -> Result<Durable, LedgerError> {
        self.writable()?;
        let had_blocks = self.unsynced_count > 0;
        if had_blocks {
            self.sink.sync().map_err(|error| self.fail("sync", error))?;
            self.unsynced_count = 0;
            self.shared.publish(self.next_number);
        }
        self.remember(had_blocks)?;
        Ok(self.durable())
    }

    /// Syncs, and remembers the height however short ago the last time was. Dropping does the same, and can only log
    /// what fails.
    pub fn close(mut self) -> Result<Durable, LedgerError> {
        self.closed = true;
        self.finish()
    }

    fn finish(&mut self) -> Result<Durable, LedgerError> {
        if self.access == Access::ReadOnly {
            return Ok(self.durable());
        }
        self.sync()?;
        self.remember(false)?;
        Ok(self.durable())
    }

    /// Number of the last durable block plus one.
    pub fn height(&self) -> u64 {
        self.shared.height()
    }

    /// Number of the block that [`append`](Self::append) wants next.
    pub fn appended_height(&self) -> u64 {
        self.next_number
    }

    /// Number of the first block that is not pruned; the height if there is none.
    pub fn first_number(&self) -> u64 {
        self.shared.first_number()
    }

    /// What the next block's previous hash must be: the header hash of the last appended one.
    pub fn last_hash(&self) -> Option<BlockHash> {
        self.last_hash
    }

    /// A reader of the durable blocks.
    pub fn reader(&self) -> Reader {
        Reader::new(Arc::clone(&self.shared))
    }

    /// Numbers of all durable blocks that carry a configuration, ascending.
    pub fn config_block_numbers(&self) -> Vec<u64> {
        self.reader().config_block_numbers()
    }

    /// The configuration block in force at `number`: the last durable one at or below it.
    pub fn last_config_at_or_below(&self, number: u64) -> Option<u64> {
        self.reader().last_config_at_or_below(number)
    }

    /// All damage known so far: found when the ledger was opened, or by a read.
    pub fn damage(&self) -> Vec<Damage> {
        self.reader().damage()
    }

    pub(crate) fn writable(&self) -> Result<(), LedgerError> {
        let folder = || self.shared.folder.clone();
        if self.access == Access::ReadOnly {
            return Err(LedgerError::ReadOnly { folder: folder() });
        }
        match &self.poisoned {
            Some(cause) => Err(LedgerError::Poisoned { folder: folder(), cause: cause.clone() }),
            None => Ok(()),
        }
    }

    fn durable(&self) -> Durable {
        Durable { height: self.next_number, last_hash: self.last_hash }
    }

    fn check_follows(&self, block: &NewBlock<'_>) -> Result<(), LedgerError> {
        if block.number != self.next_number {
            return Err(LedgerError::WrongNumber { expected: self.next_number, given: block.number });
        }
        let expected = self.last_hash.as_ref().map_or(&[][..], |hash| hash);
        if block.previous_hash != expected {
            return Err(LedgerError::WrongPreviousHash {
                number: block.number,
                expected: self.last_hash,
                given: block.previous_hash.to_vec(),
            });
        }
        Ok(())
    }

    fn remember(&mut self, at_pace: bool) -> Result<(), LedgerError> {
        let (durable, mark) = (self.durable(), self.shared.mark);
        let Some(remembered) = &mut self.remembered else { return Ok(()) };
        let written =
            if at_pace { remembered.write_at_pace(durable, mark) } else { remembered.write(durable, mark) };
        written.map_err(|error| {
            self.poison(&error.to_string());
            error.into()
        })
    }

    /// Seals the growing segment and begins the next one.
    fn roll(&mut self) -> Result<(), LedgerError> {
        self.sync()?;
        let sealed = Arc::clone(&self.active);
        let begun = self.shared.write_index(&sealed, self.next_number).and_then(|()| {
            let header = SegmentHeader {
                mark: self.shared.mark,
                first: self.next_number,
                previous: self.last_hash.into(),
            };
            begin_segment(&self.shared.folder, &header)
        });
        let next = Arc::new(begun.inspect_err(|error| self.poison(&error.to_string()))?);
        self.sink = Box::new(FileSink::new(Arc::clone(&next)));
        self.active = Arc::clone(&next);
        let mut table = self.shared.table_mut();
        table.sealed.push(sealed.first);
        table.active = next;
        drop(table);
        self.shared.keep_open(&sealed);
        tracing::debug!(target: crate::TARGET, folder = %self.shared.folder.display(), first = self.next_number, "segment begun");
        Ok(())
    }

    fn fail(&mut self, action: &'static str, error: std::io::Error) -> LedgerError {
        let error = io_error(action, &self.active.path)(error);
        self.poison(&error.to_string());
        error
    }

    fn poison(&mut self, cause: &str) {
        let folder = self.shared.folder.display();
        tracing::error!(target: crate::TARGET, %folder, cause, "the ledger takes no more blocks until it is opened again");
        self.poisoned = Some(cause.to_owned());
    }

    #[cfg(test)]
    pub(crate) fn replace_sink(&mut self, replace: impl FnOnce(Box<dyn Sink>) -> Box<dyn Sink>) {
        let active = Arc::clone(&self.active);
        let sink = std::mem::replace(&mut self.sink, Box::new(FileSink::new(active)));
        self.sink = replace(sink);
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger")
            .field("folder", &self.shared.folder)
            .field("height", &self.height())
            .field("appended_height", &self.next_number)
            .field("poisoned", &self.poisoned)
            .finish_non_exhaustive()
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        if self.closed || self.poisoned.is_some() {
            return;
        }
        if let Err(error) = self.finish() {
            tracing::error!(target: crate::TARGET, %error, "the ledger was not closed cleanly");
        }
    }
}

pub(crate) fn check_size(block: &NewBlock<'_>) -> Result<u64, LedgerError> {
    if block.bytes.len() > BLOCK_BYTES_MAX {
        return Err(LedgerError::TooLarge {
            number: block.number,
            bytes: block.bytes.len(),
            bytes_max: BLOCK_BYTES_MAX,
        });
    }
    Ok((crate::record::RECORD_HEADER_BYTES + block.bytes.len()) as u64)
}

fn lock_new(folder: &Path, options: &Options) -> Result<FolderLock, LedgerError> {
    options.check()?;
    if options.access == Access::ReadOnly {
        return Err(LedgerError::ReadOnly { folder: folder.to_path_buf() });
    }
    create_folder(folder)?;
    FolderLock::take(folder, options.access)
}

fn create_first_segment(folder: &Path, options: &Options) -> Result<(), LedgerError> {
    let base = options.base;
    let header = SegmentHeader {
        mark: recovery::draw_mark(),
        first: base.number,
        previous: base.previous_hash.into(),
    };
    write_whole(&path_of(folder, base.number, Kind::Segment), &[&header.encode()], Keep::Durable)
}

/// Makes a segment file and opens it to append. Its header and its name are on disk on return.
fn begin_segment(folder: &Path, header: &SegmentHeader) -> Result<Segment, LedgerError> {
    let path = path_of(folder, header.first, Kind::Segment);
    write_whole(&path, &[&header.encode()], Keep::Durable)?;
    let open = || {
        let mut file = OpenOptions::new().read(true).write(true).open(&path)?;
        file.seek(SeekFrom::End(0))?;
        Ok(file)
    };
    let file = open().map_err(io_error("open", &path))?;
    let offsets = RwLock::new(Offsets { starts: Vec::new(), end: SEGMENT_HEADER_BYTES as u64 });
    Ok(Segment { first: header.first, path, file, offsets })
}

/// The hash that a segment header knows of the block before it.
pub(crate) fn known(previous: Previous) -> Option<Option<BlockHash>> {
    match previous {
        Previous::None => Some(None),
        Previous::Hash(hash) => Some(Some(hash)),
        Previous::Unknown => None,
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::io;

    use super::*;

    struct Failing {
        inner: Box<dyn Sink>,
        writes_left: usize,
        fails_sync: bool,
    }

    impl Sink for Failing {
        fn write(&mut self, header: &[u8], block: &[u8]) -> io::Result<()> {
            if self.writes_left == 0 {
                // half of it is there
                self.inner.write(header, &block[..block.len() / 2])?;
                self.inner.sync()?;
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.writes_left -= 1;
            self.inner.write(header, block)
        }

        fn sync(&mut self) -> io::Result<()> {
            self.inner.sync()?;
            // once; the next says that all is well, as a disk does
            if std::mem::take(&mut self.fails_sync) { Err(io::Error::from_raw_os_error(5)) } else { Ok(()) }
        }
    }

    fn append(ledger: &mut Ledger) -> Result<(), LedgerError> {
        let number = ledger.appended_height();
        let previous = number.checked_sub(1).map(|before| [before as u8; 32]);
        ledger.append(NewBlock {
            number,
            header_hash: [number as u8; 32],
            previous_hash: previous.as_ref().map_or(&[], |hash| hash),
            is_config: false,
            bytes: &[number as u8; 50],
        })
    }

    /// A ledger with two durable blocks whose file fails after so many writes, or at the next sync.
    fn failing(writes_left: usize, fails_sync: bool) -> (tempfile::TempDir, Ledger) {
        let folder = tempfile::tempdir().unwrap();
        let mut ledger = Ledger::create(folder.path(), &Options::default()).unwrap();
        append(&mut ledger).unwrap();
        append(&mut ledger).unwrap();
        ledger.sync().unwrap();
        ledger.replace_sink(|inner| Box::new(Failing { inner, writes_left, fails_sync }));
        (folder, ledger)
    }

    fn assert_poisoned(ledger: &mut Ledger) {
        for result in [append(ledger), ledger.sync().map(drop), ledger.prune_below(1).map(drop)] {
            assert!(matches!(result, Err(LedgerError::Poisoned { .. })), "{result:?}");
        }
        assert_eq!(ledger.height(), 2);
        assert_eq!(ledger.reader().iter_from(0).filter(|block| block.is_ok()).count(), 2);
    }

    fn reopen(folder: &Path, ledger: Ledger) -> (Ledger, Recovery) {
        drop(ledger);
        Ledger::open(folder, &Options::default()).unwrap()
    }

    #[test]
    fn a_failed_write_ends_it() {
        let (folder, mut ledger) = failing(1, false);
        append(&mut ledger).unwrap();
        assert!(matches!(append(&mut ledger), Err(LedgerError::Io { action: "write to", .. })));
        assert_poisoned(&mut ledger);
        assert!(matches!(ledger.close(), Err(LedgerError::Poisoned { .. })));
        let (mut ledger, recovery) = Ledger::open(folder.path(), &Options::default()).unwrap();
        assert_eq!(recovery.torn_tail.unwrap().first, 3);
        append(&mut ledger).unwrap();
        assert_eq!(ledger.sync().unwrap().height, 4);
    }

    #[test]
    fn a_failed_fsync_ends_it_although_the_next_would_succeed() {
        let (folder, mut ledger) = failing(9, true);
        append(&mut ledger).unwrap();
        assert!(matches!(ledger.sync(), Err(LedgerError::Io { action: "sync", .. })));
        assert_poisoned(&mut ledger);
        // what is in the file is taken over only after it was written once more
        let (ledger, recovery) = reopen(folder.path(), ledger);
        assert_eq!((ledger.height(), recovery), (3, Recovery::default()));
    }

    #[test]
    fn a_full_disk_is_a_failed_write() {
        let (folder, mut ledger) = failing(9, false);
        let full = Segment {
            first: 0,
            path: "/dev/full".into(),
            file: File::options().write(true).open("/dev/full").unwrap(),
            offsets: RwLock::default(),
        };
        ledger.replace_sink(|_| Box::new(FileSink::new(Arc::new(full))));
        append(&mut ledger).unwrap();
        match ledger.sync() {
            Err(LedgerError::Io { source, .. }) => assert_eq!(source.kind(), io::ErrorKind::StorageFull),
            other => panic!("{other:?}"),
        }
        assert_poisoned(&mut ledger);
        assert_eq!(reopen(folder.path(), ledger).1, Recovery::default());
    }

    #[test]
    fn metadata_that_cannot_be_written_ends_it_too() {
        let (folder, mut ledger) = failing(9, false);
        ledger.sync().unwrap();
        ledger.remembered = None;
        ledger.remembered = Remembered::open(folder.path(), Access::ReadOnly).unwrap().0;
        append(&mut ledger).unwrap();
        assert!(matches!(ledger.sync(), Err(LedgerError::Meta(_))));
        // the block itself is durable
        assert_eq!(ledger.height(), 3);
        assert!(matches!(append(&mut ledger), Err(LedgerError::Poisoned { .. })));
        assert_eq!(reopen(folder.path(), ledger).0.height(), 3);
    }

    #[test]
    fn a_segment_that_cannot_be_begun_ends_it() {
        let (folder, mut ledger) = failing(9, false);
        ledger.segment_bytes_max = 1;
        // a folder is in the way of the new file
        let in_the_way = folder.path().join("00000000000000000002.segment.tmp");
        fs::create_dir(&in_the_way).unwrap();
        assert!(matches!(append(&mut ledger), Err(LedgerError::Io { action: "write to", .. })));
        assert_poisoned(&mut ledger);
        fs::remove_dir(in_the_way).unwrap();
        let (mut ledger, recovery) = reopen(folder.path(), ledger);
        assert_eq!(recovery, Recovery::default());
        append(&mut ledger).unwrap();
        assert_eq!(ledger.sync().unwrap().height, 3);
    }
}
