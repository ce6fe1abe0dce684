//! Answers that come when nobody waits for them any more.

use super::Behaviour;
use super::stage::{Stage, Verdict};
use bytes::Bytes;
use core::time::Duration;
use selvedge_core::{ConnectionId, Instant};
use selvedge_proto::envelope::{ContentKind, EnvelopeView};

/// See [`BehaviourKind::LateAnswers`](super::BehaviourKind::LateAnswers).
#[derive(Debug, Default)]
pub(super) struct LateAnswers {
    /// What is still to be said, and when.
    held: Vec<(Instant, ConnectionId, Bytes)>,
}

const HELD_MAX: usize = 1000;

impl Behaviour for LateAnswers {
    fn on_send(&mut self, stage: &mut Stage<'_>, to: ConnectionId, sent: &EnvelopeView) -> Verdict {
        let is_answer = matches!(
            sent.kind(),
            ContentKind::MemRes
                | ContentKind::DataDig
                | ContentKind::DataUpdate
                | ContentKind::StateSnapshot
                | ContentKind::StateResponse
        );
        if !is_answer || self.held.len() >= HELD_MAX {
            return Verdict::Pass;
        }
        let late = Duration::from_millis(stage.rng.u64(500..15_000));
        self.held.push((stage.now + late, to, sent.raw().clone()));
        Verdict::Drop
    }

    fn act(&mut self, stage: &mut Stage<'_>) {
        let now = stage.now;
        for (_, to, answer) in self.held.extract_if(.., |(due, ..)| *due <= now) {
            stage.send(to, answer);
        }
    }
}
