//! What can go wrong, said so that an operator knows where and what to do.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::block::BlockHash;
use crate::damage::Damage;
use crate::meta::MetaError;

/// Why a ledger could not be opened or changed.
#[derive(Debug, Error)]
pub enum LedgerError {
    /// The operating system refused something.
    #[error("{action} {path}: {source}", path = path.display())]
    Io {
        /// What was attempted, such as `write to`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The ledger is open elsewhere.
    #[error("the ledger in {folder} is open in another process{holder}: stop it first", folder = folder.display(), holder = Holder(*holder_pid))]
    Locked {
        /// The ledger's folder.
        folder: PathBuf,
        /// The process that has it open for writing, as far as its lock file says.
        holder_pid: Option<u32>,
    },
    /// There is no ledger in the folder.
    #[error("no ledger in {folder}: it has no segment files", folder = folder.display())]
    NoLedger {
        /// The folder that was looked into.
        folder: PathBuf,
    },
    /// There is one already where one was to be created.
    #[error("there is already a ledger in {folder}", folder = folder.display())]
    AlreadyExists {
        /// The ledger's folder.
        folder: PathBuf,
    },
    /// A segment file belongs to another ledger: files of two folders were mixed.
    #[error("{file} belongs to another ledger: move it out of the folder", file = file.display())]
    Foreign {
        /// The segment file.
        file: PathBuf,
    },
    /// A segment file was written by a later version.
    #[error("{file} has format version {version}, this program reads {supported}: use a later version of it", file = file.display())]
    Version {
        /// The segment file.
        file: PathBuf,
        /// Version in the file.
        version: u32,
        /// Version of this program.
        supported: u32,
    },
    /// No segment has a readable header, and nothing else says how the ledger's records are marked.
    #[error("no segment in {folder} has a readable header or first record: restore the folder or fetch the chain anew", folder = folder.display())]
    Unrecognised {
        /// The ledger's folder.
        folder: PathBuf,
    },
    /// The block is not the next one.
    #[error("block {given} given, block {expected} is next")]
    WrongNumber {
        /// Number that is next.
        expected: u64,
        /// Number that was given.
        given: u64,
    },
    /// The block does not follow the one before it.
    #[error("block {number} follows {given}, the block before it is {expected}", given = Hex(given), expected = Hex(expected.as_ref().map_or(&[], |hash| hash)))]
    WrongPreviousHash {
        /// The block's number.
        number: u64,
        /// Header hash of the block before it; none before block 0.
        expected: Option<BlockHash>,
        /// Previous hash in the block's header.
        given: Vec<u8>,
    },
    /// The block is not the one that the next block follows.
    #[error("block {number} is {given}, the block after it follows {expected}", given = Hex(given), expected = Hex(expected))]
    WrongNextHash {
        /// The block's number.
        number: u64,
        /// The header hash that the next block names.
        expected: BlockHash,
        /// Header hash of the block that was given.
        given: BlockHash,
    },
    /// The block is larger than a record can be.
    #[error("block {number} has {bytes} bytes, at most {bytes_max} can be stored")]
    TooLarge {
        /// The block's number.
        number: u64,
        /// Its size.
        bytes: usize,
        /// The bound.
        bytes_max: usize,
    },
    /// Only a damaged block can be mended.
    #[error("block {number} is not known to be damaged")]
    NotDamaged {
        /// The block's number.
        number: u64,
    },
    /// Both neighbours of the block are damaged, so nothing says whether it belongs there.
    #[error(
        "neither neighbour of block {number} is readable: mend those first, upwards from the first damaged one"
    )]
    NoNeighbour {
        /// The block's number.
        number: u64,
    },
    /// An earlier write or fsync failed. What is on disk is unknown until the ledger is opened again.
    #[error("the ledger in {folder} takes no more blocks until it is opened again: {cause}", folder = folder.display())]
    Poisoned {
        /// The ledger's folder.
        folder: PathBuf,
        /// The failure that did it.
        cause: String,
    },
    /// The ledger was opened with [`Access::ReadOnly`](crate::Access::ReadOnly).
    #[error("the ledger in {folder} is open for reading only", folder = folder.display())]
    ReadOnly {
        /// The ledger's folder.
        folder: PathBuf,
    },
    /// An option has a value that makes no sense.
    #[error("option {name} {reason}")]
    Options {
        /// Field of [`Options`](crate::Options).
        name: &'static str,
        /// What it must be.
        reason: &'static str,
    },
    /// A block that was needed could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The metadata beside the blocks could not be written.
    #[error(transparent)]
    Meta(#[from] MetaError),
}

/// Why a block could not be read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// It is damaged; all others can be read. Fetch it again and [`mend`](crate::Ledger::mend) it.
    #[error("{0}")]
    Damaged(Damage),
    /// The operating system refused something.
    #[error("{action} {path}: {source}", path = path.display())]
    Io {
        /// What was attempted, such as `read`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// For `map_err`: names what was attempted on which path.
pub(crate) fn io_error<'a>(
    action: &'static str,
    path: &'a Path,
) -> impl FnOnce(io::Error) -> LedgerError + 'a {
    move |source| LedgerError::Io { action, path: path.to_path_buf(), source }
}

/// As [`io_error`], for reads.
pub(crate) fn read_error<'a>(
    action: &'static str,
    path: &'a Path,
) -> impl FnOnce(io::Error) -> ReadError + 'a {
    move |source| ReadError::Io { action, path: path.to_path_buf(), source }
}

struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("(no hash)");
        }
        // a hostile header may carry a hash of any length
        for byte in self.0.iter().take(32) {
            write!(f, "{byte:02x}")?;
        }
        if self.0.len() > 32 { write!(f, "… ({} bytes)", self.0.len()) } else { Ok(()) }
    }
}

struct Holder(Option<u32>);

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(pid) => write!(f, " ({pid})"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_was_expected() {
        let error =
            LedgerError::WrongPreviousHash { number: 7, expected: Some([0xab; 32]), given: vec![1; 40] };
        let text = error.to_string();
        assert!(text.contains("block 7 follows 0101"), "{text}");
        assert!(text.contains("(40 bytes)"), "{text}");
        assert!(text.contains(&"ab".repeat(32)), "{text}");
        let first = LedgerError::WrongPreviousHash { number: 0, expected: None, given: vec![2; 32] };
        assert!(first.to_string().ends_with("(no hash)"), "{first}");
    }
}
