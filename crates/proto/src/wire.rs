//! Protobuf's wire format, read exactly as Fabric's decoder reads it (spec/01 §1).
//!
//! What Fabric parses must be parsed here, too: a message that one peer parses and the next one does not ends the
//! stream between them, although neither wrote it.

use core::fmt;
use core::ops::Range;

use bytes::Bytes;
use prost::{Message, Name};

use crate::schema;

/// Groups inside groups, at most; one more is a parse error for Fabric, too.
const GROUPS_NESTED_MAX: usize = 10_000;
/// Field numbers end here, except inside of groups.
const FIELD_NUMBER_MAX: u64 = (1 << 29) - 1;
/// Inside of groups Fabric's decoder takes numbers up to here.
const FIELD_NUMBER_IN_GROUP_MAX: u64 = (1 << 31) - 1;

/// Why bytes are not the message they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// A field number is zero or too great.
    #[error("field number out of range")]
    FieldNumber,
    /// A group ends that is not the one last begun.
    #[error("end of a group that is not open")]
    GroupEnd,
    /// Messages or groups are nested too deeply: 10,000 groups, or 100 messages that this program looks into.
    #[error("nested too deeply")]
    TooDeep,
    /// 4 GiB or more.
    #[error("too large")]
    TooLarge,
    /// The bytes end in the middle of a field.
    #[error("ends in the middle of a field")]
    Truncated,
    /// A text is not UTF-8.
    #[error("text that is not UTF-8")]
    Utf8,
    /// A varint is longer than ten bytes or greater than 64 bits.
    #[error("varint too long")]
    Varint,
    /// A wire type that does not exist.
    #[error("unknown wire type")]
    WireType,
}

/// Decodes a message that came from outside.
///
/// Differs from `M::decode` in what spec/01 §1.6 demands: a known field with an unexpected wire type is an unknown
/// field, not an error. Given [`Bytes`], every bytes field of the result is a slice of them: no payload is copied, and
/// the whole buffer lives as long as any of its fields.
///
/// # Errors
///
/// The first thing found that Fabric's decoder would refuse as well; [`WireError::TooDeep`] for messages nested 100
/// deep, where Fabric's limit is 10,000: no message that Fabric makes comes near either.
pub fn decode<M: Message + Default + Name>(bytes: impl Into<Bytes>) -> Result<M, WireError> {
    let bytes = bytes.into();
    // prost says neither what is wrong nor whether Fabric would mind, so whatever it refuses is looked at again
    M::decode(bytes.clone()).or_else(|_| schema::decode(&bytes))
}

/// The place of some bytes within the buffer they came in. Buffers are below 4 GiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    pub(crate) const EMPTY: Self = Self { start: 0, end: 0 };

    /// Nothing, if the range is not within 4 GiB: buffers are measured before they are read.
    pub(crate) fn of_range(range: &Range<usize>) -> Self {
        match (u32::try_from(range.start), u32::try_from(range.end)) {
            (Ok(start), Ok(end)) => Self { start, end },
            _ => Self::default(),
        }
    }

    pub(crate) fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    pub(crate) fn len(self) -> usize {
        self.range().len()
    }

    pub(crate) fn of(self, buffer: &[u8]) -> &[u8] {
        buffer.get(self.range()).unwrap_or_default()
    }

    /// A slice that shares the buffer.
    pub(crate) fn share(self, buffer: &Bytes) -> Bytes {
        if self.range().is_empty() || buffer.len() < self.end as usize {
            return Bytes::new();
        }
        buffer.slice(self.range())
    }
}

/// A field as it stands in the buffer.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) number: u32,
    pub(crate) value: Value,
    /// Where the field's tag begins; it ends where the reader now stands.
    pub(crate) start: usize,
    /// Where the field's value begins (for bytes: its length).
    pub(crate) value_start: usize,
}

#[derive(Clone, Debug)]
pub(crate) enum Value {
    Varint(u64),
    Fixed64,
    Bytes(Span),
    Group,
    Fixed32,
}

/// Walks over the fields of one message.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    buffer: &'a [u8],
    position: usize,
}

impl<'a> Reader<'a> {
    /// Reads all of `buffer`, which must be below 4 GiB for its spans to be right.
    pub(crate) fn new(buffer: &'a [u8]) -> Self {
        Self { buffer, position: 0 }
    }

    /// Reads a message inside of `buffer`; spans refer to the whole.
    pub(crate) fn within(buffer: &'a [u8], span: Span) -> Self {
        let range = span.range();
        Self { buffer: buffer.get(..range.end).unwrap_or_default(), position: range.start }
    }

    /// Where the next field begins.
    pub(crate) fn position(&self) -> usize {
        self.position
    }

    /// The next field; `None` at the end.
    #[inline]
    pub(crate) fn next(&mut self) -> Result<Option<Field>, WireError> {
        if self.position >= self.buffer.len() {
            return Ok(None);
        }
        let start = self.position;
        let (number, wire_type) = self.tag(FIELD_NUMBER_MAX)?;
        let value_start = self.position;
        let value = match wire_type {
            0 => Value::Varint(self.varint()?),
            1 => self.skip(8).map(|_| Value::Fixed64)?,
            2 => Value::Bytes(self.bytes()?),
            3 => self.group(number).map(|()| Value::Group)?,
            4 => return Err(WireError::GroupEnd),
            5 => self.skip(4).map(|_| Value::Fixed32)?,
            _ => return Err(WireError::WireType),
        };
        Ok(Some(Field { number, value, start, value_start }))
    }

    #[inline]
    fn tag(&mut self, number_max: u64) -> Result<(u32, u8), WireError> {
        let tag = self.varint()?;
        let number = tag >> 3;
        if number == 0 || number > number_max {
            return Err(WireError::FieldNumber);
        }
        // both fit: the number is bounded, the wire type is three bits
        Ok((number as u32, (tag & 7) as u8))
    }

    #[inline]
    fn varint(&mut self) -> Result<u64, WireError> {
        match self.buffer.get(self.position) {
            Some(&byte) if byte < 0x80 => {
                self.position += 1;
                Ok(u64::from(byte))
            }
            Some(_) => self.long_varint(),
            None => Err(WireError::Truncated),
        }
    }

    fn long_varint(&mut self) -> Result<u64, WireError> {
        let rest = self.buffer.get(self.position..).unwrap_or_default();
        let mut value = 0_u64;
        for (index, &byte) in rest.iter().take(10).enumerate() {
            // the tenth byte holds the 64th bit and nothing else
            if index == 9 && byte > 1 {
                return Err(WireError::Varint);
            }
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte < 0x80 {
                self.position += index + 1;
                return Ok(value);
            }
        }
        Err(WireError::Truncated)
    }

    #[inline]
    fn bytes(&mut self) -> Result<Span, WireError> {
        let length = self.varint()?;
        let length = usize::try_from(length).map_err(|_| WireError::Truncated)?;
        self.skip(length).map(|range| Span::of_range(&range))
    }

    #[inline]
    fn skip(&mut self, length: usize) -> Result<Range<usize>, WireError> {
        if length > self.buffer.len() - self.position {
            return Err(WireError::Truncated);
        }
        let start = self.position;
        self.position += length;
        Ok(start..self.position)
    }

    /// Passes over a group whose begin has been read. A loop, not recursion: the depth is the sender's choice.
    #[cold]
    fn group(&mut self, number: u32) -> Result<(), WireError> {
        let mut open = vec![number];
        while let Some(&innermost) = open.last() {
            let (number, wire_type) = self.tag(FIELD_NUMBER_IN_GROUP_MAX)?;
            match wire_type {
                0 => _ = self.varint()?,
                1 => _ = self.skip(8)?,
                2 => _ = self.bytes()?,
                3 if open.len() > GROUPS_NESTED_MAX => return Err(WireError::TooDeep),
                3 => open.push(number),
                4 if number == innermost => _ = open.pop(),
                4 => return Err(WireError::GroupEnd),
                5 => _ = self.skip(4)?,
                _ => return Err(WireError::WireType),
            }
        }
        Ok(())
    }
}

/// Bytes as lower-case hexadecimal, for `Debug`.
pub(crate) struct Hex<'a>(pub(crate) &'a [u8]);

impl fmt::Debug for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Appends a varint.
pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a bytes field, even an empty one.
pub(crate) fn put_bytes(out: &mut Vec<u8>, number: u32, bytes: &[u8]) {
    put_varint(out, u64::from(number) << 3 | 2);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}
