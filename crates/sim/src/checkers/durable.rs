//! A published height is durable.

use super::{Checker, Rule, sent};
use crate::world::{HostId, World};
use selvedge_core::Output;
use selvedge_proto::envelope::{ContentKind, EnvelopeView};
use selvedge_proto::gossip::StateInfo;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Durable;

impl Checker for Durable {
    fn rule(&self) -> Rule {
        Rule::Durable
    }

    fn on_output(&mut self, world: &World, host: HostId, output: &Output) -> Result<(), String> {
        let Some((_, view)) = sent(world, host, output) else { return Ok(()) };
        if !matches!(view.kind(), ContentKind::StateInfo | ContentKind::StateSnapshot) {
            return Ok(());
        }
        check(world, host, &view)?;
        for element in view.elements().flatten() {
            if let Ok(inner) = EnvelopeView::parse(element.envelope) {
                check(world, host, &inner)?;
            }
        }
        Ok(())
    }
}

fn check(world: &World, host: HostId, view: &EnvelopeView) -> Result<(), String> {
    let own = world.pki_id(host);
    if view.state_info_key().is_none_or(|key| key.pki_id != own.as_bytes()) {
        return Ok(());
    }
    let Ok(Some(properties)) = view.content_as::<StateInfo>().map(|info| info.properties) else {
        return Ok(());
    };
    let (told, durable) = (properties.ledger_height, world.disk(host).height());
    if told > durable {
        return Err(format!("tells of height {told} while {durable} blocks are durable"));
    }
    Ok(())
}
