//! Policies: which signatures are enough (spec/07 §9).

mod implicit_meta;
mod signature;
mod tree;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

pub use signature::PolicyDefinitionError;
pub(crate) use signature::SignaturePolicy;
pub(crate) use tree::PolicyTree;

use crate::crypto::SignatureError;
use crate::identity::{Identity, IdentityError};
use crate::manager::MspManager;

/// A signature with what was signed and who is said to have done it.
#[derive(Clone, Debug)]
pub struct SignedData<'a> {
    /// The signed bytes.
    pub data: Cow<'a, [u8]>,
    /// The serialized identity.
    pub identity: Cow<'a, [u8]>,
    /// The signature.
    pub signature: Cow<'a, [u8]>,
}

/// Why a signature of a set does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UncountedReason {
    /// The identity cannot be read.
    #[error("{0}")]
    Identity(IdentityError),
    /// The signature is wrong.
    #[error("{0}")]
    Signature(SignatureError),
    /// The identity has signed already: a signer counts once.
    #[error("the signer has signed already")]
    Repeated,
}

/// A signature of a set that does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uncounted {
    /// Its place in the set.
    pub index: usize,
    /// Why it does not count.
    pub reason: UncountedReason,
}

/// Why a policy was not satisfied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PolicyError {
    /// There is no such policy; that rejects everything.
    Unknown {
        /// The path that was asked for.
        path: String,
    },
    /// The signers are not enough.
    NotSatisfied {
        /// The policy.
        path: String,
        /// What it wants and what was missing.
        missing: String,
        /// The signatures that did not count, the first ones of them.
        uncounted: Vec<Uncounted>,
    },
}

impl PolicyError {
    /// A short label for counters.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Unknown { .. } => "policy_unknown",
            Self::NotSatisfied { uncounted, .. } => match uncounted.first() {
                Some(Uncounted { reason: UncountedReason::Identity(error), .. }) => error.reason(),
                Some(Uncounted { reason: UncountedReason::Signature(error), .. }) => error.reason(),
                _ => "policy_not_satisfied",
            },
        }
    }
}

impl std::error::Error for PolicyError {}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { path } => write!(f, "there is no policy {path}"),
            Self::NotSatisfied { path, missing, uncounted } => {
                write!(f, "policy {path} is not satisfied: {missing}")?;
                for Uncounted { index, reason } in uncounted {
                    write!(f, "; signature {index} does not count: {reason}")?;
                }
                Ok(())
            }
        }
    }
}

/// How many uncounted signatures an error tells of.
const REPORTED_COUNT_MAX: usize = 8;

/// The signers of a set whose signatures are right, each once, in order. Made once for a set, however many policies are
/// then evaluated on it (spec/07 §9.4).
#[derive(Debug)]
pub(crate) struct Signers {
    pub(crate) identities: Vec<Arc<Identity>>,
    uncounted: Vec<Uncounted>,
}

impl Signers {
    /// Reads the identities and verifies the signatures of a set. Whether an identity is valid is left to the
    /// principals of the policies.
    pub(crate) fn of(set: &[SignedData<'_>], manager: &MspManager) -> Self {
        let mut signers = Self { identities: Vec::new(), uncounted: Vec::new() };
        for (index, signed) in set.iter().enumerate() {
            if let Err(reason) = signers.add(signed, manager)
                && signers.uncounted.len() < REPORTED_COUNT_MAX
            {
                signers.uncounted.push(Uncounted { index, reason });
            }
        }
        signers
    }

    /// One signer whose signature was verified elsewhere.
    pub(crate) fn verified(identity: Arc<Identity>) -> Self {
        Self { identities: vec![identity], uncounted: Vec::new() }
    }

    fn add(&mut self, signed: &SignedData<'_>, manager: &MspManager) -> Result<(), UncountedReason> {
        let identity = manager.deserialize(&signed.identity).map_err(UncountedReason::Identity)?;
        if self.identities.iter().any(|other| other.is_same_signer(&identity)) {
            return Err(UncountedReason::Repeated);
        }
        identity.verify(&signed.data, &signed.signature).map_err(UncountedReason::Signature)?;
        self.identities.push(identity);
        Ok(())
    }

    fn error(&self, path: &str, missing: String) -> PolicyError {
        PolicyError::NotSatisfied { path: path.to_owned(), missing, uncounted: self.uncounted.clone() }
    }
}
