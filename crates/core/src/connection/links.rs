//! The open connections to one peer, and which of them is preferred: rules 3 to 6 of the [module](super) above.

use crate::ids::{ConnectionId, PkiId};
use crate::time::Instant;
use core::time::Duration;

/// More connections to one peer than this are not kept: the oldest that is not preferred is closed.
const LINKS_MAX: usize = 4;

/// The open connections to one peer; at least one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Links {
    /// The one that was opened first.
    first: Link,
    /// The others, in the order in which they were opened; mostly there are none.
    others: Vec<Link>,
    preferred: ConnectionId,
    /// Since when the preferred one has been.
    preferred_since: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Link {
    connection: ConnectionId,
    opened: Instant,
}

/// What to do with duplicates.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Settlement {
    /// Connections to close.
    pub(super) retired: Vec<ConnectionId>,
    /// Whether to look again after another settling time.
    pub(super) again: bool,
}

impl Links {
    pub(super) fn new(connection: ConnectionId, now: Instant) -> Self {
        let first = Link { connection, opened: now };
        Self { first, others: Vec::new(), preferred: connection, preferred_since: now }
    }

    fn iter(&self) -> impl DoubleEndedIterator<Item = &Link> {
        core::iter::once(&self.first).chain(&self.others)
    }

    fn count(&self) -> usize {
        1 + self.others.len()
    }

    fn last(&self) -> Link {
        self.others.last().copied().unwrap_or(self.first)
    }

    /// The one to send on.
    pub(super) fn preferred(&self) -> ConnectionId {
        self.preferred
    }

    pub(super) fn connections(&self) -> impl Iterator<Item = ConnectionId> {
        self.iter().map(|link| link.connection)
    }

    /// Adds one that was just opened; gives one that is too many.
    pub(super) fn add(
        &mut self,
        connection: ConnectionId,
        now: Instant,
        settling: Duration,
    ) -> Option<ConnectionId> {
        let keeps_own_dial = !connection.is_dialed()
            && self.preferred.is_dialed()
            && self.opened(self.preferred).is_some_and(|opened| now.since(opened) < settling);
        self.others.push(Link { connection, opened: now });
        if !keeps_own_dial {
            self.prefer(connection, now);
        }
        let surplus = self.count() > LINKS_MAX;
        surplus.then(|| self.connections().find(|&it| it != self.preferred)).flatten()
    }

    /// Removes one that ended; whether any is left.
    pub(super) fn remove(&mut self, connection: ConnectionId) -> bool {
        if self.first.connection != connection {
            self.others.retain(|link| link.connection != connection);
        } else if self.others.is_empty() {
            return false;
        } else {
            self.first = self.others.remove(0);
        }
        if self.preferred == connection {
            let newest = self.last();
            self.prefer(newest.connection, newest.opened);
        }
        true
    }

    /// Retires duplicates. `received` tells when the peer last sent on a connection.
    pub(super) fn settle(
        &mut self,
        now: Instant,
        settling: Duration,
        me_first: bool,
        received: impl Fn(ConnectionId) -> Option<Instant>,
    ) -> Settlement {
        if self.others.is_empty() {
            return Settlement::default();
        }
        let (survivor, is_tie) = self.survivor(settling, me_first);
        if survivor != self.preferred {
            self.prefer(survivor, now);
            return Settlement { retired: Vec::new(), again: true };
        }
        let settled = now.since(self.preferred_since) >= settling;
        let used = received(survivor).is_some_and(|at| at > self.preferred_since);
        if !settled || !used {
            return Settlement { retired: Vec::new(), again: true };
        }
        let newest_accepted = self.newest(false).map(|link| link.connection);
        let is_retired = |it: &ConnectionId| {
            *it != survivor && if it.is_dialed() { is_tie } else { Some(*it) != newest_accepted }
        };
        let retired: Vec<_> = self.connections().filter(is_retired).collect();
        Settlement { again: self.count() - retired.len() > 1, retired }
    }

    /// The one that survives, by rule 5, and whether it does so by PKI-ID.
    fn survivor(&self, settling: Duration, me_first: bool) -> (ConnectionId, bool) {
        let newest = self.last();
        let (Some(mine), Some(theirs)) = (self.newest(true), self.newest(false)) else {
            return (newest.connection, false);
        };
        let apart = mine.opened.since(theirs.opened).max(theirs.opened.since(mine.opened));
        match (apart < settling, me_first) {
            (false, _) => (newest.connection, false),
            (true, true) => (mine.connection, true),
            (true, false) => (theirs.connection, true),
        }
    }

    fn newest(&self, dialed: bool) -> Option<&Link> {
        self.iter().rev().find(|link| link.connection.is_dialed() == dialed)
    }

    fn opened(&self, connection: ConnectionId) -> Option<Instant> {
        self.iter().find(|link| link.connection == connection).map(|link| link.opened)
    }

    fn prefer(&mut self, connection: ConnectionId, since: Instant) {
        self.preferred = connection;
        self.preferred_since = since;
    }
}

/// Whether this side's dial survives.
pub(super) fn goes_first(me: &PkiId, other: &PkiId) -> bool {
    me < other
}
