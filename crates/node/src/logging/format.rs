//! How a line looks: Fabric's format strings, JSON, or logfmt.

use super::gotime::TimeLayout;
use super::spec::Level;
use std::fmt::Write as _;
use time::OffsetDateTime;

/// What peers of 2.5 and 3.1 print by default, without the function name, which is not known here.
pub(super) const CONSOLE: &str = "%{color}%{time:2006-01-02 15:04:05.000 MST} %{id:04x} %{level:.4s}%{color:reset} [%{module}] -> %{message}";

/// How Fabric writes times where a format does not say.
const TIME: &str = "2006-01-02T15:04:05.999Z07:00";

/// One thing to tell.
pub(super) struct Entry<'a> {
    pub(super) at: OffsetDateTime,
    pub(super) level: Level,
    pub(super) logger: &'a str,
    /// The last word of the module that tells.
    pub(super) function: &'a str,
    /// Folder, file and line of the code that tells.
    pub(super) caller: &'a str,
    pub(super) message: &'a str,
    pub(super) fields: &'a [(&'static str, Field)],
}

/// The value of a field beside the message.
pub(super) enum Field {
    Bool(bool),
    Signed(i128),
    Unsigned(u128),
    Float(f64),
    Text(String),
}

/// Why a format string cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid logging format '{format}': {reason}")]
pub struct FormatError {
    /// The whole format.
    pub format: String,
    /// The part, and what is wrong with it.
    pub reason: String,
}

/// A format, ready to use.
#[derive(Debug)]
pub(super) enum Format {
    Json,
    Logfmt,
    Console(Vec<Part>),
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    Literal(String),
    Color { bold: bool },
    ColorReset,
    Id(Number),
    Level(Text),
    Message(Text),
    Module(Text),
    Function(Text),
    Time(TimeLayout),
}

/// `%[-][width][.precision]s` of Go.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Text {
    left: bool,
    width: usize,
    precision: Option<usize>,
}

/// `%[-][0][width]d`, `x` or `X` of Go.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Number {
    left: bool,
    zeros: bool,
    width: usize,
    base: Base,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Base {
    #[default]
    Decimal,
    LowerHex,
    UpperHex,
}

/// Wider columns than this are a mistake.
const WIDTH_MAX: usize = 1000;

impl Format {
    /// Reads `json`, `logfmt` or a format string; empty is the console format.
    pub(super) fn parse(format: &str) -> Result<Self, FormatError> {
        match format {
            "" => Self::parse(CONSOLE),
            "json" => Ok(Self::Json),
            "logfmt" => Ok(Self::Logfmt),
            format => parts(format)
                .map(Self::Console)
                .map_err(|reason| FormatError { format: format.to_owned(), reason }),
        }
    }

    /// Appends a line with its end. `id` is asked for once, and only where the format shows it.
    pub(super) fn write(&self, line: &mut String, entry: &Entry<'_>, colors: bool, id: impl FnOnce() -> u64) {
        match self {
            Self::Json => write_json(line, entry),
            Self::Logfmt => write_logfmt(line, entry),
            Self::Console(parts) => {
                let mut id = Some(id);
                let mut last = 0;
                for part in parts {
                    if matches!(part, Part::Id(_)) {
                        last = id.take().map_or(last, |id| id());
                    }
                    write_part(line, part, entry, colors, last);
                }
                write_fields(line, entry.fields);
            }
        }
        line.push('\n');
    }
}

/// Splits a format string; what is no verb is text.
fn parts(format: &str) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut rest = format;
    while let Some(start) = rest.find("%{") {
        let (before, verb) = rest.split_at(start);
        literal.push_str(before);
        match verb.find('}').and_then(|end| Some((verb.get(2..end)?, verb.get(end + 1..)?))) {
            Some((inner, after)) => {
                match part(inner)? {
                    Some(part) => {
                        if !literal.is_empty() {
                            parts.push(Part::Literal(std::mem::take(&mut literal)));
                        }
                        parts.push(part);
                        rest = after;
                    }
                    None => {
                        literal.push_str("%{");
                        rest = verb.get(2..).unwrap_or_default();
                    }
                };
            }
            None => {
                literal.push_str(verb);
                rest = "";
            }
        }
    }
    literal.push_str(rest);
    if !literal.is_empty() {
        parts.push(Part::Literal(literal));
    }
    Ok(parts)
}

/// The verb between the braces; none where it is not one of Fabric's.
fn part(inner: &str) -> Result<Option<Part>, String> {
    let (verb, option) = inner.split_once(':').unwrap_or((inner, ""));
    let text = || {
        Text::parse(option).ok_or_else(|| format!("bad option '{option}' of '{verb}', expected one like .4s"))
    };
    Ok(Some(match verb {
        "color" => match option {
            "" => Part::Color { bold: false },
            "bold" => Part::Color { bold: true },
            "reset" => Part::ColorReset,
            _ => return Err(format!("bad option '{option}' of 'color', expected bold or reset")),
        },
        "id" => Part::Id(
            Number::parse(option)
                .ok_or_else(|| format!("bad option '{option}' of 'id', expected one like 03x"))?,
        ),
        "level" => Part::Level(text()?),
        "message" => Part::Message(text()?),
        "module" => Part::Module(text()?),
        "shortfunc" => Part::Function(text()?),
        "time" => Part::Time(TimeLayout::parse(if option.is_empty() { TIME } else { option })),
        _ => return Ok(None),
    }))
}

impl Text {
    fn parse(option: &str) -> Option<Self> {
        if option.is_empty() {
            return Some(Self::default());
        }
        let option = option.strip_suffix('s')?;
        let (left, option) = option.strip_prefix('-').map_or((false, option), |rest| (true, rest));
        let (width, precision) = match option.split_once('.') {
            Some((width, "")) => (width, Some(0)),
            Some((width, precision)) => (width, Some(number(precision)?)),
            None => (option, None),
        };
        let width = if width.is_empty() { 0 } else { number(width)? };
        Some(Self { left, width, precision })
    }

    fn write(&self, line: &mut String, text: &str) {
        let text = match self.precision.and_then(|precision| text.char_indices().nth(precision)) {
            Some((end, _)) => text.get(..end).unwrap_or(text),
            None => text,
        };
        let width = self.width;
        // writing to a String cannot fail
        let _ = if self.left { write!(line, "{text:<width$}") } else { write!(line, "{text:>width$}") };
    }
}

impl Number {
    fn parse(option: &str) -> Option<Self> {
        let (option, base) = match option.strip_suffix(['d', 'x', 'X']) {
            Some(rest) if option.ends_with('x') => (rest, Base::LowerHex),
            Some(rest) if option.ends_with('X') => (rest, Base::UpperHex),
            Some(rest) => (rest, Base::Decimal),
            None if option.is_empty() => (option, Base::Decimal),
            None => return None,
        };
        let (left, option) = option.strip_prefix('-').map_or((false, option), |rest| (true, rest));
        let zeros = option.starts_with('0') && !left;
        let width = if option.is_empty() { 0 } else { number(option)? };
        Some(Self { left, zeros, width, base })
    }

    fn write(&self, line: &mut String, number: u64) {
        let digits = match self.base {
            Base::Decimal => number.to_string(),
            Base::LowerHex => format!("{number:x}"),
            Base::UpperHex => format!("{number:X}"),
        };
        let width = self.width;
        let _ = match (self.left, self.zeros) {
            (true, _) => write!(line, "{digits:<width$}"),
            (false, true) => write!(line, "{digits:0>width$}"),
            (false, false) => write!(line, "{digits:>width$}"),
        };
    }
}

fn number(digits: &str) -> Option<usize> {
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|number| plain && *number <= WIDTH_MAX)
}

fn write_part(line: &mut String, part: &Part, entry: &Entry<'_>, colors: bool, id: u64) {
    match part {
        Part::Literal(text) => line.push_str(text),
        Part::Color { bold } if colors => {
            let _ = write!(line, "\x1b[{}{}m", color(entry.level), if *bold { ";1" } else { "" });
        }
        Part::ColorReset if colors => line.push_str("\x1b[0m"),
        Part::Color { .. } | Part::ColorReset => {}
        Part::Id(number) => number.write(line, id),
        Part::Level(text) => text.write(line, entry.level.capitals()),
        Part::Message(text) => {
            let mut safe = String::new();
            push_printable(&mut safe, entry.message.trim_end_matches('\n'));
            text.write(line, &safe);
        }
        Part::Module(text) => text.write(line, entry.logger),
        Part::Function(text) => text.write(line, entry.function),
        Part::Time(layout) => layout.write(line, entry.at),
    }
}

fn color(level: Level) -> u8 {
    match level {
        Level::Payload => 0,
        Level::Debug => 36,
        Level::Info => 34,
        Level::Warn => 33,
        Level::Error => 31,
        Level::Dpanic | Level::Panic | Level::Fatal => 35,
    }
}

/// Appends text with control characters made visible: what a peer sends must not forge lines or drive a
/// terminal.
fn push_printable(line: &mut String, text: &str) {
    for c in text.chars() {
        if c.is_control() && c != '\t' {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
}

/// Appends ` key=value` for each field, values in quotes where they must be.
fn write_fields(line: &mut String, fields: &[(&'static str, Field)]) {
    for (name, field) in fields {
        let _ = write!(line, " {name}=");
        match field {
            Field::Text(text) => write_logfmt_text(line, text),
            other => write_plain(line, other),
        }
    }
}

fn write_plain(line: &mut String, field: &Field) {
    let _ = match field {
        Field::Bool(value) => write!(line, "{value}"),
        Field::Signed(value) => write!(line, "{value}"),
        Field::Unsigned(value) => write!(line, "{value}"),
        Field::Float(value) => write!(line, "{value}"),
        Field::Text(value) => write!(line, "{value}"),
    };
}

fn write_logfmt_text(line: &mut String, text: &str) {
    let bare = |c: char| !c.is_whitespace() && !c.is_control() && !matches!(c, '"' | '=' | '\\');
    if !text.is_empty() && text.chars().all(bare) {
        line.push_str(text);
    } else {
        write_json_text(line, text);
    }
}

fn seconds(at: OffsetDateTime) -> f64 {
    // whole milliseconds: exact in a float
    (at.unix_timestamp_nanos() / 1_000_000) as f64 / 1000.0
}

/// `{"level":"info","ts":1541086358.268,"name":"gossip.comm","caller":"comm/stream.rs:12","msg":"...",...}`
fn write_json(line: &mut String, entry: &Entry<'_>) {
    let _ = write!(line, "{{\"level\":\"{}\",\"ts\":{},\"name\":", entry.level.name(), seconds(entry.at));
    write_json_text(line, entry.logger);
    line.push_str(",\"caller\":");
    write_json_text(line, entry.caller);
    line.push_str(",\"msg\":");
    write_json_text(line, entry.message);
    for (name, field) in entry.fields {
        line.push(',');
        write_json_text(line, name);
        line.push(':');
        match field {
            Field::Text(text) => write_json_text(line, text),
            // JSON has no words for these
            Field::Float(value) if !value.is_finite() => {
                let _ = write!(line, "\"{value}\"");
            }
            other => write_plain(line, other),
        }
    }
    line.push('}');
}

fn write_json_text(line: &mut String, text: &str) {
    match serde_json::to_string(text) {
        Ok(quoted) => line.push_str(&quoted),
        // a text always has a JSON form
        Err(_) => line.push_str("\"\""),
    }
}

fn write_logfmt(line: &mut String, entry: &Entry<'_>) {
    let _ = write!(line, "level={} ts={} name=", entry.level.name(), seconds(entry.at));
    write_logfmt_text(line, entry.logger);
    line.push_str(" caller=");
    write_logfmt_text(line, entry.caller);
    line.push_str(" msg=");
    write_logfmt_text(line, entry.message);
    write_fields(line, entry.fields);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use time::macros::datetime;

    const AT: OffsetDateTime = datetime!(2018-11-01 15:32:38.268 UTC);

    fn entry<'a>(message: &'a str, fields: &'a [(&'static str, Field)]) -> Entry<'a> {
        Entry {
            at: AT,
            level: Level::Info,
            logger: "gossip.comm",
            function: "stream",
            caller: "transport/stream.rs:12",
            message,
            fields,
        }
    }

    fn line(format: &str, entry: &Entry<'_>, colors: bool) -> String {
        let mut line = String::new();
        Format::parse(format).unwrap().write(&mut line, entry, colors, || 26);
        line
    }

    #[test]
    fn the_console_line_is_the_one_fabric_documents() {
        let expected = "2018-11-01 15:32:38.268 UTC 001a INFO [gossip.comm] -> message\n";
        assert_eq!(line("", &entry("message", &[]), false), expected);
        let colored = "\x1b[34m2018-11-01 15:32:38.268 UTC 001a INFO\x1b[0m [gossip.comm] -> message\n";
        assert_eq!(line("", &entry("message", &[]), true), colored);
    }

    #[test]
    fn the_line_of_todays_peers_can_be_had() {
        let format = "%{color}%{time:2006-01-02 15:04:05.000 MST} %{id:04x} %{level:.4s}%{color:reset} [%{module}] \
                      %{color:bold}%{shortfunc}%{color:reset} -> %{message}";
        let expected = "2018-11-01 15:32:38.268 UTC 001a INFO [gossip.comm] stream -> message\n";
        assert_eq!(line(format, &entry("message", &[]), false), expected);
        assert!(line(format, &entry("message", &[]), true).contains("\x1b[34;1mstream\x1b[0m"));
    }

    #[test]
    fn options_are_those_of_go() {
        for (format, expected) in [
            (
                "%{level}|%{level:7s}|%{level:-7s}|%{level:.2s}|%{level:-5.2s}|",
                "INFO|   INFO|INFO   |IN|IN   |",
            ),
            ("%{id}|%{id:5d}|%{id:05d}|%{id:-5d}|%{id:x}|%{id:X}|", "26|   26|00026|26   |1a|1A|"),
            ("%{time}", "2018-11-01T15:32:38.268Z"),
            ("%{module:.6s} %{message:9s}", "gossip   message"),
            ("%{other} 100% %{} %{id", "%{other} 100% %{} %{id"),
            ("%{x%{id}", "%{x26"),
            ("plain", "plain"),
        ] {
            assert_eq!(line(format, &entry("message", &[]), false), format!("{expected}\n"), "{format}");
        }
    }

    #[test]
    fn the_number_is_counted_once_a_line() {
        let mut count = 0;
        let mut text = String::new();
        let format = Format::parse("%{id} %{id}").unwrap();
        format.write(&mut text, &entry("", &[]), false, || {
            count += 1;
            count
        });
        assert_eq!(text, "1 1\n");
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        for (format, reason) in [
            ("%{color:red}", "bad option 'red' of 'color', expected bold or reset"),
            ("%{id:03q}", "bad option '03q' of 'id', expected one like 03x"),
            ("%{level:.4}", "bad option '.4' of 'level', expected one like .4s"),
            ("%{message:99999s}", "bad option '99999s' of 'message', expected one like .4s"),
            ("%{module:+1s}", "bad option '+1s' of 'module', expected one like .4s"),
        ] {
            let error = Format::parse(format).unwrap_err();
            assert_eq!(error.to_string(), format!("invalid logging format '{format}': {reason}"));
        }
    }

    #[test]
    fn fields_follow_the_message() {
        let fields = [
            ("peer", Field::Text("peer0".into())),
            ("reason", Field::Text("not a \"good\" one".into())),
            ("none", Field::Text(String::new())),
            ("height", Field::Unsigned(91)),
            ("delta", Field::Signed(-1)),
            ("ok", Field::Bool(true)),
            ("load", Field::Float(0.5)),
        ];
        let logfmt = r#"peer=peer0 reason="not a \"good\" one" none="" height=91 delta=-1 ok=true load=0.5"#;
        assert_eq!(line("%{message}", &entry("m", &fields), false), format!("m {logfmt}\n"));
        let start = "level=info ts=1541086358.268 name=gossip.comm caller=transport/stream.rs:12 msg=\"a b\"";
        assert_eq!(line("logfmt", &entry("a b", &fields), false), format!("{start} {logfmt}\n"));
        let json: serde_json::Value =
            serde_json::from_str(&line("json", &entry("a\n\"b\"", &fields), false)).unwrap();
        let expected = serde_json::json!({
            "level": "info", "ts": 1541086358.268, "name": "gossip.comm", "caller": "transport/stream.rs:12",
            "msg": "a\n\"b\"", "peer": "peer0", "reason": "not a \"good\" one", "none": "", "height": 91, "delta": -1,
            "ok": true, "load": 0.5,
        });
        assert_eq!(json, expected);
    }

    #[test]
    fn a_message_cannot_forge_a_line_or_drive_a_terminal() {
        let evil = "x\n2018-11-01 15:32:38.268 UTC 001b INFO [msp] -> all is well\x1b[2J\u{9b}";
        let fields = [("peer", Field::Text("a\nb\x1b".into()))];
        for format in ["", "json", "logfmt", "%{message:5s}"] {
            let text = line(format, &entry(evil, &fields), false);
            let (only, end) = text.split_at(text.len() - 1);
            assert_eq!(end, "\n");
            assert!(!only.chars().any(|c| c == '\n' || c == '\x1b'), "{format}: {text:?}");
        }
        assert!(line("%{message}", &entry(evil, &[]), false).starts_with("x\\n2018"));
    }

    proptest! {
        #[test]
        fn no_format_and_no_message_panics(format in "(%\\{|\\}|[a-z:.0-9-]|time|id|level|é){0,12}", message in any::<String>()) {
            if let Ok(format) = Format::parse(&format) {
                let mut text = String::new();
                format.write(&mut text, &entry(&message, &[("f", Field::Text(message.clone()))]), true, || 1);
            }
        }
    }
}
