//! The identity pull (spec/03 §5, spec/05 §11): identities as items signed by their owners.
//!
//! Items are kept and passed on as their owners signed them. Each one is judged for itself (spec/05 W-20): what cannot be
//! validated is left out, and not asked for again where it came from.

use crate::ids::{MspId, PkiId};
use crate::input::IdentityClaims;
use crate::messages::{self, PullOf};
use crate::output::{Priority, Signed};
use crate::peer::{Answer, Peer};
use crate::pull::{Initiator, Request, Responder, updates};
use crate::reject::{Misbehaviour, Reject, Unfitting};
use crate::shared::{self, Sender};
use crate::table::Table;
use crate::time::Instant;
use crate::timers::Timer;
use crate::verifying::Verifying;
use bytes::Bytes;
use core::time::Duration;
use selvedge_proto::envelope::{ContentKind, Envelope, EnvelopeView, seal};
use selvedge_proto::gossip::{DataDigest, DataRequest, GossipHello};
use selvedge_proto::validate::{self, Malformed};
use std::collections::{BTreeMap, BTreeSet};

/// How long an item that could not be validated is not asked for again where it came from.
const UNUSABLE_AGE_MAX: Duration = Duration::from_secs(600);
/// Rounds without news after which they become rarer (spec/05 W-23).
const QUIET_ROUNDS_MIN: u32 = 4;
/// By how much at most.
const QUIET_FACTOR_MAX: u32 = 4;

/// What an answer continues.
#[derive(Debug)]
pub(crate) enum Waiting {
    /// The signature of the own item.
    OwnItem(Bytes),
    /// What the identity in an item proves to be.
    Claims(Box<Item>),
    /// The signature of an item; what its identity proved to be unless it was known before.
    Signature(Box<Item>, Option<IdentityClaims>),
}

/// An item of an update.
#[derive(Debug)]
pub(crate) struct Item {
    sender: Sender,
    pki_id: PkiId,
    identity: Bytes,
    /// Payload and signature, nothing else.
    view: EnvelopeView,
}

/// State of the identity pull.
#[derive(Debug)]
pub(crate) struct IdentityPull {
    /// Envelopes by whose identity is in them, the own one included.
    items: Table<PkiId, Envelope>,
    /// Items that are being checked.
    verifying: Verifying,
    initiator: Initiator<PkiId>,
    responder: Responder,
    round_at: Instant,
    quiet_rounds: u32,
    /// The own item is being signed.
    is_signing: bool,
    /// Items that could not be validated, by who offered them.
    unusable: BTreeMap<(PkiId, PkiId), Instant>,
}

impl IdentityPull {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            items: Table::new(seed),
            verifying: Verifying::new(seed),
            initiator: Initiator::default(),
            responder: Responder::default(),
            round_at: Instant::default(),
            quiet_rounds: 0,
            is_signing: false,
            unusable: BTreeMap::new(),
        }
    }

    fn note_unusable(&mut self, now: Instant, from: PkiId, pki_id: PkiId, count_max: usize) {
        if self.unusable.len() >= count_max {
            self.unusable.clear();
        }
        self.unusable.insert((from, pki_id), now);
    }
}

impl Peer {
    /// Has the own item signed and starts the rounds.
    pub(crate) fn start_identity_pull(&mut self) {
        self.sign_own_item();
        let interval = self.shared.config.pull_interval;
        let first = match self.shared.config.rules.heeds_news() {
            true => interval.mul_f64(0.5 + self.shared.rng.f64() / 2.0),
            false => interval,
        };
        self.identities.pull.round_at = self.shared.now + first;
        self.set_identity_pull_timer();
    }

    fn sign_own_item(&mut self) {
        let me = &self.shared.me;
        let pull = &mut self.identities.pull;
        if pull.items.contains_key(&me.pki_id) || core::mem::replace(&mut pull.is_signing, true) {
            return;
        }
        let payload = messages::peer_identity_payload(&me.pki_id, &me.identity);
        let waiting = super::Waiting::Pull(Waiting::OwnItem(payload.clone()));
        self.shared.sign(shared::Waiting::Identity(waiting), payload);
    }

    /// Begins a round when its time has come, and goes on with those that are under way.
    pub(crate) fn advance_identity_pull(&mut self) {
        let now = self.shared.now;
        let config = &self.shared.config;
        let pull = &mut self.identities.pull;
        let again = pull.initiator.advance(now, &mut self.shared.rng, config);
        let begins = pull.round_at <= now;
        if begins {
            pull.quiet_rounds = pull.quiet_rounds.saturating_add(1);
            let factor = match config.rules.heeds_news() {
                true => 2_u32.saturating_pow(pull.quiet_rounds / QUIET_ROUNDS_MIN).min(QUIET_FACTOR_MAX),
                false => 1,
            };
            pull.round_at = now + config.pull_interval * factor;
            pull.responder.sweep(now);
            pull.unusable.retain(|_, since| now.since(*since) < UNUSABLE_AGE_MAX);
        }
        self.request_identities(again);
        if begins {
            self.sign_own_item();
            let partners = self.draw_partners(|_, _| true).unwrap_or_else(|| {
                let mut partners: Vec<PkiId> = self.membership.alive().map(|member| member.pki_id).collect();
                self.shared.rng.shuffle(&mut partners);
                partners.truncate(self.shared.config.pull_peer_count);
                partners
            });
            for partner in partners {
                self.greet(partner);
            }
        }
        self.set_identity_pull_timer();
    }

    fn set_identity_pull_timer(&mut self) {
        let pull = &self.identities.pull;
        let deadline = pull.initiator.deadline(&self.shared.config);
        let at = deadline.map_or(pull.round_at, |at| at.min(pull.round_at));
        self.shared.timers.set(Timer::IdentityPull, at);
    }

    fn greet(&mut self, partner: PkiId) {
        let nonce = self.shared.rng.u64(..);
        if self.identities.pull.initiator.hello(self.shared.now, partner, nonce) {
            self.send_to(partner, messages::hello(PullOf::Identities, nonce), Priority::Membership);
        }
    }

    /// Asks one peer at once: it knows somebody whom we do not (04 W-24).
    pub(crate) fn pull_identities_from(&mut self, pki_id: PkiId) {
        if !self.shared.config.rules.heeds_news() {
            return;
        }
        let pull = &self.identities.pull;
        if !pull.initiator.is_greeted(self.shared.now, pki_id, &self.shared.config) {
            self.greet(pki_id);
            self.set_identity_pull_timer();
        }
    }

    /// Another configuration is in force: what could not be validated may be valid now.
    pub(crate) fn forget_unusable_identities(&mut self) {
        self.identities.pull.unusable.clear();
        self.identities.pull.quiet_rounds = 0;
    }

    /// There is somebody new: rounds are worth their while again.
    pub(crate) fn wake_identity_pull(&mut self) {
        let pull = &mut self.identities.pull;
        pull.quiet_rounds = 0;
        let at = self.shared.now + self.shared.config.pull_interval;
        if at < pull.round_at {
            pull.round_at = at;
            self.set_identity_pull_timer();
        }
    }

    /// An identity is no longer known: it is not offered any more.
    pub(crate) fn on_identity_dropped(&mut self, pki_id: PkiId) {
        self.identities.pull.items.remove(&pki_id);
        self.identities.pull.initiator.forget(pki_id);
        self.macs.forget(&pki_id);
    }

    pub(crate) fn on_identity_pull(&mut self, sender: &Sender, envelope: &EnvelopeView) {
        let taken = match envelope.kind() {
            ContentKind::Hello => self.on_identity_hello(sender, envelope),
            ContentKind::DataDig => self.on_identity_digest(sender, envelope),
            ContentKind::DataReq => self.on_identity_request(sender, envelope),
            _ => self.on_identity_update(sender, envelope),
        };
        if let Err(reason) = taken {
            self.reject(sender, envelope.kind(), reason);
        }
    }

    /// What a peer of `org` may have (spec/05 §11.2), its own organisation's first.
    fn items_for(&self, org: &MspId) -> Vec<(MspId, PkiId, &Envelope)> {
        let own_org = &self.shared.me.org;
        let mut items: Vec<_> = self
            .identities
            .pull
            .items
            .iter()
            .filter_map(|(pki_id, item)| Some((self.org_of(pki_id)?, *pki_id, item)))
            .filter(|(of, pki_id, _)| {
                org == own_org || (of == org || of == own_org) && self.has_external_endpoint(pki_id)
            })
            .collect();
        items.sort_by(|(a, ..), (b, ..)| (a != org, a).cmp(&(b != org, b)));
        items.truncate(self.shared.config.limits.elements_per_message_max);
        items
    }

    fn on_identity_hello(&mut self, sender: &Sender, view: &EnvelopeView) -> Result<(), Reject> {
        let GossipHello { nonce, .. } = view.content_as().map_err(Malformed::from)?;
        let now = self.shared.now;
        self.identities.pull.responder.hello(now, sender.pki_id, nonce, &self.shared.config)?;
        let items = self.items_for(&sender.org).into_iter();
        let ids: Vec<Bytes> = items.map(|(_, pki_id, _)| Bytes::copy_from_slice(pki_id.as_bytes())).collect();
        self.identities.pull.responder.offered(sender.pki_id, nonce, ids.len());
        if !ids.is_empty() {
            self.reply(sender, messages::digest(PullOf::Identities, nonce, ids), Priority::Membership);
        }
        Ok(())
    }

    fn on_identity_digest(&mut self, sender: &Sender, view: &EnvelopeView) -> Result<(), Reject> {
        let DataDigest { nonce, digests, .. } = view.content_as().map_err(Malformed::from)?;
        let now = self.shared.now;
        let config = &self.shared.config;
        let me = self.shared.me.pki_id;
        let ids_max = config.limits.elements_per_message_max;
        let IdentityPull { items, initiator, unusable, .. } = &mut self.identities.pull;
        let ids = digests.iter().take(ids_max).filter_map(|id| PkiId::from_wire(id));
        let wanted = ids.filter(|id| {
            *id != me && !items.contains_key(id) && !unusable.contains_key(&(sender.pki_id, *id))
        });
        let ids = initiator.digest(now, sender.pki_id, nonce, wanted, ids_max, config)?;
        if !ids.is_empty() {
            let ids = ids.iter().map(|id| Bytes::copy_from_slice(id.as_bytes())).collect();
            self.reply(sender, messages::request(PullOf::Identities, nonce, ids), Priority::Membership);
        }
        Ok(())
    }

    fn on_identity_request(&mut self, sender: &Sender, view: &EnvelopeView) -> Result<(), Reject> {
        let DataRequest { nonce, digests, .. } = view.content_as().map_err(Malformed::from)?;
        let mut items = self.items_for(&sender.org);
        let asked: BTreeSet<PkiId> = digests.iter().filter_map(|id| PkiId::from_wire(id)).collect();
        items.retain(|(_, pki_id, _)| asked.contains(pki_id));
        let items: Vec<(MspId, Envelope)> =
            items.into_iter().map(|(org, _, item)| (org, item.clone())).collect();
        let now = self.shared.now;
        let granted = self.identities.pull.responder.request(now, sender.pki_id, nonce, items.len())?;
        let bytes_max = self.shared.config.limits.state_response_bytes_max;
        // a Go peer drops the whole update for one identity of an organisation it does not know (spec/05 §15.8)
        for of_org in items[..granted.min(items.len())].chunk_by(|(a, _), (b, _)| a == b) {
            let of_org: Vec<Envelope> = of_org.iter().map(|(_, item)| item.clone()).collect();
            for update in updates(PullOf::Identities, nonce, &of_org, bytes_max) {
                self.reply(sender, update, Priority::Membership);
            }
        }
        Ok(())
    }

    fn on_identity_update(&mut self, sender: &Sender, view: &EnvelopeView) -> Result<(), Reject> {
        let nonce = view.pull().ok_or(Malformed::ContentMissing)?.nonce;
        self.identities.pull.initiator.update(sender.pki_id, nonce)?;
        for element in view.parts().take(self.shared.config.limits.elements_per_message_max) {
            let item = element.map_err(Malformed::from)?.envelope;
            match self.take_identity_item(sender, &item) {
                Ok(()) | Err(Reject::Unfitting(Unfitting::Duplicate | Unfitting::Own)) => {}
                Err(reason) => self.reject(sender, ContentKind::PeerIdentity, reason),
            }
        }
        Ok(())
    }

    fn take_identity_item(&mut self, sender: &Sender, item: &Envelope) -> Result<(), Reject> {
        let view = item.view().map_err(Malformed::from)?;
        let content = validate::nested_identity(&view)?;
        validate::signed(&view)?;
        let pki_id = PkiId::from_wire(&content.pki_id).ok_or(Misbehaviour::IdentityMismatch)?;
        if content.cert.len() > self.shared.config.limits.identity_bytes_max {
            return Err(Reject::OverLimit);
        }
        if pki_id == self.shared.me.pki_id {
            return Err(Unfitting::Own.into());
        }
        if self.identities.pull.items.contains_key(&pki_id) {
            return Err(Unfitting::Duplicate.into());
        }
        // detached, so that an identity kept for long does not keep the whole update
        let view = view.bare().detached();
        self.identities.pull.verifying.begin(pki_id, &view)?;
        let taken = self.check_item(sender, pki_id, view.clone());
        if taken.is_err() {
            self.identities.pull.verifying.end(&pki_id, &view);
        }
        taken
    }

    fn check_item(&mut self, sender: &Sender, pki_id: PkiId, view: EnvelopeView) -> Result<(), Reject> {
        let identity = validate::nested_identity(&view)?.cert;
        let item = Box::new(Item { sender: sender.clone(), pki_id, identity, view });
        if self.identities.known(&pki_id).is_some_and(|known| known.identity == item.identity) {
            return self.verify_item(item, None);
        }
        let identity = item.identity.clone();
        let waiting = shared::Waiting::Identity(super::Waiting::Pull(Waiting::Claims(item)));
        let ticket = self.shared.ticket_for(sender.connection, waiting).ok_or(Reject::OverLimit)?;
        self.shared.check_identity(ticket, identity);
        Ok(())
    }

    fn verify_item(&mut self, item: Box<Item>, claims: Option<IdentityClaims>) -> Result<(), Reject> {
        let identity = item.identity.clone();
        let signed = Signed::of(&item.view);
        let connection = item.sender.connection;
        let waiting = shared::Waiting::Identity(super::Waiting::Pull(Waiting::Signature(item, claims)));
        let ticket = self.shared.ticket_for(connection, waiting).ok_or(Reject::OverLimit)?;
        self.shared.verify(ticket, identity, signed, None, None);
        Ok(())
    }

    pub(crate) fn continue_identity_pull(&mut self, waiting: Waiting, answer: Answer) {
        match (waiting, answer) {
            (Waiting::OwnItem(payload), Answer::Signed(Some(signature))) => {
                let me = self.shared.me.pki_id;
                self.identities.pull.items.insert(me, Envelope::from(seal(&payload, &signature, None)));
            }
            // tried again with the next round
            (Waiting::OwnItem(_), Answer::Signed(None)) => self.identities.pull.is_signing = false,
            (Waiting::Claims(item), Answer::IdentityChecked(claims)) => self.on_item_claims(item, claims),
            (Waiting::Signature(item, claims), Answer::Verified(ok)) => {
                self.on_item_verified(&item, claims, ok);
            }
            _ => {}
        }
    }

    fn on_item_claims(&mut self, item: Box<Item>, claims: Option<IdentityClaims>) {
        let (sender, pki_id, view) = (item.sender.clone(), item.pki_id, item.view.clone());
        let verified = match claims {
            None => Err(Misbehaviour::IdentityInvalid.into()),
            Some(claims) if claims.pki_id != pki_id => Err(Misbehaviour::IdentityMismatch.into()),
            Some(claims) if claims.expires_at < self.shared.wall() => Err(Unfitting::IdentityExpired.into()),
            Some(claims) => self.verify_item(item, Some(claims)),
        };
        if let Err(reason) = verified {
            self.identities.pull.verifying.end(&pki_id, &view);
            self.refuse_item(&sender, pki_id, reason);
        }
    }

    fn on_item_verified(&mut self, item: &Item, claims: Option<IdentityClaims>, ok: bool) {
        let Item { sender, pki_id, identity, view } = item;
        self.identities.pull.verifying.end(pki_id, view);
        if !ok {
            return self.refuse_item(sender, *pki_id, Misbehaviour::SignatureInvalid.into());
        }
        if let Some(claims) = claims
            && let Err(reason) = self.learn_identity(claims, identity)
        {
            return self.refuse_item(sender, *pki_id, reason);
        }
        // it may have been dropped while its signature was verified
        if self.identities.known(pki_id).is_some() {
            self.identities.pull.items.insert(*pki_id, Envelope::from(view));
            self.identities.pull.initiator.received(pki_id);
            self.identities.pull.quiet_rounds = 0;
        }
    }

    /// An item is no good: it is not asked for again where it came from, but elsewhere if somebody else offered it.
    fn refuse_item(&mut self, sender: &Sender, pki_id: PkiId, reason: Reject) {
        let now = self.shared.now;
        let count_max = self.shared.config.limits.identities_max;
        let pull = &mut self.identities.pull;
        if reason != Reject::OverLimit {
            pull.note_unusable(now, sender.pki_id, pki_id, count_max);
        }
        let again = pull.initiator.failed(now, &pki_id, sender.pki_id, &self.shared.config);
        self.reject(sender, ContentKind::PeerIdentity, reason);
        self.request_identities(again);
    }

    fn request_identities(&mut self, requests: impl IntoIterator<Item = Request<PkiId>>) {
        for Request { partner, nonce, ids } in requests {
            let ids = ids.iter().map(|id| Bytes::copy_from_slice(id.as_bytes())).collect();
            let request = messages::request(PullOf::Identities, nonce, ids);
            self.send_to(partner, request, Priority::Membership);
        }
    }
}
