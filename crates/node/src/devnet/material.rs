//! Crypto material, channel configuration and genesis block of a network, made in memory.
//!
//! What comes out is what `cryptogen` and `configtxgen` make: NodeOUs, one identity CA and one TLS CA per
//! organisation, channel capabilities V3_0, application V2_5, orderer V2_0, an `etcdraft` ordering service. A real
//! Fabric peer or orderer takes it as it is. [`Network::write`] puts it into a folder in `cryptogen`'s layout.

mod certificates;
mod configuration;
mod folder;
mod messages;

pub use certificates::KeyedCertificate;

use certificates::{Authority, Role};
use configuration::{ApplicationOrganization, ChannelPlan, ConsenterPlan, OrdererOrganization};
use prost::Message as _;
use selvedge_proto::{common, msp};
use std::path::PathBuf;
use time::OffsetDateTime;

use bytes::Bytes;

/// Why no network could be made or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MaterialError {
    /// The plan cannot be carried out.
    #[error("{0}")]
    Plan(String),
    /// A key or certificate could not be made.
    #[error("cannot make the certificate of {subject}: {source}")]
    Certificate {
        /// Common name of the certificate.
        subject: String,
        /// What the library says.
        source: rcgen::Error,
    },
    /// A file or folder could not be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// What a network is to look like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkPlan {
    /// Name of the channel: 1 to 249 characters, `[a-z][a-z0-9.-]*`.
    pub channel: String,
    /// The organisations that run peers; at least one.
    pub organizations: Vec<OrganizationPlan>,
    /// The one organisation that runs the ordering nodes; at least one node.
    pub orderers: OrganizationPlan,
    /// When a block is full or due; only what the configuration says, the ordering source has its own orders.
    pub batch: BatchPlan,
    /// The moment from which everything is valid, in seconds since 1970. Certificates are valid for ten years from then.
    pub valid_from: i64,
}

/// One organisation of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrganizationPlan {
    /// MSP ID, and name of its group in the configuration (`Org1MSP`).
    pub msp_id: String,
    /// Domain, part of the names of everything it has (`org1.example.com`).
    pub domain: String,
    /// Its nodes.
    pub nodes: Vec<NodePlan>,
    /// How many of its nodes, from the first on, are anchor peers. Without meaning for orderers.
    pub anchor_count: usize,
}

/// One node of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodePlan {
    /// Name without the domain (`peer0`).
    pub name: String,
    /// Host name or address that others dial; becomes a subject alternative name beside `localhost`, `127.0.0.1` and
    /// `::1`.
    pub host: String,
    /// Port of its gossip or ordering service.
    pub port: u16,
    /// Port of its operations server on loopback; 0 for one that is free at start.
    pub operations_port: u16,
}

/// `BatchSize` and `BatchTimeout` of the channel configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchPlan {
    /// Most transactions in a block.
    pub message_count_max: u32,
    /// Most bytes of transactions in a block.
    pub absolute_bytes_max: u32,
    /// Bytes of transactions that a block should not exceed.
    pub preferred_bytes_max: u32,
    /// A duration as Go writes it.
    pub timeout: String,
}

impl Default for BatchPlan {
    fn default() -> Self {
        Self {
            message_count_max: 500,
            absolute_bytes_max: 10 << 20,
            preferred_bytes_max: 2 << 20,
            timeout: "2s".to_owned(),
        }
    }
}

impl NetworkPlan {
    /// A network of `organization_count` organisations `Org1MSP`, `Org2MSP`, ... with `peer_count` peers each and one
    /// orderer, all on 127.0.0.1, the first peer of each an anchor peer. `next_port` is asked for each node's port
    /// (the orderer's first), then for its operations port.
    pub fn loopback(
        channel: &str,
        organization_count: usize,
        peer_count: usize,
        valid_from: i64,
        mut next_port: impl FnMut() -> u16,
    ) -> Self {
        let mut node = |name: String| NodePlan {
            name,
            host: "127.0.0.1".to_owned(),
            port: next_port(),
            operations_port: next_port(),
        };
        let orderers = OrganizationPlan {
            msp_id: "OrdererMSP".to_owned(),
            domain: "example.com".to_owned(),
            nodes: vec![node("orderer0".to_owned())],
            anchor_count: 0,
        };
        let organizations = (1..=organization_count)
            .map(|number| OrganizationPlan {
                msp_id: format!("Org{number}MSP"),
                domain: format!("org{number}.example.com"),
                nodes: (0..peer_count).map(|index| node(format!("peer{index}"))).collect(),
                anchor_count: 1,
            })
            .collect();
        let channel = channel.to_owned();
        Self { channel, organizations, orderers, batch: BatchPlan::default(), valid_from }
    }

    fn check(&self) -> Result<(), MaterialError> {
        let refuse = |reason: String| Err(MaterialError::Plan(reason));
        let mut letters = self.channel.chars();
        let begins_well = letters.next().is_some_and(|first| first.is_ascii_lowercase());
        let goes_on_well =
            letters.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '.' || c == '-');
        if !begins_well || !goes_on_well || self.channel.len() > 249 {
            return refuse(format!(
                "{:?} is no channel name: a to z, then a to z, 0 to 9, . and -",
                self.channel
            ));
        }
        if self.organizations.is_empty() || self.orderers.nodes.is_empty() {
            return refuse("a network needs an organisation with peers and an orderer".to_owned());
        }
        let mut seen = std::collections::BTreeSet::new();
        for organization in self.organizations.iter().chain([&self.orderers]) {
            let names = organization.nodes.iter().map(|node| &node.name);
            for name in names.chain([&organization.msp_id, &organization.domain]) {
                let allowed = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
                if name.is_empty() || name.starts_with('.') || !name.chars().all(allowed) || name.len() > 60 {
                    return refuse(format!("{name:?} cannot be a name in a network"));
                }
            }
            if !seen.insert(&organization.msp_id) || !seen.insert(&organization.domain) {
                return refuse(format!("{} or its domain occurs twice", organization.msp_id));
            }
        }
        Ok(())
    }
}

/// A network's material. Keys are in it: never log it (its `Debug` shows none).
#[derive(Debug)]
pub struct Network {
    /// Name of the channel.
    pub channel: String,
    /// The organisations that run peers, in the plan's order.
    pub organizations: Vec<Organization>,
    /// The organisation that runs the ordering nodes.
    pub orderers: Organization,
    /// The channel's configuration, sequence 0.
    pub config: common::Config,
    /// Block 0, unsigned, as `configtxgen` makes it.
    pub genesis: common::Block,
}

/// An organisation: its CAs, nodes and users.
#[derive(Debug)]
pub struct Organization {
    /// MSP ID.
    pub msp_id: String,
    /// Domain.
    pub domain: String,
    /// Its nodes, in the plan's order.
    pub nodes: Vec<Node>,
    /// `Admin@<domain>`, with the admin OU.
    pub admin: Member,
    /// `User1@<domain>`, with the client OU.
    pub user: Member,
    anchor_count: usize,
    identity_ca: Authority,
    tls_ca: Authority,
    role: Role,
}

/// A peer or an ordering node.
#[derive(Debug)]
pub struct Node {
    /// Host name that others dial.
    pub host: String,
    /// Port of its gossip or ordering service.
    pub port: u16,
    /// Port of its operations server; 0 for a free one.
    pub operations_port: u16,
    /// Its identity and TLS material.
    pub member: Member,
}

impl Node {
    /// `host:port`, in brackets where the host is an IPv6 address.
    pub fn endpoint(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

/// Whoever has an identity: a node or a user.
#[derive(Debug)]
pub struct Member {
    /// Full name (`peer0.org1.example.com`, `Admin@org1.example.com`).
    pub name: String,
    /// MSP identity.
    pub identity: KeyedCertificate,
    /// TLS certificate for server and client.
    pub tls: KeyedCertificate,
}

impl Network {
    /// Makes everything: keys, certificates, configuration, genesis block. Takes about a millisecond a node.
    ///
    /// # Errors
    /// [`MaterialError::Plan`] and [`MaterialError::Certificate`].
    pub fn generate(plan: &NetworkPlan) -> Result<Self, MaterialError> {
        plan.check()?;
        let valid_from = OffsetDateTime::from_unix_timestamp(plan.valid_from)
            .map_err(|_| MaterialError::Plan(format!("{} is no time", plan.valid_from)))?;
        let organizations = plan
            .organizations
            .iter()
            .map(|organization| Organization::generate(organization, Role::Peer, valid_from))
            .collect::<Result<Vec<_>, _>>()?;
        let orderers = Organization::generate(&plan.orderers, Role::Orderer, valid_from)?;
        let config = configuration::config(&channel_plan(plan, &organizations, &orderers));
        let mut nonce = [0; 24];
        certificates::fill_random(&mut nonce)?;
        let genesis = configuration::genesis_block(&plan.channel, &config, plan.valid_from, &nonce);
        Ok(Self { channel: plan.channel.clone(), organizations, orderers, config, genesis })
    }

    /// The marshalled genesis block.
    pub fn genesis_bytes(&self) -> Bytes {
        self.genesis.encode_to_vec().into()
    }
}

fn channel_plan<'a>(
    plan: &'a NetworkPlan,
    organizations: &[Organization],
    orderers: &Organization,
) -> ChannelPlan<'a> {
    let application = organizations
        .iter()
        .map(|organization| ApplicationOrganization {
            msp: organization.msp_config(),
            anchors: organization
                .nodes
                .iter()
                .take(organization.anchor_count)
                .map(|node| (node.host.clone(), node.port))
                .collect(),
        })
        .collect();
    let consenters = orderers
        .nodes
        .iter()
        .map(|node| ConsenterPlan {
            host: node.host.clone(),
            port: node.port,
            tls_certificate_pem: node.member.tls.certificate_pem().to_owned(),
        })
        .collect();
    ChannelPlan {
        application,
        orderers: OrdererOrganization {
            name: "OrdererOrg".to_owned(),
            msp: orderers.msp_config(),
            endpoints: orderers.nodes.iter().map(Node::endpoint).collect(),
        },
        consenters,
        batch: &plan.batch,
    }
}

impl Organization {
    fn generate(
        plan: &OrganizationPlan,
        role: Role,
        valid_from: OffsetDateTime,
    ) -> Result<Self, MaterialError> {
        let domain = &plan.domain;
        let identity_ca = Authority::generate(&format!("ca.{domain}"), domain, valid_from)?;
        let tls_ca = Authority::generate(&format!("tlsca.{domain}"), domain, valid_from)?;
        let nodes = plan
            .nodes
            .iter()
            .map(|node| {
                let name = format!("{}.{domain}", node.name);
                let mut hosts = vec![name.clone(), node.name.clone()];
                hosts.extend(["localhost", "127.0.0.1", "::1"].map(str::to_owned));
                if !hosts.contains(&node.host) {
                    hosts.push(node.host.clone());
                }
                let member = Member {
                    identity: identity_ca.issue_identity(&name, role)?,
                    tls: tls_ca.issue_tls(&name, hosts)?,
                    name,
                };
                let (host, port) = (node.host.clone(), node.port);
                Ok(Node { host, port, operations_port: node.operations_port, member })
            })
            .collect::<Result<Vec<_>, MaterialError>>()?;
        let user = |user: &str, role| {
            let name = format!("{user}@{domain}");
            let identity = identity_ca.issue_identity(&name, role)?;
            // '@' is not allowed in a DNS name, so a user's TLS certificate has none
            let tls = tls_ca.issue_tls(&name, Vec::new())?;
            Ok::<_, MaterialError>(Member { name, identity, tls })
        };
        Ok(Self {
            msp_id: plan.msp_id.clone(),
            domain: domain.clone(),
            nodes,
            admin: user("Admin", Role::Admin)?,
            user: user("User1", Role::Client)?,
            anchor_count: plan.anchor_count,
            identity_ca,
            tls_ca,
            role,
        })
    }

    /// PEM of the CA that issued the identities.
    pub fn ca_pem(&self) -> &str {
        self.identity_ca.certificate_pem()
    }

    /// PEM of the CA that issued the TLS certificates.
    pub fn tls_ca_pem(&self) -> &str {
        self.tls_ca.certificate_pem()
    }

    /// DER of the CA that issued the TLS certificates.
    pub fn tls_ca_der(&self) -> &[u8] {
        self.tls_ca.certificate_der()
    }

    /// The organisation's MSP as the channel configuration has it: with NodeOUs, without a signing identity.
    pub fn msp_config(&self) -> msp::FabricMspConfig {
        let ca = Bytes::copy_from_slice(self.ca_pem().as_bytes());
        let ou = |name: &str| {
            let organizational_unit_identifier = name.to_owned();
            Some(msp::FabricOuIdentifier { certificate: ca.clone(), organizational_unit_identifier })
        };
        msp::FabricMspConfig {
            name: self.msp_id.clone(),
            root_certs: vec![ca.clone()],
            crypto_config: Some(msp::FabricCryptoConfig {
                signature_hash_family: "SHA2".to_owned(),
                identity_identifier_hash_function: "SHA256".to_owned(),
            }),
            tls_root_certs: vec![Bytes::copy_from_slice(self.tls_ca_pem().as_bytes())],
            fabric_node_ous: Some(msp::FabricNodeOUs {
                enable: true,
                client_ou_identifier: ou("client"),
                peer_ou_identifier: ou("peer"),
                admin_ou_identifier: ou("admin"),
                orderer_ou_identifier: ou("orderer"),
            }),
            ..Default::default()
        }
    }

    /// The local MSP of one of its members: [`Organization::msp_config`] with the member's certificate and key.
    pub fn local_msp_config(&self, member: &Member) -> msp::FabricMspConfig {
        let signing_identity = msp::SigningIdentityInfo {
            public_signer: Bytes::copy_from_slice(member.identity.certificate_pem().as_bytes()),
            private_signer: Some(msp::KeyInfo {
                key_identifier: String::new(),
                key_material: member.identity.key_pem().into(),
            }),
        };
        msp::FabricMspConfig { signing_identity: Some(signing_identity), ..self.msp_config() }
    }

    /// The serialised identity of one of its members: what goes on the wire as creator.
    pub fn serialized_identity(&self, member: &Member) -> Bytes {
        let id_bytes = Bytes::copy_from_slice(member.identity.certificate_pem().as_bytes());
        msp::SerializedIdentity { mspid: self.msp_id.clone(), id_bytes }.encode_to_vec().into()
    }
}
