//! Which rules of dissemination a peer follows.

use core::fmt;

/// Named choices where Selvedge does otherwise than the Go peer, though both are legal on the wire. Everything else is the
/// same code. The Go peer's are for simulations, to compare with: nothing in a node's configuration chooses them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rules {
    /// Those of Selvedge.
    #[default]
    Selvedge,
    /// Those of the Go peer (spec/04, spec/05), with their weak points.
    Fabric,
}

impl fmt::Display for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Selvedge => "selvedge",
            Self::Fabric => "fabric",
        })
    }
}

impl Rules {
    fn is_fabric(self) -> bool {
        self == Self::Fabric
    }

    /// Whether what is to be pushed waits up to [`Config::burst_latency`](crate::Config::burst_latency), and all blocks that
    /// wait then go to the same receivers, who are drawn without regard to what they have (spec/05 §8.1 to §8.3, W-9, W-12,
    /// W-13).
    pub(crate) fn pushes_in_bursts(self) -> bool {
        self.is_fabric()
    }

    /// Whether something is done as soon as there is a reason for it, and less often without; else only at its regular times,
    /// without jitter (spec/05 W-10, W-18, W-19, W-23; spec/04 W-20, W-24, W-26).
    pub(crate) fn heeds_news(self) -> bool {
        !self.is_fabric()
    }

    /// Whether copies of what is known are verified before they are found to be copies (spec/05 W-31, spec/04 W-21).
    pub(crate) fn verifies_copies(self) -> bool {
        self.is_fabric()
    }

    /// Whether blocks below the window of the newest one are refused, whatever the ledger's height (spec/05 §9.3, W-15).
    pub(crate) fn refuses_below_window(self) -> bool {
        self.is_fabric()
    }

    /// Whether one failed dial makes a member dead (spec/04 §6.3, W-17), to be tried again after the longest pause.
    pub(crate) fn buries_at_once(self) -> bool {
        self.is_fabric()
    }

    /// Whether of two connections to a peer only the one that the peer dialled is kept, so that two who dial each other at the
    /// same moment lose both (spec/02 §6.4).
    pub(crate) fn prefers_accepted(self) -> bool {
        self.is_fabric()
    }

    /// Whether the rest of a snapshot is given up at the first element whose origin is unknown (spec/05 W-20).
    pub(crate) fn gives_up_snapshots(self) -> bool {
        self.is_fabric()
    }

    /// Whether who left a channel still gets its blocks (spec/05 W-24).
    pub(crate) fn ignores_leaving(self) -> bool {
        self.is_fabric()
    }

    /// Whether state transfer asks one peer at a time, and looks at heights only at every
    /// [`Config::state_check_interval`](crate::Config::state_check_interval) (spec/06 §2.7, W10).
    pub(crate) fn transfers_in_runs(self) -> bool {
        self.is_fabric()
    }
}
