//! What a probe needs from flags and files: who we are, our TLS certificate, whom we trust.

use super::Arguments;
use crate::failure::Failure;
use crate::trust::Trust;
use selvedge::config::NodeConfig;
use selvedge::node::load_tls;
use selvedge::transport::{TlsError, TlsHandle, TlsMaterial, certificates_from_pem, private_key_from_pem};
use selvedge_msp::{LocalMsp, Msp};
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Everything that is read before the first packet.
pub(super) struct Setup {
    pub(super) local: LocalMsp,
    /// `None`: TLS is off.
    pub(super) tls: Option<TlsHandle>,
    pub(super) trust: Trust,
    /// What others are told as our endpoint; empty for nothing.
    pub(super) own_endpoint: String,
}

/// Seconds since 1970.
pub(super) fn unix_now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

impl Setup {
    pub(super) fn load(arguments: &Arguments) -> Result<Self, Failure> {
        let config = arguments.config.as_deref().map(|file| NodeConfig::load(Some(file))).transpose()?;
        if let Some(config) = &config {
            config.check_files()?;
        }
        let (folder, msp_id) = match (&config, &arguments.msp, &arguments.msp_id) {
            (_, Some(folder), Some(msp_id)) => (folder.clone(), msp_id.clone()),
            (Some(config), ..) => (config.peer.msp_config_path.clone(), config.peer.local_msp_id.clone()),
            _ => {
                return Err(Failure::because(
                    "who are we? Give --msp DIR --msp-id ID, or --config core.yaml",
                ));
            }
        };
        let local = LocalMsp::load(&folder, &msp_id, unix_now())?;
        let mut trust = Trust::default();
        for file in &arguments.config_blocks {
            trust.add_block(file)?;
        }
        trust.add_msp(Arc::new(Msp::load_verifying(&folder, &msp_id)?));
        let tls = match (arguments.no_tls, &config) {
            (true, _) => None,
            (false, Some(config)) if arguments.tls_cert.is_none() => load_tls(config)?,
            (false, _) => Some(tls_of(arguments)?),
        };
        if let Some(tls) = &tls {
            add_roots(tls, arguments, &trust)?;
        }
        let configured = config.as_ref().and_then(|config| config.gossip.external_endpoint.clone());
        let own_endpoint = arguments.own_endpoint.clone().or(configured).unwrap_or_default();
        Ok(Self { local, tls, trust, own_endpoint })
    }
}

fn read(flag: &str, file: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(file).map_err(|error| Failure::because(format!("{flag} {}: {error}", file.display())))
}

fn tls_of(arguments: &Arguments) -> Result<TlsHandle, Failure> {
    let (Some(certificate), Some(key)) = (&arguments.tls_cert, &arguments.tls_key) else {
        return Err(Failure::because(
            "gossip is bound to TLS certificates: give --tls-cert FILE --tls-key FILE, or --no-tls where the network has \
             TLS off",
        ));
    };
    let named = |flag: &str, file: &Path, error: TlsError| {
        Failure::because(format!("{flag} {}: {error}", file.display()))
    };
    let server_chain = certificates_from_pem(&read("--tls-cert", certificate)?)
        .map_err(|error| named("--tls-cert", certificate, error))?;
    let server_key =
        private_key_from_pem(&read("--tls-key", key)?).map_err(|error| named("--tls-key", key, error))?;
    let material = TlsMaterial {
        server_chain,
        server_key,
        client: None,
        roots: Vec::new(),
        client_roots: Vec::new(),
        client_auth_required: false,
    };
    TlsHandle::new(material).map_err(|error| match error {
        TlsError::KeyMismatch { .. } => Failure::because(format!(
            "--tls-key {} does not belong to --tls-cert {}",
            key.display(),
            certificate.display()
        )),
        TlsError::NoCertificate { .. } => {
            Failure::because(format!("--tls-cert {}: no certificate in PEM", certificate.display()))
        }
        error => named("--tls-key", key, error),
    })
}

/// Trust beyond that of core.yaml: `--tls-ca`, and the organisations of the channels as a peer in them would.
fn add_roots(tls: &TlsHandle, arguments: &Arguments, trust: &Trust) -> Result<(), Failure> {
    let mut roots = Vec::new();
    for file in &arguments.tls_cas {
        let refused = |reason: String| Failure::because(format!("--tls-ca {}: {reason}", file.display()));
        let found =
            certificates_from_pem(&read("--tls-ca", file)?).map_err(|error| refused(error.to_string()))?;
        if found.is_empty() {
            return Err(refused("no certificate in PEM".to_owned()));
        }
        roots.extend(found);
    }
    for configuration in trust.configurations() {
        let organizations = configuration.bundle.application_orgs().iter();
        roots.extend(organizations.flat_map(|org| &org.tls_roots).map(|der| der.to_vec().into()));
    }
    if !roots.is_empty() {
        for refused in tls.set_channel_roots(&roots) {
            eprintln!("note: a TLS CA cannot be used: {}", refused.reason);
        }
    }
    Ok(())
}
