//! Indexes of sealed segments are made again from the segments.

use std::fs;

use crate::chain::{check, closed_ledger, edit, files, image, open, small_segments};

#[test]
fn whatever_is_wrong_with_them() {
    let folder = closed_ledger(20, &small_segments());
    let sound = files(folder.path(), "index").iter().map(|file| fs::read(file).unwrap()).collect::<Vec<_>>();
    let length = sound[1].len();
    // head and offsets are read at different times; the offsets are the last bytes
    for at in (0..length).step_by(5).chain([length - 1]) {
        let copy = image(folder.path());
        let index = files(copy.path(), "index")[1].clone();
        edit(&index, |bytes| bytes[at] ^= 0x40);
        let (ledger, recovery) = open(copy.path(), &small_segments());
        let is_head = !recovery.indexes_rebuilt.is_empty();
        check(&ledger, 0..20);
        assert_eq!(ledger.config_block_numbers(), [0, 5, 10, 15]);
        assert_eq!(ledger.damage(), []);
        assert!(is_head || at > 60, "byte {at}");
        assert_eq!(fs::read(&index).unwrap(), sound[1], "byte {at}");
    }
}

#[test]
fn when_they_are_gone_or_of_another_segment() {
    let folder = closed_ledger(20, &small_segments());
    let indexes = files(folder.path(), "index");
    fs::remove_file(&indexes[0]).unwrap();
    fs::copy(&indexes[2], &indexes[1]).unwrap();
    let (ledger, recovery) = open(folder.path(), &small_segments());
    assert_eq!(recovery.indexes_rebuilt, indexes[..2]);
    check(&ledger, 0..20);
    drop(ledger);
    let (_, recovery) = open(folder.path(), &small_segments());
    assert_eq!(recovery, Default::default());
}
