//! What clients broadcast: transactions, and updates of the channel's configuration.

use super::propose::propose;
use super::transactions::wall_clock;
use super::{OrderingError, OrderingSource};
use bytes::Bytes;
use prost::Message as _;
use selvedge_msp::SignedData;
use selvedge_proto::common::{ChannelHeader, Envelope, HeaderType, Payload, SignatureHeader, Status};
use selvedge_proto::decode;
use selvedge_proto::orderer::{BatchSize, BroadcastResponse};
use std::borrow::Cow;

/// Takes one envelope, or says why not. Returns when a configuration update is durable, and when a transaction waits.
pub(super) async fn take(source: &OrderingSource, envelope: Envelope) -> BroadcastResponse {
    let source = source.clone();
    let taken = tokio::task::spawn_blocking(move || source.submit(&envelope)).await;
    let (status, info) = match taken {
        Ok(Ok(())) => (Status::Success, String::new()),
        Ok(Err((status, error))) => (status, error.to_string()),
        Err(error) => (Status::InternalServerError, error.to_string()),
    };
    BroadcastResponse { status: status.into(), info }
}

impl OrderingSource {
    /// What `Broadcast` does with one envelope: a transaction waits for the next block that a [`Cutter`](super::Cutter) cuts,
    /// a configuration update is authorised and becomes a block at once. Blocks until it is durable.
    ///
    /// # Errors
    /// The status an orderer would answer, and why.
    pub fn submit(&self, envelope: &Envelope) -> Result<(), (Status, OrderingError)> {
        if !*self.shared.available.borrow() {
            let error = OrderingError::Malformed("no leader");
            return Err((Status::ServiceUnavailable, error));
        }
        let malformed = |what| (Status::BadRequest, OrderingError::Malformed(what));
        let payload =
            decode::<Payload>(envelope.payload.clone()).map_err(|_| malformed("unparsable payload"))?;
        let header = payload.header.ok_or_else(|| malformed("no header"))?;
        let channel_header = decode::<ChannelHeader>(header.channel_header)
            .map_err(|_| malformed("unparsable channel header"))?;
        let signature_header = decode::<SignatureHeader>(header.signature_header)
            .map_err(|_| malformed("unparsable signature header"))?;
        if channel_header.channel_id != self.shared.channel {
            return Err((Status::NotFound, OrderingError::Malformed("unknown channel")));
        }
        let bytes = Bytes::from(envelope.encode_to_vec());
        if bytes.len() > self.transaction_bytes_max() {
            return Err(malformed("larger than the channel's absolute maximum"));
        }
        self.may_write(envelope, &signature_header.creator).map_err(|error| (Status::Forbidden, error))?;
        match HeaderType::try_from(channel_header.r#type) {
            Ok(HeaderType::ConfigUpdate) => {
                let cut = self.cut_config(|bundle| propose(bundle, envelope, &self.shared.settings.orderer));
                cut.map(drop).map_err(|error| (Status::BadRequest, error))
            }
            Ok(HeaderType::Config | HeaderType::OrdererTransaction) => {
                Err(malformed("such messages are made by orderers"))
            }
            _ => self.enqueue(bytes).map_err(|error| (Status::ServiceUnavailable, error)),
        }
    }

    fn may_write(&self, envelope: &Envelope, creator: &Bytes) -> Result<(), OrderingError> {
        let bundle = self.bundle();
        let forbidden = |reason: String| OrderingError::Forbidden(reason);
        let identity = bundle.deserialize(creator).map_err(|error| forbidden(error.to_string()))?;
        if wall_clock() >= identity.expires_at() {
            return Err(forbidden("the identity has expired".to_owned()));
        }
        let signed = SignedData {
            data: Cow::Borrowed(&envelope.payload),
            identity: Cow::Borrowed(creator),
            signature: Cow::Borrowed(&envelope.signature),
        };
        bundle.evaluate("/Channel/Writers", &[signed]).map_err(|error| forbidden(error.to_string()))
    }

    /// `absolute_max_bytes` of the channel's `BatchSize`.
    fn transaction_bytes_max(&self) -> usize {
        let bundle = self.bundle();
        let root = bundle.config().channel_group.as_ref();
        let batch_size = root
            .and_then(|root| root.groups.get("Orderer"))
            .and_then(|orderer| orderer.values.get("BatchSize"))
            .and_then(|value| decode::<BatchSize>(value.value.clone()).ok());
        batch_size.map_or(usize::MAX, |batch_size| batch_size.absolute_max_bytes as usize)
    }
}
