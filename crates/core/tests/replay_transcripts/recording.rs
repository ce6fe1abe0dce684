//! The recorded streams, and who spoke on them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use selvedge_core::{MspId, PkiId};
use selvedge_proto::decode;
use selvedge_proto::envelope::{ContentKind, EnvelopeView};
use selvedge_proto::gossip::{ConnEstablish, DataMessage};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A peer of the recorded network.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) name: String,
    pub(crate) pki_id: PkiId,
    pub(crate) org: MspId,
    pub(crate) identity: Bytes,
    pub(crate) certificate_hash: [u8; 32],
    pub(crate) endpoint: String,
}

/// A recorded message.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    /// Nanoseconds since the Unix epoch.
    pub(crate) at: u64,
    pub(crate) from_dialer: bool,
    pub(crate) view: EnvelopeView,
}

/// A recorded stream from its handshake on.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) name: String,
    pub(crate) messages: Vec<Recorded>,
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")
}

#[allow(clippy::disallowed_methods, reason = "recordings are files")]
fn read(path: &str) -> Vec<u8> {
    std::fs::read(folder().join(path)).unwrap()
}

fn json(path: &str) -> Value {
    serde_json::from_slice(&read(path)).unwrap()
}

fn hex(text: &str) -> [u8; 32] {
    core::array::from_fn(|index| u8::from_str_radix(&text[2 * index..2 * index + 2], 16).unwrap())
}

/// The five peers.
pub(crate) fn people() -> Vec<Person> {
    let identities = json("network/identities.json");
    let peers = identities.as_array().unwrap().iter().filter(|it| it["role"] == "peer");
    let text = |it: &Value, key: &str| it[key].as_str().unwrap().to_owned();
    peers
        .map(|it| Person {
            name: text(it, "name"),
            pki_id: PkiId::new(hex(&text(it, "pki_id"))),
            org: MspId::from(text(it, "msp_id")),
            identity: STANDARD.decode(text(it, "serialized_identity")).unwrap().into(),
            certificate_hash: hex(&text(it, "tls_cert_hash")),
            endpoint: text(it, "endpoint"),
        })
        .collect()
}

/// All streams. A file holds those of one pair of peers, one after the other.
pub(crate) fn streams() -> Vec<Stream> {
    let index = json("transcripts/index.json");
    let mut streams: Vec<Stream> = Vec::new();
    for file in index.as_array().unwrap() {
        let name = file["file"].as_str().unwrap();
        let bytes = Bytes::from(read(&format!("transcripts/{name}")));
        for (number, message) in file["messages"].as_array().unwrap().iter().enumerate() {
            let [offset, size] = ["offset", "size"].map(|key| message[key].as_u64().unwrap() as usize);
            let recorded = Recorded {
                at: nanos(message["timestamp"].as_str().unwrap()),
                from_dialer: message["direction"] == "dialer to listener",
                view: EnvelopeView::parse(bytes.slice(offset..offset + size)).unwrap(),
            };
            if recorded.from_dialer && recorded.view.kind() == ContentKind::Conn {
                streams.push(Stream { name: format!("{name}#{number}"), messages: Vec::new() });
            }
            streams.last_mut().unwrap().messages.push(recorded);
        }
    }
    streams
}

impl Stream {
    /// Who dialled (`true`) or listened.
    pub(crate) fn end<'a>(&self, people: &'a [Person], dialer: bool) -> &'a Person {
        let of_end = self.messages.iter().filter(|message| message.from_dialer == dialer);
        let conn = of_end.map(|message| &message.view).find(|view| view.kind() == ContentKind::Conn).unwrap();
        let conn: ConnEstablish = conn.content_as().unwrap();
        people.iter().find(|person| person.identity == conn.identity).unwrap()
    }

    /// Blocks pushed or pulled on the stream, as they were sent.
    pub(crate) fn blocks(&self) -> BTreeMap<u64, Bytes> {
        let mut blocks = BTreeMap::new();
        for view in self.messages.iter().map(|message| &message.view) {
            let inner = view.elements().map(|item| EnvelopeView::parse(item.unwrap().envelope).unwrap());
            for view in inner.chain([view.clone()]).filter(|view| view.kind() == ContentKind::DataMsg) {
                let payload = view.content_as::<DataMessage>().unwrap().payload.unwrap();
                blocks.insert(payload.seq_num, payload.data);
            }
        }
        blocks
    }
}

/// A block as the orderers deliver it; `None` beyond the recorded ones.
pub(crate) fn orderers_block(number: u64) -> Option<Bytes> {
    (number <= 90).then(|| read(&format!("blocks/orderer/{number:03}.block")).into())
}

/// Whether the block is a configuration.
pub(crate) fn is_config(block: &Bytes) -> bool {
    selvedge_proto::block::is_config_block(&decode(block.clone()).unwrap())
}

/// `2026-11-22T22:08:53.787Z`, of any fraction: all recordings are of one day.
fn nanos(text: &str) -> u64 {
    const MIDNIGHT: u64 = 1_795_305_600;
    let time = text.strip_prefix("2026-11-22T").unwrap().strip_suffix('Z').unwrap();
    let (clock, fraction) = time.split_once('.').unwrap_or((time, ""));
    let mut seconds = 0;
    for part in clock.split(':') {
        seconds = seconds * 60 + part.parse::<u64>().unwrap();
    }
    (MIDNIGHT + seconds) * 1_000_000_000 + format!("{fraction:0<9}").parse::<u64>().unwrap()
}
