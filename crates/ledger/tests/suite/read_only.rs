//! Opening to read changes nothing on disk.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use selvedge_ledger::{Access, Ledger, LedgerError, Options};

use crate::chain::{
    Block, append, append_synced, check, closed_ledger, edit, files, image_within_sync, new_folder, open,
    small_segments,
};

fn content(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| (path.display().to_string(), fs::read(path).unwrap())).collect()
}

fn read_only() -> Options {
    Options { access: Access::ReadOnly, ..small_segments() }
}

#[test]
fn whatever_state_the_ledger_is_in() {
    let folder = new_folder();
    let mut ledger = Ledger::create(folder.path(), &small_segments()).unwrap();
    append_synced(&mut ledger, 25);
    append(&mut ledger, 1);
    // as a kill leaves it: the metadata was not closed
    let copy = image_within_sync(folder.path(), &mut ledger);
    edit(files(copy.path(), "segment").last().unwrap(), |bytes| bytes.truncate(bytes.len() - 1));
    edit(&files(copy.path(), "index")[1], |bytes| bytes[20] ^= 1);
    edit(&files(copy.path(), "index")[2], |bytes| *bytes.last_mut().unwrap() ^= 1);
    edit(&files(copy.path(), "segment")[3], |bytes| bytes[3] ^= 1);
    fs::write(copy.path().join("00000000000000000099.segment.tmp"), "half").unwrap();
    let before = content(copy.path());
    for _ in 0..2 {
        let (mut ledger, recovery) = open(copy.path(), &read_only());
        assert_eq!(ledger.height(), 25);
        assert_eq!(recovery.torn_tail.unwrap().first, 25);
        assert_eq!((recovery.indexes_rebuilt.len(), recovery.headers_repaired.len()), (1, 1));
        check(&ledger, 0..25);
        assert_eq!(ledger.damage(), []);
        let refused = [
            ledger.append(Block::new(25).as_new()),
            ledger.mend(Block::new(3).as_new()),
            ledger.sync().map(drop),
            ledger.prune_below(9).map(drop),
        ];
        assert!(refused.iter().all(|result| matches!(result, Err(LedgerError::ReadOnly { .. }))));
        ledger.close().unwrap();
        assert_eq!(content(copy.path()), before);
    }
}

#[test]
fn a_lost_tail_is_noticed_too() {
    let folder = closed_ledger(25, &small_segments());
    fs::remove_file(folder.path().join("LOCK")).unwrap();
    fs::remove_file(files(folder.path(), "segment").last().unwrap()).unwrap();
    let before = content(folder.path());
    let (_, recovery) = open(folder.path(), &read_only());
    assert_eq!(recovery.lost_tail.unwrap().known_height, 25);
    assert_eq!(content(folder.path()), before);
}

#[test]
fn nothing_is_made_either() {
    let folder = new_folder();
    let path = folder.path().join("none");
    assert!(matches!(Ledger::open(&path, &read_only()).map(drop), Err(LedgerError::NoLedger { .. })));
    assert!(matches!(
        Ledger::open_or_create(&path, &read_only()).map(drop),
        Err(LedgerError::ReadOnly { .. })
    ));
    assert!(!path.exists());
}
