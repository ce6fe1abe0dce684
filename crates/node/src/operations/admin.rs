//! Administration of a node on its own machine: what `selvedge channel list|getinfo|join` asks for.

use super::routes::{Client, State, error_response, read_body};
use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Extension, Path, Request};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// What the methods of [`Admin`] give.
pub type AdminFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, AdminError>> + Send + 'a>>;

/// The part of a node that can be administered.
pub trait Admin: Send + Sync {
    /// The channels the node has joined, by name.
    fn list(&self) -> AdminFuture<'_, Vec<ChannelSummary>>;

    /// What the node knows of a channel; [`AdminError::NotFound`] for one it has not joined.
    fn info<'a>(&'a self, channel: &'a str) -> AdminFuture<'a, ChannelInfo>;

    /// Joins the channel of a configuration block (a marshalled `common.Block`, at most [`BLOCK_BYTES_MAX`]).
    /// [`AdminError::Invalid`] for what is none, [`AdminError::Exists`] where it is joined already.
    fn join(&self, block: Bytes) -> AdminFuture<'_, ChannelSummary>;
}

/// The largest block that can be sent to join a channel.
pub const BLOCK_BYTES_MAX: usize = 32 << 20;

/// A channel in the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChannelSummary {
    /// Its name.
    pub channel: String,
    /// Blocks held.
    pub height: u64,
}

/// What `getinfo` tells; heights and hashes are named as Fabric's `peer channel getinfo` names them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChannelInfo {
    /// Its name.
    pub channel: String,
    /// Blocks held.
    pub height: u64,
    /// Hash of the last block's header; in base64.
    #[serde(with = "base64_bytes")]
    pub current_block_hash: Vec<u8>,
    /// Hash of the header before; in base64, empty after block 0.
    #[serde(with = "base64_bytes")]
    pub previous_block_hash: Vec<u8>,
    /// Number of the configuration block in force.
    pub config_block_number: u64,
    /// Sequence of the configuration in force; 0 is the genesis block's.
    pub config_sequence: u64,
    /// Greatest height that another member tells of.
    pub highest_height_known: u64,
    /// Alive members of the channel, without this node.
    pub member_count: u64,
    /// Whether this node pulls from the orderers.
    pub pulls_from_orderers: bool,
}

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AdminError {
    /// The channel is not joined. HTTP 404.
    #[error("channel '{0}' is not joined")]
    NotFound(String),
    /// The channel is joined already. HTTP 409.
    #[error("channel '{0}' is joined already")]
    Exists(String),
    /// What was sent cannot be used, and why. HTTP 400.
    #[error("{0}")]
    Invalid(String),
    /// It could not be done now, and why. HTTP 503.
    #[error("{0}")]
    Unavailable(String),
}

/// Answer of `GET /selvedge/v1/channels`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ChannelList {
    pub(super) channels: Vec<ChannelSummary>,
}

/// Hashes in JSON as protobuf has them.
mod base64_bytes {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        STANDARD.decode(String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl IntoResponse for AdminError {
    fn into_response(self) -> Response {
        let status = match self {
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Exists(_) => StatusCode::CONFLICT,
            Self::Invalid(_) => StatusCode::BAD_REQUEST,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        error_response(status, self.to_string())
    }
}

/// Lets pass who may administer: with TLS who has a verified certificate, without it who is on this machine.
/// Web pages may not, wherever they are shown.
pub(super) async fn guard(
    Extension(client): Extension<Client>,
    Extension(state): Extension<Arc<State>>,
    request: Request,
    next: Next,
) -> Response {
    if state.tls_enabled && !client.certified {
        return error_response(StatusCode::UNAUTHORIZED, "a client certificate is needed");
    }
    if !state.tls_enabled && !client.address.ip().to_canonical().is_loopback() {
        let message =
            "only from this machine, unless operations.tls is enabled and a client certificate presented";
        return error_response(StatusCode::FORBIDDEN, message);
    }
    if request.headers().contains_key(header::ORIGIN) {
        return error_response(StatusCode::FORBIDDEN, "not from a web page");
    }
    next.run(request).await
}

pub(super) async fn list(
    Extension(admin): Extension<Arc<dyn Admin>>,
) -> Result<Json<ChannelList>, AdminError> {
    Ok(Json(ChannelList { channels: admin.list().await? }))
}

pub(super) async fn info(
    Extension(admin): Extension<Arc<dyn Admin>>,
    Path(channel): Path<String>,
) -> Result<Json<ChannelInfo>, AdminError> {
    Ok(Json(admin.info(&channel).await?))
}

pub(super) async fn join(
    Extension(admin): Extension<Arc<dyn Admin>>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<ChannelSummary>), Response> {
    // a form of a web page cannot have this type
    let kind = headers.get(header::CONTENT_TYPE).map(axum::http::HeaderValue::as_bytes);
    if kind != Some(b"application/octet-stream") {
        let message = "expected a block as application/octet-stream";
        return Err(error_response(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    }
    let block = read_body(&headers, body, BLOCK_BYTES_MAX).await?;
    let joined = admin.join(block).await.map_err(IntoResponse::into_response)?;
    tracing::info!(target: "selvedge.operations", channel = joined.channel, "Joined a channel on request");
    Ok((StatusCode::CREATED, Json(joined)))
}
