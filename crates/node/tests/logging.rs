//! Logs from the macro to the line: loggers, levels, changes at run time, counts.

use selvedge::logging::{Level, LevelCounts, Logging, LoggingError, LoggingOptions};
use std::io::Write;
use std::sync::{Arc, Mutex};
use tracing::subscriber::with_default;

/// What was written, line by line.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Vec<u8>>>);

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut held = self.0.lock().map_err(|_| std::io::ErrorKind::Other)?;
        held.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Memory {
    fn take(&self) -> Vec<String> {
        let bytes = self.0.lock().map(|mut held| std::mem::take(&mut *held)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect()
    }
}

fn logging(spec: &str, format: &str) -> (Logging, Memory) {
    let memory = Memory::default();
    let options = LoggingOptions {
        spec: spec.into(),
        format: format.into(),
        colors: false,
        output: Box::new(memory.clone()),
    };
    match Logging::new(options) {
        Ok(logging) => (logging, memory),
        Err(error) => panic!("{error}"),
    }
}

const SHORT: &str = "%{level:.4s} [%{module}] %{id} %{message}";

fn tell_all() {
    tracing::error!(target: "gossip.comm", "e");
    tracing::warn!(target: "gossip.state", "w");
    tracing::info!(target: "msp", "i");
    tracing::debug!(target: "gossip.state", "d");
    tracing::trace!(target: "gossip.comm", "p");
}

#[test]
fn the_specification_decides_who_tells() {
    for (spec, expected) in [
        ("", vec!["ERRO [gossip.comm] 1 e", "WARN [gossip.state] 2 w", "INFO [msp] 3 i"]),
        ("error", vec!["ERRO [gossip.comm] 1 e"]),
        ("fatal", vec![]),
        (
            "warn:gossip=debug",
            vec!["ERRO [gossip.comm] 1 e", "WARN [gossip.state] 2 w", "DEBU [gossip.state] 3 d"],
        ),
        ("fatal:gossip.comm=payload", vec!["ERRO [gossip.comm] 1 e", "PAYL [gossip.comm] 2 p"]),
    ] {
        let (logging, memory) = logging(spec, SHORT);
        with_default(logging.subscriber(), tell_all);
        assert_eq!(memory.take(), expected, "{spec}");
    }
}

#[test]
fn the_specification_changes_at_run_time() {
    let (logging, memory) = logging("fatal", SHORT);
    with_default(logging.subscriber(), || {
        tell_all();
        assert_eq!(memory.take(), Vec::<String>::new());
        logging.set_spec("debug").unwrap();
        tell_all();
        assert_eq!(memory.take().len(), 4);
        let error = logging.set_spec("debug:loud").unwrap_err();
        assert_eq!(error.to_string(), "invalid logging specification 'debug:loud': bad segment 'loud'");
        assert_eq!(logging.spec(), "debug");
        logging.set_spec("msp=info:error").unwrap();
        tell_all();
        assert_eq!(memory.take(), ["ERRO [gossip.comm] 5 e", "INFO [msp] 6 i"]);
        assert_eq!(logging.spec(), "msp=info:error");
    });
}

#[test]
fn lines_are_counted_as_fabric_counts_them() {
    let (logging, memory) = logging("info:msp=error", SHORT);
    with_default(logging.subscriber(), || {
        tell_all();
        tell_all();
    });
    assert_eq!(memory.take().len(), 4);
    // no logger tells of debugging: it is not counted; that of msp is, and is not written
    let count = |level, checked_count, written_count| LevelCounts { level, checked_count, written_count };
    assert_eq!(
        logging.counts(),
        [
            count(Level::Payload, 0, 0),
            count(Level::Debug, 0, 0),
            count(Level::Info, 2, 0),
            count(Level::Warn, 2, 2),
            count(Level::Error, 2, 2),
        ]
    );
}

#[test]
fn fields_are_told_in_every_format() {
    let tell = || {
        let reason: Option<&str> = Some("stale");
        tracing::info!(target: "gossip.comm", height = 91u64, ok = true, reason, peer = %"a b", "refused {}", 1);
    };
    let (console, memory) = logging("", SHORT);
    with_default(console.subscriber(), tell);
    assert_eq!(memory.take(), ["INFO [gossip.comm] 1 refused 1 height=91 ok=true reason=stale peer=\"a b\""]);
    let (json, memory) = logging("", "json");
    with_default(json.subscriber(), tell);
    let line: serde_json::Value = serde_json::from_str(&memory.take().concat()).unwrap();
    assert_eq!(
        (&line["height"], &line["peer"], &line["msg"]),
        (&91.into(), &"a b".into(), &"refused 1".into())
    );
    assert!(line["caller"].as_str().unwrap().starts_with("tests/logging.rs:"), "{line}");
}

#[test]
fn modules_and_libraries_have_loggers_too() {
    let (logging, memory) = logging("debug", SHORT);
    with_default(logging.subscriber(), || {
        tracing::info!("here");
        tracing::info!(target: "h2::codec", "frame");
        tracing::debug!(target: "h2::codec", "every frame");
        tracing::debug!(target: "h2o", "not a library");
        let span = tracing::error_span!("span");
        span.in_scope(|| tracing::warn!(target: "grpc", "in a span"));
    });
    let expected = [
        "INFO [logging] 1 here",
        "INFO [grpc] 2 frame",
        "DEBU [h2o] 3 not a library",
        "WARN [grpc] 4 in a span",
    ];
    assert_eq!(memory.take(), expected);
    logging.set_spec("payload").unwrap();
    with_default(logging.subscriber(), || tracing::debug!(target: "h2::codec", "every frame"));
    assert_eq!(memory.take(), ["PAYL [grpc] 5 every frame"]);
}

#[test]
fn long_texts_are_cut() {
    let (logging, memory) = logging("", SHORT);
    let long = "é".repeat(10_000);
    with_default(logging.subscriber(), || tracing::info!(target: "x", long, "{long}"));
    let line = memory.take().concat();
    assert!(line.len() < 17_000 && line.contains("é... long="), "{}", line.len());
}

#[test]
fn what_cannot_be_used_is_refused_at_the_start() {
    let options = |spec: &str, format: &str| LoggingOptions {
        spec: spec.into(),
        format: format.into(),
        colors: false,
        output: Box::new(Memory::default()),
    };
    assert!(matches!(Logging::new(options("loud", "")), Err(LoggingError::Spec(_))));
    assert!(matches!(Logging::new(options("", "%{color:red}")), Err(LoggingError::Format(_))));
}
