//! From the end of the handshake on: whom a connection belongs to, and what arrives on it.

use super::handshake::Authenticated;
use super::links::{Links, Settlement, goes_first};
use super::{AuthDatum, Connection, Open};
use crate::ids::{ConnectionId, Endpoint, PkiId};
use crate::output::{CloseReason, Event, Output};
use crate::peer::Peer;
use crate::reject::{Misbehaviour, Reject, Unfitting};
use crate::shared::Sender;
use crate::timers::Timer;
use selvedge_proto::envelope::{ContentKind, Envelope, EnvelopeView};
use selvedge_proto::validate::Malformed;

impl Peer {
    /// A frame arrived: part of the handshake, or a message of an authenticated peer.
    pub(crate) fn on_frame(&mut self, connection: ConnectionId, frame: Envelope) {
        let now = self.shared.now;
        let Some(it) = self.connections.all.get_mut(&connection) else { return };
        let Connection::Open(open) = it else {
            return self.on_handshake_frame(connection, frame);
        };
        open.received = now;
        let sender = Sender { connection, pki_id: open.pki_id, org: open.org.clone() };
        match frame.view() {
            Ok(envelope) => self.on_envelope(&sender, &envelope),
            Err(error) => {
                self.reject(&sender, ContentKind::None, Malformed::from(error));
                // a Go peer ends the stream, too
                self.close(connection, CloseReason::Unparsable);
            }
        }
    }

    fn on_envelope(&mut self, sender: &Sender, envelope: &EnvelopeView) {
        match envelope.kind() {
            kind @ ContentKind::Conn => self.reject(sender, kind, Misbehaviour::UnexpectedHandshake),
            // nothing is sent that asks for an acknowledgement
            kind @ ContentKind::Ack => self.reject(sender, kind, Misbehaviour::Unsolicited),
            _ => self.dispatch(sender, envelope),
        }
    }

    /// Both sides are authenticated. `expected` is whom an own dial was for.
    pub(super) fn open_connection(
        &mut self,
        connection: ConnectionId,
        authenticated: Authenticated,
        expected: Option<PkiId>,
    ) {
        let Authenticated { auth, early, .. } = authenticated;
        if let Err(reason) = self.may_open(&auth, expected) {
            return self.refuse(connection, reason);
        }
        let (pki_id, org, now) = (auth.pki_id, auth.org.clone(), self.shared.now);
        if self.connections.remove(connection).is_none() {
            return;
        }
        let open = Open { pki_id, org: org.clone(), received: now, auth: Box::new(auth) };
        self.connections.all.insert(connection, Connection::Open(open));
        self.shared.timers.clear(&Timer::Handshake(connection));
        self.shared.event(Event::Connected { connection, pki_id, org });
        self.link(connection, pki_id);
        if let Some(expected) = expected {
            if expected != pki_id {
                self.on_identity_switched(expected, pki_id);
            }
            self.dial_succeeded(expected, pki_id);
        }
        self.on_peer_connected(pki_id);
        self.start_delayed_dials();
        for frame in early {
            self.on_frame(connection, frame);
        }
    }

    fn may_open(&self, auth: &AuthDatum, expected: Option<PkiId>) -> Result<(), Reject> {
        let open_count = self.connections.all.len() - self.connections.handshake_count;
        if open_count >= self.shared.config.limits.connections_max {
            return Err(Reject::OverLimit);
        }
        let Some(expected) = expected else { return Ok(()) };
        if auth.pki_id == self.shared.me.pki_id {
            return Err(Unfitting::Own.into());
        }
        // whoever answers in a member's place must be of its organisation, which must be known (spec/02 §7)
        let same_org = || self.org_of(&expected).is_some_and(|org| org == auth.org);
        if auth.pki_id == expected || same_org() {
            Ok(())
        } else {
            Err(Misbehaviour::IdentityMismatch.into())
        }
    }

    /// Registers an open connection, by the rules of the module above.
    fn link(&mut self, connection: ConnectionId, pki_id: PkiId) {
        if self.shared.config.rules.prefers_accepted() {
            return self.link_preferring_accepted(connection, pki_id);
        }
        let (now, settling) = (self.shared.now, self.settling_time());
        let Some(links) = self.connections.links.get_mut(&pki_id) else {
            self.connections.links.insert(pki_id, Links::new(connection, now));
            return;
        };
        let surplus = links.add(connection, now, settling);
        if let Some(surplus) = surplus {
            self.close(surplus, CloseReason::Replaced);
        }
        self.shared.timers.set_no_later_than(Timer::Duplicates, now + settling);
    }

    /// As the Go peer does (spec/02 §6): there is one connection to a peer. What the peer dialled takes the place of what was
    /// there; an own dial that finds something there is given up.
    fn link_preferring_accepted(&mut self, connection: ConnectionId, pki_id: PkiId) {
        let now = self.shared.now;
        let Some(links) = self.connections.links.get_mut(&pki_id) else {
            self.connections.links.insert(pki_id, Links::new(connection, now));
            return;
        };
        let others: Vec<ConnectionId> = links.connections().collect();
        links.add(connection, now, core::time::Duration::ZERO);
        let closed = if connection.is_dialed() { vec![connection] } else { others };
        for connection in closed {
            self.close(connection, CloseReason::Replaced);
        }
    }

    /// Looks after peers with more than one connection.
    pub(crate) fn retire_duplicates(&mut self) {
        let (now, settling, me) = (self.shared.now, self.settling_time(), self.shared.me.pki_id);
        let connections = &mut self.connections;
        let all = &connections.all;
        let received = |connection| match all.get(&connection)? {
            Connection::Open(open) => Some(open.received),
            Connection::Dialing(_) | Connection::Handshake(..) => None,
        };
        let mut again = false;
        let mut retired = Vec::new();
        for (pki_id, links) in connections.links.iter_mut() {
            let settlement: Settlement = links.settle(now, settling, goes_first(&me, pki_id), received);
            again |= settlement.again;
            retired.extend(settlement.retired);
        }
        for connection in retired {
            self.close(connection, CloseReason::Replaced);
        }
        if again {
            self.shared.timers.set(Timer::Duplicates, now + settling);
        }
    }

    /// A probe of ours got to know who listens on an endpoint.
    pub(super) fn probe_succeeded(
        &mut self,
        connection: ConnectionId,
        endpoint: &Endpoint,
        auth: &AuthDatum,
    ) {
        let found = (auth.pki_id, auth.org.clone());
        if !self.connections.has_ended(connection) {
            self.shared.emit(Output::Close { connection, reason: CloseReason::ProbeDone });
        }
        self.connections.remove(connection);
        self.shared.timers.clear(&Timer::Handshake(connection));
        self.on_probed(endpoint, Some(found));
        self.start_delayed_dials();
    }
}
