//! Reading: ranges under a budget, and many threads beside the writer.

use std::thread;

use selvedge_ledger::{Ledger, Options};

use crate::chain::{Block, append_synced, closed_ledger, open, small_segments};

fn numbers(ledger: &Ledger, range: std::ops::RangeInclusive<u64>, bytes_max: usize) -> Vec<u64> {
    let blocks = ledger.reader().read_range(range, bytes_max).unwrap();
    for block in &blocks {
        assert!(Block::new(block.number) == *block, "block {}", block.number);
    }
    blocks.iter().map(|block| block.number).collect()
}

#[test]
fn a_range_ends_where_it_should() {
    for options in [Options::default(), small_segments()] {
        let folder = closed_ledger(40, &options);
        let (ledger, _) = open(folder.path(), &options);
        let size = |range: std::ops::RangeInclusive<u64>| {
            range.map(|number| Block::new(number).bytes.len()).sum::<usize>()
        };
        assert_eq!(numbers(&ledger, 7..=9, usize::MAX), [7, 8, 9]);
        assert_eq!(numbers(&ledger, 0..=u64::MAX, usize::MAX), (0..40).collect::<Vec<_>>());
        assert_eq!(numbers(&ledger, 38..=100, usize::MAX), [38, 39]);
        assert_eq!(numbers(&ledger, 40..=100, usize::MAX), [0; 0]);
        assert_eq!(numbers(&ledger, std::ops::RangeInclusive::new(9, 8), usize::MAX), [0; 0]);
        // one comes always, then as many as fit, to the byte
        assert_eq!(numbers(&ledger, 7..=30, 0), [7]);
        for last in 8..30 {
            assert_eq!(numbers(&ledger, 7..=39, size(7..=last)), (7..=last).collect::<Vec<_>>());
            let less = numbers(&ledger, 7..=39, size(7..=last) - 1);
            assert!(less.len() < (last - 6) as usize, "{last}: {less:?}");
        }
    }
}

#[test]
fn readers_see_whole_blocks_while_the_writer_writes() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = Ledger::create(folder.path(), &small_segments()).unwrap();
    append_synced(&mut ledger, 1);
    let until = 150;
    thread::scope(|scope| {
        for seed in 0..3 {
            let reader = ledger.reader();
            scope.spawn(move || {
                let mut at = seed;
                while reader.height() < until {
                    let height = reader.height();
                    at = crate::chain::mix(at);
                    let number = at % height;
                    assert!(Block::new(number) == reader.read_block(number).unwrap().unwrap());
                    let newest = reader.read_block(height - 1).unwrap();
                    assert!(Block::new(height - 1) == newest.unwrap());
                }
                assert_eq!(reader.iter_from(0).filter(|block| block.is_ok()).count() as u64, reader.height());
            });
        }
        append_synced(&mut ledger, until - 1);
    });
}

#[test]
fn a_reader_outlives_its_ledger() {
    let folder = closed_ledger(20, &small_segments());
    let (ledger, _) = open(folder.path(), &small_segments());
    let reader = ledger.reader();
    drop(ledger);
    assert!(Block::new(3) == reader.read_block(3).unwrap().unwrap());
}

#[test]
fn readers_go_to_any_thread_and_the_writer_to_one() {
    fn sent<T: Send>() {}
    fn shared<T: Send + Sync + Clone + 'static>() {}
    sent::<Ledger>();
    sent::<selvedge_ledger::Blocks>();
    sent::<selvedge_ledger::LedgerError>();
    shared::<selvedge_ledger::Reader>();
    shared::<std::sync::Arc<selvedge_ledger::MetaStore>>();
}
