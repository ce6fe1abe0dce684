//! The client against the ordering source over mutual TLS, and against scripted orderers.

mod censorship;
mod failover;
mod following;
mod misbehaviour;
mod puppet;
mod scripted;

use super::{
    BackOff, CensorshipSettings, DeliverClient, DeliverHandle, DeliverSettings, DeliverState, DeliveredBlock,
    OrdererEndpoint, Phase,
};
use crate::ordering::OrderingServer;
use crate::ordering::testing::{CHANNEL, Ordered, dialer};
use crate::transport::TlsHandle;
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// A running client and everything it listens to.
struct Pulling {
    handle: DeliverHandle,
    endpoints: watch::Sender<Arc<[OrdererEndpoint]>>,
    hold: watch::Sender<bool>,
    blocks: mpsc::Receiver<DeliveredBlock>,
    state: watch::Receiver<DeliverState>,
}

/// How a client is started.
struct Start {
    tls: Option<TlsHandle>,
    next_block: u64,
    hold: bool,
    /// Blocks that nobody has to take out.
    room: usize,
    /// Bytes of blocks that nobody has to take out.
    room_bytes: usize,
    censorship: Option<CensorshipSettings>,
    /// The pause after the first failure.
    first_pause: Duration,
}

impl Start {
    fn over_tls(ordered: &Ordered) -> Self {
        Self {
            tls: Some(ordered.peer_tls()),
            next_block: 0,
            hold: false,
            room: 64,
            room_bytes: 1 << 20,
            censorship: None,
            first_pause: Duration::from_millis(1),
        }
    }

    fn go(self, ordered: &Ordered, endpoints: Vec<OrdererEndpoint>) -> Pulling {
        let peer = ordered.peer();
        let mut settings = DeliverSettings::new(CHANNEL.to_owned(), peer.identity, peer.signer, 1);
        settings.tls = self.tls;
        settings.queue_bytes_max = self.room_bytes;
        settings.censorship = self.censorship;
        // long enough that nothing but a broken test comes near it
        settings.connect_timeout = Duration::from_secs(60);
        // short pauses at first; and no stream stands long enough to make failures forgotten
        settings.backoff = BackOff { first: self.first_pause, pause_max: Duration::from_secs(60) };
        let (endpoints, endpoints_seen) = watch::channel(Arc::from(endpoints));
        let (hold, hold_seen) = watch::channel(self.hold);
        let (blocks_in, blocks) = mpsc::channel(self.room);
        let handle =
            DeliverClient::start(settings, dialer(), endpoints_seen, self.next_block, hold_seen, blocks_in);
        let state = handle.state();
        Pulling { handle, endpoints, hold, blocks, state }
    }
}

impl Pulling {
    async fn block(&mut self) -> DeliveredBlock {
        self.blocks.recv().await.expect("the client ended")
    }

    async fn until(&mut self, condition: impl FnMut(&DeliverState) -> bool) -> DeliverState {
        self.state.wait_for(condition).await.expect("the client ended").clone()
    }

    /// Waits for a stream that ended with this label.
    async fn ended_with(&mut self, label: &str) -> DeliverState {
        let ended =
            |state: &DeliverState| state.last_end.as_ref().is_some_and(|(_, end)| end.reason() == label);
        self.until(ended).await
    }
}

fn endpoint(address: String, tls_roots: Vec<Bytes>) -> OrdererEndpoint {
    OrdererEndpoint { address, tls_roots }
}

fn endpoint_of(ordered: &Ordered, server: &OrderingServer) -> OrdererEndpoint {
    endpoint(server.local_address().to_string(), vec![ordered.orderer_root()])
}

fn is_receiving(state: &DeliverState) -> bool {
    matches!(state.phase, Phase::Receiving { .. })
}
