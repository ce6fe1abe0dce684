//! What the rules cost on top of the bare verification of a signature. Run with `cargo bench -p selvedge-msp`.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ParsedPublicKey};
use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use selvedge_msp::{ChannelBundle, LocalMsp, MessageVerifier};
use selvedge_proto::common::Block;

/// A moment at which the recorded network ran.
const NOW: i64 = 1_796_083_200;

fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(path)
}

fn peer(organization: &str, msp_id: &str) -> LocalMsp {
    let domain = format!("{organization}.example.com");
    let folder = format!("network/crypto/peerOrganizations/{domain}/peers/peer0.{domain}/msp");
    LocalMsp::load(&fixture(&folder), msp_id, NOW).expect("a recorded MSP folder")
}

fn block(path: &str) -> Block {
    let bytes = std::fs::read(fixture(path)).expect("a recorded block");
    selvedge_proto::decode(Bytes::from(bytes)).expect("a recorded block")
}

/// The uncompressed point in the certificate: the library is given the same key without anything around it.
fn bare_key(bundle: &ChannelBundle, peer: &LocalMsp) -> ParsedPublicKey {
    let identity = bundle.deserialize(peer.identity()).expect("a member");
    let der = identity.certificate_der();
    let (_, certificate) = x509_parser::parse_x509_certificate(der).expect("a certificate");
    let point = &certificate.public_key().subject_public_key.data;
    ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).expect("a key")
}

fn messages(c: &mut Criterion) {
    let (own, foreign) = (peer("org1", "Org1MSP"), peer("org2", "Org2MSP"));
    let bundle = Arc::new(
        ChannelBundle::from_config_block(&block("network/mychannel.block")).expect("a genesis block"),
    );
    let verifier = MessageVerifier::new(Arc::new(peer("org1", "Org1MSP")));
    verifier.set_channel("mychannel", Arc::clone(&bundle));
    // the size of an alive message with its identity
    let message = vec![0x5a; 1000];
    let (by_own, by_foreign) = (
        own.signer().sign(&message).expect("a signature"),
        foreign.signer().sign(&message).expect("a signature"),
    );
    let bare = bare_key(&bundle, &own);
    let identity = bundle.deserialize(own.identity()).expect("a member");

    let mut group = c.benchmark_group("verify a message of 1000 bytes (P-256)");
    group.bench_function("bare aws-lc-rs", |b| b.iter(|| bare.verify_sig(black_box(&message), &by_own)));
    group.bench_function("identity in hand", |b| b.iter(|| identity.verify(black_box(&message), &by_own)));
    group.bench_function("own organization", |b| {
        b.iter(|| verifier.verify(black_box(own.identity()), &message, &by_own));
    });
    group.bench_function("other organization, channel readers", |b| {
        b.iter(|| verifier.verify(black_box(foreign.identity()), &message, &by_foreign));
    });
    group.bench_function("by channel", |b| {
        b.iter(|| verifier.verify_for_channel("mychannel", black_box(own.identity()), &message, &by_own));
    });
    group.finish();

    let mut group = c.benchmark_group("beside the signature");
    group.bench_function("sign", |b| b.iter(|| own.signer().sign(black_box(&message))));
    group.bench_function("check a known identity", |b| {
        b.iter(|| verifier.check_identity(black_box(foreign.identity())));
    });
    group.bench_function("judge an identity after a new configuration", |b| {
        b.iter(|| {
            verifier.set_channel("mychannel", Arc::clone(&bundle));
            verifier.check_identity(black_box(own.identity()))
        });
    });
    group.finish();
}

fn blocks(c: &mut Criterion) {
    let raft = ChannelBundle::from_config_block(&block("network/mychannel.block")).expect("a genesis block");
    let bft = ChannelBundle::from_config_block(&block("bft/mychannel.block")).expect("a genesis block");
    let mut group = c.benchmark_group("verify a block");
    // 10 transactions
    let large = block("blocks/orderer/082.block");
    group.bench_function("Raft, 1 signature, 10 transactions", |b| {
        b.iter(|| raft.verify_block(82, black_box(&large)));
    });
    let small = block("blocks/orderer/050.block");
    group.bench_function("Raft, 1 signature, 1 transaction", |b| {
        b.iter(|| raft.verify_block(50, black_box(&small)));
    });
    let quorum = block("bft/blocks/orderer/005.block");
    group.bench_function("BFT, 3 signatures", |b| b.iter(|| bft.verify_block(5, black_box(&quorum))));
    group.finish();
    c.bench_function("set up a channel configuration", |b| {
        let genesis = block("network/mychannel.block");
        b.iter(|| ChannelBundle::from_config_block(black_box(&genesis)));
    });
}

criterion_group!(benches, messages, blocks);
criterion_main!(benches);
