//! Blocks that were durable once and cannot be read any more: which, and where they lay.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::path::PathBuf;

/// One or more blocks in a row that cannot be read; all others can.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Number of the first of them.
    pub first: u64,
    /// Number of the last of them.
    pub last: u64,
    /// The file they lie in, or lay in.
    pub file: PathBuf,
    /// Where in that file the unreadable bytes begin.
    pub offset: u64,
    /// What is wrong with them.
    pub cause: DamageCause,
}

/// What is wrong with a damaged block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DamageCause {
    /// Bytes were changed: checksum, length, number or mark of the record is wrong.
    Changed,
    /// The file, or its end, is gone.
    Missing,
}

impl Damage {
    /// The blocks' numbers.
    pub fn numbers(&self) -> RangeInclusive<u64> {
        self.first..=self.last
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            write!(f, "block {} is damaged: ", self.first)?;
        } else {
            write!(f, "blocks {} to {} are damaged: ", self.first, self.last)?;
        }
        let what = match self.cause {
            DamageCause::Changed => "changed bytes",
            DamageCause::Missing => "missing bytes",
        };
        write!(f, "{what} in {} from offset {}", self.file.display(), self.offset)
    }
}

/// All known damage of a ledger. Ranges, so that a lost file costs one entry and not one a block.
#[derive(Debug, Default)]
pub(crate) struct DamageSet {
    by_first: BTreeMap<u64, Damage>,
}

impl DamageSet {
    /// The entry that has the block, narrowed to this block.
    pub(crate) fn at(&self, number: u64) -> Option<Damage> {
        let damage = self.covering(number)?;
        Some(Damage { first: number, last: number, ..damage.clone() })
    }

    pub(crate) fn contains(&self, number: u64) -> bool {
        self.covering(number).is_some()
    }

    /// The lowest damaged number at or above `number`.
    pub(crate) fn next_at_or_above(&self, number: u64) -> Option<u64> {
        if self.contains(number) {
            return Some(number);
        }
        self.by_first.range(number..).next().map(|(first, _)| *first)
    }

    /// Adds what is not in it yet; what is keeps its place.
    pub(crate) fn insert(&mut self, damage: &Damage) {
        let mut first = damage.first;
        while first <= damage.last {
            if let Some(known) = self.covering(first) {
                first = known.last + 1;
                continue;
            }
            let before_next = self.by_first.range(first..).next().map(|(next, _)| next - 1);
            let last = before_next.map_or(damage.last, |bound| bound.min(damage.last));
            self.by_first.insert(first, Damage { first, last, ..damage.clone() });
            first = last + 1;
        }
    }

    /// Takes one block out, splitting its entry.
    pub(crate) fn remove(&mut self, number: u64) {
        let Some(damage) = self.covering(number).cloned() else { return };
        self.by_first.remove(&damage.first);
        if damage.first < number {
            self.by_first.insert(damage.first, Damage { last: number - 1, ..damage.clone() });
        }
        if number < damage.last {
            self.by_first.insert(number + 1, Damage { first: number + 1, ..damage });
        }
    }

    /// Forgets all blocks below `number`.
    pub(crate) fn remove_below(&mut self, number: u64) {
        let kept = self.by_first.split_off(&number);
        let below = std::mem::replace(&mut self.by_first, kept);
        if let Some(damage) = below.into_values().next_back().filter(|damage| damage.last >= number) {
            self.by_first.insert(number, Damage { first: number, ..damage });
        }
    }

    pub(crate) fn to_vec(&self) -> Vec<Damage> {
        self.by_first.values().cloned().collect()
    }

    fn covering(&self, number: u64) -> Option<&Damage> {
        let (_, damage) = self.by_first.range(..=number).next_back()?;
        (number <= damage.last).then_some(damage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(first: u64, last: u64, offset: u64) -> Damage {
        Damage { first, last, file: PathBuf::from("f"), offset, cause: DamageCause::Changed }
    }

    fn numbers(set: &DamageSet) -> Vec<(u64, u64, u64)> {
        set.to_vec().iter().map(|damage| (damage.first, damage.last, damage.offset)).collect()
    }

    #[test]
    fn what_is_known_keeps_its_place() {
        let mut set = DamageSet::default();
        set.insert(&range(5, 6, 50));
        set.insert(&range(3, 9, 30));
        set.insert(&range(5, 5, 99));
        assert_eq!(numbers(&set), [(3, 4, 30), (5, 6, 50), (7, 9, 30)]);
        assert!(!set.contains(2) && set.contains(3) && set.contains(9) && !set.contains(10));
        assert_eq!(set.next_at_or_above(0), Some(3));
        assert_eq!(set.next_at_or_above(8), Some(8));
        assert_eq!(set.next_at_or_above(10), None);
    }

    #[test]
    fn a_mended_block_splits_its_range() {
        let mut set = DamageSet::default();
        set.insert(&range(3, 9, 30));
        for number in [3, 9, 6, 6, 100] {
            set.remove(number);
        }
        assert_eq!(numbers(&set), [(4, 5, 30), (7, 8, 30)]);
        assert_eq!(set.at(8), Some(range(8, 8, 30)));
        set.remove_below(5);
        assert_eq!(numbers(&set), [(5, 5, 30), (7, 8, 30)]);
        set.remove_below(9);
        assert!(set.to_vec().is_empty());
    }

    #[test]
    fn reads_as_a_log_line() {
        assert_eq!(range(3, 3, 30).to_string(), "block 3 is damaged: changed bytes in f from offset 30");
        let lost = Damage { cause: DamageCause::Missing, ..range(3, 9, 0) };
        assert_eq!(lost.to_string(), "blocks 3 to 9 are damaged: missing bytes in f from offset 0");
    }
}
