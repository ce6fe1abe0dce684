//! One connection to one orderer, and the one stream on it.

use super::response::RawCodec;
use super::{DeliverSettings, EndReason, SeekRequest, seek_envelope};
use crate::transport::{Http2Connection, TlsHandle, Transport};
use bytes::Bytes;
use futures_util::{FutureExt as _, Stream, StreamExt as _, TryStreamExt as _};
use rustls::pki_types::CertificateDer;
use selvedge_msp::OrdererEndpoint;
use selvedge_proto::common::Envelope;
use selvedge_proto::orderer::SeekInfo;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::time::{SystemTime, UNIX_EPOCH};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::{Request, Status};

/// Largest message accepted on a stream of headers. Only a configuration is larger than a few kilobytes.
pub(super) const HEADER_BYTES_MAX: usize = 16 << 20;

/// Connects, and asks for what `info` says.
pub(super) async fn open(
    endpoint: &OrdererEndpoint,
    settings: &DeliverSettings,
    transport: &Transport,
    info: SeekInfo,
    message_bytes_max: usize,
) -> Result<Responses, EndReason> {
    let connection = connect(endpoint, settings, transport).await?;
    let mut nonce = [0; 24];
    aws_lc_rs::rand::fill(&mut nonce).map_err(|_| EndReason::Sign("no random numbers".to_owned()))?;
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let request = SeekRequest {
        channel: &settings.channel,
        info,
        seconds: i64::try_from(seconds).unwrap_or(i64::MAX),
        nonce,
        identity: &settings.identity,
        tls_certificate_hash: settings.tls.as_ref().map(TlsHandle::client_hash),
    };
    let envelope =
        seek_envelope(&request, &settings.signer).map_err(|error| EndReason::Sign(error.to_string()))?;
    Ok(Responses::of(connection, envelope, message_bytes_max))
}

/// Reaches an orderer: name resolution, TCP, TLS, HTTP/2.
async fn connect(
    endpoint: &OrdererEndpoint,
    settings: &DeliverSettings,
    transport: &Transport,
) -> Result<Http2Connection, EndReason> {
    let tls = match &settings.tls {
        None => None,
        Some(_) if endpoint.tls_roots.is_empty() => return Err(EndReason::NoTlsRoots),
        Some(tls) => {
            let roots: Vec<_> =
                endpoint.tls_roots.iter().map(|root| CertificateDer::from(root.to_vec())).collect();
            Some(tls.with_roots(&roots).map_err(|error| EndReason::Tls(error.to_string()))?)
        }
    };
    let mut unobserved = |_| {};
    transport
        .connect_with(tls.as_ref(), &endpoint.address, settings.connect_timeout, &mut unobserved)
        .await
        .map_err(|error| EndReason::Connect { step: error.step(), reason: error.to_string() })
}

/// Responses as they come.
pub(super) struct Responses {
    stream: Pin<Box<dyn Stream<Item = Result<Bytes, Status>> + Send>>,
    connection: Http2Connection,
}

impl Responses {
    /// Sends the request. An orderer answers nothing, not even headers, until it has a first block to send; so this does not
    /// wait for the stream to open.
    fn of(connection: Http2Connection, request: Envelope, message_bytes_max: usize) -> Self {
        let mut grpc =
            tonic::client::Grpc::new(connection.clone()).max_decoding_message_size(message_bytes_max);
        let opening = async move {
            grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
            let path = PathAndQuery::from_static("/orderer.AtomicBroadcast/Deliver");
            // the sending side stays open: an orderer takes its end for the end of the session
            let requests = tokio_stream::once(request).chain(futures_util::stream::pending());
            let response = grpc.streaming(Request::new(requests), path, RawCodec).await?;
            Ok::<_, Status>(response.into_inner())
        };
        // tonic 0.14 panics on a damaged grpc-status-details-bin; an orderer must not end the client with it
        let stream = AssertUnwindSafe(opening.into_stream().try_flatten()).catch_unwind();
        let stream = stream
            .map(|item| item.unwrap_or_else(|_| Err(Status::internal("a response that cannot be read"))));
        Self { stream: stream.boxed(), connection }
    }

    /// The next message. Nothing is lost if this is dropped before it resolves.
    pub(super) async fn next(&mut self) -> Result<Bytes, EndReason> {
        let status = match self.stream.next().await {
            Some(Ok(message)) => return Ok(message),
            Some(Err(status)) => status,
            None => return Err(EndReason::StreamEnded),
        };
        // with TLS 1.3 an orderer refuses a client's certificate only after the handshake
        Err(match self.connection.tls_failure() {
            Some(failure) => EndReason::Tls(failure.to_string()),
            None => EndReason::Grpc { code: status.code(), message: status.message().to_owned() },
        })
    }
}
