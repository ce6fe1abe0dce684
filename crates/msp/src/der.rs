//! A strict reader and a writer of DER elements, for the few structures whose exact bytes matter.

/// Why bytes are not the DER element that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DerError {
    /// The element ends after the input.
    #[error("the input ends inside an element")]
    Truncated,
    /// Another tag stands where one was expected.
    #[error("tag {found:#04x} where {expected:#04x} was expected")]
    Tag {
        /// The tag the structure demands.
        expected: u8,
        /// The tag that was read.
        found: u8,
    },
    /// Indefinite, non-minimal or absurd length, or a tag of more than one byte.
    #[error("a tag or length that is not DER")]
    Length,
    /// Bytes after the last element.
    #[error("bytes after the last element")]
    Trailing,
    /// An INTEGER with needless leading bytes or none at all.
    #[error("an INTEGER that is not minimal")]
    Integer,
}

pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const BIT_STRING: u8 = 0x03;
pub(crate) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;

/// One element: its tag, its contents, and both together with the length.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Element<'a> {
    pub(crate) tag: u8,
    pub(crate) contents: &'a [u8],
    pub(crate) raw: &'a [u8],
}

/// Reads elements one after the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(input: &'a [u8]) -> Self {
        Self { rest: input }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The tag of the next element, if there is one.
    pub(crate) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    pub(crate) fn element(&mut self) -> Result<Element<'a>, DerError> {
        let input = self.rest;
        let [tag, first_length, after @ ..] = input else { return Err(DerError::Truncated) };
        if tag & 0x1f == 0x1f {
            return Err(DerError::Length);
        }
        let (length, after) = match *first_length {
            short @ 0..=0x7f => (usize::from(short), after),
            0x80 | 0x85.. => return Err(DerError::Length),
            long => {
                let count = usize::from(long & 0x7f);
                let (digits, after) = after.split_at_checked(count).ok_or(DerError::Truncated)?;
                let length = digits.iter().fold(0_usize, |sum, digit| sum << 8 | usize::from(*digit));
                if digits.first() == Some(&0) || length < 0x80 {
                    return Err(DerError::Length);
                }
                (length, after)
            }
        };
        let (contents, rest) = after.split_at_checked(length).ok_or(DerError::Truncated)?;
        let raw = input.get(..input.len() - rest.len()).ok_or(DerError::Truncated)?;
        self.rest = rest;
        Ok(Element { tag: *tag, contents, raw })
    }

    pub(crate) fn expect(&mut self, tag: u8) -> Result<Element<'a>, DerError> {
        match self.peek() {
            Some(found) if found != tag => Err(DerError::Tag { expected: tag, found }),
            _ => self.element(),
        }
    }

    pub(crate) fn finish(&self) -> Result<(), DerError> {
        if self.is_empty() { Ok(()) } else { Err(DerError::Trailing) }
    }
}

/// Checks that the contents of an INTEGER are minimal and tells whether it is negative.
pub(crate) fn integer_is_negative(contents: &[u8]) -> Result<bool, DerError> {
    match contents {
        [] => Err(DerError::Integer),
        [0x00, next, ..] if next & 0x80 == 0 => Err(DerError::Integer),
        [0xff, next, ..] if next & 0x80 != 0 => Err(DerError::Integer),
        [first, ..] => Ok(first & 0x80 != 0),
    }
}

/// Appends one element.
pub(crate) fn write_element(out: &mut Vec<u8>, tag: u8, contents: &[&[u8]]) {
    let length: usize = contents.iter().map(|part| part.len()).sum();
    out.push(tag);
    if let Ok(short @ 0..=0x7f) = u8::try_from(length) {
        out.push(short);
    } else {
        let digits = length.to_be_bytes();
        let skip = digits.iter().take_while(|digit| **digit == 0).count();
        let digits = digits.get(skip..).unwrap_or_default();
        // a usize has at most eight bytes
        out.push(0x80 | u8::try_from(digits.len()).unwrap_or(8));
        out.extend_from_slice(digits);
    }
    for part in contents {
        out.extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_that_are_not_minimal_are_refused() {
        assert!(Reader::new(&[0x30, 0x81, 0x05, 1, 2, 3, 4, 5]).element().is_err());
        assert!(Reader::new(&[0x30, 0x82, 0x00, 0x80]).element().is_err());
        assert!(Reader::new(&[0x30, 0x80, 0x00, 0x00]).element().is_err());
        assert_eq!(Reader::new(&[0x30, 0x03, 1]).element().unwrap_err(), DerError::Truncated);
        let mut long = vec![0x04, 0x81, 0x80];
        long.extend([7; 128]);
        assert_eq!(Reader::new(&long).element().unwrap().contents.len(), 128);
    }

    #[test]
    fn what_is_written_is_read_back() {
        for length in [0, 1, 127, 128, 255, 256, 65_535, 65_536] {
            let contents = vec![0xa5; length];
            let mut out = Vec::new();
            write_element(&mut out, 0x04, &[&contents]);
            let mut reader = Reader::new(&out);
            let element = reader.expect(0x04).unwrap();
            assert_eq!(element.contents, contents);
            assert_eq!(element.raw, out);
            reader.finish().unwrap();
        }
    }
}
