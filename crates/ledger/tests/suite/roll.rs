//! Segments are begun when the last is full, and all are one chain.

use selvedge_ledger::{Ledger, Options};

use crate::chain::{Block, append, append_synced, check, closed_ledger, files, open, small_segments};

#[test]
fn blocks_of_all_segments_are_one_chain() {
    let folder = closed_ledger(60, &small_segments());
    let segments = files(folder.path(), "segment");
    assert!(segments.len() > 10, "{segments:?}");
    for segment in &segments {
        assert!(segment.metadata().unwrap().len() <= 800, "{segment:?}");
    }
    // all but the last are sealed
    assert_eq!(files(folder.path(), "index").len(), segments.len() - 1);
    let (mut ledger, recovery) = open(folder.path(), &small_segments());
    assert_eq!(recovery, Default::default());
    check(&ledger, 0..60);
    assert_eq!(ledger.config_block_numbers(), (0..60).step_by(5).collect::<Vec<_>>());
    // a reader goes on while segments are begun
    let mut blocks = ledger.reader().iter_from(50);
    append_synced(&mut ledger, 30);
    assert!(blocks.by_ref().map(|block| block.unwrap().number).eq(50..90));
    append_synced(&mut ledger, 1);
    assert_eq!(blocks.next().unwrap().unwrap().number, 90);
    check(&ledger, 0..91);
}

#[test]
fn beginning_a_segment_makes_the_last_one_durable() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = Ledger::create(folder.path(), &small_segments()).unwrap();
    while ledger.height() == 0 {
        append(&mut ledger, 1);
    }
    // the block that did not fit is the only one that is not
    assert_eq!(ledger.appended_height(), ledger.height() + 1);
    assert_eq!(files(folder.path(), "segment").len(), 2);
    check(&ledger, 0..ledger.height());
}

#[test]
fn a_large_block_has_a_segment_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = Ledger::create(folder.path(), &small_segments()).unwrap();
    for (number, size) in [(0, 10), (1, 5000), (2, 10), (3, 70_000), (4, 70_000)] {
        ledger.append(Block::sized(number, size).as_new()).unwrap();
    }
    drop(ledger);
    assert_eq!(files(folder.path(), "segment").len(), 5);
    let (ledger, _) = open(folder.path(), &small_segments());
    for (number, size) in [(0, 10), (1, 5000), (2, 10), (3, 70_000), (4, 70_000)] {
        assert!(Block::sized(number, size) == ledger.reader().read_block(number).unwrap().unwrap());
    }
}

#[test]
fn few_files_are_open_however_many_there_are() {
    let folder = closed_ledger(60, &small_segments());
    let count = || {
        let held = std::fs::read_dir("/proc/self/fd").unwrap();
        let held = held.filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok());
        held.filter(|path| path.starts_with(folder.path())).count()
    };
    let (ledger, _) = open(folder.path(), &Options { open_segments_max: 3, ..small_segments() });
    // the lock, the metadata, the growing segment
    assert_eq!(count(), 3);
    for number in (0..60).rev() {
        ledger.reader().read(number).unwrap().unwrap();
        assert!(count() <= 6);
    }
    assert_eq!(count(), 6);
    drop(ledger);
    assert_eq!(count(), 0);
}
