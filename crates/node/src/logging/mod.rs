//! Logs as a Fabric peer writes them.
//!
//! Code tells through the `tracing` macros, with Fabric's logger names as targets, so that an operator's
//! `FABRIC_LOGGING_SPEC` goes on to work:
//!
//! ```
//! tracing::info!(target: "gossip.channel", peers = 4, "Membership view has changed");
//! ```
//!
//! - `FABRIC_LOGGING_SPEC` says which logger tells from which level on (see [`Spec`]); it can be changed
//!   while the node runs.
//! - `FABRIC_LOGGING_FORMAT` is `json`, `logfmt` or a format string with `%{color}`, `%{id}`, `%{level}`,
//!   `%{message}`, `%{module}`, `%{shortfunc}` (here the last word of the Rust module) and `%{time}`. Without
//!   it lines look as those of a Go peer: `2018-11-01 15:32:38.268 UTC 0001 INFO [gossip.comm] -> message`.
//!
//! Fields of an event follow its message as `key=value`. Control characters in what is told are made visible,
//! and a message is cut at 8 KiB: a peer cannot forge lines. Colours are left out where standard error is no
//! terminal. The HTTP and gRPC libraries tell as logger `grpc`; what they call debugging shows every frame
//! and counts as payload. Spans are not used.

mod format;
mod gotime;
mod limit;
mod spec;

pub use format::FormatError;
pub use limit::{Again, RateLimit};
pub use spec::{Level, Spec, SpecError};

use format::{Entry, Field, Format};
use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use time::OffsetDateTime;
use tracing::field::{Field as FieldName, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};

/// Longer messages and fields are cut.
const TEXT_BYTES_MAX: usize = 8 << 10;

/// Libraries below the transport; all of them are the logger `grpc`, as in Fabric.
const LIBRARIES: [&str; 8] = ["axum", "h2", "hyper", "hyper_util", "rustls", "tokio_util", "tonic", "tower"];

/// How to log.
pub struct LoggingOptions {
    /// The specification; empty is `info`.
    pub spec: String,
    /// The format; empty is the console format.
    pub format: String,
    /// Whether `%{color}` means anything.
    pub colors: bool,
    /// Where lines go; each is written at once.
    pub output: Box<dyn Write + Send>,
}

impl LoggingOptions {
    /// As `FABRIC_LOGGING_SPEC` and `FABRIC_LOGGING_FORMAT` say, to standard error.
    #[must_use]
    pub fn from_environment() -> Self {
        let variable =
            |name| std::env::var_os(name).map(|text| text.to_string_lossy().into_owned()).unwrap_or_default();
        Self {
            spec: variable("FABRIC_LOGGING_SPEC"),
            format: variable("FABRIC_LOGGING_FORMAT"),
            colors: std::io::stderr().is_terminal() && variable("NO_COLOR").is_empty(),
            output: Box::new(std::io::stderr()),
        }
    }
}

impl fmt::Debug for LoggingOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("LoggingOptions");
        out.field("spec", &self.spec)
            .field("format", &self.format)
            .field("colors", &self.colors)
            .finish_non_exhaustive()
    }
}

/// Why logging cannot begin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoggingError {
    /// `FABRIC_LOGGING_SPEC` cannot be used.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// `FABRIC_LOGGING_FORMAT` cannot be used.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The process logs already.
    #[error("logging has been set up already")]
    Installed,
}

/// Begins to log, for the whole process. The handle serves `/logspec` and the metrics.
///
/// # Errors
/// A specification or format that cannot be used, or a second call.
pub fn install(options: LoggingOptions) -> Result<Logging, LoggingError> {
    let logging = Logging::new(options)?;
    tracing::subscriber::set_global_default(logging.subscriber()).map_err(|_| LoggingError::Installed)?;
    Ok(logging)
}

/// A handle on the logs; clones are the same logs.
#[derive(Clone)]
pub struct Logging {
    shared: Arc<Shared>,
}

struct Shared {
    spec: RwLock<Spec>,
    format: Format,
    colors: bool,
    output: Mutex<Box<dyn Write + Send>>,
    sequence: AtomicU64,
    counts: [Counts; 5],
}

#[derive(Default)]
struct Counts {
    checked: AtomicU64,
    written: AtomicU64,
}

/// How many lines of a level there were since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LevelCounts {
    /// The level.
    pub level: Level,
    /// Lines of loggers that might have been told, as any logger tells of this level.
    pub checked_count: u64,
    /// Lines that were told.
    pub written_count: u64,
}

impl Logging {
    /// Logs that nothing is told to yet; see [`install`] and [`subscriber`](Self::subscriber).
    ///
    /// # Errors
    /// A specification or format that cannot be used.
    pub fn new(options: LoggingOptions) -> Result<Self, LoggingError> {
        let shared = Shared {
            spec: RwLock::new(Spec::parse(&options.spec)?),
            format: Format::parse(&options.format)?,
            colors: options.colors,
            output: Mutex::new(options.output),
            sequence: AtomicU64::new(0),
            counts: Default::default(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// What takes events for these logs, for `tracing::subscriber::with_default` and the like.
    #[must_use]
    pub fn subscriber(&self) -> impl Subscriber + Send + Sync + 'static {
        Lines { shared: Arc::clone(&self.shared) }
    }

    /// The specification in force, in normal form.
    #[must_use]
    pub fn spec(&self) -> String {
        self.shared.with_spec(ToString::to_string)
    }

    /// Puts another specification in force.
    ///
    /// # Errors
    /// A specification that cannot be used; the one before stays in force.
    pub fn set_spec(&self, spec: &str) -> Result<(), SpecError> {
        let parsed = Spec::parse(spec)?;
        *self.shared.spec.write().unwrap_or_else(PoisonError::into_inner) = parsed;
        // what was never told until now may have to be told from now on
        tracing::callsite::rebuild_interest_cache();
        Ok(())
    }

    /// How many lines there were, for each level that a node tells of.
    #[must_use]
    pub fn counts(&self) -> [LevelCounts; 5] {
        let levels = [Level::Payload, Level::Debug, Level::Info, Level::Warn, Level::Error];
        levels.map(|level| LevelCounts {
            level,
            checked_count: self
                .shared
                .count(level)
                .map_or(0, |counts| counts.checked.load(Ordering::Relaxed)),
            written_count: self
                .shared
                .count(level)
                .map_or(0, |counts| counts.written.load(Ordering::Relaxed)),
        })
    }
}

impl fmt::Debug for Logging {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logging").field("spec", &self.spec()).finish_non_exhaustive()
    }
}

impl Shared {
    fn with_spec<T>(&self, use_spec: impl FnOnce(&Spec) -> T) -> T {
        use_spec(&self.spec.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn count(&self, level: Level) -> Option<&Counts> {
        self.counts.get(level as usize)
    }
}

/// Logger and level of an event by Fabric's names.
fn identify<'a>(metadata: &Metadata<'a>) -> (Cow<'a, str>, Level) {
    let target = metadata.target();
    let level = Level::of(*metadata.level());
    let library = target.split("::").next().unwrap_or_default();
    if LIBRARIES.contains(&library) {
        // their notion of debugging is every frame
        let level = if level == Level::Debug { Level::Payload } else { level };
        return (Cow::Borrowed("grpc"), level);
    }
    let logger =
        if target.contains("::") { Cow::Owned(target.replace("::", ".")) } else { Cow::Borrowed(target) };
    (logger, level)
}

struct Lines {
    shared: Arc<Shared>,
}

impl Subscriber for Lines {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        let (_, level) = identify(metadata);
        // as in Fabric, what no logger tells of is not even counted
        if metadata.is_event() && self.shared.with_spec(|spec| spec.lowest() <= level) {
            Interest::sometimes()
        } else {
            Interest::never()
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        if !metadata.is_event() {
            return false;
        }
        let (logger, level) = identify(metadata);
        if let Some(counts) = self.shared.count(level) {
            counts.checked.fetch_add(1, Ordering::Relaxed);
        }
        self.shared.with_spec(|spec| spec.level(&logger) <= level)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(match self.shared.with_spec(Spec::lowest) {
            Level::Payload => LevelFilter::TRACE,
            Level::Debug => LevelFilter::DEBUG,
            Level::Info => LevelFilter::INFO,
            Level::Warn => LevelFilter::WARN,
            Level::Error => LevelFilter::ERROR,
            Level::Dpanic | Level::Panic | Level::Fatal => LevelFilter::OFF,
        })
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        // spans are never enabled; one number serves those that are made all the same
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let metadata = event.metadata();
        let (logger, level) = identify(metadata);
        let mut told = Told::default();
        event.record(&mut told);
        let path = metadata.module_path().unwrap_or_else(|| metadata.target());
        let caller = caller(metadata);
        let entry = Entry {
            at: OffsetDateTime::now_utc(),
            level,
            logger: &logger,
            function: path.rsplit("::").next().unwrap_or(path),
            caller: &caller,
            message: &told.message,
            fields: &told.fields,
        };
        let shared = &self.shared;
        let mut line = String::with_capacity(256);
        let mut output = shared.output.lock().unwrap_or_else(PoisonError::into_inner);
        // numbered under the lock, so that the numbers of the lines rise
        let number = || shared.sequence.fetch_add(1, Ordering::Relaxed) + 1;
        shared.format.write(&mut line, &entry, shared.colors, number);
        // where the logs cannot be written there is nobody to tell
        if output.write_all(line.as_bytes()).is_ok()
            && let Some(counts) = shared.count(level)
        {
            counts.written.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// `transport/stream.rs:12` of the full path.
fn caller(metadata: &Metadata<'_>) -> String {
    let Some(file) = metadata.file() else { return String::new() };
    let short =
        file.rmatch_indices(['/', '\\']).nth(1).and_then(|(at, _)| file.get(at + 1..)).unwrap_or(file);
    format!("{short}:{}", metadata.line().unwrap_or_default())
}

/// Message and fields of an event.
#[derive(Default)]
struct Told {
    message: String,
    fields: Vec<(&'static str, Field)>,
}

impl Told {
    fn text(&mut self, name: &FieldName, text: String) {
        let text = match text.len() > TEXT_BYTES_MAX {
            true => {
                format!("{}...", text.get(..text.floor_char_boundary(TEXT_BYTES_MAX)).unwrap_or_default())
            }
            false => text,
        };
        if name.name() == "message" {
            self.message = text;
        } else {
            self.fields.push((name.name(), Field::Text(text)));
        }
    }
}

impl Visit for Told {
    fn record_debug(&mut self, name: &FieldName, value: &dyn fmt::Debug) {
        let mut text = String::new();
        // writing to a String cannot fail, and a value that cannot be shown is left out
        let _ = write!(text, "{value:?}");
        self.text(name, text);
    }

    fn record_str(&mut self, name: &FieldName, value: &str) {
        self.text(name, value.to_owned());
    }

    fn record_bool(&mut self, name: &FieldName, value: bool) {
        self.fields.push((name.name(), Field::Bool(value)));
    }

    fn record_i64(&mut self, name: &FieldName, value: i64) {
        self.fields.push((name.name(), Field::Signed(value.into())));
    }

    fn record_u64(&mut self, name: &FieldName, value: u64) {
        self.fields.push((name.name(), Field::Unsigned(value.into())));
    }

    fn record_i128(&mut self, name: &FieldName, value: i128) {
        self.fields.push((name.name(), Field::Signed(value)));
    }

    fn record_u128(&mut self, name: &FieldName, value: u128) {
        self.fields.push((name.name(), Field::Unsigned(value)));
    }

    fn record_f64(&mut self, name: &FieldName, value: f64) {
        self.fields.push((name.name(), Field::Float(value)));
    }
}
