//! Connections between hosts: each carries frames both ways, in order.

use super::HostId;
use selvedge_core::{ConnectionId, Instant, Priority};
use selvedge_proto::envelope::Envelope;
use std::collections::VecDeque;
use std::num::NonZeroU32;

/// A connection, by its place and how often the place was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WireId {
    index: u32,
    generation: u32,
}

/// Which end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Dialer,
    Acceptor,
}

impl Side {
    pub(super) fn other(self) -> Self {
        match self {
            Self::Dialer => Self::Acceptor,
            Self::Acceptor => Self::Dialer,
        }
    }
}

/// One end of a connection, and what is on its way from it to the other.
#[derive(Debug)]
pub(super) struct End {
    pub(super) host: HostId,
    pub(super) life: u32,
    /// What the host calls the connection: its [count](ConnectionId::count). `None` before the acceptor heard of it, and
    /// after the host is done with it.
    pub(super) connection: Option<NonZeroU32>,
    /// When the last frame sent from here arrives.
    pub(super) last_arrival: Instant,
    /// Bytes sent from here that the other end has not read.
    pub(super) unread_bytes: u32,
    /// Frames that wait until the other end has read.
    pub(super) waiting: Option<Box<Waiting>>,
    /// Nothing sent from here arrives any more.
    pub(super) is_severed: bool,
}

/// Frames that wait to be sent, one queue for each priority.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    lanes: [VecDeque<Envelope>; 4],
    count: usize,
    bytes: usize,
}

impl Waiting {
    /// Adds a frame; beyond the bounds the oldest of the least dear kind is lost, be it this one. Gives the number lost.
    pub(super) fn push(&mut self, envelope: Envelope, priority: Priority, bounds: (usize, usize)) -> u64 {
        self.bytes += envelope.byte_count();
        self.count += 1;
        if let Some(lane) = self.lanes.get_mut(priority as usize) {
            lane.push_back(envelope);
        }
        let mut lost = 0;
        while self.count > 1 && (self.count > bounds.0 || self.bytes > bounds.1) {
            let Some(oldest) = self.lanes.iter_mut().rev().find_map(VecDeque::pop_front) else { break };
            self.bytes -= oldest.byte_count();
            self.count -= 1;
            lost += 1;
        }
        lost
    }

    /// Takes the next frame.
    /// As a Go peer does: in the order in which they come, and what finds `count_max` waiting is lost. How many were.
    pub(super) fn push_or_lose(&mut self, envelope: Envelope, count_max: usize) -> u64 {
        if self.count >= count_max {
            return 1;
        }
        self.push(envelope, Priority::Control, (usize::MAX, usize::MAX))
    }

    pub(super) fn pop(&mut self) -> Option<Envelope> {
        let next = self.lanes.iter_mut().find_map(VecDeque::pop_front)?;
        self.bytes -= next.byte_count();
        self.count -= 1;
        Some(next)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }
}

/// A connection.
#[derive(Debug)]
pub(super) struct Wire {
    pub(super) dialer: End,
    pub(super) acceptor: End,
    /// Whether the acceptor took it.
    pub(super) is_open: bool,
}

/// What a host calls a connection.
pub(super) fn count_of(connection: ConnectionId) -> Option<NonZeroU32> {
    u32::try_from(connection.count()).ok().and_then(NonZeroU32::new)
}

impl Wire {
    /// What a host calls the connection, at its end.
    pub(super) fn connection(&self, side: Side) -> Option<ConnectionId> {
        let count = u64::from(self.end(side).connection?.get());
        Some(match side {
            Side::Dialer => ConnectionId::dialed(count),
            Side::Acceptor => ConnectionId::accepted(count),
        })
    }

    pub(super) fn end(&self, side: Side) -> &End {
        match side {
            Side::Dialer => &self.dialer,
            Side::Acceptor => &self.acceptor,
        }
    }

    pub(super) fn end_mut(&mut self, side: Side) -> &mut End {
        match side {
            Side::Dialer => &mut self.dialer,
            Side::Acceptor => &mut self.acceptor,
        }
    }
}

/// All connections.
#[derive(Debug, Default)]
pub(super) struct Wires {
    places: Vec<Place>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Place {
    generation: u32,
    wire: Option<Wire>,
}

impl Wires {
    pub(super) fn add(&mut self, wire: Wire) -> WireId {
        if let Some(index) = self.free.pop()
            && let Some(place) = self.places.get_mut(index as usize)
        {
            place.wire = Some(wire);
            return WireId { index, generation: place.generation };
        }
        self.places.push(Place { generation: 0, wire: Some(wire) });
        let index = u32::try_from(self.places.len() - 1).expect("fewer than 2^32 connections at a time");
        WireId { index, generation: 0 }
    }

    pub(super) fn get(&self, id: WireId) -> Option<&Wire> {
        let place = self.places.get(id.index as usize)?;
        place.wire.as_ref().filter(|_| place.generation == id.generation)
    }

    pub(super) fn get_mut(&mut self, id: WireId) -> Option<&mut Wire> {
        let place = self.places.get_mut(id.index as usize)?;
        place.wire.as_mut().filter(|_| place.generation == id.generation)
    }

    /// Ends a connection once both hosts are done with it.
    pub(super) fn remove_if_over(&mut self, id: WireId) {
        let Some(place) = self.places.get_mut(id.index as usize) else { return };
        let is_over = |wire: &Wire| wire.dialer.connection.is_none() && wire.acceptor.connection.is_none();
        if place.generation == id.generation && place.wire.as_ref().is_some_and(is_over) {
            place.wire = None;
            place.generation += 1;
            self.free.push(id.index);
        }
    }
}
