//! Checks of alive messages under way, so that nothing is verified twice: a copy with the same message or the same secret
//! waits for the end of the first check, and is looked at again when it is known what came of it.

use super::admission::{Progress, Source};
use super::state::Time;
use crate::ids::PkiId;
use crate::peer::Peer;
use crate::reject::{Reject, Unfitting};
use selvedge_proto::envelope::EnvelopeView;
use std::collections::BTreeMap;

/// Checks under way, by origin.
#[derive(Debug, Default)]
pub(super) struct Checks {
    by_origin: BTreeMap<PkiId, Vec<Check>>,
}

/// The check of an envelope: of its message, of its secret, or of both.
#[derive(Debug)]
pub(super) struct Check {
    envelope: EnvelopeView,
    with_secret: bool,
    waiter: Option<Waiter>,
}

/// An envelope that has something in common with one that is being checked.
#[derive(Debug)]
pub(super) struct Waiter {
    source: Source,
    envelope: EnvelopeView,
    time: Time,
}

impl Check {
    pub(super) fn new(envelope: EnvelopeView, with_secret: bool) -> Self {
        Self { envelope, with_secret, waiter: None }
    }

    /// Whether the end of this check says something of another envelope.
    fn concerns(&self, other: &EnvelopeView) -> bool {
        self.envelope.is_copy_of(other)
            || self.with_secret && other.secret().is_some() && self.envelope.secret() == other.secret()
    }

    /// Whether there is nothing in the other envelope that is not being checked.
    fn covers(&self, other: &EnvelopeView) -> bool {
        self.envelope.is_copy_of(other) && (self.envelope.secret().is_some() || other.secret().is_none())
    }
}

impl Checks {
    pub(super) fn begin(&mut self, origin: PkiId, check: Check) {
        self.by_origin.entry(origin).or_default().push(check);
    }

    /// Ends the check of an envelope; gives what waited for it.
    pub(super) fn end(&mut self, origin: &PkiId, envelope: &EnvelopeView) -> Option<Waiter> {
        let checks = self.by_origin.get_mut(origin)?;
        let index = checks.iter().position(|check| check.envelope == *envelope)?;
        let ended = checks.swap_remove(index);
        if checks.is_empty() {
            self.by_origin.remove(origin);
        }
        ended.waiter
    }
}

impl Peer {
    /// Lets an envelope wait if it has something in common with one that is being checked: `None` if it does now, its
    /// source if there is no such check.
    ///
    /// # Errors
    ///
    /// [`Unfitting`] if it has nothing that is not being checked, or something newer waits already.
    pub(super) fn wait_for_check(
        &mut self,
        source: Source,
        origin: PkiId,
        time: Time,
        envelope: &EnvelopeView,
    ) -> Result<Option<Source>, Reject> {
        let checks = self.membership.admission.checks.by_origin.get_mut(&origin);
        let checks = checks.map(Vec::as_mut_slice).unwrap_or_default();
        if checks.iter().any(|check| check.covers(envelope)) {
            return Err(Unfitting::Duplicate.into());
        }
        let Some(check) = checks.iter_mut().find(|check| check.concerns(envelope)) else {
            return Ok(Some(source));
        };
        // one place is enough: of several envelopes the newest counts
        if let Some(waiter) = &check.waiter
            && waiter.time >= time
        {
            let is_same_time = waiter.time == time;
            return Err(if is_same_time { Unfitting::Duplicate } else { Unfitting::Stale }.into());
        }
        let waiter = Waiter { source, envelope: envelope.clone(), time };
        if let Some(outdated) = check.waiter.replace(waiter) {
            self.admission_refused(&outdated.source, Unfitting::Stale.into());
        }
        Ok(None)
    }

    /// The check of an envelope has ended, refused or not: what waited for it goes on.
    pub(super) fn check_ended(
        &mut self,
        waiter: Option<Waiter>,
        checked: &EnvelopeView,
        refused: Option<Reject>,
    ) {
        let Some(Waiter { source, envelope, .. }) = waiter else { return };
        // a message that did not hold does not hold in another copy, either
        if let Some(reason @ Reject::Misbehaviour(_)) = refused
            && checked.is_copy_of(&envelope)
        {
            return self.admission_refused(&source, reason);
        }
        let sender = source.sender().clone();
        match self.admit(&envelope, || source.clone(), &sender) {
            Ok(Progress::Checking) => {}
            Ok(Progress::Done) => self.admission_ended(&source),
            Err(reason) => self.admission_refused(&source, reason),
        }
    }
}
