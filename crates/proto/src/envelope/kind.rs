//! The contents a message can have.

use core::fmt;

use crate::gossip::GossipMessage;
use crate::gossip::gossip_message::Content;

macro_rules! kinds {
    ($($(#[$docs:meta])* $kind:ident = $number:literal, $name:literal, $message:literal;)*) => {
        /// Which content a `GossipMessage` has (spec/01 §4.3), in the order of field numbers.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum ContentKind {
            /// None that is known: parses, but is not legal.
            #[default]
            None = 0,
            $($(#[$docs])* $kind = $number,)*
        }

        impl ContentKind {
            /// Every kind, `None` first.
            pub const ALL: [Self; 22] = [Self::None, $(Self::$kind,)*];

            /// The kind with this field number.
            pub const fn from_field_number(number: u32) -> Option<Self> {
                match number {
                    $($number => Some(Self::$kind),)*
                    _ => None,
                }
            }

            /// The name of the field, as in `alive_msg`; `none` for [`None`](Self::None).
            pub const fn name(self) -> &'static str {
                match self {
                    Self::None => "none",
                    $(Self::$kind => $name,)*
                }
            }

            /// The name of the message type, as in `AliveMessage`; empty for [`None`](Self::None).
            pub const fn message_name(self) -> &'static str {
                match self {
                    Self::None => "",
                    $(Self::$kind => $message,)*
                }
            }

            /// The kind of a decoded message.
            pub const fn of(message: &GossipMessage) -> Self {
                match &message.content {
                    None => Self::None,
                    $(Some(Content::$kind(_)) => Self::$kind,)*
                }
            }
        }
    };
}

kinds! {
    /// A heartbeat.
    AliveMsg = 5, "alive_msg", "AliveMessage";
    /// Asks for members.
    MemReq = 6, "mem_req", "MembershipRequest";
    /// Members.
    MemRes = 7, "mem_res", "MembershipResponse";
    /// A block.
    DataMsg = 8, "data_msg", "DataMessage";
    /// First step of a pull.
    Hello = 9, "hello", "GossipHello";
    /// Second step of a pull.
    DataDig = 10, "data_dig", "DataDigest";
    /// Third step of a pull.
    DataReq = 11, "data_req", "DataRequest";
    /// Fourth step of a pull.
    DataUpdate = 12, "data_update", "DataUpdate";
    /// Nothing.
    Empty = 13, "empty", "Empty";
    /// The handshake.
    Conn = 14, "conn", "ConnEstablish";
    /// A peer's state in a channel.
    StateInfo = 15, "state_info", "StateInfo";
    /// Peers' states in a channel.
    StateSnapshot = 16, "state_snapshot", "StateInfoSnapshot";
    /// Asks for peers' states in a channel.
    StateInfoPullReq = 17, "state_info_pull_req", "StateInfoPullRequest";
    /// Asks for blocks.
    StateRequest = 18, "state_request", "RemoteStateRequest";
    /// Blocks.
    StateResponse = 19, "state_response", "RemoteStateResponse";
    /// Leader election.
    LeadershipMsg = 20, "leadership_msg", "LeadershipMessage";
    /// An identity.
    PeerIdentity = 21, "peer_identity", "PeerIdentity";
    /// What became of private data.
    Ack = 22, "ack", "Acknowledgement";
    /// Asks for private data.
    PrivateReq = 23, "privateReq", "RemotePvtDataRequest";
    /// Private data that were asked for.
    PrivateRes = 24, "privateRes", "RemotePvtDataResponse";
    /// Private data of a transaction just endorsed.
    PrivateData = 25, "private_data", "PrivateDataMessage";
}

impl ContentKind {
    /// The field number in `GossipMessage`; 0 for [`None`](Self::None).
    pub const fn field_number(self) -> u32 {
        self as u32
    }
}

impl fmt::Display for ContentKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
