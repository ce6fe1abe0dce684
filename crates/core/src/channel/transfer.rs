//! The asking side of state transfer (spec/06 §2.7): which blocks to ask whom for.
//!
//! Disjoint ranges are asked of several peers at once (W10), as far ahead as the buffer has room; the target is looked at
//! anew each time (W11). A peer that does not answer, or answers without what it announced, is asked for less and then left
//! alone for a while (W4).

use super::buffer::Buffer;
use crate::config::Config;
use crate::ids::PkiId;
use crate::reject::{Misbehaviour, Reject};
use crate::time::Instant;
use core::ops::RangeInclusive;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

/// First pause after a failure of a peer; doubled with each further one.
const PAUSE_MIN: Duration = Duration::from_millis(250);
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// How long it is remembered that a peer does not have old blocks.
const FLOOR_AGE_MAX: Duration = Duration::from_secs(60);
/// Pause after the ledger refused a block; doubled each time it happens again.
const RESTART_PAUSE_MIN: Duration = Duration::from_secs(1);
/// Size of a block before any was seen.
const BLOCK_BYTES_GUESS: usize = 16 << 10;

/// A peer that may be asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate {
    pub(crate) pki_id: PkiId,
    /// As it announced.
    pub(crate) height: u64,
    pub(crate) is_own_org: bool,
}

/// A request to be sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) nonce: u64,
    pub(crate) peer: PkiId,
    pub(crate) first: u64,
    /// Inclusive.
    pub(crate) last: u64,
}

#[derive(Debug)]
struct Request {
    peer: PkiId,
    first: u64,
    last: u64,
    sent: Instant,
    /// Its time is over; what still comes is used.
    is_late: bool,
    /// Another peer was asked for the same.
    is_doubled: bool,
}

#[derive(Debug, Default)]
struct Server {
    open_count: usize,
    failures: u32,
    not_before: Instant,
    /// Largest `last - first` to ask for, smaller than usual after failures.
    span: Option<u64>,
    /// Blocks below this are not there, as was learned at this time.
    floor: Option<(u64, Instant)>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Transfer {
    /// By nonce.
    requests: BTreeMap<u64, Request>,
    servers: BTreeMap<PkiId, Server>,
    /// The first number that was never asked for.
    cursor: u64,
    /// Numbers below `cursor` to be asked for again.
    again: BTreeSet<u64>,
    behind_since: Option<Instant>,
    not_before: Instant,
    restarts: u32,
    /// By the Go peer's rules: up to which height the run under way goes, and when there is to be another.
    run_to: Option<u64>,
    next_run: Option<Instant>,
    block_bytes: usize,
    response_time: Duration,
}

impl Default for Transfer {
    fn default() -> Self {
        Self {
            requests: BTreeMap::new(),
            servers: BTreeMap::new(),
            cursor: 0,
            again: BTreeSet::new(),
            behind_since: None,
            not_before: Instant::default(),
            restarts: 0,
            run_to: None,
            next_run: None,
            block_bytes: BLOCK_BYTES_GUESS,
            response_time: Duration::from_millis(100),
        }
    }
}

/// What became of a response.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// What had been asked for.
    pub(crate) range: RangeInclusive<u64>,
    /// The lowest number in it that was answered.
    pub(crate) lowest: Option<u64>,
    /// How many blocks were new.
    pub(crate) useful_count: usize,
    /// Whether one of them was no block, or under a wrong number.
    pub(crate) is_bad: bool,
}

impl Transfer {
    /// Requests that are waited for.
    pub(crate) fn open_count(&self) -> usize {
        self.requests.values().filter(|request| !request.is_late).count()
    }

    /// Requests that one peer is waited for, of the peer that was asked most.
    pub(crate) fn open_count_per_peer_max(&self) -> usize {
        let mut counts: BTreeMap<PkiId, usize> = BTreeMap::new();
        for request in self.requests.values().filter(|request| !request.is_late) {
            *counts.entry(request.peer).or_default() += 1;
        }
        counts.into_values().max().unwrap_or(0)
    }

    /// The ledger grew: it has got over what made it refuse a block.
    pub(crate) fn committed(&mut self) {
        self.restarts = 0;
    }

    /// Whether something is asked for, or about to be.
    pub(crate) fn is_active(&self) -> bool {
        self.behind_since.is_some() || self.open_count() > 0
    }

    /// A block of this size was found good: some notion of how many will fit into the buffer.
    pub(crate) fn note_block(&mut self, bytes: usize) {
        self.block_bytes = (self.block_bytes * 7 + bytes) / 8;
    }

    /// What to ask for now. `patience` is how long a small gap may wait for blocks that are pushed.
    pub(crate) fn plan(
        &mut self,
        now: Instant,
        rng: &mut fastrand::Rng,
        buffer: &Buffer,
        candidates: &[Candidate],
        patience: Duration,
        config: &Config,
    ) -> Vec<Order> {
        self.time_out(now, buffer, config);
        let target = self.target(now, candidates);
        let missing = buffer.first_missing();
        if missing >= target {
            self.behind_since = None;
            return Vec::new();
        }
        let since = *self.behind_since.get_or_insert(now);
        let is_small = target - missing <= config.state_batch_size;
        if now < self.not_before || is_small && self.open_count() == 0 && now < since + patience {
            return Vec::new();
        }
        self.find_lost(buffer);
        let mut orders = Vec::new();
        while let Some(order) = self.next_order(now, rng, buffer, candidates, target, config) {
            orders.push(order);
        }
        orders.extend(self.double(now, rng, buffer, candidates, config));
        orders
    }

    /// By the Go peer's rules, whether requests may be made now: a run goes up to the greatest height that was announced when
    /// it began, and the next begins `state_check_interval` after it ended (spec/06 §2.7). Otherwise when to look again.
    pub(crate) fn is_running(
        &mut self,
        now: Instant,
        buffer: &Buffer,
        candidates: &[Candidate],
        config: &Config,
    ) -> Result<(), Instant> {
        let missing = buffer.first_missing();
        if let Some(end) = self.run_to {
            if missing < end {
                return Ok(());
            }
            self.run_to = None;
            self.next_run = Some(now + config.state_check_interval);
        }
        let next_run = *self.next_run.get_or_insert(now + config.state_check_interval);
        if now < next_run {
            return Err(next_run);
        }
        let greatest = candidates.iter().map(|candidate| candidate.height).max().unwrap_or_default();
        if missing >= greatest {
            let next_run = now + config.state_check_interval;
            self.next_run = Some(next_run);
            return Err(next_run);
        }
        self.run_to = Some(greatest);
        Ok(())
    }

    /// When there will be something to do although nothing happens.
    pub(crate) fn deadline(&self, now: Instant, patience: Duration, config: &Config) -> Instant {
        let open = self.requests.values().filter(|request| !request.is_late);
        let open = open.map(|request| {
            let doubled_at = request.sent + self.double_after(config);
            if request.is_doubled || doubled_at <= now {
                request.sent + config.state_response_timeout
            } else {
                doubled_at
            }
        });
        let patient = self.behind_since.map(|since| since + patience);
        let paused = self.servers.values().map(|server| server.not_before);
        let times = open.chain(patient).chain(paused).chain([self.not_before]);
        times.filter(|at| *at > now).chain([now + config.state_check_interval]).min().unwrap_or(now)
    }

    /// A response arrived. Only the peer that was asked can answer, under the nonce it was asked with (W3). Returns what had
    /// been asked for: nothing else is to be taken (W2).
    pub(crate) fn answered(
        &mut self,
        now: Instant,
        sender: PkiId,
        nonce: u64,
    ) -> Result<RangeInclusive<u64>, Reject> {
        let request = self.requests.get(&nonce).filter(|request| request.peer == sender);
        let Request { first, last, sent, is_late, .. } = *request.ok_or(Misbehaviour::Unsolicited)?;
        self.requests.remove(&nonce);
        if !is_late {
            self.server(sender).open_count -= 1;
            let taken = now.since(sent);
            self.response_time = (self.response_time * 7 + taken) / 8;
        }
        Ok(first..=last)
    }

    /// The response was looked through. What it did not bring is asked for again; fewer blocks than asked for are legal.
    pub(crate) fn settle(
        &mut self,
        now: Instant,
        sender: PkiId,
        outcome: &Outcome,
        buffer: &Buffer,
        config: &Config,
    ) {
        self.ask_again(outcome.range.clone(), buffer);
        let server = self.server(sender);
        if let Some(lowest) = outcome.lowest.filter(|lowest| lowest > outcome.range.start()) {
            // pruned, or joined by snapshot
            server.floor = Some((lowest, now));
        }
        if outcome.is_bad || outcome.lowest.is_none() {
            Self::fail(server, now);
        } else if outcome.useful_count > 0 {
            server.failures = 0;
            server.not_before = now;
            server.span = server.span.map(|span| span + 1).filter(|span| *span < config.state_batch_size);
        }
    }

    /// A block from this peer was bad.
    pub(crate) fn blame(&mut self, now: Instant, peer: PkiId) {
        Self::fail(self.server(peer), now);
    }

    /// A block that was here is not any more.
    pub(crate) fn lost(&mut self, number: u64) {
        if number < self.cursor {
            self.again.insert(number);
        }
    }

    /// The ledger threw blocks away: everything begins anew, after a pause.
    pub(crate) fn restart(&mut self, now: Instant) {
        self.cursor = 0;
        self.again.clear();
        for request in self.requests.values_mut() {
            if !core::mem::replace(&mut request.is_late, true)
                && let Some(server) = self.servers.get_mut(&request.peer)
            {
                server.open_count -= 1;
            }
        }
        self.not_before = now + (RESTART_PAUSE_MIN * 2_u32.pow(self.restarts.min(6)));
        self.restarts += 1;
    }

    /// Forgets a peer.
    pub(crate) fn forget(&mut self, peer: &PkiId) {
        let gone: Vec<u64> = self
            .requests
            .iter()
            .filter(|(_, request)| request.peer == *peer)
            .map(|(nonce, _)| *nonce)
            .collect();
        for nonce in gone {
            if let Some(request) = self.requests.remove(&nonce) {
                self.again.extend(request.first..=request.last);
            }
        }
        self.servers.remove(peer);
    }

    fn server(&mut self, peer: PkiId) -> &mut Server {
        self.servers.entry(peer).or_default()
    }

    fn fail(server: &mut Server, now: Instant) {
        let pause = PAUSE_MIN.saturating_mul(2_u32.saturating_pow(server.failures)).min(PAUSE_MAX);
        server.failures = server.failures.saturating_add(1);
        server.not_before = now + pause;
    }

    fn time_out(&mut self, now: Instant, buffer: &Buffer, config: &Config) {
        let timeout = config.state_response_timeout;
        let mut over = Vec::new();
        for request in self.requests.values_mut() {
            if !request.is_late && now.since(request.sent) >= timeout {
                request.is_late = true;
                over.push((request.peer, request.first..=request.last));
            }
        }
        for (peer, range) in over {
            let span = *range.end() - *range.start();
            let server = self.server(peer);
            server.open_count -= 1;
            server.span = Some(server.span.map_or(span / 2, |old| old.min(span / 2)));
            Self::fail(server, now);
            self.ask_again(range, buffer);
        }
        self.requests.retain(|_, request| !request.is_late || now.since(request.sent) < 10 * timeout);
        for server in self.servers.values_mut() {
            server.floor = server.floor.filter(|(_, since)| now.since(*since) < FLOOR_AGE_MAX);
        }
    }

    fn ask_again(&mut self, range: RangeInclusive<u64>, buffer: &Buffer) {
        self.again.extend(range.filter(|number| !buffer.holds(*number)));
    }

    /// The greatest height that somebody who can be asked announces. Heights are self-asserted (W4): the buffer's window caps
    /// how far ahead anything is asked for, and who does not deliver does not count for a while.
    fn target(&self, now: Instant, candidates: &[Candidate]) -> u64 {
        let usable = candidates.iter().filter(|candidate| {
            self.servers
                .get(&candidate.pki_id)
                .is_none_or(|server| server.failures == 0 || server.not_before <= now)
        });
        usable.map(|candidate| candidate.height).max().unwrap_or_default()
    }

    /// Numbers that fell through: nothing is open, and yet something below the cursor is missing.
    fn find_lost(&mut self, buffer: &Buffer) {
        let missing = buffer.first_missing();
        self.cursor = self.cursor.max(buffer.next());
        self.again = self.again.split_off(&buffer.next());
        if missing < self.cursor && self.again.is_empty() && self.open_count() == 0 {
            self.cursor = missing;
        }
    }

    fn next_order(
        &mut self,
        now: Instant,
        rng: &mut fastrand::Rng,
        buffer: &Buffer,
        candidates: &[Candidate],
        target: u64,
        config: &Config,
    ) -> Option<Order> {
        if self.open_count() >= config.limits.state_requests_max {
            return None;
        }
        let end = target.min(buffer.next().saturating_add(config.limits.block_buffer_count_max));
        let first = self.next_number(buffer, end)?;
        let room = self.room(first, buffer, config)?;
        let peer = self.choose(now, rng, first, candidates, None, config)?;
        let height = candidates.iter().find(|candidate| candidate.pki_id == peer)?.height;
        let span = self.servers.get(&peer).and_then(|server| server.span).unwrap_or(config.state_batch_size);
        let span = span.min(config.state_batch_size).min(room - 1);
        let last_max = first.saturating_add(span).min(height.min(end) - 1);
        let last = self.last_number(first, last_max, buffer);
        if first < self.cursor {
            (first..=last).for_each(|number| {
                self.again.remove(&number);
            });
        }
        self.cursor = self.cursor.max(last + 1);
        Some(self.open(now, rng, peer, first, last))
    }

    fn open(&mut self, now: Instant, rng: &mut fastrand::Rng, peer: PkiId, first: u64, last: u64) -> Order {
        let mut nonce = rng.u64(1..);
        while self.requests.contains_key(&nonce) {
            nonce = rng.u64(1..);
        }
        let request = Request { peer, first, last, sent: now, is_late: false, is_doubled: false };
        self.requests.insert(nonce, request);
        self.server(peer).open_count += 1;
        Order { nonce, peer, first, last }
    }

    /// The next number to ask for, below `end`.
    fn next_number(&mut self, buffer: &Buffer, end: u64) -> Option<u64> {
        while let Some(&number) = self.again.first() {
            if number >= end {
                break;
            }
            if !buffer.holds(number) && !self.is_open(number) {
                return Some(number);
            }
            self.again.remove(&number);
        }
        while self.cursor < end && buffer.holds(self.cursor) {
            self.cursor += 1;
        }
        (self.cursor < end).then_some(self.cursor)
    }

    /// How far a range that begins with `first` goes: to the next number that is here or belongs to another range.
    fn last_number(&self, first: u64, last_max: u64, buffer: &Buffer) -> u64 {
        let mut last = first;
        while last < last_max {
            let next = last + 1;
            let is_due = next >= self.cursor || self.again.contains(&next);
            if !is_due || buffer.holds(next) {
                break;
            }
            last = next;
        }
        last
    }

    /// Whether a block was asked for.
    pub(crate) fn is_open(&self, number: u64) -> bool {
        let mut open = self.requests.values().filter(|request| !request.is_late);
        open.any(|request| (request.first..=request.last).contains(&number))
    }

    /// How many blocks from `first` on will fit beside what is on its way; the one that is needed next always does.
    fn room(&self, first: u64, buffer: &Buffer, config: &Config) -> Option<u64> {
        let open = self.requests.values().filter(|request| !request.is_late);
        let on_its_way: u64 = open.map(|request| request.last - request.first + 1).sum();
        let bytes = config.limits.block_buffer_bytes_max.saturating_sub(buffer.bytes());
        let room = (bytes / self.block_bytes.max(1)) as u64;
        let room = room.saturating_sub(on_its_way).max(u64::from(first == buffer.next()));
        (room > 0).then_some(room)
    }

    /// A peer that has block `number` and may be asked: the one with the fewest failures and open requests, rather of the own
    /// organisation, else any.
    fn choose(
        &self,
        now: Instant,
        rng: &mut fastrand::Rng,
        number: u64,
        candidates: &[Candidate],
        except: Option<PkiId>,
        config: &Config,
    ) -> Option<PkiId> {
        let idle = Server::default();
        let mut best = None;
        let mut ties = 0;
        for candidate in candidates {
            let server = self.servers.get(&candidate.pki_id).unwrap_or(&idle);
            // one that failed may show that it is better now
            let open_max = if server.failures > 0 { 1 } else { config.limits.state_requests_per_peer_max };
            let usable = candidate.height > number
                && except != Some(candidate.pki_id)
                && server.not_before <= now
                && server.open_count < open_max
                && server.floor.is_none_or(|(floor, _)| number >= floor);
            if !usable {
                continue;
            }
            let rank = (server.failures, 2 * server.open_count + usize::from(!candidate.is_own_org));
            match best {
                Some((best_rank, _)) if best_rank < rank => continue,
                Some((best_rank, _)) if best_rank == rank => ties += 1,
                _ => ties = 1,
            }
            // each of several equals is kept with the same probability
            if ties == 1 || rng.usize(..ties) == 0 {
                best = Some((rank, candidate.pki_id));
            }
        }
        best.map(|(_, pki_id)| pki_id)
    }

    /// When the block that everything waits for is long in coming, another peer is asked for it as well.
    fn double(
        &mut self,
        now: Instant,
        rng: &mut fastrand::Rng,
        buffer: &Buffer,
        candidates: &[Candidate],
        config: &Config,
    ) -> Option<Order> {
        if self.open_count() >= config.limits.state_requests_max {
            return None;
        }
        let missing = buffer.first_missing();
        let after = self.double_after(config);
        let covers =
            |request: &Request| !request.is_late && (request.first..=request.last).contains(&missing);
        let mut covering = self.requests.iter().filter(|(_, request)| covers(request));
        let (&nonce, request) = covering.next()?;
        if covering.next().is_some() || request.is_doubled || now.since(request.sent) < after {
            return None;
        }
        let (slow, first, last) = (request.peer, missing, request.last);
        let peer = self.choose(now, rng, first, candidates, Some(slow), config)?;
        let height = candidates.iter().find(|candidate| candidate.pki_id == peer)?.height;
        if let Some(request) = self.requests.get_mut(&nonce) {
            request.is_doubled = true;
        }
        Some(self.open(now, rng, peer, first, last.min(height - 1)))
    }

    fn double_after(&self, config: &Config) -> Duration {
        let longest = config.state_response_timeout / 2;
        (self.response_time * 4).clamp(Duration::from_millis(100).min(longest), longest)
    }
}

#[cfg(test)]
mod tests;
