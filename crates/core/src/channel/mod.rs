//! Channels (spec/05, spec/06 §2): who is in them, their blocks, and how both get around.
//!
//! Follow a StateInfo through [`reception`], the own one through [`publication`], a block through [`blocks`] (which knows
//! all its sources), [`block_pull`] and [`fetch`] (which obtain blocks) and [`serve`] (which gives them away).

mod block_pull;
mod blocks;
pub(crate) mod buffer;
mod conduct;
mod fetch;
pub(crate) mod macs;
mod publication;
mod reception;
pub(crate) mod relay;
mod repair;
pub(crate) mod serve;
mod state_info;
mod store;
mod transfer;
mod view;

pub use view::{ChannelMember, ChannelView};

use crate::ids::{ChannelId, MspId, PkiId};
use crate::input::ChannelSettings;
use crate::output::Output;
use crate::peer::{Answer, Peer};
use crate::rate::RateLimit;
use crate::reject::{Misbehaviour, Reject, Unfitting};
use crate::shared::{Sender, Shared};
use crate::time::Instant;
use crate::timers::Timer;
use buffer::Buffer;
use conduct::Conduct;
use core::time::Duration;
use macs::{Mac, mac_of};
use selvedge_proto::envelope::{ContentKind, EnvelopeView};
use selvedge_proto::validate;
use state_info::{OwnStateInfo, StateInfos};
use std::collections::BTreeSet;
use store::Store;

/// What an answer continues.
#[derive(Debug)]
pub(crate) enum Waiting {
    /// The signature of the own StateInfo.
    Publication(publication::Draft),
    /// A StateInfo of ours that we did not make in this life.
    Echo(state_info::Timestamp, EnvelopeView),
    /// The signature of a member's StateInfo.
    StateInfo(Box<reception::Arrived>),
    /// Whether a StateInfo is still good under a new configuration.
    Recheck { origin: PkiId, timestamp: state_info::Timestamp },
    /// A block's verification.
    Block { number: u64, attempt: u64 },
    /// Whether the peer behind a connection may read the channel.
    Readers { connection: crate::ConnectionId, sequence: u64 },
    /// Blocks that a peer asked for.
    Serve { sender: Sender, nonce: u64 },
}

/// State of one channel.
#[derive(Debug)]
pub(crate) struct Channel {
    pub(crate) id: ChannelId,
    /// The own MAC.
    mac: Mac,
    sequence: u64,
    /// In order, each once.
    orgs: Vec<MspId>,
    left: bool,
    own: OwnStateInfo,
    states: StateInfos,
    /// The greatest height that a member announced, or lately did.
    known_height: u64,
    snapshot_rate: RateLimit,
    snapshots_requested_at: Option<Instant>,
    buffer: Buffer,
    store: Store,
    conduct: Conduct,
    /// When the orderer last brought a block.
    delivered_at: Option<Instant>,
    pull: block_pull::BlockPull,
    transfer: transfer::Transfer,
    repair: repair::Repair,
    serving: serve::Serving,
}

fn in_order(orgs: &[MspId]) -> Vec<MspId> {
    let orgs: BTreeSet<MspId> = orgs.iter().cloned().collect();
    orgs.into_iter().collect()
}

impl Channel {
    fn new(settings: &ChannelSettings, me: &PkiId, incarnation: u64, shared: &Shared) -> Self {
        Self {
            id: settings.channel.clone(),
            mac: mac_of(me, &settings.channel),
            sequence: settings.sequence,
            orgs: in_order(&settings.orgs),
            left: false,
            own: OwnStateInfo::new(incarnation),
            states: StateInfos::new(shared.table_seed),
            known_height: 0,
            snapshot_rate: RateLimit::default(),
            snapshots_requested_at: None,
            buffer: Buffer::new(settings.height, shared.config.limits.block_checks_in_flight_max),
            store: Store::new(shared.table_seed),
            conduct: Conduct::default(),
            delivered_at: None,
            pull: block_pull::BlockPull::default(),
            transfer: transfer::Transfer::default(),
            repair: repair::Repair::default(),
            serving: serve::Serving::default(),
        }
    }

    /// Whether an organisation is of the channel.
    pub(crate) fn has_org(&self, org: &MspId) -> bool {
        // mostly there are few, and they are the same in memory
        self.orgs.iter().any(|it| it == org)
    }

    /// Whether a peer has announced itself in the channel, and not left it unless that is ignored.
    pub(crate) fn is_eligible(&self, pki_id: &PkiId, ignores_leaving: bool) -> bool {
        self.states.get(pki_id).is_some_and(|state| ignores_leaving || !state.left_channel)
    }

    /// Whether a peer is known to have a block: by what it announced, sent or offered, or was sent.
    pub(crate) fn is_holder(&self, number: u64, pki_id: &PkiId) -> bool {
        self.store.is_holder(number, pki_id)
            || self.states.get(pki_id).is_some_and(|state| state.height > number)
    }

    /// Notes that a peer has a block, if that can matter.
    pub(crate) fn note_holder(&mut self, number: u64, pki_id: PkiId, blocks_ahead_max: u64) {
        let next = self.buffer.next();
        if number.saturating_add(blocks_ahead_max) >= next && number < next.saturating_add(blocks_ahead_max) {
            self.store.note_holder(number, pki_id);
        }
    }

    /// Whether blocks are exchanged: not after leaving, and not when the own organisation was removed from the channel.
    fn is_active(&self, own_org: &MspId) -> bool {
        !self.left && self.has_org(own_org)
    }
}

impl Peer {
    /// Joins a channel, or puts a new configuration of it in force.
    pub(crate) fn configure_channel(&mut self, settings: &ChannelSettings) {
        let id = settings.channel.clone();
        let is_new = match self.channels.get(&id) {
            Some(channel) if settings.sequence < channel.sequence => return,
            Some(channel) => channel.left,
            None => true,
        };
        if is_new {
            self.join_channel(settings);
        } else {
            self.reconfigure_channel(settings);
        }
        self.set_anchors(&id, &settings.anchors);
        self.recheck_identities();
        self.forget_unusable_identities();
        self.recheck_state_infos(&id);
        self.on_committed(&id, settings.height);
    }

    fn join_channel(&mut self, settings: &ChannelSettings) {
        let id = settings.channel.clone();
        let wall = self.shared.wall().as_nanos();
        let me = self.shared.me.pki_id;
        let before = self.channels.get(&id).map_or(0, |channel| channel.own.timestamp.incarnation + 1);
        let incarnation = wall.max(self.shared.me.incarnation).max(before);
        let mut channel = Channel::new(settings, &me, incarnation, &self.shared);
        channel.own.touch(wall);
        if let Some(former) = self.channels.get(&id) {
            channel.buffer.succeed(&former.buffer);
            if former.buffer.is_holding() {
                self.shared.emit(Output::HoldDelivery { channel: id.clone(), hold: false });
            }
        }
        self.channels.insert(id.clone(), channel);
        self.macs.add_channel(&id);
        self.start_channel_timers(&id);
        for (origin, view) in self.relay.take(|origin, mac| *mac == mac_of(origin, &id)) {
            // refused only if nobody knows its origin any more: then it will come again
            let _ = self.take_up_relayed(&id, origin, &view);
        }
    }

    /// Starts the periodic tasks, at moments of their own so that peers that start together do not act together for ever,
    /// as the Go peer's do.
    fn start_channel_timers(&mut self, id: &ChannelId) {
        let shared = &mut self.shared;
        let now = shared.now;
        let pull_interval = shared.config.pull_interval;
        let heeds_news = shared.config.rules.heeds_news();
        let mut some_of = |period: Duration| {
            if heeds_news { period.mul_f64(0.5 + shared.rng.f64() / 2.0) } else { period }
        };
        let pull_at = now + some_of(pull_interval);
        let sweep_at = now + some_of(5 * pull_interval);
        let timers = &mut shared.timers;
        timers.set(Timer::StateInfoPublish(id.clone()), now);
        timers.set(Timer::StateInfoRequest(id.clone()), now);
        timers.set(Timer::ChannelSweep(id.clone()), sweep_at);
        timers.set(Timer::BlockPull(id.clone()), pull_at);
        timers.set(Timer::StateTransfer(id.clone()), now);
        if let Some(channel) = self.channels.get_mut(id) {
            channel.pull.round_at = pull_at;
        }
    }

    fn reconfigure_channel(&mut self, settings: &ChannelSettings) {
        let Some(channel) = self.channels.get_mut(&settings.channel) else { return };
        let is_newer = settings.sequence > channel.sequence;
        channel.sequence = settings.sequence;
        channel.orgs = in_order(&settings.orgs);
        let checks = if is_newer { channel.buffer.reconfigured() } else { Vec::new() };
        self.verify_blocks(&settings.channel, checks);
    }

    /// Leaves a channel for good: others are told, blocks are not exchanged any more.
    pub(crate) fn leave_channel(&mut self, id: &ChannelId) {
        let wall = self.shared.wall().as_nanos();
        let Some(channel) = self.channels.get_mut(id).filter(|channel| !channel.left) else { return };
        channel.left = true;
        channel.own.touch(wall);
        self.shared.timers.set_no_later_than(Timer::StateInfoPublish(id.clone()), self.shared.now);
    }

    /// A message that belongs to a channel, by name or by MAC.
    pub(crate) fn on_channel_message(&mut self, sender: &Sender, envelope: &EnvelopeView) {
        let taken = match envelope.kind() {
            ContentKind::StateInfo => self.on_state_info(sender, envelope),
            ContentKind::StateInfoPullReq => self.on_state_info_request(sender, envelope),
            _ => self.on_message_of_named_channel(sender, envelope),
        };
        if let Err(reason) = taken {
            self.reject(sender, envelope.kind(), reason);
        }
    }

    fn on_message_of_named_channel(
        &mut self,
        sender: &Sender,
        envelope: &EnvelopeView,
    ) -> Result<(), Reject> {
        let name = core::str::from_utf8(envelope.channel()).map_err(|_| Unfitting::ChannelUnknown)?;
        let (id, _) = self.channels.get_key_value(name).ok_or(Unfitting::ChannelUnknown)?;
        let id = id.clone();
        self.check_sender(&id, sender)?;
        match envelope.kind() {
            ContentKind::DataMsg => self.on_pushed_block(&id, sender, envelope),
            ContentKind::Hello | ContentKind::DataDig | ContentKind::DataReq | ContentKind::DataUpdate => {
                self.on_block_pull(&id, sender, envelope)
            }
            ContentKind::StateSnapshot => self.on_state_info_snapshot(&id, sender, envelope),
            ContentKind::StateRequest => self.on_state_request(&id, sender, envelope),
            ContentKind::StateResponse => self.on_state_response(&id, sender, envelope),
            ContentKind::LeadershipMsg => self.on_leadership(sender, envelope),
            _ => Err(Unfitting::NotSupported.into()),
        }
    }

    /// The gate of a joined channel (spec/05 §4): the sender's organisation is of the channel, and so is ours.
    fn check_sender(&self, id: &ChannelId, sender: &Sender) -> Result<(), Reject> {
        let channel = self.channels.get(id).ok_or(Unfitting::ChannelUnknown)?;
        if !channel.has_org(&self.shared.me.org) {
            return Err(Unfitting::ChannelUnknown.into());
        }
        if !channel.has_org(&sender.org) {
            return Err(Misbehaviour::NotEntitled.into());
        }
        Ok(())
    }

    /// Leader election goes on among others: this peer never stands (spec/06 §3), and leaves checking the signature to those
    /// who do.
    fn on_leadership(&mut self, sender: &Sender, envelope: &EnvelopeView) -> Result<(), Reject> {
        let content = envelope.content_as().map_err(validate::Malformed::from)?;
        validate::leadership(&content)?;
        if sender.org != self.shared.me.org {
            return Err(Misbehaviour::NotEntitled.into());
        }
        self.shared.stats.leadership_ignored_count += 1;
        Ok(())
    }

    pub(crate) fn continue_channel(&mut self, id: &ChannelId, waiting: Waiting, answer: Answer) {
        match (waiting, answer) {
            (Waiting::Publication(draft), Answer::Signed(signature)) => {
                self.on_own_state_info_signed(id, draft, signature);
            }
            (Waiting::Echo(timestamp, view), Answer::Verified(ok)) => {
                self.on_echo_verified(id, timestamp, &view, ok);
            }
            (Waiting::StateInfo(arrived), Answer::Verified(ok)) => {
                self.on_state_info_verified(id, *arrived, ok);
            }
            (Waiting::Recheck { origin, timestamp }, Answer::Verified(false)) => {
                self.drop_state_info(id, origin, timestamp);
            }
            (Waiting::Block { number, attempt }, Answer::BlockVerified(block)) => {
                self.on_block_verified(id, number, attempt, block);
            }
            (Waiting::Readers { connection, sequence }, Answer::Verified(ok)) => {
                self.on_reader_checked(id, connection, sequence, ok);
            }
            (Waiting::Serve { sender, nonce }, Answer::BlocksRead(blocks)) => {
                self.on_blocks_read(id, &sender, nonce, &blocks);
            }
            _ => {}
        }
    }

    /// Drops what became useless with time.
    pub(crate) fn sweep_channel(&mut self, id: &ChannelId) {
        let now = self.shared.now;
        let pull_interval = self.shared.config.pull_interval;
        self.shared.timers.set(Timer::ChannelSweep(id.clone()), now + 5 * pull_interval);
        let me = self.shared.me.pki_id;
        let Some(channel) = self.channels.get_mut(id) else { return };
        let (membership, identities) = (&self.membership, &self.identities);
        channel.states.retain(|origin, entry| {
            entry.is_swept = *origin != me && membership.member(origin).is_none();
            !entry.is_swept || identities.known(origin).is_some()
        });
        channel.known_height = channel.greatest_height(|origin| *origin != me && membership.is_alive(origin));
        channel.store.expire(now, 100 * pull_interval);
        channel.buffer.forget_refused();
        channel.conduct.sweep(now);
        channel.snapshot_rate.sweep(now);
        channel.pull.responder.sweep(now);
        let connections = &self.connections;
        channel.serving.sweep(|connection| connections.auth(connection).is_some());
    }

    /// A member was forgotten, and with it all it said.
    pub(crate) fn on_member_forgotten(&mut self, pki_id: PkiId) {
        self.macs.forget(&pki_id);
        for channel in self.channels.values_mut() {
            channel.states.remove(&pki_id);
            channel.store.forget_peer(&pki_id);
            channel.pull.initiator.forget(pki_id);
            channel.transfer.forget(&pki_id);
        }
    }

    /// A member was learned alive, or came back: there is now somebody to tell, and somebody to hear of.
    pub(crate) fn on_member_alive(&mut self, pki_id: PkiId) {
        let Some(org) = self.org_of(&pki_id) else { return };
        self.wake_identity_pull();
        if !self.shared.config.rules.heeds_news() {
            return;
        }
        let now = self.shared.now;
        // in a huge network an answer is huge as well, and what the member says of itself is pushed
        let is_huge = self.membership.has_neighbours();
        let spacing = reception::REQUEST_SPACING * if is_huge { reception::HUGE_STRETCH } else { 1 };
        let timers = &mut self.shared.timers;
        for channel in self.channels.values() {
            if !channel.has_org(&org) {
                continue;
            }
            if channel.own.is_dirty {
                timers.set_no_later_than(Timer::StateInfoPublish(channel.id.clone()), now);
            }
            if channel.states.get(&pki_id).is_none() {
                let at = channel.snapshots_requested_at.map_or(now, |at| at + spacing);
                timers.set_no_later_than(Timer::StateInfoRequest(channel.id.clone()), at.max(now));
            }
            timers.set_no_later_than(Timer::StateTransfer(channel.id.clone()), now);
        }
    }
}
