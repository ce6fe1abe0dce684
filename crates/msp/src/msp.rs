//! An MSP: the authorities of an organisation and its rules for members (spec/03 §8 and §9).

mod setup;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use selvedge_proto::msp::FabricMspConfig;

use crate::cache::Cache;
use crate::certificate::{Certificate, CertificateError};
use crate::chain::{Authorities, Chain, ChainError};
use crate::crypto::{HashFamily, IdentifierHash, PublicKey};
use crate::folder::read_msp_folder;
use crate::identity::{Identity, IdentityError, ValidationError, parse};
use crate::node_ou::UnitRules;
use crate::revocation::{self, RevocationError, RevocationList};

/// How an MSP behaves; a channel's capabilities decide (spec/03 §9.1). The local MSP always has the newest rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MspVersion {
    /// No capability.
    V1_0,
    /// `V1_1`: NodeOUs with client and peer.
    V1_1,
    /// `V1_3`, `V1_4_2`: combined and anonymity principals.
    V1_3,
    /// `V1_4_3`, `V2_0`: admin and orderer as roles.
    V1_4_3,
    /// `V3_0`: Ed25519.
    V3_0,
}

/// Why an MSP cannot be set up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MspError {
    /// A file or folder.
    #[error("{path}: {problem}")]
    File {
        /// The file or folder.
        path: String,
        /// What is wrong with it, and what to do.
        problem: String,
    },
    /// The configuration does not parse.
    #[error("the MSP configuration is not decodable")]
    Undecodable,
    /// Neither X.509 nor (where it is allowed) Idemix.
    #[error("MSP type {0} is not supported")]
    Type(i32),
    /// The MSP has no identifier.
    #[error("the MSP identifier is empty")]
    NoName,
    /// No root authority.
    #[error("at least one root certificate is needed")]
    NoRoots,
    /// A certificate of the configuration cannot be used.
    #[error("{which}: {error}")]
    Certificate {
        /// Which one, like `root certificate 0`.
        which: String,
        /// What is wrong.
        error: CertificateError,
    },
    /// A certificate of the configuration does not chain.
    #[error("{which}: {error}")]
    Chain {
        /// Which one.
        which: String,
        /// What is wrong.
        error: ChainError,
    },
    /// An authority without the mark of an authority.
    #[error("{0} is not marked as a certificate authority")]
    NotAnAuthority(String),
    /// An authority without subject key identifier.
    #[error("{0} has no subject key identifier")]
    NoSubjectKeyIdentifier(String),
    /// An authority is revoked, or the lists cannot tell.
    #[error("{which}: {error}")]
    Revocation {
        /// Which one.
        which: String,
        /// What is wrong.
        error: RevocationError,
    },
    /// The certificate an organisational unit is bound to is none of the authorities that issue identities.
    #[error("{0} is bound to a certificate that is none of the MSP's authorities that issue identities")]
    Binding(String),
    /// NodeOUs before MSP version 1.4.3 need a client and a peer unit.
    #[error("NodeOUs need a {0} unit")]
    NodeOus(&'static str),
    /// An administrator's certificate is not one.
    #[error("administrator {index}: {error}")]
    Admin {
        /// Which one in the configuration.
        index: usize,
        /// What is wrong.
        error: ValidationError,
    },
    /// Nobody could administer the MSP.
    #[error("administrators must be listed, or an admin unit configured")]
    NoAdmin,
    /// The hash for certifiers identifiers is not known.
    #[error("identity identifier hash function {0:?} is not known")]
    IdentifierHash(String),
    /// The configuration is to sign with, but has no signing identity.
    #[error("the MSP has no signing identity")]
    NoSigningIdentity,
    /// No key fits the signing certificate.
    #[error("{0}: no private key fits the signing certificate")]
    NoPrivateKey(String),
    /// The signing certificate cannot be used.
    #[error("the signing certificate: {0}")]
    SigningIdentity(IdentityError),
    /// The signing certificate has expired.
    #[error("the signing certificate expired {0} seconds ago")]
    Expired(i64),
}

/// The rules of one organisation. Immutable.
pub struct Msp {
    pub(crate) id: Arc<str>,
    pub(crate) version: MspVersion,
    authorities: Authorities,
    /// Authorities that have issued another configured one.
    inner_authorities: Vec<Bytes>,
    revocation_lists: Vec<RevocationList>,
    /// The certificates of the listed administrators, sanitised.
    admins: Vec<Bytes>,
    units: UnitRules,
    family: HashFamily,
    identifier_hash: IdentifierHash,
    tls_roots: Vec<Bytes>,
    cache: Cache<Arc<Identity>>,
}

/// Identities kept per MSP, and the bytes of all of them together.
const CACHED_COUNT_MAX: usize = 1024;
const CACHED_BYTES_MAX: usize = 2 * 1024 * 1024;

impl fmt::Debug for Msp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Msp({:?}, {:?})", self.id, self.version)
    }
}

impl Msp {
    /// Sets up an MSP from its configuration, with all checks of spec/03 §9.3. A signing identity in it is ignored.
    ///
    /// # Errors
    ///
    /// The first check that fails.
    pub fn from_config(config: &FabricMspConfig, version: MspVersion) -> Result<Self, MspError> {
        setup::set_up(config, version)
    }

    /// Loads an MSP folder for verifying only: without signing certificate and private key (spec/03 §9.2).
    ///
    /// # Errors
    ///
    /// If a file is missing or wrong. Errors of files name the file.
    pub fn load_verifying(folder: &Path, msp_id: &str) -> Result<Self, MspError> {
        Self::from_config(&read_msp_folder(folder, msp_id)?.config, MspVersion::V3_0)
    }

    /// The MSP's identifier.
    pub fn msp_id(&self) -> &str {
        &self.id
    }

    /// The MSP's rules.
    pub fn version(&self) -> MspVersion {
        self.version
    }

    /// Whether organisational units tell roles apart (NodeOUs).
    pub fn has_node_ous(&self) -> bool {
        self.units.enabled && self.version >= MspVersion::V1_1
    }

    /// The DER of the TLS root and intermediate certificates. They say nothing about identities.
    pub fn tls_roots(&self) -> &[Bytes] {
        &self.tls_roots
    }

    /// Reads a serialized identity of this MSP (spec/03 §8.1). The result is kept in a bounded cache.
    ///
    /// # Errors
    ///
    /// If it does not parse, names another MSP, or its certificate cannot be used. Success does not mean that the
    /// identity is valid: see [`Identity::validate`].
    pub fn deserialize(&self, serialized: &[u8]) -> Result<Arc<Identity>, IdentityError> {
        if let Some(identity) = self.cache.find(serialized) {
            return Ok(identity);
        }
        let parsed = parse(serialized)?;
        if *parsed.mspid != *self.id {
            return Err(IdentityError::UnknownMsp(parsed.mspid));
        }
        let identity = Arc::new(self.identity(&parsed.id_bytes)?);
        self.cache.insert(serialized, Arc::clone(&identity));
        Ok(identity)
    }

    /// Makes an identity of the first certificate in the PEM.
    pub(crate) fn identity(&self, id_bytes: &[u8]) -> Result<Identity, IdentityError> {
        self.identity_of(Certificate::from_pem(id_bytes)?)
    }

    pub(crate) fn identity_of(&self, certificate: Certificate) -> Result<Identity, IdentityError> {
        if let PublicKey::Unsupported(kind) = &certificate.key {
            return Err(CertificateError::KeyUnsupported(kind.clone()).into());
        }
        let (certificate, chain) = self.sanitize(certificate)?;
        let chain = chain.and_then(|chain| self.check_issuer(&certificate, chain));
        let certifiers = chain.as_ref().ok().map(|chain| self.certifiers_identifier(chain));
        let validity = self.validate(&certificate, chain, certifiers.as_deref());
        let roles = match &certifiers {
            Some(_) => self.units.roles_of(&certificate.units),
            None => crate::node_ou::RoleSet::default(),
        };
        Ok(Identity {
            msp_id: Arc::clone(&self.id),
            is_listed_admin: self.admins.contains(certificate.der()),
            certificate,
            family: self.family,
            validity,
            certifiers,
            roles,
            has_node_ous: self.has_node_ous(),
            version: self.version,
        })
    }

    /// Replaces a high-S signature of the issuer by its low form (spec/03 §8.3), which takes the chain; a certificate
    /// signed with ECDSA that has none is refused here already.
    fn sanitize(
        &self,
        certificate: Certificate,
    ) -> Result<(Certificate, Result<Chain, ValidationError>), IdentityError> {
        if !certificate.is_ecdsa_signed() {
            let chain = self.authorities.unique_chain(&certificate).map_err(ValidationError::Chain);
            return Ok((certificate, chain));
        }
        let certificate = sanitize(certificate, &self.authorities)?;
        let (certificate, chain) = match certificate {
            Sanitized::Root(certificate) => (certificate, Err(ValidationError::IsAuthority)),
            Sanitized::Issued(certificate, chain) => (certificate, Ok(chain)),
        };
        Ok((certificate, chain))
    }

    /// Checks that the chain is one of an identity: it has an issuer, and that issues nothing but identities.
    fn check_issuer(&self, certificate: &Certificate, chain: Chain) -> Result<Chain, ValidationError> {
        if certificate.is_authority() {
            return Err(ValidationError::IsAuthority);
        }
        let issuer = chain.first().ok_or(ChainError::IsRoot)?;
        if self.inner_authorities.contains(issuer.der()) {
            return Err(ValidationError::IssuerNotLeaf);
        }
        Ok(chain)
    }

    /// The hash over the certificates of a chain, issuer first (spec/03 §8.7).
    fn certifiers_identifier(&self, chain: &[Arc<Certificate>]) -> Vec<u8> {
        self.identifier_hash.hash(chain.iter().map(|authority| &authority.der()[..]))
    }

    /// The rules of spec/03 §8.4, in their order.
    fn validate(
        &self,
        certificate: &Certificate,
        chain: Result<Chain, ValidationError>,
        certifiers: Option<&[u8]>,
    ) -> Result<(), ValidationError> {
        match &certificate.key {
            PublicKey::Ecdsa { .. } => {}
            PublicKey::Ed25519 { .. } if self.version >= MspVersion::V3_0 => {}
            other => return Err(ValidationError::KeyUnsupported(other.kind().to_owned())),
        }
        let chain = chain?;
        let issuer = chain.first().ok_or(ChainError::IsRoot)?;
        revocation::check(&self.revocation_lists, certificate, issuer)?;
        self.units.check(self.version, &certificate.units, certifiers.unwrap_or_default())
    }
}

/// An ECDSA-signed certificate in its low-S form.
pub(crate) enum Sanitized {
    /// An authority that signed itself.
    Root(Certificate),
    /// A certificate with its chain.
    Issued(Certificate, Chain),
}

/// Finds the issuer of an ECDSA-signed certificate and gives the certificate its low-S form.
///
/// An authority that signed itself passes with itself as the only root, whoever made it; it is refused as an identity
/// later (spec/03 §8.3).
pub(crate) fn sanitize(
    certificate: Certificate,
    authorities: &Authorities,
) -> Result<Sanitized, IdentityError> {
    if certificate.is_authority() && certificate.check_signed_by(&certificate).is_ok() {
        let certificate = certificate.sanitized(&certificate.key)?.unwrap_or(certificate);
        let shared = Arc::new(certificate);
        let only_itself = Authorities::new(vec![Arc::clone(&shared)], authorities.intermediates.clone());
        only_itself.unique_chain(&shared)?;
        drop(only_itself);
        return Arc::into_inner(shared).map(Sanitized::Root).ok_or(IdentityError::Undecodable);
    }
    let chain = authorities.unique_chain(&certificate)?;
    let issuer = chain.first().ok_or(ChainError::IsRoot)?;
    let certificate = certificate.sanitized(&issuer.key)?.unwrap_or(certificate);
    Ok(Sanitized::Issued(certificate, chain))
}
