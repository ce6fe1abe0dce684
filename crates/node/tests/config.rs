//! The configuration as an operator meets it: real files, variables over them, mistakes and what is said
//! about them.

use proptest::prelude::*;
use selvedge::config::{
    ConfigError, DeliveryPolicy, DeliverySettings, ElectionSettings, Environment, GossipSettings,
    KeepaliveSettings, MetricsProvider, NodeConfig, OperationsSettings, OperationsTlsSettings,
    PrivateDataSettings, Source, StateSettings, TlsSettings,
};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// The least a file must have.
const LEAST: &str = "peer: {address: 'peer0:7051', localMspId: Org1MSP, mspConfigPath: msp}\n";

fn parse(text: &str, environment: Environment) -> Result<NodeConfig, ConfigError> {
    NodeConfig::parse(Path::new("/cfg/core.yaml"), text, environment)
}

/// The text after the lines every file needs; its first line is line 2.
fn parse_more(more: &str) -> Result<NodeConfig, ConfigError> {
    parse(&format!("{LEAST}{more}"), Environment::default())
}

fn problems(result: Result<NodeConfig, ConfigError>) -> Vec<String> {
    match result {
        Err(ConfigError::Invalid(problems)) => problems.iter().map(ToString::to_string).collect(),
        other => panic!("expected problems, got {other:?}"),
    }
}

fn recordings() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/network")
}

fn recorded(node: &str) -> NodeConfig {
    let file = recordings().join("config").join(node).join("core.yaml");
    NodeConfig::load_with(Some(&file), Environment::default()).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn the_recorded_files_load_without_a_warning() {
    for (peer, org, port, bootstrap) in [
        ("peer0", 1, 21301, 21311),
        ("peer1", 1, 21311, 21301),
        ("peer2", 1, 21321, 21301),
        ("peer0", 2, 21401, 21411),
        ("peer1", 2, 21411, 21401),
    ] {
        let config = recorded(&format!("{peer}.org{org}"));
        let address = format!("127.0.0.1:{port}");
        assert_eq!(config.warnings, [], "{peer}.org{org}");
        assert_eq!(config.peer.id, format!("{peer}.org{org}.example.com"));
        assert_eq!(config.peer.local_msp_id, format!("Org{org}MSP"));
        assert_eq!((&config.peer.address, &config.peer.listen_address), (&address, &address));
        assert_eq!(
            (&config.gossip.endpoint, &config.gossip.external_endpoint),
            (&address, &Some(address.clone()))
        );
        assert_eq!(config.gossip.bootstrap, [format!("127.0.0.1:{bootstrap}")]);
        assert_eq!(config.operations.listen_address, Some(format!("127.0.0.1:{}", port + 2)));
        let home = format!("peerOrganizations/org{org}.example.com/peers/{peer}.org{org}.example.com");
        assert!(config.peer.msp_config_path.ends_with(format!("network/crypto/{home}/msp")), "{config:?}");
        assert!(
            config.peer.file_system_path.ends_with(format!("network/data/{peer}.org{org}")),
            "{config:?}"
        );
    }
}

#[test]
fn a_recorded_file_gives_every_setting() {
    let config = recorded("peer0.org1");
    assert_eq!(config.gossip, recorded_gossip());
    assert_eq!(
        config.peer.keepalive,
        KeepaliveSettings {
            interval: 7200 * SECOND,
            timeout: 20 * SECOND,
            min_interval: 60 * SECOND,
            client_interval: 60 * SECOND,
            client_timeout: 20 * SECOND,
            delivery_client_interval: 60 * SECOND,
            delivery_client_timeout: 20 * SECOND,
        }
    );
    assert_eq!(config.peer.connection_timeout, 5 * SECOND);
    assert_eq!(
        (config.peer.message_received_bytes_max, config.peer.message_sent_bytes_max),
        (100 << 20, 100 << 20)
    );
    assert_eq!(
        config.delivery,
        DeliverySettings {
            block_gossip_enabled: true,
            conn_timeout: 3 * SECOND,
            reconnect_backoff_threshold: 3600 * SECOND,
            reconnect_total_time_threshold: 3600 * SECOND,
            block_censorship_timeout: 30 * SECOND,
            minimal_reconnect_interval: Duration::from_millis(100),
            policy: DeliveryPolicy::Cluster,
            address_overrides: Vec::new(),
        }
    );
    let home = "peerOrganizations/org1.example.com/peers/peer0.org1.example.com/tls";
    // the folder of the file is joined as it stands and `..` removed by name
    let crypto =
        config.peer.msp_config_path.ancestors().find(|path| path.ends_with("crypto")).unwrap().to_path_buf();
    assert_eq!(
        config.tls,
        TlsSettings {
            enabled: true,
            client_auth_required: false,
            cert_file: Some(crypto.join(home).join("server.crt")),
            key_file: Some(crypto.join(home).join("server.key")),
            root_cert_file: Some(crypto.join(home).join("ca.crt")),
            client_root_ca_files: vec![crypto.join(home).join("ca.crt")],
            client_cert_file: None,
            client_key_file: None,
        }
    );
    assert_eq!(config.tls.client_pair(), config.tls.server_pair());
    assert_eq!(config.metrics.provider, MetricsProvider::Prometheus);
    assert_eq!(config.operations.tls, OperationsTlsSettings::default());
    assert_eq!(config.selvedge.state_info_spacing, SECOND);
    assert_eq!(config.selvedge.connection_memory_bytes_max, 128 << 20);
    config.check_files().unwrap();
}

fn recorded_gossip() -> GossipSettings {
    GossipSettings {
        bootstrap: vec!["127.0.0.1:21311".into()],
        endpoint: "127.0.0.1:21301".into(),
        external_endpoint: Some("127.0.0.1:21301".into()),
        use_leader_election: true,
        org_leader: false,
        membership_tracker_interval: 5 * SECOND,
        max_block_count_to_store: 10,
        max_propagation_burst_latency: Duration::from_millis(10),
        max_propagation_burst_size: 10,
        propagate_iterations: 1,
        propagate_peer_count: 3,
        pull_interval: 4 * SECOND,
        pull_peer_count: 3,
        request_state_info_interval: 4 * SECOND,
        publish_state_info_interval: 4 * SECOND,
        publish_cert_period: 10 * SECOND,
        dial_timeout: 3 * SECOND,
        conn_timeout: 2 * SECOND,
        receive_buffer_count: 20,
        send_buffer_count: 200,
        digest_wait_time: SECOND,
        request_wait_time: Duration::from_millis(1500),
        response_wait_time: 2 * SECOND,
        alive_time_interval: 5 * SECOND,
        alive_expiration_timeout: 25 * SECOND,
        reconnect_interval: 25 * SECOND,
        max_connection_attempts: 120,
        msg_expiration_factor: 20,
        non_blocking_commit_mode: false,
        election: ElectionSettings {
            startup_grace_period: 15 * SECOND,
            membership_sample_interval: SECOND,
            leader_alive_threshold: 10 * SECOND,
            leader_election_duration: 5 * SECOND,
        },
        state: StateSettings {
            enabled: true,
            check_interval: 10 * SECOND,
            response_timeout: 3 * SECOND,
            batch_size: 10,
            block_buffer_count: 20,
            max_retries: 3,
            channel_size: 100,
        },
        private_data: PrivateDataSettings {
            pull_retry_threshold: 60 * SECOND,
            transient_store_block_retention: 20_000,
            push_ack_timeout: 3 * SECOND,
            btl_pull_margin: 10,
            reconcile_batch_size: 10,
            reconcile_sleep_interval: 60 * SECOND,
            reconciliation_enabled: true,
            skip_pulling_invalid_transactions: false,
            implicit_required_peer_count: 0,
            implicit_max_peer_count: 1,
        },
    }
}

#[test]
fn every_key_of_the_sample_files_is_known() {
    let keys = include_str!("fixtures/core-keys.txt").lines().filter(|line| !line.starts_with('#'));
    let keys: Vec<&str> = keys.filter_map(|line| line.split_whitespace().next()).collect();
    assert!(keys.len() > 150, "{}", keys.len());
    let needed = ["peer.address", "peer.localMspId", "peer.mspConfigPath"];
    let mut text = String::new();
    let mut environment = Environment::default();
    for key in &keys {
        let value = if needed.contains(key) { "host:7051" } else { "" };
        text.push_str(&format!("{key}: {value}\n"));
        environment = environment.with(&format!("CORE_{}", key.to_uppercase().replace('.', "_")), value);
    }
    let unknown = |config: NodeConfig| {
        config.warnings.into_iter().filter(|warning| warning.message.contains("known")).collect::<Vec<_>>()
    };
    assert_eq!(unknown(parse(&text, Environment::default()).unwrap()), []);
    assert_eq!(unknown(parse("", environment).unwrap()), []);
}

#[test]
fn without_keys_the_built_in_values_hold() {
    let config = parse_more("").unwrap();
    let mut expected = recorded_gossip();
    expected.bootstrap = Vec::new();
    expected.endpoint = "peer0:7051".into();
    expected.external_endpoint = None;
    expected.use_leader_election = false;
    expected.send_buffer_count = 20;
    expected.state.enabled = false;
    expected.private_data.reconciliation_enabled = false;
    expected.private_data.push_ack_timeout = Duration::ZERO;
    expected.private_data.pull_retry_threshold = Duration::ZERO;
    assert_eq!(config.gossip, expected);
    assert_eq!(config.peer.listen_address, "0.0.0.0:7051");
    assert_eq!(config.peer.file_system_path, Path::new("/var/hyperledger/production"));
    assert_eq!(config.peer.msp_config_path, Path::new("/cfg/msp"));
    assert!(config.delivery.block_gossip_enabled && !config.tls.enabled);
    let operations = OperationsSettings {
        listen_address: Some("127.0.0.1:9443".into()),
        tls: OperationsTlsSettings::default(),
    };
    assert_eq!(config.operations, operations);
    assert_eq!(config.metrics.provider, MetricsProvider::Disabled);
    assert_eq!(config.source("peer.gossip.pullInterval"), Source::Default);
}

#[test]
fn zero_is_the_default_except_where_it_is_taken_literally() {
    let zeros = "peer.gossip:
  aliveTimeInterval: 0
  propagateIterations: 0
  pullInterval: 0s
  sendBuffSize: ''
  pvtData: {btlPullMargin: 0, reconcileBatchSize: 0}
  state: {batchSize: 0, checkInterval: 0, maxRetries: 0, blockBufferSize: 0, channelSize: 0}
peer.keepalive.interval: 0
";
    let config = parse_more(zeros).unwrap();
    let gossip = &config.gossip;
    assert_eq!((gossip.alive_time_interval, gossip.pull_interval), (5 * SECOND, 4 * SECOND));
    assert_eq!((gossip.propagate_iterations, gossip.send_buffer_count), (1, 20));
    assert_eq!((gossip.private_data.btl_pull_margin, gossip.private_data.reconcile_batch_size), (0, 10));
    assert_eq!((gossip.state.batch_size, gossip.state.max_retries, gossip.state.channel_size), (0, 0, 0));
    assert_eq!(
        (gossip.state.check_interval, config.peer.keepalive.interval),
        (Duration::ZERO, Duration::ZERO)
    );
}

#[test]
fn the_alive_timeouts_follow_the_heartbeat() {
    let config = parse_more("peer.gossip.aliveTimeInterval: 1s\n").unwrap();
    assert_eq!(config.gossip.alive_expiration_timeout, 5 * SECOND);
    assert_eq!(config.gossip.reconnect_interval, 5 * SECOND);
}

#[test]
fn keys_are_the_same_in_upper_and_lower_case() {
    let config = parse(
        "PEER: {Address: 'a:1', LOCALMSPID: M, mspconfigpath: /m, gossip: {PULLINTERVAL: 9s}}",
        Environment::default(),
    );
    assert_eq!(config.unwrap().gossip.pull_interval, 9 * SECOND);
    let twice = parse_more("peer.gossip.pullInterval: 1s\npeer.gossip.PullInterval: 2s\n");
    assert_eq!(
        problems(twice),
        [
            "/cfg/core.yaml:3: peer.gossip.PullInterval: repeats peer.gossip.pullInterval of line 2: upper and lower case are the same"
        ]
    );
}

#[test]
fn variables_override_the_file() {
    let file =
        "peer.gossip: {bootstrap: [x:1], orgLeader: true, externalEndpoint: 'e:1', state: {batchSize: 7}}\n";
    let environment = Environment::default()
        .with("CORE_PEER_GOSSIP_BOOTSTRAP", "a:1 b:2,c:3")
        .with("CORE_PEER_GOSSIP_ORGLEADER", "false")
        .with("CORE_PEER_GOSSIP_USELEADERELECTION", "true")
        .with("CORE_PEER_GOSSIP_EXTERNALENDPOINT", "")
        .with("CORE_PEER_GOSSIP_STATE_BATCHSIZE", "")
        .with("CORE_PEER_GOSSIP_STATE_ENABLED", "1")
        .with("CORE_PEER_GOSSIP_PULLINTERVAL", "1m")
        .with("CORE_PEER_MSPCONFIGPATH", "../org/msp")
        .with("CORE_PEER_TLS_CLIENTROOTCAS_FILES", "a.pem /b.pem")
        .with("CORE_SELVEDGE_STATEINFOSPACING", "250ms")
        .with("CORE_VM_ENDPOINT", "unix:///x")
        .with("HOME", "/home/x");
    let config = parse(&format!("{LEAST}{file}"), environment).unwrap();
    assert_eq!(config.warnings, []);
    assert_eq!(config.gossip.bootstrap, ["a:1", "b:2", "c:3"]);
    assert!(!config.gossip.org_leader && config.gossip.use_leader_election && config.gossip.state.enabled);
    assert_eq!((config.gossip.external_endpoint, config.gossip.state.batch_size), (None, 0));
    assert_eq!(config.gossip.pull_interval, 60 * SECOND);
    assert_eq!(config.peer.msp_config_path, Path::new("/org/msp"));
    assert_eq!(config.tls.client_root_ca_files, [Path::new("/cfg/a.pem"), Path::new("/b.pem")]);
    assert_eq!(config.selvedge.state_info_spacing, Duration::from_millis(250));
}

#[test]
fn a_null_is_as_good_as_absent() {
    let config = parse_more(
        "peer.gossip: {state: {batchSize: null}, endpoint: ~, bootstrap: }\nledger.blockchain:\nmetrics:\n",
    );
    let config = config.unwrap();
    assert_eq!((config.gossip.state.batch_size, config.gossip.bootstrap.len()), (10, 0));
    assert!(
        config.warnings.iter().all(|warning| !warning.message.contains("known")),
        "{:?}",
        config.warnings
    );
}

#[test]
fn wrong_values_are_told_all_at_once_each_with_its_place() {
    let text = "peer:
  localMspId: M
  mspConfigPath: msp
  maxRecvMsgSize: big
  tls:
    enabled: yes
  gossip:
    pullInterval: 4 sec
    pullPeerNum: -3
    maxConnectionAttempts: 4294967296
    state:
      batchSize: [1]
    bootstrap: {a: b}
metrics: prometheus
";
    let environment = Environment::default().with("CORE_PEER_GOSSIP_DIALTIMEOUT", "3x");
    let mut told = problems(parse(text, environment));
    told.sort_unstable();
    assert_eq!(
        told,
        [
            "/cfg/core.yaml:10: peer.gossip.maxConnectionAttempts: expected a smaller number, found '4294967296'",
            "/cfg/core.yaml:12: peer.gossip.state.batchSize: expected a whole number, not negative, found a list",
            "/cfg/core.yaml:13: peer.gossip.bootstrap.a: expected one value in the key above, found a section",
            "/cfg/core.yaml:14: metrics: expected a section with keys below it, found 'prometheus'",
            "/cfg/core.yaml:4: peer.maxRecvMsgSize: expected a number of bytes, such as 104857600 or 100MiB, found 'big'",
            "/cfg/core.yaml:6: peer.tls.enabled: expected true or false, found 'yes'",
            "/cfg/core.yaml:8: peer.gossip.pullInterval: expected a duration such as 5s, 1500ms or 1h30m, found '4 sec'",
            "/cfg/core.yaml:9: peer.gossip.pullPeerNum: expected a whole number, not negative, found '-3'",
            "environment variable CORE_PEER_GOSSIP_DIALTIMEOUT: peer.gossip.dialTimeout: expected a duration such as 5s, \
             1500ms or 1h30m, found '3x'",
            "peer.address: is not set; set it in core.yaml or with CORE_PEER_ADDRESS",
        ]
    );
}

#[test]
fn settings_that_cannot_go_together_are_refused() {
    for (more, told) in [
        (
            "peer.gossip: {orgLeader: true, useLeaderElection: true}",
            "/cfg/core.yaml:2: peer.gossip.orgLeader: cannot be true together with peer.gossip.useLeaderElection",
        ),
        (
            "peer.gossip.endpoint: '[::1]:7051'",
            "/cfg/core.yaml:2: peer.gossip.endpoint: expected host:port with one colon; an IPv6 address cannot be a gossip \
             endpoint, give a host name; it is '[::1]:7051'",
        ),
        (
            "peer.listenAddress: nowhere",
            "/cfg/core.yaml:2: peer.listenAddress: expected host:port, found 'nowhere'",
        ),
        (
            "peer.tls: {enabled: true, cert: {file: c}}",
            "peer.tls.key.file: is not set; set it in core.yaml or with CORE_PEER_TLS_KEY_FILE",
        ),
        (
            "operations.tls: {enabled: true, cert.file: c, key.file: k, clientAuthRequired: true}",
            "/cfg/core.yaml:2: operations.tls.clientAuthRequired: needs operations.tls.clientRootCAs.files",
        ),
        (
            "metrics.provider: graphite",
            "/cfg/core.yaml:2: metrics.provider: expected prometheus, statsd or disabled, found 'graphite'",
        ),
        (
            "selvedge.connectionMemoryMax: 1MiB",
            "/cfg/core.yaml:2: selvedge.connectionMemoryMax: must hold one message; peer.maxRecvMsgSize and maxSendMsgSize \
             allow 104857600 bytes",
        ),
    ] {
        assert_eq!(problems(parse_more(more)), [told]);
    }
}

#[test]
fn unknown_keys_and_doubtful_values_are_warnings() {
    let more = "peer.gossip:
  boostrap: a:1
  aliveTimeInterval: 5
  orgLeader: true
  pullInterval: 2s
  skipBlockVerification: true
flavour: {of: the, month: x}
peer.tls.clientCert.file: c
peer.deliveryclient.policy: solo
metrics.provider: statsd
";
    let environment = Environment::default().with("CORE_PEER_GOSIP_BOOTSTRAP", "a:1");
    let config = parse(&format!("{LEAST}{more}"), environment).unwrap();
    let mut told: Vec<String> = config.warnings.iter().map(ToString::to_string).collect();
    told.sort_unstable();
    assert_eq!(
        told,
        [
            "/cfg/core.yaml:10: peer.deliveryclient.policy: expected cluster or simple, found 'solo'; cluster is used, as in \
             Fabric",
            "/cfg/core.yaml:11: metrics.provider: is statsd, which this version does not push to: there are no metrics; use \
             prometheus",
            "/cfg/core.yaml:3: peer.gossip.boostrap: is not known and is ignored; did you mean peer.gossip.bootstrap?",
            "/cfg/core.yaml:4: peer.gossip.aliveTimeInterval: 5 without a unit means 5 nanoseconds; for seconds write 5s",
            "/cfg/core.yaml:6: peer.gossip.pullInterval: should be longer than digestWaitTime and responseWaitTime together, \
             or pulls overlap",
            "/cfg/core.yaml:8: flavour.month: is not known and is ignored",
            "/cfg/core.yaml:8: flavour.of: is not known and is ignored",
            "/cfg/core.yaml:9: peer.tls.clientCert.file: needs peer.tls.clientKey.file beside it; without it the server's pair \
             is used for both",
            "environment variable CORE_PEER_GOSIP_BOOTSTRAP: sets no key that is known; it is ignored",
        ]
    );
}

#[test]
fn a_peer_that_may_lag_for_good_is_warned() {
    let warnings = parse_more("").unwrap().warnings;
    assert_eq!(
        warnings.iter().map(ToString::to_string).collect::<Vec<_>>(),
        [
            "peer.gossip.state.enabled: is false on a peer that does not always pull from the orderers: it may lag behind for good"
        ]
    );
    assert_eq!(parse_more("peer.gossip.orgLeader: true").unwrap().warnings, []);
}

#[test]
fn an_unspecified_or_detected_host_is_the_machines_own() {
    let own = Environment::default().with_own_address(Ipv4Addr::new(192, 0, 2, 7));
    for (address, detect, endpoint) in [
        ("0.0.0.0:7051", "false", "192.0.2.7:7051"),
        ("'[::]:7051'", "false", "192.0.2.7:7051"),
        ("peer0:7051", "true", "192.0.2.7:7051"),
        ("peer0:7051", "false", "peer0:7051"),
    ] {
        let text = format!(
            "peer: {{address: {address}, addressAutoDetect: {detect}, localMspId: M, mspConfigPath: m}}"
        );
        let config = parse(&text, own.clone()).unwrap();
        assert_eq!(
            (&config.peer.address, &config.gossip.endpoint),
            (&endpoint.to_owned(), &endpoint.to_owned())
        );
    }
}

#[test]
fn listening_needs_no_host_and_operations_no_address() {
    let config = parse_more("peer.listenAddress: ':7051'\noperations.listenAddress: ''\n").unwrap();
    assert_eq!(
        (config.peer.listen_address.as_str(), config.operations.listen_address),
        ("0.0.0.0:7051", None)
    );
}

#[test]
fn address_overrides_come_from_file_or_variable() {
    let yaml = "[{from: a:7050, to: b:7050, caCertsFile: tls/b.pem}, {From: c:1, To: d:1}]";
    let from_file = parse_more(&format!("peer.deliveryclient.addressOverrides: {yaml}\n")).unwrap();
    let environment = Environment::default().with("CORE_PEER_DELIVERYCLIENT_ADDRESSOVERRIDES", yaml);
    let from_variable = parse(LEAST, environment).unwrap();
    assert_eq!(from_file.delivery, from_variable.delivery);
    let [first, second] = from_file.delivery.address_overrides.as_slice() else { panic!() };
    assert_eq!((first.from.as_str(), first.to.as_str()), ("a:7050", "b:7050"));
    assert_eq!(first.ca_certs_file.as_deref(), Some(Path::new("/cfg/tls/b.pem")));
    assert_eq!(second.ca_certs_file, None);
    for wrong in ["x", "{from: a}", "[a]", "[{from: a}]"] {
        assert_eq!(
            problems(parse_more(&format!("peer.deliveryclient.addressOverrides: {wrong}\n"))).len(),
            1,
            "{wrong}"
        );
    }
}

#[test]
fn values_are_explained_with_their_source() {
    let environment = Environment::default().with("CORE_PEER_GOSSIP_PULLINTERVAL", "7s");
    let config = parse(&format!("{LEAST}peer.gossip.dialTimeout: 1500ms\n"), environment).unwrap();
    let explained = |key: &str| {
        let found = config.explain().iter().find(|explained| explained.key == key).unwrap();
        format!("{} ({})", found.value, found.source)
    };
    assert_eq!(
        explained("peer.gossip.pullInterval"),
        "7s (environment variable CORE_PEER_GOSSIP_PULLINTERVAL)"
    );
    assert_eq!(explained("peer.gossip.dialTimeout"), "1.5s (/cfg/core.yaml:2)");
    assert_eq!(explained("peer.gossip.aliveExpirationTimeout"), "25s (default)");
    assert_eq!(explained("peer.mspConfigPath"), "/cfg/msp (/cfg/core.yaml:1)");
    let mut keys: Vec<&str> = config.explain().iter().map(|explained| explained.key.as_str()).collect();
    let count = keys.len();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), count, "a key is explained once");
}

#[test]
fn the_file_is_looked_for_where_fabric_does() {
    let folder = tempfile::tempdir().unwrap();
    let environment = Environment::default().with("FABRIC_CFG_PATH", folder.path().to_str().unwrap());
    let Err(ConfigError::NotFound { searched }) = NodeConfig::load_with(None, environment.clone()) else {
        panic!()
    };
    assert_eq!(searched, [folder.path().join("core.yaml"), folder.path().join("core.yml")]);
    std::fs::write(folder.path().join("core.yaml"), LEAST).unwrap();
    let config = NodeConfig::load_with(None, environment.clone()).unwrap();
    assert_eq!(config.peer.msp_config_path, folder.path().join("msp"));
    let missing = folder.path().join("other.yaml");
    let error = NodeConfig::load_with(Some(&missing), environment).unwrap_err();
    assert!(matches!(&error, ConfigError::Unreadable { path, .. } if *path == missing), "{error}");
}

#[test]
fn what_is_not_yaml_is_named_with_file_and_line() {
    let error = parse("peer:\n  id: [a\nx: 1\n", Environment::default()).unwrap_err();
    assert!(error.to_string().starts_with("/cfg/core.yaml:3: "), "{error}");
}

#[test]
fn files_that_cannot_be_opened_are_named_with_key_and_line() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("msp")).unwrap();
    std::fs::write(folder.path().join("c"), "").unwrap();
    let file = folder.path().join("core.yaml");
    let text =
        format!("{LEAST}peer.tls:\n  enabled: true\n  cert.file: c\n  key.file: k\n  rootcert.file: msp\n");
    let config = NodeConfig::parse(&file, &text, Environment::default()).unwrap();
    let Err(ConfigError::Invalid(problems)) = config.check_files() else { panic!() };
    let told: Vec<(&str, &Source)> =
        problems.iter().map(|problem| (problem.key.as_str(), &problem.source)).collect();
    let at = |line| Source::File { path: file.as_path().into(), line };
    assert_eq!(told, [("peer.tls.key.file", &at(5)), ("peer.tls.rootcert.file", &at(6))]);
}

/// Text that looks like YAML more often than by chance.
fn yaml_like() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        Just("peer"),
        Just("gossip"),
        Just("bootstrap"),
        Just("peer.gossip.pullInterval"),
        Just("state"),
        Just("5s"),
        Just("-"),
        Just("0x"),
        Just("1e999"),
        Just(".nan"),
        Just("null"),
        Just("'"),
        Just("é"),
    ];
    let joint = prop_oneof![
        Just(": "),
        Just(":\n  "),
        Just("\n"),
        Just("\n- "),
        Just(", "),
        Just("{"),
        Just("}"),
        Just("["),
        Just("]"),
        Just("&a "),
        Just("*a"),
        Just("!!x "),
        Just("<<: "),
        Just("|\n"),
        Just("\t"),
        Just("? "),
        Just("---\n")
    ];
    proptest::collection::vec((word, joint), 0..40)
        .prop_map(|parts| parts.into_iter().flat_map(|(word, joint)| [word, joint]).collect())
}

proptest! {
    #[test]
    fn no_text_panics(text in any::<String>()) {
        let _ = parse(&text, Environment::default());
    }

    #[test]
    fn nothing_like_yaml_panics(text in yaml_like()) {
        let _ = parse(&text, Environment::default());
    }

    #[test]
    fn no_variable_panics(name in "CORE_[A-Z_]{0,30}", value in any::<String>()) {
        let _ = parse(LEAST, Environment::default().with(&name, &value).with("CORE_PEER_ADDRESS", &value));
    }
}
