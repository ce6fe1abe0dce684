//! What a channel demands of the software (spec/07 §7.4).

use std::collections::BTreeSet;

use super::ConfigError;
use crate::msp::MspVersion;

/// The capabilities of a channel. Each name stands for itself only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    pub(super) channel: BTreeSet<String>,
    pub(super) application: BTreeSet<String>,
    pub(super) orderer: BTreeSet<String>,
}

const CHANNEL: [&str; 6] = ["V1_1", "V1_3", "V1_4_2", "V1_4_3", "V2_0", "V3_0"];
const APPLICATION: [&str; 8] = [
    "V1_1",
    "V1_2",
    "V1_3",
    "V1_4_2",
    "V2_0",
    "V2_5",
    "V1_1_PVTDATA_EXPERIMENTAL",
    "V1_1_RESOURCETREE_EXPERIMENTAL",
];

impl Capabilities {
    /// Whether the channel section has a capability, like `V2_0`.
    pub fn channel(&self, name: &str) -> bool {
        self.channel.contains(name)
    }

    /// Whether the application section has a capability.
    pub fn application(&self, name: &str) -> bool {
        self.application.contains(name)
    }

    /// Whether the orderer section has a capability. Peers do not evaluate them.
    pub fn orderer(&self, name: &str) -> bool {
        self.orderer.contains(name)
    }

    /// The names of the channel section, ordered.
    pub fn channel_names(&self) -> impl Iterator<Item = &str> {
        self.channel.iter().map(String::as_str)
    }

    /// The names of the application section, ordered.
    pub fn application_names(&self) -> impl Iterator<Item = &str> {
        self.application.iter().map(String::as_str)
    }

    /// How the channel's MSPs behave.
    pub fn msp_version(&self) -> MspVersion {
        if self.channel("V3_0") {
            MspVersion::V3_0
        } else if self.channel("V1_4_3") || self.channel("V2_0") {
            MspVersion::V1_4_3
        } else if self.channel("V1_3") || self.channel("V1_4_2") {
            MspVersion::V1_3
        } else if self.channel("V1_1") {
            MspVersion::V1_1
        } else {
            MspVersion::V1_0
        }
    }

    /// Whether orderers may sign blocks with their number in place of their certificate (BFT).
    pub fn bft_signatures(&self) -> bool {
        self.channel("V3_0")
    }

    /// Whether each orderer organisation has endpoints of its own, and the consensus type may change.
    pub fn org_specific_orderer_endpoints(&self) -> bool {
        ["V1_4_2", "V1_4_3", "V2_0", "V3_0"].into_iter().any(|name| self.channel(name))
    }

    /// Whether services may have access control lists.
    pub fn acls(&self) -> bool {
        ["V1_2", "V1_3", "V1_4_2", "V2_0", "V2_5"].into_iter().any(|name| self.application(name))
    }

    pub(super) fn check_supported(&self) -> Result<(), ConfigError> {
        let unknown = |level, names: &BTreeSet<String>, known: &[&str]| {
            let unknown = names.iter().find(|name| !known.contains(&name.as_str()));
            unknown.map(|name| ConfigError::Capability { level, name: name.clone() })
        };
        let unknown = unknown("channel", &self.channel, &CHANNEL)
            .or_else(|| unknown("application", &self.application, &APPLICATION));
        unknown.map_or(Ok(()), Err)
    }
}
