//! The world that a scenario describes.

use crate::scenario::{Cores, Placement, Scenario};
use crate::world::{HostSettings, World};
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
        let (org, number) = (place % hosts.orgs, place / hosts.orgs);
        let processor = match (shared, hosts.cores) {
            (Some(processor), _) => processor,
            (None, Cores::Each(count) | Cores::Shared(count)) => world.add_processor(count),
        };
        let site = match network.placement {
            Placement::Spread => number % network.site_count,
            Placement::ByOrg => org % network.site_count,
        };
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
