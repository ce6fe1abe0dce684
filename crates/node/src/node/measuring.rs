//! Metrics, health and readiness of a running node.

use super::{ChannelStatus, NodeEvent, NodeHandle, NodeStatus};
use crate::metrics::Metrics;
use crate::operations::Checks;
use selvedge_core::{BlockSource, ConnectionId, Event, Reject};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::{broadcast, watch};
use tokio::task::JoinHandle;

/// How often counters and gauges that no event announces are brought up to date.
const PERIOD: Duration = Duration::from_secs(2);
/// Blocks behind the greatest height of living members from which on a node is not ready.
const LAG_MAX: u64 = 100;

/// Keeps metrics and checks true until the node stops: heights with each event, the rest every [`PERIOD`].
pub(super) fn start(
    handle: NodeHandle,
    events: broadcast::Receiver<NodeEvent>,
    metrics: Metrics,
    health: &Checks,
    ready: &Checks,
) -> JoinHandle<()> {
    let (publish, seen) = watch::channel(None::<NodeStatus>);
    let of_health = seen.clone();
    health.register("ledger", move || halted(of_health.borrow().as_ref()));
    ready.register("channels", move || lagging(seen.borrow().as_ref()));
    tokio::spawn(measure(handle, events, metrics, publish))
}

fn channels(status: Option<&NodeStatus>) -> Result<&[ChannelStatus], String> {
    status.map(|status| status.channels.as_slice()).ok_or_else(|| "the node is starting".to_owned())
}

fn halted(status: Option<&NodeStatus>) -> Result<(), String> {
    let Ok(channels) = channels(status) else { return Ok(()) };
    match channels.iter().find_map(|channel| Some((channel, channel.halted.as_ref()?))) {
        Some((channel, reason)) => Err(format!("nothing is written to {}: {reason}", channel.channel)),
        None => Ok(()),
    }
}

fn lagging(status: Option<&NodeStatus>) -> Result<(), String> {
    for channel in channels(status)? {
        let greatest = greatest_height(channel);
        if channel.height.saturating_add(LAG_MAX) < greatest {
            return Err(format!("{} has height {} of {greatest}", channel.channel, channel.height));
        }
    }
    Ok(())
}

fn greatest_height(channel: &ChannelStatus) -> u64 {
    channel.heights.iter().map(|(_, height)| *height).max().unwrap_or(0)
}

async fn measure(
    handle: NodeHandle,
    mut events: broadcast::Receiver<NodeEvent>,
    metrics: Metrics,
    publish: watch::Sender<Option<NodeStatus>>,
) {
    let mut period = tokio::time::interval(PERIOD);
    period.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut directions = BTreeMap::new();
    loop {
        tokio::select! {
            event = events.recv() => match event {
                Ok(event) => count(&metrics, &mut directions, event),
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return,
            },
            _ = period.tick() => match handle.status().await {
                Ok(status) => {
                    show(&metrics, &status);
                    publish.send_replace(Some(status));
                }
                Err(_) => return,
            },
        }
    }
}

fn count(metrics: &Metrics, directions: &mut BTreeMap<ConnectionId, &'static str>, event: NodeEvent) {
    match event {
        NodeEvent::Committed { channel, height, took } => {
            metrics.gossip.commit_duration.channel(&channel).observe(took);
            metrics.ledger.blockstorage_commit_time.channel(&channel).observe(took);
            show_height(metrics, &channel, height);
        }
        NodeEvent::Mended { channel, .. } => {
            metrics.selvedge.blocks_mended.channel(&channel).add(1);
        }
        NodeEvent::Gossip(Event::BlockAccepted { channel, source, .. }) => {
            let source = match source {
                BlockSource::Orderer => "orderer",
                BlockSource::Push => "push",
                BlockSource::Pull => "pull",
                BlockSource::Transfer => "transfer",
            };
            metrics.selvedge.blocks_received.with([&channel, source]).add(1);
        }
        NodeEvent::Gossip(Event::Connected { connection, .. }) => {
            let direction = if connection.is_dialed() { "outbound" } else { "inbound" };
            directions.insert(connection, direction);
            metrics.selvedge.connections.with([direction]).increment();
        }
        NodeEvent::Gossip(Event::Disconnected { connection, .. }) => {
            if let Some(direction) = directions.remove(&connection) {
                metrics.selvedge.connections.with([direction]).decrement();
            }
        }
        _ => {}
    }
}

fn show_height(metrics: &Metrics, channel: &str, height: u64) {
    metrics.gossip.state_height.channel(channel).set(height);
    metrics.ledger.blockchain_height.channel(channel).set(height);
}

fn show(metrics: &Metrics, status: &NodeStatus) {
    metrics.gossip.messages_received.advance_to(status.received_count);
    metrics.gossip.messages_sent.advance_to(status.sent_count);
    metrics.gossip.overflow_count.advance_to(status.stats.overflow_count + status.overflow_count);
    metrics.grpc.connections_opened.advance_to(status.accepted_count);
    metrics.grpc.connections_closed.advance_to(status.accepted_count.saturating_sub(status.open_count));
    metrics.selvedge.signatures_made.advance_to(status.stats.sign_count);
    metrics.selvedge.queue_length.with(["verify"]).set(status.checks_outstanding as u64);
    for ((kind, reason), count) in &status.stats.rejected {
        metrics.selvedge.messages_rejected.with([kind.name(), &label(*reason)]).advance_to(*count);
    }
    for channel in &status.channels {
        let name = channel.channel.as_str();
        show_height(metrics, name, channel.height);
        metrics.gossip.total_peers_known.channel(name).set(channel.alive_count);
        metrics.gossip.payload_buffer_size.channel(name).set(channel.buffered_count as u64);
        metrics.selvedge.blocks_damaged.channel(name).set(channel.damaged_count);
        metrics.selvedge.highest_height_known.channel(name).set(greatest_height(channel));
        for (reason, count) in &channel.orderer_stream_ends {
            metrics.selvedge.orderer_stream_ends.with([name, reason]).advance_to(*count);
        }
    }
}

/// A reason as a label: `Unfitting(ChannelUnknown)` is `unfitting_channel_unknown`.
fn label(reason: Reject) -> String {
    let mut label = String::new();
    for letter in format!("{reason:?}").chars() {
        if !letter.is_ascii_alphanumeric() {
            continue;
        }
        if letter.is_ascii_uppercase() && !label.is_empty() {
            label.push('_');
        }
        label.push(letter.to_ascii_lowercase());
    }
    label
}

#[cfg(test)]
mod tests {
    use super::*;
    use selvedge_core::{Misbehaviour, Unfitting};

    #[test]
    fn reasons_are_labels() {
        assert_eq!(label(Unfitting::ChannelUnknown.into()), "unfitting_channel_unknown");
        assert_eq!(label(Misbehaviour::NotEntitled.into()), "misbehaviour_not_entitled");
        assert_eq!(label(Reject::OverLimit), "over_limit");
    }
}
