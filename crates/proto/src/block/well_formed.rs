//! The rule that makes the data hash unambiguous (spec/07 §3, CVE-2023-46132).

use bytes::Bytes;

use super::{BlockError, is_config_entries};
use crate::wire::{Field, Reader, Value};

/// Whether the entries are transactions that cannot be cut or joined differently under the same data hash.
///
/// Fabric asks whether an entry, parsed and marshalled again, gives the same bytes. Said in terms of bytes: a payload,
/// then a signature, neither empty, both with the shortest tag and length; then any decodable fields that are neither,
/// with the shortest tag. A single configuration transaction is exempt.
///
/// # Errors
///
/// [`BlockError::Empty`] without entries, [`BlockError::EntryMalformed`] with the index of the first bad entry.
pub fn transactions_are_well_formed(entries: &[Bytes]) -> Result<(), BlockError> {
    if entries.is_empty() {
        return Err(BlockError::Empty);
    }
    if is_config_entries(entries) {
        return Ok(());
    }
    match entries.iter().position(|entry| !is_well_formed(entry)) {
        None => Ok(()),
        Some(index) => Err(BlockError::EntryMalformed { index }),
    }
}

fn is_well_formed(entry: &[u8]) -> bool {
    // spans count up to 4 GiB
    if u32::try_from(entry.len()).is_err() {
        return false;
    }
    let mut reader = Reader::new(entry);
    for wanted in [1, 2] {
        match reader.next() {
            Ok(Some(field)) if field.number == wanted && is_shortest_bytes(&field) => {}
            _ => return false,
        }
    }
    loop {
        match reader.next() {
            Ok(None) => return true,
            Ok(Some(field)) => {
                let again = field.number <= 2 && matches!(field.value, Value::Bytes(_));
                if again || !has_shortest_tag(&field) {
                    return false;
                }
            }
            Err(_) => return false,
        }
    }
}

/// Bytes, but not none, as Fabric itself would write them.
fn is_shortest_bytes(field: &Field) -> bool {
    let Value::Bytes(span) = &field.value else { return false };
    let length_width = span.range().start - field.value_start;
    span.len() > 0 && length_width == varint_width(span.len() as u64) && has_shortest_tag(field)
}

fn has_shortest_tag(field: &Field) -> bool {
    // the wire type does not change the width
    field.value_start - field.start == varint_width(u64::from(field.number) << 3)
}

fn varint_width(value: u64) -> usize {
    let bits = 64 - (value | 1).leading_zeros();
    bits.div_ceil(7) as usize
}
