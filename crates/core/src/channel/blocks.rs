//! Blocks from all sources on their way to the ledger (spec/05 §9, §13.2; spec/06 §2.5, §2.6).

use super::buffer::{Candidate, Check, Source, Verdict};
use super::{Channel, Waiting};
use crate::dissemination::Push;
use crate::ids::{ChannelId, PkiId};
use crate::input::VerifiedBlock;
use crate::messages;
use crate::output::{BlockSource, Event, Output};
use crate::peer::Peer;
use crate::reject::{Misbehaviour, Reject, Unfitting};
use crate::shared::{Sender, Waiting as SharedWaiting};
use crate::time::Instant;
use bytes::Bytes;
use core::time::Duration;
use prost::Message;
use selvedge_proto::block::{check_header, restore_orderer_form};
use selvedge_proto::common::Block;
use selvedge_proto::envelope::{ContentKind, EnvelopeView};
use selvedge_proto::gossip::DataMessage;
use selvedge_proto::validate::{self, Malformed};
use selvedge_proto::{WireError, decode};

/// What several blocks in a row show is looked at once.
const LOOK_DELAY: Duration = Duration::from_millis(2);

impl Peer {
    /// A block that a peer pushed.
    pub(super) fn on_pushed_block(
        &mut self,
        id: &ChannelId,
        sender: &Sender,
        view: &EnvelopeView,
    ) -> Result<(), Reject> {
        let Some(number) = view.block_number() else {
            let content: DataMessage = view.content_as().map_err(Malformed::from)?;
            return Err(validate::data(&content).err().unwrap_or(Malformed::PayloadMissing).into());
        };
        self.check_window(id, number)?;
        self.check_block_of_peer(id, sender, number, view.content().len())?;
        let content: DataMessage = view.content_as().map_err(Malformed::from)?;
        validate::data(&content)?;
        // private data beside a block are nobody's word (W-3)
        let data = content.payload.map(|payload| payload.data).unwrap_or_default();
        self.take_block_of_peer(id, number, &data, BlockSource::Push, sender.pki_id)
    }

    /// By the Go peer's rules, whether a block is neither in the store nor below the window of the newest one there, whatever
    /// the ledger lacks (spec/05 §9.3).
    pub(super) fn check_window(&self, id: &ChannelId, number: u64) -> Result<(), Reject> {
        if !self.shared.config.rules.refuses_below_window() {
            return Ok(());
        }
        let channel = self.channels.get(id).ok_or(Unfitting::ChannelUnknown)?;
        let lowest =
            channel.store.newest().unwrap_or_default().saturating_sub(self.shared.config.block_window);
        match number < lowest {
            true => Err(Unfitting::Stale.into()),
            false if channel.store.envelope(number).is_some() => Err(Unfitting::Duplicate.into()),
            false => Ok(()),
        }
    }

    /// Whether a block of a peer is worth a look: what can be said without decoding it.
    pub(super) fn check_block_of_peer(
        &mut self,
        id: &ChannelId,
        sender: &Sender,
        number: u64,
        bytes: usize,
    ) -> Result<(), Reject> {
        let limits = &self.shared.config.limits;
        let channel = self.channels.get_mut(id).filter(|channel| channel.is_active(&self.shared.me.org));
        let channel = channel.ok_or(Unfitting::ChannelUnknown)?;
        channel.note_holder(number, sender.pki_id, limits.block_buffer_count_max);
        if channel.conduct.is_distrusted(self.shared.now, &sender.pki_id) {
            return Err(Misbehaviour::Distrusted.into());
        }
        channel.buffer.wants(number, bytes, limits)
    }

    /// Takes a block of a peer, without anything that its orderers did not put into it (W-3, W-4).
    pub(super) fn take_block_of_peer(
        &mut self,
        id: &ChannelId,
        number: u64,
        data: &Bytes,
        via: BlockSource,
        from: PkiId,
    ) -> Result<(), Reject> {
        let block = orderer_form(data, number)?;
        self.take_block(id, number, Candidate { block, source: Source { via, from: Some(from) } })
    }

    fn take_block(&mut self, id: &ChannelId, number: u64, candidate: Candidate) -> Result<(), Reject> {
        let channel = self.channels.get_mut(id).ok_or(Unfitting::ChannelUnknown)?;
        let check = channel.buffer.offer(number, candidate, &self.shared.config.limits)?;
        self.verify_blocks(id, check);
        Ok(())
    }

    /// A block from the orderer: verified like every other, then committed and, where that is switched on, pushed.
    pub(crate) fn on_block_delivered(&mut self, id: &ChannelId, number: u64, block: Bytes) {
        let now = self.shared.now;
        let Some(channel) = self.channels.get_mut(id).filter(|channel| !channel.left) else { return };
        channel.delivered_at = Some(now);
        let source = Source { via: BlockSource::Orderer, from: None };
        match self.take_block(id, number, Candidate { block, source }) {
            Ok(()) => self.commit_ready(id),
            // a peer was faster
            Err(Reject::Unfitting(Unfitting::Duplicate | Unfitting::Stale)) => {
                self.push_delivered(id, number);
            }
            Err(reason) => self.refuse_delivered(id, number, reason),
        }
    }

    fn refuse_delivered(&mut self, id: &ChannelId, number: u64, reason: Reject) {
        self.shared.reject(None, ContentKind::DataMsg, reason);
        self.shared.event(Event::DeliveryRefused { channel: id.clone(), number });
    }

    /// Orders the verification of blocks.
    pub(super) fn verify_blocks(&mut self, id: &ChannelId, checks: impl IntoIterator<Item = Check>) {
        for Check { number, attempt, block } in checks {
            let waiting = SharedWaiting::Channel(id.clone(), Waiting::Block { number, attempt });
            let ticket = self.shared.ticket(waiting);
            self.shared.stats.block_verify_count += 1;
            self.shared.emit(Output::VerifyBlock { ticket, channel: id.clone(), number, block });
        }
    }

    pub(super) fn on_block_verified(
        &mut self,
        id: &ChannelId,
        number: u64,
        attempt: u64,
        block: Option<VerifiedBlock>,
    ) {
        // what comes of a channel that was left meanwhile is nobody's any more
        let Some(channel) = self.channels.get_mut(id).filter(|channel| !channel.left) else { return };
        let (verdict, next) = channel.buffer.verdict(number, attempt, block.map(|block| block.is_config));
        match verdict {
            Verdict::Good { candidate, first: true } => self.on_good_block(id, number, &candidate),
            Verdict::Bad { source } => self.on_bad_block(id, number, source),
            Verdict::Good { .. } | Verdict::Doubtful | Verdict::Gone => {}
        }
        self.verify_blocks(id, next);
        self.commit_ready(id);
    }

    /// A verified block is pushed on before it is committed (06 W12) and kept for those who pull.
    fn on_good_block(&mut self, id: &ChannelId, number: u64, candidate: &Candidate) {
        let now = self.shared.now;
        let Source { via, from } = candidate.source;
        let Some(channel) = self.channels.get_mut(id) else { return };
        channel.pull.initiator.received(&number);
        channel.pull.hurried_rounds = 0;
        channel.transfer.note_block(candidate.block.len());
        if via != BlockSource::Transfer {
            let (envelope, _) = messages::block(id, number, &candidate.block);
            let config = &self.shared.config;
            channel.store.insert(
                now,
                number,
                envelope,
                config.block_window,
                config.limits.block_buffer_bytes_max,
            );
        }
        self.shared.event(Event::BlockAccepted { channel: id.clone(), number, source: via });
        match via {
            BlockSource::Push => self.push_block(id, number, from),
            BlockSource::Orderer => self.push_delivered(id, number),
            BlockSource::Pull | BlockSource::Transfer => {}
        }
        self.look_for_blocks(id, LOOK_DELAY);
    }

    /// Pushes a block that the orderer brought, once, also if a pull was faster; a block that was pushed to us has been
    /// pushed on.
    fn push_delivered(&mut self, id: &ChannelId, number: u64) {
        if self.shared.config.block_gossip_enabled {
            self.push_block(id, number, None);
        }
    }

    fn push_block(&mut self, id: &ChannelId, number: u64, delivered_by: Option<PkiId>) {
        let Some(channel) = self.channels.get_mut(id) else { return };
        if let Some(envelope) = channel.store.take_for_push(number) {
            self.disseminate(Push::Block { channel: id.clone(), number, envelope, delivered_by });
        }
    }

    fn on_bad_block(&mut self, id: &ChannelId, number: u64, source: Source) {
        let now = self.shared.now;
        let Some(from) = source.from else {
            return self.refuse_delivered(id, number, Misbehaviour::BlockInvalid.into());
        };
        let Some(channel) = self.channels.get_mut(id) else { return };
        channel.transfer.lost(number);
        channel.blame(now, from);
        let again = channel.pull.initiator.failed(now, &number, from, &self.shared.config);
        self.shared.reject(Some(from), kind_of(source.via), Misbehaviour::BlockInvalid);
        self.request_blocks(id, again);
        self.look_for_blocks(id, LOOK_DELAY);
    }

    /// Hands verified blocks to the ledger in order, and holds the orderer back if it is too slow for it.
    pub(super) fn commit_ready(&mut self, id: &ChannelId) {
        let limits = &self.shared.config.limits;
        let Some(channel) = self.channels.get_mut(id).filter(|channel| !channel.left) else { return };
        let ready = channel.buffer.ready(limits);
        let hold = channel.buffer.hold(limits);
        for (number, block) in ready {
            self.shared.emit(Output::Commit { channel: id.clone(), number, block });
        }
        if let Some(hold) = hold {
            self.shared.emit(Output::HoldDelivery { channel: id.clone(), hold });
        }
    }

    /// Every block below `height` is durable: only now is the height announced.
    pub(crate) fn on_committed(&mut self, id: &ChannelId, height: u64) {
        let Some(channel) = self.channels.get_mut(id) else { return };
        if height <= channel.buffer.height() {
            return;
        }
        let checks = channel.buffer.committed(height);
        channel.transfer.committed();
        self.verify_blocks(id, checks);
        self.commit_ready(id);
        self.announce_height(id);
        self.look_for_blocks(id, LOOK_DELAY);
    }

    /// The ledger refused a block: it and what followed is obtained again, preferably from elsewhere.
    pub(crate) fn on_commit_refused(&mut self, id: &ChannelId, number: u64) {
        let now = self.shared.now;
        let Some(channel) = self.channels.get_mut(id) else { return };
        let Some(source) = channel.buffer.commit_refused(number) else { return };
        channel.store.drop_from(number);
        channel.transfer.restart(now);
        if let Some(from) = source.from {
            channel.blame(now, from);
        }
        let is_delivered_to = channel.delivered_at.is_some();
        self.shared.reject(source.from, kind_of(source.via), Misbehaviour::BlockInvalid);
        if is_delivered_to {
            self.shared.event(Event::DeliveryRefused { channel: id.clone(), number });
        }
        self.commit_ready(id);
        self.look_for_blocks(id, LOOK_DELAY);
    }
}

impl Channel {
    /// A peer sent a bad block. Who did that too often is not listened to for a while, and what is here of it goes.
    fn blame(&mut self, now: Instant, peer: PkiId) {
        self.conduct.strike(now, peer);
        self.transfer.blame(now, peer);
        if self.conduct.is_distrusted(now, &peer) {
            for number in self.buffer.forget_peer(peer) {
                self.transfer.lost(number);
            }
        }
    }

    /// The greatest height that a member announces which `counts`.
    pub(super) fn greatest_height(&self, counts: impl Fn(&PkiId) -> bool) -> u64 {
        let states = self.states.iter().filter(|(origin, state)| !state.left_channel && counts(origin));
        states.map(|(_, state)| state.height).max().unwrap_or_default()
    }
}

/// The message in which a block came.
fn kind_of(via: BlockSource) -> ContentKind {
    match via {
        BlockSource::Orderer | BlockSource::Push => ContentKind::DataMsg,
        BlockSource::Pull => ContentKind::DataUpdate,
        BlockSource::Transfer => ContentKind::StateResponse,
    }
}

/// The block as its orderers deliver it; shares `data` if that is what it is.
pub(super) fn orderer_form(data: &Bytes, number: u64) -> Result<Bytes, Reject> {
    let mut block: Block = decode(data.clone()).map_err(|error: WireError| Malformed::from(error))?;
    check_header(&block, number).map_err(|_| Misbehaviour::BlockInvalid)?;
    restore_orderer_form(&mut block);
    let restored = block.encode_to_vec();
    Ok(if restored == *data { data.clone() } else { restored.into() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use selvedge_proto::common::{BlockHeader, BlockMetadata};

    fn block(number: u64) -> Block {
        Block { header: Some(BlockHeader { number, ..BlockHeader::default() }), ..Block::default() }
    }

    #[test]
    fn w4_what_orderers_did_not_write_is_removed() {
        let clean: Bytes = block(5).encode_to_vec().into();
        let mut junk = clean.to_vec();
        junk.extend_from_slice(&[0xf2, 0x01, 2, 1, 1]);
        assert_eq!(orderer_form(&junk.into(), 5), Ok(clean.clone()));
        let slots = vec![Bytes::new(), Bytes::new(), Bytes::from_static(&[0])];
        let noted = Block { metadata: Some(BlockMetadata { metadata: slots }), ..block(5) };
        let restored = orderer_form(&noted.encode_to_vec().into(), 5).unwrap();
        let expected =
            Block { metadata: Some(BlockMetadata { metadata: vec![Bytes::new(); 5] }), ..block(5) };
        assert_eq!(restored, expected.encode_to_vec());
    }

    #[test]
    fn a_block_in_order_is_not_copied() {
        let clean: Bytes = block(5).encode_to_vec().into();
        assert_eq!(orderer_form(&clean, 5).unwrap().as_ptr(), clean.as_ptr());
    }

    #[test]
    fn a_block_under_a_wrong_number_is_refused() {
        let clean: Bytes = block(5).encode_to_vec().into();
        assert_eq!(orderer_form(&clean, 6), Err(Misbehaviour::BlockInvalid.into()));
        assert!(matches!(orderer_form(&Bytes::from_static(&[0x0a]), 6), Err(Reject::Malformed(_))));
    }
}
