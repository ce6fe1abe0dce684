//! Identities: who is known (spec/03 §4), and how identities are pulled (§5).

pub(crate) mod pull;

use crate::ids::{MspId, PkiId};
use crate::input::IdentityClaims;
use crate::peer::{Answer, Peer};
use crate::reject::Reject;
use crate::time::WallTime;
use bytes::Bytes;

/// What an answer continues.
#[derive(Debug)]
pub(crate) enum Waiting {
    /// Belongs to the identity pull.
    Pull(pull::Waiting),
}

/// An identity whose signature was verified once.
#[derive(Clone, Debug)]
pub(crate) struct KnownIdentity {
    pub(crate) identity: Bytes,
    pub(crate) org: MspId,
    pub(crate) expires_at: WallTime,
    pub(crate) key_hash: [u8; 32],
}

/// All identities.
#[derive(Debug, Default)]
pub(crate) struct Identities {
    /// The identity pull's own state.
    pub(crate) pull: pull::IdentityPull,
}

impl Identities {
    pub(crate) fn known(&self, _pki_id: &PkiId) -> Option<&KnownIdentity> {
        None
    }
}

impl Peer {
    pub(crate) fn learn_identity(&mut self, _claims: IdentityClaims, _identity: Bytes) -> Result<(), Reject> {
        Ok(())
    }
    pub(crate) fn org_of(&self, _pki_id: &PkiId) -> Option<MspId> {
        None
    }
    pub(crate) fn start_identities(&mut self) {}
    pub(crate) fn sweep_identities(&mut self) {}
    pub(crate) fn recheck_identities(&mut self) {}
    pub(crate) fn continue_identity(&mut self, waiting: Waiting, answer: Answer) {
        match waiting {
            Waiting::Pull(waiting) => self.continue_identity_pull(waiting, answer),
        }
    }
}
