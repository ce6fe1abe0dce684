//! Probing a node that is well.

use crate::support::{Network, probe, step, steps, strings};
use serde_json::Value;

const DEEP: [(&str, &str); 6] = [
    ("resolve", "ok"),
    ("TCP", "ok"),
    ("TLS", "ok"),
    ("ping", "ok"),
    ("handshake", "ok"),
    ("identity", "ok"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_step_is_done_and_told() {
    let network = Network::start().await;
    let target = network.endpoint("peer0.org1");
    // the identity of a node that runs: a deep probe does no harm
    let config = network.path("nodes/peer1.org1.example.com/core.yaml");
    let report = probe(&target, &strings(&["--config", &config, "--json"])).await.succeeded().json();
    assert_eq!(report["ok"], true);
    assert_eq!(steps(&report), DEEP);
    let tls = step(&report, "TLS");
    assert_eq!(tls["version"], "TLS 1.3");
    assert!(tls["names"].as_array().unwrap().contains(&"127.0.0.1".into()), "{tls}");
    assert!(tls["expires_in_days"].as_i64().unwrap() > 3000, "{tls}");
    let node = &network.devnet.nodes()[0];
    let pki_id = node.node.status().await.unwrap().pki_id.to_string();
    assert_eq!(step(&report, "handshake")["pki_id"], pki_id);
    let identity = step(&report, "identity");
    for (key, expected) in [
        ("msp_id", Value::from("Org1MSP")),
        ("own_organization", true.into()),
        ("role", "peer".into()),
        ("vouched_for", true.into()),
    ] {
        assert_eq!(identity[key], expected, "{key}");
    }
    let text = probe(&target, &strings(&["--config", &config])).await.succeeded().out;
    for line in ["ok       TLS         TLS 1.3", "ok       handshake   each side accepts the other", "PKI-ID"]
    {
        assert!(text.contains(line), "{line}: {text}");
    }
    network.devnet.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_and_heights_are_told() {
    let mut network = Network::start().await;
    network.devnet.start_cutting();
    everyone_is_known(&network).await;
    let genesis = network.path("genesis.block");
    let more = ["--membership", "--channel", "devnet", "--json", "--config-block", &genesis];
    let flags = [network.user("org1"), strings(&more)].concat();
    let report = probe(&network.endpoint("peer0.org1"), &flags).await.succeeded().json();
    let expected = [&DEEP[..], &[("stream", "ok"), ("membership", "ok"), ("channel", "ok")]].concat();
    assert_eq!(steps(&report), expected, "{report}");
    let members = step(&report, "membership")["members"].as_array().unwrap();
    for name in ["peer0.org1.example.com", "peer1.org1.example.com"] {
        let member = members.iter().find(|member| member["name"] == name).unwrap();
        assert_eq!((&member["msp_id"], &member["alive"]), (&"Org1MSP".into(), &true.into()), "{member}");
        assert_eq!(member["signature_ok"], true, "{member}");
        assert_eq!(member["internal_endpoint"], network.endpoint(name.trim_end_matches(".example.com")));
    }
    let in_channel = step(&report, "channel")["members"].as_array().unwrap();
    assert_eq!(in_channel.len(), 4, "{in_channel:?}");
    for member in in_channel {
        assert!(member["height"].as_u64().unwrap() > 1, "{member}");
        assert_ne!(member["signature_ok"], false, "{member}");
    }

    // a peer of another organisation says nothing to whom has no endpoint
    let target = network.endpoint("peer0.org2");
    let report = probe(&target, &flags).await.failed().json();
    assert_eq!(step(&report, "membership")["status"], "failed");
    assert!(step(&report, "membership")["advice"].as_str().unwrap().contains("--own-endpoint"));
    assert_eq!(step(&report, "channel")["status"], "ok", "{report}");
    let flags = [flags, strings(&["--own-endpoint", "127.0.0.1:1"])].concat();
    let report = probe(&target, &flags).await.succeeded().json();
    assert_eq!(step(&report, "identity")["own_organization"], false);
    let members = step(&report, "membership")["members"].as_array().unwrap();
    assert!(members.iter().any(|member| member["msp_id"] == "Org2MSP"), "{members:?}");
    assert!(members.iter().all(|member| member["internal_endpoint"] == Value::Null), "{members:?}");

    let flags = [network.user("org1"), strings(&["--channel", "nowhere", "--timeout", "2s"])].concat();
    let run = probe(&network.endpoint("peer0.org1"), &flags).await.failed();
    assert!(run.out.contains("FAILED   channel     no answer"), "{run:?}");
    assert!(run.out.contains("has the peer joined nowhere"), "{run:?}");
    network.devnet.stop().await;
}

/// Until the first node knows the heights of the three others. Blocks are being cut, so that there is always news.
async fn everyone_is_known(network: &Network) {
    let node = &network.devnet.nodes()[0].node;
    let mut events = node.subscribe();
    loop {
        let status = node.status().await.unwrap();
        if status.channels[0].heights.iter().filter(|(_, height)| *height > 1).count() >= 3 {
            return;
        }
        // one that was missed is as good as one that came
        let _ = events.recv().await;
    }
}
