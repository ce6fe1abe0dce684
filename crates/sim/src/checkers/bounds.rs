//! Every bound of `Limits` holds, as far as peers show what they use.

use super::{Checker, Rule};
use crate::world::{HostId, World};
use selvedge_core::{Limits, Usage};

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
        check(&peer.usage(), &world.config(host).limits, largest)
    }
}

/// `largest_bytes`: of a block, because the block that is needed next is taken in any case.
fn check(usage: &Usage, limits: &Limits, largest_bytes: usize) -> Result<(), String> {
    let count_max = usize::try_from(limits.block_buffer_count_max).unwrap_or(usize::MAX);
    let rows = [
        ("handshakes", usage.handshakes, limits.handshakes_max),
        ("connections", usage.connections, limits.connections_max),
        ("waiting sends", usage.waiting_sends_per_peer, limits.waiting_sends_per_peer_max),
        ("tickets of a connection", usage.tickets_per_connection, limits.tickets_per_connection_max),
        ("identities", usage.identities, limits.identities_max),
        ("identities of a key", usage.identities_per_key, limits.identities_per_key_max),
        ("members", usage.members, limits.members_max),
        ("relayed StateInfo messages", usage.relayed_state_infos, limits.relayed_state_infos_max),
        ("buffered blocks", usage.block_buffer_count, count_max),
        ("bytes of buffered blocks", usage.block_buffer_bytes, limits.block_buffer_bytes_max + largest_bytes),
        ("block checks", usage.block_checks_in_flight, limits.block_checks_in_flight_max),
        ("commits", usage.commits_in_flight, limits.commits_in_flight_max),
        ("state requests", usage.state_requests, limits.state_requests_max),
        ("state requests at a peer", usage.state_requests_per_peer, limits.state_requests_per_peer_max),
    ];
    match rows.into_iter().find(|(_, used, bound)| used > bound) {
        Some((what, used, bound)) => Err(format!("{what}: {used}, more than {bound}")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bound_is_looked_at() {
        let limits = Limits::default();
        assert_eq!(check(&Usage::default(), &limits, 0), Ok(()));
        let too_much: [fn(&mut Usage); 14] = [
            |usage| usage.handshakes = 257,
            |usage| usage.connections = 4097,
            |usage| usage.waiting_sends_per_peer = 65,
            |usage| usage.tickets_per_connection = 257,
            |usage| usage.identities = 16_385,
            |usage| usage.identities_per_key = 5,
            |usage| usage.members = 16_385,
            |usage| usage.relayed_state_infos = 4097,
            |usage| usage.block_buffer_count = 2049,
            |usage| usage.block_buffer_bytes = (64 << 20) + 1,
            |usage| usage.block_checks_in_flight = 129,
            |usage| usage.commits_in_flight = 257,
            |usage| usage.state_requests = 33,
            |usage| usage.state_requests_per_peer = 5,
        ];
        for (place, set) in too_much.iter().enumerate() {
            let mut usage = Usage::default();
            set(&mut usage);
            assert!(check(&usage, &limits, 0).is_err(), "{place}");
        }
    }
}
