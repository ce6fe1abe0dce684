//! The node's own organisation and identity.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use selvedge_proto::msp::FabricMspConfig;

use crate::certificate::Certificate;
use crate::crypto::Signer;
use crate::folder::{
    MspFolder, find_private_key, read_msp_folder, read_private_key, read_signing_certificate,
};
use crate::identity::{Identity, IdentityError, pki_id};
use crate::msp::{Msp, MspError, MspVersion};
use crate::node_ou::NodeRole;
use crate::{PkiId, UnixSeconds};

/// The node's MSP with its signing identity. It always has the rules of MSP version 3.0 (spec/03 §6.1).
pub struct LocalMsp {
    msp: Msp,
    own: Arc<Identity>,
    identity: Bytes,
    pki_id: PkiId,
    signer: Signer,
    warnings: Vec<String>,
}

impl fmt::Debug for LocalMsp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalMsp").field("msp", &self.msp).field("own", &self.own).finish_non_exhaustive()
    }
}

impl LocalMsp {
    /// Loads an MSP folder with `signcerts` and `keystore` (spec/03 §9.2).
    ///
    /// # Errors
    ///
    /// If a file is missing or wrong, no private key fits the signing certificate, the certificate has expired at
    /// `now`, or the MSP's own rules refuse it. Errors of files name the file.
    pub fn load(folder: &Path, msp_id: &str, now: UnixSeconds) -> Result<Self, MspError> {
        Self::load_with_keystore(folder, &folder.join("keystore"), msp_id, now)
    }

    /// As [`LocalMsp::load`], with the private key in another folder (`peer.BCCSP.SW.FileKeyStore.KeyStore`).
    ///
    /// # Errors
    ///
    /// As [`LocalMsp::load`].
    pub fn load_with_keystore(
        folder: &Path,
        keystore: &Path,
        msp_id: &str,
        now: UnixSeconds,
    ) -> Result<Self, MspError> {
        let MspFolder { config, warnings } = read_msp_folder(folder, msp_id)?;
        let certificate = read_signing_certificate(folder)?;
        let mut local = Self::new(&config, &certificate, now, |own| {
            find_private_key(keystore, &own.certificate.key, own.family)
        })?;
        local.warnings = warnings;
        Ok(local)
    }

    /// Makes a local MSP of a configuration in memory. Its `signing_identity` holds the certificate as `public_signer`
    /// and the unencrypted private key as `private_signer.key_material`, both in PEM.
    ///
    /// # Errors
    ///
    /// As [`LocalMsp::load`].
    pub fn from_config(config: &FabricMspConfig, now: UnixSeconds) -> Result<Self, MspError> {
        let signing = config.signing_identity.as_ref().ok_or(MspError::NoSigningIdentity)?;
        let key = signing.private_signer.as_ref().ok_or(MspError::NoSigningIdentity)?;
        Self::new(config, &signing.public_signer, now, |own| {
            read_private_key(&key.key_material, &own.certificate.key, own.family)
                .ok_or_else(|| MspError::NoPrivateKey("the signing identity".to_owned()))
        })
    }

    fn new(
        config: &FabricMspConfig,
        certificate: &[u8],
        now: UnixSeconds,
        key: impl FnOnce(&Identity) -> Result<Signer, MspError>,
    ) -> Result<Self, MspError> {
        if config.name.is_empty() {
            return Err(MspError::NoName);
        }
        let msp = Msp::from_config(config, MspVersion::V3_0)?;
        let certificate = Certificate::from_pem(certificate).map_err(IdentityError::from);
        let own = certificate.and_then(|certificate| msp.identity_of(certificate));
        let own = own.map_err(MspError::SigningIdentity)?;
        let signer = key(&own)?;
        if own.expires_at() <= now {
            return Err(MspError::Expired(now - own.expires_at()));
        }
        own.validity.clone().map_err(|error| MspError::SigningIdentity(error.into()))?;
        let identity = own.serialize();
        let pki_id = pki_id(&identity).map_err(MspError::SigningIdentity)?;
        Ok(Self { msp, own: Arc::new(own), identity, pki_id, signer, warnings: Vec::new() })
    }

    /// The node's serialized identity, with the certificate in its sanitised form, as other peers know it.
    pub fn identity(&self) -> &Bytes {
        &self.identity
    }

    /// The node's PKI-ID.
    pub fn pki_id(&self) -> PkiId {
        self.pki_id
    }

    /// The identifier of the node's MSP.
    pub fn msp_id(&self) -> &str {
        self.msp.msp_id()
    }

    /// Signs as the node.
    pub fn signer(&self) -> &Signer {
        &self.signer
    }

    /// The beginning of the own certificate's validity.
    pub fn not_before(&self) -> UnixSeconds {
        self.own.not_before()
    }

    /// The end of the own certificate's validity.
    pub fn expires_at(&self) -> UnixSeconds {
        self.own.expires_at()
    }

    /// The node's role, where its MSP tells roles apart. Fabric does not require `Peer`, but everybody else may.
    pub fn role(&self) -> Option<NodeRole> {
        self.own.role()
    }

    /// The rules of the node's organisation.
    pub fn msp(&self) -> &Msp {
        &self.msp
    }

    /// Files of the MSP folder that were skipped.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}
