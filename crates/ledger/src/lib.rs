//! Blocks on disk: append-only segments, index, recovery.
