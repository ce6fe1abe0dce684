//! The gossip handshake: both sides say who they are and prove it, bound to the TLS certificates (spec/02 §4.4).

use super::dial::Telling;
use super::report::Step;
use super::setup::unix_now;
use super::{Probe, explain};
use crate::show::{Claimed, hex, seconds, short};
use crate::trust::Verdict;
use bytes::Bytes;
use selvedge::transport::{ClosedReason, Connection, Http2Connection, TransportEvent};
use selvedge_core::{ConnectionId, Priority, TlsBinding};
use selvedge_msp::{NodeRole, PkiId, SignError, pki_id};
use selvedge_proto::envelope::{EnvelopeView, payload_of, seal};
use selvedge_proto::gossip::gossip_message::{Content, Tag};
use selvedge_proto::gossip::{ConnEstablish, GossipMessage};
use std::time::Instant;
use tokio::time::timeout_at;

/// The peer that answered.
pub(super) struct Peer {
    pub(super) pki_id: PkiId,
    pub(super) msp_id: String,
}

/// A gossip stream. Dropping it closes it.
pub(super) struct Stream {
    connection: Connection,
}

impl Stream {
    /// Sends an envelope.
    pub(super) fn send(&self, envelope: Bytes) {
        // the queue holds 200, and a probe sends a handful
        self.connection.push(envelope, Priority::Control);
    }
}

/// What came of waiting.
pub(super) enum Arrival {
    Envelope(Bytes),
    /// The stream has ended.
    Closed(ClosedReason),
    /// The time is up.
    Silence,
}

impl Probe {
    /// What comes next on a stream.
    pub(super) async fn next(&mut self, stream: &Stream, until: Instant) -> Arrival {
        while Instant::now() < until {
            match timeout_at(until.into(), self.events.recv()).await {
                Ok(Some(TransportEvent::Frame { id, envelope, .. })) if id == stream.connection.id() => {
                    return Arrival::Envelope(envelope);
                }
                Ok(Some(TransportEvent::Closed { id, reason })) if id == stream.connection.id() => {
                    return Arrival::Closed(reason);
                }
                // of a stream that we closed
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => break,
            }
        }
        Arrival::Silence
    }

    /// Authenticates, and has the peer authenticate us, over a stream that ends with it.
    pub(super) async fn deep_probe(&mut self, connection: Http2Connection) -> Option<Peer> {
        let begun = Instant::now();
        let (stream, theirs) = self.exchange("handshake", connection, true).await?;
        let (step, peer) = self.judge(&stream, &theirs);
        let step = step.took(begun.elapsed());
        let Some(peer) = peer else {
            self.report.step(step);
            return None;
        };
        let step = match self.end_of_probe(&stream).await {
            Ok(()) => step,
            Err((problem, advice)) => step.instead_failed(problem, advice),
        };
        self.report.step(step);
        self.show_identity(&theirs);
        Some(peer)
    }

    /// A full stream, which the peer counts as ours.
    pub(super) async fn open_stream(&mut self, expected: &Peer) -> Option<Stream> {
        let begun = Instant::now();
        let connection = self.dial(Telling::Failures).await?;
        let (stream, theirs) = self.exchange("stream", connection, false).await?;
        let (step, peer) = self.judge(&stream, &theirs);
        match peer {
            Some(peer) if peer.pki_id == expected.pki_id => {
                stream.connection.authenticated();
                self.report.step(Step::ok("stream", "a full gossip stream is open").took(begun.elapsed()));
                Some(stream)
            }
            Some(peer) => {
                let problem = format!("another peer answers now: {}", short(&peer.pki_id));
                let advice =
                    "several peers behind one address? Gossip endpoints must not be balanced".to_owned();
                self.report.step(Step::failed("stream", problem, advice));
                None
            }
            None => {
                self.report.step(step);
                None
            }
        }
    }

    /// Opens a stream, sends our handshake and waits for theirs; shows what fails.
    async fn exchange(
        &mut self,
        name: &'static str,
        connection: Http2Connection,
        probe: bool,
    ) -> Option<(Stream, Theirs)> {
        self.stream_count += 1;
        let id = ConnectionId::dialed(self.stream_count);
        let binding = connection.report().binding;
        let ours = match self.own_handshake(binding, probe) {
            Ok(ours) => ours,
            Err(error) => {
                self.report.step(Step::failed(name, format!("our signer failed: {error}"), None));
                return None;
            }
        };
        let stream = match self.transport.open_stream(connection, id) {
            Ok(connection) => Stream { connection },
            Err(error) => {
                let (problem, advice) = explain::dial(&error, binding.is_some());
                self.report.step(Step::failed(name, problem, advice));
                return None;
            }
        };
        stream.send(ours);
        let step = match self.next(&stream, Instant::now() + self.timeout).await {
            Arrival::Envelope(envelope) => return Some((stream, Theirs { envelope })),
            Arrival::Closed(reason) => refused(name, &reason),
            Arrival::Silence => Step::failed(
                name,
                "the peer opens the stream but does not say who it is",
                "a peer that hangs or is overloaded? Try a longer --timeout, and see its log (logger gossip.comm)"
                    .to_owned(),
            ),
        };
        self.report.step(step);
        None
    }

    fn own_handshake(&self, binding: Option<TlsBinding>, probe: bool) -> Result<Bytes, SignError> {
        let local = &self.setup.local;
        let conn = ConnEstablish {
            pki_id: Bytes::copy_from_slice(&local.pki_id()),
            identity: local.identity().clone(),
            tls_cert_hash: binding.map(|binding| Bytes::copy_from_slice(&binding.own)).unwrap_or_default(),
            probe,
        };
        let message = GossipMessage {
            tag: Tag::Empty as i32,
            content: Some(Content::Conn(conn)),
            ..Default::default()
        };
        self.sign(&message)
    }

    /// A signed envelope.
    pub(super) fn sign(&self, message: &GossipMessage) -> Result<Bytes, SignError> {
        let payload = payload_of(message);
        let signature = self.setup.local.signer().sign(&payload)?;
        Ok(seal(&payload, &signature, None))
    }

    /// Whether their handshake holds together; nothing is said of whether anybody vouches for them.
    fn judge(&self, stream: &Stream, theirs: &Theirs) -> (Step, Option<Peer>) {
        let failed = |problem: String, advice: &str| {
            (Step::failed("handshake", problem, Some(advice.to_owned())), None)
        };
        let Some(conn) = theirs.conn() else {
            let advice = "not a Fabric peer, or a damaged stream";
            return failed("its first message is no handshake".to_owned(), advice);
        };
        let computed = match pki_id(&conn.identity) {
            Ok(computed) => computed,
            Err(error) => return failed(error.to_string(), "not a Fabric peer"),
        };
        if computed[..] != conn.pki_id {
            let (claimed, computed) = (short(&conn.pki_id), short(&computed));
            let problem = format!("it claims PKI-ID {claimed}, but that of its identity is {computed}");
            return failed(problem, "somebody pretends to be another peer: who answers on this address?");
        }
        let presented = stream.connection.binding().and_then(|binding| binding.remote);
        if let Some(presented) = presented
            && conn.tls_cert_hash != presented[..]
        {
            let problem = format!(
                "it is bound to TLS certificate {}, but {} was presented",
                short(&conn.tls_cert_hash),
                short(&presented)
            );
            let advice = "a proxy between ends TLS: only passing through works. Or the peer's certificate was replaced \
                          and the peer not restarted";
            return failed(problem, advice);
        }
        let msp_id = Claimed::read(&conn.identity).map(|claimed| claimed.msp_id).unwrap_or_default();
        let bound = if presented.is_some() { ", bound to the TLS certificates" } else { "" };
        let step = Step::ok("handshake", format!("each side accepts the other{bound}"))
            .detail("pki_id", hex(&computed));
        (step, Some(Peer { pki_id: computed, msp_id }))
    }

    /// Waits for the end of a deep probe, which tells whether the peer accepted us.
    async fn end_of_probe(&mut self, stream: &Stream) -> Result<(), (String, String)> {
        stream.connection.authenticated();
        let until = Instant::now() + self.timeout;
        loop {
            match self.next(stream, until).await {
                Arrival::Envelope(_) => {}
                Arrival::Closed(ClosedReason::Ended(status)) if status.code() as i32 == 0 => return Ok(()),
                Arrival::Closed(reason) => {
                    let words = words(&reason);
                    return Err((format!("the peer refuses ours: {words}"), explain::refusal(&words)));
                }
                Arrival::Silence => {
                    return Err((
                        "the peer does not say whether it accepts ours".to_owned(),
                        "a peer that hangs or is overloaded? Try a longer --timeout".to_owned(),
                    ));
                }
            }
        }
    }

    /// Who the peer is, and whether somebody vouches for it.
    fn show_identity(&mut self, theirs: &Theirs) {
        let Some(conn) = theirs.conn() else { return };
        let verdict = match self.decoder.envelope(theirs.envelope.clone()) {
            Ok(gossip) => gossip.verdict,
            Err(error) => Verdict::Bad(error.to_string()),
        };
        let Some(claimed) = Claimed::read(&conn.identity) else { return };
        let own = claimed.msp_id == self.setup.local.msp_id();
        let step =
            Step::ok("identity", format!("{claimed}, {} organisation", if own { "our" } else { "another" }))
                .shown_as("msp_id", claimed.msp_id.clone(), Vec::new())
                .shown_as("own_organization", own, Vec::new());
        let role = self.decoder.trust.identity(&conn.identity).ok().and_then(|identity| identity.role());
        let step = subject(step, &claimed, role);
        self.report.step(vouched(step, &verdict, role, &claimed));
    }
}

/// Subject, role and validity of an identity.
fn subject(step: Step, claimed: &Claimed, role: Option<NodeRole>) -> Step {
    let Some(certificate) = &claimed.certificate else { return step };
    let units: Vec<String> = certificate
        .subject
        .split(", ")
        .filter_map(|part| part.strip_prefix("OU="))
        .map(str::to_owned)
        .collect();
    let (from, to) = (certificate.not_before_seconds, certificate.not_after_seconds);
    let step = step
        .detail("subject", certificate.subject.clone())
        .shown_as("organizational_units", units, Vec::new())
        .detail("issuer", certificate.issuer.clone())
        .shown_as("not_before", from, Vec::new())
        .shown_as("expires", to, vec![format!("{}, valid from {}", seconds(to), seconds(from))]);
    match role {
        Some(role) => step.detail("role", format!("{role:?}").to_lowercase()),
        None => step,
    }
}

fn vouched(step: Step, verdict: &Verdict, role: Option<NodeRole>, claimed: &Claimed) -> Step {
    let step = step.shown_as("vouched_for", verdict.ok(), Vec::new());
    match verdict {
        Verdict::Good => {}
        Verdict::Bad(reason) => {
            return step.fail(
                &format!("not accepted: {reason}"),
                "is that peer set up with the right MSP, and is ours (or the --config-block) up to date?",
            );
        }
        Verdict::Unknown(reason) => {
            return step.fail(
                &format!("nobody vouches for it: {reason}"),
                "give the configuration of a channel in which that organisation is, with --config-block",
            );
        }
    }
    let expires = claimed.certificate.as_ref().map_or(i64::MAX, |found| found.not_after_seconds);
    if expires <= unix_now() {
        return step.fail("its certificate has expired", "have the peer's identity certificate renewed");
    }
    let days = (expires - unix_now()) / (24 * 3600);
    if days < 30 {
        let problem = format!("its certificate expires in {days} days");
        return step.warn(&problem, "have the peer's identity certificate renewed before");
    }
    match role {
        Some(NodeRole::Peer) | None => step,
        Some(role) => {
            let problem = format!("it has the role {}", format!("{role:?}").to_lowercase());
            step.warn(&problem, "a peer's certificate should have the organisational unit of peers")
        }
    }
}

/// The stream ended before they said who they are.
fn refused(name: &'static str, reason: &ClosedReason) -> Step {
    let words = words(reason);
    Step::failed(name, words.clone(), Some(explain::refusal(&words)))
}

/// The peer's own words, where it has any.
pub(super) fn words(reason: &ClosedReason) -> String {
    match reason {
        ClosedReason::Ended(status) if !status.message().is_empty() => status.message().to_owned(),
        other => other.to_string(),
    }
}

/// Their first message.
struct Theirs {
    envelope: Bytes,
}

impl Theirs {
    fn conn(&self) -> Option<ConnEstablish> {
        match EnvelopeView::parse(self.envelope.clone()).ok()?.message().ok()?.content {
            Some(Content::Conn(conn)) => Some(conn),
            _ => None,
        }
    }
}
