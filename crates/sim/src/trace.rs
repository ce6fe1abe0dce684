//! What happened, one line for each transition: the last ones in memory, all of them to a writer on demand.

use crate::world::HostId;
use core::fmt;
use selvedge_core::testing::{describe_input, describe_output};
use selvedge_core::{Input, Instant, Output, PkiId};
use std::collections::{BTreeMap, VecDeque};
use std::io::Write;

type Names = BTreeMap<PkiId, String>;

/// How many transitions are kept unless somebody wants more.
const KEPT: usize = 200;

/// Something that happened at a host.
#[derive(Debug)]
pub(crate) enum Transition {
    /// Its peer was told something.
    Input(Input),
    /// Its peer ordered something.
    Output(Output),
    /// Something was done to the host.
    Note(String),
}

#[derive(Debug)]
struct Entry {
    at: Instant,
    host: HostId,
    what: Transition,
}

/// See the module.
pub(crate) struct Trace {
    kept: VecDeque<Entry>,
    kept_max: usize,
    writer: Option<Box<dyn Write + Send>>,
    names: Names,
}

impl Default for Trace {
    fn default() -> Self {
        Self { kept: VecDeque::new(), kept_max: KEPT, writer: None, names: Names::new() }
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trace").field("kept_max", &self.kept_max).finish_non_exhaustive()
    }
}

impl Trace {
    pub(crate) fn keep(&mut self, count: usize) {
        self.kept_max = count;
    }

    pub(crate) fn write_to(&mut self, writer: Box<dyn Write + Send>, names: Names) {
        self.writer = Some(writer);
        self.names = names;
    }

    /// Whether lines are written and some hosts have no name in them.
    pub(crate) fn lacks_names(&self, host_count: usize) -> bool {
        self.writer.is_some() && self.names.len() < host_count
    }

    pub(crate) fn set_names(&mut self, names: Option<Names>) {
        if let Some(names) = names {
            self.names = names;
        }
    }

    pub(crate) fn add(&mut self, at: Instant, host: HostId, what: Transition) {
        let entry = Entry { at, host, what };
        if let Some(writer) = &mut self.writer {
            // a trace that cannot be written must not change the run
            let _ = writeln!(writer, "{}", line(&entry, &self.names));
        }
        if self.kept_max == 0 {
            return;
        }
        if self.kept.len() >= self.kept_max {
            self.kept.pop_front();
        }
        self.kept.push_back(entry);
    }

    /// The kept transitions, oldest first.
    pub(crate) fn lines(&self, names: &Names) -> Vec<String> {
        self.kept.iter().map(|entry| line(entry, names)).collect()
    }
}

fn line(Entry { at, host, what }: &Entry, names: &Names) -> String {
    let host = host.index();
    match what {
        Transition::Input(input) => format!("{at:?} host {host} < {}", describe_input(input, names)),
        Transition::Output(output) => format!("{at:?} host {host} > {}", describe_output(output, names)),
        Transition::Note(text) => format!("{at:?} host {host} ! {text}"),
    }
}
