//! What happened, in the past tense.

use crate::ids::{ChannelId, ConnectionId, Endpoint, MspId, PkiId, Ticket};
use crate::time::WallTime;
use bytes::Bytes;
use selvedge_proto::envelope::Envelope;

/// What the caller tells a [`Peer`](crate::Peer).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// The time of [`Peer::next_deadline`](crate::Peer::next_deadline) has come.
    Deadline,
    /// [`Output::Dial`](crate::Output::Dial) succeeded: TCP, TLS, Ping and the gRPC stream stand.
    Dialed {
        /// The connection of the order.
        connection: ConnectionId,
        /// SHA-256 over the DER of both ends' TLS certificates; `None` without TLS.
        binding: Option<TlsBinding>,
    },
    /// [`Output::Dial`](crate::Output::Dial) failed; the connection does not exist.
    DialFailed {
        /// The connection of the order.
        connection: ConnectionId,
        /// Why, for the operator; the protocol does not look at it.
        reason: String,
    },
    /// A remote peer opened a stream to us.
    Accepted {
        /// An id never used before, from [`ConnectionId::accepted`].
        connection: ConnectionId,
        /// SHA-256 over the DER of both ends' TLS certificates; `None` without TLS.
        binding: Option<TlsBinding>,
    },
    /// A gRPC message arrived: one marshalled `gossip.Envelope`.
    Frame {
        /// Where it arrived.
        connection: ConnectionId,
        /// The bytes as received.
        envelope: Envelope,
    },
    /// A connection ended that the core had not closed itself.
    Closed {
        /// Which one.
        connection: ConnectionId,
        /// Why, for the operator.
        reason: String,
    },
    /// Result of [`Output::Sign`](crate::Output::Sign); `None` if the signer failed (it will be tried again later).
    Signed {
        /// The ticket of the order.
        ticket: Ticket,
        /// The signature over the message.
        signature: Option<Bytes>,
    },
    /// Result of [`Output::CheckIdentity`](crate::Output::CheckIdentity).
    IdentityChecked {
        /// The ticket of the order.
        ticket: Ticket,
        /// What the identity proved to be; `None` if no MSP accepts it.
        claims: Option<IdentityClaims>,
    },
    /// Result of [`Output::Verify`](crate::Output::Verify).
    Verified {
        /// The ticket of the order.
        ticket: Ticket,
        /// Whether every signature named in the order holds.
        ok: bool,
    },
    /// Result of [`Output::VerifyBlock`](crate::Output::VerifyBlock).
    BlockVerified {
        /// The ticket of the order.
        ticket: Ticket,
        /// `None` if the block is refused.
        block: Option<VerifiedBlock>,
    },
    /// Result of [`Output::ReadBlocks`](crate::Output::ReadBlocks).
    BlocksRead {
        /// The ticket of the order.
        ticket: Ticket,
        /// Numbers and marshalled blocks in ascending order; fewer than asked for where the ledger or the byte budget ends.
        blocks: Vec<(u64, Bytes)>,
    },
    /// Every block below `height` is durable in the channel's ledger.
    Committed {
        /// The channel.
        channel: ChannelId,
        /// Number of blocks in the ledger.
        height: u64,
    },
    /// A block ordered with [`Output::Commit`](crate::Output::Commit) did not fit: its previous hash is not the ledger's, or
    /// it does not verify under the configuration that is in force now. It and everything ordered after it was discarded.
    CommitRefused {
        /// The channel.
        channel: ChannelId,
        /// The refused block.
        number: u64,
    },
    /// Result of [`Output::Mend`](crate::Output::Mend).
    Mended {
        /// The channel.
        channel: ChannelId,
        /// The block's number.
        number: u64,
        /// Whether the block can be read again; if not, it is obtained once more.
        ok: bool,
    },
    /// The orderer client received a block.
    BlockDelivered {
        /// The channel.
        channel: ChannelId,
        /// The number in its header.
        number: u64,
        /// The marshalled block.
        block: Bytes,
    },
    /// An order of the node's operator or configuration.
    Command(Command),
}

/// What the owner of a [`Peer`](crate::Peer) orders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Joins a channel, or puts a new configuration of a joined one in force. All identities and StateInfo messages are
    /// checked again (spec/03 §11, done after the configuration is in force: W-34).
    /// For a configuration block it comes before the [`Input::Committed`] that covers the block, because with that one the
    /// blocks behind it are verified.
    ConfigureChannel(ChannelSettings),
    /// Announces that the peer leaves a channel, and stops taking part in it (spec/05 §5.4).
    LeaveChannel(ChannelId),
    /// Obtains blocks again that are damaged in the ledger; each comes back as [`Output::Mend`](crate::Output::Mend), one at a
    /// time. At most as many are remembered as may wait in memory for the ledger: give it again, for all that are damaged,
    /// when some have been mended.
    ObtainBlocks {
        /// The channel.
        channel: ChannelId,
        /// First block, inclusive.
        first: u64,
        /// Last block, inclusive.
        last: u64,
    },
}

/// What the core must know of a channel's configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelSettings {
    /// The channel.
    pub channel: ChannelId,
    /// Sequence of the configuration; a lower one than the present is ignored.
    pub sequence: u64,
    /// MSP IDs of the application organisations, sorted.
    pub orgs: Vec<MspId>,
    /// Anchor peers of all organisations.
    pub anchors: Vec<Anchor>,
    /// Number of durable blocks in the channel's ledger; at least 1.
    pub height: u64,
}

/// An anchor peer of a channel configuration.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Anchor {
    /// The organisation that declared it.
    pub org: MspId,
    /// Where it listens.
    pub endpoint: Endpoint,
}

/// The TLS certificates a connection is bound to: SHA-256 over the DER of each leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TlsBinding {
    /// Of the certificate this side used on this connection (client's when dialling, server's when accepting).
    pub own: [u8; 32],
    /// Of the certificate the other side presented; `None` if it presented none.
    pub remote: Option<[u8; 32]>,
}

/// What an identity proved to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityClaims {
    /// Computed from the identity bytes.
    pub pki_id: PkiId,
    /// Its organisation.
    pub org: MspId,
    /// End of the certificate's validity.
    pub expires_at: WallTime,
    /// SHA-256 over the subject public key: variants of one certificate share it (spec/03 W-2).
    pub key_hash: [u8; 32],
}

/// What verification found out about a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedBlock {
    /// Whether it is a configuration block: blocks after it must be verified under the configuration it carries.
    pub is_config: bool,
}
