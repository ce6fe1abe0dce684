//! Peers of both kinds are stopped, killed and started at random while blocks flow.

use super::orderer::is_same_block;
use super::{ANCHOR, Context, Outcome, bootstrap_of, judge_logs, wait_height};
use crate::interop::network::{Behaviour, Consensus, Network, Place, place};
use crate::interop::process::{cpu_seconds, resident_kib};
use crate::interop::selvedge;
use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

/// Never stopped: makes the blocks, and is measured.
const STEADY: Place = place(1, 3);
const SELVEDGE_PLACES: [Place; 3] = [STEADY, place(1, 2), place(2, 2)];
/// Come and go; the first two are Go peers.
const RESTLESS: [Place; 4] = [place(1, 1), place(2, 1), place(1, 2), place(2, 2)];
const BEHAVIOUR: Behaviour = Behaviour { state_transfer: true, ..Behaviour::SAMPLE };

pub(super) fn run(context: &Context, observed: &mut Vec<String>) -> Outcome {
    let mut network = context.network(Consensus::Raft, BEHAVIOUR)?;
    for place in SELVEDGE_PLACES {
        context.selvedge(&mut network, place, BEHAVIOUR)?;
    }
    let length = Duration::from_secs(60 * context.churn_minutes);
    let started = Instant::now();
    let mut down: BTreeSet<Place> = BTreeSet::new();
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let (mut second, mut changes, mut failed_puts) = (0, 0, 0);
    let mut memory = Vec::new();
    while started.elapsed() < length {
        second += 1;
        failed_puts += u32::from(network.put(ANCHOR, &format!("c{second}"), 2_000).is_err());
        if second % 10 == 0 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let choice = usize::try_from(random >> 33).unwrap_or(0);
            change(context, &mut network, &mut down, RESTLESS[choice % RESTLESS.len()], choice)?;
            changes += 1;
        }
        if second % 30 == 0 {
            memory.push(resident_kib(network.process(&STEADY.short_name())?.id())?);
        }
        std::thread::sleep((started + Duration::from_secs(second)).saturating_duration_since(Instant::now()));
    }
    for place in RESTLESS {
        if down.remove(&place) {
            start(context, &mut network, place)?;
        }
    }
    let height = Network::height(ANCHOR)?;
    let everybody: Vec<Place> = [&RESTLESS[..], &SELVEDGE_PLACES, &[ANCHOR, place(2, 0)]].concat();
    wait_height(&everybody, height, Duration::from_secs(120))?;
    let cpu =
        cpu_seconds(network.process(&STEADY.short_name())?.id())? / started.elapsed().as_secs_f64() * 60.0;
    observed.push(format!(
        "{:.0?}, {changes} stops, kills and starts, {failed_puts} transactions not accepted",
        started.elapsed()
    ));
    observed.push(format!("height {height} at all {} peers", everybody.len()));
    observed.push(format!("the node that stayed used {cpu:.2} CPU-seconds a minute"));
    compare(context, &mut network, height, observed)?;
    judge_memory(&memory, observed)?;
    judge_logs(&network, &SELVEDGE_PLACES, observed)
}

fn start(context: &Context, network: &mut Network, place: Place) -> Outcome {
    if SELVEDGE_PLACES.contains(&place) {
        selvedge::start(network, &context.program, place, BEHAVIOUR, bootstrap_of(place))
    } else {
        network.start_peer(place, BEHAVIOUR, bootstrap_of(place))
    }
}

fn change(
    context: &Context,
    network: &mut Network,
    down: &mut BTreeSet<Place>,
    place: Place,
    choice: usize,
) -> Outcome {
    if down.remove(&place) {
        start(context, network, place)
    } else {
        down.insert(place);
        if choice & 64 == 0 {
            network.kill(&place.short_name());
        } else {
            network.terminate(&place.short_name());
        }
        Ok(())
    }
}

/// Every Selvedge ledger verifies and holds the ordering service's blocks.
fn compare(context: &Context, network: &mut Network, height: u64, observed: &mut Vec<String>) -> Outcome {
    let last = network.fetch_block(ANCHOR, height - 1)?;
    for place in SELVEDGE_PLACES {
        network.terminate(&place.short_name());
        let said = selvedge::ledger(network, &context.program, place, &["verify"])?;
        observed.push(format!(
            "{}: ledger verify: {}",
            place.short_name(),
            said.lines().last().unwrap_or_default()
        ));
        let ours = network.folder().join(format!("{}-blocks", place.short_name()));
        selvedge::ledger(network, &context.program, place, &["export", &ours.display().to_string()])?;
        if !is_same_block(&fs::read(ours.join(format!("{:06}.block", height - 1)))?, &last)? {
            return Err(format!("{} has another block {}", place.short_name(), height - 1).into());
        }
    }
    Ok(())
}

/// Memory is flat: the last third is not above the middle third by more than a tenth.
fn judge_memory(memory: &[u64], observed: &mut Vec<String>) -> Outcome {
    let third = memory.len() / 3;
    if third == 0 {
        return Err("too short to judge memory".into());
    }
    let mean = |part: &[u64]| part.iter().sum::<u64>() / part.len() as u64;
    let (middle, last) = (mean(&memory[third..2 * third]), mean(&memory[2 * third..]));
    observed.push(format!(
        "resident memory of the node that stayed: {middle} KiB in the middle third, {last} KiB in the last"
    ));
    if last * 10 > middle * 11 { Err("memory grows".into()) } else { Ok(()) }
}
