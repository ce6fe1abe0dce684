//! Whatever is done in whatever order, the ledger is a list of blocks of which a known part is durable.

use std::path::Path;

use proptest::prelude::*;
use selvedge_ledger::{Ledger, Options};

use crate::chain::{Block, edit, files, hash_of, image_within_sync, mix, new_folder};

#[derive(Clone, Debug)]
enum Step {
    Append {
        count: u64,
        size_max: usize,
    },
    Sync,
    /// Closed and opened again.
    Reopen,
    /// The machine dies; of what was not synced, each page of 64 bytes reaches the disk or not.
    PowerFailure {
        seed: u64,
    },
    Prune {
        below: u64,
    },
    /// A byte of a durable block changes on disk while the ledger is closed.
    Spoil {
        number: u64,
        at: u64,
    },
    /// All damage there is is mended.
    Mend,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1..6u64, 0..400usize).prop_map(|(count, size_max)| Step::Append { count, size_max }),
        4 => Just(Step::Sync),
        1 => Just(Step::Reopen),
        2 => any::<u64>().prop_map(|seed| Step::PowerFailure { seed }),
        1 => (0..60u64).prop_map(|below| Step::Prune { below }),
        2 => (any::<u64>(), any::<u64>()).prop_map(|(number, at)| Step::Spoil { number, at }),
        2 => Just(Step::Mend),
    ]
}

struct Model {
    folder: tempfile::TempDir,
    ledger: Option<Ledger>,
    /// Sizes of all appended blocks.
    sizes: Vec<usize>,
    durable: u64,
    first: u64,
    /// Where the durable bytes of the last segment end.
    synced_bytes: u64,
    spoilt: std::collections::BTreeSet<u64>,
}

fn options() -> Options {
    Options { segment_bytes_max: 1500, open_segments_max: 2, ..Options::default() }
}

fn last_length(folder: &Path) -> u64 {
    files(folder, "segment").last().unwrap().metadata().unwrap().len()
}

impl Model {
    fn new() -> Self {
        let folder = new_folder();
        let ledger = Some(Ledger::create(folder.path(), &options()).unwrap());
        Self {
            synced_bytes: last_length(folder.path()),
            folder,
            ledger,
            sizes: Vec::new(),
            durable: 0,
            first: 0,
            spoilt: Default::default(),
        }
    }

    fn ledger(&mut self) -> &mut Ledger {
        self.ledger.as_mut().unwrap()
    }

    fn block(&self, number: u64) -> Block {
        Block::sized(number, self.sizes[number as usize])
    }

    fn apply(&mut self, step: &Step) {
        match *step {
            Step::Append { count, size_max } => {
                for _ in 0..count {
                    let number = self.sizes.len() as u64;
                    let size = (mix(number ^ size_max as u64) as usize) % (size_max + 1);
                    self.sizes.push(size);
                    let block = self.block(number);
                    self.ledger().append(block.as_new()).unwrap();
                    let height = self.ledger().height();
                    if height > self.durable {
                        // a new segment was begun: its header is all that is durable of it
                        self.durable = height;
                        self.synced_bytes = 72;
                    }
                }
            }
            Step::Sync => {
                let durable = self.ledger().sync().unwrap();
                assert_eq!(durable.height, self.sizes.len() as u64);
                self.durable = durable.height;
                self.synced_bytes = last_length(self.folder.path());
            }
            Step::Reopen => {
                self.ledger.take().unwrap().close().unwrap();
                self.durable = self.sizes.len() as u64;
                self.open();
            }
            Step::PowerFailure { seed } => {
                let mut ledger = self.ledger.take().unwrap();
                let copy = image_within_sync(self.folder.path(), &mut ledger);
                drop(ledger);
                self.folder = copy;
                let synced = self.synced_bytes as usize;
                edit(files(self.folder.path(), "segment").last().unwrap(), |bytes| {
                    let mut kept = bytes.len();
                    for at in (synced..bytes.len()).step_by(64) {
                        let end = (at + 64).min(bytes.len());
                        match mix(seed ^ at as u64) % 16 {
                            0..3 => bytes[at..end].fill(0),
                            3 => kept = end,
                            _ => {}
                        }
                    }
                    bytes.truncate(kept);
                });
                self.open();
            }
            Step::Prune { below } => match self.ledger().prune_below(below) {
                Ok(pruned) => {
                    assert!(pruned.first_number <= below.min(self.durable).max(self.first));
                    assert!(pruned.first_number >= self.first);
                    self.first = pruned.first_number;
                    let first = self.first;
                    self.spoilt.retain(|number| *number >= first);
                }
                // the configuration block that must be kept is damaged
                Err(selvedge_ledger::LedgerError::Read(selvedge_ledger::ReadError::Damaged(damage))) => {
                    assert!(self.spoilt.contains(&damage.first));
                }
                Err(error) => panic!("{error}"),
            },
            Step::Spoil { number, at } => {
                if self.durable == self.first {
                    return;
                }
                self.ledger.take().unwrap().close().unwrap();
                self.durable = self.sizes.len() as u64;
                // never the last: that would be a lost tail
                let number = self.first + number % (self.durable - self.first);
                // nor one twice, which could make it whole again
                if number + 1 < self.durable
                    && !self.spoilt.contains(&number)
                    && !files(self.folder.path(), "block")
                        .iter()
                        .any(|path| path.ends_with(format!("{number:020}.block")))
                {
                    self.spoil(number, at);
                }
                self.open();
            }
            Step::Mend => {
                // all damage is known once all was read
                self.check();
                for number in self.spoilt.clone() {
                    let block = self.block(number);
                    self.ledger().mend(block.as_new()).unwrap();
                }
                self.spoilt.clear();
            }
        }
        self.check();
    }

    /// Changes a byte of a block's record, whichever segment it is in.
    fn spoil(&mut self, number: u64, at: u64) {
        let hash = hash_of(number);
        let record_bytes = 100 + self.sizes[number as usize];
        for segment in files(self.folder.path(), "segment") {
            edit(&segment, |bytes| {
                let places = bytes.windows(32).enumerate().filter(|(_, window)| *window == hash);
                let own = places
                    .map(|(place, _)| place)
                    .find(|place| bytes[place - 20..place - 12] == number.to_le_bytes());
                if let Some(place) = own {
                    bytes[place - 36 + (at as usize % record_bytes)] ^= 0x5a;
                    self.spoilt.insert(number);
                }
            });
        }
    }

    fn open(&mut self) {
        let (ledger, recovery) = Ledger::open(self.folder.path(), &options()).unwrap();
        assert_eq!((&recovery.lost_tail, &recovery.hash_differs), (&None, &None));
        assert!(recovery.damage.iter().flat_map(|damage| damage.numbers()).all(|n| self.spoilt.contains(&n)));
        let height = ledger.height();
        assert!(height >= self.durable && height <= self.sizes.len() as u64, "{height} of {}", self.durable);
        self.sizes.truncate(height as usize);
        self.durable = height;
        self.synced_bytes = last_length(self.folder.path());
        self.ledger = Some(ledger);
    }

    fn check(&self) {
        let ledger = self.ledger.as_ref().unwrap();
        assert_eq!(ledger.height(), self.durable);
        assert_eq!(ledger.appended_height(), self.sizes.len() as u64);
        assert_eq!(ledger.last_hash(), self.sizes.len().checked_sub(1).map(|last| hash_of(last as u64)));
        assert_eq!(ledger.first_number(), self.first);
        let mut blocks = ledger.reader().iter_from(0);
        for number in self.first..self.durable {
            match blocks.next().unwrap() {
                Ok(block) => assert!(self.block(number) == block, "block {number}"),
                Err(error) => assert!(self.spoilt.contains(&number), "block {number}: {error}"),
            }
            assert_eq!(ledger.reader().read(number).is_err(), self.spoilt.contains(&number));
        }
        assert!(blocks.next().is_none());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_ledger_is_a_list_of_blocks(steps in prop::collection::vec(step(), 1..40)) {
        let mut model = Model::new();
        for step in &steps {
            model.apply(step);
        }
    }
}
