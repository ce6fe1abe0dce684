//! Certificate authorities made for a test.

use std::time::Duration;

use bytes::Bytes;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CustomExtension, DistinguishedName,
    DnType, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SerialNumber,
    SignatureAlgorithm, date_time_ymd,
};
use selvedge_proto::msp::{FabricMspConfig, KeyInfo, SigningIdentityInfo};

/// A certificate with its key and what it was made of, which may issue others.
pub(crate) struct Certified {
    pub(crate) params: CertificateParams,
    pub(crate) key: KeyPair,
    pub(crate) pem: String,
}

pub(crate) fn params(name: &str, units: &[&str]) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.not_before = date_time_ymd(2026, 1, 1);
    params.not_after = date_time_ymd(2036, 1, 1);
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    for (index, unit) in units.iter().enumerate() {
        // a name holds each type once; the second unit goes under another spelling of the type
        let kind =
            if index == 0 { DnType::OrganizationalUnitName } else { DnType::CustomDnType(vec![2, 5, 4, 11]) };
        params.distinguished_name.push(kind, *unit);
    }
    params
}

pub(crate) fn authority_params(name: &str) -> CertificateParams {
    let mut params = params(name, &[]);
    params.not_before = date_time_ymd(2025, 1, 1);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn key() -> KeyPair {
    KeyPair::generate().unwrap()
}

impl Certified {
    pub(crate) fn root(name: &str) -> Self {
        Self::self_signed(authority_params(name), key())
    }

    pub(crate) fn root_with(name: &str, algorithm: &'static SignatureAlgorithm) -> Self {
        Self::self_signed(authority_params(name), KeyPair::generate_for(algorithm).unwrap())
    }

    pub(crate) fn self_signed(params: CertificateParams, key: KeyPair) -> Self {
        let pem = params.self_signed(&key).unwrap().pem();
        Self { params, key, pem }
    }

    pub(crate) fn issue(&self, params: CertificateParams) -> Self {
        self.issue_for(params, key())
    }

    pub(crate) fn issue_for(&self, params: CertificateParams, key: KeyPair) -> Self {
        let issuer = Issuer::from_params(&self.params, &self.key);
        let pem = params.signed_by(&key, &issuer).unwrap().pem();
        Self { params, key, pem }
    }

    pub(crate) fn intermediate(&self, name: &str) -> Self {
        self.issue(authority_params(name))
    }

    /// A member with these organisational units.
    pub(crate) fn member(&self, units: &[&str]) -> Self {
        self.issue(params("member", units))
    }

    pub(crate) fn member_with(&self, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = params("member", &["peer"]);
        change(&mut params);
        self.issue(params)
    }

    pub(crate) fn bytes(&self) -> Bytes {
        Bytes::from(self.pem.clone())
    }

    pub(crate) fn serialized(&self, msp_id: &str) -> Vec<u8> {
        super::serialized(msp_id, self.pem.as_bytes())
    }

    /// A revocation list with these serial numbers, long out of date.
    pub(crate) fn revocation_list(&self, serials: &[u64]) -> CertificateRevocationListParams {
        let revoked = |serial: &u64| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: date_time_ymd(2099, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        CertificateRevocationListParams {
            this_update: date_time_ymd(2000, 1, 1),
            next_update: date_time_ymd(2000, 2, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::PreSpecified(self.params.key_identifier(&self.key)),
        }
    }

    pub(crate) fn revoke(&self, serials: &[u64]) -> Bytes {
        self.sign_list(&self.revocation_list(serials))
    }

    pub(crate) fn sign_list(&self, list: &CertificateRevocationListParams) -> Bytes {
        let issuer = Issuer::from_params(&self.params, &self.key);
        Bytes::copy_from_slice(list.signed_by(&issuer).unwrap().der())
    }
}

/// An extension that nobody knows.
pub(crate) fn unknown_extension(is_critical: bool) -> CustomExtension {
    let mut extension = CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![5, 0]);
    extension.set_criticality(is_critical);
    extension
}

/// An MSP with roles, from authorities.
pub(crate) fn organization(roots: &[&Certified], intermediates: &[&Certified]) -> FabricMspConfig {
    FabricMspConfig {
        root_certs: roots.iter().map(|root| root.bytes()).collect(),
        intermediate_certs: intermediates.iter().map(|authority| authority.bytes()).collect(),
        ..super::organization("Org", &[])
    }
}

/// Makes a member the one who signs for the MSP.
pub(crate) fn signing(mut config: FabricMspConfig, member: &Certified) -> FabricMspConfig {
    let key_material = Bytes::from(member.key.serialize_pem());
    config.signing_identity = Some(SigningIdentityInfo {
        public_signer: member.bytes(),
        private_signer: Some(KeyInfo { key_identifier: String::new(), key_material }),
    });
    config
}

pub(crate) const DAY: Duration = Duration::from_secs(86_400);
