//! One JSON object for each record.

use super::gossip::{DecodedSecret, Gossip, Nested};
use crate::block::BlockSummary;
use crate::show::base64;
use prost::{Message, Name};
use prost_reflect::{DescriptorPool, DynamicMessage, SerializeOptions};
use selvedge_proto::envelope::ElementList;
use serde::Serialize;
use serde::ser::{Error as _, SerializeMap, Serializer};

/// Writes records; holds the descriptions of all messages.
pub(crate) struct JsonWriter {
    pool: DescriptorPool,
}

impl JsonWriter {
    pub(crate) fn new() -> Result<Self, prost_reflect::DescriptorError> {
        Ok(Self { pool: DescriptorPool::decode(selvedge_proto::FILE_DESCRIPTOR_SET)? })
    }

    /// The line of a gossip message.
    pub(crate) fn gossip(&self, offset: u64, gossip: &Gossip) -> serde_json::Result<String> {
        line(|map| {
            map.serialize_entry("offset", &offset)?;
            self.describe(map, gossip)?;
            for (index, nested) in gossip.nested.iter().enumerate() {
                let message = nested.gossip.as_ref().ok().map(|nested| self.proto(&nested.message));
                map.serialize_entry(&format!("nested_{index}"), &message)?;
            }
            if !gossip.nested.is_empty() {
                let facts: Vec<_> = gossip.nested.iter().map(|nested| Facts(self, nested)).collect();
                map.serialize_entry("nested", &facts)?;
            }
            Ok(())
        })
    }

    /// The line of a block.
    pub(crate) fn block(offset: u64, block: &BlockSummary) -> serde_json::Result<String> {
        #[derive(Serialize)]
        struct Line<'a> {
            offset: u64,
            kind: &'static str,
            #[serde(flatten)]
            block: &'a BlockSummary,
        }
        serde_json::to_string(&Line { offset, kind: "Block", block })
    }

    /// The line of what could not be read.
    pub(crate) fn damaged(offset: u64, error: &str) -> serde_json::Result<String> {
        line(|map| {
            map.serialize_entry("offset", &offset)?;
            map.serialize_entry("error", error)
        })
    }

    /// What is said of a message, outer or nested: all but the message itself where it is nested.
    fn describe<M: SerializeMap>(&self, map: &mut M, gossip: &Gossip) -> Result<(), M::Error> {
        map.serialize_entry("kind", &gossip.kind)?;
        map.serialize_entry("message", &self.proto(&gossip.message))?;
        self.describe_signatures(map, gossip)
    }

    fn describe_signatures<M: SerializeMap>(&self, map: &mut M, gossip: &Gossip) -> Result<(), M::Error> {
        map.serialize_entry("signature", &gossip.signature.as_ref().map(|signature| base64(signature)))?;
        if let Some(secret) = &gossip.secret {
            map.serialize_entry("secret", &SecretFacts(self, secret))?;
        }
        map.serialize_entry("signature_ok", &gossip.verdict.ok())?;
        if let Some(reason) = gossip.verdict.reason() {
            map.serialize_entry("reason", reason)?;
        }
        if let Some(malformed) = &gossip.malformed {
            map.serialize_entry("malformed", malformed)?;
        }
        if !gossip.blocks.is_empty() {
            let blocks: Vec<_> = gossip
                .blocks
                .iter()
                .map(|block| match block {
                    Ok(block) => BlockOrError::Block(block),
                    Err(error) => BlockOrError::Damaged { error },
                })
                .collect();
            map.serialize_entry("blocks", &blocks)?;
        }
        Ok(())
    }

    fn proto<'a, M: Message + Name>(&'a self, message: &'a M) -> Proto<'a, M> {
        Proto { pool: &self.pool, message }
    }
}

fn line(
    entries: impl FnOnce(
        &mut <&mut serde_json::Serializer<&mut Vec<u8>> as Serializer>::SerializeMap,
    ) -> serde_json::Result<()>,
) -> serde_json::Result<String> {
    let mut out = Vec::new();
    let mut serializer = serde_json::Serializer::new(&mut out);
    let mut map = serializer.serialize_map(None)?;
    entries(&mut map)?;
    map.end()?;
    String::from_utf8(out).map_err(serde_json::Error::custom)
}

/// A message as protobuf JSON with the definitions' field names.
struct Proto<'a, M> {
    pool: &'a DescriptorPool,
    message: &'a M,
}

impl<M: Message + Name> Serialize for Proto<'_, M> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let name = M::full_name();
        let descriptor =
            self.pool.get_message_by_name(&name).ok_or_else(|| S::Error::custom(format!("no {name}")))?;
        let message = DynamicMessage::decode(descriptor, self.message.encode_to_vec().as_slice())
            .map_err(S::Error::custom)?;
        message.serialize_with_options(serializer, &SerializeOptions::new().use_proto_field_name(true))
    }
}

/// What is said of a nested envelope beside its message.
struct Facts<'a>(&'a JsonWriter, &'a Nested);

impl Serialize for Facts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(writer, nested) = self;
        let mut map = serializer.serialize_map(None)?;
        if let Some(list) = nested.list {
            map.serialize_entry("list", list_name(list))?;
        }
        match &nested.gossip {
            Ok(gossip) => {
                map.serialize_entry("kind", &gossip.kind)?;
                writer.describe_signatures(&mut map, gossip)?;
            }
            Err(error) => map.serialize_entry("error", &error.to_string())?,
        }
        map.end()
    }
}

struct SecretFacts<'a>(&'a JsonWriter, &'a DecodedSecret);

impl Serialize for SecretFacts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(writer, secret) = self;
        let mut map = serializer.serialize_map(None)?;
        match &secret.payload {
            Ok(payload) => map.serialize_entry("payload", &writer.proto(payload))?,
            Err(error) => map.serialize_entry("error", &error.to_string())?,
        }
        map.serialize_entry("signature", &base64(&secret.signature))?;
        map.serialize_entry("signature_ok", &secret.verdict.ok())?;
        map.end()
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum BlockOrError<'a> {
    Block(&'a BlockSummary),
    Damaged { error: &'a str },
}

/// The field in which a nested envelope stands.
pub(crate) fn list_name(list: ElementList) -> &'static str {
    match list {
        ElementList::Alive => "alive",
        ElementList::Data => "data",
        ElementList::Dead => "dead",
        ElementList::SelfInformation => "self_information",
        ElementList::Snapshot => "elements",
    }
}
