//! Faults that are drawn for each seed.

use super::values::{Share, value};
use crate::faults::FaultKind;
use core::time::Duration;
use serde::Deserialize;

/// Which kinds of fault may strike in measured time, and how often. At its end everything heals.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FaultPlan {
    /// Kinds that may strike.
    pub kinds: Vec<FaultKind>,
    /// How likely each of them strikes in a run at all.
    #[serde(deserialize_with = "value")]
    pub share: Share,
    /// The mean time between two faults of a kind is drawn for each run: no less than this,
    #[serde(deserialize_with = "value")]
    pub pause_min: Duration,
    /// and no more than this.
    #[serde(deserialize_with = "value")]
    pub pause_max: Duration,
    /// The longest time that a fault lasts.
    #[serde(deserialize_with = "value")]
    pub lasts_max: Duration,
}

impl FaultPlan {
    /// The shortest time that a fault lasts.
    pub const LASTS_MIN: Duration = Duration::from_millis(100);

    /// What cannot be.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.kinds.is_empty() {
            return Err("faults: without kinds there are none".to_owned());
        }
        if self.pause_min < Duration::from_millis(100) || self.pause_min > self.pause_max {
            return Err("faults: pause_min must be at least 100 ms and no more than pause_max".to_owned());
        }
        if self.lasts_max < Self::LASTS_MIN {
            return Err("faults: lasts_max must be at least 100 ms".to_owned());
        }
        Ok(())
    }
}

impl Default for FaultPlan {
    fn default() -> Self {
        Self {
            kinds: FaultKind::ALL.to_vec(),
            share: Share::HALF,
            pause_min: Duration::from_secs(3),
            pause_max: Duration::from_secs(60),
            lasts_max: Duration::from_secs(40),
        }
    }
}
