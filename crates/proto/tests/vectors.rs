//! The bytes of every content, as Fabric writes them (spec/01 §16, 04 §16, 05 §16, 06 §1, 08 §2).

#![allow(clippy::unwrap_used)]

mod common;

use bytes::Bytes;
use common::{hex, to_hex};
use prost::Message;
use selvedge_proto::block::channel_mac;
use selvedge_proto::common::{
    MspPrincipal, MspRole, SignaturePolicy, SignaturePolicyEnvelope, signature_policy::NOutOf,
    signature_policy::Type as Rule,
};
use selvedge_proto::envelope::{ContentKind, EnvelopeView, seal, seal_unsigned, secret_payload};
use selvedge_proto::gossip::gossip_message::{Content, Tag};
use selvedge_proto::gossip::*;
use selvedge_proto::kvrwset::{KvWrite, KvrwSet};
use selvedge_proto::peer::collection_config::Payload as CollectionPayload;
use selvedge_proto::peer::collection_policy_config::Payload as CollectionPolicy;
use selvedge_proto::peer::{
    CollectionConfig, CollectionConfigPackage, CollectionPolicyConfig, StaticCollectionConfig,
};
use selvedge_proto::rwset::{CollectionPvtReadWriteSet, NsPvtReadWriteSet, TxPvtReadWriteSet};
use selvedge_proto::{decode, validate};
use sha2::{Digest, Sha256};

const BLOCKS: i32 = PullMsgType::BlockMsg as i32;
const IDENTITIES: i32 = PullMsgType::IdentityMsg as i32;

fn message(tag: Tag, channel: &'static str, nonce: u64, content: Content) -> GossipMessage {
    GossipMessage { nonce, channel: channel.into(), tag: tag.into(), content: Some(content) }
}

/// The message is written as these bytes, and read from them again.
fn check(message: &GossipMessage, wanted: &str) {
    let bytes = message.encode_to_vec();
    assert_eq!(to_hex(&bytes), wanted.replace(' ', ""));
    assert_eq!(decode::<GossipMessage>(bytes.clone()).as_ref(), Ok(message));
    let view = EnvelopeView::parse(seal_unsigned(message)).unwrap();
    assert_eq!(view.payload(), bytes);
    assert_eq!(view.kind(), ContentKind::of(message));
    assert_eq!(
        (view.nonce(), view.tag(), view.channel()),
        (message.nonce, message.tag, &message.channel[..])
    );
    // outside of the table of tags are only what Fabric's core does not see, and identities in updates
    if view.kind() != ContentKind::PeerIdentity {
        assert_eq!(validate::tag(&view), Ok(()), "{wanted}");
    }
}

fn inner() -> Envelope {
    Envelope { payload: hex("0102").into(), signature: hex("03").into(), secret_envelope: None }
}

fn time(inc_num: u64, seq_num: u64) -> Option<PeerTime> {
    Some(PeerTime { inc_num, seq_num })
}

fn digest() -> PvtDataDigest {
    PvtDataDigest {
        tx_id: "tx".into(),
        namespace: "ns".into(),
        collection: "c".into(),
        block_seq: 9,
        seq_in_block: 2,
    }
}

fn hello(nonce: u64, msg_type: i32) -> Content {
    Content::Hello(GossipHello { nonce, metadata: Bytes::new(), msg_type })
}

fn data(seq_num: u64, data: &'static [u8]) -> Content {
    let payload = Payload { seq_num, data: data.into(), private_data: Vec::new() };
    Content::DataMsg(DataMessage { payload: Some(payload) })
}

fn response(payload: Option<Payload>) -> Content {
    Content::StateResponse(RemoteStateResponse { payloads: payload.into_iter().collect() })
}

fn leadership(pki_id: Bytes, timestamp: Option<PeerTime>, is_declaration: bool) -> Content {
    Content::LeadershipMsg(LeadershipMessage { pki_id, timestamp, is_declaration })
}

fn ack(error: &str) -> Content {
    Content::Ack(Acknowledgement { error: error.into() })
}

fn digests(items: &[&'static [u8]]) -> Vec<Bytes> {
    items.iter().map(|item| Bytes::from_static(item)).collect()
}

#[test]
fn membership_contents() {
    let alive = Content::AliveMsg(AliveMessage {
        membership: Some(Member { endpoint: "h:1".into(), metadata: hex("09").into(), pki_id: "P".into() }),
        timestamp: time(1000, 5),
        identity: "I".into(),
    });
    check(&message(Tag::Empty, "", 0, alive), "18012a170a0b0a03683a311201091a0150120508e8071005220149");
    let request = Content::MemReq(MembershipRequest { self_information: Some(inner()), known: Vec::new() });
    check(&message(Tag::Empty, "", 300, request), "08ac02180132090a070a020102120103");
    let response = Content::MemRes(MembershipResponse { alive: vec![inner()], dead: vec![inner()] });
    check(&message(Tag::Empty, "", 300, response), "08ac0218013a120a070a02010212010312070a020102120103");
}

#[test]
fn pull_contents() {
    let channel = |content| message(Tag::ChanAndOrg, "A", 0, content);
    let global = |content| message(Tag::Empty, "", 0, content);
    check(&channel(hello(u64::MAX, BLOCKS)), "12014118044a0d08ffffffffffffffffff011801");
    check(&global(hello(1, IDENTITIES)), "18014a0408011802");
    let dig = DataDigest { nonce: 1, digests: digests(&[b"10", b"9"]), msg_type: BLOCKS };
    check(&channel(Content::DataDig(dig)), "1201411804520b0801120231301201391801");
    let req = DataRequest { nonce: 1, digests: digests(&[&[0xde, 0xad]]), msg_type: IDENTITIES };
    check(&global(Content::DataReq(req)), "18015a0808011202dead1802");
    let update = DataUpdate { nonce: 1, data: vec![inner()], msg_type: IDENTITIES };
    check(&global(Content::DataUpdate(update)), "1801620d080112070a0201021201031802");
}

#[test]
fn data_contents() {
    check(&message(Tag::ChanAndOrg, "A", 0, data(7, b"B")), "120141180442070a050807120142");
    check(&message(Tag::Empty, "", 0, Content::Empty(Empty {})), "18016a00");
}

#[test]
fn handshake_contents() {
    let conn = |probe| {
        Content::Conn(ConnEstablish {
            pki_id: "P".into(),
            identity: "I".into(),
            tls_cert_hash: "H".into(),
            probe,
        })
    };
    check(&message(Tag::Empty, "", 0, conn(false)), "180172090a01501201491a0148");
    check(&message(Tag::Empty, "", 0, conn(true)), "1801720b0a01501201491a01482001");
    let identity = PeerIdentity { pki_id: "P".into(), cert: "I".into(), metadata: Bytes::new() };
    check(&message(Tag::Empty, "", 0, Content::PeerIdentity(identity)), "1801aa01060a0150120149");
}

#[test]
fn state_contents() {
    let info = Content::StateInfo(StateInfo {
        timestamp: time(1000, 5),
        pki_id: "P".into(),
        channel_mac: "M".into(),
        properties: Some(Properties {
            ledger_height: 3,
            left_channel: true,
            chaincodes: vec![Chaincode {
                name: "cc".into(),
                version: "1".into(),
                metadata: hex("08").into(),
            }],
        }),
    });
    check(
        &message(Tag::ChanOrOrg, "", 0, info),
        "18057a1f120508e80710051a015022014d2a10080310011a0a0a0263631201311a0108",
    );
    let snapshot = |elements| Content::StateSnapshot(StateInfoSnapshot { elements });
    let with = message(Tag::ChanOrOrg, "A", 0, snapshot(vec![inner()]));
    check(&with, "12014118058201090a070a020102120103");
    check(&message(Tag::ChanOrOrg, "A", 0, snapshot(Vec::new())), "1201411805820100");
    let pull = Content::StateInfoPullReq(StateInfoPullRequest { channel_mac: "M".into() });
    check(&message(Tag::ChanOrOrg, "", 0, pull), "18058a01030a014d");
}

#[test]
fn transfer_contents() {
    let request = Content::StateRequest(RemoteStateRequest { start_seq_num: 5, end_seq_num: 15 });
    check(&message(Tag::ChanOrOrg, "A", 300, request.clone()), "08ac0212014118059201040805100f");
    let payload = Payload { seq_num: 5, data: "B".into(), private_data: vec!["pd".into()] };
    let wanted = "08ac0212014118059a010b0a0908051201421a027064";
    check(&message(Tag::ChanOrOrg, "A", 300, response(Some(payload))), wanted);

    let of_mychannel = |content| message(Tag::ChanOrOrg, "mychannel", 1, content);
    check(&of_mychannel(request), "080112096d796368616e6e656c18059201040805100f");
    let payload = Payload { seq_num: 5, data: "blk".into(), private_data: vec!["pvt".into()] };
    let wanted = "080112096d796368616e6e656c18059a010e0a0c08051203626c6b1a03707674";
    check(&of_mychannel(response(Some(payload))), wanted);
    check(&of_mychannel(response(None)), "080112096d796368616e6e656c18059a0100");
    let block = message(Tag::ChanAndOrg, "mychannel", 0, data(5, b"blk"));
    check(&block, "12096d796368616e6e656c180442090a0708051203626c6b");
}

#[test]
fn election_contents() {
    let of_a =
        |declaration| message(Tag::ChanAndOrg, "A", 0, leadership("P".into(), time(1000, 5), declaration));
    check(&of_a(true), "1201411804a2010c0a0150120508e80710051801");
    check(&of_a(false), "1201411804a2010a0a0150120508e8071005");
    let of_mychannel = |seq_num, declaration| {
        let content = leadership("pki".into(), time(1000, seq_num), declaration);
        message(Tag::ChanAndOrg, "mychannel", 0, content)
    };
    check(&of_mychannel(1, false), "12096d796368616e6e656c1804a2010c0a03706b69120508e8071001");
    check(&of_mychannel(2, true), "12096d796368616e6e656c1804a2010e0a03706b69120508e80710021801");
}

#[test]
fn private_contents() {
    let private = |content| message(Tag::ChanOnly, "A", 300, content);
    check(&message(Tag::Undefined, "", 300, ack("")), "08ac02b20100");
    check(&message(Tag::Undefined, "", 300, ack("no")), "08ac02b201040a026e6f");
    check(&message(Tag::Undefined, "", 9, ack("")), "0809b20100");
    check(&message(Tag::Undefined, "", 9, ack("e")), "0809b201030a0165");
    let request = Content::PrivateReq(RemotePvtDataRequest { digests: vec![digest()] });
    check(&private(request), "08ac021201411803ba01110a0f0a02747812026e731a016320092802");
    let element = PvtDataElement { digest: Some(digest()), payload: vec!["rw".into()] };
    let response = Content::PrivateRes(RemotePvtDataResponse { elements: vec![element] });
    check(&private(response), "08ac021201411803c201170a150a0f0a02747812026e731a01632009280212027277");
    let payload = PrivatePayload {
        collection_name: "c".into(),
        namespace: "ns".into(),
        tx_id: "tx".into(),
        private_rwset: "rw".into(),
        private_sim_height: 4,
        collection_configs: Some(CollectionConfigPackage::default()),
    };
    let data = Content::PrivateData(PrivateDataMessage { payload: Some(payload) });
    check(&private(data), "08ac021201411803ca01150a130a016312026e731a0274782202727728043200");
}

#[test]
fn small_encodings() {
    assert_eq!(to_hex(&digest().encode_to_vec()), "0a02747812026e731a016320092802");
    assert_eq!(
        to_hex(&Sha256::digest(digest().encode_to_vec())),
        "314d401050402689b17366b0cca32732095dbe1ab55d80867db377fa1ea44d24"
    );
    let payload = PvtDataPayload { tx_seq_in_block: 2, payload: "rw".into() };
    assert_eq!(to_hex(&payload.encode_to_vec()), "080212027277");
    assert_eq!(to_hex(&secret_payload("")), "0a00");
    let sealed = seal(&[1, 2], &[3], Some((&[4], &[5])));
    assert_eq!(to_hex(&sealed), "0a0201021201031a060a0104120105");
}

/// Pull, blocks, state and leadership as in spec/05 §16.
#[test]
fn channel_contents() {
    let pki_id = Bytes::from_iter(0..32);
    let mac = Bytes::copy_from_slice(&channel_mac(&pki_id, b"mychannel"));
    assert_eq!(to_hex(&mac), "8a306cdbd99099d0aee440b1c020292a7fe2d628613ce016c2c86c09794a485b");
    let block = |content| message(Tag::ChanAndOrg, "mychannel", 0, content);
    check(
        &block(hello(0x0102_0304_0506_0708, BLOCKS)),
        "12096d796368616e6e656c18044a0c08888e98a8c0e08081011801",
    );
    check(&message(Tag::Empty, "", 0, hello(7, IDENTITIES)), "18014a0408071802");
    let dig = DataDigest { nonce: 7, digests: digests(&[b"99", b"100"]), msg_type: BLOCKS };
    check(&block(Content::DataDig(dig)), "12096d796368616e6e656c1804520d08071202393912033130301801");
    let req = DataRequest { nonce: 7, digests: digests(&[b"100"]), msg_type: BLOCKS };
    check(&block(Content::DataReq(req)), "12096d796368616e6e656c18045a09080712033130301801");
    let update = DataUpdate { nonce: 7, data: Vec::new(), msg_type: BLOCKS };
    check(&block(Content::DataUpdate(update)), "12096d796368616e6e656c1804620408071801");
    let dead = block(data(100, &[0xde, 0xad]));
    check(&dead, "12096d796368616e6e656c180442080a0608641202dead");
    assert_eq!(to_hex(&seal_unsigned(&dead)), "0a1712096d796368616e6e656c180442080a0608641202dead");
    let pull = Content::StateInfoPullReq(StateInfoPullRequest { channel_mac: mac.clone() });
    let wanted = format!("18058a01220a20{}", to_hex(&mac));
    check(&message(Tag::ChanOrOrg, "", 0, pull), &wanted);
    let info = Content::StateInfo(StateInfo {
        timestamp: time(1_700_000_000_000_000_000, 1_700_000_005_000_000_000),
        pki_id: pki_id.clone(),
        channel_mac: mac.clone(),
        properties: Some(Properties { ledger_height: 5, ..Properties::default() }),
    });
    let wanted = format!(
        "18057a5e1214088080a8b1e39fe7cb171080e4bf81f69fe7cb171a20{}2220{}2a020805",
        to_hex(&pki_id),
        to_hex(&mac)
    );
    check(&message(Tag::ChanOrOrg, "", 0, info), &wanted);
    let declaration = leadership(pki_id.clone(), time(1_700_000_000_000_000_000, 1), true);
    let wanted =
        format!("12096d796368616e6e656c1804a201320a20{}120c088080a8b1e39fe7cb1710011801", to_hex(&pki_id));
    check(&block(declaration), &wanted);
    let wanted = format!("1801aa01270a20{}1203010203", to_hex(&pki_id));
    let identity = PeerIdentity { pki_id, cert: hex("010203").into(), metadata: Bytes::new() };
    check(&message(Tag::Empty, "", 0, Content::PeerIdentity(identity)), &wanted);
}

/// Discovery as in spec/04 §16.
#[test]
fn discovery_contents() {
    let pki_id = Bytes::from_iter(0..32);
    let alive = Content::AliveMsg(AliveMessage {
        membership: Some(Member {
            endpoint: "peer0.org1.example.com:7051".into(),
            metadata: Bytes::new(),
            pki_id: pki_id.clone(),
        }),
        timestamp: time(1_700_000_000_000_000_000, 3),
        identity: Bytes::new(),
    });
    let wanted = format!(
        "18012a4f0a3f0a1b70656572302e6f7267312e6578616d706c652e636f6d3a373035311a20{}120c088080a8b1e39fe7cb171003",
        to_hex(&pki_id)
    );
    check(&message(Tag::Empty, "", 0, alive), &wanted);
    assert_eq!(
        to_hex(&secret_payload("peer0.org1.example.com:7051")),
        "0a1b70656572302e6f7267312e6578616d706c652e636f6d3a37303531"
    );
    let request = Content::MemReq(MembershipRequest {
        self_information: Some(Envelope { payload: hex("01").into(), ..Envelope::default() }),
        known: Vec::new(),
    });
    check(&message(Tag::Empty, "", 9, request), "0809180132050a030a0101");
}

/// Private data as in spec/08 §2.
#[test]
fn private_data_shapes() {
    let write = KvWrite { key: "k1".into(), is_delete: false, value: "v1".into() };
    let rwset = KvrwSet { writes: vec![write], ..KvrwSet::default() }.encode_to_vec();
    assert_eq!(to_hex(&rwset), "1a080a026b311a027631");
    assert_eq!(
        to_hex(&Sha256::digest(&rwset)),
        "e1448b2b9ea484e88ae5113e65a00b69fa1d9ce94d983be97546c7ff8ff39810"
    );
    let transaction = TxPvtReadWriteSet {
        data_model: 0,
        ns_pvt_rwset: vec![NsPvtReadWriteSet {
            namespace: "ns".into(),
            collection_pvt_rwset: vec![CollectionPvtReadWriteSet {
                collection_name: "col".into(),
                rwset: rwset.clone().into(),
            }],
        }],
    };
    let transaction = transaction.encode_to_vec();
    assert_eq!(to_hex(&transaction), "12170a026e7312110a03636f6c120a1a080a026b311a027631");
    let item = PvtDataPayload { tx_seq_in_block: 2, payload: transaction.into() }.encode_to_vec();
    assert_eq!(to_hex(&item), "0802121912170a026e7312110a03636f6c120a1a080a026b311a027631");
    let digest = PvtDataDigest {
        tx_id: "tx1".into(),
        namespace: "ns".into(),
        collection: "col".into(),
        block_seq: 5,
        seq_in_block: 2,
    };
    assert_eq!(to_hex(&digest.encode_to_vec()), "0a0374783112026e731a03636f6c20052802");
    let old = PvtDataDigest { tx_id: String::new(), seq_in_block: 0, ..digest.clone() };
    assert_eq!(to_hex(&old.encode_to_vec()), "12026e731a03636f6c2005");

    let private = |content| message(Tag::ChanOnly, "mychannel", 9, content);
    let request = Content::PrivateReq(RemotePvtDataRequest { digests: vec![digest.clone()] });
    check(&private(request), "080912096d796368616e6e656c1803ba01140a120a0374783112026e731a03636f6c20052802");
    let element = PvtDataElement { digest: Some(digest), payload: vec!["rwset".into()] };
    let response = Content::PrivateRes(RemotePvtDataResponse { elements: vec![element] });
    let wanted =
        "080912096d796368616e6e656c1803c2011d0a1b0a120a0374783112026e731a03636f6c2005280212057277736574";
    check(&private(response), wanted);
    let payload = PrivatePayload {
        collection_name: "col".into(),
        namespace: "ns".into(),
        tx_id: "tx1".into(),
        private_rwset: rwset.into(),
        private_sim_height: 5,
        collection_configs: Some(package()),
    };
    let data = Content::PrivateData(PrivateDataMessage { payload: Some(payload) });
    let wanted = "080912096d796368616e6e656c1803ca014a0a480a03636f6c12026e731a03747831220a1a080a026b311a0276312805322a";
    check(&private(data), &format!("{wanted}{PACKAGE}"));
}

const PACKAGE: &str = "0a280a260a03636f6c12190a17120812060801120208001a0b12090a074f7267314d5350180120022864";

/// Collection `col`: any member of Org1MSP, required 1, maximum 2, kept for 100 blocks.
fn package() -> CollectionConfigPackage {
    let member = MspRole { msp_identifier: "Org1MSP".into(), role: 0 };
    let policy = SignaturePolicyEnvelope {
        version: 0,
        rule: Some(SignaturePolicy {
            r#type: Some(Rule::NOutOf(NOutOf {
                n: 1,
                rules: vec![SignaturePolicy { r#type: Some(Rule::SignedBy(0)) }],
            })),
        }),
        identities: vec![MspPrincipal {
            principal_classification: 0,
            principal: member.encode_to_vec().into(),
        }],
    };
    let collection = StaticCollectionConfig {
        name: "col".into(),
        member_orgs_policy: Some(CollectionPolicyConfig {
            payload: Some(CollectionPolicy::SignaturePolicy(policy)),
        }),
        required_peer_count: 1,
        maximum_peer_count: 2,
        block_to_live: 100,
        ..StaticCollectionConfig::default()
    };
    let package = CollectionConfigPackage {
        config: vec![CollectionConfig {
            payload: Some(CollectionPayload::StaticCollectionConfig(collection)),
        }],
    };
    assert_eq!(to_hex(&package.encode_to_vec()), PACKAGE);
    package
}
