//! What a node is started with, and how it follows from `core.yaml`.

use super::RecordSettings;
use crate::config::{DeliveryPolicy, DeliverySettings, NodeConfig};
use crate::deliver::{EndpointOverride, load_overrides};
use crate::transport::{self, TlsError, TlsHandle, TlsMaterial, certificates_from_pem, private_key_from_pem};
use selvedge_core::{Config, Endpoint};
use selvedge_msp::{LocalMsp, MspError, UnixSeconds};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What a [`Node`](super::Node) is started with.
#[derive(Clone, Debug)]
pub struct NodeSettings {
    /// Settings of the protocol.
    pub gossip: Config,
    /// Where gossip is served, `host:port`; port 0 for any.
    pub listen_address: String,
    /// The own identity and key.
    pub local: Arc<LocalMsp>,
    /// Certificates and trust; `None` for plain connections.
    pub tls: Option<TlsHandle>,
    /// Bounds and keepalives of connections.
    pub transport: transport::Settings,
    /// Where ledgers and the node's small store lie.
    pub data: PathBuf,
    /// Whether to pull blocks from the orderers (`peer.gossip.orgLeader`).
    pub org_leader: bool,
    /// Limit of a dial to an orderer.
    pub orderer_connect_timeout: Duration,
    /// Longest pause between attempts to reach an orderer.
    pub orderer_pause_max: Duration,
    /// How long a block of a BFT channel may take to come from one orderer after its header came from another; `None`
    /// leaves nobody for that (`peer.deliveryclient.policy: simple`).
    pub block_censorship_timeout: Option<Duration>,
    /// Orderer addresses to replace (`peer.deliveryclient.addressOverrides`).
    pub orderer_overrides: Vec<EndpointOverride>,
    /// Whether identities without the peer role are refused where their organisation has NodeOUs (spec/03 W-1).
    pub require_peer_role: bool,
    /// Threads that verify and sign; 0 for one a core.
    pub verify_thread_count: usize,
    /// Largest ledger segment, in bytes.
    pub ledger_segment_bytes: u64,
    /// Seed of all random choices; drawn at start if absent.
    pub seed: Option<u64>,
    /// How many events a slow listener may be behind.
    pub event_buffer_count: usize,
    /// Whether what happens to the core is written to a file.
    pub record: Option<RecordSettings>,
}

/// Why settings cannot be made from a configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The MSP folder is not usable.
    #[error("peer.mspConfigPath: {0}")]
    Msp(#[from] MspError),
    /// A file cannot be read.
    #[error("{key}: {}: {source}", file.display())]
    File {
        /// The key that names it.
        key: &'static str,
        /// The file.
        file: PathBuf,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// The TLS material is not usable.
    #[error("peer.tls: {0}")]
    Tls(#[from] TlsError),
}

impl NodeSettings {
    /// Settings with Fabric's defaults around an identity: for embedders, test networks and tools.
    pub fn new(local: Arc<LocalMsp>, tls: Option<TlsHandle>, data: PathBuf, listen_address: String) -> Self {
        Self {
            gossip: Config::default(),
            listen_address,
            local,
            tls,
            transport: transport::Settings::default(),
            data,
            org_leader: false,
            orderer_connect_timeout: Duration::from_secs(3),
            orderer_pause_max: Duration::from_secs(5),
            block_censorship_timeout: Some(Duration::from_secs(30)),
            orderer_overrides: Vec::new(),
            require_peer_role: false,
            verify_thread_count: 0,
            ledger_segment_bytes: 64 << 20,
            seed: None,
            event_buffer_count: 1024,
            record: None,
        }
    }

    /// Reads the files that a configuration names.
    pub fn from_config(config: &NodeConfig) -> Result<Self, SettingsError> {
        if config.gossip.use_leader_election {
            tracing::warn!(
                target: "selvedge.config",
                "peer.gossip.useLeaderElection: this node does not stand for election; it takes blocks from whoever leads. \
                 Set peer.gossip.orgLeader to true where it should pull from the orderers itself"
            );
        }
        let local = LocalMsp::load(&config.peer.msp_config_path, &config.peer.local_msp_id, unix_now())?;
        let tls = load_tls(config)?;
        let mut settings =
            Self::new(Arc::new(local), tls, data_folder(config), config.peer.listen_address.clone());
        settings.gossip = gossip_config(config);
        settings.transport = transport_settings(config);
        settings.org_leader = config.gossip.org_leader;
        let (overrides, warnings) = load_overrides(&config.delivery.address_overrides);
        for warning in warnings {
            tracing::warn!(target: "selvedge.config", "peer.deliveryclient.addressOverrides: {warning}");
        }
        settings.orderer_overrides = overrides;
        settings.orderer_connect_timeout = config.delivery.conn_timeout;
        // Fabric's default of an hour would leave a node that recovers waiting (spec/07 §13.3)
        settings.orderer_pause_max = config.delivery.reconnect_backoff_threshold.min(Duration::from_secs(10));
        settings.block_censorship_timeout = block_censorship_timeout(&config.delivery);
        settings.require_peer_role = config.selvedge.require_peer_role;
        settings.verify_thread_count = config.selvedge.verify_thread_count;
        settings.ledger_segment_bytes = config.selvedge.ledger_segment_bytes;
        Ok(settings)
    }
}

/// After how long an orderer counts as withholding a block, if that is watched.
fn block_censorship_timeout(delivery: &DeliverySettings) -> Option<Duration> {
    if delivery.policy == DeliveryPolicy::Simple {
        return None;
    }
    // what Fabric has for zero (spec/07 §14.1)
    let timeout = delivery.block_censorship_timeout;
    Some(if timeout.is_zero() { Duration::from_secs(20) } else { timeout })
}

/// Where a configured node keeps its data: `selvedge` in `peer.fileSystemPath`, beside what a Go peer keeps there.
pub fn data_folder(config: &NodeConfig) -> PathBuf {
    config.peer.file_system_path.join("selvedge")
}

/// The wall clock in seconds since the Unix epoch.
pub(crate) fn unix_now() -> UnixSeconds {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixSeconds::try_from(since.as_secs()).unwrap_or(UnixSeconds::MAX)
}

fn transport_settings(config: &NodeConfig) -> transport::Settings {
    let peer = &config.peer;
    let mut settings = transport::Settings {
        message_bytes_max: peer.message_received_bytes_max,
        setup_timeout: peer.connection_timeout,
        server_keepalive_interval: peer.keepalive.interval,
        server_keepalive_timeout: peer.keepalive.timeout,
        client_keepalive_interval: peer.keepalive.client_interval,
        client_keepalive_timeout: peer.keepalive.client_timeout,
        // Fabric's built-in 20 is less than a burst of blocks and membership together
        send_count_max: config.gossip.send_buffer_count.max(200),
        ..transport::Settings::default()
    };
    // what is received is bounded by one message and the frames being handled; the rest is for sending
    let received = settings.message_bytes_max + settings.receive_bytes_max;
    let memory = config.selvedge.connection_memory_bytes_max;
    settings.send_bytes_max = memory.saturating_sub(received).max(1 << 20);
    settings
}

fn gossip_config(config: &NodeConfig) -> Config {
    let gossip = &config.gossip;
    Config {
        endpoint: Endpoint::from(gossip.endpoint.as_str()),
        external_endpoint: Endpoint::from(gossip.external_endpoint.as_deref().unwrap_or("")),
        bootstrap: gossip.bootstrap.iter().map(|endpoint| Endpoint::from(endpoint.as_str())).collect(),
        dial_timeout: gossip.dial_timeout,
        connection_timeout: gossip.conn_timeout,
        alive_time_interval: gossip.alive_time_interval,
        alive_expiration_timeout: gossip.alive_expiration_timeout,
        reconnect_interval: gossip.reconnect_interval,
        message_expiration_factor: gossip.msg_expiration_factor,
        publish_certificate_period: gossip.publish_cert_period,
        propagate_peer_count: gossip.propagate_peer_count,
        pull_interval: gossip.pull_interval,
        pull_peer_count: gossip.pull_peer_count,
        digest_wait: gossip.digest_wait_time,
        request_wait: gossip.request_wait_time,
        response_wait: gossip.response_wait_time,
        publish_state_info_interval: gossip.publish_state_info_interval,
        request_state_info_interval: gossip.request_state_info_interval,
        state_info_spacing: config.selvedge.state_info_spacing,
        block_window: gossip.max_block_count_to_store,
        block_gossip_enabled: config.delivery.block_gossip_enabled,
        state_transfer_enabled: gossip.state.enabled,
        state_check_interval: gossip.state.check_interval,
        state_response_timeout: gossip.state.response_timeout,
        state_batch_size: gossip.state.batch_size,
        ..Config::default()
    }
}

/// TLS handle from the files of `peer.tls`; `None` where TLS is off.
pub fn load_tls(config: &NodeConfig) -> Result<Option<TlsHandle>, SettingsError> {
    let Some((certificate, key)) = config.tls.server_pair() else {
        return Ok(None);
    };
    let own_client = config.tls.client_cert_file.as_ref().zip(config.tls.client_key_file.as_ref());
    let client = own_client
        .map(|(certificate, key)| {
            let chain = certificates_from_pem(&read("peer.tls.clientCert.file", certificate)?)?;
            let key = private_key_from_pem(&read("peer.tls.clientKey.file", key)?)?;
            Ok::<_, SettingsError>((chain, key))
        })
        .transpose()?;
    let roots = match &config.tls.root_cert_file {
        Some(file) => certificates_from_pem(&read("peer.tls.rootcert.file", file)?)?,
        None => Vec::new(),
    };
    let mut client_roots = Vec::new();
    for file in &config.tls.client_root_ca_files {
        client_roots.extend(certificates_from_pem(&read("peer.tls.clientRootCAs.files", file)?)?);
    }
    let material = TlsMaterial {
        server_chain: certificates_from_pem(&read("peer.tls.cert.file", certificate)?)?,
        server_key: private_key_from_pem(&read("peer.tls.key.file", key)?)?,
        client,
        roots,
        client_roots,
        client_auth_required: config.tls.client_auth_required,
    };
    Ok(Some(TlsHandle::new(material)?))
}

fn read(key: &'static str, file: &Path) -> Result<Vec<u8>, SettingsError> {
    std::fs::read(file).map_err(|source| SettingsError::File { key, file: file.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn withheld_blocks_are_watched_for_unless_told_otherwise() {
        let delivery = |policy, seconds| DeliverySettings {
            block_gossip_enabled: true,
            conn_timeout: Duration::from_secs(3),
            reconnect_backoff_threshold: Duration::from_secs(10),
            reconnect_total_time_threshold: Duration::from_secs(3600),
            block_censorship_timeout: Duration::from_secs(seconds),
            minimal_reconnect_interval: Duration::from_millis(100),
            policy,
            address_overrides: Vec::new(),
        };
        let seconds = |policy, seconds| {
            block_censorship_timeout(&delivery(policy, seconds)).map(|timeout| timeout.as_secs())
        };
        assert_eq!(seconds(DeliveryPolicy::Cluster, 7), Some(7));
        assert_eq!(seconds(DeliveryPolicy::Cluster, 0), Some(20));
        assert_eq!(seconds(DeliveryPolicy::Simple, 7), None);
    }
}
