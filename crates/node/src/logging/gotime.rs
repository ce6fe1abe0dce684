//! Times in the layouts of Go, which show how the reference time 2006-01-02 15:04:05 would be written. Always
//! UTC.

use std::fmt::Write as _;
use time::OffsetDateTime;

/// A layout, ready to use.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TimeLayout(Vec<Piece>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Year,
    YearShort,
    Month {
        width: usize,
    },
    MonthName,
    MonthShort,
    Day {
        width: usize,
        zeros: bool,
    },
    DayOfYear,
    Weekday,
    WeekdayShort,
    Hour24,
    Hour12 {
        width: usize,
    },
    Minute {
        width: usize,
    },
    Second {
        width: usize,
    },
    Half {
        upper: bool,
    },
    /// Decimals of the second with the mark before them; `trimmed` drops zeros at the end.
    Fraction {
        digits: usize,
        trimmed: bool,
    },
    /// The zone: `UTC`, `Z`, or an offset in the given form.
    Zone(&'static str),
}

#[derive(Debug, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Token(Token),
}

/// What stands for what; longer ones before those they begin with.
const TOKENS: [(&str, Token); 32] = [
    ("2006", Token::Year),
    ("January", Token::MonthName),
    ("Jan", Token::MonthShort),
    ("Monday", Token::Weekday),
    ("Mon", Token::WeekdayShort),
    ("MST", Token::Zone("UTC")),
    ("002", Token::DayOfYear),
    ("01", Token::Month { width: 2 }),
    ("02", Token::Day { width: 2, zeros: true }),
    ("03", Token::Hour12 { width: 2 }),
    ("04", Token::Minute { width: 2 }),
    ("05", Token::Second { width: 2 }),
    ("06", Token::YearShort),
    ("15", Token::Hour24),
    ("_2", Token::Day { width: 2, zeros: false }),
    ("PM", Token::Half { upper: true }),
    ("pm", Token::Half { upper: false }),
    ("Z07:00:00", Token::Zone("Z")),
    ("Z07:00", Token::Zone("Z")),
    ("Z070000", Token::Zone("Z")),
    ("Z0700", Token::Zone("Z")),
    ("Z07", Token::Zone("Z")),
    ("-07:00:00", Token::Zone("+00:00:00")),
    ("-07:00", Token::Zone("+00:00")),
    ("-070000", Token::Zone("+000000")),
    ("-0700", Token::Zone("+0000")),
    ("-07", Token::Zone("+00")),
    ("1", Token::Month { width: 1 }),
    ("2", Token::Day { width: 1, zeros: true }),
    ("3", Token::Hour12 { width: 1 }),
    ("4", Token::Minute { width: 1 }),
    ("5", Token::Second { width: 1 }),
];

impl TimeLayout {
    /// Every text is a layout; what stands for nothing is written as it is.
    pub(super) fn parse(layout: &str) -> Self {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = layout;
        while let Some(first) = rest.chars().next() {
            let Some((token, length)) = token(rest) else {
                literal.push(first);
                rest = rest.get(first.len_utf8()..).unwrap_or_default();
                continue;
            };
            if !literal.is_empty() {
                pieces.push(Piece::Literal(std::mem::take(&mut literal)));
            }
            pieces.push(Piece::Token(token));
            rest = rest.get(length..).unwrap_or_default();
        }
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal));
        }
        Self(pieces)
    }

    pub(super) fn write(&self, line: &mut String, at: OffsetDateTime) {
        for piece in &self.0 {
            match piece {
                Piece::Literal(text) => line.push_str(text),
                Piece::Token(token) => write_token(line, *token, at),
            }
        }
    }
}

/// The token a layout begins with, and its length.
fn token(layout: &str) -> Option<(Token, usize)> {
    fraction(layout).or_else(|| {
        let (text, token) = TOKENS.iter().find(|(text, _)| layout.starts_with(text))?;
        Some((*token, text.len()))
    })
}

/// `.000` or `,999` and the like, where no digit follows.
fn fraction(layout: &str) -> Option<(Token, usize)> {
    let rest = layout.strip_prefix(['.', ','])?;
    let kind = rest.chars().next().filter(|c| matches!(c, '0' | '9'))?;
    let digits = rest.len() - rest.trim_start_matches(kind).len();
    let next = rest.get(digits..)?.chars().next();
    let token = Token::Fraction { digits: digits.min(9), trimmed: kind == '9' };
    (!next.is_some_and(|c| c.is_ascii_digit())).then_some((token, digits + 1))
}

fn write_token(line: &mut String, token: Token, at: OffsetDateTime) {
    let hour12 = match at.hour() % 12 {
        0 => 12,
        hour => hour,
    };
    // writing to a String cannot fail
    let _ = match token {
        Token::Year => write!(line, "{:04}", at.year()),
        Token::YearShort => write!(line, "{:02}", at.year().rem_euclid(100)),
        Token::Month { width } => write!(line, "{:0width$}", u8::from(at.month())),
        Token::MonthName => write!(line, "{}", at.month()),
        Token::MonthShort => write!(line, "{:.3}", at.month().to_string()),
        Token::Day { width, zeros: true } => write!(line, "{:0width$}", at.day()),
        Token::Day { width, zeros: false } => write!(line, "{:width$}", at.day()),
        Token::DayOfYear => write!(line, "{:03}", at.ordinal()),
        Token::Weekday => write!(line, "{}", at.weekday()),
        Token::WeekdayShort => write!(line, "{:.3}", at.weekday().to_string()),
        Token::Hour24 => write!(line, "{:02}", at.hour()),
        Token::Hour12 { width } => write!(line, "{hour12:0width$}"),
        Token::Minute { width } => write!(line, "{:0width$}", at.minute()),
        Token::Second { width } => write!(line, "{:0width$}", at.second()),
        Token::Half { upper } => line.write_str(match (at.hour() < 12, upper) {
            (true, true) => "AM",
            (true, false) => "am",
            (false, true) => "PM",
            (false, false) => "pm",
        }),
        Token::Fraction { digits, trimmed } => {
            let nanos = format!("{:09}", at.nanosecond());
            let shown = nanos.get(..digits).unwrap_or(&nanos);
            let shown = if trimmed { shown.trim_end_matches('0') } else { shown };
            if shown.is_empty() { Ok(()) } else { write!(line, ".{shown}") }
        }
        Token::Zone(text) => line.write_str(text),
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn layouts_of_go() {
        let at = datetime!(2018-11-01 05:02:08.260_000_001 UTC);
        for (layout, expected) in [
            ("2006-01-02 15:04:05.000 MST", "2018-11-01 05:02:08.260 UTC"),
            ("2006-01-02T15:04:05.999Z07:00", "2018-11-01T05:02:08.26Z"),
            ("2006-01-02T15:04:05.999999999-07:00", "2018-11-01T05:02:08.260000001+00:00"),
            ("Mon, 2 Jan 06 3:4:5 pm", "Thu, 1 Nov 18 5:2:8 am"),
            ("Monday January _2 03PM 002", "Thursday November  1 05AM 305"),
            ("at 15h", "at 05h"),
            (".0001", ".0011"),
            ("", ""),
        ] {
            let mut line = String::new();
            TimeLayout::parse(layout).write(&mut line, at);
            assert_eq!(line, expected, "{layout}");
        }
    }

    #[test]
    fn noon_and_whole_seconds() {
        let mut line = String::new();
        TimeLayout::parse("3PM .999 .00").write(&mut line, datetime!(2018-11-01 12:00:00 UTC));
        assert_eq!(line, "12PM  .00");
    }
}
