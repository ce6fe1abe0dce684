//! A cache that is bounded in entries and in bytes, for what is expensive to work out from bytes of peers.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// Values by the bytes they were made of.
///
/// Two generations: new entries go to the young one; when that is full it becomes the old one, and what was old is
/// dropped. An old entry that is asked for becomes young again. So what is in use stays, at a constant price.
#[derive(Debug)]
pub(crate) struct Cache<V> {
    generations: Mutex<Generations<V>>,
    entry_count_max: usize,
    key_bytes_max: usize,
}

#[derive(Debug)]
struct Generations<V> {
    young: HashMap<Bytes, V>,
    young_bytes: usize,
    old: HashMap<Bytes, V>,
}

impl<V: Clone> Cache<V> {
    /// A cache of at most `entry_count_max` entries whose keys have at most `key_bytes_max` bytes together.
    pub(crate) fn new(entry_count_max: usize, key_bytes_max: usize) -> Self {
        let generations = Generations { young: HashMap::new(), young_bytes: 0, old: HashMap::new() };
        Self { generations: Mutex::new(generations), entry_count_max, key_bytes_max }
    }

    pub(crate) fn find(&self, key: &[u8]) -> Option<V> {
        let mut generations = self.lock();
        if let Some(value) = generations.young.get(key) {
            return Some(value.clone());
        }
        let (key, value) = generations.old.remove_entry(key)?;
        self.add(&mut generations, key, value.clone());
        Some(value)
    }

    pub(crate) fn insert(&self, key: &[u8], value: V) {
        self.add(&mut self.lock(), Bytes::copy_from_slice(key), value);
    }

    pub(crate) fn clear(&self) {
        let mut generations = self.lock();
        *generations = Generations { young: HashMap::new(), young_bytes: 0, old: HashMap::new() };
    }

    fn add(&self, generations: &mut Generations<V>, key: Bytes, value: V) {
        let is_full = generations.young.len() >= self.entry_count_max / 2
            || generations.young_bytes + key.len() > self.key_bytes_max / 2;
        if key.len() > self.key_bytes_max / 2 {
            return;
        }
        if is_full {
            generations.old = std::mem::take(&mut generations.young);
            generations.young_bytes = 0;
        }
        let length = key.len();
        if generations.young.insert(key, value).is_none() {
            generations.young_bytes += length;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Generations<V>> {
        // nothing in here leaves the maps half changed
        self.generations.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    fn size(&self) -> (usize, usize) {
        let generations = self.lock();
        let bytes = generations.young.keys().chain(generations.old.keys()).map(Bytes::len).sum();
        (generations.young.len() + generations.old.len(), bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_and_bytes_are_bounded() {
        let cache = Cache::new(10, 1000);
        for count in 0..10_000_u32 {
            let mut key = count.to_be_bytes().to_vec();
            key.resize(4 + (count % 100) as usize, 0);
            cache.insert(&key, count);
            let (entries, bytes) = cache.size();
            assert!(entries <= 10, "{entries}");
            assert!(bytes <= 1000, "{bytes}");
        }
        cache.insert(&[0; 501], 0);
        assert_eq!(cache.find(&[0; 501]), None, "too large for a generation");
    }

    #[test]
    fn what_is_in_use_stays() {
        let cache = Cache::new(10, 10_000);
        cache.insert(b"in use", 0);
        for count in 1..1000_u32 {
            cache.insert(&count.to_be_bytes(), count);
            assert_eq!(cache.find(b"in use"), Some(0));
        }
        assert_eq!(cache.find(&1_u32.to_be_bytes()), None);
        cache.clear();
        assert_eq!(cache.find(b"in use"), None);
    }
}
