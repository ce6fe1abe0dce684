//! Every reason for which a message is refused, split by whose fault it is.

use core::fmt;
use selvedge_proto::validate::Malformed;

/// Why a message was refused. Nothing that a peer sends causes an error or a panic; it causes one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Reject {
    /// Its structure is not what the protocol demands: a fault of the sender's program.
    Malformed(Malformed),
    /// It proves less than it claims, or breaks a rule on purpose or by misconfiguration.
    Misbehaviour(Misbehaviour),
    /// Nothing is wrong with it, but it does not fit what this peer knows or takes part in now.
    Unfitting(Unfitting),
    /// Nothing is wrong with it, but a bound of [`Limits`](crate::Limits) is reached.
    OverLimit,
}

/// The sender, or the origin, claims what is not so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Misbehaviour {
    /// A block's hash, data or orderer signatures are wrong.
    BlockInvalid,
    /// The other side presented no TLS certificate.
    CertificateMissing,
    /// The handshake names another TLS certificate than the one presented.
    CertificateUnbound,
    /// It sent several invalid blocks lately.
    Distrusted,
    /// No MSP accepts the identity.
    IdentityInvalid,
    /// The PKI-ID is not that of the identity.
    IdentityMismatch,
    /// A peer outside the organisation or channel sends what only members may.
    NotEntitled,
    /// A signature does not hold.
    SignatureInvalid,
    /// A request names another peer than its sender.
    SenderMismatch,
    /// The first message was not a handshake, or a later one was.
    UnexpectedHandshake,
    /// An answer nobody asked for.
    Unsolicited,
}

/// What cannot be used here and now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Unfitting {
    /// Of a channel this peer has not joined.
    ChannelUnknown,
    /// Known already.
    Duplicate,
    /// The identity's certificate has expired.
    IdentityExpired,
    /// Signed by an identity that is not known yet.
    IdentityUnknown,
    /// A pull nonce that this peer does not remember.
    NonceUnknown,
    /// The sender has not announced itself in the channel.
    NotInChannel,
    /// Of a part of Fabric that this peer does not take part in.
    NotSupported,
    /// Outside the range that can be used now.
    OutOfRange,
    /// The own signer failed, so nothing could be answered.
    SignerFailed,
    /// Older than what is known.
    Stale,
    /// Of the peer itself.
    Own,
}

impl From<Malformed> for Reject {
    fn from(reason: Malformed) -> Self {
        Self::Malformed(reason)
    }
}

impl From<Misbehaviour> for Reject {
    fn from(reason: Misbehaviour) -> Self {
        Self::Misbehaviour(reason)
    }
}

impl From<Unfitting> for Reject {
    fn from(reason: Unfitting) -> Self {
        Self::Unfitting(reason)
    }
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(reason) => write!(f, "malformed: {reason}"),
            Self::Misbehaviour(reason) => write!(f, "misbehaviour: {reason:?}"),
            Self::Unfitting(reason) => write!(f, "unfitting: {reason:?}"),
            Self::OverLimit => f.write_str("over limit"),
        }
    }
}
