//! What Byzantine hosts do breaks no rule at the others. And it shows: what each behaviour brings is refused by name, or
//! seen in another way, so that none of them quietly does nothing.

use core::time::Duration;
use selvedge_core::{Config, Event, Output, PkiId};
use selvedge_proto::envelope::{EnvelopeView, seal};
use selvedge_sim::byzantine::BehaviourKind;
use selvedge_sim::checkers::{Checker, Checkers, Rule, convergence_time};
use selvedge_sim::faults::{Faults, Phases, network};
use selvedge_sim::{HostId, World};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

const SECOND: Duration = Duration::from_secs(1);
/// The first two of each organisation read from the orderers; these do not keep to the protocol, one of each organisation.
const BYZANTINE: [u32; 2] = [4, 5];

/// What honest hosts noticed of the Byzantine ones, and how often.
type Noticed = Arc<Mutex<BTreeMap<String, u64>>>;

fn note(noticed: &Noticed, what: String) {
    *noticed.lock().expect("no panic").entry(what).or_default() += 1;
}

#[derive(Debug)]
struct Witness {
    noticed: Noticed,
    /// What was verified of whom, kind and time: hashes of it would do, but there is little.
    said: BTreeMap<(HostId, &'static str, u64, u64), BTreeSet<Vec<u8>>>,
}

impl Checker for Witness {
    /// It judges nothing.
    fn rule(&self) -> Rule {
        Rule::Panic
    }

    fn on_output(&mut self, world: &World, _: HostId, output: &Output) -> Result<(), String> {
        let byzantine = |pki_id: &PkiId| world.host_of(pki_id).filter(|&host| !world.is_honest(host));
        match output {
            // before a handshake is over it is not known of whom
            Output::Event(Event::Rejected { from, kind, reason })
                if from.is_none_or(|from| byzantine(&from).is_some()) =>
            {
                note(&self.noticed, format!("{kind}: {reason}"));
            }
            Output::Event(Event::HeightAnnounced { pki_id, height, .. })
                if byzantine(pki_id).is_some() && *height > world.chain().len() as u64 =>
            {
                note(&self.noticed, "a height beyond the chain's".to_owned());
            }
            Output::Verify { signed, .. } => {
                let Ok(view) = EnvelopeView::parse(seal(&signed.message, &signed.signature, None)) else {
                    return Ok(());
                };
                let alive =
                    view.alive_key().map(|key| ("alive", key.pki_id.to_vec(), (key.inc_num, key.seq_num)));
                let state = view
                    .state_info_key()
                    .map(|key| ("state", key.pki_id.to_vec(), (key.inc_num, key.seq_num)));
                let Some((what, pki_id, (inc_num, seq_num))) = alive.or(state) else { return Ok(()) };
                let Some(host) = PkiId::from_wire(&pki_id).and_then(|it| byzantine(&it)) else {
                    return Ok(());
                };
                if inc_num == u64::MAX || seq_num == u64::MAX {
                    note(&self.noticed, format!("the greatest time, {what}"));
                }
                let said = self.said.entry((host, what, inc_num, seq_num)).or_default();
                if said.insert(signed.message.to_vec()) && said.len() > 1 {
                    note(&self.noticed, format!("two things under one time, {what}"));
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// Counts what the Byzantine hosts send, from a trace.
struct Sent(Noticed);

impl Write for Sent {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // one line at a time, such as `1.5s host 4 > d3 data_msg mychannel #7`
        let line = String::from_utf8_lossy(bytes);
        let mut words = line.split_whitespace().skip(2);
        let host = words.next().and_then(|host| host.parse().ok());
        let is_sent = host.is_some_and(|host| BYZANTINE.contains(&host)) && words.next() == Some(">");
        if let (true, Some(connection), Some(kind)) = (is_sent, words.next(), words.next()) {
            let is_connection = connection.len() > 1 && connection[1..].bytes().all(|it| it.is_ascii_digit());
            if is_connection {
                note(&self.0, format!("sends {kind}"));
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Half a minute with some Byzantine hosts, and as long as it takes to converge; what they send is counted if it
/// `traces`. `Err` if a rule was broken.
fn run(kinds: &[BehaviourKind], traces: bool) -> Result<BTreeMap<String, u64>, String> {
    let seed = 1;
    let config = Config { state_transfer_enabled: true, ..Config::default() };
    let mut world = network(seed, &mut fastrand::Rng::with_seed(seed), 10..=10, &config);
    for host in BYZANTINE {
        world.corrupt(HostId::from_index(host), kinds);
    }
    let noticed = Noticed::default();
    let witness = Witness { noticed: Arc::clone(&noticed), said: BTreeMap::new() };
    world.set_checkers(Checkers::all().with(Box::new(witness)));
    world.keep_transitions(20);
    if traces {
        world.write_trace(Box::new(io::LineWriter::new(Sent(Arc::clone(&noticed)))));
    }
    world.start_all();
    let liveness = convergence_time(world.config(HostId::from_index(0)), world.links());
    let phases = Phases { safety: 30 * SECOND, liveness, block_interval: SECOND, block_bytes: 1500 };
    let mut faults = Faults::of(seed, &[], &world);
    phases.run(&mut world, &mut faults);
    if let Some(failure) = world.failure() {
        return Err(failure.to_string());
    }
    drop(world);
    Ok(core::mem::take(&mut *noticed.lock().expect("no panic")))
}

/// What must be noticed of each behaviour; what must not, after a `!`.
fn signs(kind: BehaviourKind) -> &'static [&'static str] {
    use BehaviourKind as K;
    match kind {
        K::Replay => &[
            "data_update: misbehaviour: Unsolicited",
            "data_req: unfitting: NonceUnknown",
            "mem_req: misbehaviour: SenderMismatch",
        ],
        K::Equivocate => &["two things under one time, alive", "two things under one time, state"],
        K::WrongTimes => &["the greatest time, alive", "the greatest time, state"],
        K::FalseHeights => &["a height beyond the chain's"],
        K::WithholdBlocks => {
            &["sends state_info", "sends data_dig", "!sends data_msg", "!sends state_response"]
        }
        K::EmptyPromises => &["sends data_dig", "!sends data_update"],
        K::FarBlocks => &["data_msg: unfitting: OutOfRange", "state_response: misbehaviour: Unsolicited"],
        K::FalseBlocks => &[
            "data_msg: malformed: no block",
            "data_msg: misbehaviour: BlockInvalid",
            "data_msg: misbehaviour: Distrusted",
        ],
        K::WrongNonces => &[
            "data_dig: misbehaviour: Unsolicited",
            "data_req: unfitting: NonceUnknown",
            "mem_res: misbehaviour: Unsolicited",
        ],
        K::Flood | K::DeafFlood => &[
            "hello: over limit",
            "mem_req: over limit",
            "state_info_pull_req: over limit",
            "state_request: unfitting: OutOfRange",
        ],
        K::Silence => &["sends conn", "!sends alive_msg", "!sends state_info", "!sends mem_req"],
        K::ManyIdentities => &[
            "alive_msg: over limit",
            "alive_msg: misbehaviour: SignatureInvalid",
            "conn: over limit",
            "peer_identity: over limit",
        ],
        K::Malformed => &[
            "alive_msg: malformed: no membership",
            "alive_msg: malformed: no timestamp",
            "leadership_msg: malformed: no timestamp",
            "mem_req: malformed: no membership",
            "mem_res: malformed: another content than expected",
            "mem_res: malformed: no timestamp",
            "none: malformed: no tag",
            "none: malformed: unparsable: ends in the middle of a field",
            "state_info: malformed: no timestamp",
        ],
        K::Forgery => &[
            "alive_msg: misbehaviour: SignatureInvalid",
            "mem_res: misbehaviour: SignatureInvalid",
            "state_info: misbehaviour: SignatureInvalid",
        ],
        K::BadHandshakes => &[
            "conn: malformed: no signature",
            "conn: misbehaviour: CertificateUnbound",
            "conn: misbehaviour: IdentityInvalid",
            "conn: misbehaviour: UnexpectedHandshake",
        ],
        K::FalseEndpoints => &["alive_msg: misbehaviour: NotEntitled", "alive_msg: over limit"],
        K::Ghosts => &["mem_res: over limit", "mem_res: misbehaviour: Unsolicited"],
        K::Intrigue => &[
            "data_msg: unfitting: ChannelUnknown",
            "leadership_msg: misbehaviour: NotEntitled",
            "state_info: unfitting: ChannelUnknown",
        ],
        K::EndlessLists => &[
            "data_dig: misbehaviour: Unsolicited",
            "data_req: unfitting: NonceUnknown",
            "data_update: misbehaviour: Unsolicited",
            "mem_res: misbehaviour: Unsolicited",
        ],
        K::LateAnswers => &["data_dig: misbehaviour: Unsolicited", "mem_res: misbehaviour: Unsolicited"],
        K::OpenStreams => &["conn: misbehaviour: CertificateUnbound", "conn: over limit", "none: over limit"],
        _ => &[],
    }
}

/// Everything that is wrong with one of the behaviours.
fn faults_of(kind: BehaviourKind) -> Vec<String> {
    let traces = signs(kind).iter().any(|sign| sign.contains("sends "));
    let noticed = match run(&[kind], traces) {
        Ok(noticed) => noticed,
        Err(failure) => return vec![format!("{kind}: {failure}")],
    };
    let mut faults = Vec::new();
    if signs(kind).is_empty() {
        faults.push(format!("{kind}: shows in nothing"));
    }
    for sign in signs(kind) {
        let (what, wanted) = sign.strip_prefix('!').map_or((*sign, true), |what| (what, false));
        if noticed.contains_key(what) != wanted {
            faults.push(format!("{kind}: {sign}; noticed were {noticed:#?}"));
        }
    }
    faults
}

#[test]
fn each_behaviour_shows_and_breaks_nothing() {
    let next = AtomicUsize::new(0);
    let work = || {
        let kinds =
            std::iter::from_fn(|| BehaviourKind::ALL.get(next.fetch_add(1, Ordering::Relaxed)).copied());
        kinds.flat_map(faults_of).collect::<Vec<_>>()
    };
    let faults: Vec<String> = std::thread::scope(|scope| {
        let threads = [scope.spawn(work), scope.spawn(work)];
        threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect()
    });
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Or a sign would be one of nothing.
#[test]
fn of_honest_hosts_nothing_is_noticed() {
    let noticed = run(&[], true).unwrap_or_else(|failure| panic!("{failure}"));
    // what is not known yet happens to everybody
    let usual = |what: &str| what.starts_with("sends ") || what.contains("unfitting: IdentityUnknown");
    let refused: Vec<&String> = noticed.keys().filter(|what| !usual(what)).collect();
    assert!(refused.is_empty(), "{refused:?}");
    for kind in ["data_msg", "data_update", "alive_msg", "state_info", "mem_req"] {
        assert!(noticed.contains_key(&format!("sends {kind}")), "{noticed:?}");
    }
}

#[test]
fn all_of_it_at_once_breaks_nothing() {
    // but for those that would keep the others from being heard, and one that is known to be slow
    let not = [
        BehaviourKind::Silence,
        BehaviourKind::DeafFlood,
        BehaviourKind::WithholdBlocks,
        BehaviourKind::Flood,
    ];
    let kinds: Vec<BehaviourKind> = BehaviourKind::ALL.into_iter().filter(|it| !not.contains(it)).collect();
    run(&kinds, false).unwrap_or_else(|failure| panic!("{failure}"));
}
