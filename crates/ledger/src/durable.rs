//! The height that was durable, remembered beside the segments, so that a tail which disappears is noticed.
//!
//! It is written after the segment's fsync and costs fsyncs of its own, more than a whole group of blocks does:
//! after every group of 8 blocks of 16 KiB it would leave 38 % of a plain file's rate. So it keeps a pace: a commit
//! follows a group only when 50 times the duration of the last commit has passed, which bounds the cost to some 2 % of
//! the time. A channel with some blocks a second has every group remembered at once; while blocks are fetched in bulk,
//! the remembered height lags by some 20 to 100 ms, and an idle sync, closing and opening catch up.
//!
//! What the lag costs: of a tail that is lost within it, that much is not noticed as loss. What it does not cost: a
//! height that is too high, or a block. Within the lag the records themselves still tell damage from a torn tail, up to
//! the last group.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::TARGET;
use crate::block::Durable;
use crate::error::{LedgerError, io_error};
use crate::folder::METADATA_NAME;
use crate::meta::{MetaError, MetaStore};
use crate::options::Access;
use crate::record::Mark;
use crate::wire::take;

const HEIGHT: &str = "durable height and last hash";
const MARK: &str = "mark";
const PACE: u32 = 50;

/// The remembered height and the store it is in.
pub(crate) struct Remembered {
    store: MetaStore,
    last: Option<Durable>,
    written_at: Option<Instant>,
    cost: Duration,
}

impl Remembered {
    /// Opens the store. One that cannot be read any more is moved aside, and a new one made: all it holds can be
    /// had from the blocks. The path it was moved to is returned too.
    pub(crate) fn open(
        folder: &Path,
        access: Access,
    ) -> Result<(Option<Self>, Option<PathBuf>), LedgerError> {
        let file = folder.join(METADATA_NAME);
        if access == Access::ReadOnly {
            return Ok((Self::open_read_only(&file), None));
        }
        match MetaStore::open(&file).and_then(Self::of) {
            Ok(remembered) => Ok((Some(remembered), None)),
            Err(MetaError::Corrupted { .. } | MetaError::Damaged { .. }) => {
                let aside = folder.join(format!("{METADATA_NAME}.damaged"));
                std::fs::rename(&file, &aside).map_err(io_error("rename to", &aside))?;
                Ok((Some(Self::of(MetaStore::open(&file)?)?), Some(aside)))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn open_read_only(file: &Path) -> Option<Self> {
        if !file.exists() {
            return None;
        }
        MetaStore::open_read_only(file)
            .and_then(Self::of)
            .inspect_err(|error| tracing::warn!(target: TARGET, %error, "a lost tail cannot be noticed without metadata"))
            .ok()
    }

    fn of(store: MetaStore) -> Result<Self, MetaError> {
        let last = store.get(HEIGHT)?.as_deref().and_then(decode);
        Ok(Self { store, last, written_at: None, cost: Duration::ZERO })
    }

    /// What was remembered last.
    pub(crate) fn last(&self) -> Option<Durable> {
        self.last
    }

    /// The mark of the ledger that this was written for.
    pub(crate) fn mark(&self) -> Option<Mark> {
        self.store.get(MARK).ok()??.as_slice().try_into().ok()
    }

    /// Remembers a height now, if it is another than the last. The mark goes with it.
    pub(crate) fn write(&mut self, durable: Durable, mark: Mark) -> Result<(), MetaError> {
        if self.last == Some(durable) {
            return Ok(());
        }
        let begun = Instant::now();
        self.store.put_all(&[(HEIGHT, &encode(durable)), (MARK, &mark)])?;
        let now = Instant::now();
        self.cost = now - begun;
        self.written_at = Some(now);
        self.last = Some(durable);
        Ok(())
    }

    /// Remembers a height if the last time is long enough ago.
    pub(crate) fn write_at_pace(&mut self, durable: Durable, mark: Mark) -> Result<(), MetaError> {
        match self.written_at {
            Some(at) if at.elapsed() < self.cost * PACE => Ok(()),
            _ => self.write(durable, mark),
        }
    }
}

fn encode(durable: Durable) -> Vec<u8> {
    let mut out = durable.height.to_le_bytes().to_vec();
    out.extend(durable.last_hash.iter().flatten());
    out
}

fn decode(mut bytes: &[u8]) -> Option<Durable> {
    let height = u64::from_le_bytes(take(&mut bytes)?);
    let last_hash = if bytes.is_empty() { None } else { Some(bytes.try_into().ok()?) };
    Some(Durable { height, last_hash })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comes_back_as_written() {
        for last_hash in [None, Some([3; 32])] {
            let durable = Durable { height: 9, last_hash };
            assert_eq!(decode(&encode(durable)), Some(durable));
        }
        assert_eq!(decode(&[0; 7]), None);
        assert_eq!(decode(&[0; 39]), None);
    }

    #[test]
    fn a_spoilt_store_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let durable = Durable { height: 5, last_hash: Some([1; 32]) };
        let (remembered, aside) = Remembered::open(folder.path(), Access::ReadWrite).unwrap();
        let mut remembered = remembered.unwrap();
        assert_eq!((remembered.last(), remembered.mark(), aside), (None, None, None));
        remembered.write(durable, *b"markmark").unwrap();
        drop(remembered);
        let (remembered, _) = Remembered::open(folder.path(), Access::ReadOnly).unwrap();
        let remembered = remembered.unwrap();
        assert_eq!((remembered.last(), remembered.mark()), (Some(durable), Some(*b"markmark")));
        drop(remembered);
        std::fs::write(folder.path().join(METADATA_NAME), vec![9; 9000]).unwrap();
        assert!(Remembered::open(folder.path(), Access::ReadOnly).unwrap().0.is_none());
        let (remembered, aside) = Remembered::open(folder.path(), Access::ReadWrite).unwrap();
        assert_eq!(remembered.unwrap().last(), None);
        assert_eq!(std::fs::metadata(aside.unwrap()).unwrap().len(), 9000);
    }
}
