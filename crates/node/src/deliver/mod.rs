//! The orderer client: blocks of a channel from the ordering service, `AtomicBroadcast.Deliver` (spec/07 §12, §13).
//!
//! A [`DeliverClient`] asks one orderer for every block from a number on, and hands the blocks on as they came, byte for
//! byte, in order. Whatever ends the stream, it goes on at another orderer after a short pause, and never ends for good:
//! an idle channel, a dead orderer, a refused block or an empty list of orderers are all passing states.
//!
//! It checks the order of the blocks, no more. Verifying them is the receiver's business; a block that does not verify is
//! reported with [`DeliverHandle::refuse`], and asked for again elsewhere.
//!
//! Channels of consensus type `BFT` are served the same way, going round the orderers on failure. There an orderer may
//! withhold blocks without ending the stream; so, with [`CensorshipSettings`], the headers of all other orderers are
//! followed meanwhile (spec/07 §14.3). An orderer that does not deliver a block in time after its header was received
//! from another one, and verified, is left. Time in which this node itself held the stream does not count; and an orderer
//! that works off a backlog is not left as long as fewer and fewer blocks are missing, however slowly.

mod backoff;
mod censorship;
mod client;
mod connection;
mod end_reason;
mod endpoints;
mod headers;
mod response;
mod seek;
mod settings;
mod state;
#[cfg(test)]
mod tests;
mod withholding;

pub use backoff::BackOff;
pub use censorship::CensorshipSettings;
pub use client::{DeliverClient, DeliverHandle, DeliveredBlock};
pub use end_reason::EndReason;
pub use endpoints::{EndpointOverride, apply_overrides, load_overrides};
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use response::read as read_response;
pub use seek::{SeekRequest, seek_envelope, seek_info, seek_newest};
pub use selvedge_msp::OrdererEndpoint;
pub use settings::DeliverSettings;
pub use state::{DeliverState, Phase};

/// Largest message accepted, as Fabric's peers and orderers have it (spec/07 §12.2).
pub(crate) const MESSAGE_BYTES_MAX: usize = 100 << 20;

/// The name of Fabric's logger for this part.
const LOGGER: &str = "peer.blocksprovider";
