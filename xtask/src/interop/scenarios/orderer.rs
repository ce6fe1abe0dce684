//! Blocks come from the orderers, and are what the orderers have.

use super::{ANCHOR, Context, Outcome, SELVEDGE, judge_logs, make_blocks, wait_height};
use crate::interop::network::{Behaviour, Consensus};
use crate::interop::selvedge;
use selvedge_proto::{block, common};
use std::fs;
use std::time::Duration;

pub(super) fn raft(context: &Context, observed: &mut Vec<String>) -> Outcome {
    run(context, Consensus::Raft, observed)
}

pub(super) fn bft(context: &Context, observed: &mut Vec<String>) -> Outcome {
    run(context, Consensus::Bft, observed)
}

fn run(context: &Context, consensus: Consensus, observed: &mut Vec<String>) -> Outcome {
    let mut network = context.network(consensus, Behaviour::SAMPLE)?;
    context.selvedge(&mut network, SELVEDGE, Behaviour::SAMPLE)?;
    let height = make_blocks(&network, ANCHOR, 20)?;
    wait_height(&[SELVEDGE], height, Duration::from_secs(30))?;
    network.terminate(&SELVEDGE.short_name());
    let ours = network.folder().join("our-blocks");
    selvedge::ledger(&network, &context.program, SELVEDGE, &["export", &ours.display().to_string()])?;
    let mut equal = 0;
    for number in 0..height {
        let stored = fs::read(ours.join(format!("{number:06}.block")))?;
        let theirs = network.fetch_block(ANCHOR, number)?;
        let same = match consensus {
            Consensus::Raft => theirs.contains(&stored),
            Consensus::Bft => is_same_block(&stored, &theirs)?,
        };
        if !same {
            return Err(format!("block {number} is not that of any orderer").into());
        }
        equal += 1;
    }
    let how = if consensus == Consensus::Raft {
        "byte for byte, each that of the orderer it came from"
    } else {
        "in header and data"
    };
    observed.push(format!("{equal} blocks equal the ordering service's {how}"));
    let said = selvedge::ledger(&network, &context.program, SELVEDGE, &["verify"])?;
    observed.push(format!("ledger verify: {}", said.lines().last().unwrap_or_default()));
    judge_logs(&network, &[SELVEDGE], observed)
}

/// Whether a stored block equals an orderer's in header and data: each orderer keeps its own quorum of signatures.
pub(super) fn is_same_block(stored: &[u8], theirs: &[Vec<u8>]) -> Result<bool, Box<dyn std::error::Error>> {
    let stored = selvedge_proto::decode::<common::Block>(stored.to_vec())?;
    for copy in theirs {
        if block::same_block(&stored, &selvedge_proto::decode::<common::Block>(copy.clone())?) {
            return Ok(true);
        }
    }
    Ok(false)
}
