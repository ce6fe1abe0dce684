//! Worlds for unit tests.

use crate::{Costs, HostId, HostSettings, Links, World};
use core::time::Duration;
use selvedge_core::testing::crypto;
use selvedge_core::testing::messages::Alive;
use selvedge_core::{
    Anchor, ChannelId, ChannelSettings, Config, Endpoint, Instant, LocalPeer, MspId, Output, Peer, Signed,
    Ticket, WallTime,
};
use selvedge_proto::envelope::EnvelopeView;

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

/// One order to verify of each kind that must not be repeated: a signature of `host`, and a block.
pub(crate) fn checks(world: &World, host: HostId) -> Vec<Output> {
    let view = EnvelopeView::parse(Alive::new(world.identity(host), 7).seal()).expect("an envelope");
    let signed = Signed::of(&view);
    let ticket = a_ticket();
    let identity = world.identity(host).clone();
    let channel = ChannelId::from("mychannel");
    vec![
        Output::Verify { ticket, identity, signed, secret: None, readers_of: None },
        Output::VerifyBlock { ticket, channel, number: 1, block: world.chain()[1].clone() },
    ]
}

/// Some ticket: only a peer can make one.
fn a_ticket() -> Ticket {
    let identity = crypto::identity("Org1MSP", "ticket");
    let me = LocalPeer {
        pki_id: crypto::pki_id(&identity),
        org: MspId::from("Org1MSP"),
        identity,
        expires_at: crypto::NEVER,
        incarnation: 1,
    };
    let mut peer = Peer::new(Config::default(), me, 1, Instant::default(), WallTime::from_seconds(1));
    let output = core::iter::from_fn(|| peer.poll_output()).find_map(|output| match output {
        Output::Sign { ticket, .. } => Some(ticket),
        _ => None,
    });
    output.expect("a peer signs its identity first")
}
