//! When an orderer counts as withholding blocks (spec/07 §14.3): no task, no clock, the time is told.
//!
//! Times are durations since the stream of blocks began. Only time in which the stream was waited for counts: while the
//! receiver holds the stream, or has no room, the orderer cannot send, and is not to blame.

use std::collections::VecDeque;
use std::time::Duration;

/// Headers that come within this part of the time limit are one entry, so that their number is bounded.
const ENTRIES_PER_LIMIT: u32 = 64;
/// Entries kept at most; the rate above keeps them below this already.
const ENTRIES_MAX: usize = 2 * ENTRIES_PER_LIMIT as usize;
/// From how many missing blocks on an orderer may take longer than the limit, if fewer and fewer are missing.
const BACKLOG_COUNT_MIN: u64 = 16;

/// Watches over one stream of blocks.
#[derive(Debug)]
pub(super) struct Withholding {
    limit: Duration,
    /// Number of the block that has to come next.
    next: u64,
    /// The highest block known to exist.
    highest: Option<u64>,
    /// Blocks known to exist that have not come, in order of number and time.
    known: VecDeque<Known>,
    /// How long the stream was not waited for, until the present pause.
    paused: Duration,
    paused_since: Option<Duration>,
}

/// From when on blocks up to a number were known to exist.
#[derive(Debug)]
struct Known {
    number: u64,
    /// When the first header of this entry came.
    first: Duration,
    /// When the last one came.
    last: Duration,
    /// Blocks that had to come then.
    missing_count: u64,
}

impl Withholding {
    /// A stream begins at block `next`; a block must come within `limit` of its header.
    pub(super) fn new(limit: Duration, next: u64) -> Self {
        Self {
            limit,
            next,
            highest: None,
            known: VecDeque::new(),
            paused: Duration::ZERO,
            paused_since: None,
        }
    }

    /// A verified header tells that blocks up to `number` exist.
    pub(super) fn on_header(&mut self, number: u64, now: Duration) {
        if number < self.next || self.highest.is_some_and(|highest| number <= highest) {
            return;
        }
        self.highest = Some(number);
        let now = self.waited(now);
        let missing_count = self.missing_count();
        let full = self.known.len() >= ENTRIES_MAX;
        match self.known.back_mut() {
            Some(entry) if full || now < entry.first.saturating_add(self.limit / ENTRIES_PER_LIMIT) => {
                *entry = Known { number, last: now, missing_count, ..*entry };
            }
            _ => self.known.push_back(Known { number, first: now, last: now, missing_count }),
        }
    }

    /// The stream brought block `number`.
    pub(super) fn on_block(&mut self, number: u64) {
        self.next = number.saturating_add(1);
        while self.known.front().is_some_and(|entry| entry.number <= number) {
            self.known.pop_front();
        }
    }

    /// The stream is not waited for from now on.
    pub(super) fn pause(&mut self, now: Duration) {
        self.paused_since.get_or_insert(now);
    }

    /// The stream is waited for again.
    pub(super) fn resume(&mut self, now: Duration) {
        if let Some(since) = self.paused_since.take() {
            self.paused = self.paused.saturating_add(now.saturating_sub(since));
        }
    }

    /// When to ask [`overdue`](Self::overdue) again, if nothing happens before.
    pub(super) fn deadline(&self) -> Option<Duration> {
        let entry = self.known.front().filter(|_| self.paused_since.is_none())?;
        Some(entry.last.saturating_add(self.limit).saturating_add(self.paused))
    }

    /// The block that is withheld, if one is. A stream that works off a backlog is given more time as long as fewer blocks
    /// are missing than before.
    pub(super) fn overdue(&mut self, now: Duration) -> Option<u64> {
        self.deadline().filter(|deadline| now >= *deadline)?;
        let (now, missing_count) = (self.waited(now), self.missing_count());
        let (entry, number) = (self.known.front()?, self.highest?);
        if entry.missing_count < BACKLOG_COUNT_MIN || missing_count >= entry.missing_count {
            return Some(self.next);
        }
        self.known.clear();
        self.known.push_back(Known { number, first: now, last: now, missing_count });
        None
    }

    /// How long the stream has been waited for.
    fn waited(&self, now: Duration) -> Duration {
        self.paused_since.unwrap_or(now).saturating_sub(self.paused)
    }

    fn missing_count(&self) -> u64 {
        self.highest.map_or(0, |highest| highest.saturating_add(1).saturating_sub(self.next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMIT: u64 = 30_000;

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    /// A stream of which block `next` has to come next.
    fn stream(next: u64) -> Withholding {
        Withholding::new(ms(LIMIT), next)
    }

    #[test]
    fn without_headers_nothing_is_overdue() {
        let mut stream = stream(7);
        assert_eq!(stream.deadline(), None);
        assert_eq!(stream.overdue(ms(1_000_000)), None);
    }

    #[test]
    fn a_block_is_overdue_when_the_limit_has_passed_since_its_header() {
        let mut stream = stream(7);
        stream.on_header(7, ms(1000));
        assert_eq!(stream.deadline(), Some(ms(1000 + LIMIT)));
        assert_eq!(stream.overdue(ms(1000 + LIMIT - 1)), None);
        assert_eq!(stream.overdue(ms(1000 + LIMIT)), Some(7));
    }

    #[test]
    fn headers_of_blocks_that_came_are_nothing() {
        let mut stream = stream(7);
        stream.on_header(6, ms(0));
        assert_eq!(stream.deadline(), None);
        stream.on_block(7);
        stream.on_header(7, ms(1));
        assert_eq!(stream.deadline(), None);
    }

    #[test]
    fn a_block_in_time_ends_the_matter() {
        let mut stream = stream(7);
        stream.on_header(7, ms(0));
        stream.on_block(7);
        assert_eq!(stream.deadline(), None);
        assert_eq!(stream.overdue(ms(2 * LIMIT)), None);
    }

    #[test]
    fn the_same_header_from_another_orderer_gives_no_more_time() {
        let mut stream = stream(7);
        stream.on_header(8, ms(0));
        stream.on_header(8, ms(5000));
        stream.on_header(7, ms(6000));
        assert_eq!(stream.deadline(), Some(ms(LIMIT)));
    }

    #[test]
    fn each_block_has_its_own_limit() {
        let mut stream = stream(7);
        stream.on_header(7, ms(0));
        stream.on_header(8, ms(20_000));
        stream.on_block(7);
        // block 8 was known for 20 s by the time block 7 came: an orderer cannot give one block a limit for ever
        assert_eq!(stream.overdue(ms(49_999)), None);
        assert_eq!(stream.overdue(ms(50_000)), Some(8));
    }

    #[test]
    fn later_headers_do_not_put_off_the_limit_of_earlier_ones() {
        let mut stream = stream(7);
        for second in 0..30 {
            stream.on_header(7 + second, ms(second * 1000));
        }
        assert_eq!(stream.overdue(ms(LIMIT - 1)), None);
        assert_eq!(stream.overdue(ms(LIMIT)), Some(7));
    }

    #[test]
    fn time_in_which_the_stream_was_held_does_not_count() {
        let mut stream = stream(7);
        stream.on_header(7, ms(0));
        stream.pause(ms(10_000));
        assert_eq!(stream.deadline(), None);
        assert_eq!(stream.overdue(ms(500_000)), None);
        stream.resume(ms(500_000));
        assert_eq!(stream.overdue(ms(519_999)), None);
        assert_eq!(stream.overdue(ms(520_000)), Some(7));
    }

    #[test]
    fn a_header_that_comes_while_the_stream_is_held_counts_from_its_release() {
        let mut stream = stream(7);
        stream.pause(ms(1000));
        stream.on_header(7, ms(100_000));
        stream.resume(ms(200_000));
        assert_eq!(stream.deadline(), Some(ms(200_000 + LIMIT)));
    }

    #[test]
    fn holding_twice_and_releasing_twice_is_holding_once() {
        let mut stream = stream(7);
        stream.on_header(7, ms(0));
        stream.pause(ms(1000));
        stream.pause(ms(2000));
        stream.resume(ms(3000));
        stream.resume(ms(9000));
        assert_eq!(stream.deadline(), Some(ms(LIMIT + 2000)));
    }

    #[test]
    fn a_backlog_that_shrinks_is_waited_for() {
        let mut stream = stream(0);
        stream.on_header(1_000_000, ms(0));
        let mut number = 0;
        for limit in 1..=10 {
            for _ in 0..1000 {
                stream.on_block(number);
                number += 1;
            }
            assert_eq!(stream.overdue(ms(limit * LIMIT)), None);
        }
        // and no longer when it stops
        assert_eq!(stream.overdue(ms(11 * LIMIT)), Some(number));
    }

    #[test]
    fn a_backlog_that_grows_is_not() {
        let mut stream = stream(0);
        stream.on_header(99, ms(0));
        stream.on_block(0);
        // one block is given, two are ordered
        stream.on_header(101, ms(LIMIT - 1));
        assert_eq!(stream.overdue(ms(LIMIT)), Some(1));
    }

    #[test]
    fn a_few_blocks_are_no_backlog() {
        let mut stream = stream(7);
        stream.on_header(8, ms(0));
        stream.on_block(7);
        assert_eq!(stream.overdue(ms(LIMIT)), Some(8));
    }

    #[test]
    fn absurd_numbers_and_limits_are_borne() {
        let mut stream = Withholding::new(Duration::MAX, 0);
        stream.on_header(u64::MAX, ms(1));
        assert_eq!(stream.deadline(), Some(Duration::MAX));
        stream.on_block(u64::MAX);
        assert_eq!(stream.overdue(ms(1)), None);
        let mut stream = Withholding::new(Duration::ZERO, 7);
        stream.on_header(7, ms(1));
        stream.on_header(8, ms(1));
        assert_eq!(stream.overdue(ms(1)), Some(7));
    }

    #[derive(Clone, Debug)]
    enum Happening {
        Header(u64),
        Block,
        Pause,
        Resume,
        Ask,
    }

    fn happenings() -> impl Strategy<Value = Vec<(u64, Happening)>> {
        let one = prop_oneof![
            4 => (0_u64..40).prop_map(Happening::Header),
            4 => Just(Happening::Block),
            1 => Just(Happening::Pause),
            1 => Just(Happening::Resume),
            4 => Just(Happening::Ask),
        ];
        proptest::collection::vec((0_u64..LIMIT / 3, one), 0..400)
    }

    proptest! {
        /// Nobody is accused before a block has been known, missing and waited for over the whole limit; memory is bounded.
        #[test]
        fn nobody_is_accused_early(happenings in happenings()) {
            let mut stream = stream(0);
            let (mut now, mut waited, mut paused) = (0, 0, false);
            let mut next = 0;
            // by number: how long had been waited when it became known
            let mut known: Vec<Option<u64>> = vec![None; 1000];
            for (passed, happening) in happenings {
                now += passed;
                waited += if paused { 0 } else { passed };
                match happening {
                    Happening::Header(ahead) => {
                        let number = next + ahead;
                        stream.on_header(number, ms(now));
                        for known in known.iter_mut().take(usize::try_from(number).unwrap() + 1) {
                            known.get_or_insert(waited);
                        }
                    }
                    Happening::Block => {
                        stream.on_block(next);
                        next += 1;
                    }
                    Happening::Pause => {
                        stream.pause(ms(now));
                        paused = true;
                    }
                    Happening::Resume => {
                        stream.resume(ms(now));
                        paused = false;
                    }
                    Happening::Ask => {
                        if let Some(number) = stream.overdue(ms(now)) {
                            prop_assert_eq!(number, next);
                            prop_assert!(!paused);
                            let since = known[usize::try_from(number).unwrap()].unwrap();
                            prop_assert!(waited >= since + LIMIT, "{} {}", waited, since);
                        }
                    }
                }
                prop_assert!(stream.known.len() <= ENTRIES_MAX);
            }
        }

        /// A stream that stops while few blocks are missing is found out within the limit and one entry's width.
        #[test]
        fn a_stream_that_stops_is_found_out(times in proptest::collection::vec(0_u64..2000, 1..15)) {
            let mut stream = stream(0);
            let (mut now, mut first) = (0, None);
            for (number, passed) in (0..).zip(times) {
                now += passed;
                stream.on_header(number, ms(now));
                first.get_or_insert(now);
            }
            let latest = first.unwrap() + LIMIT + LIMIT / u64::from(ENTRIES_PER_LIMIT);
            prop_assert_eq!(stream.overdue(ms(latest)), Some(0));
        }
    }
}
