//! One certificate, many peers.

use super::Behaviour;
use super::cast::is_handshake;
use super::stage::{Stage, Verdict, element};
use bytes::Bytes;
use selvedge_core::ConnectionId;
use selvedge_core::testing::{crypto, messages};
use selvedge_proto::envelope::{ContentKind, EnvelopeView};
use selvedge_proto::gossip::gossip_message::{Content, Tag};
use selvedge_proto::gossip::{self, ConnEstablish};

/// How many variants of its certificate a Byzantine host uses.
pub(crate) const VARIANTS: u32 = 40;

/// A variant of an identity: the same certificate and key in another form, and so another PKI-ID.
pub(crate) fn variant(identity: &[u8], number: u32) -> Bytes {
    let mut text = identity.to_vec();
    text.extend_from_slice(format!("~{number}").as_bytes());
    Bytes::from(text)
}

/// See [`BehaviourKind::ManyIdentities`](super::BehaviourKind::ManyIdentities).
#[derive(Debug, Default)]
pub(super) struct ManyIdentities;

impl ManyIdentities {
    fn any(stage: &mut Stage<'_>) -> Bytes {
        variant(&stage.me.identity, stage.rng.u32(0..VARIANTS))
    }

    /// Somebody else's certificate in another form, signed for without its key.
    fn stolen(stage: &mut Stage<'_>) -> Option<Bytes> {
        let message = EnvelopeView::parse(stage.any_heard()?).and_then(|view| view.message()).ok()?;
        let identity = match message.content? {
            Content::PeerIdentity(it) => it.cert,
            Content::AliveMsg(it) => it.identity,
            Content::Conn(it) => it.identity,
            _ => return None,
        };
        if identity.is_empty() || identity == stage.me.identity {
            return None;
        }
        let stolen = variant(&identity, stage.rng.u32(..));
        let alive = messages::Alive::new(&stolen, stage.sequence()).with_endpoint("stolen:7051");
        Some(alive.with_identity().seal_forged())
    }

    /// An identity as an item of a pull.
    fn item(identity: &Bytes) -> Bytes {
        let content = gossip::PeerIdentity {
            pki_id: Bytes::copy_from_slice(crypto::pki_id(identity).as_bytes()),
            cert: identity.clone(),
            metadata: Bytes::new(),
        };
        messages::signed(identity, &messages::message(Tag::Empty, Content::PeerIdentity(content)))
    }
}

impl Behaviour for ManyIdentities {
    fn act(&mut self, stage: &mut Stage<'_>) {
        let Some(link) = stage.any_link() else { return };
        let identity = Self::any(stage);
        let pki_id = crypto::pki_id(&identity);
        let (incarnation, sequence) = (stage.me.incarnation, stage.sequence());
        let endpoint = stage.me.external_endpoint.clone();
        let alive = messages::Alive::new(&identity, sequence).of_incarnation(incarnation);
        let alive = alive.with_endpoint(&endpoint).with_identity().seal();
        let envelope = match stage.rng.u8(0..4) {
            0 => {
                let height = stage.chain.len() as u64;
                messages::signed(&identity, &stage.state_info_message(&pki_id, incarnation, sequence, height))
            }
            1 => messages::membership_response(&[alive], &[], 0),
            2 => {
                let data = vec![element(&Self::item(&identity))];
                let content = gossip::DataUpdate { nonce: stage.rng.u64(..), data, msg_type: 2 };
                messages::unsigned(&messages::message(Tag::Empty, Content::DataUpdate(content)))
            }
            _ => alive,
        };
        stage.send(link, envelope);
        if let Some(stolen) = Self::stolen(stage) {
            stage.send(link, stolen);
        }
    }

    fn on_send(&mut self, stage: &mut Stage<'_>, _: ConnectionId, sent: &EnvelopeView) -> Verdict {
        if is_handshake(sent) && stage.one_in(2) {
            let Ok(ConnEstablish { tls_cert_hash, probe, .. }) = sent.content_as() else {
                return Verdict::Pass;
            };
            let hash = <[u8; 32]>::try_from(&tls_cert_hash[..]).ok();
            return Verdict::Replace(messages::conn(&Self::any(stage), hash, probe));
        }
        if sent.kind() == ContentKind::DataUpdate && sent.channel().is_empty() {
            let Ok(mut message) = sent.message() else { return Verdict::Pass };
            if let Some(Content::DataUpdate(update)) = &mut message.content {
                let all = (0..VARIANTS).map(|number| variant(&stage.me.identity, number));
                update.data.extend(all.map(|identity| element(&Self::item(&identity))));
            }
            return Verdict::Replace(messages::unsigned(&message));
        }
        Verdict::Pass
    }
}
