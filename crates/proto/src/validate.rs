//! Whether a message has what its content demands: presence of fields and legality of tags (spec/01 §5, §8, §15.1).
//!
//! Cheap and without knowledge of anybody: to be asked before any look-up and any cryptography. What a Go peer would
//! crash on is refused here. What a Go peer accepts is accepted.

mod malformed;

pub use malformed::Malformed;

use crate::envelope::{ContentKind, EnvelopeView};
use crate::gossip::gossip_message::{Content, Tag};
use crate::gossip::{
    AliveMessage, ConnEstablish, DataMessage, GossipMessage, LeadershipMessage, MembershipRequest, Payload,
    PeerIdentity, PeerTime, PrivateDataMessage, PullMsgType, PvtDataPayload, RemotePvtDataResponse,
    RemoteStateRequest, RemoteStateResponse, StateInfo, StateInfoPullRequest,
};
use crate::rwset::TxPvtReadWriteSet;
use crate::wire::decode;

type Verdict = Result<(), Malformed>;

/// Whether the tag fits the content of a message that arrived on a stream (spec/01 §5). Not to be asked of elements.
///
/// Contents that Fabric's gossip core never sees (handshake, empty, acknowledgement, private data) pass with any tag.
///
/// # Errors
///
/// [`Malformed::TagUndefined`], [`Malformed::TagIllegal`], [`Malformed::PullTypeUnknown`],
/// [`Malformed::ContentMissing`], in the order of the spec's table.
pub fn tag(view: &EnvelopeView) -> Verdict {
    use ContentKind as Kind;
    let demanded = match view.kind() {
        Kind::Ack | Kind::Conn | Kind::Empty | Kind::PrivateData | Kind::PrivateReq | Kind::PrivateRes => {
            return Ok(());
        }
        _ if view.tag() == Tag::Undefined as i32 => return Err(Malformed::TagUndefined),
        Kind::AliveMsg | Kind::MemReq | Kind::MemRes => Tag::Empty,
        Kind::DataMsg | Kind::LeadershipMsg => Tag::ChanAndOrg,
        Kind::Hello | Kind::DataDig | Kind::DataReq | Kind::DataUpdate => {
            match view.pull().map(|pull| PullMsgType::try_from(pull.msg_type)) {
                Some(Ok(PullMsgType::BlockMsg)) => Tag::ChanAndOrg,
                Some(Ok(PullMsgType::IdentityMsg)) => Tag::Empty,
                _ => return Err(Malformed::PullTypeUnknown),
            }
        }
        Kind::None => return Err(Malformed::ContentMissing),
        Kind::PeerIdentity => Tag::OrgOnly,
        Kind::StateInfo
        | Kind::StateInfoPullReq
        | Kind::StateRequest
        | Kind::StateResponse
        | Kind::StateSnapshot => Tag::ChanOrOrg,
    };
    require(view.tag() == demanded as i32, Malformed::TagIllegal)
}

/// Whether there is something to verify: payload and signature, and both of a secret envelope if there is one
/// (spec/01 §9.2).
///
/// # Errors
///
/// The first of them that is missing.
pub fn signed(view: &EnvelopeView) -> Verdict {
    require(!view.payload().is_empty(), Malformed::SignedPayloadMissing)?;
    require(!view.signature().is_empty(), Malformed::SignatureMissing)?;
    let Some(secret) = view.secret() else { return Ok(()) };
    require(!secret.payload().is_empty(), Malformed::SecretPayloadMissing)?;
    require(!secret.signature().is_empty(), Malformed::SecretSignatureMissing)
}

/// Whether the content of a message that arrived on a stream has all it needs, and names a channel if it must. Neither
/// the tag (see [`tag`]) nor the elements of lists (see `nested_…`) are looked at.
///
/// # Errors
///
/// The first thing that is missing; [`Malformed::ContentMissing`] if everything is.
pub fn message(message: &GossipMessage) -> Verdict {
    let content = message.content.as_ref().ok_or(Malformed::ContentMissing)?;
    if names_channel(content) {
        require(!message.channel.is_empty(), Malformed::ChannelMissing)?;
    }
    match content {
        Content::AliveMsg(content) => alive(content),
        Content::Conn(content) => conn(content),
        Content::DataDig(content) => pull_type(content.msg_type),
        Content::DataMsg(content) => data(content),
        Content::DataReq(content) => pull_type(content.msg_type),
        Content::DataUpdate(content) => pull_type(content.msg_type),
        Content::Hello(content) => pull_type(content.msg_type),
        Content::LeadershipMsg(content) => leadership(content),
        Content::MemReq(content) => membership_request(content),
        Content::PeerIdentity(content) => peer_identity(content),
        Content::PrivateData(content) => private_data(content),
        Content::PrivateRes(content) => private_response(content),
        Content::StateInfo(content) => state_info(content),
        Content::StateInfoPullReq(content) => state_info_pull_request(content),
        Content::StateRequest(content) => state_request(content),
        Content::StateResponse(content) => state_response(content),
        Content::Ack(_)
        | Content::Empty(_)
        | Content::MemRes(_)
        | Content::PrivateReq(_)
        | Content::StateSnapshot(_) => Ok(()),
    }
}

/// Contents that are of use only with a channel in the header (spec/01 §6).
fn names_channel(content: &Content) -> bool {
    let of_blocks = |msg_type| msg_type == PullMsgType::BlockMsg as i32;
    match content {
        Content::DataDig(content) => of_blocks(content.msg_type),
        Content::DataReq(content) => of_blocks(content.msg_type),
        Content::DataUpdate(content) => of_blocks(content.msg_type),
        Content::Hello(content) => of_blocks(content.msg_type),
        Content::DataMsg(_)
        | Content::LeadershipMsg(_)
        | Content::PrivateData(_)
        | Content::PrivateReq(_)
        | Content::PrivateRes(_)
        | Content::StateRequest(_)
        | Content::StateResponse(_)
        | Content::StateSnapshot(_) => true,
        _ => false,
    }
}

/// An alive message: member, PKI-ID and timestamp (spec/01 §8.1).
///
/// # Errors
///
/// The first of them that is missing.
pub fn alive(content: &AliveMessage) -> Verdict {
    let member = content.membership.as_ref().ok_or(Malformed::MembershipMissing)?;
    pki_id(&member.pki_id)?;
    timestamp(content.timestamp.as_ref())
}

/// A membership request: self information, whose inside is left to [`nested_alive`] (spec/01 §8.2).
///
/// # Errors
///
/// [`Malformed::SelfInformationMissing`].
pub fn membership_request(content: &MembershipRequest) -> Verdict {
    let present = content.self_information.as_ref().is_some_and(|envelope| !envelope.payload.is_empty());
    require(present, Malformed::SelfInformationMissing)
}

/// A data message: payload and block (spec/01 §8.4). Private data in it have no meaning and are to be discarded.
///
/// # Errors
///
/// [`Malformed::PayloadMissing`], [`Malformed::BlockMissing`].
pub fn data(content: &DataMessage) -> Verdict {
    let payload = content.payload.as_ref().ok_or(Malformed::PayloadMissing)?;
    require(!payload.data.is_empty(), Malformed::BlockMissing)
}

/// The type of a pull message: blocks or identities (spec/01 §4.4).
///
/// # Errors
///
/// [`Malformed::PullTypeUnknown`].
pub fn pull_type(msg_type: i32) -> Verdict {
    match PullMsgType::try_from(msg_type) {
        Ok(PullMsgType::BlockMsg | PullMsgType::IdentityMsg) => Ok(()),
        Ok(PullMsgType::Undefined) | Err(_) => Err(Malformed::PullTypeUnknown),
    }
}

/// A handshake: PKI-ID and identity (spec/01 §8.7).
///
/// # Errors
///
/// The first of them that is missing.
pub fn conn(content: &ConnEstablish) -> Verdict {
    pki_id(&content.pki_id)?;
    require(!content.identity.is_empty(), Malformed::IdentityMissing)
}

/// A StateInfo: PKI-ID, timestamp and MAC (spec/01 §8.8). Properties may be missing.
///
/// # Errors
///
/// The first of them that is missing.
pub fn state_info(content: &StateInfo) -> Verdict {
    pki_id(&content.pki_id)?;
    timestamp(content.timestamp.as_ref())?;
    require(!content.channel_mac.is_empty(), Malformed::ChannelMissing)
}

/// A request for a StateInfo snapshot: MAC (spec/01 §8.9).
///
/// # Errors
///
/// [`Malformed::ChannelMissing`].
pub fn state_info_pull_request(content: &StateInfoPullRequest) -> Verdict {
    require(!content.channel_mac.is_empty(), Malformed::ChannelMissing)
}

/// A request for blocks: a range that is not empty (spec/01 §8.10). Its length is up to who serves it.
///
/// # Errors
///
/// [`Malformed::RangeInvalid`].
pub fn state_request(content: &RemoteStateRequest) -> Verdict {
    require(content.start_seq_num <= content.end_seq_num, Malformed::RangeInvalid)
}

/// A response with blocks: each has its bytes, and the private data beside it parse (spec/01 §8.10, §15.1 no. 9).
///
/// # Errors
///
/// [`Malformed::BlockMissing`], [`Malformed::PrivateDataUndecodable`].
pub fn state_response(content: &RemoteStateResponse) -> Verdict {
    content.payloads.iter().try_for_each(|payload| {
        require(!payload.data.is_empty(), Malformed::BlockMissing)?;
        private_data_of_block(payload)
    })
}

/// Whether the private data beside a block parse.
///
/// # Errors
///
/// [`Malformed::PrivateDataUndecodable`].
pub fn private_data_of_block(payload: &Payload) -> Verdict {
    payload.private_data.iter().try_for_each(|item| {
        decode::<PvtDataPayload>(item.clone())
            .and_then(|item| decode::<TxPvtReadWriteSet>(item.payload))
            .map(drop)
            .map_err(|_| Malformed::PrivateDataUndecodable)
    })
}

/// A leadership message: PKI-ID and timestamp (spec/01 §8.11).
///
/// # Errors
///
/// The first of them that is missing.
pub fn leadership(content: &LeadershipMessage) -> Verdict {
    pki_id(&content.pki_id)?;
    timestamp(content.timestamp.as_ref())
}

/// A peer identity: PKI-ID and identity (spec/01 §8.12).
///
/// # Errors
///
/// The first of them that is missing.
pub fn peer_identity(content: &PeerIdentity) -> Verdict {
    pki_id(&content.pki_id)?;
    require(!content.cert.is_empty(), Malformed::IdentityMissing)
}

/// A response with private data: each element says what it answers (spec/01 §8.14).
///
/// # Errors
///
/// [`Malformed::DigestMissing`].
pub fn private_response(content: &RemotePvtDataResponse) -> Verdict {
    require(content.elements.iter().all(|element| element.digest.is_some()), Malformed::DigestMissing)
}

/// Private data of a transaction just endorsed: payload and read-write set (spec/01 §8.15).
///
/// # Errors
///
/// [`Malformed::PayloadMissing`], [`Malformed::RwsetMissing`].
pub fn private_data(content: &PrivateDataMessage) -> Verdict {
    let payload = content.payload.as_ref().ok_or(Malformed::PayloadMissing)?;
    require(!payload.private_rwset.is_empty(), Malformed::RwsetMissing)
}

/// The alive message in an element of a membership request or response. Tag, nonce and channel of the element do not
/// matter (spec/04 §1.2); whether it is [`signed`] is asked separately.
///
/// # Errors
///
/// [`Malformed::ContentUnexpected`], [`Malformed::Unparsable`], or as [`alive`].
pub fn nested_alive(view: &EnvelopeView) -> Result<AliveMessage, Malformed> {
    nested(view, ContentKind::AliveMsg, alive)
}

/// The StateInfo in an element of a snapshot. Tag, nonce and channel of the element do not matter; whether it is
/// [`signed`] is asked separately.
///
/// # Errors
///
/// [`Malformed::ContentUnexpected`], [`Malformed::Unparsable`], or as [`state_info`].
pub fn nested_state_info(view: &EnvelopeView) -> Result<StateInfo, Malformed> {
    nested(view, ContentKind::StateInfo, state_info)
}

/// As [`nested_alive`], decoded once for all clones of the envelope: what is needed of it can be read from the envelope.
///
/// # Errors
///
/// As [`nested_alive`].
pub fn check_nested_alive(view: &EnvelopeView) -> Verdict {
    require(view.kind() == ContentKind::AliveMsg, Malformed::ContentUnexpected)?;
    view.verdict(|| nested_alive(view).map(drop))
}

/// As [`nested_state_info`], decoded once for all clones of the envelope: what is needed of it can be read from the envelope.
///
/// # Errors
///
/// As [`nested_state_info`].
pub fn check_nested_state_info(view: &EnvelopeView) -> Verdict {
    require(view.kind() == ContentKind::StateInfo, Malformed::ContentUnexpected)?;
    view.verdict(|| nested_state_info(view).map(drop))
}

/// The identity in an element of a data update. Fabric gives it the tag EMPTY although spec/01 §5 demands ORG_ONLY of
/// such a message on a stream: tag, nonce and channel of the element do not matter; whether it is [`signed`] is asked
/// separately.
///
/// # Errors
///
/// [`Malformed::ContentUnexpected`], [`Malformed::Unparsable`], or as [`peer_identity`].
pub fn nested_identity(view: &EnvelopeView) -> Result<PeerIdentity, Malformed> {
    nested(view, ContentKind::PeerIdentity, peer_identity)
}

/// The block in an element of a data update for `channel`. Tag and nonce of the element do not matter.
///
/// # Errors
///
/// [`Malformed::ChannelMismatch`], [`Malformed::ContentUnexpected`], [`Malformed::Unparsable`], or as [`data`].
pub fn nested_block(view: &EnvelopeView, channel: &[u8]) -> Result<DataMessage, Malformed> {
    require(view.channel() == channel, Malformed::ChannelMismatch)?;
    nested(view, ContentKind::DataMsg, data)
}

fn nested<M: prost::Message + Default + prost::Name>(
    view: &EnvelopeView,
    kind: ContentKind,
    check: fn(&M) -> Verdict,
) -> Result<M, Malformed> {
    require(view.kind() == kind, Malformed::ContentUnexpected)?;
    let content = view.content_as()?;
    check(&content)?;
    Ok(content)
}

fn pki_id(pki_id: &[u8]) -> Verdict {
    require(!pki_id.is_empty(), Malformed::PkiIdMissing)
}

fn timestamp(timestamp: Option<&PeerTime>) -> Verdict {
    require(timestamp.is_some(), Malformed::TimestampMissing)
}

fn require(condition: bool, otherwise: Malformed) -> Verdict {
    if condition { Ok(()) } else { Err(otherwise) }
}
