//! The payload buffer: blocks on their way to the ledger, verified and in order (spec/06 §2.4, with its weak points mended).
//!
//! A number is done when the ledger has it, not before: what is refused anywhere on the way can be had again (W1, 05 W-16).
//! The buffer is bounded by number and by bytes, and always admits the block that is needed next (W2).

use crate::ids::PkiId;
use crate::limits::Limits;
use crate::output::BlockSource;
use crate::reject::{Misbehaviour, Reject, Unfitting};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Copies of one number, of which all but the first wait for the verdict on those before them.
const COPIES_MAX: usize = 4;

/// Where a copy of a block came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) via: BlockSource,
    /// Nobody if from an orderer.
    pub(crate) from: Option<PkiId>,
}

/// A copy of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) block: Bytes,
    pub(crate) source: Source,
}

/// A block to be verified now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Check {
    pub(crate) number: u64,
    /// To be handed back with the verdict.
    pub(crate) attempt: u64,
    pub(crate) block: Bytes,
}

/// What a verdict led to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nobody waits for it any more.
    Gone,
    /// The block is good; `first` unless it had been found good before.
    Good { candidate: Candidate, first: bool },
    /// The copy is bad, and dropped.
    Bad { source: Source },
    /// The copy does not verify under the configuration in force; whether that is the block's own is not known as long as
    /// blocks before it are missing. It is kept.
    Doubtful,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    /// Behind a configuration block that is not in force yet, or for its turn.
    Waiting,
    Verifying(u64),
    Verified,
    /// All copies are doubtful.
    Doubtful,
}

#[derive(Debug)]
struct Slot {
    state: State,
    /// The first one is the one that `state` is about.
    copies: VecDeque<Candidate>,
    /// Copies that did not verify while blocks before them were missing.
    doubtful: VecDeque<Candidate>,
    /// Found good once, under an earlier configuration.
    was_good: bool,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Buffer {
    /// Number of durable blocks.
    height: u64,
    /// The next block to be ordered to be committed.
    next: u64,
    /// From `next` on.
    slots: BTreeMap<u64, Slot>,
    /// Bytes in `slots`.
    bytes: usize,
    /// The doubtful ones of `slots`, and some that no longer are.
    doubts: BTreeSet<u64>,
    /// The waiting ones, and some that no longer are.
    waiting: BTreeSet<u64>,
    /// How many are being verified, and how many may be.
    verifying_count: usize,
    verifying_max: usize,
    /// Ordered to be committed and not durable.
    committing: BTreeMap<u64, Candidate>,
    committing_bytes: usize,
    /// A verified configuration block that is not durable: nothing after it is verified until it is (W6).
    barrier: Option<u64>,
    attempts: u64,
    /// The copy that the ledger refused.
    refused: Option<(u64, Bytes)>,
    holding: bool,
}

impl Buffer {
    /// In front of a ledger with `height` blocks; `verifying_max` are verified at the same time.
    pub(crate) fn new(height: u64, verifying_max: usize) -> Self {
        Self {
            height,
            next: height,
            slots: BTreeMap::new(),
            bytes: 0,
            doubts: BTreeSet::new(),
            waiting: BTreeSet::new(),
            verifying_count: 0,
            verifying_max,
            committing: BTreeMap::new(),
            committing_bytes: 0,
            barrier: None,
            attempts: 0,
            refused: None,
            holding: false,
        }
    }

    /// Counts on from a former buffer, whose checks may still be answered: they must not be taken for checks of this one.
    pub(crate) fn succeed(&mut self, former: &Self) {
        self.attempts = former.attempts;
    }

    /// Whether delivery is held back.
    pub(crate) fn is_holding(&self) -> bool {
        self.holding
    }

    /// Number of durable blocks.
    pub(crate) fn height(&self) -> u64 {
        self.height
    }

    /// The lowest number that was not ordered to be committed.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// How many blocks wait here.
    pub(crate) fn count(&self) -> usize {
        self.slots.len()
    }

    /// Their bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many are being verified.
    pub(crate) fn verifying_count(&self) -> usize {
        self.verifying_count
    }

    /// How many were ordered to be committed and are not durable.
    pub(crate) fn committing_count(&self) -> usize {
        self.committing.len()
    }

    /// The highest number that waits here, if any does.
    pub(crate) fn highest(&self) -> Option<u64> {
        self.slots.keys().next_back().copied()
    }

    /// Whether a copy of this number is here or in the ledger.
    pub(crate) fn holds(&self, number: u64) -> bool {
        number < self.next || self.slots.contains_key(&number)
    }

    /// The lowest number that is neither here nor in the ledger.
    pub(crate) fn first_missing(&self) -> u64 {
        let mut missing = self.next;
        for number in self.slots.keys() {
            if *number != missing {
                break;
            }
            missing += 1;
        }
        missing
    }

    /// Whether a block of this number and size would be taken; asked before anything is decoded.
    pub(crate) fn wants(&self, number: u64, bytes: usize, limits: &Limits) -> Result<(), Reject> {
        if number < self.height {
            return Err(Unfitting::Stale.into());
        }
        if number < self.next {
            return Err(Unfitting::Duplicate.into());
        }
        if number - self.next >= limits.block_buffer_count_max {
            return Err(Unfitting::OutOfRange.into());
        }
        if let Some(slot) = self.slots.get(&number)
            && (slot.state == State::Verified || slot.copies().count() >= COPIES_MAX)
        {
            return Err(Unfitting::Duplicate.into());
        }
        if number != self.next && self.bytes.saturating_add(bytes) > limits.block_buffer_bytes_max {
            return Err(Reject::OverLimit);
        }
        Ok(())
    }

    /// Takes a copy of a block; if nothing stands before it, it is to be verified now.
    pub(crate) fn offer(
        &mut self,
        number: u64,
        candidate: Candidate,
        limits: &Limits,
    ) -> Result<Option<Check>, Reject> {
        self.wants(number, candidate.block.len(), limits)?;
        self.refuse_duplicate(number, &candidate)?;
        if self
            .refused
            .as_ref()
            .is_some_and(|(refused, block)| *refused == number && *block == candidate.block)
        {
            return Err(Misbehaviour::BlockInvalid.into());
        }
        self.bytes += candidate.block.len();
        let Some(slot) = self.slots.get_mut(&number) else {
            let copies = VecDeque::from([candidate]);
            let slot = Slot { state: State::Waiting, copies, doubtful: VecDeque::new(), was_good: false };
            self.slots.insert(number, slot);
            return Ok(self.check(number));
        };
        slot.copies.push_back(candidate);
        if slot.state != State::Doubtful {
            return Ok(None);
        }
        slot.state = State::Waiting;
        Ok(self.check(number))
    }

    /// Whether a slot has this copy already, or one from the same peer.
    fn refuse_duplicate(&self, number: u64, candidate: &Candidate) -> Result<(), Reject> {
        let Some(slot) = self.slots.get(&number) else { return Ok(()) };
        let same =
            |copy: &Candidate| copy.block == candidate.block || copy.source.from == candidate.source.from;
        if slot.copies().any(same) { Err(Unfitting::Duplicate.into()) } else { Ok(()) }
    }

    /// Takes in the verdict on a block: `Some(is_config)` if it is good. The second value is what is to be verified now.
    pub(crate) fn verdict(&mut self, number: u64, attempt: u64, good: Option<bool>) -> (Verdict, Vec<Check>) {
        let (verdict, next) = self.judge(number, attempt, good);
        let checks = next.into_iter().chain(self.check_waiting());
        (verdict, checks.collect())
    }

    fn judge(&mut self, number: u64, attempt: u64, good: Option<bool>) -> (Verdict, Option<Check>) {
        let Some(slot) = self.slots.get_mut(&number).filter(|slot| slot.state == State::Verifying(attempt))
        else {
            return (Verdict::Gone, None);
        };
        self.verifying_count -= 1;
        let Some(is_config) = good else { return self.drop_or_doubt(number) };
        let before = slot.bytes();
        slot.state = State::Verified;
        slot.copies.truncate(1);
        slot.doubtful.clear();
        self.bytes -= before - slot.bytes();
        let first = !core::mem::replace(&mut slot.was_good, true);
        let Some(candidate) = slot.copies.front().cloned() else { return (Verdict::Gone, None) };
        if is_config && self.barrier.is_none_or(|barrier| number < barrier) {
            self.barrier = Some(number);
            self.reset_from(number + 1);
        }
        (Verdict::Good { candidate, first }, self.resolve_doubt())
    }

    fn drop_or_doubt(&mut self, number: u64) -> (Verdict, Option<Check>) {
        let is_certain = self.is_next_to_verify(number);
        let Some(slot) = self.slots.get_mut(&number) else { return (Verdict::Gone, None) };
        let Some(copy) = slot.copies.pop_front() else { return (Verdict::Gone, None) };
        let verdict = if is_certain {
            self.bytes -= copy.block.len();
            Verdict::Bad { source: copy.source }
        } else {
            slot.doubtful.push_back(copy);
            Verdict::Doubtful
        };
        if is_certain && slot.copies.is_empty() && slot.doubtful.is_empty() {
            self.slots.remove(&number);
            return (verdict, None);
        }
        if !slot.copies.is_empty() {
            slot.state = State::Waiting;
            return (verdict, self.check(number));
        }
        slot.state = State::Doubtful;
        self.doubts.insert(number);
        (verdict, self.resolve_doubt())
    }

    /// Whether every block before this one is in the ledger, or verified and none of them a configuration not in force: then
    /// the configuration in force is the one it must be verified under.
    fn is_next_to_verify(&self, number: u64) -> bool {
        (self.next..number)
            .all(|number| self.slots.get(&number).is_some_and(|slot| slot.state == State::Verified))
    }

    /// Verifies again what was doubtful and is no longer.
    fn resolve_doubt(&mut self) -> Option<Check> {
        while let Some(&number) = self.doubts.first() {
            let is_doubtful = self.slots.get(&number).is_some_and(|slot| slot.state == State::Doubtful);
            if is_doubtful && !self.is_next_to_verify(number) {
                return None;
            }
            self.doubts.remove(&number);
            if is_doubtful {
                self.slots.get_mut(&number)?.reset();
                return self.check(number);
            }
        }
        None
    }

    /// The blocks that are to be committed now, in order.
    pub(crate) fn ready(&mut self, limits: &Limits) -> Vec<(u64, Bytes)> {
        let mut ready = Vec::new();
        while self.may_commit(limits) {
            let Some(candidate) = self.slots.remove(&self.next).and_then(|mut slot| slot.copies.pop_front())
            else {
                break;
            };
            self.bytes -= candidate.block.len();
            self.committing_bytes += candidate.block.len();
            ready.push((self.next, candidate.block.clone()));
            self.committing.insert(self.next, candidate);
            self.next += 1;
        }
        ready
    }

    fn may_commit(&self, limits: &Limits) -> bool {
        let room = self.committing.is_empty()
            || self.committing.len() < limits.commits_in_flight_max
                && self.committing_bytes < limits.block_buffer_bytes_max;
        room && self.slots.get(&self.next).is_some_and(|slot| slot.state == State::Verified)
    }

    /// The ledger has `height` blocks. What waited behind a configuration block may now have to be verified.
    pub(crate) fn committed(&mut self, height: u64) -> Vec<Check> {
        if height <= self.height {
            return Vec::new();
        }
        self.height = height;
        self.committing = self.committing.split_off(&height);
        self.committing_bytes = self.committing.values().map(|candidate| candidate.block.len()).sum();
        if self.next < height {
            // the ledger grew by other means
            self.next = height;
            self.slots = self.slots.split_off(&height);
            self.bytes = self.slots.values().map(Slot::bytes).sum();
            self.count_verifying();
        }
        if self.refused.as_ref().is_some_and(|(number, _)| *number < height) {
            self.refused = None;
        }
        if self.barrier.is_some_and(|barrier| barrier < height) {
            self.barrier = None;
            return self.check_waiting();
        }
        self.resolve_doubt().into_iter().chain(self.check_waiting()).collect()
    }

    /// The ledger refused a block, and with it all that were ordered after it. They and what waited for them are dropped.
    /// Returns where the refused one came from.
    pub(crate) fn commit_refused(&mut self, number: u64) -> Option<Source> {
        if number < self.height || number >= self.next {
            return None;
        }
        let mut dropped = self.committing.split_off(&number);
        self.committing_bytes = self.committing.values().map(|candidate| candidate.block.len()).sum();
        self.next = number;
        self.slots.clear();
        self.bytes = 0;
        self.verifying_count = 0;
        self.barrier = self.barrier.filter(|barrier| *barrier < number);
        let refused = dropped.remove(&number)?;
        let source = refused.source;
        self.refused = Some((number, refused.block));
        Some(source)
    }

    /// Another configuration is in force: what was verified under an earlier one and not handed on is verified again.
    pub(crate) fn reconfigured(&mut self) -> Vec<Check> {
        self.refused = None;
        self.reset_from(0);
        self.barrier = self.barrier.filter(|barrier| *barrier < self.next);
        self.check_waiting()
    }

    /// Drops the copies of a peer that were not found good and are not being verified. Returns the numbers of which there is
    /// no copy left.
    pub(crate) fn forget_peer(&mut self, peer: PkiId) -> Vec<u64> {
        let is_of_peer = |copy: &Candidate| copy.source.from == Some(peer);
        for slot in self.slots.values_mut().filter(|slot| slot.state != State::Verified) {
            let before = slot.bytes();
            let verifying =
                matches!(slot.state, State::Verifying(_)).then(|| slot.copies.pop_front()).flatten();
            slot.copies.retain(|copy| !is_of_peer(copy));
            slot.doubtful.retain(|copy| !is_of_peer(copy));
            if let Some(verifying) = verifying {
                slot.copies.push_front(verifying);
            }
            self.bytes -= before - slot.bytes();
        }
        let is_empty = |slot: &Slot| slot.copies.is_empty() && slot.doubtful.is_empty();
        let lost = self.slots.iter().filter(|(_, slot)| is_empty(slot)).map(|(number, _)| *number).collect();
        self.slots.retain(|_, slot| !is_empty(slot));
        lost
    }

    /// Gives a block that the ledger refused another chance.
    pub(crate) fn forget_refused(&mut self) {
        self.refused = None;
    }

    /// Whether the reading from the orderer is to be held back from now on, or taken up again; `None` if it stays as it is.
    /// It is held back when half the room is taken and taken up when a quarter is, and never while the block that is needed
    /// next is missing: it may be the orderer that brings it.
    pub(crate) fn hold(&mut self, limits: &Limits) -> Option<bool> {
        let full = |part: usize| {
            self.slots.len() as u64 >= limits.block_buffer_count_max / part as u64
                || self.bytes >= limits.block_buffer_bytes_max / part
        };
        let stuck = self.slots.contains_key(&self.next);
        let hold = stuck && if self.holding { full(4) } else { full(2) };
        (core::mem::replace(&mut self.holding, hold) != hold).then_some(hold)
    }

    /// Forgets what was found out about the blocks from `number` on.
    fn reset_from(&mut self, number: u64) {
        for (number, slot) in self.slots.range_mut(number..) {
            slot.reset();
            self.waiting.insert(*number);
        }
        self.count_verifying();
    }

    fn count_verifying(&mut self) {
        let verifying = self.slots.values().filter(|slot| matches!(slot.state, State::Verifying(_)));
        self.verifying_count = verifying.count();
    }

    /// Starts the verification of waiting blocks, the lowest first, as far as there is room and nothing stands before them.
    fn check_waiting(&mut self) -> Vec<Check> {
        let mut checks = Vec::new();
        while self.verifying_count < self.verifying_max
            && let Some(&number) = self.waiting.first()
            && !self.is_behind_barrier(number)
        {
            self.waiting.remove(&number);
            if self.slots.get(&number).is_some_and(|slot| slot.state == State::Waiting) {
                checks.extend(self.check(number));
            }
        }
        checks
    }

    fn is_behind_barrier(&self, number: u64) -> bool {
        self.barrier.is_some_and(|barrier| number > barrier)
    }

    /// Starts the verification of a block unless it is behind the barrier or too many are being verified.
    fn check(&mut self, number: u64) -> Option<Check> {
        if self.is_behind_barrier(number) || self.verifying_count >= self.verifying_max {
            self.waiting.insert(number);
            return None;
        }
        let slot = self.slots.get_mut(&number)?;
        let block = slot.copies.front()?.block.clone();
        self.attempts += 1;
        slot.state = State::Verifying(self.attempts);
        self.verifying_count += 1;
        Some(Check { number, attempt: self.attempts, block })
    }
}

impl Slot {
    fn copies(&self) -> impl Iterator<Item = &Candidate> {
        self.copies.iter().chain(&self.doubtful)
    }

    fn bytes(&self) -> usize {
        self.copies().map(|copy| copy.block.len()).sum()
    }

    /// Back to the beginning: nothing that was found out counts any more.
    fn reset(&mut self) {
        self.state = State::Waiting;
        self.copies.append(&mut self.doubtful);
    }
}

#[cfg(test)]
mod tests;
