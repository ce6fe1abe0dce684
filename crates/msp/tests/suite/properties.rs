//! Bytes from outside never panic, whatever they are, and mutations of good ones are never taken for good.

use std::sync::{Arc, LazyLock};

use crate::support::{block, fixture, genesis, local_msp, serialized, vector};
use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use prost::Message;
use selvedge_msp::{ChannelBundle, LocalMsp, MessageVerifier, Msp, MspVersion, SignedData, pki_id};
use selvedge_proto::common::{Block, Config, ConfigEnvelope, ConfigGroup, SignaturePolicyEnvelope};
use selvedge_proto::msp::FabricMspConfig;

static BUNDLE: LazyLock<ChannelBundle> = LazyLock::new(genesis);
static BFT: LazyLock<ChannelBundle> =
    LazyLock::new(|| ChannelBundle::from_config_block(&block("bft/mychannel.block")).unwrap());
static PEER: LazyLock<LocalMsp> = LazyLock::new(|| local_msp("peer0.org2"));
static VERIFIER: LazyLock<MessageVerifier> = LazyLock::new(|| {
    let verifier = MessageVerifier::new(Arc::new(local_msp("peer0.org1")));
    verifier.set_channel("mychannel", Arc::new(genesis()));
    verifier
});
static SIGNATURE: LazyLock<Bytes> = LazyLock::new(|| PEER.signer().sign(b"message").unwrap());
static GENESIS: LazyLock<Vec<u8>> = LazyLock::new(|| BUNDLE.config().encode_to_vec());
static MSP: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let folder = crate::support::fixture_path("network/crypto/peerOrganizations/org1.example.com/msp");
    selvedge_msp::read_msp_folder(&folder, "Org1MSP").unwrap().config.encode_to_vec()
});

/// One change of bytes: a place, and what becomes of it.
#[derive(Clone, Debug)]
enum Mutation {
    Set(usize, u8),
    Remove(usize, usize),
    Insert(usize, Vec<u8>),
    Cut(usize),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    prop_oneof![
        (any::<usize>(), any::<u8>()).prop_map(|(at, byte)| Mutation::Set(at, byte)),
        (any::<usize>(), 1..20_usize).prop_map(|(at, count)| Mutation::Remove(at, count)),
        (any::<usize>(), vec(any::<u8>(), 1..20)).prop_map(|(at, bytes)| Mutation::Insert(at, bytes)),
        any::<usize>().prop_map(Mutation::Cut),
    ]
}

fn mutate(bytes: &[u8], mutations: &[Mutation]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for mutation in mutations {
        if bytes.is_empty() {
            break;
        }
        let length = bytes.len();
        match mutation {
            Mutation::Set(at, byte) => bytes[at % length] = *byte,
            Mutation::Remove(at, count) => {
                let at = at % length;
                bytes.drain(at..(at + count).min(length));
            }
            Mutation::Insert(at, inserted) => {
                let at = at % length;
                bytes.splice(at..at, inserted.iter().copied());
            }
            Mutation::Cut(at) => bytes.truncate(at % length),
        }
    }
    bytes
}

/// All that can be asked of an identity.
fn ask_about(identity: &[u8]) {
    let _ = pki_id(identity);
    let _ = VERIFIER.check_identity(identity);
    let _ = VERIFIER.verify(identity, b"message", &SIGNATURE);
    let _ = VERIFIER.verify_for_channel("mychannel", identity, b"message", &SIGNATURE);
    let _ = BUNDLE.deserialize(identity);
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 100,
        failure_persistence: None,
        // the same cases at every run
        rng_seed: RngSeed::Fixed(1),
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_bytes_as_an_identity(bytes in vec(any::<u8>(), 0..300)) {
        ask_about(&bytes);
        ask_about(&serialized("Org2MSP", &bytes));
    }

    #[test]
    fn any_der_in_a_certificate(bytes in vec(any::<u8>(), 0..300)) {
        let text = pem::encode(&pem::Pem::new("CERTIFICATE", bytes));
        ask_about(&serialized("Org2MSP", text.as_bytes()));
    }

    #[test]
    fn pieces_of_pem(pieces in vec(prop_oneof![
        Just("-----BEGIN "), Just("-----END "), Just("CERTIFICATE"), Just("-----"), Just("\n"), Just("\r\n"),
        Just(" "), Just(":"), Just("MIIB"), Just("="), Just("-----BEGIN CERTIFICATE-----\n"),
        Just("\n-----END CERTIFICATE-----\n"),
    ], 0..30)) {
        ask_about(&serialized("Org2MSP", pieces.concat().as_bytes()));
    }

    /// A mutated certificate either is refused or says what the issuer signed: the same key and validity.
    #[test]
    fn mutated_certificates(mutations in vec(mutation(), 1..4)) {
        let good = VERIFIER.check_identity(PEER.identity()).unwrap();
        let der = BUNDLE.deserialize(PEER.identity()).unwrap().certificate_der().clone();
        let text = pem::encode(&pem::Pem::new("CERTIFICATE", mutate(&der, &mutations)));
        if let Ok(claims) = VERIFIER.check_identity(&serialized("Org2MSP", text.as_bytes())) {
            prop_assert_eq!(claims.public_key_hash, good.public_key_hash);
            prop_assert_eq!((claims.not_before, claims.expires_at), (good.not_before, good.expires_at));
            prop_assert_eq!(claims.role, good.role);
        }
    }

    #[test]
    fn mutated_identities(mutations in vec(mutation(), 1..4)) {
        let good = VERIFIER.check_identity(PEER.identity()).unwrap();
        let mutated = mutate(PEER.identity(), &mutations);
        ask_about(&mutated);
        if let Ok(claims) = VERIFIER.check_identity(&mutated) {
            prop_assert_eq!(claims.public_key_hash, good.public_key_hash);
        }
    }

    #[test]
    fn any_bytes_as_a_signature(bytes in vec(any::<u8>(), 0..120)) {
        prop_assert!(VERIFIER.verify(PEER.identity(), b"message", &bytes).is_err());
    }

    /// What still verifies has the same r and s: only bytes after s may differ.
    #[test]
    fn mutated_signatures(mutations in vec(mutation(), 1..3)) {
        let mutated = mutate(&SIGNATURE, &mutations);
        if VERIFIER.verify(PEER.identity(), b"message", &mutated).is_ok() {
            let numbers = usize::from(SIGNATURE[1]);
            prop_assert_eq!(&mutated[2..2 + numbers], &SIGNATURE[2..2 + numbers]);
        }
    }

    #[test]
    fn mutated_msps(mutations in vec(mutation(), 1..4)) {
        if let Ok(config) = FabricMspConfig::decode(&mutate(&MSP, &mutations)[..]) {
            for version in [MspVersion::V1_0, MspVersion::V1_3, MspVersion::V3_0] {
                let _ = Msp::from_config(&config, version);
            }
        }
    }

    #[test]
    fn any_revocation_list(bytes in vec(any::<u8>(), 0..200)) {
        let mut config = FabricMspConfig::decode(&MSP[..]).unwrap();
        config.revocation_list = vec![bytes.into()];
        prop_assert!(Msp::from_config(&config, MspVersion::V3_0).is_err());
    }

    #[test]
    fn mutated_configurations(mutations in vec(mutation(), 1..4)) {
        if let Ok(config) = Config::decode(&mutate(&GENESIS, &mutations)[..]) {
            let _ = ChannelBundle::from_config("mychannel", &config);
        }
    }

    #[test]
    fn any_policy(bytes in vec(any::<u8>(), 0..100)) {
        if let Ok(policy) = SignaturePolicyEnvelope::decode(&bytes[..]) {
            let signed = SignedData {
                data: b"message".into(),
                identity: PEER.identity()[..].into(),
                signature: SIGNATURE[..].into(),
            };
            let _ = BUNDLE.evaluate_signature_policy(&policy, &[signed]);
        }
    }

    #[test]
    fn any_path_of_a_policy(path in "[/A-Za-z.]{0,30}") {
        let _ = BUNDLE.evaluate(&path, &[]);
    }

    #[test]
    fn any_configuration_update(bytes in vec(any::<u8>(), 0..200), version in any::<u64>()) {
        if let Ok(mut update) = ConfigEnvelope::decode(&bytes[..]) {
            update.config = Some(Config {
                sequence: 1,
                channel_group: Some(ConfigGroup { version, ..ConfigGroup::default() }),
            });
            prop_assert!(BUNDLE.validate_update(&update).is_err());
        }
    }

    #[test]
    fn mutated_updates(mutations in vec(mutation(), 1..4)) {
        let update = selvedge_proto::block::config_envelope(&block("bft/blocks/orderer/009.block")).unwrap();
        if let Ok(mutated) = ConfigEnvelope::decode(&mutate(&update.encode_to_vec(), &mutations)[..])
            && mutated != update
            && let Ok(new) = BFT.validate_update(&mutated)
        {
            // whatever was changed, it did not change the configuration
            prop_assert_eq!(Some(new.config()), update.config.as_ref());
        }
    }

    /// A block that verifies has the recorded header and data.
    #[test]
    fn mutated_blocks(number in 1..91_u64, mutations in vec(mutation(), 1..4)) {
        let bytes = fixture(&format!("blocks/orderer/{number:03}.block"));
        let original = Block::decode(&bytes[..]).unwrap();
        if let Ok(mutated) = selvedge_proto::decode::<Block>(mutate(&bytes, &mutations))
            && BUNDLE.verify_block(number, &mutated).is_ok()
        {
            prop_assert!(selvedge_proto::block::same_block(&mutated, &original));
        }
    }
}

#[test]
fn vectors_are_mutated_from_good_ones() {
    assert!(VERIFIER.verify(PEER.identity(), b"message", &SIGNATURE).is_ok());
    assert!(Msp::from_config(&FabricMspConfig::decode(&MSP[..]).unwrap(), MspVersion::V3_0).is_ok());
    assert!(pki_id(&serialized("Org1MSP", &vector("v1.pem"))).is_ok());
}
