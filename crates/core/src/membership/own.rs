//! The own alive message (spec/04 §4): made, signed, kept for as long as it is fresh enough, and published.
//!
//! Each message costs its signature here and a verification at everybody who gets it, so heartbeats, requests and responses
//! share one. The secret with the internal endpoint never changes and is signed once.

use super::{Waiting, messages};
use crate::dissemination::Push;
use crate::ids::{Endpoint, PkiId};
use crate::peer::Peer;
use crate::shared::{self, Sender};
use crate::time::Instant;
use crate::timers::Timer;
use bytes::Bytes;
use core::time::Duration;
use selvedge_proto::envelope::{EnvelopeView, seal, secret_payload};
use std::collections::VecDeque;

/// Requests and responses that may wait for a signature; beyond, the newest is dropped, as its sender will ask again.
const WAITING_MAX: usize = 1024;
/// How soon a failed signature is tried again (W-4).
const SIGN_AGAIN: Duration = Duration::from_secs(1);

/// What the own alive message is needed for.
#[derive(Debug)]
pub(super) enum Purpose {
    Heartbeat,
    /// A membership request; to this endpoint if the peer is not connected, else to where it is known to be.
    Request {
        pki_id: PkiId,
        endpoint: Option<Endpoint>,
        nonce: u64,
    },
    /// The answer to a request.
    Response {
        sender: Sender,
        nonce: u64,
        requester_is_external: bool,
    },
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct OwnAlive {
    seq_num: u64,
    current: Option<(EnvelopeView, Instant)>,
    /// The signed secret, payload and signature.
    secret: Option<(Bytes, Bytes)>,
    signing: Option<Signing>,
    waiting: VecDeque<Purpose>,
    /// Until when messages carry the identity.
    embed_until: Instant,
}

#[derive(Debug)]
struct Signing {
    payload: Bytes,
    signature: Option<Bytes>,
    awaits_secret: bool,
}

impl OwnAlive {
    /// The newest sequence number used.
    pub(super) fn seq_num(&self) -> u64 {
        self.seq_num
    }
}

impl Peer {
    /// Publishes the own alive message, and does so again after `alive_time_interval`.
    pub(crate) fn publish_alive(&mut self) {
        let interval = self.regular(self.shared.config.alive_time_interval, 100);
        self.shared.timers.set(Timer::Alive, self.shared.now + interval);
        // nobody to tell (spec/04 §4.2)
        if self.membership.state.alive_count() > 0 {
            self.with_own_alive(Duration::ZERO, Purpose::Heartbeat);
        }
    }

    /// The view is no longer empty: introduce this node soon, with its identity.
    pub(super) fn introduce(&mut self) {
        if !self.shared.config.rules.heeds_news() {
            return;
        }
        let now = self.shared.now;
        self.membership.own.embed_until = now + self.shared.config.publish_certificate_period;
        self.shared.timers.set_no_later_than(Timer::Alive, now + Duration::from_millis(100));
    }

    /// Does something with an own alive message that is not older than `age_max`; now, or once it is signed.
    pub(super) fn with_own_alive(&mut self, age_max: Duration, purpose: Purpose) {
        let now = self.shared.now;
        let fresh =
            |&&(_, made): &&(EnvelopeView, Instant)| age_max > Duration::ZERO && now.since(made) <= age_max;
        if let Some((envelope, _)) = self.membership.own.current.as_ref().filter(fresh) {
            let envelope = envelope.clone();
            return self.use_own_alive(&envelope, purpose);
        }
        if self.membership.own.waiting.len() >= WAITING_MAX {
            self.shared.stats.unsent_count += 1;
            return;
        }
        self.membership.own.waiting.push_back(purpose);
        if self.membership.own.signing.is_none() {
            self.sign_own_alive();
        }
    }

    fn sign_own_alive(&mut self) {
        let config = &self.shared.config;
        let me = &self.shared.me;
        self.membership.own.seq_num += 1;
        let seq_num = self.membership.own.seq_num;
        let within_first = self.shared.age() < config.publish_certificate_period;
        let embeds = within_first || self.shared.now < self.membership.own.embed_until;
        let identity = if embeds { me.identity.clone() } else { Bytes::new() };
        let payload =
            messages::alive_payload(me, &config.external_endpoint, (me.incarnation, seq_num), identity);
        let awaits_secret = self.membership.own.secret.is_none() && !config.endpoint.is_empty();
        let secret = awaits_secret.then(|| secret_payload(&config.endpoint));
        let signing = Signing { payload: payload.clone(), signature: None, awaits_secret };
        self.membership.own.signing = Some(signing);
        if let Some(secret) = secret {
            self.shared.sign(shared::Waiting::Membership(Waiting::OwnSecret(secret.clone())), secret);
        }
        self.shared.sign(shared::Waiting::Membership(Waiting::OwnAlive), payload);
    }

    pub(super) fn own_secret_signed(&mut self, payload: Bytes, signature: Option<Bytes>) {
        // without a signature the message goes out without a secret; the next one tries again
        if let Some(signature) = signature {
            self.membership.own.secret = Some((payload, signature));
        }
        if let Some(signing) = &mut self.membership.own.signing {
            signing.awaits_secret = false;
        }
        self.finish_own_alive();
    }

    pub(super) fn own_alive_signed(&mut self, signature: Option<Bytes>) {
        let Some(signing) = &mut self.membership.own.signing else { return };
        if signature.is_some() {
            signing.signature = signature;
            return self.finish_own_alive();
        }
        self.membership.own.signing = None;
        let dropped = core::mem::take(&mut self.membership.own.waiting);
        self.shared.stats.unsent_count += dropped.len() as u64;
        self.shared.timers.set_no_later_than(Timer::Alive, self.shared.now + SIGN_AGAIN);
    }

    fn finish_own_alive(&mut self) {
        let is_done = |signing: &mut Signing| signing.signature.is_some() && !signing.awaits_secret;
        let Some(Signing { payload, signature: Some(signature), .. }) =
            self.membership.own.signing.take_if(|signing| is_done(signing))
        else {
            return;
        };
        let secret = self.membership.own.secret.as_ref();
        let envelope =
            seal(&payload, &signature, secret.map(|(payload, signature)| (&payload[..], &signature[..])));
        let Ok(envelope) = EnvelopeView::parse(envelope) else { return };
        self.membership.own.current = Some((envelope.clone(), self.shared.now));
        for purpose in core::mem::take(&mut self.membership.own.waiting) {
            self.use_own_alive(&envelope, purpose);
        }
    }

    fn use_own_alive(&mut self, envelope: &EnvelopeView, purpose: Purpose) {
        match purpose {
            Purpose::Heartbeat => self.disseminate(Push::Alive {
                envelope: envelope.clone(),
                origin: self.shared.me.pki_id,
                origin_org: self.shared.me.org.clone(),
                external_endpoint_empty: self.shared.config.external_endpoint.is_empty(),
                delivered_by: None,
            }),
            Purpose::Request { pki_id, endpoint, nonce } => {
                self.request_membership(envelope, pki_id, endpoint, nonce);
            }
            Purpose::Response { sender, nonce, requester_is_external } => {
                self.respond_membership(envelope, &sender, nonce, requester_is_external);
            }
        }
    }
}
