//! Doing what the core orders.

use super::NodeEvent;
use super::checks;
use super::checks::Checked;
use super::committer::{Order, Report};
use super::driver::Driver;
use super::refusal::status_of;
use crate::workers::{Full, Lane};
use selvedge_core::{ChannelId, CloseReason, ConnectionId, Event, Input, Output, Reject};
use selvedge_proto::envelope::ContentKind;
use std::sync::Arc;

impl Driver {
    /// Does one thing the core ordered, or starts it.
    pub(super) fn execute(&mut self, output: Output) {
        match output {
            Output::Dial { connection, endpoint } => {
                let timeout = self.settings.gossip.dial_timeout;
                let dial = self.transport.dial(connection, &endpoint, timeout);
                self.dials.insert(connection, dial);
            }
            Output::Send { connection, envelope, priority } => {
                if let Some(connection) = self.connections.get(&connection) {
                    let _ = connection.push(envelope.bytes().clone(), priority);
                }
            }
            Output::Close { connection, reason } => self.close(connection, reason),
            Output::Sign { ticket, message } => {
                let signer = self.settings.local.signer().clone();
                let failed = Input::Signed { ticket, signature: None };
                self.submit(Lane::Urgent, failed, move || checks::sign(&signer, ticket, &message));
            }
            Output::CheckIdentity { ticket, identity } => {
                let verifier = Arc::clone(&self.verifier);
                let failed = Input::IdentityChecked { ticket, claims: None };
                let peers_only = self.settings.require_peer_role;
                self.submit(Lane::Urgent, failed, move || {
                    checks::check_identity(&verifier, ticket, &identity, peers_only)
                });
            }
            Output::Verify { ticket, identity, signed, secret, readers_of } => {
                let verifier = Arc::clone(&self.verifier);
                let failed = Input::Verified { ticket, ok: false };
                self.submit(Lane::Bulk, failed, move || {
                    checks::verify(
                        &verifier,
                        ticket,
                        &identity,
                        &signed,
                        secret.as_ref(),
                        readers_of.as_ref(),
                    )
                });
            }
            Output::VerifyBlock { ticket, channel, number, block } => {
                let verifier = Arc::clone(&self.verifier);
                let failed = Input::BlockVerified { ticket, block: None };
                self.submit(Lane::Bulk, failed, move || {
                    checks::verify_block(&verifier, ticket, &channel, number, &block)
                });
            }
            Output::ReadBlocks { ticket, channel, first, last, bytes_max } => {
                self.read_blocks(ticket, &channel, first, last, bytes_max);
            }
            Output::Commit { channel, number, block } => {
                if let Some(joined) = self.channels.get_mut(&channel) {
                    let verified_under = joined.verified_under.remove(&number);
                    joined.committer.order(Order::Append { number, bytes: block, verified_under });
                }
            }
            Output::Mend { channel, number, block } => {
                if let Some(joined) = self.channels.get(&channel) {
                    joined.committer.order(Order::Mend { number, bytes: block });
                }
            }
            Output::HoldDelivery { channel, hold } => {
                if let Some(delivery) =
                    self.channels.get(&channel).and_then(|joined| joined.delivery.as_ref())
                {
                    delivery.hold.send_replace(hold);
                }
            }
            Output::Event(event) => self.on_event(event),
        }
    }

    fn submit(&mut self, lane: Lane, failed: Input, work: impl FnOnce() -> Checked + Send + 'static) {
        if let Err(Full(failed)) = self.workers.submit(lane, failed.into(), work) {
            // every ticket is answered, or what it stands for would be waited for without end
            self.overflowed.push_back(failed.input);
        }
    }

    fn read_blocks(
        &mut self,
        ticket: selvedge_core::Ticket,
        channel: &ChannelId,
        first: u64,
        last: u64,
        bytes_max: usize,
    ) {
        let failed = Input::BlocksRead { ticket, blocks: Vec::new() };
        let Some(joined) = self.channels.get(channel) else {
            self.overflowed.push_back(failed);
            return;
        };
        let (reader, channel) = (joined.reader.clone(), channel.clone());
        let report = self.report.clone();
        self.submit(Lane::Bulk, failed, move || {
            let read = reader.read_intact(first..=last, bytes_max);
            if reader.damage().iter().any(|damage| damage.first <= last && first <= damage.last) {
                let _ = report.send((channel.clone(), Report::Damaged));
            }
            let blocks = match read {
                Ok(blocks) => blocks,
                Err(reason) => {
                    let _ = report.send((channel, Report::Unread { reason }));
                    Vec::new()
                }
            };
            let blocks = blocks.into_iter().map(|block| (block.number, block.bytes)).collect();
            Input::BlocksRead { ticket, blocks }.into()
        });
    }

    fn close(&mut self, id: ConnectionId, reason: CloseReason) {
        if let Some(dial) = self.dials.remove(&id) {
            dial.cancel();
        }
        if let Some(connection) = self.connections.remove(&id) {
            let remote = connection.remote_address();
            let status = status_of(reason, remote);
            if matches!(reason, CloseReason::Handshake(_) | CloseReason::HandshakeTimeout) {
                let text = status.message();
                // counted by address: the port is another each time
                self.complaints.handshake(&format!("handshake with {} refused: {reason:?}", remote.ip()), |again| {
                    tracing::warn!(target: "gossip.comm", "handshake with {remote} refused: {text}{again}");
                });
            }
            connection.close(status);
        }
    }

    fn on_event(&mut self, event: Event) {
        match &event {
            Event::Connected { connection, pki_id, org } => {
                if let Some(connection) = self.connections.get(connection) {
                    connection.authenticated();
                    tracing::info!(target: "gossip.comm", "connected to {} ({org}, {pki_id:?})", connection.remote_address());
                }
            }
            Event::Disconnected { pki_id, .. } => {
                tracing::info!(target: "gossip.comm", "connection to {pki_id:?} ended");
            }
            Event::MemberAlive { pki_id, org, endpoint } => {
                tracing::info!(target: "gossip.discovery", "{endpoint} ({org}, {pki_id:?}) is alive");
            }
            Event::MemberDead { pki_id } => {
                tracing::warn!(target: "gossip.discovery", "{pki_id:?} is dead: silent or unreachable");
            }
            Event::MemberForgotten { pki_id } => {
                tracing::info!(target: "gossip.discovery", "{pki_id:?} is forgotten");
            }
            Event::IdentityInUse { endpoint } => {
                tracing::error!(
                    target: "gossip.discovery",
                    "another node uses this node's identity at {endpoint}: give each node a certificate of its own"
                );
            }
            Event::DeliveryRefused { channel, number } => {
                if let Some(joined) = self.channels.get_mut(channel) {
                    joined.on_delivery_refused(*number);
                }
            }
            Event::Rejected { from, kind, reason } => self.log_refusal(*from, *kind, *reason),
            _ => tracing::debug!(target: "gossip.gossip", "{event:?}"),
        }
        let _ = self.events.send(NodeEvent::Gossip(event));
    }

    /// What does not fit is normal in gossip; what is malformed or misbehaves is the operator's business.
    fn log_refusal(&self, from: Option<selvedge_core::PkiId>, kind: ContentKind, reason: Reject) {
        // a refused handshake is told of with the address it came from
        if matches!(reason, Reject::Unfitting(_)) || from.is_none() && kind == ContentKind::Conn {
            tracing::trace!(target: "gossip.gossip", "{kind} from {from:?} refused: {reason}");
        } else {
            self.complaints.message(&format!("{kind} from {from:?} refused: {reason}"));
        }
    }
}
