//! `selvedge block`: one block in words.

mod checks;
mod summary;
mod text;

pub(crate) use summary::BlockSummary;

use crate::decode::framing::{self, Frame, Framing};
use crate::failure::Failure;
use crate::ledger::Place;
use crate::show::{Page, unless_gone};
use crate::trust::{Trust, TrustFlags};
use bytes::Bytes;
use clap::{Args, Subcommand};
use selvedge_proto::common;
use std::io::Write as _;

/// Look at a block.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Show a block: number, hashes, transactions, orderers' signatures, last configuration, validation flags
    #[command(after_help = "Examples:
  selvedge block show mychannel_42.block --config-block mychannel.block
  peer channel fetch newest - -c mychannel -o orderer:7050 | selvedge block show -
  selvedge block show 42 --data /var/hyperledger/production/selvedge --channel mychannel
  selvedge block show 42                    # of the stopped node that core.yaml describes

A number is a block of the ledger, anything else a file (a file named 42 is ./42). The configuration in force is taken
from the ledger itself; for a file it is given with --config-block. `signature_ok` is true if header, data and the
orderers' signatures satisfy the channel's BlockValidation policy; the block's link to the one before is checked by
`selvedge ledger verify`. Validation flags are what the peer that stored the block found, and nobody signed them.")]
    Show(Show),
}

/// Which block, and how to show it.
#[derive(Args, Debug)]
pub(crate) struct Show {
    /// A file with one common.Block, `-` for standard input, or the number of a block in a ledger
    #[arg(value_name = "FILE|-|NUMBER")]
    what: String,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    trust: TrustFlags,
    #[command(flatten)]
    place: Place,
}

pub(crate) fn run(command: &Command) -> Result<(), Failure> {
    let Command::Show(show) = command;
    let mut trust = show.trust.load()?;
    let bytes = match show.what.parse::<u64>() {
        Ok(number) => from_ledger(number, &show.place, &mut trust)?,
        Err(_) if show.place.is_named() => {
            return Err(Failure::because(format!(
                "{:?} is not the number of a block; --data and --channel want one",
                show.what
            )));
        }
        Err(_) => from_file(&show.what)?,
    };
    let refused = |reason: String| Failure::because(format!("{}: {reason}", show.what));
    let block = selvedge_proto::decode::<common::Block>(bytes.clone())
        .map_err(|error| refused(format!("not a block: {error}")))?;
    let summary = BlockSummary::of(&block, bytes.len(), &trust).map_err(refused)?;
    let text = if show.json {
        format!("{}\n", serde_json::to_string(&summary)?)
    } else {
        let mut page = Page::default();
        summary.write(&mut page);
        page.into_text()
    };
    Ok(unless_gone(std::io::stdout().lock().write_all(text.as_bytes()))?)
}

fn from_file(name: &str) -> Result<Bytes, Failure> {
    let mut frames = framing::open(name, Framing::None)?;
    match frames.next() {
        Some(Ok(Frame::Record { bytes, .. })) => Ok(bytes),
        Some(Ok(Frame::Damaged { reason, .. })) => Err(Failure::because(format!("{name}: {reason}"))),
        Some(Err(error)) => Err(Failure::because(format!("{name}: {error}"))),
        None => Err(Failure::because(format!("{name}: empty"))),
    }
}

/// The block, and the configuration in force at it as one to check against.
fn from_ledger(number: u64, place: &Place, trust: &mut Trust) -> Result<Bytes, Failure> {
    let (ledger, _) = place.open_ledger()?;
    let reader = ledger.reader();
    let read = |wanted: u64| {
        reader.read(wanted).map_err(|error| Failure::because(format!("block {wanted}: {error}")))
    };
    let Some(bytes) = read(number)? else {
        return Err(Failure::because(match ledger.height().checked_sub(1) {
            Some(last) if ledger.first_number() <= last => format!(
                "there is no block {number}: the ledger has blocks {} to {last}",
                ledger.first_number()
            ),
            _ => format!("there is no block {number}: the ledger is empty"),
        }));
    };
    let configuration = number.checked_sub(1).and_then(|before| ledger.last_config_at_or_below(before));
    if let Some(configuration) = configuration
        && let Some(block) = read(configuration)?
        && let Ok(block) = selvedge_proto::decode::<common::Block>(block)
    {
        // a configuration that cannot be used shows as a signature that cannot be checked
        let _ = trust.add(&block);
    }
    Ok(bytes)
}
