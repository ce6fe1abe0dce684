//! The extensions that decide whether a certificate may be used.

use std::collections::BTreeSet;

use bytes::Bytes;
use x509_parser::extensions::{GeneralName, ParsedExtension, X509Extension};
use x509_parser::oid_registry as oid;

use super::CertificateError;
use super::name_constraints::{AlternativeNames, NameConstraints};

/// What the extensions of a certificate say.
#[derive(Debug, Default)]
pub(crate) struct Extensions {
    pub(crate) basic_constraints: Option<BasicConstraints>,
    /// From the key usage, where there is one with any bit set.
    pub(crate) may_sign_certificates: Option<bool>,
    /// Whether the extended key usage permits server authentication; None without one.
    pub(crate) permits_server_authentication: Option<bool>,
    pub(crate) subject_key_identifier: Option<Bytes>,
    /// The raw value of the subject alternative names, for comparing certificates.
    pub(crate) alternative_names_raw: Option<Bytes>,
    pub(crate) alternative_names: AlternativeNames,
    pub(crate) name_constraints: Option<NameConstraints>,
    /// Whether a policy constraint demands a certificate policy.
    pub(crate) requires_policy: bool,
    /// A critical extension that nobody here understands.
    pub(crate) unknown_critical: Option<String>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct BasicConstraints {
    pub(crate) is_authority: bool,
    pub(crate) path_length_max: Option<u32>,
}

impl Extensions {
    pub(super) fn read(all: &[X509Extension<'_>]) -> Result<Self, CertificateError> {
        let mut extensions = Self::default();
        let mut seen = BTreeSet::new();
        for extension in all {
            let id = extension.oid.to_id_string();
            if seen.contains(&id) {
                return Err(CertificateError::DuplicateExtension(id));
            }
            let known =
                extensions.read_one(extension).map_err(|()| CertificateError::Extension(id.clone()))?;
            if extension.critical && !known {
                extensions.unknown_critical.get_or_insert_with(|| id.clone());
            }
            seen.insert(id);
        }
        Ok(extensions)
    }

    /// Takes over one extension and tells whether all of it is understood.
    fn read_one(&mut self, extension: &X509Extension<'_>) -> Result<bool, ()> {
        match extension.parsed_extension() {
            ParsedExtension::BasicConstraints(value) => {
                self.basic_constraints = Some(BasicConstraints {
                    is_authority: value.ca,
                    path_length_max: value.path_len_constraint,
                });
            }
            ParsedExtension::KeyUsage(value) if value.flags != 0 => {
                self.may_sign_certificates = Some(value.key_cert_sign());
            }
            ParsedExtension::ExtendedKeyUsage(value) => {
                let lists_any = value.any
                    || value.server_auth
                    || value.client_auth
                    || value.code_signing
                    || value.email_protection
                    || value.time_stamping
                    || value.ocsp_signing
                    || !value.other.is_empty();
                self.permits_server_authentication = lists_any.then_some(value.any || value.server_auth);
            }
            ParsedExtension::SubjectKeyIdentifier(value) => {
                if extension.critical {
                    return Err(());
                }
                self.subject_key_identifier = Some(Bytes::copy_from_slice(value.0));
            }
            ParsedExtension::SubjectAlternativeName(value) => {
                self.alternative_names_raw = Some(Bytes::copy_from_slice(extension.value));
                self.alternative_names = AlternativeNames::read(&value.general_names)?;
                let readable = |name: &GeneralName<'_>| {
                    matches!(
                        name,
                        GeneralName::DNSName(_)
                            | GeneralName::RFC822Name(_)
                            | GeneralName::URI(_)
                            | GeneralName::IPAddress(_)
                    )
                };
                return Ok(value.general_names.iter().any(readable));
            }
            ParsedExtension::NameConstraints(value) => {
                let (constraints, known) = NameConstraints::read(value)?;
                self.name_constraints = Some(constraints);
                return Ok(known);
            }
            ParsedExtension::PolicyConstraints(value) => {
                self.requires_policy = value.require_explicit_policy.is_some();
            }
            ParsedExtension::AuthorityKeyIdentifier(_) | ParsedExtension::AuthorityInfoAccess(_) => {
                if extension.critical {
                    return Err(());
                }
            }
            ParsedExtension::KeyUsage(_)
            | ParsedExtension::CertificatePolicies(_)
            | ParsedExtension::PolicyMappings(_)
            | ParsedExtension::CRLDistributionPoints(_)
            | ParsedExtension::InhibitAnyPolicy(_) => {}
            ParsedExtension::ParseError { .. } if decides(&extension.oid) => return Err(()),
            ParsedExtension::ParseError { .. } => return Ok(is_informative(&extension.oid)),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// Whether the extension decides anything: then a malformed one makes the certificate unreadable.
fn decides(id: &oid::Oid<'_>) -> bool {
    [
        oid::OID_X509_EXT_BASIC_CONSTRAINTS,
        oid::OID_X509_EXT_KEY_USAGE,
        oid::OID_X509_EXT_EXTENDED_KEY_USAGE,
        oid::OID_X509_EXT_SUBJECT_KEY_IDENTIFIER,
        oid::OID_X509_EXT_SUBJECT_ALT_NAME,
        oid::OID_X509_EXT_NAME_CONSTRAINTS,
        oid::OID_X509_EXT_POLICY_CONSTRAINTS,
    ]
    .contains(id)
}

/// Whether Fabric knows the extension, but nothing here depends on what it says.
fn is_informative(id: &oid::Oid<'_>) -> bool {
    [
        oid::OID_X509_EXT_AUTHORITY_KEY_IDENTIFIER,
        oid::OID_X509_EXT_CERTIFICATE_POLICIES,
        oid::OID_X509_EXT_POLICY_MAPPINGS,
        oid::OID_X509_EXT_INHIBIT_ANY_POLICY,
        oid::OID_X509_EXT_CRL_DISTRIBUTION_POINTS,
        oid::OID_PKIX_AUTHORITY_INFO_ACCESS,
    ]
    .contains(id)
}
