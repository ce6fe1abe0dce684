//! Every setting and bound of the transport, each with what happens at the bound.

use std::time::Duration;

/// Settings of a [`Transport`](super::Transport); the defaults are Fabric's where Fabric has the setting (spec/02 §1, §3).
#[derive(Clone, Debug)]
pub struct Settings {
    /// Largest gRPC message, received or sent. A larger one received ends its stream with ResourceExhausted; a larger one
    /// pushed is dropped and counted.
    pub message_bytes_max: usize,
    /// Largest message of a stream on which nobody has authenticated yet (spec/02 W-8); beyond, as above.
    pub first_message_bytes_max: usize,
    /// Limit for TCP accept, TLS and HTTP/2 preface together; beyond, the connection is dropped.
    pub setup_timeout: Duration,
    /// Once a connection has had no stream for this long (at most twice this long) it is shut down with GOAWAY.
    pub idle_timeout: Duration,
    /// How long what was pushed before a close may take to leave; then the connection is cut.
    pub drain_timeout: Duration,
    /// Silence after which the accepting side sends a keepalive PING.
    pub server_keepalive_interval: Duration,
    /// How long the accepting side waits for the answer to its PING.
    pub server_keepalive_timeout: Duration,
    /// Silence after which the dialling side sends a keepalive PING; raised to [`CLIENT_KEEPALIVE_MIN`] if lower.
    pub client_keepalive_interval: Duration,
    /// How long the dialling side waits for the answer to its PING.
    pub client_keepalive_timeout: Duration,
    /// Envelopes waiting to be sent on one connection. Beyond, the least dear goes (see [`Priority`](selvedge_core::Priority)).
    pub send_count_max: usize,
    /// Bytes of envelopes waiting to be sent on one connection; beyond, as above. A larger envelope is taken alone.
    pub send_bytes_max: usize,
    /// Frames of one connection that were delivered and whose [`FramePermit`](super::FramePermit) lives. Beyond, the
    /// connection is not read, which its sender feels as HTTP/2 back-pressure.
    pub receive_count_max: usize,
    /// Bytes of such frames; beyond, as above. A larger frame is delivered alone.
    pub receive_bytes_max: usize,
    /// Bytes of all large messages (over 256 KiB) that are being received or were delivered, over all connections.
    /// Beyond, the stream whose message would grow ends with ResourceExhausted.
    pub large_bytes_max: usize,
    /// Accepted TCP connections. Beyond, a newcomer is dropped at once and counted.
    pub connections_max: usize,
    /// Accepted TCP connections from one address; beyond, as above.
    pub connections_per_address_max: usize,
    /// Accepted TCP connections that have not sent their HTTP/2 preface; beyond, as above.
    pub setups_max: usize,
    /// Concurrent streams of one accepted connection; beyond, HTTP/2 refuses the stream.
    pub streams_per_connection_max: u32,
    /// Events waiting for the owner; beyond, connections are not read.
    pub events_max: usize,
    /// HTTP/2 receive window of a stream: what a sender may have under way, and what is held for a stream nobody reads.
    pub stream_window_bytes: u32,
    /// HTTP/2 receive window of a connection, over all its streams.
    pub connection_window_bytes: u32,
}

/// Go peers close a connection whose client pings more often (`peer.keepalive.minInterval`, spec/02 §1).
pub const CLIENT_KEEPALIVE_MIN: Duration = Duration::from_secs(60);

impl Default for Settings {
    fn default() -> Self {
        Self {
            message_bytes_max: 100 << 20,
            first_message_bytes_max: 64 << 10,
            setup_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(600),
            drain_timeout: Duration::from_secs(2),
            server_keepalive_interval: Duration::from_secs(2 * 3600),
            server_keepalive_timeout: Duration::from_secs(20),
            client_keepalive_interval: Duration::from_secs(60),
            client_keepalive_timeout: Duration::from_secs(20),
            send_count_max: 200,
            send_bytes_max: 32 << 20,
            receive_count_max: 64,
            receive_bytes_max: 4 << 20,
            large_bytes_max: 512 << 20,
            connections_max: 4352,
            connections_per_address_max: 1024,
            setups_max: 256,
            streams_per_connection_max: 100,
            events_max: 1024,
            stream_window_bytes: 1 << 20,
            connection_window_bytes: 1 << 20,
        }
    }
}

impl Settings {
    /// The client's keepalive interval, never below what a Go peer tolerates.
    pub(super) fn client_keepalive(&self) -> Duration {
        self.client_keepalive_interval.max(CLIENT_KEEPALIVE_MIN)
    }
}
