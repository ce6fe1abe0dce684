//! One node of a cluster: a peer, or a puppet.

use super::crypto;
use crate::config::{Config, LocalPeer};
use crate::ids::{ChannelId, ConnectionId, Endpoint, MspId, PkiId};
use crate::input::{ChannelSettings, Input, TlsBinding};
use crate::output::{CloseReason, Event};
use crate::peer::Peer;
use crate::time::Instant;
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};

/// A node of a cluster, by its place in the order in which the nodes were added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NodeId(pub(super) usize);

/// The blocks of a node in one channel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Blocks by number, from 0, without gaps.
    pub blocks: Vec<Bytes>,
}

impl Ledger {
    /// Number of blocks.
    pub fn height(&self) -> u64 {
        self.blocks.len() as u64
    }

    /// Blocks `first` to `last` until they exceed `bytes_max`, at least one if there is one.
    pub(super) fn read(&self, first: u64, last: u64, bytes_max: usize) -> Vec<(u64, Bytes)> {
        let mut bytes = 0;
        let mut read = Vec::new();
        for number in first..=last {
            let Some(block) = usize::try_from(number).ok().and_then(|index| self.blocks.get(index)) else {
                break;
            };
            bytes += block.len();
            if bytes > bytes_max && !read.is_empty() {
                break;
            }
            read.push((number, block.clone()));
        }
        read
    }
}

/// One end of a connection, as the node that holds it knows it.
#[derive(Clone, Debug)]
pub(super) struct End {
    pub(super) node: NodeId,
    /// The id the other node gave it; `None` until it has accepted.
    pub(super) connection: Option<ConnectionId>,
    /// When the last frame sent so far arrives: what follows arrives no sooner.
    pub(super) last_arrival: Instant,
    /// Nothing arrives any more, although neither end knows it.
    pub(super) stalled: bool,
}

#[derive(Debug)]
pub(super) struct Node {
    pub(super) name: String,
    pub(super) org: MspId,
    pub(super) identity: Bytes,
    pub(super) pki_id: PkiId,
    pub(super) config: Config,
    pub(super) peer: Option<Peer>,
    pub(super) is_puppet: bool,
    /// Whether it listens; a puppet always does.
    pub(super) running: bool,
    /// Grows with every start, so that nothing from a former life arrives.
    pub(super) life: u64,
    pub(super) connections: BTreeMap<ConnectionId, End>,
    pub(super) accepted_count: u64,
    pub(super) dialed_count: u64,
    pub(super) ledgers: BTreeMap<ChannelId, Ledger>,
    /// What each channel was configured with last.
    pub(super) settings: BTreeMap<ChannelId, ChannelSettings>,
    pub(super) commit_delay: core::time::Duration,
    pub(super) committing: VecDeque<(ChannelId, u64, Bytes)>,
    pub(super) holding: BTreeMap<ChannelId, bool>,
    pub(super) events: Vec<Event>,
    pub(super) closes: Vec<(ConnectionId, CloseReason)>,
    /// What a puppet got.
    pub(super) inbox: Vec<Input>,
    /// Whether a puppet sends its handshake by itself.
    pub(super) shakes_hands: bool,
    pub(super) signer_fails: bool,
    pub(super) crypto_delay: core::time::Duration,
}

impl Node {
    pub(super) fn new(name: &str, org: &str) -> Self {
        let identity = crypto::identity(org, name);
        let config = Config {
            endpoint: Endpoint::from(format!("{name}.internal:7051")),
            external_endpoint: Endpoint::from(format!("{name}:7051")),
            ..Config::default()
        };
        Self {
            name: name.to_owned(),
            org: MspId::from(org),
            pki_id: crypto::pki_id(&identity),
            identity,
            config,
            peer: None,
            is_puppet: false,
            running: false,
            life: 0,
            connections: BTreeMap::new(),
            accepted_count: 0,
            dialed_count: 0,
            ledgers: BTreeMap::new(),
            settings: BTreeMap::new(),
            commit_delay: core::time::Duration::ZERO,
            committing: VecDeque::new(),
            holding: BTreeMap::new(),
            events: Vec::new(),
            closes: Vec::new(),
            inbox: Vec::new(),
            shakes_hands: true,
            signer_fails: false,
            crypto_delay: core::time::Duration::ZERO,
        }
    }

    pub(super) fn local(&self, incarnation: u64, expires_at: crate::WallTime) -> LocalPeer {
        LocalPeer {
            pki_id: self.pki_id,
            org: self.org.clone(),
            identity: self.identity.clone(),
            expires_at,
            incarnation,
        }
    }

    /// The certificate's hash this node shows when it dials or accepts.
    pub(super) fn certificate_hash(&self, dialing: bool) -> [u8; 32] {
        let role = if dialing { "client" } else { "server" };
        crypto::digest(&[b"certificate of ", role.as_bytes(), b" ", self.name.as_bytes()])
    }

    pub(super) fn binding(&self, other: &Self, dialing: bool) -> TlsBinding {
        TlsBinding { own: self.certificate_hash(dialing), remote: Some(other.certificate_hash(!dialing)) }
    }

    pub(super) fn listens_on(&self, endpoint: &Endpoint) -> bool {
        self.running && (self.config.endpoint == *endpoint || self.config.external_endpoint == *endpoint)
    }
}
