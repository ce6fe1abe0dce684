use super::*;
use crate::channel::buffer::{Candidate as Copy, Source};
use crate::output::BlockSource;
use crate::samples::{A, B, C, at};
use bytes::Bytes;

fn peer(pki_id: PkiId, height: u64) -> Candidate {
    Candidate { pki_id, height, is_own_org: true }
}

/// A transfer into an empty buffer in front of a ledger with `height` blocks.
struct Asking {
    transfer: Transfer,
    buffer: Buffer,
    rng: fastrand::Rng,
    config: Config,
    patience: Duration,
}

impl Asking {
    fn from(height: u64) -> Self {
        Self {
            transfer: Transfer::default(),
            buffer: Buffer::new(height, usize::MAX),
            rng: fastrand::Rng::with_seed(1),
            config: Config::default(),
            patience: Duration::ZERO,
        }
    }

    fn plan(&mut self, millis: u64, peers: &[Candidate]) -> Vec<Order> {
        let Self { transfer, buffer, rng, config, patience } = self;
        transfer.plan(at(millis), rng, buffer, peers, *patience, config)
    }

    fn ranges(&mut self, millis: u64, peers: &[Candidate]) -> Vec<(u64, u64)> {
        self.plan(millis, peers).iter().map(|order| (order.first, order.last)).collect()
    }

    /// A block arrives and is found good.
    fn put(&mut self, number: u64) {
        let source = Source { via: BlockSource::Transfer, from: Some(A) };
        let copy = Copy { block: Bytes::from_static(b"block"), source };
        let check = self.buffer.offer(number, copy, &self.config.limits).unwrap().unwrap();
        self.buffer.verdict(number, check.attempt, Some(false));
    }

    /// The peer of an order answers with these blocks.
    fn answer(&mut self, millis: u64, order: &Order, numbers: RangeInclusive<u64>) {
        let range = self.transfer.answered(at(millis), order.peer, order.nonce).unwrap();
        numbers.clone().for_each(|number| self.put(number));
        let lowest = numbers.clone().next();
        let outcome = Outcome { range, lowest, useful_count: numbers.count(), is_bad: false };
        self.transfer.settle(at(millis), order.peer, &outcome, &self.buffer, &self.config);
    }
}

/// No number.
fn none() -> RangeInclusive<u64> {
    #[expect(clippy::reversed_empty_ranges)]
    let none = 1..=0;
    none
}

#[test]
fn ranges_are_disjoint_and_eleven_blocks_long() {
    let mut asking = Asking::from(5);
    assert_eq!(asking.ranges(0, &[peer(A, 30)]), [(5, 15), (16, 26), (27, 29)]);
    assert_eq!(asking.ranges(1, &[peer(A, 30)]), [], "all of it is on its way");
}

#[test]
fn w10_several_peers_are_asked_at_once() {
    let mut asking = Asking::from(5);
    let orders = asking.plan(0, &[peer(A, 2000), peer(B, 2000), peer(C, 2000)]);
    assert_eq!(orders.len(), 12, "four at each");
    for pki_id in [A, B, C] {
        assert_eq!(orders.iter().filter(|order| order.peer == pki_id).count(), 4);
    }
}

#[test]
fn only_a_peer_that_has_a_block_is_asked_for_it() {
    let mut asking = Asking::from(5);
    for order in asking.plan(0, &[peer(A, 12), peer(B, 40)]) {
        assert!(order.peer == B || order.last < 12, "{order:?}");
    }
}

#[test]
fn the_own_organisation_is_asked_first() {
    let mut asking = Asking::from(5);
    let foreign = Candidate { pki_id: A, height: 10, is_own_org: false };
    let orders = asking.plan(0, &[foreign, peer(B, 10)]);
    assert_eq!(orders.len(), 1);
    assert_eq!(orders[0].peer, B);
}

#[test]
fn a_small_gap_waits_for_a_push_and_a_large_one_does_not() {
    let mut asking = Asking::from(5);
    asking.patience = Duration::from_millis(100);
    assert_eq!(asking.ranges(0, &[peer(A, 7)]), []);
    assert_eq!(asking.transfer.deadline(at(0), asking.patience, &asking.config), at(100));
    assert_eq!(asking.ranges(100, &[peer(A, 7)]), [(5, 6)]);
    let mut asking = Asking::from(5);
    asking.patience = Duration::from_millis(100);
    assert_eq!(asking.ranges(0, &[peer(A, 16)]), [(5, 15)]);
}

#[test]
fn patience_begins_anew_with_each_gap() {
    let mut asking = Asking::from(5);
    asking.patience = Duration::from_millis(100);
    asking.ranges(0, &[peer(A, 6)]);
    asking.put(5);
    asking.ranges(50, &[peer(A, 6)]);
    assert_eq!(asking.ranges(120, &[peer(A, 7)]), []);
    assert_eq!(asking.ranges(220, &[peer(A, 7)]), [(6, 6)]);
}

#[test]
fn w11_the_target_is_read_anew() {
    let mut asking = Asking::from(5);
    let orders = asking.plan(0, &[peer(A, 16)]);
    asking.answer(10, &orders[0], 5..=15);
    assert_eq!(asking.ranges(10, &[peer(A, 20)]), [(16, 19)]);
}

#[test]
fn blocks_that_are_here_are_not_asked_for() {
    let mut asking = Asking::from(5);
    asking.put(7);
    asking.put(8);
    assert_eq!(asking.ranges(0, &[peer(A, 11)]), [(5, 6), (9, 10)]);
}

#[test]
fn a_short_answer_is_legal_and_the_rest_is_asked_for_again() {
    let mut asking = Asking::from(5);
    let orders = asking.plan(0, &[peer(A, 16)]);
    asking.answer(10, &orders[0], 5..=7);
    assert_eq!(asking.ranges(10, &[peer(A, 16)]), [(8, 15)]);
}

#[test]
fn after_a_time_out_another_peer_is_asked_and_less_of_the_first() {
    let mut asking = Asking::from(5);
    let first = asking.plan(0, &[peer(A, 16)]);
    assert_eq!(asking.ranges(2999, &[peer(A, 16)]), []);
    let second = asking.plan(3000, &[peer(A, 16), peer(B, 16)]);
    assert_eq!(second.len(), 1);
    assert_eq!((second[0].peer, second[0].first, second[0].last), (B, 5, 15));
    assert_eq!(asking.transfer.open_count(), 1);
    // the first one answers after all
    asking.answer(3100, &first[0], 5..=15);
    asking.answer(3200, &second[0], none());
    let ranges = asking.ranges(3200, &[peer(A, 30)]);
    assert_eq!(ranges, [(16, 22), (23, 29)], "half of what it was, and one more for having answered");
}

#[test]
fn w3_only_the_asked_peer_can_answer() {
    let mut asking = Asking::from(5);
    let orders = asking.plan(0, &[peer(A, 16)]);
    let nonce = orders[0].nonce;
    let unsolicited = Err(Misbehaviour::Unsolicited.into());
    assert_eq!(asking.transfer.answered(at(1), B, nonce), unsolicited);
    assert_eq!(asking.transfer.answered(at(1), A, nonce ^ 1), unsolicited);
    assert_eq!(asking.transfer.open_count(), 1, "and the wait goes on");
    assert_eq!(asking.transfer.answered(at(1), A, nonce), Ok(5..=15));
    assert_eq!(asking.transfer.answered(at(1), A, nonce), unsolicited);
}

#[test]
fn w4_a_peer_that_has_not_what_it_announced_is_left_alone_more_and_more() {
    let mut asking = Asking::from(5);
    let mut now = 0;
    let mut pauses = Vec::new();
    for _ in 0..4 {
        let orders = asking.plan(now, &[peer(A, u64::MAX)]);
        for order in &orders {
            asking.answer(now, order, none());
        }
        let wake = asking.transfer.deadline(at(now), Duration::ZERO, &asking.config);
        let pause = wake.since(at(now)).as_millis() as u64;
        assert_eq!(asking.plan(now + pause - 1, &[peer(A, u64::MAX)]), []);
        pauses.push(pause);
        now += pause;
    }
    assert!(pauses.windows(2).all(|pair| pair[0] < pair[1]), "{pauses:?}");
}

#[test]
fn w4_a_lying_peer_does_not_keep_an_honest_one_from_being_asked() {
    let mut asking = Asking::from(5);
    let peers = [peer(A, u64::MAX), peer(B, 16)];
    let orders = asking.plan(0, &peers);
    assert_eq!(
        orders.iter().map(|order| order.last).max(),
        Some(5 + 4 * 11 - 1),
        "no further than four requests"
    );
    for order in orders.iter().filter(|order| order.peer == A) {
        asking.answer(1, order, none());
    }
    for order in orders.iter().filter(|order| order.peer == B) {
        asking.answer(1, order, order.first..=order.last);
    }
    let again = asking.plan(1, &peers);
    assert!(again.iter().all(|order| order.peer == B), "{again:?}");
    for order in &again {
        asking.answer(2, order, order.first..=order.last);
    }
    assert_eq!(asking.buffer.first_missing(), 16);
}

#[test]
fn w2_nothing_beyond_the_buffers_window_is_asked_for() {
    let mut asking = Asking::from(5);
    asking.config.limits.block_buffer_count_max = 12;
    assert_eq!(asking.ranges(0, &[peer(A, 1000)]), [(5, 15), (16, 16)]);
}

#[test]
fn w8_no_more_than_fits_is_asked_for_but_always_the_next_block() {
    let mut asking = Asking::from(5);
    asking.config.limits.block_buffer_bytes_max = 15 * BLOCK_BYTES_GUESS;
    assert_eq!(asking.ranges(0, &[peer(A, 1000)]), [(5, 15), (16, 19)]);
    let mut asking = Asking::from(5);
    asking.config.limits.block_buffer_bytes_max = 0;
    assert_eq!(asking.ranges(0, &[peer(A, 1000)]), [(5, 5)]);
}

#[test]
fn a_pruned_peer_is_not_asked_for_old_blocks_again() {
    let mut asking = Asking::from(5);
    let orders = asking.plan(0, &[peer(A, 16)]);
    asking.answer(1, &orders[0], 10..=15);
    assert_eq!(asking.plan(1, &[peer(A, 16)]), []);
    let orders = asking.plan(1, &[peer(A, 16), peer(B, 16)]);
    assert_eq!(orders.len(), 1);
    assert_eq!((orders[0].peer, orders[0].first, orders[0].last), (B, 5, 9));
}

#[test]
fn the_block_everything_waits_for_is_asked_of_a_second_peer() {
    let mut asking = Asking::from(5);
    let first = asking.plan(0, &[peer(A, 16)]);
    let wake = asking.transfer.deadline(at(0), Duration::ZERO, &asking.config);
    assert_eq!(wake, at(400), "four times the usual time");
    let second = asking.plan(400, &[peer(A, 16), peer(B, 16)]);
    assert_eq!(second.len(), 1);
    assert_eq!((second[0].peer, second[0].first, second[0].last), (B, 5, 15));
    assert_eq!(asking.plan(401, &[peer(A, 16), peer(B, 16), peer(C, 16)]), [], "and not of a third");
    asking.answer(500, &second[0], 5..=15);
    asking.answer(600, &first[0], none());
    assert_eq!(asking.plan(600, &[peer(A, 16), peer(B, 16)]), []);
}

#[test]
fn what_was_lost_on_the_way_is_asked_for_again() {
    let mut asking = Asking::from(5);
    let orders = asking.plan(0, &[peer(A, 16)]);
    asking.answer(1, &orders[0], 5..=15);
    let check = asking.buffer.reconfigured().swap_remove(0);
    asking.buffer.verdict(check.number, check.attempt, None);
    asking.transfer.lost(5);
    assert_eq!(asking.ranges(2, &[peer(A, 16)]), [(5, 5)]);
}

#[test]
fn nothing_is_lost_for_ever() {
    let mut asking = Asking::from(5);
    let orders = asking.plan(0, &[peer(A, 16)]);
    // answered, but nothing of it was kept, and nobody said so
    asking.transfer.answered(at(1), A, orders[0].nonce).unwrap();
    assert_eq!(asking.ranges(2, &[peer(A, 16)]), [(5, 15)]);
}

#[test]
fn a_refused_commit_begins_anew_after_a_pause() {
    let mut asking = Asking::from(5);
    asking.plan(0, &[peer(A, 16)]);
    asking.transfer.restart(at(10));
    assert_eq!(asking.transfer.open_count(), 0);
    assert_eq!(asking.ranges(1009, &[peer(A, 16)]), []);
    assert_eq!(asking.ranges(1010, &[peer(A, 16)]), [(5, 15)]);
    asking.transfer.restart(at(1010));
    assert_eq!(asking.ranges(3009, &[peer(A, 16)]), [], "twice as long");
    asking.transfer.committed();
    asking.transfer.restart(at(3010));
    assert_eq!(asking.ranges(4010, &[peer(A, 16)]), [(5, 15)]);
}

#[test]
fn what_a_forgotten_peer_owes_is_asked_of_others() {
    let mut asking = Asking::from(5);
    asking.plan(0, &[peer(A, 16)]);
    asking.transfer.forget(&A);
    let orders = asking.plan(1, &[peer(B, 16)]);
    assert_eq!((orders[0].peer, orders[0].first, orders[0].last), (B, 5, 15));
}

/// How a simulated peer answers.
#[derive(Clone, Copy)]
enum Manner {
    Honest,
    Silent,
    /// Answers with nothing, or with blocks that are not there.
    Empty,
    Short,
    /// Does not have the blocks below this.
    Pruned(u64),
    /// Answers when its time is over.
    Late,
}

#[test]
fn with_one_honest_peer_among_any_others_everything_comes() {
    for seed in 0..100 {
        let mut asking = Asking::from(1);
        asking.rng = fastrand::Rng::with_seed(seed);
        let target = 400;
        let mut manners = vec![(PkiId::new([0; 32]), Manner::Honest, target)];
        for index in 1..asking.rng.u8(1..8) {
            let manner = match asking.rng.u32(..5) {
                0 => Manner::Silent,
                1 => Manner::Empty,
                2 => Manner::Short,
                3 => Manner::Pruned(asking.rng.u64(1..target)),
                _ => Manner::Late,
            };
            let height = if asking.rng.bool() { target } else { asking.rng.u64(1..=u64::MAX) };
            manners.push((PkiId::new([index; 32]), manner, height));
        }
        let peers: Vec<Candidate> =
            manners.iter().map(|(pki_id, _, height)| peer(*pki_id, *height)).collect();
        let mut now = 0;
        let mut answers: Vec<(u64, Order, RangeInclusive<u64>)> = Vec::new();
        while asking.buffer.first_missing() < target {
            for order in asking.plan(now, &peers) {
                let manner = manners.iter().find(|(pki_id, ..)| *pki_id == order.peer).unwrap().1;
                let last = order.last.min(target - 1);
                let (after, range) = match manner {
                    Manner::Silent => continue,
                    Manner::Honest => (5, order.first..=last),
                    Manner::Empty => (5, none()),
                    Manner::Short => (20, order.first..=(order.first + 2).min(last)),
                    Manner::Pruned(floor) => (5, order.first.max(floor)..=last),
                    Manner::Late => (4000, order.first..=last),
                };
                answers.push((now + after, order, range));
            }
            answers.sort_by_key(|(at, ..)| core::cmp::Reverse(*at));
            let wake =
                asking.transfer.deadline(at(now), asking.patience, &asking.config).as_nanos() / 1_000_000;
            match answers.pop_if(|(at, ..)| *at <= wake) {
                Some((at, order, range)) => {
                    now = now.max(at);
                    asking.answer_if_asked(now, &order, range);
                }
                None => now = wake.max(now + 1),
            }
            assert!(now < 30_000, "seed {seed} is at {} after 30 s", asking.buffer.first_missing());
        }
    }
}

impl Asking {
    /// As [`answer`](Self::answer), for an answer that may come when nobody waits for it any more, with blocks that are here.
    fn answer_if_asked(&mut self, millis: u64, order: &Order, numbers: RangeInclusive<u64>) {
        let Ok(range) = self.transfer.answered(at(millis), order.peer, order.nonce) else { return };
        let new: Vec<u64> = numbers.clone().filter(|number| !self.buffer.holds(*number)).collect();
        new.iter().for_each(|number| self.put(*number));
        let outcome =
            Outcome { range, lowest: numbers.into_iter().next(), useful_count: new.len(), is_bad: false };
        self.transfer.settle(at(millis), order.peer, &outcome, &self.buffer, &self.config);
        self.buffer.ready(&self.config.limits);
        self.buffer.committed(self.buffer.next());
    }
}
