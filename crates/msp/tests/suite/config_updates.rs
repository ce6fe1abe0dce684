//! From one configuration to the next: every step of spec/07 §10.1, with updates made and signed here.

use crate::support::{genesis, local_msp};
use prost::Message;
use selvedge_msp::{ChannelBundle, ConfigError, Followed, LocalMsp, UpdateError};
use selvedge_proto::common::{
    Block, BlockData, BlockHeader, Capabilities, ChannelHeader, Config, ConfigEnvelope, ConfigGroup,
    ConfigPolicy, ConfigSignature, ConfigUpdate, ConfigUpdateEnvelope, ConfigValue, Envelope, Header,
    HeaderType, OrdererAddresses, Payload, SignatureHeader,
};
use selvedge_proto::msp::{FabricMspConfig, MspConfig, SerializedIdentity};
use selvedge_proto::orderer::ConsensusType;
use selvedge_proto::peer::{AnchorPeer, AnchorPeers};

/// An update of the recorded channel with the configuration that it leads to, to be bent in every way.
struct Update {
    channel_id: String,
    header_type: HeaderType,
    read_set: ConfigGroup,
    write_set: ConfigGroup,
    config: Config,
}

const ORG1: [&str; 2] = ["Application", "Org1MSP"];

fn at<'a>(root: &'a mut ConfigGroup, path: &[&str]) -> &'a mut ConfigGroup {
    path.iter().fold(root, |group, name| group.groups.entry((*name).to_owned()).or_default())
}

fn root(config: &mut Config) -> &mut ConfigGroup {
    config.channel_group.as_mut().unwrap()
}

fn anchors(ports: &[i32]) -> AnchorPeers {
    let peer = |port: &i32| AnchorPeer { host: "127.0.0.1".to_owned(), port: *port };
    AnchorPeers { anchor_peers: ports.iter().map(peer).collect() }
}

fn value(version: u64, message: &impl Message) -> ConfigValue {
    ConfigValue { version, value: message.encode_to_vec().into(), mod_policy: "Admins".to_owned() }
}

impl Update {
    /// An update that changes nothing yet.
    fn new(bundle: &ChannelBundle) -> Self {
        let mut config = bundle.config().clone();
        config.sequence += 1;
        Self {
            channel_id: bundle.channel_id().to_owned(),
            header_type: HeaderType::ConfigUpdate,
            read_set: ConfigGroup::default(),
            write_set: ConfigGroup::default(),
            config,
        }
    }

    /// A new list of anchor peers for Org1: what the administrators of Org1 may do alone.
    fn anchor_peers(bundle: &ChannelBundle) -> Self {
        let mut update = Self::new(bundle);
        at(&mut update.read_set, &ORG1);
        update.set(&ORG1, "AnchorPeers", value(1, &anchors(&[21301, 21311])));
        update
    }

    /// Sets a value in the write set and in the resulting configuration.
    fn set(&mut self, path: &[&str], key: &str, value: ConfigValue) {
        at(&mut self.write_set, path).values.insert(key.to_owned(), value.clone());
        at(root(&mut self.config), path).values.insert(key.to_owned(), value);
    }

    fn envelope(&self, signers: &[&LocalMsp]) -> ConfigEnvelope {
        let config_update = ConfigUpdate {
            channel_id: self.channel_id.clone(),
            read_set: Some(self.read_set.clone()),
            write_set: Some(self.write_set.clone()),
            ..ConfigUpdate::default()
        }
        .encode_to_vec();
        let sign = |signer: &&LocalMsp| {
            let header = SignatureHeader { creator: signer.identity().clone(), nonce: vec![1; 24].into() };
            let header = header.encode_to_vec();
            let signature = signer.signer().sign(&[&header[..], &config_update[..]].concat()).unwrap();
            ConfigSignature { signature_header: header.into(), signature }
        };
        let signatures = signers.iter().map(sign).collect();
        let data = ConfigUpdateEnvelope { config_update: config_update.into(), signatures };
        let payload = payload(self.header_type, &self.channel_id, &[], &data);
        let last_update = Envelope { payload: payload.encode_to_vec().into(), signature: Default::default() };
        ConfigEnvelope { config: Some(self.config.clone()), last_update: Some(last_update) }
    }

    fn validate(&self, bundle: &ChannelBundle, signers: &[&LocalMsp]) -> Result<ChannelBundle, ConfigError> {
        bundle.validate_update(&self.envelope(signers))
    }

    fn refused(&self, bundle: &ChannelBundle, signers: &[&LocalMsp]) -> UpdateError {
        match self.validate(bundle, signers) {
            Err(ConfigError::Update(error)) => error,
            other => panic!("{other:?}"),
        }
    }
}

fn payload(header_type: HeaderType, channel_id: &str, creator: &[u8], data: &impl Message) -> Payload {
    let channel_header = ChannelHeader {
        r#type: header_type as i32,
        channel_id: channel_id.to_owned(),
        ..ChannelHeader::default()
    };
    let signature_header = SignatureHeader { creator: creator.to_vec().into(), nonce: vec![2; 24].into() };
    Payload {
        header: Some(Header {
            channel_header: channel_header.encode_to_vec().into(),
            signature_header: signature_header.encode_to_vec().into(),
        }),
        data: data.encode_to_vec().into(),
    }
}

fn admins() -> [LocalMsp; 2] {
    ["Admin@org1", "Admin@org2"].map(local_msp)
}

#[test]
fn an_organization_may_change_its_anchor_peers() {
    let bundle = genesis();
    let [admin1, _] = admins();
    let new = Update::anchor_peers(&bundle).validate(&bundle, &[&admin1]).unwrap();
    assert_eq!(new.sequence(), 1);
    assert_eq!(new.application_orgs()[0].anchor_peers.len(), 2);
    assert_eq!(bundle.application_orgs()[0].anchor_peers.len(), 1, "the old one is as it was");
    // and the next one
    let mut next = Update::new(&new);
    at(&mut next.read_set, &ORG1);
    next.set(&ORG1, "AnchorPeers", value(2, &anchors(&[21321])));
    assert_eq!(next.validate(&new, &[&admin1]).unwrap().sequence(), 2);
}

#[test]
fn only_its_own_administrators_may() {
    let bundle = genesis();
    let [admin1, admin2] = admins();
    let update = Update::anchor_peers(&bundle);
    let peer = local_msp("peer0.org1");
    for signers in [&[][..], &[&admin2], &[&peer]] {
        let error = update.refused(&bundle, signers);
        assert_eq!(error.reason(), "update_not_authorized");
        let text = error.to_string();
        assert!(
            text.starts_with("changing value /Channel/Application/Org1MSP/AnchorPeers: policy Admins"),
            "{text}"
        );
    }
    assert!(update.validate(&bundle, &[&admin2, &peer, &admin1]).is_ok(), "others do no harm");
}

#[test]
fn signatures_cover_the_update() {
    let bundle = genesis();
    let [admin1, _] = admins();
    let signed = Update::anchor_peers(&bundle).envelope(&[&admin1]);
    let mut other = Update::anchor_peers(&bundle);
    other.set(&ORG1, "AnchorPeers", value(1, &anchors(&[666])));
    // the signatures of one update under another
    let read = |envelope: &ConfigEnvelope| -> ConfigUpdateEnvelope {
        let payload = envelope.last_update.as_ref().unwrap().payload.clone();
        let payload: Payload = selvedge_proto::decode(payload).unwrap();
        selvedge_proto::decode(payload.data).unwrap()
    };
    let mut forged = other.envelope(&[]);
    let data = ConfigUpdateEnvelope { signatures: read(&signed).signatures, ..read(&forged) };
    let payload = payload(HeaderType::ConfigUpdate, "mychannel", &[], &data).encode_to_vec();
    forged.last_update.as_mut().unwrap().payload = payload.into();
    let error = bundle.validate_update(&forged).unwrap_err();
    assert_eq!(error.reason(), "update_not_authorized");
}

#[test]
fn the_sequence_must_be_the_next() {
    let bundle = genesis();
    let [admin1, _] = admins();
    for sequence in [0, 2, u64::MAX] {
        let mut update = Update::anchor_peers(&bundle);
        update.config.sequence = sequence;
        let expected = UpdateError::Sequence { current: 0, found: sequence };
        assert_eq!(update.refused(&bundle, &[&admin1]), expected);
    }
}

#[test]
fn the_update_must_be_one_for_this_channel() {
    let bundle = genesis();
    let [admin1, _] = admins();
    let mut update = Update::anchor_peers(&bundle);
    update.channel_id = "other".to_owned();
    assert_eq!(update.refused(&bundle, &[&admin1]), UpdateError::Channel("other".to_owned()));
    let mut update = Update::anchor_peers(&bundle);
    update.header_type = HeaderType::Config;
    assert_eq!(update.refused(&bundle, &[&admin1]).reason(), "update_undecodable");
    let mut envelope = Update::anchor_peers(&bundle).envelope(&[&admin1]);
    envelope.last_update = None;
    assert_eq!(bundle.validate_update(&envelope).unwrap_err().reason(), "update_undecodable");
    envelope.last_update = Some(Envelope { payload: vec![0xff].into(), signature: Default::default() });
    assert_eq!(bundle.validate_update(&envelope).unwrap_err().reason(), "update_undecodable");
    envelope.config = None;
    assert_eq!(bundle.validate_update(&envelope).unwrap_err().reason(), "config_missing");
}

#[test]
fn the_read_set_must_be_the_current_state() {
    let bundle = genesis();
    let [admin1, _] = admins();
    let mut update = Update::anchor_peers(&bundle);
    at(&mut update.read_set, &ORG1).version = 3;
    let expected = UpdateError::ReadSet {
        element: "group /Channel/Application/Org1MSP".to_owned(),
        expected: 3,
        found: Some(0),
    };
    assert_eq!(update.refused(&bundle, &[&admin1]), expected);
    let mut update = Update::anchor_peers(&bundle);
    at(&mut update.read_set, &["Application", "Nobody"]);
    assert!(matches!(update.refused(&bundle, &[&admin1]), UpdateError::ReadSet { found: None, .. }));
}

#[test]
fn something_must_change_and_to_the_next_version() {
    let bundle = genesis();
    let [admin1, _] = admins();
    assert_eq!(Update::new(&bundle).refused(&bundle, &[&admin1]), UpdateError::Empty);
    let mut nothing = Update::new(&bundle);
    at(&mut nothing.read_set, &ORG1);
    at(&mut nothing.write_set, &ORG1);
    assert_eq!(nothing.refused(&bundle, &[&admin1]), UpdateError::Empty);
    for version in [0, 2] {
        let mut update = Update::anchor_peers(&bundle);
        update.set(&ORG1, "AnchorPeers", value(version, &anchors(&[1])));
        let expected = UpdateError::Version {
            element: "value /Channel/Application/Org1MSP/AnchorPeers".to_owned(),
            current: Some(0),
            found: version,
        };
        assert_eq!(update.refused(&bundle, &[&admin1]), expected);
    }
    let mut new_element = Update::anchor_peers(&bundle);
    new_element.set(&ORG1, "Brand.New", value(1, &anchors(&[])));
    assert!(matches!(
        new_element.refused(&bundle, &[&admin1]),
        UpdateError::Version { current: None, found: 1, .. }
    ));
}

#[test]
fn every_changed_element_needs_a_modification_policy() {
    let bundle = genesis();
    let [admin1, _] = admins();
    for bad in ["", "/", "a//b", "a b", "../x"] {
        let mut update = Update::anchor_peers(&bundle);
        let value = ConfigValue { mod_policy: bad.to_owned(), ..value(1, &anchors(&[1])) };
        update.set(&ORG1, "AnchorPeers", value);
        assert_eq!(update.refused(&bundle, &[&admin1]).reason(), "update_mod_policy", "{bad:?}");
    }
    // a policy that does not exist is well formed; it only locks the element for the future
    let mut update = Update::anchor_peers(&bundle);
    let locked = ConfigValue { mod_policy: "/Channel/Nobody".to_owned(), ..value(1, &anchors(&[1])) };
    update.set(&ORG1, "AnchorPeers", locked);
    let new = update.validate(&bundle, &[&admin1]).unwrap();
    let mut next = Update::new(&new);
    at(&mut next.read_set, &ORG1);
    next.set(&ORG1, "AnchorPeers", value(2, &anchors(&[2])));
    assert_eq!(next.refused(&new, &[&admin1]).reason(), "update_not_authorized");
}

/// The policy of the *current* element decides, looked up from where the element stands.
#[test]
fn the_current_policy_decides() {
    let bundle = genesis();
    let [admin1, admin2] = admins();
    let mut update = Update::anchor_peers(&bundle);
    // who may not change the element cannot appoint himself
    let value = ConfigValue { mod_policy: "/Channel/Readers".to_owned(), ..value(1, &anchors(&[1])) };
    update.set(&ORG1, "AnchorPeers", value);
    assert_eq!(update.refused(&bundle, &[&admin2]).reason(), "update_not_authorized");
    // a value of the Application group needs a majority of its organisations
    let mut update = Update::new(&bundle);
    at(&mut update.read_set, &["Application"]);
    let mut names = Capabilities::default();
    names.capabilities.insert("V2_0".to_owned(), Default::default());
    update.set(&["Application"], "Capabilities", ConfigValue { version: 1, ..self::value(1, &names) });
    let error = update.refused(&bundle, &[&admin1]);
    assert!(error.to_string().contains("Admins of 2 of [Org1MSP, Org2MSP], and 1 are satisfied"), "{error}");
    let new = update.validate(&bundle, &[&admin1, &admin2]).unwrap();
    assert!(new.capabilities().application("V2_0") && !new.capabilities().application("V2_5"));
}

#[test]
fn the_result_must_be_the_one_of_the_update() {
    let bundle = genesis();
    let [admin1, _] = admins();
    let mut tampered = Update::anchor_peers(&bundle);
    at(root(&mut tampered.config), &ORG1).values.insert("AnchorPeers".to_owned(), value(1, &anchors(&[666])));
    assert_eq!(tampered.refused(&bundle, &[&admin1]), UpdateError::ResultDiffers);
    let mut smuggled = Update::anchor_peers(&bundle);
    at(root(&mut smuggled.config), &["Orderer"]).policies.remove("BlockValidation");
    assert_eq!(smuggled.refused(&bundle, &[&admin1]), UpdateError::ResultDiffers);
    let mut gone = Update::anchor_peers(&bundle);
    gone.config.channel_group = None;
    assert_eq!(gone.refused(&bundle, &[&admin1]), UpdateError::ResultDiffers);
}

/// Adding an organisation: its elements are new, the group that lists them changes.
fn with_new_org(bundle: &ChannelBundle, lists_it: bool) -> Update {
    let mut update = Update::new(bundle);
    let current = bundle.config().channel_group.as_ref().unwrap().groups["Application"].clone();
    let mut org3 = current.groups["Org1MSP"].clone();
    org3.values.remove("AnchorPeers");
    at(&mut update.read_set, &["Application"]);
    let write = at(&mut update.write_set, &["Application"]);
    write.version = 1;
    write.mod_policy = "Admins".to_owned();
    for (name, group) in &current.groups {
        let listed =
            ConfigGroup { version: group.version, mod_policy: "Admins".to_owned(), ..Default::default() };
        at(&mut update.read_set, &["Application"]).groups.insert(name.clone(), listed.clone());
        at(&mut update.write_set, &["Application"]).groups.insert(name.clone(), listed);
    }
    for (name, policy) in &current.policies {
        let listed = ConfigPolicy { version: policy.version, policy: None, mod_policy: "Admins".to_owned() };
        at(&mut update.read_set, &["Application"]).policies.insert(name.clone(), listed.clone());
        at(&mut update.write_set, &["Application"]).policies.insert(name.clone(), listed);
    }
    let listed = ConfigValue { mod_policy: "Admins".to_owned(), ..ConfigValue::default() };
    for set in [&mut update.read_set, &mut update.write_set] {
        at(set, &["Application"]).values.insert("Capabilities".to_owned(), listed.clone());
    }
    at(root(&mut update.config), &["Application"]).version = 1;
    if lists_it {
        at(&mut update.write_set, &["Application"]).groups.insert("Org3".to_owned(), org3.clone());
        at(root(&mut update.config), &["Application"]).groups.insert("Org3".to_owned(), org3);
    }
    update
}

#[test]
fn an_organization_is_added_by_the_majority() {
    let bundle = genesis();
    let [admin1, admin2] = admins();
    let update = with_new_org(&bundle, true);
    assert_eq!(update.refused(&bundle, &[&admin1]).reason(), "update_not_authorized");
    let new = update.validate(&bundle, &[&admin1, &admin2]).unwrap();
    assert_eq!(
        new.application_orgs().iter().map(|org| org.name.as_str()).collect::<Vec<_>>(),
        ["Org1MSP", "Org2MSP", "Org3"]
    );
    // and removed again, by a group that lists it no more
    let removal = {
        let mut update = with_new_org(&bundle, false);
        update.config = bundle.config().clone();
        update.config.sequence = 2;
        at(root(&mut update.config), &["Application"]).version = 2;
        at(&mut update.read_set, &["Application"]).version = 1;
        at(&mut update.write_set, &["Application"]).version = 2;
        update
    };
    let smaller = removal.validate(&new, &[&admin1, &admin2]);
    // two of three are a majority
    assert_eq!(smaller.unwrap().application_orgs().len(), 2);
}

/// An element of the write set that its group does not list is accepted and has no effect (spec/07 §10.1, step 7).
#[test]
fn an_unlisted_element_has_no_effect() {
    let bundle = genesis();
    let [admin1, _] = admins();
    let mut update = Update::anchor_peers(&bundle);
    at(&mut update.write_set, &ORG1).values.insert("Ignored".to_owned(), value(0, &anchors(&[1])));
    let new = update.validate(&bundle, &[&admin1]).unwrap();
    assert_eq!(new.application_orgs()[0].anchor_peers.len(), 2);
}

/// What is in neither the read set nor the configuration is taken for a change.
#[test]
fn groups_on_the_way_must_be_in_the_read_set() {
    let bundle = genesis();
    let [admin1, _] = admins();
    let mut update = Update::anchor_peers(&bundle);
    update.read_set.groups.clear();
    assert_eq!(update.refused(&bundle, &[&admin1]).reason(), "update_mod_policy");
    let mut ghost = with_new_org(&bundle, false);
    for set in [&mut ghost.read_set, &mut ghost.write_set] {
        at(set, &["Application"]).groups.insert("Ghost".to_owned(), ConfigGroup::default());
    }
    assert_eq!(ghost.refused(&bundle, &[&admin1]).reason(), "update_read_set");
}

#[test]
fn the_msp_identifier_of_an_organization_may_not_change() {
    let bundle = genesis();
    let [admin1, _] = admins();
    let mut update = Update::new(&bundle);
    at(&mut update.read_set, &ORG1);
    let org2 =
        bundle.config().channel_group.as_ref().unwrap().groups["Application"].groups["Org2MSP"].clone();
    update.set(&ORG1, "MSP", ConfigValue { version: 1, ..org2.values["MSP"].clone() });
    let expected = UpdateError::MspId {
        org: "/Channel/Application/Org1MSP".to_owned(),
        from: "Org1MSP".to_owned(),
        to: "Org2MSP".to_owned(),
    };
    assert_eq!(update.refused(&bundle, &[&admin1]), expected);
}

/// A channel of the past, and the same with the capability to change its consensus.
#[test]
fn the_consensus_type_changes_only_with_the_capability() {
    let orderer_admin = orderer_admin();
    let identity: SerializedIdentity = selvedge_proto::decode(orderer_admin.identity().clone()).unwrap();
    let certificate = identity.id_bytes;
    let with_capability = |name: &str| {
        let mut config = genesis().config().clone();
        let mut names = Capabilities::default();
        names.capabilities.insert(name.to_owned(), Default::default());
        let channel = root(&mut config);
        channel.values.insert("Capabilities".to_owned(), value(0, &names));
        let addresses = OrdererAddresses { addresses: vec!["127.0.0.1:21050".to_owned()] };
        channel.values.insert("OrdererAddresses".to_owned(), value(0, &addresses));
        let org = at(channel, &["Orderer", "OrdererOrg"]);
        org.values.remove("Endpoints");
        // before 1.4.3 there is no admin unit: administrators are listed
        let outer: MspConfig = selvedge_proto::decode(org.values["MSP"].value.clone()).unwrap();
        let mut msp: FabricMspConfig = selvedge_proto::decode(outer.config).unwrap();
        msp.fabric_node_ous = None;
        msp.admins = vec![certificate.clone()];
        let outer = MspConfig { r#type: 0, config: msp.encode_to_vec().into() };
        org.values.insert("MSP".to_owned(), value(0, &outer));
        ChannelBundle::from_config("mychannel", &config).unwrap()
    };
    let migrate = |bundle: &ChannelBundle| {
        let mut update = Update::new(bundle);
        at(&mut update.read_set, &["Orderer"]);
        let consensus = ConsensusType { r#type: "BFT".to_owned(), ..ConsensusType::default() };
        update.set(&["Orderer"], "ConsensusType", value(1, &consensus));
        update.validate(bundle, &[&orderer_admin])
    };
    let expected = UpdateError::ConsensusType { from: "etcdraft".to_owned(), to: "BFT".to_owned() };
    assert_eq!(migrate(&with_capability("V1_3")).unwrap_err(), ConfigError::Update(expected));
    assert_eq!(migrate(&with_capability("V1_4_3")).unwrap().consensus_type(), "BFT");
    assert_eq!(migrate(&with_capability("V2_0")).unwrap().consensus_type(), "BFT");
}

fn orderer_admin() -> LocalMsp {
    let folder = "network/crypto/ordererOrganizations/example.com/users/Admin@example.com/msp";
    LocalMsp::load(&crate::support::fixture_path(folder), "OrdererMSP", crate::support::NOW).unwrap()
}

#[test]
fn a_result_that_breaks_the_rules_is_refused() {
    let bundle = genesis();
    let [admin1, _] = admins();
    let mut update = Update::new(&bundle);
    at(&mut update.read_set, &ORG1);
    update.set(&ORG1, "MSP", value(1, &MspConfig { r#type: 9, ..Default::default() }));
    assert_eq!(update.validate(&bundle, &[&admin1]).unwrap_err().reason(), "config_msp");
}

fn config_block(envelope: &ConfigEnvelope, creator: &LocalMsp, channel_id: &str) -> Block {
    let payload = payload(HeaderType::Config, channel_id, creator.identity(), envelope).encode_to_vec();
    let signature = creator.signer().sign(&payload).unwrap();
    let entry = Envelope { payload: payload.into(), signature }.encode_to_vec();
    Block {
        header: Some(BlockHeader { number: 1, ..BlockHeader::default() }),
        data: Some(BlockData { data: vec![entry.into()] }),
        metadata: None,
    }
}

#[test]
fn a_configuration_block_is_followed() {
    let bundle = genesis();
    let [admin1, _] = admins();
    let orderer = local_msp("orderer1");
    let envelope = Update::anchor_peers(&bundle).envelope(&[&admin1]);
    let followed = bundle.follow(&config_block(&envelope, &orderer, "mychannel")).unwrap();
    assert!(matches!(followed, Followed::New(new) if new.sequence() == 1));
    let broken = Update::anchor_peers(&bundle).envelope(&[]);
    assert!(bundle.follow(&config_block(&broken, &orderer, "mychannel")).is_err());
}

/// A transaction that fails step 1 is flagged; its block is kept and its configuration is not applied.
#[test]
fn a_configuration_with_a_bad_envelope_is_flagged() {
    let bundle = genesis();
    let [admin1, _] = admins();
    let orderer = local_msp("orderer1");
    let envelope = Update::anchor_peers(&bundle).envelope(&[&admin1]);
    let flagged = |block: &Block| match bundle.follow(block).unwrap() {
        Followed::Flagged { code, problem } => (code, problem),
        other => panic!("{other:?}"),
    };
    let good = config_block(&envelope, &orderer, "mychannel");
    let with_entry = |change: &dyn Fn(&mut Envelope)| {
        let mut block = good.clone();
        let data = block.data.as_mut().unwrap();
        let mut entry: Envelope = selvedge_proto::decode(data.data[0].clone()).unwrap();
        change(&mut entry);
        data.data[0] = entry.encode_to_vec().into();
        block
    };
    assert_eq!(flagged(&with_entry(&|entry| entry.signature = Default::default())).0, 4);
    assert_eq!(flagged(&with_entry(&|entry| entry.signature = vec![1; 70].into())).0, 4);
    let with_header = |change: &dyn Fn(&mut ChannelHeader, &mut SignatureHeader)| {
        with_entry(&|entry| {
            let mut payload: Payload = selvedge_proto::decode(entry.payload.clone()).unwrap();
            let header = payload.header.as_mut().unwrap();
            let mut channel = selvedge_proto::decode(header.channel_header.clone()).unwrap();
            let mut signature = selvedge_proto::decode(header.signature_header.clone()).unwrap();
            change(&mut channel, &mut signature);
            header.channel_header = channel.encode_to_vec().into();
            header.signature_header = signature.encode_to_vec().into();
            entry.payload = payload.encode_to_vec().into();
            entry.signature = orderer.signer().sign(&entry.payload).unwrap();
        })
    };
    assert_eq!(flagged(&with_header(&|channel, _| channel.epoch = 1)).0, 3);
    assert_eq!(flagged(&with_header(&|_, signature| signature.nonce.clear())).0, 3);
    assert_eq!(flagged(&with_header(&|_, signature| signature.creator.clear())).0, 3);
    assert_eq!(flagged(&with_header(&|_, signature| signature.creator = vec![0xff].into())).0, 4);
    assert_eq!(flagged(&config_block(&envelope, &orderer, "other")).0, 4);
    assert!(matches!(bundle.follow(&with_header(&|_, _| {})).unwrap(), Followed::New(_)));
}
