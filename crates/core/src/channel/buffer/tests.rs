use super::*;
use crate::samples::{A, B};

fn copy(text: &'static str, from: PkiId) -> Candidate {
    let source = Source { via: BlockSource::Push, from: Some(from) };
    Candidate { block: Bytes::from_static(text.as_bytes()), source }
}

fn from_orderer(text: &'static str) -> Candidate {
    let source = Source { via: BlockSource::Orderer, from: None };
    Candidate { block: Bytes::from_static(text.as_bytes()), source }
}

fn offer(buffer: &mut Buffer, number: u64, text: &'static str) -> Check {
    buffer.offer(number, copy(text, A), &Limits::default()).unwrap().unwrap()
}

fn buffer_at(height: u64) -> Buffer {
    Buffer::new(height, 100)
}

/// Offers a block and finds it good.
fn add(buffer: &mut Buffer, number: u64) {
    let check = offer(buffer, number, "block");
    assert!(matches!(
        buffer.verdict(number, check.attempt, Some(false)).0,
        Verdict::Good { first: true, .. }
    ));
}

fn ready(buffer: &mut Buffer) -> Vec<u64> {
    buffer.ready(&Limits::default()).into_iter().map(|(number, _)| number).collect()
}

#[test]
fn blocks_leave_in_order_and_verified() {
    let mut buffer = buffer_at(5);
    add(&mut buffer, 6);
    assert_eq!(ready(&mut buffer), []);
    let check = offer(&mut buffer, 5, "five");
    assert_eq!(ready(&mut buffer), []);
    buffer.verdict(5, check.attempt, Some(false));
    assert_eq!(ready(&mut buffer), [5, 6]);
    assert_eq!((buffer.next(), buffer.height()), (7, 5));
    assert!(buffer.committed(7).is_empty());
    assert_eq!((buffer.height(), buffer.bytes(), buffer.committing_bytes), (7, 0, 0));
}

#[test]
fn commits_in_flight_are_bounded() {
    let limits = Limits { commits_in_flight_max: 2, ..Limits::default() };
    let mut buffer = buffer_at(1);
    (1..6).for_each(|number| add(&mut buffer, number));
    assert_eq!(buffer.ready(&limits).len(), 2);
    assert_eq!(buffer.ready(&limits).len(), 0);
    buffer.committed(2);
    assert_eq!(buffer.ready(&limits).len(), 1);
}

#[test]
fn bytes_in_flight_are_bounded_but_one_block_always_goes() {
    let limits = Limits { block_buffer_bytes_max: 4, ..Limits::default() };
    let mut buffer = buffer_at(1);
    (1..4).for_each(|number| add(&mut buffer, number));
    assert_eq!(buffer.ready(&limits).len(), 1);
    buffer.committed(2);
    assert_eq!(buffer.ready(&limits).len(), 1);
}

#[test]
fn w2_only_the_window_is_taken_and_the_next_block_always() {
    let limits = Limits { block_buffer_count_max: 3, block_buffer_bytes_max: 10, ..Limits::default() };
    let mut buffer = buffer_at(5);
    assert_eq!(buffer.wants(8, 1, &limits), Err(Unfitting::OutOfRange.into()));
    assert!(buffer.offer(7, copy("1234567890", A), &limits).is_ok());
    assert_eq!(buffer.wants(6, 1, &limits), Err(Reject::OverLimit));
    assert!(buffer.offer(5, copy("much more than is left", A), &limits).is_ok());
    assert_eq!(buffer.wants(4, 1, &limits), Err(Unfitting::Stale.into()));
}

#[test]
fn a_bad_copy_does_not_stand_in_the_way_of_a_good_one() {
    let mut buffer = buffer_at(5);
    let bad = offer(&mut buffer, 5, "bad");
    assert_eq!(buffer.offer(5, copy("good", B), &Limits::default()), Ok(None));
    let (Verdict::Bad { source }, mut next) = buffer.verdict(5, bad.attempt, None) else { panic!() };
    let good = next.remove(0);
    assert_eq!(source.from, Some(A));
    assert_eq!(good.block, "good");
    buffer.verdict(5, good.attempt, Some(false));
    assert_eq!(buffer.ready(&Limits::default()), [(5, Bytes::from_static(b"good"))]);
}

#[test]
fn w16_a_bad_block_leaves_no_trace() {
    let mut buffer = buffer_at(5);
    let bad = offer(&mut buffer, 5, "bad");
    assert!(matches!(buffer.verdict(5, bad.attempt, None), (Verdict::Bad { .. }, next) if next.is_empty()));
    assert!(!buffer.holds(5));
    assert_eq!(buffer.bytes(), 0);
    add(&mut buffer, 5);
}

#[test]
fn one_peer_has_one_copy_of_a_number_and_copies_are_few() {
    let limits = Limits::default();
    let duplicate = Err(Unfitting::Duplicate.into());
    let mut buffer = buffer_at(5);
    offer(&mut buffer, 5, "one");
    assert_eq!(buffer.offer(5, copy("two", A), &limits), duplicate);
    assert_eq!(buffer.offer(5, copy("one", B), &limits), duplicate);
    for (text, peer) in [("2", 2), ("3", 3), ("4", 4)] {
        assert_eq!(buffer.offer(5, copy(text, PkiId::new([peer; 32])), &limits), Ok(None));
    }
    assert_eq!(buffer.offer(5, copy("5", PkiId::new([5; 32])), &limits), duplicate);
}

#[test]
fn a_verdict_counts_once() {
    let mut buffer = buffer_at(5);
    let check = offer(&mut buffer, 5, "five");
    buffer.verdict(5, check.attempt, Some(false));
    assert_eq!(buffer.verdict(5, check.attempt, Some(false)), (Verdict::Gone, vec![]));
    assert_eq!(buffer.verdict(9, 1, Some(false)), (Verdict::Gone, vec![]));
}

#[test]
fn w6_nothing_behind_a_configuration_is_verified_before_it_is_in_force() {
    let mut buffer = buffer_at(5);
    let config = offer(&mut buffer, 5, "config");
    let early = offer(&mut buffer, 6, "six");
    add(&mut buffer, 7);
    buffer.verdict(5, config.attempt, Some(true));
    let stale = buffer.verdict(6, early.attempt, Some(false));
    assert_eq!(stale, (Verdict::Gone, vec![]), "verified under the old one");
    assert_eq!(buffer.offer(8, copy("eight", A), &Limits::default()), Ok(None));
    assert_eq!(ready(&mut buffer), [5]);
    let checks = buffer.committed(6);
    assert_eq!(checks.iter().map(|check| check.number).collect::<Vec<_>>(), [6, 7, 8]);
    for check in checks {
        let (verdict, _) = buffer.verdict(check.number, check.attempt, Some(false));
        let first = check.number != 7;
        assert!(matches!(verdict, Verdict::Good { first: new, .. } if new == first), "{verdict:?}");
    }
    assert_eq!(ready(&mut buffer), [6, 7, 8]);
}

#[test]
fn w6_the_lowest_of_two_configurations_is_the_barrier() {
    let mut buffer = buffer_at(5);
    let low = offer(&mut buffer, 5, "low");
    let high = offer(&mut buffer, 7, "high");
    buffer.verdict(7, high.attempt, Some(true));
    assert_eq!(buffer.offer(8, copy("eight", A), &Limits::default()), Ok(None));
    buffer.verdict(5, low.attempt, Some(true));
    assert_eq!(ready(&mut buffer), [5]);
    let checks = buffer.committed(6);
    assert_eq!(checks.iter().map(|check| check.number).collect::<Vec<_>>(), [7, 8]);
}

#[test]
fn a_refused_commit_drops_what_follows_and_the_same_copy_is_not_taken_again() {
    let mut buffer = buffer_at(5);
    (5..9).for_each(|number| add(&mut buffer, number));
    ready(&mut buffer);
    add(&mut buffer, 9);
    buffer.committed(6);
    assert_eq!(buffer.commit_refused(6), Some(copy("block", A).source));
    assert_eq!((buffer.next(), buffer.count(), buffer.bytes()), (6, 0, 0));
    let again = buffer.offer(6, copy("block", B), &Limits::default());
    assert_eq!(again, Err(Misbehaviour::BlockInvalid.into()));
    assert!(buffer.offer(6, copy("other", B), &Limits::default()).is_ok());
    assert_eq!(buffer.commit_refused(9), None, "never ordered");
}

#[test]
fn a_new_configuration_has_everything_verified_again() {
    let mut buffer = buffer_at(5);
    add(&mut buffer, 6);
    let checks = buffer.reconfigured();
    assert_eq!(checks.len(), 1);
    let (verdict, _) = buffer.verdict(6, checks[0].attempt, Some(false));
    assert!(matches!(verdict, Verdict::Good { first: false, .. }));
}

#[test]
fn the_orderer_is_held_back_with_hysteresis() {
    let limits = Limits { block_buffer_count_max: 8, commits_in_flight_max: 1, ..Limits::default() };
    let mut buffer = buffer_at(1);
    (2..6).for_each(|number| add(&mut buffer, number));
    assert_eq!(buffer.hold(&limits), None, "the next one is missing");
    add(&mut buffer, 1);
    assert_eq!(buffer.ready(&limits).len(), 1);
    assert_eq!(buffer.hold(&limits), Some(true));
    assert_eq!(buffer.hold(&limits), None);
    for height in 2..4 {
        buffer.committed(height);
        buffer.ready(&limits);
    }
    assert_eq!((buffer.count(), buffer.hold(&limits)), (2, None));
    buffer.committed(4);
    buffer.ready(&limits);
    assert_eq!((buffer.count(), buffer.hold(&limits)), (1, Some(false)));
}

#[test]
fn the_ledger_may_grow_by_other_means() {
    let mut buffer = buffer_at(5);
    add(&mut buffer, 6);
    add(&mut buffer, 9);
    buffer.committed(8);
    assert_eq!((buffer.next(), buffer.count(), buffer.first_missing()), (8, 1, 8));
}

#[test]
fn the_first_missing_number_is_behind_what_waits() {
    let mut buffer = buffer_at(5);
    assert_eq!(buffer.first_missing(), 5);
    offer(&mut buffer, 5, "five");
    offer(&mut buffer, 7, "seven");
    assert_eq!((buffer.first_missing(), buffer.highest()), (6, Some(7)));
}

#[test]
fn what_a_distrusted_peer_left_here_can_be_dropped() {
    let mut buffer = buffer_at(5);
    add(&mut buffer, 5);
    let doubtful = offer(&mut buffer, 7, "seven");
    buffer.verdict(7, doubtful.attempt, None);
    let with_spare = offer(&mut buffer, 8, "eight");
    buffer.verdict(8, with_spare.attempt, None);
    buffer.offer(8, copy("8", B), &Limits::default()).unwrap();
    let verifying = offer(&mut buffer, 9, "nine");
    assert_eq!(buffer.forget_peer(A), [7]);
    assert!(buffer.holds(5) && buffer.holds(8) && buffer.holds(9));
    assert_eq!(buffer.bytes(), "block".len() + "8".len() + "nine".len());
    assert_eq!(buffer.verdict(9, verifying.attempt, None), (Verdict::Doubtful, vec![]));
}

#[test]
fn an_orderers_copy_may_wait_behind_a_peers() {
    let mut buffer = buffer_at(5);
    let bad = offer(&mut buffer, 5, "bad");
    assert_eq!(buffer.offer(5, from_orderer("good"), &Limits::default()), Ok(None));
    assert!(matches!(buffer.verdict(5, bad.attempt, None), (Verdict::Bad { .. }, next) if next.len() == 1));
}

#[test]
fn w6_a_block_far_ahead_that_does_not_verify_is_doubtful_until_its_turn_comes() {
    let mut buffer = buffer_at(5);
    let ahead = offer(&mut buffer, 6, "six");
    assert_eq!(buffer.verdict(6, ahead.attempt, None), (Verdict::Doubtful, vec![]));
    assert!(buffer.holds(6));
    let five = offer(&mut buffer, 5, "five");
    let (_, mut again) = buffer.verdict(5, five.attempt, Some(false));
    let again = again.remove(0);
    assert_eq!((again.number, &again.block[..]), (6, &b"six"[..]));
    assert!(matches!(buffer.verdict(6, again.attempt, None), (Verdict::Bad { .. }, next) if next.is_empty()));
    assert_eq!((buffer.holds(6), buffer.bytes()), (false, 4));
}

#[test]
fn w6_a_doubtful_block_may_be_good_under_the_configuration_before_it() {
    let mut buffer = buffer_at(5);
    let ahead = offer(&mut buffer, 6, "six");
    buffer.verdict(6, ahead.attempt, None);
    let config = offer(&mut buffer, 5, "config");
    assert_eq!(buffer.verdict(5, config.attempt, Some(true)).1, [], "behind the barrier");
    assert_eq!(ready(&mut buffer), [5]);
    let checks = buffer.committed(6);
    assert_eq!(checks.len(), 1);
    assert!(matches!(
        buffer.verdict(6, checks[0].attempt, Some(false)),
        (Verdict::Good { first: true, .. }, next) if next.is_empty()
    ));
}

#[test]
fn a_doubtful_copy_does_not_stand_in_the_way_of_a_good_one() {
    let mut buffer = buffer_at(5);
    let ahead = offer(&mut buffer, 6, "junk");
    buffer.verdict(6, ahead.attempt, None);
    let good = buffer.offer(6, copy("good", B), &Limits::default()).unwrap().unwrap();
    assert_eq!(good.block, "good");
    buffer.verdict(6, good.attempt, Some(false));
    add(&mut buffer, 5);
    assert_eq!(ready(&mut buffer), [5, 6]);
    assert_eq!(buffer.bytes(), 0);
}

/// A buffer, a verifier and a ledger that do what they should in any order.
struct Scene {
    buffer: Buffer,
    rng: fastrand::Rng,
    limits: Limits,
    checks: Vec<Check>,
    ledger: u64,
    ordered: u64,
    config_every: u64,
}

impl Scene {
    fn new(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let limits = Limits {
            block_buffer_count_max: rng.u64(1..40),
            block_buffer_bytes_max: rng.usize(1..400),
            commits_in_flight_max: rng.usize(1..6),
            ..Limits::default()
        };
        let config_every = rng.u64(3..20);
        let verifying_max = rng.usize(1..10);
        Self {
            buffer: Buffer::new(1, verifying_max),
            rng,
            limits,
            checks: Vec::new(),
            ledger: 1,
            ordered: 1,
            config_every,
        }
    }

    /// Good blocks name their number and the configuration they were made under.
    fn good(&self, number: u64) -> Bytes {
        Bytes::from(format!("{number} under {}", (number - 1) / self.config_every))
    }

    fn offer(&mut self, number: u64, good: bool) {
        let junk = Bytes::from(format!("{number} junk {}", self.rng.u8(..3)));
        let block = if good { self.good(number) } else { junk };
        let from = Some(PkiId::new([self.rng.u8(..6); 32]));
        let candidate = Candidate { block, source: Source { via: BlockSource::Push, from } };
        self.checks.extend(self.buffer.offer(number, candidate, &self.limits).ok().flatten());
    }

    /// Answers a check by the configuration that the ledger has.
    fn verify_one(&mut self) {
        if self.checks.is_empty() {
            return;
        }
        let check = self.checks.swap_remove(self.rng.usize(..self.checks.len()));
        let in_force = (self.ledger - 1) / self.config_every;
        let is_good =
            check.block == self.good(check.number) && (check.number - 1) / self.config_every == in_force;
        let is_config = check.number.is_multiple_of(self.config_every);
        let (_, next) = self.buffer.verdict(check.number, check.attempt, is_good.then_some(is_config));
        self.checks.extend(next);
    }

    fn commit(&mut self) {
        for (number, block) in self.buffer.ready(&self.limits) {
            assert_eq!(number, self.ordered);
            assert_eq!(block, self.good(number));
            self.ordered += 1;
        }
        if self.ledger < self.ordered {
            self.ledger = self.rng.u64(self.ledger + 1..=self.ordered);
            let checks = self.buffer.committed(self.ledger);
            self.checks.extend(checks);
        }
    }

    fn check_accounts(&self) {
        assert_eq!(self.buffer.bytes, self.buffer.slots.values().map(Slot::bytes).sum::<usize>());
        let next = self.buffer.next();
        assert!(
            self.buffer
                .slots
                .keys()
                .all(|number| (next..next + self.limits.block_buffer_count_max).contains(number))
        );
        let verifying =
            self.buffer.slots.values().filter(|slot| matches!(slot.state, State::Verifying(_))).count();
        assert_eq!(verifying, self.buffer.verifying_count);
        assert!(verifying <= self.buffer.verifying_max);
        assert!(self.buffer.committing.len() <= self.limits.commits_in_flight_max);
    }
}

#[test]
fn whatever_comes_the_right_blocks_are_committed_in_order() {
    for seed in 0..300 {
        let mut scene = Scene::new(seed);
        let target = 60;
        let mut rounds = 0;
        while scene.ledger < target {
            let number = scene.rng.u64(scene.ledger..(scene.ledger + 30).min(target));
            let is_good = scene.rng.u32(..3) > 0;
            scene.offer(number, is_good);
            for _ in 0..scene.rng.u32(..3) {
                scene.verify_one();
            }
            if scene.rng.bool() {
                scene.commit();
            }
            scene.check_accounts();
            rounds += 1;
            assert!(rounds < 50_000, "seed {seed} is stuck at {}", scene.ledger);
        }
    }
}

#[test]
fn so_many_are_verified_at_once_and_the_lowest_come_next() {
    let mut buffer = Buffer::new(5, 2);
    let first = offer(&mut buffer, 9, "nine");
    offer(&mut buffer, 8, "eight");
    for number in [7, 5, 6] {
        assert_eq!(buffer.offer(number, copy("block", A), &Limits::default()), Ok(None));
    }
    let (_, next) = buffer.verdict(9, first.attempt, Some(false));
    assert_eq!(next.iter().map(|check| check.number).collect::<Vec<_>>(), [5]);
    let (_, next) = buffer.verdict(5, next[0].attempt, Some(false));
    assert_eq!(next.iter().map(|check| check.number).collect::<Vec<_>>(), [6]);
}
