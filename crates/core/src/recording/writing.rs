//! Inputs as bytes.

use super::wire::{self, Body};
use super::{Beginning, MAGIC, OrderMark, PREFIX_BYTES, Payloads, VERSION, mark, settings};
use crate::config::LocalPeer;
use crate::input::{Command, IdentityClaims, Input, TlsBinding, VerifiedBlock};
use crate::output::Output;
use crate::time::Instant;
use bytes::Bytes;
use prost::Message;
use selvedge_proto::{blank_block, blank_envelope};

/// Makes the bytes of a recording, piece by piece. The pieces one after the other are the file.
#[derive(Debug)]
pub struct Recorder {
    payloads: Payloads,
    /// Of what was ordered since the last step.
    orders: Vec<OrderMark>,
}

impl Recorder {
    /// Begins a recording; the second value is its first piece.
    pub fn new(beginning: &Beginning) -> (Self, Vec<u8>) {
        let Beginning { program, payloads, config, me, seed, now, wall } = beginning;
        let LocalPeer { pki_id, org, identity, expires_at, incarnation } = me;
        let body = Body::Beginning(wire::Beginning {
            program: program.clone(),
            payloads_kept: *payloads == Payloads::Kept,
            seed: *seed,
            now_nanos: now.as_nanos(),
            wall_nanos: wall.as_nanos(),
            pki_id: Bytes::copy_from_slice(pki_id.as_bytes()),
            org: org.to_string(),
            identity: identity.clone(),
            expires_at_nanos: expires_at.as_nanos(),
            incarnation: *incarnation,
            endpoint: config.endpoint.to_string(),
            external_endpoint: config.external_endpoint.to_string(),
            bootstrap: config.bootstrap.iter().map(ToString::to_string).collect(),
            settings: settings::write(config),
        });
        let mut piece = format!("{MAGIC}{VERSION}\n").into_bytes();
        piece.extend(record(body));
        (Self { payloads: *payloads, orders: Vec::new() }, piece)
    }

    /// The piece for an input that the peer is about to be given.
    pub fn input(&mut self, at: Instant, input: &Input) -> Vec<u8> {
        let input = Some(self.convert(input));
        let step = wire::Step { orders: self.take_orders(), at_nanos: at.as_nanos(), input };
        record(Body::Step(step))
    }

    /// Notes what the peer ordered.
    pub fn output(&mut self, output: &Output) {
        self.orders.push(mark(output, self.payloads));
    }

    /// The last piece: nothing more is recorded, for this reason.
    pub fn end(&mut self, reason: &str) -> Vec<u8> {
        let end = wire::End { orders: self.take_orders(), reason: reason.to_owned() };
        record(Body::End(end))
    }

    fn take_orders(&mut self) -> Vec<u32> {
        self.orders.drain(..).map(|OrderMark(mark)| mark).collect()
    }

    fn block(&self, block: &Bytes) -> Bytes {
        match self.payloads {
            Payloads::Kept => block.clone(),
            Payloads::Blank => blank_block(block),
        }
    }

    fn convert(&self, input: &Input) -> wire::Input {
        use wire::Input as To;
        match input {
            Input::Deadline => To::Deadline(wire::Empty {}),
            Input::Dialed { connection, binding } => To::Dialed(opened(connection.0, *binding)),
            Input::DialFailed { connection, reason } => {
                To::DialFailed(wire::Ended { connection: connection.0, reason: reason.clone() })
            }
            Input::Accepted { connection, binding } => To::Accepted(opened(connection.0, *binding)),
            Input::Frame { connection, envelope } => {
                let envelope = match self.payloads {
                    Payloads::Kept => envelope.bytes().clone(),
                    Payloads::Blank => blank_envelope(envelope.bytes()),
                };
                To::Frame(wire::Frame { connection: connection.0, envelope })
            }
            Input::Closed { connection, reason } => {
                To::Closed(wire::Ended { connection: connection.0, reason: reason.clone() })
            }
            Input::Signed { ticket, signature } => {
                To::Signed(wire::Signed { ticket: ticket.0, signature: signature.clone() })
            }
            Input::IdentityChecked { ticket, claims } => {
                let claims = claims.as_ref().map(convert_claims);
                To::IdentityChecked(wire::IdentityChecked { ticket: ticket.0, claims })
            }
            Input::Verified { ticket, ok } => To::Verified(wire::Verified { ticket: ticket.0, ok: *ok }),
            Input::BlockVerified { ticket, block } => To::BlockVerified(wire::BlockVerified {
                ticket: ticket.0,
                ok: block.is_some(),
                is_config: block.as_ref().is_some_and(|VerifiedBlock { is_config }| *is_config),
            }),
            Input::BlocksRead { ticket, blocks } => {
                let blocks = blocks.iter();
                let blocks =
                    blocks.map(|(number, block)| wire::Block { number: *number, block: self.block(block) });
                To::BlocksRead(wire::BlocksRead { ticket: ticket.0, blocks: blocks.collect() })
            }
            Input::Committed { channel, height } => To::Committed(place(channel, *height)),
            Input::CommitRefused { channel, number } => To::CommitRefused(place(channel, *number)),
            Input::Mended { channel, number, ok } => {
                To::Mended(wire::Mended { channel: channel.to_string(), number: *number, ok: *ok })
            }
            Input::BlockDelivered { channel, number, block } => To::BlockDelivered(wire::Delivered {
                channel: channel.to_string(),
                number: *number,
                block: self.block(block),
            }),
            Input::Command(Command::ConfigureChannel(settings)) => {
                let crate::ChannelSettings { channel, sequence, orgs, anchors, height } = settings;
                let anchors = anchors.iter().map(|crate::Anchor { org, endpoint }| wire::Anchor {
                    org: org.to_string(),
                    endpoint: endpoint.to_string(),
                });
                To::ConfigureChannel(wire::ChannelSettings {
                    channel: channel.to_string(),
                    sequence: *sequence,
                    orgs: orgs.iter().map(ToString::to_string).collect(),
                    anchors: anchors.collect(),
                    height: *height,
                })
            }
            Input::Command(Command::LeaveChannel(channel)) => To::LeaveChannel(place(channel, 0)),
            Input::Command(Command::ObtainBlocks { channel, first, last }) => {
                To::ObtainBlocks(wire::Stretch { channel: channel.to_string(), first: *first, last: *last })
            }
        }
    }
}

fn opened(connection: u64, binding: Option<TlsBinding>) -> wire::Opened {
    let hash = |hash: Option<[u8; 32]>| hash.map(|hash| Bytes::copy_from_slice(&hash)).unwrap_or_default();
    let own_hash = hash(binding.map(|binding| binding.own));
    wire::Opened { connection, own_hash, remote_hash: hash(binding.and_then(|binding| binding.remote)) }
}

fn convert_claims(claims: &IdentityClaims) -> wire::Claims {
    let IdentityClaims { pki_id, org, expires_at, key_hash } = claims;
    wire::Claims {
        pki_id: Bytes::copy_from_slice(pki_id.as_bytes()),
        org: org.to_string(),
        expires_at_nanos: expires_at.as_nanos(),
        key_hash: Bytes::copy_from_slice(key_hash),
    }
}

fn place(channel: &str, number: u64) -> wire::Place {
    wire::Place { channel: channel.to_owned(), number }
}

fn record(body: Body) -> Vec<u8> {
    framed(&wire::Record { body: Some(body) }.encode_to_vec())
}

/// A body with length and checksum before it.
pub(crate) fn framed(body: &[u8]) -> Vec<u8> {
    // a body has at most the frames' 100 MiB
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    let mut piece = Vec::with_capacity(PREFIX_BYTES + body.len());
    piece.extend_from_slice(&length.to_le_bytes());
    piece.extend_from_slice(&crc32c::crc32c(body).to_le_bytes());
    piece.extend_from_slice(body);
    piece
}
