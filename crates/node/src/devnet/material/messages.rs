//! Messages that only whoever makes a channel needs: those of Fabric's Raft ordering service (package `etcdraft`), and
//! capabilities as Go writes them.

use selvedge_proto::common::Capability;

/// `common.Capabilities` with its map spelled out. prost leaves an empty value out of a map's entry, Go writes it; the
/// configuration shall be what Fabric's tools make, byte for byte.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Capabilities {
    #[prost(message, repeated, tag = "1")]
    pub(super) capabilities: Vec<CapabilityEntry>,
}

/// One entry of that map.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct CapabilityEntry {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(message, optional, tag = "2")]
    pub(super) capability: Option<Capability>,
}

/// Metadata of consensus type `etcdraft` in the channel configuration.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct RaftConfigMetadata {
    /// The ordering nodes.
    #[prost(message, repeated, tag = "1")]
    pub(super) consenters: Vec<RaftConsenter>,
    /// Settings of the protocol.
    #[prost(message, optional, tag = "2")]
    pub(super) options: Option<RaftOptions>,
}

/// One ordering node.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct RaftConsenter {
    #[prost(string, tag = "1")]
    pub(super) host: String,
    #[prost(uint32, tag = "2")]
    pub(super) port: u32,
    /// PEM.
    #[prost(bytes = "vec", tag = "3")]
    pub(super) client_tls_cert: Vec<u8>,
    /// PEM.
    #[prost(bytes = "vec", tag = "4")]
    pub(super) server_tls_cert: Vec<u8>,
}

/// Settings of the protocol.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct RaftOptions {
    /// A duration as Go writes it.
    #[prost(string, tag = "1")]
    pub(super) tick_interval: String,
    #[prost(uint32, tag = "2")]
    pub(super) election_tick: u32,
    #[prost(uint32, tag = "3")]
    pub(super) heartbeat_tick: u32,
    #[prost(uint32, tag = "4")]
    pub(super) max_inflight_blocks: u32,
    /// Bytes.
    #[prost(uint32, tag = "5")]
    pub(super) snapshot_interval_size: u32,
}

/// What a Raft orderer leaves in a block's metadata; peers do not look at it (spec/07 §4).
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct RaftBlockMetadata {
    /// Numbers of the ordering nodes.
    #[prost(uint64, repeated, tag = "1")]
    pub(crate) consenter_ids: Vec<u64>,
    /// The number for the next node that joins.
    #[prost(uint64, tag = "2")]
    pub(crate) next_consenter_id: u64,
    /// Index of the block's entry in the Raft log.
    #[prost(uint64, tag = "3")]
    pub(crate) raft_index: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost::Message as _;

    #[test]
    fn block_metadata_is_that_of_the_recorded_channel() {
        let metadata =
            RaftBlockMetadata { consenter_ids: vec![1, 2, 3], next_consenter_id: 4, raft_index: 5 };
        assert_eq!(metadata.encode_to_vec(), [0x0a, 3, 1, 2, 3, 0x10, 4, 0x18, 5]);
    }
}
