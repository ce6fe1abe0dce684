//! TLS of the operations server: PEM files into configurations of rustls.

use crate::config::OperationsTlsSettings;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig, crypto::CryptoProvider};
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file of TLS that cannot be used, and why. Never tells what a key file holds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {reason}", file.display())]
pub struct TlsFileError {
    /// The file.
    pub file: PathBuf,
    /// What is wrong with it.
    pub reason: String,
}

fn refuse(file: &Path, reason: impl Display) -> TlsFileError {
    TlsFileError { file: file.to_path_buf(), reason: reason.to_string() }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// The server's side: its certificate, and clients' certificates as the settings want them.
pub(super) fn server_config(settings: &OperationsTlsSettings) -> Result<ServerConfig, TlsFileError> {
    let (Some(cert_file), Some(key_file)) = (&settings.cert_file, &settings.key_file) else {
        return Err(refuse(Path::new("operations.tls"), "cert.file and key.file are needed"));
    };
    let builder = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| refuse(cert_file, error))?;
    let builder = if settings.client_root_ca_files.is_empty() {
        // there is nothing to verify a client's certificate with; the configuration refuses to demand one
        // then
        builder.with_no_client_auth()
    } else {
        let roots = Arc::new(roots(&settings.client_root_ca_files)?);
        let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider());
        let verifier =
            if settings.client_auth_required { verifier } else { verifier.allow_unauthenticated() };
        let first = settings.client_root_ca_files.first().map_or_else(|| Path::new(""), PathBuf::as_path);
        builder.with_client_cert_verifier(verifier.build().map_err(|error| refuse(first, error))?)
    };
    let (chain, key) = (certificates(cert_file)?, private_key(key_file)?);
    let mut config = builder.with_single_cert(chain, key).map_err(|error| refuse(cert_file, error))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// A client's side: CAs to trust, and its own certificate where it has one.
pub(super) fn client_config(
    root_ca_files: &[PathBuf],
    pair: Option<(&Path, &Path)>,
) -> Result<ClientConfig, TlsFileError> {
    let named = root_ca_files.first().map_or_else(|| Path::new("the CA file"), PathBuf::as_path);
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| refuse(named, error))?
        .with_root_certificates(roots(root_ca_files)?);
    match pair {
        None => Ok(builder.with_no_client_auth()),
        Some((cert_file, key_file)) => builder
            .with_client_auth_cert(certificates(cert_file)?, private_key(key_file)?)
            .map_err(|error| refuse(cert_file, error)),
    }
}

fn roots(files: &[PathBuf]) -> Result<RootCertStore, TlsFileError> {
    let mut roots = RootCertStore::empty();
    for file in files {
        for certificate in certificates(file)? {
            roots.add(certificate).map_err(|error| refuse(file, error))?;
        }
    }
    Ok(roots)
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsFileError> {
    let found = CertificateDer::pem_file_iter(file).map_err(|error| refuse(file, error))?;
    let found: Vec<_> = found.collect::<Result<_, _>>().map_err(|error| refuse(file, error))?;
    if found.is_empty() { Err(refuse(file, "holds no certificate in PEM form")) } else { Ok(found) }
}

fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, TlsFileError> {
    let key = PrivateKeyDer::from_pem_file(file).map_err(|error| refuse(file, error))?;
    // tried here, since later only the certificate's file could be blamed
    match rustls::crypto::aws_lc_rs::sign::any_supported_type(&key) {
        Ok(_) => Ok(key),
        Err(_) => Err(refuse(file, "holds no private key of a kind that TLS can use")),
    }
}
