//! Orders in short form.

use super::Payloads;
use crate::output::{CloseReason, Event, Output, Signed};
use crate::reject::Reject;
use core::fmt::{self, Write};
use selvedge_proto::envelope::{ContentKind, Envelope};

/// A kind of [`Output`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderKind {
    /// [`Output::Dial`].
    Dial = 1,
    /// [`Output::Send`].
    Send = 2,
    /// [`Output::Close`].
    Close = 3,
    /// [`Output::Sign`].
    Sign = 4,
    /// [`Output::Verify`].
    Verify = 5,
    /// [`Output::CheckIdentity`].
    CheckIdentity = 6,
    /// [`Output::VerifyBlock`].
    VerifyBlock = 7,
    /// [`Output::ReadBlocks`].
    ReadBlocks = 8,
    /// [`Output::Commit`].
    Commit = 9,
    /// [`Output::Mend`].
    Mend = 10,
    /// [`Output::HoldDelivery`].
    HoldDelivery = 11,
    /// [`Output::Event`].
    Event = 12,
}

impl OrderKind {
    const ALL: [Self; 12] = [
        Self::Dial,
        Self::Send,
        Self::Close,
        Self::Sign,
        Self::Verify,
        Self::CheckIdentity,
        Self::VerifyBlock,
        Self::ReadBlocks,
        Self::Commit,
        Self::Mend,
        Self::HoldDelivery,
        Self::Event,
    ];
}

/// An order in short form: equal orders have equal marks, others hardly ever.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct OrderMark(pub(super) u32);

impl OrderMark {
    /// Which kind the order is of; `None` for one that this version does not know.
    pub fn kind(self) -> Option<OrderKind> {
        OrderKind::ALL.into_iter().find(|kind| *kind as u32 == self.0 & 0xff)
    }
}

impl fmt::Debug for OrderMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind() {
            Some(kind) => write!(f, "{kind:?}({:06x})", self.0 >> 8),
            None => write!(f, "({:08x})", self.0),
        }
    }
}

/// The short form of an order. With blank payloads, blocks count with their length.
pub fn mark(output: &Output, payloads: Payloads) -> OrderMark {
    let mut sum = Sum { crc: 0, payloads };
    let kind = sum.order(output);
    OrderMark(sum.crc & !0xff | kind as u32)
}

struct Sum {
    crc: u32,
    payloads: Payloads,
}

impl Sum {
    fn order(&mut self, output: &Output) -> OrderKind {
        match output {
            Output::Dial { connection, endpoint } => {
                self.shown(connection);
                self.bytes(endpoint.as_bytes());
                OrderKind::Dial
            }
            Output::Send { connection, envelope, priority } => {
                self.shown(connection);
                self.envelope(envelope);
                self.number(*priority as u64);
                OrderKind::Send
            }
            Output::Close { connection, reason } => {
                self.shown(connection);
                match reason {
                    CloseReason::Handshake(reason) => self.reason(reason),
                    reason => self.shown(reason),
                }
                OrderKind::Close
            }
            Output::Sign { ticket, message } => {
                self.number(ticket.0);
                self.bytes(message);
                OrderKind::Sign
            }
            Output::Verify { ticket, identity, signed, secret, readers_of } => {
                self.number(ticket.0);
                self.bytes(identity);
                self.signed(signed);
                self.number(u64::from(secret.is_some()));
                secret.iter().for_each(|secret| self.signed(secret));
                self.shown(readers_of);
                OrderKind::Verify
            }
            Output::CheckIdentity { ticket, identity } => {
                self.number(ticket.0);
                self.bytes(identity);
                OrderKind::CheckIdentity
            }
            Output::VerifyBlock { ticket, channel, number, block } => {
                self.number(ticket.0);
                self.block(channel, *number, block);
                OrderKind::VerifyBlock
            }
            Output::ReadBlocks { ticket, channel, first, last, bytes_max } => {
                self.bytes(channel.as_bytes());
                [ticket.0, *first, *last, *bytes_max as u64]
                    .into_iter()
                    .for_each(|number| self.number(number));
                OrderKind::ReadBlocks
            }
            Output::Commit { channel, number, block } => {
                self.block(channel, *number, block);
                OrderKind::Commit
            }
            Output::Mend { channel, number, block } => {
                self.block(channel, *number, block);
                OrderKind::Mend
            }
            Output::HoldDelivery { channel, hold } => {
                self.bytes(channel.as_bytes());
                self.number(u64::from(*hold));
                OrderKind::HoldDelivery
            }
            Output::Event(event) => {
                match event {
                    Event::Rejected { from, kind, reason } => {
                        self.shown(from);
                        self.shown(kind);
                        self.reason(reason);
                    }
                    event => self.shown(event),
                }
                OrderKind::Event
            }
        }
    }

    fn envelope(&mut self, envelope: &Envelope) {
        let kind = envelope.kind();
        let holds_blocks =
            matches!(kind, ContentKind::DataMsg | ContentKind::DataUpdate | ContentKind::StateResponse);
        if holds_blocks && self.payloads == Payloads::Blank {
            self.number(kind as u64);
            self.number(envelope.byte_count() as u64);
        } else {
            self.bytes(envelope.bytes());
        }
    }

    fn block(&mut self, channel: &str, number: u64, block: &[u8]) {
        self.bytes(channel.as_bytes());
        self.number(number);
        match self.payloads {
            Payloads::Kept => self.bytes(block),
            Payloads::Blank => self.number(block.len() as u64),
        }
    }

    /// Bytes that cannot be read are left out with the payloads, and then cannot be read for another reason.
    fn reason(&mut self, reason: &Reject) {
        match (reason, self.payloads) {
            (Reject::Malformed(_), Payloads::Blank) => self.number(1),
            _ => self.shown(reason),
        }
    }

    fn signed(&mut self, signed: &Signed) {
        self.bytes(&signed.message);
        self.bytes(&signed.signature);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.crc = crc32c::crc32c_append(self.crc, bytes);
    }

    fn number(&mut self, number: u64) {
        self.crc = crc32c::crc32c_append(self.crc, &number.to_le_bytes());
    }

    /// What seldom comes.
    fn shown(&mut self, value: &dyn fmt::Debug) {
        // writing to a sum cannot fail
        let _ = write!(self, "{value:?}");
    }
}

impl Write for Sum {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.crc = crc32c::crc32c_append(self.crc, text.as_bytes());
        Ok(())
    }
}
