//! Nothing is verified twice by one peer in one life. Handshakes are apart: each connection has to prove itself. And of a
//! member that was forgotten its secret, which it signs once in its life, is verified anew; and so is, after an hour, what an
//! identity's owner signed of it: nobody keeps identities that nobody uses.

use super::{Checker, Rule};
use crate::world::{HostId, World};
use core::hash::{Hash, Hasher};
use core::time::Duration;
use selvedge_core::testing::crypto;
use selvedge_core::{Event, Output, PkiId, Signed};
use selvedge_proto::envelope::{ContentKind, EnvelopeView, seal};
use std::collections::{BTreeMap, HashSet};
use std::hash::DefaultHasher;

/// What each host verified, by hash.
#[derive(Debug, Default)]
pub(super) struct Once {
    verified: BTreeMap<HostId, HashSet<u64>>,
    secrets: BTreeMap<(HostId, PkiId), HashSet<u64>>,
    /// When an identity in a message of its own was last verified.
    identities: BTreeMap<(HostId, u64), Duration>,
}

/// After this time without use an identity may be forgotten.
const UNUSED: Duration = Duration::from_secs(3600);

impl Checker for Once {
    fn rule(&self) -> Rule {
        Rule::Once
    }

    fn on_start(&mut self, host: HostId) {
        self.verified.remove(&host);
        self.secrets.retain(|(other, _), _| *other != host);
        self.identities.retain(|(other, _), _| *other != host);
    }

    fn on_output(&mut self, world: &World, host: HostId, output: &Output) -> Result<(), String> {
        match output {
            Output::Verify { identity, signed, secret, readers_of, .. } => {
                let kind = kind_of(signed);
                if kind == Some(ContentKind::Conn) {
                    return Ok(());
                }
                // a secret comes beside the message it belongs to, or alone after it
                if let Some(secret) = secret.as_ref().or_else(|| kind.is_none().then_some(signed)) {
                    self.note_secret(world, host, identity, secret)?;
                }
                let Some(kind) = kind else { return Ok(()) };
                let key = hash(&(identity, &signed.message, &signed.signature, readers_of));
                if kind == ContentKind::PeerIdentity {
                    let last = self.identities.insert((host, key), world.now());
                    if last.is_none_or(|last| world.now() - last >= UNUSED) {
                        return Ok(());
                    }
                    return Err(format!("verifies the identity of {} again", name_of(world, identity)));
                }
                self.note(host, key, || format!("a {kind} of {}", name_of(world, identity)))
            }
            Output::Event(Event::MemberForgotten { pki_id }) => {
                self.secrets.remove(&(host, *pki_id));
                Ok(())
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

    fn note_secret(
        &mut self,
        world: &World,
        host: HostId,
        identity: &[u8],
        secret: &Signed,
    ) -> Result<(), String> {
        let verified = self.secrets.entry((host, crypto::pki_id(identity))).or_default();
        if verified.insert(hash(&(&secret.message, &secret.signature))) {
            Ok(())
        } else {
            Err(format!("verifies the secret of {} again", name_of(world, identity)))
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
