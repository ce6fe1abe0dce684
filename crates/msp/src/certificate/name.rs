//! Distinguished names: the two attributes that matter, and the string types that Go accepts.

use x509_parser::oid_registry::asn1_rs::Tag;
use x509_parser::oid_registry::{OID_X509_COMMON_NAME, OID_X509_ORGANIZATIONAL_UNIT};
use x509_parser::x509::X509Name;

use super::CertificateError;

/// What an MSP reads of a subject.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Subject {
    /// All organisational units, in order, repeated ones repeated.
    pub(super) units: Vec<String>,
    /// The last common name.
    pub(super) common_name: String,
}

/// Checks that every attribute has a string type and value that Go reads: a name with another one makes a certificate
/// unreadable there.
pub(super) fn check(name: &X509Name<'_>) -> Result<(), CertificateError> {
    subject(name).map(drop)
}

pub(super) fn subject(name: &X509Name<'_>) -> Result<Subject, CertificateError> {
    let mut subject = Subject::default();
    for attribute in name.iter_attributes() {
        let value = attribute.attr_value();
        let text = text(value.tag(), value.data).ok_or_else(|| {
            CertificateError::Malformed("an attribute of a name is not readable".to_owned())
        })?;
        if *attribute.attr_type() == OID_X509_ORGANIZATIONAL_UNIT {
            subject.units.push(text);
        } else if *attribute.attr_type() == OID_X509_COMMON_NAME {
            subject.common_name = text;
        }
    }
    Ok(subject)
}

/// The text of a string, or None if its type or its contents are not accepted.
fn text(tag: Tag, bytes: &[u8]) -> Option<String> {
    match tag {
        // Latin-1 is what everybody takes T.61 for
        Tag::T61String => Some(bytes.iter().copied().map(char::from).collect()),
        Tag::PrintableString => ascii(bytes, is_printable),
        Tag::Utf8String => std::str::from_utf8(bytes).ok().map(str::to_owned),
        Tag::BmpString => bmp(bytes),
        Tag::Ia5String => ascii(bytes, |byte| byte.is_ascii()),
        Tag::NumericString => ascii(bytes, |byte| byte.is_ascii_digit() || byte == b' '),
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
        assert_eq!(text(Tag::Utf8String, "Größe".as_bytes()).as_deref(), Some("Größe"));
        assert_eq!(text(Tag::Utf8String, &[0xff]), None);
        assert_eq!(text(Tag::PrintableString, b"a.b-c (1)").as_deref(), Some("a.b-c (1)"));
        assert_eq!(text(Tag::PrintableString, b"a@b"), None);
        assert_eq!(text(Tag::T61String, &[0xe9]).as_deref(), Some("é"));
        assert_eq!(text(Tag::Ia5String, b"a@b").as_deref(), Some("a@b"));
        assert_eq!(text(Tag::Ia5String, &[0x80]), None);
        assert_eq!(text(Tag::NumericString, b"1 2").as_deref(), Some("1 2"));
        assert_eq!(text(Tag::BmpString, &[0, b'o', 0, b'u', 0, 0]).as_deref(), Some("ou"));
        assert_eq!(text(Tag::BmpString, &[0xd8, 0]), None);
        assert_eq!(text(Tag::BmpString, &[0xff, 0xff]), None);
        assert_eq!(text(Tag::BmpString, &[0]), None);
        assert_eq!(text(Tag::OctetString, b"ou"), None);
    }
}
