//! Values that unit tests share.

use crate::ids::PkiId;
use crate::time::Instant;

pub(crate) const A: PkiId = PkiId::new([1; 32]);
pub(crate) const B: PkiId = PkiId::new([2; 32]);
pub(crate) const C: PkiId = PkiId::new([3; 32]);

pub(crate) fn at(millis: u64) -> Instant {
    Instant::from_nanos(millis * 1_000_000)
}
