//! Figures as text.

use selvedge_sim::Unit;

/// A value with its unit.
pub(super) fn shown(value: f64, unit: Unit) -> String {
    match unit {
        // what is not all must not look like all
        Unit::Share if value < 1.0 => format!("{:.2} %", (value * 1e4).floor() / 1e2),
        Unit::Share => format!("{:.0} %", value * 1e2),
        Unit::Seconds => format!("{value:.1} s"),
        Unit::Milliseconds => format!("{value:.1} ms"),
        Unit::Count if value.fract() != 0.0 && value < 1000.0 => format!("{value:.2}"),
        Unit::Count => grouped(value),
        Unit::Bytes => format!("{} B", grouped(value)),
    }
}

/// A change with its sign, to three digits of a value as large as `largest`; and what it counts, shares in percentage points.
pub(super) fn signed(value: f64, largest: f64, unit: Unit) -> (String, &'static str) {
    let (factor, unit) = match unit {
        Unit::Count => (1.0, ""),
        Unit::Share => (100.0, " pp"),
        Unit::Seconds => (1.0, " s"),
        Unit::Milliseconds => (1.0, " ms"),
        Unit::Bytes => (1.0, " B"),
    };
    let (value, largest) = (value * factor, largest * factor);
    let decimals = [100.0, 10.0, 1.0, 0.1].iter().filter(|bound| largest < **bound).count();
    let number = format!("{:.decimals$}", value.abs());
    let (whole, fraction) =
        number.split_once('.').map_or((&*number, None), |(whole, rest)| (whole, Some(rest)));
    let is_zero = number.bytes().all(|byte| matches!(byte, b'0' | b'.'));
    let sign = if is_zero {
        ""
    } else if value < 0.0 {
        "-"
    } else {
        "+"
    };
    let fraction = fraction.map(|fraction| format!(".{fraction}")).unwrap_or_default();
    (format!("{sign}{}{fraction}", with_commas(whole)), unit)
}

/// A multiple, to three digits where it is not large.
pub(super) fn ratio(value: f64) -> String {
    match value {
        value if value >= 100.0 => grouped(value),
        value if value >= 10.0 => format!("{value:.1}"),
        value if value >= 0.1 => format!("{value:.2}"),
        value => format!("{value:.3}"),
    }
}

/// A whole number with commas.
fn grouped(value: f64) -> String {
    with_commas(&format!("{value:.0}"))
}

fn with_commas(digits: &str) -> String {
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shown_with_their_units() {
        let cases = [
            (0.99999, Unit::Share, "99.99 %"),
            (1.0, Unit::Share, "100 %"),
            (1.234, Unit::Seconds, "1.2 s"),
            (16.25, Unit::Milliseconds, "16.2 ms"),
            (2.625, Unit::Count, "2.62"),
            (60.0, Unit::Count, "60"),
            (1_234_567.8, Unit::Count, "1,234,568"),
            (999.5, Unit::Bytes, "1,000 B"),
            (100_000.0, Unit::Bytes, "100,000 B"),
        ];
        for (value, unit, expected) in cases {
            assert_eq!(shown(value, unit), expected);
        }
    }

    #[test]
    fn changes_have_a_sign_and_three_digits() {
        let cases = [
            (1.0, 1.0, Unit::Milliseconds, "+1.00 ms"),
            (-0.0123, 0.0456, Unit::Milliseconds, "-0.0123 ms"),
            (-0.00001, 12.0, Unit::Seconds, "0.0 s"),
            (12_345.6, 12_345.6, Unit::Bytes, "+12,346 B"),
            (-0.0012, 0.0012, Unit::Share, "-0.120 pp"),
            (0.0, 0.0, Unit::Count, "0.0000"),
        ];
        for (value, largest, unit, expected) in cases {
            let (number, unit) = signed(value, largest, unit);
            assert_eq!(format!("{number}{unit}"), expected);
        }
    }

    #[test]
    fn multiples_are_short() {
        assert_eq!(
            [0.0456, 0.5, 2.0, 45.67, 12_345.6].map(ratio),
            ["0.046", "0.50", "2.00", "45.7", "12,346"]
        );
    }
}
