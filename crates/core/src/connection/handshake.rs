//! The handshake: both sides speak at once, neither waits (spec/02 §4.4).
//!
//! What the other side sends is looked at in the order of cost: structure, TLS certificate, identity, signature; only then
//! is its identity stored. The own message is the same on every connection with the same certificate, so it is signed once.

use super::{AuthDatum, Connections, Role, Waiting, known_claims};
use crate::ids::{ConnectionId, PkiId};
use crate::input::{IdentityClaims, TlsBinding};
use crate::output::{CloseReason, Priority, Signed};
use crate::peer::Peer;
use crate::reject::{Misbehaviour, Reject, Unfitting};
use crate::shared;
use crate::timers::Timer;
use bytes::Bytes;
use selvedge_proto::envelope::{ContentKind, Envelope, EnvelopeView, payload_of, seal};
use selvedge_proto::gossip::gossip_message::{Content, Tag};
use selvedge_proto::gossip::{ConnEstablish, GossipMessage};
use selvedge_proto::validate::{self, Malformed};
use std::collections::BTreeMap;

/// What the own handshake message depends on: the certificate shown on the connection, and whether it is a probe.
pub(crate) type OwnKey = (Option<[u8; 32]>, bool);

/// Certificates times probe or not; more are only seen when certificates are renewed.
const OWN_HANDSHAKES_MAX: usize = 8;
/// Bytes of a handshake beside the identity in it.
const HANDSHAKE_OVERHEAD_BYTES: usize = 4096;

/// The own handshake messages.
#[derive(Debug, Default)]
pub(super) struct OwnHandshakes {
    ready: BTreeMap<OwnKey, Bytes>,
    /// Connections that wait for the signature.
    signing: BTreeMap<OwnKey, Vec<ConnectionId>>,
}

/// A handshake under way.
#[derive(Debug)]
pub(super) struct Handshake {
    binding: Option<TlsBinding>,
    own_is_sent: bool,
    theirs: Theirs,
    /// What the other side sent after its handshake, which is not verified yet.
    early: Vec<Envelope>,
    early_bytes: usize,
    /// The other side ended the stream, and only the verdict on its message is missing.
    has_ended: bool,
}

#[derive(Debug)]
enum Theirs {
    Awaited,
    Checking(Box<Claimed>),
    Verifying(Box<Claimed>, IdentityClaims),
    Verified(Box<Claimed>, IdentityClaims),
}

/// A handshake message of the other side.
#[derive(Debug)]
struct Claimed {
    pki_id: PkiId,
    identity: Bytes,
    probe: bool,
    envelope: EnvelopeView,
}

/// What a handshake ended with.
pub(super) struct Authenticated {
    pub(super) auth: AuthDatum,
    /// Whether the other side only wanted to know who we are.
    pub(super) probe: bool,
    pub(super) early: Vec<Envelope>,
}

impl Handshake {
    pub(super) fn new(binding: Option<TlsBinding>) -> Self {
        Self {
            binding,
            own_is_sent: false,
            theirs: Theirs::Awaited,
            early: Vec::new(),
            early_bytes: 0,
            has_ended: false,
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// The result, if both sides are done; it can be taken once.
    pub(super) fn take_result(&mut self) -> Option<Authenticated> {
        if !self.own_is_sent || !matches!(self.theirs, Theirs::Verified(..)) {
            return None;
        }
        let Theirs::Verified(claimed, claims) = core::mem::replace(&mut self.theirs, Theirs::Awaited) else {
            return None;
        };
        let auth = AuthDatum {
            message: claimed.envelope,
            identity: claimed.identity,
            pki_id: claimed.pki_id,
            org: claims.org,
        };
        Some(Authenticated { auth, probe: claimed.probe, early: core::mem::take(&mut self.early) })
    }
}

impl Peer {
    /// A stream stands: send the own handshake, and wait for the other.
    pub(super) fn begin_handshake(&mut self, connection: ConnectionId) {
        let Some(handshake) = self.connections.handshake(connection) else { return };
        // nothing is told to somebody without a certificate
        if handshake.binding.is_some_and(|binding| binding.remote.is_none()) {
            return self.refuse(connection, Misbehaviour::CertificateMissing);
        }
        self.arm_handshake_timer(connection);
        self.send_own_handshake(connection);
    }

    fn arm_handshake_timer(&mut self, connection: ConnectionId) {
        let at = self.shared.now + self.shared.config.connection_timeout;
        self.shared.timers.set(Timer::Handshake(connection), at);
    }

    fn send_own_handshake(&mut self, connection: ConnectionId) {
        let Some(it) = self.connections.all.get(&connection) else { return };
        let probe = matches!(it.role, Role::Probe(_));
        let Some(handshake) = self.connections.handshake(connection) else { return };
        let key = (handshake.binding.map(|binding| binding.own), probe);
        if let Some(envelope) = self.connections.own.ready.get(&key).cloned() {
            return self.send_handshake(connection, envelope);
        }
        let all = &self.connections.all;
        let waiting = self.connections.own.signing.entry(key).or_default();
        let is_first = waiting.is_empty();
        // a signer may take its time, and streams come and go meanwhile
        waiting.retain(|it| all.contains_key(it));
        waiting.push(connection);
        if is_first {
            let payload = self.own_handshake(key);
            let waiting = shared::Waiting::Connection(Waiting::OwnHandshake(key, payload.clone()));
            self.shared.sign(waiting, payload);
        }
    }

    fn own_handshake(&self, (tls_hash, probe): OwnKey) -> Bytes {
        let me = &self.shared.me;
        let conn = ConnEstablish {
            pki_id: Bytes::copy_from_slice(me.pki_id.as_bytes()),
            identity: me.identity.clone(),
            tls_cert_hash: tls_hash.map(|hash| Bytes::copy_from_slice(&hash)).unwrap_or_default(),
            probe,
        };
        payload_of(&GossipMessage {
            tag: Tag::Empty as i32,
            content: Some(Content::Conn(conn)),
            ..GossipMessage::default()
        })
    }

    pub(super) fn own_handshake_signed(&mut self, key: OwnKey, payload: &[u8], signature: Option<Bytes>) {
        let waiting = self.connections.own.signing.remove(&key).unwrap_or_default();
        let Some(signature) = signature else {
            for connection in waiting {
                self.refuse(connection, Unfitting::SignerFailed);
            }
            return;
        };
        let envelope = seal(payload, &signature, None);
        let ready = &mut self.connections.own.ready;
        if ready.len() >= OWN_HANDSHAKES_MAX {
            ready.clear();
        }
        ready.insert(key, envelope.clone());
        for connection in waiting {
            self.send_handshake(connection, envelope.clone());
        }
    }

    fn send_handshake(&mut self, connection: ConnectionId, envelope: Bytes) {
        let Some(handshake) = self.connections.handshake(connection) else { return };
        handshake.own_is_sent = true;
        self.shared.send(connection, envelope.into(), Priority::Control);
        self.finish_handshake(connection);
    }

    /// Something arrived on a stream that is not authenticated yet.
    pub(super) fn on_handshake_frame(&mut self, connection: ConnectionId, frame: Envelope) {
        let (frames_max, bytes_max) =
            (self.shared.config.limits.early_frames_max, self.shared.config.limits.early_bytes_max);
        let Some(handshake) = self.connections.handshake(connection) else { return };
        if matches!(handshake.theirs, Theirs::Awaited) {
            if let Err(reason) = self.take_handshake(connection, &frame) {
                self.refuse(connection, reason);
            }
        } else if handshake.early.len() < frames_max
            && handshake.early_bytes + frame.byte_count() <= bytes_max
        {
            handshake.early_bytes += frame.byte_count();
            handshake.early.push(frame);
        } else {
            self.shared.reject(None, ContentKind::None, Reject::OverLimit);
        }
    }

    fn take_handshake(&mut self, connection: ConnectionId, frame: &Envelope) -> Result<(), Reject> {
        let identity_bytes_max = self.shared.config.limits.identity_bytes_max;
        if frame.byte_count() > identity_bytes_max + HANDSHAKE_OVERHEAD_BYTES {
            return Err(Reject::OverLimit);
        }
        let envelope = frame.view().map_err(Malformed::from)?;
        if envelope.kind() != ContentKind::Conn {
            return Err(Malformed::ContentUnexpected.into());
        }
        let conn: ConnEstablish = envelope.content_as().map_err(Malformed::from)?;
        validate::conn(&conn)?;
        if conn.identity.len() > identity_bytes_max {
            return Err(Reject::OverLimit);
        }
        let pki_id = PkiId::from_wire(&conn.pki_id).ok_or(Misbehaviour::IdentityMismatch)?;
        let Some(handshake) = self.connections.handshake(connection) else { return Ok(()) };
        if let Some(remote) = handshake.binding.and_then(|binding| binding.remote)
            && remote != conn.tls_cert_hash[..]
        {
            return Err(Misbehaviour::CertificateUnbound.into());
        }
        validate::signed(&envelope)?;
        let claimed = Claimed { pki_id, identity: conn.identity, probe: conn.probe, envelope };
        self.arm_handshake_timer(connection);
        self.check_claimed(connection, Box::new(claimed))
    }

    /// Finds out what the identity is, unless that is known.
    fn check_claimed(&mut self, connection: ConnectionId, claimed: Box<Claimed>) -> Result<(), Reject> {
        let known = self.identities.known(&claimed.pki_id).filter(|known| known.identity == claimed.identity);
        if let Some(known) = known {
            let claims = known_claims(claimed.pki_id, known);
            return self.verify_claimed(connection, claimed, claims);
        }
        let waiting = shared::Waiting::Connection(Waiting::Identity(connection));
        let ticket = self.shared.ticket_for(connection, waiting).ok_or(Reject::OverLimit)?;
        self.shared.check_identity(ticket, claimed.identity.clone());
        self.set_theirs(connection, Theirs::Checking(claimed));
        Ok(())
    }

    pub(super) fn handshake_identity_checked(
        &mut self,
        connection: ConnectionId,
        claims: Option<IdentityClaims>,
    ) {
        let Some(claimed) = take_theirs(&mut self.connections, connection, |theirs| match theirs {
            Theirs::Checking(claimed) => Ok(claimed),
            other => Err(other),
        }) else {
            return;
        };
        let verdict = match claims {
            None => Err(Misbehaviour::IdentityInvalid.into()),
            Some(claims) if claims.pki_id != claimed.pki_id => Err(Misbehaviour::IdentityMismatch.into()),
            Some(claims) => self.verify_claimed(connection, claimed, claims),
        };
        if let Err(reason) = verdict {
            self.refuse(connection, reason);
        }
    }

    fn verify_claimed(
        &mut self,
        connection: ConnectionId,
        claimed: Box<Claimed>,
        claims: IdentityClaims,
    ) -> Result<(), Reject> {
        let is_own = claimed.pki_id == self.shared.me.pki_id;
        if claims.expires_at < self.shared.wall() && !is_own {
            return Err(Unfitting::IdentityExpired.into());
        }
        let waiting = shared::Waiting::Connection(Waiting::Signature(connection));
        let ticket = self.shared.ticket_for(connection, waiting).ok_or(Reject::OverLimit)?;
        let envelope = &claimed.envelope;
        let signed = Signed::of(envelope);
        let secret = Signed::secret_of(envelope);
        self.shared.verify(ticket, claimed.identity.clone(), signed, secret, None);
        self.set_theirs(connection, Theirs::Verifying(claimed, claims));
        Ok(())
    }

    pub(super) fn handshake_verified(&mut self, connection: ConnectionId, ok: bool) {
        let Some((claimed, claims)) = take_theirs(&mut self.connections, connection, |theirs| match theirs {
            Theirs::Verifying(claimed, claims) => Ok((claimed, claims)),
            other => Err(other),
        }) else {
            return;
        };
        if !ok {
            return self.refuse(connection, Misbehaviour::SignatureInvalid);
        }
        if let Err(reason) = self.learn_identity(claims.clone(), &claimed.identity) {
            return self.refuse(connection, reason);
        }
        self.set_theirs(connection, Theirs::Verified(claimed, claims));
        self.finish_handshake(connection);
    }

    fn set_theirs(&mut self, connection: ConnectionId, theirs: Theirs) {
        if let Some(handshake) = self.connections.handshake(connection) {
            handshake.theirs = theirs;
        }
    }

    /// Whether a stream that just ended was a probe of ours on which everything was said: the other side ends a probe as soon
    /// as it is content, which may be before its own message is verified here (spec/02 §5).
    pub(super) fn awaits_verdict_of_probe(&mut self, connection: ConnectionId) -> bool {
        let is_probe =
            self.connections.all.get(&connection).is_some_and(|it| matches!(it.role, Role::Probe(_)));
        let Some(handshake) = self.connections.handshake(connection).filter(|_| is_probe) else {
            return false;
        };
        let is_said = handshake.own_is_sent && !matches!(handshake.theirs, Theirs::Awaited);
        handshake.has_ended = is_said;
        is_said
    }

    /// Ends the handshake if both sides are done.
    fn finish_handshake(&mut self, connection: ConnectionId) {
        let Some(handshake) = self.connections.handshake(connection) else { return };
        let Some(authenticated) = handshake.take_result() else { return };
        let Some(role) = self.connections.all.get(&connection).map(|it| it.role.clone()) else { return };
        match role {
            Role::Accepted if authenticated.probe => self.close(connection, CloseReason::ProbeDone),
            Role::Accepted => self.open_connection(connection, authenticated, None),
            // an answer to a probe, or to a dial, that is a probe itself
            _ if authenticated.probe => self.refuse(connection, Misbehaviour::UnexpectedHandshake),
            Role::Probe(endpoint) => self.probe_succeeded(connection, &endpoint, &authenticated.auth),
            Role::Dialed(expected) => self.open_connection(connection, authenticated, Some(expected)),
        }
    }
}

/// Takes what `pick` picks; whatever it does not pick stays.
fn take_theirs<T>(
    connections: &mut Connections,
    connection: ConnectionId,
    pick: impl FnOnce(Theirs) -> Result<T, Theirs>,
) -> Option<T> {
    let handshake = connections.handshake(connection)?;
    match pick(core::mem::replace(&mut handshake.theirs, Theirs::Awaited)) {
        Ok(picked) => Some(picked),
        Err(other) => {
            handshake.theirs = other;
            None
        }
    }
}
