//! State transfer, the answering side (spec/06 §2.8).
//!
//! A request costs a look into the ledger, so the peer must be a reader of the channel. That is decided once for each
//! connection and configuration (W9), on the datum the peer signed in its handshake. Nothing blocks: each peer has its own
//! places, and whoever asks for more than they hold is refused (W7).
//!
//! Only so many blocks are in memory at a time: a bounded number of reads is under way over all peers and channels. What does
//! not fit waits in its peer's places, and the peers take turns, so that one that asks for much does not delay one that asks
//! for little. What waited until its peer has given up on it is refused.

use super::Waiting;
use crate::ids::{ChannelId, ConnectionId, PkiId};
use crate::messages::state_response;
use crate::output::{Output, Priority, Signed};
use crate::peer::Peer;
use crate::reject::{Misbehaviour, Reject, Unfitting};
use crate::shared::{Sender, Waiting as SharedWaiting};
use crate::time::Instant;
use bytes::Bytes;
use selvedge_proto::envelope::{ContentKind, EnvelopeView};
use selvedge_proto::gossip::RemoteStateRequest;
use selvedge_proto::validate::{self, Malformed};
use std::collections::{BTreeMap, VecDeque};

/// Who may read, and what is being read.
#[derive(Debug, Default)]
pub(crate) struct Serving {
    readers: BTreeMap<ConnectionId, Reader>,
    /// Requests of each peer that were not answered yet.
    open: BTreeMap<PkiId, usize>,
}

/// What is known of a connection's peer.
#[derive(Debug)]
struct Reader {
    /// The configuration under which it was decided, or is being.
    sequence: u64,
    state: ReaderState,
}

#[derive(Debug)]
enum ReaderState {
    Asking(Vec<Asked>),
    May(bool),
}

/// A request for a range, both ends inclusive.
#[derive(Debug)]
struct Asked {
    sender: Sender,
    nonce: u64,
    first: u64,
    last: u64,
}

/// The reads for peers, over all channels.
#[derive(Debug, Default)]
pub(crate) struct Reads {
    under_way_count: usize,
    /// The peers whose requests wait; the next turn is the first one's.
    turns: VecDeque<PkiId>,
    waiting: BTreeMap<PkiId, VecDeque<Queued>>,
}

/// A request that waits for its turn.
#[derive(Debug)]
struct Queued {
    channel: ChannelId,
    asked: Asked,
    since: Instant,
}

impl Reads {
    fn queue(&mut self, queued: Queued) {
        let peer = queued.asked.sender.pki_id;
        let waiting = self.waiting.entry(peer).or_default();
        if waiting.is_empty() {
            self.turns.push_back(peer);
        }
        waiting.push_back(queued);
    }

    fn next(&mut self) -> Option<Queued> {
        let peer = self.turns.pop_front()?;
        let waiting = self.waiting.get_mut(&peer)?;
        let next = waiting.pop_front();
        if waiting.is_empty() {
            self.waiting.remove(&peer);
        } else {
            self.turns.push_back(peer);
        }
        next
    }
}

impl Serving {
    /// Takes one of the peer's places.
    fn admit(&mut self, peer: PkiId, places_max: usize) -> Result<(), Reject> {
        let open = self.open.entry(peer).or_default();
        if *open >= places_max {
            return Err(Reject::OverLimit);
        }
        *open += 1;
        Ok(())
    }

    /// Gives a place back.
    fn finish(&mut self, peer: &PkiId) {
        if let Some(open) = self.open.get_mut(peer) {
            *open -= 1;
            if *open == 0 {
                self.open.remove(peer);
            }
        }
    }

    /// Forgets connections that are gone.
    pub(super) fn sweep(&mut self, stands: impl Fn(ConnectionId) -> bool) {
        self.readers.retain(|connection, reader| {
            matches!(reader.state, ReaderState::Asking(_)) || stands(*connection)
        });
    }
}

impl Peer {
    pub(super) fn on_state_request(
        &mut self,
        id: &ChannelId,
        sender: &Sender,
        view: &EnvelopeView,
    ) -> Result<(), Reject> {
        let content: RemoteStateRequest = view.content_as().map_err(Malformed::from)?;
        validate::state_request(&content)?;
        let (first, last) = (content.start_seq_num, content.end_seq_num);
        let config = &self.shared.config;
        if last - first > config.state_batch_size {
            return Err(Unfitting::OutOfRange.into());
        }
        let channel = self.channels.get_mut(id).filter(|channel| !channel.left);
        let channel = channel.ok_or(Unfitting::ChannelUnknown)?;
        let sequence = channel.sequence;
        let asked = Asked { sender: sender.clone(), nonce: view.nonce(), first, last };
        match channel.serving.readers.get_mut(&sender.connection).filter(|reader| reader.sequence == sequence)
        {
            Some(Reader { state: ReaderState::May(false), .. }) => Err(Misbehaviour::NotEntitled.into()),
            Some(Reader { state: ReaderState::May(true), .. }) => {
                channel.serving.admit(sender.pki_id, config.limits.state_serves_per_peer_max)?;
                self.read_for(id, asked);
                Ok(())
            }
            Some(Reader { state: ReaderState::Asking(waiting), .. }) => {
                if waiting.len() >= config.limits.state_serves_per_peer_max {
                    return Err(Reject::OverLimit);
                }
                waiting.push(asked);
                Ok(())
            }
            None => self.check_reader(id, asked),
        }
    }

    /// Asks whether the Readers policy accepts the peer behind a connection, by what it signed in its handshake.
    fn check_reader(&mut self, id: &ChannelId, asked: Asked) -> Result<(), Reject> {
        let connection = asked.sender.connection;
        let auth = self.connections.auth(connection).ok_or(Unfitting::IdentityUnknown)?;
        let (message, signature) = (auth.message.payload_bytes(), auth.message.signature_bytes());
        let signed = Signed { message, signature };
        let identity = auth.identity.clone();
        let channel = self.channels.get_mut(id).ok_or(Unfitting::ChannelUnknown)?;
        let sequence = channel.sequence;
        let waiting = SharedWaiting::Channel(id.clone(), Waiting::Readers { connection, sequence });
        let ticket = self.shared.ticket_for(connection, waiting).ok_or(Reject::OverLimit)?;
        let reader = Reader { sequence, state: ReaderState::Asking(vec![asked]) };
        channel.serving.readers.insert(connection, reader);
        self.shared.verify(ticket, identity, signed, None, Some(id.clone()));
        Ok(())
    }

    pub(super) fn on_reader_checked(
        &mut self,
        id: &ChannelId,
        connection: ConnectionId,
        sequence: u64,
        ok: bool,
    ) {
        let places_max = self.shared.config.limits.state_serves_per_peer_max;
        let Some(channel) = self.channels.get_mut(id) else { return };
        let reader = channel.serving.readers.get_mut(&connection);
        let Some(reader) = reader.filter(|reader| reader.sequence == sequence) else { return };
        let ReaderState::Asking(waiting) = core::mem::replace(&mut reader.state, ReaderState::May(ok)) else {
            return;
        };
        for asked in waiting {
            if !ok {
                self.reject(&asked.sender, ContentKind::StateRequest, Misbehaviour::NotEntitled);
                continue;
            }
            let Some(channel) = self.channels.get_mut(id) else { return };
            match channel.serving.admit(asked.sender.pki_id, places_max) {
                Ok(()) => self.read_for(id, asked),
                Err(reason) => self.reject(&asked.sender, ContentKind::StateRequest, reason),
            }
        }
    }

    /// Reads what was asked for, as far as it is durable; if nothing is, the answer is empty, but it is one.
    fn read_for(&mut self, id: &ChannelId, asked: Asked) {
        let Some(channel) = self.channels.get(id) else { return };
        if asked.first >= channel.buffer.height() {
            self.serve_blocks(id, &asked.sender, asked.nonce, &[]);
        } else if self.reads.under_way_count < self.shared.config.limits.state_serves_max {
            self.read_now(id, asked);
        } else {
            self.reads.queue(Queued { channel: id.clone(), asked, since: self.shared.now });
        }
    }

    fn read_now(&mut self, id: &ChannelId, asked: Asked) {
        let Asked { sender, nonce, first, last } = asked;
        let Some(channel) = self.channels.get(id) else { return };
        let last = last.min(channel.buffer.height().saturating_sub(1));
        let waiting = SharedWaiting::Channel(id.clone(), Waiting::Serve { sender, nonce });
        let ticket = self.shared.ticket(waiting);
        let bytes_max = self.shared.config.limits.state_response_bytes_max;
        self.reads.under_way_count += 1;
        self.shared.emit(Output::ReadBlocks { ticket, channel: id.clone(), first, last, bytes_max });
    }

    pub(super) fn on_blocks_read(
        &mut self,
        id: &ChannelId,
        sender: &Sender,
        nonce: u64,
        blocks: &[(u64, Bytes)],
    ) {
        self.reads.under_way_count = self.reads.under_way_count.saturating_sub(1);
        self.serve_blocks(id, sender, nonce, blocks);
        self.read_waiting();
    }

    /// Reads for those whose turn it is, as many as may be read for at a time.
    fn read_waiting(&mut self) {
        while self.reads.under_way_count < self.shared.config.limits.state_serves_max {
            let Some(Queued { channel: id, asked, since }) = self.reads.next() else { return };
            let is_late = self.shared.now.since(since) >= self.shared.config.state_response_timeout;
            let stands = self.connections.auth(asked.sender.connection).is_some();
            if !is_late && stands {
                self.read_now(&id, asked);
                continue;
            }
            if let Some(channel) = self.channels.get_mut(&id) {
                channel.serving.finish(&asked.sender.pki_id);
            }
            if is_late {
                self.reject(&asked.sender, ContentKind::StateRequest, Reject::OverLimit);
            }
        }
    }

    fn serve_blocks(&mut self, id: &ChannelId, sender: &Sender, nonce: u64, blocks: &[(u64, Bytes)]) {
        if let Some(channel) = self.channels.get_mut(id) {
            channel.serving.finish(&sender.pki_id);
        }
        self.reply(sender, state_response(id, nonce, blocks), Priority::Transfer);
    }
}
