//! Connections: handshake, probes, and which connection to a peer is used (spec/02 §4 to §7).
//!
//! # Which connection is used
//!
//! A Go peer registers one connection per PKI-ID and closes others, by rules under which two Go peers that dial each other
//! at the same moment mostly lose both connections (spec/02 §6.4). What is certain is this: a Go peer keeps the connection
//! that *the other side* dialled, and closes its own. So here nothing that was authenticated is closed on arrival. Every
//! open connection is read; for sending one is *preferred*:
//!
//! 1. The first connection to a peer is preferred. While an own dial to the peer is under way, envelopes wait for it, and
//!    take another connection only if it fails.
//! 2. An own dial that succeeds becomes preferred, whatever the peer opened meanwhile: a Go peer will close that, and its
//!    end changes nothing.
//! 3. A connection from the peer becomes preferred, unless the preferred one is an own dial younger than the *settling
//!    time* (the longest time a dial that the peer began before can take). A peer only dials when it has lost what it had.
//! 4. When the preferred connection ends, the newest of the others takes its place.
//!
//! After a simultaneous dial two Selvedge nodes each send on their own dial and read the other's. Once the settling time
//! is over, a duplicate is retired without a moment in which no connection stands:
//!
//! 5. Of two connections that were opened within one settling time, one by each side, the dial of the smaller PKI-ID
//!    survives; of others the newest. The survivor becomes preferred.
//! 6. After another settling time, if the peer sent anything on the survivor meanwhile, a node closes its own dial that
//!    lost to one of the peer by rule 5, and of several connections dialled by the peer all but the newest. If the peer
//!    sent nothing, all stay: the two sides may disagree about rule 5, and then each sends where the other reads.
//!
//! An own dial that is merely old is left to end by itself: if a Go peer still served it, its end would make the Go peer
//! close the successor, too.

mod handshake;
mod links;
mod open;
mod sending;
#[cfg(test)]
mod tests;

use crate::ids::{ConnectionId, Endpoint, MspId, PkiId};
use crate::input::{IdentityClaims, TlsBinding};
use crate::output::{CloseReason, Event, Output};
use crate::peer::{Answer, Peer};
use crate::reject::Reject;
use crate::table::Table;
use crate::time::Instant;
use crate::timers::Timer;
use bytes::Bytes;
use core::time::Duration;
use handshake::{Handshake, OwnHandshakes, OwnKey};
use links::Links;
use selvedge_proto::envelope::{ContentKind, EnvelopeView};
use sending::Dial;
use std::collections::{BTreeMap, VecDeque};

/// What an answer continues.
#[derive(Debug)]
pub(crate) enum Waiting {
    /// The own handshake message is signed; this is what was signed.
    OwnHandshake(OwnKey, Bytes),
    /// The identity in a connection's handshake is checked.
    Identity(ConnectionId),
    /// The signature of a connection's handshake is verified.
    Signature(ConnectionId),
}

/// What policies of channels and collections are evaluated on: the handshake message of a connection's peer.
#[derive(Clone, Debug)]
pub(crate) struct AuthDatum {
    pub(crate) message: EnvelopeView,
    pub(crate) identity: Bytes,
    pub(crate) pki_id: PkiId,
    pub(crate) org: MspId,
}

/// Why a connection was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Role {
    /// By the other side.
    Accepted,
    /// To reach this peer.
    Dialed(PkiId),
    /// To learn who listens there.
    Probe(Endpoint),
}

/// A connection, by how far it has come.
#[derive(Debug)]
enum Connection {
    Dialing(Role),
    Handshake(Role, Box<Handshake>),
    Open(Open),
}

/// An authenticated connection. What every frame needs stands here, once more what is in `auth`.
#[derive(Debug)]
struct Open {
    pki_id: PkiId,
    org: MspId,
    /// When the peer last sent anything.
    received: Instant,
    auth: Box<AuthDatum>,
}

impl Connection {
    /// Why it was opened; not asked any more once it is open.
    fn role(&self) -> Option<&Role> {
        match self {
            Self::Dialing(role) | Self::Handshake(role, _) => Some(role),
            Self::Open(_) => None,
        }
    }

    fn is_open(&self) -> bool {
        matches!(self, Self::Open(_))
    }
}

/// All connections, and what waits for one.
#[derive(Debug)]
pub(crate) struct Connections {
    all: Table<ConnectionId, Connection>,
    links: Table<PkiId, Links>,
    dials: BTreeMap<PkiId, Dial>,
    /// Dials that wait until fewer handshakes are under way.
    delayed: VecDeque<PkiId>,
    /// Connections that are not open yet.
    handshake_count: usize,
    dialed_count: u64,
    own: OwnHandshakes,
}

impl Connections {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            all: Table::new(seed),
            links: Table::new(seed),
            dials: BTreeMap::new(),
            delayed: VecDeque::new(),
            handshake_count: 0,
            dialed_count: 0,
            own: OwnHandshakes::default(),
        }
    }

    /// What the peer of an open connection proved in its handshake.
    pub(crate) fn auth(&self, connection: ConnectionId) -> Option<&AuthDatum> {
        self.open(connection).map(|open| &*open.auth)
    }

    /// Whether any connection to a peer is open.
    pub(crate) fn connected(&self, pki_id: &PkiId) -> bool {
        self.links.contains_key(pki_id)
    }

    /// The connection that is used to send to a peer.
    pub(crate) fn connection_to(&self, pki_id: &PkiId) -> Option<ConnectionId> {
        self.links.get(pki_id).map(Links::preferred)
    }

    /// Connections that are not open yet.
    pub(crate) fn handshake_count(&self) -> usize {
        self.handshake_count
    }

    /// Envelopes that wait for one dial, of the dial for which most do.
    pub(crate) fn waiting_send_count_max(&self) -> usize {
        self.dials.values().map(|dial| dial.queue.len()).max().unwrap_or(0)
    }

    fn open(&self, connection: ConnectionId) -> Option<&Open> {
        match self.all.get(&connection)? {
            Connection::Open(open) => Some(open),
            Connection::Dialing(_) | Connection::Handshake(..) => None,
        }
    }

    fn handshake(&mut self, connection: ConnectionId) -> Option<&mut Handshake> {
        match self.all.get_mut(&connection)? {
            Connection::Handshake(_, handshake) => Some(handshake),
            Connection::Dialing(_) | Connection::Open(_) => None,
        }
    }

    /// Whether a connection is only kept for the verdict on its handshake.
    fn has_ended(&self, connection: ConnectionId) -> bool {
        match self.all.get(&connection) {
            Some(Connection::Handshake(_, handshake)) => handshake.has_ended(),
            _ => false,
        }
    }

    fn add(&mut self, connection: ConnectionId, it: Connection) {
        self.handshake_count += 1;
        self.all.insert(connection, it);
    }

    fn remove(&mut self, connection: ConnectionId) -> Option<Connection> {
        let removed = self.all.remove(&connection)?;
        if !removed.is_open() {
            self.handshake_count -= 1;
        }
        Some(removed)
    }
}

impl Peer {
    /// Authenticated connections.
    pub fn connection_count(&self) -> usize {
        self.connections.all.values().filter(|connection| connection.is_open()).count()
    }

    /// The connection that is used to send to a peer, if one stands.
    pub fn connection_to(&self, pki_id: &PkiId) -> Option<ConnectionId> {
        self.connections.connection_to(pki_id)
    }

    pub(crate) fn on_dialed(&mut self, connection: ConnectionId, binding: Option<TlsBinding>) {
        let Some(it) = self.connections.all.get_mut(&connection) else { return };
        let Connection::Dialing(role) = it else { return };
        *it = Connection::Handshake(role.clone(), Box::new(Handshake::new(binding)));
        self.begin_handshake(connection);
    }

    pub(crate) fn on_dial_failed(&mut self, connection: ConnectionId) {
        if matches!(self.connections.all.get(&connection), Some(Connection::Dialing(_))) {
            self.drop_connection(connection);
        }
    }

    pub(crate) fn on_accepted(&mut self, connection: ConnectionId, binding: Option<TlsBinding>) {
        if connection.is_dialed() || self.connections.all.contains_key(&connection) {
            return;
        }
        if self.connections.handshake_count >= self.shared.config.limits.handshakes_max {
            self.shared.reject(None, ContentKind::Conn, Reject::OverLimit);
            let reason = CloseReason::Handshake(Reject::OverLimit);
            return self.shared.emit(Output::Close { connection, reason });
        }
        let handshake = Box::new(Handshake::new(binding));
        self.connections.add(connection, Connection::Handshake(Role::Accepted, handshake));
        self.begin_handshake(connection);
    }

    pub(crate) fn on_closed(&mut self, connection: ConnectionId) {
        if self.awaits_verdict_of_probe(connection) {
            return;
        }
        let was_open = self.connections.open(connection).map(|open| open.pki_id);
        self.drop_connection(connection);
        if let Some(pki_id) = was_open
            && !self.connections.connected(&pki_id)
        {
            self.on_peer_lost(pki_id);
        }
    }

    pub(crate) fn on_handshake_timeout(&mut self, connection: ConnectionId) {
        if self.connections.handshake(connection).is_some() {
            self.close(connection, CloseReason::HandshakeTimeout);
        }
    }

    pub(crate) fn continue_connection(&mut self, waiting: Waiting, answer: Answer) {
        match (waiting, answer) {
            (Waiting::OwnHandshake(key, payload), Answer::Signed(signature)) => {
                self.own_handshake_signed(key, &payload, signature);
            }
            (Waiting::Identity(connection), Answer::IdentityChecked(claims)) => {
                self.handshake_identity_checked(connection, claims);
            }
            (Waiting::Signature(connection), Answer::Verified(ok)) => self.handshake_verified(connection, ok),
            _ => {}
        }
    }

    /// Ends a connection of ours; nobody is told that it was lost.
    fn close(&mut self, connection: ConnectionId, reason: CloseReason) {
        if !self.connections.all.contains_key(&connection) {
            return;
        }
        if !self.connections.has_ended(connection) {
            self.shared.emit(Output::Close { connection, reason });
        }
        self.drop_connection(connection);
    }

    /// Ends a connection whose handshake is refused.
    fn refuse(&mut self, connection: ConnectionId, reason: impl Into<Reject>) {
        let reason = reason.into();
        self.shared.reject(None, ContentKind::Conn, reason);
        self.close(connection, CloseReason::Handshake(reason));
    }

    /// Forgets a connection that has ended, whoever ended it.
    fn drop_connection(&mut self, connection: ConnectionId) {
        let Some(removed) = self.connections.remove(connection) else { return };
        self.shared.timers.clear(&Timer::Handshake(connection));
        match removed {
            Connection::Open(Open { pki_id, .. }) => {
                if let Some(links) = self.connections.links.get_mut(&pki_id)
                    && !links.remove(connection)
                {
                    self.connections.links.remove(&pki_id);
                }
                self.shared.event(Event::Disconnected { connection, pki_id });
            }
            Connection::Dialing(role) | Connection::Handshake(role, _) => match role {
                Role::Accepted => {}
                Role::Dialed(expected) => self.dial_ended(expected, connection),
                Role::Probe(endpoint) => self.on_probed(&endpoint, None),
            },
        }
        self.start_delayed_dials();
    }

    /// Longest time between the start of a dial at one side and its connection's being open at the other.
    fn settling_time(&self) -> Duration {
        self.shared.config.dial_timeout + 2 * self.shared.config.connection_timeout
    }
}

/// What is needed of claims that were found out before.
fn known_claims(pki_id: PkiId, known: &crate::identity::KnownIdentity) -> IdentityClaims {
    IdentityClaims { pki_id, org: known.org.clone(), expires_at: known.expires_at, key_hash: known.key_hash }
}
