//! What others said, and did not.

use super::Behaviour;
use super::stage::{Stage, Verdict};
use bytes::Bytes;
use selvedge_core::ConnectionId;
use selvedge_core::testing::messages;
use selvedge_proto::envelope::{ContentKind, EnvelopeView, seal};
use selvedge_proto::gossip::gossip_message::Content;

/// See [`BehaviourKind::Forgery`](super::BehaviourKind::Forgery).
#[derive(Debug, Default)]
pub(super) struct Forgery;

impl Forgery {
    /// A message of somebody else, newer than it is, signed by the wrong key or with the signature of the true one.
    fn forged(stage: &mut Stage<'_>) -> Option<Bytes> {
        let view = EnvelopeView::parse(stage.any_heard()?).ok()?;
        let mut message = view.message().ok()?;
        let timestamp = match &mut message.content {
            Some(Content::AliveMsg(alive)) => alive.timestamp.as_mut(),
            Some(Content::StateInfo(info)) => {
                if let Some(properties) = &mut info.properties {
                    properties.ledger_height = properties.ledger_height.saturating_add(10);
                }
                info.timestamp.as_mut()
            }
            Some(Content::LeadershipMsg(leadership)) => leadership.timestamp.as_mut(),
            Some(Content::PeerIdentity(identity)) => {
                identity.cert = stage.me.identity.clone();
                None
            }
            _ => return None,
        };
        if let Some(timestamp) = timestamp {
            timestamp.seq_num = timestamp.seq_num.saturating_add(stage.rng.u64(1..10));
        }
        let payload = selvedge_proto::envelope::payload_of(&message);
        let forged = match stage.rng.u8(0..3) {
            0 => messages::signed(&stage.me.identity, &message),
            1 => seal(&payload, view.signature(), None),
            _ => seal(&payload, b"signature", None),
        };
        Some(forged)
    }

    /// The message is genuine, the secret beside it is not, or is another's.
    fn doctored(stage: &mut Stage<'_>) -> Option<Bytes> {
        let view = EnvelopeView::parse(stage.any_heard()?).ok()?;
        if view.kind() != ContentKind::AliveMsg {
            return None;
        }
        let other = EnvelopeView::parse(stage.any_heard()?).ok()?;
        let secret = match other.secret() {
            Some(secret) if stage.one_in(2) => (secret.payload().to_vec(), secret.signature().to_vec()),
            _ => (selvedge_proto::envelope::secret_payload("elsewhere:7051").to_vec(), b"signature".to_vec()),
        };
        Some(seal(view.payload(), view.signature(), Some((&secret.0[..], &secret.1[..]))))
    }
}

impl Behaviour for Forgery {
    fn act(&mut self, stage: &mut Stage<'_>) {
        for make in [Self::forged, Self::doctored, Self::forged] {
            let (Some(envelope), Some(link)) = (make(stage), stage.any_link()) else { continue };
            let envelope = match stage.one_in(4) {
                true => messages::membership_response(&[envelope], &[], 0),
                false => envelope,
            };
            stage.send(link, envelope);
        }
    }

    /// Others' secrets are taken off what is passed on.
    fn on_send(&mut self, stage: &mut Stage<'_>, _: ConnectionId, sent: &EnvelopeView) -> Verdict {
        let strips = sent.secret().is_some() && stage.one_in(3);
        if strips { Verdict::Replace(sent.without_secret()) } else { Verdict::Pass }
    }
}
