//! Every bound of the core in one place, each with what happens at the bound.

/// Bounds; the defaults fit a network of some thousand peers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections whose handshake has not ended. Beyond: a new accepted one is closed at once, a new dial waits.
    pub handshakes_max: usize,
    /// Authenticated connections. Beyond: a newcomer is closed with `OverLimit`.
    pub connections_max: usize,
    /// Frames that arrive while the handshake before them is verified. Beyond: they are dropped and counted.
    pub early_frames_max: usize,
    /// Bytes of such frames. Beyond: they are dropped and counted.
    pub early_bytes_max: usize,
    /// Envelopes waiting for one dial to succeed. Beyond: the oldest is dropped and counted.
    pub waiting_sends_per_peer_max: usize,
    /// Outstanding signature, identity and block checks caused by one connection. Beyond: its message is refused with
    /// `OverLimit`.
    pub tickets_per_connection_max: usize,
    /// Identities known. Beyond: an identity without a connection or a living member is evicted, else the new one refused.
    pub identities_max: usize,
    /// PKI-IDs accepted for one public key (variants of one certificate). Beyond: refused (spec/03 W-2).
    pub identities_per_key_max: usize,
    /// Members known, alive and dead. Beyond: a new one is refused.
    pub members_max: usize,
    /// Bytes of a member's endpoint. Beyond: the message is refused (spec/04 W-15).
    pub endpoint_bytes_max: usize,
    /// Bytes of a member's metadata. Beyond: the message is refused.
    pub metadata_bytes_max: usize,
    /// Bytes of a serialised identity. Beyond: refused.
    pub identity_bytes_max: usize,
    /// Elements taken from one membership response, snapshot, digest, request or update. Beyond: the rest is ignored.
    pub elements_per_message_max: usize,
    /// Bytes of a StateInfo message. Beyond: refused.
    pub state_info_bytes_max: usize,
    /// StateInfo messages relayed for channels this peer is not in. Beyond: the oldest is forgotten (spec/05 §6.6).
    pub relayed_state_infos_max: usize,
    /// Membership requests, StateInfo requests and hellos answered for one peer in a second. Beyond: refused.
    pub requests_per_second_max: u32,
    /// Pull nonces remembered for one peer. Beyond: the hello is refused.
    pub nonces_per_peer_max: usize,
    /// Blocks beyond the ledger's height that may wait in memory. Beyond: refused, to be obtained again.
    pub block_buffer_count_max: u64,
    /// Bytes of blocks that may wait in memory per channel. Beyond: only the next block is taken.
    pub block_buffer_bytes_max: usize,
    /// Blocks of a channel that are being verified. Beyond: they wait in the buffer, the lowest first.
    pub block_checks_in_flight_max: usize,
    /// Blocks ordered to be committed and not yet durable. Beyond: they wait in the buffer.
    pub commits_in_flight_max: usize,
    /// State requests outstanding at one peer.
    pub state_requests_per_peer_max: usize,
    /// State requests outstanding in a channel.
    pub state_requests_max: usize,
    /// State requests of one peer in a channel that are being served, or wait for it. Beyond: refused.
    pub state_serves_per_peer_max: usize,
    /// State requests that the ledgers are being read for, over all peers and channels. Beyond: they wait, the peers take
    /// turns, and what waited longer than a peer waits for an answer is refused with `OverLimit`.
    pub state_serves_max: usize,
    /// Bytes of blocks in one state response (spec/06 W8).
    pub state_response_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            handshakes_max: 256,
            connections_max: 4096,
            early_frames_max: 64,
            early_bytes_max: 1 << 20,
            waiting_sends_per_peer_max: 64,
            tickets_per_connection_max: 256,
            identities_max: 16_384,
            identities_per_key_max: 4,
            members_max: 16_384,
            endpoint_bytes_max: 256,
            metadata_bytes_max: 4096,
            identity_bytes_max: 16_384,
            elements_per_message_max: 16_384,
            state_info_bytes_max: 65_536,
            relayed_state_infos_max: 4096,
            requests_per_second_max: 20,
            nonces_per_peer_max: 32,
            block_buffer_count_max: 2048,
            block_buffer_bytes_max: 64 << 20,
            block_checks_in_flight_max: 128,
            commits_in_flight_max: 256,
            state_requests_per_peer_max: 4,
            state_requests_max: 32,
            state_serves_per_peer_max: 16,
            state_serves_max: 32,
            state_response_bytes_max: 16 << 20,
        }
    }
}
