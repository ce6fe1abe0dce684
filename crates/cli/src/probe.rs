//! `selvedge probe`: dials a gossip endpoint, and tells step by step what is there.

mod ask;
mod dial;
mod explain;
mod handshake;
mod report;
mod setup;

use crate::decode::{Decoder, IdentityBook};
use crate::failure::Failure;
use clap::Args;
use report::Report;
use selvedge::transport::{Settings, Transport, TransportEvent};
use setup::Setup;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::mpsc;

/// Dial a gossip endpoint, Go or Selvedge, and tell step by step what is there.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  selvedge probe peer0.org1.example.com:7051 --config core.yaml
  selvedge probe peer0.org1.example.com:7051 --msp ./msp --msp-id Org1MSP \\
    --tls-cert ./tls/server.crt --tls-key ./tls/server.key --tls-ca ./tls/ca.crt
  selvedge probe peer0.org2.example.com:7051 --config core.yaml --config-block mychannel.block
  selvedge probe peer0.org1.example.com:7051 --config probe/core.yaml --membership --channel mychannel --json

The steps are those of a peer that dials: resolve, TCP, TLS, ping, handshake, identity. The handshake is a `deep probe`,
as peers make it themselves: both sides prove who they are, then the stream ends. It does no harm, whoever is running
with the same identity.

--membership and --channel open a full gossip stream. Use an identity for them that no running peer uses (that of a peer
that is not started yet, or of a user): a peer keeps one connection for each identity, and would close the one to its
owner. With --membership the peer counts that identity as a member, until it finds that it cannot be reached, and says so
in its log; that takes up to 25 seconds. A peer of another organisation answers --membership only if we announce an
endpoint: --own-endpoint, or peer.gossip.externalEndpoint of core.yaml.

The identity of the peer must be vouched for: by our own MSP or, for a peer of another organisation, by a channel's
configuration (--config-block). That also gives the TLS CAs to trust, as in a peer that has joined the channel.

Exit code: 0 if every step was done and nothing failed, warnings or not; 1 otherwise.")]
pub(crate) struct Arguments {
    /// The endpoint
    #[arg(value_name = "HOST:PORT")]
    target: String,
    /// Take identity, TLS files and endpoint from a peer's core.yaml
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Our MSP folder, with signcerts and keystore
    #[arg(long, value_name = "DIR", requires = "msp_id")]
    msp: Option<PathBuf>,
    /// Our MSP ID
    #[arg(long, value_name = "ID", requires = "msp")]
    msp_id: Option<String>,
    /// Our TLS certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Its private key, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Trust TLS certificates issued by this CA. May be given several times
    #[arg(long = "tls-ca", value_name = "FILE")]
    tls_cas: Vec<PathBuf>,
    /// The network has TLS off
    #[arg(long, conflicts_with_all = ["tls_cert", "tls_cas"])]
    no_tls: bool,
    /// A channel's genesis or configuration block: trust its organisations. May be given several times
    #[arg(long = "config-block", value_name = "FILE")]
    config_blocks: Vec<PathBuf>,
    /// Ask for the members it knows, over a full gossip stream (see below)
    #[arg(long)]
    membership: bool,
    /// Ask for the members of this channel and their heights, over a full gossip stream (see below). May be given several
    /// times
    #[arg(long = "channel", short, value_name = "CHANNEL")]
    channels: Vec<String>,
    /// What we announce as our endpoint with --membership; nobody has to listen there, but peers will try
    #[arg(long, value_name = "HOST:PORT")]
    own_endpoint: Option<String>,
    /// Limit of each step
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = parse_timeout)]
    timeout: Duration,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

fn parse_timeout(text: &str) -> Result<Duration, String> {
    match selvedge_core::parse_duration(text) {
        Some(timeout) if (Duration::from_millis(1)..=Duration::from_secs(3600)).contains(&timeout) => {
            Ok(timeout)
        }
        _ => Err("expected a duration such as 5s or 500ms, up to 1h".to_owned()),
    }
}

/// A larger message ends the stream: what a probe asks for is far smaller.
const MESSAGE_BYTES_MAX: usize = 8 << 20;

/// Members or identities in one answer; beyond, the answer is refused.
const NESTED_MAX: usize = 20_000;

/// How long what was sent may take to leave at the end.
const DRAIN: Duration = Duration::from_secs(1);

/// A probe under way.
struct Probe {
    target: String,
    timeout: Duration,
    setup: Setup,
    transport: Transport,
    events: mpsc::Receiver<TransportEvent>,
    /// Reads what arrives, checks signatures, remembers identities.
    decoder: Decoder,
    report: Report,
    /// Streams opened so far.
    stream_count: u64,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut setup = Setup::load(arguments)?;
    let trust = std::mem::take(&mut setup.trust);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report = runtime.block_on(async {
        let settings = Settings { message_bytes_max: MESSAGE_BYTES_MAX, ..Settings::default() };
        let (transport, events) = Transport::new(settings, setup.tls.clone());
        let mut probe = Probe {
            target: arguments.target.clone(),
            timeout: arguments.timeout,
            setup,
            transport,
            events,
            decoder: Decoder { trust, book: IdentityBook::default(), nested_max: NESTED_MAX },
            report: Report::new(&arguments.target, arguments.json),
            stream_count: 0,
        };
        probe.go(arguments).await;
        probe.transport.stop(DRAIN).await;
        probe.report
    });
    // a name that is being resolved must not hold up the end
    runtime.shutdown_background();
    if report.finish()? { Ok(()) } else { Err(Failure::Told) }
}

impl Probe {
    /// Each step shows itself; the first that makes the next impossible ends the probe.
    async fn go(&mut self, arguments: &Arguments) {
        let me = crate::show::Claimed::read(self.setup.local.identity());
        let me = me.map_or_else(|| "nobody".to_owned(), |me| me.to_string());
        self.report.remark(&format!("probing {} as {me}", crate::show::clean(&self.target)));
        let Some(connection) = self.dial(dial::Telling::Everything).await else { return };
        let Some(peer) = self.deep_probe(connection).await else { return };
        if !arguments.membership && arguments.channels.is_empty() {
            return;
        }
        let Some(stream) = self.open_stream(&peer).await else { return };
        self.ask_identities(&stream).await;
        if arguments.membership {
            self.ask_membership(&stream, &peer).await;
        }
        for channel in &arguments.channels {
            self.ask_channel(&stream, channel).await;
        }
    }
}
