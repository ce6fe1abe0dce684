//! The identity pull (spec/03 §5).

use crate::ids::PkiId;
use crate::peer::{Answer, Peer};
use crate::shared::Sender;
use selvedge_proto::envelope::EnvelopeView;

/// What an answer continues.
#[derive(Debug)]
pub(crate) enum Waiting {}

/// State of the identity pull.
#[derive(Debug, Default)]
pub(crate) struct IdentityPull {}

impl Peer {
    /// Called once, when the peer is made.
    pub(crate) fn start_identity_pull(&mut self) {}
    /// An identity is no longer known: it is not offered any more.
    pub(crate) fn on_identity_dropped(&mut self, _pki_id: PkiId) {}
    pub(crate) fn on_identity_pull(&mut self, _sender: &Sender, _envelope: &EnvelopeView) {}
    pub(crate) fn advance_identity_pull(&mut self) {}
    pub(crate) fn continue_identity_pull(&mut self, waiting: Waiting, _answer: Answer) {
        match waiting {}
    }
    /// Starts a pull round with one peer at once.
    pub(crate) fn pull_identities_from(&mut self, _pki_id: PkiId) {}
}
