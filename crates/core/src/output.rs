//! What to do, in the imperative.

use crate::ids::{ChannelId, ConnectionId, Endpoint, MspId, PkiId, Ticket};
use crate::reject::Reject;
use bytes::Bytes;
use selvedge_proto::envelope::{ContentKind, Envelope, EnvelopeView, SecretView};

/// What a [`Peer`](crate::Peer) orders its caller to do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Output {
    /// Connect to `endpoint`: TCP, TLS, the unary Ping, then open the gossip stream; answer with `Dialed` or `DialFailed`.
    Dial {
        /// The id of the connection to be.
        connection: ConnectionId,
        /// Where to.
        endpoint: Endpoint,
    },
    /// Send one envelope. Envelopes of one connection and priority keep their order.
    Send {
        /// Over which connection.
        connection: ConnectionId,
        /// The marshalled `gossip.Envelope`; shared between receivers.
        envelope: Envelope,
        /// What may be dropped, and in which order, when the connection's queue is full.
        priority: Priority,
    },
    /// End a connection after what was sent on it has left. There will be no `Closed` for it.
    Close {
        /// Which one.
        connection: ConnectionId,
        /// Why: for the operator, and as gRPC status of an accepted stream.
        reason: CloseReason,
    },
    /// Sign with the peer's own key; answer with `Signed`.
    Sign {
        /// Ties the answer to the order.
        ticket: Ticket,
        /// The bytes to sign.
        message: Bytes,
    },
    /// Verify signatures of one identity; answer with `Verified`.
    Verify {
        /// Ties the answer to the order.
        ticket: Ticket,
        /// The serialised identity of the signer, accepted by `CheckIdentity` before.
        identity: Bytes,
        /// What was signed.
        signed: Signed,
        /// A second signature by the same identity that must hold too (a secret envelope).
        secret: Option<Signed>,
        /// Where given, the signature must satisfy this channel's Readers policy; else it must be good for some channel
        /// or, for the own organisation, for the local MSP (spec/03 §6.3).
        readers_of: Option<ChannelId>,
    },
    /// Find out what an identity is: well-formed, valid for a local or channel MSP; answer with `IdentityChecked`.
    CheckIdentity {
        /// Ties the answer to the order.
        ticket: Ticket,
        /// The serialised identity.
        identity: Bytes,
    },
    /// Verify a block (spec/07 §6.1) under the configuration in force; answer with `BlockVerified`.
    VerifyBlock {
        /// Ties the answer to the order.
        ticket: Ticket,
        /// The channel.
        channel: ChannelId,
        /// The number it must have.
        number: u64,
        /// The marshalled block.
        block: Bytes,
    },
    /// Read blocks from the ledger; answer with `BlocksRead`.
    ReadBlocks {
        /// Ties the answer to the order.
        ticket: Ticket,
        /// The channel.
        channel: ChannelId,
        /// First block, inclusive.
        first: u64,
        /// Last block, inclusive.
        last: u64,
        /// Stop before the blocks read exceed this many bytes, but read at least one.
        bytes_max: usize,
    },
    /// Append a verified block to the ledger. Blocks of a channel are ordered in ascending order without gaps; answer with
    /// `Committed` once durable (one answer may cover many), or `CommitRefused`.
    Commit {
        /// The channel.
        channel: ChannelId,
        /// The block's number.
        number: u64,
        /// The marshalled block.
        block: Bytes,
    },
    /// Put a block back that was damaged in the ledger, if it verifies and its neighbours there say that it is the one; answer
    /// with `Mended`.
    Mend {
        /// The channel.
        channel: ChannelId,
        /// The block's number.
        number: u64,
        /// The marshalled block, not verified.
        block: Bytes,
    },
    /// Hold back (`true`) or take up again (`false`) the reading of blocks from the orderer: the buffer in front of the
    /// ledger is full.
    HoldDelivery {
        /// The channel.
        channel: ChannelId,
        /// Whether to hold.
        hold: bool,
    },
    /// Something an operator or embedder may want to know.
    Event(Event),
}

/// A signature and what it covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// The bytes that were signed.
    pub message: Bytes,
    /// The signature.
    pub signature: Bytes,
}

impl Signed {
    /// What the origin of an envelope signed, its secret apart; shares the buffer.
    pub fn of(envelope: &EnvelopeView) -> Self {
        Self { message: envelope.payload_bytes(), signature: envelope.signature_bytes() }
    }

    /// The secret of an envelope, if it has one; shares the buffer.
    pub fn secret_of(envelope: &EnvelopeView) -> Option<Self> {
        let signed = |secret: SecretView<'_>| Self {
            message: secret.payload_bytes(),
            signature: secret.signature_bytes(),
        };
        envelope.secret().map(signed)
    }
}

/// How dear an envelope is when a connection's send queue is full: the last in this order goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// Handshakes and answers on which a protocol step waits.
    Control,
    /// Membership and channel state: repeated in seconds.
    Membership,
    /// Blocks pushed or pulled: can be had again by pull or state transfer.
    Block,
    /// State responses: asked for again elsewhere.
    Transfer,
}

/// Why a connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CloseReason {
    /// The handshake was refused; the reason is what a Go peer would be told.
    Handshake(Reject),
    /// The handshake did not end in time.
    HandshakeTimeout,
    /// The peer became dead, was forgotten, or its identity is no longer valid.
    PeerGone,
    /// A deep probe did its work (status OK).
    ProbeDone,
    /// Another connection to the same peer is used instead.
    Replaced,
    /// The requester may not see this peer (spec/04 §5.3).
    Undisclosed,
    /// The peer sent what is no gossip message.
    Unparsable,
}

/// What happened to the protocol's state.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A handshake ended well.
    Connected {
        /// The connection.
        connection: ConnectionId,
        /// Who it is.
        pki_id: PkiId,
        /// Its organisation.
        org: MspId,
    },
    /// An authenticated connection ended.
    Disconnected {
        /// The connection.
        connection: ConnectionId,
        /// Who it was.
        pki_id: PkiId,
    },
    /// A member was learned alive, or came back to life.
    MemberAlive {
        /// Who.
        pki_id: PkiId,
        /// Its organisation.
        org: MspId,
        /// Where it can be dialled; may be empty.
        endpoint: Endpoint,
    },
    /// A member is dead: silent, or unreachable.
    MemberDead {
        /// Who.
        pki_id: PkiId,
    },
    /// A member was forgotten.
    MemberForgotten {
        /// Who.
        pki_id: PkiId,
    },
    /// A member announced a ledger height for a channel.
    HeightAnnounced {
        /// The channel.
        channel: ChannelId,
        /// Who.
        pki_id: PkiId,
        /// Number of blocks in its ledger.
        height: u64,
    },
    /// A block that the orderer delivered was not kept: the orderer client must read from there again, rather from another
    /// orderer.
    DeliveryRefused {
        /// The channel.
        channel: ChannelId,
        /// The lowest number to read again.
        number: u64,
    },
    /// A verified block was taken up.
    BlockAccepted {
        /// The channel.
        channel: ChannelId,
        /// Its number.
        number: u64,
        /// How it came.
        source: BlockSource,
    },
    /// A message was refused.
    Rejected {
        /// The peer that delivered it, once authenticated.
        from: Option<PkiId>,
        /// What it was.
        kind: ContentKind,
        /// Why.
        reason: Reject,
    },
    /// Another node of this network uses our identity: an alive message of ours with other endpoints.
    IdentityInUse {
        /// The endpoint the other node announces.
        endpoint: Endpoint,
    },
}

/// How a block came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BlockSource {
    /// From an orderer.
    Orderer,
    /// Pushed by a peer.
    Push,
    /// Pulled from a peer.
    Pull,
    /// By state transfer.
    Transfer,
}
