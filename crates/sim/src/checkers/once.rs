//! Nothing is verified twice by one peer in one life. Handshakes are apart: each connection has to prove itself.
//!
//! Known and left out: a member's secret, signed once in its life, comes with every alive message and is verified with
//! each, although the first time would do; and an alive message is verified again along with its secret if a copy without
//! one is being verified when the complete one comes.

use super::{Checker, Rule};
use crate::world::{HostId, World};
use core::hash::{Hash, Hasher};
use selvedge_core::testing::crypto;
use selvedge_core::{Output, Signed};
use selvedge_proto::envelope::{ContentKind, EnvelopeView, seal};
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

    fn on_output(&mut self, world: &World, host: HostId, output: &Output) -> Result<(), String> {
        match output {
            Output::Verify { identity, signed, secret, readers_of, .. } => {
                let kind = kind_of(signed);
                if matches!(kind, None | Some(ContentKind::Conn)) {
                    return Ok(());
                }
                let has_secret = secret.is_some();
                let key = hash(&(identity, &signed.message, &signed.signature, has_secret, readers_of));
                let kind = kind.unwrap_or_default();
                self.note(host, key, || format!("a {kind} of {}", name_of(world, identity)))
            }
            Output::VerifyBlock { number, block, .. } => {
                self.note(host, hash(&(number, block)), || format!("block {number}"))
            }
            _ => Ok(()),
        }
    }
}

impl Once {
    fn note(&mut self, host: HostId, key: u64, what: impl FnOnce() -> String) -> Result<(), String> {
        if self.verified.entry(host).or_default().insert(key) {
            Ok(())
        } else {
            Err(format!("verifies {} again", what()))
        }
    }
}

/// What was signed; `None` for a secret.
fn kind_of(signed: &Signed) -> Option<ContentKind> {
    let kind = EnvelopeView::parse(seal(&signed.message, &signed.signature, None)).ok()?.kind();
    (kind != ContentKind::None).then_some(kind)
}

/// The name of whoever signed.
fn name_of(world: &World, identity: &[u8]) -> String {
    let host = world.host_of(&crypto::pki_id(identity));
    host.map_or_else(|| "somebody".to_owned(), |host| world.name(host).to_owned())
}

fn hash(it: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    it.hash(&mut hasher);
    hasher.finish()
}
