//! How far simulated time has come, for people who watch.

use indicatif::{ProgressBar, ProgressStyle};
use selvedge_sim::Advance;
use std::io::IsTerminal;
use std::time::Duration;

/// A bar on standard error, gone when it is dropped.
#[derive(Debug)]
pub(super) struct Progress(ProgressBar);

impl Progress {
    /// Shows nothing.
    pub(super) fn none() -> Self {
        Self(ProgressBar::hidden())
    }

    /// For so much simulated time in so many runs. Shows nothing where standard error is not a terminal.
    pub(super) fn new(simulated: Duration, run_count: usize) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self::none();
        }
        let what = match run_count {
            1 => "simulating".to_owned(),
            _ => format!("simulating {run_count} runs"),
        };
        let style =
            ProgressStyle::with_template("{msg} {wide_bar:.green} {percent:>3} %, {elapsed}, {eta} left");
        let bar = ProgressBar::new(millis(simulated)).with_message(what);
        // the template is ours; if it were wrong the plain bar would do
        Self(if let Ok(style) = style { bar.with_style(style) } else { bar })
    }

    /// A run came on.
    pub(super) fn advance(&self, advance: Advance) {
        self.0.inc(millis(advance.by));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
