//! The recorded streams replayed against a peer in the recorded identity: what it answers is compared, in kind and in
//! content, with what the Go peer answered.
//!
//! A stream shows only a part of what the Go peer knew. So before a request is replayed, the peer is taught what the Go
//! peer's answer to it shows: from a third peer it hears the same StateInfo and alive messages, from its orderer it gets the
//! same blocks. Then both have to make the same of it. Each stream is replayed twice, once for each end.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod recording;
mod stage;

use bytes::Bytes;
use core::time::Duration;
use recording::{Person, Recorded, Stream, people, streams};
use selvedge_core::{ConnectionId, Misbehaviour, PkiId, Reject};
use selvedge_proto::block::restore_orderer_form;
use selvedge_proto::common::Block;
use selvedge_proto::decode;
use selvedge_proto::envelope::{ContentKind, ElementList, EnvelopeView};
use selvedge_proto::gossip::gossip_message::Content;
use selvedge_proto::gossip::{ConnEstablish, DataDigest, GossipMessage, PullMsgType, RemoteStateResponse};
use stage::{PRELUDE, Stage};
use std::collections::{BTreeMap, BTreeSet};

/// How many answers of each kind were compared.
type Tally = BTreeMap<&'static str, usize>;

#[test]
fn answers_are_those_of_the_go_peer() {
    let people = people();
    let mut tally = Tally::new();
    for stream in streams() {
        for dialer in [false, true] {
            Replay::new(&people, &stream, dialer).run(&mut tally);
        }
    }
    // so that no kind is left out unnoticed
    let expected = Tally::from([
        ("ConnEstablish", 14),
        ("DataDigest of blocks", 58),
        ("DataDigest of identities", 95),
        ("DataRequest of blocks", 2),
        ("DataUpdate of blocks", 2),
        ("DataUpdate of identities", 7),
        ("MembershipResponse", 99),
        ("RemoteStateResponse", 1),
        ("StateInfoSnapshot", 80),
        ("StateInfoSnapshot, equal", 68),
    ]);
    assert_eq!(tally, expected);
}

struct Replay<'a> {
    stream: &'a Stream,
    people: &'a [Person],
    /// Which end the peer under test is.
    dialer: bool,
    me: &'a Person,
    other: &'a Person,
    stage: Stage,
    connection: Option<ConnectionId>,
    /// For each request of the other end, by its place, the Go peer's answers.
    answers: BTreeMap<usize, Vec<usize>>,
    /// What waits for the peer's next hello, by type.
    offers: BTreeMap<i32, Offer>,
    /// What the peer said since the last message.
    heard: Vec<EnvelopeView>,
}

impl<'a> Replay<'a> {
    fn new(people: &'a [Person], stream: &'a Stream, dialer: bool) -> Self {
        let (me, other) = (stream.end(people, dialer), stream.end(people, !dialer));
        let origin = stream.messages[0].at - PRELUDE.as_nanos() as u64;
        // what the Go peer offers or asks for, it did not have at first; nor what is pushed
        let told = stream
            .messages
            .iter()
            .filter(|message| message.from_dialer == dialer || message.view.kind() == ContentKind::DataMsg);
        let numbers = told.flat_map(|message| numbers(&message.view));
        let height = numbers.filter(|number| *number > 0).min().unwrap_or(1);
        let stage = Stage::new(people, me, other, origin, height, stream.blocks());
        let answers = answers(&stream.messages, dialer);
        let offers = BTreeMap::new();
        Self {
            stream,
            people,
            dialer,
            me,
            other,
            stage,
            connection: None,
            answers,
            offers,
            heard: Vec::new(),
        }
    }

    fn run(mut self, tally: &mut Tally) {
        // somebody to learn from, already in the prelude
        self.stage.meet_teacher();
        self.stage.advance(self.stream.messages[0].at);
        for place in 0..self.stream.messages.len() {
            let message = &self.stream.messages[place];
            self.stage.advance(message.at);
            self.react(tally);
            self.heard.clear();
            if message.from_dialer == self.dialer {
                continue;
            }
            let answers = self.answers.get(&place).cloned().unwrap_or_default();
            for answer in &answers {
                self.learn(&self.stream.messages[*answer].view);
            }
            self.hear(message, &answers, tally);
            self.react(tally);
            for answer in answers {
                let expected = &self.stream.messages[answer].view;
                self.compare(expected, tally);
            }
        }
        self.check_refusals();
    }

    fn at(&self) -> String {
        format!("{} as {}", self.stream.name, self.me.name)
    }

    /// Teaches the peer what the Go peer's answer shows that it knew.
    fn learn(&mut self, answer: &EnvelopeView) {
        // what it asked for, it did not have
        let mut numbers = if answer.kind() == ContentKind::DataReq { Vec::new() } else { numbers(answer) };
        numbers.sort_unstable();
        if !numbers.is_empty() {
            self.introduce_other();
            numbers.into_iter().for_each(|number| self.stage.teach_block(number));
        }
        for element in answer.elements().map(Result::unwrap) {
            if matches!(element.list, ElementList::Alive | ElementList::Snapshot)
                && origin(&element.envelope) != Some(self.me.pki_id)
            {
                self.stage.teach(element.envelope);
            }
        }
    }

    /// Blocks are exchanged among living members of the channel only, so the Go peer knew the other end as one.
    fn introduce_other(&mut self) {
        for told in [alive_messages, state_infos] {
            let mut told = self.stream.messages.iter().flat_map(|message| told(&message.view));
            if let Some(told) = told.find(|it| origin(it) == Some(self.other.pki_id)) {
                self.stage.teach(told);
            }
        }
    }

    /// Waits until the peer, too, says hello for blocks.
    fn wait_for_hello(&mut self, tally: &mut Tally) {
        let of_blocks = PullMsgType::BlockMsg as i32;
        for _ in 0..60 {
            if !self.offers.contains_key(&of_blocks) {
                return;
            }
            self.stage.wait(Duration::from_millis(100));
            self.react(tally);
        }
        panic!("{}: no hello", self.at());
    }

    /// The other end says something. Answers to the Go peer's hellos are kept until the peer says hello itself.
    fn hear(&mut self, message: &Recorded, answers: &[usize], tally: &mut Tally) {
        let view = &message.view;
        match (view.kind(), view.pull()) {
            (ContentKind::Conn, _) => {
                let connection = self.stage.accept(self.other);
                self.connection = Some(connection);
                self.stage.hear(connection, view.raw().clone());
            }
            (ContentKind::DataDig, Some(pull)) => {
                let request = answers.first().map(|answer| self.stream.messages[*answer].view.clone());
                let waits = request.as_ref().is_some_and(|request| !numbers(request).is_empty());
                self.offers.insert(pull.msg_type, Offer { digest: view.clone(), request, update: None });
                if waits {
                    self.introduce_other();
                    self.wait_for_hello(tally);
                }
            }
            (ContentKind::DataUpdate, Some(pull)) => {
                if let Some(offer) = self.offers.get_mut(&pull.msg_type) {
                    offer.update = Some(view.clone());
                }
            }
            _ => {
                if let Some(connection) = self.connection.filter(|it| !self.stage.closed.contains(it)) {
                    self.stage.hear(connection, view.raw().clone());
                }
            }
        }
    }

    /// Takes what the peer said, and answers its hellos with what the other end answered the Go peer's.
    fn react(&mut self, tally: &mut Tally) {
        let Some(connection) = self.connection else { return };
        loop {
            let said = self.stage.take_sent(connection);
            if said.is_empty() {
                return;
            }
            for view in said {
                if view.kind() == ContentKind::Hello
                    && let Some(pull) = view.pull()
                    && let Some(offer) = self.offers.remove(&pull.msg_type)
                {
                    self.offer(connection, &offer, pull.nonce, tally);
                }
                self.heard.push(view);
            }
        }
    }

    fn offer(&mut self, connection: ConnectionId, offer: &Offer, nonce: u64, tally: &mut Tally) {
        self.stage.hear(connection, with_nonce(&offer.digest, nonce));
        let said = self.stage.take_sent(connection);
        let requests: Vec<_> = said.iter().filter(|view| view.kind() == ContentKind::DataReq).collect();
        let asked: BTreeSet<Bytes> = requests.iter().flat_map(|view| digests(view)).collect();
        let offered: BTreeSet<Bytes> = digests(&offer.digest).into_iter().collect();
        assert!(asked.is_subset(&offered), "{}", self.at());
        if let Some(request) = &offer.request
            && request.pull().unwrap().msg_type == PullMsgType::BlockMsg as i32
        {
            // the Go peer divides what it lacks among all that offer it
            *tally.entry("DataRequest of blocks").or_default() += 1;
            assert!(digests(request).iter().all(|item| asked.contains(item)), "{}: {asked:?}", self.at());
            assert_eq!(shape(requests[0]), shape(request), "{}", self.at());
        }
        if let Some(update) = &offer.update
            && !asked.is_empty()
        {
            self.stage.hear(connection, with_nonce(update, nonce));
        }
    }

    fn compare(&self, expected: &EnvelopeView, tally: &mut Tally) {
        let same = |view: &&EnvelopeView| {
            view.kind() == expected.kind()
                && view.pull().map(|it| it.msg_type) == expected.pull().map(|it| it.msg_type)
        };
        let actual: Vec<&EnvelopeView> = self.heard.iter().filter(same).collect();
        let of_blocks = expected.pull().is_some_and(|pull| pull.msg_type == PullMsgType::BlockMsg as i32);
        let name = match (expected.kind(), of_blocks) {
            (ContentKind::DataReq, _) => return,
            (ContentKind::DataDig, true) => "DataDigest of blocks",
            (ContentKind::DataDig, false) => "DataDigest of identities",
            (ContentKind::DataUpdate, true) => "DataUpdate of blocks",
            (ContentKind::DataUpdate, false) => "DataUpdate of identities",
            (kind, _) => kind.message_name(),
        };
        assert!(!actual.is_empty(), "{}: no {name}", self.at());
        *tally.entry(name).or_default() += 1;
        for view in &actual {
            assert_eq!(shape(view), shape(expected), "{}: {name}", self.at());
        }
        match expected.kind() {
            ContentKind::Conn => self.compare_handshakes(actual[0], expected),
            ContentKind::DataDig => self.compare_digests(actual[0], expected, of_blocks),
            ContentKind::DataUpdate if of_blocks => {
                assert!(items(&actual) == items(&[expected]), "{}: other blocks", self.at());
            }
            ContentKind::DataUpdate => assert_eq!(origins(&actual), origins(&[expected]), "{}", self.at()),
            ContentKind::StateSnapshot => self.compare_snapshots(actual[0], expected, tally),
            ContentKind::MemRes => self.compare_members(actual[0], expected),
            ContentKind::StateResponse => self.compare_responses(actual[0], expected),
            _ => unreachable!("{name}"),
        }
    }

    fn compare_handshakes(&self, actual: &EnvelopeView, expected: &EnvelopeView) {
        let [actual, expected] = [actual, expected].map(|view| view.content_as::<ConnEstablish>().unwrap());
        assert_eq!(actual, expected, "{}", self.at());
    }

    /// Blocks: the same. Identities: at least those that the Go peer had by then, and nobody from outside.
    fn compare_digests(&self, actual: &EnvelopeView, expected: &EnvelopeView, of_blocks: bool) {
        let [actual, expected] =
            [actual, expected].map(|view| digests(view).into_iter().collect::<BTreeSet<_>>());
        if of_blocks {
            assert_eq!(actual, expected, "{}", self.at());
        } else {
            let all: BTreeSet<Bytes> =
                self.people.iter().map(|person| Bytes::copy_from_slice(person.pki_id.as_bytes())).collect();
            assert!(expected.is_subset(&actual) && actual.is_subset(&all), "{}", self.at());
        }
    }

    /// The StateInfo, envelope for envelope, of everybody whom the Go peer told of; or a later one, or more: a Go peer gives
    /// up a snapshot at the first element whose origin it does not know (spec/05 W-20). Always the peer's own.
    fn compare_snapshots(&self, actual: &EnvelopeView, expected: &EnvelopeView, tally: &mut Tally) {
        let own = |snapshot: &BTreeMap<PkiId, Bytes>| snapshot.contains_key(&self.me.pki_id);
        let [mut actual, mut expected] = [actual, expected].map(by_origin);
        assert!(own(&actual) || !own(&expected), "{}: the own StateInfo is missing", self.at());
        actual.remove(&self.me.pki_id);
        expected.remove(&self.me.pki_id);
        if actual == expected {
            *tally.entry("StateInfoSnapshot, equal").or_default() += 1;
        }
        for (origin, expected) in &expected {
            let Some(actual) = actual.get(origin) else { panic!("{}: {origin:?} is missing", self.at()) };
            assert!(state_time(actual) >= state_time(expected), "{}: {origin:?} is too old", self.at());
        }
        let heard = self.stream.messages.iter().flat_map(|message| state_infos(&message.view));
        let heard: BTreeSet<Bytes> = heard.collect();
        assert!(actual.values().all(|element| heard.contains(element)), "{}: made up", self.at());
    }

    /// The same members alive, and for the own organisation at least the secrets that the Go peer told; the third peer the Go
    /// peer may not yet have known.
    fn compare_members(&self, actual: &EnvelopeView, expected: &EnvelopeView) {
        let secrets = |view: &EnvelopeView| -> BTreeMap<PkiId, bool> {
            let alive =
                view.elements().map(Result::unwrap).filter(|element| element.list == ElementList::Alive);
            alive
                .map(|element| {
                    let view = EnvelopeView::parse(element.envelope.clone()).unwrap();
                    (origin(&element.envelope).unwrap(), view.secret().is_some())
                })
                .collect()
        };
        let [mut actual, expected] = [actual, expected].map(secrets);
        if !expected.contains_key(&self.stage.teacher()) {
            actual.remove(&self.stage.teacher());
        }
        assert!(actual.keys().eq(expected.keys()), "{}: {actual:?} {expected:?}", self.at());
        let both = actual.values().zip(expected.values());
        let is_own_org = self.other.org == self.me.org;
        for (actual, expected) in both {
            assert!(if is_own_org { actual >= expected } else { !actual }, "{}", self.at());
        }
    }

    /// The same blocks; the Go peer sends them with its own notes, which nobody uses.
    fn compare_responses(&self, actual: &EnvelopeView, expected: &EnvelopeView) {
        let blocks = |view: &EnvelopeView| -> Vec<(u64, Block)> {
            let payloads = view.content_as::<RemoteStateResponse>().unwrap().payloads;
            payloads
                .into_iter()
                .map(|payload| {
                    let mut block: Block = decode(payload.data).unwrap();
                    restore_orderer_form(&mut block);
                    (payload.seq_num, block)
                })
                .collect()
        };
        let [actual, expected] = [actual, expected].map(blocks);
        let numbers = |blocks: &[(u64, Block)]| blocks.iter().map(|(number, _)| *number).collect::<Vec<_>>();
        assert_eq!(numbers(&actual), numbers(&expected), "{}", self.at());
        let same = |((_, a), (_, b)): (&(u64, Block), &(u64, Block))| selvedge_proto::block::same_block(a, b);
        assert!(actual.iter().zip(&expected).all(same), "{}", self.at());
    }

    /// Nothing a Go peer said was taken for a fault of its own.
    fn check_refusals(&self) {
        for (kind, reason) in &self.stage.rejections {
            let is_fault = matches!(reason, Reject::Malformed(_) | Reject::Misbehaviour(_));
            // it answers what the Go peer had asked
            let is_answer = *reason == Misbehaviour::Unsolicited.into();
            assert!(!is_fault || is_answer, "{}: {kind} {reason}", self.at());
        }
    }
}

/// What the other end offered to the Go peer, what the Go peer asked for, and what it got.
struct Offer {
    digest: EnvelopeView,
    request: Option<EnvelopeView>,
    update: Option<EnvelopeView>,
}

/// For each message of the other end, by its place, the messages that answer it.
fn answers(messages: &[Recorded], dialer: bool) -> BTreeMap<usize, Vec<usize>> {
    let mut answers: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    let mut open: BTreeMap<(ContentKind, u64, i32), Vec<usize>> = BTreeMap::new();
    for (place, message) in messages.iter().enumerate() {
        let view = &message.view;
        let pull = view.pull();
        let nonce = pull.map_or_else(|| view.nonce(), |pull| pull.nonce);
        let key = |kind| (kind, nonce, pull.map_or(0, |pull| pull.msg_type));
        if message.from_dialer != dialer {
            open.entry(key(view.kind())).or_default().push(place);
            continue;
        }
        let question = match view.kind() {
            ContentKind::Conn => ContentKind::Conn,
            ContentKind::DataDig => ContentKind::Hello,
            ContentKind::DataReq => ContentKind::DataDig,
            ContentKind::DataUpdate => ContentKind::DataReq,
            ContentKind::MemRes => ContentKind::MemReq,
            ContentKind::StateSnapshot => ContentKind::StateInfoPullReq,
            ContentKind::StateResponse => ContentKind::StateRequest,
            _ => continue,
        };
        let waiting = open.entry(key(question)).or_default();
        if !waiting.is_empty() {
            answers.entry(waiting.remove(0)).or_default().push(place);
        }
    }
    answers
}

/// Blocks that a message offers or carries.
fn numbers(view: &EnvelopeView) -> Vec<u64> {
    match view.kind() {
        ContentKind::DataMsg => view.block_number().into_iter().collect(),
        ContentKind::DataDig | ContentKind::DataReq => {
            digests(view).iter().filter_map(|item| selvedge_proto::digest::block_number(item)).collect()
        }
        ContentKind::DataUpdate => {
            let items = view.elements().map(|item| EnvelopeView::parse(item.unwrap().envelope).unwrap());
            items.filter_map(|item| item.block_number()).collect()
        }
        ContentKind::StateResponse => {
            let payloads = view.content_as::<RemoteStateResponse>().unwrap().payloads;
            payloads.iter().map(|payload| payload.seq_num).collect()
        }
        _ => Vec::new(),
    }
}

fn digests(view: &EnvelopeView) -> Vec<Bytes> {
    match view.message().unwrap().content {
        Some(Content::DataDig(DataDigest { digests, .. })) => digests,
        Some(Content::DataReq(request)) => request.digests,
        _ => Vec::new(),
    }
}

/// The envelopes inside messages.
fn items(views: &[&EnvelopeView]) -> BTreeSet<Bytes> {
    views
        .iter()
        .flat_map(|view| view.elements().map(|item| item.unwrap().envelope).collect::<Vec<_>>())
        .collect()
}

/// Who signed the envelopes inside messages.
fn origins(views: &[&EnvelopeView]) -> BTreeSet<Option<PkiId>> {
    items(views).iter().map(origin).collect()
}

fn by_origin(view: &EnvelopeView) -> BTreeMap<PkiId, Bytes> {
    items(&[view]).into_iter().map(|item| (origin(&item).unwrap(), item)).collect()
}

/// Alive messages in a message, or the message itself.
fn alive_messages(view: &EnvelopeView) -> Vec<Bytes> {
    match view.kind() {
        ContentKind::AliveMsg => vec![view.raw().clone()],
        ContentKind::MemReq | ContentKind::MemRes => items(&[view]).into_iter().collect(),
        _ => Vec::new(),
    }
}

/// StateInfo envelopes in a message, or the message itself.
fn state_infos(view: &EnvelopeView) -> Vec<Bytes> {
    match view.kind() {
        ContentKind::StateInfo => vec![view.raw().clone()],
        ContentKind::StateSnapshot => items(&[view]).into_iter().collect(),
        _ => Vec::new(),
    }
}

fn state_time(envelope: &Bytes) -> (u64, u64) {
    let view = EnvelopeView::parse(envelope.clone()).unwrap();
    let key = view.state_info_key().unwrap();
    (key.inc_num, key.seq_num)
}

fn origin(envelope: &Bytes) -> Option<PkiId> {
    let pki_id = match EnvelopeView::parse(envelope.clone()).unwrap().message().unwrap().content? {
        Content::AliveMsg(alive) => alive.membership?.pki_id,
        Content::StateInfo(info) => info.pki_id,
        Content::PeerIdentity(identity) => identity.pki_id,
        _ => return None,
    };
    PkiId::from_wire(&pki_id)
}

/// How a message is dressed: tag, channel, nonce, whether it is signed and has a secret.
fn shape(view: &EnvelopeView) -> (i32, Bytes, u64, bool, bool) {
    let signed = !view.signature().is_empty();
    (view.tag(), view.channel_bytes(), view.nonce(), signed, view.secret().is_some())
}

/// The same message of a pull under another nonce.
fn with_nonce(view: &EnvelopeView, nonce: u64) -> Bytes {
    let mut message: GossipMessage = view.message().unwrap();
    match &mut message.content {
        Some(Content::DataDig(content)) => content.nonce = nonce,
        Some(Content::DataUpdate(content)) => content.nonce = nonce,
        _ => {}
    }
    selvedge_proto::envelope::seal_unsigned(&message)
}
