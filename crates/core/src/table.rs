//! A map for thousands of keys: a lookup touches two places in memory however many there are, and the order is that of
//! insertion, whatever the keys are (removing a key puts the last one in its place).
//!
//! Ordered maps compare some ten keys for each lookup; with thousands of members, most of a peer's time went there.

use crate::ids::{ConnectionId, PkiId};
use core::fmt;
use core::mem;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

/// What can be looked up.
pub(crate) trait Key: Copy + Eq {
    /// Some bits by which keys differ. They need not be spread evenly, and others may choose them.
    fn bits(&self) -> u64;
}

impl Key for PkiId {
    fn bits(&self) -> u64 {
        let (first, _) = self.as_bytes().split_first_chunk().unwrap_or((&[0; 8], &[]));
        u64::from_le_bytes(*first)
    }
}

impl Key for ConnectionId {
    fn bits(&self) -> u64 {
        self.count() << 1 | u64::from(self.is_dialed())
    }
}

/// See the module.
#[derive(Clone)]
pub(crate) struct Table<K, V> {
    /// Unknown to others, so that they cannot choose keys that fall together.
    seed: u64,
    places: HashTable<u32>,
    entries: Vec<(K, V)>,
}

fn hash<K: Key>(key: &K, seed: u64) -> u64 {
    let product = u128::from(key.bits() ^ seed) * 0x9e37_79b9_7f4a_7c15;
    (product >> 64) as u64 ^ product as u64
}

fn key_at<K: Key, V>(entries: &[(K, V)], place: u32) -> Option<&K> {
    entries.get(place as usize).map(|(key, _)| key)
}

impl<K: Key, V> Table<K, V> {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, places: HashTable::new(), entries: Vec::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    fn place(&self, key: &K) -> Option<usize> {
        let is_key = |place: &u32| key_at(&self.entries, *place) == Some(key);
        self.places.find(hash(key, self.seed), is_key).map(|place| *place as usize)
    }

    pub(crate) fn contains_key(&self, key: &K) -> bool {
        self.place(key).is_some()
    }

    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.entries.get(self.place(key)?).map(|(_, value)| value)
    }

    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let place = self.place(key)?;
        self.entries.get_mut(place).map(|(_, value)| value)
    }

    /// Puts a value in; gives what was there before.
    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        let Self { seed, places, entries } = self;
        let rehash = |place: &u32| key_at(entries, *place).map_or(0, |key| hash(key, *seed));
        let is_key = |place: &u32| key_at(entries, *place) == Some(&key);
        match places.entry(hash(&key, *seed), is_key, rehash) {
            Entry::Occupied(place) => {
                let (_, old) = entries.get_mut(*place.get() as usize)?;
                Some(mem::replace(old, value))
            }
            Entry::Vacant(vacant) => {
                // bounds keep every table far below that many
                vacant.insert(u32::try_from(entries.len()).unwrap_or(u32::MAX));
                entries.push((key, value));
                None
            }
        }
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        let Self { seed, places, entries } = self;
        let is_key = |place: &u32| key_at(entries, *place) == Some(key);
        let (place, _) = places.find_entry(hash(key, *seed), is_key).ok()?.remove();
        let last = (entries.len() - 1) as u32;
        if place != last
            && let Some(moved) = key_at(entries, last)
            && let Some(place_of_moved) = places.find_mut(hash(moved, *seed), |it| *it == last)
        {
            *place_of_moved = place;
        }
        Some(entries.swap_remove(place as usize).1)
    }

    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&K, &mut V) -> bool) {
        let Self { seed, places, entries } = self;
        let count = entries.len();
        entries.retain_mut(|(key, value)| keep(key, value));
        if entries.len() < count {
            places.clear();
            for (place, (key, _)) in entries.iter().enumerate() {
                let rehash = |place: &u32| key_at(entries, *place).map_or(0, |key| hash(key, *seed));
                places.insert_unique(hash(key, *seed), place as u32, rehash);
            }
        }
    }

    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = (&K, &V)> {
        self.entries.iter().map(|(key, value)| (key, value))
    }

    pub(crate) fn iter_mut(&mut self) -> impl ExactSizeIterator<Item = (&K, &mut V)> {
        self.entries.iter_mut().map(|(key, value)| (&*key, value))
    }

    pub(crate) fn keys(&self) -> impl ExactSizeIterator<Item = &K> {
        self.entries.iter().map(|(key, _)| key)
    }

    pub(crate) fn values(&self) -> impl ExactSizeIterator<Item = &V> {
        self.entries.iter().map(|(_, value)| value)
    }
}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for Table<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.entries.iter().map(|(key, value)| (key, value))).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn key(number: u64) -> PkiId {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&number.to_le_bytes());
        PkiId::new(bytes)
    }

    #[test]
    fn it_is_a_map() {
        let mut rng = fastrand::Rng::with_seed(7);
        let (mut table, mut model) = (Table::new(3), BTreeMap::new());
        for turn in 0..20_000_u32 {
            let number = rng.u64(0..300);
            match rng.u32(0..100) {
                0 => {
                    table.retain(|_, value| *value % 3 != 0);
                    model.retain(|_, value| *value % 3 != 0);
                }
                1..40 => assert_eq!(table.remove(&key(number)), model.remove(&number)),
                40..90 => assert_eq!(table.insert(key(number), turn), model.insert(number, turn)),
                _ => {
                    if let Some(value) = table.get_mut(&key(number)) {
                        *value += 1;
                    }
                    model.entry(number).and_modify(|value| *value += 1);
                }
            }
            assert_eq!(table.get(&key(number)), model.get(&number));
            assert_eq!(table.len(), model.len());
        }
        let mut all: Vec<_> = table.iter().map(|(key, value)| (*key, *value)).collect();
        all.sort_unstable();
        let mut expected: Vec<_> = model.iter().map(|(number, value)| (key(*number), *value)).collect();
        expected.sort_unstable();
        assert_eq!(all, expected);
    }

    #[test]
    fn the_order_does_not_depend_on_the_seed() {
        let order = |seed| {
            let mut table = Table::new(seed);
            (0..100).for_each(|number| assert!(table.insert(key(number * number), number).is_none()));
            (0..50).for_each(|number| assert!(table.remove(&key(number * number * 4)).is_some()));
            table.values().copied().collect::<Vec<_>>()
        };
        assert_eq!(order(1), order(2));
    }

    #[test]
    fn keys_that_differ_late_are_told_apart() {
        let mut table = Table::new(1);
        let (mut one, mut other) = ([7; 32], [7; 32]);
        (one[31], other[31]) = (1, 2);
        table.insert(PkiId::new(one), 1);
        table.insert(PkiId::new(other), 2);
        assert_eq!((table.get(&PkiId::new(one)), table.get(&PkiId::new(other))), (Some(&1), Some(&2)));
    }
}
