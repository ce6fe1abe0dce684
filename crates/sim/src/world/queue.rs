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
    /// The slices after the present one, each at its number modulo their count.
    near: Vec<Vec<Entry<T>>>,
    near_count: usize,
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

fn slice_of(at: Instant) -> u64 {
    at.as_nanos() >> SLICE_BITS
}

impl<T> Queue<T> {
    pub(super) fn new() -> Self {
        Self {
            present: BinaryHeap::new(),
            slice: 0,
            near: (0..SLICE_COUNT).map(|_| Vec::new()).collect(),
            near_count: 0,
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
            self.near[slice as usize % SLICE_COUNT].push(entry);
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
        let now = &mut self.near[self.slice as usize % SLICE_COUNT];
        self.near_count -= now.len();
        // heap and slice change places with their memory
        let mut entries = std::mem::take(&mut self.present).into_vec();
        if entries.is_empty() {
            std::mem::swap(&mut entries, now);
        } else {
            entries.append(now);
        }
        self.present = BinaryHeap::from(entries);
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
            let end = now + rng.u64(0..1 << rng.u32(0..30));
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
