//! gRPC messages in an HTTP/2 body: a prefix of 5 bytes (not compressed, length), then the message. Nothing is decoded.
//!
//! tonic's own reader is not used: it has one fixed limit for a stream and reserves a message's announced length before a byte
//! of it has come. Here the limit rises when the peer has authenticated, and memory grows with what has really arrived.

use super::large::{LargeBytes, Lease};
use bytes::{Buf, Bytes};
use hyper::HeaderMap;
use hyper::body::Body;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use tonic::{Code, Status};

/// Length of the prefix before each message.
pub(super) const PREFIX_BYTES: usize = 5;

/// What a message's memory starts with.
const FIRST_CAPACITY_BYTES: usize = 64 << 10;

/// Longest status text that is sent: a header must fit the other side's limits.
const STATUS_TEXT_BYTES_MAX: usize = 4096;

/// The prefix of a message.
pub(super) fn prefix(length: u32) -> [u8; PREFIX_BYTES] {
    let [a, b, c, d] = length.to_be_bytes();
    [0, a, b, c, d]
}

/// Why a body is not a sequence of gRPC messages.
#[derive(Debug)]
pub(super) enum FrameError<E> {
    /// The body itself failed.
    Body(E),
    /// A message is compressed, though no compression was agreed on.
    Compressed,
    /// All connections together hold too much.
    NoRoom,
    /// A message is longer than allowed.
    TooLarge { length: usize, limit: usize },
    /// The body ends within a message.
    Truncated,
}

impl<E: fmt::Display> fmt::Display for FrameError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Body(error) => error.fmt(f),
            Self::Compressed => f.write_str("a message is compressed, though no compression was agreed on"),
            Self::NoRoom => f.write_str("no room for another large message at present"),
            Self::TooLarge { length, limit } => {
                write!(f, "grpc: received message larger than max ({length} vs. {limit})")
            }
            Self::Truncated => f.write_str("the stream ends within a message"),
        }
    }
}

impl<E: fmt::Display> FrameError<E> {
    /// The status with which a stream ends for it.
    pub(super) fn status(&self) -> Status {
        let code = match self {
            Self::Body(_) => Code::Cancelled,
            Self::Compressed => Code::Unimplemented,
            Self::NoRoom | Self::TooLarge { .. } => Code::ResourceExhausted,
            Self::Truncated => Code::Internal,
        };
        Status::new(code, self.to_string())
    }
}

/// Reads messages from a body. Futures of its methods can be dropped and called anew without loss, except within a message.
pub(super) struct MessageReader<B> {
    body: B,
    chunk: Bytes,
    trailers: Option<HeaderMap>,
    large: LargeBytes,
    header: [u8; PREFIX_BYTES],
    header_bytes: usize,
}

impl<B: Body<Data = Bytes> + Unpin> MessageReader<B> {
    pub(super) fn new(body: B, large: LargeBytes) -> Self {
        Self { body, chunk: Bytes::new(), trailers: None, large, header: [0; PREFIX_BYTES], header_bytes: 0 }
    }

    /// What stood after the last message, once the body has ended.
    pub(super) fn trailers(&self) -> Option<&HeaderMap> {
        self.trailers.as_ref()
    }

    /// Reads the next message's prefix: its length, or `None` at the end of the body. [`MessageReader::message`] comes next.
    pub(super) async fn length(&mut self, limit: usize) -> Result<Option<usize>, FrameError<B::Error>> {
        while self.header_bytes < PREFIX_BYTES {
            if self.chunk.is_empty() && !self.fill().await? {
                return if self.header_bytes == 0 { Ok(None) } else { Err(FrameError::Truncated) };
            }
            for slot in self.header.iter_mut().skip(self.header_bytes) {
                if !self.chunk.has_remaining() {
                    break;
                }
                *slot = self.chunk.get_u8();
                self.header_bytes += 1;
            }
        }
        self.header_bytes = 0;
        let [compressed, length @ ..] = self.header;
        let length = u32::from_be_bytes(length) as usize;
        if compressed != 0 {
            return Err(FrameError::Compressed);
        }
        if length > limit {
            return Err(FrameError::TooLarge { length, limit });
        }
        Ok(Some(length))
    }

    /// Reads the `length` bytes of a message. They are always copied out of the connection's buffers: a slice of 200 bytes
    /// that lives long would keep 16 KiB alive.
    pub(super) async fn message(&mut self, length: usize) -> Result<(Bytes, Lease), FrameError<B::Error>> {
        let mut lease = self.large.lease();
        let mut message = Vec::new();
        while message.len() < length {
            if self.chunk.is_empty() && !self.fill().await? {
                return Err(FrameError::Truncated);
            }
            let part = self.chunk.split_to(self.chunk.len().min(length - message.len()));
            let needed = message.len() + part.len();
            if needed > message.capacity() {
                let capacity = needed.max(2 * message.capacity()).max(FIRST_CAPACITY_BYTES).min(length);
                if !lease.grow(capacity) {
                    return Err(FrameError::NoRoom);
                }
                message.reserve_exact(capacity - message.len());
            }
            message.extend_from_slice(&part);
        }
        Ok((Bytes::from(message), lease))
    }

    /// Waits for the next bytes; `false` at the end of the body.
    async fn fill(&mut self) -> Result<bool, FrameError<B::Error>> {
        loop {
            match poll_fn(|cx| Pin::new(&mut self.body).poll_frame(cx)).await {
                None => return Ok(false),
                Some(Err(error)) => return Err(FrameError::Body(error)),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if data.is_empty() => {}
                    Ok(data) => {
                        self.chunk = data;
                        return Ok(true);
                    }
                    Err(frame) => self.trailers = frame.into_trailers().ok().or_else(|| self.trailers.take()),
                },
            }
        }
    }
}

/// The status in headers or trailers. Only code and text are looked at: tonic's reader panics on a damaged
/// `grpc-status-details-bin`.
pub(super) fn read_status(headers: &HeaderMap) -> Option<Status> {
    let mut clean = HeaderMap::with_capacity(2);
    for name in [Status::GRPC_STATUS, Status::GRPC_MESSAGE] {
        if let Some(value) = headers.get(&name) {
            clean.insert(name, value.clone());
        }
    }
    Status::from_header_map(&clean)
}

/// Trailers with a status.
pub(super) fn write_status(status: &Status) -> HeaderMap {
    let mut text = status.message();
    if text.len() > STATUS_TEXT_BYTES_MAX {
        text = text.get(..text.floor_char_boundary(STATUS_TEXT_BYTES_MAX)).unwrap_or_default();
    }
    let mut trailers = HeaderMap::with_capacity(2);
    if Status::new(status.code(), text).add_header(&mut trailers).is_err() {
        trailers.insert(Status::GRPC_STATUS, hyper::header::HeaderValue::from_static("2"));
    }
    trailers
}

/// The messages of a body that comes in chunks of `chunk_bytes`, and why there are no more, if not for its end.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn read_messages(body: &[u8], chunk_bytes: usize) -> (Vec<Bytes>, Option<String>) {
    use futures_util::{FutureExt as _, stream};
    use http_body_util::StreamBody;
    use hyper::body::Frame;
    use std::convert::Infallible;

    let chunks: Vec<Bytes> = body.chunks(chunk_bytes).map(Bytes::copy_from_slice).collect();
    let frames = chunks.into_iter().map(|chunk| Ok::<_, Infallible>(Frame::data(chunk)));
    let large = LargeBytes::new(std::sync::Arc::default(), 1 << 20);
    let mut reader = MessageReader::new(StreamBody::new(stream::iter(frames)), large);
    let mut messages = Vec::new();
    let mut read = async || -> Result<(), FrameError<Infallible>> {
        while let Some(length) = reader.length(1 << 20).await? {
            messages.push(reader.message(length).await?.0);
        }
        Ok(())
    };
    // nothing in it ever waits
    let outcome = read().now_or_never().unwrap_or(Ok(()));
    (messages, outcome.err().map(|error| error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::super::stats::TransportStats;
    use super::*;
    use futures_util::stream;
    use http_body_util::StreamBody;
    use hyper::body::Frame;
    use std::convert::Infallible;
    use std::sync::Arc;

    fn reader(
        chunks: Vec<Vec<u8>>,
        large_bytes_max: usize,
    ) -> MessageReader<impl Body<Data = Bytes, Error = Infallible> + Unpin> {
        let frames = chunks.into_iter().map(|chunk| Ok::<_, Infallible>(Frame::data(Bytes::from(chunk))));
        let large = LargeBytes::new(Arc::new(TransportStats::default()), large_bytes_max);
        MessageReader::new(StreamBody::new(stream::iter(frames)), large)
    }

    fn framed(messages: &[&[u8]]) -> Vec<u8> {
        messages.iter().flat_map(|message| [&prefix(message.len() as u32)[..], message].concat()).collect()
    }

    #[tokio::test]
    async fn messages_are_found_however_the_body_is_cut() {
        let bytes = framed(&[b"alpha", b"", b"gamma delta"]);
        for size in 1..=bytes.len() {
            let mut reader = reader(bytes.chunks(size).map(<[u8]>::to_vec).collect(), usize::MAX);
            for expected in [&b"alpha"[..], b"", b"gamma delta"] {
                let length = reader.length(64).await.unwrap().unwrap();
                assert_eq!(reader.message(length).await.unwrap().0, expected);
            }
            assert_eq!(reader.length(64).await.unwrap(), None);
        }
    }

    #[tokio::test]
    async fn a_message_over_the_limit_is_refused_before_it_is_read() {
        let mut reader = reader(vec![framed(&[b"12345"]), prefix(u32::MAX).to_vec()], usize::MAX);
        assert_eq!(reader.length(5).await.unwrap(), Some(5));
        reader.message(5).await.unwrap();
        let error = reader.length(5).await.unwrap_err();
        assert!(matches!(error, FrameError::TooLarge { length: 0xffff_ffff, limit: 5 }));
        assert_eq!(error.status().code(), Code::ResourceExhausted);
    }

    #[tokio::test]
    async fn what_is_no_message_is_named() {
        let mut compressed = reader(vec![vec![1, 0, 0, 0, 0]], usize::MAX);
        assert!(matches!(compressed.length(5).await, Err(FrameError::Compressed)));
        let mut cut = reader(vec![vec![0, 0, 0]], usize::MAX);
        assert!(matches!(cut.length(5).await, Err(FrameError::Truncated)));
        let mut cut = reader(vec![vec![0, 0, 0, 0, 5, 1, 2]], usize::MAX);
        assert_eq!(cut.length(5).await.unwrap(), Some(5));
        assert!(matches!(cut.message(5).await, Err(FrameError::Truncated)));
    }

    #[tokio::test]
    async fn memory_grows_with_what_has_arrived_and_is_bounded_over_all() {
        let size = 1 << 20;
        let chunks = || {
            std::iter::once(prefix(size as u32).to_vec()).chain((0..64).map(|_| vec![7; 16 << 10])).collect()
        };
        let mut fits = reader(chunks(), size);
        let length = fits.length(size).await.unwrap().unwrap();
        let (message, lease) = fits.message(length).await.unwrap();
        assert_eq!(message.len(), size);
        drop(lease);
        let mut exceeds = reader(chunks(), size - 1);
        let length = exceeds.length(size).await.unwrap().unwrap();
        let Err(error) = exceeds.message(length).await else { panic!("the bound was passed") };
        assert_eq!(error.status().code(), Code::ResourceExhausted);
    }

    #[test]
    fn statuses_survive_the_way() {
        let status = Status::unknown("Expected [1 2] in remote hash: 100% \n ü");
        let read = read_status(&write_status(&status)).unwrap();
        assert_eq!((read.code(), read.message()), (status.code(), status.message()));
        assert_eq!(read_status(&HeaderMap::new()).map(|status| status.code()), None);
        let long = Status::unknown("ü".repeat(STATUS_TEXT_BYTES_MAX));
        assert_eq!(
            read_status(&write_status(&long)).unwrap().message(),
            "ü".repeat(STATUS_TEXT_BYTES_MAX / 2)
        );
    }

    #[test]
    fn a_damaged_details_header_does_not_panic() {
        let mut headers = HeaderMap::new();
        headers.insert("grpc-status", "5".parse().unwrap());
        headers.insert("grpc-status-details-bin", "!!!".parse().unwrap());
        assert_eq!(read_status(&headers).unwrap().code(), Code::NotFound);
    }
}
