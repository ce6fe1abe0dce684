//! What an idle node costs beside idle Go peers.

use super::{Context, GO_PEERS, Outcome, SELVEDGE, wait_members};
use crate::interop::network::{Behaviour, Consensus, Network, Place};
use crate::interop::process::{cpu_seconds, resident_kib};
use std::error::Error;
use std::time::Duration;

/// Until caches are warm and heartbeats carry no certificate any more.
const SETTLING: Duration = Duration::from_secs(30);
const MEASURED: Duration = Duration::from_secs(120);

pub(super) fn run(context: &Context, observed: &mut Vec<String>) -> Outcome {
    let mut network = context.network(Consensus::Raft, Behaviour::SAMPLE)?;
    context.selvedge(&mut network, SELVEDGE, Behaviour::SAMPLE)?;
    wait_members(&GO_PEERS, 4, Duration::from_secs(60))?;
    std::thread::sleep(SETTLING);
    let everybody: Vec<Place> = [&GO_PEERS[..], &[SELVEDGE]].concat();
    let before = everybody.iter().map(|&place| cost(&mut network, place)).collect::<Result<Vec<_>, _>>()?;
    std::thread::sleep(MEASURED);
    for (place, (_, cpu_before)) in everybody.into_iter().zip(before) {
        let (kib, cpu) = cost(&mut network, place)?;
        let minute = (cpu - cpu_before) / MEASURED.as_secs_f64() * 60.0;
        let what = if place == SELVEDGE { "Selvedge" } else { "Go peer" };
        observed.push(format!(
            "{what} {}: {:.1} MiB resident, {minute:.2} CPU-seconds a minute",
            place.short_name(),
            kib as f64 / 1024.0
        ));
    }
    Ok(())
}

fn cost(network: &mut Network, place: Place) -> Result<(u64, f64), Box<dyn Error>> {
    let id = network.process(&place.short_name())?.id();
    Ok((resident_kib(id)?, cpu_seconds(id)?))
}
