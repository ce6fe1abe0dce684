//! The policies of a channel by path (spec/07 §9.1).

use std::collections::BTreeMap;

use selvedge_proto::common::policy::PolicyType;
use selvedge_proto::common::{ConfigGroup, ConfigPolicy};

use super::implicit_meta::ImplicitMetaPolicy;
use super::{PolicyDefinitionError, PolicyError, SignaturePolicy, Signers};
use crate::manager::MspManager;
use crate::msp::MspVersion;
use crate::principal::{Principal, Role};

/// The policies of a group and of the groups below.
#[derive(Debug)]
pub(crate) struct PolicyTree {
    /// Without the leading slash, like `Channel/Application`.
    path: String,
    groups: BTreeMap<String, Self>,
    policies: BTreeMap<String, Policy>,
}

#[derive(Debug)]
enum Policy {
    Signature(SignaturePolicy),
    ImplicitMeta(ImplicitMetaPolicy),
}

impl PolicyTree {
    /// Compiles all policies of a group and of those below; on failure also says which policy it is.
    pub(crate) fn compile(
        path: &str,
        group: &ConfigGroup,
        manager: &MspManager,
        version: MspVersion,
    ) -> Result<Self, (String, PolicyDefinitionError)> {
        let mut groups = BTreeMap::new();
        for (name, group) in &group.groups {
            groups.insert(name.clone(), Self::compile(&format!("{path}/{name}"), group, manager, version)?);
        }
        let mut policies = BTreeMap::new();
        for (name, policy) in &group.policies {
            let policy =
                compile(policy, manager, version).map_err(|error| (format!("/{path}/{name}"), error))?;
            policies.insert(name.clone(), policy);
        }
        Ok(Self { path: path.to_owned(), groups, policies })
    }

    /// The group at a path below this one.
    pub(crate) fn group<'a>(&self, mut names: impl Iterator<Item = &'a str>) -> Option<&Self> {
        names.try_fold(self, |tree, name| tree.groups.get(name))
    }

    /// Evaluates a policy: absolute (`/Channel/...`) or relative to this group.
    ///
    /// # Errors
    ///
    /// If there is no such policy, or the signers are not enough.
    pub(crate) fn evaluate(&self, path: &str, signers: &Signers) -> Result<(), PolicyError> {
        let Some((group, policy)) = self.find(path) else {
            return Err(PolicyError::Unknown { path: path.to_owned() });
        };
        if group.is_satisfied(policy, signers) {
            Ok(())
        } else {
            Err(signers.error(path, group.missing(policy, signers)))
        }
    }

    fn find(&self, path: &str) -> Option<(&Self, &Policy)> {
        let relative = match path.strip_prefix('/') {
            // the name of the group alone is no policy
            Some(absolute) => absolute.strip_prefix(&self.path)?.strip_prefix('/')?,
            None => path,
        };
        let (groups, name) =
            relative.rsplit_once('/').map_or((None, relative), |(groups, name)| (Some(groups), name));
        let group = self.group(groups.into_iter().flat_map(|groups| groups.split('/')))?;
        Some((group, group.policies.get(name)?))
    }

    fn is_satisfied(&self, policy: &Policy, signers: &Signers) -> bool {
        match policy {
            Policy::Signature(policy) => policy.is_satisfied_by(&signers.identities),
            Policy::ImplicitMeta(policy) => policy.threshold(self.groups.len()).is_some_and(|threshold| {
                self.satisfied_below(policy, signers).take(threshold).count() >= threshold
            }),
        }
    }

    /// The groups below whose policy is satisfied. They are only asked as far as the iterator is used.
    fn satisfied_below<'a>(
        &'a self,
        policy: &'a ImplicitMetaPolicy,
        signers: &'a Signers,
    ) -> impl Iterator<Item = &'a Self> {
        self.groups.values().filter(|group| {
            let below = group.find(&policy.sub_policy);
            below.is_some_and(|(group, below)| group.is_satisfied(below, signers))
        })
    }

    /// What a policy wants, for people.
    fn missing(&self, policy: &Policy, signers: &Signers) -> String {
        match policy {
            Policy::Signature(policy) => format!("it wants {policy}"),
            Policy::ImplicitMeta(policy) => {
                let names: Vec<_> = self.groups.keys().map(String::as_str).collect();
                let (name, names) = (&policy.sub_policy, names.join(", "));
                let Some(threshold) = policy.threshold(self.groups.len()) else {
                    return format!("its rule over {name} of [{names}] is not known");
                };
                let count = self.satisfied_below(policy, signers).count();
                format!("it wants {name} of {threshold} of [{names}], and {count} are satisfied")
            }
        }
    }

    /// Whether any member of an organisation, whatever its role, may help to satisfy a policy.
    pub(crate) fn accepts_any_member(&self, path: &str) -> bool {
        let Some((group, policy)) = self.find(path) else { return false };
        match policy {
            Policy::Signature(policy) => policy
                .principals()
                .iter()
                .any(|principal| matches!(principal, Principal::Role { role: Role::Member, .. })),
            Policy::ImplicitMeta(policy) => {
                group.groups.values().any(|group| group.accepts_any_member(&policy.sub_policy))
            }
        }
    }
}

fn compile(
    policy: &ConfigPolicy,
    manager: &MspManager,
    version: MspVersion,
) -> Result<Policy, PolicyDefinitionError> {
    let policy = policy.policy.as_ref().ok_or(PolicyDefinitionError::Empty)?;
    let value = policy.value.clone();
    match PolicyType::try_from(policy.r#type) {
        Ok(PolicyType::Signature) => {
            let envelope = selvedge_proto::decode(value).map_err(|_| PolicyDefinitionError::Undecodable)?;
            SignaturePolicy::compile(&envelope, manager, version).map(Policy::Signature)
        }
        Ok(PolicyType::ImplicitMeta) => {
            let definition = selvedge_proto::decode(value).map_err(|_| PolicyDefinitionError::Undecodable)?;
            Ok(Policy::ImplicitMeta(ImplicitMetaPolicy::new(definition)))
        }
        _ => Err(PolicyDefinitionError::Type(policy.r#type)),
    }
}
