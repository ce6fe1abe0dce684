//! Our metrics against those of real peers: same names, types, texts, labels and buckets.

use selvedge::logging::{Logging, LoggingOptions};
use selvedge::metrics::Metrics;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What must be the same of a family.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Family {
    help: String,
    kind: String,
    labels: BTreeSet<String>,
    buckets: BTreeSet<String>,
}

/// Reads the text form of Prometheus as far as our files use it.
fn families(text: &str) -> BTreeMap<String, Family> {
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    for line in text.lines() {
        if let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')) {
            families.entry(name.into()).or_default().help = help.into();
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' '))
        {
            families.entry(name.into()).or_default().kind = kind.into();
        } else {
            let end = line.find(['{', ' ']).unwrap_or(line.len());
            let (sample, rest) = line.split_at(end);
            let base = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| sample.strip_suffix(suffix));
            let name = base.filter(|base| families.contains_key(*base)).unwrap_or(sample);
            let family = families.get_mut(name).unwrap_or_else(|| panic!("no family for {line}"));
            let labels = rest
                .strip_prefix('{')
                .and_then(|rest| rest.rsplit_once('}'))
                .map_or("", |(inside, _)| inside);
            for label in labels.split("\",").filter(|label| !label.is_empty()) {
                let (label, value) = label.split_once("=\"").unwrap_or_else(|| panic!("bad label in {line}"));
                match label {
                    "le" => family.buckets.insert(value.trim_end_matches('"').into()),
                    label => family.labels.insert(label.into()),
                };
            }
        }
    }
    families
}

/// Metrics of which every family has a value.
fn touched() -> Metrics {
    let metrics = Metrics::new("v1");
    let (gossip, grpc, ledger, ours) = (&metrics.gossip, &metrics.grpc, &metrics.ledger, &metrics.selvedge);
    gossip.messages_received.add(2);
    gossip.messages_sent.add(3);
    gossip.overflow_count.add(1);
    for gauges in
        [&gossip.leader, &gossip.total_peers_known, &gossip.payload_buffer_size, &gossip.state_height]
    {
        gauges.channel("mychannel").set(4);
    }
    gossip.commit_duration.channel("mychannel").observe(Duration::from_millis(7));
    grpc.connections_opened.add(2);
    grpc.connections_closed.add(1);
    ledger.blockchain_height.channel("mychannel").set(91);
    ledger.blockstorage_commit_time.channel("mychannel").observe(Duration::from_millis(1));
    metrics.logging.entries_checked.with(["info"]).add(1);
    metrics.logging.entries_written.with(["info"]).add(1);
    ours.messages_rejected.with(["AliveMessage", "stale"]).add(1);
    ours.signatures_made.add(1);
    ours.blocks_received.with(["mychannel", "orderer"]).add(1);
    ours.orderer_stream_ends.with(["mychannel", "withheld"]).add(1);
    ours.highest_height_known.channel("mychannel").set(92);
    ours.connections.with(["inbound"]).increment();
    ours.queue_length.with(["verify"]).set(1);
    ours.certificate_expiry.with(["identity"]).set(2_110_744_500);
    metrics
}

#[test]
fn what_a_real_peer_has_too_is_the_same() {
    let mut theirs = families(include_str!("fixtures/metrics/peer0.org1.prom"));
    theirs.extend(families(include_str!("fixtures/metrics/peer2.org1.prom")));
    let ours = families(&touched().render());
    let mut same = 0;
    let mut own = Vec::new();
    for (name, family) in &ours {
        match theirs.get(name) {
            Some(expected) => {
                assert_eq!(family, expected, "{name}");
                same += 1;
            }
            None if name.starts_with("selvedge_") => {}
            None => own.push(name.as_str()),
        }
    }
    // counted by Fabric only when it happens, which it did not while the recordings were made
    assert_eq!(own, ["gossip_comm_overflow_count"]);
    // a Go peer tells these too: calls by service and method, and what only a node that validates can measure
    let not_measured = |name: &str| {
        name.starts_with("grpc_server_")
            || name.starts_with("process_network_")
            || name == "ledger_block_processing_time"
    };
    let missing: Vec<&String> =
        theirs.keys().filter(|name| !ours.contains_key(*name) && !not_measured(name)).collect();
    assert_eq!(missing, [""; 0]);
    assert!(same >= 20, "{same}");
}

#[test]
fn values_are_shown() {
    let text = touched().render();
    for line in [
        "gossip_comm_messages_received 2",
        "gossip_membership_total_peers_known{channel=\"mychannel\"} 4",
        "gossip_state_commit_duration_bucket{channel=\"mychannel\",le=\"0.005\"} 0",
        "gossip_state_commit_duration_bucket{channel=\"mychannel\",le=\"0.01\"} 1",
        "gossip_state_commit_duration_count{channel=\"mychannel\"} 1",
        "ledger_blockchain_height{channel=\"mychannel\"} 91",
        "fabric_version{version=\"v1\"} 1",
        "selvedge_messages_rejected_total{kind=\"AliveMessage\",reason=\"stale\"} 1",
        "selvedge_certificate_expiry_seconds{certificate=\"identity\"} 2110744500",
    ] {
        assert!(text.lines().any(|shown| shown == line), "{line} in\n{text}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn the_process_is_measured() {
    let text = Metrics::new("v1").render();
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().parse::<f64>().unwrap()
    };
    assert!(value("process_resident_memory_bytes") > 100_000.0);
    assert!(value("process_open_fds") >= 3.0 && value("process_max_fds") > value("process_open_fds"));
    // after 2024, and not in the future
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    assert!(value("process_start_time_seconds") > 1.7e9 && value("process_start_time_seconds") < now + 1.0);
}

#[test]
fn totals_kept_elsewhere_never_go_back() {
    let metrics = Metrics::new("v1");
    let counter = &metrics.gossip.messages_received;
    counter.advance_to(10);
    counter.advance_to(7);
    assert_eq!(counter.total(), 10);
    counter.advance_to(12);
    assert_eq!(counter.total(), 12);
}

#[test]
fn updates_run_before_metrics_are_shown() {
    let metrics = Metrics::new("v1");
    metrics.on_render(|families| families.gossip.messages_sent.add(1));
    assert!(metrics.render().contains("\ngossip_comm_messages_sent 1\n"));
    assert!(metrics.clone().render().contains("\ngossip_comm_messages_sent 2\n"));
}

#[test]
fn log_lines_are_counted() {
    let options = LoggingOptions {
        spec: "info:msp=error".into(),
        format: String::new(),
        colors: false,
        output: Box::new(std::io::sink()),
    };
    let logging = Logging::new(options).unwrap();
    let metrics = Metrics::new("v1");
    metrics.observe_logging(logging.clone());
    tracing::subscriber::with_default(logging.subscriber(), || {
        tracing::info!(target: "msp", "not told");
        tracing::info!(target: "gossip", "told");
    });
    let text = metrics.render();
    assert!(text.contains("logging_entries_checked{level=\"info\"} 2\n"), "{text}");
    assert!(text.contains("logging_entries_written{level=\"info\"} 1\n"), "{text}");
}

#[test]
fn a_channel_that_was_left_is_no_longer_shown() {
    let metrics = touched();
    metrics.forget_channel("mychannel");
    let text = metrics.render();
    assert!(
        !text.contains("gossip_state_height{") && !text.contains("selvedge_highest_height_known{"),
        "{text}"
    );
}
