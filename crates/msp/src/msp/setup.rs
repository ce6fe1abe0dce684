//! Setting up an MSP, check by check, in Fabric's order (spec/03 §9.3).

use std::sync::Arc;

use bytes::Bytes;
use selvedge_proto::msp::{FabricMspConfig, FabricNodeOUs, FabricOuIdentifier};

use super::{CACHED_BYTES_MAX, CACHED_COUNT_MAX, Msp, MspError, MspVersion, Sanitized, sanitize};
use crate::cache::Cache;
use crate::certificate::{Certificate, CertificateError};
use crate::chain::{Authorities, ChainError};
use crate::crypto::{HashFamily, IdentifierHash, PublicKey};
use crate::identity::{Identity, IdentityError, ValidationError};
use crate::node_ou::{NodeRole, OuRole, UnitRules};
use crate::pem;
use crate::revocation::{self, RevocationList};

pub(super) fn set_up(config: &FabricMspConfig, version: MspVersion) -> Result<Msp, MspError> {
    let crypto = config.crypto_config.clone().unwrap_or_default();
    let identifier_hash = IdentifierHash::from_name(&crypto.identity_identifier_hash_function)
        .ok_or(MspError::IdentifierHash(crypto.identity_identifier_hash_function))?;
    let mut msp = Msp {
        id: Arc::from(config.name.as_str()),
        version,
        authorities: load_authorities(config)?,
        inner_authorities: Vec::new(),
        revocation_lists: Vec::new(),
        admins: Vec::new(),
        units: UnitRules::default(),
        family: HashFamily::from_name(&crypto.signature_hash_family),
        identifier_hash,
        tls_roots: Vec::new(),
        cache: Cache::new(CACHED_COUNT_MAX, CACHED_BYTES_MAX),
    };
    let early_admins = if version < MspVersion::V1_4_3 { Some(admins(&msp, config)?) } else { None };
    msp.revocation_lists = revocation_lists(config)?;
    check_authorities(&msp)?;
    msp.inner_authorities = inner_authorities(&msp)?;
    msp.tls_roots = tls_roots(&msp, config)?;
    msp.units.listed = listed_units(&msp, config)?;
    if version >= MspVersion::V1_1 {
        set_node_ous(&mut msp, config.fabric_node_ous.as_ref())?;
    }
    let admins = match early_admins {
        Some(admins) => admins,
        None => admins(&msp, config)?,
    };
    if version >= MspVersion::V1_4_3 && admins.is_empty() && !(msp.units.enabled && msp.units.admin.is_some())
    {
        return Err(MspError::NoAdmin);
    }
    check_admins(&msp, config)?;
    msp.admins = admins;
    Ok(msp)
}

fn from_pem(text: &[u8], which: impl Fn() -> String) -> Result<Certificate, MspError> {
    let certificate =
        Certificate::from_pem(text).map_err(|error| MspError::Certificate { which: which(), error })?;
    match &certificate.key {
        PublicKey::Unsupported(kind) => Err(MspError::Certificate {
            which: which(),
            error: CertificateError::KeyUnsupported(kind.clone()),
        }),
        _ => Ok(certificate),
    }
}

fn from_identity_error(error: IdentityError, which: String) -> MspError {
    match error {
        IdentityError::Chain(error) => MspError::Chain { which, error },
        IdentityError::Certificate(error) | IdentityError::NotWellFormed(error) => {
            MspError::Certificate { which, error }
        }
        // sanitising has no other errors
        _ => MspError::Undecodable,
    }
}

/// Loads and sanitises root and intermediate certificates: first all as they are, since sanitising needs the chains.
fn load_authorities(config: &FabricMspConfig) -> Result<Authorities, MspError> {
    if config.root_certs.is_empty() {
        return Err(MspError::NoRoots);
    }
    let load = |texts: &[Bytes], kind: &str| -> Result<Vec<Arc<Certificate>>, MspError> {
        let load = |(index, text): (usize, &Bytes)| from_pem(text, || format!("{kind} certificate {index}"));
        texts.iter().enumerate().map(|entry| load(entry).map(Arc::new)).collect()
    };
    let roots = load(&config.root_certs, "root")?;
    let intermediates = load(&config.intermediate_certs, "intermediate")?;
    let raw = Authorities::new(roots, intermediates);
    let sanitized = |texts: &[Bytes], kind: &str| -> Result<Vec<Arc<Certificate>>, MspError> {
        let one = |(index, text): (usize, &Bytes)| {
            let which = || format!("{kind} certificate {index}");
            sanitized(from_pem(text, which)?, &raw).map_err(|error| from_identity_error(error, which()))
        };
        texts.iter().enumerate().map(|entry| one(entry).map(Arc::new)).collect()
    };
    Ok(Authorities::new(
        sanitized(&config.root_certs, "root")?,
        sanitized(&config.intermediate_certs, "intermediate")?,
    ))
}

fn sanitized(certificate: Certificate, authorities: &Authorities) -> Result<Certificate, IdentityError> {
    if !certificate.is_ecdsa_signed() {
        return Ok(certificate);
    }
    match sanitize(certificate, authorities)? {
        Sanitized::Root(certificate) | Sanitized::Issued(certificate, _) => Ok(certificate),
    }
}

fn revocation_lists(config: &FabricMspConfig) -> Result<Vec<RevocationList>, MspError> {
    let read = |(index, list): (usize, &Bytes)| {
        RevocationList::read(list)
            .map_err(|error| MspError::Revocation { which: format!("revocation list {index}"), error })
    };
    config.revocation_list.iter().enumerate().map(read).collect()
}

/// Checks that a certificate is a usable authority of the pool, and not revoked.
fn check_authority(
    certificate: &Certificate,
    pool: &Authorities,
    lists: &[RevocationList],
    which: &dyn Fn() -> String,
) -> Result<(), MspError> {
    if !certificate.is_authority() {
        return Err(MspError::NotAnAuthority(which()));
    }
    if certificate.extensions.subject_key_identifier.is_none() {
        return Err(MspError::NoSubjectKeyIdentifier(which()));
    }
    let chain = pool.unique_chain(certificate).map_err(|error| MspError::Chain { which: which(), error })?;
    match chain.first() {
        // a root has no issuer who could revoke it
        None => Ok(()),
        Some(issuer) => revocation::check(lists, certificate, issuer)
            .map_err(|error| MspError::Revocation { which: which(), error }),
    }
}

fn check_authorities(msp: &Msp) -> Result<(), MspError> {
    let Authorities { roots, intermediates } = &msp.authorities;
    for (kind, certificates) in [("root", roots), ("intermediate", intermediates)] {
        for (index, certificate) in certificates.iter().enumerate() {
            let which = || format!("{kind} certificate {index}");
            check_authority(certificate, &msp.authorities, &msp.revocation_lists, &which)?;
        }
    }
    Ok(())
}

/// Every authority that stands above a configured intermediate one.
fn inner_authorities(msp: &Msp) -> Result<Vec<Bytes>, MspError> {
    let mut inner = Vec::new();
    for (index, certificate) in msp.authorities.intermediates.iter().enumerate() {
        let chain = msp.authorities.unique_chain(certificate);
        let chain = chain
            .map_err(|error| MspError::Chain { which: format!("intermediate certificate {index}"), error })?;
        inner.extend(chain.iter().map(|authority| authority.der().clone()));
    }
    Ok(inner)
}

/// Checks the TLS authorities, and collects every certificate in their files.
fn tls_roots(msp: &Msp, config: &FabricMspConfig) -> Result<Vec<Bytes>, MspError> {
    let load = |texts: &[Bytes], kind: &str| -> Result<Vec<Arc<Certificate>>, MspError> {
        let load = |(index, text): (usize, &Bytes)| {
            Certificate::from_pem(text).map_err(|error| MspError::Certificate {
                which: format!("TLS {kind} certificate {index}"),
                error,
            })
        };
        texts.iter().enumerate().map(|entry| load(entry).map(Arc::new)).collect()
    };
    let roots = load(&config.tls_root_certs, "root")?;
    let intermediates = load(&config.tls_intermediate_certs, "intermediate")?;
    let pool = Authorities::new(roots.clone(), intermediates.clone());
    for (kind, certificates) in [("root", roots), ("intermediate", intermediates)] {
        for (index, certificate) in certificates.iter().enumerate() {
            let which = || format!("TLS {kind} certificate {index}");
            check_authority(certificate, &pool, &msp.revocation_lists, &which)?;
        }
    }
    let texts = config.tls_root_certs.iter().chain(&config.tls_intermediate_certs);
    let blocks = texts.flat_map(|text| pem::all_blocks(text));
    let mut all: Vec<Bytes> = Vec::new();
    for block in blocks.filter(|block| block.label == b"CERTIFICATE" && !block.has_headers) {
        let der = Bytes::from(block.contents);
        if !all.contains(&der) {
            all.push(der);
        }
    }
    Ok(all)
}

/// The certifiers identifier of an authority that a unit is bound to.
fn binding(msp: &Msp, certificate: &[u8], unit: &str) -> Result<Vec<u8>, MspError> {
    let which = || format!("the certificate of unit {unit:?}");
    let certificate = sanitized(from_pem(certificate, which)?, &msp.authorities)
        .map_err(|error| from_identity_error(error, which()))?;
    let find =
        |pool: &[Arc<Certificate>]| pool.iter().find(|other| other.der() == certificate.der()).cloned();
    if let Some(root) = find(&msp.authorities.roots) {
        return Ok(msp.certifiers_identifier(&[root]));
    }
    let unbound = || MspError::Binding(format!("unit {unit:?}"));
    let intermediate = find(&msp.authorities.intermediates).ok_or_else(unbound)?;
    if msp.inner_authorities.contains(intermediate.der()) {
        return Err(unbound());
    }
    let chain = msp.authorities.unique_chain(&intermediate);
    let above = chain.map_err(|error| MspError::Chain { which: which(), error })?;
    if above.is_empty() {
        return Err(MspError::Chain { which: which(), error: ChainError::IsRoot });
    }
    let whole: Vec<_> = std::iter::once(intermediate).chain(above).collect();
    Ok(msp.certifiers_identifier(&whole))
}

fn listed_units(msp: &Msp, config: &FabricMspConfig) -> Result<Vec<(String, Vec<u8>)>, MspError> {
    let units = config.organizational_unit_identifiers.iter();
    units
        .map(|FabricOuIdentifier { certificate, organizational_unit_identifier: unit }| {
            Ok((unit.clone(), binding(msp, certificate, unit)?))
        })
        .collect()
}

fn set_node_ous(msp: &mut Msp, config: Option<&FabricNodeOUs>) -> Result<(), MspError> {
    let Some(config) = config else { return Ok(()) };
    let role = |identifier: &Option<FabricOuIdentifier>| -> Result<Option<OuRole>, MspError> {
        let Some(identifier) = identifier else { return Ok(None) };
        let unit = identifier.organizational_unit_identifier.clone();
        let certifiers = match &identifier.certificate[..] {
            [] => None,
            certificate => Some(binding(msp, certificate, &unit)?),
        };
        Ok(Some(OuRole { unit, certifiers }))
    };
    let (client, peer) = (&config.client_ou_identifier, &config.peer_ou_identifier);
    let mut units = UnitRules { enabled: config.enable, ..UnitRules::default() };
    if msp.version < MspVersion::V1_4_3 {
        for (name, identifier) in [("client", client), ("peer", peer)] {
            if identifier.as_ref().is_none_or(|unit| unit.organizational_unit_identifier.is_empty()) {
                return Err(MspError::NodeOus(name));
            }
        }
        units.client = role(client)?;
        units.peer = role(peer)?;
    } else {
        units.client = role(client)?;
        units.peer = role(peer)?;
        units.admin = role(&config.admin_ou_identifier)?;
        units.orderer = role(&config.orderer_ou_identifier)?;
        units.enabled &= NodeRole::ALL.into_iter().any(|role| units.role(role).is_some());
    }
    units.listed = std::mem::take(&mut msp.units.listed);
    msp.units = units;
    Ok(())
}

fn admin(msp: &Msp, index: usize, text: &[u8]) -> Result<Identity, MspError> {
    let which = || format!("administrator {index}");
    msp.identity_of(from_pem(text, which)?).map_err(|error| from_identity_error(error, which()))
}

fn admins(msp: &Msp, config: &FabricMspConfig) -> Result<Vec<Bytes>, MspError> {
    let admins = config.admins.iter().enumerate();
    admins.map(|(index, text)| Ok(admin(msp, index, text)?.certificate_der().clone())).collect()
}

/// Checks that administrators are members: with roles, by their role, otherwise by being valid.
fn check_admins(msp: &Msp, config: &FabricMspConfig) -> Result<(), MspError> {
    for (index, text) in config.admins.iter().enumerate() {
        let admin = admin(msp, index, text)?;
        let verdict = if !msp.has_node_ous() {
            admin.validity
        } else if msp.version >= MspVersion::V1_4_3 {
            // from here on a revoked administrator does not make the MSP unusable
            let is_admin = admin.roles.has(NodeRole::Client) || admin.roles.has(NodeRole::Admin);
            if is_admin { Ok(()) } else { Err(admin.validity.err().unwrap_or(ValidationError::NoRole)) }
        } else {
            let is_client = admin.roles.has(NodeRole::Client);
            admin.validity.and(if is_client { Ok(()) } else { Err(ValidationError::NoRole) })
        };
        verdict.map_err(|error| MspError::Admin { index, error })?;
    }
    Ok(())
}
