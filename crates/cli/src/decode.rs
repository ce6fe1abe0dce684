//! `selvedge decode`: envelopes, gossip messages and blocks as text or JSON.

mod book;
pub(crate) mod framing;
mod gossip;
mod guess;
mod json;
mod text;

pub(crate) use book::IdentityBook;
pub(crate) use gossip::{Decoder, Gossip};

use crate::block::BlockSummary;
use crate::failure::Failure;
use crate::show::{Page, clean, unless_gone};
use crate::trust::TrustFlags;
use bytes::Bytes;
use clap::Args;
use framing::{Frame, Framing};
use guess::{As, guess};
use json::JsonWriter;
use selvedge_proto::common;
use std::io::{self, BufWriter, Write};

/// Show envelopes, gossip messages and blocks as text or JSON.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  selvedge decode envelope.bin
  selvedge decode stream.bin --framing be32 --config-block mychannel.block
  selvedge decode stream.bin --framing be32 --json | jq 'select(.kind == \"StateInfo\")'
  selvedge decode alive.bin --msp Org1MSP=./org1/msp --identity Org1MSP=./peer0/msp/signcerts/cert.pem
  selvedge decode 42.block --config-block 0.block

Signatures are checked with the organisations of --config-block and --msp. Some messages name their signer by PKI-ID
only: its identity must have come earlier in the input (in a handshake, an alive message or an identity pull), or with
--identity. A signature is ok if the identity is valid under its MSP and signed these bytes; no channel policy is asked
and no certificate is too old.

With --json, each line is an object with `offset` (of the record's first byte), `kind` (the type, as in AliveMessage or
DataUpdate.BLOCK_MSG, or Block), `message` (protobuf JSON), `nested_0`... (messages nested in it), `nested` (what there
is to say of those), `signature`, `secret`, and `signature_ok`: true, false, or null, with a `reason` unless true. A
message that no peer would accept has `malformed`. A block has its summary, as `selvedge block show --json`. What cannot
be read is an object with `offset` and `error`.

Exit code: 0 if every record was read, 1 if one was damaged or cut off; whether signatures are right does not matter.")]
pub(crate) struct Arguments {
    /// The input; `-` for standard input
    #[arg(value_name = "FILE|-")]
    file: String,
    /// What the records are; told apart by their looks when left out
    #[arg(long = "as", value_enum, value_name = "WHAT")]
    what: Option<As>,
    /// How records are told apart
    #[arg(long, value_enum, default_value_t)]
    framing: Framing,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
    /// An identity that signed messages of the input: a file with a serialized identity or, after MSPID=, one with a
    /// certificate in PEM. May be given several times
    #[arg(long = "identity", value_name = "[MSPID=]FILE")]
    identities: Vec<String>,
    #[command(flatten)]
    trust: TrustFlags,
}

/// Messages nested in one that are looked at. No network has so many peers.
const NESTED_MAX: usize = 250_000;

/// A record that was read.
enum Record {
    Gossip(Box<Gossip>),
    Block(Box<BlockSummary>),
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let trust = arguments.trust.load()?;
    let mut book = IdentityBook::default();
    for identity in &arguments.identities {
        book.load(identity, &trust)?;
    }
    let mut decoder = Decoder { trust, book, nested_max: NESTED_MAX };
    let writer = JsonWriter::new()?;
    let mut out = BufWriter::new(io::stdout().lock());
    let mut damaged_count = 0_u64;
    for frame in framing::open(&arguments.file, arguments.framing)? {
        let frame = frame.map_err(|error| Failure::because(format!("{}: {error}", arguments.file)))?;
        let (offset, size, record) = match frame {
            Frame::Record { offset, bytes } => (offset, bytes.len(), decode(arguments, &mut decoder, &bytes)),
            Frame::Damaged { offset, reason } => (offset, 0, Err(reason)),
        };
        let is_whole = matches!(&record, Ok(record) if record.is_whole());
        damaged_count += u64::from(!is_whole);
        let text = if arguments.json {
            line(&writer, offset, &record)? + "\n"
        } else {
            paragraph(&decoder, offset, size, &record)
        };
        if let Err(error) = out.write_all(text.as_bytes()) {
            unless_gone(Err(error))?;
            return Ok(());
        }
    }
    unless_gone(out.flush())?;
    if damaged_count > 0 { Err(Failure::Told) } else { Ok(()) }
}

fn decode(arguments: &Arguments, decoder: &mut Decoder, bytes: &Bytes) -> Result<Record, String> {
    let what = arguments.what.unwrap_or_else(|| guess(bytes));
    let damaged = |what: &str, error: selvedge_proto::WireError| format!("not {what}: {error}");
    let gossip = match what {
        As::Block => {
            let block = selvedge_proto::decode::<common::Block>(bytes.clone())
                .map_err(|error| damaged("a block", error))?;
            let summary = BlockSummary::of(&block, bytes.len(), &decoder.trust)?;
            return Ok(Record::Block(Box::new(summary)));
        }
        As::Message => decoder.message(bytes).map_err(|error| damaged("a gossip message", error)),
        As::Envelope => decoder.envelope(bytes.clone()).map_err(|error| damaged("an envelope", error)),
    };
    match gossip {
        Ok(gossip) if arguments.what.is_none() && gossip.kind == "None" => Err(format!(
            "neither an envelope nor a gossip message nor a block{}",
            framing_hint(arguments, bytes)
        )),
        Ok(gossip) => Ok(Record::Gossip(Box::new(gossip))),
        Err(reason) => Err(reason + framing_hint(arguments, bytes)),
    }
}

/// A file of several messages that is read as one.
fn framing_hint(arguments: &Arguments, bytes: &Bytes) -> &'static str {
    let announced = bytes.first_chunk::<4>().map(|prefix| u32::from_be_bytes(*prefix) as usize);
    let fits = announced.is_some_and(|length| length > 0 && length <= bytes.len() - 4);
    if arguments.framing == Framing::None && fits { "; it looks like --framing be32" } else { "" }
}

impl Record {
    /// Whether everything nested in it could be read, too.
    fn is_whole(&self) -> bool {
        match self {
            Self::Block(block) => block.transactions.iter().all(|transaction| transaction.problem.is_none()),
            Self::Gossip(gossip) => {
                let blocks_are_whole = |gossip: &Gossip| gossip.blocks.iter().all(Result::is_ok);
                blocks_are_whole(gossip)
                    && gossip.nested.iter().all(|nested| nested.gossip.as_deref().is_ok_and(blocks_are_whole))
            }
        }
    }
}

fn line(writer: &JsonWriter, offset: u64, record: &Result<Record, String>) -> Result<String, Failure> {
    Ok(match record {
        Ok(Record::Gossip(gossip)) => writer.gossip(offset, gossip)?,
        Ok(Record::Block(block)) => JsonWriter::block(offset, block)?,
        Err(reason) => JsonWriter::damaged(offset, reason)?,
    })
}

fn paragraph(decoder: &Decoder, offset: u64, size: usize, record: &Result<Record, String>) -> String {
    let mut page = Page::default();
    match record {
        Ok(Record::Gossip(gossip)) => text::write(&mut page, decoder, offset, size, gossip),
        Ok(Record::Block(block)) => {
            page.line(format_args!("{offset}: {}", block.headline()));
            page.indented(|page| block.write_body(page));
        }
        Err(reason) => page.line(format_args!("{offset}: DAMAGED: {}", clean(reason))),
    }
    page.into_text()
}
