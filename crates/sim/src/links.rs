//! What lies between two hosts.

use core::time::Duration;

/// So often at most a frame is lost one time after the other.
const LOSSES_MAX: u32 = 8;

/// The way from one host to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Shortest time a frame is on its way.
    pub latency: Duration,
    /// By how much it can be longer.
    pub jitter: Duration,
}

/// The network: links by the sites that they connect, and what every connection has in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Links {
    /// Links by the places of both sites; what is missing is as the first.
    pub between_sites: Vec<Vec<Link>>,
    /// Bytes a second that a host's card sends.
    pub card_bytes_per_second: u64,
    /// Bytes that a frame takes on the wire beyond its envelope: gRPC, HTTP/2, TLS, TCP, IP.
    pub frame_overhead_bytes: usize,
    /// Bytes under way on a connection that the other end has not read. Beyond, frames wait.
    pub window_bytes: usize,
    /// Frames that wait for one connection. Beyond, the oldest of the least dear kind is lost.
    pub waiting_count_max: usize,
    /// Bytes of such frames.
    pub waiting_bytes_max: usize,
    /// After this time both ends notice that a connection over a broken link is dead.
    pub keepalive: Duration,
    /// How likely a frame is lost and sent again, and again, until it arrives: in millionths.
    pub loss_per_million: u32,
    /// How long the sender waits before it sends a lost frame again; twice as long each further time.
    pub retransmission: Duration,
    /// How likely a frame ends its connection, as some box on the way may do: in millionths.
    pub reset_per_million: u32,
}

impl Default for Links {
    fn default() -> Self {
        let link = Link { latency: Duration::from_micros(200), jitter: Duration::from_micros(100) };
        Self {
            between_sites: vec![vec![link]],
            card_bytes_per_second: 1_250_000_000,
            frame_overhead_bytes: 110,
            window_bytes: 1 << 20,
            waiting_count_max: 2048,
            waiting_bytes_max: 16 << 20,
            keepalive: Duration::from_secs(20),
            loss_per_million: 0,
            retransmission: Duration::from_millis(200),
            reset_per_million: 0,
        }
    }
}

impl Links {
    /// The link from one site to another.
    pub fn between(&self, from: usize, to: usize) -> Link {
        let row = self.between_sites.get(from).or_else(|| self.between_sites.first());
        let link = row.and_then(|row| row.get(to).or_else(|| row.first()));
        link.copied().unwrap_or(Link { latency: Duration::ZERO, jitter: Duration::ZERO })
    }

    /// How much later a frame arrives because it was lost, perhaps more than once.
    pub(crate) fn retransmissions(&self, rng: &mut fastrand::Rng) -> Duration {
        let mut later = Duration::ZERO;
        let mut wait = self.retransmission;
        // TCP would give up in the end
        for _ in 0..LOSSES_MAX {
            if rng.u32(0..1_000_000) >= self.loss_per_million {
                break;
            }
            later += wait;
            wait *= 2;
        }
        later
    }

    /// How long a card needs for a frame.
    pub fn time_on_card(&self, bytes: usize) -> Duration {
        Duration::from_nanos(bytes as u64 * 1_000_000_000 / self.card_bytes_per_second.max(1))
    }
}
