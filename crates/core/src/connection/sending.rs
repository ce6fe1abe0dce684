//! Sending to a peer, wherever it is connected, and dialling it if it is not.

use super::{Connection, Role};
use crate::ids::{ConnectionId, Endpoint, PkiId};
use crate::output::{CloseReason, Output, Priority};
use crate::peer::Peer;
use crate::shared::Sender;
use selvedge_proto::envelope::Envelope;
use std::collections::VecDeque;

/// A wanted connection to a peer.
#[derive(Debug)]
pub(super) struct Dial {
    endpoint: Endpoint,
    /// The dial under way; `None` while it has to wait for its turn.
    connection: Option<ConnectionId>,
    pub(super) queue: VecDeque<(Envelope, Priority)>,
}

impl Peer {
    /// Sends to a peer over its connection, or dials it and sends once it is authenticated. Never blocks; the envelope is
    /// lost if the peer cannot be reached, and counted.
    pub(crate) fn send_to(&mut self, pki_id: PkiId, envelope: impl Into<Envelope>, priority: Priority) {
        if !self.is_reachable_without_dial(&pki_id) {
            let Some(endpoint) = self.endpoint_to_dial(&pki_id) else {
                self.shared.stats.unsent_count += 1;
                return;
            };
            return self.send_to_endpoint(pki_id, &endpoint, envelope, priority);
        }
        self.send_or_queue(pki_id, envelope.into(), priority);
    }

    /// As [`send_to`](Self::send_to), but dials this endpoint if no connection stands, whatever is known of the peer.
    pub(crate) fn send_to_endpoint(
        &mut self,
        pki_id: PkiId,
        endpoint: &Endpoint,
        envelope: impl Into<Envelope>,
        priority: Priority,
    ) {
        if pki_id == self.shared.me.pki_id {
            return;
        }
        if !self.is_reachable_without_dial(&pki_id) {
            let dial = Dial { endpoint: endpoint.clone(), connection: None, queue: VecDeque::new() };
            self.connections.dials.insert(pki_id, dial);
            self.connections.delayed.push_back(pki_id);
            self.start_delayed_dials();
        }
        self.send_or_queue(pki_id, envelope.into(), priority);
    }

    /// Sends on the connection the sender's message came over if it still stands, else as [`send_to`](Self::send_to).
    pub(crate) fn reply(&mut self, sender: &Sender, envelope: impl Into<Envelope>, priority: Priority) {
        if self.connections.open(sender.connection).is_some() {
            self.shared.send(sender.connection, envelope.into(), priority);
        } else {
            self.send_to(sender.pki_id, envelope, priority);
        }
    }

    /// Ends every open connection to a peer.
    pub(crate) fn disconnect(&mut self, pki_id: PkiId, reason: CloseReason) {
        let Some(links) = self.connections.links.get(&pki_id) else { return };
        let connections: Vec<_> = links.connections().collect();
        for connection in connections {
            self.close(connection, reason);
        }
    }

    /// Opens a connection only to learn who listens on an endpoint; `false` if too many handshakes are under way.
    pub(crate) fn probe(&mut self, endpoint: &Endpoint) -> bool {
        if self.connections.handshake_count >= self.shared.config.limits.handshakes_max {
            return false;
        }
        self.dial(Role::Probe(endpoint.clone()), endpoint.clone());
        true
    }

    fn is_reachable_without_dial(&self, pki_id: &PkiId) -> bool {
        self.connections.dials.contains_key(pki_id) || self.connections.connected(pki_id)
    }

    /// While a dial is under way envelopes wait for it: see rule 1 of the module above.
    fn send_or_queue(&mut self, pki_id: PkiId, envelope: Envelope, priority: Priority) {
        if let Some(dial) = self.connections.dials.get_mut(&pki_id) {
            if dial.queue.len() >= self.shared.config.limits.waiting_sends_per_peer_max {
                dial.queue.pop_front();
                self.shared.stats.overflow_count += 1;
            }
            dial.queue.push_back((envelope, priority));
        } else if let Some(connection) = self.connections.connection_to(&pki_id) {
            self.shared.send(connection, envelope, priority);
        }
    }

    fn dial(&mut self, role: Role, endpoint: Endpoint) -> ConnectionId {
        self.connections.dialed_count += 1;
        let connection = ConnectionId::dialed(self.connections.dialed_count);
        self.connections.add(connection, Connection::Dialing(role));
        self.shared.emit(Output::Dial { connection, endpoint });
        connection
    }

    /// Starts dials that wait for their turn, as far as handshakes may be under way.
    pub(super) fn start_delayed_dials(&mut self) {
        while self.connections.handshake_count < self.shared.config.limits.handshakes_max {
            let Some(pki_id) = self.connections.delayed.pop_front() else { return };
            let Some(dial) = self.connections.dials.get(&pki_id) else { continue };
            let endpoint = dial.endpoint.clone();
            let connection = self.dial(Role::Dialed(pki_id), endpoint);
            if let Some(dial) = self.connections.dials.get_mut(&pki_id) {
                dial.connection = Some(connection);
            }
        }
    }

    /// A dial for `expected` reached `actual`, which is mostly the same: what waited goes there.
    pub(super) fn dial_succeeded(&mut self, expected: PkiId, actual: PkiId) {
        let Some(dial) = self.connections.dials.remove(&expected) else { return };
        for (envelope, priority) in dial.queue {
            self.send_or_queue(actual, envelope, priority);
        }
    }

    /// A dial ended without success. A connection that the peer opened meanwhile takes what waited.
    pub(super) fn dial_ended(&mut self, expected: PkiId, connection: ConnectionId) {
        if self.connections.dials.get(&expected).is_none_or(|dial| dial.connection != Some(connection)) {
            return;
        }
        let Some(dial) = self.connections.dials.remove(&expected) else { return };
        if let Some(connection) = self.connections.connection_to(&expected) {
            for (envelope, priority) in dial.queue {
                self.shared.send(connection, envelope, priority);
            }
            return;
        }
        self.shared.stats.unsent_count += dial.queue.len() as u64;
        self.on_peer_unreachable(expected, &dial.endpoint);
    }
}
