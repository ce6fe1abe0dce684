//! Counters, gauges and timings, single and in families by label.

use prometheus::core::Collector;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};
use std::time::Duration;

/// Why the names cannot be wrong at run time.
const NAMES: &str = "metric names and labels are constants, tried by every test that makes metrics";

/// Registers families as they are made.
pub(super) struct Maker<'a>(pub(super) &'a Registry);

impl Maker<'_> {
    pub(super) fn counter(&self, name: &str, help: &str) -> Counter {
        Counter(self.register(IntCounter::with_opts(Opts::new(name, help))))
    }

    pub(super) fn counters<const N: usize>(&self, name: &str, help: &str, labels: [&str; N]) -> Counters<N> {
        Counters(self.register(IntCounterVec::new(Opts::new(name, help), &labels)))
    }

    pub(super) fn gauge(&self, name: &str, help: &str) -> Gauge {
        Gauge(self.register(IntGauge::with_opts(Opts::new(name, help))))
    }

    pub(super) fn gauges<const N: usize>(&self, name: &str, help: &str, labels: [&str; N]) -> Gauges<N> {
        Gauges(self.register(IntGaugeVec::new(Opts::new(name, help), &labels)))
    }

    pub(super) fn timings<const N: usize>(
        &self,
        name: &str,
        help: &str,
        labels: [&str; N],
        buckets: &[f64],
    ) -> Timings<N> {
        let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
        Timings(self.register(HistogramVec::new(options, &labels)))
    }

    pub(super) fn register<C: Collector + Clone + 'static>(&self, made: prometheus::Result<C>) -> C {
        let collector = made.expect(NAMES);
        self.0.register(Box::new(collector.clone())).expect(NAMES);
        collector
    }
}

/// A number that only grows. Clones count together.
#[derive(Clone, Debug)]
pub struct Counter(IntCounter);

impl Counter {
    /// Counts `n` more.
    pub fn add(&self, n: u64) {
        self.0.inc_by(n);
    }

    /// Takes over a total that is counted elsewhere; a smaller one than before changes nothing. For one
    /// caller at a time.
    pub fn advance_to(&self, total: u64) {
        self.0.inc_by(total.saturating_sub(self.0.get()));
    }

    /// The total so far.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.get()
    }
}

/// A number that goes up and down. Clones are the same number.
#[derive(Clone, Debug)]
pub struct Gauge(IntGauge);

impl Gauge {
    /// The number from now on; what does not fit into 63 bits is shown as the largest that does.
    pub fn set(&self, value: u64) {
        self.0.set(i64::try_from(value).unwrap_or(i64::MAX));
    }

    /// One more.
    pub fn increment(&self) {
        self.0.inc();
    }

    /// One less.
    pub fn decrement(&self) {
        self.0.dec();
    }
}

/// How long something takes: a histogram in seconds. Clones count together.
#[derive(Clone, Debug)]
pub struct Timing(Histogram);

impl Timing {
    /// It took this long once more.
    pub fn observe(&self, duration: Duration) {
        self.0.observe(duration.as_secs_f64());
    }
}

/// Counters of one name, told apart by `N` labels.
#[derive(Clone, Debug)]
pub struct Counters<const N: usize>(IntCounterVec);

/// Gauges of one name, told apart by `N` labels.
#[derive(Clone, Debug)]
pub struct Gauges<const N: usize>(IntGaugeVec);

/// Timings of one name, told apart by `N` labels.
#[derive(Clone, Debug)]
pub struct Timings<const N: usize>(HistogramVec);

impl<const N: usize> Counters<N> {
    /// The counter with these values of the labels, in their order; it is there from now on. Values must come
    /// from a small set, never from what a peer sends.
    #[must_use]
    pub fn with(&self, values: [&str; N]) -> Counter {
        Counter(self.0.with_label_values(&values))
    }
}

impl<const N: usize> Gauges<N> {
    /// The gauge with these values of the labels; see [`Counters::with`].
    #[must_use]
    pub fn with(&self, values: [&str; N]) -> Gauge {
        Gauge(self.0.with_label_values(&values))
    }

    /// Shows the gauge with these values no longer.
    pub fn remove(&self, values: [&str; N]) {
        // one that never was is gone already
        let _ = self.0.remove_label_values(&values);
    }
}

impl<const N: usize> Timings<N> {
    /// The timing with these values of the labels; see [`Counters::with`].
    #[must_use]
    pub fn with(&self, values: [&str; N]) -> Timing {
        Timing(self.0.with_label_values(&values))
    }
}

impl Counters<1> {
    /// The counter of a channel.
    #[must_use]
    pub fn channel(&self, channel: &str) -> Counter {
        self.with([channel])
    }
}

impl Gauges<1> {
    /// The gauge of a channel.
    #[must_use]
    pub fn channel(&self, channel: &str) -> Gauge {
        self.with([channel])
    }
}

impl Timings<1> {
    /// The timing of a channel.
    #[must_use]
    pub fn channel(&self, channel: &str) -> Timing {
        self.with([channel])
    }
}
