//! The settings of a node. Field names follow the keys of `core.yaml`; the key and the built-in value stand
//! beside each.

use std::path::PathBuf;
use std::time::Duration;

/// Section `peer`, without its sections that have types of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerSettings {
    /// `peer.id`: a name for people; empty by default.
    pub id: String,
    /// `peer.address`, needed: `host:port` at which the own organisation reaches this peer. An unspecified
    /// host, or `peer.addressAutoDetect`, is replaced by the machine's first IPv4 address outside loopback
    /// (spec/04 §2).
    pub address: String,
    /// `peer.listenAddress`: where connections are accepted; 0.0.0.0:7051.
    pub listen_address: String,
    /// `peer.localMspId`, needed.
    pub local_msp_id: String,
    /// `peer.mspConfigPath`, needed: the MSP folder.
    pub msp_config_path: PathBuf,
    /// `peer.fileSystemPath`: where data is kept; `/var/hyperledger/production`.
    pub file_system_path: PathBuf,
    /// `peer.keepalive`.
    pub keepalive: KeepaliveSettings,
    /// `peer.connectiontimeout`: limit from accepting a connection to its HTTP/2 preface; 5 s.
    pub connection_timeout: Duration,
    /// `peer.maxRecvMsgSize`, in bytes; 100 MiB.
    pub message_received_bytes_max: usize,
    /// `peer.maxSendMsgSize`, in bytes; 100 MiB.
    pub message_sent_bytes_max: usize,
}

/// Section `peer.keepalive` (spec/02 §1). Present keys are taken literally.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeepaliveSettings {
    /// `interval`: silence after which the server pings; 2 h.
    pub interval: Duration,
    /// `timeout`: how long the server waits for the answer; 20 s.
    pub timeout: Duration,
    /// `minInterval`: clients that ping oftener are turned away; 60 s.
    pub min_interval: Duration,
    /// `client.interval`: silence after which a dialling peer pings; 60 s.
    pub client_interval: Duration,
    /// `client.timeout`: how long it waits for the answer; 20 s.
    pub client_timeout: Duration,
    /// `deliveryClient.interval`: the same towards orderers; 60 s.
    pub delivery_client_interval: Duration,
    /// `deliveryClient.timeout`: the same towards orderers; 20 s.
    pub delivery_client_timeout: Duration,
}

/// Section `peer.gossip`. Numbers and durations that are absent or zero take the built-in value (spec/04 §2,
/// 05 §2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GossipSettings {
    /// `bootstrap`: endpoints of the own organisation to contact at start, as they stand.
    pub bootstrap: Vec<String>,
    /// `endpoint`, else the peer's address: published inside the own organisation; one colon, numeric port.
    pub endpoint: String,
    /// `externalEndpoint`: published to everybody; without it other organisations do not see this peer.
    pub external_endpoint: Option<String>,
    /// `useLeaderElection`; false.
    pub use_leader_election: bool,
    /// `orgLeader`: always pull from the orderers; false. Never true together with `useLeaderElection`.
    pub org_leader: bool,
    /// `membershipTrackerInterval`; 5 s.
    pub membership_tracker_interval: Duration,
    /// `maxBlockCountToStore`: window of blocks kept for push and pull; 10.
    pub max_block_count_to_store: u64,
    /// `maxPropagationBurstLatency`; 10 ms.
    pub max_propagation_burst_latency: Duration,
    /// `maxPropagationBurstSize`; 10.
    pub max_propagation_burst_size: usize,
    /// `propagateIterations`; 1.
    pub propagate_iterations: u32,
    /// `propagatePeerNum`: receivers of a pushed message; 3.
    pub propagate_peer_count: usize,
    /// `pullInterval`; 4 s.
    pub pull_interval: Duration,
    /// `pullPeerNum`; 3.
    pub pull_peer_count: usize,
    /// `requestStateInfoInterval`; 4 s.
    pub request_state_info_interval: Duration,
    /// `publishStateInfoInterval`; 4 s.
    pub publish_state_info_interval: Duration,
    /// `publishCertPeriod`: how long after start alive messages carry the identity; 10 s.
    pub publish_cert_period: Duration,
    /// `dialTimeout`; 3 s.
    pub dial_timeout: Duration,
    /// `connTimeout`: limit of Ping and of waiting for the handshake message; 2 s.
    pub conn_timeout: Duration,
    /// `recvBuffSize`: messages queued per connection; 20.
    pub receive_buffer_count: usize,
    /// `sendBuffSize`: messages queued per connection; 20 (200 in Fabric's sample file).
    pub send_buffer_count: usize,
    /// `digestWaitTime`; 1 s.
    pub digest_wait_time: Duration,
    /// `requestWaitTime`; 1.5 s.
    pub request_wait_time: Duration,
    /// `responseWaitTime`; 2 s.
    pub response_wait_time: Duration,
    /// `aliveTimeInterval`: the heartbeat; 5 s.
    pub alive_time_interval: Duration,
    /// `aliveExpirationTimeout`: silence after which a member is dead; 5 heartbeats.
    pub alive_expiration_timeout: Duration,
    /// `reconnectInterval`; the alive expiration.
    pub reconnect_interval: Duration,
    /// `maxConnectionAttempts`; 120.
    pub max_connection_attempts: u32,
    /// `msgExpirationFactor`: an alive message is kept for so many alive expirations; 20.
    pub msg_expiration_factor: u32,
    /// `nonBlockingCommitMode`; false.
    pub non_blocking_commit_mode: bool,
    /// `election`.
    pub election: ElectionSettings,
    /// `state`.
    pub state: StateSettings,
    /// `pvtData`.
    pub private_data: PrivateDataSettings,
}

/// Section `peer.gossip.election` (spec/06 §3.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ElectionSettings {
    /// `startupGracePeriod`; 15 s.
    pub startup_grace_period: Duration,
    /// `membershipSampleInterval`; 1 s.
    pub membership_sample_interval: Duration,
    /// `leaderAliveThreshold`; 10 s.
    pub leader_alive_threshold: Duration,
    /// `leaderElectionDuration`; 5 s.
    pub leader_election_duration: Duration,
}

/// Section `peer.gossip.state` (spec/06 §2.2). Present keys are taken literally, also zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateSettings {
    /// `enabled`: ask other peers for missing blocks; false. Serving them does not depend on it.
    pub enabled: bool,
    /// `checkInterval`; 10 s.
    pub check_interval: Duration,
    /// `responseTimeout`; 3 s.
    pub response_timeout: Duration,
    /// `batchSize`: largest `end - start` of a request; 10.
    pub batch_size: u64,
    /// `blockBufferSize`: window of the payload buffer, in blocks; 20.
    pub block_buffer_count: u64,
    /// `maxRetries`: a range is tried once more than this; 3.
    pub max_retries: u32,
    /// `channelSize`: length of the request and response queues; 100.
    pub channel_size: usize,
}

/// Section `peer.gossip.pvtData` (spec/08).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrivateDataSettings {
    /// `pullRetryThreshold`; zero, which means no pull at commit.
    pub pull_retry_threshold: Duration,
    /// `transientstoreMaxBlockRetention`, in blocks; 20,000.
    pub transient_store_block_retention: u64,
    /// `pushAckTimeout`; zero, with which every push fails.
    pub push_ack_timeout: Duration,
    /// `btlPullMargin`, in blocks; 10, taken literally where present.
    pub btl_pull_margin: u64,
    /// `reconcileBatchSize`, in blocks; 10.
    pub reconcile_batch_size: u64,
    /// `reconcileSleepInterval`; 1 min.
    pub reconcile_sleep_interval: Duration,
    /// `reconciliationEnabled`; false.
    pub reconciliation_enabled: bool,
    /// `skipPullingInvalidTransactionsDuringCommit`; false.
    pub skip_pulling_invalid_transactions: bool,
    /// `implicitCollectionDisseminationPolicy.requiredPeerCount`; 0.
    pub implicit_required_peer_count: u32,
    /// `implicitCollectionDisseminationPolicy.maxPeerCount`; 1, never below the required count.
    pub implicit_max_peer_count: u32,
}

/// Section `peer.tls` (spec/02 §2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSettings {
    /// `enabled`; false.
    pub enabled: bool,
    /// `clientAuthRequired`: demand and verify a client's certificate; false, which asks for one and verifies
    /// nothing.
    pub client_auth_required: bool,
    /// `cert.file`: the server certificate, PEM. There whenever TLS is on.
    pub cert_file: Option<PathBuf>,
    /// `key.file`: its private key, PEM. There whenever TLS is on.
    pub key_file: Option<PathBuf>,
    /// `rootcert.file`: the CA of the own peers, PEM.
    pub root_cert_file: Option<PathBuf>,
    /// `clientRootCAs.files`: CAs of clients beside those of the channels.
    pub client_root_ca_files: Vec<PathBuf>,
    /// `clientCert.file`; the server's pair where either of the two is absent.
    pub client_cert_file: Option<PathBuf>,
    /// `clientKey.file`; the server's pair where either of the two is absent.
    pub client_key_file: Option<PathBuf>,
}

impl TlsSettings {
    /// Certificate and key to present as a client; the server's where no others are set. None where TLS is
    /// off.
    #[must_use]
    pub fn client_pair(&self) -> Option<(&PathBuf, &PathBuf)> {
        let own = self.client_cert_file.as_ref().zip(self.client_key_file.as_ref());
        own.or_else(|| self.server_pair())
    }

    /// Certificate and key to present as a server. None where TLS is off.
    #[must_use]
    pub fn server_pair(&self) -> Option<(&PathBuf, &PathBuf)> {
        self.cert_file.as_ref().zip(self.key_file.as_ref())
    }
}

/// Section `peer.deliveryclient` (spec/07 §12.3 to §14).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliverySettings {
    /// `blockGossipEnabled`: push blocks that come from the orderers; true (false in Fabric's sample file).
    pub block_gossip_enabled: bool,
    /// `connTimeout`: limit of a dial; 3 s.
    pub conn_timeout: Duration,
    /// `reConnectBackoffThreshold`: longest pause between attempts; 1 h.
    pub reconnect_backoff_threshold: Duration,
    /// `reconnectTotalTimeThreshold`: sum of pauses after which a leader that was elected gives up; 1 h.
    pub reconnect_total_time_threshold: Duration,
    /// `blockCensorshipTimeoutKey`: how long a header may be ahead of its block; 30 s, literal where present.
    pub block_censorship_timeout: Duration,
    /// `minimalReconnectInterval`: first pause of the BFT client; 100 ms, literal where present.
    pub minimal_reconnect_interval: Duration,
    /// `policy`: which client a BFT channel gets; `cluster`.
    pub policy: DeliveryPolicy,
    /// `addressOverrides`.
    pub address_overrides: Vec<AddressOverride>,
}

/// `peer.deliveryclient.policy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryPolicy {
    /// Watches the headers of the other orderers for censorship.
    Cluster,
    /// Trusts one orderer at a time to deliver.
    Simple,
}

/// An item of `peer.deliveryclient.addressOverrides` (spec/07 §12.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressOverride {
    /// The orderer's address as the channel has it.
    pub from: String,
    /// The address to dial instead.
    pub to: String,
    /// CAs to trust there, PEM; where absent, the system's.
    pub ca_certs_file: Option<PathBuf>,
}

/// Section `operations`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperationsSettings {
    /// `listenAddress`: 127.0.0.1:9443; none where it is present and empty, and there is no operations server
    /// then.
    pub listen_address: Option<String>,
    /// `tls`.
    pub tls: OperationsTlsSettings,
}

/// Section `operations.tls`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OperationsTlsSettings {
    /// `enabled`; false.
    pub enabled: bool,
    /// `cert.file`, PEM. There whenever TLS is on.
    pub cert_file: Option<PathBuf>,
    /// `key.file`, PEM. There whenever TLS is on.
    pub key_file: Option<PathBuf>,
    /// `clientAuthRequired`: every request needs a certificate, not only those that change or tell something;
    /// false.
    pub client_auth_required: bool,
    /// `clientRootCAs.files`: CAs of the clients, PEM.
    pub client_root_ca_files: Vec<PathBuf>,
}

/// Section `metrics`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricsSettings {
    /// `provider`; disabled.
    pub provider: MetricsProvider,
    /// `statsd`.
    pub statsd: StatsdSettings,
}

/// `metrics.provider`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricsProvider {
    /// No metrics.
    Disabled,
    /// `/metrics` of the operations server.
    Prometheus,
    /// Pushed to a StatsD server. Not done yet; the configuration warns of it.
    Statsd,
}

/// Section `metrics.statsd`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatsdSettings {
    /// `network`: `udp` or `tcp`; udp.
    pub network: String,
    /// `address`; 127.0.0.1:8125.
    pub address: String,
    /// `writeInterval`; 10 s.
    pub write_interval: Duration,
    /// `prefix`, before every name; empty.
    pub prefix: String,
}

/// Section `selvedge`: what Fabric does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelvedgeSettings {
    /// `stateInfoSpacing`: shortest time between two publications of the own StateInfo when the height
    /// changes; 1 s.
    pub state_info_spacing: Duration,
    /// `workerThreads`: threads that carry connections; 0, which takes the number of cores.
    pub worker_thread_count: usize,
    /// `verifyThreads`: threads that verify and sign; 0, which takes the number of cores.
    pub verify_thread_count: usize,
    /// `connectionMemoryMax`: bytes held for one connection, received and not yet sent; 128 MiB. Never below
    /// the limits of one message.
    pub connection_memory_bytes_max: usize,
    /// `requirePeerRole`: refuse gossip from identities without the peer role where the organisation has
    /// NodeOUs; false, as in Fabric (spec/03 §8.7).
    pub require_peer_role: bool,
    /// `ledger.segmentSize`: bytes after which a block file is sealed; 64 MiB.
    pub ledger_segment_bytes: u64,
}
