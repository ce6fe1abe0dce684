//! Hosts that do not keep to the protocol, as a library of behaviours.
//!
//! A Byzantine host runs the very peer that honest hosts run, so that its identity, its handshakes and its place in the
//! network are good. What its peer sends and hears passes through its behaviours, which keep back, change or add whatever
//! they like. They act on simulated hosts alone, and show what a peer must stand: each says which of the weak points in the
//! specification it is about (`W-n`, `T-n`, by chapter).

mod blocks;
mod cast;
mod endpoints;
mod flood;
mod forgery;
mod ghosts;
mod handshakes;
mod identities;
mod late;
mod lists;
mod malformed;
mod nonces;
mod replay;
mod silence;
mod stage;
mod streams;
mod times;

pub(crate) use cast::{Cast, Deed, Me, Surroundings};
pub(crate) use identities::{VARIANTS, variant};

use core::fmt;
use serde::Deserialize;
use stage::{Stage, Verdict};

use selvedge_core::ConnectionId;
use selvedge_proto::envelope::EnvelopeView;

/// What a Byzantine host does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum BehaviourKind {
    /// Sends what it heard and said again, much later, to anybody (01 §15.3; 04 W-10; 06 §3.8).
    Replay,
    /// Tells different peers different things about itself under one time (04 W-11, W-13).
    Equivocate,
    /// Uses the smallest and the greatest incarnations and sequence numbers (01 §15.3; 04 W-13).
    WrongTimes,
    /// Announces heights far above and below its own (06 W4).
    FalseHeights,
    /// Announces its height, and gives no block to anybody (06 W4).
    WithholdBlocks,
    /// Offers blocks and identities that it never gives (05 W-7, W-18).
    EmptyPromises,
    /// Sends genuine blocks that nobody asked for, far from what is needed (06 W2; 05 W-15).
    FarBlocks,
    /// Sends blocks that no orderer cut, pushed, pulled and in state transfer (05 W-3; 06 W5).
    FalseBlocks,
    /// Answers with nonces that nobody used, and sends answers that nobody asked for (01 §15.3; 04 W-7; 05 W-6; 06 W3).
    WrongNonces,
    /// Asks for everything all the time (04 W-18; 05 W-8; 02 T-12).
    Flood,
    /// As `Flood`, and reads none of the answers (01 §15.2; 02 T-5; 05 W-2; 06 W7).
    DeafFlood,
    /// Says nothing after the handshake.
    Silence,
    /// Speaks as many peers that share one certificate, its own or somebody else's (03 T-2, T-3).
    ManyIdentities,
    /// Sends messages that lack what every message of their kind has (01 §15.1; 04 W-1; 05 W-1; 06 W1), and broken bytes (02 T-3).
    Malformed,
    /// Sends messages in the name of others with signatures that do not hold, and doctors secrets (01 §15.3; 04 W-11).
    Forgery,
    /// Handshakes of others, with wrong certificates, twice, or cut short (02 T-1, T-2, T-6, T-10, T-14).
    BadHandshakes,
    /// Names endpoints that are not its own, empty ones and enormous ones (04 W-8, W-12, W-15).
    FalseEndpoints,
    /// Tells of members that never were, as alive and as dead, and calls the living dead (04 W-7, W-9).
    Ghosts,
    /// Stands for every election, and claims channels that do not exist (06 §3.8; 05 W-25).
    Intrigue,
    /// Digests, requests, responses, snapshots and updates with thousands of elements (01 §15.2; 04 W-15; 05 W-7).
    EndlessLists,
    /// Answers seconds late (05 W-18; 06 W4).
    LateAnswers,
    /// Opens stream after stream, and does not say on them who it is (02 T-7, T-8, T-9, T-12).
    OpenStreams,
}

impl BehaviourKind {
    /// Every behaviour.
    pub const ALL: [Self; 22] = [
        Self::Replay,
        Self::Equivocate,
        Self::WrongTimes,
        Self::FalseHeights,
        Self::WithholdBlocks,
        Self::EmptyPromises,
        Self::FarBlocks,
        Self::FalseBlocks,
        Self::WrongNonces,
        Self::Flood,
        Self::DeafFlood,
        Self::Silence,
        Self::ManyIdentities,
        Self::Malformed,
        Self::Forgery,
        Self::BadHandshakes,
        Self::FalseEndpoints,
        Self::Ghosts,
        Self::Intrigue,
        Self::EndlessLists,
        Self::LateAnswers,
        Self::OpenStreams,
    ];

    /// Its name in scenarios.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Replay => "replay",
            Self::Equivocate => "equivocate",
            Self::WrongTimes => "wrong-times",
            Self::FalseHeights => "false-heights",
            Self::WithholdBlocks => "withhold-blocks",
            Self::EmptyPromises => "empty-promises",
            Self::FarBlocks => "far-blocks",
            Self::FalseBlocks => "false-blocks",
            Self::WrongNonces => "wrong-nonces",
            Self::Flood => "flood",
            Self::DeafFlood => "deaf-flood",
            Self::Silence => "silence",
            Self::ManyIdentities => "many-identities",
            Self::Malformed => "malformed",
            Self::Forgery => "forgery",
            Self::BadHandshakes => "bad-handshakes",
            Self::FalseEndpoints => "false-endpoints",
            Self::Ghosts => "ghosts",
            Self::Intrigue => "intrigue",
            Self::EndlessLists => "endless-lists",
            Self::LateAnswers => "late-answers",
            Self::OpenStreams => "open-streams",
        }
    }

    fn behaviour(self) -> Box<dyn Behaviour> {
        match self {
            Self::Replay => Box::<replay::Replay>::default(),
            Self::Equivocate => Box::<times::Equivocate>::default(),
            Self::WrongTimes => Box::<times::WrongTimes>::default(),
            Self::FalseHeights => Box::<blocks::FalseHeights>::default(),
            Self::WithholdBlocks => Box::<blocks::Withhold>::default(),
            Self::EmptyPromises => Box::<blocks::EmptyPromises>::default(),
            Self::FarBlocks => Box::<blocks::FarBlocks>::default(),
            Self::FalseBlocks => Box::<blocks::FalseBlocks>::default(),
            Self::WrongNonces => Box::<nonces::WrongNonces>::default(),
            Self::Flood => Box::new(flood::Flood { reads: true }),
            Self::DeafFlood => Box::new(flood::Flood { reads: false }),
            Self::Silence => Box::<silence::Silence>::default(),
            Self::ManyIdentities => Box::<identities::ManyIdentities>::default(),
            Self::Malformed => Box::<malformed::Malformed>::default(),
            Self::Forgery => Box::<forgery::Forgery>::default(),
            Self::BadHandshakes => Box::<handshakes::BadHandshakes>::default(),
            Self::FalseEndpoints => Box::<endpoints::FalseEndpoints>::default(),
            Self::Ghosts => Box::<ghosts::Ghosts>::default(),
            Self::Intrigue => Box::<ghosts::Intrigue>::default(),
            Self::EndlessLists => Box::<lists::EndlessLists>::default(),
            Self::LateAnswers => Box::<late::LateAnswers>::default(),
            Self::OpenStreams => Box::<streams::OpenStreams>::default(),
        }
    }
}

impl fmt::Display for BehaviourKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Something that a Byzantine host does.
trait Behaviour: fmt::Debug + Send {
    /// What becomes of an envelope that the peer sends; handshakes are among them.
    fn on_send(&mut self, _stage: &mut Stage<'_>, _to: ConnectionId, _sent: &EnvelopeView) -> Verdict {
        Verdict::Pass
    }

    /// What becomes of an envelope that arrives, before the peer hears of it.
    fn on_frame(&mut self, _stage: &mut Stage<'_>, _from: ConnectionId, _heard: &EnvelopeView) -> Verdict {
        Verdict::Pass
    }

    /// A stream stands that was opened beside those of the peer.
    fn on_stream(&mut self, _stage: &mut Stage<'_>, _stream: ConnectionId) {}

    /// Ten times a second.
    fn act(&mut self, _stage: &mut Stage<'_>) {}
}
