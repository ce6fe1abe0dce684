//! How fast alive messages are admitted, or rather not: of the copies that gossip brings all but the first are known.
//!
//! A peer with 1,000 members, all connected, gets envelopes as a Fabric peer sends them within its organisation, 264 bytes, through
//! `Peer::handle`, and its outputs are drained, as a node does.

use bytes::Bytes;
use core::time::Duration;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use selvedge_core::testing::crypto;
use selvedge_core::testing::messages::{self, Alive};
use selvedge_core::{
    Config, ConnectionId, Endpoint, Input, Instant, LocalPeer, MspId, Output, Peer, WallTime,
};

const MEMBER_COUNT: u64 = 1000;

struct Bench {
    peer: Peer,
    now: Instant,
    connection: ConnectionId,
}

impl Bench {
    /// A peer of that organisation that knows all members.
    fn new() -> Self {
        let identity = crypto::identity("Org1MSP", "me");
        let me = LocalPeer {
            pki_id: crypto::pki_id(&identity),
            org: MspId::from("Org1MSP"),
            identity,
            expires_at: crypto::NEVER,
            incarnation: 1,
        };
        let config = Config {
            endpoint: Endpoint::from("peer0.org1.example.com:7051"),
            external_endpoint: Endpoint::from("peer0.org1.example.com:7051"),
            ..Config::default()
        };
        let now = Instant::from_nanos(0);
        let peer = Peer::new(config, me, 1, now, WallTime::from_seconds(1_700_000_000));
        let connection = ConnectionId::accepted(1);
        let mut bench = Self { peer, now, connection };
        bench.handle(Input::Accepted { connection, binding: None });
        bench.frame(messages::conn(&crypto::identity("Org1MSP", "sender"), None, false));
        for member in 0..MEMBER_COUNT {
            bench.frame(alive(member, 5, true));
            let connection = ConnectionId::accepted(2 + member);
            bench.handle(Input::Accepted { connection, binding: None });
            let identity = crypto::identity("Org1MSP", &format!("member{member}"));
            bench
                .handle(Input::Frame { connection, envelope: messages::conn(&identity, None, false).into() });
        }
        assert_eq!(bench.peer.connection_count() as u64, MEMBER_COUNT + 1);
        assert_eq!(bench.peer.members().count() as u64, MEMBER_COUNT);
        bench
    }

    fn frame(&mut self, envelope: Bytes) {
        self.handle(Input::Frame { connection: self.connection, envelope: envelope.into() });
    }

    /// Whatever is to be checked holds.
    fn handle(&mut self, input: Input) {
        self.peer.handle(self.now, input);
        while let Some(output) = self.peer.poll_output() {
            let answer = match output {
                Output::Sign { ticket, .. } => {
                    Input::Signed { ticket, signature: Some(Bytes::from_static(&[0x30; 71])) }
                }
                Output::Verify { ticket, .. } => Input::Verified { ticket, ok: true },
                Output::CheckIdentity { ticket, identity } => {
                    Input::IdentityChecked { ticket, claims: crypto::claims(&identity, crypto::NEVER) }
                }
                _ => continue,
            };
            self.peer.handle(self.now, answer);
        }
    }
}

/// 264 bytes without the identity.
fn alive(member: u64, seq_num: u64, with_identity: bool) -> Bytes {
    let identity = crypto::identity("Org1MSP", &format!("member{member}"));
    let alive = Alive::new(&identity, seq_num)
        .of_incarnation(1_735_693_200_000_000_000)
        .with_endpoint("peer0.org1.example.com:7051")
        .with_secret("peer0.org1.example.com:7051");
    if with_identity { alive.with_identity().seal() } else { alive.seal() }
}

fn admission(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("admission");
    group.throughput(Throughput::Elements(MEMBER_COUNT));
    group.measurement_time(Duration::from_secs(3));
    let mut bench = Bench::new();
    for (name, seq_num) in [("duplicate", 5), ("stale", 4)] {
        let envelopes: Vec<Bytes> = (0..MEMBER_COUNT).map(|member| alive(member, seq_num, false)).collect();
        group.bench_function(name, |bencher| {
            bencher.iter(|| envelopes.iter().for_each(|envelope| bench.frame(envelope.clone())));
        });
    }
    // everything but the signature itself
    let mut seq_num = 5;
    group.bench_function("new", |bencher| {
        bencher.iter_batched(
            || {
                seq_num += 1;
                (0..MEMBER_COUNT).map(|member| alive(member, seq_num, false)).collect::<Vec<_>>()
            },
            |envelopes| envelopes.into_iter().for_each(|envelope| bench.frame(envelope)),
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group!(benches, admission);
criterion_main!(benches);
