//! The contents of messages, field by field.

use super::identity_text;
use crate::decode::gossip::Decoder;
use crate::show::{Page, clean, clean_bytes, count, nanoseconds, short};
use bytes::Bytes;
use selvedge_proto::gossip::gossip_message::Content;
use selvedge_proto::gossip::{
    AliveMessage, Chaincode, ConnEstablish, GossipMessage, LeadershipMessage, Payload, PeerTime,
    PrivateDataMessage, PullMsgType, PvtDataDigest, StateInfo,
};
use std::fmt;

/// Items of a list that are shown; of the others only how many there are.
const ITEMS_MAX: usize = 100;

pub(super) fn write(page: &mut Page, decoder: &Decoder, message: &GossipMessage) {
    match &message.content {
        Some(Content::AliveMsg(content)) => alive(page, decoder, content),
        Some(Content::Conn(content)) => conn(page, decoder, content),
        Some(Content::PeerIdentity(content)) => {
            page.field("peer", decoder.book.name(&content.pki_id));
            page.field("identity", identity_text(&content.cert));
        }
        Some(Content::StateInfo(content)) => state_info(page, decoder, content),
        Some(Content::StateInfoPullReq(content)) => {
            page.field("channel MAC", short(&content.channel_mac));
        }
        Some(Content::LeadershipMsg(content)) => leadership(page, decoder, content),
        Some(Content::Hello(content)) => pull(page, content.nonce, content.msg_type, &[]),
        Some(Content::DataDig(content)) => pull(page, content.nonce, content.msg_type, &content.digests),
        Some(Content::DataReq(content)) => pull(page, content.nonce, content.msg_type, &content.digests),
        Some(Content::DataUpdate(content)) => {
            pull(page, content.nonce, content.msg_type, &[]);
            page.field("holds", count(content.data.len(), "envelope"));
        }
        Some(Content::DataMsg(content)) => payloads(page, content.payload.as_slice()),
        Some(Content::StateRequest(content)) => {
            page.field("blocks", format_args!("{} to {}", content.start_seq_num, content.end_seq_num));
        }
        Some(Content::StateResponse(content)) => {
            page.field("holds", count(content.payloads.len(), "block"));
            payloads(page, &content.payloads);
        }
        Some(Content::MemReq(content)) => {
            if !content.known.is_empty() {
                page.field("known", count(content.known.len(), "item"));
            }
        }
        Some(Content::MemRes(content)) => {
            page.field("members", format_args!("{} alive, {} dead", content.alive.len(), content.dead.len()));
        }
        Some(Content::StateSnapshot(content)) => {
            page.field("holds", count(content.elements.len(), "peer"));
        }
        Some(Content::Ack(content)) => {
            let outcome = if content.error.is_empty() { "success".to_owned() } else { clean(&content.error) };
            page.field("outcome", outcome);
        }
        Some(Content::PrivateReq(content)) => {
            list(page, "wants", content.digests.iter().map(digest));
        }
        Some(Content::PrivateRes(content)) => {
            let elements = content.elements.iter().map(|element| {
                let digest = element.digest.as_ref().map_or_else(|| "no digest".to_owned(), digest);
                let bytes: usize = element.payload.iter().map(Bytes::len).sum();
                format!("{digest}: {bytes} bytes in {}", count(element.payload.len(), "read-write set"))
            });
            list(page, "holds", elements);
        }
        Some(Content::PrivateData(content)) => private_data(page, content),
        Some(Content::Empty(_)) => {}
        None => page.line("no content that is known"),
    }
}

/// The label stands before the first item only.
fn list(page: &mut Page, label: &str, items: impl ExactSizeIterator<Item = impl fmt::Display>) {
    let length = items.len();
    for (index, item) in items.take(ITEMS_MAX).enumerate() {
        page.field(if index == 0 { label } else { "" }, item);
    }
    if length > ITEMS_MAX {
        page.field("", format_args!("and {} more", length - ITEMS_MAX));
    }
}

fn alive(page: &mut Page, decoder: &Decoder, content: &AliveMessage) {
    if let Some(member) = &content.membership {
        page.field("peer", decoder.book.name(&member.pki_id));
        let endpoint =
            if member.endpoint.is_empty() { "none for others".to_owned() } else { clean(&member.endpoint) };
        page.field("endpoint", endpoint);
        if !member.metadata.is_empty() {
            page.field("metadata", format_args!("{} bytes", member.metadata.len()));
        }
    }
    life(page, content.timestamp.as_ref());
    if !content.identity.is_empty() {
        page.field("identity", identity_text(&content.identity));
    }
}

/// Of a process that counts its messages.
fn life(page: &mut Page, time: Option<&PeerTime>) {
    if let Some(time) = time {
        page.field("time", format_args!("started {}, message {}", nanoseconds(time.inc_num), time.seq_num));
    }
}

fn conn(page: &mut Page, decoder: &Decoder, content: &ConnEstablish) {
    page.field("peer", decoder.book.name(&content.pki_id));
    page.field("identity", identity_text(&content.identity));
    let is_bound = !content.tls_cert_hash.is_empty();
    page.field(
        "TLS certificate",
        if is_bound {
            format!("hash {}", short(&content.tls_cert_hash))
        } else {
            "none: TLS is off".to_owned()
        },
    );
    if content.probe {
        page.field("probe", "yes: only to authenticate");
    }
}

fn state_info(page: &mut Page, decoder: &Decoder, content: &StateInfo) {
    page.field("peer", decoder.book.name(&content.pki_id));
    let channel = match decoder.channel_of(&content.pki_id, &content.channel_mac) {
        Some(channel) => clean(channel),
        None => format!("MAC {}", short(&content.channel_mac)),
    };
    page.field("channel", channel);
    if let Some(properties) = &content.properties {
        page.field("height", properties.ledger_height);
        if properties.left_channel {
            page.field("left", "has left the channel");
        }
        list(page, "chaincode", properties.chaincodes.iter().map(chaincode));
    }
    if let Some(time) = &content.timestamp {
        let (joined, changed) = (nanoseconds(time.inc_num), nanoseconds(time.seq_num));
        page.field("time", format_args!("joined {joined}, changed {changed}"));
    }
}

pub(crate) fn chaincode(chaincode: &Chaincode) -> String {
    format!("{} {}", clean(&chaincode.name), clean(&chaincode.version))
}

fn leadership(page: &mut Page, decoder: &Decoder, content: &LeadershipMessage) {
    page.field("peer", decoder.book.name(&content.pki_id));
    page.field("says", if content.is_declaration { "I am the leader" } else { "I stand for election" });
    life(page, content.timestamp.as_ref());
}

fn pull(page: &mut Page, nonce: u64, msg_type: i32, digests: &[Bytes]) {
    page.field("pull", format_args!("round {nonce}"));
    let is_blocks = msg_type == PullMsgType::BlockMsg as i32;
    let shown = digests.iter().take(ITEMS_MAX);
    let mut text: Vec<String> =
        shown.map(|digest| if is_blocks { clean_bytes(digest) } else { short(digest) }).collect();
    if digests.len() > ITEMS_MAX {
        text.push(format!("and {} more", digests.len() - ITEMS_MAX));
    }
    if !text.is_empty() {
        page.field(if is_blocks { "blocks" } else { "identities" }, text.join(", "));
    }
}

/// The blocks themselves are shown with what they hold.
fn payloads(page: &mut Page, payloads: &[Payload]) {
    for payload in payloads.iter().filter(|payload| !payload.private_data.is_empty()) {
        let text = format!("for block {}: {}", payload.seq_num, count(payload.private_data.len(), "item"));
        page.field("private data", text);
    }
}

fn digest(digest: &PvtDataDigest) -> String {
    let transaction = match digest.tx_id.as_str() {
        "" => String::new(),
        tx_id => format!(" ({})", clean(&tx_id.chars().take(16).collect::<String>())),
    };
    let (block, index) = (digest.block_seq, digest.seq_in_block);
    let (namespace, collection) = (clean(&digest.namespace), clean(&digest.collection));
    format!("block {block}, transaction {index}{transaction}, {namespace}/{collection}")
}

fn private_data(page: &mut Page, content: &PrivateDataMessage) {
    let Some(payload) = &content.payload else { return };
    let (namespace, collection) = (clean(&payload.namespace), clean(&payload.collection_name));
    page.field("collection", format_args!("{namespace}/{collection}"));
    page.field("transaction", clean(&payload.tx_id));
    page.field("read-write set", format_args!("{} bytes", payload.private_rwset.len()));
    page.field("simulated at", format_args!("height {}", payload.private_sim_height));
}
