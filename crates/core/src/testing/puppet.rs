//! Nodes without a peer behind them, whose every word the test chooses.

use super::cluster::Cluster;
use super::messages;
use super::node::NodeId;
use crate::ids::{ConnectionId, Endpoint};
use crate::input::{Input, TlsBinding};
use bytes::Bytes;
use selvedge_proto::envelope::{ContentKind, EnvelopeView};

impl Cluster {
    /// Adds a puppet: a node that listens at once, and only does what the test makes it do. It sends its handshake by itself
    /// on every connection, unless told otherwise.
    ///
    /// # Panics
    ///
    /// If the name is taken.
    pub fn puppet(&mut self, name: &str, org: &str) -> NodeId {
        let node = self.add(name, org);
        let it = &mut self.nodes[node.0];
        it.is_puppet = true;
        it.running = true;
        node
    }

    /// Whether a puppet sends its handshake by itself.
    pub fn set_shakes_hands(&mut self, puppet: NodeId, shakes: bool) {
        self.nodes[puppet.0].shakes_hands = shakes;
    }

    /// A puppet dials another node's internal endpoint.
    pub fn puppet_dial(&mut self, puppet: NodeId, target: NodeId) -> ConnectionId {
        let endpoint: Endpoint = self.nodes[target.0].config.endpoint.clone();
        let it = &mut self.nodes[puppet.0];
        it.dialed_count += 1;
        let connection = ConnectionId::dialed(it.dialed_count);
        self.dial(puppet, connection, &endpoint);
        connection
    }

    /// As [`puppet_dial`](Self::puppet_dial), and waits until both sides are authenticated.
    pub fn puppet_connect(&mut self, puppet: NodeId, target: NodeId) -> ConnectionId {
        let connection = self.puppet_dial(puppet, target);
        self.run_for(core::time::Duration::from_millis(10));
        connection
    }

    /// A puppet sends an envelope.
    ///
    /// # Panics
    ///
    /// If the connection does not stand.
    pub fn puppet_send(&mut self, puppet: NodeId, connection: ConnectionId, envelope: Bytes) {
        self.send(puppet, connection, envelope.into());
    }

    /// A puppet ends a connection.
    pub fn puppet_close(&mut self, puppet: NodeId, connection: ConnectionId) {
        self.hang_up(puppet, connection, "closed");
        self.nodes[puppet.0].connections.remove(&connection);
    }

    /// A puppet loses a connection without the other end's being told, as a restarted machine does.
    pub fn puppet_forget(&mut self, puppet: NodeId, connection: ConnectionId) {
        self.nodes[puppet.0].connections.remove(&connection);
    }

    /// What a puppet got since the last call, frames and all.
    pub fn take_inbox(&mut self, puppet: NodeId) -> Vec<Input> {
        core::mem::take(&mut self.nodes[puppet.0].inbox)
    }

    /// The envelopes among what a puppet got since the last call, but for handshakes.
    pub fn take_envelopes(&mut self, puppet: NodeId) -> Vec<(ConnectionId, EnvelopeView)> {
        let envelope = |input| match input {
            Input::Frame { connection, envelope } => Some((connection, envelope.view().ok()?)),
            _ => None,
        };
        let envelopes = self.take_inbox(puppet).into_iter().filter_map(envelope);
        envelopes.filter(|(_, view)| view.kind() != ContentKind::Conn).collect()
    }

    /// Whether a puppet still holds a connection.
    pub fn stands(&self, puppet: NodeId, connection: ConnectionId) -> bool {
        self.nodes[puppet.0].connections.contains_key(&connection)
    }

    /// The certificates a node's end of a connection is bound to.
    ///
    /// # Panics
    ///
    /// If the connection does not stand.
    pub fn binding(&self, node: NodeId, connection: ConnectionId) -> TlsBinding {
        let it = &self.nodes[node.0];
        it.binding(&self.nodes[it.connections[&connection].node.0], connection.is_dialed())
    }

    pub(super) fn puppet_got(&mut self, puppet: NodeId, input: Input) {
        if let Input::Dialed { connection, .. } | Input::Accepted { connection, .. } = &input
            && self.nodes[puppet.0].shakes_hands
        {
            let binding = self.binding(puppet, *connection);
            let conn = messages::conn(&self.identity(puppet), Some(binding.own), false);
            self.send(puppet, *connection, conn.into());
        }
        self.nodes[puppet.0].inbox.push(input);
    }
}
