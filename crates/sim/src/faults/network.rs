//! The network that faults are tried on.

use crate::{Costs, HostSettings, Links, World};
use core::ops::RangeInclusive;
use core::time::Duration;
use selvedge_core::{Anchor, ChannelId, ChannelSettings, Config, Endpoint, MspId};

const ORGS: [&str; 2] = ["Org1MSP", "Org2MSP"];

/// So many hosts, as `rng` draws it, of two organisations; none runs yet. The first two of each are bootstrap peers, read from
/// the orderers, and show themselves; of the others some hide. The first of each organisation is its anchor. The bootstrap
/// peers of `config` are replaced.
pub fn network(seed: u64, rng: &mut fastrand::Rng, hosts: RangeInclusive<usize>, config: &Config) -> World {
    let name = |org: usize, number: usize| format!("peer{number}.org{org}");
    let anchors = ORGS.iter().enumerate().map(|(org, msp_id)| Anchor {
        org: MspId::from(*msp_id),
        endpoint: Endpoint::from(format!("{}:7051", name(org, 0))),
    });
    let channel = ChannelSettings {
        channel: ChannelId::from("mychannel"),
        sequence: 0,
        orgs: ORGS.map(MspId::from).to_vec(),
        anchors: anchors.collect(),
        height: 1,
    };
    let links = Links {
        window_bytes: 64 << 10,
        waiting_count_max: 64,
        keepalive: Duration::from_secs(8),
        ..Links::default()
    };
    let mut world = World::new(seed, Costs::default(), links, channel);
    for host in 0..rng.usize(hosts) {
        let (org, number) = (host % 2, host / 2);
        let bootstrap = [0, 1].map(|number| Endpoint::from(format!("{}.internal:7051", name(org, number))));
        let config = Config { bootstrap: bootstrap.to_vec(), ..config.clone() };
        let processor = world.add_processor(1);
        let (name, org) = (name(org, number), ORGS[org].to_owned());
        let host = world.add_host(HostSettings { name, org, site: 0, processor, config });
        if number < 2 {
            world.subscribe(host, true);
        } else if rng.u8(0..4) == 0 {
            world.hide(host);
        }
    }
    world
}
