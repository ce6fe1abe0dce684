//! Hashes, slots and transactions of recorded blocks come out as Fabric has them (spec/07 §1 to §5).

#![allow(clippy::unwrap_used)]

mod common;

use bytes::Bytes;
use common::{dynamic, hex, json, pool, read, to_hex};
use prost::Message;
use selvedge_proto::block::{self, BlockError};
use selvedge_proto::common::{Block, BlockHeader, HeaderType, IdentifierHeader, Payload, SignatureHeader};
use selvedge_proto::common::{Envelope, LastConfig, Metadata, MetadataSignature, OrdererBlockMetadata};
use selvedge_proto::peer::{
    ChaincodeAction, ChaincodeActionPayload, ProposalResponsePayload, Transaction, TxValidationCode,
};
use selvedge_proto::rwset::TxReadWriteSet;
use selvedge_proto::{decode, msp};
use serde_json::Value;
use sha2::{Digest, Sha256};

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn load(path: &str) -> Block {
    let raw = read(path);
    let block: Block = decode(raw.clone()).unwrap();
    assert_eq!(block.encode_to_vec(), raw, "{path}, written again");
    assert_eq!(Message::encode_to_vec(&dynamic(&pool(), "common.Block", &raw)), raw, "{path}");
    block
}

/// Checks what both recordings say of a block.
fn check_hashes(block: &Block, entry: &Value, previous_hash: &str, data_hash: &str) {
    let number = entry["number"].as_u64().unwrap();
    let header = block::check_header(block, number).unwrap();
    assert_eq!(to_hex(&header.previous_hash), text(entry, previous_hash));
    assert_eq!(to_hex(&header.data_hash), text(entry, data_hash));
    assert_eq!(to_hex(&block::header_bytes(header)), text(entry, "header_bytes"));
    assert_eq!(to_hex(&block::header_hash(header)), text(entry, "header_hash"));
    assert_eq!(block::data_hash(block::entries(block))[..], header.data_hash);
    assert_eq!(block::check_data(block), Ok(()));
    assert_eq!(block::refuse_config_among_others(block::entries(block)), Ok(()));
    assert_eq!(block::channel_id(block).as_deref(), Ok("mychannel"));
}

#[test]
fn every_hash_of_the_raft_channel_is_reproduced() {
    let mut previous = Bytes::new();
    for entry in json("blocks/blocks.json").as_array().unwrap() {
        let block = load(&format!("blocks/{}", text(entry, "file_from_orderer")));
        check_hashes(&block, entry, "header_previous_hash", "header_data_hash");
        let header = block.header.clone().unwrap();
        assert_eq!(header.previous_hash, previous, "the chain");
        previous = Bytes::copy_from_slice(&block::header_hash(&header));
        assert_eq!(text(entry, "computed_data_hash"), to_hex(&header.data_hash));
        assert_eq!(block::last_config_index(&block), Ok(entry["last_config_index"].as_u64().unwrap()));
        assert!(block::transactions_filter(&block).is_empty());

        let stored = load(&format!("blocks/{}", text(entry, "file_from_peer")));
        assert!(block::same_block(&block, &stored));
        assert_eq!(to_hex(block::transactions_filter(&stored)), text(entry, "peer_transactions_filter"));
        assert_eq!(block::last_config_index(&stored), block::last_config_index(&block));
    }
}

#[test]
fn every_hash_of_the_bft_channel_is_reproduced() {
    for entry in json("bft/blocks/blocks.json").as_array().unwrap() {
        let number = entry["number"].as_u64().unwrap();
        let block = load(&format!("bft/blocks/orderer/{number:03}.block"));
        check_hashes(&block, entry, "previous_hash", "data_hash");
        assert_eq!(block::last_config_index(&block), Ok(entry["last_config"].as_u64().unwrap()));
        let signatures = block::signatures(&block).unwrap();
        assert_eq!(to_hex(&signatures.value), text(entry, "metadata_value"));
        let recorded = entry["signatures"].as_array().unwrap();
        assert_eq!(signatures.entries.len(), recorded.len());
        for (signature, recorded) in signatures.entries.iter().zip(recorded) {
            assert!(signature.signature_header.is_empty());
            let id: IdentifierHeader = decode(signature.identifier_header.clone()).unwrap();
            assert_eq!(u64::from(id.identifier), recorded["identifier"].as_u64().unwrap());
            assert_eq!(to_hex(&id.nonce), text(recorded, "nonce"));
            assert_eq!(to_hex(&signature.signature), text(recorded, "signature"));
            let header = block.header.as_ref().unwrap();
            let signed = block::signed_bytes(&signatures.value, &signature.identifier_header, header);
            assert_eq!(to_hex(&Sha256::digest(signed)), text(recorded, "signed_bytes_sha256"));
        }
    }
}

#[test]
fn copies_of_a_bft_block_are_the_same_block() {
    for number in ["005", "013", "017"] {
        let one = load(&format!("bft/blocks/orderer/{number}.block"));
        let other = load(&format!("bft/blocks/orderer3/{number}.block"));
        assert_ne!(one, other, "the signatures differ");
        assert!(block::same_block(&one, &other));
    }
    let five = load("bft/blocks/orderer/005.block");
    assert!(!block::same_block(&five, &load("bft/blocks/orderer/013.block")));
}

#[test]
fn raft_blocks_are_signed_by_one_orderer() {
    for entry in json("blocks/blocks.json").as_array().unwrap().iter().skip(1) {
        let block = load(&format!("blocks/{}", text(entry, "file_from_orderer")));
        let signatures = block::signatures(&block).unwrap();
        let signers = entry["orderer_signers"].as_array().unwrap();
        assert_eq!(signatures.entries.len(), signers.len());
        for (signature, signer) in signatures.entries.iter().zip(signers) {
            assert!(signature.identifier_header.is_empty());
            let header: SignatureHeader = decode(signature.signature_header.clone()).unwrap();
            let creator: msp::SerializedIdentity = decode(header.creator.clone()).unwrap();
            assert_eq!(creator.mspid, "OrdererMSP");
            assert_eq!(header.nonce.len(), 24);
            assert!(signer.as_str().unwrap().starts_with("orderer"));
        }
    }
}

#[test]
fn the_transactions_are_those_recorded() {
    for entry in json("blocks/blocks.json").as_array().unwrap() {
        let block = load(&format!("blocks/{}", text(entry, "file_from_orderer")));
        let recorded = entry["transactions"].as_array().unwrap();
        assert_eq!(block::entries(&block).len(), recorded.len());
        for (transaction, recorded) in block::entries(&block).iter().zip(recorded) {
            let header = block::channel_header(transaction).unwrap();
            assert_eq!(header.tx_id, text(recorded, "tx_id"));
            let kind = HeaderType::try_from(header.r#type).unwrap();
            assert_eq!(kind.as_str_name(), text(recorded, "type"));
            assert!(TxValidationCode::from_str_name(text(recorded, "validation_code")).is_some());
            if kind == HeaderType::EndorserTransaction {
                assert_eq!(private_hashes(transaction), recorded_private_hashes(recorded));
            }
        }
        let config = recorded.iter().any(|transaction| text(transaction, "type") == "CONFIG");
        assert_eq!(block::is_config_block(&block), config);
        assert_eq!(block::config_envelope(&block).is_ok(), config);
    }
}

type Hashes = Vec<(String, String, String)>;

fn recorded_private_hashes(transaction: &Value) -> Hashes {
    let collections = transaction["private_collections"].as_array();
    let hash = |entry: &Value| {
        let [namespace, collection, hash] =
            ["namespace", "collection", "pvt_rwset_hash"].map(|key| text(entry, key).to_owned());
        (namespace, collection, hash)
    };
    collections.into_iter().flatten().map(hash).collect()
}

/// The way down to the hashes of private data, by hand: it shows that the definitions on the way are right.
fn private_hashes(entry: &Bytes) -> Hashes {
    let envelope: Envelope = decode(entry.clone()).unwrap();
    let payload: Payload = decode(envelope.payload).unwrap();
    let transaction: Transaction = decode(payload.data).unwrap();
    let action: ChaincodeActionPayload = decode(transaction.actions[0].payload.clone()).unwrap();
    let response: ProposalResponsePayload = decode(action.action.unwrap().proposal_response_payload).unwrap();
    let action: ChaincodeAction = decode(response.extension).unwrap();
    let writes: TxReadWriteSet = decode(action.results).unwrap();
    let mut hashes = Vec::new();
    for namespace in writes.ns_rwset {
        for collection in namespace.collection_hashed_rwset {
            // nothing written in private
            if collection.pvt_rwset_hash.is_empty() {
                continue;
            }
            let hash = to_hex(&collection.pvt_rwset_hash);
            hashes.push((namespace.namespace.clone(), collection.collection_name, hash));
        }
    }
    hashes
}

#[test]
fn a_configuration_is_read_from_its_block() {
    let block = load("network/mychannel.block");
    assert!(block::same_block(&block, &load("blocks/orderer/000.block")));
    let config = block::config_envelope(&block).unwrap().config.unwrap();
    assert_eq!(config.sequence, 0);
    let groups = config.channel_group.unwrap().groups;
    assert_eq!(groups.keys().collect::<Vec<_>>(), ["Application", "Orderer"]);
    let next = load("bft/blocks/orderer/009.block");
    assert_eq!(block::config_envelope(&next).unwrap().config.unwrap().sequence, 1);
    assert_eq!(block::config_envelope(&load("blocks/orderer/005.block")), Err(BlockError::NotConfig));
}

/// Number, previous hash, data hash, beginning of the DER bytes, header hash.
type HeaderRow<'a> = (u64, &'a [u8], &'a [u8], &'a str, &'a str);

/// The rows of spec/07 §2, and that of spec/03 §13.6.
#[test]
fn header_bytes() {
    let a: Vec<u8> = (0..32).collect();
    let f = vec![0xff; 32];
    let rows: [HeaderRow<'_>; 10] = [
        (0, &[], &a, "3027020100 0400", "afa2567803f7f3a839cf9d720474897a79c83a1da631906695fc89b4cd223517"),
        (1, &a, &f, "3047020101", "c98e6344a1aa9110e3638150f077c554739894714d5cedc1cd9f632743746879"),
        (127, &a, &f, "304702017f", "56a5562e25845a09b2be451d15a8da62e9a3b42bd916b79926ae7ffe9bf3dcad"),
        (128, &a, &f, "304802020080", "a6c56b5f8e3a0b8848d5bb485600bea6adf00e40fb25379609dba052eb181cab"),
        (256, &a, &f, "304802020100", "17a3f88015c4c7023eb63f904240f4386eda601118f711ecd4fdb281af9e0e2a"),
        (
            1 << 32,
            &a,
            &f,
            "304b02050100000000",
            "a21723f86a85878fa39d9848715618fdfbf988f270810ecce029853a8ef5e195",
        ),
        (
            (1 << 63) - 1,
            &a,
            &f,
            "304e02087fffffffffffffff",
            "45291db3a8f453c2ad9d2863ddd9f4d4fa8f6aa33859494cf4e2da52b7e2ef05",
        ),
        (
            1 << 63,
            &a,
            &f,
            "304f0209008000000000000000",
            "f2e8e60df45144b7c322e8cedc70178e461556fefaf1dca89f428f1f4d8314bf",
        ),
        (
            u64::MAX,
            &a,
            &f,
            "304f020900ffffffffffffffff",
            "6c6d8bd47e78d0608fa8c7c7ed82f457444d5dbac041a311191f14037e1a36b0",
        ),
        (
            300,
            &[0xaa, 0xbb],
            &[0xcc],
            "300b0202012c",
            "6ffc66985f67058b94a151df332c5962d213a621c2e9e34c13d2f2702610b0cc",
        ),
    ];
    for (number, previous, data, start, hash) in rows {
        let header = BlockHeader {
            number,
            previous_hash: Bytes::copy_from_slice(previous),
            data_hash: Bytes::copy_from_slice(data),
        };
        let mut wanted = hex(start);
        if !previous.is_empty() {
            wanted.extend([4, previous.len() as u8]);
            wanted.extend(previous);
        }
        wanted.extend([4, data.len() as u8]);
        wanted.extend(data);
        assert_eq!(to_hex(&block::header_bytes(&header)), to_hex(&wanted), "{number}");
        assert_eq!(to_hex(&block::header_hash(&header)), hash, "{number}");
    }
}

#[test]
fn hashes_of_any_length_are_hashed() {
    let header = |length: usize| BlockHeader {
        number: 1,
        previous_hash: Bytes::new(),
        data_hash: vec![7; length].into(),
    };
    let start = |length: usize| to_hex(&block::header_bytes(&header(length))[..10]);
    assert_eq!(start(120), "307f02010104000478".to_owned() + "07");
    assert_eq!(start(127), "308186020101".to_owned() + "0400047f");
    assert_eq!(start(128), "308188020101".to_owned() + "04000481");
    assert_eq!(start(255), "30820107020101".to_owned() + "040004");
    assert_eq!(start(256), "30820109020101".to_owned() + "040004");
    assert_eq!(start(65_536), "308301000a020101".to_owned() + "0400");
    assert_eq!(block::header_bytes(&header(65_536)).len(), 65_536 + 15);
}

const N: &str = "000102030405060708090a0b0c0d0e0f1011121314151617";

/// The vectors of spec/07 §5.
#[test]
fn signed_bytes() {
    let header = BlockHeader {
        number: 7,
        previous_hash: (0..32).collect(),
        data_hash: hex("d2a78cd31608f54aa4155bf5a54f525bf70962b1b31d93d71f9f64f2e230771d").into(),
    };
    let metadata = OrdererBlockMetadata {
        last_config: Some(LastConfig { index: 3 }),
        consenter_metadata: hex("0a0101").into(),
    };
    let value = metadata.encode_to_vec();
    assert_eq!(to_hex(&value), "0a02080312030a0101");
    let classic = SignatureHeader { creator: "creator".into(), nonce: hex(N).into() }.encode_to_vec();
    assert_eq!(to_hex(&classic), format!("0a0763726561746f721218{N}"));
    let bft = IdentifierHeader { identifier: 2, nonce: hex(N).into() }.encode_to_vec();
    assert_eq!(to_hex(&bft), format!("08021218{N}"));
    let digest = |signed: Vec<u8>| to_hex(&Sha256::digest(signed));
    assert_eq!(
        digest(block::signed_bytes(&value, &classic, &header)),
        "9082f99e37b7af05d49a8bdf5a35dea5c99d64942c1109ed944c42f000990ec2"
    );
    assert_eq!(
        digest(block::signed_bytes(&value, &bft, &header)),
        "8c7b91c460a1a5a68140dbcc3cdd50e2a0c176f07bfba7106bd10640e3f3e3ff"
    );
    let slot = |signature: MetadataSignature| {
        to_hex(&Metadata { value: value.clone().into(), signatures: vec![signature] }.encode_to_vec())
    };
    let signature = MetadataSignature { signature: "sig".into(), ..MetadataSignature::default() };
    assert_eq!(
        slot(MetadataSignature { signature_header: classic.into(), ..signature.clone() }),
        format!("0a090a02080312030a0101122a0a230a0763726561746f721218{N}1203736967")
    );
    assert_eq!(
        slot(MetadataSignature { identifier_header: bft.into(), ..signature }),
        format!("0a090a02080312030a0101122312037369671a1c08021218{N}")
    );
}
