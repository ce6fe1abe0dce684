//! Dials, frames, and how connections end.

use super::wires::{End, Side, Waiting, Wire, WireId, count_of};
use super::{Happening, HostId, World};
use core::time::Duration;
use selvedge_core::{ConnectionId, Endpoint, Input, Instant, Priority};
use selvedge_proto::envelope::Envelope;

impl World {
    /// How long the next frame from one host to another is on its way.
    pub(super) fn latency(&mut self, from: HostId, to: HostId) -> Duration {
        let (from, to) = (&self.hosts[from.index()], &self.hosts[to.index()]);
        let link = self.links.between(from.site, to.site);
        let jitter = link.jitter.as_nanos() as u64;
        let varying = Duration::from_nanos(if jitter == 0 { 0 } else { self.rng.u64(0..=jitter) });
        let mut latency = link.latency + varying + from.delay + to.delay;
        if self.links.loss_per_million > 0 {
            latency += self.links.retransmissions(&mut self.rng);
        }
        latency
    }

    pub(super) fn dial(&mut self, id: HostId, connection: ConnectionId, endpoint: &Endpoint) {
        let dialed = self.hosts[id.index()].dialed.len();
        debug_assert_eq!(connection.count(), dialed as u64 + 1);
        let wire = self.connect(id, connection, endpoint);
        self.hosts[id.index()].dialed.push(wire);
    }

    /// What is on its way then reaches the host as the outcome of this connection.
    pub(super) fn connect(&mut self, id: HostId, connection: ConnectionId, endpoint: &Endpoint) -> WireId {
        let target = self.by_endpoint.get(endpoint).copied();
        let other = target.unwrap_or(id);
        let end = |host: HostId, life: u32, connection| End {
            host,
            life,
            connection,
            last_arrival: self.now,
            unread_bytes: 0,
            waiting: None,
            is_severed: false,
        };
        let dialer = end(id, self.hosts[id.index()].life, count_of(connection));
        let acceptor = end(other, self.hosts[other.index()].life, None);
        let wire = self.wires.add(Wire { dialer, acceptor, is_open: false });
        let there = self.latency(id, other);
        if target.is_some() && self.is_blocked_between(id, other) {
            self.time_out(wire);
            return wire;
        }
        match target.filter(|&target| self.runs(target)) {
            Some(_) => self.queue.push(self.now + there, Happening::Open(wire)),
            None => {
                let at = self.now + 2 * there;
                let reason = "connection refused";
                self.queue.push(at, Happening::Ended { wire, side: Side::Dialer, reason });
            }
        }
        wire
    }

    /// A dial arrives.
    pub(super) fn open(&mut self, id: WireId) {
        let Some(wire) = self.wires.get_mut(id) else { return };
        let (from, to) = (wire.dialer.host, wire.acceptor.host);
        if self.is_blocked_between(from, to) {
            return self.time_out(id);
        }
        let back = self.latency(to, from);
        let at = self.now + back;
        let Some(wire) = self.wires.get_mut(id) else { return };
        let (life, host) = (wire.acceptor.life, &mut self.hosts[to.index()]);
        if host.peer.is_none() || host.life != life || wire.dialer.connection.is_none() {
            self.queue
                .push(at, Happening::Ended { wire: id, side: Side::Dialer, reason: "connection reset" });
            return;
        }
        host.accepted.push(id);
        let accepted = ConnectionId::accepted(host.accepted.len() as u64);
        wire.acceptor.connection = count_of(accepted);
        wire.is_open = true;
        let Some(dialed) = wire.connection(Side::Dialer) else { return };
        let dialer_life = wire.dialer.life;
        let (dialer, acceptor) = (&self.hosts[from.index()], &self.hosts[to.index()]);
        let dialed = Input::Dialed { connection: dialed, binding: Some(dialer.binding(acceptor, true)) };
        let accepted =
            Input::Accepted { connection: accepted, binding: Some(acceptor.binding(dialer, false)) };
        // both sides pay for TLS before they go on
        let processors = [dialer.processor, acceptor.processor];
        let [here, there] = [(processors[0], at), (processors[1], self.now)]
            .map(|(processor, at)| self.processors[processor].work(at, self.costs.connect).ends);
        let here = here.max(there);
        // no frame arrives before a side knows of the connection
        if let Some(wire) = self.wires.get_mut(id) {
            wire.acceptor.last_arrival = here;
            wire.dialer.last_arrival = there;
        }
        self.push_done(there, to, life, accepted);
        self.push_done(here, from, dialer_life, dialed);
    }

    fn push_done(&mut self, at: Instant, host: HostId, life: u32, input: Input) {
        self.queue.push(at, Happening::Done { host, life, input: Box::new(input) });
    }

    pub(super) fn send(
        &mut self,
        id: HostId,
        connection: ConnectionId,
        envelope: Envelope,
        priority: Priority,
    ) {
        let processor = self.hosts[id.index()].processor;
        self.processors[processor].work(self.now, self.costs.send(envelope.byte_count()));
        let is_plain = self.hosts[id.index()].task.is_some();
        let Some((wire, side)) = self.wire_of(id, connection) else { return };
        let bounds = (self.links.waiting_count_max, self.links.waiting_bytes_max);
        let Some(end) = self.wires.get_mut(wire).map(|wire| wire.end_mut(side)) else { return };
        let unread_bytes = end.unread_bytes as usize;
        let must_wait = unread_bytes > 0 && unread_bytes + envelope.byte_count() > self.links.window_bytes;
        if must_wait || end.waiting.is_some() {
            let waiting = end.waiting.get_or_insert_with(Box::<Waiting>::default);
            self.watch.overflowed += match is_plain {
                true => waiting.push_or_lose(envelope, bounds.0),
                false => waiting.push(envelope, priority, bounds),
            };
            return;
        }
        self.transmit(wire, side, envelope);
    }

    /// Puts a frame on its way.
    fn transmit(&mut self, id: WireId, side: Side, envelope: Envelope) {
        let Some(wire) = self.wires.get_mut(id) else { return };
        let (from, to) = (wire.end(side).host, wire.end(side.other()).host);
        let bytes = envelope.byte_count() + self.links.frame_overhead_bytes;
        let latency = self.latency(from, to);
        let sent = self.hosts[from.index()].send_on_card(self.now, self.links.time_on_card(bytes));
        self.watch.bytes_sent += bytes as u64;
        let Some(end) = self.wires.get_mut(id).map(|wire| wire.end_mut(side)) else { return };
        end.unread_bytes += envelope.byte_count() as u32;
        if end.is_severed {
            return;
        }
        end.last_arrival = end.last_arrival.max(sent + latency);
        if self.links.reset_per_million > 0 && self.rng.u32(0..1_000_000) < self.links.reset_per_million {
            return self.reset(id, self.now + latency);
        }
        self.queue.push(end.last_arrival, Happening::Frame { wire: id, side: side.other(), envelope });
    }

    /// A frame arrives, and is read as soon as a core is free.
    pub(super) fn on_frame(&mut self, id: WireId, side: Side, envelope: Envelope) {
        let Some(end) = self.wires.get_mut(id).map(|wire| wire.end(side)) else { return };
        let host = &mut self.hosts[end.host.index()];
        if let Some(unread) = &mut host.unread {
            return unread.push_back((id, side, envelope));
        }
        let processor = host.processor;
        let slot = self.processors[processor].work(self.now, self.costs.frame(&envelope));
        if slot.begins > self.now {
            self.queue.push(slot.begins, Happening::Read { wire: id, side, envelope });
        } else {
            self.read(id, side, envelope);
        }
    }

    /// A frame is read, and handled at once or when it has its turn.
    pub(super) fn read(&mut self, id: WireId, side: Side, envelope: Envelope) {
        let Some(host) = self.wires.get(id).map(|wire| wire.end(side).host) else { return };
        if self.has_turns(host, &envelope) {
            self.queue_for_task(host, id, side, envelope);
        } else {
            self.take(id, side, envelope);
        }
    }

    /// A host's peer takes a frame, which makes room for another.
    pub(super) fn take(&mut self, id: WireId, side: Side, envelope: Envelope) {
        let Some(wire) = self.wires.get_mut(id) else { return };
        let sender = wire.end_mut(side.other());
        sender.unread_bytes = sender.unread_bytes.saturating_sub(envelope.byte_count() as u32);
        if sender.waiting.is_some() {
            self.go_on_sending(id, side.other());
        }
        let Some(wire) = self.wires.get(id) else { return };
        let Some(connection) = wire.connection(side) else { return };
        let End { host, life, .. } = *wire.end(side);
        if self.hosts[host.index()].life == life {
            self.watch.on_frame(&envelope, self.links.frame_overhead_bytes);
            self.hand(host, Input::Frame { connection, envelope });
        }
    }

    fn go_on_sending(&mut self, id: WireId, side: Side) {
        loop {
            let Some(end) = self.wires.get_mut(id).map(|wire| wire.end_mut(side)) else { return };
            if end.unread_bytes as usize >= self.links.window_bytes {
                return;
            }
            let next = end.waiting.as_mut().and_then(|waiting| waiting.pop());
            if end.waiting.as_ref().is_some_and(|waiting| waiting.is_empty()) {
                end.waiting = None;
            }
            let Some(envelope) = next else { return };
            self.transmit(id, side, envelope);
        }
    }

    /// A peer closes a connection: the other end learns of it after everything that was sent.
    pub(super) fn close(&mut self, id: HostId, connection: ConnectionId) {
        if let Some((wire, side)) = self.wire_of(id, connection) {
            self.hang_up(wire, side, "closed by the other side");
        }
    }

    /// One end is done with a connection.
    pub(super) fn hang_up(&mut self, id: WireId, side: Side, reason: &'static str) {
        let Some(wire) = self.wires.get_mut(id) else { return };
        if wire.end(side).connection.is_none() {
            return;
        }
        let (from, to) = (wire.end(side).host, wire.end(side.other()).host);
        let latency = self.latency(from, to);
        let Some(end) = self.wires.get_mut(id).map(|wire| wire.end_mut(side)) else { return };
        end.connection = None;
        end.waiting = None;
        let at = end.last_arrival.max(self.now + latency);
        if !end.is_severed {
            self.queue.push(at, Happening::Ended { wire: id, side: side.other(), reason });
        }
        self.wires.remove_if_over(id);
    }

    /// One end learns that a connection ended.
    pub(super) fn end(&mut self, id: WireId, side: Side, reason: &'static str) {
        let Some(wire) = self.wires.get_mut(id) else { return };
        let was_open = wire.is_open;
        let connection = wire.connection(side);
        let end = wire.end_mut(side);
        end.waiting = None;
        let (host, life) = (end.host, end.life);
        end.connection = None;
        self.wires.remove_if_over(id);
        let Some(connection) = connection else { return };
        if self.hosts[host.index()].life != life {
            return;
        }
        let reason = reason.to_owned();
        let input = match was_open {
            true => Input::Closed { connection, reason },
            false => Input::DialFailed { connection, reason },
        };
        self.hand(host, input);
    }
}
