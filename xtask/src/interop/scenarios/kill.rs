//! A node that is killed loses nothing; a Go peer that was left behind is served by Selvedge alone.

use super::{
    ANCHOR, Context, GO_PEERS, Outcome, SELVEDGE, bootstrap_of, judge_logs, make_blocks, wait_height,
    wait_members,
};
use crate::interop::network::{Behaviour, Consensus, Network, Place, place};
use crate::interop::selvedge;
use std::time::{Duration, Instant};

const LEFT_BEHIND: Place = place(1, 1);

pub(super) fn run(context: &Context, observed: &mut Vec<String>) -> Outcome {
    let mut network = context.network(Consensus::Raft, Behaviour::SAMPLE)?;
    context.selvedge(&mut network, SELVEDGE, Behaviour::SAMPLE)?;
    for round in 1..=3 {
        let height = make_blocks(&network, ANCHOR, 3)?;
        network.put(ANCHOR, "during", 2_000)?;
        let published = Network::height(SELVEDGE)?;
        network.kill(&SELVEDGE.short_name());
        make_blocks(&network, ANCHOR, 2)?;
        selvedge::start(&mut network, &context.program, SELVEDGE, Behaviour::SAMPLE, bootstrap_of(SELVEDGE))?;
        let found = Network::height(SELVEDGE)?;
        if found < published {
            return Err(format!("published height {published} before SIGKILL, {found} after").into());
        }
        wait_height(&[SELVEDGE], height + 2, Duration::from_secs(30))?;
        observed.push(format!("round {round}: killed at height {published}, found {found}, caught up"));
    }
    serve_go_peer(context, &mut network, observed)?;
    network.terminate(&SELVEDGE.short_name());
    let said = selvedge::ledger(&network, &context.program, SELVEDGE, &["verify"])?;
    observed.push(format!("ledger verify: {}", said.lines().last().unwrap_or_default()));
    judge_logs(&network, &[SELVEDGE], observed)
}

fn serve_go_peer(context: &Context, network: &mut Network, observed: &mut Vec<String>) -> Outcome {
    network.kill(&LEFT_BEHIND.short_name());
    let before = Network::height(ANCHOR)?;
    let height = make_blocks(network, ANCHOR, 30)?;
    wait_height(&[SELVEDGE], height, Duration::from_secs(30))?;
    network.stop_orderers();
    for peer in GO_PEERS.into_iter().filter(|&peer| peer != LEFT_BEHIND) {
        network.terminate(&peer.short_name());
    }
    let started = Instant::now();
    network.start_peer(LEFT_BEHIND, Behaviour::FOLLOWER, SELVEDGE)?;
    wait_members(&[LEFT_BEHIND], 1, Duration::from_secs(60))?;
    wait_height(&[LEFT_BEHIND], height, Duration::from_secs(90))?;
    observed.push(format!(
        "a Go peer killed at height {before} got blocks up to {height} from the node alone, {:.0?} after its start",
        started.elapsed()
    ));
    let _ = context;
    Ok(())
}
