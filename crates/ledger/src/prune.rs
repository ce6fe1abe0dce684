//! Giving back the disk space of old blocks, by whole files.

use crate::block::NewBlock;
use crate::error::LedgerError;
use crate::folder::{Kind, remove, sync_folder};
use crate::writer::Ledger;

/// What was pruned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pruned {
    /// How many segment files were removed.
    pub segments_count: usize,
    /// Number of the first block that is left.
    pub first_number: u64,
}

impl Ledger {
    /// Removes the segments that hold only blocks below `number`, never the one that grows. So at least all durable
    /// blocks at and above `number` stay, and the configuration block that is in force at the first one left, which
    /// can be read as before.
    ///
    /// If that configuration block is damaged, this is an error and nothing is removed: mend it first.
    pub fn prune_below(&mut self, number: u64) -> Result<Pruned, LedgerError> {
        self.writable()?;
        let number = number.min(self.height());
        let (removed, first_number) = {
            let table = self.shared.table();
            let first_number = table.starts().take_while(|first| *first <= number).last();
            let first_number = first_number.unwrap_or_else(|| table.first());
            (table.starts().take_while(|first| *first < first_number).collect::<Vec<_>>(), first_number)
        };
        if removed.is_empty() {
            return Ok(Pruned { segments_count: 0, first_number });
        }
        let kept = self.keep_config(first_number)?;
        // oldest first, each gone before the next: a kill leaves no gap, and with every first block what is in force there
        let lefts = removed.iter().skip(1).copied().chain([first_number]);
        for (first, left) in removed.iter().zip(lefts) {
            let kept = match left == first_number {
                true => kept,
                // one that is damaged could not be read before, either
                false => self.keep_config(left).ok().flatten(),
            };
            self.shared.table_mut().sealed.retain(|first| *first >= left);
            self.shared.close_below(left);
            self.shared.damage_mut().remove_below(left);
            for kind in [Kind::Segment, Kind::Index] {
                remove(&self.shared.path(*first, kind))?;
            }
            sync_folder(&self.shared.folder)?;
            self.drop_apart(left, kept)?;
        }
        tracing::info!(target: crate::TARGET, segments = removed.len(), first_number, "old segments removed");
        Ok(Pruned { segments_count: removed.len(), first_number })
    }

    /// Puts the configuration block in force at `first_number` apart, if it lies below.
    fn keep_config(&self, first_number: u64) -> Result<Option<u64>, LedgerError> {
        let reader = self.reader();
        let Some(number) =
            reader.last_config_at_or_below(first_number).filter(|number| *number < first_number)
        else {
            return Ok(None);
        };
        let is_apart = self.shared.apart().contains(&number);
        if !is_apart && let Some(block) = reader.read_block(number)? {
            self.shared.put_apart(&NewBlock {
                number,
                header_hash: block.header_hash,
                previous_hash: block.previous_hash.as_ref().map_or(&[], |hash| hash),
                is_config: true,
                bytes: &block.bytes,
            })?;
        }
        Ok(Some(number))
    }

    fn drop_apart(&self, first_number: u64, kept: Option<u64>) -> Result<(), LedgerError> {
        let is_dropped = |number: &u64| *number < first_number && Some(*number) != kept;
        let dropped: Vec<u64> = self.shared.apart().iter().copied().filter(is_dropped).collect();
        self.shared.apart_mut().retain(|number| !is_dropped(number));
        self.shared.config_mut().retain(|number| !is_dropped(number));
        for number in dropped {
            remove(&self.shared.path(number, Kind::Block))?;
        }
        Ok(())
    }
}
