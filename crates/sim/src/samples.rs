//! Worlds for unit tests.

use crate::{Costs, HostId, HostSettings, Links, World};
use core::time::Duration;
use selvedge_core::{Anchor, ChannelId, ChannelSettings, Config, Endpoint, MspId};

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// Hosts that do not run, alternately of two organisations; the first of each is bootstrap peer and anchor, and reads from
/// the orderers.
pub(crate) fn idle(seed: u64, host_count: usize, links: Links) -> (World, Vec<HostId>) {
    let orgs = ["Org1MSP", "Org2MSP"];
    let anchor =
        |org: usize| Anchor { org: MspId::from(orgs[org]), endpoint: Endpoint::from(format!("h{org}:7051")) };
    let channel = ChannelSettings {
        channel: ChannelId::from("mychannel"),
        sequence: 0,
        orgs: orgs.map(MspId::from).to_vec(),
        anchors: vec![anchor(0), anchor(1)],
        height: 1,
    };
    let mut world = World::new(seed, Costs::default(), links, channel);
    for number in 0..host_count {
        let org = number % 2;
        let config = Config {
            state_transfer_enabled: true,
            bootstrap: vec![Endpoint::from(format!("h{org}.internal:7051"))],
            ..Config::default()
        };
        let processor = world.add_processor(1);
        let org = orgs[org].to_owned();
        let host =
            world.add_host(HostSettings { name: format!("h{number}"), org, site: 0, processor, config });
        world.subscribe(host, number < 2);
    }
    let hosts = world.hosts().collect();
    (world, hosts)
}

/// As [`idle`], started, and after 15 s, when all know each other.
pub(crate) fn running(seed: u64, host_count: usize) -> (World, Vec<HostId>) {
    let (mut world, hosts) = idle(seed, host_count, Links::default());
    for &host in &hosts {
        world.start(host);
    }
    world.run_until(15 * SECOND);
    (world, hosts)
}
