//! Configuration updates: from what is wanted to an update, and from an update to the next configuration (spec/07 §10.1).

use super::OrderingError;
use super::transactions::{Creator, sealed_envelope};
use bytes::Bytes;
use prost::Message as _;
use selvedge_msp::ChannelBundle;
use selvedge_proto::common::{
    Config, ConfigEnvelope, ConfigGroup, ConfigPolicy, ConfigSignature, ConfigUpdate, ConfigUpdateEnvelope,
    ConfigValue, Envelope, HeaderType, Payload,
};
use selvedge_proto::decode;
use std::collections::BTreeMap;

/// The envelope of a configuration block that applies `update`, and the configuration that is in force after it. Whether the
/// signatures satisfy the policies is judged by [`ChannelBundle::validate_update`], as every peer will.
pub(super) fn propose(
    bundle: &ChannelBundle,
    update: &Envelope,
    orderer: &Creator,
) -> Result<(Bytes, ChannelBundle), OrderingError> {
    let unparsable = |_| OrderingError::Update("unparsable");
    let payload = decode::<Payload>(update.payload.clone()).map_err(unparsable)?;
    let wanted = decode::<ConfigUpdateEnvelope>(payload.data).map_err(unparsable)?;
    let wanted = decode::<ConfigUpdate>(wanted.config_update).map_err(unparsable)?;
    let present = bundle.config().channel_group.as_ref().ok_or(OrderingError::Update("no configuration"))?;
    let write = wanted.write_set.ok_or(OrderingError::Update("no write set"))?;
    let next = overlay(Some(present), wanted.read_set.as_ref(), &write);
    let sequence = bundle.sequence().saturating_add(1);
    let config = Config { sequence, channel_group: Some(next) };
    let next = ConfigEnvelope { config: Some(config), last_update: Some(update.clone()) };
    let bundle_after = bundle.validate_update(&next)?;
    let envelope =
        sealed_envelope(HeaderType::Config, bundle.channel_id(), next.encode_to_vec().into(), orderer)?;
    Ok((envelope.encode_to_vec().into(), bundle_after))
}

/// Anything with a version.
trait Versioned: Clone {
    fn version(&self) -> u64;
}

impl Versioned for ConfigValue {
    fn version(&self) -> u64 {
        self.version
    }
}

impl Versioned for ConfigPolicy {
    fn version(&self) -> u64 {
        self.version
    }
}

/// The group as it is after what the write set changes: an element is changed if the read set does not have it in the same
/// version. A changed group has the members that the write set lists, another one those it had.
fn overlay(present: Option<&ConfigGroup>, read: Option<&ConfigGroup>, write: &ConfigGroup) -> ConfigGroup {
    let changed = read.is_none_or(|read| read.version != write.version);
    let shape = if changed { write } else { present.unwrap_or(write) };
    let groups = shape.groups.keys().filter_map(|name| {
        let present = present.and_then(|present| present.groups.get(name));
        let read = read.and_then(|read| read.groups.get(name));
        let group = match write.groups.get(name) {
            Some(write) => overlay(present, read, write),
            None => present?.clone(),
        };
        Some((name.clone(), group))
    });
    ConfigGroup {
        version: shape.version,
        groups: groups.collect(),
        values: overlay_elements(
            &shape.values,
            present.map(|group| &group.values),
            read.map(|group| &group.values),
            &write.values,
        ),
        policies: overlay_elements(
            &shape.policies,
            present.map(|group| &group.policies),
            read.map(|group| &group.policies),
            &write.policies,
        ),
        mod_policy: shape.mod_policy.clone(),
    }
}

fn overlay_elements<T: Versioned>(
    shape: &BTreeMap<String, T>,
    present: Option<&BTreeMap<String, T>>,
    read: Option<&BTreeMap<String, T>>,
    write: &BTreeMap<String, T>,
) -> BTreeMap<String, T> {
    let element = |name: &String| {
        let read = read.and_then(|read| read.get(name));
        let changed =
            write.get(name).filter(|write| read.is_none_or(|read| read.version() != write.version()));
        changed.or_else(|| present.and_then(|present| present.get(name))).cloned()
    };
    shape.keys().filter_map(|name| Some((name.clone(), element(name)?))).collect()
}

/// A signed update of `config` to `wanted`, as `configtxlator proto_compute_update` and `peer channel signconfigtx` make it:
/// signed by all of `admins`, sent by the first of them. Versions in `wanted` do not matter.
///
/// # Errors
/// [`OrderingError::Update`] if nothing changes or there are no admins; [`OrderingError::Sign`].
pub fn config_update(
    channel: &str,
    config: &Config,
    wanted: &ConfigGroup,
    admins: &[Creator],
) -> Result<Envelope, OrderingError> {
    let present = config.channel_group.as_ref().ok_or(OrderingError::Update("no configuration"))?;
    let (read, write) = difference(present, wanted).ok_or(OrderingError::Update("nothing changes"))?;
    let update = ConfigUpdate {
        channel_id: channel.to_owned(),
        read_set: Some(read),
        write_set: Some(write),
        ..Default::default()
    };
    let config_update = Bytes::from(update.encode_to_vec());
    let sign = |admin: &Creator| {
        let signature_header = admin.signature_header()?;
        let signature = admin.signer.sign(&[&signature_header[..], &config_update].concat())?;
        Ok::<_, OrderingError>(ConfigSignature { signature_header, signature })
    };
    let signatures = admins.iter().map(sign).collect::<Result<_, _>>()?;
    let sender = admins.first().ok_or(OrderingError::Update("nobody signs it"))?;
    let update = ConfigUpdateEnvelope { config_update, signatures };
    sealed_envelope(HeaderType::ConfigUpdate, channel, update.encode_to_vec().into(), sender)
}

/// Read and write set that lead from one group to the other; `None` if they are equal.
fn difference(present: &ConfigGroup, wanted: &ConfigGroup) -> Option<(ConfigGroup, ConfigGroup)> {
    let mut read = ConfigGroup { version: present.version, ..Default::default() };
    let mut write = ConfigGroup { mod_policy: present.mod_policy.clone(), ..read.clone() };
    let mut same = ConfigGroup::default();
    for (name, value) in &wanted.values {
        match present.values.get(name) {
            Some(old) if old.value == value.value && old.mod_policy == value.mod_policy => {
                let version = old.version;
                same.values.insert(name.clone(), ConfigValue { version, ..Default::default() });
            }
            old => {
                let version = old.map_or(0, |old| old.version + 1);
                write.values.insert(name.clone(), ConfigValue { version, ..value.clone() });
            }
        }
    }
    for (name, policy) in &wanted.policies {
        match present.policies.get(name) {
            Some(old) if old.policy == policy.policy && old.mod_policy == policy.mod_policy => {
                let version = old.version;
                same.policies.insert(name.clone(), ConfigPolicy { version, ..Default::default() });
            }
            old => {
                let version = old.map_or(0, |old| old.version + 1);
                write.policies.insert(name.clone(), ConfigPolicy { version, ..policy.clone() });
            }
        }
    }
    for (name, group) in &wanted.groups {
        match present.groups.get(name) {
            None => {
                write.groups.insert(name.clone(), as_new(group));
            }
            Some(old) => match difference(old, group) {
                Some((old, new)) => {
                    read.groups.insert(name.clone(), old);
                    write.groups.insert(name.clone(), new);
                }
                None => {
                    let version = old.version;
                    same.groups.insert(name.clone(), ConfigGroup { version, ..Default::default() });
                }
            },
        }
    }
    let same_members = present.groups.keys().eq(wanted.groups.keys())
        && present.values.keys().eq(wanted.values.keys())
        && present.policies.keys().eq(wanted.policies.keys());
    if !same_members || present.mod_policy != wanted.mod_policy {
        // a changed group lists all of its members
        for set in [&mut read, &mut write] {
            set.groups.extend(same.groups.clone());
            set.values.extend(same.values.clone());
            set.policies.extend(same.policies.clone());
        }
        write.version = present.version + 1;
        write.mod_policy.clone_from(&wanted.mod_policy);
        return Some((read, write));
    }
    let unchanged = write.groups.is_empty() && write.values.is_empty() && write.policies.is_empty();
    (!unchanged).then_some((read, write))
}

/// The group with version 0 throughout.
fn as_new(group: &ConfigGroup) -> ConfigGroup {
    let value =
        |(name, value): (&String, &ConfigValue)| (name.clone(), ConfigValue { version: 0, ..value.clone() });
    let policy = |(name, policy): (&String, &ConfigPolicy)| {
        (name.clone(), ConfigPolicy { version: 0, ..policy.clone() })
    };
    ConfigGroup {
        version: 0,
        groups: group.groups.iter().map(|(name, group)| (name.clone(), as_new(group))).collect(),
        values: group.values.iter().map(value).collect(),
        policies: group.policies.iter().map(policy).collect(),
        mod_policy: group.mod_policy.clone(),
    }
}
