//! How fast a latecomer catches up by state transfer: a Go peer from Go peers, Selvedge from Go peers, Selvedge from Selvedge.

use super::{ANCHOR, Context, GO_PEERS, Outcome, bootstrap_of, wait_height};
use crate::interop::network::{Behaviour, Consensus, Network, Place, place};
use crate::interop::selvedge;
use std::error::Error;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Transactions to order; ten make a block of about 27 kB, like those of the figures in the specification.
const TRANSACTIONS: u32 = 4_000;
/// Clients that send them side by side.
const CLIENTS: usize = 10;
const GO_LATECOMER: Place = place(1, 2);
const FROM_GO: Place = place(1, 3);
const FROM_SELVEDGE: Place = place(1, 4);

pub(super) fn run(context: &Context, observed: &mut Vec<String>) -> Outcome {
    let mut network = context.network(Consensus::Raft, Behaviour::SAMPLE)?;
    fill(&network)?;
    let height = Network::height(ANCHOR)?;
    wait_height(&GO_PEERS, height, Duration::from_secs(120))?;
    network.start_peer(GO_LATECOMER, Behaviour::FOLLOWER, bootstrap_of(GO_LATECOMER))?;
    network.join(GO_LATECOMER)?;
    let go = rate(GO_LATECOMER, height)?;
    observed.push(format!("{height} blocks; a Go peer from four Go peers: {go:.0} blocks/s"));
    network.terminate(&GO_LATECOMER.short_name());

    context.selvedge(&mut network, FROM_GO, Behaviour::FOLLOWER)?;
    let from_go = rate(FROM_GO, height)?;
    observed.push(format!(
        "Selvedge from the same Go peers: {from_go:.0} blocks/s, {:.1} times as fast",
        from_go / go
    ));

    network.stop_orderers();
    for peer in GO_PEERS {
        network.terminate(&peer.short_name());
    }
    selvedge::start(&mut network, &context.program, FROM_SELVEDGE, Behaviour::FOLLOWER, FROM_GO)?;
    selvedge::join(&network, &context.program, FROM_SELVEDGE)?;
    let from_selvedge = rate(FROM_SELVEDGE, height)?;
    observed.push(format!(
        "Selvedge from one Selvedge node: {from_selvedge:.0} blocks/s, {:.1} times as fast",
        from_selvedge / go
    ));
    Ok(())
}

/// Orders transactions from several clients side by side.
fn fill(network: &Network) -> Result<(), Box<dyn Error>> {
    let (next, failed) = (AtomicU32::new(0), AtomicU32::new(0));
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (next, failed) = (&next, &failed);
            scope.spawn(move || {
                let via = GO_PEERS[client % GO_PEERS.len()];
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= TRANSACTIONS {
                        return;
                    }
                    if network.put(via, &format!("f{number}"), 2_000).is_err() {
                        failed.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    match failed.into_inner() {
        0..=40 => Ok(()),
        failed => Err(format!("{failed} of {TRANSACTIONS} transactions failed").into()),
    }
}

/// Blocks a second from the first block beyond genesis to the last, as the place's metrics tell.
fn rate(place: Place, height: u64) -> Result<f64, Box<dyn Error>> {
    let until = Instant::now() + Duration::from_secs(180);
    let mut began = None;
    while Instant::now() < until {
        let now = Network::height(place).unwrap_or(0);
        if now > 1 && began.is_none() {
            began = Some(Instant::now());
        }
        if let Some(began) = began
            && now >= height
        {
            // it began at most one look before it was seen
            return Ok((height - 1) as f64 / (began.elapsed() + LOOK).as_secs_f64());
        }
        std::thread::sleep(LOOK);
    }
    Err(format!("{} does not reach height {height}", place.short_name()).into())
}

/// How often the height is looked at.
const LOOK: Duration = Duration::from_millis(10);
