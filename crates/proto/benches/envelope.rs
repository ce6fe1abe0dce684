//! How fast an alive envelope is read: the first thing done to everything that arrives.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use selvedge_proto::envelope::{EnvelopeView, payload_of, seal, secret_payload};
use selvedge_proto::gossip::{
    AliveMessage, GossipMessage, Member, PeerTime,
    gossip_message::{Content, Tag},
};

/// As a Fabric peer sends it within its organisation, 264 bytes.
fn alive() -> Bytes {
    let message = GossipMessage {
        tag: Tag::Empty.into(),
        content: Some(Content::AliveMsg(AliveMessage {
            membership: Some(Member {
                endpoint: "peer0.org1.example.com:7051".into(),
                metadata: Bytes::new(),
                pki_id: Bytes::from(vec![0x96; 32]),
            }),
            timestamp: Some(PeerTime { inc_num: 1_735_693_200_000_000_000, seq_num: 7 }),
            identity: Bytes::new(),
        })),
        ..GossipMessage::default()
    };
    let secret = secret_payload("peer0.org1.example.com:7051");
    seal(&payload_of(&message), &[0x30; 71], Some((&secret, &[0x30; 71])))
}

fn envelope(criterion: &mut Criterion) {
    let raw = alive();
    println!("an alive envelope of {} bytes", raw.len());
    let view = EnvelopeView::parse(raw.clone()).expect("parses");
    let mut group = criterion.benchmark_group("envelope");
    group.throughput(Throughput::Elements(1));
    group.bench_function("parse", |bencher| {
        bencher.iter(|| EnvelopeView::parse(black_box(raw.clone())).map(|view| view.kind()));
    });
    group.bench_function("parse and alive_key", |bencher| {
        bencher.iter(|| {
            let view = EnvelopeView::parse(black_box(raw.clone())).ok()?;
            view.alive_key().map(|key| key.seq_num)
        });
    });
    group.bench_function("alive_key", |bencher| {
        bencher.iter(|| black_box(&view).alive_key().map(|key| key.seq_num));
    });
    group.bench_function("message", |bencher| bencher.iter(|| black_box(&view).message()));
    group.finish();
}

criterion_group!(benches, envelope);
criterion_main!(benches);
