//! The operations server: HTTP on `operations.listenAddress`, as a Fabric peer has it.
//!
//! | path | methods | answer |
//! |---|---|---|
//! | `/healthz` | GET | 200 `{"status":"OK","time":"..."}`, or 503 with `"failed_checks":[{"component":"...","reason":"..."}]` |
//! | `/readyz` | GET | the same for readiness (not in Fabric) |
//! | `/version` | GET | `{"CommitSHA":"...","Version":"...","Program":"selvedge"}` |
//! | `/metrics` | GET | text form of Prometheus; 404 where `metrics.provider` is not prometheus |
//! | `/logspec` | GET | `{"spec":"info"}` |
//! | `/logspec` | PUT, POST | takes `{"spec":"..."}`; 204, or 400 with `{"error":"..."}` |
//! | `/selvedge/v1/channels` | GET | `{"channels":[{"channel":"...","height":91}]}` |
//! | `/selvedge/v1/channels` | POST | takes a configuration block as `application/octet-stream`; 201 `{"channel":"...","height":1}` |
//! | `/selvedge/v1/channels/{channel}` | GET | [`ChannelInfo`] |
//!
//! With `operations.tls.enabled`, `/metrics`, `/logspec` and `/selvedge/` want a client certificate that
//! `operations.tls.clientRootCAs` vouch for (401 otherwise), and with `clientAuthRequired` no connection
//! comes about without one. Without TLS, `/selvedge/` answers only to this machine (403 otherwise). Errors
//! are `{"error":"..."}`.
//!
//! Bounds: 64 connections at a time, further ones wait; 10 s for the head of a request (so long may a
//! connection be idle); 30 s for its body; 10 min for a connection; 5 s for TLS, and for open requests when
//! the server stops.

mod admin;
mod checks;
mod client;
mod routes;
mod server;
mod tls;

pub use admin::{Admin, AdminError, AdminFuture, BLOCK_BYTES_MAX, ChannelInfo, ChannelSummary};
pub use checks::{Checks, FailedCheck};
pub use client::{AdminClient, AdminClientError};
pub use server::{Operations, OperationsError};
pub use tls::TlsFileError;

use crate::logging::Logging;
use crate::metrics::Metrics;
use serde::Serialize;
use std::fmt;
use std::sync::Arc;

/// What the server tells of and acts on.
pub struct OperationsParts {
    /// For `/metrics`; none where the provider is not prometheus.
    pub metrics: Option<Metrics>,
    /// For `/logspec`.
    pub logging: Logging,
    /// For `/healthz`.
    pub health: Checks,
    /// For `/readyz`.
    pub ready: Checks,
    /// For `/selvedge/`; none for no administration.
    pub admin: Option<Arc<dyn Admin>>,
    /// For `/version`.
    pub version: VersionInfo,
}

impl fmt::Debug for OperationsParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("OperationsParts");
        out.field("metrics", &self.metrics)
            .field("health", &self.health)
            .field("ready", &self.ready)
            .finish_non_exhaustive()
    }
}

/// The answer of `/version`, in Fabric's spelling.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct VersionInfo {
    /// The commit it was built from.
    #[serde(rename = "CommitSHA")]
    pub commit_sha: String,
    /// The version of Selvedge, such as `v0.1.0`.
    pub version: String,
    /// `selvedge`, to tell it from a peer of Fabric.
    pub program: String,
}

impl VersionInfo {
    /// That of this build; the commit is `SELVEDGE_COMMIT_SHA` at compile time.
    #[must_use]
    pub fn of_build() -> Self {
        Self {
            commit_sha: option_env!("SELVEDGE_COMMIT_SHA").unwrap_or("development build").to_owned(),
            version: concat!("v", env!("CARGO_PKG_VERSION")).to_owned(),
            program: "selvedge".to_owned(),
        }
    }
}
