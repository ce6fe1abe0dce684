//! Several MSPs: those of a channel.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::cache::Cache;
use crate::identity::{Identity, IdentityError, parse};
use crate::msp::Msp;

/// Identities kept per channel, and the bytes of all of them together.
const CACHED_COUNT_MAX: usize = 2048;
const CACHED_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The MSPs of a channel by identifier. Immutable.
#[derive(Debug)]
pub struct MspManager {
    msps: BTreeMap<String, Arc<Msp>>,
    cache: Cache<Arc<Identity>>,
}

impl MspManager {
    /// Manages these MSPs; of several with one identifier the last counts.
    pub fn new(msps: impl IntoIterator<Item = Arc<Msp>>) -> Self {
        let msps = msps.into_iter().map(|msp| (msp.msp_id().to_owned(), msp)).collect();
        Self { msps, cache: Cache::new(CACHED_COUNT_MAX, CACHED_BYTES_MAX) }
    }

    /// The MSP with an identifier.
    pub fn msp(&self, msp_id: &str) -> Option<&Arc<Msp>> {
        self.msps.get(msp_id)
    }

    /// All MSPs, ordered by identifier.
    pub fn msps(&self) -> impl Iterator<Item = &Arc<Msp>> {
        self.msps.values()
    }

    /// Reads a serialized identity of any of the MSPs. The result is kept in a bounded cache.
    ///
    /// # Errors
    ///
    /// If it does not parse, names an MSP that is not here, or its certificate cannot be used. Success does not mean
    /// that the identity is valid: see [`Identity::validate`].
    pub fn deserialize(&self, serialized: &[u8]) -> Result<Arc<Identity>, IdentityError> {
        if let Some(identity) = self.cache.find(serialized) {
            return Ok(identity);
        }
        let parsed = parse(serialized)?;
        let msp = self.msps.get(&parsed.mspid).ok_or(IdentityError::UnknownMsp(parsed.mspid))?;
        let identity = Arc::new(msp.identity(&parsed.id_bytes)?);
        self.cache.insert(serialized, Arc::clone(&identity));
        Ok(identity)
    }
}
