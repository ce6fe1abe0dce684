//! A node that is not attacked makes progress: in the end every running host has every block.

use super::{Checker, Rule};
use crate::world::World;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Progress;

impl Checker for Progress {
    fn rule(&self) -> Rule {
        Rule::Progress
    }

    fn converged(&mut self, world: &World) -> Result<(), String> {
        let expected = world.chain().len() as u64;
        let behind = world.honest_running().filter(|&host| world.disk(host).height() < expected);
        let texts: Vec<String> =
            behind.map(|host| format!("{} has {}", world.name(host), world.disk(host).height())).collect();
        if texts.is_empty() {
            return Ok(());
        }
        Err(format!("{} of {expected} blocks", texts.join(", ")))
    }
}
