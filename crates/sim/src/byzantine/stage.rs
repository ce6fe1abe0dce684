//! What a behaviour sees and can do.

use super::cast::{Deed, Me};
use bytes::Bytes;
use core::time::Duration;
use selvedge_core::testing::{crypto, messages};
use selvedge_core::{ChannelId, CloseReason, ConnectionId, Endpoint, Instant, Output, PkiId, Priority};
use selvedge_proto::gossip::gossip_message::{Content, Tag};
use selvedge_proto::gossip::{self, GossipMessage, PeerTime};
use std::collections::VecDeque;

/// What becomes of an envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It goes on.
    Pass,
    /// Nothing.
    Drop,
    /// Something else goes on in its place.
    Replace(Bytes),
}

/// See the module.
pub(super) struct Stage<'a> {
    pub(super) me: &'a Me,
    pub(super) now: Instant,
    pub(super) channel: &'a ChannelId,
    /// The blocks that the orderers made.
    pub(super) chain: &'a [Bytes],
    /// Authenticated connections.
    pub(super) links: &'a [ConnectionId],
    /// What was sent and heard lately, oldest first.
    pub(super) heard: &'a VecDeque<Bytes>,
    pub(super) rng: &'a mut fastrand::Rng,
    pub(super) deeds: &'a mut Vec<Deed>,
}

impl Stage<'_> {
    /// Sends an envelope beside what the peer sends.
    pub(super) fn send(&mut self, connection: ConnectionId, envelope: Bytes) {
        let envelope = envelope.into();
        self.deeds.push(Deed::Order(Output::Send { connection, envelope, priority: Priority::Control }));
    }

    /// Sends it on every connection.
    pub(super) fn send_to_all(&mut self, envelope: &Bytes) {
        let links = self.links;
        links.iter().for_each(|&link| self.send(link, envelope.clone()));
    }

    /// Ends a connection; the peer is told that it ended.
    pub(super) fn close(&mut self, connection: ConnectionId) {
        self.deeds.push(Deed::Order(Output::Close { connection, reason: CloseReason::PeerGone }));
        self.deeds.push(Deed::Lost(connection));
    }

    /// Opens a stream beside those of the peer.
    pub(super) fn open(&mut self, endpoint: Endpoint) {
        self.deeds.push(Deed::Open(endpoint));
    }

    /// Reads nothing for a while.
    pub(super) fn stop_reading(&mut self, time: Duration) {
        self.deeds.push(Deed::StopReading(time));
    }

    /// One of the connections.
    pub(super) fn any_link(&mut self) -> Option<ConnectionId> {
        self.links.get(self.rng.usize(..self.links.len().max(1))).copied()
    }

    /// Something heard or said before.
    pub(super) fn any_heard(&mut self) -> Option<Bytes> {
        self.heard.get(self.rng.usize(..self.heard.len().max(1))).cloned()
    }

    /// Whether something happens that does once in so many times.
    pub(super) fn one_in(&mut self, count: u32) -> bool {
        self.rng.u32(..count.max(1)) == 0
    }

    /// One of some values.
    pub(super) fn one_of<T: Copy>(&mut self, values: &[T], otherwise: T) -> T {
        values.get(self.rng.usize(..values.len().max(1))).copied().unwrap_or(otherwise)
    }

    /// A sequence number that grows.
    pub(super) fn sequence(&self) -> u64 {
        self.now.as_nanos().max(1)
    }

    /// A message of the channel.
    pub(super) fn of_channel(&self, tag: Tag, nonce: u64, content: Content) -> GossipMessage {
        let channel = Bytes::copy_from_slice(self.channel.as_bytes());
        GossipMessage { nonce, channel, ..messages::message(tag, content) }
    }

    /// An alive message of this host under a time, with its external endpoint and without secret.
    pub(super) fn alive(&self, inc_num: u64, seq_num: u64) -> messages::Alive {
        let alive = messages::Alive::new(&self.me.identity, seq_num).of_incarnation(inc_num);
        alive.with_endpoint(&self.me.external_endpoint)
    }

    /// A signed StateInfo of this host under a time.
    pub(super) fn state_info(&self, inc_num: u64, seq_num: u64, height: u64) -> Bytes {
        messages::signed(
            &self.me.identity,
            &self.state_info_message(&self.me.pki_id, inc_num, seq_num, height),
        )
    }

    /// A StateInfo of somebody.
    pub(super) fn state_info_message(
        &self,
        origin: &PkiId,
        inc_num: u64,
        seq_num: u64,
        height: u64,
    ) -> GossipMessage {
        let content = gossip::StateInfo {
            timestamp: Some(PeerTime { inc_num, seq_num }),
            pki_id: Bytes::copy_from_slice(origin.as_bytes()),
            channel_mac: Bytes::copy_from_slice(&messages::channel_mac(origin, self.channel)),
            properties: Some(gossip::Properties { ledger_height: height, ..Default::default() }),
        };
        messages::message(Tag::ChanOrOrg, Content::StateInfo(content))
    }

    /// A block as it is pushed.
    pub(super) fn push(&self, number: u64, block: Bytes, private_data: Vec<Bytes>) -> Bytes {
        let payload = gossip::Payload { seq_num: number, data: block, private_data };
        let content = Content::DataMsg(gossip::DataMessage { payload: Some(payload) });
        messages::unsigned(&self.of_channel(Tag::ChanAndOrg, 0, content))
    }

    /// Blocks as state transfer brings them.
    pub(super) fn response(&self, nonce: u64, blocks: Vec<(u64, Bytes)>) -> Bytes {
        let payload = |(number, data)| gossip::Payload { seq_num: number, data, private_data: Vec::new() };
        let payloads = blocks.into_iter().map(payload).collect();
        let content = Content::StateResponse(gossip::RemoteStateResponse { payloads });
        messages::unsigned(&self.of_channel(Tag::ChanOrOrg, nonce, content))
    }

    /// A genuine block.
    pub(super) fn block(&self, number: u64) -> Option<Bytes> {
        self.chain.get(usize::try_from(number).ok()?).cloned()
    }

    /// A PKI-ID that nobody has.
    pub(super) fn nobody(&mut self) -> PkiId {
        crypto::pki_id(&self.rng.u64(..).to_be_bytes())
    }
}

/// An envelope as an element of a message.
pub(super) fn element(envelope: &Bytes) -> gossip::Envelope {
    selvedge_proto::decode(envelope.clone()).unwrap_or_default()
}

/// A message signed by nobody in which something was changed.
pub(super) fn changed(
    view: &selvedge_proto::envelope::EnvelopeView,
    change: impl FnOnce(&mut GossipMessage),
) -> Verdict {
    let Ok(mut message) = view.message() else { return Verdict::Pass };
    change(&mut message);
    Verdict::Replace(messages::unsigned(&message))
}
