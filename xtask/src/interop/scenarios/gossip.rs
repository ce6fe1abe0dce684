//! Blocks reach nodes that never ask an orderer.

use super::{ANCHOR, Context, GO_PEERS, Outcome, judge_logs, make_blocks, wait_height};
use crate::interop::network::{Behaviour, Consensus, Network, Place, place};
use crate::interop::selvedge;
use std::fs;
use std::time::Duration;

const PULLER: Place = place(1, 3);
const LATECOMER: Place = place(1, 2);

pub(super) fn run(context: &Context, observed: &mut Vec<String>) -> Outcome {
    let mut network = context.network(Consensus::Raft, Behaviour::GOSSIP)?;
    let height = make_blocks(&network, ANCHOR, 3)?;
    wait_height(&GO_PEERS, height, Duration::from_secs(60))?;
    // few blocks, all within the window of pull, no push to wait for, and no state transfer
    let without_transfer = Behaviour { state_transfer: false, ..Behaviour::FOLLOWER };
    context.selvedge(&mut network, PULLER, without_transfer)?;
    wait_height(&[PULLER], height, Duration::from_secs(60))?;
    observed.push(format!("by pull: {} blocks", count(&network, PULLER, "Pull")?));
    let height = make_blocks(&network, ANCHOR, 25)?;
    wait_height(&[PULLER], height, Duration::from_secs(60))?;
    observed.push(format!("by push: {} blocks", count(&network, PULLER, "Push")?));
    context.selvedge(&mut network, LATECOMER, Behaviour::FOLLOWER)?;
    wait_height(&[LATECOMER], height, Duration::from_secs(60))?;
    observed.push(format!(
        "by state transfer, to a latecomer: {} blocks",
        count(&network, LATECOMER, "Transfer")?
    ));
    let height = make_blocks(&network, ANCHOR, 5)?;
    wait_height(&[PULLER, LATECOMER], height, Duration::from_secs(30))?;
    for (place, source) in [(PULLER, "Pull"), (PULLER, "Push"), (LATECOMER, "Transfer")] {
        if count(&network, place, source)? == 0 {
            return Err(format!("{} got no block by {source}", place.short_name()).into());
        }
        if count(&network, place, "Orderer")? > 0 {
            return Err(format!("{} asked an orderer", place.short_name()).into());
        }
    }
    for place in [PULLER, LATECOMER] {
        network.terminate(&place.short_name());
        let said = selvedge::ledger(&network, &context.program, place, &["verify"])?;
        observed.push(format!(
            "{}: ledger verify: {}",
            place.short_name(),
            said.lines().last().unwrap_or_default()
        ));
    }
    judge_logs(&network, &[PULLER, LATECOMER], observed)
}

/// How many blocks a node says it took from a source.
fn count(network: &Network, place: Place, source: &str) -> Result<usize, Box<dyn std::error::Error>> {
    let log = fs::read_to_string(network.log(&place.short_name()))?;
    let wanted = format!("source: {source} }}");
    Ok(log.lines().filter(|line| line.contains("BlockAccepted") && line.contains(&wanted)).count())
}
