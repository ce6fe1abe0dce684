//! The scenarios, one a file, in the order in which they are run.

mod catchup;
mod churn;
mod gossip;
mod idle;
mod kill;
mod logs;
mod membership;
mod orderer;
mod reconfiguration;

use super::fabric::Fabric;
use super::network::{Behaviour, Consensus, Network, Place, place};
use super::process::{metric, wait};
use super::selvedge;
use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use logs::judge_logs;

pub(crate) type Outcome = Result<(), Box<dyn Error>>;

/// What every scenario gets.
pub(crate) struct Context {
    pub(crate) fabric: Fabric,
    pub(crate) repository: PathBuf,
    pub(crate) folder: PathBuf,
    pub(crate) program: PathBuf,
    pub(crate) churn_minutes: u64,
}

/// A scenario.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    /// Why this Fabric cannot run it, if so.
    pub(crate) not_for: fn(&Fabric) -> Option<&'static str>,
    /// Pushes what it observed, line by line.
    pub(crate) run: fn(&Context, &mut Vec<String>) -> Outcome,
}

const fn any(_: &Fabric) -> Option<&'static str> {
    None
}

fn v3_only(fabric: &Fabric) -> Option<&'static str> {
    (!fabric.is_v3()).then_some("this line of Fabric has no SmartBFT orderers")
}

pub(crate) const ALL: &[Scenario] = &[
    Scenario {
        name: "membership",
        what: "Go peers count the node, and discovery lists it",
        not_for: any,
        run: membership::run,
    },
    Scenario {
        name: "raft",
        what: "blocks from Raft orderers, byte for byte",
        not_for: any,
        run: orderer::raft,
    },
    Scenario { name: "bft", what: "blocks from SmartBFT orderers", not_for: v3_only, run: orderer::bft },
    Scenario {
        name: "gossip",
        what: "blocks by push, pull and state transfer alone",
        not_for: any,
        run: gossip::run,
    },
    Scenario {
        name: "kill",
        what: "SIGKILL while blocks flow, and serving a Go peer",
        not_for: any,
        run: kill::run,
    },
    Scenario {
        name: "config",
        what: "a new anchor peer, a new organisation",
        not_for: any,
        run: reconfiguration::run,
    },
    Scenario {
        name: "idle",
        what: "what an idle node costs beside idle Go peers",
        not_for: any,
        run: idle::run,
    },
    Scenario {
        name: "catchup",
        what: "how fast a latecomer catches up by state transfer",
        not_for: any,
        run: catchup::run,
    },
    Scenario { name: "churn", what: "peers of both kinds come and go", not_for: any, run: churn::run },
];

/// The four Go peers that most scenarios have.
const GO_PEERS: [Place; 4] = [place(1, 0), place(1, 1), place(2, 0), place(2, 1)];
/// Where Selvedge runs unless a scenario needs more.
const SELVEDGE: Place = place(1, 3);
const ANCHOR: Place = place(1, 0);

/// The other peer of a place's organisation that everybody starts from.
const fn bootstrap_of(peer: Place) -> Place {
    place(peer.org, if peer.index == 0 { 1 } else { 0 })
}

impl Context {
    /// Orderers and the four Go peers, joined, with the chaincode.
    fn network(&self, consensus: Consensus, behaviour: Behaviour) -> Result<Network, Box<dyn Error>> {
        let mut network =
            Network::new(self.fabric.clone(), consensus, &self.repository, self.folder.clone())?;
        network.start_orderers()?;
        for peer in GO_PEERS {
            network.start_peer(peer, behaviour, bootstrap_of(peer))?;
            network.join(peer)?;
        }
        network.deploy_chaincode(&GO_PEERS)?;
        Ok(network)
    }

    /// Starts Selvedge in a place for the first time and joins it.
    fn selvedge(&self, network: &mut Network, at: Place, behaviour: Behaviour) -> Outcome {
        selvedge::start(network, &self.program, at, behaviour, bootstrap_of(at))?;
        selvedge::join(network, &self.program, at)
    }
}

/// Orders `count` transactions one after the other and waits until `via` has committed the last.
fn make_blocks(network: &Network, via: Place, count: u64) -> Result<u64, Box<dyn Error>> {
    for number in 0..count {
        let before = Network::height(via)?;
        network.put(via, &format!("k{number}"), 2_000)?;
        wait("the next block", Duration::from_secs(20), || {
            Ok((Network::height(via)? > before).then_some(()))
        })?;
    }
    Network::height(via)
}

/// Waits until all places have the height.
fn wait_height(places: &[Place], height: u64, limit: Duration) -> Outcome {
    wait(&format!("height {height} at {places:?}"), limit, || {
        for &peer in places {
            let now = Network::height(peer)?;
            if now < height {
                return Err(format!("{} has height {now}", peer.short_name()).into());
            }
        }
        Ok(Some(()))
    })
}

/// Waits until every place counts so many other members of the channel.
fn wait_members(places: &[Place], count: u32, limit: Duration) -> Outcome {
    wait(&format!("{count} members known at {places:?}"), limit, || {
        for &peer in places {
            let known = metric(
                peer.operations_port(),
                "gossip_membership_total_peers_known",
                super::network::CHANNEL,
            )?;
            if (known - f64::from(count)).abs() > 0.5 {
                return Err(format!("{} knows {known}", peer.short_name()).into());
            }
        }
        Ok(Some(()))
    })
}
