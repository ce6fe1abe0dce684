//! Messages as some peer would make them, for tests that speak for it.

use super::crypto;
use crate::ids::PkiId;
use bytes::Bytes;
use prost::Message;
use selvedge_proto::common::{Block, BlockData, BlockHeader};
use selvedge_proto::decode;
use selvedge_proto::envelope::{payload_of, seal, secret_payload};
use selvedge_proto::gossip::gossip_message::{Content, Tag};
use selvedge_proto::gossip::{
    AliveMessage, ConnEstablish, Envelope, GossipMessage, Member, MembershipRequest, MembershipResponse,
    PeerTime,
};

/// A message without nonce and channel.
pub fn message(tag: Tag, content: Content) -> GossipMessage {
    GossipMessage { nonce: 0, channel: Bytes::new(), tag: tag as i32, content: Some(content) }
}

/// An envelope signed by `identity`.
pub fn signed(identity: &[u8], message: &GossipMessage) -> Bytes {
    let payload = payload_of(message);
    seal(&payload, &crypto::sign(identity, &payload), None)
}

/// An envelope that nobody signed.
pub fn unsigned(message: &GossipMessage) -> Bytes {
    seal(&payload_of(message), &[], None)
}

/// A handshake of `identity`.
pub fn conn(identity: &[u8], tls_hash: Option<[u8; 32]>, probe: bool) -> Bytes {
    let content = ConnEstablish {
        pki_id: Bytes::copy_from_slice(crypto::pki_id(identity).as_bytes()),
        identity: Bytes::copy_from_slice(identity),
        tls_cert_hash: tls_hash.map(|hash| Bytes::copy_from_slice(&hash)).unwrap_or_default(),
        probe,
    };
    signed(identity, &message(Tag::Empty, Content::Conn(content)))
}

/// An alive message, to be changed before it is sealed.
#[derive(Clone, Debug)]
pub struct Alive {
    /// Who signs.
    pub identity: Bytes,
    /// External endpoint.
    pub endpoint: String,
    /// Internal endpoint in the secret envelope; none without.
    pub internal_endpoint: Option<String>,
    /// Incarnation.
    pub inc_num: u64,
    /// Sequence number.
    pub seq_num: u64,
    /// Whether the identity is embedded.
    pub embed_identity: bool,
    /// Opaque metadata.
    pub metadata: Bytes,
}

impl Alive {
    /// The alive message `seq_num` of the first incarnation of `identity`, with endpoint `<name>:7051`, neither secret nor
    /// identity.
    pub fn new(identity: &Bytes, seq_num: u64) -> Self {
        let name = identity.split(|&byte| byte == b'|').next_back().unwrap_or_default();
        Self {
            identity: identity.clone(),
            endpoint: format!("{}:7051", String::from_utf8_lossy(name)),
            internal_endpoint: None,
            inc_num: 1,
            seq_num,
            embed_identity: false,
            metadata: Bytes::new(),
        }
    }

    /// With the identity embedded.
    #[must_use]
    pub fn with_identity(mut self) -> Self {
        self.embed_identity = true;
        self
    }

    /// With a secret.
    #[must_use]
    pub fn with_secret(mut self, internal_endpoint: &str) -> Self {
        self.internal_endpoint = Some(internal_endpoint.to_owned());
        self
    }

    /// With another external endpoint.
    #[must_use]
    pub fn with_endpoint(mut self, endpoint: &str) -> Self {
        endpoint.clone_into(&mut self.endpoint);
        self
    }

    /// Of another incarnation.
    #[must_use]
    pub fn of_incarnation(mut self, inc_num: u64) -> Self {
        self.inc_num = inc_num;
        self
    }

    /// The message.
    pub fn message(&self) -> GossipMessage {
        let content = AliveMessage {
            membership: Some(Member {
                endpoint: self.endpoint.clone(),
                metadata: self.metadata.clone(),
                pki_id: Bytes::copy_from_slice(crypto::pki_id(&self.identity).as_bytes()),
            }),
            timestamp: Some(PeerTime { inc_num: self.inc_num, seq_num: self.seq_num }),
            identity: if self.embed_identity { self.identity.clone() } else { Bytes::new() },
        };
        message(Tag::Empty, Content::AliveMsg(content))
    }

    /// The signed envelope.
    pub fn seal(&self) -> Bytes {
        let payload = payload_of(&self.message());
        let signature = crypto::sign(&self.identity, &payload);
        let secret = self.internal_endpoint.as_deref().map(secret_payload);
        let secret_signature =
            secret.as_ref().map(|secret| crypto::sign(&self.identity, secret)).unwrap_or_default();
        seal(&payload, &signature, secret.as_ref().map(|secret| (&secret[..], &secret_signature[..])))
    }

    /// The envelope with a signature that does not hold.
    pub fn seal_forged(&self) -> Bytes {
        seal(&payload_of(&self.message()), b"forged", None)
    }
}

/// A membership request around an alive message.
pub fn membership_request(self_information: &Bytes, nonce: u64) -> Bytes {
    let content = MembershipRequest { self_information: Some(inner(self_information)), known: Vec::new() };
    unsigned(&GossipMessage { nonce, ..message(Tag::Empty, Content::MemReq(content)) })
}

/// A membership response with these alive and dead elements.
pub fn membership_response(alive: &[Bytes], dead: &[Bytes], nonce: u64) -> Bytes {
    let content = MembershipResponse {
        alive: alive.iter().map(inner).collect(),
        dead: dead.iter().map(inner).collect(),
    };
    unsigned(&GossipMessage { nonce, ..message(Tag::Empty, Content::MemRes(content)) })
}

/// A block with this number and about this many bytes; equal arguments give equal blocks.
pub fn block(number: u64, size_bytes: usize) -> Bytes {
    let data = vec![(number % 251) as u8; size_bytes];
    let header = BlockHeader {
        number,
        previous_hash: Bytes::copy_from_slice(&crypto::digest(&[b"before", &number.to_be_bytes()])),
        data_hash: Bytes::copy_from_slice(&crypto::digest(&[&data])),
    };
    let block = Block {
        header: Some(header),
        data: Some(BlockData { data: vec![Bytes::from(data)] }),
        metadata: None,
    };
    Bytes::from(block.encode_to_vec())
}

/// The number in a block's header.
pub fn block_number(block: &Bytes) -> Option<u64> {
    Some(decode::<Block>(block.clone()).ok()?.header?.number)
}

/// SHA-256 of PKI-ID and channel name, the MAC of StateInfo messages.
pub fn channel_mac(pki_id: &PkiId, channel: &str) -> [u8; 32] {
    crypto::digest(&[pki_id.as_bytes(), channel.as_bytes()])
}

fn inner(envelope: &Bytes) -> Envelope {
    decode::<Envelope>(envelope.clone()).unwrap_or_default()
}
