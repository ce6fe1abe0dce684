//! What all hosts find out alike is found out once: what an identity is, and whether a signature holds.
//!
//! Each of them is charged for it all the same.

use bytes::Bytes;
use selvedge_core::testing::crypto;
use selvedge_core::{IdentityClaims, MspId, Signed};
use std::collections::BTreeMap;

/// So many verdicts are kept, each at a place that its signature gives.
const VERDICT_COUNT: usize = 1 << 12;

/// See the module.
#[derive(Debug)]
pub(super) struct Knowledge {
    orgs: BTreeMap<String, MspId>,
    claims: BTreeMap<Bytes, Option<IdentityClaims>>,
    verdicts: Vec<Option<Verdict>>,
}

/// Whether a signature holds.
#[derive(Debug)]
struct Verdict {
    identity: Bytes,
    signed: Signed,
    holds: bool,
}

impl Default for Knowledge {
    fn default() -> Self {
        let verdicts = std::iter::repeat_with(|| None).take(VERDICT_COUNT).collect();
        Self { orgs: BTreeMap::new(), claims: BTreeMap::new(), verdicts }
    }
}

impl Knowledge {
    /// The name of an organisation, in one piece of memory for all.
    pub(super) fn org(&mut self, name: &str) -> MspId {
        let org = self.orgs.entry(name.to_owned()).or_insert_with(|| MspId::from(name));
        org.clone()
    }

    /// What an identity proves to be.
    pub(super) fn claims(&mut self, identity: &Bytes) -> Option<IdentityClaims> {
        if let Some(claims) = self.claims.get(identity) {
            return claims.clone();
        }
        let claims = crypto::claims(identity, crypto::NEVER)
            .map(|claims| IdentityClaims { org: self.org(&claims.org), ..claims });
        self.claims.insert(Bytes::copy_from_slice(identity), claims.clone());
        claims
    }

    /// Whether a signature holds.
    pub(super) fn holds(&mut self, identity: &Bytes, signed: &Signed) -> bool {
        let known = &mut self.verdicts[place_of(&signed.signature)];
        if let Some(verdict) = known
            && is_same(&verdict.signed.signature, &signed.signature)
            && is_same(&verdict.signed.message, &signed.message)
            && is_same(&verdict.identity, identity)
        {
            return verdict.holds;
        }
        let holds = crypto::holds(identity, &signed.message, &signed.signature);
        *known = Some(Verdict { identity: identity.clone(), signed: signed.clone(), holds });
        holds
    }
}

/// What is the same in memory need not be compared.
fn is_same(one: &Bytes, other: &Bytes) -> bool {
    one.len() == other.len() && (one.as_ptr() == other.as_ptr() || one == other)
}

fn place_of(signature: &[u8]) -> usize {
    let place = signature.first_chunk().map_or(0, |chunk| u32::from_le_bytes(*chunk));
    place as usize % VERDICT_COUNT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_what_was_found_out() {
        let mut knowledge = Knowledge::default();
        let identity = crypto::identity("Org1MSP", "peer0");
        let message = Bytes::from_static(b"message");
        let good = Signed { signature: crypto::sign(&identity, &message), message: message.clone() };
        let mut forged = good.signature.to_vec();
        forged[31] ^= 1;
        let bad = Signed { signature: Bytes::from(forged), message };
        let other = crypto::identity("Org1MSP", "peer1");
        for _ in 0..2 {
            assert!(knowledge.holds(&identity, &good));
            assert!(!knowledge.holds(&identity, &bad), "at the same place");
            assert!(!knowledge.holds(&other, &good));
            assert_eq!(knowledge.claims(&identity), crypto::claims(&identity, crypto::NEVER));
            assert_eq!(knowledge.claims(&Bytes::from_static(b"nobody")), None);
        }
    }
}
