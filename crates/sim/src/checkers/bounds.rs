//! Every bound of `Limits` holds, as far as peers show what they use.

use super::{Checker, Rule};
use crate::world::{HostId, World};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Bounds {
    turn: u32,
}

/// One input in so many is followed by a look: counting costs more than most inputs do.
const LOOK_EVERY: u32 = 16;

impl Checker for Bounds {
    fn rule(&self) -> Rule {
        Rule::Bounds
    }

    fn after(&mut self, world: &World, host: HostId) -> Result<(), String> {
        self.turn = (self.turn + 1) % LOOK_EVERY;
        if self.turn != 0 {
            return Ok(());
        }
        let Some(peer) = world.peer(host) else { return Ok(()) };
        let largest = world.chain().iter().map(bytes::Bytes::len).max().unwrap_or(0);
        peer.usage().beyond(&world.config(host).limits, largest).map_or(Ok(()), Err)
    }
}
