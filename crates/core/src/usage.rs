//! How much of each bound is in use, for whoever watches that [`Limits`](crate::Limits) hold.

use crate::channel::Channel;
use crate::limits::Limits;
use crate::peer::Peer;

/// What a peer holds now of what [`Limits`](crate::Limits) bounds. Of what is bounded for each peer, key or channel, the
/// greatest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// Connections whose handshake has not ended.
    pub handshakes: usize,
    /// Authenticated connections.
    pub connections: usize,
    /// Envelopes that wait for one dial.
    pub waiting_sends_per_peer: usize,
    /// Open tickets caused by one connection.
    pub tickets_per_connection: usize,
    /// Identities known.
    pub identities: usize,
    /// Identities known of one public key.
    pub identities_per_key: usize,
    /// Members known, alive and dead.
    pub members: usize,
    /// StateInfo messages of channels that were not joined.
    pub relayed_state_infos: usize,
    /// Blocks that wait in front of a ledger.
    pub block_buffer_count: usize,
    /// Their bytes.
    pub block_buffer_bytes: usize,
    /// Blocks of a channel that are being verified.
    pub block_checks_in_flight: usize,
    /// Blocks of a channel ordered to be committed and not durable.
    pub commits_in_flight: usize,
    /// State requests outstanding at one peer.
    pub state_requests_per_peer: usize,
    /// State requests outstanding in a channel.
    pub state_requests: usize,
}

impl Peer {
    /// What is in use now. Costs time in proportion to connections and channels.
    pub fn usage(&self) -> Usage {
        let most = |count: fn(&Channel) -> usize| self.channels.values().map(count).max().unwrap_or(0);
        Usage {
            handshakes: self.connections.handshake_count(),
            connections: self.connection_count(),
            waiting_sends_per_peer: self.connections.waiting_send_count_max(),
            tickets_per_connection: self.shared.tickets_per_connection_max(),
            identities: self.identity_count(),
            identities_per_key: self.identities.count_per_key_max(),
            members: self.membership.member_count(),
            relayed_state_infos: self.relay.count(),
            block_buffer_count: most(|channel| channel.buffer().count()),
            block_buffer_bytes: most(|channel| channel.buffer().bytes()),
            block_checks_in_flight: most(|channel| channel.buffer().verifying_count()),
            commits_in_flight: most(|channel| channel.buffer().committing_count()),
            state_requests_per_peer: most(|channel| channel.transfer().open_count_per_peer_max()),
            state_requests: most(|channel| channel.transfer().open_count()),
        }
    }
}

impl Usage {
    /// What is used beyond its bound, if anything is. `largest_block_bytes`: of a block, because the block that is needed
    /// next is taken in any case.
    pub fn beyond(&self, limits: &Limits, largest_block_bytes: usize) -> Option<String> {
        let count_max = usize::try_from(limits.block_buffer_count_max).unwrap_or(usize::MAX);
        let bytes_max = limits.block_buffer_bytes_max.saturating_add(largest_block_bytes);
        let rows = [
            ("handshakes", self.handshakes, limits.handshakes_max),
            ("connections", self.connections, limits.connections_max),
            ("waiting sends", self.waiting_sends_per_peer, limits.waiting_sends_per_peer_max),
            ("tickets of a connection", self.tickets_per_connection, limits.tickets_per_connection_max),
            ("identities", self.identities, limits.identities_max),
            ("identities of a key", self.identities_per_key, limits.identities_per_key_max),
            ("members", self.members, limits.members_max),
            ("relayed StateInfo messages", self.relayed_state_infos, limits.relayed_state_infos_max),
            ("buffered blocks", self.block_buffer_count, count_max),
            ("bytes of buffered blocks", self.block_buffer_bytes, bytes_max),
            ("block checks", self.block_checks_in_flight, limits.block_checks_in_flight_max),
            ("commits", self.commits_in_flight, limits.commits_in_flight_max),
            ("state requests", self.state_requests, limits.state_requests_max),
            ("state requests at a peer", self.state_requests_per_peer, limits.state_requests_per_peer_max),
        ];
        let (what, used, bound) = rows.into_iter().find(|(_, used, bound)| used > bound)?;
        Some(format!("{what}: {used}, more than {bound}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bound_is_looked_at() {
        let limits = Limits::default();
        assert_eq!(Usage::default().beyond(&limits, 0), None);
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
            assert!(usage.beyond(&limits, 0).is_some(), "{place}");
        }
    }
}
