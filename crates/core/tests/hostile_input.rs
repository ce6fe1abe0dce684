//! Nothing that a peer sends makes this one panic, stall, or grow without bound: recorded messages of every kind, damaged
//! in every way, on streams in every state, with every verdict on their signatures.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use bytes::Bytes;
use core::time::Duration;
use selvedge_core::testing::crypto::{self, NEVER, digest};
use selvedge_core::testing::messages;
use selvedge_core::{
    ChannelId, ChannelSettings, Command, Config, ConnectionId, Endpoint, Event, IdentityClaims, Input,
    Instant, Limits, LocalPeer, MspId, Output, Peer, PkiId, VerifiedBlock, WallTime,
};
use selvedge_proto::decode;
use selvedge_proto::msp::SerializedIdentity;
use std::collections::VecDeque;
use std::path::Path;

/// Some recorded envelopes of every type.
#[allow(clippy::disallowed_methods, reason = "recordings are files")]
fn corpus() -> Vec<Bytes> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/envelopes");
    let mut types: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    types.retain(|path| path.is_dir());
    types.sort();
    let mut corpus = Vec::new();
    for of_type in types {
        let mut files: Vec<_> =
            std::fs::read_dir(of_type).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.retain(|path| path.extension().is_some_and(|extension| extension == "bin"));
        files.sort();
        let contents = files.iter().map(|file| Bytes::from(std::fs::read(file).unwrap()));
        corpus.extend(contents.filter(|bytes| bytes.len() < 40_000).take(6));
    }
    assert!(corpus.len() > 50);
    corpus
}

fn damage(rng: &mut fastrand::Rng, corpus: &[Bytes]) -> Bytes {
    let mut bytes = corpus[rng.usize(..corpus.len())].to_vec();
    // half of them are whole
    for _ in 0..rng.usize(..6).saturating_sub(2) {
        if bytes.is_empty() {
            break;
        }
        let at = rng.usize(..bytes.len());
        match rng.u32(..6) {
            0 => bytes[at] ^= 1 << rng.u32(..8),
            1 => bytes[at] = rng.u8(..),
            2 => bytes.truncate(at),
            3 => {
                let end = (at + rng.usize(..20)).min(bytes.len());
                bytes.drain(at..end);
            }
            4 => bytes.insert(at, rng.u8(..)),
            _ => {
                let other = &corpus[rng.usize(..corpus.len())];
                let from = rng.usize(..other.len());
                bytes.splice(at.., other[from..].iter().copied());
            }
        }
    }
    bytes.into()
}

fn claims(identity: &Bytes) -> Option<IdentityClaims> {
    if let Some(claims) = crypto::claims(identity, NEVER) {
        return Some(claims);
    }
    let SerializedIdentity { mspid, id_bytes } = decode(identity.clone()).ok()?;
    Some(IdentityClaims {
        pki_id: PkiId::new(digest(&[mspid.as_bytes(), &id_bytes])),
        org: MspId::from(mspid),
        expires_at: NEVER,
        key_hash: digest(&[&id_bytes]),
    })
}

struct Harness {
    peer: Peer,
    rng: fastrand::Rng,
    now: Instant,
    /// Answers that are not given yet.
    owed: VecDeque<Input>,
    standing: Vec<ConnectionId>,
    authenticated: Vec<ConnectionId>,
}

impl Harness {
    fn new(seed: u64) -> Self {
        let identity = crypto::identity("Org1MSP", "me");
        let me = LocalPeer {
            pki_id: crypto::pki_id(&identity),
            org: MspId::from("Org1MSP"),
            identity,
            expires_at: NEVER,
            incarnation: 1,
        };
        let config = Config {
            endpoint: Endpoint::from("me.internal:7051"),
            external_endpoint: Endpoint::from("me:7051"),
            state_transfer_enabled: true,
            limits: Limits { members_max: 40, identities_max: 50, ..Limits::default() },
            ..Config::default()
        };
        let now = Instant::from_nanos(0);
        let peer = Peer::new(config, me, seed, now, WallTime::from_seconds(1_795_000_000));
        let rng = fastrand::Rng::with_seed(seed);
        let mut harness =
            Self { peer, rng, now, owed: VecDeque::new(), standing: Vec::new(), authenticated: Vec::new() };
        let settings = ChannelSettings {
            channel: ChannelId::from("mychannel"),
            sequence: 1,
            orgs: vec![MspId::from("Org1MSP"), MspId::from("Org2MSP")],
            anchors: Vec::new(),
            height: 5,
        };
        harness.handle(Input::Command(Command::ConfigureChannel(settings)));
        harness
    }

    fn handle(&mut self, input: Input) {
        self.peer.handle(self.now, input);
        while let Some(output) = self.peer.poll_output() {
            let likely = self.rng.u32(..10) > 0;
            let answer = match output {
                Output::Dial { connection, .. } => {
                    self.standing.push(connection);
                    Input::Dialed { connection, binding: None }
                }
                Output::Close { connection, .. } => {
                    self.standing.retain(|it| *it != connection);
                    self.authenticated.retain(|it| *it != connection);
                    continue;
                }
                Output::Event(Event::Connected { connection, .. }) => {
                    self.authenticated.push(connection);
                    continue;
                }
                Output::Sign { ticket, .. } => {
                    Input::Signed { ticket, signature: likely.then(|| Bytes::from_static(b"signature")) }
                }
                Output::Verify { ticket, .. } => Input::Verified { ticket, ok: likely },
                Output::CheckIdentity { ticket, identity } => {
                    Input::IdentityChecked { ticket, claims: claims(&identity).filter(|_| likely) }
                }
                Output::VerifyBlock { ticket, .. } => Input::BlockVerified {
                    ticket,
                    block: likely.then_some(VerifiedBlock { is_config: self.rng.bool() }),
                },
                Output::ReadBlocks { ticket, first, .. } => {
                    Input::BlocksRead { ticket, blocks: vec![(first, messages::block(first, 100))] }
                }
                Output::Commit { channel, number, .. } if likely => {
                    Input::Committed { channel, height: number + 1 }
                }
                Output::Commit { channel, number, .. } => Input::CommitRefused { channel, number },
                Output::Mend { channel, number, .. } => Input::Mended { channel, number, ok: likely },
                Output::Event(_) | Output::HoldDelivery { .. } | Output::Send { .. } => continue,
            };
            self.owed.push_back(answer);
        }
        assert!(self.peer.next_deadline().is_none_or(|at| at > self.now), "never busy");
    }

    fn step(&mut self, corpus: &[Bytes], count: u64) {
        match self.rng.u32(..40) {
            0 | 39 => {
                let connection = ConnectionId::accepted(count);
                self.standing.push(connection);
                self.handle(Input::Accepted { connection, binding: None });
                let name = format!("sender{}", self.rng.u32(..5));
                let identity = crypto::identity(["Org1MSP", "Org2MSP"][self.rng.usize(..2)], &name);
                if self.rng.u32(..4) > 0 {
                    self.handle(Input::Frame {
                        connection,
                        envelope: messages::conn(&identity, None, false).into(),
                    });
                }
            }
            1 if self.rng.u32(..4) == 0 => {
                if let Some(connection) = self.standing.pop() {
                    self.authenticated.retain(|it| *it != connection);
                    self.handle(Input::Closed { connection, reason: String::new() });
                }
            }
            2..6 => {
                self.now = self.now + Duration::from_millis(self.rng.u64(..200));
                self.handle(Input::Deadline);
            }
            6..22 => {
                for _ in 0..self.rng.usize(..8) {
                    let Some(answer) = self.owed.pop_front() else { break };
                    self.handle(answer);
                }
            }
            _ if self.standing.is_empty() => {}
            _ => {
                let strangers = self.authenticated.is_empty() || self.rng.u32(..10) == 0;
                let among = if strangers { &self.standing } else { &self.authenticated };
                let connection = among[self.rng.usize(..among.len())];
                for _ in 0..self.rng.usize(..10) {
                    let envelope = damage(&mut self.rng, corpus);
                    self.handle(Input::Frame { connection, envelope: envelope.into() });
                }
            }
        }
    }
}

#[test]
fn damaged_messages_do_no_damage() {
    let corpus = corpus();
    for seed in 0..4 {
        let mut harness = Harness::new(seed);
        for count in 1..40_000 {
            harness.step(&corpus, count);
        }
        assert!(harness.peer.members().count() <= 40);
        assert!(harness.peer.identity_count() <= 50);
        assert!(harness.peer.stats().received_count > 500, "much of it got past the handshake");
        assert!(harness.peer.stats().rejected.len() > 10, "and was refused for many reasons");
    }
}
