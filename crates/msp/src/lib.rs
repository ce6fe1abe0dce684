//! Who may speak: certificates, MSP rules, PKI-IDs, signatures, policies and channel configuration of Hyperledger Fabric.

mod cache;
mod certificate;
mod chain;
mod crypto;
mod der;
mod folder;
mod identity;
mod local;
mod manager;
mod msp;
mod node_ou;
mod pem;
mod revocation;

pub use certificate::CertificateError;
pub use certificate::name_constraints::NameError;
pub use chain::ChainError;
pub use crypto::{IssuerSignatureError, SignError, SignatureError, Signer};
pub use der::DerError;
pub use folder::{MspFolder, read_msp_folder};
pub use identity::{IDENTITY_BYTES_MAX, Identity, IdentityError, ValidationError, pki_id};
pub use local::LocalMsp;
pub use manager::MspManager;
pub use msp::{Msp, MspError, MspVersion};
pub use node_ou::NodeRole;
pub use revocation::RevocationError;

/// Seconds of wall-clock time since the beginning of 1970, as certificates tell time.
pub type UnixSeconds = i64;

/// What a peer is known by: SHA-256 of its MSP identifier and certificate (see [`pki_id`]).
pub type PkiId = [u8; 32];
