//! Certificates, identities, MSPs and channel configurations.

use super::{fixture, read_fixture};
use crate::chain::Chain;
use bytes::Bytes;
use prost::Message as _;
use selvedge_msp::{
    ChannelBundle, LocalMsp, MessageVerifier, Msp, MspVersion, SignedData, UnixSeconds, pki_id,
    read_msp_folder,
};
use selvedge_proto::common::{Block, Config, ConfigEnvelope};
use selvedge_proto::fuzzing::edited;
use selvedge_proto::msp::{FabricMspConfig, SerializedIdentity};
use selvedge_proto::{block, decode};
use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

const CHANNEL: &str = "mychannel";
const MSP_ID: &str = "Org1MSP";
const MSP_FOLDER: &str = "network/crypto/peerOrganizations/org1.example.com/peers/peer0.org1.example.com/msp";
/// When the recorded certificates are valid.
const NOW: UnixSeconds = 1_800_000_000;

/// A recorded network, and what a peer of it goes by.
struct Known {
    genesis: Bytes,
    second: Bytes,
    config: Bytes,
    bundle: Arc<ChannelBundle>,
    verifier: MessageVerifier,
    identity: Bytes,
    certificate: Vec<u8>,
    msp: FabricMspConfig,
}

static KNOWN: LazyLock<Known> = LazyLock::new(|| {
    let genesis = read_fixture("blocks/orderer/000.block");
    let read = decode::<Block>(genesis.clone()).expect("a block");
    let config = block::config_envelope(&read).expect("a configuration").config.expect("a configuration");
    let bundle = Arc::new(ChannelBundle::from_config_block(&read).expect("a configuration"));
    let local = Arc::new(LocalMsp::load(&fixture(MSP_FOLDER), MSP_ID, NOW).expect("an MSP"));
    let identity = local.identity().clone();
    let verifier = MessageVerifier::new(local);
    verifier.set_channel(CHANNEL, Arc::clone(&bundle));
    let certificate = bundle.deserialize(&identity).expect("an identity").certificate_der().to_vec();
    let msp = read_msp_folder(&fixture(MSP_FOLDER), MSP_ID).expect("an MSP").config;
    let second = read_fixture("blocks/orderer/001.block");
    Known {
        genesis,
        second,
        config: config.encode_to_vec().into(),
        bundle,
        verifier,
        identity,
        certificate,
        msp,
    }
});

/// Reads `data` as an identity in one of several ways, which its first byte chooses, or as a signature.
pub fn identity(data: &[u8]) {
    let Some((&way, rest)) = data.split_first() else { return };
    let known = &*KNOWN;
    let serialized = match way % 6 {
        0 => Bytes::copy_from_slice(rest),
        1 => of_pem(&pem("CERTIFICATE", &patched(&known.certificate, rest))),
        2 => of_pem(&pem("CERTIFICATE", rest)),
        3 => of_pem(rest),
        4 => edited(&known.identity, rest).into(),
        _ => {
            let _ = known.verifier.verify(&known.identity, b"message", rest);
            return;
        }
    };
    let _ = pki_id(&serialized);
    let claims = known.verifier.check_identity(&serialized);
    let _ = known.verifier.verify(&serialized, b"message", b"signature");
    if let Ok(identity) = known.bundle.deserialize(&serialized) {
        let _ = (identity.validate(), identity.role(), identity.verify(b"message", rest));
        assert_eq!(identity.msp_id(), identity_of(&serialized).mspid);
        if let Ok(claims) = &claims {
            assert_eq!(claims.public_key_hash, identity.public_key_hash());
            assert_eq!(Ok(claims.pki_id), pki_id(&serialized));
        }
    }
}

/// Reads `data` as changes to an MSP's configuration, as an authority or a list of revoked certificates in one, or as a file in
/// an MSP folder; its first byte chooses.
pub fn msp(data: &[u8]) {
    let Some((&way, rest)) = data.split_first() else { return };
    let mut config = KNOWN.msp.clone();
    match way % 6 {
        0 => {
            let Ok(changed) = decode(edited(&config.encode_to_vec(), rest)) else { return };
            config = changed;
        }
        1 => config.revocation_list = vec![pem("X509 CRL", rest).into()],
        2 => config.root_certs.push(pem("CERTIFICATE", &patched(&KNOWN.certificate, rest)).into()),
        3 => config.intermediate_certs.push(Bytes::copy_from_slice(rest)),
        4 => config.admins.push(pem("CERTIFICATE", rest).into()),
        _ => return msp_folder(way / 6, rest),
    }
    for version in [MspVersion::V1_0, MspVersion::V1_3, MspVersion::V3_0] {
        if let Ok(msp) = Msp::from_config(&config, version) {
            let _ = msp.deserialize(&KNOWN.identity).map(|identity| identity.role());
        }
    }
}

/// Puts a file into a folder that is in order, and loads it.
fn msp_folder(place: u8, content: &[u8]) {
    let Ok(folder) = tempfile::tempdir() else { return };
    if copy(&fixture(MSP_FOLDER), folder.path()).is_err() {
        return;
    }
    let files = [
        "config.yaml",
        "crls/a.pem",
        "cacerts/a.pem",
        "admincerts/a.pem",
        "intermediatecerts/a.pem",
        "tlscacerts/a.pem",
        "signcerts/peer0.org1.example.com-cert.pem",
        "keystore/priv_sk",
    ];
    let file: PathBuf = folder.path().join(files[usize::from(place) % files.len()]);
    let written = file.parent().map(std::fs::create_dir_all).is_some_and(|made| made.is_ok())
        && std::fs::write(&file, content).is_ok();
    if written {
        let _ = LocalMsp::load(folder.path(), MSP_ID, NOW);
        let _ = Msp::load_verifying(folder.path(), MSP_ID);
    }
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// Reads `data` as a block to join with, as changes to a recorded one, to its configuration or to the block after it; its first
/// byte chooses.
pub fn channel_config(data: &[u8]) {
    let Some((&way, rest)) = data.split_first() else { return };
    let known = &*KNOWN;
    match way % 6 {
        0 => drop(Chain::genesis(&Bytes::copy_from_slice(rest))),
        1 => drop(Chain::genesis(&edited(&known.genesis, rest).into())),
        2 => {
            if let Ok((chain, _)) = Chain::genesis(&known.genesis) {
                let _ = chain.check(&edited(&known.second, rest).into(), None);
            }
        }
        3 => {
            let Ok(changed) = decode::<ConfigEnvelope>(rest.to_vec()) else { return };
            let _ = known.bundle.validate_update(&changed);
        }
        _ => {
            let Ok(config) = decode::<Config>(edited(&known.config, rest)) else { return };
            if let Ok(bundle) = ChannelBundle::from_config(CHANNEL, &config) {
                exercise(&bundle);
            }
            let envelope = ConfigEnvelope { config: Some(config), last_update: None };
            let _ = known.bundle.validate_update(&envelope);
        }
    }
}

/// Everything that a node asks a configuration that was accepted.
fn exercise(bundle: &ChannelBundle) {
    let known = &*KNOWN;
    let _ = (
        bundle.orderer_endpoints(),
        bundle.application_orgs().len(),
        bundle.warnings(),
        bundle.acl("event/Block"),
    );
    let _ = bundle.deserialize(&known.identity).map(|identity| identity.role());
    let signed = [SignedData {
        data: Cow::Borrowed(b"message"),
        identity: Cow::Borrowed(&known.identity),
        signature: Cow::Borrowed(b"signature"),
    }];
    for policy in ["/Channel/Readers", "/Channel/Application/Readers", "/Channel/Orderer/BlockValidation"] {
        let _ = bundle.evaluate(policy, &signed);
    }
    if let Ok(second) = decode::<Block>(known.second.clone()) {
        let _ = bundle.verify_block(1, &second);
    }
}

fn identity_of(serialized: &Bytes) -> SerializedIdentity {
    decode(serialized.clone()).unwrap_or_default()
}

fn of_pem(text: &[u8]) -> Bytes {
    let id_bytes = Bytes::copy_from_slice(text);
    SerializedIdentity { mspid: MSP_ID.to_owned(), id_bytes }.encode_to_vec().into()
}

/// `base` with bytes put in other places: triples of place and value.
fn patched(base: &[u8], changes: &[u8]) -> Vec<u8> {
    let mut bytes = base.to_vec();
    for change in changes.chunks_exact(3) {
        let place = usize::from(u16::from_le_bytes([change[0], change[1]])) % bytes.len().max(1);
        if let Some(byte) = bytes.get_mut(place) {
            *byte = change[2];
        }
    }
    bytes
}

fn pem(label: &str, der: &[u8]) -> Vec<u8> {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let mut out = format!("-----BEGIN {label}-----\n");
    for line in text.as_bytes().chunks(64) {
        out.push_str(&String::from_utf8_lossy(line));
        out.push('\n');
    }
    out.push_str(&format!("-----END {label}-----\n"));
    out.into_bytes()
}
