//! Lies about blocks: heights, digests, and blocks themselves.

use super::Behaviour;
use super::stage::{Stage, Verdict, changed, element};
use bytes::Bytes;
use selvedge_core::ConnectionId;
use selvedge_core::testing::messages;
use selvedge_proto::envelope::{ContentKind, EnvelopeView, seal};
use selvedge_proto::gossip::gossip_message::{Content, Tag};
use selvedge_proto::gossip::{self, PullMsgType, RemoteStateRequest};

/// See [`BehaviourKind::FalseHeights`](super::BehaviourKind::FalseHeights).
#[derive(Debug, Default)]
pub(super) struct FalseHeights;

impl Behaviour for FalseHeights {
    fn act(&mut self, stage: &mut Stage<'_>) {
        if !stage.one_in(10) {
            return;
        }
        let height = stage.chain.len() as u64;
        let heights = [0, 1, height + 1, height + 1000, height + 1_000_000, u64::MAX - 1, u64::MAX];
        let told = stage.one_of(&heights, height);
        let envelope = stage.state_info(stage.me.incarnation + 1, stage.sequence(), told);
        stage.send_to_all(&envelope);
    }

    /// The truth is not told.
    fn on_send(&mut self, stage: &mut Stage<'_>, _: ConnectionId, sent: &EnvelopeView) -> Verdict {
        let is_own = sent.state_info_key().is_some_and(|key| key.pki_id == stage.me.pki_id.as_bytes());
        if is_own { Verdict::Drop } else { Verdict::Pass }
    }
}

/// See [`BehaviourKind::WithholdBlocks`](super::BehaviourKind::WithholdBlocks).
#[derive(Debug, Default)]
pub(super) struct Withhold;

impl Behaviour for Withhold {
    fn on_send(&mut self, _: &mut Stage<'_>, _: ConnectionId, sent: &EnvelopeView) -> Verdict {
        let is_of_channel = !sent.channel().is_empty();
        match sent.kind() {
            ContentKind::DataMsg | ContentKind::StateResponse => Verdict::Drop,
            ContentKind::DataUpdate if is_of_channel => Verdict::Drop,
            _ => Verdict::Pass,
        }
    }
}

/// See [`BehaviourKind::EmptyPromises`](super::BehaviourKind::EmptyPromises).
#[derive(Debug, Default)]
pub(super) struct EmptyPromises;

impl EmptyPromises {
    /// Blocks that the others lack, as they are named in digests.
    fn offers(stage: &mut Stage<'_>) -> Vec<Bytes> {
        let height = stage.chain.len() as u64;
        let mut numbers: Vec<u64> = (height.saturating_sub(3)..height + 8).collect();
        numbers.extend([u64::MAX, height + 1000]);
        let mut offers: Vec<Bytes> = numbers.iter().map(|number| Bytes::from(number.to_string())).collect();
        offers.extend([Bytes::from_static(b"-1"), Bytes::from_static(b""), Bytes::from_static(b"x")]);
        let again = offers.clone();
        offers.extend(again);
        offers
    }
}

impl Behaviour for EmptyPromises {
    fn on_send(&mut self, stage: &mut Stage<'_>, _: ConnectionId, sent: &EnvelopeView) -> Verdict {
        match sent.kind() {
            ContentKind::DataDig => {
                let is_of_channel = !sent.channel().is_empty();
                let digests = match is_of_channel {
                    true => Self::offers(stage),
                    false => (0..20).map(|_| Bytes::copy_from_slice(stage.nobody().as_bytes())).collect(),
                };
                changed(sent, |message| {
                    if let Some(Content::DataDig(digest)) = &mut message.content {
                        digest.digests.extend(digests);
                    }
                })
            }
            ContentKind::DataUpdate => Verdict::Drop,
            _ => Verdict::Pass,
        }
    }
}

/// See [`BehaviourKind::FarBlocks`](super::BehaviourKind::FarBlocks).
#[derive(Debug, Default)]
pub(super) struct FarBlocks;

impl Behaviour for FarBlocks {
    fn act(&mut self, stage: &mut Stage<'_>) {
        let height = stage.chain.len() as u64;
        let number = stage.rng.u64(0..height.max(1));
        let (Some(block), Some(link)) = (stage.block(number), stage.any_link()) else { return };
        let envelope = match stage.rng.u8(0..3) {
            0 => stage.push(number, block, Vec::new()),
            1 => {
                let nonce = stage.rng.u64(..);
                stage.response(nonce, vec![(number, block)])
            }
            // under another number
            _ => stage.push(number.wrapping_sub(1), block, Vec::new()),
        };
        stage.send(link, envelope);
    }

    /// State requests are answered with the newest blocks and the oldest ones, again and again.
    fn on_send(&mut self, stage: &mut Stage<'_>, _: ConnectionId, sent: &EnvelopeView) -> Verdict {
        if sent.kind() != ContentKind::StateResponse {
            return Verdict::Pass;
        }
        let height = stage.chain.len() as u64;
        let newest = height.saturating_sub(40)..height;
        let numbers = newest.clone().chain(newest).chain([0, 0, 1]);
        let blocks = numbers.filter_map(|number| Some((number, stage.block(number)?))).collect();
        Verdict::Replace(stage.response(sent.nonce(), blocks))
    }
}

/// A block message with what nobody signed: an unknown field, a signature, a secret.
fn junk_beside(envelope: &Bytes) -> Bytes {
    let Ok(view) = EnvelopeView::parse(envelope.clone()) else { return envelope.clone() };
    // field 99, two bytes
    let payload = [view.payload(), b"\x9a\x06\x02hi"].concat();
    seal(&payload, b"nobody's signature", Some((b"secret", b"signature")))
}

/// See [`BehaviourKind::FalseBlocks`](super::BehaviourKind::FalseBlocks).
#[derive(Debug, Default)]
pub(super) struct FalseBlocks;

impl FalseBlocks {
    /// A block with this number that no orderer cut.
    fn falsehood(stage: &mut Stage<'_>, number: u64) -> Bytes {
        let size = stage.rng.usize(1..4000);
        // a size that no orderer uses: blocks of equal size and number are equal
        match stage.rng.u8(0..4) {
            0 => Bytes::new(),
            1 => Bytes::from_static(b"no block"),
            _ => messages::block(number, 100_000 + size),
        }
    }
}

impl Behaviour for FalseBlocks {
    fn act(&mut self, stage: &mut Stage<'_>) {
        if !stage.one_in(3) {
            return;
        }
        let height = stage.chain.len() as u64;
        let numbers = [0, height.saturating_sub(1), height, height + 1, height + 2, height + 500, u64::MAX];
        let number = stage.one_of(&numbers, height);
        let block = Self::falsehood(stage, number);
        let private_data = match stage.rng.u8(0..3) {
            0 => vec![Bytes::from_static(b"\xff\xff\xff private data that do not decode")],
            _ => Vec::new(),
        };
        // a genuine one with junk beside it, too
        let block =
            if stage.one_in(3) { stage.block(height.saturating_sub(1)).unwrap_or(block) } else { block };
        let mut envelope = stage.push(number, block, private_data);
        if stage.one_in(3) {
            envelope = junk_beside(&envelope);
        }
        if let Some(link) = stage.any_link() {
            stage.send(link, envelope);
        }
    }

    fn on_send(&mut self, stage: &mut Stage<'_>, _: ConnectionId, sent: &EnvelopeView) -> Verdict {
        let number = stage.chain.len() as u64;
        match sent.kind() {
            ContentKind::StateResponse => {
                let Ok(gossip::RemoteStateResponse { payloads }) = sent.content_as() else {
                    return Verdict::Pass;
                };
                let mut blocks = Vec::new();
                for payload in payloads {
                    blocks.push((payload.seq_num, Self::falsehood(stage, payload.seq_num)));
                }
                Verdict::Replace(stage.response(sent.nonce(), blocks))
            }
            ContentKind::DataUpdate if !sent.channel().is_empty() => {
                let block = Self::falsehood(stage, number);
                let item = element(&stage.push(number, block, Vec::new()));
                changed(sent, |message| {
                    if let Some(Content::DataUpdate(update)) = &mut message.content {
                        update.data = vec![item];
                    }
                })
            }
            _ => Verdict::Pass,
        }
    }

    /// Offers blocks that it makes up.
    fn on_frame(&mut self, stage: &mut Stage<'_>, from: ConnectionId, heard: &EnvelopeView) -> Verdict {
        let height = stage.chain.len() as u64;
        match heard.kind() {
            ContentKind::Hello if !heard.channel().is_empty() => {
                let Some(key) = heard.pull() else { return Verdict::Pass };
                let digests = (height..height + 3).map(|number| Bytes::from(number.to_string())).collect();
                let msg_type = PullMsgType::BlockMsg as i32;
                let content = gossip::DataDigest { nonce: key.nonce, digests, msg_type };
                let message = stage.of_channel(Tag::ChanAndOrg, 0, Content::DataDig(content));
                stage.send(from, messages::unsigned(&message));
                Verdict::Drop
            }
            ContentKind::StateRequest => {
                let Ok(RemoteStateRequest { start_seq_num, .. }) = heard.content_as() else {
                    return Verdict::Pass;
                };
                let numbers = (0..5).map(|place| start_seq_num.saturating_add(place));
                let mut blocks = Vec::new();
                for number in numbers {
                    blocks.push((number, Self::falsehood(stage, number)));
                }
                let response = stage.response(heard.nonce(), blocks);
                stage.send(from, response);
                Verdict::Drop
            }
            _ => Verdict::Pass,
        }
    }
}
