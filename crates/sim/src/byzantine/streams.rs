//! Streams on which nobody says who is there.

use super::Behaviour;
use super::cast::is_handshake;
use super::stage::Stage;
use bytes::Bytes;
use selvedge_core::testing::messages;
use selvedge_core::{ConnectionId, Endpoint};
use selvedge_proto::envelope::EnvelopeView;
use selvedge_proto::gossip::gossip_message::Content;

/// See [`BehaviourKind::OpenStreams`](super::BehaviourKind::OpenStreams).
#[derive(Debug, Default)]
pub(super) struct OpenStreams {
    /// Where others are.
    endpoints: Vec<Endpoint>,
    /// Whom all streams go to for a while.
    target: usize,
}

/// Streams in a tenth of a second.
const COUNT: usize = 20;

impl OpenStreams {
    fn note(&mut self, heard: &Bytes) {
        let Ok(message) = EnvelopeView::parse(heard.clone()).and_then(|view| view.message()) else { return };
        let Some(Content::AliveMsg(alive)) = message.content else { return };
        let Some(endpoint) = alive.membership.map(|member| Endpoint::from(member.endpoint)) else { return };
        if !endpoint.is_empty() && !self.endpoints.contains(&endpoint) {
            self.endpoints.push(endpoint);
        }
    }
}

impl Behaviour for OpenStreams {
    fn act(&mut self, stage: &mut Stage<'_>) {
        if let Some(heard) = stage.any_heard() {
            self.note(&heard);
        }
        if stage.one_in(50) {
            self.target = stage.rng.usize(..self.endpoints.len().max(1));
        }
        if let Some(endpoint) = self.endpoints.get(self.target) {
            (0..COUNT).for_each(|_| stage.open(endpoint.clone()));
        }
    }

    fn on_stream(&mut self, stage: &mut Stage<'_>, stream: ConnectionId) {
        match stage.rng.u8(0..6) {
            // the identity of somebody else, in a handshake that was overheard
            0 => {
                let overheard = stage.heard.iter().find(|heard| {
                    EnvelopeView::parse((*heard).clone()).is_ok_and(|view| is_handshake(&view))
                });
                if let Some(overheard) = overheard.cloned() {
                    stage.send(stream, overheard);
                }
            }
            1 => {
                let handshake = messages::conn(&stage.me.identity, Some([7; 32]), false);
                stage.send(stream, handshake);
            }
            // much before any handshake
            2 => {
                for _ in 0..100 {
                    if let Some(heard) = stage.any_heard() {
                        stage.send(stream, heard);
                    }
                }
            }
            3 => stage.send(stream, Bytes::from(vec![0x0a; 1 << 20])),
            _ => {}
        }
    }
}
