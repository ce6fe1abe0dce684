//! A file that ends anywhere.

use std::fs::OpenOptions;

use selvedge_ledger::{DamageCause, Ledger, Options};

use crate::chain::{
    append, append_synced, check, closed_ledger, files, image, image_within_sync, new_folder, open,
    small_segments,
};

/// The end of the last durable group and of the file, when `pending` blocks more are appended and not synced.
fn with_tail(durable: u64, pending: u64) -> (tempfile::TempDir, u64, u64) {
    let folder = new_folder();
    let mut ledger = Ledger::create(folder.path(), &Options::default()).unwrap();
    append_synced(&mut ledger, durable);
    // remembered, as an idle ledger does
    ledger.sync().unwrap();
    let length = || files(folder.path(), "segment")[0].metadata().unwrap().len();
    let begin = length();
    append(&mut ledger, pending);
    let image = image_within_sync(folder.path(), &mut ledger);
    (image, begin, length())
}

fn cut(folder: &std::path::Path, length: u64) {
    OpenOptions::new().write(true).open(&files(folder, "segment")[0]).unwrap().set_len(length).unwrap();
}

#[test]
fn at_every_offset_of_the_tail_only_what_was_not_durable_is_lost() {
    let (folder, begin, end) = with_tail(4, 2);
    let mut seen = [false; 3];
    for length in begin..=end {
        let copy = image(folder.path());
        cut(copy.path(), length);
        let (mut ledger, recovery) = open(copy.path(), &Options::default());
        let height = ledger.height();
        assert!((4..=6).contains(&height), "cut at {length}: height {height}");
        check(&ledger, 0..height);
        assert_eq!(recovery.lost_tail, None);
        assert_eq!(recovery.damage, []);
        let kept = files(copy.path(), "segment")[0].metadata().unwrap().len();
        match recovery.torn_tail {
            Some(torn) => {
                assert_eq!((torn.first, torn.offset, torn.bytes), (height, kept, length - kept));
                assert_ne!(torn.bytes, 0);
            }
            None => assert_eq!(kept, length),
        }
        if !std::mem::replace(&mut seen[height as usize - 4], true) {
            // it grows on from there
            append_synced(&mut ledger, 2);
            drop(ledger);
            let (ledger, recovery) = open(copy.path(), &Options::default());
            assert_eq!(recovery, Default::default());
            check(&ledger, 0..height + 2);
        }
    }
    assert_eq!(seen, [true; 3]);
}

#[test]
fn below_the_durable_height_the_loss_is_reported() {
    let (folder, begin, _) = with_tail(4, 0);
    for length in (72..begin).step_by(9) {
        let copy = image(folder.path());
        cut(copy.path(), length);
        let (ledger, recovery) = open(copy.path(), &Options::default());
        let height = ledger.height();
        check(&ledger, 0..height);
        let lost = recovery.lost_tail.unwrap();
        assert_eq!((lost.known_height, lost.found_height), (4, height));
        assert_eq!(recovery.torn_tail, None);
        assert_eq!(lost.offset + lost.bytes, length);
        assert_eq!(files(copy.path(), "segment")[0].metadata().unwrap().len(), lost.offset);
    }
}

#[test]
fn of_a_sealed_segment_is_damage() {
    let folder = closed_ledger(30, &small_segments());
    let segments = files(folder.path(), "segment");
    let number = |path: &std::path::Path| path.file_stem().unwrap().to_str().unwrap().parse::<u64>().unwrap();
    let (first, next) = (number(&segments[1]), number(&segments[2]));
    let full = segments[1].metadata().unwrap().len();
    for length in (72..full).step_by(11) {
        let copy = image(folder.path());
        let file = &files(copy.path(), "segment")[1];
        OpenOptions::new().write(true).open(file).unwrap().set_len(length).unwrap();
        for is_again in [false, true] {
            let (ledger, recovery) = open(copy.path(), &small_segments());
            let [damage] = &recovery.damage[..] else { panic!("{:?}", recovery.damage) };
            assert_eq!((&damage.file, damage.last), (file, next - 1));
            assert!(damage.offset <= length && damage.first >= first);
            assert_eq!(damage.cause, DamageCause::Missing);
            assert_eq!(recovery.indexes_rebuilt.len(), usize::from(!is_again));
            // never cut
            assert_eq!(file.metadata().unwrap().len(), length);
            let walk: Vec<_> = ledger.reader().iter_from(0).map(|block| block.is_ok()).collect();
            let expected: Vec<_> = (0..30).map(|number| !damage.numbers().contains(&number)).collect();
            assert_eq!(walk, expected);
        }
    }
}
