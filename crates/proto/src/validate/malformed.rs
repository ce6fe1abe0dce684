//! The reasons for which a message's structure is refused.

use crate::wire::WireError;

/// What is wrong with the structure of a message. Seen before any identity is looked up and any signature is checked.
///
/// A Go peer drops the message as well, or crashes where spec/01 §15.1 says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// A data message or state response with an empty block.
    #[error("no block")]
    BlockMissing,
    /// An element of a data update is for another channel than the update.
    #[error("an element for another channel")]
    ChannelMismatch,
    /// Nothing says which channel the message is for.
    #[error("no channel")]
    ChannelMissing,
    /// No content that is known.
    #[error("no content")]
    ContentMissing,
    /// An element, or the first message of a stream, has another content than it must have.
    #[error("another content than expected")]
    ContentUnexpected,
    /// An element of a private data response without the digest it answers.
    #[error("no digest")]
    DigestMissing,
    /// A handshake or a peer identity without an identity.
    #[error("no identity")]
    IdentityMissing,
    /// An alive message without the member it is about.
    #[error("no membership")]
    MembershipMissing,
    /// A data message, or private data, without payload.
    #[error("no payload")]
    PayloadMissing,
    /// No PKI-ID.
    #[error("no PKI-ID")]
    PkiIdMissing,
    /// Private data beside a block that do not parse.
    #[error("undecodable private data")]
    PrivateDataUndecodable,
    /// A pull of something that is neither blocks nor identities.
    #[error("unknown type of pull")]
    PullTypeUnknown,
    /// A range of blocks that ends before it begins.
    #[error("a range that ends before it begins")]
    RangeInvalid,
    /// Private data without a read-write set.
    #[error("no read-write set")]
    RwsetMissing,
    /// The secret envelope has no payload.
    #[error("no secret payload")]
    SecretPayloadMissing,
    /// The secret envelope has no signature.
    #[error("no secret signature")]
    SecretSignatureMissing,
    /// A membership request does not say who asks.
    #[error("no self information")]
    SelfInformationMissing,
    /// The envelope has no signature where it must have one.
    #[error("no signature")]
    SignatureMissing,
    /// The envelope has no payload, so there is nothing that could be signed.
    #[error("nothing signed")]
    SignedPayloadMissing,
    /// The tag is not the one that the content demands.
    #[error("a tag that the content does not allow")]
    TagIllegal,
    /// There is no tag.
    #[error("no tag")]
    TagUndefined,
    /// No timestamp.
    #[error("no timestamp")]
    TimestampMissing,
    /// The bytes are no message at all.
    #[error("unparsable: {0}")]
    Unparsable(#[from] WireError),
}
