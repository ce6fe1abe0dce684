//! Runs the core over a recording of a node: what happened in the field happens again on a desk.

use bytes::Bytes;
use core::fmt;
use core::time::Duration;
use selvedge_core::recording::{Beginning, Entry, OrderMark, Payloads, Recording, RecordingError, mark};
use selvedge_core::testing::{describe_input, describe_output};
use selvedge_core::{Input, Instant, Output, Peer};
use std::collections::BTreeMap;
use std::io::Write;

/// What came of a replay.
#[derive(Clone, Debug, PartialEq)]
pub struct Replay {
    /// What the peer was made of.
    pub beginning: Beginning,
    /// Inputs that it was given.
    pub step_count: u64,
    /// Orders that it gave, the same as recorded.
    pub order_count: u64,
    /// From the beginning to the last input.
    pub covered: Duration,
    /// Where it ended.
    pub ending: Ending,
}

/// Where a replay ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Ending {
    /// Recording was ended, for this reason.
    Ended(String),
    /// The recording was not ended, as after a crash; all that is there was replayed.
    CutOff,
    /// As far as was asked for.
    Until,
    /// The rest cannot be read.
    Unreadable(RecordingError),
    /// The peer did something else.
    Differs(Box<Difference>),
}

/// The first order that is another than was recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// After which input; 0 if after none.
    pub step: u64,
    /// When that was.
    pub at: Instant,
    /// The input in one line.
    pub input: String,
    /// Which of the orders that followed, from 0.
    pub place: usize,
    /// What was recorded there; `None` if nothing.
    pub recorded: Option<OrderMark>,
    /// What was ordered there now, in one line; `None` if nothing.
    pub replayed: Option<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { step, at, input, place, recorded, replayed } = self;
        write!(f, "after input {step} at {at:?} ({input}), order {}: recorded was ", place + 1)?;
        match recorded.map(|mark| mark.kind()) {
            None => f.write_str("none more")?,
            Some(Some(kind)) => write!(f, "another {kind:?}")?,
            Some(None) => f.write_str("one of an unknown kind")?,
        }
        write!(f, ", replayed is {}", replayed.as_deref().unwrap_or("none more"))
    }
}

/// Runs the core over a recording, at most to input `until`, and compares what it orders with what was recorded. Every input and
/// order is written to `trace` in one line.
///
/// # Errors
///
/// If the beginning cannot be read.
pub fn replay(bytes: Bytes, until: Option<u64>, trace: &mut dyn Write) -> Result<Replay, RecordingError> {
    let mut recording = Recording::open(bytes)?;
    let beginning = recording.beginning().clone();
    let Beginning { payloads, config, me, seed, now, wall, .. } = beginning.clone();
    let mut run = Run {
        peer: Peer::new(config, me, seed, now, wall),
        payloads,
        trace,
        step_count: 0,
        order_count: 0,
        at: now,
        last: None,
    };
    let ending = loop {
        if until.is_some_and(|until| run.step_count >= until) {
            run.skip_orders();
            break Ending::Until;
        }
        match recording.advance() {
            Ok(Some(Entry::Step { before, at, input })) => match run.compare(&before) {
                Ok(()) => run.step(at, input),
                Err(difference) => break Ending::Differs(difference),
            },
            Ok(Some(Entry::End { before, reason })) => match run.compare(&before) {
                Ok(()) => break Ending::Ended(reason),
                Err(difference) => break Ending::Differs(difference),
            },
            Ok(None) | Err(RecordingError::CutOff { .. }) => {
                run.skip_orders();
                break Ending::CutOff;
            }
            Err(error) => {
                run.skip_orders();
                break Ending::Unreadable(error);
            }
        }
    };
    let covered = run.at.since(beginning.now);
    let Run { step_count, order_count, .. } = run;
    Ok(Replay { beginning, step_count, order_count, covered, ending })
}

struct Run<'a> {
    peer: Peer,
    payloads: Payloads,
    trace: &'a mut dyn Write,
    step_count: u64,
    order_count: u64,
    at: Instant,
    last: Option<Input>,
}

impl Run<'_> {
    fn step(&mut self, at: Instant, input: Input) {
        self.step_count += 1;
        self.at = at;
        self.line('<', &describe_input(&input, &BTreeMap::new()));
        self.last = Some(input.clone());
        self.peer.handle(at, input);
    }

    /// Takes what was ordered; the first order that is not what was recorded.
    fn compare(&mut self, recorded: &[OrderMark]) -> Result<(), Box<Difference>> {
        let mut first = None;
        let mut recorded = recorded.iter().copied();
        for place in 0.. {
            let (was, is) = (recorded.next(), self.order());
            if was.is_none() && is.is_none() {
                break;
            }
            if first.is_none() && was != is.as_ref().map(|output| mark(output, self.payloads)) {
                first = Some((place, was, is.map(|output| describe_output(&output, &BTreeMap::new()))));
            } else if first.is_none() {
                self.order_count += 1;
            }
        }
        let Some((place, recorded, replayed)) = first else { return Ok(()) };
        let input = self.last.as_ref();
        let input =
            input.map_or_else(|| "the beginning".to_owned(), |input| describe_input(input, &BTreeMap::new()));
        Err(Box::new(Difference { step: self.step_count, at: self.at, input, place, recorded, replayed }))
    }

    /// What was ordered after the last input is not in the recording any more.
    fn skip_orders(&mut self) {
        while self.order().is_some() {}
    }

    fn order(&mut self) -> Option<Output> {
        let output = self.peer.poll_output()?;
        self.line('>', &describe_output(&output, &BTreeMap::new()));
        Some(output)
    }

    fn line(&mut self, direction: char, text: &str) {
        // a trace that cannot be written must not change the replay
        let _ = writeln!(self.trace, "{:?} {direction} {text}", self.at);
    }
}
