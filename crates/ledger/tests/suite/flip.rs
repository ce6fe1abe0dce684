//! One byte changed, anywhere.

use std::fs;

use selvedge_ledger::{Damage, DamageCause, ReadError};

use crate::chain::{Block, closed_ledger, edit, files, image, open, small_segments};

const COUNT: u64 = 14;

#[test]
fn in_a_segment_costs_one_block_at_most() {
    let folder = closed_ledger(COUNT, &small_segments());
    let names: Vec<_> = files(folder.path(), "segment");
    assert!(names.len() >= 3);
    let mut hurt = 0;
    for (which, name) in names.iter().enumerate() {
        let is_last = which == names.len() - 1;
        for at in (0..fs::metadata(name).unwrap().len() as usize).step_by(11) {
            let copy = image(folder.path());
            let file = copy.path().join(name.file_name().unwrap());
            edit(&file, |bytes| bytes[at] ^= 1 << (at % 8));
            let (ledger, recovery) = open(copy.path(), &small_segments());
            if at < 72 {
                assert_eq!(recovery.headers_repaired, [file], "byte {at}");
                assert_eq!(walk(&ledger), []);
                assert_eq!(ledger.height(), COUNT);
                continue;
            }
            let found = walk(&ledger);
            let height = ledger.height();
            if is_last && height < COUNT {
                // the last record: nothing behind it, but the height was remembered
                let lost = recovery.lost_tail.unwrap();
                assert_eq!((lost.known_height, lost.found_height), (COUNT, COUNT - 1));
                assert!(lost.file == file && (lost.offset..lost.offset + lost.bytes).contains(&(at as u64)));
                assert_eq!(found, []);
            } else {
                let [damage] = &found[..] else { panic!("byte {at} of {which}: {found:?}") };
                assert_eq!((damage.first, damage.cause), (damage.last, DamageCause::Changed));
                let end = damage.offset + 100 + Block::new(damage.first).bytes.len() as u64;
                assert!(damage.file == file && (damage.offset..end).contains(&(at as u64)));
                assert_eq!(ledger.damage(), found);
                // of the growing segment it is known when it is opened, and the file stays as it is
                assert_eq!(recovery.damage, if is_last { found } else { vec![] });
                assert_eq!(file.metadata().unwrap().len(), fs::metadata(name).unwrap().len());
            }
            assert_eq!(recovery.torn_tail, None);
            hurt += 1;
        }
    }
    assert!(hurt > 130, "{hurt}");
}

/// Reads all blocks twice, and returns the damage.
fn walk(ledger: &selvedge_ledger::Ledger) -> Vec<Damage> {
    let reader = ledger.reader();
    let mut found = Vec::new();
    for (number, block) in (0..).zip(reader.iter_from(0)) {
        match block {
            Ok(block) => assert!(Block::new(number) == block, "block {number}"),
            Err(ReadError::Damaged(damage)) => found.push(damage),
            Err(error) => panic!("{error}"),
        }
    }
    for number in 0..reader.height() {
        match reader.read(number) {
            Ok(bytes) => assert_eq!(bytes.unwrap(), Block::new(number).bytes),
            Err(ReadError::Damaged(damage)) => assert!(found.contains(&damage)),
            Err(error) => panic!("{error}"),
        }
    }
    found
}

#[test]
fn in_the_metadata_never_costs_a_block() {
    let folder = closed_ledger(COUNT, &small_segments());
    let length = fs::metadata(folder.path().join("metadata.redb")).unwrap().len() as usize;
    let mut replaced = 0;
    // the headers and roots at the front, byte by byte, and a sample of the rest
    for at in (0..400).step_by(7).chain((400..length).step_by(length / 40)) {
        let copy = image(folder.path());
        edit(&copy.path().join("metadata.redb"), |bytes| bytes[at] ^= 1 << (at % 8));
        let (ledger, recovery) = open(copy.path(), &small_segments());
        replaced += usize::from(recovery.metadata_moved.is_some());
        assert_eq!(ledger.height(), COUNT, "byte {at}: {recovery:?}");
        assert_eq!(walk(&ledger), []);
        assert_eq!((recovery.lost_tail, recovery.hash_differs), (None, None), "byte {at}");
    }
    assert!(replaced > 0);
    // nor does its end, or all of it
    for kept in (0..length).step_by(length / 15) {
        let copy = image(folder.path());
        edit(&copy.path().join("metadata.redb"), |bytes| bytes.truncate(kept));
        let (ledger, recovery) = open(copy.path(), &small_segments());
        assert_eq!(ledger.height(), COUNT, "{kept} bytes: {recovery:?}");
        assert_eq!((recovery.lost_tail, recovery.hash_differs), (None, None), "{kept} bytes");
    }
}
