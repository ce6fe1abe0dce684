//! A block is committed once, in order, and equal everywhere.

use super::{Checker, Rule};
use crate::world::{HostId, World};
use selvedge_core::Output;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Chain;

impl Checker for Chain {
    fn rule(&self) -> Rule {
        Rule::Chain
    }

    fn on_output(&mut self, world: &World, host: HostId, output: &Output) -> Result<(), String> {
        let Output::Commit { number, block, .. } = output else { return Ok(()) };
        let expected = world.disk(host).written_count();
        if *number != expected {
            return Err(format!("commits block {number} where {expected} comes next"));
        }
        let index = usize::try_from(*number).map_err(|error| error.to_string())?;
        if world.chain().get(index) != Some(block) {
            return Err(format!("commits another block {number} than the orderers cut"));
        }
        Ok(())
    }

    fn at_end(&mut self, world: &World) -> Result<(), String> {
        for host in world.hosts().filter(|&host| world.is_honest(host)) {
            if !world.chain().starts_with(world.disk(host).durable()) {
                return Err(format!("the ledger of {} is not what the orderers cut", world.name(host)));
            }
        }
        Ok(())
    }
}
