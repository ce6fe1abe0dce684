//! What can go wrong with an ordering source.

use selvedge_ledger::{LedgerError, ReadError};
use selvedge_msp::{ConfigError, SignError};

/// Why a source could not be opened, or cut no block.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OrderingError {
    /// The ledger.
    #[error("ledger: {0}")]
    Ledger(#[from] LedgerError),
    /// A block of the ledger.
    #[error("ledger: {0}")]
    Read(#[from] ReadError),
    /// The ledger holds another channel, or not what a source writes.
    #[error("the folder does not hold this source's chain: {0}")]
    Foreign(&'static str),
    /// The channel configuration.
    #[error("configuration: {0}")]
    Config(#[from] ConfigError),
    /// The orderer's key.
    #[error("cannot sign: {0}")]
    Sign(#[from] SignError),
    /// No random numbers.
    #[error("the system's random number generator fails")]
    Random,
    /// A block needs a transaction.
    #[error("a block without transactions cannot be cut")]
    Empty,
    /// An update of the configuration cannot be applied.
    #[error("configuration update: {0}")]
    Update(&'static str),
    /// The sender may not do that.
    #[error("{0}")]
    Forbidden(String),
    /// Too many transactions wait.
    #[error("too many transactions wait to be ordered")]
    Full,
    /// Something is not what it should be.
    #[error("{0}")]
    Malformed(&'static str),
}
