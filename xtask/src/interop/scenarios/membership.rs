//! A Selvedge node with an unused identity is a member like any other.

use super::{
    ANCHOR, Context, GO_PEERS, Outcome, SELVEDGE, judge_logs, make_blocks, wait_height, wait_members,
};
use crate::interop::network::{Behaviour, Consensus, Network, place};
use crate::interop::process::wait;
use std::time::{Duration, Instant};

pub(super) fn run(context: &Context, observed: &mut Vec<String>) -> Outcome {
    let mut network = context.network(Consensus::Raft, Behaviour::SAMPLE)?;
    wait_members(&GO_PEERS, 3, Duration::from_secs(60))?;
    let started = Instant::now();
    context.selvedge(&mut network, SELVEDGE, Behaviour::SAMPLE)?;
    wait_members(&GO_PEERS, 4, Duration::from_secs(60))?;
    observed.push(format!("all four Go peers count the node {:.1?} after its start", started.elapsed()));
    wait_members(&[SELVEDGE], 4, Duration::from_secs(60))?;
    let height = make_blocks(&network, ANCHOR, 3)?;
    wait_height(&[SELVEDGE], height, Duration::from_secs(20))?;
    for judge in [ANCHOR, place(2, 0)] {
        let listed = wait("discovery lists the node with its height", Duration::from_secs(30), || {
            let said = network.discover_peers(judge)?;
            Ok(entry_of(&said, &SELVEDGE.endpoint())
                .filter(|entry| entry.contains(&format!("\"LedgerHeight\": {height}"))))
        })?;
        let shown = listed.split_whitespace().collect::<Vec<_>>().join(" ");
        observed.push(format!(
            "discovery at {}: {}",
            judge.short_name(),
            shown.split("\"Identity\"").next().unwrap_or_default()
        ));
    }
    observed.push(format!("heights: {:?}", GO_PEERS.map(|peer| Network::height(peer).unwrap_or(0))));
    judge_logs(&network, &[SELVEDGE], observed)
}

/// The object of an endpoint in the JSON of `discover peers`.
fn entry_of(said: &str, endpoint: &str) -> Option<String> {
    said.split('{').find(|entry| entry.contains(&format!("\"Endpoint\": \"{endpoint}\""))).map(str::to_owned)
}
