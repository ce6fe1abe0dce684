//! What several tests need: recordings, vectors, and configurations made of them.

pub(crate) mod authority;

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

/// A moment at which the recorded network ran: 2026-12-01T00:00:00Z.
pub(crate) const NOW: i64 = 1_796_083_200;

/// A member of the recorded network with its key, by its name in `identities.json`.
pub(crate) fn local_msp(name: &str) -> selvedge_msp::LocalMsp {
    let all = fixture_json("network/identities.json");
    let entry = all.as_array().unwrap().iter().find(|entry| entry["name"] == name).expect(name);
    let certificate = fixture_path("network").join(entry["sign_cert"].as_str().unwrap());
    let folder = certificate.parent().unwrap().parent().unwrap();
    selvedge_msp::LocalMsp::load(folder, entry["msp_id"].as_str().unwrap(), NOW).unwrap()
}

/// The configuration of the recorded network.
pub(crate) fn genesis() -> selvedge_msp::ChannelBundle {
    selvedge_msp::ChannelBundle::from_config_block(&block("network/mychannel.block")).unwrap()
}

/// The bytes of base64 with padding.
pub(crate) fn base64(text: &str) -> Vec<u8> {
    let value = |letter: u8| match letter {
        b'A'..=b'Z' => letter - b'A',
        b'a'..=b'z' => letter - b'a' + 26,
        b'0'..=b'9' => letter - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let digits: Vec<u32> =
        text.bytes().filter(|letter| *letter != b'=').map(|letter| value(letter).into()).collect();
    let mut bytes = Vec::new();
    for group in digits.chunks(4) {
        let number = group.iter().fold(0_u32, |sum, digit| sum << 6 | digit) << (6 * (4 - group.len()));
        bytes.extend_from_slice(&number.to_be_bytes()[1..group.len()]);
    }
    bytes
}
