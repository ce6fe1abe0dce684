//! Files as Fabric has them: those of the recorded network, and the keys of its sample files.

use crate::{SECOND, parse};
use selvedge::config::{
    DeliveryPolicy, DeliverySettings, ElectionSettings, Environment, GossipSettings, KeepaliveSettings,
    MetricsProvider, NodeConfig, OperationsTlsSettings, PrivateDataSettings, StateSettings, TlsSettings,
};
use std::path::{Path, PathBuf};
use std::time::Duration;

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

pub(crate) fn recorded_gossip() -> GossipSettings {
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
    let keys = include_str!("../fixtures/core-keys.txt").lines().filter(|line| !line.starts_with('#'));
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
