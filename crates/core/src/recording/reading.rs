//! Bytes as inputs.

use super::wire::{self, Body};
use super::{Beginning, MAGIC, OrderMark, PREFIX_BYTES, Payloads, VERSION, settings};
use crate::config::{Config, LocalPeer};
use crate::ids::{ChannelId, ConnectionId, Endpoint, PkiId, Ticket};
use crate::input::{Anchor, ChannelSettings, Command, IdentityClaims, Input, TlsBinding, VerifiedBlock};
use crate::time::{Instant, WallTime};
use bytes::Bytes;
use core::fmt;
use prost::Message;

/// Longer first lines are none.
const LINE_BYTES_MAX: usize = 64;

/// A recording, read record by record.
#[derive(Clone, Debug)]
pub struct Recording {
    beginning: Beginning,
    bytes: Bytes,
    position: usize,
    has_ended: bool,
}

/// Something that was recorded.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    /// The peer was given an input.
    Step {
        /// What was ordered before, since the last step.
        before: Vec<OrderMark>,
        /// When, by the peer's clock.
        at: Instant,
        /// What it was given.
        input: Input,
    },
    /// Recording was ended.
    End {
        /// What was ordered since the last step.
        before: Vec<OrderMark>,
        /// Why.
        reason: String,
    },
}

/// Why a recording cannot be read, or not further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordingError {
    /// The first line is not that of a recording.
    NoRecording,
    /// It is of another version.
    Version(String),
    /// It ends in the middle of a record, as it does after a crash: what comes before is whole.
    CutOff {
        /// Where the record begins.
        offset: usize,
    },
    /// A record's checksum is wrong, or it follows the end.
    Damaged {
        /// Where the record begins.
        offset: usize,
    },
    /// A record holds what this version does not know.
    Unknown {
        /// Where the record begins.
        offset: usize,
        /// What cannot be read.
        what: &'static str,
    },
    /// A setting is missing or unknown, or has a value that cannot be: it was written by another version.
    Setting {
        /// Its name.
        name: String,
        /// What is wrong with it.
        is: &'static str,
    },
}

impl fmt::Display for RecordingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRecording => f.write_str("not a recording of a node: the first line does not say so"),
            Self::Version(version) => {
                write!(
                    f,
                    "a recording of form {version:?}, this program reads form {VERSION}: use the version that wrote it"
                )
            }
            Self::CutOff { offset } => write!(f, "cut off: the record at byte {offset} is not whole"),
            Self::Damaged { offset } => {
                write!(f, "damaged: the record at byte {offset} is not what was written")
            }
            Self::Unknown { offset, what } => {
                write!(f, "the record at byte {offset} has {what} that this version does not know")
            }
            Self::Setting { name, is } => {
                write!(
                    f,
                    "setting {name:?} is {is}: the recording is of another version, replay it with that one"
                )
            }
        }
    }
}

impl core::error::Error for RecordingError {}

/// What a body lacks.
type Unknown = &'static str;

impl Recording {
    /// Reads the beginning of a recording.
    ///
    /// # Errors
    ///
    /// If that is not whole or of another version.
    pub fn open(bytes: Bytes) -> Result<Self, RecordingError> {
        let line_end = bytes.iter().take(LINE_BYTES_MAX).position(|byte| *byte == b'\n');
        let line = line_end.and_then(|end| bytes.get(..end)).and_then(|line| core::str::from_utf8(line).ok());
        let version = line.and_then(|line| line.strip_prefix(MAGIC)).ok_or(RecordingError::NoRecording)?;
        if version != VERSION.to_string() {
            return Err(RecordingError::Version(version.to_owned()));
        }
        let position = line_end.map_or(0, |end| end + 1);
        let mut cursor = Cursor { bytes: &bytes, position };
        let Some(record) = cursor.next()? else { return Err(RecordingError::CutOff { offset: position }) };
        let Body::Beginning(beginning) = record else {
            return Err(RecordingError::Unknown { offset: position, what: "no beginning" });
        };
        let beginning = read_beginning(beginning, position)?;
        let position = cursor.position;
        Ok(Self { beginning, bytes, position, has_ended: false })
    }

    /// What the peer was made of.
    pub fn beginning(&self) -> &Beginning {
        &self.beginning
    }

    /// What comes next; `None` where the recording ends. One without [`Entry::End`] was not ended in order.
    ///
    /// # Errors
    ///
    /// If what comes next is not whole; nothing can be read behind it.
    pub fn advance(&mut self) -> Result<Option<Entry>, RecordingError> {
        let offset = self.position;
        let mut cursor = Cursor { bytes: &self.bytes, position: offset };
        let Some(body) = cursor.next()? else { return Ok(None) };
        if self.has_ended {
            return Err(RecordingError::Damaged { offset });
        }
        let position = cursor.position;
        let entry = match body {
            Body::Beginning(_) => Err("a second beginning"),
            Body::Step(wire::Step { orders, at_nanos, input }) => {
                input.ok_or("an input").and_then(read_input).map(|input| Entry::Step {
                    before: marks(&orders),
                    at: Instant::from_nanos(at_nanos),
                    input,
                })
            }
            Body::End(wire::End { orders, reason }) => {
                self.has_ended = true;
                Ok(Entry::End { before: marks(&orders), reason })
            }
        };
        let entry = entry.map_err(|what| RecordingError::Unknown { offset, what })?;
        self.position = position;
        Ok(Some(entry))
    }

    /// How many bytes have been read.
    pub fn position(&self) -> usize {
        self.position
    }
}

struct Cursor<'a> {
    bytes: &'a Bytes,
    position: usize,
}

impl Cursor<'_> {
    fn next(&mut self) -> Result<Option<Body>, RecordingError> {
        let offset = self.position;
        let rest = self.bytes.get(offset..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(None);
        }
        let cut_off = RecordingError::CutOff { offset };
        let (prefix, _) = rest.split_first_chunk::<PREFIX_BYTES>().ok_or_else(|| cut_off.clone())?;
        let both = u64::from_le_bytes(*prefix);
        let (length, checksum) = ((both & u64::from(u32::MAX)) as usize, (both >> 32) as u32);
        let end = PREFIX_BYTES.saturating_add(length);
        if rest.len() < end {
            return Err(cut_off);
        }
        let body = self.bytes.slice(offset + PREFIX_BYTES..offset + end);
        if body.is_empty() || crc32c::crc32c(&body) != checksum {
            return Err(RecordingError::Damaged { offset });
        }
        self.position = offset + end;
        let record = wire::Record::decode(body).map_err(|_| RecordingError::Damaged { offset })?;
        record.body.ok_or(RecordingError::Unknown { offset, what: "a kind of record" }).map(Some)
    }
}

fn marks(orders: &[u32]) -> Vec<OrderMark> {
    orders.iter().copied().map(OrderMark).collect()
}

fn read_beginning(from: wire::Beginning, offset: usize) -> Result<Beginning, RecordingError> {
    let pki_id =
        PkiId::from_wire(&from.pki_id).ok_or(RecordingError::Unknown { offset, what: "a PKI-ID" })?;
    let config = Config {
        endpoint: from.endpoint.into(),
        external_endpoint: from.external_endpoint.into(),
        bootstrap: from.bootstrap.into_iter().map(Endpoint::from).collect(),
        ..settings::read(&from.settings)?
    };
    let me = LocalPeer {
        pki_id,
        org: from.org.into(),
        identity: from.identity,
        expires_at: WallTime::from_nanos(from.expires_at_nanos),
        incarnation: from.incarnation,
    };
    Ok(Beginning {
        program: from.program,
        payloads: if from.payloads_kept { Payloads::Kept } else { Payloads::Blank },
        config,
        me,
        seed: from.seed,
        now: Instant::from_nanos(from.now_nanos),
        wall: WallTime::from_nanos(from.wall_nanos),
    })
}

fn read_input(input: wire::Input) -> Result<Input, Unknown> {
    use wire::Input as From;
    Ok(match input {
        From::Deadline(_) => Input::Deadline,
        From::Dialed(opened) => {
            Input::Dialed { connection: ConnectionId(opened.connection), binding: binding(&opened)? }
        }
        From::DialFailed(it) => {
            Input::DialFailed { connection: ConnectionId(it.connection), reason: it.reason }
        }
        From::Accepted(opened) => {
            Input::Accepted { connection: ConnectionId(opened.connection), binding: binding(&opened)? }
        }
        From::Frame(it) => {
            Input::Frame { connection: ConnectionId(it.connection), envelope: it.envelope.into() }
        }
        From::Closed(it) => Input::Closed { connection: ConnectionId(it.connection), reason: it.reason },
        From::Signed(it) => Input::Signed { ticket: Ticket(it.ticket), signature: it.signature },
        From::IdentityChecked(it) => {
            let claims = it.claims.map(read_claims).transpose()?;
            Input::IdentityChecked { ticket: Ticket(it.ticket), claims }
        }
        From::Verified(it) => Input::Verified { ticket: Ticket(it.ticket), ok: it.ok },
        From::BlockVerified(it) => {
            let block = it.ok.then_some(VerifiedBlock { is_config: it.is_config });
            Input::BlockVerified { ticket: Ticket(it.ticket), block }
        }
        From::BlocksRead(it) => {
            let blocks = it.blocks.into_iter().map(|block| (block.number, block.block)).collect();
            Input::BlocksRead { ticket: Ticket(it.ticket), blocks }
        }
        From::Committed(it) => Input::Committed { channel: it.channel.into(), height: it.number },
        From::CommitRefused(it) => Input::CommitRefused { channel: it.channel.into(), number: it.number },
        From::Mended(it) => Input::Mended { channel: it.channel.into(), number: it.number, ok: it.ok },
        From::BlockDelivered(it) => {
            Input::BlockDelivered { channel: it.channel.into(), number: it.number, block: it.block }
        }
        From::ConfigureChannel(it) => Input::Command(Command::ConfigureChannel(read_settings(it))),
        From::LeaveChannel(it) => Input::Command(Command::LeaveChannel(it.channel.into())),
        From::ObtainBlocks(it) => {
            let channel = ChannelId::from(it.channel);
            Input::Command(Command::ObtainBlocks { channel, first: it.first, last: it.last })
        }
    })
}

fn read_settings(from: wire::ChannelSettings) -> ChannelSettings {
    let anchor = |anchor: wire::Anchor| Anchor { org: anchor.org.into(), endpoint: anchor.endpoint.into() };
    ChannelSettings {
        channel: from.channel.into(),
        sequence: from.sequence,
        orgs: from.orgs.into_iter().map(Into::into).collect(),
        anchors: from.anchors.into_iter().map(anchor).collect(),
        height: from.height,
    }
}

fn read_claims(from: wire::Claims) -> Result<IdentityClaims, Unknown> {
    Ok(IdentityClaims {
        pki_id: PkiId::from_wire(&from.pki_id).ok_or("a PKI-ID")?,
        org: from.org.into(),
        expires_at: WallTime::from_nanos(from.expires_at_nanos),
        key_hash: hash(&from.key_hash)?,
    })
}

fn binding(from: &wire::Opened) -> Result<Option<TlsBinding>, Unknown> {
    if from.own_hash.is_empty() {
        return Ok(None);
    }
    let remote = if from.remote_hash.is_empty() { None } else { Some(hash(&from.remote_hash)?) };
    Ok(Some(TlsBinding { own: hash(&from.own_hash)?, remote }))
}

fn hash(bytes: &[u8]) -> Result<[u8; 32], Unknown> {
    bytes.try_into().map_err(|_| "a hash")
}
