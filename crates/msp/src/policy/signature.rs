//! Signature policies: n out of these rules, down to principals (spec/07 §9.2).

use std::fmt;
use std::sync::Arc;

use selvedge_proto::common::signature_policy::{NOutOf, Type};
use selvedge_proto::common::{SignaturePolicy as Rule, SignaturePolicyEnvelope};

use crate::identity::Identity;
use crate::manager::MspManager;
use crate::msp::MspVersion;
use crate::principal::Principal;

/// How deep rules may be nested, and how many a policy may have in all. Real ones have a depth of 2 or 3, and one rule
/// for every consenter or organisation.
const NESTING_MAX: usize = 32;
const RULE_COUNT_MAX: usize = 10_000;

/// Why a policy of a configuration cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyDefinitionError {
    /// It does not parse.
    #[error("undecodable")]
    Undecodable,
    /// The policy itself is not there.
    #[error("empty")]
    Empty,
    /// Neither a signature policy nor an implicit meta policy.
    #[error("policy type {0} is not known")]
    Type(i32),
    /// Another version of signature policies.
    #[error("version {0} is not known")]
    Version(i32),
    /// A rule without content.
    #[error("a rule is empty")]
    EmptyRule,
    /// A rule names a principal that is not there.
    #[error("a rule names principal {index} of {count}")]
    PrincipalIndex {
        /// The number in the rule.
        index: i32,
        /// The number of principals.
        count: usize,
    },
    /// Nested deeper, or of more rules, than any real policy.
    #[error("nested too deep, or too many rules")]
    TooComplex,
}

/// A compiled signature policy.
#[derive(Clone, Debug)]
pub(crate) struct SignaturePolicy {
    rule: CompiledRule,
    principals: Vec<Principal>,
}

#[derive(Clone, Debug)]
enum CompiledRule {
    SignedBy(usize),
    NOutOf(i32, Vec<Self>),
}

impl SignaturePolicy {
    pub(crate) fn compile(
        envelope: &SignaturePolicyEnvelope,
        manager: &MspManager,
        version: MspVersion,
    ) -> Result<Self, PolicyDefinitionError> {
        if envelope.version != 0 {
            return Err(PolicyDefinitionError::Version(envelope.version));
        }
        let rule = envelope.rule.as_ref().ok_or(PolicyDefinitionError::EmptyRule)?;
        let mut rule_count = 0;
        let rule = compile(rule, envelope.identities.len(), 0, &mut rule_count)?;
        let principals = envelope.identities.iter();
        let principals = principals.map(|principal| Principal::read(principal, manager, version)).collect();
        Ok(Self { rule, principals })
    }

    /// Whether these signers are enough. Their order matters: the procedure is greedy and never goes back on a choice,
    /// and rules beyond those that are needed use up signers, too. That is Fabric's behaviour, to be reproduced exactly.
    pub(crate) fn is_satisfied_by(&self, signers: &[Arc<Identity>]) -> bool {
        self.evaluate(&self.rule, signers, &mut vec![false; signers.len()])
    }

    fn evaluate(&self, rule: &CompiledRule, signers: &[Arc<Identity>], used: &mut Vec<bool>) -> bool {
        match rule {
            CompiledRule::SignedBy(index) => {
                let Some(principal) = self.principals.get(*index) else { return false };
                let free = signers
                    .iter()
                    .zip(used.iter_mut())
                    .find(|(signer, is_used)| !**is_used && principal.is_satisfied_by(signer));
                free.is_some_and(|(_, is_used)| {
                    *is_used = true;
                    true
                })
            }
            CompiledRule::NOutOf(wanted, rules) => {
                let mut satisfied: i32 = 0;
                for rule in rules {
                    let mut attempt = used.clone();
                    if self.evaluate(rule, signers, &mut attempt) {
                        satisfied = satisfied.saturating_add(1);
                        *used = attempt;
                    }
                }
                satisfied >= *wanted
            }
        }
    }

    pub(crate) fn principals(&self) -> &[Principal] {
        &self.principals
    }

    fn write_rule(&self, rule: &CompiledRule, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match rule {
            CompiledRule::SignedBy(index) => match self.principals.get(*index) {
                Some(principal) => write!(f, "{principal}"),
                None => Ok(()),
            },
            CompiledRule::NOutOf(wanted, rules) => {
                write!(f, "{wanted} of [")?;
                for (index, rule) in rules.iter().enumerate() {
                    if index > 0 {
                        f.write_str(", ")?;
                    }
                    self.write_rule(rule, f)?;
                }
                f.write_str("]")
            }
        }
    }
}

impl fmt::Display for SignaturePolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_rule(&self.rule, f)
    }
}

fn compile(
    rule: &Rule,
    principal_count: usize,
    depth: usize,
    rule_count: &mut usize,
) -> Result<CompiledRule, PolicyDefinitionError> {
    *rule_count += 1;
    if depth > NESTING_MAX || *rule_count > RULE_COUNT_MAX {
        return Err(PolicyDefinitionError::TooComplex);
    }
    match rule.r#type.as_ref().ok_or(PolicyDefinitionError::EmptyRule)? {
        Type::SignedBy(index) => match usize::try_from(*index) {
            Ok(index) if index < principal_count => Ok(CompiledRule::SignedBy(index)),
            _ => Err(PolicyDefinitionError::PrincipalIndex { index: *index, count: principal_count }),
        },
        Type::NOutOf(NOutOf { n, rules }) => {
            let rules = rules.iter().map(|rule| compile(rule, principal_count, depth + 1, rule_count));
            Ok(CompiledRule::NOutOf(*n, rules.collect::<Result<_, _>>()?))
        }
    }
}
