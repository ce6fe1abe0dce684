//! What members say of themselves in a channel (spec/05 §6): the cache, and the own StateInfo.

use crate::ids::{MspId, PkiId};
use crate::reject::Unfitting;
use crate::table::Table;
use crate::time::Instant;
use crate::verifying::Verifying;
use selvedge_proto::envelope::{EnvelopeView, StateInfoKey};

/// When a StateInfo was made; the greater one is newer (spec/01 §11).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Timestamp {
    pub(crate) incarnation: u64,
    pub(crate) sequence: u64,
}

impl Timestamp {
    pub(crate) fn of(key: &StateInfoKey<'_>) -> Self {
        Self { incarnation: key.inc_num, sequence: key.seq_num }
    }
}

/// The last StateInfo of a member, authentic and accepted by the channel's Readers policy.
#[derive(Clone, Debug)]
pub(crate) struct StateInfo {
    /// Payload and signature as received, and nothing else.
    pub(crate) view: EnvelopeView,
    pub(crate) timestamp: Timestamp,
    pub(crate) org: MspId,
    /// Number of blocks in the member's ledger, by its own account.
    pub(crate) height: u64,
    pub(crate) left_channel: bool,
    /// Its origin was no member when the channel was last swept: it only tells late copies of it from news.
    pub(crate) is_swept: bool,
}

/// At most one StateInfo for each origin.
#[derive(Debug)]
pub(crate) struct StateInfos {
    entries: Table<PkiId, StateInfo>,
    pub(super) verifying: Verifying,
}

impl StateInfos {
    pub(crate) fn new(seed: u64) -> Self {
        Self { entries: Table::new(seed), verifying: Verifying::new(seed) }
    }

    pub(crate) fn get(&self, origin: &PkiId) -> Option<&StateInfo> {
        self.entries.get(origin)
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&PkiId, &StateInfo)> {
        self.entries.iter()
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether something of this time would be news. Asked before any signature is verified (W-31): what is stored is
    /// authentic, so a forged message can do no harm here.
    pub(crate) fn check_newer(&self, origin: &PkiId, timestamp: Timestamp) -> Result<(), Unfitting> {
        match self.entries.get(origin) {
            Some(entry) if timestamp == entry.timestamp => Err(Unfitting::Duplicate),
            Some(entry) if timestamp < entry.timestamp => Err(Unfitting::Stale),
            _ => Ok(()),
        }
    }

    /// Puts a StateInfo in the place of an older one, without a moment in which there is none (W-28). Returns the older one.
    pub(crate) fn insert(&mut self, origin: PkiId, entry: StateInfo) -> Option<StateInfo> {
        self.entries.insert(origin, entry)
    }

    pub(crate) fn remove(&mut self, origin: &PkiId) -> Option<StateInfo> {
        self.entries.remove(origin)
    }

    pub(crate) fn retain(&mut self, keep: impl Fn(&PkiId, &mut StateInfo) -> bool) {
        self.entries.retain(keep);
    }
}

/// What the own StateInfo says, and what is to be done about it.
#[derive(Debug)]
pub(crate) struct OwnStateInfo {
    /// Of the last one that was made.
    pub(crate) timestamp: Timestamp,
    /// Something changed that was not published.
    pub(crate) is_dirty: bool,
    /// A signature is being made.
    pub(crate) is_signing: bool,
    /// Not before this moment is it published again; `None` before it was.
    pub(crate) not_before: Option<Instant>,
}

impl OwnStateInfo {
    /// Of a channel that is joined now; nothing was published.
    pub(crate) fn new(incarnation: u64) -> Self {
        Self {
            timestamp: Timestamp { incarnation, sequence: 0 },
            is_dirty: true,
            is_signing: false,
            not_before: None,
        }
    }

    /// The properties change: wall-clock time, and above what it was (spec/05 §15.7).
    pub(crate) fn touch(&mut self, wall_nanos: u64) {
        self.timestamp.sequence = wall_nanos.max(self.timestamp.sequence.saturating_add(1));
        self.is_dirty = true;
    }

    /// Somebody holds a StateInfo of ours that is newer than all we made in this life: from now on ours are newer (04 W-13).
    pub(crate) fn overtake(&mut self, seen: Timestamp) {
        if seen >= self.timestamp {
            self.timestamp.incarnation = seen.incarnation.saturating_add(1);
            self.is_dirty = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use selvedge_proto::envelope::seal;

    const ORIGIN: PkiId = PkiId::new([1; 32]);

    fn at(incarnation: u64, sequence: u64) -> Timestamp {
        Timestamp { incarnation, sequence }
    }

    fn view(text: &[u8]) -> EnvelopeView {
        EnvelopeView::parse(seal(&[0x0a, 0], text, None)).unwrap()
    }

    fn entry(timestamp: Timestamp) -> StateInfo {
        StateInfo {
            view: view(b"s"),
            timestamp,
            org: MspId::from("Org1MSP"),
            height: 1,
            left_channel: false,
            is_swept: false,
        }
    }

    #[test]
    fn w31_the_time_decides_before_any_signature() {
        let mut infos = StateInfos::new(1);
        assert_eq!(infos.check_newer(&ORIGIN, at(1, 1)), Ok(()));
        infos.insert(ORIGIN, entry(at(2, 5)));
        assert_eq!(infos.check_newer(&ORIGIN, at(2, 5)), Err(Unfitting::Duplicate));
        assert_eq!(infos.check_newer(&ORIGIN, at(1, 9)), Err(Unfitting::Stale));
        assert_eq!(infos.check_newer(&ORIGIN, at(2, 6)), Ok(()));
        assert_eq!(infos.check_newer(&ORIGIN, at(3, 0)), Ok(()));
    }

    #[test]
    fn own_times_only_grow() {
        let mut own = OwnStateInfo::new(7);
        own.touch(100);
        own.touch(90);
        assert_eq!(own.timestamp, at(7, 101));
        own.overtake(at(7, 100));
        assert_eq!(own.timestamp, at(7, 101));
        own.overtake(at(9, 500));
        assert_eq!(own.timestamp, at(10, 101));
    }
}
