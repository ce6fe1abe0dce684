//! The world that a scenario describes.

use crate::byzantine::BehaviourKind;
use crate::scenario::{Behaviours, Cores, Placement, Scenario};
use crate::world::{HostId, HostSettings, World};
use selvedge_core::{Anchor, ChannelId, ChannelSettings, Config, Endpoint, MspId};

/// Builds it; nothing runs yet. Host `n` is the next of organisation `n` modulo their number.
pub(super) fn build(scenario: &Scenario, seed: u64) -> World {
    let hosts = scenario.hosts;
    let mut orgs: Vec<MspId> = (0..hosts.orgs).map(|org| MspId::from(msp_id(org))).collect();
    orgs.sort();
    let anchor = |place: usize| Anchor {
        org: MspId::from(msp_id(place % hosts.orgs)),
        endpoint: Endpoint::from(format!("{}:7051", name(place, hosts.orgs))),
    };
    let channel = ChannelSettings {
        channel: ChannelId::from("mychannel"),
        sequence: 0,
        orgs,
        anchors: (0..hosts.count.min(hosts.orgs * hosts.anchors_per_org)).map(anchor).collect(),
        height: 1,
    };
    let network = &scenario.network;
    let mut world = World::new(seed, scenario.costs.clone(), network.links.clone(), channel);
    let shared = match hosts.cores {
        Cores::Shared(count) => Some(world.add_processor(count)),
        Cores::Each(_) => None,
    };
    for place in 0..hosts.count {
        let org = org_of(scenario, place);
        let processor = match (shared, hosts.cores) {
            (Some(processor), _) => processor,
            (None, Cores::Each(count) | Cores::Shared(count)) => world.add_processor(count),
        };
        let site = site_of(scenario, place);
        world.add_host(HostSettings {
            name: name(place, hosts.orgs),
            org: msp_id(org),
            site,
            processor,
            config: config(scenario, place),
        });
    }
    world
}

/// Draws the Byzantine hosts, leaders apart, and what each does.
pub(super) fn corrupt(scenario: &Scenario, seed: u64, world: &mut World) {
    let Some(plan) = &scenario.byzantine else { return };
    // neither the world's own seed nor that of the actions
    let mut rng = fastrand::Rng::with_seed(seed ^ 0x6279_7a61_6e74_696e);
    let mut hosts: Vec<HostId> = world.hosts().skip(scenario.leader_count()).collect();
    rng.shuffle(&mut hosts);
    hosts.truncate(plan.share.of(scenario.hosts.count));
    for host in hosts {
        let kinds = match &plan.behaviours {
            Behaviours::These(kinds) => kinds.clone(),
            Behaviours::Drawn => {
                let mut kinds = BehaviourKind::ALL.to_vec();
                rng.shuffle(&mut kinds);
                kinds.truncate(rng.usize(1..=3));
                kinds
            }
        };
        world.corrupt(host, &kinds);
    }
}

/// The organisation of the host at a place, by its place among all.
pub(super) fn org_of(scenario: &Scenario, place: usize) -> usize {
    place % scenario.hosts.orgs
}

/// The site of the host at a place, by its place among all.
pub(super) fn site_of(scenario: &Scenario, place: usize) -> usize {
    let network = &scenario.network;
    match network.placement {
        Placement::Spread => (place / scenario.hosts.orgs) % network.site_count,
        Placement::ByOrg => org_of(scenario, place) % network.site_count,
    }
}

fn config(scenario: &Scenario, place: usize) -> Config {
    let hosts = scenario.hosts;
    let org = place % hosts.orgs;
    let of_org = (org..hosts.count).step_by(hosts.orgs).take(hosts.bootstrap_per_org);
    let endpoint = |place| Endpoint::from(format!("{}.internal:7051", name(place, hosts.orgs)));
    Config { bootstrap: of_org.map(endpoint).collect(), ..scenario.gossip.config(scenario.rules_of(place)) }
}

fn msp_id(org: usize) -> String {
    format!("Org{}MSP", org + 1)
}

fn name(place: usize, orgs: usize) -> String {
    format!("peer{}.org{}.example.com", place / orgs, place % orgs + 1)
}
