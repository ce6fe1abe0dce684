//! Membership: who is alive (spec/04).

use crate::ids::{ChannelId, Endpoint, MspId, PkiId};
use crate::input::Anchor;
use crate::peer::{Answer, Peer};
use crate::shared::Sender;
use selvedge_proto::envelope::EnvelopeView;

/// What an answer continues.
#[derive(Debug)]
pub(crate) enum Waiting {}

/// A member, alive or dead.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) pki_id: PkiId,
    pub(crate) org: MspId,
    /// External endpoint; may be empty.
    pub(crate) endpoint: Endpoint,
    /// Endpoint inside the own organisation; may be empty.
    pub(crate) internal_endpoint: Endpoint,
}

/// All members.
#[derive(Debug, Default)]
pub(crate) struct Membership {}

impl Membership {
    pub(crate) fn alive(&self) -> impl Iterator<Item = &Member> {
        core::iter::empty()
    }
    pub(crate) fn member(&self, _pki_id: &PkiId) -> Option<&Member> {
        None
    }
    pub(crate) fn is_alive(&self, _pki_id: &PkiId) -> bool {
        false
    }
}

impl Peer {
    pub(crate) fn start_membership(&mut self) {}
    pub(crate) fn publish_alive(&mut self) {}
    pub(crate) fn expire_members(&mut self) {}
    pub(crate) fn sync_membership(&mut self) {}
    pub(crate) fn reconnect(&mut self) {}
    pub(crate) fn on_alive(&mut self, _sender: &Sender, _envelope: &EnvelopeView) {}
    pub(crate) fn on_membership_request(&mut self, _sender: &Sender, _envelope: &EnvelopeView) {}
    pub(crate) fn on_membership_response(&mut self, _sender: &Sender, _envelope: &EnvelopeView) {}
    pub(crate) fn continue_membership(&mut self, waiting: Waiting, _answer: Answer) {
        match waiting {}
    }
    pub(crate) fn set_anchors(&mut self, _channel: &ChannelId, _anchors: &[Anchor]) {}
}
