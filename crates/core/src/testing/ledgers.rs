//! The nodes' ledgers: how blocks become durable, and what can be wrong with them.

use super::cluster::{Cluster, UnderWay, What};
use super::node::NodeId;
use crate::ids::ChannelId;
use crate::input::{Command, Input};
use bytes::Bytes;
use core::time::Duration;

impl Cluster {
    /// `VerifyBlock` refuses this block.
    pub fn refuse_block(&mut self, block: &Bytes) {
        self.refused_blocks.insert(block.clone());
    }

    /// This block is a configuration block.
    pub fn make_config_block(&mut self, block: &Bytes) {
        self.config_blocks.insert(block.clone());
    }

    /// `VerifyBlock` refuses `block` at a node whose ledger does not have `config`: it is signed by whoever that
    /// configuration block names.
    pub fn sign_under(&mut self, block: &Bytes, config: &Bytes) {
        self.needed_blocks.insert(block.clone(), config.clone());
    }

    /// Every ledger refuses this block, although it verifies: it belongs to another chain.
    pub fn make_unfit(&mut self, block: &Bytes) {
        self.unfit_blocks.insert(block.clone());
    }

    /// No channel's Readers policy accepts this identity, though its organisation's MSP does.
    pub fn exclude_from_readers(&mut self, identity: &Bytes) {
        self.not_readers.insert(identity.clone());
    }

    /// How long a node takes to make a block durable; no time, unless set.
    pub fn set_commit_delay(&mut self, node: NodeId, delay: Duration) {
        self.nodes[node.0].commit_delay = delay;
    }

    /// A block of a node's ledger can no longer be read there.
    pub fn damage_block(&mut self, node: NodeId, channel: &str, number: u64) {
        self.put_back(node, &ChannelId::from(channel), number, Bytes::new());
    }

    /// A node's ledger has other bytes under a number.
    pub fn replace_block(&mut self, node: NodeId, channel: &str, number: u64, block: Bytes) {
        self.put_back(node, &ChannelId::from(channel), number, block);
    }

    pub(super) fn put_back(&mut self, node: NodeId, channel: &ChannelId, number: u64, block: Bytes) {
        let ledger = self.nodes[node.0].ledgers.get_mut(channel);
        let index = usize::try_from(number).unwrap_or(usize::MAX);
        if let Some(place) = ledger.and_then(|ledger| ledger.blocks.get_mut(index)) {
            *place = block;
        }
    }

    pub(super) fn is_in_force(&self, node: NodeId, block: &Bytes) -> bool {
        let has = |config: &Bytes| {
            self.nodes[node.0]
                .ledgers
                .values()
                .any(|ledger| ledger.blocks.iter().any(|block| block == config))
        };
        self.needed_blocks.get(block).is_none_or(has)
    }

    pub(super) fn commit(&mut self, node: NodeId, channel: ChannelId, number: u64, block: Bytes) {
        let it = &mut self.nodes[node.0];
        let ordered = it.committing.iter().filter(|(of, ..)| *of == channel).count() as u64;
        let height = it.ledgers.entry(channel.clone()).or_default().height() + ordered;
        assert_eq!(number, height, "blocks are committed in order, without gaps");
        it.committing.push_back((channel, number, block));
        if it.committing.len() == 1 {
            self.queue_durable(node);
        }
    }

    fn queue_durable(&mut self, node: NodeId) {
        let (at, life) = (self.now + self.nodes[node.0].commit_delay, self.nodes[node.0].life);
        self.queue(at, UnderWay { to: node, life, what: What::Durable });
    }

    /// The first block that a node is committing becomes durable, or is refused.
    pub(super) fn make_durable(&mut self, node: NodeId) {
        let it = &mut self.nodes[node.0];
        let Some((channel, number, block)) = it.committing.pop_front() else { return };
        let is_fit = !self.unfit_blocks.contains(&block);
        if !is_fit {
            it.committing.retain(|(of, ..)| *of != channel);
        }
        if !it.committing.is_empty() {
            self.queue_durable(node);
        }
        if !is_fit {
            return self.deliver(node, Input::CommitRefused { channel, number });
        }
        let ledger = self.nodes[node.0].ledgers.entry(channel.clone()).or_default();
        let is_config = self.config_blocks.contains(&block);
        ledger.blocks.push(block);
        let height = ledger.height();
        if is_config && let Some(settings) = self.nodes[node.0].settings.get_mut(&channel) {
            settings.sequence += 1;
            let settings = settings.clone();
            self.deliver(node, Input::Command(Command::ConfigureChannel(settings)));
        }
        self.deliver(node, Input::Committed { channel, height });
    }
}
