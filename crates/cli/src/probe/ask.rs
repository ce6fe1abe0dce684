//! What the peer tells over a full stream: identities, members, channels.

use super::Probe;
use super::explain;
use super::handshake::{Arrival, Peer, Stream, words};
use super::report::Step;
use crate::decode::Gossip;
use crate::show::{clean, count, hex, nanoseconds, short};
use bytes::Bytes;
use selvedge_proto::block::channel_mac;
use selvedge_proto::envelope::{ContentKind, ElementList, EnvelopeView, seal_unsigned};
use selvedge_proto::gossip::gossip_message::{Content, Tag};
use selvedge_proto::gossip::secret::Content as SecretContent;
use selvedge_proto::gossip::{
    AliveMessage, DataRequest, Envelope, GossipHello, GossipMessage, Member, MembershipRequest, PeerTime,
    PullMsgType, StateInfoPullRequest,
};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Members that are shown; of others only how many there are.
const MEMBERS_MAX: usize = 10_000;
/// Identities that are asked for.
const IDENTITIES_MAX: usize = 10_000;
/// A peer with nobody to tell of does not answer a hello.
const HELLO_PATIENCE: Duration = Duration::from_millis(1500);

impl Probe {
    /// Sends `message` and waits for what `wanted` picks out of what the peer sends.
    async fn ask<T>(
        &mut self,
        stream: &Stream,
        message: Bytes,
        patience: Duration,
        mut wanted: impl FnMut(&EnvelopeView) -> Option<T>,
    ) -> Result<(T, Bytes), Arrival> {
        stream.send(message);
        let until = Instant::now() + patience;
        loop {
            match self.next(stream, until).await {
                // what the peer pushes by itself is passed over
                Arrival::Envelope(envelope) => {
                    if let Some(found) =
                        EnvelopeView::parse(envelope.clone()).ok().and_then(|view| wanted(&view))
                    {
                        return Ok((found, envelope));
                    }
                }
                end => return Err(end),
            }
        }
    }

    /// Learns who is behind the PKI-IDs that will come, by an identity pull. Not getting them is no failure.
    pub(super) async fn ask_identities(&mut self, stream: &Stream) {
        let nonce = nonce();
        let patience = self.timeout.min(HELLO_PATIENCE);
        let msg_type = PullMsgType::IdentityMsg as i32;
        let pull = |content| seal_unsigned(&message(Tag::Empty, 0, Bytes::new(), content));
        let of_round = |kind| {
            move |view: &EnvelopeView| {
                (view.kind() == kind && view.pull().is_some_and(|pull| pull.nonce == nonce)).then_some(())
            }
        };
        let hello = pull(Content::Hello(GossipHello { nonce, metadata: Bytes::new(), msg_type }));
        let Ok(((), digest)) = self.ask(stream, hello, patience, of_round(ContentKind::DataDig)).await else {
            return;
        };
        let Some(Content::DataDig(digest)) = content_of(digest) else { return };
        let digests: Vec<Bytes> = digest.digests.into_iter().take(IDENTITIES_MAX).collect();
        let request = pull(Content::DataReq(DataRequest { nonce, digests, msg_type }));
        let answered = self.ask(stream, request, patience, of_round(ContentKind::DataUpdate)).await;
        if let Ok(((), update)) = answered {
            // reading it fills the book
            let _ = self.decoder.envelope(update);
        }
    }

    /// Asks for members, as a peer does that has just connected.
    pub(super) async fn ask_membership(&mut self, stream: &Stream, peer: &Peer) {
        let own_endpoint = self.setup.own_endpoint.clone();
        if peer.msp_id != self.setup.local.msp_id() && own_endpoint.is_empty() {
            self.report.step(Step::failed(
                "membership",
                "a peer of another organisation tells of members only to peers with an external endpoint",
                "announce one with --own-endpoint HOST:PORT; nobody has to listen there".to_owned(),
            ));
            return;
        }
        let begun = Instant::now();
        let nonce = nonce();
        let request = match self.membership_request(nonce, own_endpoint) {
            Ok(request) => request,
            Err(error) => {
                self.report.step(Step::failed("membership", format!("our signer failed: {error}"), None));
                return;
            }
        };
        let wanted =
            |view: &EnvelopeView| (view.kind() == ContentKind::MemRes && view.nonce() == nonce).then_some(());
        let answered = self.ask(stream, request, self.timeout, wanted).await;
        let answer = match answered {
            Ok(((), answer)) => answer,
            Err(end) => {
                let advice = "does a peer run with our identity? Then it has got the answer: use another one. A peer of \
                              another organisation answers only if it has an external endpoint itself \
                              (peer.gossip.externalEndpoint). See its log (logger gossip.discovery)";
                self.report.step(unanswered("membership", &end, advice));
                return;
            }
        };
        let step = match self.decoder.envelope(answer) {
            Ok(gossip) => {
                let step = membership(&gossip, &self.setup.local.pki_id(), |pki_id| self.describe(pki_id));
                let step = step.took(begun.elapsed());
                if self.setup.own_endpoint.is_empty() {
                    let note = "members of other organisations are told only to peers that announce an endpoint \
                                (--own-endpoint)";
                    step.detail("note", note)
                } else {
                    step
                }
            }
            Err(error) => Step::failed("membership", format!("its answer is damaged: {error}"), None),
        };
        self.report.step(step);
    }

    /// Our alive message is as old as can be: if a peer runs with this identity, others must not take this for a newer
    /// life of it.
    fn membership_request(&self, nonce: u64, endpoint: String) -> Result<Bytes, selvedge_msp::SignError> {
        let pki_id = Bytes::copy_from_slice(&self.setup.local.pki_id());
        let alive = AliveMessage {
            membership: Some(Member { endpoint, metadata: Bytes::new(), pki_id }),
            timestamp: Some(PeerTime { inc_num: 1, seq_num: 1 }),
            identity: self.setup.local.identity().clone(),
        };
        let signed = self.sign(&message(Tag::Empty, 0, Bytes::new(), Content::AliveMsg(alive)))?;
        let view = EnvelopeView::parse(signed).ok();
        let self_information = view.map(|view| Envelope {
            payload: view.payload_bytes(),
            signature: view.signature_bytes(),
            secret_envelope: None,
        });
        let request = MembershipRequest { self_information, known: Vec::new() };
        Ok(seal_unsigned(&message(Tag::Empty, nonce, Bytes::new(), Content::MemReq(request))))
    }

    /// Asks who is in a channel, and how far.
    pub(super) async fn ask_channel(&mut self, stream: &Stream, channel: &str) {
        let begun = Instant::now();
        let mac = channel_mac(&self.setup.local.pki_id(), channel.as_bytes());
        let request = StateInfoPullRequest { channel_mac: Bytes::copy_from_slice(&mac) };
        let request =
            seal_unsigned(&message(Tag::ChanOrOrg, 0, Bytes::new(), Content::StateInfoPullReq(request)));
        let wanted = |view: &EnvelopeView| {
            (view.kind() == ContentKind::StateSnapshot && view.channel() == channel.as_bytes()).then_some(())
        };
        let step = match self.ask(stream, request, self.timeout, wanted).await {
            Ok(((), answer)) => match self.decoder.envelope(answer) {
                Ok(gossip) => {
                    snapshot(&gossip, channel, |pki_id| self.describe(pki_id)).took(begun.elapsed())
                }
                Err(error) => Step::failed("channel", format!("its answer is damaged: {error}"), None),
            },
            Err(end) => {
                let advice = format!(
                    "has the peer joined {}, and is our organisation in that channel? A peer does not answer otherwise",
                    clean(channel)
                );
                unanswered("channel", &end, &advice).detail("channel", channel)
            }
        };
        self.report.step(step);
    }

    /// Name and MSP ID of a peer, if its identity is known.
    fn describe(&self, pki_id: &[u8]) -> Option<(String, String)> {
        let claimed = self.decoder.book.claimed(pki_id)?;
        Some((claimed.name(), claimed.msp_id.clone()))
    }
}

fn message(tag: Tag, nonce: u64, channel: Bytes, content: Content) -> GossipMessage {
    GossipMessage { nonce, channel, tag: tag as i32, content: Some(content) }
}

fn content_of(envelope: Bytes) -> Option<Content> {
    EnvelopeView::parse(envelope).ok()?.message().ok()?.content
}

/// Only tells answers apart; nobody gains by guessing it.
fn nonce() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(Instant::now())
}

fn unanswered(name: &'static str, end: &Arrival, advice: &str) -> Step {
    match end {
        Arrival::Closed(reason) => {
            let (text, words) = (reason.to_string(), words(reason));
            let advice = if text.ends_with(": Ok") { advice.to_owned() } else { explain::refusal(&words) };
            Step::failed(name, format!("no answer: {text}"), Some(advice))
        }
        _ => Step::failed(name, "no answer", Some(advice.to_owned())),
    }
}

/// The members in a membership response.
fn membership(gossip: &Gossip, own: &[u8], describe: impl Fn(&[u8]) -> Option<(String, String)>) -> Step {
    let (mut members, mut lines, mut wrong) = (Vec::new(), Vec::new(), 0);
    let (mut alive_count, mut dead_count) = (0, 0);
    for nested in gossip.nested.iter().take(MEMBERS_MAX) {
        let Ok(element) = &nested.gossip else {
            wrong += 1;
            continue;
        };
        let Some(Content::AliveMsg(alive)) = &element.message.content else { continue };
        let member = alive.membership.clone().unwrap_or_default();
        let is_alive = nested.list == Some(ElementList::Alive);
        let is_self = member.pki_id == own;
        if !is_self {
            *(if is_alive { &mut alive_count } else { &mut dead_count }) += 1;
        }
        let internal = element.secret.as_ref().and_then(|secret| secret.payload.as_ref().ok());
        let internal = internal.and_then(|secret| secret.content.as_ref()).map(|content| {
            let SecretContent::InternalEndpoint(endpoint) = content;
            endpoint.clone()
        });
        let started = alive.timestamp.as_ref().map_or(0, |time| time.inc_num);
        wrong += usize::from(element.verdict.ok() == Some(false));
        let (name, msp_id) = describe(&member.pki_id).unzip();
        if is_self {
            lines.push(format!("{:<5} {}  we ourselves", "us", short(&member.pki_id)));
            continue;
        }
        lines.push(format!(
            "{:<5} {}  {}  external {}, internal {}, started {}{}",
            if is_alive { "alive" } else { "dead" },
            short(&member.pki_id),
            who(name.as_deref(), msp_id.as_deref()),
            endpoint(Some(&member.endpoint)),
            endpoint(internal.as_deref()),
            nanoseconds(started),
            if element.verdict.ok() == Some(false) { ", signature WRONG" } else { "" },
        ));
        members.push(json!({
            "pki_id": hex(&member.pki_id),
            "alive": is_alive,
            "name": name,
            "msp_id": msp_id,
            "endpoint": member.endpoint,
            "internal_endpoint": internal,
            "started_ns": started.to_string(),
            "signature_ok": element.verdict.ok(),
        }));
    }
    more(&mut lines, gossip.nested.len());
    let step = Step::ok("membership", format!("{alive_count} alive, itself included, {dead_count} dead"))
        .shown_as("members", Value::Array(members), lines);
    wrong_signatures(step, wrong)
}

/// The members of a channel.
fn snapshot(gossip: &Gossip, channel: &str, describe: impl Fn(&[u8]) -> Option<(String, String)>) -> Step {
    let (mut members, mut lines, mut wrong, mut heights) = (Vec::new(), Vec::new(), 0, Vec::new());
    for nested in gossip.nested.iter().take(MEMBERS_MAX) {
        let Ok(element) = &nested.gossip else {
            wrong += 1;
            continue;
        };
        let Some(Content::StateInfo(info)) = &element.message.content else { continue };
        let properties = info.properties.clone().unwrap_or_default();
        let mac_fits = info.channel_mac == channel_mac(&info.pki_id, channel.as_bytes())[..];
        wrong += usize::from(element.verdict.ok() == Some(false) || !mac_fits);
        heights.push(properties.ledger_height);
        let (name, msp_id) = describe(&info.pki_id).unzip();
        let chaincodes: Vec<String> = properties
            .chaincodes
            .iter()
            .map(|chaincode| format!("{} {}", chaincode.name, chaincode.version))
            .collect();
        lines.push(format!(
            "{}  {}  height {}{}{}{}",
            short(&info.pki_id),
            who(name.as_deref(), msp_id.as_deref()),
            properties.ledger_height,
            if properties.left_channel { ", has left the channel" } else { "" },
            if chaincodes.is_empty() {
                String::new()
            } else {
                format!(", chaincodes: {}", chaincodes.join(", "))
            },
            if element.verdict.ok() == Some(false) { ", signature WRONG" } else { "" },
        ));
        members.push(json!({
            "pki_id": hex(&info.pki_id),
            "name": name,
            "msp_id": msp_id,
            "height": properties.ledger_height,
            "left_channel": properties.left_channel,
            "chaincodes": chaincodes,
            "signature_ok": element.verdict.ok(),
        }));
    }
    more(&mut lines, gossip.nested.len());
    let summary = match (heights.iter().min(), heights.iter().max()) {
        (Some(low), Some(high)) if low == high => {
            format!("{}: {}, all at height {high}", clean(channel), count(heights.len(), "member"))
        }
        (Some(low), Some(high)) => {
            format!("{}: {}, heights {low} to {high}", clean(channel), count(heights.len(), "member"))
        }
        _ => format!("{}: joined, but nobody has announced itself yet", clean(channel)),
    };
    let step = Step::ok("channel", summary).shown_as("channel", channel, Vec::new()).shown_as(
        "members",
        Value::Array(members),
        lines,
    );
    wrong_signatures(step, wrong)
}

fn wrong_signatures(step: Step, wrong: usize) -> Step {
    if wrong == 0 {
        return step;
    }
    step.fail(
        &format!("{} damaged or wrongly signed", count(wrong, "message")),
        "a peer that passes such messages on is not to be trusted; or the MSPs known here are outdated",
    )
}

fn more(lines: &mut Vec<String>, count: usize) {
    if count > MEMBERS_MAX {
        lines.push(format!("and {} more", count - MEMBERS_MAX));
    }
}

fn who(name: Option<&str>, msp_id: Option<&str>) -> String {
    match (name, msp_id) {
        (Some(name), Some(msp_id)) => format!("{} ({})", clean(name), clean(msp_id)),
        _ => "somebody whose identity was not told".to_owned(),
    }
}

fn endpoint(endpoint: Option<&str>) -> String {
    match endpoint {
        None | Some("") => "none".to_owned(),
        Some(endpoint) => clean(endpoint),
    }
}
