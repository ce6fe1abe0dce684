//! Nothing after the handshake.

use super::Behaviour;
use super::cast::is_handshake;
use super::stage::{Stage, Verdict};
use selvedge_core::ConnectionId;
use selvedge_proto::envelope::EnvelopeView;

/// See [`BehaviourKind::Silence`](super::BehaviourKind::Silence).
#[derive(Debug, Default)]
pub(super) struct Silence;

impl Behaviour for Silence {
    fn on_send(&mut self, _: &mut Stage<'_>, _: ConnectionId, sent: &EnvelopeView) -> Verdict {
        if is_handshake(sent) { Verdict::Pass } else { Verdict::Drop }
    }
}
