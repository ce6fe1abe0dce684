//! What is seen while a world runs: counts, and when each block became durable where.

use crate::world::HostId;
use core::time::Duration;
use selvedge_core::{BlockSource, Instant};
use selvedge_proto::envelope::{ContentKind, Envelope};

/// Everything counted, and the history of each block.
#[derive(Debug, Default)]
pub struct Watch {
    /// Frames that a peer handled.
    pub frames_read: u64,
    /// Of these, frames that carry one block unasked.
    pub blocks_pushed: u64,
    /// Bytes, with everything that frames take on the wire, of the frames that carry blocks, asked for or not.
    pub block_bytes_read: u64,
    /// Bytes sent, with everything that frames take on the wire.
    pub bytes_sent: u64,
    /// Signatures checked.
    pub verified: u64,
    /// Frames lost because a connection's queue was full.
    pub overflowed: u64,
    blocks: Vec<BlockHistory>,
}

/// When a block was cut, and how long it took to become durable at each host that has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockHistory {
    /// When the orderers cut it.
    pub cut: Instant,
    /// From the cut to durable, in the order in which hosts had it.
    pub delays: Vec<Duration>,
    /// Whose delays these are.
    pub hosts: Vec<HostId>,
    /// Where it was found good, in the order of time.
    pub accepted: Vec<Acceptance>,
}

/// A host's peer found a block good for the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acceptance {
    /// Which host.
    pub host: HostId,
    /// How the block came.
    pub source: BlockSource,
    /// How long after it was cut.
    pub delay: Duration,
}

impl Watch {
    /// The blocks from block 1 on.
    pub fn blocks(&self) -> &[BlockHistory] {
        &self.blocks
    }

    /// A peer handles a frame, which took `overhead_bytes` on the wire beyond its envelope.
    pub(crate) fn on_frame(&mut self, envelope: &Envelope, overhead_bytes: usize) {
        self.frames_read += 1;
        let carries_blocks = match envelope.kind() {
            ContentKind::DataMsg => {
                self.blocks_pushed += 1;
                true
            }
            ContentKind::StateResponse => true,
            // identities are pulled outside of channels
            ContentKind::DataUpdate => envelope.view().is_ok_and(|view| !view.channel().is_empty()),
            _ => false,
        };
        if carries_blocks {
            self.block_bytes_read += (envelope.byte_count() + overhead_bytes) as u64;
        }
    }

    pub(crate) fn on_cut(&mut self, number: u64, now: Instant) {
        debug_assert_eq!(number, self.blocks.len() as u64 + 1);
        self.blocks.push(BlockHistory {
            cut: now,
            delays: Vec::new(),
            hosts: Vec::new(),
            accepted: Vec::new(),
        });
    }

    /// A host's peer found a block good for the first time.
    pub(crate) fn on_accepted(&mut self, host: HostId, number: u64, source: BlockSource, now: Instant) {
        let index = number.checked_sub(1).and_then(|index| usize::try_from(index).ok());
        if let Some(history) = index.and_then(|index| self.blocks.get_mut(index)) {
            history.accepted.push(Acceptance { host, source, delay: now.since(history.cut) });
        }
    }

    pub(crate) fn on_durable(&mut self, host: HostId, number: u64, now: Instant) {
        let index = number.checked_sub(1).and_then(|index| usize::try_from(index).ok());
        if let Some(history) = index.and_then(|index| self.blocks.get_mut(index)) {
            history.delays.push(now.since(history.cut));
            history.hosts.push(host);
        }
    }
}
