//! Scalars as Fabric's configuration reader takes them: durations as Go writes them, numbers, sizes,
//! switches, lists.

use super::yaml::Value;
use selvedge_core::parse_duration;
use std::time::Duration;

/// The longest duration of Go: 2^63 - 1 nanoseconds, some 292 years.
const DURATION_MAX_NANOS: u128 = i64::MAX as u128;

/// What was expected instead of a value, for a message.
pub(super) type Expected = &'static str;

const DURATION: Expected = "a duration such as 5s, 1500ms or 1h30m";
const COUNT: Expected = "a whole number, not negative";
const SIZE: Expected = "a number of bytes, such as 104857600 or 100MiB";
const FLAG: Expected = "true or false";
const TEXT: Expected = "a word";
const LIST: Expected = "a list";

/// A duration; a bare number is nanoseconds, an empty text is zero.
pub(super) fn duration(value: &Value) -> Result<Duration, Expected> {
    match value {
        Value::Integer(nanos) => {
            u64::try_from(*nanos).ok().and_then(|n| from_nanos(n.into())).ok_or(DURATION)
        }
        Value::Float(nanos) if *nanos >= 0.0 && *nanos <= i64::MAX as f64 => {
            // a fraction of a nanosecond is cut off, as Go does; the bounds are checked above
            from_nanos(*nanos as u128).ok_or(DURATION)
        }
        Value::Text(text) if text.is_empty() => Ok(Duration::ZERO),
        Value::Text(text) => parse_duration(text).ok_or(DURATION),
        _ => Err(DURATION),
    }
}

/// Whether a duration was written without a unit, which Go takes for nanoseconds.
pub(super) fn lacks_unit(value: &Value) -> bool {
    match value {
        Value::Integer(_) | Value::Float(_) => true,
        Value::Text(text) => !text.is_empty() && !text.contains(['n', 's', 'u', 'µ', 'm', 'h']),
        _ => false,
    }
}

fn from_nanos(nanos: u128) -> Option<Duration> {
    (nanos <= DURATION_MAX_NANOS).then(|| u64::try_from(nanos).ok().map(Duration::from_nanos)).flatten()
}

/// A whole number that is not negative; an empty text is zero.
pub(super) fn count(value: &Value) -> Result<u64, Expected> {
    match value {
        Value::Integer(number) => u64::try_from(*number).map_err(|_| COUNT),
        Value::Text(text) if text.is_empty() => Ok(0),
        Value::Text(text) => {
            let text = text.trim();
            let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
            digits.map_or_else(|| text.parse(), |hex| u64::from_str_radix(hex, 16)).map_err(|_| COUNT)
        }
        _ => Err(COUNT),
    }
}

/// A number of bytes, bare or with `K`, `M` or `G` (powers of 1024, with or without `B` or `iB`).
pub(super) fn size(value: &Value) -> Result<u64, Expected> {
    let Value::Text(text) = value else { return count(value).map_err(|_| SIZE) };
    let lower = text.trim().to_ascii_lowercase();
    let end = lower.find(|c: char| !c.is_ascii_digit()).unwrap_or(lower.len());
    let (number, unit) = lower.split_at(end);
    if number.is_empty() {
        return if unit.is_empty() { Ok(0) } else { Err(SIZE) };
    }
    let shift = match unit.trim() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        _ => return Err(SIZE),
    };
    number.parse::<u64>().ok().and_then(|number| number.checked_mul(1 << shift)).ok_or(SIZE)
}

/// `true` or `false` in the spellings of Go; an empty text is false.
pub(super) fn flag(value: &Value) -> Result<bool, Expected> {
    match value {
        Value::Flag(flag) => Ok(*flag),
        Value::Integer(number) => Ok(*number != 0),
        Value::Text(text) => match text.as_str() {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
            "" | "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
            _ => Err(FLAG),
        },
        _ => Err(FLAG),
    }
}

/// A text; numbers and switches are taken as they print.
pub(super) fn text(value: &Value) -> Result<String, Expected> {
    match value {
        Value::Text(text) => Ok(text.clone()),
        Value::Flag(flag) => Ok(flag.to_string()),
        Value::Integer(number) => Ok(number.to_string()),
        Value::Float(number) => Ok(number.to_string()),
        Value::Null => Ok(String::new()),
        Value::List(_) | Value::Section(_) => Err(TEXT),
    }
}

/// A list of texts; a single text is split at white space and, where `commas`, at commas.
pub(super) fn list(value: &Value, commas: bool) -> Result<Vec<String>, Expected> {
    match value {
        Value::List(items) => items.iter().map(|item| text(item).map_err(|_| LIST)).collect(),
        Value::Section(_) => Err(LIST),
        other => {
            let text = text(other)?;
            let parts = text.split(|c: char| c.is_whitespace() || (commas && c == ','));
            Ok(parts.filter(|part| !part.is_empty()).map(str::to_owned).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text_value(text: &str) -> Value {
        Value::Text(text.into())
    }

    #[test]
    fn durations_are_read_as_go_writes_them() {
        assert_eq!(duration(&text_value("1h0m0.5s")), Ok(Duration::from_millis(3_600_500)));
        assert_eq!(duration(&text_value("")), Ok(Duration::ZERO));
        assert_eq!(duration(&text_value("5 s")), Err(DURATION));
        assert_eq!(duration(&Value::Integer(5)), Ok(Duration::from_nanos(5)));
        assert_eq!(duration(&Value::Float(1.9)), Ok(Duration::from_nanos(1)));
        assert_eq!(duration(&Value::Integer(-1)), Err(DURATION));
        assert_eq!(duration(&Value::Float(f64::NAN)), Err(DURATION));
        assert_eq!(duration(&Value::Float(1e300)), Err(DURATION));
        assert_eq!(duration(&Value::Flag(true)), Err(DURATION));
    }

    #[test]
    fn a_duration_without_unit_is_noticed() {
        assert!(lacks_unit(&Value::Integer(5)));
        assert!(lacks_unit(&text_value("5")));
        assert!(!lacks_unit(&text_value("5s")));
        assert!(!lacks_unit(&text_value("")));
    }

    #[test]
    fn numbers_and_sizes() {
        for (input, number, bytes) in [
            ("104857600", Ok(104_857_600), Ok(104_857_600)),
            ("0x10", Ok(16), Err(SIZE)),
            ("", Ok(0), Ok(0)),
            ("64MiB", Err(COUNT), Ok(64 << 20)),
            ("64 mb", Err(COUNT), Ok(64 << 20)),
            ("1k", Err(COUNT), Ok(1024)),
            ("2G", Err(COUNT), Ok(2 << 30)),
            ("18446744073709551615G", Err(COUNT), Err(SIZE)),
            ("1.5M", Err(COUNT), Err(SIZE)),
            ("-1", Err(COUNT), Err(SIZE)),
            ("MiB", Err(COUNT), Err(SIZE)),
            ("ten", Err(COUNT), Err(SIZE)),
        ] {
            assert_eq!(count(&text_value(input)), number, "{input}");
            assert_eq!(size(&text_value(input)), bytes, "{input}");
        }
        assert_eq!(count(&Value::Integer(-1)), Err(COUNT));
        assert_eq!(count(&Value::Float(1.5)), Err(COUNT));
        assert_eq!(size(&Value::Integer(7)), Ok(7));
    }

    #[test]
    fn switches_are_spelled_as_in_go() {
        for spelling in ["1", "t", "T", "true", "TRUE", "True"] {
            assert_eq!(flag(&text_value(spelling)), Ok(true));
        }
        for spelling in ["", "0", "f", "F", "false", "FALSE", "False"] {
            assert_eq!(flag(&text_value(spelling)), Ok(false));
        }
        for wrong in ["yes", "on", "tRUE", " true", "2"] {
            assert_eq!(flag(&text_value(wrong)), Err(FLAG), "{wrong}");
        }
        assert_eq!(flag(&Value::Integer(2)), Ok(true));
        assert_eq!(flag(&Value::List(Vec::new())), Err(FLAG));
    }

    #[test]
    fn lists_come_in_three_spellings() {
        let items = vec!["a:1".to_owned(), "b:2".to_owned()];
        assert_eq!(list(&text_value(" a:1  b:2 "), false), Ok(items.clone()));
        assert_eq!(list(&text_value("a:1, b:2"), true), Ok(items.clone()));
        assert_eq!(list(&Value::List(vec![text_value("a:1"), text_value("b:2")]), true), Ok(items));
        assert_eq!(list(&text_value("a,b"), false), Ok(vec!["a,b".to_owned()]));
        assert_eq!(list(&text_value(""), true), Ok(Vec::new()));
        assert_eq!(list(&Value::Section(Vec::new()), true), Err(LIST));
        assert_eq!(list(&Value::List(vec![Value::List(Vec::new())]), true), Err(LIST));
    }

    proptest! {
        #[test]
        fn every_printed_duration_reads_back(nanos in 0..=i64::MAX as u64) {
            let printed = selvedge_core::format_duration(Duration::from_nanos(nanos));
            prop_assert_eq!(duration(&Value::Text(printed)), Ok(Duration::from_nanos(nanos)));
        }

        #[test]
        fn no_text_panics(input in any::<String>()) {
            let value = Value::Text(input);
            let _ = (duration(&value), count(&value), size(&value), flag(&value), list(&value, true));
        }
    }
}
