//! What is still to happen, in the order of time; at the same time, in the order in which it was put here.

use selvedge_core::Instant;
use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// A priority queue of things to come.
#[derive(Debug)]
pub(super) struct Queue<T> {
    heap: BinaryHeap<Entry<T>>,
    count: u64,
}

#[derive(Debug)]
struct Entry<T> {
    at: Instant,
    place: u64,
    what: T,
}

impl<T> Queue<T> {
    pub(super) fn new() -> Self {
        Self { heap: BinaryHeap::new(), count: 0 }
    }

    pub(super) fn push(&mut self, at: Instant, what: T) {
        self.count += 1;
        self.heap.push(Entry { at, place: self.count, what });
    }

    /// Takes the next thing if it happens no later than `end`.
    pub(super) fn pop(&mut self, end: Instant) -> Option<(Instant, T)> {
        if self.heap.peek()?.at > end {
            return None;
        }
        let entry = self.heap.pop()?;
        Some((entry.at, entry.what))
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
}
