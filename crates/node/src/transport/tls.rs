//! Own certificates and trust, behind a handle that follows the channel configurations (spec/02 §2.3).

use super::certificate::certificate_hash;
use super::verify::{RecordingVerifier, client_verifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::NoServerSessionStorage;
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, Error, RootCertStore, ServerConfig};
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use tokio_rustls::rustls;

const ALPN: &[u8] = b"h2";

/// What TLS is made of. All certificates and keys are DER.
#[derive(Debug)]
pub struct TlsMaterial {
    /// The server's certificate (`peer.tls.cert.file`), leaf first.
    pub server_chain: Vec<CertificateDer<'static>>,
    /// The server's key (`peer.tls.key.file`).
    pub server_key: PrivateKeyDer<'static>,
    /// The client's certificate, leaf first, and key (`peer.tls.clientCert.file`, `clientKey.file`); the server's if `None`.
    pub client: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
    /// Trusted in both directions whatever the channels say (`peer.tls.rootcert.file`).
    pub roots: Vec<CertificateDer<'static>>,
    /// Also trusted as issuers of clients (`peer.tls.clientRootCAs.files`).
    pub client_roots: Vec<CertificateDer<'static>>,
    /// Whether clients must present a certificate that the pool vouches for (`peer.tls.clientAuthRequired`).
    pub client_auth_required: bool,
}

/// What is wrong with [`TlsMaterial`] or a PEM file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// A key is of no kind that is supported, or damaged.
    #[error("the {whose} key cannot be used: {reason}")]
    Key {
        /// `server` or `client`.
        whose: &'static str,
        /// The TLS library's words.
        reason: String,
    },
    /// A certificate and its key do not belong together.
    #[error("the {whose} key does not belong to the {whose} certificate")]
    KeyMismatch {
        /// `server` or `client`.
        whose: &'static str,
    },
    /// A chain is empty.
    #[error("there is no {whose} certificate")]
    NoCertificate {
        /// `server` or `client`.
        whose: &'static str,
    },
    /// A PEM text cannot be read.
    #[error("not readable as PEM: {0}")]
    Pem(String),
    /// The TLS library refuses the settings as a whole.
    #[error("TLS cannot be set up: {0}")]
    Setup(String),
}

/// A root certificate that cannot be a trust anchor; the others are in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedRoot {
    /// Its place in the list that was given.
    pub index: usize,
    /// The TLS library's words.
    pub reason: String,
}

/// All certificates of a PEM text, in their order; other sections are passed over.
pub fn certificates_from_pem(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| TlsError::Pem(error.to_string()))
}

/// The first private key of a PEM text: PKCS #8, SEC 1 or PKCS #1.
pub fn private_key_from_pem(pem: &[u8]) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|error| TlsError::Pem(error.to_string()))
}

/// Shared TLS settings. Every dial and every accept reads them anew; connections that stand are not touched by a change.
#[derive(Clone)]
pub struct TlsHandle {
    fixed: Arc<Fixed>,
    trust: Arc<RwLock<Trust>>,
}

/// What does not change: the certificates whose hashes are announced are read once (spec/02 §2.3).
struct Fixed {
    provider: Arc<CryptoProvider>,
    server: Arc<CertifiedKey>,
    client: Arc<CertifiedKey>,
    server_hash: [u8; 32],
    client_hash: [u8; 32],
    roots: Vec<CertificateDer<'static>>,
    client_roots: Vec<CertificateDer<'static>>,
    client_auth_required: bool,
}

/// What follows the channel configurations.
struct Trust {
    server_config: Arc<ServerConfig>,
    server_verifier: Option<Arc<WebPkiServerVerifier>>,
}

impl TlsHandle {
    /// Checks the material and makes a handle that trusts only the material's own roots.
    pub fn new(material: TlsMaterial) -> Result<Self, TlsError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let server = certified(&provider, "server", material.server_chain, material.server_key)?;
        let client = match material.client {
            Some((chain, key)) => certified(&provider, "client", chain, key)?,
            None => Arc::clone(&server),
        };
        let fixed = Fixed {
            server_hash: leaf_hash(&server),
            client_hash: leaf_hash(&client),
            provider,
            server,
            client,
            roots: material.roots,
            client_roots: material.client_roots,
            client_auth_required: material.client_auth_required,
        };
        let (trust, _refused) = fixed.trust(&[], &fixed.roots)?;
        Ok(Self { fixed: Arc::new(fixed), trust: Arc::new(RwLock::new(trust)) })
    }

    /// Replaces what the channels' configurations trust: TLS root and intermediate CAs of all application organisations of
    /// all joined channels. The material's own roots stay trusted. Returns what cannot be a trust anchor.
    pub fn set_channel_roots(&self, roots: &[CertificateDer<'static>]) -> Vec<RefusedRoot> {
        match self.fixed.trust(roots, &self.fixed.roots) {
            Ok((trust, refused)) => {
                *self.trust.write().unwrap_or_else(PoisonError::into_inner) = trust;
                refused
            }
            // cannot happen with settings that were accepted by `new`; the former trust stays in force
            Err(error) => vec![RefusedRoot { index: 0, reason: error.to_string() }],
        }
    }

    /// The same own certificates with other trust, independent of later changes: for orderers, say. Roots that cannot be
    /// trust anchors are passed over.
    pub fn with_roots(&self, roots: &[CertificateDer<'static>]) -> Result<Self, TlsError> {
        let (trust, _refused) = self.fixed.trust(roots, &[])?;
        Ok(Self { fixed: Arc::clone(&self.fixed), trust: Arc::new(RwLock::new(trust)) })
    }

    /// SHA-256 over the server's leaf certificate: what is announced on accepted connections.
    pub fn server_hash(&self) -> [u8; 32] {
        self.fixed.server_hash
    }

    /// SHA-256 over the client's leaf certificate: what is announced on dialled connections.
    pub fn client_hash(&self) -> [u8; 32] {
        self.fixed.client_hash
    }

    /// The settings for one accept.
    pub(super) fn server_config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.trust.read().unwrap_or_else(PoisonError::into_inner).server_config)
    }

    /// The settings for one dial, and the verifier that will have seen the server's certificates.
    pub(super) fn client_config(&self) -> Result<(Arc<ClientConfig>, Arc<RecordingVerifier>), Error> {
        let inner = self.trust.read().unwrap_or_else(PoisonError::into_inner).server_verifier.clone();
        let verifier = Arc::new(RecordingVerifier::new(inner, &self.fixed.provider));
        let mut config = ClientConfig::builder_with_provider(Arc::clone(&self.fixed.provider))
            .with_protocol_versions(&[&TLS13, &TLS12])?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&verifier) as _)
            .with_client_cert_resolver(Arc::new(AlwaysPresent(Arc::clone(&self.fixed.client))));
        config.alpn_protocols = vec![ALPN.to_vec()];
        // each session must show its certificates, under the trust of its own time
        config.resumption = Resumption::disabled();
        Ok((Arc::new(config), verifier))
    }
}

impl fmt::Debug for TlsHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsHandle")
            .field("client_auth_required", &self.fixed.client_auth_required)
            .finish_non_exhaustive()
    }
}

impl Fixed {
    /// Builds what trusts `channel_roots` and `own_roots`; the refused are counted over the former only.
    fn trust(
        &self,
        channel_roots: &[CertificateDer<'static>],
        own_roots: &[CertificateDer<'static>],
    ) -> Result<(Trust, Vec<RefusedRoot>), TlsError> {
        let setup = |error: Error| TlsError::Setup(error.to_string());
        let mut roots = RootCertStore::empty();
        let mut refused = Vec::new();
        for (index, root) in channel_roots.iter().enumerate() {
            if let Err(error) = roots.add(root.clone()) {
                refused.push(RefusedRoot { index, reason: error.to_string() });
            }
        }
        roots.add_parsable_certificates(own_roots.iter().cloned());
        let mut client_roots = roots.clone();
        client_roots.add_parsable_certificates(self.client_roots.iter().cloned());

        let server_verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&self.provider))
                .build()
                .ok();
        let client_verifier =
            client_verifier(self.client_auth_required, Arc::new(client_roots), &self.provider);
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(setup)?
            .with_client_cert_verifier(client_verifier)
            .with_cert_resolver(Arc::new(AlwaysPresent(Arc::clone(&self.server))));
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        Ok((Trust { server_config: Arc::new(config), server_verifier }, refused))
    }
}

fn certified(
    provider: &CryptoProvider,
    whose: &'static str,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Arc<CertifiedKey>, TlsError> {
    if chain.is_empty() {
        return Err(TlsError::NoCertificate { whose });
    }
    CertifiedKey::from_der(chain, key, provider).map(Arc::new).map_err(|error| match error {
        Error::InconsistentKeys(_) => TlsError::KeyMismatch { whose },
        other => TlsError::Key { whose, reason: other.to_string() },
    })
}

fn leaf_hash(key: &CertifiedKey) -> [u8; 32] {
    key.cert.first().map(certificate_hash).unwrap_or_default()
}

/// Presents the one certificate there is, whatever issuers or names the other side lists (spec/02 §2.1).
#[derive(Debug)]
struct AlwaysPresent(Arc<CertifiedKey>);

impl rustls::client::ResolvesClientCert for AlwaysPresent {
    fn resolve(
        &self,
        _root_hints: &[&[u8]],
        _schemes: &[rustls::SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

impl rustls::server::ResolvesServerCert for AlwaysPresent {
    fn resolve(&self, _hello: rustls::server::ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made() -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        (made.cert.der().clone(), PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap())
    }

    fn material() -> TlsMaterial {
        let (certificate, server_key) = made();
        TlsMaterial {
            server_chain: vec![certificate],
            server_key,
            client: None,
            roots: Vec::new(),
            client_roots: Vec::new(),
            client_auth_required: false,
        }
    }

    #[test]
    fn the_client_falls_back_to_the_servers_certificate() {
        let handle = TlsHandle::new(material()).unwrap();
        assert_eq!(handle.client_hash(), handle.server_hash());
        let handle = TlsHandle::new(TlsMaterial { client: Some((vec![made().0], made().1)), ..material() });
        assert_eq!(handle.unwrap_err(), TlsError::KeyMismatch { whose: "client" });
        let (certificate, key) = made();
        let handle =
            TlsHandle::new(TlsMaterial { client: Some((vec![certificate], key)), ..material() }).unwrap();
        assert_ne!(handle.client_hash(), handle.server_hash());
    }

    #[test]
    fn unusable_material_is_named() {
        let none = TlsMaterial { server_chain: Vec::new(), ..material() };
        assert_eq!(TlsHandle::new(none).unwrap_err(), TlsError::NoCertificate { whose: "server" });
        let foreign = TlsMaterial { server_key: made().1, ..material() };
        assert_eq!(TlsHandle::new(foreign).unwrap_err(), TlsError::KeyMismatch { whose: "server" });
        let garbage = TlsMaterial { server_key: PrivateKeyDer::Pkcs8(vec![1, 2, 3].into()), ..material() };
        assert!(matches!(TlsHandle::new(garbage).unwrap_err(), TlsError::Key { whose: "server", .. }));
    }

    #[test]
    fn a_root_that_is_no_certificate_is_refused_and_the_others_hold() {
        let handle = TlsHandle::new(material()).unwrap();
        assert!(handle.trust.read().unwrap().server_verifier.is_none());
        let refused = handle.set_channel_roots(&[CertificateDer::from(vec![1, 2, 3]), made().0]);
        assert_eq!(refused.iter().map(|root| root.index).collect::<Vec<_>>(), [0]);
        assert!(handle.trust.read().unwrap().server_verifier.is_some());
    }

    #[test]
    fn pem_is_read() {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let text = format!("{}{}", made.cert.pem(), made.signing_key.serialize_pem());
        assert_eq!(certificates_from_pem(text.as_bytes()).unwrap(), [made.cert.der().clone()]);
        assert_eq!(
            private_key_from_pem(text.as_bytes()).unwrap().secret_der(),
            made.signing_key.serialize_der()
        );
        assert!(matches!(private_key_from_pem(b"no key"), Err(TlsError::Pem(_))));
        assert_eq!(certificates_from_pem(b"no certificate").unwrap(), []);
    }
}
