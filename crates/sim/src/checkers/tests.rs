//! Every checker passes on a healthy world and finds what is planted.

use super::{Checkers, Rule, convergence_time};
use crate::samples::{SECOND, idle, running};
use crate::{HostId, Links, World};
use bytes::Bytes;
use selvedge_core::testing::{crypto, messages};
use selvedge_core::{ChannelId, Endpoint, Event, MspId, Output, PkiId, Priority};
use selvedge_proto::envelope::{Envelope, EnvelopeView, payload_of, seal};
use selvedge_proto::gossip::gossip_message::{Content, Tag};
use selvedge_proto::gossip::{self, GossipMessage};

type Observed = Result<(), (Rule, String)>;

/// What the checker of a rule says to an output of a host.
fn judge(world: &World, rule: Rule, host: HostId, output: &Output) -> Observed {
    Checkers::all().only(&[rule]).on_output(world, host, output)
}

fn broken(rule: Rule, observed: &Observed) -> bool {
    matches!(observed, Err((broken, _)) if *broken == rule)
}

fn send(world: &World, from: HostId, to: HostId, envelope: Bytes) -> Output {
    let connection =
        world.peer(from).and_then(|peer| peer.connection_to(&world.pki_id(to))).expect("connected");
    Output::Send { connection, envelope: Envelope::from(envelope), priority: Priority::Membership }
}

fn commit(number: u64, block: Bytes) -> Output {
    Output::Commit { channel: ChannelId::from("mychannel"), number, block }
}

fn of_channel(tag: Tag, content: Content) -> GossipMessage {
    GossipMessage { channel: Bytes::from_static(b"mychannel"), ..messages::message(tag, content) }
}

fn data(number: u64, block: Bytes) -> Bytes {
    let payload = gossip::Payload { seq_num: number, data: block, private_data: Vec::new() };
    let content = Content::DataMsg(gossip::DataMessage { payload: Some(payload) });
    messages::unsigned(&of_channel(Tag::ChanAndOrg, content))
}

fn state_info(world: &World, origin: HostId, height: u64) -> Bytes {
    let pki_id = world.pki_id(origin);
    let content = Content::StateInfo(gossip::StateInfo {
        timestamp: Some(gossip::PeerTime { inc_num: 1, seq_num: 1 }),
        pki_id: Bytes::copy_from_slice(pki_id.as_bytes()),
        channel_mac: Bytes::copy_from_slice(&messages::channel_mac(&pki_id, "mychannel")),
        properties: Some(gossip::Properties { ledger_height: height, ..Default::default() }),
    });
    messages::signed(world.identity(origin), &messages::message(Tag::ChanOrOrg, content))
}

fn alive(world: &World, origin: HostId) -> messages::Alive {
    messages::Alive::new(world.identity(origin), 7)
}

#[test]
fn a_healthy_world_breaks_no_rule() {
    let (mut world, hosts) = idle(1, 6, Links::default());
    world.hide(hosts[4]);
    world.set_checkers(Checkers::all());
    hosts.iter().for_each(|&host| world.start(host));
    for number in 1..30 {
        world.run_until(number * SECOND);
        world.cut_block(1000, &[]);
    }
    world.run_until(60 * SECOND);
    world.check_converged();
    assert_eq!(world.failure(), None);
    assert_eq!(world.disk(hosts[5]).height(), 30);
}

#[test]
fn chain_finds_gaps_repetitions_and_false_blocks() {
    let (mut world, hosts) = idle(1, 2, Links::default());
    (0..2).for_each(|_| world.cut_block(1000, &[]));
    let judge = |output| judge(&world, Rule::Chain, hosts[0], &output);
    let block = |number: usize| world.chain()[number].clone();
    assert_eq!(judge(commit(1, block(1))), Ok(()));
    assert!(broken(Rule::Chain, &judge(commit(2, block(2)))));
    assert!(broken(Rule::Chain, &judge(commit(0, block(0)))));
    assert!(broken(Rule::Chain, &judge(commit(1, block(2)))));
}

#[test]
fn chain_finds_a_false_ledger() {
    let (mut world, hosts) = running(1, 2);
    world.set_checkers(Checkers::all().only(&[Rule::Chain]));
    world.check_end();
    assert_eq!(world.failure(), None);
    world.damage(hosts[1], Bytes::from_static(b"no block"));
    world.check_end();
    assert_eq!(world.failure().map(|failure| failure.rule), Some(Rule::Chain));
}

#[test]
fn genuine_finds_false_blocks_and_signatures() {
    let (mut world, hosts) = running(2, 4);
    world.cut_block(1000, &[]);
    let judge =
        |envelope| judge(&world, Rule::Genuine, hosts[0], &send(&world, hosts[0], hosts[2], envelope));
    assert_eq!(judge(data(1, world.chain()[1].clone())), Ok(()));
    assert!(broken(Rule::Genuine, &judge(data(1, world.chain()[0].clone()))));
    assert!(broken(Rule::Genuine, &judge(data(9, messages::block(9, 1000)))));
    let response = |number: usize| {
        let payload =
            gossip::Payload { seq_num: 1, data: world.chain()[number].clone(), private_data: Vec::new() };
        let content = Content::StateResponse(gossip::RemoteStateResponse { payloads: vec![payload] });
        messages::unsigned(&of_channel(Tag::ChanOrOrg, content))
    };
    assert_eq!(judge(response(1)), Ok(()));
    assert!(broken(Rule::Genuine, &judge(response(0))));
    assert_eq!(judge(alive(&world, hosts[2]).seal()), Ok(()));
    assert!(broken(Rule::Genuine, &judge(alive(&world, hosts[2]).seal_forged())));
    let inside = messages::membership_response(&[alive(&world, hosts[2]).seal_forged()], &[], 1);
    assert!(broken(Rule::Genuine, &judge(inside)));
    let stranger = messages::Alive::new(&crypto::identity("Org1MSP", "nobody"), 1).seal();
    assert!(broken(Rule::Genuine, &judge(stranger)));
    let message = payload_of(&alive(&world, hosts[2]).message());
    let secret = (&b"secret"[..], &b"forged"[..]);
    let forged = seal(&message, &crypto::sign(world.identity(hosts[2]), &message), Some(secret));
    assert!(broken(Rule::Genuine, &judge(forged)));
}

#[test]
fn durable_finds_a_height_told_too_early() {
    let (world, hosts) = running(3, 4);
    let judge =
        |envelope| judge(&world, Rule::Durable, hosts[0], &send(&world, hosts[0], hosts[2], envelope));
    assert_eq!(judge(state_info(&world, hosts[0], 1)), Ok(()));
    assert!(broken(Rule::Durable, &judge(state_info(&world, hosts[0], 2))));
    assert_eq!(judge(state_info(&world, hosts[2], 2)), Ok(()), "it is another's");
}

#[test]
fn forged_finds_members_that_do_not_exist() {
    let (world, hosts) = running(4, 4);
    let judge = |pki_id, org: &str, endpoint: &str| {
        let (org, endpoint) = (MspId::from(org), Endpoint::from(endpoint));
        let output = Output::Event(Event::MemberAlive { pki_id, org, endpoint });
        judge(&world, Rule::Forged, hosts[0], &output)
    };
    let known = world.pki_id(hosts[2]);
    assert_eq!(judge(known, "Org1MSP", "h2:7051"), Ok(()));
    assert!(broken(Rule::Forged, &judge(PkiId::new([7; 32]), "Org1MSP", "")));
    assert!(broken(Rule::Forged, &judge(known, "Org2MSP", "h2:7051")));
    assert!(broken(Rule::Forged, &judge(known, "Org1MSP", "h3:7051")));
}

#[test]
fn membership_finds_the_dead_alive_and_the_living_unknown() {
    let verdict = |disturb: fn(&mut World, &[HostId])| {
        let (mut world, hosts) = running(5, 4);
        world.set_checkers(Checkers::all().only(&[Rule::Membership]));
        disturb(&mut world, &hosts);
        world.check_converged();
        world.failure().map(|failure| failure.observed.clone())
    };
    assert_eq!(verdict(|_, _| {}), None);
    let dead = verdict(|world, hosts| world.kill(hosts[3])).expect("a broken rule");
    assert!(dead.contains("h1 takes h3 for alive"), "{dead}");
    let unknown = verdict(|world, hosts| {
        world.isolate(hosts[3]);
        world.run_until(75 * SECOND);
    });
    assert!(unknown.expect("a broken rule").contains("h1 does not know that h3 is alive"));
    let settled = verdict(|world, hosts| {
        world.kill(hosts[3]);
        world.run_until(world.now() + convergence_time(world.config(hosts[0]), world.links()));
    });
    assert_eq!(settled, None);
}

#[test]
fn disclosure_finds_what_leaves_the_organisation() {
    let (mut world, hosts) = running(6, 6);
    world.cut_block(1000, &[]);
    world.hide(hosts[4]);
    let [own, foreign, neighbour, hidden] = [hosts[0], hosts[1], hosts[2], hosts[4]];
    let to =
        |receiver, envelope| judge(&world, Rule::Disclosure, own, &send(&world, own, receiver, envelope));
    let block = data(1, world.chain()[1].clone());
    let secret = alive(&world, own).with_secret("h0.internal:7051").seal();
    let of_hidden = alive(&world, hidden).with_endpoint("").seal();
    let told = |envelope: &Bytes| messages::membership_response(std::slice::from_ref(envelope), &[], 1);
    let identity = |origin: HostId| {
        let content = Content::PeerIdentity(gossip::PeerIdentity {
            pki_id: Bytes::copy_from_slice(world.pki_id(origin).as_bytes()),
            cert: world.identity(origin).clone(),
            metadata: Bytes::new(),
        });
        let item = messages::signed(world.identity(origin), &messages::message(Tag::Empty, content));
        let item = EnvelopeView::parse(item).expect("an envelope");
        let item = gossip::Envelope {
            payload: item.payload_bytes(),
            signature: item.signature_bytes(),
            secret_envelope: None,
        };
        let content = Content::DataUpdate(gossip::DataUpdate { nonce: 1, data: vec![item], msg_type: 2 });
        messages::unsigned(&messages::message(Tag::Empty, content))
    };
    let digest = |origin: HostId| {
        let digests = vec![Bytes::copy_from_slice(world.pki_id(origin).as_bytes())];
        let content = Content::DataDig(gossip::DataDigest { nonce: 1, digests, msg_type: 2 });
        messages::unsigned(&messages::message(Tag::Empty, content))
    };
    let only_inside = [
        block,
        secret.clone(),
        told(&secret),
        of_hidden.clone(),
        told(&of_hidden),
        state_info(&world, hidden, 1),
        identity(hidden),
        digest(hidden),
    ];
    for (place, envelope) in only_inside.into_iter().enumerate() {
        assert_eq!(to(neighbour, envelope.clone()), Ok(()), "{place}");
        assert!(broken(Rule::Disclosure, &to(foreign, envelope)), "{place}");
    }
    let shown = [alive(&world, neighbour).seal(), told(&alive(&world, foreign).seal()), identity(neighbour)];
    assert!(shown.into_iter().all(|envelope| to(foreign, envelope).is_ok()));
    // what is known of another organisation is not told in answers
    assert!(broken(Rule::Disclosure, &to(neighbour, told(&alive(&world, foreign).seal()))));
}

#[test]
fn once_finds_what_is_verified_again() {
    let (mut world, hosts) = running(7, 4);
    world.cut_block(1000, &[]);
    let mut checkers = Checkers::all().only(&[Rule::Once]);
    let outputs = crate::samples::checks(&world, hosts[2]);
    for output in &outputs {
        assert_eq!(checkers.on_output(&world, hosts[0], output), Ok(()));
        assert!(broken(Rule::Once, &checkers.on_output(&world, hosts[0], output)));
        assert_eq!(checkers.on_output(&world, hosts[1], output), Ok(()), "another peer");
    }
    checkers.on_start(hosts[0]);
    assert!(
        outputs.iter().all(|output| checkers.on_output(&world, hosts[0], output).is_ok()),
        "another life"
    );
}

#[test]
fn bounds_finds_a_peer_beyond_its_limits() {
    let (mut world, hosts) = running(8, 4);
    world.set_checkers(Checkers::all().only(&[Rule::Bounds]));
    let now = world.now();
    world.run_until(now + 5 * SECOND);
    assert_eq!(world.failure(), None);
    // what the peer holds by now is more than this
    world.set_members_max(hosts[0], 1);
    world.run_until(now + 10 * SECOND);
    assert_eq!(world.failure().map(|failure| failure.rule), Some(Rule::Bounds));
}

#[test]
fn progress_finds_who_stays_behind() {
    let (mut world, hosts) = running(9, 4);
    world.set_checkers(Checkers::all().only(&[Rule::Progress]));
    world.isolate(hosts[3]);
    world.cut_block(1000, &[]);
    world.run_until(17 * SECOND);
    world.check_converged();
    let failure = world.failure().expect("a broken rule");
    assert_eq!((failure.rule, failure.observed.as_str()), (Rule::Progress, "h3 has 1 of 2 blocks"));
}

#[test]
fn a_failure_tells_seed_rule_and_the_last_transitions_and_comes_again() {
    let run = || {
        let (mut world, hosts) = idle(10, 4, Links::default());
        world.set_checkers(Checkers::all());
        world.keep_transitions(20);
        hosts.iter().for_each(|&host| world.start(host));
        world.run_until(10 * SECOND);
        world.kill(hosts[3]);
        world.check_converged();
        let steps = world.step_count();
        world.run_until(12 * SECOND);
        assert_eq!(world.step_count(), steps, "nothing happens any more");
        world.failure().cloned().expect("a broken rule")
    };
    let failure = run();
    assert_eq!((failure.seed, failure.rule, failure.transitions.len()), (10, Rule::Membership, 20));
    assert_eq!(failure.at, 10 * SECOND);
    assert!(failure.transitions.iter().all(|line| !line.contains('\n') && line.contains(" host ")));
    assert!(failure.to_string().contains("seed 10: rule 'membership' broken after 10s: "), "{failure}");
    assert_eq!(failure, run());
}
