//! The first PEM block in some bytes, as Go's decoder finds it.
//!
//! Fabric hands identities to that decoder, so what it accepts decides who has which PKI-ID (spec/03 §8.2): text before
//! the block, damaged blocks before it, headers, CRLF, white space in and after lines are all accepted. A library with
//! its own idea of leniency cannot be used here.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// A decoded block and what stands after it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PemBlock<'a> {
    /// The text between `BEGIN` and the dashes; may be empty.
    pub(crate) label: &'a [u8],
    pub(crate) has_headers: bool,
    pub(crate) contents: Vec<u8>,
    /// The bytes after the line with `END`.
    pub(crate) rest: &'a [u8],
}

const BEGIN: &[u8] = b"-----BEGIN ";
/// The end is recognised only at the start of a line.
const END: &[u8] = b"\n-----END ";
const DASHES: &[u8] = b"-----";

/// Needless bits in the last character are accepted, missing padding is not.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
);

/// Finds and decodes the first block that decodes. None if there is none.
pub(crate) fn first_block(data: &[u8]) -> Option<PemBlock<'_>> {
    let mut cursor = 0;
    loop {
        let end = cursor + find(data.get(cursor..)?, END)?;
        let after_end = end + END.len();
        match block_before(data, cursor, end) {
            Attempt::Block(block) => return Some(block),
            Attempt::Skip => cursor = after_end,
            Attempt::GiveUp => return None,
        }
    }
}

/// All blocks, one after the other; stops at the first rest in which no block is found.
pub(crate) fn all_blocks(mut data: &[u8]) -> impl Iterator<Item = PemBlock<'_>> {
    std::iter::from_fn(move || {
        let block = first_block(data)?;
        data = block.rest;
        Some(block)
    })
}

enum Attempt<'a> {
    Block(PemBlock<'a>),
    Skip,
    GiveUp,
}

/// Tries the last BEGIN line between `start` and the END at `end`.
fn block_before(data: &[u8], start: usize, end: usize) -> Attempt<'_> {
    let after_end = end + END.len();
    let Some(begin) = data.get(start..end).and_then(|text| rfind(text, BEGIN)).map(|found| start + found)
    else {
        return Attempt::Skip;
    };
    let at_line_start = begin == start || data.get(begin - 1) == Some(&b'\n');
    let (line, mut position) = line_at(data, begin + BEGIN.len());
    let Some(label) = line.strip_suffix(DASHES).filter(|_| at_line_start) else { return Attempt::Skip };

    let mut has_headers = false;
    loop {
        if position >= data.len() {
            return Attempt::GiveUp;
        }
        let (line, next) = line_at(data, position);
        if !line.contains(&b':') {
            break;
        }
        has_headers = true;
        position = next;
    }
    if has_headers && end < position {
        return if after_end < position { Attempt::GiveUp } else { Attempt::Skip };
    }

    let trailer = data.get(after_end..).unwrap_or_default();
    let Some(line_rest) = trailer.strip_prefix(label).and_then(|rest| rest.strip_prefix(DASHES)) else {
        return Attempt::Skip;
    };
    if !line_at(line_rest, 0).0.is_empty() {
        return Attempt::Skip;
    }
    // an empty block shares the line feed of its BEGIN line with the END line: then position is beyond end
    let body = data.get(position..end).unwrap_or_default();
    let body: Vec<u8> = body.iter().copied().filter(|byte| !b" \t\r\n".contains(byte)).collect();
    let Ok(contents) = BASE64.decode(body) else { return Attempt::Skip };
    let (_, rest) = line_at(data, after_end - 1);
    Attempt::Block(PemBlock { label, has_headers, contents, rest: data.get(rest..).unwrap_or_default() })
}

/// The line that starts at `start`, without its end and without spaces and tabs before that, and where the next starts.
fn line_at(data: &[u8], start: usize) -> (&[u8], usize) {
    let rest = data.get(start..).unwrap_or_default();
    let (mut line, next) = match rest.iter().position(|byte| *byte == b'\n') {
        Some(length) => {
            let line = rest.get(..length).unwrap_or_default();
            (line.strip_suffix(b"\r").unwrap_or(line), start + length + 1)
        }
        None => (rest, data.len()),
    };
    while let [shorter @ .., b' ' | b'\t'] = line {
        line = shorter;
    }
    (line, next)
}

fn find(text: &[u8], pattern: &[u8]) -> Option<usize> {
    text.windows(pattern.len()).position(|window| window == pattern)
}

fn rfind(text: &[u8], pattern: &[u8]) -> Option<usize> {
    text.windows(pattern.len()).rposition(|window| window == pattern)
}

/// PEM as Fabric writes certificates: 64 characters a line, line feeds, one at the end.
pub(crate) fn encode_certificate(der: &[u8]) -> String {
    let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    pem::encode_config(&pem::Pem::new("CERTIFICATE", der), config)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents(text: &str) -> Option<Vec<u8>> {
        first_block(text.as_bytes()).map(|block| block.contents)
    }

    #[test]
    fn a_plain_block_and_its_rest() {
        let block = first_block(b"-----BEGIN A B-----\nAQID\n-----END A B-----\nrest").unwrap();
        assert_eq!(block.label, b"A B");
        assert_eq!(block.contents, [1, 2, 3]);
        assert!(!block.has_headers);
        assert_eq!(block.rest, b"rest");
    }

    #[test]
    fn leniency() {
        for text in [
            "text before\n-----BEGIN A-----\nAQID\n-----END A-----\n",
            "-----BEGIN A-----\r\nAQ\r\nID\r\n-----END A-----\r\n",
            "-----BEGIN A-----\nAQID\n-----END A-----",
            "-----BEGIN A-----  \n A Q\tID \n-----END A----- \t\n",
            "-----BEGIN A-----\nKey: value\n\nAQID\n-----END A-----\n",
            "-----BEGIN A-----\nA*ID\n-----END A-----\n-----BEGIN A-----\nAQID\n-----END A-----\n",
            "-----BEGIN A-----\nzzz\n-----BEGIN A-----\nAQID\n-----END A-----\n",
            "-----BEGIN -----\nAQID\n-----END -----\n",
        ] {
            assert_eq!(contents(text), Some(vec![1, 2, 3]), "{text:?}");
        }
    }

    #[test]
    fn what_is_no_block() {
        for text in [
            "",
            "-----BEGIN A-----\nAQID\n",
            "-----BEGIN A-----\nAQID-----END A-----\n",
            "x-----BEGIN A-----\nAQID\n-----END A-----\n",
            "-----BEGIN A-----\nAQID\n-----END B-----\n",
            "-----BEGIN A-----\nAQI\n-----END A-----\n",
            "-----BEGIN A-----\nAQID\n-----END A----- x\n",
            "-----BEGIN A----\nAQID\n-----END A----\n",
        ] {
            assert_eq!(contents(text), None, "{text:?}");
        }
    }

    #[test]
    fn an_empty_block_and_needless_bits() {
        assert_eq!(contents("-----BEGIN A-----\n-----END A-----\n"), Some(vec![]));
        assert_eq!(contents("-----BEGIN A-----\nAR==\n-----END A-----\n"), Some(vec![1]));
    }

    #[test]
    fn what_is_written_is_one_block() {
        let der: Vec<u8> = (0..=200).collect();
        let text = encode_certificate(&der);
        assert_eq!(text.lines().nth(1).map(str::len), Some(64));
        assert!(text.ends_with("-----END CERTIFICATE-----\n"));
        let block = first_block(text.as_bytes()).unwrap();
        assert_eq!(block.contents, der);
        assert!(block.rest.is_empty());
    }
}
