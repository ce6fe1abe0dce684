//! Writes what happens to the core into a file, without ever holding up the node.

use selvedge_core::recording::{Beginning, Payloads, Recorder};
use selvedge_core::{Input, Instant, Output};
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;

/// What may wait for the disk. Beyond, recording stops: with a gap it would be worth nothing.
const WAITING_BYTES_MAX: u64 = 64 << 20;
const LOGGER: &str = "selvedge.record";

/// What to record, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordSettings {
    /// The file; it must not be there yet.
    pub file: PathBuf,
    /// Whether transactions and private data are in it.
    pub payloads: Payloads,
    /// How long the file may become; then recording stops, with a warning.
    pub bytes_max: u64,
}

/// A recording under way, until it stops.
#[derive(Debug)]
pub(super) struct Recording {
    file: PathBuf,
    bytes_max: u64,
    recorder: Recorder,
    byte_count: u64,
    waiting_bytes: Arc<AtomicU64>,
    writer: Option<(mpsc::Sender<Vec<u8>>, JoinHandle<()>)>,
}

impl Recording {
    pub(super) fn start(settings: &RecordSettings, beginning: &Beginning) -> io::Result<Self> {
        let file = create(&settings.file)?;
        let (pieces, inbox) = mpsc::channel();
        let waiting_bytes = Arc::new(AtomicU64::new(0));
        let (waiting, path) = (Arc::clone(&waiting_bytes), settings.file.clone());
        let thread = std::thread::Builder::new().name("recording".to_owned()).spawn(move || {
            if let Err(error) = write(file, &inbox, &waiting) {
                tracing::warn!(target: LOGGER, "{}: {error}; nothing more is recorded", path.display());
            }
        })?;
        let (recorder, piece) = Recorder::new(beginning);
        let mut recording = Self {
            file: settings.file.clone(),
            bytes_max: settings.bytes_max,
            recorder,
            byte_count: 0,
            waiting_bytes,
            writer: Some((pieces, thread)),
        };
        recording.hand_over(piece);
        tracing::info!(
            target: LOGGER,
            "what happens is recorded in {}, {} payloads, up to {} bytes",
            settings.file.display(),
            if settings.payloads == Payloads::Kept { "with" } else { "without" },
            settings.bytes_max
        );
        Ok(recording)
    }

    /// The core is about to be given an input.
    pub(super) fn input(&mut self, at: Instant, input: &Input) {
        if self.writer.is_none() {
            return;
        }
        let piece = self.recorder.input(at, input);
        if self.byte_count + piece.len() as u64 > self.bytes_max {
            return self.stop("the file is as long as it may become");
        }
        if self.waiting_bytes.load(Ordering::Relaxed) > WAITING_BYTES_MAX {
            return self.stop("the disk does not keep up");
        }
        self.hand_over(piece);
    }

    /// The core ordered something.
    pub(super) fn output(&mut self, output: &Output) {
        if self.writer.is_some() {
            self.recorder.output(output);
        }
    }

    fn hand_over(&mut self, piece: Vec<u8>) {
        let bytes = piece.len() as u64;
        let Some((pieces, _)) = &self.writer else { return };
        self.waiting_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.byte_count += bytes;
        if pieces.send(piece).is_err() {
            // the writer has told why
            self.writer = None;
        }
    }

    fn stop(&mut self, reason: &str) {
        tracing::warn!(target: LOGGER, "{}: {reason}; nothing more is recorded", self.file.display());
        let piece = self.recorder.end(reason);
        self.hand_over(piece);
        // the writer ends by itself, when it has written what waits
        self.writer = None;
    }

    /// Ends the recording, and waits until it is on disk.
    pub(super) fn finish(mut self) {
        let piece = self.recorder.end("the node stopped");
        self.hand_over(piece);
        if let Some((pieces, thread)) = self.writer.take() {
            drop(pieces);
            let _ = thread.join();
        }
    }
}

/// A new file that only its owner can read: what peers of the own organisation tell each other is in it.
fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Whatever waits is written at once; when nothing does, all of it leaves the process.
fn write(file: File, inbox: &mpsc::Receiver<Vec<u8>>, waiting: &AtomicU64) -> io::Result<()> {
    let mut file = BufWriter::with_capacity(256 << 10, file);
    while let Ok(mut piece) = inbox.recv() {
        loop {
            file.write_all(&piece)?;
            waiting.fetch_sub(piece.len() as u64, Ordering::Relaxed);
            let Ok(next) = inbox.try_recv() else { break };
            piece = next;
        }
        file.flush()?;
    }
    file.into_inner()?.sync_all()
}
