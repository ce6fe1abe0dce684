//! How things look on a terminal: bytes, times, names. Nothing that came from outside reaches it unescaped.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use selvedge::transport::{CertificateSummary, certificates_from_pem};
use selvedge_proto::msp::SerializedIdentity;
use std::fmt::{self, Write as _};
use std::io;
use time::OffsetDateTime;
use time::macros::format_description;

/// The longest text of somebody else that is shown whole.
const TEXT_CHARS_MAX: usize = 200;

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The first four bytes, enough to tell peers, hashes and transactions apart.
pub(crate) fn short(bytes: &[u8]) -> String {
    if bytes.is_empty() { "none".to_owned() } else { hex(bytes.get(..4).unwrap_or(bytes)) }
}

/// Base64 with padding, as protobuf JSON has it.
pub(crate) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// A text of somebody else: control characters (of terminals, too) and what changes the direction of writing are
/// escaped, and what is too long is cut.
pub(crate) fn clean(text: &str) -> String {
    clean_up_to(text, TEXT_CHARS_MAX)
}

/// The same with another limit.
pub(crate) fn clean_up_to(text: &str, chars_max: usize) -> String {
    let is_unsafe = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    let mut out = String::new();
    for (index, c) in text.chars().enumerate() {
        if index == chars_max {
            out.push_str("...");
            break;
        }
        if is_unsafe(c) { out.extend(c.escape_unicode()) } else { out.push(c) }
    }
    out
}

/// Bytes that are a name as a rule, such as a channel's.
pub(crate) fn clean_bytes(bytes: &[u8]) -> String {
    clean(&String::from_utf8_lossy(bytes))
}

/// `2026-11-22 22:08:52 UTC`; the number itself where it is no time.
pub(crate) fn seconds(unix: i64) -> String {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute]:[second] UTC");
    OffsetDateTime::from_unix_timestamp(unix)
        .ok()
        .and_then(|at| at.format(format).ok())
        .unwrap_or_else(|| format!("{unix} s"))
}

/// `2026-11-22 22:08:52.457 UTC`; the number itself where it is no time of this age.
pub(crate) fn nanoseconds(unix: u64) -> String {
    let format =
        format_description!("[year]-[month]-[day] [hour]:[minute]:[second].[subsecond digits:3] UTC");
    // a counter or a made-up number is no time: before 2001 nothing of this existed
    if unix < 1_000_000_000_000_000_000 {
        return unix.to_string();
    }
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(unix))
        .ok()
        .and_then(|at| at.format(format).ok())
        .unwrap_or_else(|| unix.to_string())
}

/// `1 block`, `2 blocks`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// Who an identity says it is. Nothing is verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claimed {
    pub(crate) msp_id: String,
    /// The certificate; `None` if there is none that can be read.
    pub(crate) certificate: Option<CertificateSummary>,
}

impl Claimed {
    /// Reads a serialized identity; `None` if it is not one.
    pub(crate) fn read(serialized: &[u8]) -> Option<Self> {
        let identity: SerializedIdentity = selvedge_proto::decode(serialized.to_vec()).ok()?;
        let certificates = certificates_from_pem(&identity.id_bytes).unwrap_or_default();
        let certificate = certificates.first().and_then(CertificateSummary::read);
        Some(Self { msp_id: identity.mspid, certificate })
    }

    /// The certificate's common name, or what there is instead.
    pub(crate) fn name(&self) -> String {
        self.certificate
            .as_ref()
            .map_or_else(|| "unreadable certificate".to_owned(), |found| common_name(&found.subject))
    }
}

impl fmt::Display for Claimed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", clean(&self.name()), clean(&self.msp_id))
    }
}

/// The CN of a distinguished name, or all of it.
pub(crate) fn common_name(subject: &str) -> String {
    let mut parts = subject.rsplit(", ");
    parts.find_map(|part| part.strip_prefix("CN=")).unwrap_or(subject).to_owned()
}

/// Lines of text, with indentation and labels.
#[derive(Debug, Default)]
pub(crate) struct Page {
    text: String,
    depth: usize,
}

/// Width of the labels.
const LABEL_CHARS: usize = 18;

impl Page {
    /// A line.
    pub(crate) fn line(&mut self, text: impl fmt::Display) {
        let _ = writeln!(self.text, "{:indent$}{text}", "", indent = self.depth * 4);
    }

    /// A line that begins with what it is about.
    pub(crate) fn field(&mut self, label: &str, value: impl fmt::Display) {
        self.line(format_args!("{label:<LABEL_CHARS$}{value}"));
    }

    /// What `inner` writes is indented.
    pub(crate) fn indented(&mut self, inner: impl FnOnce(&mut Self)) {
        self.depth += 1;
        inner(self);
        self.depth -= 1;
    }

    /// The text so far.
    pub(crate) fn into_text(self) -> String {
        self.text
    }
}

/// Writing to somebody who has left is no failure: `selvedge decode | head`.
pub(crate) fn unless_gone(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminals_are_not_commanded() {
        assert_eq!(clean("peer0:7051"), "peer0:7051");
        assert_eq!(clean("\u{1b}[31mred\n"), "\\u{1b}[31mred\\u{a}");
        assert_eq!(clean("a\u{202e}b"), "a\\u{202e}b");
        assert_eq!(clean(&"x".repeat(500)).len(), TEXT_CHARS_MAX + 3);
        assert_eq!(clean_bytes(&[0xff, b'a']), "\u{fffd}a");
    }

    #[test]
    fn times_are_readable() {
        assert_eq!(nanoseconds(1_795_385_332_457_972_832), "2026-11-22 22:08:52.457 UTC");
        assert_eq!(nanoseconds(7), "7");
        assert_eq!(nanoseconds(u64::MAX), "2554-07-21 23:34:33.709 UTC");
        assert_eq!(seconds(0), "1970-01-01 00:00:00 UTC");
        assert_eq!(seconds(i64::MAX), "9223372036854775807 s");
    }

    #[test]
    fn names_are_found_in_subjects() {
        assert_eq!(common_name("C=US, OU=peer, CN=peer0.org1.example.com"), "peer0.org1.example.com");
        assert_eq!(common_name("O=nobody"), "O=nobody");
    }
}
