//! Signed messages as Fabric makes them, with the identity "V1" of spec/03 §13 (spec/01 §16.2 to §16.4). What is
//! signed must come out to the byte; the signatures are verified where there is cryptography.

#![allow(clippy::unwrap_used)]

mod common;

use bytes::Bytes;
use common::{hex, to_hex};
use selvedge_proto::block::channel_mac;
use selvedge_proto::decode;
use selvedge_proto::envelope::{ContentKind, EnvelopeView, payload_of, seal, secret_payload};
use selvedge_proto::gossip::gossip_message::{Content, Tag};
use selvedge_proto::gossip::{
    AliveMessage, Chaincode, ConnEstablish, GossipMessage, Member, PeerTime, Properties, StateInfo,
};
use selvedge_proto::msp::SerializedIdentity;
use sha2::{Digest, Sha256};

const PKI_ID: &str = "96bec7adcdd1a96cddd5a2c99b3cc7c197913642f342267602dba87d7d5b43a6";

const IDENTITY: &str = "
    0a074f7267314d535012fb042d2d2d2d2d424547494e2043455254494649434154452d2d2d2d2d0a4d494942714443434155
    36674177494241674942416a414b42676771686b6a4f50515144416a42474d517377435159445651514745774a56557a455a
    4d4263470a4131554543684d5162334a6e4d53356c654746746347786c4c6d4e76625445634d426f474131554541784d5459
    32457562334a6e4d53356c654746746347786c0a4c6d4e7662544167467730794e5441784d4445774d5441774d4442614741
    38794d5449314d4445774d5441774d4441774d466f774d44454e4d417347413155450a43784d456347566c636a45664d4230
    474131554541784d576347566c636a417562334a6e4d53356c654746746347786c4c6d4e766254425a4d424d47427971470a
    534d34394167454743437147534d343941774548413049414243773452684c704f78724a5a566b455a716f6755524a465241
    55495144506954415a595a7861630a554d307865342b314774364c304834626a6535787256534d792b35786b4763505a6845
    49597569464539487970462b6a5154412f4d41344741315564447745420a2f775145417749486744414d42674e5648524d42
    41663845416a41414d42384741315564497751594d426141464d724b7973724b7973724b7973724b7973724b0a7973724b79
    73724b4d416f4743437147534d343942414d43413067414d4555434951447a6352572b6f65674479355a75747033556a5532
    5646445869555941430a61684d35566f5564664479314e6749675941677033687757717a646551663058626832542b2f6233
    524d49524f756e357a4468666469656e34506f3d0a2d2d2d2d2d454e442043455254494649434154452d2d2d2d2d0a
";

fn message(tag: Tag, content: Content) -> GossipMessage {
    GossipMessage { tag: tag.into(), content: Some(content), ..GossipMessage::default() }
}

#[test]
fn the_pki_id_is_a_hash_of_the_identity() {
    let identity = hex(IDENTITY);
    assert_eq!(identity.len(), 647);
    let identity: SerializedIdentity = decode(identity).unwrap();
    assert_eq!((identity.mspid.as_str(), identity.id_bytes.len()), ("Org1MSP", 635));
    let hash = Sha256::new().chain_update(&identity.mspid).chain_update(&identity.id_bytes).finalize();
    assert_eq!(to_hex(&hash), PKI_ID);
}

#[test]
fn an_alive_message_with_secret() {
    let alive = AliveMessage {
        membership: Some(Member {
            endpoint: "peer0.org1.example.com:7051".into(),
            metadata: Bytes::new(),
            pki_id: hex(PKI_ID).into(),
        }),
        timestamp: Some(PeerTime { inc_num: 1_735_693_200_000_000_000, seq_num: 7 }),
        identity: Bytes::new(),
    };
    let payload = payload_of(&message(Tag::Empty, Content::AliveMsg(alive)));
    let signature = hex("304402205201701742b8629e42daeb08f24eae496a83ae7ba0a09e61b9546363819d2be0
         02205aca311fa9ea79da63c1c358f7cd109e3c7e32b7f9de514798b779e83c4e5807");
    let secret = secret_payload("10.0.0.1:7051");
    assert_eq!(to_hex(&secret), "0a0d31302e302e302e313a37303531");
    let secret_signature = hex("3045022100aecae26cf907fb148cae5d0fa42de267eba845b623a8fe5bd9fa527b356f655a
         02202263b027d5f38d3f440ffe81f9d58566756e6d4c110dee6f67143f5330b9ee58");
    let envelope = seal(&payload, &signature, Some((&secret, &secret_signature)));
    assert_eq!(
        to_hex(&envelope),
        "0a5318012a4f0a3f0a1b70656572302e6f7267312e6578616d706c652e636f6d3a373035311a2096bec7adcdd1a96c\
         ddd5a2c99b3cc7c197913642f342267602dba87d7d5b43a6120c0880c0be88cff89a8b1810071246304402205201701742\
         b8629e42daeb08f24eae496a83ae7ba0a09e61b9546363819d2be002205aca311fa9ea79da63c1c358f7cd109e3c7e32b7\
         f9de514798b779e83c4e58071a5a0a0f0a0d31302e302e302e313a3730353112473045022100aecae26cf907fb148cae5d\
         0fa42de267eba845b623a8fe5bd9fa527b356f655a02202263b027d5f38d3f440ffe81f9d58566756e6d4c110dee6f6714\
         3f5330b9ee58"
    );
    assert_eq!(envelope.len(), 249);

    let view = EnvelopeView::parse(envelope).unwrap();
    let key = view.alive_key().unwrap();
    assert_eq!(key.pki_id, hex(PKI_ID));
    assert_eq!((key.inc_num, key.seq_num), (1_735_693_200_000_000_000, 7));
    assert_eq!(view.secret().unwrap().internal_endpoint(), "10.0.0.1:7051");
    assert_eq!(view.without_secret(), seal(&payload, &signature, None));
}

#[test]
fn a_state_info() {
    let mac = channel_mac(&hex(PKI_ID), b"mychannel");
    assert_eq!(to_hex(&mac), "8d4b14bb128cc7351eb501c0fb22bbd210cd854ebe591a62682c3421a022b7f4");
    let info = StateInfo {
        timestamp: Some(PeerTime { inc_num: 1_735_693_200_000_000_001, seq_num: 1_735_693_260_000_000_000 }),
        pki_id: hex(PKI_ID).into(),
        channel_mac: Bytes::copy_from_slice(&mac),
        properties: Some(Properties {
            ledger_height: 42,
            left_channel: false,
            chaincodes: vec![Chaincode {
                name: "basic".into(),
                version: "1.0".into(),
                metadata: Bytes::new(),
            }],
        }),
    };
    let payload = payload_of(&message(Tag::ChanOrOrg, Content::StateInfo(info)));
    assert_eq!(
        to_hex(&payload),
        "18057a6c12140881c0be88cff89a8b181080f0dbcaaefa9a8b181a2096bec7adcdd1a96cddd5a2c99b3cc7c1979136\
         42f342267602dba87d7d5b43a622208d4b14bb128cc7351eb501c0fb22bbd210cd854ebe591a62682c3421a022b7f42a10\
         082a1a0c0a0562617369631203312e30"
    );
    let view = EnvelopeView::parse(seal(&payload, b"signature", None)).unwrap();
    let key = view.state_info_key().unwrap();
    assert_eq!((key.pki_id, key.channel_mac), (&hex(PKI_ID)[..], &mac[..]));
    assert_eq!((key.inc_num, key.seq_num), (1_735_693_200_000_000_001, 1_735_693_260_000_000_000));
}

#[test]
fn a_handshake() {
    let tls_cert_hash = Sha256::digest(b"example DER bytes of a TLS certificate");
    assert_eq!(to_hex(&tls_cert_hash), "985a7c72cd358d2e36b04f42b6e31e0cd7fc2caacbbe7501c335c486ade94ba0");
    let conn = ConnEstablish {
        pki_id: hex(PKI_ID).into(),
        identity: hex(IDENTITY).into(),
        tls_cert_hash: Bytes::copy_from_slice(&tls_cert_hash),
        probe: false,
    };
    let payload = payload_of(&message(Tag::Empty, Content::Conn(conn)));
    assert_eq!(payload.len(), 723);
    assert_eq!(
        to_hex(&Sha256::digest(&payload)),
        "2bdd5533b2d99633c1a67e4fe83d43af02024717572b264b665f6d9d0cd7f6af"
    );
    let signature = hex("3044022064e85a311053a140187495abe04086c1e467c8c8bb06bd6ced98f03a35783f49
         022032867bcfdee01742d967cce94c6713b56f8638074e4ea5577e951151d74862bd");
    let envelope = seal(&payload, &signature, None);
    assert_eq!(envelope.len(), 798);
    assert_eq!(EnvelopeView::parse(envelope).unwrap().kind(), ContentKind::Conn);
}
