//! The channel configuration and the genesis block, as `configtxgen` makes them.

use super::BatchPlan;
use super::messages::{Capabilities, CapabilityEntry, RaftConfigMetadata, RaftConsenter, RaftOptions};
use bytes::Bytes;
use prost::Message;
use prost_types::Timestamp;
use selvedge_proto::common::implicit_meta_policy::Rule;
use selvedge_proto::common::msp_principal::Classification;
use selvedge_proto::common::msp_role::MspRoleType;
use selvedge_proto::common::policy::PolicyType;
use selvedge_proto::common::{self, ConfigGroup, ConfigPolicy, ConfigValue, HeaderType, signature_policy};
use selvedge_proto::{block, msp, orderer, peer};
use std::fmt::Write as _;

/// What a channel configuration is made from.
pub(super) struct ChannelPlan<'a> {
    pub(super) application: Vec<ApplicationOrganization>,
    pub(super) orderers: OrdererOrganization,
    pub(super) consenters: Vec<ConsenterPlan>,
    pub(super) batch: &'a BatchPlan,
}

/// An organisation that runs peers; its group is named after its MSP.
pub(super) struct ApplicationOrganization {
    pub(super) msp: msp::FabricMspConfig,
    pub(super) anchors: Vec<(String, u16)>,
}

/// The organisation that runs the ordering nodes.
pub(super) struct OrdererOrganization {
    pub(super) name: String,
    pub(super) msp: msp::FabricMspConfig,
    pub(super) endpoints: Vec<String>,
}

/// One ordering node.
pub(super) struct ConsenterPlan {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls_certificate_pem: String,
}

/// The policy that governs changes of every element.
const ADMINS: &str = "Admins";

/// The configuration, sequence 0.
pub(super) fn config(plan: &ChannelPlan<'_>) -> common::Config {
    let mut channel = Group::default();
    channel.implicit("Readers", Rule::Any, "Readers");
    channel.implicit("Writers", Rule::Any, "Writers");
    channel.implicit("Admins", Rule::Majority, "Admins");
    channel.value("HashingAlgorithm", &common::HashingAlgorithm { name: "SHA256".to_owned() });
    channel.value("BlockDataHashingStructure", &common::BlockDataHashingStructure { width: u32::MAX });
    channel.capability("V3_0");
    channel.group("Application", application(plan));
    channel.group("Orderer", orderers(plan));
    common::Config { sequence: 0, channel_group: Some(channel.0) }
}

fn application(plan: &ChannelPlan<'_>) -> Group {
    let mut group = Group::default();
    group.implicit("Readers", Rule::Any, "Readers");
    group.implicit("Writers", Rule::Any, "Writers");
    group.implicit("Admins", Rule::Majority, "Admins");
    group.implicit("Endorsement", Rule::Majority, "Endorsement");
    group.implicit("LifecycleEndorsement", Rule::Majority, "Endorsement");
    group.capability("V2_5");
    for organization in &plan.application {
        let name = &organization.msp.name;
        let mut member = Group::default();
        let (admin, peer, client) = (MspRoleType::Admin, MspRoleType::Peer, MspRoleType::Client);
        member.signed_by_one_of("Readers", name, &[admin, peer, client]);
        member.signed_by_one_of("Writers", name, &[admin, client]);
        member.signed_by_one_of("Admins", name, &[admin]);
        member.signed_by_one_of("Endorsement", name, &[peer]);
        member.msp(&organization.msp);
        if !organization.anchors.is_empty() {
            let anchor =
                |(host, port): &(String, u16)| peer::AnchorPeer { host: host.clone(), port: (*port).into() };
            let anchor_peers = organization.anchors.iter().map(anchor).collect();
            member.value("AnchorPeers", &peer::AnchorPeers { anchor_peers });
        }
        group.group(name, member);
    }
    group
}

fn orderers(plan: &ChannelPlan<'_>) -> Group {
    let mut group = Group::default();
    group.implicit("Readers", Rule::Any, "Readers");
    group.implicit("Writers", Rule::Any, "Writers");
    group.implicit("Admins", Rule::Majority, "Admins");
    group.implicit("BlockValidation", Rule::Any, "Writers");
    group.capability("V2_0");
    group.value(
        "ConsensusType",
        &orderer::ConsensusType {
            r#type: "etcdraft".to_owned(),
            metadata: raft_metadata(&plan.consenters).encode_to_vec().into(),
            state: 0,
        },
    );
    group.value(
        "BatchSize",
        &orderer::BatchSize {
            max_message_count: plan.batch.message_count_max,
            absolute_max_bytes: plan.batch.absolute_bytes_max,
            preferred_max_bytes: plan.batch.preferred_bytes_max,
        },
    );
    group.value("BatchTimeout", &orderer::BatchTimeout { timeout: plan.batch.timeout.clone() });
    group.value("ChannelRestrictions", &orderer::ChannelRestrictions::default());

    let organization = &plan.orderers;
    let name = &organization.msp.name;
    let mut member = Group::default();
    member.signed_by_one_of("Readers", name, &[MspRoleType::Member]);
    member.signed_by_one_of("Writers", name, &[MspRoleType::Member]);
    member.signed_by_one_of("Admins", name, &[MspRoleType::Admin]);
    member.msp(&organization.msp);
    member.value("Endpoints", &common::OrdererAddresses { addresses: organization.endpoints.clone() });
    group.group(&organization.name, member);
    group
}

fn raft_metadata(consenters: &[ConsenterPlan]) -> RaftConfigMetadata {
    let consenter = |plan: &ConsenterPlan| RaftConsenter {
        host: plan.host.clone(),
        port: plan.port.into(),
        client_tls_cert: plan.tls_certificate_pem.as_bytes().to_vec(),
        server_tls_cert: plan.tls_certificate_pem.as_bytes().to_vec(),
    };
    RaftConfigMetadata {
        consenters: consenters.iter().map(consenter).collect(),
        options: Some(RaftOptions {
            tick_interval: "500ms".to_owned(),
            election_tick: 10,
            heartbeat_tick: 1,
            max_inflight_blocks: 5,
            snapshot_interval_size: 16 << 20,
        }),
    }
}

/// A group under construction; every element is governed by `Admins`.
struct Group(ConfigGroup);

impl Default for Group {
    fn default() -> Self {
        Self(ConfigGroup { mod_policy: ADMINS.to_owned(), ..Default::default() })
    }
}

impl Group {
    fn group(&mut self, name: &str, group: Self) {
        self.0.groups.insert(name.to_owned(), group.0);
    }

    fn value(&mut self, name: &str, value: &impl Message) {
        let value = value.encode_to_vec().into();
        let value = ConfigValue { version: 0, value, mod_policy: ADMINS.to_owned() };
        self.0.values.insert(name.to_owned(), value);
    }

    fn capability(&mut self, name: &str) {
        let entry = CapabilityEntry { name: name.to_owned(), capability: Some(common::Capability {}) };
        self.value("Capabilities", &Capabilities { capabilities: vec![entry] });
    }

    fn msp(&mut self, config: &msp::FabricMspConfig) {
        self.value("MSP", &msp::MspConfig { r#type: 0, config: config.encode_to_vec().into() });
    }

    fn policy(&mut self, name: &str, r#type: PolicyType, value: &impl Message) {
        let policy = common::Policy { r#type: r#type.into(), value: value.encode_to_vec().into() };
        let policy = ConfigPolicy { version: 0, policy: Some(policy), mod_policy: ADMINS.to_owned() };
        self.0.policies.insert(name.to_owned(), policy);
    }

    fn implicit(&mut self, name: &str, rule: Rule, sub_policy: &str) {
        let policy = common::ImplicitMetaPolicy { sub_policy: sub_policy.to_owned(), rule: rule.into() };
        self.policy(name, PolicyType::ImplicitMeta, &policy);
    }

    /// One signature of somebody with one of the roles.
    fn signed_by_one_of(&mut self, name: &str, msp_id: &str, roles: &[MspRoleType]) {
        let identities = roles.iter().map(|role| {
            let role = common::MspRole { msp_identifier: msp_id.to_owned(), role: (*role).into() };
            common::MspPrincipal {
                principal_classification: Classification::Role.into(),
                principal: role.encode_to_vec().into(),
            }
        });
        let rule = |r#type| common::SignaturePolicy { r#type: Some(r#type) };
        let rules =
            (0..).take(roles.len()).map(|index| rule(signature_policy::Type::SignedBy(index))).collect();
        let one = signature_policy::Type::NOutOf(signature_policy::NOutOf { n: 1, rules });
        let policy = common::SignaturePolicyEnvelope {
            version: 0,
            rule: Some(rule(one)),
            identities: identities.collect(),
        };
        self.policy(name, PolicyType::Signature, &policy);
    }
}

/// Block 0: the configuration in an unsigned envelope without creator, five metadata slots, the first of which says that the
/// last configuration is block 0 (spec/07 §4).
pub(super) fn genesis_block(
    channel: &str,
    config: &common::Config,
    seconds: i64,
    nonce: &[u8],
) -> common::Block {
    // hash of nonce and creator, which is empty
    let tx_id =
        block::data_hash(&[Bytes::copy_from_slice(nonce)]).iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        });
    let channel_header = common::ChannelHeader {
        r#type: HeaderType::Config.into(),
        version: 1,
        timestamp: Some(Timestamp { seconds, nanos: 0 }),
        channel_id: channel.to_owned(),
        tx_id,
        ..Default::default()
    };
    let signature_header =
        common::SignatureHeader { creator: Bytes::new(), nonce: Bytes::copy_from_slice(nonce) };
    let payload = common::Payload {
        header: Some(common::Header {
            channel_header: channel_header.encode_to_vec().into(),
            signature_header: signature_header.encode_to_vec().into(),
        }),
        data: common::ConfigEnvelope { config: Some(config.clone()), last_update: None }
            .encode_to_vec()
            .into(),
    };
    let envelope = common::Envelope { payload: payload.encode_to_vec().into(), signature: Bytes::new() };
    let data = vec![Bytes::from(envelope.encode_to_vec())];
    let last_config = common::OrdererBlockMetadata {
        last_config: Some(common::LastConfig { index: 0 }),
        consenter_metadata: Bytes::new(),
    };
    let signatures = common::Metadata { value: last_config.encode_to_vec().into(), signatures: Vec::new() };
    let mut metadata = vec![Bytes::new(); 5];
    metadata[0] = signatures.encode_to_vec().into();
    common::Block {
        header: Some(common::BlockHeader {
            number: 0,
            previous_hash: Bytes::new(),
            data_hash: Bytes::copy_from_slice(&block::data_hash(&data)),
        }),
        data: Some(common::BlockData { data }),
        metadata: Some(common::BlockMetadata { metadata }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};
    use std::path::{Path, PathBuf};

    fn network() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/network")
    }

    fn msp_of(folder: &str, msp_id: &str) -> msp::FabricMspConfig {
        let folder = network().join("crypto").join(folder).join("msp");
        selvedge_msp::read_msp_folder(&folder, msp_id).unwrap().config
    }

    fn recorded_plan(batch: &BatchPlan) -> ChannelPlan<'_> {
        let organization = |name: &str, domain: &str, port| ApplicationOrganization {
            msp: msp_of(&format!("peerOrganizations/{domain}"), name),
            anchors: vec![("127.0.0.1".to_owned(), port)],
        };
        let consenter = |(index, port): (usize, u16)| {
            let tls = format!(
                "crypto/ordererOrganizations/example.com/orderers/orderer{index}.example.com/tls/server.crt"
            );
            let tls_certificate_pem = std::fs::read_to_string(network().join(tls)).unwrap();
            ConsenterPlan { host: "127.0.0.1".to_owned(), port, tls_certificate_pem }
        };
        let ports = [21050, 21150, 21250];
        ChannelPlan {
            application: vec![
                organization("Org1MSP", "org1.example.com", 21301),
                organization("Org2MSP", "org2.example.com", 21401),
            ],
            orderers: OrdererOrganization {
                name: "OrdererOrg".to_owned(),
                msp: msp_of("ordererOrganizations/example.com", "OrdererMSP"),
                endpoints: ports.iter().map(|port| format!("127.0.0.1:{port}")).collect(),
            },
            consenters: ports.into_iter().enumerate().map(consenter).collect(),
            batch,
        }
    }

    /// Every value and policy by its path, so that a difference can be named.
    fn elements(path: &str, group: &ConfigGroup, found: &mut BTreeMap<String, (Bytes, String)>) {
        for (name, value) in &group.values {
            found.insert(format!("{path}/{name}"), (value.value.clone(), value.mod_policy.clone()));
        }
        for (name, policy) in &group.policies {
            let value = policy.policy.as_ref().unwrap().value.clone();
            found.insert(format!("{path}/policies/{name}"), (value, policy.mod_policy.clone()));
        }
        for (name, group) in &group.groups {
            elements(&format!("{path}/{name}"), group, found);
        }
    }

    #[test]
    fn the_recorded_genesis_block_comes_out_again() {
        let recorded = std::fs::read(network().join("mychannel.block")).unwrap();
        let recorded = selvedge_proto::decode::<common::Block>(recorded).unwrap();
        let envelope = block::config_envelope(&recorded).unwrap();
        let batch = BatchPlan {
            message_count_max: 10,
            absolute_bytes_max: 10 << 20,
            preferred_bytes_max: 2 << 20,
            timeout: "500ms".to_owned(),
        };
        let config = config(&recorded_plan(&batch));
        let (mut ours, mut theirs) = (BTreeMap::new(), BTreeMap::new());
        elements("/Channel", config.channel_group.as_ref().unwrap(), &mut ours);
        elements("/Channel", envelope.config.as_ref().unwrap().channel_group.as_ref().unwrap(), &mut theirs);
        let paths = ours.keys().chain(theirs.keys()).collect::<BTreeSet<_>>();
        let different: Vec<_> =
            paths.into_iter().filter(|path| ours.get(*path) != theirs.get(*path)).collect();
        assert_eq!(different, Vec::<&String>::new());
        assert!(Some(&config) == envelope.config.as_ref());

        let entries = &recorded.data.as_ref().unwrap().data;
        let header = block::channel_header(&entries[0]).unwrap();
        let payload = |block: &common::Block| {
            let entry = block.data.as_ref().unwrap().data[0].clone();
            let envelope = selvedge_proto::decode::<common::Envelope>(entry).unwrap();
            selvedge_proto::decode::<common::Payload>(envelope.payload).unwrap()
        };
        let signature_header = payload(&recorded).header.unwrap().signature_header;
        let nonce = selvedge_proto::decode::<common::SignatureHeader>(signature_header).unwrap().nonce;
        let made = genesis_block("mychannel", &config, header.timestamp.unwrap().seconds, &nonce);
        assert_eq!(made.metadata, recorded.metadata);
        assert_eq!(payload(&made).header, payload(&recorded).header);
        block::check_data(&made).unwrap();
    }
}
