//! A tail that was durable and is gone is reported, never silent.

use std::fs;

use selvedge_ledger::{DamageCause, Ledger, Options};

use crate::chain::{
    append, append_synced, check, closed_ledger, edit, files, hash_of, image, new_folder, open,
    small_segments,
};

#[test]
fn an_older_copy_of_the_last_segment() {
    let folder = new_folder();
    let mut ledger = Ledger::create(folder.path(), &Options::default()).unwrap();
    append_synced(&mut ledger, 10);
    let older = image(folder.path());
    append_synced(&mut ledger, 10);
    drop(ledger);
    let segment = &files(folder.path(), "segment")[0];
    fs::copy(&files(older.path(), "segment")[0], segment).unwrap();
    let (ledger, recovery) = open(folder.path(), &Options::default());
    let lost = recovery.lost_tail.unwrap();
    assert_eq!((lost.known_height, lost.found_height, lost.bytes), (20, 10, 0));
    assert_eq!(&lost.file, segment);
    check(&ledger, 0..10);
    drop(ledger);
    // told once; from then on the height is what it is
    let (_, recovery) = open(folder.path(), &Options::default());
    assert_eq!(recovery, Default::default());
}

#[test]
fn the_last_segments_removed() {
    let folder = closed_ledger(30, &small_segments());
    let segments = files(folder.path(), "segment");
    for segment in &segments[3..] {
        fs::remove_file(segment).unwrap();
    }
    let (mut ledger, recovery) = open(folder.path(), &small_segments());
    let lost = recovery.lost_tail.unwrap();
    let height = ledger.height();
    assert_eq!((lost.known_height, lost.found_height), (30, height));
    assert_eq!(lost.file, segments[2]);
    assert_eq!(ledger.last_hash(), Some(hash_of(height - 1)));
    append_synced(&mut ledger, 30 - height);
    check(&ledger, 0..30);
}

#[test]
fn a_segment_in_the_middle_removed_is_damage() {
    let folder = closed_ledger(30, &small_segments());
    let segments = files(folder.path(), "segment");
    fs::remove_file(&segments[2]).unwrap();
    let (ledger, recovery) = open(folder.path(), &small_segments());
    let [damage] = &recovery.damage[..] else { panic!("{recovery:?}") };
    assert_eq!((&damage.file, damage.offset, damage.cause), (&segments[2], 0, DamageCause::Missing));
    assert_eq!(recovery.lost_tail, None);
    let walk = ledger.reader().iter_from(0).map(|block| block.is_ok());
    assert!(walk.eq((0..30).map(|number| !damage.numbers().contains(&number))));
}

#[test]
fn removed_while_it_is_open_too() {
    let folder = closed_ledger(30, &small_segments());
    let (ledger, _) = open(folder.path(), &small_segments());
    let segments = files(folder.path(), "segment");
    fs::remove_file(&segments[1]).unwrap();
    let failed = ledger.reader().iter_from(0).filter(|block| block.is_err()).count();
    let [damage] = &ledger.damage()[..] else { panic!("{:?}", ledger.damage()) };
    assert_eq!((&damage.file, damage.cause), (&segments[1], DamageCause::Missing));
    assert_eq!(failed as u64, damage.last - damage.first + 1);
}

#[test]
fn the_remembered_height_tells_damage_from_a_torn_tail() {
    let folder = new_folder();
    let mut ledger = Ledger::create(folder.path(), &Options::default()).unwrap();
    // one group, with no record behind it that could prove it durable
    append(&mut ledger, 6);
    ledger.sync().unwrap();
    ledger.sync().unwrap();
    let copy = image(folder.path());
    let segment = &files(copy.path(), "segment")[0];
    edit(segment, |bytes| bytes[72 + 50] ^= 1);
    let (ledger, recovery) = open(copy.path(), &Options::default());
    assert_eq!(ledger.height(), 6);
    assert_eq!((recovery.damage.len(), recovery.damage[0].first, recovery.damage[0].last), (1, 0, 0));
    drop(ledger);
    // without it nothing says that the group was synced
    fs::remove_file(copy.path().join("metadata.redb")).unwrap();
    let (ledger, recovery) = open(copy.path(), &Options::default());
    assert_eq!((ledger.height(), recovery.torn_tail.unwrap().first), (0, 0));
}

#[test]
fn a_remembered_height_of_another_chain_is_not_believed() {
    let folder = closed_ledger(12, &Options::default());
    let other = new_folder();
    let mut ledger = Ledger::create(other.path(), &Options::default()).unwrap();
    for number in 0..10 {
        let mut block = crate::chain::Block::new(number);
        block.header_hash[0] ^= 1;
        if let Some(first) = block.previous_hash.first_mut() {
            *first ^= 1;
        }
        ledger.append(block.as_new()).unwrap();
    }
    drop(ledger);
    fs::copy(other.path().join("metadata.redb"), folder.path().join("metadata.redb")).unwrap();
    let (ledger, recovery) = open(folder.path(), &Options::default());
    assert_eq!(recovery.hash_differs, Some(9));
    assert_eq!((recovery.lost_tail, recovery.damage), (None, vec![]));
    check(&ledger, 0..12);
}
