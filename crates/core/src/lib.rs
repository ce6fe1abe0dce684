//! The gossip protocol of Hyperledger Fabric as a pure state machine.
//!
//! [`Peer`] has no socket, clock, thread, file, crypto or random source of its own. What happened comes in as an
//! [`Input`], what to do goes out as an [`Output`], and the same inputs with the same seed give the same outputs, byte for
//! byte. Everything slow (a dial, a signature, a disk) is an output with a [`Ticket`] whose result comes back as an input.

mod channel;
mod config;
mod connection;
mod dissemination;
mod duration;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod identity;
mod ids;
mod input;
mod limits;
mod membership;
mod messages;
mod output;
mod peer;
mod pull;
mod rate;
#[cfg(feature = "recording")]
pub mod recording;
mod reject;
mod rules;
#[cfg(test)]
mod samples;
mod shared;
mod stats;
mod table;
#[cfg(feature = "testing")]
pub mod testing;
mod time;
mod timers;
mod usage;
mod verifying;

pub use channel::{ChannelMember, ChannelView};
pub use config::{Config, LocalPeer};
pub use duration::{format_duration, parse_duration};
pub use ids::{ChannelId, ConnectionId, Endpoint, MspId, PkiId, Ticket};
pub use input::{Anchor, ChannelSettings, Command, IdentityClaims, Input, TlsBinding, VerifiedBlock};
pub use limits::Limits;
pub use membership::MemberView;
pub use output::{BlockSource, CloseReason, Event, Output, Priority, Signed};
pub use peer::Peer;
pub use reject::{Misbehaviour, Reject, Unfitting};
pub use rules::Rules;
pub use stats::Stats;
pub use time::{Instant, WallTime};
pub use usage::Usage;
