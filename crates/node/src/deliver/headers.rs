//! Headers from one of the orderers that the blocks do not come from (spec/07 §14.3).
//!
//! A header counts when orderers' signatures on it satisfy the BlockValidation policy. The stream begins at the orderer's
//! newest block, so that the headers of a long chain are not read only to be thrown away. One that does not verify may be
//! signed under a configuration that has not come yet; if the blocks do not come nearer to it for a while, the stream is
//! begun anew at the block that is waited for, and configurations are followed from there.

use super::client::changed;
use super::connection::{self, HEADER_BYTES_MAX};
use super::response::{self, Response};
use super::{DeliverSettings, DeliverState, EndReason, LOGGER, seek_info, seek_newest};
use crate::transport::Transport;
use bytes::Bytes;
use prost::Message as _;
use selvedge_msp::{ChannelBundle, Followed, OrdererEndpoint};
use selvedge_proto::block;
use selvedge_proto::common::Block;
use selvedge_proto::orderer::seek_info::SeekContentType;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// Of a stream in this part of the time limit no more than one header is verified, the newest.
const CHECKS_PER_LIMIT: u32 = 100;
/// A header that does not verify is doubted for this part of the time limit.
const DOUBTS_PER_LIMIT: u32 = 2;

/// What all sources of headers have in common.
#[derive(Clone)]
pub(super) struct Watched {
    pub(super) settings: Arc<DeliverSettings>,
    pub(super) transport: Transport,
    /// Time limit of a block after its header.
    pub(super) limit: Duration,
    /// The configuration in force.
    pub(super) bundle: watch::Receiver<Arc<ChannelBundle>>,
    /// Number of the block that the stream of blocks has to bring next.
    pub(super) next: watch::Receiver<u64>,
    /// The highest block with a verified header.
    pub(super) highest: watch::Sender<Option<u64>>,
    pub(super) state: watch::Sender<DeliverState>,
}

/// Follows the headers of one orderer.
pub(super) struct HeaderSource {
    watched: Watched,
    endpoint: OrdererEndpoint,
    /// A configuration that came with the headers, while it is newer than the one in force.
    ahead: Option<Arc<ChannelBundle>>,
    /// Whether the next stream begins at the block that is waited for, instead of at the newest.
    from_next: bool,
    /// Streams that ended since the last header that verified.
    failures: u32,
}

/// What is known of the present stream.
struct Reading {
    /// Number of the header that has to come next; any may be the first.
    expected: Option<u64>,
    /// The newest header that has not been verified.
    candidate: Option<Candidate>,
    checked_at: Option<Instant>,
    /// Since when headers do not verify and blocks do not come.
    doubted_since: Option<Instant>,
}

struct Candidate {
    number: u64,
    block: Block,
    /// Why it does not verify, and under which configuration.
    refused: Option<(u64, String)>,
}

enum Step {
    Response(Result<Bytes, EndReason>),
    CheckDue,
    Reconfigured,
    BlockCame,
    DoubtedLongEnough,
}

impl HeaderSource {
    pub(super) fn new(watched: Watched, endpoint: OrdererEndpoint) -> Self {
        Self { watched, endpoint, ahead: None, from_next: false, failures: 0 }
    }

    /// Goes on until it is dropped.
    pub(super) async fn run(mut self) -> Infallible {
        loop {
            let Err(reason) = self.follow().await;
            self.failures = self.failures.saturating_add(1);
            self.log(&reason);
            tokio::time::sleep(self.watched.settings.backoff.pause(self.failures)).await;
        }
    }

    /// One stream, from dialling to its end.
    async fn follow(&mut self) -> Result<Infallible, EndReason> {
        let next = *self.watched.next.borrow_and_update();
        let (info, expected) = if self.from_next {
            (seek_info(next, SeekContentType::HeaderWithSig), Some(next))
        } else {
            (seek_newest(SeekContentType::HeaderWithSig), None)
        };
        let (settings, transport) = (&self.watched.settings, &self.watched.transport);
        let mut responses =
            connection::open(&self.endpoint, settings, transport, info, HEADER_BYTES_MAX).await?;
        let mut reading = Reading { expected, candidate: None, checked_at: None, doubted_since: None };
        loop {
            match self.step(&reading, &mut responses).await {
                Step::Response(response) => self.read(&mut reading, response?).await?,
                Step::CheckDue => self.check(&mut reading).await?,
                Step::Reconfigured => {
                    let in_force = self.bundle().sequence();
                    if let Some(candidate) = &mut reading.candidate {
                        candidate.refused.take_if(|(sequence, _)| *sequence != in_force);
                    }
                }
                Step::BlockCame => reading.on_block(*self.watched.next.borrow()),
                Step::DoubtedLongEnough => return Err(self.give_up(&reading)),
            }
        }
    }

    /// Waits for what happens next. What is due goes before what comes, or a flood would put it off for ever.
    async fn step(&mut self, reading: &Reading, responses: &mut connection::Responses) -> Step {
        let limit = self.watched.limit;
        let doubting = reading.doubted_since.is_some();
        tokio::select! {
            biased;
            () = passed(reading.checked_at, limit / CHECKS_PER_LIMIT), if reading.is_check_wanted() => Step::CheckDue,
            () = passed(reading.doubted_since, limit / DOUBTS_PER_LIMIT), if doubting => Step::DoubtedLongEnough,
            () = changed(&mut self.watched.bundle), if doubting => Step::Reconfigured,
            () = changed(&mut self.watched.next), if doubting => Step::BlockCame,
            response = responses.next() => Step::Response(response),
        }
    }

    /// Takes a header as the newest. A configuration is looked at before the next header is read, which may need it.
    async fn read(&mut self, reading: &mut Reading, response: Bytes) -> Result<(), EndReason> {
        let (number, bytes) = match response::read(response)? {
            Response::Block { number, bytes } => (number, bytes),
            Response::Status(status) => return Err(EndReason::of_status(status)),
        };
        if let Some(expected) = reading.expected.filter(|expected| *expected != number) {
            return Err(EndReason::WrongNumber { expected, given: number });
        }
        reading.expected = Some(number.saturating_add(1));
        // nothing can be said about a block that is there; and the first one has no signatures
        if number < (*self.watched.next.borrow()).max(1) {
            return Ok(());
        }
        let block = header_of(bytes)?;
        let is_config = block::is_config_block(&block);
        reading.candidate = Some(Candidate { number, block, refused: None });
        if is_config { self.check(reading).await } else { Ok(()) }
    }

    /// Verifies the newest header.
    async fn check(&mut self, reading: &mut Reading) -> Result<(), EndReason> {
        reading.checked_at = Some(Instant::now());
        let next = *self.watched.next.borrow_and_update();
        let Some(candidate) = reading.candidate.as_mut().filter(|candidate| candidate.number >= next) else {
            reading.on_block(next);
            return Ok(());
        };
        let (bundle, number, block) = (self.bundle(), candidate.number, candidate.block.clone());
        let sequence = bundle.sequence();
        let is_config = block::is_config_block(&block);
        // a configuration may be large; and signatures take their time
        let checked = tokio::task::spawn_blocking(move || verify(&bundle, number, &block)).await;
        match checked.unwrap_or_else(|error| Err(error.to_string())) {
            Ok(followed) => {
                if let Some(followed) = followed {
                    self.ahead = Some(Arc::from(followed));
                }
                reading.candidate = None;
                reading.doubted_since = None;
                self.verified(number);
            }
            Err(reason) => {
                candidate.refused = Some((sequence, reason));
                reading.doubted_since.get_or_insert_with(Instant::now);
                self.watched.state.send_modify(|state| state.headers_refused_count += 1);
                if is_config {
                    // what follows cannot be judged without it; and it is dear to look at
                    return Err(self.give_up(reading));
                }
            }
        }
        Ok(())
    }

    fn verified(&mut self, number: u64) {
        self.failures = 0;
        self.from_next = false;
        self.watched.state.send_modify(|state| state.headers_count += 1);
        self.watched.highest.send_if_modified(|highest| {
            let is_higher = highest.is_none_or(|highest| number > highest);
            if is_higher {
                *highest = Some(number);
            }
            is_higher
        });
    }

    /// Ends a stream whose newest header does not verify.
    fn give_up(&mut self, reading: &Reading) -> EndReason {
        self.from_next = true;
        let candidate = reading.candidate.as_ref();
        let number = candidate.map_or(0, |candidate| candidate.number);
        let refused = candidate.and_then(|candidate| candidate.refused.as_ref());
        let reason =
            refused.map_or_else(|| "it could not be verified".to_owned(), |(_, reason)| reason.clone());
        EndReason::Refused { number, reason }
    }

    /// The newest configuration known.
    fn bundle(&mut self) -> Arc<ChannelBundle> {
        let in_force = Arc::clone(&self.watched.bundle.borrow_and_update());
        self.ahead.take_if(|ahead| ahead.sequence() <= in_force.sequence());
        self.ahead.clone().unwrap_or(in_force)
    }

    fn log(&self, reason: &EndReason) {
        let (channel, orderer, failures) =
            (&self.watched.settings.channel, &self.endpoint.address, self.failures);
        // an outage of hours is not worth a line every ten seconds
        if !failures.is_power_of_two() {
            tracing::debug!(target: LOGGER, %channel, %orderer, failures, "headers of an orderer: {reason}");
        } else if matches!(reason, EndReason::Refused { .. }) {
            tracing::warn!(target: LOGGER, %channel, %orderer, failures, "headers of an orderer: {reason}");
        } else {
            tracing::info!(target: LOGGER, %channel, %orderer, failures, "headers of an orderer: {reason}");
        }
    }
}

impl Reading {
    fn is_check_wanted(&self) -> bool {
        self.candidate.as_ref().is_some_and(|candidate| candidate.refused.is_none())
    }

    /// Blocks have come up to the one before `next`: that is progress, and perhaps the end of all doubt.
    fn on_block(&mut self, next: u64) {
        self.candidate.take_if(|candidate| candidate.number < next);
        self.doubted_since = self.doubted_since.filter(|_| self.candidate.is_some()).map(|_| Instant::now());
    }
}

/// What is needed of a block on a stream of headers: all of a configuration, otherwise no data.
fn header_of(bytes: Bytes) -> Result<Block, EndReason> {
    let mut block = selvedge_proto::decode::<Block>(bytes).map_err(|_| EndReason::Malformed)?;
    if block.data.is_some() && !block::is_config_block(&block) {
        block.data = None;
        // a copy, so that the data are not held with it
        block = selvedge_proto::decode(block.encode_to_vec()).map_err(|_| EndReason::Malformed)?;
    }
    Ok(block)
}

/// Verifies a header, or the whole block of a configuration, which is then followed (spec/07 §6.3).
fn verify(bundle: &ChannelBundle, number: u64, block: &Block) -> Result<Option<Box<ChannelBundle>>, String> {
    if !block::is_config_block(block) {
        return bundle.verify_attestation(number, block).map(|()| None).map_err(|error| error.to_string());
    }
    bundle.verify_block(number, block).map_err(|error| error.to_string())?;
    Ok(match bundle.follow(block) {
        Ok(Followed::New(new)) => Some(new),
        // the block exists all the same
        Ok(_) | Err(_) => None,
    })
}

/// Waits until so much time has passed since then; not at all without a then.
async fn passed(since: Option<Instant>, time: Duration) {
    if let Some(since) = since {
        tokio::time::sleep(time.saturating_sub(since.elapsed())).await;
    }
}
