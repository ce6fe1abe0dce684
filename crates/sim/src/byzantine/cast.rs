//! A Byzantine host's behaviours, and what they share.

use super::stage::{Stage, Verdict};
use super::{Behaviour, BehaviourKind};
use crate::world::WireId;
use bytes::Bytes;
use core::time::Duration;
use selvedge_core::{ChannelId, ConnectionId, Endpoint, Event, Input, Instant, Output, PkiId};
use selvedge_proto::envelope::{ContentKind, Envelope, EnvelopeView};
use std::collections::VecDeque;

/// How many envelopes are remembered.
const HEARD_MAX: usize = 512;

/// Who a Byzantine host is.
#[derive(Clone, Debug)]
pub(crate) struct Me {
    pub(crate) identity: Bytes,
    pub(crate) pki_id: PkiId,
    /// Its present incarnation.
    pub(crate) incarnation: u64,
    pub(crate) external_endpoint: String,
}

/// What a Byzantine host sees of the world.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Surroundings<'a> {
    pub(crate) now: Instant,
    pub(crate) channel: &'a ChannelId,
    pub(crate) chain: &'a [Bytes],
}

/// What a Byzantine host does.
#[derive(Debug)]
pub(crate) enum Deed {
    /// As if its peer had ordered it.
    Order(Output),
    /// It reads nothing for a while.
    StopReading(Duration),
    /// Its peer learns that a connection ended.
    Lost(ConnectionId),
    /// It opens a stream of which its peer learns nothing.
    Open(Endpoint),
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Cast {
    me: Me,
    kinds: Vec<BehaviourKind>,
    behaviours: Vec<Box<dyn Behaviour>>,
    rng: fastrand::Rng,
    /// Authenticated connections.
    links: Vec<ConnectionId>,
    heard: VecDeque<Bytes>,
    deeds: Vec<Deed>,
    /// Streams of which its peer knows nothing, by the number that follows [`Cast::STREAMS_FROM`].
    streams: Vec<WireId>,
}

impl Cast {
    /// Connections with such numbers and above are streams of which the peer knows nothing.
    const STREAMS_FROM: u64 = 1 << 31;

    /// How often its behaviours act of their own accord.
    pub(crate) const ACT_INTERVAL: Duration = Duration::from_millis(100);

    pub(crate) fn new(me: Me, kinds: &[BehaviourKind], seed: u64) -> Self {
        Self {
            me,
            kinds: kinds.to_vec(),
            behaviours: kinds.iter().map(|kind| kind.behaviour()).collect(),
            rng: fastrand::Rng::with_seed(seed),
            links: Vec::new(),
            heard: VecDeque::new(),
            deeds: Vec::new(),
            streams: Vec::new(),
        }
    }

    /// The connection that the next such stream will be.
    pub(crate) fn next_stream(&self) -> ConnectionId {
        ConnectionId::dialed(Self::STREAMS_FROM + self.streams.len() as u64)
    }

    pub(crate) fn add_stream(&mut self, wire: WireId) {
        self.streams.push(wire);
    }

    pub(crate) fn streams(&self) -> &[WireId] {
        &self.streams
    }

    /// Such a stream.
    pub(crate) fn stream(&self, connection: ConnectionId) -> Option<WireId> {
        let place = connection.count().checked_sub(Self::STREAMS_FROM)?;
        self.streams.get(usize::try_from(place).ok()?).copied()
    }

    /// Its life ends.
    pub(crate) fn on_kill(&mut self) {
        self.streams.clear();
    }

    fn is_stream(connection: ConnectionId) -> bool {
        connection.is_dialed() && connection.count() >= Self::STREAMS_FROM
    }

    /// What it does.
    pub(crate) fn kinds(&self) -> &[BehaviourKind] {
        &self.kinds
    }

    /// A new life begins.
    pub(crate) fn on_start(&mut self, incarnation: u64) {
        self.me.incarnation = incarnation;
        self.links.clear();
    }

    /// What the peer hears instead of an input; nothing if `None`.
    pub(crate) fn on_input(&mut self, around: Surroundings<'_>, input: Input) -> Option<Input> {
        match &input {
            Input::Dialed { connection, .. } if Self::is_stream(*connection) => {
                self.judge(around, |behaviour, stage| {
                    behaviour.on_stream(stage, *connection);
                    Verdict::Pass
                });
                return None;
            }
            Input::DialFailed { connection, .. }
            | Input::Closed { connection, .. }
            | Input::Frame { connection, .. }
                if Self::is_stream(*connection) =>
            {
                return None;
            }
            _ => {}
        }
        let Input::Frame { connection, envelope } = input else { return Some(input) };
        let Ok(view) = envelope.view() else { return Some(Input::Frame { connection, envelope }) };
        self.remember(view.raw().clone());
        let verdict = self.judge(around, |behaviour, stage| behaviour.on_frame(stage, connection, &view));
        match verdict {
            Verdict::Pass => Some(Input::Frame { connection, envelope }),
            Verdict::Drop => None,
            Verdict::Replace(other) => Some(Input::Frame { connection, envelope: Envelope::from(other) }),
        }
    }

    /// What is done instead of what the peer orders; nothing if `None`.
    pub(crate) fn on_output(&mut self, around: Surroundings<'_>, output: Output) -> Option<Output> {
        match &output {
            Output::Event(Event::Connected { connection, .. }) => self.links.push(*connection),
            Output::Event(Event::Disconnected { connection, .. }) | Output::Close { connection, .. } => {
                self.links.retain(|link| link != connection);
            }
            _ => {}
        }
        let Output::Send { connection, envelope, priority } = output else { return Some(output) };
        let Ok(view) = envelope.view() else {
            return Some(Output::Send { connection, envelope, priority });
        };
        self.remember(view.raw().clone());
        let verdict = self.judge(around, |behaviour, stage| behaviour.on_send(stage, connection, &view));
        match verdict {
            Verdict::Pass => Some(Output::Send { connection, envelope, priority }),
            Verdict::Drop => None,
            Verdict::Replace(other) => {
                Some(Output::Send { connection, envelope: Envelope::from(other), priority })
            }
        }
    }

    /// The behaviours act of their own accord.
    pub(crate) fn act(&mut self, around: Surroundings<'_>) {
        self.judge(around, |behaviour, stage| {
            behaviour.act(stage);
            Verdict::Pass
        });
    }

    /// What was done since the last call.
    pub(crate) fn take_deeds(&mut self) -> Vec<Deed> {
        core::mem::take(&mut self.deeds)
    }

    /// Asks one behaviour after the other, until one has a mind of its own.
    fn judge(
        &mut self,
        around: Surroundings<'_>,
        mut ask: impl FnMut(&mut dyn Behaviour, &mut Stage<'_>) -> Verdict,
    ) -> Verdict {
        let Self { me, behaviours, rng, links, heard, deeds, .. } = self;
        let Surroundings { now, channel, chain } = around;
        let mut stage = Stage { me, now, channel, chain, links, heard, rng, deeds };
        let verdicts = behaviours.iter_mut().map(|behaviour| ask(behaviour.as_mut(), &mut stage));
        verdicts.fold(Verdict::Pass, |first, next| if first == Verdict::Pass { next } else { first })
    }

    fn remember(&mut self, envelope: Bytes) {
        if self.heard.len() >= HEARD_MAX {
            // some of what is old stays
            let place = self.rng.usize(..HEARD_MAX);
            self.heard.remove(place);
        }
        self.heard.push_back(envelope);
    }
}

/// Whether an envelope is part of a handshake.
pub(super) fn is_handshake(view: &EnvelopeView) -> bool {
    view.kind() == ContentKind::Conn
}
