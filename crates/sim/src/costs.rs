//! What work costs, in time on a core or a disk.

use crate::scenario::value;
use core::time::Duration;
use serde::Deserialize;

/// The price of each kind of work. Defaults are those of `docs/performance.md`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Costs {
    /// Receiving and handling a frame of any kind, signature apart.
    #[serde(deserialize_with = "value")]
    pub frame: Duration,
    /// Sending a frame.
    #[serde(deserialize_with = "value")]
    pub send: Duration,
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
    /// A sync of the disk.
    #[serde(deserialize_with = "value")]
    pub sync: Duration,
}

impl Default for Costs {
    fn default() -> Self {
        let micros = Duration::from_micros;
        Self {
            frame: micros(5),
            send: micros(4),
            verify: micros(57),
            sign: micros(19),
            check_identity: micros(16),
            connect: micros(500),
            hash_kib: Duration::from_nanos(600),
            sync: micros(1000),
        }
    }
}

impl Costs {
    /// Hashing so many bytes.
    pub fn hash(&self, bytes: usize) -> Duration {
        Duration::from_nanos(self.hash_kib.as_nanos() as u64 * (bytes as u64).div_ceil(1024))
    }
}
