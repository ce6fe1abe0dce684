//! Handshakes that prove nothing.

use super::Behaviour;
use super::cast::is_handshake;
use super::stage::{Stage, Verdict, changed};
use bytes::Bytes;
use selvedge_core::ConnectionId;
use selvedge_core::testing::messages;
use selvedge_proto::envelope::EnvelopeView;
use selvedge_proto::gossip::ConnEstablish;

/// See [`BehaviourKind::BadHandshakes`](super::BehaviourKind::BadHandshakes).
#[derive(Debug, Default)]
pub(super) struct BadHandshakes {
    /// What others sent.
    others: Vec<Bytes>,
}

impl Behaviour for BadHandshakes {
    fn on_frame(&mut self, stage: &mut Stage<'_>, from: ConnectionId, heard: &EnvelopeView) -> Verdict {
        if !is_handshake(heard) {
            return Verdict::Pass;
        }
        if self.others.len() < 100 {
            self.others.push(heard.raw().clone());
        }
        if stage.one_in(8) {
            // in the middle of it
            stage.close(from);
            return Verdict::Drop;
        }
        Verdict::Pass
    }

    fn on_send(&mut self, stage: &mut Stage<'_>, to: ConnectionId, sent: &EnvelopeView) -> Verdict {
        if !is_handshake(sent) {
            return Verdict::Pass;
        }
        let Ok(ConnEstablish { tls_cert_hash, probe, .. }) = sent.content_as() else { return Verdict::Pass };
        let hash = <[u8; 32]>::try_from(&tls_cert_hash[..]).ok();
        match stage.rng.u8(0..12) {
            0 => {
                let other = self.others.get(stage.rng.usize(..self.others.len().max(1))).cloned();
                other.map_or(Verdict::Pass, Verdict::Replace)
            }
            1 => Verdict::Replace(messages::conn(&stage.me.identity, Some([7; 32]), probe)),
            2 => Verdict::Replace(messages::conn(&stage.me.identity, None, probe)),
            3 => changed(sent, |_| {}),
            4 => Verdict::Replace(messages::conn(b"nobody at all", hash, probe)),
            5 => {
                stage.send(to, sent.raw().clone());
                Verdict::Pass
            }
            6 => Verdict::Replace(messages::conn(&stage.me.identity, hash, !probe)),
            7 => Verdict::Drop,
            // something else first
            8 => stage.any_heard().map_or(Verdict::Pass, Verdict::Replace),
            _ => Verdict::Pass,
        }
    }

    /// Connections come and go.
    fn act(&mut self, stage: &mut Stage<'_>) {
        if stage.one_in(20)
            && let Some(link) = stage.any_link()
        {
            stage.close(link);
        }
    }
}
