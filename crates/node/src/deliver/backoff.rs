//! How long to wait before the next attempt.

use std::time::Duration;

/// Pauses that grow with every failure in a row (spec/07 §13.2), but, unlike Fabric's, end at seconds: an orderer that comes
/// back is noticed soon (§13.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackOff {
    /// The pause after the first failure; the nth is longer by 1.2 to the power of n - 1.
    pub first: Duration,
    /// The longest pause.
    pub pause_max: Duration,
}

impl Default for BackOff {
    fn default() -> Self {
        Self { first: Duration::from_millis(100), pause_max: Duration::from_secs(10) }
    }
}

impl BackOff {
    /// The pause after `failures` failures in a row, in whole milliseconds; none after none.
    pub fn pause(&self, failures: u32) -> Duration {
        let Some(growths) = failures.checked_sub(1) else { return Duration::ZERO };
        // beyond this the pause is days, and the power would leave the range of exact numbers
        let factor = 1.2_f64.powi(i32::try_from(growths.min(100)).unwrap_or(100));
        let seconds = (self.first.as_secs_f64() * factor).min(self.pause_max.as_secs_f64());
        let pause = Duration::try_from_secs_f64(seconds).unwrap_or(self.pause_max);
        if self.first.subsec_nanos().is_multiple_of(1_000_000) {
            // a little more than the product, since 0.12 times 1000 is below 120
            return Duration::from_millis((pause.as_secs_f64() * 1000.0 + 1e-6) as u64);
        }
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_pauses_are_fabrics() {
        let backoff = BackOff::default();
        let pauses: Vec<_> = (0..=10).map(|failures| backoff.pause(failures).as_millis()).collect();
        assert_eq!(pauses, [0, 100, 120, 144, 172, 207, 248, 298, 358, 429, 515]);
    }

    #[test]
    fn pauses_end_at_the_maximum() {
        let backoff = BackOff::default();
        assert!(backoff.pause(26) < backoff.pause_max);
        for failures in [27, 1000, u32::MAX] {
            assert_eq!(backoff.pause(failures), backoff.pause_max);
        }
    }
}
