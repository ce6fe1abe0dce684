//! The ledger as its users see it, one behaviour a file; what a disk, a kill or an operator does to its files is done
//! to real files.
#![allow(clippy::unwrap_used)] // all of this is tests, helpers too

mod append;
mod chain;
mod dropped_pages;
mod flip;
mod headers;
mod indexes;
mod kill;
mod locking;
mod lost_tail;
mod mend;
mod model;
mod prune;
mod read_only;
mod reading;
mod roll;
mod truncate;
