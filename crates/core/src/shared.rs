//! What every part of a peer uses: time, settings, the seeded generator, timers, tickets and the outbox.

use crate::config::{Config, LocalPeer};
use crate::ids::{ChannelId, ConnectionId, PkiId, Ticket};
use crate::output::{Event, Output, Priority, Signed};
use crate::reject::{Reject, Unfitting};
use crate::stats::Stats;
use crate::table::Table;
use crate::time::{Instant, WallTime};
use crate::timers::Timers;
use crate::{channel, connection, identity, membership};
use bytes::Bytes;
use selvedge_proto::envelope::{ContentKind, Envelope};
use std::collections::VecDeque;

/// The authenticated peer that delivered a message.
#[derive(Clone, Debug)]
pub(crate) struct Sender {
    pub(crate) connection: ConnectionId,
    pub(crate) pki_id: PkiId,
    pub(crate) org: crate::MspId,
}

/// What a ticket's answer continues.
#[derive(Debug)]
pub(crate) enum Waiting {
    Connection(connection::Waiting),
    Identity(identity::Waiting),
    Membership(membership::Waiting),
    Channel(ChannelId, channel::Waiting),
    Relay(channel::relay::Waiting),
    /// Nothing: what is verified is known already.
    Copy,
}

#[derive(Debug)]
struct OpenTicket {
    waiting: Waiting,
    /// The connection whose message caused it: bounds what one peer can make us do.
    cause: Option<ConnectionId>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) now: Instant,
    pub(crate) config: Config,
    pub(crate) me: LocalPeer,
    pub(crate) rng: fastrand::Rng,
    /// For tables: nobody else knows it.
    pub(crate) table_seed: u64,
    pub(crate) timers: Timers,
    pub(crate) stats: Stats,
    started: Instant,
    started_wall: WallTime,
    outbox: VecDeque<Output>,
    next_ticket: u64,
    tickets: Table<Ticket, OpenTicket>,
    open_by_cause: Table<ConnectionId, usize>,
}

impl Shared {
    pub(crate) fn new(config: Config, me: LocalPeer, seed: u64, now: Instant, wall: WallTime) -> Self {
        Self {
            now,
            config,
            me,
            rng: fastrand::Rng::with_seed(seed),
            table_seed: seed,
            timers: Timers::default(),
            stats: Stats::default(),
            started: now,
            started_wall: wall,
            outbox: VecDeque::new(),
            next_ticket: 0,
            tickets: Table::new(seed),
            open_by_cause: Table::new(seed),
        }
    }

    /// Wall-clock time, which within one life of the peer never goes back: start plus monotonic time passed.
    pub(crate) fn wall(&self) -> WallTime {
        self.started_wall + self.now.since(self.started)
    }

    /// Time passed since the peer was created.
    pub(crate) fn age(&self) -> core::time::Duration {
        self.now.since(self.started)
    }

    pub(crate) fn emit(&mut self, output: Output) {
        self.outbox.push_back(output);
    }

    pub(crate) fn event(&mut self, event: Event) {
        self.emit(Output::Event(event));
    }

    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        let next = self.outbox.pop_front();
        if next.is_none() {
            // from its beginning, which is close in memory
            self.outbox.clear();
        }
        next
    }

    /// Counts a refusal and tells the owner, unless it is what gossip is made of: most of what arrives is known.
    pub(crate) fn reject(&mut self, from: Option<PkiId>, kind: ContentKind, reason: impl Into<Reject>) {
        let reason = reason.into();
        *self.stats.rejected.entry((kind, reason)).or_default() += 1;
        if !matches!(reason, Reject::Unfitting(Unfitting::Duplicate | Unfitting::Own | Unfitting::Stale)) {
            self.event(Event::Rejected { from, kind, reason });
        }
    }

    /// Sends over a connection that is known to stand.
    pub(crate) fn send(&mut self, connection: ConnectionId, envelope: Envelope, priority: Priority) {
        self.stats.sent_count += 1;
        self.emit(Output::Send { connection, envelope, priority });
    }

    /// Opens a ticket for work of our own.
    pub(crate) fn ticket(&mut self, waiting: Waiting) -> Ticket {
        self.open(waiting, None)
    }

    /// Opens a ticket for work that a message of `cause` made necessary; `None` when that connection has too many open.
    pub(crate) fn ticket_for(&mut self, cause: ConnectionId, waiting: Waiting) -> Option<Ticket> {
        let open = self.open_by_cause.get_or_insert_with(cause, || 0)?;
        if *open >= self.config.limits.tickets_per_connection_max {
            return None;
        }
        *open += 1;
        Some(self.open(waiting, Some(cause)))
    }

    /// Open tickets caused by one connection, of the connection that caused most.
    pub(crate) fn tickets_per_connection_max(&self) -> usize {
        self.open_by_cause.values().copied().max().unwrap_or(0)
    }

    fn open(&mut self, waiting: Waiting, cause: Option<ConnectionId>) -> Ticket {
        self.next_ticket += 1;
        let ticket = Ticket(self.next_ticket);
        self.tickets.insert(ticket, OpenTicket { waiting, cause });
        ticket
    }

    /// Takes what the answer to `ticket` continues; `None` for a ticket never given out or answered before.
    pub(crate) fn close_ticket(&mut self, ticket: Ticket) -> Option<Waiting> {
        let OpenTicket { waiting, cause } = self.tickets.remove(&ticket)?;
        if let Some(cause) = cause
            && let Some(open) = self.open_by_cause.get_mut(&cause)
        {
            *open -= 1;
            if *open == 0 {
                self.open_by_cause.remove(&cause);
            }
        }
        Some(waiting)
    }

    /// Orders a signature check.
    pub(crate) fn verify(
        &mut self,
        ticket: Ticket,
        identity: Bytes,
        signed: Signed,
        secret: Option<Signed>,
        readers_of: Option<ChannelId>,
    ) {
        self.stats.verify_count += 1;
        self.emit(Output::Verify { ticket, identity, signed, secret, readers_of });
    }

    /// Orders an identity check.
    pub(crate) fn check_identity(&mut self, ticket: Ticket, identity: Bytes) {
        self.stats.identity_check_count += 1;
        self.emit(Output::CheckIdentity { ticket, identity });
    }

    /// Orders a signature by the own key.
    pub(crate) fn sign(&mut self, waiting: Waiting, message: Bytes) {
        self.stats.sign_count += 1;
        let ticket = self.ticket(waiting);
        self.emit(Output::Sign { ticket, message });
    }
}
