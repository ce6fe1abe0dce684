//! Metrics: Fabric's where Fabric has them, name for name, so that its dashboards and alerts go on to work;
//! what it does not have begins with `selvedge_`.
//!
//! One registry of its own, no globals. Families whose labels have had no value yet are not shown. What is
//! counted elsewhere (such as by the protocol) is taken over when metrics are asked for: see
//! [`Metrics::on_render`].

mod kinds;
mod process;

pub use kinds::{Counter, Counters, Gauge, Gauges, Timing, Timings};

use crate::logging::Logging;
use kinds::Maker;
use process::Process;
use prometheus::{Registry, TextEncoder};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// Buckets of most of Fabric's timings, in seconds.
const BUCKETS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Buckets of Fabric's ledger, in seconds.
const LEDGER_BUCKETS: [f64; 7] = [0.005, 0.01, 0.015, 0.05, 0.1, 1.0, 10.0];

/// The content type of [`Metrics::render`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All metrics of a node; clones are the same metrics.
#[derive(Clone)]
pub struct Metrics {
    shared: Arc<Shared>,
}

struct Shared {
    families: Families,
    registry: Registry,
    process: Option<Process>,
    hooks: Mutex<Vec<Hook>>,
}

type Hook = Box<dyn Fn(&Families) + Send + Sync>;

/// Every family; [`Metrics`] can be used as if it had these fields.
#[derive(Debug)]
pub struct Families {
    /// `gossip_*`.
    pub gossip: GossipMetrics,
    /// `grpc_*`.
    pub grpc: GrpcMetrics,
    /// `ledger_*`.
    pub ledger: LedgerMetrics,
    /// `logging_*`.
    pub logging: LoggingMetrics,
    /// `selvedge_*`.
    pub selvedge: SelvedgeMetrics,
}

/// What gossip does, as Fabric counts it.
#[derive(Debug)]
pub struct GossipMetrics {
    /// `gossip_comm_messages_received`: messages on gossip streams.
    pub messages_received: Counter,
    /// `gossip_comm_messages_sent`.
    pub messages_sent: Counter,
    /// `gossip_comm_overflow_count`: messages dropped because a connection's queue was full.
    pub overflow_count: Counter,
    /// `gossip_leader_election_leader{channel}`: 1 or 0; to be set only where there is an election.
    pub leader: Gauges<1>,
    /// `gossip_membership_total_peers_known{channel}`: alive members of the channel without the own peer.
    pub total_peers_known: Gauges<1>,
    /// `gossip_payload_buffer_size{channel}`: blocks that wait for those before them, or for the ledger.
    pub payload_buffer_size: Gauges<1>,
    /// `gossip_state_height{channel}`.
    pub state_height: Gauges<1>,
    /// `gossip_state_commit_duration{channel}`.
    pub commit_duration: Timings<1>,
}

/// Connections and calls, as Fabric counts them.
#[derive(Debug)]
pub struct GrpcMetrics {
    /// `grpc_comm_conn_opened`: accepted connections.
    pub connections_opened: Counter,
    /// `grpc_comm_conn_closed`.
    pub connections_closed: Counter,
}

/// The ledger, as Fabric counts it.
#[derive(Debug)]
pub struct LedgerMetrics {
    /// `ledger_blockchain_height{channel}`.
    pub blockchain_height: Gauges<1>,
    /// `ledger_blockstorage_commit_time{channel}`: until a block is durable.
    pub blockstorage_commit_time: Timings<1>,
}

/// Log lines; filled by [`Metrics::observe_logging`].
#[derive(Debug)]
pub struct LoggingMetrics {
    /// `logging_entries_checked{level}`.
    pub entries_checked: Counters<1>,
    /// `logging_entries_written{level}`.
    pub entries_written: Counters<1>,
}

/// What Fabric does not have.
#[derive(Debug)]
pub struct SelvedgeMetrics {
    /// `selvedge_messages_rejected_total{kind,reason}`: messages refused, by content and reason.
    pub messages_rejected: Counters<2>,
    /// `selvedge_signatures_made_total`.
    pub signatures_made: Counter,
    /// `selvedge_blocks_received_total{channel,source}`: `orderer`, `push`, `pull` or `transfer`.
    pub blocks_received: Counters<2>,
    /// `selvedge_orderer_stream_ends_total{channel,reason}`: streams of blocks from orderers that ended.
    pub orderer_stream_ends: Counters<2>,
    /// `selvedge_blocks_damaged{channel}`: blocks of the ledger that cannot be read, and are being obtained again.
    pub blocks_damaged: Gauges<1>,
    /// `selvedge_blocks_mended_total{channel}`: damaged blocks that were put back.
    pub blocks_mended: Counters<1>,
    /// `selvedge_highest_height_known{channel}`: the greatest height any member tells of; the own one lags by
    /// the difference.
    pub highest_height_known: Gauges<1>,
    /// `selvedge_connections{direction}`: authenticated gossip connections, `inbound` or `outbound`.
    pub connections: Gauges<1>,
    /// `selvedge_queue_length{queue}`: what waits, such as in `verify`.
    pub queue_length: Gauges<1>,
    /// `selvedge_certificate_expiry_seconds{certificate}`: end of validity in seconds since 1970, of
    /// `identity`, the MSP identity.
    pub certificate_expiry: Gauges<1>,
}

impl Metrics {
    /// All metrics at zero; `version` is told by `fabric_version`.
    #[must_use]
    pub fn new(version: &str) -> Self {
        let registry = Registry::new();
        let maker = Maker(&registry);
        let families = Families {
            gossip: GossipMetrics::new(&maker),
            grpc: GrpcMetrics::new(&maker),
            ledger: LedgerMetrics::new(&maker),
            logging: LoggingMetrics::new(&maker),
            selvedge: SelvedgeMetrics::new(&maker),
        };
        maker.gauges("fabric_version", "The active version of Fabric.", ["version"]).with([version]).set(1);
        let process = Process::register(&maker);
        Self { shared: Arc::new(Shared { families, registry, process, hooks: Mutex::default() }) }
    }

    /// Calls `update` whenever metrics are asked for, before they are shown: for numbers that are kept
    /// elsewhere. It must be quick.
    pub fn on_render(&self, update: impl Fn(&Families) + Send + Sync + 'static) {
        self.shared.hooks.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(update));
    }

    /// Shows the numbers of log lines.
    pub fn observe_logging(&self, logging: Logging) {
        self.on_render(move |families| {
            for counts in logging.counts().iter().filter(|counts| counts.checked_count > 0) {
                let level = [counts.level.name()];
                families.logging.entries_checked.with(level).advance_to(counts.checked_count);
                families.logging.entries_written.with(level).advance_to(counts.written_count);
            }
        });
    }

    /// Everything in the text form of Prometheus.
    #[must_use]
    pub fn render(&self) -> String {
        if let Some(process) = &self.shared.process {
            process.update();
        }
        for hook in self.shared.hooks.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            hook(&self.shared.families);
        }
        let mut text = String::new();
        // writing to a String cannot fail, and the registry gives no family without a value
        let _ = TextEncoder::new().encode_utf8(&self.shared.registry.gather(), &mut text);
        text
    }

    /// No longer shows the gauges of a channel that the peer has left.
    pub fn forget_channel(&self, channel: &str) {
        let (gossip, ledger) = (&self.gossip, &self.ledger);
        for gauges in [
            &gossip.leader,
            &gossip.total_peers_known,
            &gossip.payload_buffer_size,
            &gossip.state_height,
            &ledger.blockchain_height,
            &self.selvedge.blocks_damaged,
            &self.selvedge.highest_height_known,
        ] {
            gauges.remove([channel]);
        }
    }
}

impl std::ops::Deref for Metrics {
    type Target = Families;

    fn deref(&self) -> &Families {
        &self.shared.families
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl GossipMetrics {
    fn new(maker: &Maker<'_>) -> Self {
        let channel = ["channel"];
        Self {
            messages_received: maker.counter("gossip_comm_messages_received", "Number of messages received"),
            messages_sent: maker.counter("gossip_comm_messages_sent", "Number of messages sent"),
            overflow_count: maker
                .counter("gossip_comm_overflow_count", "Number of outgoing queue buffer overflows"),
            leader: maker.gauges(
                "gossip_leader_election_leader",
                "Peer is leader (1) or follower (0)",
                channel,
            ),
            total_peers_known: maker.gauges(
                "gossip_membership_total_peers_known",
                "Total known peers",
                channel,
            ),
            payload_buffer_size: maker.gauges(
                "gossip_payload_buffer_size",
                "Size of the payload buffer",
                channel,
            ),
            state_height: maker.gauges("gossip_state_height", "Current ledger height", channel),
            commit_duration: maker.timings(
                "gossip_state_commit_duration",
                "Time it takes to commit a block in seconds",
                channel,
                &BUCKETS,
            ),
        }
    }
}

impl GrpcMetrics {
    fn new(maker: &Maker<'_>) -> Self {
        let balance = "Open minus closed is the active number of connections.";
        Self {
            connections_opened: maker
                .counter("grpc_comm_conn_opened", &format!("gRPC connections opened. {balance}")),
            connections_closed: maker
                .counter("grpc_comm_conn_closed", &format!("gRPC connections closed. {balance}")),
        }
    }
}

impl LedgerMetrics {
    fn new(maker: &Maker<'_>) -> Self {
        let channel = ["channel"];
        let timings = |name: &str, help: &str| maker.timings(name, help, channel, &LEDGER_BUCKETS);
        Self {
            blockchain_height: maker.gauges(
                "ledger_blockchain_height",
                "Height of the chain in blocks.",
                channel,
            ),
            blockstorage_commit_time: timings(
                "ledger_blockstorage_commit_time",
                "Time taken in seconds for committing the block to storage.",
            ),
        }
    }
}

impl LoggingMetrics {
    fn new(maker: &Maker<'_>) -> Self {
        let checked = "Number of log entries checked against the active logging level";
        Self {
            entries_checked: maker.counters("logging_entries_checked", checked, ["level"]),
            entries_written: maker.counters(
                "logging_entries_written",
                "Number of log entries that are written",
                ["level"],
            ),
        }
    }
}

impl SelvedgeMetrics {
    fn new(maker: &Maker<'_>) -> Self {
        Self {
            messages_rejected: maker.counters(
                "selvedge_messages_rejected_total",
                "Messages refused, by content and reason.",
                ["kind", "reason"],
            ),
            signatures_made: maker.counter("selvedge_signatures_made_total", "Messages signed."),
            blocks_received: maker.counters(
                "selvedge_blocks_received_total",
                "Blocks received that were new, by the way they came.",
                ["channel", "source"],
            ),
            orderer_stream_ends: maker.counters(
                "selvedge_orderer_stream_ends_total",
                "Streams of blocks from orderers that ended, by why.",
                ["channel", "reason"],
            ),
            blocks_damaged: maker.gauges(
                "selvedge_blocks_damaged",
                "Blocks of the ledger that cannot be read.",
                ["channel"],
            ),
            blocks_mended: maker.counters(
                "selvedge_blocks_mended_total",
                "Damaged blocks that were obtained again and put back.",
                ["channel"],
            ),
            highest_height_known: maker.gauges(
                "selvedge_highest_height_known",
                "Greatest height that a member of the channel tells of.",
                ["channel"],
            ),
            connections: maker.gauges(
                "selvedge_connections",
                "Authenticated gossip connections, by who dialled.",
                ["direction"],
            ),
            queue_length: maker.gauges("selvedge_queue_length", "What waits in a queue.", ["queue"]),
            certificate_expiry: maker.gauges(
                "selvedge_certificate_expiry_seconds",
                "End of a certificate's validity in seconds since 1970.",
                ["certificate"],
            ),
        }
    }
}
