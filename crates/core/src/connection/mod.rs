//! Connections: handshake, probes, one connection for each peer (spec/02 §4 to §6).

use crate::ids::{ConnectionId, PkiId};
use crate::input::TlsBinding;
use crate::output::{CloseReason, Priority};
use crate::peer::{Answer, Peer};
use crate::shared::Sender;
use bytes::Bytes;

/// What an answer continues.
#[derive(Debug)]
pub(crate) enum Waiting {}

/// State of all connections.
#[derive(Debug, Default)]
pub(crate) struct Connections {}

impl Peer {
    pub(crate) fn on_dialed(&mut self, _connection: ConnectionId, _binding: Option<TlsBinding>) {}
    pub(crate) fn on_dial_failed(&mut self, _connection: ConnectionId) {}
    pub(crate) fn on_accepted(&mut self, _connection: ConnectionId, _binding: Option<TlsBinding>) {}
    pub(crate) fn on_frame(&mut self, _connection: ConnectionId, _envelope: Bytes) {}
    pub(crate) fn on_closed(&mut self, _connection: ConnectionId) {}
    pub(crate) fn on_handshake_timeout(&mut self, _connection: ConnectionId) {}
    pub(crate) fn continue_connection(&mut self, waiting: Waiting, _answer: Answer) {
        match waiting {}
    }
    /// Sends to a peer over its connection, or dials it first.
    pub(crate) fn send_to(&mut self, _pki_id: PkiId, _envelope: Bytes, _priority: Priority) {}
    /// Sends on the connection the sender's message came over.
    pub(crate) fn reply(&mut self, _sender: &Sender, _envelope: Bytes, _priority: Priority) {}
    /// Ends every connection of a peer.
    pub(crate) fn disconnect(&mut self, _pki_id: PkiId, _reason: CloseReason) {}
}
