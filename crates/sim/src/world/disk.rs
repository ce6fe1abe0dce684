//! A host's disk: what is written, what is durable, and what a crash in between takes.

use bytes::Bytes;

/// The blocks of one channel on one host, in the order of their numbers from 0.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    blocks: Vec<Bytes>,
    /// How many of them survive a crash.
    durable_count: usize,
    /// How many the sync under way will have made durable.
    syncing_count: Option<usize>,
}

impl Disk {
    /// Number of durable blocks.
    pub fn height(&self) -> u64 {
        self.durable_count as u64
    }

    /// A durable block.
    pub fn block(&self, number: u64) -> Option<&Bytes> {
        self.durable().get(usize::try_from(number).ok()?)
    }

    /// The durable blocks, from block 0 on.
    pub fn durable(&self) -> &[Bytes] {
        self.blocks.get(..self.durable_count).unwrap_or_default()
    }

    /// Number of blocks written, durable or not.
    pub(crate) fn written_count(&self) -> u64 {
        self.blocks.len() as u64
    }

    pub(super) fn write(&mut self, block: Bytes) {
        self.blocks.push(block);
    }

    /// Begins to make all that is written durable; `false` if a sync is under way or there is nothing to do.
    pub(super) fn begin_sync(&mut self) -> bool {
        if self.syncing_count.is_some() || self.durable_count == self.blocks.len() {
            return false;
        }
        self.syncing_count = Some(self.blocks.len());
        true
    }

    /// What was written when the sync began is durable now.
    pub(super) fn end_sync(&mut self) {
        if let Some(count) = self.syncing_count.take() {
            self.durable_count = count;
        }
    }

    /// What is not durable is lost.
    pub(super) fn crash(&mut self) {
        self.blocks.truncate(self.durable_count);
        self.syncing_count = None;
    }

    /// Durable from the beginning.
    pub(super) fn put(&mut self, block: Bytes) {
        self.blocks.push(block);
        self.durable_count = self.blocks.len();
    }

    /// Durable blocks from `first` to `last`, as many as fit into `bytes_max`, at least one.
    pub(super) fn read(&self, first: u64, last: u64, bytes_max: usize) -> Vec<(u64, Bytes)> {
        let mut room = bytes_max;
        let numbers = first..=last.min(self.height().saturating_sub(1));
        let mut blocks = Vec::new();
        for number in numbers {
            let Some(block) = self.block(number) else { break };
            if block.len() > room && !blocks.is_empty() {
                break;
            }
            room = room.saturating_sub(block.len());
            blocks.push((number, block.clone()));
        }
        blocks
    }

    /// Replaces a damaged block.
    pub(super) fn mend(&mut self, number: u64, block: Bytes) {
        if let Some(place) = usize::try_from(number).ok().and_then(|number| self.blocks.get_mut(number)) {
            *place = block;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crash_takes_what_was_not_synced() {
        let mut disk = Disk::default();
        disk.put(Bytes::from_static(b"0"));
        disk.write(Bytes::from_static(b"1"));
        assert!(disk.begin_sync());
        disk.write(Bytes::from_static(b"2"));
        assert!(!disk.begin_sync());
        disk.end_sync();
        assert_eq!((disk.height(), disk.written_count()), (2, 3));
        disk.crash();
        assert_eq!((disk.height(), disk.written_count()), (2, 2));
        assert!(!disk.begin_sync());
    }

    #[test]
    fn reading_stops_at_the_bound_but_gives_one_block() {
        let mut disk = Disk::default();
        (0..4).for_each(|_| disk.put(Bytes::from_static(b"12345")));
        let numbers = |first, last, bytes_max| {
            disk.read(first, last, bytes_max).into_iter().map(|(number, _)| number).collect::<Vec<_>>()
        };
        assert_eq!(numbers(1, 9, 10), [1, 2]);
        assert_eq!(numbers(0, 3, 1), [0]);
        assert!(numbers(4, 9, 10).is_empty());
    }
}
