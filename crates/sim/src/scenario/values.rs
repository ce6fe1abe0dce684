//! Values as people write them, read where they stand so that an error names the line.

use core::fmt;
use core::marker::PhantomData;
use core::time::Duration;
use selvedge_core::parse_duration;
use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};

/// A value of a scenario.
pub(crate) trait Written: Sized {
    /// What a value looks like, for an error.
    const EXPECTED: &'static str;

    fn from_text(_text: &str) -> Option<Self> {
        None
    }

    fn from_number(_number: f64) -> Option<Self> {
        None
    }
}

/// Reads a value of a field that must be there, or has a default.
pub(crate) fn value<'de, T: Written, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    deserializer.deserialize_any(Reader(PhantomData))
}

/// Reads a value of a field that may be absent.
pub(super) fn some<'de, T: Written, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    value(deserializer).map(Some)
}

/// Reads a list of lists of values.
pub(super) fn matrix<'de, T: Written, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Vec<Vec<T>>>, D::Error> {
    let rows: Vec<Vec<Value<T>>> = Vec::deserialize(deserializer)?;
    Ok(Some(rows.into_iter().map(|row| row.into_iter().map(|Value(value)| value).collect()).collect()))
}

/// Refuses zero.
pub(super) fn positive<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    value(deserializer).map(|Count(count)| count)
}

/// An item of a list.
struct Value<T>(T);

impl<'de, T: Written> Deserialize<'de> for Value<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        value(deserializer).map(Self)
    }
}

struct Reader<T>(PhantomData<T>);

impl<T: Written> Visitor<'_> for Reader<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        T::from_text(text).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<T, E> {
        T::from_number(number).ok_or_else(|| E::invalid_value(Unexpected::Float(number), &self))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
        // what does not fit is far beyond every bound
        T::from_number(number as f64).ok_or_else(|| E::invalid_value(Unexpected::Signed(number), &self))
    }
}

impl Written for Duration {
    const EXPECTED: &'static str = "a duration such as \"5s\", \"1500ms\" or \"1h30m\"";

    fn from_text(text: &str) -> Option<Self> {
        // a bare number would be nanoseconds, which nobody means
        parse_duration(text).filter(|_| text.ends_with(|last: char| last.is_alphabetic()))
    }
}

/// A number of things, at least one.
pub(super) struct Count(usize);

impl Written for Count {
    const EXPECTED: &'static str = "a whole number from 1 to 1000000";

    fn from_number(number: f64) -> Option<Self> {
        let fits = (1.0..=1e6).contains(&number) && number.fract() == 0.0;
        fits.then_some(Self(number as usize))
    }
}

/// A part of a whole, above 0 and up to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share(f64);

impl Share {
    /// Everything.
    pub const ALL: Self = Self(1.0);

    /// One of two.
    pub const HALF: Self = Self(0.5);

    /// This part of so many, rounded down.
    pub(super) fn floor(self, count: usize) -> usize {
        (self.0 * count as f64).floor() as usize
    }

    /// This part of so many, rounded to the nearest whole.
    pub fn of(self, count: usize) -> usize {
        (self.0 * count as f64).round() as usize
    }
}

impl Written for Share {
    const EXPECTED: &'static str = "a share above 0 and up to 1, such as 0.25";

    fn from_number(number: f64) -> Option<Self> {
        (number > 0.0 && number <= 1.0).then_some(Self(number))
    }
}

/// How often a second something happens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate(f64);

impl Rate {
    /// So many a second; `None` if that is not from 0.001 to 10,000.
    pub fn per_second(count: f64) -> Option<Self> {
        <Self as Written>::from_number(count)
    }

    /// The time between two of them, to the nanosecond.
    pub fn interval(self) -> Duration {
        Duration::from_nanos((1e9 / self.0).round() as u64)
    }
}

impl Written for Rate {
    const EXPECTED: &'static str = "a number a second, from 0.001 to 10000";

    fn from_number(number: f64) -> Option<Self> {
        (0.001..=10_000.0).contains(&number).then_some(Self(number))
    }
}

/// A number of bytes, from 1 to 32 MiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(usize);

impl Size {
    const BYTES_MAX: f64 = (32 << 20) as f64;

    /// So many KiB.
    pub(super) const fn kib(count: usize) -> Self {
        Self(count << 10)
    }

    /// In bytes.
    pub fn bytes(self) -> usize {
        self.0
    }
}

impl Written for Size {
    const EXPECTED: &'static str = "a size from 1 byte to 32 MiB, such as \"16KiB\"";

    fn from_text(text: &str) -> Option<Self> {
        with_unit(text, &[("MiB", 1_048_576.0), ("KiB", 1024.0), ("B", 1.0)]).and_then(Self::from_number)
    }

    fn from_number(number: f64) -> Option<Self> {
        (1.0..=Self::BYTES_MAX).contains(&number).then_some(Self(number as usize))
    }
}

/// What a network card sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bandwidth {
    /// Bytes a second.
    pub bytes_per_second: u64,
}

impl Written for Bandwidth {
    const EXPECTED: &'static str = "a bandwidth such as \"100Mbit/s\" or \"10Gbit/s\"";

    fn from_text(text: &str) -> Option<Self> {
        let bits = with_unit(text, &[("Gbit/s", 1e9), ("Mbit/s", 1e6), ("kbit/s", 1e3)])?;
        (8.0..=1e15).contains(&bits).then_some(Self { bytes_per_second: (bits / 8.0) as u64 })
    }
}

/// A number before one of some units, in the smallest of them.
fn with_unit(text: &str, units: &[(&str, f64)]) -> Option<f64> {
    let (number, factor) =
        units.iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, *factor)))?;
    let number = number.trim_end();
    let is_plain = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    number.parse::<f64>().ok().filter(|_| is_plain).map(|number| number * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_bandwidths_have_units() {
        assert_eq!(Size::from_text("16KiB").map(Size::bytes), Some(16 << 10));
        assert_eq!(Size::from_text("1.5 MiB").map(Size::bytes), Some(3 << 19));
        assert_eq!(Size::from_text("300B").map(Size::bytes), Some(300));
        assert!(
            ["16", "0B", "33MiB", "-1KiB", "1e3B", "KiB", "infB"]
                .iter()
                .all(|text| Size::from_text(text).is_none())
        );
        let rate = |text| Bandwidth::from_text(text).map(|bandwidth| bandwidth.bytes_per_second);
        assert_eq!(rate("10Gbit/s"), Some(1_250_000_000));
        assert_eq!(rate("100 Mbit/s"), Some(12_500_000));
        assert!(["10", "1Gbit", "0kbit/s"].iter().all(|text| rate(text).is_none()));
    }

    #[test]
    fn shares_and_rates_have_bounds() {
        assert_eq!(Share::from_number(0.25).map(|share| share.of(10)), Some(3));
        assert!([0.0, -0.5, 1.01, f64::NAN].iter().all(|number| Share::from_number(*number).is_none()));
        assert_eq!(Rate::from_number(3.0).map(Rate::interval), Some(Duration::from_nanos(333_333_333)));
        assert!([0.0, 1e5, f64::NAN].iter().all(|number| Rate::from_number(*number).is_none()));
    }

    #[test]
    fn durations_need_a_unit() {
        assert_eq!(Duration::from_text("1m30s"), Some(Duration::from_secs(90)));
        assert!(["5", "", "5 s", "-1s"].iter().all(|text| Duration::from_text(text).is_none()));
    }
}
