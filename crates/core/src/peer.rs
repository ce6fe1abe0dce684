//! The peer: routes inputs to its parts and hands out what they order.

use crate::channel::Channel;
use crate::channel::macs::Macs;
use crate::channel::relay::Relay;
use crate::channel::serve::Reads;
use crate::config::{Config, LocalPeer};
use crate::connection::Connections;
use crate::dissemination::burst::Burst;
use crate::identity::Identities;
use crate::ids::{ChannelId, Ticket};
use crate::input::{Command, IdentityClaims, Input, VerifiedBlock};
use crate::membership::Membership;
use crate::output::Output;
use crate::reject::{Reject, Unfitting};
use crate::shared::{Sender, Shared, Waiting};
use crate::stats::Stats;
use crate::time::{Instant, WallTime};
use crate::timers::Timer;
use bytes::Bytes;
use selvedge_proto::envelope::{ContentKind, EnvelopeView};
use selvedge_proto::validate;
use std::collections::BTreeMap;

/// One gossip peer as a state machine.
///
/// After every [`handle`](Self::handle), drain [`poll_output`](Self::poll_output) until `None`; then wait for whatever
/// comes first, an input or the [`next_deadline`](Self::next_deadline), and go round again.
#[derive(Debug)]
pub struct Peer {
    pub(crate) shared: Shared,
    pub(crate) connections: Connections,
    pub(crate) identities: Identities,
    pub(crate) membership: Membership,
    pub(crate) channels: BTreeMap<ChannelId, Channel>,
    pub(crate) macs: Macs,
    pub(crate) relay: Relay,
    pub(crate) reads: Reads,
    pub(crate) burst: Burst,
}

/// The answer to a ticket.
#[derive(Debug)]
pub(crate) enum Answer {
    Signed(Option<Bytes>),
    IdentityChecked(Option<IdentityClaims>),
    Verified(bool),
    BlockVerified(Option<VerifiedBlock>),
    BlocksRead(Vec<(u64, Bytes)>),
}

impl Peer {
    /// A peer that knows nobody. `seed` fixes all random choices; `now` and `wall` are the same moment on both clocks.
    pub fn new(config: Config, me: LocalPeer, seed: u64, now: Instant, wall: WallTime) -> Self {
        let membership = Membership::new(me.org.clone(), config.neighbour_count, seed);
        let mut peer = Self {
            shared: Shared::new(config, me, seed, now, wall),
            connections: Connections::new(seed),
            identities: Identities::new(seed),
            membership,
            channels: BTreeMap::new(),
            macs: Macs::new(seed),
            relay: Relay::new(seed),
            reads: Reads::default(),
            burst: Burst::default(),
        };
        peer.start_identities();
        peer.start_membership();
        peer
    }

    /// Takes in what happened. The only method that changes anything; it never fails.
    pub fn handle(&mut self, now: Instant, input: Input) {
        self.shared.now = self.shared.now.max(now);
        match input {
            Input::Deadline => {}
            Input::Dialed { connection, binding } => self.on_dialed(connection, binding),
            Input::DialFailed { connection, reason: _ } => self.on_dial_failed(connection),
            Input::Accepted { connection, binding } => self.on_accepted(connection, binding),
            Input::Frame { connection, envelope } => self.on_frame(connection, envelope),
            Input::Closed { connection, reason: _ } => self.on_closed(connection),
            Input::Signed { ticket, signature } => self.answer(ticket, Answer::Signed(signature)),
            Input::IdentityChecked { ticket, claims } => self.answer(ticket, Answer::IdentityChecked(claims)),
            Input::Verified { ticket, ok } => self.answer(ticket, Answer::Verified(ok)),
            Input::BlockVerified { ticket, block } => self.answer(ticket, Answer::BlockVerified(block)),
            Input::BlocksRead { ticket, blocks } => self.answer(ticket, Answer::BlocksRead(blocks)),
            Input::Committed { channel, height } => self.on_committed(&channel, height),
            Input::CommitRefused { channel, number } => self.on_commit_refused(&channel, number),
            Input::Mended { channel, number, ok } => self.on_mended(&channel, number, ok),
            Input::BlockDelivered { channel, number, block } => {
                self.on_block_delivered(&channel, number, block);
            }
            Input::Command(Command::ConfigureChannel(settings)) => self.configure_channel(&settings),
            Input::Command(Command::LeaveChannel(channel)) => self.leave_channel(&channel),
            Input::Command(Command::ObtainBlocks { channel, first, last }) => {
                self.obtain_blocks(&channel, first, last);
            }
        }
        self.run_timers();
    }

    /// The next order; `None` when all were taken.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.shared.poll_output()
    }

    /// When to come back with [`Input::Deadline`] at the latest.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.shared.timers.next()
    }

    /// Counters.
    pub fn stats(&self) -> &Stats {
        &self.shared.stats
    }

    /// A message of an authenticated peer, in the order of cost: structure, tag, then what each part looks at first.
    pub(crate) fn dispatch(&mut self, sender: &Sender, envelope: &EnvelopeView) {
        self.shared.stats.received_count += 1;
        let kind = envelope.kind();
        if let Err(reason) = validate::tag(envelope) {
            return self.shared.reject(Some(sender.pki_id), kind, reason);
        }
        match kind {
            ContentKind::AliveMsg => self.on_alive(sender, envelope),
            ContentKind::MemReq => self.on_membership_request(sender, envelope),
            ContentKind::MemRes => self.on_membership_response(sender, envelope),
            ContentKind::Hello | ContentKind::DataDig | ContentKind::DataReq | ContentKind::DataUpdate => {
                if envelope.channel().is_empty() {
                    self.on_identity_pull(sender, envelope);
                } else {
                    self.on_channel_message(sender, envelope);
                }
            }
            ContentKind::DataMsg
            | ContentKind::LeadershipMsg
            | ContentKind::StateInfo
            | ContentKind::StateSnapshot
            | ContentKind::StateInfoPullReq
            | ContentKind::StateRequest
            | ContentKind::StateResponse => self.on_channel_message(sender, envelope),
            _ => self.reject(sender, kind, Unfitting::NotSupported),
        }
    }

    pub(crate) fn reject(&mut self, sender: &Sender, kind: ContentKind, reason: impl Into<Reject>) {
        self.shared.reject(Some(sender.pki_id), kind, reason);
    }

    fn answer(&mut self, ticket: Ticket, answer: Answer) {
        match self.shared.close_ticket(ticket) {
            Some(Waiting::Connection(waiting)) => self.continue_connection(waiting, answer),
            Some(Waiting::Identity(waiting)) => self.continue_identity(waiting, answer),
            Some(Waiting::Membership(waiting)) => self.continue_membership(waiting, answer),
            Some(Waiting::Channel(channel, waiting)) => self.continue_channel(&channel, waiting, answer),
            Some(Waiting::Relay(waiting)) => self.continue_relay(waiting, &answer),
            Some(Waiting::Copy) | None => {}
        }
    }

    fn run_timers(&mut self) {
        while let Some(timer) = self.shared.timers.pop_due(self.shared.now) {
            match timer {
                Timer::Alive => self.publish_alive(),
                Timer::Burst => self.emit_burst(),
                Timer::Expiry => self.expire_members(),
                Timer::MembershipSync => self.sync_membership(),
                Timer::Reconnect => self.reconnect(),
                Timer::Duplicates => self.retire_duplicates(),
                Timer::Handshake(connection) => self.on_handshake_timeout(connection),
                Timer::IdentitySweep => self.sweep_identities(),
                Timer::IdentityPull => self.advance_identity_pull(),
                Timer::StateInfoPublish(channel) => self.publish_state_info(&channel),
                Timer::StateInfoRequest(channel) => self.request_state_info(&channel),
                Timer::ChannelSweep(channel) => self.sweep_channel(&channel),
                Timer::BlockPull(channel) => self.advance_block_pull(&channel),
                Timer::Repair(channel) => self.advance_repair(&channel),
                Timer::StateTransfer(channel) => self.advance_state_transfer(&channel),
            }
        }
    }
}
