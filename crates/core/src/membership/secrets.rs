//! Secrets that come after the messages they belong to (W-11).

use super::Waiting;
use super::admission::{Progress, Source};
use super::checks::Check;
use super::state::Time;
use crate::ids::{Endpoint, PkiId};
use crate::output::Signed;
use crate::peer::Peer;
use crate::reject::{Misbehaviour, Reject, Unfitting};
use crate::shared;
use selvedge_proto::envelope::{ContentKind, EnvelopeView};
use selvedge_proto::validate;

impl Peer {
    /// A copy with a secret of a message that is known without.
    pub(super) fn admit_secret(
        &mut self,
        envelope: &EnvelopeView,
        source: Source,
        pki_id: PkiId,
        time: Time,
    ) -> Result<Progress, Reject> {
        validate::signed(envelope)?;
        let member = self.membership.state.member(&pki_id).ok_or(Unfitting::Duplicate)?;
        if !member.envelope.is_copy_of(envelope) {
            return Err(Unfitting::Duplicate.into());
        }
        let endpoint = envelope.secret().map(|secret| secret.internal_endpoint()).unwrap_or_default();
        if endpoint.len() > self.shared.config.limits.endpoint_bytes_max {
            return Err(Reject::OverLimit);
        }
        if self.membership.state.has_proven_secret(&pki_id, envelope) {
            self.membership.state.merge_secret(&pki_id, envelope.clone(), Endpoint::from(endpoint));
            return Ok(Progress::Done);
        }
        let Some(source) = self.wait_for_check(source, pki_id, time, envelope)? else {
            return Ok(Progress::Checking);
        };
        let identity = self.identities.known(&pki_id).ok_or(Unfitting::IdentityUnknown)?.identity.clone();
        // the message itself was verified when its first copy came
        let secret = Signed::secret_of(envelope).ok_or(Unfitting::Duplicate)?;
        let waiting = shared::Waiting::Membership(Waiting::Secret(pki_id, Box::new(envelope.clone())));
        let ticket = self.shared.ticket_for(source.sender().connection, waiting).ok_or(Reject::OverLimit)?;
        self.membership.state.set_lacks_secret(&pki_id, false);
        self.membership.admission.checks.begin(pki_id, Check::new(envelope.clone(), true));
        self.shared.verify(ticket, identity, secret, None, None);
        Ok(Progress::Done)
    }

    pub(super) fn secret_verified(&mut self, pki_id: PkiId, envelope: &EnvelopeView, ok: bool) {
        let waiter = self.membership.admission.checks.end(&pki_id, envelope);
        let endpoint = envelope.secret().map(|secret| secret.internal_endpoint()).unwrap_or_default();
        if ok {
            let state = &mut self.membership.state;
            if !state.merge_secret(&pki_id, envelope.clone(), Endpoint::from(endpoint)) {
                // a newer message came meanwhile; its secret is the same, as a rule
                state.note_proven_secret(&pki_id, envelope.clone());
            }
        } else {
            self.membership.state.set_lacks_secret(&pki_id, true);
            self.shared.reject(None, ContentKind::AliveMsg, Misbehaviour::SignatureInvalid);
        }
        self.check_ended(waiter, envelope, None);
    }
}
