//! Segment headers, and files that do not belong.

use std::fs;

use selvedge_ledger::{Ledger, LedgerError, Options};

use crate::chain::{append_synced, check, closed_ledger, edit, files, image, open, small_segments};

#[test]
fn all_headers_may_be_spoilt_at_once() {
    let folder = closed_ledger(20, &small_segments());
    let segments = files(folder.path(), "segment");
    for segment in &segments {
        edit(segment, |bytes| bytes[..72].fill(0));
    }
    for has_metadata in [true, false] {
        let copy = image(folder.path());
        if !has_metadata {
            fs::remove_file(copy.path().join("metadata.redb")).unwrap();
        }
        let (mut ledger, recovery) = open(copy.path(), &small_segments());
        assert_eq!(recovery.headers_repaired.len(), segments.len());
        check(&ledger, 0..20);
        append_synced(&mut ledger, 5);
        drop(ledger);
        let (ledger, recovery) = open(copy.path(), &small_segments());
        assert_eq!(recovery, Default::default());
        check(&ledger, 0..25);
    }
}

#[test]
fn a_segment_without_anything_readable_is_moved_aside() {
    let folder = closed_ledger(20, &small_segments());
    let segments = files(folder.path(), "segment");
    edit(&segments[1], |bytes| bytes.fill(0xff));
    let (ledger, recovery) = open(folder.path(), &small_segments());
    assert_eq!(recovery.moved_aside, [segments[1].clone()]);
    assert!(!segments[1].exists());
    assert!(folder.path().join(format!("{}.damaged", segments[1].display())).exists());
    let [damage] = &recovery.damage[..] else { panic!("{recovery:?}") };
    assert_eq!((&damage.file, damage.offset), (&segments[1], 0));
    let readable = ledger.reader().iter_from(0).filter(|block| block.is_ok()).count() as u64;
    assert_eq!(readable, 20 - (damage.last - damage.first + 1));
    drop(ledger);
    let (_, again) = open(folder.path(), &small_segments());
    assert_eq!(again.damage, recovery.damage);
}

#[test]
fn without_anything_readable_at_all_nothing_is_touched() {
    let folder = closed_ledger(3, &Options::default());
    let segment = &files(folder.path(), "segment")[0];
    edit(segment, |bytes| bytes.fill(0));
    match Ledger::open(folder.path(), &Options::default()) {
        Err(LedgerError::Unrecognised { folder: named }) => assert_eq!(named, folder.path()),
        other => panic!("{other:?}"),
    }
    assert!(segment.exists());
}

#[test]
fn files_of_another_ledger_are_refused() {
    let folder = closed_ledger(20, &small_segments());
    let other = closed_ledger(20, &small_segments());
    let foreign = &files(folder.path(), "segment")[1];
    fs::copy(&files(other.path(), "segment")[1], foreign).unwrap();
    match Ledger::open(folder.path(), &small_segments()) {
        Err(LedgerError::Foreign { file }) => assert_eq!(&file, foreign),
        other => panic!("{other:?}"),
    }
    // renamed within the folder
    let renamed = &files(other.path(), "segment")[2];
    fs::rename(renamed, other.path().join("00000000000000000001.segment")).unwrap();
    assert!(matches!(Ledger::open(other.path(), &small_segments()), Err(LedgerError::Foreign { .. })));
}

#[test]
fn a_later_version_is_refused_by_name() {
    let folder = closed_ledger(3, &Options::default());
    let segment = &files(folder.path(), "segment")[0];
    edit(segment, |bytes| {
        bytes[8] = 9;
        let checksum = crc32c::crc32c_append(crc32c::crc32c(&bytes[..12]), &bytes[16..72]);
        bytes[12..16].copy_from_slice(&checksum.to_le_bytes());
    });
    match Ledger::open(folder.path(), &Options::default()) {
        Err(LedgerError::Version { file, version: 9, supported: 1 }) => assert_eq!(&file, segment),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_a_kill_left_half_written_goes_away() {
    let folder = closed_ledger(20, &small_segments());
    for name in ["00000000000000000020.segment.tmp", "00000000000000000003.index.tmp"] {
        fs::write(folder.path().join(name), "half").unwrap();
    }
    fs::write(folder.path().join("00000000000000000099.index"), "of a removed segment").unwrap();
    fs::write(folder.path().join("notes.txt"), "an operator's").unwrap();
    let (ledger, recovery) = open(folder.path(), &small_segments());
    assert_eq!(recovery, Default::default());
    check(&ledger, 0..20);
    assert_eq!(files(folder.path(), "tmp"), [""; 0].map(std::path::PathBuf::from));
    assert!(!folder.path().join("00000000000000000099.index").exists());
    assert!(folder.path().join("notes.txt").exists());
}
