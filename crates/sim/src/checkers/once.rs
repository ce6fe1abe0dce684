//! Nothing is verified twice by one peer in one life.

use super::{Checker, Rule};
use crate::world::{HostId, World};
use core::hash::{Hash, Hasher};
use selvedge_core::{Output, Signed};
use std::collections::{BTreeMap, HashSet};
use std::hash::DefaultHasher;

/// What each host verified, by hash.
#[derive(Debug, Default)]
pub(super) struct Once {
    verified: BTreeMap<HostId, HashSet<u64>>,
}

impl Checker for Once {
    fn rule(&self) -> Rule {
        Rule::Once
    }

    fn on_start(&mut self, host: HostId) {
        self.verified.remove(&host);
    }

    fn on_output(&mut self, _world: &World, host: HostId, output: &Output) -> Result<(), String> {
        let (key, what) = match output {
            Output::Verify { identity, signed, secret, .. } => {
                let part = |signed: &Signed| (signed.message.clone(), signed.signature.clone());
                // a secret that came later is verified along with what was verified before
                (hash(&(identity, part(signed), secret.as_ref().map(part))), "a signature")
            }
            Output::VerifyBlock { number, block, .. } => (hash(&(number, block)), "a block"),
            _ => return Ok(()),
        };
        if self.verified.entry(host).or_default().insert(key) {
            Ok(())
        } else {
            Err(format!("verifies {what} again"))
        }
    }
}

fn hash(it: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    it.hash(&mut hasher);
    hasher.finish()
}
