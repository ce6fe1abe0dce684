//! Answers under the wrong nonce, to the wrong peer, and to nobody's question.

use super::Behaviour;
use super::stage::{Stage, Verdict, changed};
use selvedge_core::ConnectionId;
use selvedge_core::testing::messages;
use selvedge_proto::envelope::{ContentKind, EnvelopeView};
use selvedge_proto::gossip::GossipMessage;
use selvedge_proto::gossip::gossip_message::Content;

/// See [`BehaviourKind::WrongNonces`](super::BehaviourKind::WrongNonces).
#[derive(Debug, Default)]
pub(super) struct WrongNonces {
    /// Nonces that somebody used.
    seen: Vec<u64>,
}

impl WrongNonces {
    fn note(&mut self, view: &EnvelopeView) {
        let nonce = view.pull().map_or_else(|| view.nonce(), |key| key.nonce);
        if nonce != 0 && self.seen.len() < 1000 {
            self.seen.push(nonce);
        }
    }

    fn other(&self, stage: &mut Stage<'_>) -> u64 {
        match stage.rng.u8(0..4) {
            0 => 0,
            1 => stage.rng.u64(..),
            _ => self.seen.get(stage.rng.usize(..self.seen.len().max(1))).copied().unwrap_or(u64::MAX),
        }
    }
}

fn set_nonce(message: &mut GossipMessage, nonce: u64) {
    match &mut message.content {
        Some(Content::Hello(hello)) => hello.nonce = nonce,
        Some(Content::DataDig(digest)) => digest.nonce = nonce,
        Some(Content::DataReq(request)) => request.nonce = nonce,
        Some(Content::DataUpdate(update)) => update.nonce = nonce,
        _ => message.nonce = nonce,
    }
}

impl Behaviour for WrongNonces {
    fn on_send(&mut self, stage: &mut Stage<'_>, to: ConnectionId, sent: &EnvelopeView) -> Verdict {
        let has_nonce = matches!(
            sent.kind(),
            ContentKind::MemReq
                | ContentKind::MemRes
                | ContentKind::DataDig
                | ContentKind::DataReq
                | ContentKind::DataUpdate
                | ContentKind::StateRequest
                | ContentKind::StateResponse
        );
        if !has_nonce {
            return Verdict::Pass;
        }
        self.note(sent);
        match stage.rng.u8(0..4) {
            0 => Verdict::Pass,
            1 => {
                // the answer goes to somebody who did not ask, and four times
                for _ in 0..4 {
                    if let Some(link) = stage.any_link() {
                        stage.send(link, sent.raw().clone());
                    }
                }
                Verdict::Drop
            }
            2 => {
                // several under wrong nonces before the right one
                for _ in 0..4 {
                    let nonce = self.other(stage);
                    let Ok(mut message) = sent.message() else { break };
                    set_nonce(&mut message, nonce);
                    stage.send(to, messages::unsigned(&message));
                }
                Verdict::Pass
            }
            _ => {
                let nonce = self.other(stage);
                changed(sent, |message| set_nonce(message, nonce))
            }
        }
    }

    fn on_frame(&mut self, _: &mut Stage<'_>, _: ConnectionId, heard: &EnvelopeView) -> Verdict {
        self.note(heard);
        Verdict::Pass
    }
}
