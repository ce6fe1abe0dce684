//! Distinguished names: the two attributes that matter, and the string types that Go accepts.

use super::CertificateError;
use crate::der::{OBJECT_IDENTIFIER, Reader, SEQUENCE, SET};

/// 2.5.4.3
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
/// 2.5.4.11
const ORGANIZATIONAL_UNIT: &[u8] = &[0x55, 0x04, 0x0b];

/// What an MSP reads of a subject.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Subject {
    /// All organisational units, in order, repeated ones repeated.
    pub(super) units: Vec<String>,
    /// The last common name.
    pub(super) common_name: String,
}

/// Reads a `Name`. Every attribute must have a type and a string that Go reads: another one makes a certificate
/// unreadable there.
pub(super) fn read(name: &[u8]) -> Result<Subject, CertificateError> {
    let mut subject = Subject::default();
    let mut sets = Reader::new(Reader::new(name).expect(SEQUENCE)?.contents);
    while !sets.is_empty() {
        let mut attributes = Reader::new(sets.expect(SET)?.contents);
        while !attributes.is_empty() {
            let mut attribute = Reader::new(attributes.expect(SEQUENCE)?.contents);
            let kind = attribute.expect(OBJECT_IDENTIFIER)?.contents;
            let value = attribute.element()?;
            let text = Some(kind)
                .filter(|kind| is_object_identifier(kind))
                .and_then(|_| text(value.tag, value.contents));
            let unreadable =
                || CertificateError::Malformed("an attribute of a name is not readable".to_owned());
            let text = text.ok_or_else(unreadable)?;
            match kind {
                ORGANIZATIONAL_UNIT => subject.units.push(text),
                COMMON_NAME => subject.common_name = text,
                _ => {}
            }
        }
    }
    Ok(subject)
}

/// Whether these are numbers in base 128, each in as few bytes as possible and small enough for Go.
fn is_object_identifier(contents: &[u8]) -> bool {
    let is_number = |number: &[u8]| {
        let value = number.iter().fold(0_u64, |value, byte| value << 7 | u64::from(byte & 0x7f));
        number.first() != Some(&0x80) && number.len() <= 5 && value <= i32::MAX as u64
    };
    let is_last = |byte: &u8| byte & 0x80 == 0;
    contents.last().is_some_and(is_last) && contents.split_inclusive(is_last).all(is_number)
}

const UTF8: u8 = 0x0c;
const NUMERIC: u8 = 0x12;
const PRINTABLE: u8 = 0x13;
const T61: u8 = 0x14;
const IA5: u8 = 0x16;
const BMP: u8 = 0x1e;

/// The text of a string, or None if its type or its contents are not accepted.
fn text(tag: u8, bytes: &[u8]) -> Option<String> {
    match tag {
        // Latin-1 is what everybody takes T.61 for
        T61 => Some(bytes.iter().copied().map(char::from).collect()),
        PRINTABLE => ascii(bytes, is_printable),
        UTF8 => std::str::from_utf8(bytes).ok().map(str::to_owned),
        BMP => bmp(bytes),
        IA5 => ascii(bytes, |byte| byte.is_ascii()),
        NUMERIC => ascii(bytes, |byte| byte.is_ascii_digit() || byte == b' '),
        _ => None,
    }
}

fn ascii(bytes: &[u8], accepted: impl Fn(u8) -> bool) -> Option<String> {
    bytes.iter().all(|byte| accepted(*byte)).then(|| bytes.iter().copied().map(char::from).collect())
}

/// The standard's characters, and `*` and `&`, which occur although they should not.
fn is_printable(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"'()+,-./ :=?*&".contains(&byte)
}

fn bmp(bytes: &[u8]) -> Option<String> {
    if !bytes.len().is_multiple_of(2) {
        return None;
    }
    let bytes = bytes.strip_suffix(&[0, 0]).unwrap_or(bytes);
    let units =
        bytes.chunks_exact(2).map(|pair| pair.iter().fold(0_u16, |unit, byte| unit << 8 | u16::from(*byte)));
    units
        .map(|unit| match unit {
            0xfffe | 0xffff | 0xfdd0..=0xfdef => None,
            // surrogates are not characters
            _ => char::from_u32(u32::from(unit)),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn string_types() {
        assert_eq!(text(UTF8, "Größe".as_bytes()).as_deref(), Some("Größe"));
        assert_eq!(text(UTF8, &[0xff]), None);
        assert_eq!(text(PRINTABLE, b"a.b-c (1)").as_deref(), Some("a.b-c (1)"));
        assert_eq!(text(PRINTABLE, b"a@b"), None);
        assert_eq!(text(T61, &[0xe9]).as_deref(), Some("é"));
        assert_eq!(text(IA5, b"a@b").as_deref(), Some("a@b"));
        assert_eq!(text(IA5, &[0x80]), None);
        assert_eq!(text(NUMERIC, b"1 2").as_deref(), Some("1 2"));
        assert_eq!(text(BMP, &[0, b'o', 0, b'u', 0, 0]).as_deref(), Some("ou"));
        assert_eq!(text(BMP, &[0xd8, 0]), None);
        assert_eq!(text(BMP, &[0xff, 0xff]), None);
        assert_eq!(text(BMP, &[0]), None);
        assert_eq!(text(0x04, b"ou"), None);
    }

    #[test]
    fn object_identifiers() {
        for good in [&[0x55, 0x04, 0x03][..], &[0x2a, 0x86, 0x48], &[0x87, 0xff, 0xff, 0xff, 0x7f]] {
            assert!(is_object_identifier(good), "{good:02x?}");
        }
        for bad in [&[][..], &[0x55, 0x84], &[0x55, 0x80, 0x01], &[0x88, 0x80, 0x80, 0x80, 0x00]] {
            assert!(!is_object_identifier(bad), "{bad:02x?}");
        }
    }

    #[test]
    fn a_name_is_read_to_its_end() {
        // CN=a, OU=b
        let unit = [0x31, 0x0a, 0x30, 0x08, 0x06, 0x03, 0x55, 0x04, 0x0b, 0x0c, 0x01, b'b'];
        let common_name = [0x31, 0x0a, 0x30, 0x08, 0x06, 0x03, 0x55, 0x04, 0x03, 0x13, 0x01, b'a'];
        let name = [&[0x30, 0x18][..], &common_name, &unit].concat();
        let expected = Subject { units: vec!["b".to_owned()], common_name: "a".to_owned() };
        assert_eq!(read(&name), Ok(expected));
        for cut in 1..name.len() {
            assert!(read(&name[..cut]).is_err(), "{cut}");
        }
        let mut odd = name.clone();
        odd[2] = 0x30;
        assert!(read(&odd).is_err(), "a sequence where a set should be");
    }
}
