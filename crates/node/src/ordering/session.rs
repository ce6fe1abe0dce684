//! One request on a `Deliver` stream, with the checks of an orderer (spec/07 §12.2).

use super::transactions::wall_clock;
use super::{LOGGER, OrderingSource};
use bytes::Bytes;
use selvedge_msp::{ChannelBundle, SignedData};
use selvedge_proto::common::{Block, ChannelHeader, Envelope, Payload, SignatureHeader, Status};
use selvedge_proto::orderer::deliver_response::Type;
use selvedge_proto::orderer::seek_info::{SeekBehavior, SeekContentType, SeekErrorResponse};
use selvedge_proto::orderer::seek_position::Type as Position;
use selvedge_proto::orderer::{ConsensusType, DeliverResponse, SeekInfo, SeekPosition, consensus_type};
use selvedge_proto::{block, decode};
use std::borrow::Cow;
use std::collections::VecDeque;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

/// Blocks and bytes that are read ahead for one client.
const AHEAD_COUNT_MAX: u64 = 32;
const AHEAD_BYTES_MAX: usize = 4 << 20;

/// Where responses go.
pub(super) type Responses = mpsc::Sender<Result<DeliverResponse, tonic::Status>>;

/// Who asks, and for what.
pub(super) struct Session {
    source: OrderingSource,
    payload: Bytes,
    signature: Bytes,
    creator: Bytes,
    info: SeekInfo,
    /// Sequence of the configuration that let the client in.
    admitted_under: Option<u64>,
    ahead: VecDeque<Bytes>,
}

/// Why a session ended without a status.
pub(super) struct Gone;

impl Session {
    /// Checks everything that is checked before the client's rights.
    pub(super) fn new(
        source: &OrderingSource,
        envelope: Envelope,
        certificate_hash: Option<[u8; 32]>,
    ) -> Result<Self, Status> {
        let payload = decode::<Payload>(envelope.payload.clone()).map_err(|_| Status::BadRequest)?;
        let header = payload.header.ok_or(Status::BadRequest)?;
        let channel_header =
            decode::<ChannelHeader>(header.channel_header).map_err(|_| Status::BadRequest)?;
        let signature_header =
            decode::<SignatureHeader>(header.signature_header).map_err(|_| Status::BadRequest)?;
        let time = channel_header.timestamp.ok_or(Status::BadRequest)?;
        let window = source.shared.settings.time_window.as_secs();
        // a mere second may lie between the two clocks' readings, so fractions do not matter
        if wall_clock().abs_diff(time.seconds) > window {
            return Err(Status::BadRequest);
        }
        // with mutual TLS there always is a certificate, and the request must be bound to it
        if certificate_hash.is_some_and(|hash| hash[..] != channel_header.tls_cert_hash) {
            return Err(Status::BadRequest);
        }
        if channel_header.channel_id != source.shared.channel {
            return Err(Status::NotFound);
        }
        let info = decode::<SeekInfo>(payload.data).map_err(|_| Status::BadRequest)?;
        Ok(Self {
            source: source.clone(),
            payload: envelope.payload,
            signature: envelope.signature,
            creator: signature_header.creator,
            info,
            admitted_under: None,
            ahead: VecDeque::new(),
        })
    }

    /// Serves the request. `Err`: the client or the server is gone, and there is nobody to tell.
    pub(super) async fn serve(
        mut self,
        responses: &Responses,
        stop: &CancellationToken,
    ) -> Result<Status, Gone> {
        let strict = self.info.error_response == i32::from(SeekErrorResponse::Strict);
        let mut available = self.source.shared.available.subscribe();
        if strict && !*available.borrow() {
            return Ok(Status::ServiceUnavailable);
        }
        if !self.may_read() {
            return Ok(Status::Forbidden);
        }
        let mut heights = self.source.heights();
        let (mut number, last) = match self.range(*heights.borrow_and_update()) {
            Ok(range) => range,
            Err(status) => return Ok(status),
        };
        loop {
            if self.info.behavior == i32::from(SeekBehavior::FailIfNotReady) && number >= *heights.borrow() {
                return Ok(Status::NotFound);
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => return Err(Gone),
                () = responses.closed() => return Err(Gone),
                () = unavailable(&mut available), if strict => return Ok(Status::ServiceUnavailable),
                _ = heights.wait_for(|height| *height > number) => {}
            }
            let Ok(block) = self.read(number).await else { return Ok(Status::InternalServerError) };
            if !self.may_read() {
                return Ok(Status::Forbidden);
            }
            let response = DeliverResponse { r#type: Some(Type::Block(block)) };
            tokio::select! {
                biased;
                () = stop.cancelled() => return Err(Gone),
                sent = responses.send(Ok(response)) => sent.map_err(|_| Gone)?,
            }
            if number == last {
                return Ok(Status::Success);
            }
            number = number.saturating_add(1);
        }
    }

    /// First and last block asked for, in a chain of so many.
    fn range(&self, height: u64) -> Result<(u64, u64), Status> {
        let (Some(start), Some(stop)) = (self.info.start, self.info.stop) else {
            return Err(Status::BadRequest);
        };
        let tip = height.saturating_sub(1);
        let first = match start.r#type {
            Some(Position::Oldest(_)) => 0,
            Some(Position::Newest(_)) => tip,
            Some(Position::NextCommit(_)) => height,
            Some(Position::Specified(specified)) if specified.number <= height => specified.number,
            Some(Position::Specified(_)) | None => return Err(Status::NotFound),
        };
        let last = match stop.r#type {
            Some(Position::Oldest(_)) => first,
            Some(Position::Newest(_)) if start == SeekPosition { r#type: stop.r#type } => first,
            Some(Position::Newest(_)) => tip,
            Some(Position::Specified(specified)) if specified.number < first => {
                return Err(Status::BadRequest);
            }
            Some(Position::Specified(specified)) => specified.number,
            // as Fabric has it: the stream ends after block 0 or never
            Some(Position::NextCommit(_)) | None => 0,
        };
        Ok((first, last))
    }

    async fn read(&mut self, number: u64) -> Result<Block, ()> {
        if self.ahead.is_empty() {
            let reader = self.source.shared.reader.clone();
            let last = number.saturating_add(AHEAD_COUNT_MAX - 1);
            let reading =
                tokio::task::spawn_blocking(move || reader.read_range(number..=last, AHEAD_BYTES_MAX));
            match reading.await {
                Ok(Ok(blocks)) => self.ahead.extend(blocks.into_iter().map(|block| block.bytes)),
                Ok(Err(error)) => tracing::error!(target: LOGGER, number, %error, "cannot read a block"),
                Err(error) => tracing::error!(target: LOGGER, number, %error, "cannot read a block"),
            }
        }
        let bytes = self.ahead.pop_front().ok_or(())?;
        let mut block = decode::<Block>(bytes).map_err(|_| ())?;
        let headers_only = self.info.content_type == i32::from(SeekContentType::HeaderWithSig);
        if headers_only && !block::is_config_block(&block) {
            block.data = None;
        }
        Ok(block)
    }

    /// Whether the identity is still valid, and may read under the configuration in force, which is looked at again only when
    /// it has changed.
    fn may_read(&mut self) -> bool {
        let bundle = self.source.bundle();
        let expires_at = bundle.deserialize(&self.creator).map(|identity| identity.expires_at());
        if !expires_at.is_ok_and(|expires_at| wall_clock() < expires_at) {
            return false;
        }
        let sequence = bundle.sequence();
        if self.admitted_under.is_some_and(|admitted_under| admitted_under >= sequence) {
            return true;
        }
        let signed = SignedData {
            data: Cow::Borrowed(&self.payload),
            identity: Cow::Borrowed(&self.creator),
            signature: Cow::Borrowed(&self.signature),
        };
        let admitted = bundle.evaluate(readers_policy(&bundle), &[signed]).is_ok();
        if admitted {
            self.admitted_under = Some(sequence);
        }
        admitted
    }
}

async fn unavailable(available: &mut watch::Receiver<bool>) {
    if available.wait_for(|available| !available).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Who may read: in maintenance only the orderers (spec/07 §7.5).
fn readers_policy(bundle: &ChannelBundle) -> &'static str {
    let root = bundle.config().channel_group.as_ref();
    let value = root
        .and_then(|root| root.groups.get("Orderer"))
        .and_then(|orderer| orderer.values.get("ConsensusType"))
        .and_then(|value| decode::<ConsensusType>(value.value.clone()).ok());
    match value {
        Some(value) if value.state == i32::from(consensus_type::State::Maintenance) => {
            "/Channel/Orderer/Readers"
        }
        _ => "/Channel/Readers",
    }
}
