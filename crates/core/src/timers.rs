//! The timer table: each kind of timer has at most one deadline, so nothing is ever cancelled by handle.

use crate::ids::{ChannelId, ConnectionId};
use crate::time::Instant;
use std::collections::{BTreeMap, BTreeSet};

/// Every kind of timer of a [`Peer`](crate::Peer).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Timer {
    /// Membership: publish the own alive message (spec/04 §4.2).
    Alive,
    /// Dissemination: push what was gathered, by the Go peer's rules (spec/05 §8.1).
    Burst,
    /// Membership: look for members that fell silent (spec/04 §6.3) and stores that expired (§6.4).
    Expiry,
    /// Membership: ask random members for their view (spec/04 §8).
    MembershipSync,
    /// Membership: dial bootstrap peers, anchors and dead members whose turn has come (spec/04 §7, §9).
    Reconnect,
    /// Connections: retire duplicates (rules 5 and 6 of `connection`).
    Duplicates,
    /// Connections: the handshake of one connection took too long (spec/02 §4.4).
    Handshake(ConnectionId),
    /// Identities: expiry and idle sweep (spec/03 §4.3).
    IdentitySweep,
    /// Identities: next phase of the pull (spec/05 §10).
    IdentityPull,
    /// Channel: publish the own StateInfo if it changed (spec/05 §6.2).
    StateInfoPublish(ChannelId),
    /// Channel: ask random members for StateInfo (spec/05 §6.4).
    StateInfoRequest(ChannelId),
    /// Channel: drop StateInfo of forgotten members and expired blocks (spec/05 §6.3, §9.3).
    ChannelSweep(ChannelId),
    /// Channel: next phase of the block pull (spec/05 §10).
    BlockPull(ChannelId),
    /// Channel: ask for blocks that the ledger lost to damage.
    Repair(ChannelId),
    /// Channel: state transfer: start, time-outs (spec/06 §2.7).
    StateTransfer(ChannelId),
}

/// Deadlines by timer and in order of time.
#[derive(Default, Debug)]
pub(crate) struct Timers {
    deadlines: BTreeMap<Timer, Instant>,
    queue: BTreeSet<(Instant, Timer)>,
    /// The first of the queue: asked for with every input.
    next: Option<Instant>,
}

impl Timers {
    /// Sets the one deadline of `timer`, replacing an earlier one.
    pub(crate) fn set(&mut self, timer: Timer, at: Instant) {
        if let Some(old) = self.deadlines.insert(timer.clone(), at) {
            self.queue.remove(&(old, timer.clone()));
        }
        self.queue.insert((at, timer));
        self.find_next();
    }

    fn find_next(&mut self) {
        self.next = self.queue.first().map(|(at, _)| *at);
    }

    /// Sets the deadline unless an earlier one stands.
    pub(crate) fn set_no_later_than(&mut self, timer: Timer, at: Instant) {
        if self.deadlines.get(&timer).is_none_or(|&old| at < old) {
            self.set(timer, at);
        }
    }

    /// Whether `timer` has a deadline.
    pub(crate) fn is_set(&self, timer: &Timer) -> bool {
        self.deadlines.contains_key(timer)
    }

    /// Takes the deadline of `timer` away.
    pub(crate) fn clear(&mut self, timer: &Timer) {
        if let Some(old) = self.deadlines.remove(timer) {
            self.queue.remove(&(old, timer.clone()));
            self.find_next();
        }
    }

    /// The earliest deadline of all.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.next
    }

    /// Takes the earliest timer that is due at `now`.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<Timer> {
        if self.next()? > now {
            return None;
        }
        let (_, timer) = self.queue.pop_first()?;
        self.deadlines.remove(&timer);
        self.find_next();
        Some(timer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_has_one_deadline() {
        let mut timers = Timers::default();
        timers.set(Timer::Alive, Instant::from_nanos(5));
        timers.set(Timer::Alive, Instant::from_nanos(9));
        timers.set_no_later_than(Timer::Alive, Instant::from_nanos(10));
        assert_eq!(timers.pop_due(Instant::from_nanos(8)), None);
        assert_eq!(timers.pop_due(Instant::from_nanos(9)), Some(Timer::Alive));
        assert_eq!(timers.next(), None);
    }

    #[test]
    fn timers_come_in_order_of_time() {
        let mut timers = Timers::default();
        timers.set(Timer::Reconnect, Instant::from_nanos(2));
        timers.set(Timer::Alive, Instant::from_nanos(1));
        timers.set(Timer::Expiry, Instant::from_nanos(3));
        timers.clear(&Timer::Expiry);
        let now = Instant::from_nanos(10);
        assert_eq!(timers.pop_due(now), Some(Timer::Alive));
        assert_eq!(timers.pop_due(now), Some(Timer::Reconnect));
        assert_eq!(timers.pop_due(now), None);
    }
}
