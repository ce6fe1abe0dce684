//! What a peer orders, done: signatures, checks, blocks.

use super::{Happening, HostId, World};
use bytes::Bytes;
use core::time::Duration;
use selvedge_core::testing::crypto;
use selvedge_core::testing::messages;
use selvedge_core::{Event, Input, Instant, Output, Signed, VerifiedBlock};

impl World {
    pub(super) fn perform(&mut self, id: HostId, output: Output) {
        match output {
            Output::Send { connection, envelope, priority } => self.send(id, connection, envelope, priority),
            Output::Dial { connection, endpoint } => self.dial(id, connection, &endpoint),
            Output::Close { connection, reason: _ } => self.close(id, connection),
            Output::Sign { ticket, message } => {
                let signature = Some(crypto::sign(&self.hosts[id.index()].identity, &message));
                self.work(id, self.costs.sign, Input::Signed { ticket, signature });
            }
            Output::Verify { ticket, identity, signed, secret, readers_of: _ } => {
                let mut holds = |signed: &Signed| self.knowledge.holds(&identity, signed);
                let ok = holds(&signed) && secret.as_ref().is_none_or(holds);
                let signature_count = 1 + u32::from(secret.is_some());
                self.watch.verified += u64::from(signature_count);
                let cost = self.costs.verify * signature_count;
                if self.hosts[id.index()].task.is_some() {
                    return self.work(id, cost, Input::Verified { ticket, ok });
                }
                let (life, ends) = self.occupy(id, cost);
                self.queue.push(ends, Happening::Verified { host: id, life, ticket, ok });
            }
            Output::CheckIdentity { ticket, identity } => {
                let claims = self.knowledge.claims(&identity);
                self.work(id, self.costs.check_identity, Input::IdentityChecked { ticket, claims });
            }
            Output::VerifyBlock { ticket, channel: _, number, block } => {
                let cost = self.costs.verify + self.costs.hash(block.len());
                let is_genuine = self.genuine(number) == Some(&block);
                let block = is_genuine.then_some(VerifiedBlock { is_config: false });
                self.watch.verified += 1;
                self.work(id, cost, Input::BlockVerified { ticket, block });
            }
            Output::ReadBlocks { ticket, channel: _, first, last, bytes_max } => {
                let blocks = self.hosts[id.index()].disk.read(first, last, bytes_max);
                let bytes: usize = blocks.iter().map(|(_, block)| block.len()).sum();
                self.work(id, self.costs.hash(bytes), Input::BlocksRead { ticket, blocks });
            }
            Output::Commit { channel: _, number, block } => self.commit(id, number, block),
            Output::Mend { channel, number, block } => {
                self.hosts[id.index()].disk.mend(number, block);
                self.work(id, self.costs.sync, Input::Mended { channel, number, ok: true });
            }
            Output::HoldDelivery { channel: _, hold } => self.hold_delivery(id, hold),
            Output::Event(Event::DeliveryRefused { channel: _, number }) => {
                self.deliver_again(id, number);
            }
            Output::Event(Event::BlockAccepted { channel: _, number, source }) => {
                self.watch.on_accepted(id, number, source, self.now);
            }
            Output::Event(_) => {}
        }
    }

    /// The block that the orderers made under this number.
    fn genuine(&self, number: u64) -> Option<&Bytes> {
        self.chain.get(usize::try_from(number).ok()?)
    }

    /// Occupies a core, and brings the result when it is done.
    fn work(&mut self, id: HostId, cost: Duration, input: Input) {
        if let Some(task) = self.hosts[id.index()].task.as_mut().filter(|task| task.is_handing) {
            return task.add_work(cost, input);
        }
        let (life, ends) = self.occupy(id, cost);
        self.queue.push(ends, Happening::Done { host: id, life, input: Box::new(input) });
    }

    /// Occupies a core; gives the host's life, and when the work ends.
    fn occupy(&mut self, id: HostId, cost: Duration) -> (u32, Instant) {
        let host = &self.hosts[id.index()];
        let (life, processor) = (host.life, host.processor);
        (life, self.processors[processor].work(self.now, cost).ends)
    }

    fn commit(&mut self, id: HostId, number: u64, block: Bytes) {
        let disk = &mut self.hosts[id.index()].disk;
        assert_eq!(number, disk.written_count(), "blocks are committed in order, without gaps");
        debug_assert_eq!(messages::block_number(&block), Some(number));
        disk.write(block);
        self.begin_sync(id);
    }

    fn begin_sync(&mut self, id: HostId) {
        let host = &mut self.hosts[id.index()];
        if host.disk.begin_sync() {
            let (life, sync) = (host.life, host.sync.unwrap_or(self.costs.sync));
            self.queue.push(self.now + sync, Happening::Synced { host: id, life });
        }
    }

    /// What was written when the sync began is durable, and may be told.
    pub(super) fn synced(&mut self, id: HostId) {
        let disk = &mut self.hosts[id.index()].disk;
        let before = disk.height();
        disk.end_sync();
        let height = disk.height();
        for number in before..height {
            self.watch.on_durable(id, number, self.now);
        }
        self.begin_sync(id);
        let channel = self.channel_id().clone();
        self.hand(id, Input::Committed { channel, height });
    }
}
