//! A simulated machine: what a node is besides its peer.

use super::disk::Disk;
use super::task::Task;
use super::wires::{Side, WireId};
use crate::byzantine::Cast;
use bytes::Bytes;
use core::time::Duration;
use selvedge_core::testing::crypto;
use selvedge_core::{Config, Endpoint, Instant, LocalPeer, MspId, Peer, PkiId, TlsBinding, WallTime};
use selvedge_proto::envelope::Envelope;
use std::collections::VecDeque;

/// A host, by its place among all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostId(pub(super) u32);

impl HostId {
    /// The host at this place among all.
    pub fn from_index(index: u32) -> Self {
        Self(index)
    }

    /// The place among all hosts, from 0.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// What a host is made with.
#[derive(Clone, Debug)]
pub struct HostSettings {
    /// Part of its endpoints.
    pub name: String,
    /// MSP ID of its organisation.
    pub org: String,
    /// Where it stands: which row and column of the latency matrix.
    pub site: usize,
    /// Which processor it computes on.
    pub processor: usize,
    /// Settings of its peer, endpoints apart.
    pub config: Config,
}

/// Something that reached a host and was not read.
pub(super) type Unread = (WireId, Side, Envelope);

/// See the module.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) name: String,
    pub(super) org: MspId,
    pub(super) site: usize,
    pub(super) processor: usize,
    pub(super) identity: Bytes,
    pub(super) pki_id: PkiId,
    pub(super) config: Box<Config>,
    /// The hashes of its TLS certificates, as server and as client.
    certificates: [[u8; 32]; 2],
    /// While it runs.
    pub(super) peer: Option<Box<Peer>>,
    /// Grows with every start and stop, so that nothing from a former life arrives.
    pub(super) life: u32,
    /// By how much its wall clock is ahead of true time, in nanoseconds.
    pub(super) clock_error_nanos: i64,
    /// The incarnation of its last life.
    pub(super) incarnation: u64,
    /// The earliest moment at which it will be looked after in any case.
    pub(super) wakes_at: Option<Instant>,
    /// Connections in the order in which they were dialled and accepted.
    pub(super) dialed: Vec<WireId>,
    pub(super) accepted: Vec<WireId>,
    /// When its network card will have sent what it was given.
    pub(super) card_free_at: Instant,
    pub(super) disk: Disk,
    /// How long its disk needs for a sync, if not as long as others.
    pub(super) sync: Option<Duration>,
    /// By how much everything is later that it sends, and that is sent to it.
    pub(super) delay: Duration,
    /// What it did not read, while it does not read.
    pub(super) unread: Option<VecDeque<Unread>>,
    /// When it reads again.
    pub(super) reads_at: Instant,
    /// What it does beside or instead of what its peer does, if it is Byzantine.
    pub(super) cast: Option<Box<Cast>>,
    /// While it handles one message after the other, as a Go peer does.
    pub(super) task: Option<Task>,
    /// While it reads blocks from the orderers.
    pub(super) subscription: Option<Subscription>,
}

/// How far a host has read blocks from the orderers.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Subscription {
    pub(super) next: u64,
    /// Its peer has no room.
    pub(super) is_held: bool,
}

impl Host {
    /// `org` is the name of its organisation.
    pub(super) fn new(settings: HostSettings, org: MspId) -> Self {
        let HostSettings { name, org: _, site, processor, mut config } = settings;
        let identity = crypto::identity(&org, &name);
        let host_name = name.clone();
        config.endpoint = Endpoint::from(format!("{name}.internal:7051"));
        config.external_endpoint = Endpoint::from(format!("{name}:7051"));
        let certificate = |role: &[u8]| crypto::digest(&[b"certificate of ", role, b" ", name.as_bytes()]);
        Self {
            name: host_name,
            certificates: [certificate(b"server"), certificate(b"client")],
            org,
            site,
            processor,
            pki_id: crypto::pki_id(&identity),
            identity,
            config: Box::new(config),
            peer: None,
            life: 0,
            clock_error_nanos: 0,
            incarnation: 0,
            wakes_at: None,
            dialed: Vec::new(),
            accepted: Vec::new(),
            card_free_at: Instant::default(),
            disk: Disk::default(),
            sync: None,
            delay: Duration::ZERO,
            unread: None,
            reads_at: Instant::default(),
            cast: None,
            task: None,
            subscription: None,
        }
    }

    pub(super) fn local(&self, incarnation: u64) -> LocalPeer {
        LocalPeer {
            pki_id: self.pki_id,
            org: self.org.clone(),
            identity: self.identity.clone(),
            expires_at: crypto::NEVER,
            incarnation,
        }
    }

    /// The incarnation of the next life: what its clock shows, but above every one used before, which a node remembers.
    pub(super) fn next_incarnation(&mut self, epoch: WallTime, now: Instant) -> u64 {
        self.incarnation = self.wall(epoch, now).as_nanos().max(self.incarnation.saturating_add(1));
        self.incarnation
    }

    /// What its wall clock shows.
    pub(super) fn wall(&self, epoch: WallTime, now: Instant) -> WallTime {
        let truth = epoch + now.since(Instant::default());
        WallTime::from_nanos(truth.as_nanos().saturating_add_signed(self.clock_error_nanos))
    }

    /// What this host sees of a connection it dialled to `other`, or accepted from it.
    pub(super) fn binding(&self, other: &Self, dialing: bool) -> TlsBinding {
        let side = usize::from(dialing);
        TlsBinding { own: self.certificates[side], remote: Some(other.certificates[1 - side]) }
    }

    /// When its card will have sent `bytes` more.
    pub(super) fn send_on_card(&mut self, now: Instant, cost: Duration) -> Instant {
        self.card_free_at = self.card_free_at.max(now) + cost;
        self.card_free_at
    }
}
