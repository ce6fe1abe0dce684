//! MSP folders on disk (spec/03 §9.2): the only part of the crate that reads files.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use selvedge_proto::msp::{FabricCryptoConfig, FabricMspConfig, FabricNodeOUs, FabricOuIdentifier};
use serde::Deserialize;

use crate::crypto::{HashFamily, PublicKey, Signer};
use crate::msp::MspError;
use crate::pem;

/// What an MSP folder holds, without its signing identity.
#[derive(Clone, Debug)]
pub struct MspFolder {
    /// The configuration as it would stand in a channel.
    pub config: FabricMspConfig,
    /// Files that were skipped, one sentence each.
    pub warnings: Vec<String>,
}

/// Reads an MSP folder: `cacerts`, `intermediatecerts`, `admincerts`, `tlscacerts`, `tlsintermediatecerts`, `crls` and
/// `config.yaml`. Files that are not PEM are skipped with a warning, sub-folders silently, as Fabric does.
///
/// Unlike Fabric, a missing or unreadable authority file of a role in `config.yaml` is an error: to drop the binding
/// silently would let any authority of the MSP issue that role (spec/03 §12, 17).
///
/// # Errors
///
/// If the folder has no certificate authority, or a file cannot be read. The error names the file.
pub fn read_msp_folder(folder: &Path, msp_id: &str) -> Result<MspFolder, MspError> {
    let mut reader = Reader { folder, warnings: Vec::new() };
    let root_certs = reader.required("cacerts", "certificate authority")?;
    let tls_root_certs = reader.optional("tlscacerts")?;
    let tls_intermediate_certs =
        if tls_root_certs.is_empty() { Vec::new() } else { reader.optional("tlsintermediatecerts")? };
    let (organizational_unit_identifiers, fabric_node_ous) = reader.units()?;
    let config = FabricMspConfig {
        name: msp_id.to_owned(),
        root_certs,
        intermediate_certs: reader.optional("intermediatecerts")?,
        admins: reader.optional("admincerts")?,
        revocation_list: reader.optional("crls")?,
        signing_identity: None,
        organizational_unit_identifiers,
        crypto_config: Some(FabricCryptoConfig {
            signature_hash_family: "SHA2".to_owned(),
            identity_identifier_hash_function: "SHA256".to_owned(),
        }),
        tls_root_certs,
        tls_intermediate_certs,
        fabric_node_ous,
    };
    Ok(MspFolder { config, warnings: reader.warnings })
}

/// The first certificate file of `signcerts`, in the order of names.
pub(crate) fn read_signing_certificate(folder: &Path) -> Result<Bytes, MspError> {
    let mut reader = Reader { folder, warnings: Vec::new() };
    let mut certificates = reader.required("signcerts", "signing certificate")?;
    Ok(certificates.swap_remove(0))
}

/// Searches a key store for the private key that belongs to a public key, whatever the files are called.
pub(crate) fn find_private_key(
    keystore: &Path,
    public: &PublicKey,
    family: HashFamily,
) -> Result<Signer, MspError> {
    for path in files(keystore)?.ok_or_else(|| missing(keystore))? {
        // as in Fabric; a key has some hundred bytes
        const KEY_FILE_BYTES_MAX: u64 = 64 * 1024;
        let is_small = fs::metadata(&path).is_ok_and(|metadata| metadata.len() <= KEY_FILE_BYTES_MAX);
        let text = if is_small { fs::read(&path).unwrap_or_default() } else { Vec::new() };
        if let Some(signer) = read_private_key(&text, public, family) {
            return Ok(signer);
        }
    }
    Err(MspError::NoPrivateKey(keystore.display().to_string()))
}

/// The private key in the first PEM block, if it belongs to the public key.
pub(crate) fn read_private_key(text: &[u8], public: &PublicKey, family: HashFamily) -> Option<Signer> {
    let block = pem::first_block(text)?;
    Signer::from_der(&block.contents, public, family)
}

struct Reader<'a> {
    folder: &'a Path,
    warnings: Vec<String>,
}

impl Reader<'_> {
    fn required(&mut self, name: &str, what: &str) -> Result<Vec<Bytes>, MspError> {
        let path = self.folder.join(name);
        let texts = self.pem_files(&path)?.ok_or_else(|| missing(&path))?;
        if texts.is_empty() {
            return Err(file_error(&path, format!("holds no {what} in PEM")));
        }
        Ok(texts)
    }

    fn optional(&mut self, name: &str) -> Result<Vec<Bytes>, MspError> {
        let path = self.folder.join(name);
        Ok(self.pem_files(&path)?.unwrap_or_default())
    }

    /// The PEM files of a folder in the order of their names; None if there is no such folder.
    fn pem_files(&mut self, path: &Path) -> Result<Option<Vec<Bytes>>, MspError> {
        let Some(files) = files(path)? else { return Ok(None) };
        let mut texts = Vec::with_capacity(files.len());
        for file in files {
            match fs::read(&file) {
                Ok(text) if pem::first_block(&text).is_some() => texts.push(Bytes::from(text)),
                Ok(_) => self.warnings.push(format!("{}: skipped, not PEM", file.display())),
                Err(error) => self.warnings.push(format!("{}: skipped, {error}", file.display())),
            }
        }
        Ok(Some(texts))
    }

    fn units(&self) -> Result<(Vec<FabricOuIdentifier>, Option<FabricNodeOUs>), MspError> {
        let path = self.folder.join("config.yaml");
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok((Vec::new(), None)),
            Err(error) => return Err(file_error(&path, error.to_string())),
        };
        let file: ConfigFile = if text.trim().is_empty() {
            ConfigFile::default()
        } else {
            serde_saphyr::from_str(&text).map_err(|error| file_error(&path, error.to_string()))?
        };
        let listed = file.organizational_unit_identifiers.unwrap_or_default();
        let listed: Result<Vec<_>, _> = listed.iter().map(|unit| self.unit(unit)).collect();
        let node_ous = match file.node_ous {
            Some(node_ous) if node_ous.enable => Some(FabricNodeOUs {
                enable: true,
                client_ou_identifier: self.role(node_ous.client.as_ref())?,
                peer_ou_identifier: self.role(node_ous.peer.as_ref())?,
                admin_ou_identifier: self.role(node_ous.admin.as_ref())?,
                orderer_ou_identifier: self.role(node_ous.orderer.as_ref())?,
            }),
            _ => None,
        };
        Ok((listed?, node_ous))
    }

    fn unit(&self, unit: &UnitEntry) -> Result<FabricOuIdentifier, MspError> {
        let path = self.folder.join(unit.certificate.as_deref().unwrap_or_default());
        let certificate = fs::read(&path).map_err(|error| {
            file_error(
                &path,
                format!("{error}; config.yaml binds an organizational unit to this certificate"),
            )
        })?;
        Ok(FabricOuIdentifier {
            certificate: Bytes::from(certificate),
            organizational_unit_identifier: unit.identifier.clone().unwrap_or_default(),
        })
    }

    fn role(&self, unit: Option<&UnitEntry>) -> Result<Option<FabricOuIdentifier>, MspError> {
        let Some(identifier) = unit.and_then(|unit| unit.identifier.clone()).filter(|name| !name.is_empty())
        else {
            return Ok(None);
        };
        match unit {
            Some(unit) if unit.certificate.as_deref().is_some_and(|path| !path.is_empty()) => {
                self.unit(unit).map(Some)
            }
            _ => Ok(Some(FabricOuIdentifier {
                certificate: Bytes::new(),
                organizational_unit_identifier: identifier,
            })),
        }
    }
}

/// The plain files of a folder, ordered by name; None if there is no such folder.
fn files(folder: &Path) -> Result<Option<Vec<PathBuf>>, MspError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(file_error(folder, error.to_string())),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| file_error(folder, error.to_string()))?.path();
        // follows links, as key stores of Kubernetes secrets need
        if path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(Some(files))
}

fn missing(path: &Path) -> MspError {
    file_error(path, "no such folder; is this the folder of an MSP?".to_owned())
}

fn file_error(path: &Path, problem: String) -> MspError {
    MspError::File { path: path.display().to_string(), problem }
}

/// `config.yaml`.
#[derive(Debug, Default, Deserialize)]
struct ConfigFile {
    #[serde(rename = "OrganizationalUnitIdentifiers")]
    organizational_unit_identifiers: Option<Vec<UnitEntry>>,
    #[serde(rename = "NodeOUs")]
    node_ous: Option<NodeOusEntry>,
}

#[derive(Debug, Deserialize)]
struct NodeOusEntry {
    #[serde(rename = "Enable", default)]
    enable: bool,
    #[serde(rename = "ClientOUIdentifier")]
    client: Option<UnitEntry>,
    #[serde(rename = "PeerOUIdentifier")]
    peer: Option<UnitEntry>,
    #[serde(rename = "AdminOUIdentifier")]
    admin: Option<UnitEntry>,
    #[serde(rename = "OrdererOUIdentifier")]
    orderer: Option<UnitEntry>,
}

#[derive(Debug, Deserialize)]
struct UnitEntry {
    #[serde(rename = "Certificate")]
    certificate: Option<String>,
    #[serde(rename = "OrganizationalUnitIdentifier")]
    identifier: Option<String>,
}
