//! What peers say: whole messages, most of them in place, and changed ones.

use super::harness::{CHANNELS, Harness, Link, ORGS, START, genuine};
use crate::PkiId;
use crate::testing::crypto;
use crate::testing::messages::{self, Alive};
use arbitrary::{Result, Unstructured};
use bytes::Bytes;
use selvedge_proto::decode;
use selvedge_proto::digest::of_block;
use selvedge_proto::envelope::seal;
use selvedge_proto::fuzzing::edited;
use selvedge_proto::gossip::gossip_message::{Content, Tag};
use selvedge_proto::gossip::{
    Acknowledgement, DataDigest, DataMessage, DataRequest, DataUpdate, Envelope, GossipHello, GossipMessage,
    LeadershipMessage, Payload, PeerIdentity, PeerTime, Properties, PullMsgType, RemotePvtDataRequest,
    RemoteStateRequest, RemoteStateResponse, StateInfo, StateInfoPullRequest, StateInfoSnapshot,
};

type Source<'a, 'b> = &'a mut Unstructured<'b>;

/// The names of those who speak, with their organisation's place.
const PEOPLE: [(usize, &str); 10] = [
    (0, "peer1"),
    (0, "peer2"),
    (0, "peer2~variant"),
    (0, "peer2~another"),
    (0, "me"),
    (1, "peer5"),
    (1, "peer6"),
    (1, "expired7"),
    (0, "soon8"),
    (2, "peer9"),
];

fn person(source: Source<'_, '_>) -> Result<Bytes> {
    let byte = source.arbitrary::<u8>()?;
    let (org, name) = PEOPLE[usize::from(byte) % PEOPLE.len()];
    // more of them than any bound allows
    let name = if byte >= 160 { format!("peer{byte}") } else { name.to_owned() };
    Ok(crypto::identity(ORGS[org], &name))
}

fn pki_id(identity: &Bytes) -> Bytes {
    Bytes::copy_from_slice(crypto::pki_id(identity).as_bytes())
}

/// A handshake that fits the link, as a rule.
pub(super) fn handshake(source: Source<'_, '_>, link: Option<&Link>) -> Result<Bytes> {
    let identity = person(source)?;
    let remote = link.and_then(|link| link.binding).and_then(|binding| binding.remote);
    let (hash, probe) = match source.arbitrary::<u8>()? {
        0..16 => (None, false),
        16..32 => (Some([9; 32]), false),
        32..48 => (remote, true),
        _ => (remote, false),
    };
    Ok(messages::conn(&identity, hash, probe))
}

/// A frame: a message of any kind, some of them changed.
pub(super) fn frame(source: Source<'_, '_>, harness: &Harness, link: Option<&Link>) -> Result<Bytes> {
    let envelope = match source.arbitrary::<u8>()? % 24 {
        0 => handshake(source, link)?,
        1..5 => alive(source)?.seal(),
        5 => alive(source)?.seal_forged(),
        6 => messages::membership_request(&alive(source)?.seal(), source.arbitrary::<u8>()?.into()),
        7 => {
            let (alive, dead) = (
                some(source, |source| Ok(alive(source)?.seal()))?,
                some(source, |source| Ok(alive(source)?.seal()))?,
            );
            messages::membership_response(&alive, &dead, nonce(source, link)?)
        }
        8..13 => pull(source, harness, link)?,
        13..16 => state_info(source, harness)?,
        16 => {
            let elements = some(source, |source| state_info(source, harness))?;
            let elements = elements.iter().map(nested).collect();
            of_channel(source, Tag::ChanOrOrg, Content::StateSnapshot(StateInfoSnapshot { elements }))?
        }
        17 => {
            let (identity, channel) = (person(source)?, channel(source)?);
            let channel_mac = mac(&identity, channel);
            let content = Content::StateInfoPullReq(StateInfoPullRequest { channel_mac });
            messages::unsigned(&messages::message(Tag::ChanOrOrg, content))
        }
        18 => {
            let (first, count) = source.arbitrary::<(u8, u8)>()?;
            let (start_seq_num, end_seq_num) =
                (first.into(), u64::from(first).wrapping_add(count.into()).wrapping_sub(3));
            let content = Content::StateRequest(RemoteStateRequest { start_seq_num, end_seq_num });
            of_channel(source, Tag::ChanOrOrg, content)?
        }
        19 => state_response(source, harness, link)?,
        20 | 21 => data(source, harness)?,
        22 => other(source)?,
        _ => source
            .bytes(usize::from(source.peek_bytes(1).map_or(0, |it| it[0])).min(source.len()))?
            .to_vec()
            .into(),
    };
    change(source, envelope)
}

/// One of three envelopes is changed: fields within, or bytes.
fn change(source: Source<'_, '_>, envelope: Bytes) -> Result<Bytes> {
    match source.arbitrary::<u8>()? {
        0..64 => {
            let script = script(source)?;
            Ok(edited(&envelope, script).into())
        }
        64..80 => {
            let mut bytes = envelope.to_vec();
            let place = usize::from(source.arbitrary::<u16>()?).checked_rem(bytes.len()).unwrap_or(0);
            match bytes.get_mut(place) {
                Some(byte) if place % 2 == 0 => *byte ^= source.arbitrary::<u8>()?,
                _ => bytes.truncate(place),
            }
            Ok(bytes.into())
        }
        80..96 => {
            // changed before it was signed: what an origin can do, who may be anybody
            let Ok(parsed) = decode::<Envelope>(envelope.clone()) else { return Ok(envelope) };
            let payload = edited(&parsed.payload, script(source)?);
            Ok(seal(&payload, &crypto::sign(&person(source)?, &payload), None))
        }
        _ => Ok(envelope),
    }
}

fn script<'b>(source: &mut Unstructured<'b>) -> Result<&'b [u8]> {
    let length = usize::from(source.arbitrary::<u8>()? % 24).min(source.len());
    source.bytes(length)
}

/// Up to seven of something.
fn some<T>(source: Source<'_, '_>, mut make: impl FnMut(Source<'_, '_>) -> Result<T>) -> Result<Vec<T>> {
    let count = source.arbitrary::<u8>()? % 8;
    (0..count).map(|_| make(source)).collect()
}

fn nested(envelope: &Bytes) -> Envelope {
    decode(envelope.clone()).unwrap_or_default()
}

fn channel(source: Source<'_, '_>) -> Result<&'static str> {
    Ok(match source.arbitrary::<u8>()? {
        0..200 => CHANNELS[0],
        200..240 => CHANNELS[1],
        _ => CHANNELS[2],
    })
}

fn of_channel(source: Source<'_, '_>, tag: Tag, content: Content) -> Result<Bytes> {
    let channel = Bytes::from_static(channel(source)?.as_bytes());
    let nonce = source.arbitrary::<u8>()?.into();
    Ok(messages::unsigned(&GossipMessage { nonce, channel, tag: tag as i32, content: Some(content) }))
}

/// What the peer said last on this link, as a rule.
fn nonce(source: Source<'_, '_>, link: Option<&Link>) -> Result<u64> {
    let byte = source.arbitrary::<u8>()?;
    Ok(link.filter(|_| byte < 200).map_or_else(|| byte.into(), |link| link.heard_nonce))
}

/// Small numbers, and extreme ones.
fn number(source: Source<'_, '_>) -> Result<u64> {
    Ok(match source.arbitrary::<u8>()? {
        byte @ ..240 => byte.into(),
        240..244 => u64::MAX,
        244..248 => START.as_nanos(),
        _ => source.arbitrary()?,
    })
}

fn alive(source: Source<'_, '_>) -> Result<Alive> {
    let mut alive = Alive::new(&person(source)?, number(source)?);
    let flags = source.arbitrary::<u8>()?;
    if flags & 1 == 0 {
        alive.embed_identity = true;
    }
    if flags & 6 == 0 {
        alive = alive.with_secret(if flags & 8 == 0 { "peer.internal:7051" } else { "" });
    }
    if flags & 0x30 == 0x30 {
        alive.inc_num = number(source)?;
    }
    if flags & 0xc0 == 0xc0 {
        alive.endpoint = ["", "me:7051", "peer1:7051", "no endpoint"][usize::from(flags & 3)].to_owned();
        alive.metadata = Bytes::from(vec![flags; usize::from(source.arbitrary::<u8>()? % 32)]);
    }
    Ok(alive)
}

fn mac(identity: &Bytes, channel: &str) -> Bytes {
    Bytes::copy_from_slice(&messages::channel_mac(&crypto::pki_id(identity), channel))
}

fn state_info(source: Source<'_, '_>, harness: &Harness) -> Result<Bytes> {
    let (identity, channel) = (person(source)?, channel(source)?);
    let timestamp = PeerTime { inc_num: 1, seq_num: number(source)? };
    let flags = source.arbitrary::<u8>()?;
    let height = match flags & 3 {
        0 => number(source)?,
        _ => harness.height(channel).saturating_add(u64::from(flags >> 5)),
    };
    let properties =
        Properties { ledger_height: height, left_channel: flags & 12 == 12, chaincodes: Vec::new() };
    let content = StateInfo {
        timestamp: Some(timestamp),
        pki_id: pki_id(&identity),
        channel_mac: mac(&identity, channel),
        properties: Some(properties),
    };
    Ok(messages::signed(&identity, &messages::message(Tag::ChanOrOrg, Content::StateInfo(content))))
}

/// A block near the end of a ledger, as a rule a right one.
pub(super) fn block(source: Source<'_, '_>, height: u64) -> Result<(u64, Bytes)> {
    let byte = source.arbitrary::<u8>()?;
    let number = height.saturating_add(u64::from(byte >> 4)).saturating_sub(2);
    let size = usize::from(byte & 3) * 150;
    Ok(match byte & 12 {
        12 => {
            let script = script(source)?;
            (number, edited(&genuine(number, size), script).into())
        }
        8 => (number.wrapping_add(1), genuine(number, size)),
        _ => (number, genuine(number, size)),
    })
}

fn payload(source: Source<'_, '_>, harness: &Harness, channel: &str) -> Result<Payload> {
    let (seq_num, data) = block(source, harness.height(channel))?;
    Ok(Payload { seq_num, data, private_data: Vec::new() })
}

fn data(source: Source<'_, '_>, harness: &Harness) -> Result<Bytes> {
    let channel = channel(source)?;
    let content = DataMessage { payload: Some(payload(source, harness, channel)?) };
    Ok(messages::unsigned(&GossipMessage {
        nonce: 0,
        channel: Bytes::from_static(channel.as_bytes()),
        tag: Tag::ChanAndOrg as i32,
        content: Some(Content::DataMsg(content)),
    }))
}

fn state_response(source: Source<'_, '_>, harness: &Harness, link: Option<&Link>) -> Result<Bytes> {
    let channel = channel(source)?;
    let payloads = some(source, |source| payload(source, harness, channel))?;
    Ok(messages::unsigned(&GossipMessage {
        nonce: nonce(source, link)?,
        channel: Bytes::from_static(channel.as_bytes()),
        tag: Tag::ChanOrOrg as i32,
        content: Some(Content::StateResponse(RemoteStateResponse { payloads })),
    }))
}

/// A step of a pull of blocks or identities.
fn pull(source: Source<'_, '_>, harness: &Harness, link: Option<&Link>) -> Result<Bytes> {
    let of_blocks = source.arbitrary()?;
    let channel = channel(source)?;
    let msg_type = if of_blocks { PullMsgType::BlockMsg } else { PullMsgType::IdentityMsg } as i32;
    let nonce = nonce(source, link)?;
    let content = match source.arbitrary::<u8>()? % 4 {
        0 => Content::Hello(GossipHello { nonce, metadata: Bytes::new(), msg_type }),
        1 => Content::DataDig(DataDigest { nonce, digests: digests(source, harness, of_blocks)?, msg_type }),
        2 => Content::DataReq(DataRequest { nonce, digests: digests(source, harness, of_blocks)?, msg_type }),
        _ => {
            let item = |source: Source<'_, '_>| match of_blocks {
                true => data(source, harness),
                false => identity(source),
            };
            let data = some(source, item)?.iter().map(nested).collect();
            Content::DataUpdate(DataUpdate { nonce, data, msg_type })
        }
    };
    let (tag, channel) = if of_blocks { (Tag::ChanAndOrg, channel) } else { (Tag::Empty, "") };
    let channel = Bytes::from_static(channel.as_bytes());
    Ok(messages::unsigned(&GossipMessage { nonce: 0, channel, tag: tag as i32, content: Some(content) }))
}

fn digests(source: Source<'_, '_>, harness: &Harness, of_blocks: bool) -> Result<Vec<Bytes>> {
    let height = harness.height(CHANNELS[0]);
    some(source, |source| {
        Ok(match (of_blocks, source.arbitrary::<u8>()?) {
            (_, 240..) => Bytes::from_static(b"18446744073709551616"),
            (true, byte) => of_block(height.saturating_add(u64::from(byte >> 4)).saturating_sub(3)),
            (false, _) => pki_id(&person(source)?),
        })
    })
}

fn identity(source: Source<'_, '_>) -> Result<Bytes> {
    let identity = person(source)?;
    let (claimed, metadata) = match source.arbitrary::<u8>()? {
        0..16 => (Bytes::copy_from_slice(PkiId::new([3; 32]).as_bytes()), Bytes::new()),
        _ => (pki_id(&identity), Bytes::new()),
    };
    let content = PeerIdentity { pki_id: claimed, cert: identity.clone(), metadata };
    Ok(messages::signed(&identity, &messages::message(Tag::Empty, Content::PeerIdentity(content))))
}

/// What this peer takes no part in.
fn other(source: Source<'_, '_>) -> Result<Bytes> {
    let content = match source.arbitrary::<u8>()? % 4 {
        0 => Content::Ack(Acknowledgement { error: "no".to_owned() }),
        1 => Content::PrivateReq(RemotePvtDataRequest::default()),
        2 => return identity(source),
        _ => {
            let identity = person(source)?;
            let timestamp = Some(PeerTime { inc_num: 1, seq_num: number(source)? });
            let content = LeadershipMessage { pki_id: pki_id(&identity), timestamp, is_declaration: true };
            let channel = Bytes::from_static(CHANNELS[0].as_bytes());
            let content = Some(Content::LeadershipMsg(content));
            let message = GossipMessage { nonce: 0, channel, tag: Tag::ChanAndOrg as i32, content };
            return Ok(messages::signed(&identity, &message));
        }
    };
    of_channel(source, Tag::ChanOnly, content)
}
