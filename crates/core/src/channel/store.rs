//! The block message store: what is pushed on and offered to pulls, and who is known to have which block (spec/05 §9.3).

use crate::ids::PkiId;
use crate::table::Table;
use crate::time::Instant;
use core::time::Duration;
use selvedge_proto::envelope::Envelope;
use std::collections::BTreeMap;

/// Verified blocks, as envelopes ready to be sent. What is here says nothing about what is accepted: that is the
/// [`Buffer`](super::buffer::Buffer)'s business (W-15, W-16).
#[derive(Debug)]
pub(crate) struct Store {
    blocks: BTreeMap<u64, Stored>,
    bytes: usize,
    /// What each peer sent, offered or was sent.
    held: Table<PkiId, Held>,
}

/// Which of 64 blocks in a row a peer has: as many as push and pull are about at a time. Others are not remembered.
#[derive(Debug)]
struct Held {
    first: u64,
    bits: u64,
}

impl Held {
    const COUNT: u64 = u64::BITS as u64;

    fn new(number: u64) -> Self {
        Self { first: number.saturating_sub(Self::COUNT / 2), bits: 0 }
    }

    fn note(&mut self, number: u64) {
        let ahead = number.saturating_sub(self.first + (Self::COUNT - 1));
        if ahead > 0 {
            self.bits =
                u32::try_from(ahead).ok().and_then(|ahead| self.bits.checked_shr(ahead)).unwrap_or_default();
            self.first += ahead;
        }
        if let Some(place) = number.checked_sub(self.first) {
            self.bits |= 1 << place;
        }
    }

    fn has(&self, number: u64) -> bool {
        let place = number.checked_sub(self.first).and_then(|place| u32::try_from(place).ok());
        place.and_then(|place| self.bits.checked_shr(place)).is_some_and(|bits| bits & 1 == 1)
    }
}

#[derive(Debug)]
struct Stored {
    envelope: Envelope,
    since: Instant,
    was_pushed: bool,
}

impl Store {
    pub(crate) fn new(seed: u64) -> Self {
        Self { blocks: BTreeMap::new(), bytes: 0, held: Table::new(seed) }
    }

    /// Keeps a block if it is within `window` of the newest one, and drops what is not any more, or does not fit into
    /// `bytes_max` together with newer ones.
    pub(crate) fn insert(
        &mut self,
        now: Instant,
        number: u64,
        envelope: impl Into<Envelope>,
        window: u64,
        bytes_max: usize,
    ) {
        let newest = self.newest().map_or(number, |newest| newest.max(number));
        if number < newest.saturating_sub(window) || self.blocks.contains_key(&number) {
            return;
        }
        let envelope = envelope.into();
        self.bytes += envelope.byte_count();
        self.blocks.insert(number, Stored { envelope, since: now, was_pushed: false });
        while let Some((&oldest, _)) = self.blocks.first_key_value()
            && (oldest < newest.saturating_sub(window) || self.bytes > bytes_max && self.blocks.len() > 1)
        {
            self.remove(oldest);
        }
    }

    /// Drops what is older than `age_max`.
    pub(crate) fn expire(&mut self, now: Instant, age_max: Duration) {
        let old = self.blocks.iter().filter(|(_, stored)| now.since(stored.since) >= age_max);
        let old: Vec<u64> = old.map(|(number, _)| *number).collect();
        for number in old {
            self.remove(number);
        }
    }

    /// Drops a block that turned out not to belong to the chain, and all after it.
    pub(crate) fn drop_from(&mut self, number: u64) {
        while let Some((&newest, _)) = self.blocks.last_key_value()
            && newest >= number
        {
            self.remove(newest);
        }
    }

    fn remove(&mut self, number: u64) {
        if let Some(stored) = self.blocks.remove(&number) {
            self.bytes -= stored.envelope.byte_count();
        }
    }

    /// A block as an envelope.
    pub(crate) fn envelope(&self, number: u64) -> Option<&Envelope> {
        self.blocks.get(&number).map(|stored| &stored.envelope)
    }

    /// A block as an envelope, unless it was taken for this purpose before.
    pub(crate) fn take_for_push(&mut self, number: u64) -> Option<Envelope> {
        let stored = self.blocks.get_mut(&number).filter(|stored| !stored.was_pushed)?;
        stored.was_pushed = true;
        Some(stored.envelope.clone())
    }

    /// The numbers held, ascending.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = u64> {
        self.blocks.keys().copied()
    }

    /// The highest number held.
    pub(crate) fn newest(&self) -> Option<u64> {
        self.blocks.keys().next_back().copied()
    }

    /// Remembers that `peer` has a block.
    pub(crate) fn note_holder(&mut self, number: u64, peer: PkiId) {
        if let Some(held) = self.held.get_mut(&peer) {
            return held.note(number);
        }
        let mut held = Held::new(number);
        held.note(number);
        self.held.insert(peer, held);
    }

    /// Whether `peer` is known to have a block, by its own doing or ours.
    pub(crate) fn is_holder(&self, number: u64, peer: &PkiId) -> bool {
        self.held.get(peer).is_some_and(|held| held.has(number))
    }

    /// Forgets a peer.
    pub(crate) fn forget_peer(&mut self, peer: &PkiId) {
        self.held.remove(peer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn at(seconds: u64) -> Instant {
        Instant::from_nanos(seconds * 1_000_000_000)
    }

    fn insert(store: &mut Store, number: u64) {
        store.insert(at(number), number, Bytes::from_static(b"1234"), 10, 1000);
    }

    fn numbers(store: &Store) -> Vec<u64> {
        store.numbers().collect()
    }

    #[test]
    fn the_window_and_one_more_are_kept() {
        let mut store = Store::new(1);
        (1..=20).for_each(|number| insert(&mut store, number));
        assert_eq!(numbers(&store), (10..=20).collect::<Vec<_>>());
        insert(&mut store, 9);
        assert!(store.envelope(9).is_none());
        assert_eq!(store.bytes, 44);
    }

    #[test]
    fn large_blocks_push_older_ones_out() {
        let mut store = Store::new(1);
        (1..=5).for_each(|number| store.insert(at(0), number, Bytes::from_static(b"1234"), 10, 9));
        assert_eq!(numbers(&store), [4, 5]);
        store.insert(at(0), 6, Bytes::from_static(b"more than all the room"), 10, 9);
        assert_eq!(numbers(&store), [6]);
    }

    #[test]
    fn blocks_expire() {
        let mut store = Store::new(1);
        (1..=3).for_each(|number| insert(&mut store, number));
        store.expire(at(402), Duration::from_secs(400));
        assert_eq!(numbers(&store), [3]);
    }

    #[test]
    fn a_block_is_pushed_once() {
        let mut store = Store::new(1);
        insert(&mut store, 1);
        assert!(store.take_for_push(1).is_some());
        assert!(store.take_for_push(1).is_none());
        assert!(store.envelope(1).is_some());
    }

    #[test]
    fn a_fork_is_dropped() {
        let mut store = Store::new(1);
        (1..=5).for_each(|number| insert(&mut store, number));
        store.drop_from(3);
        assert_eq!((numbers(&store), store.bytes), (vec![1, 2], 8));
    }

    #[test]
    fn holders_are_remembered_and_forgotten() {
        let (a, b) = (PkiId::new([1; 32]), PkiId::new([2; 32]));
        let mut store = Store::new(1);
        store.note_holder(5, a);
        store.note_holder(6, a);
        store.note_holder(6, b);
        assert!(store.is_holder(5, &a) && !store.is_holder(5, &b));
        store.forget_peer(&a);
        assert!(!store.is_holder(6, &a) && store.is_holder(6, &b));
        for number in [5, 40, 100, 37, 36] {
            store.note_holder(number, a);
        }
        let known: Vec<u64> = (0..200).filter(|&number| store.is_holder(number, &a)).collect();
        assert_eq!(known, [37, 40, 100], "64 in a row");
        store.note_holder(u64::MAX, a);
        assert!(store.is_holder(u64::MAX, &a) && !store.is_holder(100, &a));
    }
}
