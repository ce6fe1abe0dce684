//! A channel's configuration: who is in it, under which rules (spec/07 §7).

mod capabilities;
mod groups;
mod reader;

use std::sync::Arc;

use bytes::Bytes;
use selvedge_proto::block;
use selvedge_proto::common::{Block, Config, Consenter};

pub use capabilities::Capabilities;
pub(crate) use reader::check_element_name;

use crate::identity::{Identity, IdentityError};
use crate::manager::MspManager;
use crate::msp::{MspError, MspVersion};
use crate::policy::{PolicyDefinitionError, PolicyError, PolicyTree, SignaturePolicy, SignedData, Signers};
use crate::update::UpdateError;

/// Name of the root group, as it stands in the paths of policies.
pub(crate) const ROOT: &str = "Channel";

/// The policy that decides whose blocks count.
pub(crate) const BLOCK_VALIDATION: &str = "/Channel/Orderer/BlockValidation";

/// The policy that decides who may read the channel by gossip.
const READERS: &str = "/Channel/Application/Readers";

/// Why a configuration cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The block holds no configuration.
    #[error("{0}")]
    Block(#[from] block::BlockError),
    /// Something obligatory is not there.
    #[error("the configuration has no {0}")]
    Missing(&'static str),
    /// The channel's name is not one.
    #[error("{0:?} is not a name for a channel")]
    ChannelName(String),
    /// The name of a group, value or policy is not one.
    #[error("{name:?} in {path} is not a name for an element")]
    ElementName {
        /// The group that holds it.
        path: String,
        /// The name.
        name: String,
    },
    /// A group that must not be there.
    #[error("group {0} is not known")]
    Group(String),
    /// A value that must not be there, or not yet.
    #[error("value {path} is not allowed: {problem}")]
    ValueNotAllowed {
        /// The value.
        path: String,
        /// Why.
        problem: &'static str,
    },
    /// A value is malformed or out of range.
    #[error("value {path}: {problem}")]
    Value {
        /// The value.
        path: String,
        /// What is wrong.
        problem: String,
    },
    /// An organisation's MSP cannot be set up.
    #[error("MSP of {path}: {error}")]
    Msp {
        /// The organisation's group.
        path: String,
        /// What is wrong.
        error: MspError,
    },
    /// Two organisations have one MSP identifier and different MSPs.
    #[error("MSP {0:?} is defined twice, differently")]
    MspConflict(String),
    /// A capability that the software does not have.
    #[error("{level} capability {name:?} is not supported")]
    Capability {
        /// Channel or application.
        level: &'static str,
        /// The capability.
        name: String,
    },
    /// A policy does not compile.
    #[error("policy {path}: {error}")]
    Policy {
        /// The policy.
        path: String,
        /// What is wrong.
        error: PolicyDefinitionError,
    },
    /// The change from the configuration before is not allowed.
    #[error("{0}")]
    Update(#[from] UpdateError),
}

impl ConfigError {
    /// A short label for counters.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Block(_) => "config_block",
            Self::Missing(_) => "config_missing",
            Self::ChannelName(_) | Self::ElementName { .. } => "config_name",
            Self::Group(_) => "config_group",
            Self::ValueNotAllowed { .. } | Self::Value { .. } => "config_value",
            Self::Msp { .. } | Self::MspConflict(_) => "config_msp",
            Self::Capability { .. } => "config_capability",
            Self::Policy { .. } => "config_policy",
            Self::Update(error) => error.reason(),
        }
    }
}

/// A peer whose endpoint everybody in the channel knows.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AnchorPeer {
    /// Host name or address.
    pub host: String,
    /// Port. Nobody checks that it is one.
    pub port: i32,
}

/// An organisation whose peers are in the channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApplicationOrg {
    /// The name of its group.
    pub name: String,
    /// Its MSP identifier: what makes it a member for gossip (spec/07 §11).
    pub msp_id: String,
    /// In the order of the configuration.
    pub anchor_peers: Vec<AnchorPeer>,
    /// DER of TLS root and intermediate certificates.
    pub tls_roots: Vec<Bytes>,
}

/// An organisation that runs orderers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrdererOrg {
    /// The name of its group.
    pub name: String,
    /// Its MSP identifier.
    pub msp_id: String,
    /// `host:port` of its orderers, in the order of the configuration.
    pub endpoints: Vec<String>,
    /// DER of TLS root and intermediate certificates.
    pub tls_roots: Vec<Bytes>,
}

/// Where an orderer can be reached, and whose TLS certificates it may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrdererEndpoint {
    /// `host:port`.
    pub address: String,
    /// DER of TLS root and intermediate certificates.
    pub tls_roots: Vec<Bytes>,
}

/// A channel's configuration, complete and checked, with its MSPs set up and its policies compiled. Immutable: a new
/// configuration makes a new bundle. Keep it in an [`Arc`].
#[derive(Debug)]
pub struct ChannelBundle {
    channel_id: String,
    config: Config,
    capabilities: Capabilities,
    application: groups::Application,
    orderer: groups::Orderer,
    orderer_addresses: Vec<String>,
    /// The organisations of each consortium; None without the group.
    consortiums: Option<groups::Consortiums>,
    manager: MspManager,
    policies: PolicyTree,
}

impl ChannelBundle {
    /// Takes the configuration of a configuration block as it is: of the genesis block given by the operator, or of a
    /// block that was verified before. Its signatures and its history are not checked here.
    ///
    /// # Errors
    ///
    /// If the block holds no configuration, or an invalid one.
    pub fn from_config_block(block: &Block) -> Result<Self, ConfigError> {
        let envelope = block::config_envelope(block)?;
        let config = envelope.config.ok_or(ConfigError::Missing("configuration"))?;
        Self::from_config(&block::channel_id(block)?, &config)
    }

    /// Checks a configuration by the rules of spec/07 §7.3 and makes it usable.
    ///
    /// # Errors
    ///
    /// The first rule that it violates.
    pub fn from_config(channel_id: &str, config: &Config) -> Result<Self, ConfigError> {
        reader::read(channel_id, config)
    }

    /// The channel's name.
    pub fn channel_id(&self) -> &str {
        &self.channel_id
    }

    /// How many updates there have been; 0 in the genesis block.
    pub fn sequence(&self) -> u64 {
        self.config.sequence
    }

    /// The configuration as received.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What the channel demands of the software.
    pub fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// The organisations whose peers are in the channel, ordered by name.
    pub fn application_orgs(&self) -> &[ApplicationOrg] {
        &self.application.orgs
    }

    /// The organisations that run orderers, ordered by name.
    pub fn orderer_orgs(&self) -> &[OrdererOrg] {
        &self.orderer.orgs
    }

    /// The old, global list of orderers' addresses. Prefer [`ChannelBundle::orderer_endpoints`].
    pub fn orderer_addresses(&self) -> &[String] {
        &self.orderer_addresses
    }

    /// Where the orderers are (spec/07 §12.3): the organisations' endpoints, each with its own TLS roots; only if no
    /// organisation has any, the global addresses with the TLS roots of all. Duplicates are kept.
    pub fn orderer_endpoints(&self) -> Vec<OrdererEndpoint> {
        let of_orgs = self.orderer.orgs.iter().flat_map(|org| {
            org.endpoints
                .iter()
                .map(|address| OrdererEndpoint { address: address.clone(), tls_roots: org.tls_roots.clone() })
        });
        let endpoints: Vec<_> = of_orgs.collect();
        if !endpoints.is_empty() {
            return endpoints;
        }
        let tls_roots: Vec<Bytes> = self.orderer.orgs.iter().flat_map(|org| org.tls_roots.clone()).collect();
        let addresses = self.orderer_addresses.iter();
        addresses
            .map(|address| OrdererEndpoint { address: address.clone(), tls_roots: tls_roots.clone() })
            .collect()
    }

    /// `etcdraft`, `BFT`, or something of the past.
    pub fn consensus_type(&self) -> &str {
        &self.orderer.consensus_type
    }

    /// The consenters of a BFT channel, in the order of the configuration.
    pub fn consenters(&self) -> &[Consenter] {
        &self.orderer.consenters
    }

    /// The policy of a service, from the configuration's access control list; None if the default applies.
    pub fn acl(&self, resource: &str) -> Option<String> {
        let reference = self.application.acls.get(resource).filter(|reference| !reference.is_empty())?;
        if reference.starts_with('/') {
            Some(reference.clone())
        } else {
            Some(format!("/{ROOT}/Application/{reference}"))
        }
    }

    /// The MSPs of all organisations.
    pub fn msp_manager(&self) -> &MspManager {
        &self.manager
    }

    /// Whether an organisation's peers are in the channel (spec/07 §11).
    pub fn is_member(&self, msp_id: &str) -> bool {
        self.application.orgs.iter().any(|org| org.msp_id == msp_id)
    }

    /// Reads a serialized identity of any organisation of the channel, from a bounded cache.
    ///
    /// # Errors
    ///
    /// As [`MspManager::deserialize`].
    pub fn deserialize(&self, identity: &[u8]) -> Result<Arc<Identity>, IdentityError> {
        self.manager.deserialize(identity)
    }

    /// Evaluates a policy, by its path like `/Channel/Application/Readers`, on a set of signatures. Each signature is
    /// verified once, however many policies stand behind the path.
    ///
    /// # Errors
    ///
    /// If there is no such policy, or the signatures are not enough.
    pub fn evaluate(&self, policy_path: &str, signed: &[SignedData<'_>]) -> Result<(), PolicyError> {
        self.policies.evaluate(policy_path, &Signers::of(signed, &self.manager))
    }

    /// Evaluates `/Channel/Application/Readers` on one signature: whether the signer may read the channel by gossip.
    ///
    /// # Errors
    ///
    /// As [`ChannelBundle::evaluate`].
    pub fn readers_accept(
        &self,
        identity: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), PolicyError> {
        let signed =
            SignedData { data: message.into(), identity: identity.into(), signature: signature.into() };
        self.evaluate(READERS, &[signed])
    }

    /// Evaluates the Readers on an identity of this channel whose signature was verified before.
    pub(crate) fn readers_accept_verified(&self, identity: &Arc<Identity>) -> Result<(), PolicyError> {
        self.policies.evaluate(READERS, &Signers::verified(Arc::clone(identity)))
    }

    /// Compiles a signature policy against the channel's MSPs and evaluates it, as for collections (spec/08).
    ///
    /// # Errors
    ///
    /// If the policy does not compile. The inner result is the policy's verdict.
    pub fn evaluate_signature_policy(
        &self,
        policy: &selvedge_proto::common::SignaturePolicyEnvelope,
        signed: &[SignedData<'_>],
    ) -> Result<bool, PolicyDefinitionError> {
        let policy = SignaturePolicy::compile(policy, &self.manager, self.msp_version())?;
        Ok(policy.is_satisfied_by(&Signers::of(signed, &self.manager).identities))
    }

    pub(crate) fn msp_version(&self) -> MspVersion {
        self.capabilities.msp_version()
    }

    pub(crate) fn policies(&self) -> &PolicyTree {
        &self.policies
    }

    pub(crate) fn consortiums(&self) -> Option<&groups::Consortiums> {
        self.consortiums.as_ref()
    }

    /// What an operator should know about this configuration, one sentence each.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.policies.accepts_any_member(BLOCK_VALIDATION) {
            warnings.push(format!(
                "policy {BLOCK_VALIDATION} of channel {} is satisfied by any member of an orderer organization, \
                 clients included: whoever holds such a certificate can sign blocks",
                self.channel_id
            ));
        }
        warnings
    }
}
