//! What goes wrong between hosts and in them, on order.

use super::wires::Side;
use super::{Happening, HostId, WireId, World};
use core::time::Duration;
use selvedge_core::{Endpoint, Instant};
use std::collections::VecDeque;

#[cfg(test)]
mod tests;

impl World {
    /// From now on nothing gets from one host to another. Connections between them stall: what is on its way arrives, what
    /// is sent later does not, and after [`Links::keepalive`](crate::Links::keepalive) both ends notice. New ones cannot be
    /// opened in either direction.
    pub fn cut(&mut self, from: HostId, to: HostId) {
        if from == to || !self.blocked.insert((from, to)) {
            return;
        }
        self.note(from, &format!("cut to {}", self.name(to)));
        let noticed_at = self.now + self.links.keepalive;
        for (id, side) in self.wires_between(from, to) {
            let Some(wire) = self.wires.get_mut(id).filter(|wire| wire.is_open) else { continue };
            wire.end_mut(side).is_severed = true;
            for side in [side, side.other()] {
                let at = wire.end(side.other()).last_arrival.max(noticed_at);
                let reason = "keepalive timed out";
                self.queue.push(at, Happening::Ended { wire: id, side, reason });
            }
        }
    }

    /// Cuts all links between hosts of different groups, both ways.
    pub fn partition(&mut self, groups: &[Vec<HostId>]) {
        for (place, group) in groups.iter().enumerate() {
            for others in groups.iter().skip(place + 1) {
                for (&one, &other) in
                    group.iter().flat_map(|one| others.iter().map(move |other| (one, other)))
                {
                    self.cut(one, other);
                    self.cut(other, one);
                }
            }
        }
    }

    /// Cuts all links of one host, both ways.
    pub fn isolate(&mut self, id: HostId) {
        let others = self.hosts().filter(|&other| other != id).collect();
        self.partition(&[vec![id], others]);
    }

    /// Repairs the way from one host to another. A connection that stalled stays so until its ends notice.
    pub fn repair(&mut self, from: HostId, to: HostId) {
        if self.blocked.remove(&(from, to)) {
            self.note(from, &format!("link to {} repaired", self.name(to)));
        }
    }

    /// Repairs all links.
    pub fn heal(&mut self) {
        for (from, to) in self.blocked.clone() {
            self.repair(from, to);
        }
    }

    /// Whether what one host sends to another does not arrive.
    pub fn is_cut(&self, from: HostId, to: HostId) -> bool {
        self.blocked.contains(&(from, to))
    }

    /// Ends all connections between two hosts, as a restarted middlebox does; both ends learn of it.
    pub fn sever(&mut self, one: HostId, other: HostId) {
        self.note(one, &format!("connections to {} reset", self.name(other)));
        let noticed_at = self.now + self.latency(one, other);
        for (id, _) in self.wires_between(one, other) {
            self.reset(id, noticed_at);
        }
    }

    /// Ends all connections of a host; all others learn of it.
    pub fn sever_all(&mut self, id: HostId) {
        self.note(id, "all connections reset");
        let wires: Vec<(WireId, Side)> = self.ends_of(id).collect();
        for (wire, side) in wires {
            let Some(other) = self.wires.get(wire).map(|wire| wire.end(side.other()).host) else { continue };
            let noticed_at = self.now + self.latency(id, other);
            self.reset(wire, noticed_at);
        }
    }

    /// Ends a connection; both ends learn of it after what is on its way.
    pub(super) fn reset(&mut self, id: WireId, noticed_at: Instant) {
        let Some(wire) = self.wires.get_mut(id).filter(|wire| wire.is_open) else { return };
        for side in [Side::Dialer, Side::Acceptor] {
            let at = wire.end(side.other()).last_arrival.max(noticed_at);
            wire.end_mut(side).is_severed = true;
            self.queue.push(at, Happening::Ended { wire: id, side, reason: "connection reset" });
        }
    }

    /// A host reads nothing from its connections for a while: windows fill, then the queues of those who send to it.
    pub fn stall_reading(&mut self, id: HostId, time: Duration) {
        if !self.runs(id) {
            return;
        }
        self.note(id, &format!("does not read for {time:?}"));
        let host = &mut self.hosts[id.index()];
        host.unread.get_or_insert_with(VecDeque::new);
        host.reads_at = host.reads_at.max(self.now + time);
        self.queue.push(host.reads_at, Happening::ReadAgain(id));
    }

    /// A host that did not read has its turn.
    pub(super) fn read_again(&mut self, id: HostId) {
        let host = &mut self.hosts[id.index()];
        if host.reads_at > self.now {
            return;
        }
        for (wire, side, envelope) in host.unread.take().unwrap_or_default() {
            self.on_frame(wire, side, envelope);
        }
    }

    /// All hosts that do not read do so now.
    pub fn resume_reading(&mut self) {
        for id in self.hosts() {
            self.hosts[id.index()].reads_at = Instant::default();
            self.read_again(id);
        }
    }

    /// How long a host's disk needs for a sync from now on; as long as [`Costs::sync`](crate::Costs::sync) if `None`.
    pub fn set_sync_time(&mut self, id: HostId, time: Option<Duration>) {
        self.note(id, &format!("sync takes {:?}", time.unwrap_or(self.costs.sync)));
        self.hosts[id.index()].sync = time;
    }

    /// By how much everything is later from now on that a host sends, and that is sent to it.
    pub fn set_delay(&mut self, id: HostId, delay: Duration) {
        self.note(id, &format!("delayed by {delay:?}"));
        self.hosts[id.index()].delay = delay;
    }

    /// How likely frames are lost, and sent again, from now on: [`Links::loss_per_million`](crate::Links::loss_per_million).
    pub fn set_loss(&mut self, per_million: u32) {
        self.links.loss_per_million = per_million.min(900_000);
    }

    /// From now on work on a processor takes so many per cent of the time that it costs.
    pub fn set_slowness(&mut self, processor: usize, percent: u32) {
        if let Some(processor) = self.processors.get_mut(processor) {
            processor.set_slowness(percent);
        }
    }

    /// Sets a host's wall clock ahead of true time, or behind. A peer looks at it when it starts, and not again.
    pub fn set_clock_error(&mut self, id: HostId, nanos: i64) {
        self.note(id, &format!("clock is off by {nanos} ns"));
        self.hosts[id.index()].clock_error_nanos = nanos;
    }

    /// A host forgets which incarnations it used, as a node does whose disk was replaced: only its clock tells.
    pub fn forget_incarnation(&mut self, id: HostId) {
        self.hosts[id.index()].incarnation = 0;
    }

    /// A host publishes no endpoint to other organisations from its next start on.
    pub fn hide(&mut self, id: HostId) {
        self.hosts[id.index()].config.external_endpoint = Endpoint::from("");
    }

    pub(super) fn is_blocked_between(&self, one: HostId, other: HostId) -> bool {
        !self.blocked.is_empty() && (self.is_cut(one, other) || self.is_cut(other, one))
    }

    /// A dial over a link that is cut.
    pub(super) fn time_out(&mut self, id: WireId) {
        let Some(wire) = self.wires.get(id) else { return };
        let limit = self.hosts[wire.dialer.host.index()].config.dial_timeout;
        let reason = "timed out";
        self.queue.push(self.now + limit, Happening::Ended { wire: id, side: Side::Dialer, reason });
    }

    /// Connections of one host with another, and which side the first is.
    fn wires_between(&self, one: HostId, other: HostId) -> Vec<(WireId, Side)> {
        let leads = |&(id, side): &(WireId, Side)| {
            self.wires.get(id).is_some_and(|wire| wire.end(side.other()).host == other)
        };
        self.ends_of(one).filter(leads).collect()
    }
}
