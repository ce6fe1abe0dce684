//! What the operations server answers.

use super::admin::{self, Admin};
use super::{Checks, FailedCheck, OperationsParts, VersionInfo};
use crate::logging::Logging;
use crate::metrics::{self, Metrics};
use axum::body::{Body, Bytes};
use axum::extract::Extension;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use axum::{Json, Router, middleware};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The largest `/logspec` request.
const SPEC_BYTES_MAX: usize = 64 << 10;

/// How long a request's body may take.
const BODY_TIME_MAX: Duration = Duration::from_secs(30);

/// Who asks; an extension of every request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Client {
    pub(super) address: SocketAddr,
    /// Whether TLS verified a certificate of theirs.
    pub(super) certified: bool,
}

/// What the answers are made from.
pub(super) struct State {
    pub(super) tls_enabled: bool,
    metrics: Option<Metrics>,
    logging: Logging,
    health: Checks,
    ready: Checks,
    version: VersionInfo,
}

/// All routes; requests need a [`Client`] extension.
pub(super) fn router(parts: OperationsParts, tls_enabled: bool) -> Router {
    let OperationsParts { metrics, logging, health, ready, admin, version } = parts;
    let mut router = Router::new()
        .route("/healthz", any(health_answer))
        .route("/readyz", any(ready_answer))
        .route("/version", any(version_answer))
        .route("/logspec", any(logspec));
    if metrics.is_some() {
        router = router.route("/metrics", get(metrics_answer));
    }
    if let Some(admin) = admin {
        router = router.nest("/selvedge/v1", admin_router(admin));
    }
    let state = State { tls_enabled, metrics, logging, health, ready, version };
    router.layer(Extension(Arc::new(state)))
}

fn admin_router(admin: Arc<dyn Admin>) -> Router {
    Router::new()
        .route("/channels", get(admin::list).post(admin::join))
        .route("/channels/{channel}", get(admin::info))
        .layer(Extension(admin))
        .layer(middleware::from_fn(admin::guard))
}

#[derive(Serialize)]
struct ErrorAnswer {
    error: String,
}

/// `{"error": "..."}`
pub(super) fn error_response(status: StatusCode, message: impl Into<String>) -> Response {
    (status, Json(ErrorAnswer { error: message.into() })).into_response()
}

/// The body of a request where it is not too large, by its own word or by the count, and does not take too
/// long.
pub(super) async fn read_body(headers: &HeaderMap, body: Body, bytes_max: usize) -> Result<Bytes, Response> {
    let too_large = || error_response(StatusCode::PAYLOAD_TOO_LARGE, format!("more than {bytes_max} bytes"));
    let told =
        headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if told.is_some_and(|length| length > bytes_max) {
        return Err(too_large());
    }
    match tokio::time::timeout(BODY_TIME_MAX, Limited::new(body, bytes_max).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(error)) => Err(error_response(StatusCode::BAD_REQUEST, error.to_string())),
        Err(_) => Err(error_response(StatusCode::REQUEST_TIMEOUT, "the body takes too long")),
    }
}

/// Answers of `/healthz` and `/readyz`.
#[derive(Serialize)]
struct HealthAnswer {
    status: &'static str,
    time: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failed_checks: Vec<FailedCheck>,
}

async fn health_answer(method: Method, Extension(state): Extension<Arc<State>>) -> Response {
    checks_answer(&method, &state.health)
}

async fn ready_answer(method: Method, Extension(state): Extension<Arc<State>>) -> Response {
    checks_answer(&method, &state.ready)
}

fn checks_answer(method: &Method, checks: &Checks) -> Response {
    if method != Method::GET {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    let failed_checks = checks.failed();
    let (code, status) = match failed_checks.is_empty() {
        true => (StatusCode::OK, "OK"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable"),
    };
    // a time of this century always has this form
    let time = OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default();
    (code, Json(HealthAnswer { status, time, failed_checks })).into_response()
}

async fn version_answer(method: Method, Extension(state): Extension<Arc<State>>) -> Response {
    #[derive(Serialize)]
    struct Refused {
        #[serde(rename = "Error")]
        error: String,
    }
    if method != Method::GET {
        // spelled as Fabric spells it here, and only here
        let refused = Refused { error: format!("invalid request method: {method}") };
        return (StatusCode::BAD_REQUEST, Json(refused)).into_response();
    }
    Json(&state.version).into_response()
}

/// With TLS, only for who has a verified certificate, as in Fabric.
fn refuse_stranger(state: &State, client: Client) -> Option<Response> {
    (state.tls_enabled && !client.certified)
        .then(|| error_response(StatusCode::UNAUTHORIZED, "a client certificate is needed"))
}

async fn metrics_answer(
    Extension(client): Extension<Client>,
    Extension(state): Extension<Arc<State>>,
) -> Response {
    if let Some(refusal) = refuse_stranger(&state, client) {
        return refusal;
    }
    let text = state.metrics.as_ref().map(Metrics::render).unwrap_or_default();
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response()
}

#[derive(Serialize, Deserialize)]
struct LogSpec {
    #[serde(default)]
    spec: String,
}

async fn logspec(
    method: Method,
    Extension(client): Extension<Client>,
    Extension(state): Extension<Arc<State>>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    if let Some(refusal) = refuse_stranger(&state, client) {
        return refusal;
    }
    match method {
        Method::GET => Json(LogSpec { spec: state.logging.spec() }).into_response(),
        Method::PUT | Method::POST => {
            let body = match read_body(&headers, body, SPEC_BYTES_MAX).await {
                Ok(body) => body,
                Err(refusal) => return refusal,
            };
            let asked: LogSpec = match serde_json::from_slice(&body) {
                Ok(asked) => asked,
                Err(error) => return error_response(StatusCode::BAD_REQUEST, error.to_string()),
            };
            if let Err(error) = state.logging.set_spec(&asked.spec) {
                return error_response(StatusCode::BAD_REQUEST, error.to_string());
            }
            let spec = state.logging.spec();
            tracing::info!(target: "flogging.httpadmin", spec, by = %client.address, "Logging specification changed");
            StatusCode::NO_CONTENT.into_response()
        }
        method => error_response(StatusCode::BAD_REQUEST, format!("invalid request method: {method}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logging::LoggingOptions;
    use crate::operations::{AdminFuture, ChannelInfo, ChannelSummary};
    use axum::extract::Request;
    use tower::ServiceExt as _;

    struct NoChannels;

    impl Admin for NoChannels {
        fn list(&self) -> AdminFuture<'_, Vec<ChannelSummary>> {
            Box::pin(async { Ok(Vec::new()) })
        }

        fn info<'a>(&'a self, channel: &'a str) -> AdminFuture<'a, ChannelInfo> {
            Box::pin(async { Err(admin::AdminError::NotFound(channel.to_owned())) })
        }

        fn join(&self, _: Bytes) -> AdminFuture<'_, ChannelSummary> {
            Box::pin(async { Err(admin::AdminError::Invalid("no block".to_owned())) })
        }
    }

    async fn status(path: &str, address: &str, tls_enabled: bool, certified: bool) -> u16 {
        let (spec, format) = (String::new(), String::new());
        let options = LoggingOptions { spec, format, colors: false, output: Box::new(std::io::sink()) };
        let parts = OperationsParts {
            metrics: Some(Metrics::new("v1")),
            logging: Logging::new(options).unwrap(),
            health: Checks::new(),
            ready: Checks::new(),
            admin: Some(Arc::new(NoChannels)),
            version: VersionInfo::of_build(),
        };
        let mut request = Request::builder().uri(path).body(Body::empty()).unwrap();
        request.extensions_mut().insert(Client { address: address.parse().unwrap(), certified });
        router(parts, tls_enabled).oneshot(request).await.unwrap().status().as_u16()
    }

    #[tokio::test]
    async fn without_tls_only_this_machine_administers() {
        let path = "/selvedge/v1/channels";
        for (address, expected) in [
            ("127.0.0.1:5", 200),
            ("[::1]:5", 200),
            ("[::ffff:127.0.0.1]:5", 200),
            ("192.0.2.1:5", 403),
            ("[2001:db8::1]:5", 403),
        ] {
            assert_eq!(status(path, address, false, false).await, expected, "{address}");
            assert_eq!(status("/metrics", address, false, false).await, 200, "{address}");
        }
    }

    #[tokio::test]
    async fn with_tls_a_certificate_opens_what_is_guarded() {
        for (path, without) in [
            ("/selvedge/v1/channels", 401),
            ("/metrics", 401),
            ("/logspec", 401),
            ("/healthz", 200),
            ("/readyz", 200),
            ("/version", 200),
        ] {
            assert_eq!(status(path, "127.0.0.1:5", true, false).await, without, "{path}");
            assert_eq!(status(path, "192.0.2.1:5", true, true).await, 200, "{path}");
        }
    }

    #[tokio::test]
    async fn a_body_is_counted_where_its_length_is_not_told() {
        let none = HeaderMap::new();
        let read = |length: usize| read_body(&none, Body::from(vec![0; length]), 10);
        let mut told = HeaderMap::new();
        told.insert(header::CONTENT_LENGTH, 11.into());
        let (fits, counted) = (read(10).await, read(11).await);
        let told = read_body(&told, Body::empty(), 10).await;
        assert_eq!(fits.unwrap().len(), 10);
        assert_eq!(counted.unwrap_err().status(), StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(told.unwrap_err().status(), StatusCode::PAYLOAD_TOO_LARGE);
    }
}
