//! Durations as Go, and so every configuration of Fabric, writes them.

use core::fmt::Write as _;
use core::time::Duration;

/// The longest duration of Go: 2^63 - 1 nanoseconds, some 292 years.
const DURATION_MAX_NANOS: u128 = i64::MAX as u128;

/// Reads a duration as Go writes it: `300ms`, `1h30m`; a bare number is nanoseconds. `None` for anything
/// else, or for more than 292 years.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if !rest.contains(is_unit_letter) {
        let (nanos, rest) = quantity(rest, 1)?;
        return rest.is_empty().then(|| from_nanos(nanos)).flatten();
    }
    let mut total: u128 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| c != '.' && !c.is_ascii_digit())?;
        let (_, tail) = rest.split_at(digits);
        let unit_end = tail.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, next) = tail.split_at(unit_end);
        let nanos = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        total = total.checked_add(quantity(rest, nanos)?.0).filter(|total| *total <= DURATION_MAX_NANOS)?;
        rest = next;
    }
    from_nanos(total)
}

/// Reads `12`, `1.5` or `.5` at the start of `text`, in units of `nanos`; gives nanoseconds and the rest.
fn quantity(text: &str, nanos: u128) -> Option<(u128, &str)> {
    let end = text.find(|c: char| c != '.' && !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    let whole: u128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let mut total = whole.checked_mul(nanos)?;
    let mut unit = nanos;
    for digit in fraction.chars() {
        // beyond a nanosecond nothing remains
        unit /= 10;
        total += unit * u128::from(digit.to_digit(10)?);
    }
    Some((total, rest))
}

fn is_unit_letter(c: char) -> bool {
    matches!(c, 'n' | 's' | 'u' | 'µ' | 'm' | 'h')
}

fn from_nanos(nanos: u128) -> Option<Duration> {
    (nanos <= DURATION_MAX_NANOS).then(|| u64::try_from(nanos).ok().map(Duration::from_nanos)).flatten()
}

/// A duration as Go prints it: `5s`, `1.5s`, `1m0s`, `10ms`.
pub fn format_duration(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    if nanos == 0 {
        return "0s".into();
    }
    let (unit, name) = match nanos {
        0..1_000 => (1, "ns"),
        1_000..1_000_000 => (1_000, "µs"),
        1_000_000..1_000_000_000 => (1_000_000, "ms"),
        _ => (1_000_000_000, "s"),
    };
    let (hours, minutes) = (nanos / 3_600_000_000_000, nanos / 60_000_000_000 % 60);
    let rest = nanos % 60_000_000_000;
    let mut out = String::new();
    if hours > 0 {
        let _ = write!(out, "{hours}h");
    }
    if hours > 0 || minutes > 0 {
        let _ = write!(out, "{minutes}m");
    }
    let _ = write!(out, "{}", rest / unit);
    let fraction = format!("{:0width$}", rest % unit, width = unit.ilog10().max(1) as usize);
    let fraction = fraction.trim_end_matches('0');
    if !fraction.is_empty() {
        let _ = write!(out, ".{fraction}");
    }
    out + name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_writes_them() {
        let cases: &[(&str, Option<u64>)] = &[
            ("5s", Some(5_000_000_000)),
            ("1500ms", Some(1_500_000_000)),
            ("1h30m", Some(5_400_000_000_000)),
            ("1h0m0.5s", Some(3_600_500_000_000)),
            ("1.5s", Some(1_500_000_000)),
            (".5s", Some(500_000_000)),
            ("1.s", Some(1_000_000_000)),
            ("+2m", Some(120_000_000_000)),
            ("7200s", Some(7_200_000_000_000)),
            ("10us", Some(10_000)),
            ("10µs", Some(10_000)),
            ("10μs", Some(10_000)),
            ("3ns", Some(3)),
            ("0.9ns", Some(0)),
            ("1.0000000009s", Some(1_000_000_000)),
            ("0", Some(0)),
            ("5", Some(5)),
            ("1.5", Some(1)),
            ("9223372036854775807ns", Some(i64::MAX as u64)),
            ("9223372036854775808ns", None),
            ("2562048h", None),
            ("99999999999999999999999999999999999999999s", None),
            ("-5s", None),
            ("5 s", None),
            ("5x", None),
            ("5sec", None),
            ("s", None),
            (".", None),
            (".s", None),
            ("1.2.3s", None),
            ("1h-30m", None),
            ("five", None),
            ("5S", None),
        ];
        for (input, nanos) in cases {
            assert_eq!(parse_duration(input), nanos.map(Duration::from_nanos), "{input}");
        }
    }

    #[test]
    fn durations_print_as_go_prints_them() {
        for (nanos, expected) in [
            (0, "0s"),
            (1, "1ns"),
            (1_500, "1.5µs"),
            (10_000_000, "10ms"),
            (1_500_000_000, "1.5s"),
            (60_000_000_000, "1m0s"),
            (3_600_000_000_000, "1h0m0s"),
            (5_400_250_000_000, "1h30m0.25s"),
        ] {
            assert_eq!(format_duration(Duration::from_nanos(nanos)), expected);
        }
    }
}
