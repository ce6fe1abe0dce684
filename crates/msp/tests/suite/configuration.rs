//! What a channel's configuration says, and the rules that it must keep (spec/07 §7).

use crate::support::{block, genesis};
use prost::Message;
use selvedge_msp::{AnchorPeer, ChannelBundle, ConfigError, MspVersion};
use selvedge_proto::common::{
    BlockDataHashingStructure, Capabilities, Capability, Config, ConfigGroup, ConfigPolicy, ConfigValue,
    HashingAlgorithm, OrdererAddresses, Policy,
};
use selvedge_proto::msp::MspConfig;
use selvedge_proto::orderer::{BatchSize, BatchTimeout};

#[test]
fn the_recorded_channel() {
    let bundle = genesis();
    assert_eq!(bundle.channel_id(), "mychannel");
    assert_eq!(bundle.sequence(), 0);
    assert_eq!(bundle.consensus_type(), "etcdraft");
    assert!(bundle.consenters().is_empty() || bundle.consenters().len() == 3);
    let capabilities = bundle.capabilities();
    assert!(capabilities.channel("V3_0") && capabilities.orderer("V2_0") && capabilities.application("V2_5"));
    assert_eq!(capabilities.msp_version(), MspVersion::V3_0);
    assert!(capabilities.bft_signatures());

    let orgs = bundle.application_orgs();
    let members: Vec<_> = orgs.iter().map(|org| org.msp_id.as_str()).collect();
    assert_eq!(members, ["Org1MSP", "Org2MSP"]);
    let anchor = |port| vec![AnchorPeer { host: "127.0.0.1".to_owned(), port }];
    assert_eq!(orgs[0].anchor_peers, anchor(21301));
    assert_eq!(orgs[1].anchor_peers, anchor(21401));
    assert!(bundle.is_member("Org2MSP") && !bundle.is_member("OrdererMSP") && !bundle.is_member("Org3MSP"));
    let tls_ca = crate::support::fixture(
        "network/crypto/peerOrganizations/org1.example.com/tlsca/tlsca.org1.example.com-cert.pem",
    );
    assert_eq!(orgs[0].tls_roots.len(), 1);
    assert_eq!(orgs[0].tls_roots[0], pem::parse(&tls_ca).unwrap().contents());

    let orderers = bundle.orderer_orgs();
    assert_eq!(orderers.len(), 1);
    assert_eq!(orderers[0].msp_id, "OrdererMSP");
    assert_eq!(orderers[0].endpoints, ["127.0.0.1:21050", "127.0.0.1:21150", "127.0.0.1:21250"]);
    assert!(bundle.orderer_addresses().is_empty());
    let endpoints = bundle.orderer_endpoints();
    assert_eq!(endpoints.len(), 3);
    assert!(endpoints.iter().all(|endpoint| endpoint.tls_roots == orderers[0].tls_roots));
    assert_eq!(bundle.acl("event/Block"), None);
    // ANY Writers over organisations whose writers are all members (spec/07 §6.4)
    assert_eq!(bundle.warnings().len(), 1);
}

#[test]
fn a_channel_with_one_identity_per_consenter_gives_no_warning() {
    let bundle = ChannelBundle::from_config_block(&block("bft/mychannel.block")).unwrap();
    assert_eq!(bundle.warnings(), Vec::<String>::new());
}

#[test]
fn a_block_without_configuration_is_refused() {
    let refused = ChannelBundle::from_config_block(&block("blocks/orderer/005.block")).unwrap_err();
    assert_eq!(refused.reason(), "config_block");
}

fn config() -> Config {
    genesis().config().clone()
}

fn group<'a>(config: &'a mut Config, path: &[&str]) -> &'a mut ConfigGroup {
    let root = config.channel_group.as_mut().unwrap();
    path.iter().fold(root, |group, name| group.groups.get_mut(*name).unwrap())
}

fn value(message: &impl Message) -> ConfigValue {
    ConfigValue { version: 0, value: message.encode_to_vec().into(), mod_policy: "Admins".to_owned() }
}

fn read(change: impl FnOnce(&mut Config)) -> Result<ChannelBundle, ConfigError> {
    let mut config = config();
    change(&mut config);
    ChannelBundle::from_config("mychannel", &config)
}

fn refused(change: impl FnOnce(&mut Config)) -> ConfigError {
    read(change).unwrap_err()
}

fn set(path: &[&str], key: &str, message: &impl Message) -> ConfigError {
    refused(|config| {
        group(config, path).values.insert(key.to_owned(), value(message));
    })
}

fn capabilities(names: &[&str]) -> Capabilities {
    Capabilities { capabilities: names.iter().map(|name| ((*name).to_owned(), Capability {})).collect() }
}

#[test]
fn names_are_checked() {
    let config = config();
    for good in ["a", "my.channel-1", &"a".repeat(249)] {
        assert!(ChannelBundle::from_config(good, &config).is_ok(), "{good}");
    }
    for bad in ["", "A", "1a", ".a", "a_b", "a b", &"a".repeat(250)] {
        let refused = ChannelBundle::from_config(bad, &config).unwrap_err();
        assert_eq!(refused, ConfigError::ChannelName(bad.to_owned()));
    }
    for bad in [".", "..", "a/b", "a b", ""] {
        let error = refused(|config| {
            let policies = &mut group(config, &["Application"]).policies;
            let policy = policies["Readers"].clone();
            policies.insert(bad.to_owned(), policy);
        });
        assert_eq!(error.reason(), "config_name", "{bad:?}");
    }
}

#[test]
fn groups_and_values_are_known_ones() {
    let missing = |name: &'static str| {
        refused(move |config| {
            group(config, &[]).groups.remove(name);
        })
    };
    assert_eq!(missing("Orderer"), ConfigError::Missing("group /Channel/Orderer"));
    assert_eq!(missing("Application"), ConfigError::Missing("group /Channel/Application"));
    assert_eq!(refused(|config| config.channel_group = None), ConfigError::Missing("channel group"));
    let unknown = refused(|config| {
        group(config, &[]).groups.insert("Other".to_owned(), ConfigGroup::default());
    });
    assert_eq!(unknown, ConfigError::Group("/Channel/Other".to_owned()));
    for path in [&["Application", "Org1MSP"][..], &["Orderer", "OrdererOrg"]] {
        let nested = refused(|config| {
            group(config, path).groups.insert("Sub".to_owned(), ConfigGroup::default());
        });
        assert_eq!(nested.reason(), "config_group");
    }
    for path in
        [&[][..], &["Application"], &["Orderer"], &["Application", "Org1MSP"], &["Orderer", "OrdererOrg"]]
    {
        assert_eq!(set(path, "Unknown", &Capability {}).reason(), "config_value", "{path:?}");
    }
    let undecodable = refused(|config| {
        group(config, &["Orderer"]).values.get_mut("BatchSize").unwrap().value = vec![0xff].into();
    });
    assert!(undecodable.to_string().starts_with("value /Channel/Orderer/BatchSize: "), "{undecodable}");
}

#[test]
fn values_are_in_range() {
    assert_eq!(
        set(&[], "HashingAlgorithm", &HashingAlgorithm { name: "MD5".to_owned() }).reason(),
        "config_value"
    );
    assert_eq!(set(&[], "HashingAlgorithm", &HashingAlgorithm::default()).reason(), "config_value");
    let width = BlockDataHashingStructure { width: 7 };
    assert_eq!(set(&[], "BlockDataHashingStructure", &width).reason(), "config_value");
    let size = |max_message_count, absolute_max_bytes, preferred_max_bytes| {
        let size = BatchSize { max_message_count, absolute_max_bytes, preferred_max_bytes };
        set(&["Orderer"], "BatchSize", &size).reason()
    };
    for bad in [size(0, 2, 1), size(1, 0, 0), size(1, 2, 0), size(1, 2, 3)] {
        assert_eq!(bad, "config_value");
    }
    for bad in ["", "0s", "-2s", "soon"] {
        let timeout = BatchTimeout { timeout: bad.to_owned() };
        assert_eq!(set(&["Orderer"], "BatchTimeout", &timeout).reason(), "config_value", "{bad}");
    }
}

#[test]
fn orderer_addresses_depend_on_the_capabilities() {
    let addresses = OrdererAddresses { addresses: vec!["orderer:7050".to_owned()] };
    assert_eq!(set(&[], "OrdererAddresses", &addresses).reason(), "config_value", "not with V3_0");
    let no_endpoints = set(&["Orderer", "OrdererOrg"], "Endpoints", &OrdererAddresses::default());
    assert_eq!(no_endpoints.reason(), "config_value", "not with V3_0");

    let with = |names: &[&str], addresses: &OrdererAddresses, has_endpoints: bool| {
        read(|config| {
            let root = group(config, &[]);
            root.values.insert("Capabilities".to_owned(), value(&capabilities(names)));
            root.values.insert("OrdererAddresses".to_owned(), value(addresses));
            if !has_endpoints {
                group(config, &["Orderer", "OrdererOrg"]).values.remove("Endpoints");
            }
        })
    };
    let none = OrdererAddresses::default();
    let global = with(&["V2_0"], &addresses, false).unwrap().orderer_endpoints();
    assert_eq!(global.len(), 1);
    assert_eq!(global[0].address, "orderer:7050");
    assert_eq!(global[0].tls_roots.len(), 1);
    assert_eq!(
        with(&["V2_0"], &addresses, true).unwrap().orderer_endpoints().len(),
        3,
        "own endpoints come first"
    );
    assert!(with(&["V2_0"], &none, true).is_ok());
    assert_eq!(
        with(&["V1_3"], &addresses, true).unwrap_err().reason(),
        "config_value",
        "endpoints need V1_4_2"
    );
    assert_eq!(with(&["V1_3"], &none, false).unwrap_err().reason(), "config_value", "there must be some");
}

#[test]
fn capabilities_are_known_and_in_order() {
    let unknown = set(&[], "Capabilities", &capabilities(&["V3_0", "V9_9"]));
    assert_eq!(unknown, ConfigError::Capability { level: "channel", name: "V9_9".to_owned() });
    let unknown = set(&["Application"], "Capabilities", &capabilities(&["V3_0"]));
    assert_eq!(unknown, ConfigError::Capability { level: "application", name: "V3_0".to_owned() });
    let newer_orderers = read(|config| {
        let names = value(&capabilities(&["V9_9"]));
        group(config, &["Orderer"]).values.insert("Capabilities".to_owned(), names);
    });
    assert!(newer_orderers.is_ok(), "peers do not evaluate those of orderers");
    let without = refused(|config| {
        group(config, &["Orderer"]).values.remove("Capabilities");
    });
    assert_eq!(without.reason(), "config_value");
}

#[test]
fn msps_are_set_up_and_do_not_contradict_each_other() {
    let broken = refused(|config| {
        let msp = MspConfig { r#type: 0, config: vec![0xff].into() };
        group(config, &["Application", "Org1MSP"]).values.insert("MSP".to_owned(), value(&msp));
    });
    assert!(broken.to_string().starts_with("MSP of /Channel/Application/Org1MSP: "), "{broken}");
    for unsupported in [1, 2] {
        // Idemix is not allowed with V3_0
        let msp = MspConfig { r#type: unsupported, config: Default::default() };
        assert_eq!(set(&["Application", "Org1MSP"], "MSP", &msp).reason(), "config_msp");
    }
    let conflict = refused(|config| {
        let org2: MspConfig =
            selvedge_proto::decode(group(config, &["Application", "Org2MSP"]).values["MSP"].value.clone())
                .unwrap();
        let mut inner: selvedge_proto::msp::FabricMspConfig = selvedge_proto::decode(org2.config).unwrap();
        inner.name = "Org1MSP".to_owned();
        let msp = MspConfig { r#type: 0, config: inner.encode_to_vec().into() };
        group(config, &["Application", "Org2MSP"]).values.insert("MSP".to_owned(), value(&msp));
    });
    assert_eq!(conflict, ConfigError::MspConflict("Org1MSP".to_owned()));
    let shared = read(|config| {
        let msp = group(config, &["Application", "Org1MSP"]).values["MSP"].clone();
        group(config, &["Application", "Org2MSP"]).values.insert("MSP".to_owned(), msp);
    });
    assert_eq!(shared.unwrap().application_orgs()[1].msp_id, "Org1MSP");
}

#[test]
fn policies_must_compile() {
    let with = |policy: Option<Policy>| {
        refused(|config| {
            let policy = ConfigPolicy { version: 0, policy, mod_policy: "Admins".to_owned() };
            group(config, &["Application"]).policies.insert("Odd".to_owned(), policy);
        })
    };
    let policy = |r#type, value: &[u8]| Some(Policy { r#type, value: value.to_vec().into() });
    for (policy, problem) in [
        (None, "empty"),
        (policy(0, b""), "policy type 0 is not known"),
        (policy(2, b""), "policy type 2 is not known"),
        (policy(1, b""), "a rule is empty"),
        (policy(1, b"\xff"), "undecodable"),
        (policy(3, b"\xff"), "undecodable"),
    ] {
        assert_eq!(with(policy).to_string(), format!("policy /Channel/Application/Odd: {problem}"));
    }
}

#[test]
fn access_control_lists_are_completed() {
    use selvedge_proto::peer::{AcLs, ApiResource};
    let acls = |entries: &[(&str, &str)]| AcLs {
        acls: entries
            .iter()
            .map(|(name, policy_ref)| {
                ((*name).to_owned(), ApiResource { policy_ref: (*policy_ref).to_owned() })
            })
            .collect(),
    };
    let bundle = read(|config| {
        let acls = acls(&[("a", "Readers"), ("b", "/Channel/Orderer/Readers"), ("c", "")]);
        group(config, &["Application"]).values.insert("ACLs".to_owned(), value(&acls));
    });
    let bundle = bundle.unwrap();
    assert_eq!(bundle.acl("a").as_deref(), Some("/Channel/Application/Readers"));
    assert_eq!(bundle.acl("b").as_deref(), Some("/Channel/Orderer/Readers"));
    assert_eq!(bundle.acl("c"), None);
    let too_early = refused(|config| {
        let application = group(config, &["Application"]);
        application.values.insert("Capabilities".to_owned(), value(&capabilities(&["V1_1"])));
        application.values.insert("ACLs".to_owned(), value(&acls(&[])));
    });
    assert_eq!(too_early.reason(), "config_value");
}
