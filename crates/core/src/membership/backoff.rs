//! How long to wait before trying again: short at first, growing, never for ever (spec/04 W-6, W-24, W-26).

use core::time::Duration;

const FIRST_DELAY: Duration = Duration::from_millis(250);

/// The pause after `failures` failures in a row: 250 ms, doubled each time up to `longest`, and a quarter more or less by
/// chance.
pub(super) fn delay(failures: u32, longest: Duration, rng: &mut fastrand::Rng) -> Duration {
    let doubled = FIRST_DELAY.saturating_mul(1 << failures.min(20));
    jitter(doubled.min(longest), 250, rng)
}

/// `period`, at most `per_mille` thousandths more or less.
pub(super) fn jitter(period: Duration, per_mille: u32, rng: &mut fastrand::Rng) -> Duration {
    period.saturating_mul(1000 - per_mille + rng.u32(0..=2 * per_mille)) / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn w06_delays_grow_and_are_capped() {
        let longest = Duration::from_secs(25);
        let mut rng = fastrand::Rng::with_seed(1);
        let mut bound = FIRST_DELAY;
        for failures in 0..1000 {
            let delay = delay(failures, longest, &mut rng);
            assert!(delay >= bound * 3 / 4 && delay <= bound * 5 / 4, "{failures}: {delay:?}");
            bound = (bound * 2).min(longest);
        }
    }

    #[test]
    fn w26_two_nodes_do_not_keep_step() {
        let period = Duration::from_secs(5);
        let sums = [1, 2].map(|seed| {
            let mut rng = fastrand::Rng::with_seed(seed);
            (0..10).map(|_| jitter(period, 100, &mut rng)).sum::<Duration>()
        });
        assert_ne!(sums[0], sums[1]);
        assert!(sums.iter().all(|sum| *sum > period * 9 && *sum < period * 11));
    }
}
