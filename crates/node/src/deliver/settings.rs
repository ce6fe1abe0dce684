//! What a client needs to know.

use super::{BackOff, CensorshipSettings, EndpointOverride};
use crate::transport::TlsHandle;
use bytes::Bytes;
use selvedge_msp::Signer;
use std::time::Duration;

/// Settings of a [`DeliverClient`](super::DeliverClient).
#[derive(Clone, Debug)]
pub struct DeliverSettings {
    /// The channel.
    pub channel: String,
    /// The own serialised identity; it must satisfy `/Channel/Readers`.
    pub identity: Bytes,
    /// Signs the requests with that identity's key.
    pub signer: Signer,
    /// The node's certificates; `None` if TLS is off. Whom to trust comes with each endpoint.
    pub tls: Option<TlsHandle>,
    /// `peer.deliveryclient.addressOverrides`.
    pub overrides: Vec<EndpointOverride>,
    /// `peer.deliveryclient.connTimeout`: for name resolution, TCP and TLS together.
    pub connect_timeout: Duration,
    /// Pauses between attempts.
    pub backoff: BackOff,
    /// Bytes of blocks that were handed on and not yet taken; beyond, the stream is not read. A larger block is taken alone.
    pub queue_bytes_max: usize,
    /// Leave an orderer that withholds blocks, on channels of consensus type `BFT`; `None` to trust it.
    pub censorship: Option<CensorshipSettings>,
    /// Seed for the order in which orderers are asked.
    pub seed: u64,
}

impl DeliverSettings {
    /// Fabric's defaults; TLS off, no overrides, no watch for withheld blocks.
    pub fn new(channel: String, identity: Bytes, signer: Signer, seed: u64) -> Self {
        Self {
            channel,
            identity,
            signer,
            tls: None,
            overrides: Vec::new(),
            connect_timeout: Duration::from_secs(3),
            backoff: BackOff::default(),
            queue_bytes_max: 64 << 20,
            censorship: None,
            seed,
        }
    }
}
