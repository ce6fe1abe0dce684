//! Who may speak: certificates, MSP rules, PKI-IDs, signatures, policies and channel configuration of Hyperledger Fabric.
//!
//! - [`LocalMsp`] is the node's own identity: loaded from an MSP folder, it signs. [`Msp`] and [`MspManager`] are the rules
//!   of one organisation and of several; they make an [`Identity`] of serialized bytes, with its chain built, its validity
//!   decided and its key prepared once.
//! - [`ChannelBundle`] is a channel's configuration, checked and ready: organisations, endpoints, policies; it verifies
//!   blocks and takes the step to the next configuration.
//! - [`MessageVerifier`] is what gossip asks: whose identity is this, and is the signature right.
//!
//! Every refusal is a named reason, with a label for counters (`reason()`). Nothing here reads a clock, and only the
//! loading of MSP folders reads files. What comes from peers is bounded before it is worked on, and what was worked out is
//! kept in bounded caches.

mod block;
mod cache;
mod certificate;
mod chain;
mod channel_config;
mod crypto;
mod der;
mod folder;
mod identity;
mod local;
mod manager;
mod msp;
mod node_ou;
mod pem;
mod policy;
mod principal;
mod revocation;
mod update;
mod verifier;

pub use block::BlockError;
pub use certificate::CertificateError;
pub use certificate::name_constraints::NameError;
pub use chain::ChainError;
pub use channel_config::{
    AnchorPeer, ApplicationOrg, Capabilities, ChannelBundle, ConfigError, OrdererEndpoint, OrdererOrg,
};
pub use crypto::{IssuerSignatureError, SignError, SignatureError, Signer};
pub use der::DerError;
pub use folder::{MspFolder, read_msp_folder};
pub use identity::{IDENTITY_BYTES_MAX, Identity, IdentityError, ValidationError, pki_id};
pub use local::LocalMsp;
pub use manager::MspManager;
pub use msp::{Msp, MspError, MspVersion};
pub use node_ou::NodeRole;
pub use policy::{PolicyDefinitionError, PolicyError, SignedData, Uncounted, UncountedReason};
pub use revocation::RevocationError;
pub use update::{Followed, UpdateError};
pub use verifier::{IdentityClaims, MessageVerifier, VerifyError};

/// Seconds of wall-clock time since the beginning of 1970, as certificates tell time.
pub type UnixSeconds = i64;

/// What a peer is known by: SHA-256 of its MSP identifier and certificate (see [`pki_id`]).
pub type PkiId = [u8; 32];
