//! What work costs, in time on a core or a disk.

use crate::scenario::value;
use core::fmt;
use core::time::Duration;
use selvedge_proto::envelope::{ContentKind, Envelope};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Unexpected, Visitor};

/// The price of each kind of work. Defaults are those of `docs/performance.md`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Costs {
    /// Receiving and handling a frame of any kind, signature apart.
    #[serde(deserialize_with = "value")]
    pub frame: Duration,
    /// Besides, for 1 KiB of it.
    #[serde(deserialize_with = "value")]
    pub frame_kib: Duration,
    /// Besides, for each envelope inside a membership response or a snapshot.
    #[serde(deserialize_with = "value")]
    pub element: Duration,
    /// Sending a frame.
    #[serde(deserialize_with = "value")]
    pub send: Duration,
    /// Besides, for 1 KiB of it.
    #[serde(deserialize_with = "value")]
    pub send_kib: Duration,
    /// Checking a signature.
    #[serde(deserialize_with = "value")]
    pub verify: Duration,
    /// Making a signature.
    #[serde(deserialize_with = "value")]
    pub sign: Duration,
    /// Judging an identity's certificate chain.
    #[serde(deserialize_with = "value")]
    pub check_identity: Duration,
    /// TLS and HTTP/2 of a new connection, on each side.
    #[serde(deserialize_with = "value")]
    pub connect: Duration,
    /// Hashing 1 KiB of a block.
    #[serde(deserialize_with = "value")]
    pub hash_kib: Duration,
    /// What a host's process takes in a second in which nothing happens.
    #[serde(deserialize_with = "value")]
    pub background: Duration,
    /// A sync of the disk.
    #[serde(deserialize_with = "value")]
    pub sync: Duration,
}

impl Default for Costs {
    fn default() -> Self {
        let micros = Duration::from_micros;
        Self {
            frame: micros(5),
            frame_kib: Duration::ZERO,
            element: Duration::ZERO,
            send: micros(4),
            send_kib: Duration::ZERO,
            verify: micros(57),
            sign: micros(19),
            check_identity: micros(16),
            connect: micros(500),
            hash_kib: Duration::from_nanos(600),
            background: Duration::ZERO,
            sync: micros(1000),
        }
    }
}

impl Costs {
    /// What a Go peer takes for the same. Where each figure comes from is told in `docs/simulation.md`.
    pub fn go() -> Self {
        let micros = Duration::from_micros;
        Self {
            frame: micros(60),
            frame_kib: Duration::from_nanos(1500),
            element: micros(10),
            send: micros(40),
            send_kib: Duration::from_nanos(1500),
            verify: micros(100),
            sign: micros(60),
            check_identity: micros(200),
            connect: micros(2500),
            hash_kib: Duration::from_nanos(600),
            background: micros(4700),
            sync: micros(8500),
        }
    }

    /// Hashing so many bytes.
    pub fn hash(&self, bytes: usize) -> Duration {
        per_kib(self.hash_kib, bytes)
    }

    /// Receiving and handling a frame.
    pub fn frame(&self, envelope: &Envelope) -> Duration {
        let mut cost = self.frame;
        if !self.frame_kib.is_zero() {
            cost += per_byte(self.frame_kib, envelope.byte_count());
        }
        let has_elements = matches!(envelope.kind(), ContentKind::MemRes | ContentKind::StateSnapshot);
        if has_elements && !self.element.is_zero() {
            let count = envelope.view().map_or(0, |view| view.elements().count());
            cost += self.element * u32::try_from(count).unwrap_or(u32::MAX);
        }
        cost
    }

    /// Sending a frame of so many bytes.
    pub fn send(&self, bytes: usize) -> Duration {
        match self.send_kib.is_zero() {
            true => self.send,
            false => self.send + per_byte(self.send_kib, bytes),
        }
    }
}

/// Begun KiB count in full.
fn per_kib(cost: Duration, bytes: usize) -> Duration {
    Duration::from_nanos(cost.as_nanos() as u64 * (bytes as u64).div_ceil(1024))
}

fn per_byte(cost_kib: Duration, bytes: usize) -> Duration {
    Duration::from_nanos(cost_kib.as_nanos() as u64 * bytes as u64 / 1024)
}

/// Reads costs: the name of a set of them, or one by one.
pub(crate) fn written<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Costs, D::Error> {
    struct Reader;

    impl<'de> Visitor<'de> for Reader {
        type Value = Costs;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("\"selvedge\", \"go\" or a table of costs")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Costs, E> {
            match text {
                "selvedge" => Ok(Costs::default()),
                "go" => Ok(Costs::go()),
                _ => Err(E::invalid_value(Unexpected::Str(text), &self)),
            }
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Costs, A::Error> {
            Costs::deserialize(MapAccessDeserializer::new(map))
        }
    }

    deserializer.deserialize_any(Reader)
}
