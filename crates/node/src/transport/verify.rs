//! Who is let through TLS: Fabric's modes (spec/02 §2.1), which are not rustls's own.

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, RootCertStore,
    SignatureScheme,
};
use std::sync::{Arc, Mutex, PoisonError};
use tokio_rustls::rustls;

/// No root certificate is trusted, which rustls has no name for.
#[derive(Debug, thiserror::Error)]
#[error("no trusted TLS root certificate is configured")]
pub(super) struct NoRoots;

/// How a verifier of either side checks that the other holds its certificate's key: in two traits of rustls, the same.
macro_rules! proofs_of_possession {
    () => {
        fn verify_tls12_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signed: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            verify_tls12_signature(message, certificate, signed, &self.algorithms)
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signed: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            verify_tls13_signature(message, certificate, signed, &self.algorithms)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            self.algorithms.supported_schemes()
        }
    };
}

/// The verifier for client certificates. Its list of acceptable CAs is always empty: a Go client sends its certificate only
/// if that list is empty or names its issuer.
pub(super) fn client_verifier(
    required: bool,
    roots: Arc<RootCertStore>,
    provider: &Arc<CryptoProvider>,
) -> Arc<dyn ClientCertVerifier> {
    let requested =
        || RequestedCertificate { required, algorithms: provider.signature_verification_algorithms };
    if !required {
        return Arc::new(requested());
    }
    WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(provider))
        .clear_root_hint_subjects()
        .build()
        .unwrap_or_else(|_empty| Arc::new(requested()))
}

/// Asks for a client certificate. If it is not required, any or none will do, and only possession of its key is proven;
/// the gossip handshake binds it to an identity later. If it is required, this verifier stands for an empty pool: none will do.
#[derive(Debug)]
struct RequestedCertificate {
    required: bool,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ClientCertVerifier for RequestedCertificate {
    fn client_auth_mandatory(&self) -> bool {
        self.required
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if self.required {
            return Err(Error::InvalidCertificate(CertificateError::UnknownIssuer));
        }
        Ok(ClientCertVerified::assertion())
    }

    proofs_of_possession!();
}

/// Verifies a server's certificate by roots and name, and keeps what was presented, so that a refusal can be explained.
/// One for each dial.
#[derive(Debug)]
pub(super) struct RecordingVerifier {
    inner: Option<Arc<WebPkiServerVerifier>>,
    algorithms: WebPkiSupportedAlgorithms,
    presented: Mutex<Vec<CertificateDer<'static>>>,
}

impl RecordingVerifier {
    /// `inner` is `None` if there are no roots: everything is refused then.
    pub(super) fn new(inner: Option<Arc<WebPkiServerVerifier>>, provider: &CryptoProvider) -> Self {
        let algorithms = provider.signature_verification_algorithms;
        Self { inner, algorithms, presented: Mutex::default() }
    }

    /// The chain the server presented, leaf first; empty if it presented none.
    pub(super) fn presented(&self) -> Vec<CertificateDer<'static>> {
        self.presented.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ServerCertVerifier for RecordingVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let chain = std::iter::once(end_entity).chain(intermediates);
        *self.presented.lock().unwrap_or_else(PoisonError::into_inner) =
            chain.map(|certificate| certificate.clone().into_owned()).collect();
        match &self.inner {
            Some(inner) => {
                inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
            }
            None => Err(Error::Other(OtherError(Arc::new(NoRoots)))),
        }
    }

    proofs_of_possession!();
}
