//! Chains from a certificate to the roots of an MSP, by Fabric's rules (spec/03 §8.5), which are not those of the web:
//! the certificate is judged at the second after its own beginning, and there must be exactly one chain.

use std::sync::Arc;

use crate::UnixSeconds;
use crate::certificate::Certificate;
use crate::certificate::name_constraints::{NameError, looks_like_host_name};
use crate::crypto::IssuerSignatureError;

/// Why a certificate has no chain, or none that counts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// No configured authority has the name of the issuer, or none that has it made the certificate.
    #[error("signed by an unknown authority")]
    UnknownAuthority,
    /// More than one chain: the same authority is configured twice.
    #[error("{0} chains of authorities where exactly one is allowed")]
    NotUnique(usize),
    /// The only chain is the certificate itself.
    #[error("the certificate is a root itself")]
    IsRoot,
    /// The authority was not yet, or no longer, valid when the certificate's validity began.
    #[error("a certificate of the chain is not valid at the beginning of the leaf's validity")]
    OutsideValidity,
    /// A certificate that may not issue others.
    #[error("the issuer is not a certificate authority")]
    NotAnAuthority,
    /// The authority's key usage leaves out signing certificates.
    #[error("the key usage of the issuer does not allow signing certificates")]
    KeyUsage,
    /// The path length constraint of an authority.
    #[error("more intermediate authorities than an authority above allows")]
    PathLength,
    /// An extended key usage without server authentication, which is what Fabric demands (spec/03 §12, 5).
    #[error("the extended key usage of {0:?} does not permit server authentication")]
    ExtendedKeyUsage(String),
    /// A critical extension that is not understood.
    #[error("critical extension {0} is not known")]
    UnknownCritical(String),
    /// An authority demands a certificate policy. Fabric would look for it; here such chains are refused.
    #[error("policy constraints are not supported")]
    PolicyConstraints,
    /// A name below an authority that its name constraints forbid.
    #[error("name constraints: {0}")]
    Name(#[from] NameError),
    /// The signature of the issuer.
    #[error("signature of the issuer: {0}")]
    Signature(IssuerSignatureError),
    /// Too many candidates were tried.
    #[error("more than {SIGNATURE_CHECK_MAX} signatures would have to be checked")]
    TooMuchWork,
}

impl ChainError {
    /// A short label for counters.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::UnknownAuthority => "chain_unknown_authority",
            Self::NotUnique(_) => "chain_not_unique",
            Self::IsRoot => "chain_is_root",
            Self::OutsideValidity => "chain_outside_validity",
            Self::NotAnAuthority => "chain_not_authority",
            Self::KeyUsage => "chain_key_usage",
            Self::PathLength => "chain_path_length",
            Self::ExtendedKeyUsage(_) => "chain_extended_key_usage",
            Self::UnknownCritical(_) => "chain_critical_extension",
            Self::PolicyConstraints => "chain_policy_constraints",
            Self::Name(_) => "chain_name_constraints",
            Self::Signature(_) => "chain_signature",
            Self::TooMuchWork => "chain_too_much_work",
        }
    }
}

/// As in Go: how many candidates are tried for one certificate.
const SIGNATURE_CHECK_MAX: usize = 100;

/// The authorities of an MSP.
#[derive(Clone, Debug, Default)]
pub(crate) struct Authorities {
    pub(crate) roots: Vec<Arc<Certificate>>,
    pub(crate) intermediates: Vec<Arc<Certificate>>,
}

/// From the leaf's issuer (first) to the root (last); without the leaf. Empty if the certificate is a root itself.
pub(crate) type Chain = Vec<Arc<Certificate>>;

impl Authorities {
    /// Collects authorities, each counted once however often it is listed.
    pub(crate) fn new(roots: Vec<Arc<Certificate>>, intermediates: Vec<Arc<Certificate>>) -> Self {
        Self { roots: distinct(roots), intermediates: distinct(intermediates) }
    }

    /// The one chain of a certificate.
    ///
    /// # Errors
    ///
    /// If there is none or more than one.
    pub(crate) fn unique_chain(&self, certificate: &Certificate) -> Result<Chain, ChainError> {
        let mut search =
            Search { authorities: self, leaf: certificate, checks_count: 0, chains: Vec::new(), hint: None };
        let chain = search.unique()?;
        check_host_name_without_alternatives(certificate, &chain)?;
        Ok(chain)
    }
}

fn distinct(certificates: Vec<Arc<Certificate>>) -> Vec<Arc<Certificate>> {
    let mut kept: Vec<Arc<Certificate>> = Vec::with_capacity(certificates.len());
    for certificate in certificates {
        if !kept.iter().any(|other| other.der() == certificate.der()) {
            kept.push(certificate);
        }
    }
    kept
}

struct Search<'a> {
    authorities: &'a Authorities,
    leaf: &'a Certificate,
    checks_count: usize,
    chains: Vec<Chain>,
    /// The first thing that was wrong with a candidate: more telling than that there is no chain.
    hint: Option<ChainError>,
}

impl Search<'_> {
    fn unique(&mut self) -> Result<Chain, ChainError> {
        let time = self.leaf.not_before.saturating_add(1);
        check_usable(self.leaf, time, 0)?;
        if self.authorities.roots.iter().any(|root| root.der() == self.leaf.der()) {
            self.chains.push(Vec::new());
        } else {
            self.extend(&mut Vec::new(), time);
        }
        let mut accepted = Vec::new();
        for chain in std::mem::take(&mut self.chains) {
            match check_whole(self.leaf, &chain) {
                Ok(()) => accepted.push(chain),
                Err(error) => {
                    self.hint.get_or_insert(error);
                }
            }
        }
        match accepted.len() {
            1 => accepted.pop().ok_or(ChainError::UnknownAuthority),
            0 => Err(self.hint.take().unwrap_or(ChainError::UnknownAuthority)),
            count => Err(ChainError::NotUnique(count)),
        }
    }

    /// Tries every authority that has the name of the last certificate's issuer.
    fn extend(&mut self, chain: &mut Chain, time: UnixSeconds) {
        let authorities = self.authorities;
        let candidates = authorities.roots.iter().map(|root| (root, true));
        let candidates =
            candidates.chain(authorities.intermediates.iter().map(|authority| (authority, false)));
        for (candidate, is_root) in candidates {
            let child: &Certificate = chain.last().map_or(self.leaf, |last| last);
            if candidate.subject != child.issuer {
                continue;
            }
            self.checks_count += 1;
            if self.checks_count > SIGNATURE_CHECK_MAX {
                self.hint = Some(ChainError::TooMuchWork);
                return;
            }
            if is_same(candidate, self.leaf) || chain.iter().any(|other| is_same(candidate, other)) {
                continue;
            }
            let verdict = child.check_signed_by(candidate).and_then(|()| {
                if !is_root && !candidate.is_authority() {
                    return Err(ChainError::NotAnAuthority);
                }
                check_usable(candidate, time, chain.len())
            });
            if let Err(error) = verdict {
                self.hint.get_or_insert(error);
                continue;
            }
            chain.push(Arc::clone(candidate));
            if is_root {
                self.chains.push(chain.clone());
            } else {
                self.extend(chain, time);
            }
            chain.pop();
        }
    }
}

/// Checks one certificate at its place: `below_count` intermediates stand between it and the leaf.
fn check_usable(certificate: &Certificate, time: UnixSeconds, below_count: usize) -> Result<(), ChainError> {
    if let Some(id) = &certificate.extensions.unknown_critical {
        return Err(ChainError::UnknownCritical(id.clone()));
    }
    if time < certificate.not_before || time > certificate.not_after {
        return Err(ChainError::OutsideValidity);
    }
    let path_length_max =
        certificate.extensions.basic_constraints.and_then(|constraints| constraints.path_length_max);
    if path_length_max.is_some_and(|max| below_count > usize::try_from(max).unwrap_or(usize::MAX)) {
        return Err(ChainError::PathLength);
    }
    Ok(())
}

/// Whether two certificates are of the same authority: then one of them cannot stand above the other.
fn is_same(a: &Certificate, b: &Certificate) -> bool {
    a.subject == b.subject
        && a.spki == b.spki
        && a.extensions.alternative_names_raw == b.extensions.alternative_names_raw
}

/// Checks what concerns several certificates of a chain: usages, policies, names.
fn check_whole(leaf: &Certificate, chain: &Chain) -> Result<(), ChainError> {
    let all = || std::iter::once(leaf).chain(chain.iter().map(|authority| &**authority));
    for certificate in all() {
        if certificate.extensions.permits_server_authentication == Some(false) {
            return Err(ChainError::ExtendedKeyUsage(certificate.common_name.clone()));
        }
        if certificate.extensions.requires_policy {
            return Err(ChainError::PolicyConstraints);
        }
    }
    for (index, authority) in all().enumerate() {
        let Some(constraints) = &authority.extensions.name_constraints else { continue };
        for below in all().take(index) {
            constraints.check(&below.extensions.alternative_names)?;
        }
    }
    Ok(())
}

/// The rule that outlived its standard: under name constraints, a common name may not stand in for a host name.
fn check_host_name_without_alternatives(leaf: &Certificate, chain: &Chain) -> Result<(), ChainError> {
    let is_constrained = chain.iter().any(|authority| authority.extensions.name_constraints.is_some());
    if is_constrained
        && leaf.extensions.alternative_names_raw.is_none()
        && looks_like_host_name(&leaf.common_name)
    {
        return Err(NameError::CommonName(leaf.common_name.clone()).into());
    }
    Ok(())
}
