//! The slow way to decode: for what prost refuses and Fabric may accept.
//!
//! The fields that Fabric would take for unknown are left out, then prost reads the rest. Needed for hostile or odd
//! messages only, so the tables are made when the first one arrives.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use bytes::Bytes;
use prost::{Message, Name};
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorSet};

use crate::FILE_DESCRIPTOR_SET;
use crate::wire::{Field, Reader, Span, Value, WireError, put_varint};

/// prost's own limit.
const MESSAGES_NESTED_MAX: usize = 100;

/// Messages by full name; names of nested messages have no leading dot either.
static MESSAGES: LazyLock<BTreeMap<String, BTreeMap<u32, Kind>>> = LazyLock::new(|| {
    let mut messages = BTreeMap::new();
    if let Ok(set) = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET) {
        for file in &set.file {
            for message in &file.message_type {
                describe(file.package(), message, &mut messages);
            }
        }
    }
    messages
});

/// What a field may look like on the wire.
#[derive(Debug)]
enum Kind {
    Bytes,
    /// 32 bits wide.
    Fixed32 {
        repeated: bool,
    },
    /// 64 bits wide.
    Fixed64 {
        repeated: bool,
    },
    /// With the message's full name.
    Message(String),
    Text,
    Varint {
        repeated: bool,
    },
}

fn describe(scope: &str, message: &DescriptorProto, messages: &mut BTreeMap<String, BTreeMap<u32, Kind>>) {
    let name = format!("{scope}.{}", message.name());
    for nested in &message.nested_type {
        describe(&name, nested, messages);
    }
    let fields = message.field.iter().map(|field| (field.number().unsigned_abs(), kind(field))).collect();
    messages.insert(name, fields);
}

fn kind(field: &FieldDescriptorProto) -> Kind {
    let repeated = field.label() == Label::Repeated;
    match field.r#type() {
        Type::Bytes => Kind::Bytes,
        Type::String => Kind::Text,
        Type::Message | Type::Group => Kind::Message(field.type_name().trim_start_matches('.').to_owned()),
        Type::Double | Type::Fixed64 | Type::Sfixed64 => Kind::Fixed64 { repeated },
        Type::Float | Type::Fixed32 | Type::Sfixed32 => Kind::Fixed32 { repeated },
        _ => Kind::Varint { repeated },
    }
}

/// Decodes what is known of a message; see [`crate::decode`].
#[cold]
pub(crate) fn decode<M: Message + Default + Name>(bytes: &Bytes) -> Result<M, WireError> {
    if u32::try_from(bytes.len()).is_err() {
        return Err(WireError::TooLarge);
    }
    let mut known = Vec::with_capacity(bytes.len());
    copy_known(&M::full_name(), Reader::new(bytes), bytes, &mut known, 0)?;
    // text, numbers and lengths were checked: what is left is prost's limit of nesting
    M::decode(Bytes::from(known)).map_err(|_| WireError::TooDeep)
}

/// Copies the fields that are known by number and by wire type.
fn copy_known(
    message: &str,
    mut reader: Reader<'_>,
    buffer: &[u8],
    out: &mut Vec<u8>,
    depth: usize,
) -> Result<(), WireError> {
    if depth > MESSAGES_NESTED_MAX {
        return Err(WireError::TooDeep);
    }
    let fields = MESSAGES.get(message);
    while let Some(field) = reader.next()? {
        let Some(kind) = fields.and_then(|fields| fields.get(&field.number)) else { continue };
        let whole = buffer.get(field.start..reader.position()).unwrap_or_default();
        match (kind, &field.value) {
            (Kind::Message(name), Value::Bytes(span)) => {
                copy_message(name, &field, *span, buffer, out, depth)?;
            }
            (Kind::Text, Value::Bytes(span)) => {
                core::str::from_utf8(span.of(buffer)).map_err(|_| WireError::Utf8)?;
                out.extend_from_slice(whole);
            }
            (Kind::Bytes, Value::Bytes(_))
            | (Kind::Varint { .. }, Value::Varint(_))
            | (Kind::Fixed64 { .. }, Value::Fixed64)
            | (Kind::Fixed32 { .. }, Value::Fixed32) => out.extend_from_slice(whole),
            // numbers in one string
            (
                Kind::Varint { repeated: true }
                | Kind::Fixed64 { repeated: true }
                | Kind::Fixed32 { repeated: true },
                Value::Bytes(_),
            ) => out.extend_from_slice(whole),
            _ => {}
        }
    }
    Ok(())
}

/// Copies a message within the message. It can only shrink, so its length goes where the old one stood, padded to the
/// same width: nothing is copied twice, however deep it lies.
fn copy_message(
    name: &str,
    field: &Field,
    span: Span,
    buffer: &[u8],
    out: &mut Vec<u8>,
    depth: usize,
) -> Result<(), WireError> {
    put_varint(out, u64::from(field.number) << 3 | 2);
    let width = span.range().start - field.value_start;
    let length_at = out.len();
    out.resize(length_at + width, 0);
    copy_known(name, Reader::within(buffer, span), buffer, out, depth + 1)?;
    let mut length = out.len() - length_at - width;
    for (index, byte) in out.iter_mut().skip(length_at).take(width).enumerate() {
        let more = if index + 1 < width { 0x80 } else { 0 };
        *byte = (length & 0x7f) as u8 | more;
        length >>= 7;
    }
    Ok(())
}
