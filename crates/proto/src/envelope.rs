//! Reading and writing gossip envelopes without ever re-encoding what was signed.
//!
//! ```
//! use selvedge_proto::envelope::{ContentKind, EnvelopeView, seal_unsigned};
//! use selvedge_proto::gossip::{Acknowledgement, GossipMessage, gossip_message::Content};
//!
//! let ack = Content::Ack(Acknowledgement { error: "no space".into() });
//! let sent = seal_unsigned(&GossipMessage { nonce: 300, content: Some(ack.clone()), ..Default::default() });
//!
//! let received = EnvelopeView::parse(sent)?;
//! assert_eq!((received.kind(), received.nonce()), (ContentKind::Ack, 300));
//! assert_eq!(received.message()?.content, Some(ack));
//! # Ok::<(), selvedge_proto::WireError>(())
//! ```

mod elements;
mod keys;
mod kind;
mod seal;

use core::fmt;
use std::sync::Arc;

use bytes::Bytes;
use prost::{Message, Name};

pub use elements::{Element, ElementList, Elements};
pub use keys::{AliveKey, PullKey, StateInfoKey};
pub use kind::ContentKind;
pub use seal::{payload_of, seal, seal_unsigned, secret_payload};

use crate::gossip::{self, GossipMessage, Secret, secret::Content as SecretContent};
use crate::wire::{Hex, Reader, Span, Value, WireError, decode};

/// A marshalled `gossip.Envelope` as it travels, be it well-formed or not.
///
/// Its header is read once, when it is made, in one pass and following Fabric's decoder in everything it accepts (spec/01
/// §1). All clones share that and the bytes.
#[derive(Clone)]
pub struct Envelope {
    inner: Arc<Inner>,
}

/// An envelope whose header has been read and whose content has not.
///
/// Only places are remembered; the received bytes are kept as they came, to be verified and forwarded. All accessors are
/// cheap, and so are clones, which share everything; accessors named `_bytes` share the buffer and keep it alive.
///
/// The inside of the content is not looked at: what parses here may still be refused by [`message`](Self::message).
#[derive(Clone)]
pub struct EnvelopeView {
    inner: Arc<Inner>,
}

struct Inner {
    raw: Bytes,
    read: Result<Read, WireError>,
}

/// What the header says.
struct Read {
    places: Places,
    /// Only if the content stood in the message more than once, one after the other: Fabric merges the pieces, and so
    /// does whoever decodes them as one string.
    merged: Option<Box<Bytes>>,
}

/// What an envelope without a readable header says.
static NOTHING: Read = Read { places: Places::NONE, merged: None };

impl Envelope {
    /// The envelope's bytes.
    pub fn bytes(&self) -> &Bytes {
        &self.inner.raw
    }

    /// How many bytes it has.
    pub fn byte_count(&self) -> usize {
        self.inner.raw.len()
    }

    /// Which content its message has; [`ContentKind::None`] if the header cannot be read.
    pub fn kind(&self) -> ContentKind {
        self.inner.read.as_ref().map_or(ContentKind::None, |read| read.places.kind)
    }

    /// What its header says.
    ///
    /// # Errors
    ///
    /// As [`EnvelopeView::parse`].
    pub fn view(&self) -> Result<EnvelopeView, WireError> {
        match &self.inner.read {
            Ok(_) => Ok(EnvelopeView { inner: Arc::clone(&self.inner) }),
            Err(error) => Err(*error),
        }
    }
}

impl From<Bytes> for Envelope {
    fn from(raw: Bytes) -> Self {
        let read = match u32::try_from(raw.len()) {
            Ok(_) => Places::read(&raw).map(|(places, merged)| Read { places, merged }),
            Err(_) => Err(WireError::TooLarge),
        };
        Self { inner: Arc::new(Inner { raw, read }) }
    }
}

impl From<EnvelopeView> for Envelope {
    fn from(view: EnvelopeView) -> Self {
        Self { inner: view.inner }
    }
}

impl From<&EnvelopeView> for Envelope {
    fn from(view: &EnvelopeView) -> Self {
        Self { inner: Arc::clone(&view.inner) }
    }
}

impl fmt::Debug for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.view() {
            Ok(view) => view.fmt(f),
            Err(error) => write!(f, "Envelope({} bytes: {error})", self.bytes().len()),
        }
    }
}

/// Two envelopes are equal if their bytes are.
impl PartialEq for Envelope {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner) || self.inner.raw == other.inner.raw
    }
}

impl Eq for Envelope {}

/// What was read of an envelope and its message's header.
#[derive(Clone, Copy)]
struct Places {
    payload: Span,
    signature: Span,
    secret: Option<Secrets>,
    nonce: u64,
    tag: i32,
    kind: ContentKind,
    channel: Span,
    content: Span,
    /// Whether there is anything in the envelope but one payload and one signature.
    has_more: bool,
}

/// The secret envelope and where it stands in the outer one.
#[derive(Clone, Copy, Default)]
struct Secrets {
    payload: Span,
    signature: Span,
    /// Where its field begins, if it is the last of the envelope and the only one of its number.
    cut: Option<usize>,
}

impl EnvelopeView {
    /// Reads a marshalled `gossip.Envelope`.
    ///
    /// # Errors
    ///
    /// What Fabric would refuse in the envelope or in the header of the message, too; such an error ends a stream
    /// (spec/01 §1.10). [`WireError::TooLarge`] from 4 GiB on.
    pub fn parse(raw: Bytes) -> Result<Self, WireError> {
        Envelope::from(raw).view()
    }

    fn read(&self) -> &Read {
        self.inner.read.as_ref().unwrap_or(&NOTHING)
    }

    fn places(&self) -> &Places {
        &self.read().places
    }

    /// Reads an envelope that was decoded as part of another message, by encoding it once. Payload and signature stay
    /// what they were.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse).
    pub fn from_envelope(envelope: &gossip::Envelope) -> Result<Self, WireError> {
        Self::parse(Bytes::from(envelope.encode_to_vec()))
    }

    /// The envelope as received.
    pub fn raw(&self) -> &Bytes {
        &self.inner.raw
    }

    /// The signed bytes: a marshalled `GossipMessage`. Empty if missing.
    pub fn payload(&self) -> &[u8] {
        self.places().payload.of(&self.inner.raw)
    }

    /// As [`payload`](Self::payload), sharing the buffer.
    pub fn payload_bytes(&self) -> Bytes {
        self.places().payload.share(&self.inner.raw)
    }

    /// The origin's signature over the payload. Empty if missing.
    pub fn signature(&self) -> &[u8] {
        self.places().signature.of(&self.inner.raw)
    }

    /// As [`signature`](Self::signature), sharing the buffer.
    pub fn signature_bytes(&self) -> Bytes {
        self.places().signature.share(&self.inner.raw)
    }

    /// Whether another envelope carries the same message with the same signature; secrets may differ.
    pub fn is_copy_of(&self, other: &Self) -> bool {
        self.payload() == other.payload() && self.signature() == other.signature()
    }

    /// The secret envelope, if there is one, even an empty one.
    pub fn secret(&self) -> Option<SecretView<'_>> {
        self.places().secret.map(|secret| SecretView { raw: &self.inner.raw, secret })
    }

    /// The header's nonce; 0 if missing.
    pub fn nonce(&self) -> u64 {
        self.places().nonce
    }

    /// The header's tag as it came: a `gossip_message::Tag` or something unknown; 0 if missing.
    pub fn tag(&self) -> i32 {
        self.places().tag
    }

    /// The header's channel. Empty if missing.
    pub fn channel(&self) -> &[u8] {
        self.places().channel.of(&self.inner.raw)
    }

    /// As [`channel`](Self::channel), sharing the buffer.
    pub fn channel_bytes(&self) -> Bytes {
        self.places().channel.share(&self.inner.raw)
    }

    /// Which content the message has.
    pub fn kind(&self) -> ContentKind {
        self.places().kind
    }

    /// The content's bytes, not decoded: a message of the type [`ContentKind::message_name`].
    pub fn content(&self) -> &[u8] {
        match &self.read().merged {
            None => self.places().content.of(&self.inner.raw),
            Some(merged) => merged,
        }
    }

    /// As [`content`](Self::content), sharing the buffer.
    pub fn content_bytes(&self) -> Bytes {
        match &self.read().merged {
            None => self.places().content.share(&self.inner.raw),
            Some(merged) => Bytes::clone(merged),
        }
    }

    /// Decodes the content alone. The caller has looked at [`kind`](Self::kind).
    ///
    /// # Errors
    ///
    /// As [`message`](Self::message).
    pub fn content_as<M: Message + Default + Name>(&self) -> Result<M, WireError> {
        debug_assert_eq!(M::NAME, self.kind().message_name());
        decode(self.content_bytes())
    }

    /// Decodes the whole message.
    ///
    /// # Errors
    ///
    /// What Fabric would refuse, too; such an error ends a stream (spec/01 §1.10).
    pub fn message(&self) -> Result<GossipMessage, WireError> {
        decode(self.payload_bytes())
    }

    /// The envelope without its secret envelope, for peers of other organisations (spec/01 §3.2). Everything else stays
    /// as it came. Nothing is copied if there is no secret, or if it stands at the end as Fabric writes it.
    pub fn without_secret(&self) -> Bytes {
        match self.places().secret {
            None => self.inner.raw.clone(),
            Some(Secrets { cut: Some(cut), .. }) if cut <= self.inner.raw.len() => {
                self.inner.raw.slice(..cut)
            }
            Some(_) => self.copy_without_secret(),
        }
    }

    /// The envelope with its payload and signature alone, without whatever else came in it, which nobody signed. Nothing is
    /// copied if there is nothing else.
    #[must_use]
    pub fn bare(&self) -> Self {
        if !self.places().has_more {
            return self.clone();
        }
        let bare = Envelope::from(seal(self.payload(), self.signature(), None));
        // what was read of the payload once is read again
        bare.view().unwrap_or_else(|_| self.clone())
    }

    /// The same envelope in a buffer of its own: one that came as part of a greater message keeps all of that alive.
    #[must_use]
    pub fn detached(&self) -> Self {
        let copy = Envelope::from(Bytes::copy_from_slice(&self.inner.raw));
        copy.view().unwrap_or_else(|_| self.clone())
    }

    fn copy_without_secret(&self) -> Bytes {
        let mut out = Vec::with_capacity(self.inner.raw.len());
        let mut reader = Reader::new(&self.inner.raw);
        while let Ok(Some(field)) = reader.next() {
            if field.number != 3 || !matches!(field.value, Value::Bytes(_)) {
                out.extend_from_slice(self.inner.raw.get(field.start..reader.position()).unwrap_or_default());
            }
        }
        Bytes::from(out)
    }
}

impl fmt::Debug for EnvelopeView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnvelopeView")
            .field("kind", &self.kind())
            .field("tag", &self.tag())
            .field("nonce", &self.nonce())
            .field("channel", &String::from_utf8_lossy(self.channel()))
            .field("content", &Hex(self.content()))
            .field("signed", &!self.signature().is_empty())
            .field("secret", &self.places().secret.is_some())
            .finish()
    }
}

/// Two views are equal if the bytes they were made of are.
impl PartialEq for EnvelopeView {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner) || self.inner.raw == other.inner.raw
    }
}

impl Eq for EnvelopeView {}

impl Places {
    const NONE: Self = Self {
        payload: Span::EMPTY,
        signature: Span::EMPTY,
        secret: None,
        nonce: 0,
        tag: 0,
        kind: ContentKind::None,
        channel: Span::EMPTY,
        content: Span::EMPTY,
        has_more: false,
    };

    /// The places, and the pieces of a content that stands there more than once.
    #[inline]
    fn read(raw: &[u8]) -> Result<(Self, Option<Box<Bytes>>), WireError> {
        let mut places = Self::NONE;
        let mut seen = (false, false);
        let mut reader = Reader::new(raw);
        while let Some(field) = reader.next()? {
            match (field.number, field.value) {
                (1, Value::Bytes(span)) => {
                    places.has_more |= core::mem::replace(&mut seen.0, true);
                    places.payload = span;
                }
                (2, Value::Bytes(span)) => {
                    places.has_more |= core::mem::replace(&mut seen.1, true);
                    places.signature = span;
                }
                (3, Value::Bytes(span)) => {
                    let cut =
                        (places.secret.is_none() && reader.position() == raw.len()).then_some(field.start);
                    let mut secret = places.secret.unwrap_or_default();
                    secret.cut = cut;
                    secret.read(raw, span)?;
                    places.secret = Some(secret);
                    places.has_more = true;
                }
                _ => places.has_more = true,
            }
        }
        let merged = places.read_header(raw)?;
        Ok((places, merged))
    }

    #[inline]
    fn read_header(&mut self, raw: &[u8]) -> Result<Option<Box<Bytes>>, WireError> {
        let mut reader = Reader::within(raw, self.payload);
        let mut pieces: Option<Vec<u8>> = None;
        while let Some(field) = reader.next()? {
            match (field.number, field.value) {
                (1, Value::Varint(value)) => self.nonce = value,
                (2, Value::Bytes(span)) => self.channel = span,
                // an enumeration keeps the lower 32 bits
                (3, Value::Varint(value)) => self.tag = value as i32,
                (number, Value::Bytes(span)) => {
                    let Some(kind) = ContentKind::from_field_number(number) else { continue };
                    if kind == self.kind {
                        let first = self.content;
                        pieces.get_or_insert_with(|| first.of(raw).to_vec()).extend_from_slice(span.of(raw));
                    } else {
                        pieces = None;
                    }
                    self.kind = kind;
                    self.content = span;
                }
                _ => {}
            }
        }
        Ok(pieces.map(|pieces| Box::new(Bytes::from(pieces))))
    }
}

impl Secrets {
    fn read(&mut self, raw: &[u8], span: Span) -> Result<(), WireError> {
        let mut reader = Reader::within(raw, span);
        while let Some(field) = reader.next()? {
            match (field.number, &field.value) {
                (1, Value::Bytes(span)) => self.payload = *span,
                (2, Value::Bytes(span)) => self.signature = *span,
                _ => {}
            }
        }
        Ok(())
    }
}

/// The secret envelope of an envelope.
#[derive(Clone, Copy)]
pub struct SecretView<'a> {
    raw: &'a Bytes,
    secret: Secrets,
}

impl<'a> SecretView<'a> {
    /// The signed bytes: a marshalled `Secret`. Empty if missing.
    pub fn payload(&self) -> &'a [u8] {
        self.secret.payload.of(self.raw)
    }

    /// As [`payload`](Self::payload), sharing the buffer.
    pub fn payload_bytes(&self) -> Bytes {
        self.secret.payload.share(self.raw)
    }

    /// The origin's signature over the secret's payload. Empty if missing.
    pub fn signature(&self) -> &'a [u8] {
        self.secret.signature.of(self.raw)
    }

    /// As [`signature`](Self::signature), sharing the buffer.
    pub fn signature_bytes(&self) -> Bytes {
        self.secret.signature.share(self.raw)
    }

    /// The internal endpoint; empty if the secret does not parse or holds none, as Fabric has it (spec/01 §3.2).
    pub fn internal_endpoint(&self) -> String {
        match decode::<Secret>(self.payload_bytes()) {
            Ok(Secret { content: Some(SecretContent::InternalEndpoint(endpoint)) }) => endpoint,
            _ => String::new(),
        }
    }
}

/// The same signed bytes, and the same signature.
impl PartialEq for SecretView<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.payload() == other.payload() && self.signature() == other.signature()
    }
}

impl Eq for SecretView<'_> {}

impl fmt::Debug for SecretView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretView").field("payload", &Hex(self.payload())).finish_non_exhaustive()
    }
}
