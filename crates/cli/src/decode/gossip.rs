//! A gossip message taken apart: kind, signatures, what is nested in it.

use super::book::IdentityBook;
use crate::block::BlockSummary;
use crate::trust::{Trust, Verdict};
use bytes::Bytes;
use selvedge_msp::pki_id;
use selvedge_proto::envelope::{ContentKind, ElementList, EnvelopeView};
use selvedge_proto::gossip::gossip_message::Content;
use selvedge_proto::gossip::{GossipMessage, PullMsgType, Secret};
use selvedge_proto::{WireError, common, decode, validate};

/// A decoded envelope or bare message.
pub(crate) struct Gossip {
    /// As in `DataUpdate.BLOCK_MSG`.
    pub(crate) kind: String,
    pub(crate) message: GossipMessage,
    /// `None` for a bare message.
    pub(crate) signature: Option<Bytes>,
    pub(crate) secret: Option<DecodedSecret>,
    /// Of the signature, and of the secret's if there is one.
    pub(crate) verdict: Verdict,
    /// What a receiver would refuse in its structure.
    pub(crate) malformed: Option<String>,
    pub(crate) nested: Vec<Nested>,
    /// The blocks in a data message or state response.
    pub(crate) blocks: Vec<Result<BlockSummary, String>>,
}

/// A secret envelope.
pub(crate) struct DecodedSecret {
    pub(crate) payload: Result<Secret, WireError>,
    pub(crate) signature: Bytes,
    pub(crate) verdict: Verdict,
}

/// An envelope inside a message.
pub(crate) struct Nested {
    pub(crate) list: Option<ElementList>,
    /// Why it cannot be read, if so.
    pub(crate) gossip: Result<Box<Gossip>, WireError>,
}

/// What decoding needs to know, and learns.
pub(crate) struct Decoder {
    pub(crate) trust: Trust,
    pub(crate) book: IdentityBook,
    /// A message with more nested ones is not looked into: an empty one has two bytes on the wire, and far more here.
    pub(crate) nested_max: usize,
}

impl Decoder {
    /// Takes an envelope apart.
    pub(crate) fn envelope(&mut self, bytes: Bytes) -> Result<Gossip, WireError> {
        let view = EnvelopeView::parse(bytes)?;
        if view.elements().nth(self.nested_max).is_some() {
            return Err(WireError::TooLarge);
        }
        let mut gossip = self.shallow(&view)?;
        gossip.nested = self.nested(&view);
        Ok(gossip)
    }

    /// Takes a bare message apart.
    pub(crate) fn message(&mut self, bytes: &Bytes) -> Result<Gossip, WireError> {
        let mut gossip = self.envelope(selvedge_proto::envelope::seal(bytes, &[], None))?;
        gossip.signature = None;
        gossip.verdict = Verdict::Unknown("a message without its envelope has no signature".to_owned());
        Ok(gossip)
    }

    fn nested(&mut self, view: &EnvelopeView) -> Vec<Nested> {
        let mut nested = Vec::new();
        for element in view.elements() {
            let (list, gossip) = match element {
                Ok(element) => (
                    Some(element.list),
                    EnvelopeView::parse(element.envelope).and_then(|inner| self.shallow(&inner)),
                ),
                Err(error) => (None, Err(error)),
            };
            nested.push(Nested { list, gossip: gossip.map(Box::new) });
        }
        nested
    }

    /// All but what is nested.
    fn shallow(&mut self, view: &EnvelopeView) -> Result<Gossip, WireError> {
        let message = view.message()?;
        if let Some(identity) = embedded(&message) {
            self.book.learn(identity);
        }
        let signer = self.signer(&message);
        let secret = view.secret().map(|secret| DecodedSecret {
            payload: decode(secret.payload_bytes()),
            signature: secret.signature_bytes(),
            verdict: self.verify(&signer, secret.payload(), secret.signature()),
        });
        let mut verdict = self.verify(&signer, view.payload(), view.signature());
        if let Some(secret) = &secret
            && !matches!(signer, Signer::Nobody)
        {
            verdict = match &secret.verdict {
                Verdict::Bad(reason) => verdict.and(Verdict::Bad(format!("secret envelope: {reason}"))),
                other => verdict.and(other.clone()),
            };
        }
        Ok(Gossip {
            kind: kind_name(view),
            malformed: malformed(view, &message),
            blocks: self.blocks(&message),
            signature: Some(view.signature_bytes()),
            secret,
            verdict,
            nested: Vec::new(),
            message,
        })
    }

    fn verify(&self, signer: &Signer, message: &[u8], signature: &[u8]) -> Verdict {
        match signer {
            Signer::Nobody if signature.is_empty() => {
                Verdict::Unknown("messages of this kind are not signed".to_owned())
            }
            Signer::Nobody => Verdict::Unknown(
                "messages of this kind are not signed, so nobody looks at this signature".to_owned(),
            ),
            _ if signature.is_empty() => Verdict::Bad("the signature is missing".to_owned()),
            Signer::Wrong(reason) => Verdict::Bad(reason.clone()),
            Signer::Unknown(reason) => Verdict::Unknown(reason.clone()),
            Signer::Known(identity) => self.trust.verify(identity, message, signature),
        }
    }

    /// Who must have signed the message.
    fn signer(&self, message: &GossipMessage) -> Signer {
        match &message.content {
            Some(Content::Conn(content)) => Signer::claiming(&content.pki_id, &content.identity),
            Some(Content::PeerIdentity(content)) => Signer::claiming(&content.pki_id, &content.cert),
            Some(Content::AliveMsg(content)) => {
                let pki_id = content.membership.as_ref().map(|member| &member.pki_id[..]).unwrap_or_default();
                if content.identity.is_empty() {
                    self.signer_of(pki_id)
                } else {
                    Signer::claiming(pki_id, &content.identity)
                }
            }
            Some(Content::StateInfo(content)) => self.signer_of(&content.pki_id),
            Some(Content::LeadershipMsg(content)) => self.signer_of(&content.pki_id),
            _ => Signer::Nobody,
        }
    }

    fn signer_of(&self, pki_id: &[u8]) -> Signer {
        if pki_id.is_empty() {
            return Signer::Wrong("it does not say whose it is: no PKI-ID".to_owned());
        }
        match self.book.identity(pki_id) {
            Some(identity) => Signer::Known(identity.clone()),
            None => Signer::Unknown(format!(
                "the identity of PKI-ID {} did not come before it, nor with --identity",
                crate::show::short(pki_id)
            )),
        }
    }

    fn blocks(&self, message: &GossipMessage) -> Vec<Result<BlockSummary, String>> {
        let payloads = match &message.content {
            Some(Content::DataMsg(content)) => content.payload.as_slice(),
            Some(Content::StateResponse(content)) => &content.payloads,
            _ => &[],
        };
        let summary = |data: &Bytes| {
            let block = decode::<common::Block>(data.clone()).map_err(|error| error.to_string())?;
            BlockSummary::of(&block, data.len(), &self.trust)
        };
        payloads.iter().map(|payload| summary(&payload.data)).collect()
    }

    /// The channel of a message: by name, or by the MAC of a channel whose configuration was given.
    pub(crate) fn channel_of(&self, pki_id: &[u8], mac: &[u8]) -> Option<&str> {
        let mut channels = self.trust.channels();
        channels.find(|channel| selvedge_proto::block::channel_mac(pki_id, channel.as_bytes()) == mac)
    }
}

enum Signer {
    /// This kind of message is not signed.
    Nobody,
    Known(Bytes),
    /// The identity is not at hand.
    Unknown(String),
    /// The message contradicts itself.
    Wrong(String),
}

impl Signer {
    /// Of a message that carries the identity for its PKI-ID.
    fn claiming(claimed: &[u8], identity: &Bytes) -> Self {
        match pki_id(identity) {
            Ok(computed) if computed[..] == *claimed => Self::Known(identity.clone()),
            Ok(computed) => Self::Wrong(format!(
                "its PKI-ID {} is not that of its identity, {}",
                crate::show::short(claimed),
                crate::show::short(&computed)
            )),
            Err(error) => Self::Wrong(error.to_string()),
        }
    }
}

/// Identities that a message carries.
fn embedded(message: &GossipMessage) -> Option<&Bytes> {
    match &message.content {
        Some(Content::Conn(content)) => Some(&content.identity),
        Some(Content::AliveMsg(content)) => Some(&content.identity),
        Some(Content::PeerIdentity(content)) => Some(&content.cert),
        _ => None,
    }
}

/// The type's name; of the four messages of a pull with what is pulled.
fn kind_name(view: &EnvelopeView) -> String {
    match (view.kind(), view.pull()) {
        (ContentKind::None, _) => "None".to_owned(),
        (kind, Some(pull)) => match PullMsgType::try_from(pull.msg_type) {
            Ok(pulled) => format!("{}.{}", kind.message_name(), pulled.as_str_name()),
            Err(_) => format!("{}.{}", kind.message_name(), pull.msg_type),
        },
        (kind, None) => kind.message_name().to_owned(),
    }
}

fn malformed(view: &EnvelopeView, message: &GossipMessage) -> Option<String> {
    // inside of others, tags are not looked at, and identities never have the right one (spec/01 §5)
    let tag = if view.kind() == ContentKind::PeerIdentity { Ok(()) } else { validate::tag(view) };
    validate::message(message).and(tag).err().map(|error| error.to_string())
}
