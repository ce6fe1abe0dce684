//! What several tests use.

// not every test uses all of it
#![allow(dead_code, clippy::unwrap_used)]

use std::fs;
use std::path::PathBuf;

use bytes::Bytes;
use prost_reflect::{DescriptorPool, DynamicMessage, SerializeOptions};
use serde_json::Value;

pub(crate) fn fixture(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(path)
}

pub(crate) fn read(path: &str) -> Bytes {
    fs::read(fixture(path)).unwrap_or_else(|error| panic!("{path}: {error}")).into()
}

pub(crate) fn json(path: &str) -> Value {
    serde_json::from_slice(&read(path)).unwrap()
}

/// Bytes of hexadecimal digits; spaces and line ends are left out.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> =
        text.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_digit(16).unwrap()).collect();
    assert!(digits.len().is_multiple_of(2), "half a byte");
    digits.chunks(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect()
}

pub(crate) fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn pool() -> DescriptorPool {
    DescriptorPool::decode(selvedge_proto::FILE_DESCRIPTOR_SET).unwrap()
}

pub(crate) fn dynamic(pool: &DescriptorPool, message: &str, bytes: &[u8]) -> DynamicMessage {
    DynamicMessage::decode(pool.get_message_by_name(message).unwrap(), bytes).unwrap()
}

/// The message as protobuf JSON with the names of the definitions, as the recordings have it.
pub(crate) fn to_json(message: &DynamicMessage) -> Value {
    let options = SerializeOptions::new().use_proto_field_name(true);
    message.serialize_with_options(serde_json::value::Serializer, &options).unwrap()
}

/// Whether nothing in the message, however deep, is unknown to our definitions.
pub(crate) fn all_known(message: &DynamicMessage) -> bool {
    fn known(value: &prost_reflect::Value) -> bool {
        match value {
            prost_reflect::Value::Message(message) => all_known(message),
            prost_reflect::Value::List(list) => list.iter().all(known),
            prost_reflect::Value::Map(map) => map.values().all(known),
            _ => true,
        }
    }
    message.unknown_fields().next().is_none() && message.fields().all(|(_, value)| known(value))
}
