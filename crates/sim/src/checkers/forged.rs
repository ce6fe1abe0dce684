//! Nobody forged is alive: whoever a peer takes for a member is a host of the world, of that organisation and reachable
//! where it says.

use super::{Checker, Rule};
use crate::world::{HostId, World};
use selvedge_core::{Event, MspId, Output, PkiId};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Forged;

impl Checker for Forged {
    fn rule(&self) -> Rule {
        Rule::Forged
    }

    fn on_output(&mut self, world: &World, _host: HostId, output: &Output) -> Result<(), String> {
        let Output::Event(Event::MemberAlive { pki_id, org, endpoint }) = output else { return Ok(()) };
        let host = check(world, pki_id, org)?;
        if !world.is_honest(host) {
            // it may say so itself
            return Ok(());
        }
        let endpoints = [world.endpoint(host), world.external_endpoint(host)];
        if !endpoint.is_empty() && !endpoints.contains(&endpoint) {
            return Err(format!("takes {} to be at {endpoint}", world.name(host)));
        }
        Ok(())
    }

    fn at_end(&mut self, world: &World) -> Result<(), String> {
        for member in
            world.honest_running().filter_map(|host| world.peer(host)).flat_map(|peer| peer.members())
        {
            check(world, &member.pki_id, &member.org)?;
        }
        Ok(())
    }
}

fn check(world: &World, pki_id: &PkiId, org: &MspId) -> Result<HostId, String> {
    let host =
        world.host_of(pki_id).ok_or_else(|| format!("takes {pki_id:?} to be a member, who is nobody"))?;
    if world.org(host) == org { Ok(host) } else { Err(format!("takes {} to be of {org}", world.name(host))) }
}
