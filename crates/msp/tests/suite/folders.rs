//! MSP folders (spec/03 §9.2): what is read, what is skipped, and how errors name the file.

use std::fs;
use std::path::Path;

use crate::support::NOW;
use crate::support::authority::Certified;
use selvedge_msp::{LocalMsp, Msp, MspError, read_msp_folder};
use tempfile::TempDir;

/// An MSP folder with one authority and one signing peer.
fn folder(root: &Certified, member: &Certified) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "cacerts/ca.pem", &root.pem);
    write(folder.path(), "signcerts/cert.pem", &member.pem);
    write(folder.path(), "keystore/whatever_sk", &member.key.serialize_pem());
    write(folder.path(), "config.yaml", &config(""));
    folder
}

fn config(certificate: &str) -> String {
    let mut text = String::from("NodeOUs:\n  Enable: true\n");
    for (name, unit) in [("Client", "client"), ("Peer", "peer"), ("Admin", "admin"), ("Orderer", "orderer")] {
        text += &format!(
            "  {name}OUIdentifier:\n    Certificate: {certificate}\n    OrganizationalUnitIdentifier: {unit}\n"
        );
    }
    text
}

fn write(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn load(folder: &TempDir) -> Result<LocalMsp, MspError> {
    LocalMsp::load(folder.path(), "Org", NOW)
}

#[track_caller]
fn assert_names(error: &MspError, file: &str) {
    match error {
        MspError::File { path, .. } => assert!(path.ends_with(file), "{error}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_folder_is_loaded_and_signs() {
    let root = Certified::root("ca");
    let folder = folder(&root, &root.member(&["peer"]));
    let local = load(&folder).unwrap();
    assert_eq!(local.msp_id(), "Org");
    assert_eq!(local.role(), Some(selvedge_msp::NodeRole::Peer));
    let signature = local.signer().sign(b"message").unwrap();
    let verifying = Msp::load_verifying(folder.path(), "Org").unwrap();
    verifying.deserialize(local.identity()).unwrap().verify(b"message", &signature).unwrap();
}

#[test]
fn verifying_needs_neither_certificate_nor_key() {
    let root = Certified::root("ca");
    let folder = folder(&root, &root.member(&["peer"]));
    fs::remove_dir_all(folder.path().join("signcerts")).unwrap();
    fs::remove_dir_all(folder.path().join("keystore")).unwrap();
    assert!(Msp::load_verifying(folder.path(), "Org").is_ok());
    assert_names(&load(&folder).unwrap_err(), "signcerts");
}

#[test]
fn missing_folders_and_files_are_named() {
    let root = Certified::root("ca");
    let folder = folder(&root, &root.member(&["peer"]));
    fs::remove_dir_all(folder.path().join("keystore")).unwrap();
    assert_names(&load(&folder).unwrap_err(), "keystore");
    fs::create_dir(folder.path().join("keystore")).unwrap();
    let error = load(&folder).unwrap_err();
    assert!(matches!(&error, MspError::NoPrivateKey(path) if path.ends_with("keystore")), "{error}");
    fs::remove_file(folder.path().join("cacerts/ca.pem")).unwrap();
    let error = load(&folder).unwrap_err();
    assert_names(&error, "cacerts");
    assert!(error.to_string().ends_with("holds no certificate authority in PEM"), "{error}");
    fs::remove_dir_all(folder.path().join("cacerts")).unwrap();
    assert_names(&load(&folder).unwrap_err(), "cacerts");
    let nowhere = LocalMsp::load(&folder.path().join("nowhere"), "Org", NOW).unwrap_err();
    assert_names(&nowhere, "nowhere/cacerts");
}

#[test]
fn files_that_are_not_pem_are_skipped_with_a_warning() {
    let root = Certified::root("ca");
    let folder = folder(&root, &root.member(&["peer"]));
    write(folder.path(), "cacerts/README", "not PEM");
    fs::create_dir(folder.path().join("cacerts/folder")).unwrap();
    let local = load(&folder).unwrap();
    assert_eq!(local.warnings().len(), 1);
    assert!(local.warnings()[0].ends_with("cacerts/README: skipped, not PEM"), "{:?}", local.warnings());
}

#[test]
fn the_first_signing_certificate_in_the_order_of_names_counts() {
    let root = Certified::root("ca");
    let (member, other) = (root.member(&["peer"]), root.member(&["client"]));
    let folder = folder(&root, &member);
    write(folder.path(), "signcerts/zzz.pem", &other.pem);
    write(folder.path(), "keystore/zzz_sk", &other.key.serialize_pem());
    assert_eq!(load(&folder).unwrap().role(), Some(selvedge_msp::NodeRole::Peer));
    write(folder.path(), "signcerts/aaa.pem", &other.pem);
    assert_eq!(load(&folder).unwrap().role(), Some(selvedge_msp::NodeRole::Client));
}

#[test]
fn the_key_is_found_by_what_it_is_not_by_its_name() {
    let root = Certified::root("ca");
    let member = root.member(&["peer"]);
    let folder = folder(&root, &member);
    for (index, other) in (0..3).map(|index| (index, root.member(&["peer"]))) {
        write(folder.path(), &format!("keystore/a{index}"), &other.key.serialize_pem());
    }
    write(folder.path(), "keystore/broken", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    write(folder.path(), "keystore/huge", &"x".repeat(100_000));
    assert!(load(&folder).is_ok());
    // a key store elsewhere
    let keystore = tempfile::tempdir().unwrap();
    fs::rename(folder.path().join("keystore/whatever_sk"), keystore.path().join("key")).unwrap();
    assert!(matches!(load(&folder).unwrap_err(), MspError::NoPrivateKey(_)));
    assert!(LocalMsp::load_with_keystore(folder.path(), keystore.path(), "Org", NOW).is_ok());
}

#[test]
fn an_expired_certificate_is_refused_at_the_start() {
    let root = Certified::root("ca");
    let folder = folder(&root, &root.member(&["peer"]));
    // the certificate ends at 2036-01-01T00:00:00Z
    let end = 2_082_758_400;
    assert!(LocalMsp::load(folder.path(), "Org", end - 1).is_ok());
    assert_eq!(LocalMsp::load(folder.path(), "Org", end + 5).unwrap_err(), MspError::Expired(5));
}

#[test]
fn units_in_config_yaml() {
    let root = Certified::root("ca");
    let folder = folder(&root, &root.member(&["peer"]));
    let units = |text: &str| {
        write(folder.path(), "config.yaml", text);
        read_msp_folder(folder.path(), "Org").map(|read| read.config)
    };
    assert_eq!(
        units(&config("")).unwrap().fabric_node_ous.unwrap().peer_ou_identifier.unwrap().certificate,
        ""
    );
    let bound = units(&config("cacerts/ca.pem")).unwrap().fabric_node_ous.unwrap();
    assert_eq!(bound.admin_ou_identifier.unwrap().certificate, root.bytes());
    assert!(load(&folder).is_ok());
    for absent in ["", "# nothing\n", "NodeOUs:\n  Enable: false\n  PeerOUIdentifier:\n    Certificate: x\n"]
    {
        assert_eq!(units(absent).unwrap().fabric_node_ous, None, "{absent:?}");
    }
    let partial = "NodeOUs:\n  Enable: true\n  PeerOUIdentifier:\n    OrganizationalUnitIdentifier: peer\n  \
                   ClientOUIdentifier:\n    Certificate: cacerts/gone.pem\n";
    let partial = units(partial).unwrap().fabric_node_ous.unwrap();
    assert!(partial.peer_ou_identifier.is_some());
    assert_eq!(partial.client_ou_identifier, None, "a role without unit is left out");
    let listed = "OrganizationalUnitIdentifiers:\n  - Certificate: cacerts/ca.pem\n    \
                  OrganizationalUnitIdentifier: department\n";
    assert_eq!(units(listed).unwrap().organizational_unit_identifiers.len(), 1);
    let gone = listed.replace("ca.pem", "gone.pem");
    assert_names(&units(&gone).unwrap_err(), "cacerts/gone.pem");
    assert_names(&units("NodeOUs: [").unwrap_err(), "config.yaml");
    assert_names(&units("NodeOUs:\n  Enable: perhaps\n").unwrap_err(), "config.yaml");
}

#[test]
fn the_other_folders() {
    let root = Certified::root("ca");
    let tls = Certified::root("tlsca");
    let intermediate = root.intermediate("ica");
    let folder = folder(&root, &intermediate.member(&["peer"]));
    write(folder.path(), "intermediatecerts/ica.pem", &intermediate.pem);
    write(folder.path(), "admincerts/admin.pem", &intermediate.member(&["admin"]).pem);
    write(folder.path(), "tlsintermediatecerts/tlsica.pem", &tls.intermediate("tlsica").pem);
    let list = pem::encode(&pem::Pem::new("X509 CRL", intermediate.revoke(&[1]).to_vec()));
    write(folder.path(), "crls/list.pem", &list);
    let config = read_msp_folder(folder.path(), "Org").unwrap().config;
    assert_eq!(config.tls_intermediate_certs.len(), 0, "only read beside TLS roots");
    assert_eq!(
        (config.intermediate_certs.len(), config.admins.len(), config.revocation_list.len()),
        (1, 1, 1)
    );
    write(folder.path(), "tlscacerts/tlsca.pem", &tls.pem);
    assert_eq!(load(&folder).unwrap().msp().tls_roots().len(), 2);
}
