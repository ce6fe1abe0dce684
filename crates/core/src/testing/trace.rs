//! Inputs and outputs as short lines.

use crate::ids::PkiId;
use crate::input::{Command, Input};
use crate::output::{Event, Output};
use bytes::Bytes;
use core::fmt::Write;
use selvedge_proto::decode;
use selvedge_proto::envelope::{ContentKind, ElementList, EnvelopeView};
use selvedge_proto::gossip::{
    ConnEstablish, DataDigest, DataRequest, RemoteStateRequest, RemoteStateResponse, StateInfo,
};
use selvedge_proto::msp::SerializedIdentity;
use std::collections::BTreeMap;

type Names = BTreeMap<PkiId, String>;

/// An envelope in short: its content, what tells it from others of its kind, and the names of the peers it is about.
pub fn describe(envelope: &Bytes, names: &BTreeMap<PkiId, String>) -> String {
    let Ok(view) = EnvelopeView::parse(envelope.clone()) else { return "unparsable".to_owned() };
    let mut text = view.kind().name().to_owned();
    let channel = String::from_utf8_lossy(view.channel());
    if !channel.is_empty() {
        let _ = write!(text, " {channel}");
    }
    if let Some(content) = content(&view, names) {
        let _ = write!(text, " {content}");
    }
    if view.secret().is_some() {
        text.push_str(" +secret");
    }
    text
}

fn content(view: &EnvelopeView, names: &Names) -> Option<String> {
    let count = |list| view.elements().filter(|element| matches!(element, Ok(it) if it.list == list)).count();
    let texts = |list| {
        let of_list = view.elements().filter_map(Result::ok).filter(|element| element.list == list);
        of_list.map(|element| describe(&element.envelope, names)).collect::<Vec<_>>().join(", ")
    };
    Some(match view.kind() {
        ContentKind::AliveMsg => {
            let key = view.alive_key()?;
            let identity = view.content_as::<selvedge_proto::gossip::AliveMessage>().ok()?.identity;
            let identity = if identity.is_empty() { "" } else { " +identity" };
            format!("{} {}{identity}", named(key.pki_id, names), key.seq_num)
        }
        ContentKind::Conn => {
            let conn: ConnEstablish = view.content_as().ok()?;
            format!("{}{}", named(&conn.pki_id, names), if conn.probe { " probe" } else { "" })
        }
        ContentKind::MemReq => format!("[{}]", texts(ElementList::SelfInformation)),
        ContentKind::MemRes => format!("[{}] dead [{}]", texts(ElementList::Alive), texts(ElementList::Dead)),
        ContentKind::DataMsg => format!("#{}", view.block_number()?),
        ContentKind::DataDig => digests(&view.content_as::<DataDigest>().ok()?.digests, names),
        ContentKind::DataReq => digests(&view.content_as::<DataRequest>().ok()?.digests, names),
        ContentKind::DataUpdate => format!("[{}]", texts(ElementList::Data)),
        ContentKind::StateInfo => {
            let key = view.state_info_key()?;
            let properties = view.content_as::<StateInfo>().ok()?.properties.unwrap_or_default();
            let left = if properties.left_channel { " left" } else { "" };
            format!("{} height {}{left}", named(key.pki_id, names), properties.ledger_height)
        }
        ContentKind::StateSnapshot => format!("{} elements", count(ElementList::Snapshot)),
        ContentKind::StateRequest => {
            let request: RemoteStateRequest = view.content_as().ok()?;
            format!("{}..={}", request.start_seq_num, request.end_seq_num)
        }
        ContentKind::StateResponse => {
            let response: RemoteStateResponse = view.content_as().ok()?;
            let numbers: Vec<String> =
                response.payloads.iter().map(|it| format!("#{}", it.seq_num)).collect();
            format!("[{}]", numbers.join(" "))
        }
        _ => return None,
    })
}

fn digests(digests: &[Bytes], names: &Names) -> String {
    let text = |digest: &Bytes| match PkiId::from_wire(digest) {
        Some(_) => named(digest, names),
        None => String::from_utf8_lossy(digest).into_owned(),
    };
    format!("[{}]", digests.iter().map(text).collect::<Vec<_>>().join(" "))
}

fn named(pki_id: &[u8], names: &Names) -> String {
    match PkiId::from_wire(pki_id) {
        Some(pki_id) => name(&pki_id, names),
        None => "?".to_owned(),
    }
}

fn name(pki_id: &PkiId, names: &Names) -> String {
    names.get(pki_id).cloned().unwrap_or_else(|| format!("{pki_id:?}"))
}

/// An input in one line.
pub fn input(input: &Input, names: &BTreeMap<PkiId, String>) -> String {
    match input {
        Input::Deadline => "deadline".to_owned(),
        Input::Dialed { connection, .. } => format!("dialed {connection:?}"),
        Input::DialFailed { connection, reason } => format!("dial {connection:?} failed: {reason}"),
        Input::Accepted { connection, .. } => format!("accepted {connection:?}"),
        Input::Frame { connection, envelope } => {
            format!("{connection:?} {}", describe(envelope.bytes(), names))
        }
        Input::Closed { connection, reason } => format!("closed {connection:?}: {reason}"),
        Input::Signed { ticket, signature } => {
            format!("{} {ticket:?}", if signature.is_some() { "signed" } else { "not signed" })
        }
        Input::IdentityChecked { ticket, claims: Some(claims) } => {
            format!("identity {ticket:?} is {}", name(&claims.pki_id, names))
        }
        Input::IdentityChecked { ticket, claims: None } => format!("identity {ticket:?} refused"),
        Input::Verified { ticket, ok } => {
            format!("{} {ticket:?}", if *ok { "verified" } else { "not verified" })
        }
        Input::BlockVerified { ticket, block } => match block {
            Some(block) if block.is_config => format!("block {ticket:?} verified, a configuration"),
            Some(_) => format!("block {ticket:?} verified"),
            None => format!("block {ticket:?} refused"),
        },
        Input::BlocksRead { ticket, blocks } => {
            let numbers: Vec<String> = blocks.iter().map(|(number, _)| format!("#{number}")).collect();
            format!("read {ticket:?} [{}]", numbers.join(" "))
        }
        Input::Committed { channel, height } => format!("committed {channel} below {height}"),
        Input::CommitRefused { channel, number } => format!("commit of {channel} #{number} refused"),
        Input::Mended { channel, number, ok } => {
            format!("{channel} #{number} {}", if *ok { "mended" } else { "not mended" })
        }
        Input::BlockDelivered { channel, number, .. } => format!("orderer sends {channel} #{number}"),
        Input::Command(Command::ConfigureChannel(settings)) => {
            format!(
                "configure {} sequence {} height {}",
                settings.channel, settings.sequence, settings.height
            )
        }
        Input::Command(Command::LeaveChannel(channel)) => format!("leave {channel}"),
        Input::Command(Command::ObtainBlocks { channel, first, last }) => {
            format!("obtain {channel} #{first}..=#{last}")
        }
    }
}

/// An output in one line.
pub fn output(output: &Output, names: &BTreeMap<PkiId, String>) -> String {
    match output {
        Output::Dial { connection, endpoint } => format!("dial {connection:?} {endpoint}"),
        Output::Send { connection, envelope, .. } => {
            format!("{connection:?} {}", describe(envelope.bytes(), names))
        }
        Output::Close { connection, reason } => format!("close {connection:?}: {reason:?}"),
        Output::Sign { ticket, message } => format!("sign {ticket:?} {} bytes", message.len()),
        Output::Verify { ticket, identity, secret, readers_of, .. } => {
            let readers =
                readers_of.as_ref().map(|channel| format!(" as reader of {channel}")).unwrap_or_default();
            let secret = if secret.is_some() { " and secret" } else { "" };
            format!("verify {ticket:?} of {}{secret}{readers}", shown(identity))
        }
        Output::CheckIdentity { ticket, identity } => {
            format!("check {ticket:?} {}", shown(identity))
        }
        Output::VerifyBlock { ticket, channel, number, .. } => {
            format!("verify {ticket:?} {channel} #{number}")
        }
        Output::ReadBlocks { ticket, channel, first, last, .. } => {
            format!("read {ticket:?} {channel} #{first}..=#{last}")
        }
        Output::Commit { channel, number, .. } => format!("commit {channel} #{number}"),
        Output::Mend { channel, number, .. } => format!("mend {channel} #{number}"),
        Output::HoldDelivery { channel, hold } => {
            format!("{} {channel}", if *hold { "hold" } else { "resume" })
        }
        Output::Event(event) => format!("* {}", self::event(event, names)),
    }
}

/// The text that an identity is in tests, or of a real one the MSP ID and a sum that tells it from others.
fn shown(identity: &Bytes) -> String {
    match core::str::from_utf8(identity) {
        Ok(text) if !text.contains(char::is_control) => text.to_owned(),
        _ => {
            let msp_id =
                decode::<SerializedIdentity>(identity.clone()).map(|it| it.mspid).unwrap_or_default();
            format!("{msp_id}|{:?}", super::crypto::pki_id(identity))
        }
    }
}

fn event(event: &Event, names: &Names) -> String {
    match event {
        Event::Connected { connection, pki_id, org } => {
            format!("connected {connection:?} to {} of {org}", name(pki_id, names))
        }
        Event::Disconnected { connection, pki_id } => {
            format!("disconnected {connection:?} from {}", name(pki_id, names))
        }
        Event::MemberAlive { pki_id, endpoint, .. } => format!("alive {} at {endpoint}", name(pki_id, names)),
        Event::MemberDead { pki_id } => format!("dead {}", name(pki_id, names)),
        Event::MemberForgotten { pki_id } => format!("forgotten {}", name(pki_id, names)),
        Event::HeightAnnounced { channel, pki_id, height } => {
            format!("height of {} in {channel}: {height}", name(pki_id, names))
        }
        Event::BlockAccepted { channel, number, source } => {
            format!("block {channel} #{number} by {source:?}")
        }
        Event::DeliveryRefused { channel, number } => format!("delivery refused {channel} #{number}"),
        Event::Rejected { from, kind, reason } => {
            let from = from.map(|from| format!(" from {}", name(&from, names))).unwrap_or_default();
            format!("rejected {kind}{from}: {reason}")
        }
        Event::IdentityInUse { endpoint } => format!("own identity in use at {endpoint}"),
    }
}
