//! `cargo bench -p selvedge --bench handshake`: how long until a peer is authenticated, over mutual TLS on loopback.
//!
//! A node starts again and again and contacts a running one, as its bootstrap peer: TCP, TLS, Ping, stream and handshake to learn
//! who is there (a probe), then all of it once more for the connection that stays. What is printed is the time for both.

use selvedge::devnet::material::{Network, NetworkPlan, Organization};
use selvedge::node::{Node, NodeEvent, NodeSettings};
use selvedge::transport::{TlsHandle, TlsMaterial};
use selvedge_core::{Endpoint, Event};
use selvedge_msp::LocalMsp;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const ROUNDS: usize = 40;

fn main() -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut times = runtime.block_on(measure())?;
    times.sort();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    println!(
        "start to authenticated, two handshakes, {} rounds: median {:.2?}, p90 {:.2?}, max {:.2?}",
        times.len(),
        at(0.5),
        at(0.9),
        at(1.0)
    );
    println!("a handshake is half of that: median {:.2?}", at(0.5) / 2);
    Ok(())
}

async fn measure() -> Result<Vec<Duration>, Box<dyn Error>> {
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())?;
    let mut ports = (0..8).map(|_| free_port()).collect::<Result<Vec<_>, _>>()?.into_iter();
    let plan = NetworkPlan::loopback("bench", 1, 2, now - 3600, || ports.next().unwrap_or(0));
    let network = Network::generate(&plan)?;
    let organization = network.organizations.first().ok_or("no organisation")?;
    let folder = std::env::temp_dir().join(format!("selvedge-handshake-{}", std::process::id()));
    let server = Node::start(settings(organization, 0, now, &folder)?).await?;
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let mut caller = settings(organization, 1, now, &folder)?;
        caller.gossip.bootstrap = vec![Endpoint::from(organization.nodes[0].endpoint())];
        let started = Instant::now();
        let node = Node::start(caller).await?;
        let mut events = node.subscribe();
        let mut connected = node.status().await?.connection_count > 0;
        while !connected {
            connected = matches!(events.recv().await?, NodeEvent::Gossip(Event::Connected { .. }));
        }
        times.push(started.elapsed());
        node.stop().await;
    }
    server.stop().await;
    let _ = std::fs::remove_dir_all(folder);
    Ok(times)
}

fn settings(
    organization: &Organization,
    index: usize,
    now: i64,
    folder: &Path,
) -> Result<NodeSettings, Box<dyn Error>> {
    let place = &organization.nodes[index];
    let local = LocalMsp::from_config(&organization.local_msp_config(&place.member), now)?;
    let tls = TlsHandle::new(TlsMaterial {
        server_chain: vec![place.member.tls.certificate_der().clone()],
        server_key: place.member.tls.key_der(),
        client: None,
        roots: vec![organization.tls_ca_der().to_vec().into()],
        client_roots: Vec::new(),
        client_auth_required: false,
    })?;
    let data = folder.join(&place.member.name);
    let mut settings = NodeSettings::new(Arc::new(local), Some(tls), data, place.endpoint());
    settings.gossip.endpoint = Endpoint::from(place.endpoint());
    settings.gossip.external_endpoint = Endpoint::from(place.endpoint());
    Ok(settings)
}

fn free_port() -> std::io::Result<u16> {
    Ok(std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
