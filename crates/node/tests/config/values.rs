//! Which value holds: of the file, of a variable, or built in.

use crate::recorded::recorded_gossip;
use crate::{LEAST, SECOND, parse, parse_more, problems};
use selvedge::config::{
    ConfigError, Environment, MetricsProvider, NodeConfig, OperationsSettings, OperationsTlsSettings, Source,
};
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

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
