//! What is still to happen, in the order of time; at the same time, in the order in which it was put here.
//!
//! Nearly everything happens within milliseconds. So the near future is cut into slices of time; what falls into one is put on
//! a heap, and so compared with others, only when its turn comes. A heap of everything would be deep, and most of it far away
//! in memory.

use selvedge_core::Instant;
use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// A slice is 2 to this power of nanoseconds: 66 microseconds.
const SLICE_BITS: u32 = 16;
/// So many slices are kept apart, 67 milliseconds; what is later waits all together.
const SLICE_COUNT: usize = 1024;

/// A priority queue of things to come.
#[derive(Debug)]
pub(super) struct Queue<T> {
    /// Of the present slice and of what was put here late.
    present: BinaryHeap<Entry<T>>,
    /// Number of the present slice since the beginning of time.
    slice: u64,
    /// The slices after the present one, each at its number modulo their count: the place of its last note, or [`NOWHERE`].
    near: Vec<u32>,
    near_count: usize,
    /// What is in the near slices; each note knows the one before it in its slice.
    notes: Vec<Note<T>>,
    /// The last of the free notes. What was used last is used next, as it is still close in memory.
    free: u32,
    /// What is later than all these.
    far: BinaryHeap<Entry<T>>,
    count: u64,
}

#[derive(Debug)]
struct Entry<T> {
    at: Instant,
    place: u64,
    what: T,
}

/// A place for something in a near slice.
#[derive(Debug)]
struct Note<T> {
    entry: Option<Entry<T>>,
    before: u32,
}

const NOWHERE: u32 = u32::MAX;

fn slice_of(at: Instant) -> u64 {
    at.as_nanos() >> SLICE_BITS
}

impl<T> Queue<T> {
    pub(super) fn new() -> Self {
        Self {
            present: BinaryHeap::new(),
            slice: 0,
            near: vec![NOWHERE; SLICE_COUNT],
            near_count: 0,
            notes: Vec::new(),
            free: NOWHERE,
            far: BinaryHeap::new(),
            count: 0,
        }
    }

    pub(super) fn push(&mut self, at: Instant, what: T) {
        self.count += 1;
        let entry = Entry { at, place: self.count, what };
        self.put(entry);
    }

    fn put(&mut self, entry: Entry<T>) {
        let slice = slice_of(entry.at);
        if slice <= self.slice {
            self.present.push(entry);
        } else if slice - self.slice < SLICE_COUNT as u64 {
            self.near_count += 1;
            let last = &mut self.near[slice as usize % SLICE_COUNT];
            let note = Note { entry: Some(entry), before: *last };
            if let Some(place) = self.notes.get_mut(self.free as usize) {
                *last = std::mem::replace(&mut self.free, place.before);
                *place = note;
            } else {
                *last = u32::try_from(self.notes.len()).expect("fewer than 2^32 things to come");
                self.notes.push(note);
            }
        } else {
            self.far.push(entry);
        }
    }

    /// Takes the next thing if it happens no later than `end`.
    pub(super) fn pop(&mut self, end: Instant) -> Option<(Instant, T)> {
        while self.present.is_empty() {
            if self.slice >= slice_of(end) || !self.advance() {
                return None;
            }
        }
        if self.present.peek()?.at > end {
            return None;
        }
        let entry = self.present.pop()?;
        Some((entry.at, entry.what))
    }

    /// Goes on to the next slice, or to the next that has anything in it; `false` if nothing is left.
    fn advance(&mut self) -> bool {
        self.slice = match (self.near_count, self.far.peek()) {
            (0, None) => return false,
            (0, Some(first)) => slice_of(first.at),
            _ => self.slice + 1,
        };
        let horizon = self.slice + SLICE_COUNT as u64;
        while self.far.peek().is_some_and(|first| slice_of(first.at) < horizon)
            && let Some(entry) = self.far.pop()
        {
            self.put(entry);
        }
        let mut place = std::mem::replace(&mut self.near[self.slice as usize % SLICE_COUNT], NOWHERE);
        while let Some(note) = self.notes.get_mut(place as usize) {
            self.present.extend(note.entry.take());
            self.near_count -= 1;
            let before = std::mem::replace(&mut note.before, self.free);
            self.free = std::mem::replace(&mut place, before);
        }
        true
    }
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<T> Eq for Entry<T> {}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The earliest is the greatest, as the heap gives the greatest first.
impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.place).cmp(&(self.at, self.place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_happen_in_order_of_time_then_of_arrival() {
        let mut queue = Queue::new();
        let at = Instant::from_nanos;
        for (nanos, what) in [(5, 'c'), (1, 'a'), (5, 'd'), (3, 'b')] {
            queue.push(at(nanos), what);
        }
        let order: Vec<char> = std::iter::from_fn(|| queue.pop(at(9))).map(|(_, what)| what).collect();
        assert_eq!(order, ['a', 'b', 'c', 'd']);
    }

    #[test]
    fn what_is_later_stays() {
        let mut queue = Queue::new();
        queue.push(Instant::from_nanos(5), ());
        assert!(queue.pop(Instant::from_nanos(4)).is_none());
        assert!(queue.pop(Instant::from_nanos(5)).is_some());
    }

    /// Near and far, while time goes on, and after it went on with nothing to do.
    #[test]
    fn it_orders_as_a_sorted_list_does() {
        let mut rng = fastrand::Rng::with_seed(5);
        let (mut queue, mut model) = (Queue::new(), Vec::new());
        let (mut now, mut place) = (0, 0);
        for _ in 0..3000 {
            for _ in 0..rng.u32(0..4) {
                let ahead = 1 << rng.u32(0..34);
                let at = now + rng.u64(0..ahead);
                place += 1;
                queue.push(Instant::from_nanos(at), place);
                model.push((at, place));
            }
            model.sort_unstable();
            let ahead = 1 << rng.u32(0..30);
            let end = now + rng.u64(0..ahead);
            while let Some((at, what)) = queue.pop(Instant::from_nanos(end)) {
                assert_eq!((at.as_nanos(), what), model.remove(0));
                now = at.as_nanos();
                if rng.bool() {
                    break;
                }
            }
            if model.first().is_none_or(|&(at, _)| at > end) {
                now = end;
            }
        }
        assert!(place > 3000);
    }
}
