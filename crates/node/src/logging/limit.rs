//! Log lines that a peer can cause at will are told once in a while, with the number of those left out.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Kinds of lines told apart at a time; all others count as one kind.
const KEYS_MAX: usize = 1024;

/// Keys are cut to this length.
const KEY_BYTES_MAX: usize = 200;

/// The kind that stands for all that do not fit.
const OTHERS: &str = "(others)";

/// Lets the first line of each kind through, and then one in a period.
///
/// ```
/// # use selvedge::logging::RateLimit;
/// # use std::time::Duration;
/// let limit = RateLimit::new(Duration::from_secs(60));
/// # let peer = "peer0";
/// if let Some(again) = limit.admit(&format!("refused {peer}")) {
///     tracing::warn!(target: "gossip.comm", "refused a message of {peer}{again}");
/// }
/// ```
///
/// It holds at most 1,024 kinds. When they are used up, those whose period is over are forgotten; where there
/// are none, further kinds share one.
#[derive(Debug)]
pub struct RateLimit {
    period: Duration,
    kinds: Mutex<HashMap<Box<str>, Kind>>,
}

#[derive(Debug)]
struct Kind {
    told_at: Instant,
    left_out: u64,
}

/// How many lines of a kind were left out since the last one. Displayed as nothing, or as ` (12 more like
/// this in 60s)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Again {
    /// Lines left out.
    pub count: u64,
    /// Time since the last line that was told.
    pub within: Duration,
}

impl fmt::Display for Again {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.count {
            0 => Ok(()),
            count => write!(f, " ({count} more like this in {}s)", self.within.as_secs()),
        }
    }
}

impl RateLimit {
    /// One line of a kind in each `period`.
    #[must_use]
    pub fn new(period: Duration) -> Self {
        Self { period, kinds: Mutex::default() }
    }

    /// Whether a line of this kind may be told now, and how many were left out before it.
    pub fn admit(&self, kind: &str) -> Option<Again> {
        self.admit_at(Instant::now(), kind)
    }

    /// The same at a given time.
    pub fn admit_at(&self, now: Instant, kind: &str) -> Option<Again> {
        let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        let mut kind = kind.get(..kind.floor_char_boundary(KEY_BYTES_MAX)).unwrap_or(kind);
        if !kinds.contains_key(kind) {
            if kinds.len() >= KEYS_MAX {
                kinds.retain(|_, held| now.duration_since(held.told_at) < self.period);
            }
            if kinds.len() >= KEYS_MAX {
                kind = OTHERS;
            }
        }
        let Some(held) = kinds.get_mut(kind) else {
            kinds.insert(kind.into(), Kind { told_at: now, left_out: 0 });
            return Some(Again { count: 0, within: Duration::ZERO });
        };
        let within = now.duration_since(held.told_at);
        if within < self.period {
            held.left_out += 1;
            return None;
        }
        let again = Again { count: held.left_out, within };
        *held = Kind { told_at: now, left_out: 0 };
        Some(again)
    }

    /// The kinds whose period is over and of which lines were left out since, with their number; they are
    /// forgotten. To be told from time to time, so that the end of a flood is not lost.
    pub fn finished_at(&self, now: Instant) -> Vec<(String, u64)> {
        let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        let mut finished = Vec::new();
        kinds.retain(|kind, held| {
            let keep = now.duration_since(held.told_at) < self.period;
            if !keep && held.left_out > 0 {
                finished.push((kind.to_string(), held.left_out));
            }
            keep
        });
        finished.sort_unstable();
        finished
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn one_line_in_a_period_and_the_rest_is_counted() {
        let limit = RateLimit::new(60 * SECOND);
        let start = Instant::now();
        let told =
            |seconds, kind| limit.admit_at(start + seconds * SECOND, kind).map(|again| again.to_string());
        assert_eq!(told(0, "a"), Some(String::new()));
        assert_eq!(told(1, "a"), None);
        assert_eq!(told(1, "b"), Some(String::new()));
        assert_eq!(told(59, "a"), None);
        assert_eq!(told(61, "a"), Some(" (2 more like this in 61s)".into()));
        assert_eq!(told(62, "a"), None);
        assert_eq!(told(200, "b"), Some(String::new()));
        assert_eq!(limit.finished_at(start + 130 * SECOND), [("a".to_owned(), 1)]);
        assert_eq!(limit.finished_at(start + 130 * SECOND), []);
        assert_eq!(told(201, "a"), Some(String::new()));
    }

    #[test]
    fn the_number_of_kinds_is_bounded() {
        let limit = RateLimit::new(60 * SECOND);
        let start = Instant::now();
        for i in 0..KEYS_MAX {
            assert!(limit.admit_at(start, &i.to_string()).is_some());
        }
        assert!(limit.admit_at(start, "one more").is_some(), "the first of the others is told");
        assert!(limit.admit_at(start, "and another").is_none());
        assert!(limit.admit_at(start, "0").is_none());
        assert_eq!(limit.kinds.lock().unwrap().len(), KEYS_MAX + 1);
        // their period is over: there is room again
        assert!(limit.admit_at(start + 61 * SECOND, "later").is_some());
        assert_eq!(limit.kinds.lock().unwrap().len(), 1);
    }

    #[test]
    fn long_kinds_are_cut_between_characters() {
        let limit = RateLimit::new(60 * SECOND);
        let start = Instant::now();
        let long = "é".repeat(KEY_BYTES_MAX);
        assert!(limit.admit_at(start, &long).is_some());
        assert!(limit.admit_at(start, &(long + "x")).is_none());
    }
}
