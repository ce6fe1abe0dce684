//! Handshakes that one side does not accept.

use crate::support::{Network, fixture_text, probe, step, steps, strings};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outsider_is_told_why_it_is_refused() {
    let network = Network::start().await;
    let outsider = "network/crypto-outsider/peerOrganizations/org3.example.com/peers/peer0.org3.example.com";
    let file = |name: &str| fixture_text(&format!("{outsider}/{name}"));
    let genesis = network.path("genesis.block");
    let flags = strings(&[
        "--msp",
        &file("msp"),
        "--msp-id",
        "Org3MSP",
        "--tls-cert",
        &file("tls/server.crt"),
        "--tls-key",
        &file("tls/server.key"),
        "--config-block",
        &genesis,
        "--json",
    ]);
    let report = probe(&network.endpoint("peer0.org1"), &flags).await.failed().json();
    assert_eq!(report["ok"], false);
    let handshake = step(&report, "handshake");
    assert_eq!(handshake["status"], "failed");
    assert!(handshake["summary"].as_str().unwrap().contains("the peer refuses ours"), "{handshake}");
    assert!(handshake["advice"].as_str().unwrap().contains("no MSP of the peer accepts our identity"));
    // the channel's configuration tells who they are all the same
    assert_eq!(step(&report, "identity")["vouched_for"], true);
    network.devnet.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_nobody_vouches_for_fails_the_probe() {
    let network = Network::start().await;
    let ca = network.path("crypto/peerOrganizations/org2.example.com/tlsca/tlsca.org2.example.com-cert.pem");
    let flags = [network.user("org1"), strings(&["--tls-ca", &ca, "--json"])].concat();
    let report = probe(&network.endpoint("peer0.org2"), &flags).await.failed().json();
    let (last, before) = steps(&report).split_last().map(|(last, before)| (*last, before.to_vec())).unwrap();
    assert_eq!(last, ("identity", "failed"));
    assert!(before.iter().all(|(_, status)| *status == "ok"), "{before:?}");
    let identity = step(&report, "identity");
    assert_eq!(identity["vouched_for"], serde_json::Value::Null);
    assert!(identity["advice"].as_str().unwrap().contains("--config-block"), "{identity}");
    network.devnet.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_who_does_not_say_who_it_is_gets_no_step() {
    let run = probe("127.0.0.1:1", &[]).await.failed();
    assert!(run.err.contains("--msp DIR --msp-id ID"), "{run:?}");
    let msp = crate::support::peer_msp("peer0", "org1");
    let run = probe("127.0.0.1:1", &strings(&["--msp", &msp, "--msp-id", "Org1MSP"])).await.failed();
    assert!(run.err.contains("--tls-cert"), "{run:?}");
    let run =
        probe("127.0.0.1:1", &strings(&["--msp", &msp, "--msp-id", "Org1MSP", "--no-tls"])).await.failed();
    assert!(run.out.contains("FAILED   TCP"), "{run:?}");
}
