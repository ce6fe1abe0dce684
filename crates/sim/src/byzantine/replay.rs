//! Old messages again.

use super::Behaviour;
use super::cast::is_handshake;
use super::stage::Stage;
use bytes::Bytes;
use selvedge_proto::envelope::EnvelopeView;

/// See [`BehaviourKind::Replay`](super::BehaviourKind::Replay). The heard messages are of the last minutes; besides, the first
/// ones are kept for ever.
#[derive(Debug, Default)]
pub(super) struct Replay {
    first: Vec<Bytes>,
}

/// How many of the first messages are kept.
const FIRST_MAX: usize = 200;

impl Behaviour for Replay {
    fn act(&mut self, stage: &mut Stage<'_>) {
        if self.first.len() < FIRST_MAX
            && let Some(heard) = stage.any_heard()
        {
            self.first.push(heard);
        }
        for _ in 0..5 {
            let old = self.first.get(stage.rng.usize(..FIRST_MAX)).cloned().or_else(|| stage.any_heard());
            let (Some(old), Some(link)) = (old, stage.any_link()) else { return };
            // a handshake on a connection that stands ends it
            let is_dear = EnvelopeView::parse(old.clone()).is_ok_and(|view| is_handshake(&view));
            if !is_dear || stage.one_in(50) {
                stage.send(link, old);
            }
        }
    }
}
