//! Links, dials, frames, and what goes wrong with them.

use super::cluster::{Cluster, Link, UnderWay, What};
use super::node::{End, NodeId};
use crate::ids::{ConnectionId, Endpoint};
use crate::input::Input;
use crate::time::WallTime;
use bytes::Bytes;
use core::time::Duration;
use selvedge_proto::envelope::Envelope;

/// After this time a connection over a broken link is noticed to be dead by both ends.
const STALL: Duration = Duration::from_secs(20);

impl Cluster {
    /// What links are like unless [`set_link`](Self::set_link) says otherwise.
    pub fn set_links(&mut self, link: Link) {
        self.link = link;
    }

    /// What the link between two nodes is like, both ways.
    pub fn set_link(&mut self, a: NodeId, b: NodeId, link: Link) {
        self.links.insert((a, b), link);
        self.links.insert((b, a), link);
    }

    /// Nothing gets through between two nodes any more; connections between them stall, and end after 20 s.
    pub fn cut(&mut self, a: NodeId, b: NodeId) {
        self.blocked.insert((a, b));
        self.blocked.insert((b, a));
        for (from, to) in [(a, b), (b, a)] {
            for connection in self.connections_between(from, to) {
                if let Some(end) = self.nodes[from.0].connections.get_mut(&connection) {
                    end.stalled = true;
                }
                let input = Input::Closed { connection, reason: "keepalive timed out".to_owned() };
                self.queue_input(self.now + STALL, from, input);
            }
        }
    }

    /// Repairs what [`cut`](Self::cut) and [`partition`](Self::partition) broke. Stalled connections stay stalled.
    pub fn heal(&mut self) {
        self.blocked.clear();
    }

    /// Cuts every link between nodes of different groups.
    pub fn partition(&mut self, groups: &[&[NodeId]]) {
        for (index, group) in groups.iter().enumerate() {
            for other in &groups[index + 1..] {
                for (&a, &b) in group.iter().flat_map(|a| other.iter().map(move |b| (a, b))) {
                    self.cut(a, b);
                }
            }
        }
    }

    /// Ends all connections between two nodes, as a restarted middlebox does.
    pub fn sever(&mut self, a: NodeId, b: NodeId) {
        for connection in self.connections_between(a, b) {
            self.hang_up(a, connection, "connection reset");
            let input = Input::Closed { connection, reason: "connection reset".to_owned() };
            self.deliver(a, input);
        }
    }

    /// No MSP accepts this identity from now on.
    pub fn revoke(&mut self, identity: &Bytes) {
        self.revoked.insert(identity.clone());
    }

    /// When an identity's certificate expires; never, unless set.
    pub fn set_expiry(&mut self, identity: &Bytes, at: WallTime) {
        self.expiry.insert(identity.clone(), at);
    }

    /// Whether the signer of a node fails.
    pub fn set_signer_fails(&mut self, node: NodeId, fails: bool) {
        self.nodes[node.0].signer_fails = fails;
    }

    /// How long a node's signatures and checks take; no time, unless set.
    pub fn set_crypto_delay(&mut self, node: NodeId, delay: Duration) {
        self.nodes[node.0].crypto_delay = delay;
    }

    fn link_between(&self, a: NodeId, b: NodeId) -> Link {
        self.links.get(&(a, b)).copied().unwrap_or(self.link)
    }

    fn latency(&mut self, a: NodeId, b: NodeId) -> Duration {
        let link = self.link_between(a, b);
        let spread = link.latency_max.saturating_sub(link.latency_min).as_nanos() as u64;
        link.latency_min + Duration::from_nanos(if spread == 0 { 0 } else { self.rng.u64(0..=spread) })
    }

    fn chance(&mut self, per_mille: u32) -> bool {
        per_mille > 0 && self.rng.u32(0..1000) < per_mille
    }

    /// Connects to whoever listens on `endpoint`; refused at once if nobody does, after the time limit if the link is cut.
    pub(super) fn dial(&mut self, node: NodeId, connection: ConnectionId, endpoint: &Endpoint) {
        let fail = |reason: &str| Input::DialFailed { connection, reason: reason.to_owned() };
        let target = self.nodes.iter().position(|other| other.listens_on(endpoint)).map(NodeId);
        let end =
            End { node: target.unwrap_or(node), connection: None, last_arrival: self.now, stalled: false };
        self.nodes[node.0].connections.insert(connection, end);
        let Some(target) = target else {
            return self.queue_input(self.now + Duration::from_millis(1), node, fail("connection refused"));
        };
        let unlucky = self.link_between(node, target).dial_failures_per_mille;
        if self.blocked.contains(&(node, target)) || self.chance(unlucky) {
            let limit = self.nodes[node.0].config.dial_timeout;
            return self.queue_input(self.now + limit, node, fail("timed out"));
        }
        let at = self.now + self.latency(node, target);
        let life = self.nodes[target.0].life;
        let from_life = self.nodes[node.0].life;
        self.queue(
            at,
            UnderWay { to: target, life, what: What::Open { from: node, connection, life: from_life } },
        );
    }

    pub(super) fn open(
        &mut self,
        from: NodeId,
        connection: ConnectionId,
        from_life: u64,
        to: NodeId,
        to_life: u64,
    ) {
        let waits =
            self.nodes[from.0].life == from_life && self.nodes[from.0].connections.contains_key(&connection);
        if !waits {
            return;
        }
        let at = self.now + self.latency(to, from);
        if self.nodes[to.0].life != to_life || !self.nodes[to.0].running {
            return self.queue_input(at, from, Input::DialFailed { connection, reason: "reset".to_owned() });
        }
        let target = &mut self.nodes[to.0];
        target.accepted_count += 1;
        let accepted = ConnectionId::accepted(target.accepted_count);
        let end = End { node: from, connection: Some(connection), last_arrival: at, stalled: false };
        target.connections.insert(accepted, end);
        if let Some(end) = self.nodes[from.0].connections.get_mut(&connection) {
            end.connection = Some(accepted);
        }
        let dialer_binding = self.nodes[from.0].binding(&self.nodes[to.0], true);
        let target_binding = self.nodes[to.0].binding(&self.nodes[from.0], false);
        self.queue_input(at, from, Input::Dialed { connection, binding: Some(dialer_binding) });
        self.deliver(to, Input::Accepted { connection: accepted, binding: Some(target_binding) });
    }

    pub(super) fn send(&mut self, node: NodeId, connection: ConnectionId, envelope: Envelope) {
        let Some(end) = self.nodes[node.0].connections.get(&connection) else {
            panic!("{} sends on {connection:?}, which does not stand", self.nodes[node.0].name);
        };
        let other = end.node;
        let at = (self.now + self.latency(node, other))
            .max(self.nodes[node.0].connections[&connection].last_arrival);
        let Some(end) = self.nodes[node.0].connections.get_mut(&connection) else { return };
        end.last_arrival = at;
        let (Some(remote), false) = (end.connection, end.stalled) else { return };
        if self.chance(self.link_between(node, other).breaks_per_mille) {
            return self.queue_break(node, connection);
        }
        self.queue_input(at, other, Input::Frame { connection: remote, envelope });
    }

    /// Both ends of a connection learn that it is broken.
    fn queue_break(&mut self, node: NodeId, connection: ConnectionId) {
        let reason = || "connection reset".to_owned();
        self.hang_up(node, connection, "connection reset");
        if let Some(end) = self.nodes[node.0].connections.get_mut(&connection) {
            end.stalled = true;
        }
        self.queue_input(self.now, node, Input::Closed { connection, reason: reason() });
    }

    /// The other end of a connection learns that it ended, after everything that was sent on it.
    pub(super) fn hang_up(&mut self, node: NodeId, connection: ConnectionId, reason: &str) {
        let Some(end) = self.nodes[node.0].connections.get(&connection) else { return };
        let (other, last_arrival, stalled) = (end.node, end.last_arrival, end.stalled);
        let (Some(remote), false) = (end.connection, stalled) else { return };
        let at = (self.now + self.latency(node, other)).max(last_arrival);
        self.queue_input(at, other, Input::Closed { connection: remote, reason: reason.to_owned() });
    }
}
