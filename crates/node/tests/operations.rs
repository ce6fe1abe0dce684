//! The operations server over real connections on loopback.

use axum::body::Bytes;
use hyper::{Method, StatusCode};
use selvedge::config::{OperationsSettings, OperationsTlsSettings};
use selvedge::logging::{Logging, LoggingOptions};
use selvedge::metrics::Metrics;
use selvedge::operations::{
    Admin, AdminClient, AdminClientError, AdminError, AdminFuture, ChannelInfo, ChannelSummary, Checks,
    Operations, OperationsError, OperationsParts, VersionInfo,
};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

/// A node's administration as far as it shows here.
#[derive(Default)]
struct Node {
    channels: Mutex<Vec<ChannelSummary>>,
    /// `list` tells that it was asked, and waits to be let go on.
    held: Option<(Notify, Notify)>,
}

impl Node {
    fn channels(&self) -> Vec<ChannelSummary> {
        self.channels.lock().map(|channels| channels.clone()).unwrap_or_default()
    }
}

impl Admin for Node {
    fn list(&self) -> AdminFuture<'_, Vec<ChannelSummary>> {
        Box::pin(async {
            if let Some((asked, go_on)) = &self.held {
                asked.notify_one();
                go_on.notified().await;
            }
            Ok(self.channels())
        })
    }

    fn info<'a>(&'a self, channel: &'a str) -> AdminFuture<'a, ChannelInfo> {
        Box::pin(async move {
            let known = self.channels().into_iter().find(|known| known.channel == channel);
            let known = known.ok_or_else(|| AdminError::NotFound(channel.to_owned()))?;
            Ok(info(&known))
        })
    }

    fn join(&self, block: Bytes) -> AdminFuture<'_, ChannelSummary> {
        Box::pin(async move {
            let name =
                String::from_utf8(block.to_vec()).map_err(|_| AdminError::Invalid("not a block".into()))?;
            if self.channels().iter().any(|known| known.channel == name) {
                return Err(AdminError::Exists(name));
            }
            let joined = ChannelSummary { channel: name, height: 1 };
            if let Ok(mut channels) = self.channels.lock() {
                channels.push(joined.clone());
            }
            Ok(joined)
        })
    }
}

fn info(channel: &ChannelSummary) -> ChannelInfo {
    ChannelInfo {
        channel: channel.channel.clone(),
        height: channel.height,
        current_block_hash: vec![0xff, 0xfe],
        previous_block_hash: Vec::new(),
        config_block_number: 0,
        config_sequence: 0,
        highest_height_known: 7,
        member_count: 4,
        pulls_from_orderers: true,
    }
}

struct Server {
    address: SocketAddr,
    logging: Logging,
    health: Checks,
    ready: Checks,
    stop: oneshot::Sender<()>,
    running: JoinHandle<()>,
}

fn settings(tls: OperationsTlsSettings) -> OperationsSettings {
    OperationsSettings { listen_address: Some("127.0.0.1:0".into()), tls }
}

/// Nothing but what must be there.
fn bare_parts() -> OperationsParts {
    let (spec, format) = (String::new(), String::new());
    let options = LoggingOptions { spec, format, colors: false, output: Box::new(std::io::sink()) };
    OperationsParts {
        metrics: None,
        logging: Logging::new(options).unwrap_or_else(|error| panic!("{error}")),
        health: Checks::new(),
        ready: Checks::new(),
        admin: None,
        version: VersionInfo {
            commit_sha: "abc".into(),
            version: "v1.2.3".into(),
            program: "selvedge".into(),
        },
    }
}

async fn start(tls: OperationsTlsSettings, node: Arc<dyn Admin>) -> Server {
    let parts = OperationsParts { metrics: Some(Metrics::new("v1.2.3")), admin: Some(node), ..bare_parts() };
    let (logging, health, ready) = (parts.logging.clone(), parts.health.clone(), parts.ready.clone());
    let bound = Operations::bind(&settings(tls), parts).await;
    let Ok(Some(operations)) = bound else { panic!("{bound:?}") };
    let address = operations.local_address();
    let (stop, stopped) = oneshot::channel();
    let running = tokio::spawn(operations.run(async {
        let _ = stopped.await;
    }));
    Server { address, logging, health, ready, stop, running }
}

async fn start_plain() -> Server {
    start(OperationsTlsSettings::default(), Arc::new(Node::default())).await
}

impl Server {
    fn client(&self) -> AdminClient {
        AdminClient::new(&self.address.to_string())
    }

    async fn ask(&self, method: &str, path: &str, body: &'static str) -> (u16, String) {
        let method = Method::from_bytes(method.as_bytes()).unwrap_or_default();
        ask(&self.client(), method, path, body).await
    }

    async fn stop(self) {
        let _ = self.stop.send(());
        self.running.await.unwrap_or_else(|error| panic!("{error}"));
    }
}

async fn ask(client: &AdminClient, method: Method, path: &str, body: &'static str) -> (u16, String) {
    match client.request(method, path, Bytes::from_static(body.as_bytes())).await {
        Ok((status, body)) => (status.as_u16(), String::from_utf8_lossy(&body).into_owned()),
        Err(error) => panic!("{error}"),
    }
}

/// Sends the text and gives everything that comes until the end.
async fn raw(address: SocketAddr, text: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap_or_else(|error| panic!("{error}"));
    let sent = stream.write_all(text.as_bytes()).await;
    let mut answer = String::new();
    let read = stream.read_to_string(&mut answer).await;
    assert!(sent.is_ok() && read.is_ok(), "{sent:?} {read:?}");
    answer
}

#[tokio::test]
async fn health_and_readiness_are_told_with_reasons() {
    let server = start_plain().await;
    let (status, body) = server.ask("GET", "/healthz", "").await;
    assert_eq!(status, 200);
    let answer: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(answer["status"], "OK");
    assert!(
        answer["time"].as_str().unwrap().ends_with('Z') && answer.get("failed_checks").is_none(),
        "{body}"
    );

    server.health.register("ledger", || Err("disk full".into()));
    server.health.register("gossip", || Ok(()));
    server.ready.register("channel mychannel", || Err("no members known".into()));
    let (status, body) = server.ask("GET", "/healthz", "").await;
    let answer: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &answer["status"]), (503, &"Service Unavailable".into()));
    assert_eq!(answer["failed_checks"], serde_json::json!([{"component": "ledger", "reason": "disk full"}]));
    assert_eq!(server.ask("GET", "/readyz", "").await.0, 503);

    server.health.remove("ledger");
    server.ready.register("channel mychannel", || Ok(()));
    assert_eq!(
        (server.ask("GET", "/healthz", "").await.0, server.ask("GET", "/readyz", "").await.0),
        (200, 200)
    );
    assert_eq!(server.ask("POST", "/healthz", "").await, (405, String::new()));
    server.stop().await;
}

#[tokio::test]
async fn the_version_is_spelled_as_in_fabric() {
    let server = start_plain().await;
    let expected = r#"{"CommitSHA":"abc","Version":"v1.2.3","Program":"selvedge"}"#;
    assert_eq!(server.ask("GET", "/version", "").await, (200, expected.to_owned()));
    let expected = r#"{"Error":"invalid request method: PUT"}"#;
    assert_eq!(server.ask("PUT", "/version", "").await, (400, expected.to_owned()));
    server.stop().await;
}

#[tokio::test]
async fn metrics_are_text_of_prometheus() {
    let server = start_plain().await;
    let answer = raw(server.address, "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("content-type: text/plain; version=0.0.4"), "{answer}");
    assert!(answer.contains("\nfabric_version{version=\"v1.2.3\"} 1\n"), "{answer}");
    server.stop().await;
}

#[tokio::test]
async fn without_the_prometheus_provider_there_are_no_metrics() {
    let operations =
        Operations::bind(&settings(OperationsTlsSettings::default()), bare_parts()).await.unwrap().unwrap();
    let client = AdminClient::new(&operations.local_address().to_string());
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(operations.run(async {
        let _ = stopped.await;
    }));
    for path in ["/metrics", "/selvedge/v1/channels", "/", "/nothing"] {
        assert_eq!(ask(&client, Method::GET, path, "").await.0, 404, "{path}");
    }
    stop.send(()).unwrap();
    running.await.unwrap();
}

#[tokio::test]
async fn the_logging_specification_is_read_and_changed() {
    let server = start_plain().await;
    assert_eq!(server.ask("GET", "/logspec", "").await, (200, r#"{"spec":"info"}"#.to_owned()));
    let changed = server.ask("PUT", "/logspec", r#"{"spec":"gossip,msp=debug:warn"}"#).await;
    assert_eq!(changed, (204, String::new()));
    let expected = r#"{"spec":"gossip=debug:msp=debug:warn"}"#;
    assert_eq!(server.ask("GET", "/logspec", "").await, (200, expected.to_owned()));
    assert_eq!(server.logging.spec(), "gossip=debug:msp=debug:warn");

    let (status, body) = server.ask("POST", "/logspec", r#"{"spec":"loud"}"#).await;
    let expected = r#"{"error":"invalid logging specification 'loud': bad segment 'loud'"}"#;
    assert_eq!((status, body.as_str()), (400, expected));
    let (status, body) = server.ask("PUT", "/logspec", "spec=info").await;
    assert!(status == 400 && body.starts_with(r#"{"error":"#), "{body}");
    let expected = r#"{"error":"invalid request method: DELETE"}"#;
    assert_eq!(server.ask("DELETE", "/logspec", "").await, (400, expected.to_owned()));
    assert_eq!(server.logging.spec(), "gossip=debug:msp=debug:warn");
    assert_eq!(server.ask("POST", "/logspec", "{}").await.0, 204);
    assert_eq!(server.logging.spec(), "info");
    server.stop().await;
}

#[tokio::test]
async fn channels_are_joined_listed_and_told_of() {
    let server = start_plain().await;
    let client = server.client();
    assert_eq!(client.list().await.unwrap(), []);
    let joined = client.join(Bytes::from_static(b"my.channel-1")).await.unwrap();
    assert_eq!(joined, ChannelSummary { channel: "my.channel-1".into(), height: 1 });
    assert_eq!(client.list().await.unwrap(), std::slice::from_ref(&joined));
    assert_eq!(client.info("my.channel-1").await.unwrap(), info(&joined));

    let (status, body) = server.ask("GET", "/selvedge/v1/channels/my.channel-1", "").await;
    let expected = serde_json::json!({
        "channel": "my.channel-1", "height": 1, "currentBlockHash": "//4=", "previousBlockHash": "", "configBlockNumber": 0,
        "configSequence": 0,
        "highestHeightKnown": 7, "memberCount": 4, "pullsFromOrderers": true,
    });
    assert_eq!((status, serde_json::from_str::<serde_json::Value>(&body).unwrap()), (200, expected));

    let refused = |result: Result<(), AdminClientError>| match result {
        Err(AdminClientError::Refused { status, message }) => (status, message),
        other => panic!("{other:?}"),
    };
    let again = client.join(Bytes::from_static(b"my.channel-1")).await.map(drop);
    assert_eq!(refused(again), (409, "channel 'my.channel-1' is joined already".into()));
    let none = client.info("other").await.map(drop);
    assert_eq!(refused(none), (404, "channel 'other' is not joined".into()));
    let wrong = client.join(Bytes::from_static(b"\xff")).await.map(drop);
    assert_eq!(refused(wrong), (400, "not a block".into()));
    assert!(matches!(client.info("../x").await, Err(AdminClientError::ChannelName(_))));
    server.stop().await;
}

#[tokio::test]
async fn web_pages_cannot_administer() {
    let server = start_plain().await;
    let end = "Host: x\r\nConnection: close\r\n";
    let path = "/selvedge/v1/channels HTTP/1.1\r\n";
    let from_page = raw(server.address, &format!("GET {path}Origin: https://x\r\n{end}\r\n")).await;
    assert!(from_page.starts_with("HTTP/1.1 403 "), "{from_page}");
    let form = format!("POST {path}Content-Type: text/plain\r\nContent-Length: 1\r\n{end}\r\na");
    let from_form = raw(server.address, &form).await;
    assert!(from_form.starts_with("HTTP/1.1 415 "), "{from_form}");
    server.stop().await;
}

#[tokio::test]
async fn too_large_bodies_are_refused() {
    let server = start_plain().await;
    let head = "PUT /logspec HTTP/1.1\r\nHost: x\r\nConnection: close\r\n";
    // told by the length already
    let answer = raw(server.address, &format!("{head}Content-Length: 65537\r\n\r\n")).await;
    assert!(
        answer.starts_with("HTTP/1.1 413 ") && answer.ends_with(r#"{"error":"more than 65536 bytes"}"#),
        "{answer}"
    );
    server.stop().await;
}

#[tokio::test]
async fn an_open_request_is_answered_when_the_server_stops() {
    let node = Arc::new(Node { held: Some((Notify::new(), Notify::new())), ..Node::default() });
    let server = start(OperationsTlsSettings::default(), Arc::clone(&node) as Arc<dyn Admin>).await;
    let Some((asked, go_on)) = &node.held else { panic!() };
    let client = server.client();
    // one connection that asks nothing more, and one whose answer is awaited
    let idle = TcpStream::connect(server.address).await.unwrap();
    let open = tokio::spawn(async move { client.list().await });
    asked.notified().await;
    let Server { stop, running, address, .. } = server;
    stop.send(()).unwrap();
    go_on.notify_one();
    assert_eq!(open.await.unwrap().unwrap(), []);
    running.await.unwrap();
    drop(idle);
    let refused = AdminClient::new(&address.to_string()).list().await;
    assert!(matches!(refused, Err(AdminClientError::Unreachable { .. })), "{refused:?}");
}

#[tokio::test]
async fn an_address_in_use_is_named_and_no_address_is_no_server() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut settings = settings(OperationsTlsSettings::default());
    settings.listen_address = Some(address.clone());
    let error = Operations::bind(&settings, bare_parts()).await.unwrap_err();
    assert!(matches!(&error, OperationsError::Listen { address: named, .. } if *named == address), "{error}");
    settings.listen_address = None;
    assert!(Operations::bind(&settings, bare_parts()).await.unwrap().is_none());
}

/// Certificates for the tests with TLS, as files.
struct Pki {
    folder: tempfile::TempDir,
}

impl Pki {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
        let pki = Self { folder };
        pki.make("ca", &["server", "client"]);
        pki.make("otherca", &["stranger"]);
        pki
    }

    fn make(&self, ca: &str, names: &[&str]) {
        let made = || -> Result<(), rcgen::Error> {
            let key = rcgen::KeyPair::generate()?;
            let mut params = rcgen::CertificateParams::new(Vec::<String>::new())?;
            params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
            self.write(&format!("{ca}.crt"), &params.self_signed(&key)?.pem());
            let issuer = rcgen::Issuer::new(params, key);
            for name in names {
                let key = rcgen::KeyPair::generate()?;
                let params =
                    rcgen::CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()])?;
                self.write(&format!("{name}.crt"), &params.signed_by(&key, &issuer)?.pem());
                self.write(&format!("{name}.key"), &key.serialize_pem());
            }
            Ok(())
        };
        made().unwrap_or_else(|error| panic!("{error}"));
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap_or_else(|error| panic!("{error}"));
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn settings(&self, client_auth_required: bool) -> OperationsTlsSettings {
        OperationsTlsSettings {
            enabled: true,
            cert_file: Some(self.path("server.crt")),
            key_file: Some(self.path("server.key")),
            client_auth_required,
            client_root_ca_files: vec![self.path("ca.crt")],
        }
    }

    fn client(&self, server: &Server, name: Option<&str>) -> AdminClient {
        let files = name.map(|name| (self.path(&format!("{name}.crt")), self.path(&format!("{name}.key"))));
        let pair: Option<(&Path, &Path)> = files.as_ref().map(|(cert, key)| (cert.as_path(), key.as_path()));
        let client = server.client().with_tls(&[self.path("ca.crt")], pair);
        client.unwrap_or_else(|error| panic!("{error}"))
    }
}

#[tokio::test]
async fn with_tls_a_certificate_opens_metrics_logs_and_administration() {
    let pki = Pki::new();
    let server = start(pki.settings(false), Arc::new(Node::default())).await;
    let (nobody, client) = (pki.client(&server, None), pki.client(&server, Some("client")));
    for path in ["/metrics", "/logspec", "/selvedge/v1/channels"] {
        let (status, body) = ask(&nobody, Method::GET, path, "").await;
        assert_eq!((status, body.as_str()), (401, r#"{"error":"a client certificate is needed"}"#), "{path}");
        assert_eq!(ask(&client, Method::GET, path, "").await.0, 200, "{path}");
    }
    for path in ["/healthz", "/readyz", "/version"] {
        assert_eq!(ask(&nobody, Method::GET, path, "").await.0, 200, "{path}");
    }
    assert_eq!(client.list().await.unwrap(), []);
    let stranger = pki.client(&server, Some("stranger")).request(Method::GET, "/healthz", Bytes::new()).await;
    assert!(stranger.is_err(), "a certificate that nobody vouches for is refused: {stranger:?}");
    let plain = server.client().request(Method::GET, "/healthz", Bytes::new()).await;
    assert!(plain.is_err(), "{plain:?}");
    server.stop().await;
}

#[tokio::test]
async fn with_client_authentication_nobody_connects_without_a_certificate() {
    let pki = Pki::new();
    let server = start(pki.settings(true), Arc::new(Node::default())).await;
    let nobody = pki.client(&server, None).request(Method::GET, "/healthz", Bytes::new()).await;
    assert!(nobody.is_err(), "{nobody:?}");
    let client = pki.client(&server, Some("client")).request(Method::GET, "/healthz", Bytes::new()).await;
    assert_eq!(client.unwrap().0, StatusCode::OK);
    server.stop().await;
}

#[tokio::test]
async fn files_of_tls_that_cannot_be_used_are_named() {
    let pki = Pki::new();
    pki.write("broken.key", "-----BEGIN PRIVATE KEY-----\nsecret\n-----END PRIVATE KEY-----\n");
    pki.write("empty.crt", "");
    for (file, change) in [
        (
            "missing.crt",
            (|tls: &mut OperationsTlsSettings, file| tls.cert_file = Some(file)) as fn(&mut _, PathBuf),
        ),
        ("empty.crt", |tls, file| tls.cert_file = Some(file)),
        ("broken.key", |tls, file| tls.key_file = Some(file)),
        ("server.crt", |tls, file| tls.key_file = Some(file)),
        ("missing.crt", |tls, file| tls.client_root_ca_files = vec![file]),
    ] {
        let mut tls = pki.settings(false);
        change(&mut tls, pki.path(file));
        let error = Operations::bind(&settings(tls), bare_parts()).await.unwrap_err().to_string();
        assert!(error.contains(file) && !error.contains("secret"), "{error}");
    }
}
