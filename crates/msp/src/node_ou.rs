//! Organisational units: which ones an MSP lists, and which ones make a role (spec/03 §8.7).

use crate::identity::ValidationError;
use crate::msp::MspVersion;

/// What a member of an organisation is for, told by an organisational unit of its certificate (NodeOUs).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NodeRole {
    /// An application.
    Client,
    /// A peer.
    Peer,
    /// An administrator.
    Admin,
    /// An orderer.
    Orderer,
}

impl NodeRole {
    pub(crate) const ALL: [Self; 4] = [Self::Client, Self::Peer, Self::Admin, Self::Orderer];

    /// The name as Fabric's tools write it: `client`, `peer`, `admin`, `orderer`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Peer => "peer",
            Self::Admin => "admin",
            Self::Orderer => "orderer",
        }
    }
}

/// A few roles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RoleSet {
    bits: u8,
}

impl RoleSet {
    pub(crate) fn add(&mut self, role: NodeRole) {
        self.bits |= 1 << role as u8;
    }

    pub(crate) fn has(self, role: NodeRole) -> bool {
        self.bits & 1 << role as u8 != 0
    }

    /// The role, if there is exactly one.
    pub(crate) fn single(self) -> Option<NodeRole> {
        if self.bits.count_ones() != 1 {
            return None;
        }
        NodeRole::ALL.into_iter().find(|role| self.has(*role))
    }
}

/// The organisational unit that makes a role, perhaps only in certificates below one authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OuRole {
    pub(crate) unit: String,
    /// The certifiers identifier the role is bound to.
    pub(crate) certifiers: Option<Vec<u8>>,
}

/// The units of an MSP.
#[derive(Clone, Debug, Default)]
pub(crate) struct UnitRules {
    /// Units with the certifiers identifier they need: if there are any, every identity must have one of them.
    pub(crate) listed: Vec<(String, Vec<u8>)>,
    /// Whether roles are told apart.
    pub(crate) enabled: bool,
    pub(crate) client: Option<OuRole>,
    pub(crate) peer: Option<OuRole>,
    pub(crate) admin: Option<OuRole>,
    pub(crate) orderer: Option<OuRole>,
}

impl UnitRules {
    pub(crate) fn role(&self, role: NodeRole) -> Option<&OuRole> {
        match role {
            NodeRole::Client => self.client.as_ref(),
            NodeRole::Peer => self.peer.as_ref(),
            NodeRole::Admin => self.admin.as_ref(),
            NodeRole::Orderer => self.orderer.as_ref(),
        }
    }

    /// The roles whose unit is among these.
    pub(crate) fn roles_of(&self, units: &[String]) -> RoleSet {
        let mut roles = RoleSet::default();
        for role in NodeRole::ALL {
            if self.role(role).is_some_and(|rule| units.contains(&rule.unit)) {
                roles.add(role);
            }
        }
        roles
    }

    /// Checks the units of an identity whose chain has this certifiers identifier.
    pub(crate) fn check(
        &self,
        version: MspVersion,
        units: &[String],
        certifiers: &[u8],
    ) -> Result<(), ValidationError> {
        let is_listed = |unit: &String| self.listed.iter().any(|(name, by)| name == unit && by == certifiers);
        if !self.listed.is_empty() && !units.iter().any(is_listed) {
            return Err(ValidationError::UnitNotListed);
        }
        if !self.enabled || version < MspVersion::V1_1 {
            return Ok(());
        }
        let mut role_count = 0;
        for unit in units {
            let Some(rule) = self.rule_for(version, unit) else { continue };
            if rule.certifiers.as_ref().is_some_and(|bound| bound != certifiers) {
                return Err(ValidationError::CertifierMismatch(unit.clone()));
            }
            role_count += 1;
            if role_count > 1 {
                return Err(ValidationError::SeveralRoles);
            }
        }
        if role_count == 0 { Err(ValidationError::NoRole) } else { Ok(()) }
    }

    /// The role rule with this unit. Where roles share a unit, the last in Fabric's order counts (the first before
    /// 1.4.3).
    fn rule_for(&self, version: MspVersion, unit: &str) -> Option<&OuRole> {
        let roles: &[NodeRole] = if version < MspVersion::V1_4_3 {
            &[NodeRole::Client, NodeRole::Peer]
        } else {
            &[NodeRole::Orderer, NodeRole::Admin, NodeRole::Peer, NodeRole::Client]
        };
        roles.iter().filter_map(|role| self.role(*role)).find(|rule| rule.unit == unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(unit: &str, certifiers: Option<&[u8]>) -> Option<OuRole> {
        Some(OuRole { unit: unit.to_owned(), certifiers: certifiers.map(<[u8]>::to_vec) })
    }

    fn rules() -> UnitRules {
        UnitRules {
            enabled: true,
            client: role("client", None),
            peer: role("peer", Some(b"ca")),
            admin: role("admin", None),
            orderer: role("orderer", None),
            ..UnitRules::default()
        }
    }

    fn check(rules: &UnitRules, version: MspVersion, units: &[&str]) -> Result<(), ValidationError> {
        let units: Vec<String> = units.iter().map(|unit| (*unit).to_owned()).collect();
        rules.check(version, &units, b"ca")
    }

    #[test]
    fn exactly_one_role_is_needed() {
        let rules = rules();
        for version in [MspVersion::V1_4_3, MspVersion::V3_0] {
            assert_eq!(check(&rules, version, &["peer"]), Ok(()));
            assert_eq!(check(&rules, version, &["other", "orderer"]), Ok(()));
            assert_eq!(check(&rules, version, &[]), Err(ValidationError::NoRole));
            assert_eq!(check(&rules, version, &["Peer"]), Err(ValidationError::NoRole), "case matters");
            assert_eq!(check(&rules, version, &["peer", "client"]), Err(ValidationError::SeveralRoles));
            assert_eq!(check(&rules, version, &["peer", "peer"]), Err(ValidationError::SeveralRoles));
        }
    }

    #[test]
    fn old_versions_know_fewer_roles() {
        let rules = rules();
        assert_eq!(check(&rules, MspVersion::V1_3, &["admin"]), Err(ValidationError::NoRole));
        assert_eq!(check(&rules, MspVersion::V1_3, &["client", "admin"]), Ok(()));
        assert_eq!(check(&rules, MspVersion::V1_1, &["peer"]), Ok(()));
        assert_eq!(check(&rules, MspVersion::V1_0, &[]), Ok(()));
    }

    #[test]
    fn a_role_can_be_bound_to_an_authority() {
        let rules = UnitRules { peer: role("peer", Some(b"another ca")), ..rules() };
        let refused = check(&rules, MspVersion::V3_0, &["peer"]);
        assert_eq!(refused, Err(ValidationError::CertifierMismatch("peer".to_owned())));
        assert_eq!(check(&rules, MspVersion::V3_0, &["client"]), Ok(()));
    }

    #[test]
    fn listed_units_need_unit_and_authority() {
        let listed = vec![("a".to_owned(), b"ca".to_vec()), ("b".to_owned(), b"another ca".to_vec())];
        let rules = UnitRules { listed, ..UnitRules::default() };
        assert_eq!(check(&rules, MspVersion::V3_0, &["a"]), Ok(()));
        assert_eq!(check(&rules, MspVersion::V3_0, &["b", "a"]), Ok(()));
        assert_eq!(check(&rules, MspVersion::V3_0, &["b"]), Err(ValidationError::UnitNotListed));
        assert_eq!(check(&rules, MspVersion::V1_0, &[]), Err(ValidationError::UnitNotListed));
    }
}
