//! Who gets through TLS, in both of Fabric's modes (spec/02 §2), and what both ends learn of it.

use super::foreign::{Client, client_config, tls_session};
use super::support::{Authority, LONG, Node, Pair, VALID, material, tls};
use rcgen::{PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519};
use rustls::client::Resumption;
use rustls::version::{TLS12, TLS13};
use rustls::{AlertDescription, HandshakeKind};
use selvedge::transport::{
    DialError, DialProgress, Settings, TlsFailure, TlsHandle, TlsMaterial, Transport, TransportEvent,
    certificate_hash,
};
use selvedge_core::{ConnectionId, Priority};
use std::slice::from_ref;
use std::sync::Arc;
use tokio_rustls::rustls;

#[tokio::test]
async fn both_ends_know_the_hashes_of_the_real_certificates() {
    let root = Authority::new("tlsca");
    let [dialer_server, dialer_client, listener_server, listener_client] =
        ["a", "a client", "b", "b client"].map(|name| root.issue(name, &["127.0.0.1"]));
    let with_client = |server: &Pair, client: &Pair| {
        let client = Some((vec![client.certificate.clone()], client.key()));
        TlsHandle::new(TlsMaterial { client, ..material(server, &root) }).unwrap()
    };
    let mut dialer =
        Node::start(Settings::default(), Some(with_client(&dialer_server, &dialer_client))).await;
    let mut listener =
        Node::start(Settings::default(), Some(with_client(&listener_server, &listener_client))).await;
    let (here, there) = dialer.authenticated(&mut listener).await;

    let (client, server) =
        (certificate_hash(&dialer_client.certificate), certificate_hash(&listener_server.certificate));
    let (here_binding, there_binding) = (here.binding().unwrap(), there.binding().unwrap());
    assert_eq!((here_binding.own, here_binding.remote), (client, Some(server)));
    assert_eq!((there_binding.own, there_binding.remote), (server, Some(client)));

    here.push("to the listener".into(), Priority::Control);
    there.push("to the dialler".into(), Priority::Control);
    assert_eq!(listener.frame().await, (there.id(), "to the listener".into()));
    assert_eq!(dialer.frame().await, (here.id(), "to the dialler".into()));
}

#[tokio::test]
async fn without_required_authentication_any_client_certificate_will_do() {
    let mut node = Node::start(Settings::default(), Some(tls(&Authority::new("tlsca"), "node"))).await;
    for version in [&TLS12, &TLS13] {
        for (algorithm, years) in [
            (&PKCS_ECDSA_P256_SHA256, VALID),
            (&PKCS_ECDSA_P384_SHA384, VALID),
            (&PKCS_ED25519, VALID),
            (&PKCS_ECDSA_P256_SHA256, (2000, 2001)),
        ] {
            let pair = Pair::self_signed(algorithm, years);
            let session =
                tls_session(node.address, &Arc::new(client_config(version, Some(&pair)))).await.unwrap();
            assert_eq!(session.get_ref().1.protocol_version(), Some(version.version));
            let mut client = Client::over(session).await;
            let _stream = client.stream().await;
            let binding = node.accepted().await.binding().unwrap();
            assert_eq!(binding.remote, Some(certificate_hash(&pair.certificate)));
        }
    }
}

#[tokio::test]
async fn without_required_authentication_a_client_may_do_without_certificate() {
    let mut node = Node::start(Settings::default(), Some(tls(&Authority::new("tlsca"), "node"))).await;
    for version in [&TLS12, &TLS13] {
        let session = tls_session(node.address, &Arc::new(client_config(version, None))).await.unwrap();
        let mut client = Client::over(session).await;
        assert_eq!(client.ping().await.unwrap().1["grpc-status"], "0");
        let _stream = client.stream().await;
        assert_eq!(node.accepted().await.binding().unwrap().remote, None);
    }
}

#[tokio::test]
async fn a_client_without_alpn_is_served() {
    let node = Node::start(Settings::default(), Some(tls(&Authority::new("tlsca"), "node"))).await;
    let mut config = client_config(&TLS13, None);
    config.alpn_protocols.clear();
    let session = tls_session(node.address, &Arc::new(config)).await.unwrap();
    assert_eq!(Client::over(session).await.ping().await.unwrap().1["grpc-status"], "0");
}

#[tokio::test]
async fn sessions_are_never_resumed() {
    let node = Node::start(Settings::default(), Some(tls(&Authority::new("tlsca"), "node"))).await;
    for version in [&TLS12, &TLS13] {
        let mut config = client_config(version, None);
        config.resumption = Resumption::in_memory_sessions(8);
        let config = Arc::new(config);
        for _ in 0..2 {
            let session = tls_session(node.address, &config).await.unwrap();
            assert!(matches!(
                session.get_ref().1.handshake_kind(),
                Some(HandshakeKind::Full | HandshakeKind::FullWithHelloRetryRequest)
            ));
            Client::over(session).await.ping().await.unwrap();
        }
    }
}

/// A node that requires client authentication, and the authority it trusts.
async fn demanding() -> (Node, Authority, TlsHandle) {
    let root = Authority::new("tlsca");
    let pair = root.issue("node", &["127.0.0.1"]);
    let handle =
        TlsHandle::new(TlsMaterial { client_auth_required: true, ..material(&pair, &root) }).unwrap();
    (Node::start(Settings::default(), Some(handle.clone())).await, root, handle)
}

#[tokio::test]
async fn with_required_authentication_a_certificate_of_the_pool_is_needed() {
    let (node, root, _) = demanding().await;
    let stranger = Pair::self_signed(&PKCS_ECDSA_P256_SHA256, VALID);
    let member = root.issue("member", &[]);
    let expired = root.issue_with("expired", &[], (2000, 2001), |_params| {});
    for version in [&TLS12, &TLS13] {
        for (pair, expected) in [
            (None, Err(AlertDescription::CertificateRequired)),
            (Some(&stranger), Err(AlertDescription::UnknownCA)),
            (Some(&expired), Err(AlertDescription::CertificateExpired)),
            (Some(&member), Ok(())),
        ] {
            let served = match tls_session(node.address, &Arc::new(client_config(version, pair))).await {
                Ok(mut session) => read_to_alert(&mut session).await,
                Err(error) => Err(alert(&error)),
            };
            assert_eq!(served, expected, "{version:?}");
        }
    }
}

/// What comes of a session: with TLS 1.3 a client learns of the refusal only by reading.
async fn read_to_alert(session: &mut (impl tokio::io::AsyncRead + Unpin)) -> Result<(), AlertDescription> {
    use tokio::io::AsyncReadExt;
    session.read_u8().await.map(|_settings| ()).map_err(|error| alert(&error))
}

fn alert(error: &std::io::Error) -> AlertDescription {
    match error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::AlertReceived(alert)) => *alert,
        _ => panic!("expected an alert, got {error}"),
    }
}

#[tokio::test]
async fn a_refused_client_certificate_is_named_by_the_dial() {
    let (node, root, handle) = demanding().await;
    let own = Authority::new("own tlsca");
    let pair = own.issue("stranger", &["127.0.0.1"]);
    let trusting = TlsMaterial { roots: vec![root.certificate.clone()], ..material(&pair, &own) };
    let mut stranger = Node::start(Settings::default(), Some(TlsHandle::new(trusting).unwrap())).await;
    stranger.transport.dial(ConnectionId::dialed(1), &node.endpoint(), LONG);
    let TransportEvent::DialFailed { error, .. } = stranger.event().await else {
        panic!("the dial succeeded")
    };
    let DialError::Tls { reason, presented } = error else { panic!("expected a TLS failure, got {error}") };
    assert_eq!(reason, TlsFailure::Alert(AlertDescription::UnknownCA));
    assert_eq!(presented.first().unwrap().names, ["127.0.0.1"]);

    let refused = handle.set_channel_roots(from_ref(&own.certificate));
    assert!(refused.is_empty());
    stranger.transport.dial(ConnectionId::dialed(2), &node.endpoint(), LONG);
    assert_eq!(stranger.dialed().await.id(), ConnectionId::dialed(2));
}

/// What a dial makes of a server that presents `pair`, if it trusts `root`.
async fn refusal_of(root: &Authority, pair: &Pair) -> (TlsFailure, Vec<String>) {
    let server = TlsHandle::new(material(pair, root)).unwrap();
    let server = Node::start(Settings::default(), Some(server)).await;
    let (transport, _events) = Transport::new(Settings::default(), Some(tls(root, "dialler")));
    let mut seen = Vec::new();
    let mut observer = |progress| {
        if let DialProgress::Presented(chain) = progress {
            seen = chain;
        }
    };
    let failed = transport.connect(&server.endpoint(), LONG, &mut observer).await;
    let Err(DialError::Tls { reason, presented }) = failed.map(|_connection| ()) else {
        panic!("the dial did not fail in TLS")
    };
    assert_eq!(presented, seen, "what was presented is told before it is judged");
    (reason, presented.first().unwrap().names.clone())
}

#[tokio::test]
async fn who_trusts_nobody_is_told_that_and_what_was_presented() {
    let root = Authority::new("tlsca");
    let server = Node::start(Settings::default(), Some(tls(&root, "server"))).await;
    let pair = root.issue("dialler", &["127.0.0.1"]);
    let trusting = TlsMaterial { roots: Vec::new(), ..material(&pair, &root) };
    let mut dialler = Node::start(Settings::default(), Some(TlsHandle::new(trusting).unwrap())).await;
    dialler.transport.dial(ConnectionId::dialed(1), &server.endpoint(), LONG);
    let TransportEvent::DialFailed { error, .. } = dialler.event().await else {
        panic!("the dial succeeded")
    };
    assert!(error.to_string().contains("no trusted TLS root certificate is configured"), "{error}");
    let DialError::Tls { reason, presented } = error else { panic!("expected a TLS failure, got {error}") };
    assert_eq!(reason, TlsFailure::NoRoots);
    assert_eq!(presented.len(), 1);
}

#[tokio::test]
async fn a_server_of_an_unknown_authority_is_refused() {
    let root = Authority::new("tlsca");
    let pair = Authority::new("other tlsca").issue("server", &["127.0.0.1"]);
    assert_eq!(refusal_of(&root, &pair).await.0, TlsFailure::UnknownIssuer);
}

#[tokio::test]
async fn a_server_under_another_name_is_refused_and_its_names_listed() {
    let root = Authority::new("tlsca");
    let pair = root.issue("127.0.0.1", &["peer0.org1.example.com", "10.1.2.3"]);
    let (reason, names) = refusal_of(&root, &pair).await;
    let TlsFailure::NameMismatch { expected, presented } = reason else { panic!("{reason:?}") };
    assert_eq!(expected, "127.0.0.1");
    assert_eq!(presented.len(), 2, "{presented:?}");
    assert_eq!(names, ["peer0.org1.example.com", "10.1.2.3"]);
}

#[tokio::test]
async fn a_server_outside_its_validity_is_refused() {
    let root = Authority::new("tlsca");
    let expired = root.issue_with("server", &["127.0.0.1"], (2000, 2001), |_params| {});
    assert_eq!(refusal_of(&root, &expired).await.0, TlsFailure::Expired { not_after_seconds: 978_307_200 });
    let early = root.issue_with("server", &["127.0.0.1"], (2100, 2101), |_params| {});
    assert_eq!(
        refusal_of(&root, &early).await.0,
        TlsFailure::NotYetValid { not_before_seconds: 4_102_444_800 }
    );
}

#[tokio::test]
async fn a_server_with_the_wrong_kind_of_certificate_is_refused() {
    let root = Authority::new("tlsca");
    let client_only = root.issue_with("server", &["127.0.0.1"], VALID, |params| {
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    });
    assert_eq!(refusal_of(&root, &client_only).await.0, TlsFailure::WrongPurpose);
    let authority = root.issue_with("server", &["127.0.0.1"], VALID, |params| {
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    });
    assert_eq!(refusal_of(&root, &authority).await.0, TlsFailure::CaCertificate);
}

#[tokio::test]
async fn a_dns_name_is_asked_for_and_checked() {
    let root = Authority::new("tlsca");
    let mut dialer = Node::start(Settings::default(), Some(tls(&root, "a"))).await;
    let mut listener = Node::start(Settings::default(), Some(tls(&root, "b"))).await;
    let endpoint = format!("localhost:{}", listener.address.port());
    dialer.transport.dial(ConnectionId::dialed(1), &endpoint, LONG);
    dialer.dialed().await;
    listener.accepted().await;
}

#[tokio::test]
async fn trust_follows_the_channels_for_new_dials_only() {
    let (own, foreign) = (Authority::new("own tlsca"), Authority::new("foreign tlsca"));
    let handle = tls(&own, "dialler");
    let mut dialer = Node::start(Settings::default(), Some(handle.clone())).await;
    let mut listener = Node::start(Settings::default(), Some(tls(&foreign, "listener"))).await;
    dialer.transport.dial(ConnectionId::dialed(90), &listener.endpoint(), LONG);
    assert!(matches!(
        dialer.event().await,
        TransportEvent::DialFailed { error: DialError::Tls { reason: TlsFailure::UnknownIssuer, .. }, .. }
    ));

    handle.set_channel_roots(from_ref(&foreign.certificate));
    let (here, there) = dialer.authenticated(&mut listener).await;
    handle.set_channel_roots(&[]);
    dialer.transport.dial(ConnectionId::dialed(91), &listener.endpoint(), LONG);
    assert!(matches!(dialer.event().await, TransportEvent::DialFailed { .. }));
    here.push("still connected".into(), Priority::Membership);
    assert_eq!(listener.frame().await, (there.id(), "still connected".into()));
}

#[tokio::test]
async fn other_trust_can_be_had_with_the_same_certificates() {
    let (own, foreign) = (Authority::new("own tlsca"), Authority::new("orderer tlsca"));
    let handle = tls(&own, "dialler");
    let (transport, _events) = Transport::new(Settings::default(), Some(handle.clone()));
    let orderer = Node::start(Settings::default(), Some(tls(&foreign, "orderer"))).await;
    let trusting = handle.with_roots(from_ref(&foreign.certificate)).unwrap();
    let connected =
        transport.connect_with(Some(&trusting), &orderer.endpoint(), LONG, &mut |_| {}).await.unwrap();
    assert_eq!(connected.report().binding.unwrap().own, handle.client_hash());
    let refused = transport.connect(&orderer.endpoint(), LONG, &mut |_| {}).await.map(|_| ()).unwrap_err();
    assert!(matches!(refused, DialError::Tls { reason: TlsFailure::UnknownIssuer, .. }), "{refused}");
}
