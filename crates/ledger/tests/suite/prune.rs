//! Old blocks go by whole files.

use std::fs;
use std::path::Path;

use selvedge_ledger::{Ledger, LedgerError, Options, Pruned};

use crate::chain::{
    Block, append_synced, check, closed_ledger, edit, files, new_folder, open, small_segments,
};

fn starts(folder: &Path) -> Vec<u64> {
    files(folder, "segment")
        .iter()
        .map(|path| path.file_stem().unwrap().to_str().unwrap().parse().unwrap())
        .collect()
}

#[test]
fn at_least_what_was_asked_for_stays() {
    let folder = closed_ledger(60, &small_segments());
    let all = starts(folder.path());
    let (mut ledger, _) = open(folder.path(), &small_segments());
    let mut segments_count = 0;
    for number in [0, 1, 20, 21, 33, 7, 60, u64::MAX] {
        let pruned = ledger.prune_below(number).unwrap();
        segments_count += pruned.segments_count;
        let left = starts(folder.path());
        assert_eq!(left, all[segments_count..]);
        assert_eq!(pruned.first_number, left[0]);
        assert_eq!(ledger.first_number(), left[0]);
        // the first that is left has not gone further than asked, now or before
        assert!(left[0] <= number || pruned.segments_count == 0);
        assert_eq!(files(folder.path(), "index").len(), left.len() - 1);
        check(&ledger, left[0]..60);
        assert!(ledger.reader().iter_from(0).map(|block| block.unwrap().number).eq(left[0]..60));
        // the configuration in force at the first block left
        let config = ledger.last_config_at_or_below(left[0]).unwrap();
        assert_eq!(config, left[0] / 5 * 5);
        assert!(Block::new(config) == ledger.reader().read_block(config).unwrap().unwrap());
        assert!(files(folder.path(), "block").len() <= 1);
        assert_eq!(ledger.config_block_numbers()[0], config);
        if let Some(gone) = config.checked_sub(1) {
            assert_eq!(ledger.reader().read(gone).unwrap(), None);
            assert_eq!(ledger.last_config_at_or_below(gone), None);
        }
    }
    assert_eq!(ledger.prune_below(60).unwrap().segments_count, 0);
    let first = ledger.first_number();
    append_synced(&mut ledger, 10);
    drop(ledger);
    let (ledger, recovery) = open(folder.path(), &small_segments());
    assert_eq!(recovery, Default::default());
    check(&ledger, first..70);
    let config = ledger.last_config_at_or_below(first).unwrap();
    assert!(Block::new(config) == ledger.reader().read_block(config).unwrap().unwrap());
}

#[test]
fn what_ends_in_the_middle_leaves_what_is_in_force_at_the_first_block() {
    for last in 1..6 {
        let folder = closed_ledger(60, &small_segments());
        // a file that cannot be removed stands for a kill before it
        let stays = files(folder.path(), "segment").remove(last);
        let aside = folder.path().join("aside");
        let (mut ledger, _) = open(folder.path(), &small_segments());
        fs::rename(&stays, &aside).unwrap();
        fs::create_dir(&stays).unwrap();
        assert!(ledger.prune_below(60).is_err());
        drop(ledger);
        fs::remove_dir(&stays).unwrap();
        fs::rename(&aside, &stays).unwrap();
        let (ledger, _) = open(folder.path(), &small_segments());
        let first = ledger.first_number();
        assert_eq!(first, starts(folder.path())[0]);
        let config = ledger.last_config_at_or_below(first).unwrap();
        assert_eq!(config, first / 5 * 5);
        assert!(Block::new(config) == ledger.reader().read_block(config).unwrap().unwrap());
        check(&ledger, first..60);
    }
}

#[test]
fn blocks_that_are_not_durable_do_not_count() {
    let folder = new_folder();
    let mut ledger = Ledger::create(folder.path(), &Options::default()).unwrap();
    crate::chain::append(&mut ledger, 5);
    assert_eq!(ledger.prune_below(5).unwrap(), Pruned { segments_count: 0, first_number: 0 });
    ledger.sync().unwrap();
    check(&ledger, 0..5);
}

#[test]
fn a_reader_in_the_middle_of_it_skips_or_finishes() {
    let folder = closed_ledger(60, &small_segments());
    let (mut ledger, _) = open(folder.path(), &small_segments());
    let mut blocks = ledger.reader().iter_from(0);
    assert_eq!(blocks.next().unwrap().unwrap().number, 0);
    let first = ledger.prune_below(40).unwrap().first_number;
    let mut last = 0;
    for block in blocks {
        let number = block.unwrap().number;
        assert!(number == last + 1 || number == first, "{number} after {last}");
        last = number;
    }
    assert_eq!(last, 59);
}

#[test]
fn nothing_goes_while_the_configuration_that_must_stay_is_damaged() {
    let folder = closed_ledger(60, &small_segments());
    let all = starts(folder.path());
    // a first block left that is not itself a configuration block
    let first = *all.iter().find(|first| **first > 20 && **first % 5 != 0).unwrap();
    let config = first / 5 * 5;
    let (mut ledger, _) = open(folder.path(), &small_segments());
    let hash = crate::chain::hash_of(config);
    let mut spoilt = 0;
    for segment in files(folder.path(), "segment") {
        edit(&segment, |bytes| {
            let at = bytes.windows(32).position(|window| window == hash);
            if let Some(at) = at.filter(|at| bytes[at - 20..at - 12] == config.to_le_bytes()) {
                bytes[at] ^= 1;
                spoilt += 1;
            }
        });
    }
    assert_eq!(spoilt, 1);
    assert!(matches!(ledger.prune_below(first), Err(LedgerError::Read(_))));
    assert_eq!(starts(folder.path()), all);
    ledger.mend(Block::new(config).as_new()).unwrap();
    assert_eq!(ledger.prune_below(first).unwrap().first_number, first);
    assert!(Block::new(config) == ledger.reader().read_block(config).unwrap().unwrap());
}

#[test]
fn damage_below_goes_with_it() {
    let folder = closed_ledger(60, &small_segments());
    let segments = files(folder.path(), "segment");
    fs::remove_file(&segments[1]).unwrap();
    let (mut ledger, recovery) = open(folder.path(), &small_segments());
    assert_eq!(recovery.damage.len(), 1);
    ledger.prune_below(30).unwrap();
    assert_eq!(ledger.damage(), []);
    drop(ledger);
    assert_eq!(open(folder.path(), &small_segments()).1, Default::default());
}
