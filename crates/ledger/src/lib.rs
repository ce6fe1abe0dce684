//! Blocks on disk: append-only segments, index, recovery; and a small store for what is remembered beside them.
//!
//! A [`Ledger`] is one channel's chain of blocks in one folder, written by one owner and read by any number of
//! [`Reader`]s. A block is bytes, a number and two hashes given by the caller: this crate knows no protobuf and
//! verifies no signature. What it promises is in three sentences:
//!
//! * a height is published only after the bytes below it are on disk, so a kill at any instant loses nothing that
//!   was published;
//! * every block is read through a checksum, and a block that cannot be read is reported with its number, file and
//!   offset while all others stay readable;
//! * what was once durable is never cut off: only a tail that never was is (see [`Recovery`]).
//!
//! ```
//! use selvedge_ledger::{Ledger, NewBlock, Options};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let data = tempfile::tempdir()?;
//! let (mut ledger, recovery) = Ledger::open_or_create(&data.path().join("mychannel"), &Options::default())?;
//! assert!(recovery.created);
//! ledger.append(NewBlock {
//!     number: 0,
//!     header_hash: [1; 32],
//!     previous_hash: &[],
//!     is_config: true,
//!     bytes: b"the genesis block",
//! })?;
//! let reader = ledger.reader();
//! assert_eq!(reader.read(0)?, None);
//! let durable = ledger.sync()?;
//! assert_eq!(durable.height, 1);
//! assert_eq!(reader.read(0)?.as_deref(), Some(&b"the genesis block"[..]));
//! # Ok(())
//! # }
//! ```
//!
//! # Files of a ledger
//!
//! | name | holds |
//! |---|---|
//! | `<first number>.segment` | a header, then records, one a block ([`Options::segment_bytes_max`]) |
//! | `<first number>.index` | where each record of a sealed segment begins; rebuilt when it does not match |
//! | `<number>.block` | one record apart: a mended block, or the configuration block that pruning keeps |
//! | `metadata.redb` | the height and last hash that were durable, so that a lost tail is noticed |
//! | `LOCK` | held by the process that has the ledger open |
//!
//! Numbers in names have 20 digits. All integers in the files are little-endian.

mod block;
mod damage;
mod durable;
mod error;
mod findings;
mod folder;
mod index;
mod lock;
mod mend;
mod meta;
mod options;
mod prune;
mod reader;
mod record;
mod recovery;
mod scan;
mod segment;
mod shared;
mod sink;
mod wire;
mod writer;

pub use block::{BlockHash, Durable, NewBlock, StoredBlock};
pub use damage::{Damage, DamageCause};
pub use error::{LedgerError, ReadError};
pub use findings::{Finding, Severity};
pub use meta::{MetaError, MetaStore};
pub use options::{Access, Base, Options};
pub use prune::Pruned;
pub use reader::{Blocks, Reader};
pub use record::BLOCK_BYTES_MAX;
pub use recovery::{LostTail, Recovery, TornTail};
pub use writer::Ledger;

/// The logger of the few lines that nothing returned can tell.
const TARGET: &str = "ledger";
