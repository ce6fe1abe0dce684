//! What is wrong with TLS is named, with the cure.

use crate::support::{Network, probe, step, strings};
use selvedge::config::NodeConfig;
use selvedge::node::load_tls;
use selvedge::transport::{Settings, Transport};
use std::path::Path;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_issuer_is_named() {
    let network = Network::start().await;
    let flags = [network.user("org1"), strings(&["--json"])].concat();
    let report = probe(&network.endpoint("peer0.org2"), &flags).await.failed().json();
    let tls = step(&report, "TLS");
    assert_eq!(tls["status"], "failed");
    assert!(tls["issuer"].as_str().unwrap().contains("CN=tlsca.org2.example.com"), "{tls}");
    let advice = tls["advice"].as_str().unwrap();
    assert!(advice.contains("CN=tlsca.org2.example.com") && advice.contains("--tls-ca"), "{advice}");

    // one who trusts nobody
    let flags: Vec<String> = network.user("org1").into_iter().rev().skip(2).rev().collect();
    let run = probe(&network.endpoint("peer0.org1"), &flags).await.failed();
    assert!(run.out.contains("FAILED   TLS         no TLS CA is trusted"), "{run:?}");
    network.devnet.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_the_certificate_lacks_is_told_with_those_it_has() {
    let network = Network::start().await;
    let config = network.path("nodes/peer0.org1.example.com/core.yaml");
    let config = NodeConfig::load(Some(Path::new(&config))).unwrap();
    let (transport, _events) = Transport::new(Settings::default(), load_tls(&config).unwrap());
    // loopback, and none of the certificate's addresses
    let address = transport.listen("127.0.0.2:0", Default::default()).await.unwrap();
    let flags = [network.user("org1"), strings(&["--json"])].concat();
    let report = probe(&address.to_string(), &flags).await.failed().json();
    let tls = step(&report, "TLS");
    assert!(tls["summary"].as_str().unwrap().contains("not for 127.0.0.2"), "{tls}");
    assert!(tls["advice"].as_str().unwrap().contains("peer0.org1.example.com"), "{tls}");
    assert_eq!(tls["names"][0], "peer0.org1.example.com");
    transport.stop(std::time::Duration::ZERO).await;
    network.devnet.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_on_one_side_only_is_recognised() {
    let network = Network::start().await;
    let (plain, _events) = Transport::new(Settings::default(), None);
    let address = plain.listen("127.0.0.1:0", Default::default()).await.unwrap();
    let run = probe(&address.to_string(), &network.user("org1")).await.failed();
    assert!(run.out.contains("FAILED   TLS"), "{run:?}");
    assert!(run.out.contains("--no-tls"), "{run:?}");

    let msp = network.path("crypto/peerOrganizations/org1.example.com/users/User1@org1.example.com/msp");
    let flags = strings(&["--msp", &msp, "--msp-id", "Org1MSP", "--no-tls"]);
    let run = probe(&network.endpoint("peer0.org1"), &flags).await.failed();
    assert!(run.out.contains("leave out --no-tls"), "{run:?}");
    plain.stop(std::time::Duration::ZERO).await;
    network.devnet.stop().await;
}
