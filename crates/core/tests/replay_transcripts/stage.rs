//! A peer in a recorded identity, and what it needs around it. Every signature and every block verifies.

use crate::recording::{Person, is_config, orderers_block};
use bytes::Bytes;
use core::time::Duration;
use selvedge_core::{
    ChannelId, ChannelSettings, Command, Config, ConnectionId, Endpoint, Event, IdentityClaims, Input,
    Instant, LocalPeer, Output, Peer, PkiId, Reject, TlsBinding, VerifiedBlock, WallTime,
};
use selvedge_proto::envelope::{ContentKind, EnvelopeView, payload_of, seal};
use selvedge_proto::gossip::gossip_message::{Content, Tag};
use selvedge_proto::gossip::{
    AliveMessage, ConnEstablish, DataDigest, DataRequest, DataUpdate, Envelope, GossipMessage, Member,
    PeerIdentity, PeerTime, PullMsgType,
};
use std::collections::{BTreeMap, VecDeque};

const NEVER: WallTime = WallTime::from_seconds(5_000_000_000);
const CHANNEL: &str = "mychannel";

pub(crate) struct Stage {
    pub(crate) peer: Peer,
    people: Vec<Person>,
    me: Person,
    teacher: Person,
    /// Wall-clock time of the peer's clock's origin.
    origin: u64,
    now: u64,
    accepted_count: u64,
    teaching: Option<ConnectionId>,
    inputs: VecDeque<Input>,
    /// The ledger, from `first_block` on.
    first_block: u64,
    ledger: Vec<Bytes>,
    blocks: BTreeMap<u64, Bytes>,
    /// What the peer sent on each connection.
    sent: Vec<(ConnectionId, EnvelopeView)>,
    pub(crate) closed: Vec<ConnectionId>,
    pub(crate) rejections: Vec<(ContentKind, Reject)>,
}

impl Stage {
    /// A peer that joined the channel with blocks below `height`, and knows the identities of all others.
    pub(crate) fn new(
        people: &[Person],
        me: &Person,
        other: &Person,
        origin: u64,
        height: u64,
        blocks: BTreeMap<u64, Bytes>,
    ) -> Self {
        let wall = WallTime::from_nanos(origin);
        let endpoint = Endpoint::from(me.endpoint.as_str());
        let config = Config { endpoint: endpoint.clone(), external_endpoint: endpoint, ..Config::default() };
        let local = LocalPeer {
            pki_id: me.pki_id,
            org: me.org.clone(),
            identity: me.identity.clone(),
            expires_at: NEVER,
            incarnation: origin,
        };
        let teacher =
            people.iter().find(|it| it.org == me.org && it.name != me.name && it.name != other.name);
        let mut stage = Self {
            peer: Peer::new(config, local, 1, Instant::from_nanos(0), wall),
            people: people.to_vec(),
            me: me.clone(),
            teacher: teacher.unwrap().clone(),
            origin,
            now: origin,
            accepted_count: 0,
            teaching: None,
            inputs: VecDeque::new(),
            first_block: height,
            ledger: Vec::new(),
            blocks,
            sent: Vec::new(),
            closed: Vec::new(),
            rejections: Vec::new(),
        };
        stage.drain();
        let settings = ChannelSettings {
            channel: ChannelId::from(CHANNEL),
            sequence: 0,
            orgs: vec!["Org1MSP".into(), "Org2MSP".into()],
            anchors: Vec::new(),
            height,
        };
        stage.handle(Input::Command(Command::ConfigureChannel(settings)));
        for person in people.iter().filter(|person| person.name != me.name) {
            let connection = stage.accept(person);
            stage.hear(connection, conn(person));
            stage.handle(Input::Closed { connection, reason: "introduced".to_owned() });
        }
        stage
    }

    /// Lets time pass, up to a moment on the wall clock.
    pub(crate) fn advance(&mut self, wall: u64) {
        while let Some(at) = self.peer.next_deadline()
            && self.origin + at.as_nanos() <= wall
        {
            self.now = self.now.max(self.origin + at.as_nanos());
            self.handle(Input::Deadline);
        }
        self.now = self.now.max(wall);
    }

    pub(crate) fn wait(&mut self, time: Duration) {
        self.advance(self.now + time.as_nanos() as u64);
    }

    /// Somebody dials.
    pub(crate) fn accept(&mut self, person: &Person) -> ConnectionId {
        self.accepted_count += 1;
        let connection = ConnectionId::accepted(self.accepted_count);
        let binding = TlsBinding { own: self.me.certificate_hash, remote: Some(person.certificate_hash) };
        self.handle(Input::Accepted { connection, binding: Some(binding) });
        connection
    }

    /// An envelope arrives.
    pub(crate) fn hear(&mut self, connection: ConnectionId, envelope: Bytes) {
        self.handle(Input::Frame { connection, envelope: envelope.into() });
    }

    /// What was sent on a connection since the last call.
    pub(crate) fn take_sent(&mut self, connection: ConnectionId) -> Vec<EnvelopeView> {
        let (taken, left) =
            core::mem::take(&mut self.sent).into_iter().partition(|(of, _)| *of == connection);
        self.sent = left;
        Vec::into_iter(taken).map(|(_, view)| view).collect()
    }

    pub(crate) fn teacher(&self) -> PkiId {
        self.teacher.pki_id
    }

    /// The third peer comes alive, so that the peer pulls identities from it.
    pub(crate) fn meet_teacher(&mut self) {
        let alive = alive(&self.teacher, self.now);
        self.teach(alive);
    }

    /// A third peer of the own organisation tells the peer something.
    pub(crate) fn teach(&mut self, envelope: Bytes) {
        if self.teaching.is_none_or(|connection| self.closed.contains(&connection)) {
            let teacher = self.teacher.clone();
            let connection = self.accept(&teacher);
            self.hear(connection, conn(&teacher));
            self.teaching = Some(connection);
        }
        if let Some(connection) = self.teaching {
            self.hear(connection, envelope);
        }
    }

    /// The orderer brings a block; if others before it are missing, the ledger gets them by other means.
    pub(crate) fn teach_block(&mut self, number: u64) {
        let channel = ChannelId::from(CHANNEL);
        if self.height() < number {
            let missing: Vec<Bytes> = (self.height()..number).map(|number| self.block(number)).collect();
            self.ledger.extend(missing);
            self.handle(Input::Committed { channel: channel.clone(), height: number });
        }
        if self.height() == number {
            let block = self.block(number);
            self.handle(Input::BlockDelivered { channel, number, block });
        }
    }

    pub(crate) fn height(&self) -> u64 {
        self.first_block + self.ledger.len() as u64
    }

    fn block(&self, number: u64) -> Bytes {
        self.blocks.get(&number).cloned().or_else(|| orderers_block(number)).unwrap()
    }

    fn handle(&mut self, input: Input) {
        self.inputs.push_back(input);
        while let Some(input) = self.inputs.pop_front() {
            self.peer.handle(Instant::from_nanos(self.now - self.origin), input);
            self.drain();
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.peer.poll_output() {
            self.perform(output);
        }
    }

    fn perform(&mut self, output: Output) {
        let answer = match output {
            Output::Dial { connection, .. } => {
                Input::DialFailed { connection, reason: "a recording".to_owned() }
            }
            Output::Sign { ticket, .. } => {
                Input::Signed { ticket, signature: Some(Bytes::from_static(b"signed")) }
            }
            Output::Verify { ticket, .. } => Input::Verified { ticket, ok: true },
            Output::CheckIdentity { ticket, identity } => {
                Input::IdentityChecked { ticket, claims: self.claims(&identity) }
            }
            Output::VerifyBlock { ticket, block, .. } => {
                let is_config = is_config(&block);
                Input::BlockVerified { ticket, block: Some(VerifiedBlock { is_config }) }
            }
            Output::ReadBlocks { ticket, first, last, .. } => {
                let blocks =
                    (first..=last.min(self.height() - 1)).map(|number| (number, self.stored(number)));
                Input::BlocksRead { ticket, blocks: blocks.collect() }
            }
            Output::Commit { channel, number, block } => {
                assert_eq!(number, self.height());
                self.ledger.push(block);
                Input::Committed { channel, height: self.height() }
            }
            Output::Send { connection, envelope, .. } => {
                return self.sent(connection, envelope.bytes().clone());
            }
            Output::Close { connection, .. } => return self.closed.push(connection),
            Output::Event(Event::Rejected { kind, reason, .. }) => {
                return self.rejections.push((kind, reason));
            }
            _ => return,
        };
        self.inputs.push_back(answer);
    }

    /// A block of the ledger; those below the first are the orderers'.
    fn stored(&self, number: u64) -> Bytes {
        match number.checked_sub(self.first_block).and_then(|index| self.ledger.get(index as usize)) {
            Some(block) => block.clone(),
            None => self.block(number),
        }
    }

    fn claims(&self, identity: &Bytes) -> Option<IdentityClaims> {
        let person = self.people.iter().find(|person| person.identity == *identity)?;
        let key_hash = *person.pki_id.as_bytes();
        Some(IdentityClaims { pki_id: person.pki_id, org: person.org.clone(), expires_at: NEVER, key_hash })
    }

    fn sent(&mut self, connection: ConnectionId, envelope: Bytes) {
        let view = EnvelopeView::parse(envelope).unwrap();
        if self.teaching == Some(connection) {
            self.teacher_hears(connection, &view);
        } else {
            self.sent.push((connection, view));
        }
    }

    /// The teacher offers all identities to whoever asks.
    fn teacher_hears(&mut self, connection: ConnectionId, view: &EnvelopeView) {
        let msg_type = PullMsgType::IdentityMsg as i32;
        let Some(pull) = view.pull().filter(|pull| pull.msg_type == msg_type) else { return };
        let content = match view.kind() {
            ContentKind::Hello => {
                let digests = self.people.iter().map(|person| wire(&person.pki_id)).collect();
                Content::DataDig(DataDigest { nonce: pull.nonce, digests, msg_type })
            }
            ContentKind::DataReq => {
                let asked = view.content_as::<DataRequest>().unwrap().digests;
                let people = self.people.iter().filter(|person| asked.contains(&wire(&person.pki_id)));
                let data = people.map(item).collect();
                Content::DataUpdate(DataUpdate { nonce: pull.nonce, data, msg_type })
            }
            _ => return,
        };
        let envelope = seal(&message(content), &[], None);
        self.inputs.push_back(Input::Frame { connection, envelope: envelope.into() });
    }
}

/// A handshake of a peer.
fn conn(person: &Person) -> Bytes {
    let content = ConnEstablish {
        pki_id: wire(&person.pki_id),
        identity: person.identity.clone(),
        tls_cert_hash: Bytes::copy_from_slice(&person.certificate_hash),
        probe: false,
    };
    seal(&message(Content::Conn(content)), b"signed", None)
}

fn alive(person: &Person, incarnation: u64) -> Bytes {
    let content = AliveMessage {
        membership: Some(Member {
            endpoint: person.endpoint.clone(),
            metadata: Bytes::new(),
            pki_id: wire(&person.pki_id),
        }),
        timestamp: Some(PeerTime { inc_num: incarnation - 1_000_000_000_000, seq_num: 1 }),
        identity: Bytes::new(),
    };
    seal(&message(Content::AliveMsg(content)), b"signed", None)
}

fn item(person: &Person) -> Envelope {
    let content =
        PeerIdentity { pki_id: wire(&person.pki_id), cert: person.identity.clone(), metadata: Bytes::new() };
    let payload = message(Content::PeerIdentity(content));
    Envelope { payload, signature: Bytes::from_static(b"signed"), secret_envelope: None }
}

fn wire(pki_id: &PkiId) -> Bytes {
    Bytes::copy_from_slice(pki_id.as_bytes())
}

fn message(content: Content) -> Bytes {
    let tag = Tag::Empty as i32;
    payload_of(&GossipMessage { nonce: 0, channel: Bytes::new(), tag, content: Some(content) })
}

/// So long before the first message the peer starts, to get to know the others.
pub(crate) const PRELUDE: Duration = Duration::from_secs(10);
