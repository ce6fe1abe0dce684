//! From one configuration to the next (spec/07 §10.1, steps 2 to 8). Every step is done: a peer that trusted the
//! orderers here would let a single one replace the whole configuration.

use std::collections::BTreeMap;
use std::fmt;

use selvedge_proto::common::{
    Block, ChannelHeader, Config, ConfigEnvelope, ConfigGroup, ConfigPolicy, ConfigUpdate,
    ConfigUpdateEnvelope, ConfigValue, Envelope, HeaderType, Payload, SignatureHeader,
};

use crate::channel_config::{ChannelBundle, ConfigError, ROOT, check_element_name};
use crate::policy::{PolicyError, SignedData, Signers};

/// Why a new configuration may not follow the current one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpdateError {
    /// Not the next configuration.
    #[error("configuration {found} cannot follow configuration {current}")]
    Sequence {
        /// The current sequence number.
        current: u64,
        /// The new one.
        found: u64,
    },
    /// The update that led to the configuration is not there, or not readable.
    #[error("the update that led to the configuration cannot be read: {0}")]
    Undecodable(&'static str),
    /// The update is for another channel.
    #[error("the update is for channel {0:?}")]
    Channel(String),
    /// The name of an element is not one.
    #[error("{0:?} is not a name for an element")]
    ElementName(String),
    /// The update was made for another state of the configuration.
    #[error("the update expects {element} at version {expected}, but it is {}", version(*found))]
    ReadSet {
        /// The element.
        element: String,
        /// The version in the read set.
        expected: u64,
        /// The current version; None if there is no such element.
        found: Option<u64>,
    },
    /// Nothing would change.
    #[error("the update changes nothing")]
    Empty,
    /// An element names nobody who may change it, or the name makes no sense.
    #[error("{element} has modification policy {policy:?}")]
    ModPolicy {
        /// The element.
        element: String,
        /// Its modification policy.
        policy: String,
    },
    /// An element changes to a version that is not the next.
    #[error("the update sets {element} to version {found}, but it is {}", version(*current))]
    Version {
        /// The element.
        element: String,
        /// The current version; None if there is no such element.
        current: Option<u64>,
        /// The version in the write set.
        found: u64,
    },
    /// Those who signed may not change an element.
    #[error("changing {element}: {error}")]
    NotAuthorized {
        /// The element.
        element: String,
        /// What was missing.
        error: PolicyError,
    },
    /// A new group lists an element that is nowhere.
    #[error("{0} is listed, but neither in the configuration nor in the update")]
    Unlisted(String),
    /// The update leads to another configuration than the one it came with.
    #[error("the update does not lead to the configuration it came with")]
    ResultDiffers,
    /// The consensus type changes without the capability for it.
    #[error("the consensus type may not change from {from:?} to {to:?}")]
    ConsensusType {
        /// The current type.
        from: String,
        /// The new type.
        to: String,
    },
    /// An organisation becomes another one.
    #[error("the MSP identifier of {org} may not change from {from:?} to {to:?}")]
    MspId {
        /// The organisation's group.
        org: String,
        /// The current identifier.
        from: String,
        /// The new identifier.
        to: String,
    },
    /// The group of consortiums comes or goes.
    #[error("the group of consortiums may neither come nor go")]
    Consortiums,
}

fn version(version: Option<u64>) -> String {
    version.map_or_else(|| "not there".to_owned(), |version| format!("at version {version}"))
}

impl UpdateError {
    /// A short label for counters.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Sequence { .. } => "update_sequence",
            Self::Undecodable(_) => "update_undecodable",
            Self::Channel(_) => "update_channel",
            Self::ElementName(_) => "update_name",
            Self::ReadSet { .. } => "update_read_set",
            Self::Empty => "update_empty",
            Self::ModPolicy { .. } => "update_mod_policy",
            Self::Version { .. } => "update_version",
            Self::NotAuthorized { .. } => "update_not_authorized",
            Self::Unlisted(_) => "update_unlisted",
            Self::ResultDiffers => "update_result",
            Self::ConsensusType { .. } => "update_consensus_type",
            Self::MspId { .. } => "update_msp_id",
            Self::Consortiums => "update_consortiums",
        }
    }
}

impl ChannelBundle {
    /// Checks that a new configuration may follow this one, step by step as a peer does at commit (spec/07 §10.1, steps 2
    /// to 8), and makes it usable. The envelope around it is the business of [`ChannelBundle::follow`].
    ///
    /// # Errors
    ///
    /// The first step that fails. The orderers let none of them through; a channel whose orderers do should be halted.
    pub fn validate_update(&self, new: &ConfigEnvelope) -> Result<Self, ConfigError> {
        let config = new.config.as_ref().ok_or(ConfigError::Missing("configuration"))?;
        self.check_derivation(new, config)?;
        let bundle = Self::from_config(self.channel_id(), config)?;
        self.check_succession(&bundle)?;
        Ok(bundle)
    }

    /// Steps 2 to 7: the update is allowed, and leads to this configuration.
    fn check_derivation(&self, new: &ConfigEnvelope, config: &Config) -> Result<(), UpdateError> {
        if self.sequence().checked_add(1) != Some(config.sequence) {
            return Err(UpdateError::Sequence { current: self.sequence(), found: config.sequence });
        }
        let last_update = new.last_update.as_ref().ok_or(UpdateError::Undecodable("it is missing"))?;
        let signed = signed_update(last_update)?;
        let update: ConfigUpdate = selvedge_proto::decode(signed.config_update.clone())
            .map_err(|_| UpdateError::Undecodable("the update itself"))?;
        if update.channel_id != self.channel_id() {
            return Err(UpdateError::Channel(update.channel_id));
        }
        let empty = ConfigGroup::default();
        let current = flatten(self.config().channel_group.as_ref().or(Some(&empty)))?;
        let read_set = flatten(update.read_set.as_ref())?;
        for (key, element) in &read_set {
            let found = current.get(key).map(Element::version);
            if found != Some(element.version()) {
                let expected = element.version();
                return Err(UpdateError::ReadSet { element: key.to_string(), expected, found });
            }
        }
        let write_set = flatten(update.write_set.as_ref())?;
        let unchanged = |key: &Key, element: &Element<'_>| {
            read_set.get(key).is_some_and(|read| read.version() == element.version())
        };
        let delta: Elements<'_> =
            write_set.into_iter().filter(|(key, element)| !unchanged(key, element)).collect();
        self.authorize(&current, &delta, &signed)?;
        let mut result = current;
        result.extend(delta);
        let rebuilt = Rebuild::new(&result).group(&Key::root())?;
        if Some(&rebuilt) == config.channel_group.as_ref() { Ok(()) } else { Err(UpdateError::ResultDiffers) }
    }

    /// Step 6: every changed element has the next version, and those who may change it have signed.
    fn authorize(
        &self,
        current: &Elements<'_>,
        delta: &Elements<'_>,
        signed: &ConfigUpdateEnvelope,
    ) -> Result<(), UpdateError> {
        let signatures = signatures(signed)?;
        if delta.is_empty() {
            return Err(UpdateError::Empty);
        }
        // every signature is verified once for all elements
        let signers = Signers::of(&signatures, self.msp_manager());
        for (key, element) in delta {
            if !is_policy_path(element.mod_policy()) {
                let policy = element.mod_policy().to_owned();
                return Err(UpdateError::ModPolicy { element: key.to_string(), policy });
            }
            let version = |existing: Option<&Element<'_>>| UpdateError::Version {
                element: key.to_string(),
                current: existing.map(Element::version),
                found: element.version(),
            };
            let Some(existing) = current.get(key) else {
                // a new element needs no consent of its own: the group that holds it changes, too
                if element.version() != 0 {
                    return Err(version(None));
                }
                continue;
            };
            if existing.version().checked_add(1) != Some(element.version()) {
                return Err(version(Some(existing)));
            }
            self.evaluate_mod_policy(key, existing.mod_policy(), &signers)
                .map_err(|error| UpdateError::NotAuthorized { element: key.to_string(), error })?;
        }
        Ok(())
    }

    /// A relative policy is looked up from the group that holds the element; for a group, from that group itself.
    fn evaluate_mod_policy(&self, key: &Key, policy: &str, signers: &Signers) -> Result<(), PolicyError> {
        let root = self.policies();
        if policy.starts_with('/') {
            return root.evaluate(policy, signers);
        }
        let below_root = key.names.iter().skip(1).map(String::as_str);
        let depth = if key.kind == Kind::Group { key.names.len() } else { key.names.len() - 1 };
        match root.group(below_root.take(depth.saturating_sub(1))) {
            Some(group) => group.evaluate(policy, signers),
            None => Err(PolicyError::Unknown { path: policy.to_owned() }),
        }
    }

    /// Step 8: what may not change from one configuration to the next.
    fn check_succession(&self, new: &Self) -> Result<(), UpdateError> {
        if self.consensus_type() != new.consensus_type()
            && !self.capabilities().org_specific_orderer_endpoints()
        {
            return Err(UpdateError::ConsensusType {
                from: self.consensus_type().to_owned(),
                to: new.consensus_type().to_owned(),
            });
        }
        let orderers = |bundle: &Self| -> BTreeMap<String, String> {
            bundle.orderer_orgs().iter().map(|org| (org.name.clone(), org.msp_id.clone())).collect()
        };
        let members = |bundle: &Self| -> BTreeMap<String, String> {
            bundle.application_orgs().iter().map(|org| (org.name.clone(), org.msp_id.clone())).collect()
        };
        check_msp_ids("/Channel/Orderer", &orderers(self), &orderers(new))?;
        check_msp_ids("/Channel/Application", &members(self), &members(new))?;
        match (self.consortiums(), new.consortiums()) {
            (None, None) => Ok(()),
            (Some(old), Some(new)) => {
                for (name, old) in old {
                    if let Some(new) = new.get(name) {
                        check_msp_ids(&format!("/Channel/Consortiums/{name}"), old, new)?;
                    }
                }
                Ok(())
            }
            _ => Err(UpdateError::Consortiums),
        }
    }
}

fn check_msp_ids(
    path: &str,
    old: &BTreeMap<String, String>,
    new: &BTreeMap<String, String>,
) -> Result<(), UpdateError> {
    for (name, from) in old {
        match new.get(name) {
            Some(to) if to != from => {
                let org = format!("{path}/{name}");
                return Err(UpdateError::MspId { org, from: from.clone(), to: to.clone() });
            }
            _ => {}
        }
    }
    Ok(())
}

/// Step 3: the update in the envelope that is kept with a configuration.
fn signed_update(last_update: &Envelope) -> Result<ConfigUpdateEnvelope, UpdateError> {
    let undecodable = |what| move |_| UpdateError::Undecodable(what);
    let payload: Payload =
        selvedge_proto::decode(last_update.payload.clone()).map_err(undecodable("its payload"))?;
    let header = payload.header.ok_or(UpdateError::Undecodable("its header is missing"))?;
    let header: ChannelHeader =
        selvedge_proto::decode(header.channel_header).map_err(undecodable("its channel header"))?;
    if header.r#type != HeaderType::ConfigUpdate as i32 {
        return Err(UpdateError::Undecodable("it is not of type CONFIG_UPDATE"));
    }
    selvedge_proto::decode(payload.data).map_err(undecodable("its data"))
}

fn signatures(signed: &ConfigUpdateEnvelope) -> Result<Vec<SignedData<'static>>, UpdateError> {
    let update = &signed.config_update;
    let signatures = signed.signatures.iter();
    signatures
        .map(|signature| {
            let header: SignatureHeader = selvedge_proto::decode(signature.signature_header.clone())
                .map_err(|_| UpdateError::Undecodable("a signature header"))?;
            Ok(SignedData {
                data: [&signature.signature_header[..], &update[..]].concat().into(),
                identity: header.creator.to_vec().into(),
                signature: signature.signature.to_vec().into(),
            })
        })
        .collect()
}

fn is_policy_path(path: &str) -> bool {
    !path.is_empty() && path.strip_prefix('/').unwrap_or(path).split('/').all(check_element_name)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Group,
    Value,
    Policy,
}

/// An element of a configuration by its place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    kind: Kind,
    /// From the root on.
    names: Vec<String>,
}

impl Key {
    fn root() -> Self {
        Self { kind: Kind::Group, names: vec![ROOT.to_owned()] }
    }

    fn below(&self, kind: Kind, name: &str) -> Self {
        let names = self.names.iter().cloned().chain([name.to_owned()]).collect();
        Self { kind, names }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Group => "group",
            Kind::Value => "value",
            Kind::Policy => "policy",
        };
        write!(f, "{kind} /{}", self.names.join("/"))
    }
}

#[derive(Clone, Copy, Debug)]
enum Element<'a> {
    Group(&'a ConfigGroup),
    Value(&'a ConfigValue),
    Policy(&'a ConfigPolicy),
}

impl<'a> Element<'a> {
    fn version(&self) -> u64 {
        match self {
            Self::Group(group) => group.version,
            Self::Value(value) => value.version,
            Self::Policy(policy) => policy.version,
        }
    }

    fn mod_policy(&self) -> &'a str {
        match self {
            Self::Group(group) => &group.mod_policy,
            Self::Value(value) => &value.mod_policy,
            Self::Policy(policy) => &policy.mod_policy,
        }
    }
}

type Elements<'a> = BTreeMap<Key, Element<'a>>;

fn flatten(root: Option<&ConfigGroup>) -> Result<Elements<'_>, UpdateError> {
    let mut elements = Elements::new();
    if let Some(root) = root {
        flatten_group(Key::root(), root, &mut elements)?;
    }
    Ok(elements)
}

/// The depth is bounded by that of protobuf messages.
fn flatten_group<'a>(
    key: Key,
    group: &'a ConfigGroup,
    elements: &mut Elements<'a>,
) -> Result<(), UpdateError> {
    let named = |kind, name: &str| {
        if check_element_name(name) {
            Ok(key.below(kind, name))
        } else {
            Err(UpdateError::ElementName(name.to_owned()))
        }
    };
    for (name, group) in &group.groups {
        flatten_group(named(Kind::Group, name)?, group, elements)?;
    }
    for (name, value) in &group.values {
        elements.insert(named(Kind::Value, name)?, Element::Value(value));
    }
    for (name, policy) in &group.policies {
        elements.insert(named(Kind::Policy, name)?, Element::Policy(policy));
    }
    elements.insert(key, Element::Group(group));
    Ok(())
}

/// Step 7: the tree that the elements make, following the names that each group lists.
struct Rebuild<'a> {
    elements: &'a Elements<'a>,
    /// Channels of Fabric 1.0 have elements without modification policy; once the orderers have capabilities, an update
    /// fills them in.
    fills_mod_policy: bool,
}

impl<'a> Rebuild<'a> {
    fn new(elements: &'a Elements<'a>) -> Self {
        let orderer = Key::root().below(Kind::Group, "Orderer");
        Self {
            elements,
            fills_mod_policy: elements.contains_key(&orderer.below(Kind::Value, "Capabilities")),
        }
    }

    fn mod_policy(&self, policy: &str) -> String {
        if policy.is_empty() && self.fills_mod_policy { "Admins".to_owned() } else { policy.to_owned() }
    }

    fn group(&self, key: &Key) -> Result<ConfigGroup, UpdateError> {
        let unlisted = |key: Key| UpdateError::Unlisted(key.to_string());
        let Some(Element::Group(group)) = self.elements.get(key) else { return Err(unlisted(key.clone())) };
        let mut rebuilt = ConfigGroup {
            version: group.version,
            mod_policy: self.mod_policy(&group.mod_policy),
            ..ConfigGroup::default()
        };
        for name in group.groups.keys() {
            rebuilt.groups.insert(name.clone(), self.group(&key.below(Kind::Group, name))?);
        }
        for name in group.values.keys() {
            let key = key.below(Kind::Value, name);
            let Some(Element::Value(value)) = self.elements.get(&key) else { return Err(unlisted(key)) };
            let mod_policy = self.mod_policy(&value.mod_policy);
            rebuilt.values.insert(name.clone(), ConfigValue { mod_policy, ..(*value).clone() });
        }
        for name in group.policies.keys() {
            let key = key.below(Kind::Policy, name);
            let Some(Element::Policy(policy)) = self.elements.get(&key) else { return Err(unlisted(key)) };
            let mod_policy = self.mod_policy(&policy.mod_policy);
            rebuilt.policies.insert(name.clone(), ConfigPolicy { mod_policy, ..(*policy).clone() });
        }
        Ok(rebuilt)
    }
}

/// What a configuration block does to the channel.
#[derive(Debug)]
pub enum Followed {
    /// The block holds no configuration.
    NotConfig,
    /// The transaction is invalid: the block is kept, the configuration is not applied (spec/07 §10.1, step 1).
    Flagged {
        /// The validation code of spec/07 §4.
        code: u8,
        /// What is wrong.
        problem: String,
    },
    /// The configuration from now on.
    New(Box<ChannelBundle>),
}

const BAD_PAYLOAD: u8 = 2;
const BAD_COMMON_HEADER: u8 = 3;
const BAD_CREATOR_SIGNATURE: u8 = 4;

impl ChannelBundle {
    /// Takes the step from this configuration to the one in a block, if there is one: all of spec/07 §10.1. The block's
    /// own signatures must have been verified.
    ///
    /// # Errors
    ///
    /// If the configuration may not follow this one. A Go peer crashes then; the channel should be halted.
    pub fn follow(&self, block: &Block) -> Result<Followed, ConfigError> {
        if !selvedge_proto::block::is_config_block(block) {
            return Ok(Followed::NotConfig);
        }
        let [entry] = selvedge_proto::block::entries(block) else { return Ok(Followed::NotConfig) };
        let flagged = |code, problem: &str| Ok(Followed::Flagged { code, problem: problem.to_owned() });
        let Ok(envelope) = selvedge_proto::decode::<Envelope>(entry.clone()) else {
            return flagged(BAD_PAYLOAD, "the envelope does not parse");
        };
        let Ok(payload) = selvedge_proto::decode::<Payload>(envelope.payload.clone()) else {
            return flagged(BAD_PAYLOAD, "the payload does not parse");
        };
        if let Err((code, problem)) = self.check_envelope(&envelope, &payload) {
            return Ok(Followed::Flagged { code, problem });
        }
        let config: ConfigEnvelope = selvedge_proto::decode(payload.data)
            .map_err(|_| ConfigError::Update(UpdateError::Undecodable("the configuration envelope")))?;
        self.validate_update(&config).map(|bundle| Followed::New(Box::new(bundle)))
    }

    /// Step 1: headers, and the signature of a valid creator.
    fn check_envelope(&self, envelope: &Envelope, payload: &Payload) -> Result<(), (u8, String)> {
        let bad_header = |problem: &str| (BAD_COMMON_HEADER, problem.to_owned());
        let header = payload.header.as_ref().ok_or_else(|| bad_header("no header"))?;
        let channel: ChannelHeader = selvedge_proto::decode(header.channel_header.clone())
            .map_err(|_| bad_header("the channel header does not parse"))?;
        let signature: SignatureHeader = selvedge_proto::decode(header.signature_header.clone())
            .map_err(|_| bad_header("the signature header does not parse"))?;
        if channel.epoch != 0 {
            return Err(bad_header("the epoch is not 0"));
        }
        if signature.nonce.is_empty() || signature.creator.is_empty() {
            return Err(bad_header("no nonce or no creator"));
        }
        let bad_creator = |problem: String| (BAD_CREATOR_SIGNATURE, problem);
        if channel.channel_id != self.channel_id() {
            return Err(bad_creator(format!("it is for channel {:?}", channel.channel_id)));
        }
        let creator = self.deserialize(&signature.creator).map_err(|error| bad_creator(error.to_string()))?;
        creator.validate().map_err(|error| bad_creator(error.to_string()))?;
        creator.verify(&envelope.payload, &envelope.signature).map_err(|error| bad_creator(error.to_string()))
    }
}
