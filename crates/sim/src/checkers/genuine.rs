//! Nothing unverified is stored or forwarded: every block that is sent is the orderers', every signed message that is sent
//! is its origin's. (What is stored is watched by [`Chain`](super::chain::Chain).)

use super::{Checker, Rule, sent};
use crate::world::{HostId, World};
use bytes::Bytes;
use core::hash::{Hash, Hasher};
use selvedge_core::testing::crypto;
use selvedge_core::{Output, PkiId};
use selvedge_proto::envelope::{ContentKind, EnvelopeView};
use selvedge_proto::gossip::{DataMessage, PeerIdentity, RemoteStateResponse};
use std::collections::HashSet;
use std::hash::DefaultHasher;

/// Hashes of messages that were found to be genuine.
#[derive(Debug, Default)]
pub(super) struct Genuine {
    known: HashSet<u64>,
}

impl Checker for Genuine {
    fn rule(&self) -> Rule {
        Rule::Genuine
    }

    fn on_output(&mut self, world: &World, host: HostId, output: &Output) -> Result<(), String> {
        let Some((_, view)) = sent(world, host, output) else { return Ok(()) };
        if !self.is_new(&view) {
            return Ok(());
        }
        self.check(world, &view)?;
        for element in view.elements() {
            let element = element.map_err(|error| format!("sends what cannot be read: {error}"))?;
            let inner = EnvelopeView::parse(element.envelope)
                .map_err(|error| format!("sends an element that cannot be read: {error}"))?;
            if self.is_new(&inner) {
                self.check(world, &inner)?;
            }
        }
        Ok(())
    }
}

impl Genuine {
    fn is_new(&mut self, view: &EnvelopeView) -> bool {
        let mut hasher = DefaultHasher::new();
        view.raw().hash(&mut hasher);
        self.known.insert(hasher.finish())
    }

    fn check(&self, world: &World, view: &EnvelopeView) -> Result<(), String> {
        let origin = match view.kind() {
            ContentKind::AliveMsg => view.alive_key().map(|key| key.pki_id.to_vec()),
            ContentKind::StateInfo => view.state_info_key().map(|key| key.pki_id.to_vec()),
            ContentKind::PeerIdentity => {
                view.content_as::<PeerIdentity>().ok().map(|identity| identity.pki_id.to_vec())
            }
            ContentKind::DataMsg => return check_data(world, view),
            ContentKind::StateResponse => return check_response(world, view),
            _ => return Ok(()),
        };
        let origin =
            origin.and_then(|origin| PkiId::from_wire(&origin)).and_then(|origin| world.host_of(&origin));
        let Some(origin) = origin else { return Err(format!("sends a {} of nobody", view.kind())) };
        let identity = world.identity(origin);
        let holds = crypto::holds(identity, view.payload(), view.signature())
            && view
                .secret()
                .is_none_or(|secret| crypto::holds(identity, secret.payload(), secret.signature()));
        if holds {
            Ok(())
        } else {
            Err(format!("sends a {} that {} did not sign", view.kind(), world.name(origin)))
        }
    }
}

fn check_data(world: &World, view: &EnvelopeView) -> Result<(), String> {
    let payload = view.content_as::<DataMessage>().ok().and_then(|message| message.payload);
    let payload = payload.ok_or("sends a block message without block")?;
    // nobody's word, whoever sent it first (spec/05 W-3, W-4)
    if !payload.private_data.is_empty() || !view.signature().is_empty() || view.secret().is_some() {
        return Err(format!("sends what came beside block {}", payload.seq_num));
    }
    check_block(world, payload.seq_num, &payload.data)
}

fn check_response(world: &World, view: &EnvelopeView) -> Result<(), String> {
    let response: RemoteStateResponse = view.content_as().map_err(|error| error.to_string())?;
    response.payloads.iter().try_for_each(|payload| check_block(world, payload.seq_num, &payload.data))
}

fn check_block(world: &World, number: u64, block: &Bytes) -> Result<(), String> {
    let genuine = usize::try_from(number).ok().and_then(|number| world.chain().get(number));
    if genuine == Some(block) { Ok(()) } else { Err(format!("sends a false block {number}")) }
}
