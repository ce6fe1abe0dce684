//! What `devnet::material` makes is what an MSP wants, in memory and as files.

use selvedge::devnet::material::{MaterialError, Network, NetworkPlan, Organization};
use selvedge_msp::{LocalMsp, NodeRole};
use std::collections::BTreeSet;
use std::path::Path;

/// 2026-11-22.
const NOW: i64 = 1_795_300_000;

fn plan() -> NetworkPlan {
    let mut port = 7000;
    NetworkPlan::loopback("mychannel", 2, 2, NOW - 300, || {
        port += 1;
        port
    })
}

fn members(organization: &Organization) -> Vec<(&selvedge::devnet::material::Member, NodeRole)> {
    let role = if organization.msp_id == "OrdererMSP" { NodeRole::Orderer } else { NodeRole::Peer };
    let nodes = organization.nodes.iter().map(|node| (&node.member, role));
    nodes.chain([(&organization.admin, NodeRole::Admin), (&organization.user, NodeRole::Client)]).collect()
}

#[test]
fn every_member_is_a_valid_identity_of_its_role() {
    let network = Network::generate(&plan()).unwrap();
    let mut pki_ids = BTreeSet::new();
    for organization in network.organizations.iter().chain([&network.orderers]) {
        for (member, role) in members(organization) {
            let local = LocalMsp::from_config(&organization.local_msp_config(member), NOW).unwrap();
            assert_eq!(local.role(), Some(role), "{}", member.name);
            assert_eq!(local.identity(), &organization.serialized_identity(member), "{}", member.name);
            assert_eq!(local.warnings(), &[] as &[String]);
            let identity = local.msp().deserialize(local.identity()).unwrap();
            identity.validate().unwrap();
            let signature = local.signer().sign(b"message").unwrap();
            identity.verify(b"message", &signature).unwrap();
            pki_ids.insert(local.pki_id());
        }
    }
    assert_eq!(pki_ids.len(), 4 + 1 + 2 * 3);
}

#[test]
fn folders_load_as_the_same_identities() {
    let network = Network::generate(&plan()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    network.write(folder.path()).unwrap();
    assert_eq!(std::fs::read(folder.path().join("genesis.block")).unwrap(), network.genesis_bytes());
    for (organization, kind, nodes) in [
        (&network.organizations[0], "peerOrganizations", "peers"),
        (&network.organizations[1], "peerOrganizations", "peers"),
        (&network.orderers, "ordererOrganizations", "orderers"),
    ] {
        let home = folder.path().join("crypto").join(kind).join(&organization.domain);
        for (member, role) in members(organization) {
            let folder = match role {
                NodeRole::Admin | NodeRole::Client => home.join("users").join(&member.name),
                NodeRole::Peer | NodeRole::Orderer => home.join(nodes).join(&member.name),
            };
            let local = LocalMsp::load(&folder.join("msp"), &organization.msp_id, NOW).unwrap();
            assert_eq!(local.identity(), &organization.serialized_identity(member), "{}", member.name);
            assert_eq!(local.role(), Some(role));
            assert!(folder.join("tls/ca.crt").is_file());
        }
    }
}

#[cfg(unix)]
#[test]
fn private_keys_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;

    fn keys(folder: &Path, found: &mut usize) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                keys(&path, found);
            } else if std::fs::read_to_string(&path).is_ok_and(|text| text.contains("PRIVATE KEY")) {
                assert_eq!(path.metadata().unwrap().permissions().mode() & 0o077, 0, "{}", path.display());
                *found += 1;
            }
        }
    }

    let folder = tempfile::tempdir().unwrap();
    Network::generate(&plan()).unwrap().write(folder.path()).unwrap();
    let mut found = 0;
    keys(&folder.path().join("crypto"), &mut found);
    // two for each of eleven members, two for each of three organisations
    assert_eq!(found, 28);
}

#[test]
fn written_configurations_are_complete() {
    let network = Network::generate(&plan()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    network.write(folder.path()).unwrap();
    for organization in &network.organizations {
        for (index, node) in organization.nodes.iter().enumerate() {
            let file = network.core_yaml_path(folder.path(), node);
            let environment = selvedge::config::Environment::default();
            let config = selvedge::config::NodeConfig::load_with(Some(&file), environment).unwrap();
            config.check_files().unwrap();
            assert_eq!(config.warnings, []);
            assert_eq!(config.peer.local_msp_id, organization.msp_id);
            assert_eq!(config.peer.listen_address, node.endpoint());
            assert_eq!(config.gossip.org_leader, index == 0);
            let local = LocalMsp::load(&config.peer.msp_config_path, &config.peer.local_msp_id, NOW).unwrap();
            assert_eq!(local.identity(), &organization.serialized_identity(&node.member));
        }
    }
}

#[test]
fn plans_that_cannot_be_carried_out_are_named() {
    let refused = |change: fn(&mut NetworkPlan)| {
        let mut plan = plan();
        change(&mut plan);
        match Network::generate(&plan) {
            Err(MaterialError::Plan(reason)) => reason,
            other => panic!("{other:?}"),
        }
    };
    assert!(refused(|plan| plan.channel = "MyChannel".to_owned()).contains("channel name"));
    assert!(refused(|plan| plan.channel = String::new()).contains("channel name"));
    assert!(refused(|plan| plan.organizations.clear()).contains("organisation"));
    assert!(refused(|plan| plan.orderers.nodes.clear()).contains("orderer"));
    assert!(refused(|plan| plan.organizations[1] = plan.organizations[0].clone()).contains("twice"));
    assert!(refused(|plan| plan.organizations[0].domain = "../x".to_owned()).contains("\"../x\""));
}
