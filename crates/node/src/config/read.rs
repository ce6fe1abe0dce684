//! From keys to settings, section by section, and what must hold between them.

use super::address;
use super::layers::{Findings, Layers};
use super::settings::{
    AddressOverride, DeliveryPolicy, DeliverySettings, ElectionSettings, GossipSettings, KeepaliveSettings,
    MetricsProvider, MetricsSettings, OperationsSettings, OperationsTlsSettings, PeerSettings,
    PrivateDataSettings, SelvedgeSettings, StateSettings, StatsdSettings, TlsSettings,
};
use super::{ConfigError, NodeConfig, Problem};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Fabric's limit of one message, 100 MiB.
const MESSAGE_BYTES_MAX: usize = 100 << 20;

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// Finds the machine's own address, or says why it cannot.
pub(super) type Detect<'a> = &'a dyn Fn() -> Result<Ipv4Addr, String>;

/// Reads everything; all problems come together.
pub(super) fn node_config(
    file: &Path,
    mut layers: Layers,
    detect: Detect<'_>,
) -> Result<NodeConfig, ConfigError> {
    let peer = peer(&mut layers, detect);
    let gossip = gossip(&mut layers, &peer.address);
    let tls = tls(&mut layers);
    let delivery = delivery(&mut layers);
    let operations = operations(&mut layers);
    let metrics = metrics(&mut layers);
    let selvedge = selvedge(&mut layers, &peer);
    let Findings { explained, problems, warnings } = layers.finish();
    if !problems.is_empty() {
        return Err(ConfigError::Invalid(problems));
    }
    Ok(NodeConfig {
        file: file.to_path_buf(),
        peer,
        gossip,
        tls,
        delivery,
        operations,
        metrics,
        selvedge,
        warnings,
        explained,
    })
}

fn peer(layers: &mut Layers, detect: Detect<'_>) -> PeerSettings {
    let id = layers.text("peer.id", "");
    let configured = layers.text_needed("peer.address");
    let auto_detect = layers.flag("peer.addressAutoDetect", false);
    let address = own_address(layers, &configured, auto_detect, detect);
    let listening = layers.text("peer.listenAddress", "0.0.0.0:7051");
    PeerSettings {
        id,
        address,
        listen_address: listen_address(layers, "peer.listenAddress", listening),
        local_msp_id: layers.text_needed("peer.localMspId"),
        msp_config_path: layers.path_needed("peer.mspConfigPath"),
        file_system_path: layers
            .path("peer.fileSystemPath")
            .unwrap_or_else(|| PathBuf::from("/var/hyperledger/production")),
        keepalive: KeepaliveSettings {
            interval: layers.duration_literal("peer.keepalive.interval", 2 * HOUR),
            timeout: layers.duration_literal("peer.keepalive.timeout", 20 * SECOND),
            min_interval: layers.duration_literal("peer.keepalive.minInterval", MINUTE),
            client_interval: layers.duration_literal("peer.keepalive.client.interval", MINUTE),
            client_timeout: layers.duration_literal("peer.keepalive.client.timeout", 20 * SECOND),
            delivery_client_interval: layers
                .duration_literal("peer.keepalive.deliveryClient.interval", MINUTE),
            delivery_client_timeout: layers
                .duration_literal("peer.keepalive.deliveryClient.timeout", 20 * SECOND),
        },
        connection_timeout: layers.duration("peer.connectiontimeout", 5 * SECOND),
        message_received_bytes_max: layers.size("peer.maxRecvMsgSize", MESSAGE_BYTES_MAX),
        message_sent_bytes_max: layers.size("peer.maxSendMsgSize", MESSAGE_BYTES_MAX),
    }
}

/// The peer's address with an unspecified host replaced by the machine's own.
fn own_address(layers: &mut Layers, configured: &str, auto_detect: bool, detect: Detect<'_>) -> String {
    if configured.is_empty() {
        return String::new();
    }
    let Some((host, port)) = address::split(configured) else {
        layers.refuse("peer.address", format!("expected host:port, found '{configured}'"));
        return String::new();
    };
    if !auto_detect && !address::is_unspecified(host) {
        return configured.to_owned();
    }
    match detect() {
        Ok(own) => format!("{own}:{port}"),
        Err(reason) => {
            let message =
                format!("cannot find this machine's own address: {reason}; write host:port instead");
            layers.refuse("peer.address", message);
            String::new()
        }
    }
}

/// An address to listen on; without a host it is every IPv4 address.
fn listen_address(layers: &mut Layers, key: &str, address: String) -> String {
    match address::split(&address) {
        Some((host, port)) if port.parse::<u16>().is_ok() => {
            if host.is_empty() {
                format!("0.0.0.0:{port}")
            } else {
                address
            }
        }
        _ => {
            layers.refuse(key, format!("expected host:port, found '{address}'"));
            address
        }
    }
}

fn gossip(layers: &mut Layers, address: &str) -> GossipSettings {
    let alive_time_interval = layers.duration("peer.gossip.aliveTimeInterval", 5 * SECOND);
    let default = alive_time_interval.saturating_mul(5);
    let alive_expiration_timeout = layers.duration("peer.gossip.aliveExpirationTimeout", default);
    let settings = GossipSettings {
        bootstrap: layers.endpoints("peer.gossip.bootstrap"),
        endpoint: endpoint(layers, address),
        external_endpoint: layers.text_literal("peer.gossip.externalEndpoint", ""),
        use_leader_election: layers.flag("peer.gossip.useLeaderElection", false),
        org_leader: layers.flag("peer.gossip.orgLeader", false),
        membership_tracker_interval: layers.duration("peer.gossip.membershipTrackerInterval", 5 * SECOND),
        max_block_count_to_store: layers.count("peer.gossip.maxBlockCountToStore", 10),
        max_propagation_burst_latency: layers
            .duration("peer.gossip.maxPropagationBurstLatency", 10 * MILLISECOND),
        max_propagation_burst_size: layers.count("peer.gossip.maxPropagationBurstSize", 10),
        propagate_iterations: layers.count("peer.gossip.propagateIterations", 1),
        propagate_peer_count: layers.count("peer.gossip.propagatePeerNum", 3),
        pull_interval: layers.duration("peer.gossip.pullInterval", 4 * SECOND),
        pull_peer_count: layers.count("peer.gossip.pullPeerNum", 3),
        request_state_info_interval: layers.duration("peer.gossip.requestStateInfoInterval", 4 * SECOND),
        publish_state_info_interval: layers.duration("peer.gossip.publishStateInfoInterval", 4 * SECOND),
        publish_cert_period: layers.duration("peer.gossip.publishCertPeriod", 10 * SECOND),
        dial_timeout: layers.duration("peer.gossip.dialTimeout", 3 * SECOND),
        conn_timeout: layers.duration("peer.gossip.connTimeout", 2 * SECOND),
        receive_buffer_count: layers.count("peer.gossip.recvBuffSize", 20),
        send_buffer_count: layers.count("peer.gossip.sendBuffSize", 20),
        digest_wait_time: layers.duration("peer.gossip.digestWaitTime", SECOND),
        request_wait_time: layers.duration("peer.gossip.requestWaitTime", 1500 * MILLISECOND),
        response_wait_time: layers.duration("peer.gossip.responseWaitTime", 2 * SECOND),
        alive_time_interval,
        alive_expiration_timeout,
        reconnect_interval: layers.duration("peer.gossip.reconnectInterval", alive_expiration_timeout),
        max_connection_attempts: layers.count("peer.gossip.maxConnectionAttempts", 120),
        msg_expiration_factor: layers.count("peer.gossip.msgExpirationFactor", 20),
        non_blocking_commit_mode: layers.flag("peer.gossip.nonBlockingCommitMode", false),
        election: election(layers),
        state: state(layers),
        private_data: private_data(layers),
    };
    check_gossip(layers, &settings);
    settings
}

/// The endpoint for the own organisation. What Fabric would not start with is refused here too.
fn endpoint(layers: &mut Layers, address: &str) -> String {
    let configured = layers.text("peer.gossip.endpoint", "");
    let (key, endpoint) = match configured.as_str() {
        "" => ("peer.address", address),
        configured => ("peer.gossip.endpoint", configured),
    };
    // an empty address has been refused before
    if !endpoint.is_empty()
        && let Err(expected) = address::check_endpoint(endpoint)
    {
        layers.refuse(key, format!("{expected}; it is '{endpoint}'"));
    }
    endpoint.to_owned()
}

fn election(layers: &mut Layers) -> ElectionSettings {
    ElectionSettings {
        startup_grace_period: layers.duration("peer.gossip.election.startupGracePeriod", 15 * SECOND),
        membership_sample_interval: layers.duration("peer.gossip.election.membershipSampleInterval", SECOND),
        leader_alive_threshold: layers.duration("peer.gossip.election.leaderAliveThreshold", 10 * SECOND),
        leader_election_duration: layers.duration("peer.gossip.election.leaderElectionDuration", 5 * SECOND),
    }
}

fn state(layers: &mut Layers) -> StateSettings {
    StateSettings {
        enabled: layers.flag("peer.gossip.state.enabled", false),
        check_interval: layers.duration_literal("peer.gossip.state.checkInterval", 10 * SECOND),
        response_timeout: layers.duration_literal("peer.gossip.state.responseTimeout", 3 * SECOND),
        batch_size: layers.count_literal("peer.gossip.state.batchSize", 10),
        block_buffer_count: layers.count_literal("peer.gossip.state.blockBufferSize", 20),
        max_retries: layers.count_literal("peer.gossip.state.maxRetries", 3),
        channel_size: layers.count_literal("peer.gossip.state.channelSize", 100),
    }
}

fn private_data(layers: &mut Layers) -> PrivateDataSettings {
    const MAX_PEERS: &str = "peer.gossip.pvtData.implicitCollectionDisseminationPolicy.maxPeerCount";
    const REQUIRED: &str = "peer.gossip.pvtData.implicitCollectionDisseminationPolicy.requiredPeerCount";
    let settings = PrivateDataSettings {
        pull_retry_threshold: layers.duration("peer.gossip.pvtData.pullRetryThreshold", Duration::ZERO),
        transient_store_block_retention: layers
            .count("peer.gossip.pvtData.transientstoreMaxBlockRetention", 20_000),
        push_ack_timeout: layers.duration("peer.gossip.pvtData.pushAckTimeout", Duration::ZERO),
        btl_pull_margin: layers.count_literal("peer.gossip.pvtData.btlPullMargin", 10),
        reconcile_batch_size: layers.count("peer.gossip.pvtData.reconcileBatchSize", 10),
        reconcile_sleep_interval: layers.duration("peer.gossip.pvtData.reconcileSleepInterval", MINUTE),
        reconciliation_enabled: layers.flag("peer.gossip.pvtData.reconciliationEnabled", false),
        skip_pulling_invalid_transactions: layers
            .flag("peer.gossip.pvtData.skipPullingInvalidTransactionsDuringCommit", false),
        implicit_required_peer_count: layers.count_literal(REQUIRED, 0),
        implicit_max_peer_count: layers.count_literal(MAX_PEERS, 1),
    };
    if settings.implicit_max_peer_count < settings.implicit_required_peer_count {
        layers.refuse(
            MAX_PEERS,
            format!("expected no less than requiredPeerCount, {}", settings.implicit_required_peer_count),
        );
    }
    settings
}

/// What must hold between the keys of gossip, and what should.
fn check_gossip(layers: &mut Layers, gossip: &GossipSettings) {
    if gossip.use_leader_election && gossip.org_leader {
        layers.refuse("peer.gossip.orgLeader", "cannot be true together with peer.gossip.useLeaderElection");
    }
    if gossip.pull_interval <= gossip.digest_wait_time + gossip.response_wait_time {
        let message = "should be longer than digestWaitTime and responseWaitTime together, or pulls overlap";
        layers.warn("peer.gossip.pullInterval", message);
    }
    if gossip.alive_expiration_timeout <= gossip.alive_time_interval {
        let message = "should be several times aliveTimeInterval, or members that live count as dead";
        layers.warn("peer.gossip.aliveExpirationTimeout", message);
    }
    if !gossip.org_leader && !gossip.state.enabled {
        let message =
            "is false on a peer that does not always pull from the orderers: it may lag behind for good";
        layers.warn("peer.gossip.state.enabled", message);
    }
}

fn tls(layers: &mut Layers) -> TlsSettings {
    let settings = TlsSettings {
        enabled: layers.flag("peer.tls.enabled", false),
        client_auth_required: layers.flag("peer.tls.clientAuthRequired", false),
        cert_file: layers.path("peer.tls.cert.file"),
        key_file: layers.path("peer.tls.key.file"),
        root_cert_file: layers.path("peer.tls.rootcert.file"),
        client_root_ca_files: layers.paths("peer.tls.clientRootCAs.files"),
        client_cert_file: layers.path("peer.tls.clientCert.file"),
        client_key_file: layers.path("peer.tls.clientKey.file"),
    };
    if settings.enabled {
        let pair = [("peer.tls.cert.file", &settings.cert_file), ("peer.tls.key.file", &settings.key_file)];
        for (key, _) in pair.iter().filter(|(_, file)| file.is_none()) {
            layers.refuse_absent(key);
        }
    }
    if settings.client_cert_file.is_some() != settings.client_key_file.is_some() {
        let message =
            "needs peer.tls.clientKey.file beside it; without it the server's pair is used for both";
        layers.warn("peer.tls.clientCert.file", message);
    }
    settings
}

fn delivery(layers: &mut Layers) -> DeliverySettings {
    const POLICY: &str = "peer.deliveryclient.policy";
    DeliverySettings {
        block_gossip_enabled: layers.flag("peer.deliveryclient.blockGossipEnabled", true),
        conn_timeout: layers.duration("peer.deliveryclient.connTimeout", 3 * SECOND),
        reconnect_backoff_threshold: layers.duration("peer.deliveryclient.reConnectBackoffThreshold", HOUR),
        reconnect_total_time_threshold: layers
            .duration("peer.deliveryclient.reconnectTotalTimeThreshold", HOUR),
        block_censorship_timeout: layers
            .duration_literal("peer.deliveryclient.blockCensorshipTimeoutKey", 30 * SECOND),
        minimal_reconnect_interval: layers
            .duration_literal("peer.deliveryclient.minimalReconnectInterval", 100 * MILLISECOND),
        policy: match layers.text(POLICY, "cluster").as_str() {
            "cluster" => DeliveryPolicy::Cluster,
            "simple" => DeliveryPolicy::Simple,
            other => {
                layers.warn(
                    POLICY,
                    format!("expected cluster or simple, found '{other}'; cluster is used, as in Fabric"),
                );
                DeliveryPolicy::Cluster
            }
        },
        address_overrides: address_overrides(layers),
    }
}

fn address_overrides(layers: &mut Layers) -> Vec<AddressOverride> {
    const KEY: &str = "peer.deliveryclient.addressOverrides";
    let mut overrides = Vec::new();
    for mut record in layers.records(KEY) {
        let (from, to) = (record.remove("from").unwrap_or_default(), record.remove("to").unwrap_or_default());
        let file = record.remove("cacertsfile").filter(|file| !file.is_empty());
        if from.is_empty() || to.is_empty() {
            layers.refuse(KEY, "expected 'from' and 'to' in every item");
            continue;
        }
        if let Some(key) = record.keys().next() {
            layers.warn(
                KEY,
                format!("'{key}' is not known and is ignored; items have from, to and caCertsFile"),
            );
        }
        let ca_certs_file = file.map(|file| layers.resolve(&file));
        overrides.push(AddressOverride { from, to, ca_certs_file });
    }
    overrides
}

fn operations(layers: &mut Layers) -> OperationsSettings {
    let listening = layers.text_literal("operations.listenAddress", "127.0.0.1:9443");
    let listen_address = listening.map(|address| listen_address(layers, "operations.listenAddress", address));
    let tls = OperationsTlsSettings {
        enabled: layers.flag("operations.tls.enabled", false),
        cert_file: layers.path("operations.tls.cert.file"),
        key_file: layers.path("operations.tls.key.file"),
        client_auth_required: layers.flag("operations.tls.clientAuthRequired", false),
        client_root_ca_files: layers.paths("operations.tls.clientRootCAs.files"),
    };
    if tls.enabled {
        let pair = [("operations.tls.cert.file", &tls.cert_file), ("operations.tls.key.file", &tls.key_file)];
        for (key, _) in pair.iter().filter(|(_, file)| file.is_none()) {
            layers.refuse_absent(key);
        }
        match (tls.client_root_ca_files.is_empty(), tls.client_auth_required) {
            (true, true) => {
                layers
                    .refuse("operations.tls.clientAuthRequired", "needs operations.tls.clientRootCAs.files");
            }
            (true, false) => {
                let message = "is on without operations.tls.clientRootCAs.files: nobody can prove who may read /metrics and \
                               /logspec";
                layers.warn("operations.tls.enabled", message);
            }
            (false, _) => {}
        }
    }
    OperationsSettings { listen_address, tls }
}

fn metrics(layers: &mut Layers) -> MetricsSettings {
    const PROVIDER: &str = "metrics.provider";
    const NETWORK: &str = "metrics.statsd.network";
    let settings = MetricsSettings {
        provider: match layers.text(PROVIDER, "disabled").as_str() {
            "disabled" => MetricsProvider::Disabled,
            "prometheus" => MetricsProvider::Prometheus,
            "statsd" => MetricsProvider::Statsd,
            other => {
                layers.refuse(PROVIDER, format!("expected prometheus, statsd or disabled, found '{other}'"));
                MetricsProvider::Disabled
            }
        },
        statsd: StatsdSettings {
            network: layers.text(NETWORK, "udp"),
            address: layers.text("metrics.statsd.address", "127.0.0.1:8125"),
            write_interval: layers.duration("metrics.statsd.writeInterval", 10 * SECOND),
            prefix: layers.text("metrics.statsd.prefix", ""),
        },
    };
    if settings.provider == MetricsProvider::Statsd {
        layers.warn(
            PROVIDER,
            "is statsd, which this version does not push to: there are no metrics; use prometheus",
        );
    }
    if !matches!(settings.statsd.network.as_str(), "udp" | "tcp") {
        layers.refuse(NETWORK, format!("expected udp or tcp, found '{}'", settings.statsd.network));
    }
    settings
}

fn selvedge(layers: &mut Layers, peer: &PeerSettings) -> SelvedgeSettings {
    const MEMORY: &str = "selvedge.connectionMemoryMax";
    let message_bytes_max = peer.message_received_bytes_max.max(peer.message_sent_bytes_max);
    let settings = SelvedgeSettings {
        state_info_spacing: layers.duration("selvedge.stateInfoSpacing", SECOND),
        worker_thread_count: layers.count("selvedge.workerThreads", 0),
        verify_thread_count: layers.count("selvedge.verifyThreads", 0),
        connection_memory_bytes_max: layers.size(MEMORY, message_bytes_max.max(128 << 20)),
        require_peer_role: layers.flag("selvedge.requirePeerRole", false),
        ledger_segment_bytes: layers.size("selvedge.ledger.segmentSize", 64 << 20),
    };
    if settings.connection_memory_bytes_max < message_bytes_max {
        let message = format!(
            "must hold one message; peer.maxRecvMsgSize and maxSendMsgSize allow {message_bytes_max} bytes"
        );
        layers.refuse(MEMORY, message);
    }
    settings
}

/// Opens every file and folder the configuration names and tells of all that cannot be opened.
pub(super) fn check_files(config: &NodeConfig) -> Result<(), ConfigError> {
    let mut problems = Vec::new();
    let mut check = |key: &str, path: &Path, folder: bool| {
        let result =
            if folder { std::fs::read_dir(path).map(drop) } else { std::fs::File::open(path).map(drop) };
        let is_folder = !folder && path.is_dir();
        let reason = match result {
            Ok(()) if is_folder => "it is a folder".to_owned(),
            Ok(()) => return,
            Err(error) => error.to_string(),
        };
        let message = format!("cannot open {}: {reason}", path.display());
        problems.push(Problem { source: config.source(key), key: key.to_owned(), message });
    };
    check("peer.mspConfigPath", &config.peer.msp_config_path, true);
    for (key, path) in tls_files(&config.tls).into_iter().chain(operations_files(&config.operations.tls)) {
        check(key, path, false);
    }
    if problems.is_empty() { Ok(()) } else { Err(ConfigError::Invalid(problems)) }
}

fn tls_files(tls: &TlsSettings) -> Vec<(&'static str, &PathBuf)> {
    let single = [
        ("peer.tls.cert.file", &tls.cert_file),
        ("peer.tls.key.file", &tls.key_file),
        ("peer.tls.rootcert.file", &tls.root_cert_file),
        ("peer.tls.clientCert.file", &tls.client_cert_file),
        ("peer.tls.clientKey.file", &tls.client_key_file),
    ];
    let single = single.into_iter().filter_map(|(key, file)| Some((key, file.as_ref()?)));
    let several = tls.client_root_ca_files.iter().map(|file| ("peer.tls.clientRootCAs.files", file));
    if tls.enabled { single.chain(several).collect() } else { Vec::new() }
}

fn operations_files(tls: &OperationsTlsSettings) -> Vec<(&'static str, &PathBuf)> {
    let single = [("operations.tls.cert.file", &tls.cert_file), ("operations.tls.key.file", &tls.key_file)];
    let single = single.into_iter().filter_map(|(key, file)| Some((key, file.as_ref()?)));
    let several = tls.client_root_ca_files.iter().map(|file| ("operations.tls.clientRootCAs.files", file));
    if tls.enabled { single.chain(several).collect() } else { Vec::new() }
}
