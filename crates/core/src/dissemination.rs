//! Who gets a pushed message (spec/05 §8).

use crate::ids::{ChannelId, MspId, PkiId};
use crate::peer::Peer;
use selvedge_proto::envelope::EnvelopeView;

/// A message to push.
#[derive(Clone, Debug)]
pub(crate) enum Push {
    /// An alive message, own or forwarded.
    Alive {
        envelope: EnvelopeView,
        origin: PkiId,
        origin_org: MspId,
        external_endpoint_empty: bool,
        delivered_by: Option<PkiId>,
    },
    /// A StateInfo.
    StateInfo { channel: Option<ChannelId>, envelope: EnvelopeView, origin: PkiId, delivered_by: Option<PkiId> },
    /// A block.
    Block { channel: ChannelId, number: u64, envelope: EnvelopeView, delivered_by: Option<PkiId> },
}

impl Peer {
    pub(crate) fn disseminate(&mut self, _push: Push) {}
}
