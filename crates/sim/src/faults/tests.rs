use super::{FaultKind, Faults, Phases};
use crate::World;
use crate::checkers::{Checkers, Rule};
use crate::samples::{SECOND, idle, running};
use core::time::Duration;
use selvedge_core::Output;
use std::io::Write;
use std::sync::{Arc, Mutex};

/// A trace's place.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("not poisoned").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn disturb(world: &mut World, faults: &mut Faults, end: Duration) {
    while let Some(at) = faults.next_at().filter(|&at| at <= end) {
        world.run_until(at);
        faults.strike(world);
    }
    world.run_until(end);
}

fn traced(seed: u64) -> String {
    let (mut world, hosts) = idle(3, 4, crate::Links::default());
    let lines = Lines::default();
    world.write_trace(Box::new(lines.clone()));
    hosts.iter().for_each(|&host| world.start(host));
    let mut faults = Faults::draw(seed, &world);
    disturb(&mut world, &mut faults, 30 * SECOND);
    drop(world);
    let bytes = lines.0.lock().expect("not poisoned").clone();
    String::from_utf8(bytes).expect("text")
}

#[test]
fn every_kind_strikes_and_shows_in_the_trace() {
    let marks = [
        (FaultKind::Kill, " ! killed"),
        (FaultKind::ClockJump, " ! clock is off by"),
        (FaultKind::Sever, " reset"),
        (FaultKind::Partition, " ! cut to"),
        (FaultKind::OneWay, " ! cut to"),
        (FaultKind::Isolate, " ! cut to"),
        (FaultKind::StallReader, " ! does not read for"),
        (FaultKind::SlowDisk, " ! sync takes"),
    ];
    for (kind, mark) in marks {
        let (mut world, _) = running(1, 6);
        let lines = Lines::default();
        world.write_trace(Box::new(lines.clone()));
        let mut faults = Faults::of(1, &[(kind, 5 * SECOND)], &world);
        disturb(&mut world, &mut faults, 45 * SECOND);
        assert!(faults.struck().get(&kind).is_some_and(|&count| count >= 3), "{kind:?}");
        let text = String::from_utf8(lines.0.lock().expect("not poisoned").clone()).expect("text");
        assert!(text.contains(mark), "{kind:?}");
    }
}

#[test]
fn seeds_differ_and_one_seed_gives_one_trace() {
    assert_eq!(traced(1), traced(1));
    assert_ne!(traced(1), traced(2));
    let (world, _) = idle(1, 4, crate::Links::default());
    let kinds = |seed| Faults::draw(seed, &world).kinds().to_vec();
    for kind in FaultKind::ALL {
        let count = (0..100).filter(|&seed| kinds(seed).iter().any(|(it, _)| *it == kind)).count();
        assert!((20..80).contains(&count), "{kind:?} {count}");
    }
}

#[test]
fn healing_ends_everything_and_starts_a_majority_with_all_sources() {
    let pauses = FaultKind::ALL.map(|kind| (kind, 3 * SECOND));
    let mut stayed_down = 0;
    for seed in 0..8 {
        let (mut world, hosts) = running(2, 7);
        let mut faults = Faults::of(seed, &pauses, &world);
        disturb(&mut world, &mut faults, 60 * SECOND);
        assert!(faults.struck().len() > 5);
        faults.heal(&mut world);
        assert_eq!(faults.next_at(), None);
        assert!(world.subscribers().all(|host| world.runs(host)));
        let running = hosts.iter().filter(|&&host| world.runs(host)).count();
        assert!(running >= 4, "{running}");
        stayed_down += 7 - running;
        assert!(hosts.iter().all(|&one| hosts.iter().all(|&other| !world.is_cut(one, other))));
        world.cut_block(1000, &[]);
        let begun = world.now();
        world.run_until(begun + 2 * SECOND);
        let has_block = |host| world.disk(host).height() == 2;
        assert!(world.subscribers().all(has_block), "disks and processors are fast again");
    }
    assert!(stayed_down > 0, "now and then only a majority is started");
}

/// Panics at the first order, as a broken peer would.
#[derive(Debug)]
struct Broken;

impl crate::checkers::Checker for Broken {
    fn rule(&self) -> Rule {
        Rule::Chain
    }

    fn on_output(&mut self, _: &World, _: crate::HostId, _: &Output) -> Result<(), String> {
        panic!("planted")
    }
}

#[test]
fn a_panic_is_a_broken_rule() {
    let (mut world, _) = running(4, 2);
    world.set_checkers(Checkers::default().with(Box::new(Broken)));
    let mut faults = Faults::of(1, &[], &world);
    let phases = Phases { safety: SECOND, liveness: SECOND, block_interval: SECOND, block_bytes: 100 };
    phases.run(&mut world, &mut faults);
    let failure = world.failure().expect("a broken rule");
    assert_eq!((failure.rule, failure.observed.as_str()), (Rule::Panic, "planted"));
}
