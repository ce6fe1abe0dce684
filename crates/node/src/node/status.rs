//! What a running node tells of itself.

use selvedge_core::{ChannelId, Endpoint, MspId, PkiId, Stats};
use std::collections::BTreeMap;

/// A snapshot of the whole node.
#[derive(Clone, Debug)]
pub struct NodeStatus {
    /// The own PKI-ID.
    pub pki_id: PkiId,
    /// The own organisation.
    pub msp_id: MspId,
    /// Everybody known, alive or dead, without the node itself.
    pub members: Vec<MemberStatus>,
    /// Authenticated connections.
    pub connection_count: usize,
    /// Every joined channel.
    pub channels: Vec<ChannelStatus>,
    /// The core's counters.
    pub stats: Stats,
    /// Accepted TCP connections, ever.
    pub accepted_count: u64,
    /// Accepted TCP connections that stand.
    pub open_count: u64,
    /// Signatures, identities and blocks that wait to be checked, or are being checked.
    pub checks_outstanding: usize,
    /// Envelopes read from connections, handshakes not counted.
    pub received_count: u64,
    /// Envelopes written to connections, handshakes not counted.
    pub sent_count: u64,
    /// Envelopes dropped because a connection's queue was full.
    pub overflow_count: u64,
}

/// One member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberStatus {
    /// Who.
    pub pki_id: PkiId,
    /// Its organisation.
    pub msp_id: MspId,
    /// Where it says it can be dialled; may be empty.
    pub endpoint: Endpoint,
    /// Whether it is alive.
    pub alive: bool,
}

/// One joined channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelStatus {
    /// The channel.
    pub channel: ChannelId,
    /// Number of durable blocks.
    pub height: u64,
    /// Header hash of the last durable block.
    pub last_hash: Option<[u8; 32]>,
    /// Header hash of the block before.
    pub previous_hash: Option<[u8; 32]>,
    /// Number of the block whose configuration is in force.
    pub config_block_number: u64,
    /// Sequence of the configuration in force.
    pub sequence: u64,
    /// Alive members that announced themselves in the channel.
    pub alive_count: u64,
    /// Those members, and the heights they announced.
    pub heights: Vec<(PkiId, u64)>,
    /// State requests that wait for an answer.
    pub requests_in_flight: usize,
    /// Blocks waiting in memory.
    pub buffered_count: usize,
    /// Streams of blocks from orderers that ended, by [`EndReason::reason`](crate::deliver::EndReason::reason).
    pub orderer_stream_ends: BTreeMap<&'static str, u64>,
    /// Blocks known to be damaged in the ledger, which are being obtained again.
    pub damaged_count: u64,
    /// Why nothing is written any more, if so.
    pub halted: Option<String>,
}
