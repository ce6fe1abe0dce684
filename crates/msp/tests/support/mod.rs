//! What several tests need: recordings, vectors, and configurations made of them.

// every test file uses its own part of it
#![allow(dead_code)]

use std::path::PathBuf;

use bytes::Bytes;
use prost::Message;
use selvedge_proto::common::Block;
use selvedge_proto::msp::{FabricMspConfig, FabricNodeOUs, FabricOuIdentifier, SerializedIdentity};

/// A recording, by its path below `fixtures`.
pub(crate) fn fixture_path(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(path)
}

pub(crate) fn fixture(path: &str) -> Vec<u8> {
    let path = fixture_path(path);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub(crate) fn fixture_json(path: &str) -> serde_json::Value {
    serde_json::from_slice(&fixture(path)).unwrap()
}

pub(crate) fn block(path: &str) -> Block {
    selvedge_proto::decode(Bytes::from(fixture(path))).unwrap()
}

/// A file of the vectors of spec/03 §13.
pub(crate) fn vector(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/vectors").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub(crate) fn serialized(msp_id: &str, pem: &[u8]) -> Vec<u8> {
    SerializedIdentity { mspid: msp_id.to_owned(), id_bytes: Bytes::copy_from_slice(pem) }.encode_to_vec()
}

/// An MSP with roles by organisational unit, and nothing else.
pub(crate) fn organization(msp_id: &str, roots: &[Vec<u8>]) -> FabricMspConfig {
    FabricMspConfig {
        name: msp_id.to_owned(),
        root_certs: roots.iter().cloned().map(Bytes::from).collect(),
        fabric_node_ous: Some(node_ous()),
        ..FabricMspConfig::default()
    }
}

pub(crate) fn node_ous() -> FabricNodeOUs {
    let unit = |name: &str| {
        let certificate = Bytes::new();
        Some(FabricOuIdentifier { certificate, organizational_unit_identifier: name.to_owned() })
    };
    FabricNodeOUs {
        enable: true,
        client_ou_identifier: unit("client"),
        peer_ou_identifier: unit("peer"),
        admin_ou_identifier: unit("admin"),
        orderer_ou_identifier: unit("orderer"),
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}
