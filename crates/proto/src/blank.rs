//! Messages and blocks with zeros in the place of transactions and private data, for records that must not hold them.
//!
//! Nothing else changes, not even a length: what reads a message but for its transactions reads a blank one as before.

use bytes::Bytes;

use crate::envelope::ContentKind;
use crate::wire::{Reader, Span, Value};

/// Envelopes within envelopes that are looked into.
const DEPTH_MAX: u32 = 4;

/// A marshalled `gossip.Envelope` without what its blocks and private data say. Shares the bytes if there is nothing to leave
/// out.
pub fn blank_envelope(envelope: &Bytes) -> Bytes {
    let mut blank = Blank { buffer: envelope, spans: Vec::new() };
    blank.envelope(whole(envelope), DEPTH_MAX);
    blank.done()
}

/// A marshalled `common.Block` with its header and metadata, and zeros for each entry of its data.
pub fn blank_block(block: &Bytes) -> Bytes {
    let mut blank = Blank { buffer: block, spans: Vec::new() };
    blank.block(whole(block));
    blank.done()
}

fn whole(buffer: &Bytes) -> Span {
    Span::of_range(&(0..buffer.len()))
}

/// What is found to be left out.
struct Blank<'a> {
    buffer: &'a Bytes,
    spans: Vec<Span>,
}

impl Blank<'_> {
    fn done(self) -> Bytes {
        if self.spans.is_empty() {
            return self.buffer.clone();
        }
        let mut bytes = self.buffer.to_vec();
        for span in self.spans {
            if let Some(part) = bytes.get_mut(span.range()) {
                part.fill(0);
            }
        }
        bytes.into()
    }

    /// Hands out each field of bytes; what stands behind an error is left out, since nobody knows what it is.
    fn fields(&mut self, message: Span, mut each: impl FnMut(&mut Self, u32, Span)) {
        let buffer = self.buffer;
        let mut reader = Reader::within(buffer, message);
        loop {
            let start = reader.position();
            match reader.next() {
                Ok(Some(field)) => {
                    if let Value::Bytes(span) = field.value {
                        each(self, field.number, span);
                    }
                }
                Ok(None) => return,
                Err(_) => return self.spans.push(Span::of_range(&(start..message.range().end))),
            }
        }
    }

    fn envelope(&mut self, envelope: Span, depth: u32) {
        if depth == 0 {
            return self.spans.push(envelope);
        }
        self.fields(envelope, |this, number, span| {
            if number == 1 {
                this.message(span, depth);
            }
        });
    }

    fn message(&mut self, message: Span, depth: u32) {
        self.fields(message, |this, number, content| match ContentKind::from_field_number(number) {
            Some(ContentKind::DataMsg | ContentKind::StateResponse) => this.payloads(content),
            Some(ContentKind::DataUpdate) => this.fields(content, |this, number, item| {
                if number == 2 {
                    this.envelope(item, depth - 1);
                }
            }),
            Some(ContentKind::PrivateData | ContentKind::PrivateRes) => this.spans.push(content),
            _ => {}
        });
    }

    /// The payloads of a pushed block or of a state response, which have the same number.
    fn payloads(&mut self, content: Span) {
        self.fields(content, |this, number, payload| {
            if number == 1 {
                this.fields(payload, |this, number, span| match number {
                    2 => this.block(span),
                    3 => this.spans.push(span),
                    _ => {}
                });
            }
        });
    }

    fn block(&mut self, block: Span) {
        self.fields(block, |this, number, span| {
            if number == 2 {
                this.fields(span, |this, _, entry| this.spans.push(entry));
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::{Block, BlockData, BlockHeader, BlockMetadata};
    use crate::envelope::{EnvelopeView, seal_unsigned};
    use crate::gossip::gossip_message::Content;
    use crate::gossip::{
        DataMessage, DataUpdate, Envelope, GossipMessage, Payload, PrivateDataMessage, PrivatePayload,
        RemoteStateResponse,
    };
    use prost::Message;

    const SECRET: &[u8] = b"a transaction";

    fn block() -> Block {
        Block {
            header: Some(BlockHeader { number: 7, data_hash: "hash".into(), ..BlockHeader::default() }),
            data: Some(BlockData { data: vec![SECRET.into(), SECRET.into()] }),
            metadata: Some(BlockMetadata { metadata: vec!["signatures".into()] }),
        }
    }

    fn payload() -> Payload {
        Payload { seq_num: 7, data: block().encode_to_vec().into(), private_data: vec![SECRET.into()] }
    }

    fn envelope(content: Content) -> Bytes {
        let channel = "mychannel".into();
        seal_unsigned(&GossipMessage { nonce: 5, channel, content: Some(content), ..Default::default() })
    }

    fn holds_secret(bytes: &[u8]) -> bool {
        bytes.windows(SECRET.len()).any(|part| part == SECRET)
    }

    #[test]
    fn transactions_and_private_data_are_left_out_wherever_they_are() {
        let data = envelope(Content::DataMsg(DataMessage { payload: Some(payload()) }));
        let items = vec![Envelope::decode(data.clone()).unwrap(), Envelope::default()];
        let update = Content::DataUpdate(DataUpdate { nonce: 1, data: items, msg_type: 1 });
        let response = Content::StateResponse(RemoteStateResponse { payloads: vec![payload(), payload()] });
        let private = PrivatePayload { private_rwset: SECRET.into(), ..PrivatePayload::default() };
        let private = Content::PrivateData(PrivateDataMessage { payload: Some(private) });
        for envelope in [data, envelope(update), envelope(response), envelope(private)] {
            assert!(holds_secret(&envelope));
            let blank = blank_envelope(&envelope);
            assert!(!holds_secret(&blank));
            assert_eq!(blank.len(), envelope.len());
            let (view, before) =
                (EnvelopeView::parse(blank).unwrap(), EnvelopeView::parse(envelope).unwrap());
            assert_eq!(
                (view.kind(), view.nonce(), view.channel()),
                (before.kind(), before.nonce(), before.channel())
            );
            assert_eq!(view.block_number(), before.block_number());
        }
    }

    #[test]
    fn the_rest_of_a_block_stays() {
        let blank = Block::decode(blank_block(&block().encode_to_vec().into())).unwrap();
        let zeros = BlockData { data: vec![vec![0; SECRET.len()].into(), vec![0; SECRET.len()].into()] };
        assert_eq!(blank, Block { data: Some(zeros), ..block() });
    }

    #[test]
    fn other_messages_are_shared() {
        let hello = envelope(Content::Hello(crate::gossip::GossipHello { nonce: 3, ..Default::default() }));
        assert_eq!(blank_envelope(&hello).as_ptr(), hello.as_ptr());
    }

    #[test]
    fn what_cannot_be_read_is_left_out() {
        let mut cut = block().encode_to_vec();
        cut.truncate(30);
        assert!(holds_secret(&cut));
        assert!(!holds_secret(&blank_block(&cut.into())));
    }
}
