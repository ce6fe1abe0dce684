//! Reading blocks, from any thread and while the writer appends.

use std::collections::VecDeque;
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;

use bytes::Bytes;

use crate::block::StoredBlock;
use crate::damage::Damage;
use crate::error::ReadError;
use crate::shared::Shared;

/// How much [`Blocks`] reads at once.
const READ_AHEAD_BYTES: usize = 256 << 10;

/// Reads the durable blocks of a ledger. Cheap to clone; may outlive the [`Ledger`](crate::Ledger).
#[derive(Clone)]
pub struct Reader {
    shared: Arc<Shared>,
}

impl Reader {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Number of the last durable block plus one.
    pub fn height(&self) -> u64 {
        self.shared.height()
    }

    /// Number of the first block that is not pruned; the height if there is none.
    pub fn first_number(&self) -> u64 {
        self.shared.first_number()
    }

    /// The block's bytes; none if it is not durable yet or was pruned.
    pub fn read(&self, number: u64) -> Result<Option<Bytes>, ReadError> {
        Ok(self.read_block(number)?.map(|block| block.bytes))
    }

    /// The block and what was stored with it; none if it is not durable yet or was pruned. Of the pruned blocks, the
    /// configuration block that was in force at the first one left can still be read.
    pub fn read_block(&self, number: u64) -> Result<Option<StoredBlock>, ReadError> {
        Ok(self.read_range(number..=number, usize::MAX)?.into_iter().next())
    }

    /// Consecutive blocks from the first of `numbers` on, at least one if there is one. Ends before the bytes of all
    /// would exceed `bytes_max`, at the last of `numbers`, at the durable height, and before a damaged block, which is
    /// an error only if it is the first. Empty if the first is not durable yet or was pruned.
    ///
    /// Blocks that lie behind each other are read at once and share a buffer, which is freed with the last of them.
    pub fn read_range(
        &self,
        numbers: RangeInclusive<u64>,
        bytes_max: usize,
    ) -> Result<Vec<StoredBlock>, ReadError> {
        let (first, last) = numbers.into_inner();
        let mut blocks = Vec::new();
        let mut next = first;
        let mut bytes_left = bytes_max;
        while next <= last {
            let read = match self.read_some(next, last, bytes_left) {
                Err(ReadError::Damaged(_)) if next > first => break,
                other => other?,
            };
            let read_bytes = read.iter().map(|block| block.bytes.len()).sum::<usize>();
            // the first of each piece comes whatever its size
            if read.is_empty() || (read_bytes > bytes_left && next > first) {
                break;
            }
            bytes_left = bytes_left.saturating_sub(read_bytes);
            next += read.len() as u64;
            blocks.extend(read);
        }
        Ok(blocks)
    }

    /// As [`read_range`](Self::read_range), but goes on behind damaged blocks, which are left out.
    pub fn read_intact(
        &self,
        numbers: RangeInclusive<u64>,
        bytes_max: usize,
    ) -> Result<Vec<StoredBlock>, ReadError> {
        let (first, last) = numbers.into_inner();
        let mut blocks = Vec::new();
        let mut next = first;
        let mut bytes_left = bytes_max;
        while next <= last {
            let read = match self.read_range(next..=last, bytes_left) {
                Err(ReadError::Damaged(_)) => {
                    next += 1;
                    continue;
                }
                other => other?,
            };
            let read_bytes = read.iter().map(|block| block.bytes.len()).sum::<usize>();
            // the first of each piece comes whatever its size
            if read.is_empty() || (read_bytes > bytes_left && !blocks.is_empty()) {
                break;
            }
            bytes_left = bytes_left.saturating_sub(read_bytes);
            next += read.len() as u64;
            blocks.extend(read);
            if !self.shared.damage().contains(next) {
                break;
            }
        }
        Ok(blocks)
    }

    /// All durable blocks from `number` on, or from the first that is not pruned.
    pub fn iter_from(&self, number: u64) -> Blocks {
        Blocks { reader: self.clone(), next: number, ahead: VecDeque::new() }
    }

    /// Numbers of all durable blocks that carry a configuration, ascending.
    pub fn config_block_numbers(&self) -> Vec<u64> {
        self.shared.config().range(..self.height()).copied().collect()
    }

    /// The configuration block in force at `number`: the last durable one at or below it.
    pub fn last_config_at_or_below(&self, number: u64) -> Option<u64> {
        let bound = number.min(self.height().checked_sub(1)?);
        self.shared.config().range(..=bound).next_back().copied()
    }

    /// All damage known so far: found when the ledger was opened, or by a read.
    pub fn damage(&self) -> Vec<Damage> {
        self.shared.damage().to_vec()
    }

    /// Some blocks from `number` on, from one place; none if there is none.
    fn read_some(&self, number: u64, last: u64, bytes_max: usize) -> Result<Vec<StoredBlock>, ReadError> {
        // also below the first number: what pruning keeps
        if self.shared.apart().contains(&number) {
            return Ok(vec![self.shared.read_apart(number)?]);
        }
        let Some(newest) = self.height().checked_sub(1).filter(|newest| number <= *newest) else {
            return Ok(Vec::new());
        };
        if number < self.first_number() {
            return Ok(Vec::new());
        }
        if let Some(damage) = self.shared.damage().at(number) {
            return Err(ReadError::Damaged(damage));
        }
        let mut last = last.min(newest);
        if let Some(damaged) = self.shared.damage().next_at_or_above(number) {
            last = last.min(damaged - 1);
        }
        if let Some(apart) = self.shared.apart().range(number..).next() {
            last = last.min(apart - 1);
        }
        match self.shared.segment_of(number)? {
            Some(segment) => self.shared.read_run(&segment, number, last, bytes_max),
            // its file is not there: missing, or pruned just now
            None => match self.shared.damage().at(number) {
                Some(damage) => Err(ReadError::Damaged(damage)),
                None => Ok(Vec::new()),
            },
        }
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let folder = &self.shared.folder;
        f.debug_struct("Reader")
            .field("folder", folder)
            .field("height", &self.height())
            .finish_non_exhaustive()
    }
}

/// Durable blocks in order, read ahead in pieces of 256 KiB or one block. Ends at the durable height, and goes on
/// from there when it is asked again later. A block that cannot be read is one error; the next one follows.
#[derive(Debug)]
pub struct Blocks {
    reader: Reader,
    next: u64,
    ahead: VecDeque<StoredBlock>,
}

impl Iterator for Blocks {
    type Item = Result<StoredBlock, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ahead.is_empty() {
            self.next = self.next.max(self.reader.first_number());
            match self.reader.read_range(self.next..=u64::MAX, READ_AHEAD_BYTES) {
                Ok(blocks) => self.ahead = blocks.into(),
                Err(error) => {
                    self.next += 1;
                    return Some(Err(error));
                }
            }
        }
        let block = self.ahead.pop_front()?;
        self.next = block.number + 1;
        Some(Ok(block))
    }
}
