//! Plain counters; the caller exports them.

use crate::reject::Reject;
use selvedge_proto::envelope::ContentKind;
use std::collections::BTreeMap;

/// Counters since the start of the peer; all grow only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Envelopes received after the handshake.
    pub received_count: u64,
    /// Envelopes handed out for sending.
    pub sent_count: u64,
    /// Envelopes that waited for a dial and were dropped.
    pub overflow_count: u64,
    /// Envelopes for a peer that could not be reached, or that could not be signed.
    pub unsent_count: u64,
    /// Signature checks ordered.
    pub verify_count: u64,
    /// Identity checks ordered.
    pub identity_check_count: u64,
    /// Block checks ordered.
    pub block_verify_count: u64,
    /// Signatures ordered.
    pub sign_count: u64,
    /// Leadership messages of others, which this peer takes no part in.
    pub leadership_ignored_count: u64,
    /// Pushed messages, counted once for each receiver.
    pub pushed_count: u64,
    /// Messages refused, by content and reason.
    pub rejected: BTreeMap<(ContentKind, Reject), u64>,
}
