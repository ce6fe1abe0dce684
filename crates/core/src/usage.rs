//! How much of each bound is in use, for whoever watches that [`Limits`](crate::Limits) hold.

use crate::channel::Channel;
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
