//! The envelopes inside a content, one by one and as they came.

use bytes::Bytes;

use super::{ContentKind, Envelope, EnvelopeView, Inner};
use crate::wire::{Reader, Value, WireError};
use std::sync::Arc;

/// Where in a content an envelope stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ElementList {
    /// `alive` of a membership response.
    Alive,
    /// `data` of a data update.
    Data,
    /// `dead` of a membership response.
    Dead,
    /// `self_information` of a membership request.
    SelfInformation,
    /// `elements` of a StateInfo snapshot.
    Snapshot,
}

impl ElementList {
    fn of(kind: ContentKind, field_number: u32) -> Option<Self> {
        match (kind, field_number) {
            (ContentKind::MemReq, 1) => Some(Self::SelfInformation),
            (ContentKind::MemRes, 1) => Some(Self::Alive),
            (ContentKind::MemRes, 2) => Some(Self::Dead),
            (ContentKind::DataUpdate, 2) => Some(Self::Data),
            (ContentKind::StateSnapshot, 1) => Some(Self::Snapshot),
            _ => None,
        }
    }
}

/// An envelope inside a content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element {
    /// Where it stands.
    pub list: ElementList,
    /// A marshalled `gossip.Envelope`, sharing the outer one's buffer; not looked into.
    pub envelope: Bytes,
}

/// An envelope inside a content, its header read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Where it stands.
    pub list: ElementList,
    /// The envelope.
    pub envelope: Envelope,
}

impl Envelope {
    /// An envelope whose content holds other envelopes, by whoever put them there: all clones of it share these, where others
    /// have to read them. They must be those that stand in `raw`, in the same order.
    pub fn holding(raw: Bytes, parts: Vec<Part>) -> Self {
        let holding = Self { inner: Arc::new(Inner { parts: Some(parts.into()), ..Inner::new(raw) }) };
        debug_assert!(holding.view().is_ok_and(|view| {
            let read = view.elements().filter_map(Result::ok);
            read.map(|element| (element.list, element.envelope)).eq(view
                .parts()
                .filter_map(Result::ok)
                .map(|part| (part.list, part.envelope.bytes().clone())))
        }));
        holding
    }
}

/// Walks over the envelopes inside a content; see [`EnvelopeView::elements`].
#[derive(Clone, Debug)]
pub struct Elements<'a> {
    kind: ContentKind,
    content: Bytes,
    reader: Option<Reader<'a>>,
}

impl EnvelopeView {
    /// As [`elements`](Self::elements), with their headers read. What cannot be kept without the whole message is
    /// [detached](Self::detached) first.
    pub fn parts(&self) -> impl Iterator<Item = Result<Part, WireError>> {
        let shared = self.inner.parts.as_deref().unwrap_or_default();
        let read = self.inner.parts.is_none().then(|| self.elements()).into_iter().flatten();
        let read = read.map(|element| {
            let Element { list, envelope } = element?;
            let inner = Inner { is_part: true, ..Inner::new(envelope) };
            Ok(Part { list, envelope: Envelope { inner: Arc::new(inner) } })
        });
        shared.iter().cloned().map(Ok).chain(read)
    }

    /// The envelopes inside the content, in the order in which they stand there, not decoded. Empty for contents that
    /// hold none. After an error, which makes the whole message unparsable, there is nothing more.
    pub fn elements(&self) -> Elements<'_> {
        Elements {
            kind: self.kind(),
            content: self.content_bytes(),
            reader: Some(Reader::new(self.content())),
        }
    }
}

impl Elements<'_> {
    fn step(&mut self) -> Result<Option<Element>, WireError> {
        let Some(reader) = &mut self.reader else { return Ok(None) };
        while let Some(field) = reader.next()? {
            if let Value::Bytes(span) = field.value
                && let Some(list) = ElementList::of(self.kind, field.number)
            {
                return Ok(Some(Element { list, envelope: span.share(&self.content) }));
            }
        }
        Ok(None)
    }

    /// A single envelope that stands there more than once: the pieces are merged.
    fn join(&mut self, first: Element) -> Result<Element, WireError> {
        let mut pieces: Option<Vec<u8>> = None;
        while let Some(next) = self.step()? {
            pieces.get_or_insert_with(|| first.envelope.to_vec()).extend_from_slice(&next.envelope);
        }
        Ok(Element { list: first.list, envelope: pieces.map_or(first.envelope, Bytes::from) })
    }
}

impl Iterator for Elements<'_> {
    type Item = Result<Element, WireError>;

    fn next(&mut self) -> Option<Self::Item> {
        let step = match self.step() {
            Ok(Some(element)) if element.list == ElementList::SelfInformation => self.join(element).map(Some),
            step => step,
        };
        if !matches!(step, Ok(Some(_))) {
            self.reader = None;
        }
        step.transpose()
    }
}
