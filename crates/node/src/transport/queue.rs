//! What waits to be sent on one connection: bounded, prioritised, never blocking.

use super::framing::{PREFIX_BYTES, prefix, write_status};
use super::settings::Settings;
use super::stats::TransportStats;
use bytes::{BufMut, Bytes, BytesMut};
use hyper::body::{Body, Frame};
use selvedge_core::Priority;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use tokio_util::sync::CancellationToken;
use tonic::Status;

/// Small envelopes leave together, up to this many bytes: one HTTP/2 frame.
const BATCH_BYTES: usize = 16 << 10;

/// Large envelopes leave in slices of this many bytes, so that little is out of the queue while the peer does not read.
const SLICE_BYTES: usize = 64 << 10;

const LANES: usize = 4;

/// What became of an envelope that was pushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// It waits to be sent.
    Queued,
    /// It waits to be sent, and this many others, no dearer than it, were dropped for it, the oldest first.
    Displaced(usize),
    /// It was dropped: the queue is full of dearer ones, or it is larger than a message may be.
    Dropped,
    /// The connection has ended, or ends now since not even [`Priority::Control`] found room.
    Closed,
}

/// Why a stream ends from this side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LocalEnd {
    /// The owner closed it, or the transport stops.
    Asked,
    /// The other side ended first; there is nobody to send to.
    Remote,
    /// An envelope that must not be dropped found no room.
    Stalled,
}

/// The queue of one connection. Filled by [`Connection`](super::Connection), emptied by an [`OutboundBody`].
pub(super) struct SendQueue {
    state: Mutex<State>,
    count_max: usize,
    bytes_max: usize,
    message_bytes_max: usize,
    stats: Arc<TransportStats>,
    /// Cancelled once this side has ended the stream.
    pub(super) ended: CancellationToken,
    /// Cancelled once the stream is gone.
    pub(super) gone: CancellationToken,
    /// Cancelled once everything that was to leave has left, or can no more.
    pub(super) drained: CancellationToken,
}

#[derive(Default)]
struct State {
    lanes: [Lane; LANES],
    /// The rest of the large envelope that is leaving.
    leaving: Bytes,
    sent_any: bool,
    end: Option<(LocalEnd, Status)>,
    waker: Option<Waker>,
}

#[derive(Default)]
struct Lane {
    envelopes: VecDeque<Bytes>,
    bytes: usize,
}

impl Lane {
    fn pop(&mut self) -> Option<Bytes> {
        let envelope = self.envelopes.pop_front()?;
        self.bytes -= envelope.len();
        Some(envelope)
    }
}

impl State {
    fn count(&self) -> usize {
        self.lanes.iter().map(|lane| lane.envelopes.len()).sum()
    }

    fn bytes(&self) -> usize {
        self.leaving.len() + self.lanes.iter().map(|lane| lane.bytes).sum::<usize>()
    }

    fn clear(&mut self) {
        self.lanes = Default::default();
        self.leaving = Bytes::new();
    }
}

impl SendQueue {
    pub(super) fn new(settings: &Settings, stats: Arc<TransportStats>) -> Self {
        Self {
            state: Mutex::default(),
            count_max: settings.send_count_max,
            bytes_max: settings.send_bytes_max,
            message_bytes_max: settings.message_bytes_max.min(u32::MAX as usize),
            stats,
            ended: CancellationToken::new(),
            gone: CancellationToken::new(),
            drained: CancellationToken::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn push(&self, envelope: Bytes, priority: Priority) -> Pushed {
        let mut state = self.state();
        if state.end.is_some() {
            return Pushed::Closed;
        }
        if envelope.len() > self.message_bytes_max {
            self.stats.oversized.add(1);
            return Pushed::Dropped;
        }
        let lane = priority as usize;
        let Some(displaced) = self.make_room(&mut state, lane, envelope.len()) else {
            if priority != Priority::Control {
                self.stats.overflows.add(1);
                return Pushed::Dropped;
            }
            self.stats.stalled.add(1);
            drop(state);
            self.end(
                LocalEnd::Stalled,
                Status::resource_exhausted("too many messages wait to be sent"),
                false,
            );
            return Pushed::Closed;
        };
        self.stats.overflows.add(displaced);
        if let Some(lane) = state.lanes.get_mut(lane) {
            lane.bytes += envelope.len();
            lane.envelopes.push_back(envelope);
        }
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        if displaced == 0 { Pushed::Queued } else { Pushed::Displaced(displaced) }
    }

    /// Drops what is least dear, oldest first, until `length` bytes fit; `None`, and nothing dropped, if they would not fit
    /// even so. Control gives way to nobody, others also to their own kind: what is newer is worth more.
    fn make_room(&self, state: &mut State, lane: usize, length: usize) -> Option<usize> {
        let first = lane.max(Priority::Membership as usize);
        let fits = |count: usize, bytes: usize| {
            count < self.count_max && (bytes + length <= self.bytes_max || count == 0 && bytes == 0)
        };
        let (mut count, mut bytes) = (state.count(), state.bytes());
        let cheap = state.lanes.get(first..).unwrap_or_default();
        let cheap_count: usize = cheap.iter().map(|lane| lane.envelopes.len()).sum();
        let cheap_bytes: usize = cheap.iter().map(|lane| lane.bytes).sum();
        if !fits(count - cheap_count, bytes - cheap_bytes) {
            return None;
        }
        let mut displaced = 0;
        while !fits(count, bytes) {
            let victim = state.lanes.iter_mut().skip(first).rev().find_map(Lane::pop)?;
            count -= 1;
            bytes -= victim.len();
            displaced += 1;
        }
        Some(displaced)
    }

    /// Takes nothing more; what waits leaves first if `drain`, then the stream ends with `status`. Only the first call counts.
    pub(super) fn end(&self, end: LocalEnd, status: Status, drain: bool) {
        let mut state = self.state();
        if state.end.is_some() {
            return;
        }
        state.end = Some((end, status));
        if !drain {
            state.clear();
        }
        let waker = state.waker.take();
        drop(state);
        match end {
            LocalEnd::Asked | LocalEnd::Stalled => self.ended.cancel(),
            LocalEnd::Remote => self.gone.cancel(),
        }
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Why nothing more is taken; `None` while the queue is open.
    pub(super) fn end_cause(&self) -> Option<LocalEnd> {
        self.state().end.as_ref().map(|(end, _)| *end)
    }

    /// The next bytes for the wire; then, once ended, `None` and the status.
    fn poll_chunk(&self, cx: &mut Context<'_>) -> Poll<Result<Bytes, Status>> {
        let mut state = self.state();
        if !state.leaving.is_empty() {
            let length = state.leaving.len().min(SLICE_BYTES);
            return Poll::Ready(Ok(state.leaving.split_to(length)));
        }
        let Some(first) = state.lanes.iter_mut().find_map(Lane::pop) else {
            return match &state.end {
                Some((_, status)) => Poll::Ready(Err(status.clone())),
                None => {
                    state.waker = Some(cx.waker().clone());
                    Poll::Pending
                }
            };
        };
        let (chunk, taken) = Self::batch(&mut state, first);
        let handshakes = usize::from(!std::mem::replace(&mut state.sent_any, true));
        self.stats.messages_sent.add(taken - handshakes);
        Poll::Ready(Ok(chunk))
    }

    /// `first` and as many others, in their order, as fit into one batch; how many they are.
    fn batch(state: &mut State, mut first: Bytes) -> (Bytes, usize) {
        let head = prefix(first.len() as u32);
        if first.len() + PREFIX_BYTES > BATCH_BYTES {
            let mut batch = BytesMut::with_capacity(BATCH_BYTES);
            batch.put_slice(&head);
            batch.put(first.split_to(BATCH_BYTES - PREFIX_BYTES));
            state.leaving = first;
            return (batch.freeze(), 1);
        }
        let waiting = state.bytes() + PREFIX_BYTES * (state.count() + 1);
        let mut batch = BytesMut::with_capacity((first.len() + waiting).min(BATCH_BYTES));
        batch.put_slice(&head);
        batch.put(first);
        let mut taken = 1;
        while let Some(lane) = state.lanes.iter_mut().find(|lane| !lane.envelopes.is_empty()) {
            let next_bytes = lane.envelopes.front().map_or(usize::MAX, Bytes::len);
            if next_bytes.saturating_add(batch.len() + PREFIX_BYTES) > BATCH_BYTES {
                break;
            }
            let Some(next) = lane.pop() else { break };
            batch.put_slice(&prefix(next.len() as u32));
            batch.put(next);
            taken += 1;
        }
        (batch.freeze(), taken)
    }
}

/// Empties a queue into an HTTP/2 stream: the body of an accepted stream's response or of a dialled stream's request.
/// HTTP/2 asks for the next chunk only when the last one found room in the peer's window.
pub(super) struct OutboundBody {
    queue: Arc<SendQueue>,
    with_trailers: bool,
    done: bool,
}

impl OutboundBody {
    /// Responses end with the status in trailers, requests just end.
    pub(super) fn new(queue: Arc<SendQueue>, with_trailers: bool) -> Self {
        Self { queue, with_trailers, done: false }
    }
}

impl Body for OutboundBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.done {
            return Poll::Ready(None);
        }
        match self.queue.poll_chunk(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(chunk)) => Poll::Ready(Some(Ok(Frame::data(chunk)))),
            Poll::Ready(Err(status)) => {
                self.done = true;
                self.queue.drained.cancel();
                let trailers = self.with_trailers.then(|| Ok(Frame::trailers(write_status(&status))));
                Poll::Ready(trailers)
            }
        }
    }
}

impl Drop for OutboundBody {
    fn drop(&mut self) {
        self.queue.end(LocalEnd::Remote, Status::cancelled("the stream is gone"), false);
        self.queue.state().clear();
        self.queue.drained.cancel();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::task::noop_waker;

    fn queue(send_count_max: usize, send_bytes_max: usize) -> Arc<SendQueue> {
        let settings = Settings { send_count_max, send_bytes_max, ..Settings::default() };
        Arc::new(SendQueue::new(&settings, Arc::default()))
    }

    fn bytes(text: &str) -> Bytes {
        Bytes::copy_from_slice(text.as_bytes())
    }

    /// All messages that are ready to leave.
    fn drain(body: &mut OutboundBody) -> Vec<Bytes> {
        let mut all = BytesMut::new();
        let waker = noop_waker();
        while let Poll::Ready(Some(Ok(frame))) =
            Pin::new(&mut *body).poll_frame(&mut Context::from_waker(&waker))
        {
            let Ok(data) = frame.into_data() else { break };
            all.extend_from_slice(&data);
        }
        let mut messages = Vec::new();
        while !all.is_empty() {
            let head = all.split_to(PREFIX_BYTES);
            let length = u32::from_be_bytes(head[1..].try_into().unwrap()) as usize;
            messages.push(all.split_to(length).freeze());
        }
        messages
    }

    #[test]
    fn what_is_dearer_leaves_first_and_order_is_kept_within_a_kind() {
        let queue = queue(10, 1000);
        let mut body = OutboundBody::new(Arc::clone(&queue), false);
        for (text, priority) in [
            ("transfer", Priority::Transfer),
            ("block 1", Priority::Block),
            ("alive 1", Priority::Membership),
            ("block 2", Priority::Block),
            ("handshake", Priority::Control),
            ("alive 2", Priority::Membership),
        ] {
            assert_eq!(queue.push(bytes(text), priority), Pushed::Queued);
        }
        assert_eq!(drain(&mut body), ["handshake", "alive 1", "alive 2", "block 1", "block 2", "transfer"]);
        assert_eq!(queue.stats.messages_sent.value(), 5, "the first message of a stream is its handshake");
    }

    #[test]
    fn a_full_queue_drops_what_is_least_dear_oldest_first() {
        let queue = queue(4, 1000);
        let mut body = OutboundBody::new(Arc::clone(&queue), false);
        for (text, priority) in [
            ("transfer 1", Priority::Transfer),
            ("transfer 2", Priority::Transfer),
            ("block", Priority::Block),
            ("alive 1", Priority::Membership),
        ] {
            assert_eq!(queue.push(bytes(text), priority), Pushed::Queued);
        }
        assert_eq!(queue.push(bytes("transfer 3"), Priority::Transfer), Pushed::Displaced(1));
        assert_eq!(queue.push(bytes("alive 2"), Priority::Membership), Pushed::Displaced(1));
        assert_eq!(queue.push(bytes("alive 3"), Priority::Membership), Pushed::Displaced(1));
        assert_eq!(queue.push(bytes("transfer 4"), Priority::Transfer), Pushed::Dropped);
        assert_eq!(queue.push(bytes("control"), Priority::Control), Pushed::Displaced(1));
        assert_eq!(queue.stats.overflows.value(), 5);
        assert_eq!(drain(&mut body), ["control", "alive 1", "alive 2", "alive 3"]);
    }

    #[test]
    fn bytes_are_bounded_and_a_large_envelope_is_taken_alone() {
        let queue = queue(100, 10);
        let mut body = OutboundBody::new(Arc::clone(&queue), false);
        assert_eq!(queue.push(bytes("twelve bytes"), Priority::Block), Pushed::Queued);
        assert_eq!(queue.push(bytes("small"), Priority::Transfer), Pushed::Dropped);
        assert_eq!(queue.push(bytes("four"), Priority::Membership), Pushed::Displaced(1));
        assert_eq!(queue.push(bytes("twelve bytes"), Priority::Block), Pushed::Dropped);
        assert_eq!(queue.push(bytes("six by"), Priority::Block), Pushed::Queued);
        assert_eq!(drain(&mut body), ["four", "six by"]);
    }

    #[test]
    fn control_without_room_ends_the_connection() {
        let queue = queue(2, 1000);
        let _body = OutboundBody::new(Arc::clone(&queue), false);
        assert_eq!(queue.push(bytes("1"), Priority::Control), Pushed::Queued);
        assert_eq!(queue.push(bytes("2"), Priority::Control), Pushed::Queued);
        assert_eq!(queue.push(bytes("alive"), Priority::Membership), Pushed::Dropped);
        assert_eq!(queue.push(bytes("3"), Priority::Control), Pushed::Closed);
        assert!(queue.ended.is_cancelled());
        assert_eq!(queue.end_cause(), Some(LocalEnd::Stalled));
        assert_eq!(queue.stats.stalled.value(), 1);
    }

    #[test]
    fn an_oversized_envelope_is_dropped() {
        let settings = Settings { message_bytes_max: 4, ..Settings::default() };
        let queue = SendQueue::new(&settings, Arc::default());
        assert_eq!(queue.push(bytes("12345"), Priority::Control), Pushed::Dropped);
        assert_eq!(queue.push(bytes("1234"), Priority::Control), Pushed::Queued);
        assert_eq!(queue.stats.oversized.value(), 1);
    }

    #[test]
    fn a_large_envelope_leaves_in_slices_of_the_shared_bytes() {
        let queue = queue(100, 1 << 20);
        let mut body = OutboundBody::new(Arc::clone(&queue), false);
        let large = Bytes::from((0..200_000_u32).map(|i| i as u8).collect::<Vec<_>>());
        queue.push(large.clone(), Priority::Block);
        queue.push(bytes("alive"), Priority::Membership);
        queue.push(bytes("control"), Priority::Control);
        assert_eq!(drain(&mut body), [bytes("control"), bytes("alive"), large]);
    }

    #[test]
    fn an_end_lets_what_waits_leave_and_then_tells_its_status() {
        let queue = queue(10, 1000);
        let mut body = OutboundBody::new(Arc::clone(&queue), true);
        queue.push(bytes("last"), Priority::Membership);
        queue.end(LocalEnd::Asked, Status::unknown("why"), true);
        assert_eq!(queue.push(bytes("too late"), Priority::Control), Pushed::Closed);
        let waker = noop_waker();
        let mut next = || match Pin::new(&mut body).poll_frame(&mut Context::from_waker(&waker)) {
            Poll::Ready(Some(Ok(frame))) => Some(frame),
            _ => None,
        };
        assert_eq!(next().unwrap().into_data().unwrap(), b"\0\0\0\0\x04last"[..]);
        assert!(!queue.drained.is_cancelled());
        assert_eq!(next().unwrap().into_trailers().unwrap()["grpc-message"], "why");
        assert!(queue.drained.is_cancelled());
        assert!(next().is_none());
    }

    #[test]
    fn when_the_stream_is_gone_nothing_is_kept() {
        let queue = queue(10, 1000);
        let body = OutboundBody::new(Arc::clone(&queue), true);
        queue.push(bytes("lost"), Priority::Membership);
        drop(body);
        assert_eq!(queue.end_cause(), Some(LocalEnd::Remote));
        assert_eq!(queue.state().count(), 0);
        assert!(queue.drained.is_cancelled());
    }
}
