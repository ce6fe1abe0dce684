//! A power failure in the middle of a group: of what was written and not synced, some pages reach the disk.

use std::fs;

use selvedge_ledger::{Ledger, Options};

use crate::chain::{Block, append_synced, edit, files, image, image_within_sync, mix, new_folder, open};

const SIZE: usize = 3000;
const PAGE: usize = 512;

fn append_sized(ledger: &mut Ledger, count: u64) {
    for _ in 0..count {
        ledger.append(Block::sized(ledger.appended_height(), SIZE).as_new()).unwrap();
    }
}

fn check_sized(ledger: &Ledger) {
    let walk = ledger.reader().iter_from(0).map(|block| block.unwrap());
    assert!(walk.eq(walk_of(ledger.height())));

    fn walk_of(height: u64) -> impl Iterator<Item = selvedge_ledger::StoredBlock> {
        (0..height).map(|number| {
            let block = Block::sized(number, SIZE);
            selvedge_ledger::StoredBlock {
                number,
                header_hash: block.header_hash,
                previous_hash: block.previous_hash.try_into().ok(),
                is_config: block.is_config,
                bytes: block.bytes.into(),
            }
        })
    }
}

#[test]
fn whichever_they_are_the_durable_blocks_stay() {
    let folder = new_folder();
    let mut ledger = Ledger::create(folder.path(), &Options::default()).unwrap();
    append_sized(&mut ledger, 3);
    ledger.sync().unwrap();
    append_sized(&mut ledger, 3);
    ledger.sync().unwrap();
    let name = files(folder.path(), "segment")[0].clone();
    let synced = fs::metadata(&name).unwrap().len() as usize;
    append_sized(&mut ledger, 8);
    let whole = image_within_sync(folder.path(), &mut ledger);
    let mut heights = std::collections::BTreeSet::new();
    for round in 0..36 {
        let copy = image(whole.path());
        if round % 2 == 1 {
            // what the records prove must do
            fs::remove_file(copy.path().join("metadata.redb")).unwrap();
        }
        let segment = copy.path().join(name.file_name().unwrap());
        edit(&segment, |bytes| {
            let mut kept = bytes.len();
            for (page, at) in (synced..bytes.len()).step_by(PAGE).enumerate() {
                let end = (at + PAGE).min(bytes.len());
                // some rounds drop few pages, some most; the file may be too short as well
                match mix(round * 1000 + page as u64) % (2 + round) {
                    0 => bytes[at..end].fill(0),
                    1 if round % 5 == 0 => kept = end,
                    _ => {}
                }
            }
            bytes.truncate(kept);
        });
        let (mut ledger, recovery) = open(copy.path(), &Options::default());
        let height = ledger.height();
        assert!((6..=14).contains(&height), "round {round}: {height}");
        assert_eq!((recovery.damage, recovery.lost_tail), (vec![], None), "round {round}");
        assert_eq!(recovery.torn_tail.is_some_and(|torn| torn.first == height), height < 14, "round {round}");
        heights.insert(height);
        append_sized(&mut ledger, 2);
        ledger.sync().unwrap();
        check_sized(&ledger);
        drop(ledger);
        let (ledger, recovery) = open(copy.path(), &Options::default());
        assert_eq!((recovery, ledger.height()), (Default::default(), height + 2));
    }
    assert!(heights.len() > 3, "{heights:?}");
}

#[test]
fn a_valid_record_of_a_later_group_proves_the_earlier_durable() {
    let folder = new_folder();
    let mut ledger = Ledger::create(folder.path(), &Options::default()).unwrap();
    append_sized(&mut ledger, 3);
    ledger.sync().unwrap();
    append_sized(&mut ledger, 3);
    let copy = image_within_sync(folder.path(), &mut ledger);
    fs::remove_file(copy.path().join("metadata.redb")).unwrap();
    let record = 100 + SIZE;
    let segment = &files(copy.path(), "segment")[0];
    let length = segment.metadata().unwrap().len();
    // block 1 was durable once, since block 5 says that only two before it were not; block 4 was not
    edit(segment, |bytes| {
        bytes[72 + record + 200] ^= 1;
        bytes[72 + 4 * record + 200] ^= 1;
    });
    let (mut ledger, recovery) = open(copy.path(), &Options::default());
    let [damage] = &recovery.damage[..] else { panic!("{recovery:?}") };
    assert_eq!((damage.first, damage.last, damage.offset), (1, 1, 72 + record as u64));
    let torn = recovery.torn_tail.unwrap();
    assert_eq!((torn.first, torn.bytes, ledger.height()), (4, 2 * record as u64, 4));
    assert_eq!(segment.metadata().unwrap().len(), length - torn.bytes);
    for number in [0, 2, 3] {
        assert!(Block::sized(number, SIZE) == ledger.reader().read_block(number).unwrap().unwrap());
    }
    append_synced(&mut ledger, 1);
}
