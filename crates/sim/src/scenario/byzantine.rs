//! Hosts that do not keep to the protocol.

use super::values::{Share, value};
use crate::byzantine::BehaviourKind;
use core::fmt;
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Unexpected, Visitor};

/// How many hosts are Byzantine, and what they do. They are drawn among those that are no leaders.
#[derive(Clone, Debug, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ByzantinePlan {
    /// How many, of all hosts.
    #[serde(deserialize_with = "value")]
    pub share: Share,
    /// What they do.
    #[serde(default)]
    pub behaviours: Behaviours,
}

/// What Byzantine hosts do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Behaviours {
    /// Each something else: one to three behaviours of all, drawn for each seed.
    #[default]
    Drawn,
    /// Each all of these.
    These(Vec<BehaviourKind>),
}

impl ByzantinePlan {
    /// What cannot be.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.behaviours == Behaviours::These(Vec::new()) {
            return Err("byzantine: behaviours that do nothing".to_owned());
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Behaviours {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Behaviours;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"drawn\" or a list of behaviours")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Behaviours, E> {
        match text {
            "drawn" => Ok(Behaviours::Drawn),
            _ => Err(E::invalid_value(Unexpected::Str(text), &self)),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Behaviours, A::Error> {
        let mut kinds = Vec::new();
        while let Some(kind) = seq.next_element()? {
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        Ok(Behaviours::These(kinds))
    }
}
