//! What the operator is told of others, who could say it as often as they like: each complaint once in a while, with the
//! number of those left out, also of the last of a flood.

use crate::logging::{Again, RateLimit};
use std::time::{Duration, Instant};

/// How often the same complaint is told.
const PERIOD: Duration = Duration::from_secs(60);

/// The complaints of each logger.
#[derive(Debug)]
pub(super) struct Complaints {
    /// `gossip.comm`.
    connections: RateLimit,
    /// `gossip.gossip`.
    messages: RateLimit,
    /// `ledger`.
    ledgers: RateLimit,
    /// When to look for floods that have ended.
    due: Instant,
}

impl Complaints {
    pub(super) fn new(now: Instant) -> Self {
        let limit = || RateLimit::new(PERIOD);
        Self { connections: limit(), messages: limit(), ledgers: limit(), due: now + PERIOD }
    }

    /// About a connection or a dial.
    pub(super) fn connection(&self, complaint: &str) {
        if let Some(again) = self.connections.admit(complaint) {
            tracing::warn!(target: "gossip.comm", "{complaint}{again}");
        }
    }

    /// About a handshake: `kind` tells complaints apart, without the port it came from.
    pub(super) fn handshake(&self, kind: &str, tell: impl FnOnce(Again)) {
        if let Some(again) = self.connections.admit(kind) {
            tell(again);
        }
    }

    /// About a message.
    pub(super) fn message(&self, complaint: &str) {
        if let Some(again) = self.messages.admit(complaint) {
            tracing::warn!(target: "gossip.gossip", "{complaint}{again}");
        }
    }

    /// About a ledger, as read or mended for others.
    pub(super) fn ledger(&self, complaint: &str) {
        if let Some(again) = self.ledgers.admit(complaint) {
            tracing::warn!(target: "ledger", "{complaint}{again}");
        }
    }

    /// When [`tell_finished`](Self::tell_finished) has something to do next.
    pub(super) const fn due(&self) -> Instant {
        self.due
    }

    /// Tells how many were left out of what is not complained of any more. Does nothing before it is due.
    pub(super) fn tell_finished(&mut self, now: Instant) {
        if now >= self.due {
            self.due = now + PERIOD;
            self.tell(now);
        }
    }

    /// Tells all that was left out: the node stops.
    pub(super) fn tell_rest(&self, now: Instant) {
        self.tell(now + PERIOD);
    }

    fn tell(&self, now: Instant) {
        for line in finished(&self.connections, now) {
            tracing::warn!(target: "gossip.comm", "{line}");
        }
        for line in finished(&self.messages, now) {
            tracing::warn!(target: "gossip.gossip", "{line}");
        }
        for line in finished(&self.ledgers, now) {
            tracing::warn!(target: "ledger", "{line}");
        }
    }
}

fn finished(limit: &RateLimit, now: Instant) -> impl Iterator<Item = String> {
    let finished = limit.finished_at(now).into_iter();
    finished.map(|(complaint, count)| format!("{complaint} ({count} more like this, none lately)"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logging::{Logging, LoggingOptions};
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    /// What is logged meanwhile.
    fn logged(act: impl FnOnce()) -> String {
        #[derive(Clone, Default)]
        struct Log(Arc<Mutex<Vec<u8>>>);
        impl Write for Log {
            fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
                self.0.lock().unwrap().write(bytes)
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let log = Log::default();
        let options = LoggingOptions {
            spec: String::new(),
            format: "%{level} %{module}: %{message}".to_owned(),
            colors: false,
            output: Box::new(log.clone()),
        };
        tracing::subscriber::with_default(Logging::new(options).unwrap().subscriber(), act);
        let bytes = log.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn the_end_of_a_flood_is_counted_when_it_is_due() {
        let start = Instant::now();
        let mut complaints = Complaints::new(start);
        let told = logged(|| {
            for _ in 0..5 {
                complaints.message("it is wrong");
            }
            complaints.connection("it is unreachable");
        });
        assert_eq!(told.matches("it is wrong").count(), 1);
        assert_eq!(complaints.due(), start + PERIOD);
        assert_eq!(logged(|| complaints.tell_finished(start + PERIOD / 2)), "", "not due");
        // the period of a complaint begins with the complaint
        let later = start + 2 * PERIOD;
        let told = logged(|| complaints.tell_finished(later));
        assert_eq!(told.trim(), "WARN gossip.gossip: it is wrong (4 more like this, none lately)");
        assert_eq!(complaints.due(), later + PERIOD);
        assert_eq!(logged(|| complaints.tell_finished(later + PERIOD)), "", "told once");
    }

    #[test]
    fn nothing_is_left_uncounted_when_the_node_stops() {
        let complaints = Complaints::new(Instant::now());
        let told = logged(|| {
            for _ in 0..3 {
                complaints.connection("it is unreachable");
                complaints.ledger("it is unreadable");
            }
            complaints.tell_rest(Instant::now());
        });
        assert!(told.contains("gossip.comm: it is unreachable (2 more like this, none lately)"), "{told}");
        assert!(told.contains("ledger: it is unreadable (2 more like this, none lately)"), "{told}");
    }
}
