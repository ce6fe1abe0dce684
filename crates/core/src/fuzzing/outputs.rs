//! Whether what the peer orders can be carried out.

use crate::{ChannelId, ConnectionId, Event, Output, Ticket};
use bytes::Bytes;
use selvedge_proto::envelope::{ContentKind, Envelope};
use selvedge_proto::validate;
use std::collections::{BTreeMap, BTreeSet};

/// What is known from earlier orders and answers.
#[derive(Default)]
pub(super) struct Outputs {
    /// Streams that stand.
    open: BTreeSet<ConnectionId>,
    dialing: BTreeSet<ConnectionId>,
    authenticated: BTreeSet<ConnectionId>,
    last_dial: Option<ConnectionId>,
    last_ticket: Option<Ticket>,
    accepted_identities: BTreeSet<Bytes>,
    /// The block that each ledger is to get next, and how much it has.
    ledgers: BTreeMap<ChannelId, (u64, u64)>,
    verified_blocks: BTreeSet<(ChannelId, u64, Bytes)>,
    held: BTreeMap<ChannelId, bool>,
}

impl Outputs {
    pub(super) fn on_open(&mut self, connection: ConnectionId) {
        self.dialing.remove(&connection);
        self.open.insert(connection);
    }

    pub(super) fn on_closed(&mut self, connection: ConnectionId) {
        self.dialing.remove(&connection);
        self.open.remove(&connection);
        self.authenticated.remove(&connection);
    }

    pub(super) fn is_open(&self, connection: ConnectionId) -> bool {
        self.open.contains(&connection)
    }

    pub(super) fn on_identity_accepted(&mut self, identity: Bytes) {
        self.accepted_identities.insert(identity);
    }

    pub(super) fn on_block_verified(&mut self, channel: ChannelId, number: u64, block: Bytes) {
        self.verified_blocks.insert((channel, number, block));
    }

    pub(super) fn on_commit_refused(&mut self, channel: &ChannelId, number: u64) {
        if let Some((next, _)) = self.ledgers.get_mut(channel) {
            *next = number;
        }
    }

    pub(super) fn on_configure(&mut self, channel: &ChannelId, height: u64) {
        self.ledgers.entry(channel.clone()).or_insert((height, height));
    }

    pub(super) fn on_leave(&mut self, channel: &ChannelId) {
        self.ledgers.remove(channel);
    }

    /// # Panics
    ///
    /// If the order makes no sense.
    pub(super) fn check(&mut self, output: &Output) {
        match output {
            Output::Dial { connection, endpoint } => {
                assert!(connection.is_dialed() && self.last_dial < Some(*connection), "an id used before");
                assert!(!endpoint.is_empty(), "nowhere to dial");
                self.last_dial = Some(*connection);
                self.dialing.insert(*connection);
            }
            Output::Send { connection, envelope, .. } => self.check_send(*connection, envelope),
            Output::Close { connection, .. } => {
                let was_there = self.open.remove(connection) | self.dialing.remove(connection);
                assert!(was_there, "{connection:?} is closed and does not stand");
                self.authenticated.remove(connection);
            }
            Output::Sign { ticket, .. } => self.check_ticket(*ticket),
            Output::Verify { ticket, identity, .. } => {
                self.check_ticket(*ticket);
                let known = self.accepted_identities.contains(identity) || *identity == super::harness::me();
                assert!(known, "a signature of an identity that nobody looked at");
            }
            Output::CheckIdentity { ticket, identity } => {
                self.check_ticket(*ticket);
                assert!(!identity.is_empty(), "no identity");
            }
            Output::VerifyBlock { ticket, .. } => self.check_ticket(*ticket),
            Output::ReadBlocks { ticket, first, last, bytes_max, .. } => {
                self.check_ticket(*ticket);
                assert!(first <= last && *bytes_max > 0, "nothing to read");
            }
            Output::Commit { channel, number, block } => {
                let ledger = self.ledgers.get_mut(channel);
                let (next, _) = ledger.expect("a block for a channel that is not joined");
                assert_eq!(number, next, "a gap in the ledger");
                *next += 1;
                let verified = (channel.clone(), *number, block.clone());
                assert!(self.verified_blocks.contains(&verified), "a block that nobody verified");
            }
            Output::Mend { .. } => {}
            Output::HoldDelivery { channel, hold } => {
                let before = self.held.insert(channel.clone(), *hold);
                assert_ne!(before, Some(*hold), "said twice");
            }
            Output::Event(Event::Connected { connection, .. }) => {
                assert!(self.open.contains(connection), "connected over nothing");
                self.authenticated.insert(*connection);
            }
            Output::Event(_) => {}
        }
    }

    fn check_ticket(&mut self, ticket: Ticket) {
        assert!(self.last_ticket < Some(ticket), "a ticket used before");
        self.last_ticket = Some(ticket);
    }

    fn check_send(&self, connection: ConnectionId, envelope: &Envelope) {
        assert!(self.open.contains(&connection), "{connection:?} does not stand");
        let view = envelope.view().expect("what is sent can be read");
        let is_handshake = view.kind() == ContentKind::Conn;
        assert_ne!(
            is_handshake,
            self.authenticated.contains(&connection),
            "{:?} at the wrong time",
            view.kind()
        );
        assert_eq!(validate::tag(&view), Ok(()), "{:?} under a wrong tag", view.kind());
        let message = view.message().expect("what is sent can be decoded");
        assert_eq!(validate::message(&message), Ok(()), "{:?} that others refuse", view.kind());
    }
}
