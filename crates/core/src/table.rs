//! A map for thousands of keys: a lookup touches two places in memory however many there are, and the order is that of
//! insertion, whatever the keys are (removing a key puts the last one in its place).
//!
//! Ordered maps compare some ten keys for each lookup; with thousands of members, most of a peer's time went there.

use crate::ids::{ConnectionId, PkiId, Ticket};
use core::fmt;
use core::marker::PhantomData;
use core::mem;
use hashbrown::HashTable;

/// What can be looked up.
pub(crate) trait Key: Copy + Eq {
    /// Some bits by which keys differ. They need not be spread evenly, and others may choose them.
    fn bits(&self) -> u64;

    /// Whether two keys are the same.
    fn is(&self, other: &Self) -> bool {
        self == other
    }
}

impl Key for PkiId {
    /// Word by word, where they stand: a call to compare bytes would cost more than the look-up.
    fn is(&self, other: &Self) -> bool {
        let (ours, _) = self.as_bytes().as_chunks::<8>();
        let (theirs, _) = other.as_bytes().as_chunks::<8>();
        let differences =
            ours.iter().zip(theirs).map(|(a, b)| u64::from_ne_bytes(*a) ^ u64::from_ne_bytes(*b));
        differences.fold(0, |all, it| all | it) == 0
    }

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

impl Key for Ticket {
    fn bits(&self) -> u64 {
        self.0
    }
}

/// What can be looked up, with its key in it.
pub(crate) trait Keyed<K> {
    /// Does not change as long as it is in a table.
    fn key(&self) -> &K;
}

impl<K, V> Keyed<K> for (K, V) {
    fn key(&self) -> &K {
        &self.0
    }
}

/// A table whose entries hold their keys themselves.
#[derive(Clone)]
pub(crate) struct Roll<K, E> {
    /// Unknown to others, so that they cannot choose keys that fall together.
    seed: u64,
    /// Where in the entries which key is.
    places: HashTable<Slot>,
    entries: Vec<E>,
    key: PhantomData<K>,
}

/// See the module.
#[derive(Clone)]
pub(crate) struct Table<K, V> {
    roll: Roll<K, (K, V)>,
}

fn hash<K: Key>(key: &K, seed: u64) -> u64 {
    let product = u128::from(key.bits() ^ seed) * 0x9e37_79b9_7f4a_7c15;
    let hash = ((product >> 64) as u64 ^ product as u64) as u32;
    u64::from(hash) << 32 | u64::from(hash)
}

/// Part of a key's hash, and its entry's place: so no entry is touched but the one that is looked up.
#[derive(Clone, Copy)]
struct Slot {
    hash: u32,
    place: u32,
}

impl Slot {
    fn new(hash: u64, place: usize) -> Self {
        // bounds keep every table far below that many
        Self { hash: hash as u32, place: place as u32 }
    }

    fn hash(&self) -> u64 {
        u64::from(self.hash) << 32 | u64::from(self.hash)
    }
}

impl<K: Key, E: Keyed<K>> Roll<K, E> {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, places: HashTable::new(), entries: Vec::new(), key: PhantomData }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Where an entry is, until one is removed.
    pub(crate) fn place(&self, key: &K) -> Option<usize> {
        let hash = hash(key, self.seed);
        let is_key = |slot: &Slot| {
            slot.hash == hash as u32
                && self.entries.get(slot.place as usize).is_some_and(|it| it.key().is(key))
        };
        self.places.find(hash, is_key).map(|slot| slot.place as usize)
    }

    pub(crate) fn at(&self, place: usize) -> Option<&E> {
        self.entries.get(place)
    }

    pub(crate) fn at_mut(&mut self, place: usize) -> Option<&mut E> {
        self.entries.get_mut(place)
    }

    pub(crate) fn get(&self, key: &K) -> Option<&E> {
        self.at(self.place(key)?)
    }

    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut E> {
        let place = self.place(key)?;
        self.at_mut(place)
    }

    /// Adds an entry whose key is not there; gives its place.
    pub(crate) fn add(&mut self, entry: E) -> usize {
        let place = self.entries.len();
        debug_assert!(self.get(entry.key()).is_none());
        let hash = hash(entry.key(), self.seed);
        self.places.insert_unique(hash, Slot::new(hash, place), Slot::hash);
        if place == self.entries.capacity() {
            // twice as much would mostly be in vain where there are many
            self.entries.reserve_exact(4 + place / 4);
        }
        self.entries.push(entry);
        place
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<E> {
        let Self { seed, places, entries, .. } = self;
        let is_key = |slot: &Slot| entries.get(slot.place as usize).is_some_and(|it| it.key().is(key));
        let (Slot { place, .. }, _) = places.find_entry(hash(key, *seed), is_key).ok()?.remove();
        let last = entries.len() - 1;
        if place as usize != last
            && let Some(moved) = entries.get(last)
            && let Some(slot) = places.find_mut(hash(moved.key(), *seed), |slot| slot.place as usize == last)
        {
            slot.place = place;
        }
        Some(entries.swap_remove(place as usize))
    }

    pub(crate) fn retain(&mut self, keep: impl FnMut(&mut E) -> bool) {
        let count = self.entries.len();
        self.entries.retain_mut(keep);
        if self.entries.len() < count {
            self.places.clear();
            for (place, entry) in self.entries.iter().enumerate() {
                let hash = hash(entry.key(), self.seed);
                self.places.insert_unique(hash, Slot::new(hash, place), Slot::hash);
            }
        }
    }

    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &E> {
        self.entries.iter()
    }

    pub(crate) fn iter_mut(&mut self) -> impl ExactSizeIterator<Item = &mut E> {
        self.entries.iter_mut()
    }
}

impl<K: Key, V> Table<K, V> {
    pub(crate) fn new(seed: u64) -> Self {
        Self { roll: Roll::new(seed) }
    }

    pub(crate) fn len(&self) -> usize {
        self.roll.len()
    }

    pub(crate) fn contains_key(&self, key: &K) -> bool {
        self.roll.place(key).is_some()
    }

    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.roll.get(key).map(|(_, value)| value)
    }

    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.roll.get_mut(key).map(|(_, value)| value)
    }

    /// Puts a value in; gives what was there before.
    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        if let Some(there) = self.get_mut(&key) {
            return Some(mem::replace(there, value));
        }
        self.roll.add((key, value));
        None
    }

    /// The value of a key, put in if there is none.
    pub(crate) fn get_or_insert_with(&mut self, key: K, value: impl FnOnce() -> V) -> Option<&mut V> {
        let place = match self.roll.place(&key) {
            Some(place) => place,
            None => self.roll.add((key, value())),
        };
        self.roll.at_mut(place).map(|(_, value)| value)
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        self.roll.remove(key).map(|(_, value)| value)
    }

    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&K, &mut V) -> bool) {
        self.roll.retain(|(key, value)| keep(key, value));
    }

    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = (&K, &V)> {
        self.roll.iter().map(|(key, value)| (key, value))
    }

    pub(crate) fn iter_mut(&mut self) -> impl ExactSizeIterator<Item = (&K, &mut V)> {
        self.roll.iter_mut().map(|(key, value)| (&*key, value))
    }

    pub(crate) fn keys(&self) -> impl ExactSizeIterator<Item = &K> {
        self.iter().map(|(key, _)| key)
    }

    pub(crate) fn values(&self) -> impl ExactSizeIterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }
}

impl<K: Key + fmt::Debug, V: fmt::Debug> fmt::Debug for Table<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<K, E: fmt::Debug> fmt::Debug for Roll<K, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.entries).finish()
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
