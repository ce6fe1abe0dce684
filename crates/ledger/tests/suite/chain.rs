//! A chain of made-up blocks, and folders to put it in.

use std::fs;
use std::path::{Path, PathBuf};

use selvedge_ledger::{BlockHash, Ledger, NewBlock, Options, Recovery, StoredBlock};

/// A block that its number alone determines; every fifth is a configuration block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) number: u64,
    pub(crate) header_hash: BlockHash,
    pub(crate) previous_hash: Vec<u8>,
    pub(crate) is_config: bool,
    pub(crate) bytes: Vec<u8>,
}

/// Mixes a number (splitmix64), so that blocks differ in every byte and runs are the same each time.
pub(crate) fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

pub(crate) fn hash_of(number: u64) -> BlockHash {
    let mut hash = [0; 32];
    for (at, part) in hash.chunks_mut(8).enumerate() {
        part.copy_from_slice(&mix(number * 4 + at as u64).to_le_bytes());
    }
    hash
}

impl Block {
    pub(crate) fn new(number: u64) -> Self {
        Self::sized(number, (mix(number) % 150) as usize)
    }

    pub(crate) fn sized(number: u64, size: usize) -> Self {
        let words = (0..size.div_ceil(8) as u64).flat_map(|at| mix(number << 32 | at).to_le_bytes());
        Self {
            number,
            header_hash: hash_of(number),
            previous_hash: number.checked_sub(1).map(|before| hash_of(before).to_vec()).unwrap_or_default(),
            is_config: number.is_multiple_of(5),
            bytes: words.take(size).collect(),
        }
    }

    pub(crate) fn as_new(&self) -> NewBlock<'_> {
        NewBlock {
            number: self.number,
            header_hash: self.header_hash,
            previous_hash: &self.previous_hash,
            is_config: self.is_config,
            bytes: &self.bytes,
        }
    }
}

impl PartialEq<StoredBlock> for Block {
    fn eq(&self, other: &StoredBlock) -> bool {
        self.number == other.number
            && self.header_hash == other.header_hash
            && self.previous_hash == other.previous_hash.as_ref().map_or(&[][..], |hash| hash)
            && self.is_config == other.is_config
            && self.bytes == other.bytes
    }
}

/// Segments of some four blocks, so that a short chain has several.
pub(crate) fn small_segments() -> Options {
    Options { segment_bytes_max: 800, open_segments_max: 2, ..Options::default() }
}

pub(crate) fn append(ledger: &mut Ledger, count: u64) {
    for _ in 0..count {
        ledger.append(Block::new(ledger.appended_height()).as_new()).unwrap();
    }
}

/// Appends `count` blocks in groups of three.
pub(crate) fn append_synced(ledger: &mut Ledger, count: u64) {
    let until = ledger.appended_height() + count;
    while ledger.appended_height() < until {
        append(ledger, 3.min(until - ledger.appended_height()));
        ledger.sync().unwrap();
    }
}

/// A new folder, in memory where the system has a place for that: most of these tests are about bytes and make hundreds
/// of ledgers, each with a dozen fsyncs. Those about kills and about rolling use a disk.
pub(crate) fn new_folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// A closed ledger of `count` blocks in a new folder.
pub(crate) fn closed_ledger(count: u64, options: &Options) -> tempfile::TempDir {
    let folder = new_folder();
    let mut ledger = Ledger::create(folder.path(), options).unwrap();
    append_synced(&mut ledger, count);
    assert_eq!(ledger.close().unwrap().height, count);
    folder
}

pub(crate) fn open(folder: &Path, options: &Options) -> (Ledger, Recovery) {
    Ledger::open(folder, options).unwrap()
}

/// All blocks in `numbers` are there and what they should be, read one by one and in a row.
pub(crate) fn check(ledger: &Ledger, numbers: std::ops::Range<u64>) {
    let reader = ledger.reader();
    for number in numbers.clone() {
        assert!(Block::new(number) == reader.read_block(number).unwrap().unwrap(), "block {number}");
    }
    assert_eq!(reader.read(numbers.end).unwrap(), None);
    let read = reader.iter_from(numbers.start).map(|block| block.unwrap().number);
    assert!(read.eq(numbers), "a walk along the chain");
}

/// The folder as it would be found if the process were killed now: a copy of its files.
pub(crate) fn image(folder: &Path) -> tempfile::TempDir {
    let copy = new_folder();
    copy_files(folder, copy.path(), |_| true);
    copy
}

/// The folder as it would be found if the machine died in the middle of the sync, all that was to be synced having
/// reached the disk: the metadata from before.
pub(crate) fn image_within_sync(folder: &Path, ledger: &mut Ledger) -> tempfile::TempDir {
    let copy = new_folder();
    copy_files(folder, copy.path(), |name| name == "metadata.redb");
    ledger.sync().unwrap();
    copy_files(folder, copy.path(), |name| name != "metadata.redb");
    copy
}

fn copy_files(from: &Path, to: &Path, which: impl Fn(&str) -> bool) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if which(entry.file_name().to_str().unwrap()) {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

/// Files with this extension, ascending.
pub(crate) fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|found| found == extension));
    files.sort();
    files
}

/// Changes bytes of a file in place.
pub(crate) fn edit(file: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(file).unwrap();
    change(&mut bytes);
    fs::write(file, bytes).unwrap();
}
