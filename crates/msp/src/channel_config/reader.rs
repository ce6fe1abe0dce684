//! Reading a whole configuration: structure, values, MSPs, policies.

use selvedge_proto::common::{
    BlockDataHashingStructure, Config, ConfigGroup, Consortium, HashingAlgorithm, OrdererAddresses, Orderers,
};

use super::groups::{self, Group, MspSetup, capability_names};
use super::{Capabilities, ChannelBundle, ConfigError, ROOT};
use crate::manager::MspManager;
use crate::policy::PolicyTree;

/// The longest name of a channel or configuration element.
const NAME_LENGTH_MAX: usize = 249;

pub(super) fn read(channel_id: &str, config: &Config) -> Result<ChannelBundle, ConfigError> {
    let root = config.channel_group.as_ref().ok_or(ConfigError::Missing("channel group"))?;
    check_channel_id(channel_id)?;
    check_names(&format!("/{ROOT}"), root)?;
    let channel = Group::new(format!("/{ROOT}"), root);
    let find = |name: &str| root.groups.get(name).map(|group| Group::new(format!("/{ROOT}/{name}"), group));
    let application = find("Application").ok_or(ConfigError::Missing("group /Channel/Application"))?;
    let orderer = find("Orderer").ok_or(ConfigError::Missing("group /Channel/Orderer"))?;
    if let Some(unknown) =
        root.groups.keys().find(|name| !["Application", "Orderer", "Consortiums"].contains(&name.as_str()))
    {
        return Err(ConfigError::Group(format!("/{ROOT}/{unknown}")));
    }
    check_capability_order(&channel, &application, &orderer)?;
    let capabilities = Capabilities {
        channel: capability_names(&channel)?,
        application: capability_names(&application)?,
        orderer: capability_names(&orderer)?,
    };
    capabilities.check_supported()?;
    let orderer_addresses = check_channel_values(&channel, &capabilities)?;

    let version = capabilities.msp_version();
    let mut msps = MspSetup::new(version);
    let application = groups::application(&application, &capabilities, &mut msps)?;
    let orderer = groups::orderer(&orderer, &capabilities, &mut msps)?;
    let consortiums = find("Consortiums").map(|group| groups::consortiums(&group, &mut msps)).transpose()?;
    let manager = MspManager::new(msps.into_msps());
    let policies = PolicyTree::compile(ROOT, root, &manager, version)
        .map_err(|(path, error)| ConfigError::Policy { path, error })?;
    Ok(ChannelBundle {
        channel_id: channel_id.to_owned(),
        config: config.clone(),
        capabilities,
        application,
        orderer,
        orderer_addresses,
        consortiums,
        manager,
        policies,
    })
}

fn check_channel_values(
    channel: &Group<'_>,
    capabilities: &Capabilities,
) -> Result<Vec<String>, ConfigError> {
    channel.allow_values(&[
        "HashingAlgorithm",
        "BlockDataHashingStructure",
        "OrdererAddresses",
        "Consortium",
        "Capabilities",
        "Orderers",
    ])?;
    channel.value::<Consortium>("Consortium")?;
    channel.value::<Orderers>("Orderers")?;
    let algorithm: HashingAlgorithm = channel.value("HashingAlgorithm")?;
    if !matches!(algorithm.name.as_str(), "SHA256" | "SHA3_256") {
        return Err(channel.problem("HashingAlgorithm", format!("{:?} is not known", algorithm.name)));
    }
    let structure: BlockDataHashingStructure = channel.value("BlockDataHashingStructure")?;
    if structure.width != u32::MAX {
        return Err(channel.problem("BlockDataHashingStructure", format!("the width must be {}", u32::MAX)));
    }
    let addresses: OrdererAddresses = channel.value("OrdererAddresses")?;
    if addresses.addresses.is_empty() && !capabilities.org_specific_orderer_endpoints() {
        return Err(channel.problem("OrdererAddresses", "there must be some below channel capability V1_4_2"));
    }
    if !addresses.addresses.is_empty() && capabilities.bft_signatures() {
        return Err(
            channel.not_allowed("OrdererAddresses", "channel capability V3_0 forbids global addresses")
        );
    }
    Ok(addresses.addresses)
}

fn check_capability_order(
    channel: &Group<'_>,
    application: &Group<'_>,
    orderer: &Group<'_>,
) -> Result<(), ConfigError> {
    const KEY: &str = "Capabilities";
    if orderer.has(KEY) {
        return Ok(());
    }
    for group in [channel, application] {
        if group.has(KEY) {
            return Err(group.not_allowed(KEY, "the orderer group must have capabilities first"));
        }
    }
    Ok(())
}

fn check_channel_id(name: &str) -> Result<(), ConfigError> {
    let is_allowed =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-');
    let starts_well = name.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
    if starts_well && name.len() <= NAME_LENGTH_MAX && name.bytes().all(is_allowed) {
        Ok(())
    } else {
        Err(ConfigError::ChannelName(name.to_owned()))
    }
}

/// Whether a text may be the name of a group, value or policy (spec/07 §1).
pub(crate) fn check_element_name(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    (1..=NAME_LENGTH_MAX).contains(&name.len()) && name.bytes().all(is_allowed) && !matches!(name, "." | "..")
}

fn check_names(path: &str, group: &ConfigGroup) -> Result<(), ConfigError> {
    let names = group.groups.keys().chain(group.values.keys()).chain(group.policies.keys());
    for name in names {
        if !check_element_name(name) {
            return Err(ConfigError::ElementName { path: path.to_owned(), name: name.clone() });
        }
    }
    for (name, group) in &group.groups {
        check_names(&format!("{path}/{name}"), group)?;
    }
    Ok(())
}
