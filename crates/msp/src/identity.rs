//! Members of an MSP: who they are, whether they are valid, and what they signed.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use prost::Message;
use selvedge_proto::msp::SerializedIdentity;

use crate::certificate::{Certificate, CertificateError};
use crate::chain::ChainError;
use crate::crypto::{HashFamily, SignatureError, sha256};
use crate::msp::MspVersion;
use crate::node_ou::{NodeRole, RoleSet};
use crate::revocation::RevocationError;
use crate::{PkiId, UnixSeconds, pem};

/// The longest serialized identity that is looked at. Fabric has no limit; certificates have 1 to 3 KiB.
pub const IDENTITY_BYTES_MAX: usize = 32 * 1024;

/// Why an identity was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// No bytes.
    #[error("the identity is empty")]
    Empty,
    /// More than [`IDENTITY_BYTES_MAX`] bytes.
    #[error("the identity has {0} bytes, more than {IDENTITY_BYTES_MAX}")]
    TooLarge(usize),
    /// Not a `SerializedIdentity`.
    #[error("the identity is not a serialized identity")]
    Undecodable,
    /// It names an MSP that is not the expected one, or that nobody configured.
    #[error("MSP {0:?} is not known here")]
    UnknownMsp(String),
    /// The certificate cannot be used.
    #[error("certificate: {0}")]
    Certificate(#[from] CertificateError),
    /// An ECDSA-signed certificate without its one chain (spec/03 §8.1, step 6).
    #[error("certificate: {0}")]
    Chain(#[from] ChainError),
    /// Not in the form in which gossip accepts identities (spec/03 §8.2).
    #[error("the identity is not well-formed: {0}")]
    NotWellFormed(CertificateError),
    /// The MSP's rules refuse it (spec/03 §8.4).
    #[error("the identity is not valid: {0}")]
    NotValid(#[from] ValidationError),
}

impl IdentityError {
    /// A short label for counters.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Empty => "identity_empty",
            Self::TooLarge(_) => "identity_too_large",
            Self::Undecodable => "identity_undecodable",
            Self::UnknownMsp(_) => "identity_unknown_msp",
            Self::Certificate(error) | Self::NotWellFormed(error) => error.reason(),
            Self::Chain(error) => error.reason(),
            Self::NotValid(error) => error.reason(),
        }
    }
}

/// Why an MSP does not accept a member's certificate, apart from its form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValidationError {
    /// An RSA key, or Ed25519 before MSP version 3.0.
    #[error("{0} is not supported")]
    KeyUnsupported(String),
    /// Certificates of authorities cannot be identities.
    #[error("a certificate of an authority cannot be an identity")]
    IsAuthority,
    /// No chain, or more than one.
    #[error("{0}")]
    Chain(#[from] ChainError),
    /// The issuer has issued a configured intermediate authority, so it may not issue identities.
    #[error("the issuer is not a leaf of the tree of authorities")]
    IssuerNotLeaf,
    /// Revoked, or the MSP's revocation lists are unusable.
    #[error("{0}")]
    Revocation(#[from] RevocationError),
    /// The MSP lists organisational units, and the certificate has none of them.
    #[error("none of the organisational units is listed by the MSP")]
    UnitNotListed,
    /// The unit of a role comes from another authority than the one the MSP binds the role to.
    #[error("unit {0:?} is bound to another authority")]
    CertifierMismatch(String),
    /// NodeOUs are on, and no unit is one of a role.
    #[error("no organisational unit resolves to a role")]
    NoRole,
    /// NodeOUs are on, and more than one unit is one of a role.
    #[error("more than one organisational unit resolves to a role")]
    SeveralRoles,
}

impl ValidationError {
    /// A short label for counters.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::KeyUnsupported(_) => "identity_key_unsupported",
            Self::IsAuthority => "identity_is_authority",
            Self::Chain(error) => error.reason(),
            Self::IssuerNotLeaf => "identity_issuer_not_leaf",
            Self::Revocation(RevocationError::Revoked) => "identity_revoked",
            Self::Revocation(_) => "identity_revocation_unknown",
            Self::UnitNotListed => "identity_unit_not_listed",
            Self::CertifierMismatch(_) => "identity_certifier",
            Self::NoRole => "identity_no_role",
            Self::SeveralRoles => "identity_several_roles",
        }
    }
}

/// The PKI-ID of a serialized identity: SHA-256 of the MSP identifier followed by the bytes of the certificate as they
/// were received (spec/03 §2). Nothing is validated.
///
/// There is no separator between the two, so (MSP identifier, certificate) is not encoded injectively; it does no harm
/// because a PEM block starts on a line of its own (spec/03 §12, 11).
///
/// # Errors
///
/// If the identity is empty, too large, or does not parse.
pub fn pki_id(serialized_identity: &[u8]) -> Result<PkiId, IdentityError> {
    let parsed = parse(serialized_identity)?;
    Ok(sha256([parsed.mspid.as_bytes(), &parsed.id_bytes]))
}

pub(crate) fn parse(serialized: &[u8]) -> Result<SerializedIdentity, IdentityError> {
    match serialized.len() {
        0 => Err(IdentityError::Empty),
        length if length > IDENTITY_BYTES_MAX => Err(IdentityError::TooLarge(length)),
        _ => {
            let bytes = Bytes::copy_from_slice(serialized);
            selvedge_proto::decode(bytes).map_err(|_| IdentityError::Undecodable)
        }
    }
}

/// Serializes a certificate as a Fabric peer does.
pub(crate) fn serialize(msp_id: &str, certificate: &Certificate) -> Bytes {
    let id_bytes = Bytes::from(pem::encode_certificate(certificate.der()));
    Bytes::from(SerializedIdentity { mspid: msp_id.to_owned(), id_bytes }.encode_to_vec())
}

/// Checks the form gossip demands of an identity, beyond what an MSP demands (spec/03 §8.2).
pub(crate) fn check_well_formed(id_bytes: &[u8]) -> Result<(), IdentityError> {
    let check = || {
        let block = pem::first_block(id_bytes).ok_or(CertificateError::NoPem)?;
        if !block.rest.is_empty() {
            return Err(CertificateError::PemTrailing(block.rest.len()));
        }
        if !matches!(block.label, b"CERTIFICATE" | b"") {
            return Err(CertificateError::PemLabel(String::from_utf8_lossy(block.label).into_owned()));
        }
        Certificate::from_der(&Bytes::from(block.contents))?.check_canonical_signature()
    };
    check().map_err(IdentityError::NotWellFormed)
}

/// A member of an MSP. Whether it is valid was decided when it was made, and its key is prepared for verifying, so
/// keep it instead of its bytes.
pub struct Identity {
    pub(crate) msp_id: Arc<str>,
    /// With the low-S form of the issuer's signature.
    pub(crate) certificate: Certificate,
    pub(crate) family: HashFamily,
    pub(crate) validity: Result<(), ValidationError>,
    /// The hash over the chain that vouches for the organisational units; None if there is no usable chain.
    pub(crate) certifiers: Option<Vec<u8>>,
    pub(crate) is_listed_admin: bool,
    /// The roles whose organisational unit is in the subject.
    pub(crate) roles: RoleSet,
    pub(crate) has_node_ous: bool,
    pub(crate) version: MspVersion,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("msp_id", &self.msp_id)
            .field("certificate", &self.certificate)
            .field("validity", &self.validity)
            .finish_non_exhaustive()
    }
}

impl Identity {
    /// The MSP that deserialised the identity.
    pub fn msp_id(&self) -> &str {
        &self.msp_id
    }

    /// The certificate with the low-S form of its issuer's signature, in DER. Two identities of one MSP are the same
    /// signer when these bytes are equal.
    pub fn certificate_der(&self) -> &Bytes {
        self.certificate.der()
    }

    /// The beginning of the certificate's validity.
    pub fn not_before(&self) -> UnixSeconds {
        self.certificate.not_before
    }

    /// The end of the certificate's validity. Validation ignores it (spec/03 §8.5); whoever keeps identities does not.
    pub fn expires_at(&self) -> UnixSeconds {
        self.certificate.not_after
    }

    /// SHA-256 of the certificate's public key info: the same for every encoding and renewal of a certificate.
    pub fn public_key_hash(&self) -> [u8; 32] {
        self.certificate.public_key_hash()
    }

    /// The role, where the MSP tells roles apart (NodeOUs) and the identity is valid.
    pub fn role(&self) -> Option<NodeRole> {
        if self.has_node_ous && self.validity.is_ok() { self.roles.single() } else { None }
    }

    /// Whether the MSP accepts the identity (spec/03 §8.4). Decided once.
    ///
    /// # Errors
    ///
    /// The rule that refuses it.
    pub fn validate(&self) -> Result<(), &ValidationError> {
        match &self.validity {
            Ok(()) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Checks that the identity signed the message. Does not ask whether the identity is valid.
    ///
    /// Bytes after an ECDSA signature, and inside its SEQUENCE after s, are ignored as Fabric ignores them
    /// (spec/03 §7): what a Go peer accepts and forwards must not be refused here. A signature is no identifier.
    ///
    /// # Errors
    ///
    /// If the signature is malformed, has a high S, or is not by this identity over this message.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
        self.certificate.key.verify(self.family, message, signature)
    }

    /// The identity as a Fabric peer would send it.
    pub fn serialize(&self) -> Bytes {
        serialize(&self.msp_id, &self.certificate)
    }

    pub(crate) fn is_same_signer(&self, other: &Self) -> bool {
        self.msp_id == other.msp_id && self.certificate.der() == other.certificate.der()
    }
}
