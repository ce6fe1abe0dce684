//! Membership converges to who is alive, as far as organisations show themselves to each other. Of Byzantine hosts anything
//! may be thought.

use super::{Checker, Rule};
use crate::links::Links;
use crate::world::{HostId, World};
use core::time::Duration;
use selvedge_core::{Config, PkiId};
use std::collections::BTreeSet;

/// How long it takes, once nothing is broken any more, until all running hosts know of each other, take nobody for alive
/// who is not, and have all blocks: broken connections are noticed, then whoever was lost is tried again at the latest
/// after the longest pause (jitter included) and tells everybody within some alive intervals; silent members die.
pub fn convergence_time(config: &Config, links: &Links) -> Duration {
    let found = links.keepalive
        + config.dial_timeout
        + 2 * config.reconnect_interval.mul_f64(1.5)
        + 4 * config.alive_time_interval;
    let silent = config.alive_expiration_timeout.mul_f64(1.5);
    found.max(silent) + config.state_check_interval + 4 * config.pull_interval
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Membership;

impl Checker for Membership {
    fn rule(&self) -> Rule {
        Rule::Membership
    }

    fn converged(&mut self, world: &World) -> Result<(), String> {
        let mut wrong = Vec::new();
        for host in world.honest_running() {
            let Some(peer) = world.peer(host) else { continue };
            let alive: BTreeSet<PkiId> =
                peer.members().filter(|member| member.is_alive).map(|member| member.pki_id).collect();
            for other in world.hosts().filter(|&other| other != host && world.is_honest(other)) {
                let takes_for_alive = alive.contains(&world.pki_id(other));
                if takes_for_alive && !world.runs(other) {
                    wrong.push(format!("{} takes {} for alive", world.name(host), world.name(other)));
                }
                if !takes_for_alive && world.runs(other) && must_know(world, host, other) {
                    wrong.push(format!(
                        "{} does not know that {} is alive",
                        world.name(host),
                        world.name(other)
                    ));
                }
            }
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ")) }
    }
}

/// Whether a host must learn of another: it is of its organisation, or both show themselves to other organisations.
fn must_know(world: &World, host: HostId, other: HostId) -> bool {
    let shows = |host| !world.external_endpoint(host).is_empty();
    world.org(host) == world.org(other) || shows(host) && shows(other)
}
