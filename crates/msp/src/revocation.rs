//! Certificate revocation lists of an MSP (spec/03 §8.6).

use bytes::Bytes;
use x509_parser::extensions::ParsedExtension;
use x509_parser::oid_registry::OID_X509_EXT_AUTHORITY_KEY_IDENTIFIER;
use x509_parser::prelude::FromDer;
use x509_parser::revocation_list::CertificateRevocationList;

use crate::certificate::{Certificate, signature_algorithm};
use crate::crypto::{EcdsaSignature, SignatureAlgorithm};
use crate::der::{Reader, SEQUENCE};
use crate::pem;

/// Why a list cannot be used, or a certificate is revoked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RevocationError {
    /// The list does not parse.
    #[error("the revocation list is malformed")]
    Malformed,
    /// The list does not name its authority: it makes every identity of the MSP invalid.
    #[error("a revocation list of the MSP has no authority key identifier")]
    NoAuthorityKeyIdentifier,
    /// The issuer has no identifier that could be compared with those of the lists.
    #[error("the issuer has no subject key identifier")]
    NoSubjectKeyIdentifier,
    /// The certificate is listed.
    #[error("the certificate has been revoked")]
    Revoked,
}

/// One list. Its dates and those of the revocations do not matter.
#[derive(Debug)]
pub(crate) struct RevocationList {
    /// The key identifier of the authority; None if the list has no such extension.
    authority: Option<Vec<u8>>,
    /// The serial numbers, without leading zeros.
    serials: std::collections::HashSet<Vec<u8>>,
    tbs: Bytes,
    algorithm: SignatureAlgorithm,
    signature: Vec<u8>,
}

const PEM_PREFIX: &[u8] = b"-----BEGIN X509 CRL";
const PEM_LABEL: &[u8] = b"X509 CRL";

impl RevocationList {
    /// Reads a list in DER, or in PEM that starts at the first byte.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, RevocationError> {
        let block = bytes.starts_with(PEM_PREFIX).then(|| pem::first_block(bytes)).flatten();
        let der = match block {
            Some(block) if block.label == PEM_LABEL => Bytes::from(block.contents),
            _ => Bytes::copy_from_slice(bytes),
        };
        Self::from_der(&der)
    }

    fn from_der(der: &Bytes) -> Result<Self, RevocationError> {
        let malformed = |_| RevocationError::Malformed;
        let mut outer = Reader::new(der);
        let list = outer.expect(SEQUENCE).map_err(malformed)?;
        outer.finish().map_err(malformed)?;
        let tbs = Reader::new(list.contents).expect(SEQUENCE).map_err(malformed)?;
        let (_, parsed) = CertificateRevocationList::from_der(der).map_err(|_| RevocationError::Malformed)?;
        let algorithm = signature_algorithm(&parsed.signature_algorithm);
        let mut signature = parsed.signature_value.data.to_vec();
        if algorithm.is_ecdsa() {
            let read = EcdsaSignature::read(&signature).map_err(|_| RevocationError::Malformed)?;
            signature = read.canonical().into_owned();
        }
        let authority = parsed
            .extensions()
            .iter()
            .find(|extension| extension.oid == OID_X509_EXT_AUTHORITY_KEY_IDENTIFIER)
            .map(|extension| match extension.parsed_extension() {
                ParsedExtension::AuthorityKeyIdentifier(id) => {
                    Ok(id.key_identifier.as_ref().map(|key| key.0.to_vec()).unwrap_or_default())
                }
                _ => Err(RevocationError::Malformed),
            })
            .transpose()?;
        Ok(Self {
            authority,
            serials: parsed.iter_revoked_certificates().map(|entry| entry.serial().to_bytes_be()).collect(),
            tbs: der.slice_ref(tbs.raw),
            algorithm,
            signature,
        })
    }

    /// Whether the list holds the certificate and is by its issuer. A list with a wrong signature is no list.
    fn revokes(&self, certificate: &Certificate, issuer: &Certificate) -> bool {
        self.serials.contains(&certificate.serial)
            && issuer.key.verify_issued(self.algorithm, &self.tbs, &self.signature, true).is_ok()
    }
}

/// Checks a certificate against all lists of its MSP.
///
/// # Errors
///
/// If it is revoked, or if a list or the issuer does not say which key it belongs to: then nothing can be trusted
/// (spec/03 §12, 13).
pub(crate) fn check(
    lists: &[RevocationList],
    certificate: &Certificate,
    issuer: &Certificate,
) -> Result<(), RevocationError> {
    let issuer_id =
        issuer.extensions.subject_key_identifier.as_ref().ok_or(RevocationError::NoSubjectKeyIdentifier)?;
    for list in lists {
        let authority = list.authority.as_ref().ok_or(RevocationError::NoAuthorityKeyIdentifier)?;
        if authority[..] == issuer_id[..] && list.revokes(certificate, issuer) {
            return Err(RevocationError::Revoked);
        }
    }
    Ok(())
}
