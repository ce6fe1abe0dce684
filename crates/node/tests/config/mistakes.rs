//! What is said about mistakes, and where they are.

use crate::{LEAST, parse, parse_more, problems};
use selvedge::config::{ConfigError, Environment, NodeConfig, Source};

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
