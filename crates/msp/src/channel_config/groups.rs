//! The groups of a configuration (spec/07 §7.2), read and checked.

use std::collections::BTreeMap;
use std::sync::Arc;

use prost::{Message, Name};
use selvedge_proto::common::{
    Capabilities as CapabilityNames, ConfigGroup, Consenter, OrdererAddresses, Orderers, Policy,
};
use selvedge_proto::msp::{FabricMspConfig, IdemixMspConfig, MspConfig};
use selvedge_proto::orderer::{BatchSize, BatchTimeout, ChannelRestrictions, ConsensusType, KafkaBrokers};
use selvedge_proto::peer::{AcLs, AnchorPeers};

use super::{AnchorPeer, ApplicationOrg, Capabilities, ConfigError, OrdererOrg};
use crate::msp::{Msp, MspError, MspVersion};

/// Organisations by the name of their group, with their MSP identifier; by consortium.
pub(crate) type Consortiums = BTreeMap<String, BTreeMap<String, String>>;

#[derive(Debug)]
pub(super) struct Application {
    pub(super) orgs: Vec<ApplicationOrg>,
    /// References to policies by resource.
    pub(super) acls: BTreeMap<String, String>,
}

#[derive(Debug)]
pub(super) struct Orderer {
    pub(super) orgs: Vec<OrdererOrg>,
    pub(super) consensus_type: String,
    pub(super) consenters: Vec<Consenter>,
}

/// A group with its path, whose values are read by name.
pub(super) struct Group<'a> {
    pub(super) path: String,
    pub(super) group: &'a ConfigGroup,
}

impl<'a> Group<'a> {
    pub(super) fn new(path: impl Into<String>, group: &'a ConfigGroup) -> Self {
        Self { path: path.into(), group }
    }

    /// The groups below, ordered by name.
    pub(super) fn groups(&self) -> impl Iterator<Item = (&'a str, Group<'a>)> {
        self.group
            .groups
            .iter()
            .map(|(name, group)| (name.as_str(), Self::new(format!("{}/{name}", self.path), group)))
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.group.values.contains_key(key)
    }

    /// Reads a value; an absent one is an empty message.
    pub(super) fn value<M: Message + Default + Name>(&self, key: &str) -> Result<M, ConfigError> {
        let Some(value) = self.group.values.get(key) else { return Ok(M::default()) };
        selvedge_proto::decode(value.value.clone()).map_err(|error| self.problem(key, error.to_string()))
    }

    /// Refuses values that nobody knows.
    pub(super) fn allow_values(&self, keys: &[&str]) -> Result<(), ConfigError> {
        match self.group.values.keys().find(|key| !keys.contains(&key.as_str())) {
            Some(key) => Err(self.not_allowed(key, "it is not known")),
            None => Ok(()),
        }
    }

    fn no_groups(&self) -> Result<(), ConfigError> {
        match self.group.groups.keys().next() {
            Some(name) => Err(ConfigError::Group(format!("{}/{name}", self.path))),
            None => Ok(()),
        }
    }

    pub(super) fn problem(&self, key: &str, problem: impl Into<String>) -> ConfigError {
        ConfigError::Value { path: format!("{}/{key}", self.path), problem: problem.into() }
    }

    pub(super) fn not_allowed(&self, key: &str, problem: &'static str) -> ConfigError {
        ConfigError::ValueNotAllowed { path: format!("{}/{key}", self.path), problem }
    }
}

/// Sets up the MSPs of all organisations; the same MSP in several groups only once.
pub(super) struct MspSetup {
    version: MspVersion,
    seen: BTreeMap<String, (MspConfig, Option<Arc<Msp>>)>,
}

/// MSP types of spec/03 §9.2.
const TYPE_X509: i32 = 0;
const TYPE_IDEMIX: i32 = 1;

impl MspSetup {
    pub(super) fn new(version: MspVersion) -> Self {
        Self { version, seen: BTreeMap::new() }
    }

    pub(super) fn into_msps(self) -> impl Iterator<Item = Arc<Msp>> {
        self.seen.into_values().filter_map(|(_, msp)| msp)
    }

    /// The identifier and, for X.509, the MSP of an organisation.
    fn set_up(&mut self, group: &Group<'_>) -> Result<(String, Option<Arc<Msp>>), ConfigError> {
        let config: MspConfig = group.value("MSP")?;
        let error = |error| ConfigError::Msp { path: group.path.clone(), error };
        let (msp_id, x509) = self.identify(&config).map_err(error)?;
        if msp_id.is_empty() {
            return Err(error(MspError::NoName));
        }
        if let Some((known, msp)) = self.seen.get(&msp_id) {
            return if *known == config {
                Ok((msp_id, msp.clone()))
            } else {
                Err(ConfigError::MspConflict(msp_id))
            };
        }
        let msp =
            x509.map(|x509| Msp::from_config(&x509, self.version)).transpose().map_err(error)?.map(Arc::new);
        self.seen.insert(msp_id.clone(), (config, msp.clone()));
        Ok((msp_id, msp))
    }

    fn identify(&self, config: &MspConfig) -> Result<(String, Option<FabricMspConfig>), MspError> {
        let bytes = config.config.clone();
        match config.r#type {
            TYPE_X509 => {
                let x509: FabricMspConfig =
                    selvedge_proto::decode(bytes).map_err(|_| MspError::Undecodable)?;
                Ok((x509.name.clone(), Some(x509)))
            }
            // identities of such an MSP cannot be verified here; peers and orderers never have them
            TYPE_IDEMIX if !matches!(self.version, MspVersion::V1_0 | MspVersion::V3_0) => {
                let idemix: IdemixMspConfig =
                    selvedge_proto::decode(bytes).map_err(|_| MspError::Undecodable)?;
                Ok((idemix.name, None))
            }
            other => Err(MspError::Type(other)),
        }
    }
}

pub(super) fn capability_names(group: &Group<'_>) -> Result<std::collections::BTreeSet<String>, ConfigError> {
    let names: CapabilityNames = group.value("Capabilities")?;
    Ok(names.capabilities.into_keys().collect())
}

pub(super) fn application(
    group: &Group<'_>,
    capabilities: &Capabilities,
    msps: &mut MspSetup,
) -> Result<Application, ConfigError> {
    group.allow_values(&["ACLs", "Capabilities"])?;
    if group.has("ACLs") && !capabilities.acls() {
        return Err(group.not_allowed("ACLs", "it needs application capability V1_2 or higher"));
    }
    let acls: AcLs = group.value("ACLs")?;
    let acls = acls.acls.into_iter().map(|(resource, acl)| (resource, acl.policy_ref)).collect();
    let mut orgs = Vec::new();
    for (name, org) in group.groups() {
        org.no_groups()?;
        org.allow_values(&["MSP", "AnchorPeers"])?;
        let anchors: AnchorPeers = org.value("AnchorPeers")?;
        let anchors = anchors.anchor_peers.into_iter();
        let (msp_id, msp) = msps.set_up(&org)?;
        orgs.push(ApplicationOrg {
            name: name.to_owned(),
            msp_id,
            anchor_peers: anchors.map(|peer| AnchorPeer { host: peer.host, port: peer.port }).collect(),
            tls_roots: msp.map(|msp| msp.tls_roots().to_vec()).unwrap_or_default(),
        });
    }
    Ok(Application { orgs, acls })
}

pub(super) fn orderer(
    group: &Group<'_>,
    capabilities: &Capabilities,
    msps: &mut MspSetup,
) -> Result<Orderer, ConfigError> {
    group.allow_values(&[
        "ConsensusType",
        "BatchSize",
        "BatchTimeout",
        "ChannelRestrictions",
        "KafkaBrokers",
        "Orderers",
        "Capabilities",
    ])?;
    group.value::<KafkaBrokers>("KafkaBrokers")?;
    group.value::<ChannelRestrictions>("ChannelRestrictions")?;
    let consensus: ConsensusType = group.value("ConsensusType")?;
    let orderers: Orderers = group.value("Orderers")?;
    check_batches(group)?;
    let mut orgs = Vec::new();
    for (name, org) in group.groups() {
        org.no_groups()?;
        if org.has("Endpoints") && !capabilities.org_specific_orderer_endpoints() {
            return Err(org.not_allowed("Endpoints", "it needs channel capability V1_4_2 or higher"));
        }
        org.allow_values(&["MSP", "Endpoints"])?;
        let endpoints: OrdererAddresses = org.value("Endpoints")?;
        let (msp_id, msp) = msps.set_up(&org)?;
        if endpoints.addresses.is_empty() && capabilities.bft_signatures() {
            return Err(org.problem("Endpoints", "channel capability V3_0 demands at least one endpoint"));
        }
        orgs.push(OrdererOrg {
            name: name.to_owned(),
            msp_id,
            endpoints: endpoints.addresses,
            tls_roots: msp.map(|msp| msp.tls_roots().to_vec()).unwrap_or_default(),
        });
    }
    Ok(Orderer { orgs, consensus_type: consensus.r#type, consenters: orderers.consenter_mapping })
}

fn check_batches(group: &Group<'_>) -> Result<(), ConfigError> {
    let size: BatchSize = group.value("BatchSize")?;
    let BatchSize { max_message_count, absolute_max_bytes, preferred_max_bytes } = size;
    if max_message_count == 0 || absolute_max_bytes == 0 || preferred_max_bytes == 0 {
        return Err(group.problem("BatchSize", "all its numbers must be positive"));
    }
    if preferred_max_bytes > absolute_max_bytes {
        return Err(group.problem("BatchSize", "the preferred size exceeds the absolute one"));
    }
    let timeout: BatchTimeout = group.value("BatchTimeout")?;
    if !is_positive_duration(&timeout.timeout) {
        let problem = format!("{:?} is not a positive duration", timeout.timeout);
        return Err(group.problem("BatchTimeout", problem));
    }
    Ok(())
}

pub(super) fn consortiums(group: &Group<'_>, msps: &mut MspSetup) -> Result<Consortiums, ConfigError> {
    let mut consortiums = Consortiums::new();
    for (name, consortium) in group.groups() {
        consortium.allow_values(&["ChannelCreationPolicy"])?;
        consortium.value::<Policy>("ChannelCreationPolicy")?;
        let orgs = consortiums.entry(name.to_owned()).or_default();
        for (name, org) in consortium.groups() {
            org.no_groups()?;
            org.allow_values(&["MSP"])?;
            orgs.insert(name.to_owned(), msps.set_up(&org)?.0);
        }
    }
    Ok(consortiums)
}

/// Whether a text is a duration as Go writes them (`2s`, `1m30s`, `1.5h`), greater than zero.
fn is_positive_duration(text: &str) -> bool {
    nanoseconds(text).is_some_and(|duration| duration > 0.0)
}

/// The value of a positive Go duration, roughly: only its sign matters here.
fn nanoseconds(text: &str) -> Option<f64> {
    const UNITS: [(&str, f64); 8] = [
        ("ns", 1.0),
        ("us", 1e3),
        ("µs", 1e3),
        ("μs", 1e3),
        ("ms", 1e6),
        ("s", 1e9),
        ("m", 60e9),
        ("h", 3600e9),
    ];
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    let mut total = 0.0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let number_end = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.')?;
        let (number, after) = rest.split_at_checked(number_end)?;
        let unit_end =
            after.find(|letter: char| letter.is_ascii_digit() || letter == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(unit_end)?;
        if !number.contains(|letter: char| letter.is_ascii_digit()) {
            return None;
        }
        let (_, scale) = UNITS.into_iter().find(|(name, _)| *name == unit)?;
        total += number.parse::<f64>().ok()? * scale;
        rest = after;
    }
    // Go keeps durations in 64 bits; a fraction of a nanosecond is nothing
    (total < 9.2e18).then(|| total.floor())
}

#[cfg(test)]
mod tests {
    use super::is_positive_duration;

    #[test]
    fn durations() {
        for yes in ["2s", "500ms", "1m30s", "1.5h", "+1s", ".5s", "1.s", "1µs"] {
            assert!(is_positive_duration(yes), "{yes}");
        }
        for no in
            ["", "0", "0s", "-1s", "2", "s", ".s", "2 s", "2S", "1e3s", "99999999999h", "0.1ns", "1..2s"]
        {
            assert!(!is_positive_duration(no), "{no}");
        }
    }
}
