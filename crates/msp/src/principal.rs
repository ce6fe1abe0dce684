//! Principals: what a policy wants a signer to be (spec/03 §10, spec/07 §8.5).

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use selvedge_proto::common::msp_identity_anonymity::MspIdentityAnonymityType;
use selvedge_proto::common::msp_principal::Classification;
use selvedge_proto::common::msp_role::MspRoleType;
use selvedge_proto::common::{
    CombinedPrincipal, MspIdentityAnonymity, MspPrincipal, MspRole, OrganizationUnit,
};

use crate::identity::Identity;
use crate::manager::MspManager;
use crate::msp::MspVersion;
use crate::node_ou::NodeRole;

/// How deep combined principals may be nested. Fabric has no limit; nobody nests them at all.
const NESTING_MAX: usize = 16;

/// A principal, read once. Fabric reads principals at every evaluation, so one that makes no sense is no error of the
/// configuration: it is never satisfied.
#[derive(Clone, Debug)]
pub(crate) enum Principal {
    Role { msp_id: String, role: Role },
    Unit { msp_id: String, unit: String, certifiers: Bytes },
    Identity(Arc<Identity>),
    Nominal,
    Combined(Vec<Self>),
    Never(&'static str),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Member,
    Admin,
    Node(NodeRole),
}

impl Principal {
    /// Reads a principal for identities of a manager whose MSPs have this version.
    pub(crate) fn read(principal: &MspPrincipal, manager: &MspManager, version: MspVersion) -> Self {
        Self::read_nested(principal, manager, version, 0).unwrap_or_else(Self::Never)
    }

    fn read_nested(
        principal: &MspPrincipal,
        manager: &MspManager,
        version: MspVersion,
        depth: usize,
    ) -> Result<Self, &'static str> {
        const UNDECODABLE: &str = "an undecodable principal";
        if depth > NESTING_MAX {
            return Err("a principal nested too deep");
        }
        let bytes = principal.principal.clone();
        match Classification::try_from(principal.principal_classification) {
            Ok(Classification::Role) => {
                let MspRole { msp_identifier: msp_id, role } =
                    selvedge_proto::decode(bytes).map_err(|_| UNDECODABLE)?;
                let role = match MspRoleType::try_from(role).map_err(|_| "an unknown role")? {
                    MspRoleType::Member => Role::Member,
                    MspRoleType::Admin => Role::Admin,
                    MspRoleType::Client => Role::Node(NodeRole::Client),
                    MspRoleType::Peer => Role::Node(NodeRole::Peer),
                    MspRoleType::Orderer if version >= MspVersion::V1_4_3 => Role::Node(NodeRole::Orderer),
                    MspRoleType::Orderer => return Err("the role orderer before V1_4_3"),
                };
                Ok(Self::Role { msp_id, role })
            }
            Ok(Classification::OrganizationUnit) => {
                let unit: OrganizationUnit = selvedge_proto::decode(bytes).map_err(|_| UNDECODABLE)?;
                Ok(Self::Unit {
                    msp_id: unit.msp_identifier,
                    unit: unit.organizational_unit_identifier,
                    certifiers: unit.certifiers_identifier,
                })
            }
            Ok(Classification::Identity) => {
                manager.deserialize(&bytes).map(Self::Identity).map_err(|_| "an unusable identity")
            }
            Ok(Classification::Anonymity) if version >= MspVersion::V1_3 => {
                let MspIdentityAnonymity { anonymity_type } =
                    selvedge_proto::decode(bytes).map_err(|_| UNDECODABLE)?;
                match MspIdentityAnonymityType::try_from(anonymity_type) {
                    Ok(MspIdentityAnonymityType::Nominal) => Ok(Self::Nominal),
                    Ok(MspIdentityAnonymityType::Anonymous) => Err("anonymity"),
                    Err(_) => Err("an unknown kind of anonymity"),
                }
            }
            Ok(Classification::Combined) if version >= MspVersion::V1_3 => {
                let combined: CombinedPrincipal = selvedge_proto::decode(bytes).map_err(|_| UNDECODABLE)?;
                if combined.principals.is_empty() {
                    return Err("a combination of nothing");
                }
                let parts = combined.principals.iter();
                let parts = parts.map(|part| Self::read_nested(part, manager, version, depth + 1));
                parts.collect::<Result<_, _>>().map(Self::Combined)
            }
            _ => Err("an unknown kind of principal"),
        }
    }

    /// Whether an identity is what the principal wants.
    pub(crate) fn is_satisfied_by(&self, identity: &Identity) -> bool {
        match self {
            Self::Role { msp_id, role } => *identity.msp_id == **msp_id && has_role(identity, *role),
            Self::Unit { msp_id, unit, certifiers } => {
                *identity.msp_id == **msp_id
                    && identity.validity.is_ok()
                    && identity.certificate.units.contains(unit)
                    && identity.certifiers.as_deref() == Some(&certifiers[..])
            }
            Self::Identity(wanted) => wanted.is_same_signer(identity) && wanted.validity.is_ok(),
            Self::Nominal => true,
            Self::Combined(parts) => parts.iter().all(|part| part.is_satisfied_by(identity)),
            Self::Never(_) => false,
        }
    }
}

fn has_role(identity: &Identity, role: Role) -> bool {
    match role {
        Role::Member => identity.validity.is_ok(),
        Role::Admin => {
            let by_unit = || {
                identity.version >= MspVersion::V1_4_3
                    && identity.has_node_ous
                    && identity.validity.is_ok()
                    && identity.roles.has(NodeRole::Admin)
            };
            // listed administrators were checked when the MSP was set up
            identity.is_listed_admin || by_unit()
        }
        Role::Node(role) => identity.validity.is_ok() && identity.has_node_ous && identity.roles.has(role),
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Role { msp_id, role: Role::Member } => write!(f, "{msp_id}.member"),
            Self::Role { msp_id, role: Role::Admin } => write!(f, "{msp_id}.admin"),
            Self::Role { msp_id, role: Role::Node(role) } => write!(f, "{msp_id}.{}", role.name()),
            Self::Unit { msp_id, unit, .. } => write!(f, "{msp_id} unit {unit:?}"),
            Self::Identity(identity) => {
                write!(f, "{} {:?}", identity.msp_id(), identity.certificate.common_name)
            }
            Self::Nominal => f.write_str("anyone by name"),
            Self::Combined(parts) => {
                let parts: Vec<_> = parts.iter().map(Self::to_string).collect();
                write!(f, "all of [{}]", parts.join(", "))
            }
            Self::Never(why) => f.write_str(why),
        }
    }
}
