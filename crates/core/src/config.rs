//! Settings of the protocol, with Fabric's defaults (spec/01 §14).

use crate::ids::{Endpoint, MspId, PkiId};
use crate::limits::Limits;
use crate::rules::Rules;
use crate::time::WallTime;
use bytes::Bytes;
use core::time::Duration;

/// Who this peer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalPeer {
    /// The own PKI-ID.
    pub pki_id: PkiId,
    /// The own organisation.
    pub org: MspId,
    /// The own serialised identity.
    pub identity: Bytes,
    /// End of the own certificate's validity.
    pub expires_at: WallTime,
    /// Incarnation number: wall-clock nanoseconds at start, and above every number used before (spec/04 §4.1).
    pub incarnation: u64,
}

/// Settings of the protocol; field names follow `peer.gossip.*` of `core.yaml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Endpoint published inside the own organisation, `host:port`.
    pub endpoint: Endpoint,
    /// Endpoint published to everybody; empty for none.
    pub external_endpoint: Endpoint,
    /// Endpoints of the own organisation to contact at start.
    pub bootstrap: Vec<Endpoint>,

    /// Limit for dial, TLS, Ping and opening the stream together.
    pub dial_timeout: Duration,
    /// Limit for each side's handshake message.
    pub connection_timeout: Duration,

    /// Period of the own alive message.
    pub alive_time_interval: Duration,
    /// Silence after which a member is dead.
    pub alive_expiration_timeout: Duration,
    /// Longest pause between attempts to reach dead members, bootstrap peers and anchors.
    pub reconnect_interval: Duration,
    /// Multiple of `alive_expiration_timeout` after which a silent member is forgotten.
    pub message_expiration_factor: u32,
    /// How long after start alive messages carry the identity.
    pub publish_certificate_period: Duration,

    /// Where the Go peer does otherwise than Selvedge: which of them is followed.
    pub rules: Rules,
    /// How many peers a pushed message goes to.
    pub propagate_peer_count: usize,
    /// From four times so many members on, a peer pushes only to a random choice of so many, half of them of its own
    /// organisation, and asks only them, so that it is not connected with everybody. 0: there is no such choice, whoever is a
    /// member may be pushed to and asked, however many there are, as by the Go peer's rules.
    pub neighbour_count: usize,
    /// How many messages are pushed together at the latest, by the Go peer's rules.
    pub burst_size: usize,
    /// How long a message waits at most to be pushed, by the Go peer's rules.
    pub burst_latency: Duration,
    /// Period of membership sync and of pull rounds.
    pub pull_interval: Duration,
    /// How many peers a membership sync, StateInfo request or pull round asks.
    pub pull_peer_count: usize,
    /// How long a pull initiator waits for digests.
    pub digest_wait: Duration,
    /// How long a pull responder remembers a nonce.
    pub request_wait: Duration,
    /// How long a pull initiator waits for items.
    pub response_wait: Duration,

    /// Period in which an unchanged StateInfo may be published again, and requested from others.
    pub publish_state_info_interval: Duration,
    /// Period of StateInfo requests.
    pub request_state_info_interval: Duration,
    /// Shortest time between two publications of the own StateInfo when the height changes.
    pub state_info_spacing: Duration,

    /// Blocks within this distance of the newest are kept for push and pull (spec/05 §9.3).
    pub block_window: u64,
    /// Whether blocks that come from the orderer are pushed to the own organisation.
    pub block_gossip_enabled: bool,

    /// Whether missing blocks are asked for by state transfer.
    pub state_transfer_enabled: bool,
    /// Longest time without a look at others' heights (spec/06 §2.2 `checkInterval`).
    pub state_check_interval: Duration,
    /// How long to wait for one state response.
    pub state_response_timeout: Duration,
    /// Largest `end - start` of a state request.
    pub state_batch_size: u64,
    /// How long a small gap may wait for push and pull before state transfer asks for it.
    pub state_gap_patience: Duration,

    /// Every bound.
    pub limits: Limits,
}

impl Config {
    /// As the Go peer is: its rules, its settings, its bounds where they show.
    pub fn fabric() -> Self {
        let mut config = Self { rules: Rules::Fabric, ..Self::default() };
        config.neighbour_count = 0;
        config.state_info_spacing = config.publish_state_info_interval;
        config.limits.state_requests_max = 1;
        // what gossip accepts does not depend on what the ledger lacks
        config.limits.block_buffer_count_max = 1 << 20;
        config.limits.block_buffer_bytes_max = 1 << 40;
        config
    }
}

impl Default for Config {
    fn default() -> Self {
        let second = Duration::from_secs(1);
        Self {
            endpoint: Endpoint::from(""),
            external_endpoint: Endpoint::from(""),
            bootstrap: Vec::new(),
            dial_timeout: 3 * second,
            connection_timeout: 2 * second,
            alive_time_interval: 5 * second,
            alive_expiration_timeout: 25 * second,
            reconnect_interval: 25 * second,
            message_expiration_factor: 20,
            publish_certificate_period: 10 * second,
            rules: Rules::default(),
            propagate_peer_count: 3,
            neighbour_count: 64,
            burst_size: 10,
            burst_latency: Duration::from_millis(10),
            pull_interval: 4 * second,
            pull_peer_count: 3,
            digest_wait: second,
            request_wait: Duration::from_millis(1500),
            response_wait: 2 * second,
            publish_state_info_interval: 4 * second,
            request_state_info_interval: 4 * second,
            state_info_spacing: second,
            block_window: 10,
            block_gossip_enabled: true,
            state_transfer_enabled: false,
            state_check_interval: 10 * second,
            state_response_timeout: 3 * second,
            state_batch_size: 10,
            state_gap_patience: Duration::from_millis(100),
            limits: Limits::default(),
        }
    }
}
