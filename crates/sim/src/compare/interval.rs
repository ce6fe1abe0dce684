//! How far chance may have moved a mean.

use core::str::FromStr;
use serde::Serialize;
use statrs::distribution::{ContinuousCDF, StudentsT};

/// How sure an interval shall be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Confidence(f64);

impl Confidence {
    /// Of this many per cent.
    pub(crate) const fn of_percent(percent: f64) -> Self {
        Self(percent)
    }

    /// In per cent.
    pub fn percent(self) -> f64 {
        self.0
    }
}

impl Default for Confidence {
    fn default() -> Self {
        Self(95.0)
    }
}

impl FromStr for Confidence {
    type Err = String;

    /// Reads per cent, from 50 to 99.9.
    fn from_str(text: &str) -> Result<Self, String> {
        let percent = text.parse::<f64>().ok().filter(|percent| (50.0..=99.9).contains(percent));
        percent
            .map(Self)
            .ok_or_else(|| "expected a confidence in per cent from 50 to 99.9, such as 95".to_owned())
    }
}

/// From the lowest to the highest value that fits.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    /// The lowest.
    pub low: f64,
    /// The highest.
    pub high: f64,
}

impl Interval {
    /// In which the true mean of such values lies, by Student's t distribution; `None` below two values.
    pub fn of(values: &[f64], confidence: Confidence) -> Option<Self> {
        let centre = mean(values)?;
        let freedom = values.len().checked_sub(1).filter(|freedom| *freedom > 0)? as f64;
        let variance = values.iter().map(|value| (value - centre) * (value - centre)).sum::<f64>() / freedom;
        let reach = quantile(freedom, confidence)? * (variance / values.len() as f64).sqrt();
        Some(Self { low: centre - reach, high: centre + reach })
    }

    /// Whether a value fits.
    pub fn includes(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }
}

/// Student's t that is exceeded on either side with what `confidence` leaves. To four places, as tables have it: the last bits
/// differ between machines, and reports must not.
fn quantile(freedom: f64, confidence: Confidence) -> Option<f64> {
    let below = 0.5 + confidence.percent() / 200.0;
    let quantile = StudentsT::new(0.0, 1.0, freedom).ok()?.inverse_cdf(below);
    Some((quantile * 1e4).round() / 1e4)
}

/// `None` of nothing.
pub(crate) fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_tables() {
        let at = |freedom, percent| quantile(freedom, Confidence(percent));
        let cases = [(1.0, 95.0, 12.7062), (2.0, 95.0, 4.3027), (7.0, 95.0, 2.3646), (7.0, 99.0, 3.4995)];
        for (freedom, percent, expected) in cases {
            assert_eq!(at(freedom, percent), Some(expected));
        }
        assert_eq!(at(99_999.0, 95.0), Some(1.96));
    }

    #[test]
    fn an_interval_is_around_the_mean() {
        let interval = Interval::of(&[3.0, 3.0, 5.0, 9.0, 5.0], Confidence::default()).unwrap();
        // deviation sqrt 6, of the mean sqrt 1.2, times 2.7764
        assert!((interval.low - 1.958_6).abs() < 1e-3, "{interval:?}");
        assert!((interval.high - 8.041_4).abs() < 1e-3, "{interval:?}");
        assert!(interval.includes(5.0) && !interval.includes(0.0));
    }

    #[test]
    fn two_values_are_the_least() {
        assert_eq!(Interval::of(&[], Confidence::default()), None);
        assert_eq!(Interval::of(&[1.0], Confidence::default()), None);
        assert!(Interval::of(&[1.0, 2.0], Confidence::default()).is_some());
    }

    #[test]
    fn more_confidence_needs_more_room() {
        let of = |percent: &str| Interval::of(&[1.0, 2.0, 4.0], percent.parse().unwrap()).unwrap();
        assert!(of("99").low < of("95").low && of("95").low < of("50").low);
        assert!(
            ["100", "49", "-1", "NaN", "ninety", ""].iter().all(|text| text.parse::<Confidence>().is_err())
        );
    }
}
