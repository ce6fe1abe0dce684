//! Blocks are taken in order, and counted when they are on disk.

use selvedge_ledger::{BLOCK_BYTES_MAX, Base, Durable, Ledger, LedgerError, NewBlock, Options};

use crate::chain::{Block, append, check, hash_of, open};

#[test]
fn height_follows_the_sync() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = Ledger::create(folder.path(), &Options::default()).unwrap();
    let reader = ledger.reader();
    assert_eq!(ledger.sync().unwrap(), Durable { height: 0, last_hash: None });
    append(&mut ledger, 7);
    assert_eq!((ledger.height(), ledger.appended_height()), (0, 7));
    assert_eq!(ledger.last_hash(), Some(hash_of(6)));
    assert_eq!(reader.read(0).unwrap(), None);
    assert_eq!(reader.iter_from(0).count(), 0);
    assert_eq!(ledger.config_block_numbers(), [0; 0]);
    assert_eq!(ledger.last_config_at_or_below(3), None);

    assert_eq!(ledger.sync().unwrap(), Durable { height: 7, last_hash: Some(hash_of(6)) });
    assert_eq!(reader.height(), 7);
    check(&ledger, 0..7);
    assert_eq!(ledger.config_block_numbers(), [0, 5]);
    assert_eq!(ledger.last_config_at_or_below(4), Some(0));
    assert_eq!(ledger.last_config_at_or_below(u64::MAX), Some(5));
}

#[test]
fn only_the_next_block_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = Ledger::create(folder.path(), &Options::default()).unwrap();
    let first = Block { previous_hash: vec![0; 32], ..Block::new(0) };
    match ledger.append(first.as_new()) {
        Err(LedgerError::WrongPreviousHash { number: 0, expected: None, .. }) => {}
        other => panic!("{other:?}"),
    }
    append(&mut ledger, 3);
    for given in [0, 2, 4, u64::MAX] {
        let block = Block { number: given, ..Block::new(3) };
        match ledger.append(block.as_new()) {
            Err(LedgerError::WrongNumber { expected: 3, given: named }) => assert_eq!(named, given),
            other => panic!("{other:?}"),
        }
    }
    for given in [vec![], vec![1; 32], hash_of(2)[..31].to_vec(), vec![0; 300]] {
        let block = Block { previous_hash: given.clone(), ..Block::new(3) };
        match ledger.append(block.as_new()) {
            Err(LedgerError::WrongPreviousHash { number: 3, expected, given: named }) => {
                assert_eq!((expected, named), (Some(hash_of(2)), given));
            }
            other => panic!("{other:?}"),
        }
    }
    // a refusal leaves all as it was
    append(&mut ledger, 1);
    assert_eq!(ledger.sync().unwrap().height, 4);
    check(&ledger, 0..4);
}

#[test]
fn a_block_beyond_the_bound_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = Ledger::create(folder.path(), &Options::default()).unwrap();
    // zeros that are never touched cost no memory
    let bytes = vec![0; BLOCK_BYTES_MAX + 1];
    match ledger.append(NewBlock { bytes: &bytes, ..Block::new(0).as_new() }) {
        Err(LedgerError::TooLarge { number: 0, .. }) => {}
        other => panic!("{other:?}"),
    }
    append(&mut ledger, 1);
}

#[test]
fn begins_where_a_snapshot_ended() {
    let folder = tempfile::tempdir().unwrap();
    let base = Base { number: 100, previous_hash: Some(hash_of(99)) };
    let options = Options { base, ..Options::default() };
    let mut ledger = Ledger::create(folder.path(), &options).unwrap();
    assert_eq!((ledger.height(), ledger.first_number(), ledger.last_hash()), (100, 100, Some(hash_of(99))));
    assert!(matches!(ledger.append(Block::new(0).as_new()), Err(LedgerError::WrongNumber { .. })));
    drop(ledger);
    // where it begins is in the files, not in the options
    let (mut ledger, _) = open(folder.path(), &Options::default());
    append(&mut ledger, 5);
    assert_eq!(ledger.sync().unwrap().height, 105);
    assert_eq!(ledger.reader().read(99).unwrap(), None);
    check(&ledger, 100..105);
}

#[test]
fn options_that_make_no_sense_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let default = Options::default;
    let hash = Some([0; 32]);
    let wrong = [
        ("segment_bytes_max", Options { segment_bytes_max: 0, ..default() }),
        ("segment_bytes_max", Options { segment_bytes_max: 1 << 32, ..default() }),
        ("open_segments_max", Options { open_segments_max: 0, ..default() }),
        ("base.number", Options { base: Base { number: u64::MAX, previous_hash: hash }, ..default() }),
        ("base.previous_hash", Options { base: Base { number: 1, previous_hash: None }, ..default() }),
    ];
    for (expected, options) in wrong {
        match Ledger::open_or_create(folder.path(), &options) {
            Err(LedgerError::Options { name, .. }) => assert_eq!(name, expected),
            other => panic!("{expected}: {other:?}"),
        }
    }
}

#[test]
fn made_once_and_opened_often() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/channel");
    let options = Options::default();
    assert!(matches!(Ledger::open(&path, &options), Err(LedgerError::NoLedger { .. })));
    assert!(matches!(Ledger::open(folder.path(), &options), Err(LedgerError::NoLedger { .. })));
    let (mut ledger, recovery) = Ledger::open_or_create(&path, &options).unwrap();
    assert!(recovery.created);
    append(&mut ledger, 2);
    // dropping syncs
    drop(ledger);
    let (ledger, recovery) = Ledger::open_or_create(&path, &options).unwrap();
    assert_eq!(recovery, Default::default());
    check(&ledger, 0..2);
    drop(ledger);
    assert!(matches!(Ledger::create(&path, &options), Err(LedgerError::AlreadyExists { .. })));
}
