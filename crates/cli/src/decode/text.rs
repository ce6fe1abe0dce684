//! Records as readable text: PKI-IDs short, times human, what is nested indented.

mod contents;

use super::gossip::{DecodedSecret, Decoder, Gossip, Nested};
use super::json::list_name;
use crate::show::{Page, clean, clean_bytes};
use crate::trust::Verdict;
use selvedge_proto::gossip::GossipMessage;
use selvedge_proto::gossip::gossip_message::Tag;
use selvedge_proto::gossip::secret::Content as SecretContent;
use selvedge_proto::msp::SerializedIdentity;

/// A record of `size` bytes at `offset`.
pub(super) fn write(page: &mut Page, decoder: &Decoder, offset: u64, size: usize, gossip: &Gossip) {
    page.line(format_args!("{offset}: {}, {size} bytes{}", gossip.kind, header(&gossip.message)));
    page.indented(|page| write_body(page, decoder, gossip));
}

/// Tag, channel and nonce, where there are any.
fn header(message: &GossipMessage) -> String {
    let mut text = match Tag::try_from(message.tag) {
        Ok(Tag::Undefined) => String::new(),
        Ok(tag) => format!(", tag {}", tag.as_str_name()),
        Err(_) => format!(", tag {}", message.tag),
    };
    if !message.channel.is_empty() {
        text.push_str(&format!(", channel {}", clean_bytes(&message.channel)));
    }
    if message.nonce != 0 {
        text.push_str(&format!(", nonce {}", message.nonce));
    }
    text
}

fn write_body(page: &mut Page, decoder: &Decoder, gossip: &Gossip) {
    contents::write(page, decoder, &gossip.message);
    for block in &gossip.blocks {
        match block {
            Ok(block) => block.write(page),
            Err(error) => page.field("block", format_args!("DAMAGED: {error}")),
        }
    }
    if let Some(secret) = &gossip.secret {
        write_secret(page, secret);
    }
    if let Some(text) = signature(gossip) {
        page.field("signature", text);
    }
    if let Some(malformed) = &gossip.malformed {
        page.field("malformed", format_args!("{malformed}: no peer accepts it"));
    }
    for (index, nested) in gossip.nested.iter().enumerate() {
        write_nested(page, decoder, index, nested);
    }
}

fn write_nested(page: &mut Page, decoder: &Decoder, index: usize, nested: &Nested) {
    let list = nested.list.map_or("nested", list_name);
    match &nested.gossip {
        Ok(gossip) => {
            page.line(format_args!("{list} {index}: {}{}", gossip.kind, header(&gossip.message)));
            page.indented(|page| write_body(page, decoder, gossip));
        }
        Err(error) => page.line(format_args!("{list} {index}: DAMAGED: {error}")),
    }
}

fn write_secret(page: &mut Page, secret: &DecodedSecret) {
    let content = match &secret.payload {
        Ok(payload) => match &payload.content {
            Some(SecretContent::InternalEndpoint(endpoint)) => {
                format!("internal endpoint {}", clean(endpoint))
            }
            None => "empty".to_owned(),
        },
        Err(error) => format!("DAMAGED: {error}"),
    };
    page.field("secret", content);
}

/// Nothing for what is neither signed nor has to be.
fn signature(gossip: &Gossip) -> Option<String> {
    let is_absent = gossip.signature.as_ref().is_none_or(|signature| signature.is_empty());
    match &gossip.verdict {
        Verdict::Good => Some("ok".to_owned()),
        Verdict::Bad(reason) => Some(format!("WRONG: {}", clean(reason))),
        Verdict::Unknown(_) if is_absent => None,
        Verdict::Unknown(reason) => Some(format!("not checked: {}", clean(reason))),
    }
}

/// MSP ID and certificate of an identity.
fn identity_text(serialized: &[u8]) -> String {
    let Ok(identity) = selvedge_proto::decode::<SerializedIdentity>(serialized.to_vec()) else {
        return "DAMAGED: not a serialized identity".to_owned();
    };
    match crate::show::Claimed::read(serialized).and_then(|claimed| claimed.certificate) {
        Some(certificate) => format!(
            "{}, {}, expires {}",
            clean(&identity.mspid),
            clean(&certificate.subject),
            crate::show::seconds(certificate.not_after_seconds)
        ),
        None => format!("{}, with a certificate that cannot be read", clean(&identity.mspid)),
    }
}
