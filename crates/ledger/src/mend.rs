//! Putting back a damaged block that was fetched again.
//!
//! The segment it belongs to is not touched: what a disk has spoilt once it may spoil again, and a wrong write there
//! could cost other blocks. A mended block lies in a file of its own, `<number>.block`, one record as in a segment,
//! written under another name, synced and renamed. Readers look there first.
//!
//! That it is the right block is checked by the chain: the hash of its header must be what the block after it names,
//! and the hash it names must be that of the block before it. One readable neighbour is enough; the caller has
//! verified signatures and data hash, as of any block.

use crate::block::{BlockHash, NewBlock};
use crate::error::{LedgerError, ReadError};
use crate::folder::{Keep, Kind, write_whole};
use crate::record::RecordHeader;
use crate::shared::Shared;
use crate::writer::{Ledger, check_size, known};

impl Ledger {
    /// Puts back a damaged block. It is durable and can be read on return.
    ///
    /// Of several damaged blocks in a row one at either end must come first, best upwards from the lowest.
    /// [`LedgerError::NotDamaged`], [`LedgerError::NoNeighbour`], [`LedgerError::WrongPreviousHash`] and
    /// [`LedgerError::WrongNextHash`] change nothing.
    pub fn mend(&mut self, block: NewBlock<'_>) -> Result<(), LedgerError> {
        self.writable()?;
        let number = block.number;
        if !self.shared.damage().contains(number) {
            return Err(LedgerError::NotDamaged { number });
        }
        check_size(&block)?;
        if number + 1 >= self.height() {
            // the block after it must be readable
            self.sync()?;
        }
        let before = self.hash_before(number)?;
        let expected = self.hash_after(number)?;
        if before.is_none() && expected.is_none() {
            return Err(LedgerError::NoNeighbour { number });
        }
        if let Some(hash) =
            before.filter(|hash| block.previous_hash != hash.as_ref().map_or(&[][..], |hash| hash))
        {
            let given = block.previous_hash.to_vec();
            return Err(LedgerError::WrongPreviousHash { number, expected: hash, given });
        }
        if let Some(expected) = expected.filter(|expected| block.header_hash != *expected) {
            return Err(LedgerError::WrongNextHash { number, expected, given: block.header_hash });
        }
        self.shared.put_apart(&block)?;
        Ok(())
    }

    /// The header hash of the block before `number`; the inner one is none before block 0.
    fn hash_before(&self, number: u64) -> Result<Option<Option<BlockHash>>, LedgerError> {
        if let Some(before) = number.checked_sub(1)
            && let Some(block) = readable(self.reader().read_block(before))?
        {
            return Ok(Some(Some(block.header_hash)));
        }
        Ok(self.shared.segment_header(number).and_then(|header| known(header.previous)))
    }

    /// The hash that the block after `number` names.
    fn hash_after(&self, number: u64) -> Result<Option<BlockHash>, LedgerError> {
        if number + 1 == self.appended_height() {
            return Ok(self.last_hash());
        }
        if let Some(block) = readable(self.reader().read_block(number + 1))? {
            return Ok(block.previous_hash);
        }
        Ok(self.shared.segment_header(number + 1).and_then(|header| known(header.previous)).flatten())
    }
}

impl Shared {
    /// Writes a block into a file of its own. Durable on return.
    pub(crate) fn put_apart(&self, block: &NewBlock<'_>) -> Result<(), LedgerError> {
        let header = RecordHeader::of(block, 0).encode(self.mark, block.bytes);
        write_whole(&self.path(block.number, Kind::Block), &[&header, block.bytes], Keep::Durable)?;
        self.apart_mut().insert(block.number);
        self.damage_mut().remove(block.number);
        if block.is_config {
            self.config_mut().insert(block.number);
        }
        Ok(())
    }
}

fn readable<T>(read: Result<Option<T>, ReadError>) -> Result<Option<T>, ReadError> {
    match read {
        Err(ReadError::Damaged(_)) => Ok(None),
        other => other,
    }
}
