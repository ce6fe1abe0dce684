//! A damaged block that was fetched again is put back.

use std::fs;
use std::path::Path;

use selvedge_ledger::{Ledger, LedgerError, Options, ReadError};

use crate::chain::{
    Block, append_synced, check, closed_ledger, edit, files, hash_of, new_folder, open, small_segments,
};

/// Changes a byte of a block's header hash, so that its record tells nothing.
fn spoil(folder: &Path, numbers: &[u64]) {
    for segment in files(folder, "segment") {
        edit(&segment, |bytes| {
            for number in numbers {
                let needle = hash_of(*number);
                // as header hash it comes 64 bytes before the block, as previous hash 32
                let places = bytes.windows(32).enumerate().filter(|(_, window)| *window == needle);
                let own = places.map(|(at, _)| at).find(|at| bytes[at - 20..at - 12] == number.to_le_bytes());
                if let Some(at) = own {
                    bytes[at] ^= 1;
                }
            }
        });
    }
}

#[test]
fn and_is_read_as_before_also_after_reopening() {
    for options in [Options::default(), small_segments()] {
        let folder = closed_ledger(20, &options);
        spoil(folder.path(), &[5, 12, 17]);
        let (mut ledger, _) = open(folder.path(), &options);
        let failed: Vec<_> = ledger.reader().iter_from(0).filter_map(Result::err).collect();
        assert_eq!(failed.len(), 3);
        for number in [12, 5, 17] {
            assert!(matches!(ledger.reader().read(number), Err(ReadError::Damaged(_))));
            ledger.mend(Block::new(number).as_new()).unwrap();
            assert!(Block::new(number) == ledger.reader().read_block(number).unwrap().unwrap());
        }
        assert_eq!(ledger.damage(), []);
        check(&ledger, 0..20);
        drop(ledger);
        let (mut ledger, recovery) = open(folder.path(), &options);
        assert_eq!(recovery, Default::default());
        assert_eq!(ledger.config_block_numbers(), [0, 5, 10, 15]);
        // also when the segment with the damage is sealed only now
        append_synced(&mut ledger, 20);
        check(&ledger, 0..40);
    }
}

#[test]
fn only_the_block_that_belongs_there() {
    let folder = closed_ledger(20, &small_segments());
    spoil(folder.path(), &[7]);
    let (mut ledger, _) = open(folder.path(), &small_segments());
    assert!(matches!(ledger.mend(Block::new(7).as_new()), Err(LedgerError::NotDamaged { number: 7 })));
    ledger.reader().read(7).unwrap_err();
    assert!(matches!(ledger.mend(Block::new(8).as_new()), Err(LedgerError::NotDamaged { number: 8 })));
    assert!(matches!(ledger.mend(Block::new(99).as_new()), Err(LedgerError::NotDamaged { .. })));

    let other = Block { header_hash: [1; 32], ..Block::new(7) };
    match ledger.mend(other.as_new()) {
        Err(LedgerError::WrongNextHash { number: 7, expected, given }) => {
            assert_eq!((expected, given), (hash_of(7), [1; 32]));
        }
        other => panic!("{other:?}"),
    }
    let other = Block { previous_hash: vec![2; 32], ..Block::new(7) };
    match ledger.mend(other.as_new()) {
        Err(LedgerError::WrongPreviousHash { number: 7, expected, .. }) => {
            assert_eq!(expected, Some(hash_of(6)));
        }
        other => panic!("{other:?}"),
    }
    ledger.mend(Block::new(7).as_new()).unwrap();
    check(&ledger, 0..20);
}

#[test]
fn several_in_a_row_from_an_end_inwards() {
    let folder = closed_ledger(20, &Options::default());
    spoil(folder.path(), &[6, 7, 8, 9, 10]);
    let (mut ledger, recovery) = open(folder.path(), &Options::default());
    let [damage] = &recovery.damage[..] else { panic!("{recovery:?}") };
    assert_eq!(damage.numbers(), 6..=10);
    for number in [7, 8, 9] {
        assert!(matches!(
            ledger.mend(Block::new(number).as_new()),
            Err(LedgerError::NoNeighbour { number: named }) if named == number
        ));
    }
    for number in [10, 6, 7, 9, 8] {
        ledger.mend(Block::new(number).as_new()).unwrap();
    }
    check(&ledger, 0..20);
}

#[test]
fn of_a_whole_segment_that_is_gone() {
    let folder = closed_ledger(30, &small_segments());
    fs::remove_file(&files(folder.path(), "segment")[2]).unwrap();
    let (mut ledger, recovery) = open(folder.path(), &small_segments());
    for number in recovery.damage[0].numbers() {
        ledger.mend(Block::new(number).as_new()).unwrap();
    }
    check(&ledger, 0..30);
    drop(ledger);
    let (ledger, recovery) = open(folder.path(), &small_segments());
    assert_eq!(recovery.damage, []);
    check(&ledger, 0..30);
}

#[test]
fn the_first_and_the_last_too() {
    let folder = closed_ledger(9, &Options::default());
    let (mut ledger, _) = open(folder.path(), &Options::default());
    // spoilt while it is open, so the last one too is found by reading
    spoil(folder.path(), &[0, 8]);
    for number in [0, 8] {
        ledger.reader().read(number).unwrap_err();
        let other = Block { header_hash: [1; 32], ..Block::new(number) };
        assert!(matches!(ledger.mend(other.as_new()), Err(LedgerError::WrongNextHash { .. })));
        ledger.mend(Block::new(number).as_new()).unwrap();
    }
    append_synced(&mut ledger, 3);
    check(&ledger, 0..12);
    drop(ledger);
    check(&open(folder.path(), &Options::default()).0, 0..12);
}

#[test]
fn and_can_be_damaged_and_mended_again() {
    let folder = closed_ledger(20, &Options::default());
    spoil(folder.path(), &[7]);
    let (mut ledger, _) = open(folder.path(), &Options::default());
    ledger.mend(Block::new(7).as_new()).unwrap();
    let apart = files(folder.path(), "block")[0].clone();
    edit(&apart, |bytes| bytes[30] ^= 1);
    match ledger.reader().read(7) {
        Err(ReadError::Damaged(damage)) => assert_eq!((damage.first, &damage.file), (7, &apart)),
        other => panic!("{other:?}"),
    }
    ledger.mend(Block::new(7).as_new()).unwrap();
    check(&ledger, 0..20);
    drop(ledger);
    // found at opening as well
    edit(&apart, |bytes| bytes.truncate(50));
    let (mut ledger, recovery) = open(folder.path(), &Options::default());
    assert_eq!((recovery.damage.len(), recovery.damage[0].first), (1, 7));
    ledger.mend(Block::new(7).as_new()).unwrap();
    check(&ledger, 0..20);
}

#[test]
fn a_mended_block_that_is_lost_with_the_tail_is_appended_again() {
    let folder = new_folder();
    let mut ledger = Ledger::create(folder.path(), &Options::default()).unwrap();
    append_synced(&mut ledger, 5);
    let length = files(folder.path(), "segment")[0].metadata().unwrap().len();
    append_synced(&mut ledger, 5);
    drop(ledger);
    spoil(folder.path(), &[7]);
    let (mut ledger, _) = open(folder.path(), &Options::default());
    ledger.mend(Block::new(7).as_new()).unwrap();
    drop(ledger);
    edit(&files(folder.path(), "segment")[0], |bytes| bytes.truncate(length as usize));
    let (mut ledger, recovery) = open(folder.path(), &Options::default());
    assert_eq!(recovery.lost_tail.unwrap().found_height, 5);
    // with other metadata this time
    let again = |number| Block { bytes: vec![number as u8; 9], ..Block::new(number) };
    for number in 5..10 {
        ledger.append(again(number).as_new()).unwrap();
    }
    ledger.sync().unwrap();
    assert!(again(7) == ledger.reader().read_block(7).unwrap().unwrap());
}

#[test]
fn what_lies_around_it_is_read_meanwhile() {
    for options in [Options::default(), small_segments()] {
        let folder = closed_ledger(40, &options);
        spoil(folder.path(), &[7, 11, 12, 39]);
        let (ledger, _) = open(folder.path(), &options);
        let numbers = |first: u64, last: u64, bytes_max: usize| -> Vec<u64> {
            let blocks = ledger.reader().read_intact(first..=last, bytes_max).unwrap();
            assert!(blocks.iter().all(|block| Block::new(block.number) == *block));
            blocks.iter().map(|block| block.number).collect()
        };
        let size =
            |numbers: &[u64]| -> usize { numbers.iter().map(|number| Block::new(*number).bytes.len()).sum() };
        assert_eq!(numbers(5, 13, usize::MAX), [5, 6, 8, 9, 10, 13]);
        assert_eq!(numbers(7, 8, usize::MAX), [8]);
        assert_eq!(numbers(11, 12, usize::MAX), [0; 0]);
        assert_eq!(numbers(37, u64::MAX, usize::MAX), [37, 38]);
        // the budget is for all of them
        assert_eq!(numbers(6, 13, size(&[6, 8, 9])), [6, 8, 9]);
        assert_eq!(numbers(6, 13, size(&[6, 8]) - 1), [6]);
        assert_eq!(numbers(7, 13, 0), [8]);
    }
}
