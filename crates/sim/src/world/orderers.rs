//! Blocks from the orderers: a host that subscribes reads them in order, beginning with the first that it does not have.

use super::host::Subscription;
use super::{Happening, HostId, World};
use core::time::Duration;
use selvedge_core::Input;

/// How long a host needs to find an orderer.
const SEARCH: Duration = Duration::from_millis(100);

impl World {
    /// Whether a host reads blocks from the orderers, as the leader of an organisation does. It goes on after a restart.
    pub fn subscribe(&mut self, id: HostId, subscribes: bool) {
        self.hosts[id.index()].subscription = subscribes.then(Subscription::default);
        self.restart_delivery(id);
    }

    /// The hosts that read blocks from the orderers, running or not.
    pub fn subscribers(&self) -> impl Iterator<Item = HostId> {
        self.hosts().filter(|id| self.hosts[id.index()].subscription.is_some())
    }

    /// Begins to read after what is on the disk.
    pub(super) fn restart_delivery(&mut self, id: HostId) {
        let host = &mut self.hosts[id.index()];
        let (life, runs, next) = (host.life, host.peer.is_some(), host.disk.written_count());
        if let Some(subscription) = host.subscription.as_mut().filter(|_| runs) {
            *subscription = Subscription { next, is_held: false };
            self.queue.push(self.now + SEARCH, Happening::Deliver { host: id, life });
        }
    }

    /// A block was cut.
    pub(super) fn deliver_to_subscribers(&mut self) {
        let subscribers: Vec<HostId> = self.subscribers().filter(|&id| self.runs(id)).collect();
        for host in subscribers {
            let life = self.hosts[host.index()].life;
            self.queue.push(self.now, Happening::Deliver { host, life });
        }
    }

    /// Hands a host all blocks that it has not read, as long as it has room.
    pub(super) fn deliver(&mut self, id: HostId) {
        while let Some(subscription) = &mut self.hosts[id.index()].subscription {
            let number = subscription.next;
            let block = usize::try_from(number).ok().and_then(|number| self.chain.get(number));
            let Some(block) = block.filter(|_| !subscription.is_held).cloned() else { return };
            subscription.next += 1;
            let channel = self.channel.channel.clone();
            self.hand(id, Input::BlockDelivered { channel, number, block });
            if self.hosts[id.index()].subscription.is_some_and(|subscription| subscription.next <= number) {
                // refused: it comes back to that after a while
                return;
            }
        }
    }

    /// A host's peer has no room for blocks, or has room again.
    pub(super) fn hold_delivery(&mut self, id: HostId, hold: bool) {
        let host = &mut self.hosts[id.index()];
        let life = host.life;
        let Some(subscription) = &mut host.subscription else { return };
        subscription.is_held = hold;
        if !hold {
            self.queue.push(self.now, Happening::Deliver { host: id, life });
        }
    }

    /// A host's peer did not keep a block: it reads from there again.
    pub(super) fn deliver_again(&mut self, id: HostId, number: u64) {
        let host = &mut self.hosts[id.index()];
        let life = host.life;
        let Some(subscription) = &mut host.subscription else { return };
        subscription.next = subscription.next.min(number);
        self.queue.push(self.now + SEARCH, Happening::Deliver { host: id, life });
    }
}
