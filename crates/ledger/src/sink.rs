//! Where the growing segment's records go: a file, or in tests something that fails.

use std::io::{self, Write};
use std::sync::Arc;

use crate::segment::Segment;

/// How much is gathered before it is written.
///
/// Records do not begin where pages do, and writing each of a group by itself takes a fifth longer than writing the
/// group at once: measured with groups of 8 blocks of 16 KiB.
const BUFFER_BYTES: usize = 256 << 10;

/// The two things the writer does to a file.
pub(crate) trait Sink: Send {
    /// Puts a record behind the last one. It need not be in the file before the next sync.
    fn write(&mut self, header: &[u8], block: &[u8]) -> io::Result<()>;
    /// Returns when all that was written is on disk.
    fn sync(&mut self) -> io::Result<()>;
}

/// A segment file, its cursor at its end.
pub(crate) struct FileSink {
    segment: Arc<Segment>,
    buffer: Vec<u8>,
}

impl FileSink {
    pub(crate) fn new(segment: Arc<Segment>) -> Self {
        Self { segment, buffer: Vec::new() }
    }

    fn flush(&mut self) -> io::Result<()> {
        // emptied even if it fails: nobody writes on after a failure
        let written = (&self.segment.file).write_all(&self.buffer);
        self.buffer.clear();
        written
    }
}

impl Sink for FileSink {
    fn write(&mut self, header: &[u8], block: &[u8]) -> io::Result<()> {
        if self.buffer.len() + header.len() + block.len() > BUFFER_BYTES {
            self.flush()?;
        }
        self.buffer.extend_from_slice(header);
        if header.len() + block.len() > BUFFER_BYTES {
            self.flush()?;
            return (&self.segment.file).write_all(block);
        }
        self.buffer.extend_from_slice(block);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.flush()?;
        self.segment.file.sync_data()
    }
}
