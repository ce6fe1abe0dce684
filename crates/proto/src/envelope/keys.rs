//! What tells a message from its duplicates, read straight from the content's bytes: a duplicate is dropped before it
//! is decoded.

use super::{ContentKind, EnvelopeView};
use crate::wire::{Reader, Span, Value};
use bytes::Bytes;

/// What orders alive or leadership messages: of two with the same PKI-ID the one with the greater `(inc_num, seq_num)`
/// is newer (spec/01 §10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AliveKey<'a> {
    /// The origin, as claimed; not empty.
    pub pki_id: &'a [u8],
    /// The incarnation, usually nanoseconds since the Unix epoch.
    pub inc_num: u64,
    /// Order within the incarnation.
    pub seq_num: u64,
}

/// What orders StateInfo messages, and the channel they are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateInfoKey<'a> {
    /// The origin, as claimed; not empty.
    pub pki_id: &'a [u8],
    /// SHA-256 of PKI-ID and channel name, as claimed; may be empty.
    pub channel_mac: &'a [u8],
    /// When the origin joined the channel, in nanoseconds since the Unix epoch.
    pub inc_num: u64,
    /// When its properties last changed, in nanoseconds since the Unix epoch.
    pub seq_num: u64,
}

/// What the four messages of a pull have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PullKey {
    /// The nonce in the content, not that of the header.
    pub nonce: u64,
    /// A `PullMsgType`, or something unknown.
    pub msg_type: i32,
}

/// Fields collected from a content; what stands there twice is merged, the last value counts.
#[derive(Clone, Copy, Default)]
pub(super) struct Found {
    pki_id: Span,
    channel_mac: Span,
    endpoint: Span,
    metadata: Span,
    identity: Span,
    ledger_height: u64,
    left_channel: bool,
    time: Option<(u64, u64)>,
}

impl EnvelopeView {
    /// PKI-ID and timestamp of an alive message. `None` for any other content, if PKI-ID or timestamp are missing, or
    /// if they cannot be read: decode and validate it to learn why.
    pub fn alive_key(&self) -> Option<AliveKey<'_>> {
        (self.kind() == ContentKind::AliveMsg).then_some(())?;
        self.found()?.key(self.content())
    }

    /// The external endpoint of an alive message; empty where [`alive_key`](Self::alive_key) is `None`, and if it is no text.
    pub fn alive_endpoint(&self) -> &str {
        let text = self.found_alive().map(|found| found.endpoint.of(self.content()));
        text.and_then(|text| core::str::from_utf8(text).ok()).unwrap_or_default()
    }

    /// Whether an alive message names an external endpoint, be it text or not.
    pub fn alive_has_endpoint(&self) -> bool {
        self.found_alive().is_some_and(|found| !found.endpoint.of(self.content()).is_empty())
    }

    /// How many bytes of metadata an alive message has; 0 where [`alive_key`](Self::alive_key) is `None`.
    pub fn alive_metadata_len(&self) -> usize {
        self.found_alive().map_or(0, |found| found.metadata.of(self.content()).len())
    }

    /// The identity embedded in an alive message, sharing the buffer; empty without one, and where
    /// [`alive_key`](Self::alive_key) is `None`.
    pub fn alive_identity(&self) -> Bytes {
        self.found_alive().map(|found| found.identity.share(&self.content_bytes())).unwrap_or_default()
    }

    fn found_alive(&self) -> Option<&Found> {
        (self.kind() == ContentKind::AliveMsg).then(|| self.found()).flatten()
    }

    /// What a StateInfo says of its origin: the number of blocks in its ledger, and whether it left the channel. Nothing
    /// where [`state_info_key`](Self::state_info_key) is `None`.
    pub fn state_info_properties(&self) -> (u64, bool) {
        let found = (self.kind() == ContentKind::StateInfo).then(|| self.found()).flatten();
        found.map(|found| (found.ledger_height, found.left_channel)).unwrap_or_default()
    }

    /// PKI-ID and timestamp of a leadership message. `None` as in [`alive_key`](Self::alive_key).
    pub fn leadership_key(&self) -> Option<AliveKey<'_>> {
        (self.kind() == ContentKind::LeadershipMsg).then_some(())?;
        self.found()?.key(self.content())
    }

    /// PKI-ID, MAC and timestamp of a StateInfo. `None` as in [`alive_key`](Self::alive_key).
    pub fn state_info_key(&self) -> Option<StateInfoKey<'_>> {
        (self.kind() == ContentKind::StateInfo).then_some(())?;
        let content = self.content();
        let found = self.found()?;
        let AliveKey { pki_id, inc_num, seq_num } = found.key(content)?;
        Some(StateInfoKey { pki_id, channel_mac: found.channel_mac.of(content), inc_num, seq_num })
    }

    /// The number of the block in a data message, as claimed beside the block. `None` for any other content, without a
    /// payload, or if it cannot be read.
    pub fn block_number(&self) -> Option<u64> {
        (self.kind() == ContentKind::DataMsg).then_some(())?;
        let content = self.content();
        let mut number = None;
        let mut reader = Reader::new(content);
        while let Some(field) = reader.next().ok()? {
            let (1, Value::Bytes(span)) = (field.number, field.value) else { continue };
            let number = number.get_or_insert(0);
            let mut reader = Reader::within(content, span);
            while let Some(field) = reader.next().ok()? {
                if let (1, Value::Varint(value)) = (field.number, field.value) {
                    *number = value;
                }
            }
        }
        number
    }

    /// Nonce and type of one of the four messages of a pull. `None` for any other content, or if it cannot be read.
    pub fn pull(&self) -> Option<PullKey> {
        use ContentKind::{DataDig, DataReq, DataUpdate, Hello};
        matches!(self.kind(), Hello | DataDig | DataReq | DataUpdate).then_some(())?;
        let mut key = PullKey { nonce: 0, msg_type: 0 };
        let mut reader = Reader::new(self.content());
        while let Some(field) = reader.next().ok()? {
            match (field.number, field.value) {
                (1, Value::Varint(value)) => key.nonce = value,
                (3, Value::Varint(value)) => key.msg_type = value as i32,
                _ => {}
            }
        }
        Some(key)
    }

    /// Read once for all clones: gossip brings every message several times.
    fn found(&self) -> Option<&Found> {
        let read = || Found::read(self.kind(), self.content());
        self.inner.found.get_or_init(read).as_ref()
    }
}

impl Found {
    fn read(kind: ContentKind, content: &[u8]) -> Option<Self> {
        Self::collect(content, |found, number, span| match (kind, number) {
            (ContentKind::AliveMsg, 1) => found.read_member(content, span),
            (ContentKind::LeadershipMsg, 1) | (ContentKind::StateInfo, 3) => found.set_pki_id(span),
            (ContentKind::AliveMsg | ContentKind::LeadershipMsg | ContentKind::StateInfo, 2) => {
                found.read_time(content, span)
            }
            (ContentKind::AliveMsg, 4) => {
                found.identity = span;
                Some(())
            }
            (ContentKind::StateInfo, 4) => {
                found.channel_mac = span;
                Some(())
            }
            (ContentKind::StateInfo, 5) => found.read_properties(content, span),
            _ => Some(()),
        })
    }

    /// Hands every length-delimited field of `content` to `read`.
    fn collect(content: &[u8], read: impl Fn(&mut Self, u32, Span) -> Option<()>) -> Option<Self> {
        let mut found = Self::default();
        let mut reader = Reader::new(content);
        while let Some(field) = reader.next().ok()? {
            if let Value::Bytes(span) = field.value {
                read(&mut found, field.number, span)?;
            }
        }
        Some(found)
    }

    fn key<'a>(&self, content: &'a [u8]) -> Option<AliveKey<'a>> {
        let (inc_num, seq_num) = self.time?;
        let pki_id = self.pki_id.of(content);
        (!pki_id.is_empty()).then_some(AliveKey { pki_id, inc_num, seq_num })
    }

    fn set_pki_id(&mut self, span: Span) -> Option<()> {
        self.pki_id = span;
        Some(())
    }

    fn read_member(&mut self, content: &[u8], span: Span) -> Option<()> {
        let mut reader = Reader::within(content, span);
        while let Some(field) = reader.next().ok()? {
            match (field.number, field.value) {
                (1, Value::Bytes(span)) => self.endpoint = span,
                (2, Value::Bytes(span)) => self.metadata = span,
                (3, Value::Bytes(span)) => self.pki_id = span,
                _ => {}
            }
        }
        Some(())
    }

    fn read_properties(&mut self, content: &[u8], span: Span) -> Option<()> {
        let mut reader = Reader::within(content, span);
        while let Some(field) = reader.next().ok()? {
            match (field.number, field.value) {
                (1, Value::Varint(value)) => self.ledger_height = value,
                (2, Value::Varint(value)) => self.left_channel = value != 0,
                _ => {}
            }
        }
        Some(())
    }

    fn read_time(&mut self, content: &[u8], span: Span) -> Option<()> {
        let (inc_num, seq_num) = self.time.get_or_insert((0, 0));
        let mut reader = Reader::within(content, span);
        while let Some(field) = reader.next().ok()? {
            match (field.number, field.value) {
                (1, Value::Varint(value)) => *inc_num = value,
                (2, Value::Varint(value)) => *seq_num = value,
                _ => {}
            }
        }
        Some(())
    }
}
