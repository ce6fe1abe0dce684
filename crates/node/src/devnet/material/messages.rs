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
