//! Where the growing segment's records go: a file, or in tests something that fails.

use std::io::{self, IoSlice, Write};
use std::sync::Arc;

use crate::segment::Segment;

/// The two things the writer does to a file.
pub(crate) trait Sink: Send {
    /// Puts a record behind the last one.
    fn write(&mut self, header: &[u8], block: &[u8]) -> io::Result<()>;
    /// Returns when all that was written is on disk.
    fn sync(&mut self) -> io::Result<()>;
}

/// A segment file, its cursor at its end.
pub(crate) struct FileSink(pub(crate) Arc<Segment>);

impl Sink for FileSink {
    fn write(&mut self, header: &[u8], block: &[u8]) -> io::Result<()> {
        let mut slices = [IoSlice::new(header), IoSlice::new(block)];
        let mut left = &mut slices[..];
        let mut file = &self.0.file;
        while left.iter().any(|slice| !slice.is_empty()) {
            match file.write_vectored(left) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => IoSlice::advance_slices(&mut left, count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.file.sync_data()
    }
}
